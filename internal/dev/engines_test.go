package dev

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/awslocal"
	"github.com/wirepost/wirepost/internal/dynamolocal"
	"github.com/wirepost/wirepost/internal/engine"
)

// engineTools is where scripts/test-needs has installed the engines.
func engineTools(t *testing.T) string {
	t.Helper()
	folder, err := filepath.Abs("../../.tools/cache/wirepost/tools")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.DynamoDBTool(folder); err != nil || engine.Java(t.Context()) == "" {
		const missing = "the engines or Java 17 are not installed: run make test-needs"
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip("skipped: " + missing)
	}
	return folder
}

// stored is an app with a table, queues and a topic.
func stored() *app.App {
	a := described(nil)
	a.Account = "123456789012"
	a.Tables = []app.Table{{LogicalID: "Rows", Name: "rows", Keys: []app.Key{{Attribute: "id", Type: "HASH"}}, Attributes: []app.Attribute{{Name: "id", Type: "S"}}, TTL: "ends", Stream: "NEW_AND_OLD_IMAGES"}}
	a.Queues = []app.Queue{
		{LogicalID: "Jobs", Name: "jobs", Attributes: map[string]string{"VisibilityTimeout": "7", "RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:dead","maxReceiveCount":"3"}`}},
		{LogicalID: "Dead", Name: "dead"},
		{LogicalID: "Ordered", Name: "ordered.fifo", Attributes: map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true"}},
	}
	a.Topics = []app.Topic{{LogicalID: "News", Name: "news", Subscriptions: []app.Subscription{
		{Queue: "Jobs", Attributes: map[string]string{"RawMessageDelivery": "true", "FilterPolicy": `{"kind":["job"]}`}}, {Function: "Fn"}}}}
	return a
}

// tablesClient is AWS's client, which signs as functions do.
func tablesClient(url, region string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{Region: region, BaseEndpoint: &url, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "wirepost", SecretAccessKey: "wirepost"}, nil
	})})
}

func TestWithoutEnginesCallsAreAnsweredAtOnceWithTheFlag(t *testing.T) {
	r := start(t, Config{App: stored()})
	e := partOf[*engines](r.dev)
	url := e.port.url()
	if got, want := strings.Join(e.endpoints(), " "), "AWS_ENDPOINT_URL_DYNAMODB="+url+" AWS_ENDPOINT_URL_DYNAMODB_STREAMS="+url+" AWS_ENDPOINT_URL_SNS="+url+" AWS_ENDPOINT_URL_SQS="+url; got != want {
		t.Errorf("functions have %s, not %s", got, want)
	}
	db := tablesClient(url, "eu-west-1")
	begun := time.Now()
	const calls = 5
	for range calls {
		_, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("rows"), Item: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "1"}}})
		var none *types.ResourceNotFoundException
		if !errors.As(err, &none) || !strings.Contains(none.ErrorMessage(), "table rows is not here") || !strings.Contains(none.ErrorMessage(), "--dynamodb local") {
			t.Fatalf("PutItem returned %v", err)
		}
	}
	if took := time.Since(begun); took > calls*time.Second { // what a refused port costs is retries of 20 ms to 20 s each
		t.Errorf("%d calls took %v", calls, took)
	}
	caller := &caller{server: &awslocal.Backend{URL: url}, region: "eu-west-1", client: http.DefaultClient}
	err := caller.sqs(t.Context(), "SendMessage", map[string]any{"QueueUrl": url + "/123456789012/jobs", "MessageBody": "x"}, nil)
	if err == nil || !strings.Contains(err.Error(), "#QueueDoesNotExist") || !strings.Contains(err.Error(), "queue jobs is not here") || !strings.Contains(err.Error(), "--sqs local") {
		t.Errorf("SendMessage returned %v", err)
	}
	if _, err := caller.createTopic(t.Context(), app.Topic{Name: "news"}); err == nil || !strings.Contains(err.Error(), "<Code>NotFound</Code>") || !strings.Contains(err.Error(), "topic news is not here") {
		t.Errorf("CreateTopic returned %v", err)
	}
	r.await(t, "hint: the template's tables are not there: rows; ")
	r.await(t, "hint: the template's queues and topics are not there: jobs, dead, ordered.fifo, news; ")
	r.await(t, "hint: a function called table rows (PutItem): ")
	r.await(t, "hint: a function called queue jobs (SendMessage): ")
	if _, err := r.end(); err != nil {
		t.Error(err)
	}
	r.await(t, "hint: 5 calls of functions were for table rows, which is not here")
	if n := strings.Count(r.String(), "a function called table rows"); n != 1 {
		t.Errorf("table rows was told %d times", n)
	}
}

func TestTablesQueuesAndTopicsOfAnAppAreMadeAtItsEngines(t *testing.T) {
	c := Config{App: stored(), DynamoDB: LocalEngine, SQS: LocalEngine, Tools: engineTools(t), Folder: folder(t)}
	r := start(t, c)
	r.await(t, "hint: created table rows at DynamoDB Local")
	url := partOf[*engines](r.dev).port.url()
	db := tablesClient(url, "eu-west-1")
	is, err := db.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("rows")})
	if err != nil {
		t.Fatal(err)
	}
	if arn, want := aws.ToString(is.Table.TableArn), "arn:aws:dynamodb:eu-west-1:123456789012:table/rows"; arn != want {
		t.Errorf("the table is %s, not %s", arn, want)
	}
	if s := is.Table.StreamSpecification; s == nil || s.StreamViewType != types.StreamViewTypeNewAndOldImages || !strings.HasPrefix(aws.ToString(is.Table.LatestStreamArn), "arn:aws:dynamodb:eu-west-1:123456789012:table/rows/stream/") {
		t.Errorf("its stream is %+v, %s", s, aws.ToString(is.Table.LatestStreamArn))
	}
	ttl, err := db.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: is.Table.TableArn}) // by its ARN
	if err != nil || ttl.TimeToLiveDescription.TimeToLiveStatus != types.TimeToLiveStatusEnabled || aws.ToString(ttl.TimeToLiveDescription.AttributeName) != "ends" {
		t.Errorf("its TTL is %+v, %v", ttl, err)
	}
	if _, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("rows"), Item: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "kept"}}}); err != nil {
		t.Fatal(err)
	}
	caller := &caller{server: &awslocal.Backend{URL: url}, region: "eu-west-1", client: http.DefaultClient}
	var of struct{ Attributes map[string]string }
	if err := caller.sqs(t.Context(), "GetQueueAttributes", map[string]any{"QueueUrl": url + "/123456789012/jobs", "AttributeNames": []string{"All"}}, &of); err != nil {
		t.Fatal(err)
	}
	if of.Attributes["VisibilityTimeout"] != "7" || !strings.Contains(of.Attributes["RedrivePolicy"], "eu-west-1:123456789012:dead") || of.Attributes["QueueArn"] != "arn:aws:sqs:eu-west-1:123456789012:jobs" {
		t.Errorf("the queue has %v", of.Attributes)
	}
	arn, err := caller.createTopic(t.Context(), app.Topic{Name: "news"})
	if err != nil || arn != "arn:aws:sns:eu-west-1:123456789012:news" {
		t.Errorf("the topic is %s, %v", arn, err)
	}
	for _, kind := range []string{"other", "job"} {
		if err := caller.sns(t.Context(), map[string][]string{"Action": {"Publish"}, "TopicArn": {arn}, "Message": {"of " + kind},
			"MessageAttributes.entry.1.Name": {"kind"}, "MessageAttributes.entry.1.Value.DataType": {"String"}, "MessageAttributes.entry.1.Value.StringValue": {kind}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := receive(t, caller, url+"/123456789012/jobs"); got != "of job" {
		t.Errorf("the queue has got %q of the topic", got)
	}
	if _, err := r.end(); err != nil {
		t.Error(err)
	}

	// The next dev in the folder has the rows, and one in another folder has not.
	again := start(t, c)
	got, err := tablesClient(partOf[*engines](again.dev).port.url(), "eu-west-1").Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("rows")})
	if err != nil || len(got.Items) != 1 {
		t.Errorf("after a restart there is %v, %v", got, err)
	}
	c.Folder, c.SQS = folder(t), ""
	other := start(t, c)
	got, err = tablesClient(partOf[*engines](other.dev).port.url(), "eu-west-1").Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("rows")})
	if err != nil || len(got.Items) != 0 {
		t.Errorf("another folder has %v, %v", got, err)
	}
	if strings.Contains(again.String()+other.String(), "is not here") {
		t.Error("something is missing")
	}
}

// receive is the body of one message, or empty.
func receive(t *testing.T, caller *caller, queue string) string {
	t.Helper()
	var got struct{ Messages []struct{ Body string } }
	if err := caller.sqs(t.Context(), "ReceiveMessage", map[string]any{"QueueUrl": queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 5}, &got); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range got.Messages {
		all = append(all, m.Body)
	}
	return strings.Join(all, ", ")
}

// dynalite has neither streams nor TTL.
func TestATableIsMadeWithoutWhatItsServerDoesNotHave(t *testing.T) {
	server := dynamolocal.Start(t, dynamolocal.Dynalite)
	a := stored()
	a.Tables[0].Name = "at-dynalite"
	a.Functions = []app.Function{{LogicalID: "Fn", Env: map[string]string{"WIREPOST_STORE": "dynamodb://at-dynalite"}}}
	where := folder(t)
	r := start(t, Config{App: a, DynamoDB: server, Folder: where})
	if got, want := where.StoreURL(), "dynamodb://at-dynalite?endpoint="+server; got != want {
		t.Errorf("the commands look at %s, and after the dev has ended there is only %s", got, want)
	}
	r.await(t, "hint: created table at-dynalite at "+server)
	if !strings.Contains(r.String(), "table at-dynalite has no TTL at "+server) {
		t.Error("that it has no TTL is not said")
	}
	if _, err := tablesClient(partOf[*engines](r.dev).port.url(), "eu-west-1").Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("at-dynalite")}); err != nil {
		t.Error(err)
	}
}

func TestAnEngineThatEndsIsTold(t *testing.T) {
	r := start(t, Config{App: stored(), SQS: LocalEngine, Tools: engineTools(t)})
	e := partOf[*engines](r.dev)
	if err := e.started[0].Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.await(t, "problem: fauxqs has ended, and functions that call it fail: ")
	caller := &caller{server: &awslocal.Backend{URL: e.port.url()}, region: "eu-west-1", client: http.DefaultClient}
	err := caller.sqs(t.Context(), "SendMessage", map[string]any{"QueueUrl": e.port.url() + "/123456789012/jobs", "MessageBody": "x"}, nil)
	if err == nil || !strings.Contains(err.Error(), "nothing answers at ") {
		t.Errorf("a call returned %v", err)
	}
}

func TestWithInheritedCredentialsNothingIsMadeAtAServer(t *testing.T) {
	asked := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Header.Get("X-Amz-Target") }))
	defer server.Close()
	c := &Config{App: stored(), Inherit: true, DynamoDB: server.URL, SQS: server.URL, Report: &reported{}}
	of := &engines{c: c, tables: &awslocal.Backend{URL: server.URL}, queues: &awslocal.Backend{URL: server.URL}, port: &servicePort{c: c}}
	resolved := &resolution{app: c.App}
	if err := errors.Join((&tables{c: c, app: resolved, engines: of, store: &store{c: c}}).start(t.Context()), (&queues{c: c, app: resolved, engines: of}).start(t.Context())); err != nil {
		t.Error(err)
	}
	select {
	case target := <-asked:
		t.Errorf("it was asked for %s", target)
	default:
	}
	for _, want := range []string{"tables are not created at " + server.URL, "queues are not created at " + server.URL} {
		if !strings.Contains(fmt.Sprint(c.Report), want) {
			t.Errorf("%q is not said", want)
		}
	}
}

func TestWithInheritedCredentialsOnlyEnginesAreHere(t *testing.T) {
	for _, test := range []struct {
		inherit       bool
		dynamo, sqs   string
		port          bool
		tables, queue bool
	}{
		{false, "", "", true, true, true},
		{true, "", "", false, false, false},
		{true, LocalEngine, "", true, true, false},
		{true, "", "http://127.0.0.1:1", true, false, true},
	} {
		c := &Config{App: &app.App{}, Inherit: test.inherit, DynamoDB: test.dynamo, SQS: test.sqs}
		e := &engines{c: c, port: &servicePort{c: c}}
		if test.dynamo != "" {
			e.tables = &awslocal.Backend{}
		}
		if test.sqs != "" {
			e.queues = &awslocal.Backend{}
		}
		e.local = awslocal.New(awslocal.Config{})
		got := e.services()
		if e.port.wanted() != test.port || (got["dynamodb"] != nil) != test.tables || (got["streams.dynamodb"] != nil) != test.tables || (got["sqs"] != nil) != test.queue || (got["sns"] != nil) != test.queue {
			t.Errorf("%+v: a port: %v, services: %v", test, e.port.wanted(), got)
		}
	}
}

func TestADynamoDBIsKnownByItsError(t *testing.T) {
	for answer, want := range map[string]bool{
		`{"__type":"com.amazonaws.dynamodb.v20120810#MissingAuthenticationToken","Message":"x"}`: true,
		`{"__type":"com.amazonaws.sqs#MissingAction"}`:                                           false,
		`<html>`: false, `{}`: false, ``: false,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = bytes.NewBufferString(answer).WriteTo(w)
		}))
		if got := isDynamoDB(t.Context(), server.URL); got != want {
			t.Errorf("%q: %v", answer, got)
		}
		server.Close()
	}
	if isDynamoDB(t.Context(), "http://127.0.0.1:1") {
		t.Error("nobody is a DynamoDB")
	}
}
