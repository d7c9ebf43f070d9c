package dev

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/template"
	"github.com/wirepost/wirepost/internal/awslocal"
	"github.com/wirepost/wirepost/internal/dynamolocal"
	"github.com/wirepost/wirepost/internal/inspector"
)

// integrations reads testdata/integrations.yaml, with a backend of the test's.
func integrations(t *testing.T) *app.App {
	t.Helper()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Kind", strings.TrimPrefix(r.URL.Path, "/"))
		if strings.Contains(r.URL.Path, "unknown") {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, r.Method+" "+string(body)+" "+r.Header.Get("connectionId"))
	}))
	t.Cleanup(backend.Close)
	a, notes, err := template.Read("testdata/integrations.yaml", &template.Options{Parameters: map[string]string{"Backend": backend.URL}})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notes {
		if n.Severity == app.Stops || strings.Contains(n.Text, "left out") {
			t.Errorf("it is said: %s", n)
		}
	}
	return a
}

func TestEachTypeOfIntegrationDoesWhatItsPageDescribes(t *testing.T) {
	r := start(t, Config{App: integrations(t), DynamoDB: dynamolocal.Start(t, dynamolocal.DynamoDBLocal)})
	client := r.dial(t, "?name=Ann%20%22A%22")
	for _, c := range [][2]string{
		{`{"action":"who"}`, `^\s*\{"you": "Ann "A"", "attributes": \["(id", "name|name", "id)"\]\}\s*$`},
		{`{"action":"who","table":"none"}`, `^\{"error": "ResourceNotFoundException"\}$`},
		{`{"action":"pets","kind":"dogs","version":"v1","pet":{"age": 3}}`, `^a dog: PUT \{"pet": \{"age":3\}\} [A-Za-z0-9_-]{15}=$`},
		{`{"action":"pets","kind":"cats"}`, `^a pet: PUT \{"old": "hello"\} `},
		{`{"action":"pets","kind":"unknown"}`, `^no pet$`},
		{`{"action":"order","amount":1}`, `^accepted$`},
		{`{"action":"order","amount":0}`, `^\{"message": "Bad request body", "connectionId":"`},
		{`{"action":"order"}`, `^\{"message": "Bad request body", "connectionId":"`},
		{`{"action":"else"}`, `^\{"connectionId": "[A-Za-z0-9_-]{15}=", "event": "MESSAGE \$default", "epoch": \d{13}\}$`},
		{`{"action":"else","fail":true}`, `^failed$`},
		{`not JSON`, `^\{"connectionId": "`},
		{`{"action":"start"}`, `^\{"message": "Internal server error", "connectionId":"`},
	} {
		if got := asked(t, client, c[0]); !regexp.MustCompile(c[1]).MatchString(got) {
			t.Errorf("%s is answered with %q, want %s", c[0], got, c[1])
		}
	}
	if said := r.String(); !strings.Contains(said, "route start cannot be run here: its integration calls Step Functions, which is not here; --credentials inherit lets it be called on AWS; give --route start=FUNCTION") {
		t.Errorf("it said:\n%s", said)
	}
	record := awaitRecord(t, partOf[*gatewayServer](r.dev).recorder, func(x *inspector.Record) bool {
		return x.Kind == string(inspector.MappedKind) && x.Route == "pets" && strings.Contains(x.Text, "dogs")
	})
	if record.Cause != "request template v1" || record.Detail != `{"pet": $input.json("$.pet")}` || record.Answer != `{"pet": {"age":3}}` || record.Connection == "" || record.Request == "" || record.Failed {
		t.Errorf("%+v", record)
	}
}

func TestAMessageGoesIntoAQueueByAnIntegration(t *testing.T) {
	r := start(t, Config{App: integrations(t), DynamoDB: LocalEngine, SQS: LocalEngine, Tools: engineTools(t)})
	client := r.dial(t, "")
	if got := asked(t, client, `{"action":"later","job":{"id":1,"text":"a & b"}}`); got != "queued" {
		t.Errorf("it is answered with %q", got)
	}
	url := partOf[*engines](r.dev).port.url()
	caller := &caller{server: &awslocal.Backend{URL: url}, region: "us-east-1", client: http.DefaultClient}
	if got := receive(t, caller, url+"/000000000000/integrated-jobs"); got != `{"id":1,"text":"a & b"}` {
		t.Errorf("the queue has got %q", got)
	}
}

func TestAServiceThatAnEngineAnswersForIsCalledAsTheGatewayDoes(t *testing.T) {
	type seen struct{ method, uri, host, target, kind, body, signed string }
	var got seen
	engine := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		signed := regexp.MustCompile(`Credential=[^/]+/\d+/([^/]+/[^/]+)/`).FindStringSubmatch(r.Header.Get("Authorization"))
		got = seen{r.Method, r.URL.RequestURI(), r.Host, r.Header.Get("X-Amz-Target"), r.Header.Get("Content-Type"), string(body), strings.Join(signed[1:], "")}
		w.WriteHeader(201)
		_, _ = io.WriteString(w, "done")
	})
	s := &serviceActions{pair: gateway.DevelopmentCredentials(), engine: func(service string) http.Handler {
		if service == "s3" {
			return nil
		}
		return engine
	}}
	for _, c := range []struct {
		service, action, method string
		call                    map[string]string
		want                    seen
	}{
		{"dynamodb", "action/PutItem", "", nil, seen{"POST", "/", "dynamodb.eu-west-1.amazonaws.com", "DynamoDB_20120810.PutItem", "application/x-amz-json-1.0", "payload", "eu-west-1/dynamodb"}},
		{"states", "action/StartExecution", "POST", nil, seen{"POST", "/", "states.eu-west-1.amazonaws.com", "AWSStepFunctions.StartExecution", "application/x-amz-json-1.0", "payload", "eu-west-1/states"}},
		{"events", "action/PutEvents", "POST", map[string]string{"X-Amz-Target": "AWSEvents.PutEvents"}, seen{"POST", "/", "events.eu-west-1.amazonaws.com", "AWSEvents.PutEvents", "application/x-amz-json-1.1", "payload", "eu-west-1/events"}},
		{"sqs", "path/123456789012/jobs", "POST", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, seen{"POST", "/123456789012/jobs", "sqs.eu-west-1.amazonaws.com", "", "application/x-www-form-urlencoded", "payload", "eu-west-1/sqs"}},
		{"sns", "action/Publish", "GET", nil, seen{"GET", "/?Action=Publish", "sns.eu-west-1.amazonaws.com", "", "application/json", "payload", "eu-west-1/sns"}},
		{"runtime.sagemaker", "path/endpoints/e/invocations", "", nil, seen{"POST", "/endpoints/e/invocations", "runtime.sagemaker.eu-west-1.amazonaws.com", "", "application/json", "payload", "eu-west-1/sagemaker"}},
	} {
		call, err := s.of(&app.Integration{Kind: app.AWS, Region: "eu-west-1", Service: c.service, Action: c.action, Method: c.method})
		if err != nil {
			t.Fatal(err)
		}
		made := callOf("payload", c.call)
		answer, err := call(t.Context(), made)
		if err != nil || answer.Status != 201 || string(answer.Body) != "done" || got != c.want {
			t.Errorf("%s %s:\n%+v, want\n%+v (%+v, %v)", c.service, c.action, got, c.want, answer, err)
		}
	}
	if _, err := s.of(&app.Integration{Kind: app.AWS, Region: "eu-west-1", Service: "s3", Action: "path/b/k"}); err == nil || !strings.Contains(err.Error(), "its integration calls S3, which is not here") {
		t.Error(err)
	}
	call, err := s.of(&app.Integration{Kind: app.AWS, Region: "evil.example/", Service: "sqs", Action: "path/x"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := call(t.Context(), callOf("", nil)); err == nil || !strings.Contains(err.Error(), "there is no service") {
		t.Error(err)
	}
}

func callOf(payload string, header map[string]string) gateway.IntegrationCall {
	c := gateway.IntegrationCall{Payload: []byte(payload), Header: http.Header{}}
	for name, value := range header {
		c.Header.Set(name, value)
	}
	return c
}
