package dev

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/app"
)

// calledAndCalling is an app whose socket's function calls, and whose HTTP API and REST API
// answer.
func calledAndCalling(t *testing.T) Config {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	function := func(id, does string) app.Function {
		return app.Function{LogicalID: id, Name: id, StandIn: path, Timeout: 40 * time.Second, Env: map[string]string{"WIREPOST_TEST_FUNCTION": does}}
	}
	return Config{App: &app.App{
		Region: "us-east-1", Account: "000000000000",
		APIs: []app.API{{LogicalID: "Socket", Stage: "dev", RouteSelection: "$request.body.action",
			Routes: []app.Route{{Key: "$default", TwoWay: true, Integration: app.Integration{Kind: app.AWSProxy, Function: "Calls"}}}}},
		Functions: []app.Function{function("Calls", "call"), function("Answers", "name")},
		HTTPAPIs: []app.HTTPAPI{
			{Kind: app.HTTPOfAPI, LogicalID: "Orders", Stage: "$default", Routes: []app.HTTPRoute{{Method: "POST", Path: "/new", Function: "Answers", Payload: "2.0"}}},
			{Kind: app.RESTAPI, LogicalID: "Rest", Stage: "prod", Routes: []app.HTTPRoute{{Method: "POST", Path: "/new", Answer: &app.FixedAnswer{Status: 201, Body: "fixed"}}}},
			{Kind: app.FunctionURL, LogicalID: "Answers", Stage: "$default"},
		},
	}}
}

func TestAnHTTPAPIOfTheAppIsReachedByTheNameThatItHasOnAWS(t *testing.T) {
	r := start(t, calledAndCalling(t))
	ids := map[string]string{}
	for _, api := range partOf[*httpAPIs](r.dev).running {
		ids[api.key.String()] = api.handler.ID()
	}
	client := r.dial(t, "")
	const end = ".execute-api.us-east-1.amazonaws.com"
	for url, want := range map[string]string{
		"https://Orders" + end + "/new":                          "200 Answers", // Ref in a template
		"https://orders.execute-api.us-east-1.api.aws/new":       "200 Answers",
		"https://" + ids["HTTP API Orders"] + end + "/new":       "200 Answers", // apiId of an event
		"https://orders" + end + "/none":                         `404 {"message":"Not Found"}`,
		"https://Rest" + end + "/prod/new":                       "201 fixed",
		"https://" + ids["REST API Rest"] + end + "/prod/new":    "201 fixed",
		"https://rest" + end + "/new":                            `403 {"message":"Forbidden"}`, // without its stage
		"https://another" + end + "/dev/@connections/CONNECTION": `403 {"message":"Forbidden"}`,
	} {
		if got := exchange(t, client, "POST "+url, 1); got[0] != want {
			t.Fatalf("%s: %s, want %s", url, got, want)
		}
	}
	r.await(t, "hint: function Calls called another"+end+", which is AWS and not this machine, and was refused")
	if strings.Contains(r.String(), "called orders") || strings.Contains(r.String(), "called rest") {
		t.Error("a call that arrives is told as one of AWS")
	}
	leave(t, client)
}

// A page could point a name of its own at the port.
func TestTheNameOfAnHTTPAPIOnAWSIsRefusedAtItsOwnPort(t *testing.T) {
	r := start(t, calledAndCalling(t))
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.await(t, "HTTP API ")+"/new", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Host = "orders.execute-api.us-east-1.amazonaws.com"
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("it answers %d", answer.StatusCode)
	}
}

func TestAFunctionThatIsLedHereIsNamedWhenItsTableIsNot(t *testing.T) {
	r := calling(t, Config{})
	client := r.dial(t, "")
	if got := exchange(t, client, "POST https://dynamodb.us-east-1.amazonaws.com/", 1); !strings.HasPrefix(got[0], "400 ") || !strings.Contains(got[0], "--dynamodb local") {
		t.Fatalf("%s", got)
	}
	r.await(t, "hint: function dev called DynamoDB: nothing here answers for DynamoDB; start wirepost dev with --dynamodb local")
	if !strings.Contains(exported(t, r), "wirepost: DynamoDB is not here: ") {
		t.Error("the record of the invocation does not have it")
	}
	leave(t, client)
}
