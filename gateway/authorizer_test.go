package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// policyOf is an authorizer's result with one statement.
func policyOf(effect, resource, context string) string {
	return `{"principalId":"me","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"` +
		effect + `","Resource":"` + resource + `"}]},"context":` + context + `}`
}

// authorizing serves a recorder behind an authorizer.
func authorizing(t *testing.T, s *Server, answer func(payload []byte) ([]byte, error), sources ...string) (host string, f *recorder, asked *atomic.Int64) {
	t.Helper()
	f, asked = newRecorder(), new(atomic.Int64)
	authorizer := FunctionFunc(func(_ context.Context, payload []byte) ([]byte, error) {
		asked.Add(1)
		return answer(payload)
	})
	s.Function, s.APIID, s.AccountID = f, "ihd9y8pe0l", "123456781380"
	s.Routes = map[string]Route{"$connect": {Authorizer: &Authorizer{Function: authorizer, IdentitySources: sources}}, "$disconnect": {}, "$default": {}}
	return serve(t, s), f, asked
}

// shake makes a handshake and returns its status and body.
func shake(t testing.TB, host, target, header string) (status int, errorType, body string) {
	t.Helper()
	a := httpRaw(t, host, "GET "+target+" HTTP/1.1\r\nHost: x\r\n"+handshakeFields+header+"\r\n")
	return a.status, a.header.Get("x-amzn-errortype"), a.body
}

const connectARN = "arn:aws:execute-api:us-east-1:123456781380:ihd9y8pe0l/dev/$connect"

func TestAnAuthorizerDecidesAboutTheHandshake(t *testing.T) {
	big := strings.Repeat("x", 9<<10)
	results := map[string]func() ([]byte, error){
		"allow":          func() ([]byte, error) { return []byte(policyOf("Allow", connectARN, `{}`)), nil },
		"deny":           func() ([]byte, error) { return []byte(policyOf("Deny", "*", `{}`)), nil },
		"nothing":        func() ([]byte, error) { return []byte(policyOf("Allow", "arn:aws:s3:::bucket", `{}`)), nil },
		"unauthorized":   func() ([]byte, error) { return nil, errors.New("Unauthorized") },
		"our error":      func() ([]byte, error) { return nil, fmt.Errorf("no token: %w", ErrUnauthorized) },
		"lambda's error": func() ([]byte, error) { return nil, errors.New("the function failed: Error: Unauthorized") },
		"fails":          func() ([]byte, error) { return nil, io.ErrUnexpectedEOF },
		"panics":         func() ([]byte, error) { panic("in the authorizer") },
		"statusCode":     func() ([]byte, error) { return []byte(`{"statusCode":401}`), nil },
		"no JSON":        func() ([]byte, error) { return []byte(`allow`), nil },
		"null":           func() ([]byte, error) { return []byte(`null`), nil },
		"list":           func() ([]byte, error) { return []byte(`[]`), nil },
		"nothing at all": func() ([]byte, error) { return nil, nil },
		"no principal":   func() ([]byte, error) { return []byte(`{"policyDocument":{"Statement":[]}}`), nil },
		"number principal": func() ([]byte, error) {
			return []byte(strings.Replace(policyOf("Allow", "*", `{}`), `"me"`, "7", 1)), nil
		},
		"no policy":    func() ([]byte, error) { return []byte(`{"principalId":"me"}`), nil },
		"no statement": func() ([]byte, error) { return []byte(`{"principalId":"me","policyDocument":{"Statement":[]}}`), nil },
		"odd effect":   func() ([]byte, error) { return []byte(policyOf("allow", "*", `{}`)), nil },
		"no resource": func() ([]byte, error) {
			return []byte(`{"principalId":"me","policyDocument":{"Statement":{"Effect":"Allow","Action":"*"}}}`), nil
		},
		"object in it":     func() ([]byte, error) { return []byte(policyOf("Allow", "*", `{"a":{}}`)), nil },
		"list in it":       func() ([]byte, error) { return []byte(policyOf("Allow", "*", `{"a":[1]}`)), nil },
		"context a string": func() ([]byte, error) { return []byte(policyOf("Allow", "*", `"a"`)), nil },
		"over 8 KB":        func() ([]byte, error) { return []byte(policyOf("Allow", "*", `{"a":"`+big+`"}`)), nil },
		"8 KB": func() ([]byte, error) {
			p := policyOf("Allow", "*", `{"a":"X"}`)
			return []byte(strings.Replace(p, "X", strings.Repeat("x", 8<<10-len(p)+1), 1)), nil
		},
	}
	var want atomic.Value
	host, f, _ := authorizing(t, &Server{}, func([]byte) ([]byte, error) { return results[want.Load().(string)]() })
	for name, status := range map[string]int{
		"allow": 101, "8 KB": 101, "deny": 403, "nothing": 403, "unauthorized": 401, "our error": 401, "lambda's error": 401,
		"fails": 500, "panics": 500, "statusCode": 500, "no JSON": 500, "null": 500, "list": 500, "nothing at all": 500, "no principal": 500,
		"number principal": 500, "no policy": 500, "no statement": 500, "odd effect": 500, "no resource": 500, "object in it": 500,
		"list in it": 500, "context a string": 500, "over 8 KB": 500,
	} {
		want.Store(name)
		got, errorType, body := shake(t, host, "/dev", "")
		if got != status {
			t.Errorf("%s: %d %s", name, got, body)
		}
		if text := map[int]string{403: "not authorized", 401: `{"message":"Unauthorized"}`, 500: `{"message":"Internal server error"}`}[status]; !strings.Contains(body, text) || status != 101 && errorType == "" {
			t.Errorf("%s: %s %s", name, errorType, body)
		}
		if strings.Contains(body, "explicit deny") != (name == "deny") {
			t.Errorf("%s: %s", name, body)
		}
		if status == 101 {
			f.next(t, "CONNECT")
			f.next(t, "DISCONNECT")
		}
	}
	if n := len(f.events); n != 0 {
		t.Errorf("%d events of connections that were refused", n)
	}
}

func TestAnAuthorizerThatIsTooSlowIsAnError(t *testing.T) {
	inFakeTime(t, &Server{Routes: map[string]Route{"$connect": {Authorizer: &Authorizer{Function: FunctionFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
		time.Sleep(time.Minute) // and does not look at its context
		return []byte(policyOf("Allow", "*", `{}`)), nil
	})}}}}, func(t *testing.T, p *pipes, f *recorder) {
		nc, theirs := net.Pipe()
		p.Conns <- theirs
		start := time.Now()
		if err := rawHandshake(nc, "dev"); err == nil || !strings.Contains(err.Error(), "500 Internal") || time.Since(start) != 29*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		nc.Close()
		time.Sleep(time.Minute)
	})
}

func TestMissingIdentitySourcesAre401AndTheFunctionIsNotAsked(t *testing.T) {
	s := &Server{StageVariables: map[string]string{"set": "v", "empty": ""}}
	host, f, asked := authorizing(t, s, func([]byte) ([]byte, error) { return []byte(policyOf("Allow", "*", `{}`)), nil },
		"route.request.header.X-Token", "route.request.querystring.token", "stageVariables.set", "context.identity.sourceIp",
		"context.connectionId", "context.stage", "context.apiId", "context.routeKey", "context.eventType", "context.domainName", "route.request.header.host")
	for _, test := range []struct {
		target, header string
		status         int
	}{
		{"/dev?token=t", "x-token: t\r\n", 101},
		{"/dev?a=b&token=&token=t", "X-TOKEN: t\r\n", 101},
		{"/dev?token=t", "", 401},
		{"/dev?token=t", "X-Token:  \r\n", 401},
		{"/dev?token=", "X-Token: t\r\n", 401},
		{"/dev?Token=t", "X-Token: t\r\n", 401},
		{"/dev", "X-Token: t\r\n", 401},
	} {
		before := asked.Load()
		if status, _, body := shake(t, host, test.target, test.header); status != test.status || status == 401 && body != `{"message":"Unauthorized"}` {
			t.Errorf("%s %q: %d %s", test.target, test.header, status, body)
		}
		if got := asked.Load() - before; got != map[int]int64{101: 1}[test.status] {
			t.Errorf("%s %q: asked %d times", test.target, test.header, got)
		}
		if test.status == 101 {
			f.next(t, "CONNECT")
			f.next(t, "DISCONNECT")
		}
	}
	for _, source := range []string{"stageVariables.empty", "stageVariables.none", "context.identity.userAgent", "context.httpMethod"} {
		host, _, asked := authorizing(t, &Server{StageVariables: s.StageVariables}, nil, source)
		if status, _, _ := shake(t, host, "/dev", ""); status != 401 || asked.Load() != 0 {
			t.Errorf("%s: %d, asked %d times", source, status, asked.Load())
		}
	}
}

func TestAnAuthorizerIsConfiguredRightOrRefused(t *testing.T) {
	f := newRecorder()
	for part, routes := range map[string]map[string]Route{
		"only $connect can have one":             {"$disconnect": {Authorizer: &Authorizer{Function: f}}},
		`route "join" has an authorizer`:         {"join": {Authorizer: &Authorizer{Function: f}}},
		"the authorizer has no function":         {"$connect": {Authorizer: &Authorizer{}}},
		`identity source "$request.header.X"`:    {"$connect": {Authorizer: &Authorizer{Function: f, IdentitySources: []string{"$request.header.X"}}}},
		`identity source "context."`:             {"$connect": {Authorizer: &Authorizer{Function: f, IdentitySources: []string{"context."}}}},
		`identity source "route.request.body.x"`: {"$connect": {Authorizer: &Authorizer{Function: f, IdentitySources: []string{"route.request.body.x"}}}},
	} {
		if err := (&Server{Function: f, Routes: routes}).Validate(); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v, want %q", err, part)
		}
	}
}

func TestTheAuthorizersEventHasAllHeadersAndTheMethodARN(t *testing.T) {
	events := make(chan []byte, 2)
	host, f, _ := authorizing(t, &Server{}, func(payload []byte) ([]byte, error) {
		events <- payload
		return []byte(policyOf("Allow", connectARN, `{}`)), nil
	})
	shake(t, host, "/dev?a=1&a=2", "X-Token: t\r\n")
	f.next(t, "CONNECT")
	var got struct {
		Type, MethodArn                 string
		Headers, QueryStringParameters  map[string]string
		MultiValueHeaders               map[string][]string
		MultiValueQueryStringParameters map[string][]string
		StageVariables                  map[string]string
		PathParameters                  any
		RequestContext                  map[string]any
	}
	text := <-events
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Type != "REQUEST" || got.MethodArn != connectARN || got.StageVariables == nil || len(got.StageVariables) != 0 || got.PathParameters != nil {
		t.Errorf("event = %s", text)
	}
	for name, value := range map[string]string{"Connection": "upgrade", "Upgrade": "websocket", "content-length": "0", "X-Token": "t", "Host": "x", "X-Forwarded-Proto": "http"} {
		if got.Headers[name] != value || len(got.MultiValueHeaders[name]) != 1 {
			t.Errorf("header %s = %q %q", name, got.Headers[name], got.MultiValueHeaders[name])
		}
	}
	if got.QueryStringParameters["a"] != "2" || len(got.MultiValueQueryStringParameters["a"]) != 2 {
		t.Errorf("query = %v %v", got.QueryStringParameters, got.MultiValueQueryStringParameters)
	}
	if got.RequestContext["eventType"] != "CONNECT" || got.RequestContext["routeKey"] != "$connect" || got.RequestContext["authorizer"] != nil {
		t.Errorf("requestContext = %v", got.RequestContext)
	}
}

func TestWhatAnAuthorizerSaidIsInEveryLaterEvent(t *testing.T) {
	host, f, _ := authorizing(t, &Server{}, func([]byte) ([]byte, error) {
		return []byte(policyOf("Allow", "*", `{"text":"a\"\u00e9","number":1.50,"yes":true,"no":false,"none":null,"principalId":"other","integrationLatency":"x"}`)), nil
	})
	c, _, err := websocket.Dial(t.Context(), "ws://"+host+"/dev", nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, c, "hello")
	f.next(t, "CONNECT")
	f.next(t, "MESSAGE")
	c.Close(1000, "")
	f.next(t, "DISCONNECT")
	for range 3 {
		var got struct {
			RequestContext struct {
				EventType  string
				Authorizer map[string]json.RawMessage
			}
		}
		if err := json.Unmarshal(<-f.raw, &got); err != nil {
			t.Fatal(err)
		}
		a := got.RequestContext.Authorizer
		if len(a) != 6 || string(a["principalId"]) != `"me"` || string(a["text"]) != `"a\"é"` || string(a["number"]) != "1.50" ||
			string(a["yes"]) != "true" || string(a["no"]) != "false" || strings.Trim(string(a["integrationLatency"]), "0123456789") != "" {
			t.Errorf("%s: authorizer = %s", got.RequestContext.EventType, a)
		}
	}
}

func TestNothingIsCachedBetweenHandshakes(t *testing.T) {
	host, f, asked := authorizing(t, &Server{}, func([]byte) ([]byte, error) { return []byte(policyOf("Allow", "*", `{}`)), nil })
	for i := range 3 {
		dial(t, host, nil)
		f.next(t, "CONNECT")
		if asked.Load() != int64(i+1) {
			t.Errorf("asked %d times for %d handshakes", asked.Load(), i+1)
		}
	}
}

func TestPoliciesAreEvaluatedAsIAMDoes(t *testing.T) {
	statement := func(effect, action, resource string) string {
		return `{"Effect":"` + effect + `","Action":` + action + `,"Resource":` + resource + `}`
	}
	for _, test := range []struct {
		name, statements string
		want             verdict
		fails            bool
	}{
		{"the ARN", statement("Allow", `"execute-api:Invoke"`, `"`+connectARN+`"`), allowed, false},
		{"lists", statement("Allow", `["s3:Get","execute-api:Invoke"]`, `["a","`+connectARN+`"]`), allowed, false},
		{"everything", statement("Allow", `"*"`, `"*"`), allowed, false},
		{"wildcards", statement("Allow", `"execute-api:*"`, `"arn:aws:execute-api:*:*:*/*/$connect"`), allowed, false},
		{"question marks", statement("Allow", `"execute-api:Invok?"`, `"arn:aws:execute-api:us-east-?:123456781380:??????????/dev/*"`), allowed, false},
		{"an action in other letters", statement("Allow", `"Execute-API:invoke"`, `"*"`), allowed, false},
		{"a resource in other letters", statement("Allow", `"*"`, `"`+strings.ToUpper(connectARN)+`"`), unmentioned, false},
		{"another action", statement("Allow", `"execute-api:ManageConnections"`, `"*"`), unmentioned, false},
		{"another route", statement("Allow", `"*"`, `"arn:aws:execute-api:*:*:*/dev/join"`), unmentioned, false},
		{"a part of the ARN", statement("Allow", `"*"`, `"`+connectARN[:len(connectARN)-1]+`"`), unmentioned, false},
		{"more than the ARN", statement("Allow", `"*"`, `"`+connectARN+`?"`), unmentioned, false},
		{"an empty resource", statement("Allow", `"*"`, `""`), unmentioned, false},
		{"a deny after an allow", statement("Allow", `"*"`, `"*"`) + "," + statement("Deny", `"*"`, `"*"`), denied, false},
		{"a deny before an allow", statement("Deny", `"*"`, `"*"`) + "," + statement("Allow", `"*"`, `"*"`), denied, false},
		{"a deny of something else", statement("Deny", `"*"`, `"arn:aws:s3*"`) + "," + statement("Allow", `"*"`, `"*"`), allowed, false},
		{"NotResource", `{"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3*"}`, allowed, false},
		{"NotResource that matches", `{"Effect":"Allow","Action":"*","NotResource":["arn:aws:s3*","*"]}`, unmentioned, false},
		{"NotAction", `{"Effect":"Deny","NotAction":"s3:*","Resource":"*"}`, denied, false},
		{"an empty condition", `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{}}`, allowed, false},
		{"a condition", `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"1.2.3.4"}}}`, 0, true},
		{"a mistake after an allow", statement("Allow", `"*"`, `"*"`) + `,{"Effect":"Maybe","Action":"*","Resource":"*"}`, 0, true},
		{"a mistake after a deny", statement("Deny", `"*"`, `"*"`) + `,{"Effect":"Deny","Resource":"*"}`, 0, true},
	} {
		p, err := parsePolicy([]byte(`{"Statement":[` + test.statements + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.judge("execute-api:Invoke", connectARN)
		if (err != nil) != test.fails || !test.fails && got != test.want {
			t.Errorf("%s: %v, %v, want %v", test.name, got, err, test.want)
		}
	}
}

// A matcher that tries every way to share a name among the stars would not end
// before the sun does; this is at most len(pattern) times len(name) steps.
func TestAPatternOfManyStarsIsMatchedInNoTime(t *testing.T) {
	name := strings.Repeat("a", 8000)
	for pattern, want := range map[string]bool{
		strings.Repeat("a*", 2000) + "b": false, strings.Repeat("*a", 2000) + "*": true, strings.Repeat("*", 4000): true,
		strings.Repeat("*?", 2000) + "b": false, "*" + strings.Repeat("a", 3000) + "b": false, strings.Repeat("a?*", 2000) + "a": true,
	} {
		if got := wildcard(pattern, name); got != want {
			t.Errorf("%.20s…: %v", pattern, got)
		}
	}
}

// FuzzAuthorizerResult holds the matcher against a slow reference, and whatever
// an authorizer says against the promises of events.
func FuzzAuthorizerResult(f *testing.F) {
	f.Add([]byte(policyOf("Allow", connectARN, `{"a":"b","c":1e3,"d":true,"e":null}`)), "a*b?c", "aXbYc")
	f.Add([]byte(policyOf("Deny", "*", `{}`)), "**", "")
	f.Add([]byte("{\"principalId\":\"\xff\",\"policyDocument\":{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}},\"context\":{\"\xfe\":\"\xff\"}}"), "?*", "\xff")
	f.Fuzz(func(t *testing.T, data []byte, pattern, name string) {
		said, context, err := parseAuthorizerResult(data, connectARN, time.Millisecond)
		if (said == allowed && err == nil) != (context != nil) || err != nil && said == allowed && context != nil {
			t.Fatalf("%q: %v, %s, %v", data, said, context, err)
		}
		if context != nil {
			var got map[string]json.RawMessage
			if !utf8.Valid(context) || json.Unmarshal(context, &got) != nil || got["principalId"] == nil || got["integrationLatency"] == nil || len(data) > 8<<10 {
				t.Errorf("%q: context %q", data, context)
			}
			for key, value := range got {
				if strings.IndexByte("[{n", value[0]) >= 0 {
					t.Errorf("%q: %s = %s", data, key, value)
				}
			}
		}
		if len(pattern) < 200 && len(name) < 200 && wildcard(pattern, name) != referenceWildcard(pattern, name) {
			t.Errorf("wildcard(%q, %q) = %v", pattern, name, wildcard(pattern, name))
		}
	})
}

// referenceWildcard keeps for each prefix of pattern which prefixes of name it matches.
func referenceWildcard(pattern, name string) bool {
	row := make([]bool, len(name)+1)
	row[0] = true
	for _, p := range []byte(pattern) {
		next := make([]bool, len(row))
		for i := range next {
			switch {
			case p == '*':
				next[i] = row[i] || i > 0 && next[i-1]
			case i > 0:
				next[i] = row[i-1] && (p == '?' || p == name[i-1])
			}
		}
		row = next
	}
	return row[len(name)]
}

func TestAServerThatEndsDoesNotWaitForAnAuthorizer(t *testing.T) {
	asked := make(chan struct{})
	s := &Server{Function: newRecorder(), Routes: map[string]Route{"$connect": {Authorizer: &Authorizer{Function: FunctionFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
		close(asked)
		<-ctx.Done()
		return nil, ctx.Err()
	})}}}}
	synctest.Test(t, func(t *testing.T) {
		asked = make(chan struct{})
		p := newPipes()
		served := make(chan error, 1)
		go func() { served <- s.Serve(p) }()
		nc, theirs := net.Pipe()
		p.Conns <- theirs
		answer := make(chan string, 1)
		go func() {
			err := rawHandshake(nc, "dev")
			answer <- fmt.Sprint(err)
		}()
		<-asked
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown = %v", err)
		}
		if got := <-answer; got == "<nil>" {
			t.Error("the handshake went on")
		}
		<-served
		nc.Close()
	})
}

func TestAnARNHasThePartitionOfItsRegion(t *testing.T) {
	for region, partition := range map[string]string{
		"us-east-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "eusc-de-east-1": "aws-eusc", "us-iso-east-1": "aws-iso",
		"us-isob-east-1": "aws-iso-b", "eu-isoe-west-1": "aws-iso-e", "us-isof-south-1": "aws-iso-f", "eu-central-1": "aws",
	} {
		e := engineOf(t, &Server{Function: newRecorder(), Region: region, APIID: "ihd9y8pe0l"})
		if got, want := e.routeARN("$connect"), "arn:"+partition+":execute-api:"+region+":000000000000:ihd9y8pe0l/dev/$connect"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
