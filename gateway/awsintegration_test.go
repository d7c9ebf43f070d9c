package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/wirepost/wirepost/internal/mapping"
)

// integrating is an Integration whose calls a test sees.
func integrating(answer string, err error) (*Integration, chan IntegrationCall) {
	calls := make(chan IntegrationCall, 10)
	return &Integration{Call: func(_ context.Context, c IntegrationCall) (*IntegrationAnswer, error) {
		calls <- c
		return &IntegrationAnswer{Body: []byte(answer)}, err
	}}, calls
}

// requested is the Request of an integration with these settings.
func requested(t *testing.T, s mapping.Settings) Mapping {
	t.Helper()
	r, err := mapping.ParseRequest(s)
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context, in MappingInput) ([]byte, error) {
		m, err := r.Map(ctx, mapping.Input{Body: in.Body, Context: in.Context, StageVariables: in.StageVariables, Event: in.Event})
		if err != nil {
			return nil, err
		}
		return m.Out, nil
	}
}

// responded is the Response of an integration with these integration responses.
func responded(t *testing.T, function bool, all ...mapping.ResponseSettings) Mapping {
	t.Helper()
	r, err := mapping.ParseResponses("", function, all)
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context, in MappingInput) ([]byte, error) {
		m, err := r.Map(ctx, mapping.Input{Body: in.Body, Context: in.Context}, in.Message, mapping.Answer{Status: in.Answer.Status, Header: in.Answer.Header, Failure: in.Answer.Failure})
		if err != nil {
			return nil, err
		}
		return m.Out, nil
	}
}

// integrated is a lab with an integration on its routes.
func integrated(t *testing.T, i *Integration, twoWay bool) *rawClient {
	t.Helper()
	return newLab(t, &Server{StageVariables: map[string]string{"v": "1"}, Routes: map[string]Route{"$default": {Function: i, RouteResponse: twoWay}}}).connect(t)
}

func TestAnAWSIntegrationCallsWithWhatItsTemplateMakes(t *testing.T) {
	i, calls := integrating("", nil)
	i.Request = requested(t, mapping.Settings{Templates: map[string]string{"application/json": `$input.body {"v":"$stageVariables.v"} #if($context.eventType == "MESSAGE")true#end`}})
	c := integrated(t, i, false)
	c.send(`{"a":1}`)
	call := <-calls
	want(t, string(call.Payload), `{"a":1} {"v":"1"} true`)
	is(t, len(call.Header) == 0 && strings.Contains(string(call.Event), `"requestContext"`), call.Header)
	c.silent()
}

func TestAMessageWithoutATemplateIsGivenAsItIsOrFails(t *testing.T) {
	template := map[string]string{"other": "no $input.body"}
	for _, c := range []struct {
		passthrough string
		requests    map[string]string
		given       bool
	}{
		{"", nil, true}, {"WHEN_NO_MATCH", nil, true}, {"WHEN_NO_TEMPLATES", nil, true}, {"NEVER", nil, false},
		{"", template, true}, {"WHEN_NO_MATCH", template, true}, {"WHEN_NO_TEMPLATES", template, false}, {"NEVER", template, false},
	} {
		i, calls := integrating("answer", nil)
		i.Request = requested(t, mapping.Settings{Templates: c.requests, Selection: "$request.body.kind", Passthrough: c.passthrough})
		client := integrated(t, i, true)
		client.send(`{"kind":"x"}`)
		if !c.given {
			want(t, client.error(), "Internal server error")
			continue
		}
		want(t, client.read(), "answer")
		want(t, string((<-calls).Payload), `{"kind":"x"}`)
	}
	_, err := mapping.ParseRequest(mapping.Settings{Passthrough: "ALWAYS"})
	is(t, err != nil)
}

func TestATemplateIsChosenByTheSelectionExpression(t *testing.T) {
	const a, b, d = "a $input.body", "b $input.body", "d $input.body"
	for _, c := range []struct {
		selection string
		requests  map[string]string
		want      string
	}{
		{"$request.body.kind", map[string]string{"a": a, "b": b, "$default": d}, "a"},
		{"$request.body.none", map[string]string{"a": a, "$default": d}, "d"},
		{"${request.body.kind}${request.body.n}", map[string]string{"a": b, "a1": a}, "a"},
		{"default", map[string]string{"default": d, "a": a}, "d"},
		{`\$default`, map[string]string{"$default": d, "a": a}, "d"},
		{`\$default`, map[string]string{`\$default`: d, "a": a}, "d"},
		{"", map[string]string{"$default": d, "application/json": a}, "d"},
		{"", map[string]string{"application/json": a, "text/plain": b}, "a"},
		{"", map[string]string{"200": b}, "b"},
	} {
		i, calls := integrating("", nil)
		i.Request = requested(t, mapping.Settings{Templates: c.requests, Selection: c.selection})
		integrated(t, i, false).send(`{"kind":"a","n":1}`)
		want(t, string((<-calls).Payload), c.want+` {"kind":"a","n":1}`)
	}
	_, err := mapping.ParseRequest(mapping.Settings{Selection: "$context.stage"})
	is(t, err != nil)
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
	is(t, (&Integration{Call: i.Call, Parameters: []RequestParameter{{"body", "a", "'b'"}}}).Validate() != nil)
	i, calls = integrating("", nil)
	i.Parameters = []RequestParameter{{"path", "to", "route.request.body.to"}, {"querystring", "q", "route.request.body.q"}}
	integrated(t, i, false).send(`{"to":"a/b","q":"1 2"}`)
	call = <-calls
	target, err := call.Target("http://h/{to}/{to+}?x=y")
	is(t, err == nil)
	want(t, target, "http://h/a%2Fb/a/b?x=y&q=1+2")
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
	i.Response = responded(t, true, mapping.ResponseSettings{Key: "$default", Settings: mapping.Settings{
		Templates: map[string]string{"$default": `$input.body #if($context.connectionId.length() > 0)true#end`},
	}})
	c = integrated(t, i, true)
	c.send("x")
	want(t, c.read(), `{"ok":true} true`)
}

func TestAnAWSIntegrationThatFailsIsAFailedIntegration(t *testing.T) {
	failing := func(context.Context, MappingInput) ([]byte, error) { return nil, errors.New("no template") }
	for name, change := range map[string]func(*Integration){
		"the call": func(i *Integration) {
			*i = Integration{Call: func(context.Context, IntegrationCall) (*IntegrationAnswer, error) { return nil, errors.New("no") }}
		},
		"the function": func(i *Integration) {
			*i = Integration{Call: func(context.Context, IntegrationCall) (*IntegrationAnswer, error) {
				return &IntegrationAnswer{Failure: "no", Body: []byte("{}")}, nil
			}}
		},
		"the request template":  func(i *Integration) { i.Request = failing },
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

func TestAnIntegrationResponseIsChosenByStatusOrErrorMessage(t *testing.T) {
	said := func(key, text string) mapping.ResponseSettings {
		return mapping.ResponseSettings{Key: key, Settings: mapping.Settings{Templates: map[string]string{"$default": text}}}
	}
	all := []mapping.ResponseSettings{said(`/2\d\d/`, "good $input.body"), said("404", "none $input.body"), said(`/4\d\d/`, "bad $input.body"), said("$default", "other $input.body")}
	for status, wanted := range map[int]string{0: "good x", 201: "good x", 404: "none x", 422: "bad x", 500: "other x"} {
		i := &Integration{Response: responded(t, false, all...), Call: func(context.Context, IntegrationCall) (*IntegrationAnswer, error) {
			return &IntegrationAnswer{Body: []byte("x"), Status: status}, nil
		}}
		c := integrated(t, i, true)
		c.send("m")
		want(t, c.read(), wanted)
	}
	all = []mapping.ResponseSettings{said(`/.*not found.*/`, `none $input.path('$.errorMessage')`), said("$default", "good $input.body")}
	for failure, wanted := range map[string]string{"": "good {}", "user not found\n": "none u"} {
		i := &Integration{Response: responded(t, true, all...), Call: func(context.Context, IntegrationCall) (*IntegrationAnswer, error) {
			if failure == "" {
				return &IntegrationAnswer{Body: []byte("{}")}, nil
			}
			return &IntegrationAnswer{Body: []byte(`{"errorMessage":"u"}`), Failure: failure}, nil
		}}
		c := integrated(t, i, true)
		c.send("m")
		want(t, c.read(), wanted)
	}
	i := &Integration{Response: responded(t, true, all...), Call: func(context.Context, IntegrationCall) (*IntegrationAnswer, error) {
		return &IntegrationAnswer{Body: []byte(`{}`), Failure: "another"}, nil
	}}
	c := integrated(t, i, true)
	c.send("m")
	want(t, c.error(), "Internal server error")
}

func TestAnHTTPIntegrationMapsItsRequestAndItsAnswer(t *testing.T) {
	url := backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Kind", "k")
		w.WriteHeader(201)
		io.WriteString(w, `{"got":"`+r.Method+" "+r.URL.Path+" "+r.URL.RawQuery+" "+r.Header.Get("connection-id")+" "+r.Header.Get("Content-Type")+" "+strings.ReplaceAll(string(body), `"`, "'")+`"}`)
	})
	i := &Integration{
		Call:       (&HTTPBackend{URL: url + "/to/{name}", Method: "PUT"}).Call,
		Request:    requested(t, mapping.Settings{Templates: map[string]string{"$default": `{"mapped":$input.json('$.a')}`}}),
		Response:   responded(t, false, mapping.ResponseSettings{Key: `/2\d\d/`, Settings: mapping.Settings{Templates: map[string]string{"k": "$input.path('$.got')", "$default": "no"}, Selection: "${integration.response.header.X-Kind}"}}),
		Parameters: []RequestParameter{{"path", "name", "route.request.body.to"}, {"querystring", "q", "'1'"}, {"header", "connection-id", "context.connectionId"}},
	}
	c := integrated(t, i, true)
	c.send(`{"a":[1],"to":"x"}`)
	want(t, c.read(), "PUT /to/x q=1 "+c.id+" application/json {'mapped':[1]}")
}

func TestAMessageThatAModelDoesNotTakeIsABadRequestBody(t *testing.T) {
	i, calls := integrating("answer", nil)
	model := func(message []byte) error {
		if string(message) == "bad" {
			return errors.New("it is bad")
		}
		return nil
	}
	c := newLab(t, &Server{Routes: map[string]Route{"$default": {Function: i, RouteResponse: true, Model: model}}}).connect(t)
	c.send("bad")
	want(t, c.error(), "Bad request body")
	is(t, len(calls) == 0)
	c.send("good")
	want(t, c.read(), "answer")
}

func TestAMockIntegrationAnswersByItsTemplates(t *testing.T) {
	i := &Integration{
		Call:    MockCall,
		Request: requested(t, mapping.Settings{Templates: map[string]string{"$default": `{"statusCode": $input.json('$.status'), "n": 1}`}}),
		Response: responded(t, false, mapping.ResponseSettings{Key: "200", Settings: mapping.Settings{Templates: map[string]string{"$default": `$context.connectionId $input.path('$.n')`}}},
			mapping.ResponseSettings{Key: "$default", Settings: mapping.Settings{Templates: map[string]string{"$default": "other"}}}),
	}
	c := integrated(t, i, true)
	for message, wanted := range map[string]string{`{"status":200}`: c.id + " 1", `{"status":404}`: "other"} {
		c.send(message)
		want(t, c.read(), wanted)
	}
	for _, message := range []string{`{"status":"no"}`, `{}`, "text"} {
		c.send(message)
		want(t, c.error(), "Internal server error")
	}
	refusing := &Integration{Call: MockCall, Request: func(context.Context, MappingInput) ([]byte, error) { return []byte(`{"statusCode":403}`), nil }}
	is(t, refusedStatus(t, newLab(t, &Server{Routes: map[string]Route{"$connect": {Function: refusing}}})) == 403)
}

// rendersAs is a check of a template, for a message.
func rendersAs(template, wanted string) func(*testing.T) {
	return func(t *testing.T) {
		i, calls := integrating("", nil)
		i.Request = requested(t, mapping.Settings{Templates: map[string]string{"$default": template}})
		integrated(t, i, false).send(`{"a":[{"b":1},{"b":2}],"n":1.50}`)
		want(t, string((<-calls).Payload), wanted)
	}
}
