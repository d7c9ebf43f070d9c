package dev

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/dynamolocal"
	"github.com/wirepost/wirepost/internal/eventsource"
)

// invoked keeps what was invoked, by whom and with what.
type invoked struct {
	mu    sync.Mutex
	calls map[string]string
	more  chan struct{}
}

func (v *invoked) function(logicalID, cause string, asynchronous bool) eventsource.Function {
	if asynchronous {
		cause += ", asynchronously"
	}
	return functionOf(func(_ context.Context, payload []byte) ([]byte, error) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.calls[logicalID+" by "+cause] += string(payload)
		select {
		case v.more <- struct{}{}:
		default:
		}
		return nil, nil
	})
}

// oneMessage is a server of SQS that has one message, until it is deleted.
func oneMessage(t *testing.T) *httptest.Server {
	var mu sync.Mutex
	taken := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), "/000000000000/orders-q") {
			t.Errorf("%s is of another queue: %s", operation, body)
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case operation == "GetQueueAttributes":
			io.WriteString(w, `{"Attributes":{"VisibilityTimeout":"30"}}`)
		case operation == "ReceiveMessage" && !taken:
			taken = true
			io.WriteString(w, `{"Messages":[{"MessageId":"m1","ReceiptHandle":"r1","Body":"hello","MD5OfBody":"5d41"}]}`)
		default:
			io.WriteString(w, `{}`)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func sourcesOf(a *app.App, c Config, engines map[app.SourceKind]string) (*sources, *invoked, *reported) {
	said, calls := &reported{}, &invoked{calls: map[string]string{}, more: make(chan struct{}, 1)}
	c.Report, c.Region = said, "us-east-1"
	return &sources{
		c: &c, app: &resolution{app: a}, engine: func(kind app.SourceKind) string { return engines[kind] },
		queueURL: func(name string) string { return engines[app.SQSQueue] + "/000000000000/" + name }, function: calls.function,
	}, calls, said
}

func TestSourcesThatDoNotRunAreALineEachKind(t *testing.T) {
	at := app.Position{File: "t.yaml", Line: 3}
	a := &app.App{
		Functions: []app.Function{{LogicalID: "Work"}, {LogicalID: "Broken", Unrunnable: &app.Unrunnable{}}},
		Queues:    []app.Queue{{LogicalID: "Orders", Name: "orders-q"}},
		Tables:    []app.Table{{LogicalID: "Rows", Name: "rows", Stream: "NEW_IMAGE"}, {LogicalID: "Plain", Name: "plain"}},
		Sources: []app.Source{
			{Name: "FromOrders", Kind: app.SQSQueue, Function: "Work", From: "Orders", Position: at},
			{Name: "FromOrders2", Kind: app.SQSQueue, Function: "Work", From: "Orders", Position: at},
			{Name: "FromRows", Kind: app.DynamoDBStream, Function: "Work", From: "Rows", Position: at},
			{Name: "Nightly", Kind: app.Scheduled, Function: "Work", Schedule: app.Schedule{Expressions: []string{"rate(1 day)"}}, Position: at},
			{Name: "Wrong", Kind: app.Scheduled, Function: "Work", Schedule: app.Schedule{Expressions: []string{"rate(1 days)"}}, Position: at},
			{Name: "News", Kind: app.SNSTopic, Function: "Work", Position: at},
			{Name: "Other", Kind: app.OtherSource, Function: "Work", Position: at},
			{Name: "Off", Kind: app.OtherSource, Function: "Work", Disabled: true, Position: at},
			{Name: "Said", Kind: app.SQSQueue, Function: "Work", Unrunnable: &app.Unrunnable{}, Position: at},
			{Name: "OfBroken", Kind: app.SQSQueue, Function: "Broken", From: "Orders", Position: at},
		},
	}
	s, _, said := sourcesOf(a, Config{}, nil)
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.stop(t.Context()); err != nil {
		t.Error(err)
	}
	want := `hint: t.yaml:3: event source Wrong cannot be run here: the expression "rate(1 days)" cannot be read: a rule takes day for 1 and days for more
hint: queues invoke nothing, as they are nowhere: FromOrders of function Work, FromOrders2 of function Work; start an engine for them with --sqs local
hint: streams of tables invoke nothing, as the tables are nowhere: FromRows of function Work; start an engine for them with --dynamodb local
hint: schedules do not run: Nightly of function Work; run them with --schedules, or invoke a function once with 'wirepost invoke NAME --event schedule'
hint: t.yaml:3: the SNS topic News of function Work invokes nothing here: 'wirepost invoke Work --event sns' does
hint: t.yaml:3: the other source Other of function Work invokes nothing here: 'wirepost invoke Work --event FILE' does`
	if said.String() != want {
		t.Errorf("it said\n%s\nand should have said\n%s", said, want)
	}

	s, _, _ = sourcesOf(a, Config{Strict: true}, nil)
	if err := s.start(t.Context()); err == nil || !strings.Contains(err.Error(), "event source Wrong cannot be run here") {
		t.Errorf("with Strict it returned %v", err)
	}
}

func TestSourcesWhoseQueueOrTableIsNotTheTemplatesAreSaid(t *testing.T) {
	a := &app.App{
		Functions: []app.Function{{LogicalID: "Work"}},
		Queues:    []app.Queue{{LogicalID: "Bad", Unrunnable: &app.Unrunnable{}}, {LogicalID: "Orders", Name: "orders-q"}},
		Tables:    []app.Table{{LogicalID: "Plain", Name: "plain"}},
	}
	for _, c := range []struct {
		source app.Source
		want   string
	}{
		{app.Source{Kind: app.SQSQueue, ARN: "arn:aws:sqs:x:y:z"}, "its queue is not of this template"},
		{app.Source{Kind: app.SQSQueue, From: "Bad"}, "its queue cannot be made"},
		{app.Source{Kind: app.DynamoDBStream, From: "Rows"}, "its table is not of this template"},
		{app.Source{Kind: app.DynamoDBStream, From: "Plain"}, "its table has no StreamSpecification"},
		{app.Source{Kind: app.SQSQueue, From: "Orders", Batch: app.Batch{Filters: []string{"{"}}}, "filter 1 of 1: the pattern is not JSON"},
		{app.Source{Kind: app.Scheduled, Function: "Elsewhere"}, "its function is not of this template"},
	} {
		c.source.Name = "S"
		if c.source.Function == "" {
			c.source.Function = "Work"
		}
		a.Sources = []app.Source{c.source}
		s, _, said := sourcesOf(a, Config{}, map[app.SourceKind]string{app.SQSQueue: "http://127.0.0.1:1", app.DynamoDBStream: "http://127.0.0.1:1"})
		if err := s.start(t.Context()); err != nil {
			t.Error(err)
		}
		s.stop(t.Context())
		if !strings.Contains(said.String(), "event source S cannot be run here: "+c.want) {
			t.Errorf("%+v: it said %s, without %q", c.source, said, c.want)
		}
	}
}

func TestQueuesStreamsAndSchedulesInvokeTheirFunctions(t *testing.T) {
	tablesAt := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	a := &app.App{
		Functions: []app.Function{{LogicalID: "Work"}},
		Queues:    []app.Queue{{LogicalID: "Orders", Name: "orders-q"}},
		Tables: []app.Table{{LogicalID: "Rows", Name: "sources-rows", Stream: "NEW_IMAGE",
			Keys: []app.Key{{Attribute: "id", Type: "HASH"}}, Attributes: []app.Attribute{{Name: "id", Type: "S"}}}},
		Sources: []app.Source{
			{Name: "FromOrders", Kind: app.SQSQueue, Function: "Work", From: "Orders", ARN: "arn:aws:sqs:us-east-1:000000000000:orders-q"},
			{Name: "FromRows", Kind: app.DynamoDBStream, Function: "Work", From: "Rows", ARN: "arn:aws:dynamodb:us-east-1:000000000000:table/sources-rows/stream/2000-01-01T00:00:00.000"},
			{Name: "Nightly", Kind: app.Scheduled, Function: "Work", Schedule: app.Schedule{Expressions: []string{"rate(1 day)"}, Scheduler: true, Input: `{"from":"schedule"}`}},
		},
	}
	s, calls, said := sourcesOf(a, Config{Schedules: true, Folder: Folder(t.TempDir())}, map[app.SourceKind]string{app.SQSQueue: oneMessage(t).URL, app.DynamoDBStream: tablesAt})
	db := dynamodb.New(dynamodb.Options{Region: "us-east-1", BaseEndpoint: &tablesAt, Credentials: s.server(app.DynamoDBStream).Credentials})
	in := tableInput(a.Tables[0])
	in.StreamSpecification = &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewImage}
	if _, err := db.CreateTable(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the next run of the test makes it again
		db.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: aws.String("sources-rows")})
	})
	if _, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("sources-rows"), Item: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "a"}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	late := time.After(patience)
	for n := 0; n < 3; {
		select {
		case <-calls.more:
		case <-late:
			t.Fatalf("waited %v for three invocations; it said:\n%s", patience, said)
		}
		calls.mu.Lock()
		n = len(calls.calls)
		calls.mu.Unlock()
	}
	if err := s.stop(t.Context()); err != nil {
		t.Error(err)
	}
	for by, want := range map[string]string{
		"Work by queue orders-q":                   `"eventSourceARN":"arn:aws:sqs:us-east-1:000000000000:orders-q"`,
		"Work by stream of table sources-rows":     `"eventSourceARN":"arn:aws:dynamodb:us-east-1:000000000000:table/sources-rows/stream/20`,
		"Work by schedule Nightly, asynchronously": `{"from":"schedule"}`,
	} {
		if got := calls.calls[by]; !strings.Contains(got, want) || !json.Valid([]byte(got)) {
			t.Errorf("%s: %s, without %s", by, got, want)
		}
	}
	if said.String() != "" {
		t.Errorf("it said %s", said)
	}
}
