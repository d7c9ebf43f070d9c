package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

func TestABackendGetsTheParametersOfTheRequest(t *testing.T) {
	got := make(chan string, 10)
	url := backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- fmt.Sprintf("%s %s host=%s id=%d kind=%s action=%s n=%s all=%s", r.URL.RequestURI(), body, r.Host, len(r.Header.Get("connectionId")), r.Header["X-Kind"], r.Header["Action"], r.Header["N"], r.Header["All"])
	})
	integration := &HTTPProxy{URL: url + "/{stage}/{path+}?fixed=1", Headers: map[string]string{"X-Kind": "overruled"}, Parameters: []RequestParameter{
		{"header", "connectionId", "context.connectionId"},
		{"header", "x-kind", "'message'"},
		{"header", "Host", "'a.test'"},
		{"header", "Action", "route.request.body.action"},
		{"header", "N", "route.request.body.list[1].n"},
		{"header", "All", "route.request.body"},
		{"header", "Absent", "route.request.header.Absent"},
		{"querystring", "event", "context.eventType"},
		{"querystring", "v", "stageVariables.version"},
		{"querystring", "none", "stageVariables.none"},
		{"path", "stage", "context.stage"},
		{"path", "path", "route.request.body.path"},
	}}
	host := serve(t, &Server{StageVariables: map[string]string{"version": "1 2&3"}, Routes: map[string]Route{"$default": {Function: integration}}})
	c := dial(t, host, nil)
	for message, want := range map[string]string{
		`{"action":"say","list":[0,{"n":2}],"path":"a b/c?"}`: `/dev/a%20b/c%3F?fixed=1&event=MESSAGE&v=1+2%263 ` +
			`{"action":"say","list":[0,{"n":2}],"path":"a b/c?"} host=a.test id=16 kind=[message] action=[say] n=[2] all=[{"action":"say","list":[0,{"n":2}],"path":"a b/c?"}]`,
		`{"action":"a\r\nb: c","list":[0,{"n":{"m": 1}}]}`: `/dev/?fixed=1&event=MESSAGE&v=1+2%263 ` +
			`{"action":"a\r\nb: c","list":[0,{"n":{"m": 1}}]} host=a.test id=16 kind=[message] action=[a  b: c] n=[{"m": 1}] all=[{"action":"a\r\nb: c","list":[0,{"n":{"m": 1}}]}]`,
		`not JSON`: `/dev/?fixed=1&event=MESSAGE&v=1+2%263 not JSON host=a.test id=16 kind=[message] action=[] n=[] all=[not JSON]`,
		`{"list":[0,{"n":null}],"action":false}`: `/dev/?fixed=1&event=MESSAGE&v=1+2%263 ` +
			`{"list":[0,{"n":null}],"action":false} host=a.test id=16 kind=[message] action=[false] n=[] all=[{"list":[0,{"n":null}],"action":false}]`,
	} {
		write(t, c, message)
		if line := <-got; line != want {
			t.Errorf("%s:\n got %s\nwant %s", message, line, want)
		}
	}
}

func TestABackendOfConnectGetsParametersOfTheHandshake(t *testing.T) {
	got := make(chan string, 10)
	url := backend(t, func(w http.ResponseWriter, r *http.Request) {
		got <- fmt.Sprintf("%s token=%s all=%s user=%s proto=%s body=%s", r.URL.RequestURI(), r.Header["Token"], r.Header["All"], r.Header["User"], r.Header["Proto"], r.Header["Body"])
	})
	integration := &HTTPProxy{URL: url, Parameters: []RequestParameter{
		{"header", "Token", "route.request.header.authorization"},
		{"header", "All", "route.request.multivalueheader.X-Many"},
		{"header", "Proto", "route.request.header.X-Forwarded-Proto"},
		{"header", "User", "context.authorizer.user"},
		{"header", "Body", "route.request.body"},
		{"querystring", "q", "route.request.querystring.q"},
		{"querystring", "m", "route.request.multivaluequerystring.q"},
	}}
	authorizer := &Authorizer{Function: &answers{policyOf("Allow", "*", `{"user":7}`)}}
	host := serve(t, &Server{Routes: map[string]Route{"$connect": {Function: integration, Authorizer: authorizer}}})
	c, _, err := websocket.Dial(t.Context(), "ws://"+host+"/dev?q=1&q=2", &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"a"}, "X-Many": {"1", "2"}}})
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
	if line, want := <-got, "/?m=1&m=2&q=2 token=[a] all=[1 2] user=[7] proto=[http] body=[]"; line != want {
		t.Errorf("got %s\nwant %s", line, want)
	}
}

func TestARequestParameterIsRightOrRefusedBeforeAnybodyConnects(t *testing.T) {
	for _, test := range []struct{ in, name, source, want string }{
		{"header", "a b", "'x'", `"a b" cannot be the name of a header`},
		{"header", "", "'x'", "cannot be the name of a header"},
		{"querystring", "", "'x'", "it has no name"},
		{"body", "a", "'x'", `"body" is not header, querystring or path`},
		{"header", "a", "x", `the source "x": there are context.NAME`},
		{"header", "a", "", "there are context.NAME"},
		{"header", "a", "'", "there are context.NAME"},
		{"header", "a", "context.", "a name has letters"},
		{"header", "a", "context.a b", "a name has letters"},
		{"header", "a", "$context.connectionId", "there are context.NAME"},
		{"header", "a", "route.request.path.a", "there are context.NAME"},
		{"header", "a", "route.request.body.", "has an empty name"},
		{"header", "a", "route.request.bodyless", "unknown variable"},
		{"header", "a", "route.request.body.a[*]", "neither an index nor a quoted name"},
		{"header", "a", "route.request.body..a", "has an empty name"},
		{"header", "a", "integration.request.header.a", "there are context.NAME"},
	} {
		err := (&Server{Routes: map[string]Route{"say": {Function: &HTTPProxy{URL: "http://x", Parameters: []RequestParameter{{test.in, test.name, test.source}}}}}}).Validate()
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), `route "say": HTTP integration http://x: request parameter integration.request.`+test.in+"."+test.name) {
			t.Errorf("%+v: %v", test, err)
		}
	}
	twice := &HTTPProxy{URL: "http://x", Parameters: []RequestParameter{{"header", "A", "'1'"}, {"querystring", "A", "'1'"}, {"querystring", "a", "'1'"}, {"header", "a", "'2'"}}}
	if err := twice.Validate(); err == nil || !strings.Contains(err.Error(), "integration.request.header.a is given twice") {
		t.Error(err)
	}
	for _, source := range []string{"''", "'it's'", "context.connectionId", "context.identity.sourceIp", "context.authorizer.any", "stageVariables.a_b", "route.request.body", "route.request.body.a['b c'][0]", "route.request.multivaluequerystring.a.b"} {
		if _, err := parseParameter(RequestParameter{"header", "a", source}); err != nil {
			t.Errorf("%s: %v", source, err)
		}
	}
}

func FuzzParameter(f *testing.F) {
	for _, source := range []string{"'x'", "context.identity.sourceIp", "route.request.body.a[0]['b']", "route.request.header.X", "route.request.multivalueheader.X", "stageVariables.v"} {
		f.Add(source, `{"a":[{"b":1}]}`)
	}
	f.Fuzz(func(t *testing.T, source, body string) {
		p, err := parseParameter(RequestParameter{"querystring", "q", source})
		if err != nil {
			return
		}
		event := append([]byte(`{"headers":{"X":"1"},"multiValueHeaders":{"X":["1","2"]},"requestContext":{"identity":{"sourceIp":"a"}},"stageVariables":{"v":"w"},"body":`), appendString(nil, body)...)
		event = append(event, '}')
		p.values(event, []byte(body))
		if _, err := target("http://x/{q}?a=b", []parameter{p}, event, []byte(body)); err != nil {
			t.Errorf("%q: %v", source, err)
		}
	})
}

// answers is a function with one answer.
type answers struct{ text string }

func (a *answers) Invoke(_ context.Context, _ []byte) ([]byte, error) { return []byte(a.text), nil }

func TestPartsOfAPathCannotLeaveTheirPlace(t *testing.T) {
	all, err := new(parameters).of([]RequestParameter{{"path", "id", "route.request.body.id"}})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"a": "http://x/a/y", "a/b": "http://x/a%2Fb/y", "a?b#c": "http://x/a%3Fb%23c/y", "{id}": "http://x/%7Bid%7D/y", "..": "http://x/%2E%2E/y", ".": "http://x/%2E/y"} {
		body := []byte(`{"id":` + string(appendString(nil, id)) + `}`)
		if got, err := target("http://x/{id}/y", all, []byte(`{}`), body); got != want || err != nil {
			t.Errorf("%s: %s, %v", id, got, err)
		}
	}
}
