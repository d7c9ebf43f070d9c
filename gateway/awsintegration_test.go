package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// integrating is an Integration whose calls a test sees.
func integrating(answer string, err error) (*Integration, chan IntegrationCall) {
	calls := make(chan IntegrationCall, 10)
	return &Integration{Call: func(_ context.Context, c IntegrationCall) ([]byte, error) {
		calls <- c
		return []byte(answer), err
	}}, calls
}

// saying is a Mapping that is a text before the body.
func saying(text string) Mapping {
	return func(in MappingInput) ([]byte, error) { return append([]byte(text+" "), in.Body...), nil }
}

// integrated is a lab with an integration on its routes.
func integrated(t *testing.T, i *Integration, twoWay bool) *rawClient {
	t.Helper()
	return newLab(t, &Server{StageVariables: map[string]string{"v": "1"}, Routes: map[string]Route{"$default": {Function: i, RouteResponse: twoWay}}}).connect(t)
}

func TestAnAWSIntegrationCallsWithWhatItsTemplateMakes(t *testing.T) {
	i, calls := integrating("", nil)
	i.Requests = map[string]Mapping{"application/json": func(in MappingInput) ([]byte, error) {
		return fmt.Appendf(nil, "%s %s %t", in.Body, in.StageVariables, strings.Contains(string(in.Context), `"eventType":"MESSAGE"`)), nil
	}}
	c := integrated(t, i, false)
	c.send(`{"a":1}`)
	call := <-calls
	want(t, string(call.Payload), `{"a":1} {"v":"1"} true`)
	is(t, len(call.Header) == 0 && strings.Contains(string(call.Event), `"requestContext"`), call.Header)
	c.silent()
}

func TestAMessageWithoutATemplateIsGivenAsItIsOrFails(t *testing.T) {
	template := map[string]Mapping{"other": saying("no")}
	for _, c := range []struct {
		passthrough string
		requests    map[string]Mapping
		given       bool
	}{
		{"", nil, true}, {"WHEN_NO_MATCH", nil, true}, {"WHEN_NO_TEMPLATES", nil, true}, {"NEVER", nil, false},
		{"", template, true}, {"WHEN_NO_MATCH", template, true}, {"WHEN_NO_TEMPLATES", template, false}, {"NEVER", template, false},
	} {
		i, calls := integrating("answer", nil)
		i.Passthrough, i.Requests, i.Selection = c.passthrough, c.requests, "$request.body.kind"
		client := integrated(t, i, true)
		client.send(`{"kind":"x"}`)
		if !c.given {
			want(t, client.error(), "Internal server error")
			continue
		}
		want(t, client.read(), "answer")
		want(t, string((<-calls).Payload), `{"kind":"x"}`)
	}
	is(t, (&Integration{Call: func(context.Context, IntegrationCall) ([]byte, error) { return nil, nil }, Passthrough: "ALWAYS"}).Validate() != nil)
}

func TestATemplateIsChosenByTheSelectionExpression(t *testing.T) {
	a, b, d := saying("a"), saying("b"), saying("d")
	for _, c := range []struct {
		selection string
		requests  map[string]Mapping
		want      string
	}{
		{"$request.body.kind", map[string]Mapping{"a": a, "b": b, "$default": d}, "a"},
		{"$request.body.none", map[string]Mapping{"a": a, "$default": d}, "d"},
		{"${request.body.kind}${request.body.n}", map[string]Mapping{"a": b, "a1": a}, "a"},
		{"default", map[string]Mapping{"default": d, "a": a}, "d"},
		{`\$default`, map[string]Mapping{"$default": d, "a": a}, "d"},
		{`\$default`, map[string]Mapping{`\$default`: d, "a": a}, "d"},
		{"", map[string]Mapping{"$default": d, "application/json": a}, "d"},
		{"", map[string]Mapping{"application/json": a, "text/plain": b}, "a"},
		{"", map[string]Mapping{"200": b}, "b"},
	} {
		i, calls := integrating("", nil)
		i.Selection, i.Requests = c.selection, c.requests
		integrated(t, i, false).send(`{"kind":"a","n":1}`)
		want(t, string((<-calls).Payload), c.want+` {"kind":"a","n":1}`)
	}
	is(t, (&Integration{Call: func(context.Context, IntegrationCall) ([]byte, error) { return nil, nil }, Selection: "$context.stage"}).Validate() != nil)
}

func TestAnAWSIntegrationHasTheHeadersOfItsParameters(t *testing.T) {
	i, calls := integrating("", nil)
	i.Parameters = []RequestParameter{{"header", "X-Amz-Invocation-Type", "'Event'"}, {"header", "connection", "context.connectionId"}, {"header", "none", "route.request.body.none"}}
	c := integrated(t, i, true)
	c.send(`{}`)
	call := <-calls
	is(t, call.IsEvent() && call.Header.Get("connection") == c.id && len(call.Header) == 2, call.Header)
	c.silent() // an asynchronous call has no answer
	i, calls = integrating("", nil)
	i.Parameters = []RequestParameter{{"header", "X-Amz-Invocation-Type", "route.request.body.type"}}
	integrated(t, i, false).send(`{"type":"RequestResponse"}`)
	call = <-calls
	is(t, !call.IsEvent())
	is(t, (&Integration{Call: i.Call, Parameters: []RequestParameter{{"path", "a", "'b'"}}}).Validate() != nil)
}

func TestTheAnswerOfAnAWSIntegrationGoesToTheClientOfATwoWayRoute(t *testing.T) {
	for _, answer := range []string{`{"ok":true}`, `{"statusCode":200,"body":"as it is"}`, `"text"`} {
		i, _ := integrating(answer, nil)
		c := integrated(t, i, true)
		c.send("x")
		want(t, c.read(), answer)
	}
	i, _ := integrating(`{"ok":true}`, nil)
	c := integrated(t, i, false)
	c.send("x")
	c.silent()
	i, _ = integrating(`{"ok":true}`, nil)
	i.Response = func(in MappingInput) ([]byte, error) {
		return fmt.Appendf(nil, "%s %t", in.Body, strings.Contains(string(in.Context), "connectionId")), nil
	}
	c = integrated(t, i, true)
	c.send("x")
	want(t, c.read(), `{"ok":true} true`)
}

func TestAnAWSIntegrationThatFailsIsAFailedIntegration(t *testing.T) {
	failing := func(MappingInput) ([]byte, error) { return nil, errors.New("no template") }
	for name, change := range map[string]func(*Integration){
		"the call": func(i *Integration) {
			*i = Integration{Call: func(context.Context, IntegrationCall) ([]byte, error) { return nil, errors.New("no") }}
		},
		"the request template":  func(i *Integration) { i.Requests = map[string]Mapping{"$default": failing} },
		"the response template": func(i *Integration) { i.Response = failing },
	} {
		for _, twoWay := range []bool{true, false} {
			i, _ := integrating("x", nil)
			change(i)
			if name == "the response template" && !twoWay {
				continue
			}
			c := integrated(t, i, twoWay)
			c.send("x")
			if got := c.error(); got != "Internal server error" {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
	is(t, (&Server{Routes: map[string]Route{"a": {Function: &Integration{}}}}).Validate() != nil)
}

func TestAnAWSIntegrationOfConnect(t *testing.T) {
	i, calls := integrating(`{"statusCode":403}`, nil)
	l := newLab(t, &Server{Routes: map[string]Route{"$connect": {Function: i}, "$default": {}}})
	l.connect(t)
	want(t, string((<-calls).Payload), "{}")
	i, _ = integrating("", errors.New("no"))
	l = newLab(t, &Server{Routes: map[string]Route{"$connect": {Function: i}}})
	is(t, refusedStatus(t, l) == 502)
}

// refusedStatus is how a handshake is answered that is not accepted.
func refusedStatus(t *testing.T, l *lab) int {
	t.Helper()
	_, response, err := websocket.Dial(t.Context(), "ws://"+l.host+"/dev", nil)
	if err == nil || response == nil {
		t.Fatalf("the handshake was not refused: %v", err)
	}
	return response.StatusCode
}
