package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/internal/dynamolocal"
)

func TestASweepOfATableRemovesWhatCutWritesHaveLeft(t *testing.T) {
	server := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	sweepStore(t)
	const table = "swept-by-the-command"
	url := "dynamodb://" + table + "?endpoint=" + server
	t.Setenv("WIREPOST_STORE", url)
	store, err := dynamostore.OpenURL(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.CreateTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-time.Hour)
	if err := store.Put(t.Context(), wirepost.Connection{ID: "CutInHalfAAAAAA=", Endpoint: swept1, User: "alice", Topics: []string{"lobby"}, ConnectedAt: at, ExpiresAt: at.Add(2 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	// Its row goes, as if the connect had been cut before the last write.
	db := dynamodb.New(dynamodb.Options{BaseEndpoint: &server, Region: "us-east-1",
		Credentials: aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "a"}, nil
		})})
	all, err := db.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String(table)})
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range all.Items {
		if p := it["p"].(*types.AttributeValueMemberS).Value; strings.HasPrefix(p, "c") {
			if _, err := db.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String(table), Key: map[string]types.AttributeValue{"p": it["p"], "s": it["s"]}}); err != nil {
				t.Fatal(err)
			}
		}
	}

	for _, c := range []struct{ flag, want string }{
		{"--dry-run", ""},
		{"--json", `{"dryRun":false,"apis":[],"leftovers":2}` + "\n"},
		{"--json=false", ""},
	} {
		if status, stdout, stderr := runCommand(t.Context(), "sweep", c.flag); status != exitDone || stdout != c.want {
			t.Errorf("sweep %s: status %d, %s%s", c.flag, status, stdout, stderr)
		}
	}
}
