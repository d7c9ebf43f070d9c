package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/wirepost/wirepost/internal/app"
)

func policyOf(effect, resource string) string {
	return `{"principalId":"p","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"` + effect + `","Resource":"` + resource + `"}]},"context":{"s":"x","n":1,"b":true}}`
}

// guarded is an API whose route GET /a/{id} has the function Z as an authorizer.
func guarded(kind app.HTTPKind, change func(*app.HTTPRoute)) *app.HTTPAPI {
	api := apiOf(kind, "GET /a/{id}")
	api.Stage = "test"
	r := &api.Routes[0]
	r.Authorizer, r.AuthorizerKind, r.IdentitySources = "Z", "REQUEST", []string{"$request.header.Authorization"}
	if kind == app.RESTAPI {
		r.IdentitySources = []string{"method.request.header.Authorization"}
	}
	if change != nil {
		change(r)
	}
	return api
}

func simple(r *app.HTTPRoute) { r.SimpleAnswers = true }

func TestAnAuthorizerDecides(t *testing.T) {
	const arn = "arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/test/GET/a/1"
	token := func(r *app.HTTPRoute) { r.AuthorizerKind = "TOKEN" }
	for _, c := range []struct {
		name   string
		kind   app.HTTPKind
		change func(*app.HTTPRoute)
		result string
		err    error
		status int
		body   string
		said   string // requestContext.authorizer
	}{
		{"simple: allowed", app.HTTPOfAPI, simple, `{"isAuthorized":true,"context":{"k":["a"]}}`, nil, 200, "", `{"lambda":{"k":["a"]}}`},
		{"simple: allowed without a context", app.HTTPOfAPI, simple, `{"isAuthorized":true}`, nil, 200, "", `{"lambda":null}`},
		{"simple: not allowed", app.HTTPOfAPI, simple, `{"isAuthorized":false}`, nil, 403, `{"message":"Forbidden"}`, ""},
		{"simple: a policy", app.HTTPOfAPI, simple, policyOf("Allow", "*"), nil, 500, `{"message":"Internal Server Error"}`, ""},
		{"simple: a string", app.HTTPOfAPI, simple, `{"isAuthorized":"true"}`, nil, 500, "", ""},
		{"a policy that allows", app.HTTPOfAPI, nil, policyOf("Allow", arn), nil, 200, "", `{"lambda":{"b":true,"n":1,"s":"x"}}`},
		{"a policy that allows another route", app.HTTPOfAPI, nil, policyOf("Allow", strings.Replace(arn, "GET", "POST", 1)), nil, 403, `{"message":"Forbidden"}`, ""},
		{"a policy with wildcards", app.HTTPOfAPI, nil, policyOf("Allow", "arn:aws:execute-api:*:*:*/test/*"), nil, 200, "", ""},
		{"a policy that denies", app.HTTPOfAPI, nil, policyOf("Deny", "*"), nil, 403, `{"message":"Forbidden"}`, ""},
		{"isAuthorized without simple answers", app.HTTPOfAPI, nil, `{"isAuthorized":true}`, nil, 500, "", ""},
		{"null", app.HTTPOfAPI, nil, `null`, nil, 500, "", ""},
		{"no JSON", app.HTTPOfAPI, nil, `<`, nil, 500, "", ""},
		{"a failure", app.HTTPOfAPI, nil, "", errors.New("Error: boom"), 500, `{"message":"Internal Server Error"}`, ""},
		{"Unauthorized", app.HTTPOfAPI, nil, "", errors.New("Error: Unauthorized"), 401, `{"message":"Unauthorized"}`, ""},
		{"a condition", app.HTTPOfAPI, nil, strings.Replace(policyOf("Allow", "*"), `"Effect"`, `"Condition":{"Bool":{"a":"b"}},"Effect"`, 1), nil, 500, "", ""},

		{"REST: a policy that allows", app.RESTAPI, nil, policyOf("Allow", arn), nil, 200, "", `{"b":"true","integrationLatency":0,"n":"1","principalId":"p","s":"x"}`},
		{"REST: a policy that says nothing of it", app.RESTAPI, token, policyOf("Allow", "x"), nil, 403, `{"Message":"User is not authorized to access this resource"}`, ""},
		{"REST: a policy that denies", app.RESTAPI, token, policyOf("Deny", arn), nil, 403, `{"Message":"User is not authorized to access this resource with an explicit deny"}`, ""},
		{"REST: no principal", app.RESTAPI, token, strings.Replace(policyOf("Allow", "*"), "principalId", "principal", 1), nil, 500, `{"message":null}`, ""},
		{"REST: a context with a list", app.RESTAPI, token, strings.Replace(policyOf("Allow", "*"), `"n":1`, `"n":[1]`, 1), nil, 500, "", ""},
		{"REST: Unauthorized", app.RESTAPI, token, "", errors.New("Unauthorized"), 401, `{"message":"Unauthorized"}`, ""},
		{"REST: a failure", app.RESTAPI, token, "", errors.New("KeyError"), 500, `{"message":null}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, guarded(c.kind, c.change), `{"statusCode":200}`)
			s.functions["Z"] = func(context.Context, []byte) ([]byte, error) { return []byte(c.result), c.err }
			w := s.ask("GET", "/test/a/1", "", with("Authorization", "t"))
			if w.Code != c.status || c.body != "" && w.Body.String() != c.body {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, c.status, c.body)
			}
			if got := string(encoded(s.member("requestContext", "authorizer"))); c.said != "" && got != c.said {
				t.Errorf("the function gets %s, want %s", got, c.said)
			}
			if c.status != 200 && (s.event != nil || s.records[0].Why == "") {
				t.Errorf("refused, and %s, %+v", s.event, s.records)
			}
		})
	}
}

func TestAnAuthorizerIsAskedWithTheRequest(t *testing.T) {
	for _, c := range []struct {
		name   string
		kind   app.HTTPKind
		change func(*app.HTTPRoute)
		want   map[string]string
		into   any
	}{
		{"2.0", app.HTTPOfAPI, nil, map[string]string{"version": `"2.0"`, "type": `"REQUEST"`, "routeArn": `"arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/test/GET/a/1"`,
			"identitySource": `["t"]`, "routeKey": `"GET /a/{id}"`, "pathParameters": `{"id":"1"}`, "body": `null`, "isBase64Encoded": `null`}, &events.APIGatewayV2CustomAuthorizerV2Request{}},
		{"1.0", app.HTTPOfAPI, func(r *app.HTTPRoute) { r.AuthorizerPayload = "1.0" }, map[string]string{"version": `"1.0"`, "type": `"REQUEST"`, "methodArn": `"arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/test/GET/a/1"`,
			"identitySource": `"t"`, "authorizationToken": `"t"`, "resource": `"/a/{id}"`, "isBase64Encoded": `null`}, &events.APIGatewayV2CustomAuthorizerV1Request{}},
		{"REST REQUEST", app.RESTAPI, nil, map[string]string{"version": `null`, "type": `"REQUEST"`, "path": `"/a/1"`, "headers.Authorization": `"t"`, "identitySource": `null`}, &events.APIGatewayCustomAuthorizerRequestTypeRequest{}},
		{"REST TOKEN", app.RESTAPI, func(r *app.HTTPRoute) { r.AuthorizerKind, r.IdentitySources = "TOKEN", nil }, map[string]string{"type": `"TOKEN"`, "authorizationToken": `"t"`, "path": `null`,
			"methodArn": `"arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/test/GET/a/1"`}, &events.APIGatewayCustomAuthorizerRequest{}},
	} {
		s := serve(t, guarded(c.kind, c.change), `{"statusCode":200}`)
		var asked json.RawMessage
		s.functions["Z"] = func(_ context.Context, event []byte) ([]byte, error) {
			asked = event
			return []byte(policyOf("Deny", "*")), nil
		}
		s.ask("GET", "/test/a/1?q=1", "", with("Authorization", "t"))
		s.event = asked
		for path, want := range c.want {
			if got := string(encoded(s.member(strings.Split(path, ".")...))); got != want {
				t.Errorf("%s: %s is %s, want %s", c.name, path, got, want)
			}
		}
		if err := json.Unmarshal(asked, c.into); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestWithoutItsIdentitySourceARequestIsRefusedUnasked(t *testing.T) {
	for source, c := range map[string]struct {
		target string
		header string
		status int
	}{
		"$request.header.X-Key":           {"/test/a/1", "x-key", 200},
		"$request.querystring.k":          {"/test/a/1?k=v", "", 200},
		"method.request.querystring.K":    {"/test/a/1?k=v", "", 401},
		"$stageVariables.v":               {"/test/a/1", "", 200},
		"stageVariables.w":                {"/test/a/1", "", 401},
		"$context.routeKey":               {"/test/a/1", "", 200},
		"$context.http.method":            {"/test/a/1", "", 200},
		"context.identity.sourceIp":       {"/test/a/1", "", 200},
		"$context.nothing":                {"/test/a/1", "", 401},
		"method.request.header.X-Nothing": {"/test/a/1", "", 401},
		"$request.body.x":                 {"/test/a/1", "", 500}, // not known: said, and the route is not run
	} {
		api := guarded(app.HTTPOfAPI, func(r *app.HTTPRoute) { r.SimpleAnswers, r.IdentitySources = true, []string{source} })
		api.StageVariables = map[string]string{"v": "1"}
		s := serve(t, api, `{}`)
		asked := false
		s.functions["Z"] = func(context.Context, []byte) ([]byte, error) {
			asked = true
			return []byte(`{"isAuthorized":true}`), nil
		}
		w := s.ask("GET", c.target, "", with(c.header+"-", "v"), with(c.header, "v"))
		if w.Code != c.status || asked != (c.status == 200) {
			t.Errorf("%s: %d, asked %v", source, w.Code, asked)
		}
		if c.status == 500 && len(s.notices) != 1 {
			t.Errorf("%s: notices %q", source, s.notices)
		}
	}
}

func TestAnAuthorizerThatCannotBeAskedIsSaidOnce(t *testing.T) {
	s := serve(t, guarded(app.HTTPOfAPI, nil), `{}`)
	for range 2 {
		if w := s.ask("GET", "/test/a/1", "", with("Authorization", "t")); w.Code != 500 {
			t.Errorf("%d", w.Code)
		}
	}
	if len(s.notices) != 1 || !strings.Contains(s.notices[0], `"Z"`) || len(s.records) != 2 {
		t.Errorf("notices %q", s.notices)
	}
}

func TestIAMLetsThroughAndIsSaidOnce(t *testing.T) {
	s := serve(t, guarded(app.HTTPOfAPI, func(r *app.HTTPRoute) { r.AuthorizerKind = "AWS_IAM" }), `{}`)
	for range 2 {
		if w := s.ask("GET", "/test/a/1", ""); w.Code != 200 {
			t.Errorf("%d", w.Code)
		}
	}
	if len(s.notices) != 1 || !strings.Contains(s.notices[0], "signed") {
		t.Errorf("%q", s.notices)
	}
}

func FuzzAnAuthorizersResultIsReadOrRefused(f *testing.F) {
	f.Add([]byte(policyOf("Allow", "*")))
	f.Add([]byte(`{"principalId":null,"policyDocument":{"Statement":{"Effect":"Allow","Action":["a*"],"NotResource":"?"}}}`))
	f.Add([]byte(`{"isAuthorized":true,"context":null}`))
	f.Fuzz(func(t *testing.T, result []byte) {
		for _, kind := range []app.HTTPKind{app.HTTPOfAPI, app.RESTAPI} {
			s := serve(t, guarded(kind, nil), `{"statusCode":200}`)
			s.functions["Z"] = returns(string(result))
			switch w := s.ask("GET", "/test/a/1", "", with("Authorization", "t")); w.Code {
			case 200:
				if !json.Valid(s.event) || !strings.Contains(string(result), "Allow") {
					t.Errorf("allowed by %q: %s", result, s.event)
				}
			case 403, 500:
			default:
				t.Errorf("%d for %q", w.Code, result)
			}
		}
	})
}
