package dev

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/hint"
)

// tables is the part that has the tables of an app. It never deletes one.
type tables struct {
	c     *Config
	app   *resolution
	store *store
	nothingToStop

	absent []string // tables that are nowhere
}

func (t *tables) start(ctx context.Context) error {
	a := t.app.app
	if a == nil || len(a.Tables) == 0 {
		return nil
	}
	if t.c.DynamoDB == "" {
		t.sayAbsent(a)
		return nil
	}
	return t.create(ctx, a)
}

// sayAbsent reports that the tables do not exist: a function that needs one would fail
// in its own way.
func (t *tables) sayAbsent(a *app.App) {
	for _, table := range a.Tables {
		t.absent = append(t.absent, table.Name)
	}
	t.c.Report.Hint(fmt.Sprintf("the template's tables are not there: %s; name a DynamoDB server with --dynamodb, such as http://127.0.0.1:8000", strings.Join(t.absent, ", ")))
	if slices.ContainsFunc(a.Functions, func(f app.Function) bool { return t.lends(f.Env["WIREPOST_STORE"]) }) {
		t.c.Report.Hint("functions whose WIREPOST_STORE is such a table get the store below instead")
	}
}

// lends reports whether a store is a table of the app that is nowhere: its functions
// get the store of the dev instead.
func (t *tables) lends(store string) bool {
	table, _, _ := strings.Cut(strings.TrimPrefix(store, "dynamodb://"), "?")
	return strings.HasPrefix(store, "dynamodb://") && slices.Contains(t.absent, table)
}

// tablesTime bounds the creation of the app's tables.
const tablesTime = time.Minute

// create creates the tables that are not there, with the functions' own key and region.
func (t *tables) create(ctx context.Context, a *app.App) error {
	ctx, cancel := context.WithTimeout(ctx, tablesTime)
	defer cancel()
	db := dynamodb.New(dynamodb.Options{Region: t.c.Region, BaseEndpoint: &t.c.DynamoDB, HTTPClient: &http.Client{Transport: boundedTransport(), CheckRedirect: stay},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			pair := gateway.DevelopmentCredentials()
			return aws.Credentials{AccessKeyID: pair.AccessKeyID, SecretAccessKey: pair.SecretAccessKey}, nil
		})})
	for _, table := range a.Tables {
		if table.Unrunnable != nil { // it has been said
			continue
		}
		_, err := db.CreateTable(ctx, tableInput(table))
		var there *types.ResourceInUseException
		refused, ok := errors.AsType[smithy.APIError](err)
		switch {
		case errors.As(err, &there):
			continue // of an earlier run
		case ok && refused.ErrorCode() == "ValidationException" && !t.c.Strict: // AWS would refuse it, too
			t.c.Report.Hint(fmt.Sprintf("%s: table %s cannot be created at %s: %s", table.Position, table.Name, t.c.DynamoDB, cause(err)))
			continue
		case err != nil:
			return hint.New(fmt.Errorf("%s: create table %s at %s: %s", table.Position, table.Name, t.c.DynamoDB, cause(err)), "start the DynamoDB server, or leave --dynamodb out")
		}
		if err := dynamodb.NewTableExistsWaiter(db).Wait(ctx, &dynamodb.DescribeTableInput{TableName: &table.Name}, tablesTime); err != nil {
			return fmt.Errorf("%s: create table %s at %s: %s", table.Position, table.Name, t.c.DynamoDB, cause(err))
		}
		t.c.Report.Hint(fmt.Sprintf("created table %s at %s", table.Name, t.c.DynamoDB))
	}
	if url := storeOfFunctions(a, t.c.DynamoDB); url != "" && t.store.asked() == "" {
		t.c.Report.Hint(fmt.Sprintf("the functions keep their connections in %s; the commands in this folder look there", url))
		return t.c.Folder.keepStoreURL(url)
	}
	return nil
}

// storeOfFunctions is the table that the template gives its functions for a store, on
// this server.
func storeOfFunctions(a *app.App, server string) string {
	for _, f := range a.Functions {
		if store := f.Env["WIREPOST_STORE"]; strings.HasPrefix(store, "dynamodb://") {
			separator := "?"
			if strings.Contains(store, "?") {
				separator = "&"
			}
			return store + separator + "endpoint=" + server
		}
	}
	return ""
}

func tableInput(t app.Table) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{TableName: &t.Name, BillingMode: types.BillingModePayPerRequest, KeySchema: schemaOf(t.Keys)}
	for _, a := range t.Attributes {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String(a.Name), AttributeType: types.ScalarAttributeType(a.Type)})
	}
	projection := func(i app.Index) *types.Projection {
		return &types.Projection{ProjectionType: types.ProjectionType(cmp.Or(i.Projection, "ALL")), NonKeyAttributes: i.NonKey}
	}
	for _, i := range t.Global {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{IndexName: aws.String(i.Name), KeySchema: schemaOf(i.Keys), Projection: projection(i)})
	}
	for _, i := range t.Local {
		in.LocalSecondaryIndexes = append(in.LocalSecondaryIndexes, types.LocalSecondaryIndex{IndexName: aws.String(i.Name), KeySchema: schemaOf(i.Keys), Projection: projection(i)})
	}
	return in
}

func schemaOf(keys []app.Key) (all []types.KeySchemaElement) {
	for _, k := range keys {
		all = append(all, types.KeySchemaElement{AttributeName: aws.String(k.Attribute), KeyType: types.KeyType(k.Type)})
	}
	return all
}

// cause is what AWS's client heard: the service's code and sentence, or the innermost
// error.
func cause(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return strings.TrimSuffix(api.ErrorCode()+": "+api.ErrorMessage(), ": ")
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// boundedTransport is net/http's usual one with a bound for headers. It keeps no
// connection: what it is for asks once.
func boundedTransport() *http.Transport {
	return &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 64 << 10}
}

// stay is the CheckRedirect of a client that follows no redirect.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
