package dev

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/inspector"
	"github.com/wirepost/wirepost/wireposttest"
)

// mappedApp has the routes ask, which waits for its function, later, which does not, and
// broken, whose template cannot be done.
func mappedApp(t *testing.T) Config {
	c := chained(t, "First", "Second")
	template := `{"Next": $input.json('$.next'), "Hold": "$input.path('$.hold')", "Fail": $input.json('$.fail')}`
	integration := app.Integration{Kind: app.AWS, Function: "Second", Templates: map[string]string{"application/json": template}, Timeout: 2 * time.Second}
	later := integration
	later.Timeout = 50 * time.Millisecond
	later.Parameters = []app.Parameter{{In: "header", Name: "X-Amz-Invocation-Type", Source: "'Event'"}}
	broken := integration
	broken.Templates = map[string]string{"$default": "{\n#macro(x)#end\n}"}
	answered := integration
	answered.Responses = []app.IntegrationResponse{{Key: "$default", Templates: map[string]string{"$default": `{"from": $input.body, "for": "$context.connectionId"}`}}}
	c.App.APIs[0].Routes = append(c.App.APIs[0].Routes,
		app.Route{Key: "ask", TwoWay: true, Integration: integration}, app.Route{Key: "answered", TwoWay: true, Integration: answered},
		app.Route{Key: "later", Integration: later}, app.Route{Key: "broken", Integration: broken})
	return c
}

func TestAnIntegrationThatMapsItsMessagesInvokesItsFunction(t *testing.T) {
	r := start(t, mappedApp(t))
	client := r.dial(t, "")
	for _, c := range [][2]string{
		{`{"action":"ask","next":[],"fail":false}`, `"stack-Second-1"`},
		{`{"action":"answered","next":["First"],"fail":false}`, `{"from": "stack-Second-1 stack-First-1", "for": "`},
		{`{"action":"ask","next":[],"fail":true}`, `{"message": "Internal server error"`},
		{`{"action":"ask","next":[],"fail":{}}`, `{"message": "Internal server error"`}, // no JSON that the function takes
		{`{"action":"broken"}`, `{"message": "Internal server error"`},
	} {
		if got := asked(t, client, c[0]); !strings.HasPrefix(got, c[1]) {
			t.Errorf("%s is answered with %s, want %s", c[0], got, c[1])
		}
	}
	r.await(t, "hint: ")
	if said := r.String(); !strings.Contains(said, "route broken cannot be run here: its request template $default: line 2, column 1: #macro is not supported here") {
		t.Errorf("it said:\n%s", said)
	}
	record := awaitRecord(t, partOf[*gatewayServer](r.dev).recorder, func(x *inspector.Record) bool { return x.Kind == "call" && !x.Running })
	if record.Cause != "route ask" || record.Route != "ask" || record.Connection == "" || record.Request == "" || record.Text != `{"Next": [], "Hold": "", "Fail": false}` {
		t.Errorf("%+v", record)
	}
}

// asked sends a message and returns the next one that comes.
func asked(t *testing.T, c *wireposttest.Client, send string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.Send(send); err != nil {
		t.Fatal(err)
	}
	got, err := c.Receive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAnAsynchronousIntegrationOutlivesItsTimeout(t *testing.T) {
	r := start(t, mappedApp(t))
	client := r.dial(t, "")
	file := t.TempDir() + "/go"
	recorder := partOf[*gatewayServer](r.dev).recorder
	if err := client.Send(`{"action":"later","next":[],"fail":false,"hold":"` + file + `"}`); err != nil {
		t.Fatal(err)
	}
	route := awaitRecord(t, recorder, func(x *inspector.Record) bool { return x.Kind == "invocation" && x.Route == "later" && !x.Running })
	call := awaitRecord(t, recorder, func(x *inspector.Record) bool { return x.Kind == "call" && x.Cause == "route later, asynchronously" })
	if route.Failed || !call.Running || call.Request != route.Request || call.Connection != route.Connection {
		t.Errorf("the route: %+v\nthe call: %+v", route, call)
	}
	// Longer than the integration may take, while the function runs.
	timeout := time.After(200 * time.Millisecond)
	<-timeout
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	done := awaitRecord(t, recorder, func(x *inspector.Record) bool { return x.Kind == "call" && !x.Running })
	if done.Failed || done.Answer != `"stack-Second-1"` || time.Duration(done.Took) < 200*time.Millisecond {
		t.Errorf("%+v", done)
	}
	expect(t, client, `{"action":"ask","next":[],"fail":false}`, `"stack-Second-1"`) // nothing else came before it
}
