package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/wirepost/wirepost/internal/app"
)

// probe sends the request of the recorded events of hotsock/voker, with other values: an
// encoded path, repeated and encoded parameters, a header twice, two cookies, a JSON body.
func probe(s *served, prefix string) {
	s.ask("POST", prefix+"/a/space%20value?repeat=one&repeat=two&redirect=https%3A%2F%2Fexample.com%2Fa&literalPlus=a+b&encodedPlus=a%2Bb&empty=", `{"x":"λ <&>"}`,
		with("Content-Type", "application/json"), with("Cookie", "session=abc; theme=dark"), with("X-Probe", "first"), with("X-Probe", "second"),
		with("User-Agent", "curl/8"), with("Connection", "keep-alive"), with("X-Amzn-Trace-Id", "Root=1-a-b"))
}

const probeEvent2 = `{
  "version": "2.0", "routeKey": "POST /a/{name}", "rawPath": "/a/space value",
  "rawQueryString": "repeat=one&repeat=two&redirect=https%3A%2F%2Fexample.com%2Fa&literalPlus=a+b&encodedPlus=a%2Bb&empty=",
  "cookies": ["session=abc", "theme=dark"],
  "headers": {
    "content-length": "14", "content-type": "application/json", "host": "127.0.0.1:3003", "user-agent": "curl/8", "x-amzn-trace-id": "Root=1-a-b",
    "x-forwarded-for": "127.0.0.1", "x-forwarded-port": "3003", "x-forwarded-proto": "http", "x-probe": "first,second"
  },
  "queryStringParameters": {"empty": "", "encodedPlus": "a+b", "literalPlus": "a b", "redirect": "https://example.com/a", "repeat": "one,two"},
  "requestContext": {
    "accountId": "123456789012", "apiId": "abcdef1234", "domainName": "127.0.0.1:3003", "domainPrefix": "abcdef1234",
    "http": {"method": "POST", "path": "/a/space value", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "curl/8"},
    "requestId": "AAAAAAAAAAAAAAA=", "routeKey": "POST /a/{name}", "stage": "$default", "time": "10/Jul/2026:19:19:05 +0000", "timeEpoch": 1783711145766
  },
  "pathParameters": {"name": "space value"},
  "stageVariables": {"v": "1"},
  "body": "{\"x\":\"λ <&>\"}", "isBase64Encoded": false
}`

func TestAnHTTPAPIGivesPayload2(t *testing.T) {
	api := httpAPI("POST /a/{name}")
	api.StageVariables = map[string]string{"v": "1"}
	s := serve(t, api, `{}`)
	probe(s, "")
	sameJSON(t, s.event, probeEvent2)
	if strings.Contains(string(s.event), `\u003c`) {
		t.Errorf("< is escaped: %s", s.event)
	}
	isLossless(t, s.event, &events.APIGatewayV2HTTPRequest{})
}

func TestWhatThereIsNothingOfIsAbsentInPayload2(t *testing.T) {
	s := serve(t, httpAPI("GET /"), `{}`)
	s.ask("GET", "/", "", with("X-Amzn-Trace-Id", "t"))
	sameJSON(t, s.event, `{
  "version": "2.0", "routeKey": "GET /", "rawPath": "/", "rawQueryString": "",
  "headers": {"content-length": "0", "host": "127.0.0.1:3003", "x-amzn-trace-id": "t", "x-forwarded-for": "127.0.0.1", "x-forwarded-port": "3003", "x-forwarded-proto": "http"},
  "requestContext": {
    "accountId": "123456789012", "apiId": "abcdef1234", "domainName": "127.0.0.1:3003", "domainPrefix": "abcdef1234",
    "http": {"method": "GET", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": ""},
    "requestId": "AAAAAAAAAAAAAAA=", "routeKey": "GET /", "stage": "$default", "time": "10/Jul/2026:19:19:05 +0000", "timeEpoch": 1783711145766
  },
  "isBase64Encoded": false
}`)
}

func TestAFunctionURLGivesPayload2WithItsCookiesAndItsPathAsSent(t *testing.T) {
	api := apiOf(app.FunctionURL)
	api.LogicalID = "F"
	s := serve(t, api, `{}`)
	probe(s, "")
	want := strings.NewReplacer(
		`"routeKey": "POST /a/{name}"`, `"routeKey": "$default"`, `"rawPath": "/a/space value"`, `"rawPath": "/a/space%20value"`,
		`"headers": {`, `"headers": {"cookie": "session=abc; theme=dark",`, `"123456789012"`, `"anonymous"`,
		`"pathParameters": {"name": "space value"},`, ``, `"stageVariables": {"v": "1"},`, ``, `"AAAAAAAAAAAAAAA="`, `"00000000-0000-4000-8000-000000000000"`,
	).Replace(probeEvent2)
	sameJSON(t, s.event, want)
	isLossless(t, s.event, &events.LambdaFunctionURLRequest{}, "routeKey", "requestContext.routeKey", "requestContext.stage")
}

func TestAnHTTPAPIGivesPayload1WhereItIsAskedFor(t *testing.T) {
	api := httpAPI("POST /a/{name}")
	api.Routes[0].Payload = "1.0"
	s := serve(t, api, `{"statusCode":200}`)
	probe(s, "")
	for path, want := range map[string]string{
		"version": `"1.0"`, "resource": `"/a/{name}"`, "path": `"/a/space value"`, "httpMethod": `"POST"`, "pathParameters": `{"name":"space value"}`, "stageVariables": `null`,
		"headers.x-probe": `"second"`, "multiValueHeaders.x-probe": `["first","second"]`, "headers.cookie": `"session=abc; theme=dark"`,
		"queryStringParameters.repeat": `"two"`, "multiValueQueryStringParameters.repeat": `["one","two"]`,
		"body": `"{\"x\":\"λ <&>\"}"`, "isBase64Encoded": `false`, "requestContext.resourcePath": `"/a/{name}"`, "requestContext.resourceId": `null`,
		"requestContext.identity.sourceIp": `"127.0.0.1"`, "requestContext.identity.accountId": `null`, "requestContext.requestTime": `"10/Jul/2026:19:19:05 +0000"`,
	} {
		if got := string(encoded(s.member(strings.Split(path, ".")...))); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	isLossless(t, s.event, &events.APIGatewayProxyRequest{}, "version", "requestContext.identity.principalOrgId")
}

// The layout is that of LocalStack's snapshots of a REST API on AWS, test_lambda_aws_proxy_integration.
func TestARESTAPIGivesTheEventOfAProxyIntegration(t *testing.T) {
	s := serve(t, restAPI("ANY /{proxy+}"), `{}`)
	probe(s, "/prod")
	sameJSON(t, s.event, fmt.Sprintf(`{
  "resource": "/{proxy+}", "path": "/a/space%%20value", "httpMethod": "POST",
  "headers": {"Content-Type": "application/json", "Cookie": "session=abc; theme=dark", "Host": "127.0.0.1:3003", "User-Agent": "curl/8",
    "X-Amzn-Trace-Id": "Root=1-a-b", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Port": "3003", "X-Forwarded-Proto": "http", "X-Probe": "second"},
  "multiValueHeaders": {"Content-Type": ["application/json"], "Cookie": ["session=abc; theme=dark"], "Host": ["127.0.0.1:3003"], "User-Agent": ["curl/8"],
    "X-Amzn-Trace-Id": ["Root=1-a-b"], "X-Forwarded-For": ["127.0.0.1"], "X-Forwarded-Port": ["3003"], "X-Forwarded-Proto": ["http"], "X-Probe": ["first", "second"]},
  "queryStringParameters": {"empty": "", "encodedPlus": "a+b", "literalPlus": "a b", "redirect": "https://example.com/a", "repeat": "two"},
  "multiValueQueryStringParameters": {"empty": [""], "encodedPlus": ["a+b"], "literalPlus": ["a b"], "redirect": ["https://example.com/a"], "repeat": ["one", "two"]},
  "pathParameters": {"proxy": "a/space%%20value"}, "stageVariables": null,
  "requestContext": {
    "accountId": "123456789012", "apiId": "abcdef1234", "deploymentId": %q, "domainName": "127.0.0.1:3003", "domainPrefix": "abcdef1234",
    "extendedRequestId": "AAAAAAAAAAAAAAA=", "httpMethod": "POST",
    "identity": {"accessKey": null, "accountId": null, "caller": null, "cognitoAuthenticationProvider": null, "cognitoAuthenticationType": null,
      "cognitoIdentityId": null, "cognitoIdentityPoolId": null, "principalOrgId": null, "sourceIp": "127.0.0.1", "user": null, "userAgent": "curl/8", "userArn": null},
    "path": "/prod/a/space%%20value", "protocol": "HTTP/1.1", "requestId": "00000000-0000-4000-8000-000000000000",
    "requestTime": "10/Jul/2026:19:19:05 +0000", "requestTimeEpoch": 1783711145766, "resourceId": %q, "resourcePath": "/{proxy+}", "stage": "prod"
  },
  "body": "{\"x\":\"λ <&>\"}", "isBase64Encoded": false
}`, s.derivedID("deployment", 6), s.derivedID("/{proxy+}", 6)))
	isLossless(t, s.event, &events.APIGatewayProxyRequest{}, "requestContext.deploymentId", "requestContext.identity.principalOrgId")

	s.ask("GET", "/prod/a", "")
	for _, name := range []string{"queryStringParameters", "multiValueQueryStringParameters", "body", "stageVariables"} {
		var event map[string]json.RawMessage
		json.Unmarshal(s.event, &event)
		if string(event[name]) != "null" {
			t.Errorf("%s is %s, want null", name, event[name])
		}
	}
}

// isLossless reads an event into a type of aws-lambda-go and expects everything in it again,
// but for what the type does not have.
func isLossless(t *testing.T, event []byte, into any, missing ...string) {
	t.Helper()
	if err := json.Unmarshal(event, into); err != nil {
		t.Fatal(err)
	}
	var before, after any
	again, _ := json.Marshal(into)
	json.Unmarshal(event, &before)
	json.Unmarshal(again, &after)
	compareMembers(t, "", before, after, missing)
}

func compareMembers(t *testing.T, path string, before, after any, missing []string) {
	object, ok := before.(map[string]any)
	if !ok {
		switch {
		case before == nil || before == "" || before == false || before == 0.0:
		case string(encoded(before)) != string(encoded(after)):
			t.Errorf("%s: %s became %s", path, encoded(before), encoded(after))
		}
		return
	}
	other, _ := after.(map[string]any)
	for name, value := range object {
		at := strings.TrimPrefix(path+"."+name, ".")
		if !strings.Contains(" "+strings.Join(missing, " ")+" ", " "+at+" ") {
			compareMembers(t, at, value, other[name], missing)
		}
	}
}

func TestBodiesOfBinaryTypesAreInBase64(t *testing.T) {
	for _, c := range []struct {
		kind        app.HTTPKind
		contentType string
		body        string
		want        bool
	}{
		// ministackorg/ministack#766.
		{app.HTTPOfAPI, "text/plain", "a", false},
		{app.HTTPOfAPI, "text/csv; charset=utf-8", "a", false},
		{app.HTTPOfAPI, "application/json", "a", false},
		{app.HTTPOfAPI, "Application/JSON;charset=utf-8", "a", false},
		{app.HTTPOfAPI, "application/xml", "a", false},
		{app.HTTPOfAPI, "application/javascript", "a", false},
		{app.HTTPOfAPI, "application/x-www-form-urlencoded", "a=b", true},
		{app.HTTPOfAPI, "multipart/form-data; boundary=x", "a", true},
		{app.HTTPOfAPI, "application/octet-stream", "a", true},
		{app.HTTPOfAPI, "image/png", "\x89PNG\xff", true},
		{app.HTTPOfAPI, "", "a", true},
		{app.HTTPOfAPI, ";;;", "a", true},
		{app.HTTPOfAPI, "text/plain", "\xff", true},
		{app.HTTPOfAPI, "application/octet-stream", "", false},
		{app.FunctionURL, "application/x-www-form-urlencoded", "a", true},
		{app.FunctionURL, "application/json", "a", false},
		{app.RESTAPI, "application/octet-stream", "a", false},
		{app.RESTAPI, "image/png", "a", true},
		{app.RESTAPI, "application/zip", "a", true},
	} {
		api := apiOf(c.kind, "POST /")
		api.BinaryTypes = []string{"image/*", "application~1zip"}
		target := "/"
		if c.kind == app.RESTAPI {
			api.Stage, target = "prod", "/prod"
		}
		s := serve(t, api, `{"statusCode":200}`)
		s.ask("POST", target, c.body, func(r *http.Request) {
			if c.contentType != "" {
				r.Header.Set("Content-Type", c.contentType)
			}
		})
		if got := s.member("isBase64Encoded"); got != c.want {
			t.Errorf("%s %q %q: %v, want %v", c.kind, c.contentType, c.body, got, c.want)
		}
	}
}

func TestHeadersOfTheConnectionAreNotInEvents(t *testing.T) {
	s := serve(t, httpAPI("GET /"), `{}`)
	s.ask("GET", "/", "", with("Connection", "X-Hop, upgrade"), with("X-Hop", "1"), with("Upgrade", "websocket"), with("Te", "trailers"), with("X-Forwarded-For", "1.2.3.4"), with("X-Keep", "a\xffb"))
	headers, _ := s.member("headers").(map[string]any)
	for _, name := range []string{"connection", "x-hop", "upgrade", "te"} {
		if headers[name] != nil {
			t.Errorf("%s is %v", name, headers[name])
		}
	}
	if headers["x-forwarded-for"] != "1.2.3.4, 127.0.0.1" || headers["x-keep"] != "a\uFFFDb" {
		t.Errorf("%v", headers)
	}
	if len(s.notices) != 1 || !strings.Contains(s.notices[0], "WebSocket") {
		t.Errorf("notices %q", s.notices)
	}
}
