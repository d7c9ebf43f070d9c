package main

import (
	"context"
	"fmt"
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

// dynamoDB is AWS's, on a server of a test.
func dynamoDB(server string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{BaseEndpoint: &server, Region: "us-east-1", DisableValidateResponseChecksum: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "a"}, nil
		})})
}

func TestATableOfSomebodyElseIsLeftAloneAndExplained(t *testing.T) {
	server := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	name := fmt.Sprintf("others-%d", time.Now().UnixNano())
	if _, err := dynamoDB(server).CreateTable(t.Context(), &dynamodb.CreateTableInput{TableName: &name,
		KeySchema:             []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
		AttributeDefinitions:  []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeN}},
		ProvisionedThroughput: &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(1), WriteCapacityUnits: aws.Int64(1)},
	}); err != nil {
		t.Fatal(err)
	}
	url := "dynamodb://" + name + "?endpoint=" + server
	for args, want := range map[string][]string{
		"table check": {"ok the table " + name, `its keys are "pk" (N)`, "wirepost: hint: keys cannot be changed, create another table\n",
			"TTL is off", "wirepost: hint: turn it on for the attribute \"x\"\n", "provisioned capacity"},
		"table create":   {"was there already: provisioned, no TTL\n", `its keys are "pk" (N)`},
		"table describe": {"pk (N) alone\n", "billing  provisioned\n", "TTL      off\n", "the stages known in it cannot be read", "hint: 'wirepost table check \"dynamodb://" + name},
		"list":           {"the table has other keys than wirepost's", "hint: 'wirepost table check \"dynamodb://" + name},
		"sweep":          {"the table has other keys than wirepost's"},
	} {
		status, stdout, stderr := runCommand(t.Context(), append(strings.Fields(args), "--store", url)...)
		if status != exitFailed {
			t.Errorf("%s: status %d", args, status)
		}
		for _, w := range want {
			if !strings.Contains(stdout+stderr, w) {
				t.Errorf("%s does not say %q:\n%s%s", args, w, stdout, stderr)
			}
		}
	}
}

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
	db := dynamoDB(server)
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
		{"--json", `{"dryRun":false,"stages":[],"leftovers":2}` + "\n"},
		{"--json=false", ""},
	} {
		if status, stdout, stderr := runCommand(t.Context(), "sweep", c.flag); status != exitDone || stdout != c.want {
			t.Errorf("sweep %s: status %d, %s%s", c.flag, status, stdout, stderr)
		}
	}
}
