package dev

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	"github.com/wirepost/wirepost/internal/engine"
	"github.com/wirepost/wirepost/internal/hint"
)

// tables is the part that has the tables of an app. It never deletes one.
type tables struct {
	c       *Config
	app     *resolution
	store   *store
	engines *engines
	nothingToStop

	absent []string // tables that are nowhere
}

func (t *tables) start(ctx context.Context) error {
	a := t.app.app
	if a == nil || len(a.Tables) == 0 {
		return nil
	}
	switch {
	case t.c.DynamoDB == "":
		t.sayAbsent(ctx, a)
		return nil
	case t.c.Inherit && t.c.DynamoDB != LocalEngine:
		t.c.Report.Hint(fmt.Sprintf("the template's tables are not created at %s, because functions have your own AWS credentials", t.c.DynamoDB))
	default:
		if err := t.create(ctx, a); err != nil {
			return err
		}
	}
	if url := storeOfFunctions(a, t.engines.tablesURL()); url != "" && t.store.asked() == "" {
		t.c.Report.Hint(fmt.Sprintf("the functions keep their connections in %s; the commands in this folder look there", url))
		return t.c.Folder.keepStoreURL(url)
	}
	return nil
}

// sayAbsent reports that the tables do not exist: a function that needs one would fail
// in its own way.
func (t *tables) sayAbsent(ctx context.Context, a *app.App) {
	for _, table := range a.Tables {
		t.absent = append(t.absent, table.Name)
	}
	cure := "start DynamoDB Local with --dynamodb local, or name a server with --dynamodb URL"
	if isDynamoDB(ctx, usualDynamoDB) {
		cure = fmt.Sprintf("a DynamoDB server answers at %s: use it with --dynamodb %[1]s, or start another with --dynamodb local", usualDynamoDB)
	}
	t.c.Report.Hint(fmt.Sprintf("the template's tables are not there: %s; %s", strings.Join(t.absent, ", "), cure))
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
	at := named(t.c.DynamoDB, engine.DynamoDB)
	db := dynamodb.New(dynamodb.Options{Region: t.c.Region, BaseEndpoint: &t.engines.tables.URL, HTTPClient: serverClient(t.engines.tables),
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
		of := errors.As(err, &there) // of an earlier run
		switch {
		case of || err == nil:
		case ok && refused.ErrorCode() == "ValidationException" && !t.c.Strict: // AWS would refuse it, too
			t.c.Report.Hint(fmt.Sprintf("%s: table %s cannot be created at %s: %s", table.Position, table.Name, at, cause(err)))
			continue
		default:
			return hint.New(fmt.Errorf("%s: create table %s at %s: %s", table.Position, table.Name, at, cause(err)), "start the DynamoDB server, or leave --dynamodb out")
		}
		if err := t.complete(ctx, db, table); err != nil {
			return fmt.Errorf("%s: create table %s at %s: %s", table.Position, table.Name, at, cause(err))
		}
		if !of {
			t.c.Report.Hint(fmt.Sprintf("created table %s at %s", table.Name, at))
		}
		if err := t.fill(ctx, db, table); err != nil {
			return fmt.Errorf("%s: put the template's items into table %s at %s: %s", table.Position, table.Name, at, cause(err))
		}
	}
	return nil
}

// complete waits for a table and gives it what the template says of its rows' end and its
// stream. What it has besides stays: an earlier template may have had it.
func (t *tables) complete(ctx context.Context, db *dynamodb.Client, table app.Table) error {
	is, err := dynamodb.NewTableExistsWaiter(db).WaitForOutput(ctx, &dynamodb.DescribeTableInput{TableName: &table.Name}, tablesTime)
	if err != nil {
		return err
	}
	if have := schemaText(is.Table.KeySchema); have != schemaText(schemaOf(table.Keys)) {
		t.c.Report.Hint(fmt.Sprintf("%s: table %s is there with other keys than the template's: %s", table.Position, table.Name, have))
	}
	if stream := is.Table.StreamSpecification; table.Stream != "" && (stream == nil || !aws.ToBool(stream.StreamEnabled)) {
		_, err := db.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: &table.Name, StreamSpecification: streamOf(table)})
		if err := t.without(table, "stream", err); err != nil {
			return err
		}
	}
	if table.TTL == "" {
		return nil
	}
	return t.without(table, "TTL", enableTTL(ctx, db, table))
}

// without reports that a server refuses what some servers do not have: the table is good
// for all else. Other errors are the result.
func (t *tables) without(table app.Table, what string, err error) error {
	if refused, ok := errors.AsType[smithy.APIError](err); ok && !t.c.Strict {
		t.c.Report.Hint(fmt.Sprintf("%s: table %s has no %s at %s: %s", table.Position, table.Name, what, named(t.c.DynamoDB, engine.DynamoDB), cause(refused)))
		return nil
	}
	return err
}

func enableTTL(ctx context.Context, db *dynamodb.Client, table app.Table) error {
	ttl, err := db.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &table.Name})
	if err != nil {
		return err
	}
	if d := ttl.TimeToLiveDescription; d != nil && (d.TimeToLiveStatus == types.TimeToLiveStatusEnabled || d.TimeToLiveStatus == types.TimeToLiveStatusEnabling) {
		return nil
	}
	_, err = db.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{TableName: &table.Name,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &table.TTL, Enabled: aws.Bool(true)}})
	return err
}

func streamOf(t app.Table) *types.StreamSpecification {
	if t.Stream == "" {
		return nil
	}
	return &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewType(t.Stream)}
}

// schemaText is a key for people, such as id (HASH).
func schemaText(keys []types.KeySchemaElement) string {
	var all []string
	for _, k := range keys {
		all = append(all, fmt.Sprintf("%s (%s)", aws.ToString(k.AttributeName), k.KeyType))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// usualDynamoDB is where a DynamoDB server of somebody's is if nothing else was said.
const usualDynamoDB = "http://127.0.0.1:8000"

// isDynamoDB reports whether a server answers as DynamoDB does: an error's type has its
// name. It is asked nothing that it would answer to anybody.
func isDynamoDB(ctx context.Context, server string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server, strings.NewReader("{}"))
	if err != nil {
		return false
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810.ListTables")
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10}, CheckRedirect: stay}).Do(r)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	var e struct {
		Type string `json:"__type"`
	}
	return response.StatusCode >= 400 && json.NewDecoder(io.LimitReader(response.Body, 4<<10)).Decode(&e) == nil && strings.HasPrefix(e.Type, "com.amazon") && strings.Contains(e.Type, "dynamodb")
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
