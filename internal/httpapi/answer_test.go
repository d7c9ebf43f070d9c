package httpapi

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

const (
	ofV2   = "2.0"
	ofV1   = "1.0"
	ofREST = "REST"
	ofURL  = "URL"
)

// answerCases are those of TestAnAnswerIsReadByTheRulesOfItsAPI.
var answerCases = []struct {
	name, api, result string
	status            int
	body              string
	header            string // NAME: VALUE, with | between several
}{
	{"a string is the body without its quotes", ofV2, `"Hello from Lambda!"`, 200, "Hello from Lambda!", "Content-Type: application/json"},
	{"an object is the body", ofV2, "{ \"message\": \"Hi\" }\n", 200, `{ "message": "Hi" }`, "Content-Type: application/json"},
	{"a list is the body", ofV2, `[1]`, 200, `[1]`, "Content-Type: application/json"},
	{"null is the body", ofV2, `null`, 200, `null`, ""},
	{"nothing is null", ofV2, ``, 200, `null`, ""},
	{"headers without a status are the body", ofV2, `{"headers":{"a":"b"}}`, 200, `{"headers":{"a":"b"}}`, ""},
	{"a status of null is none", ofV2, `{"statusCode":null}`, 200, `{"statusCode":null}`, ""},
	{"the whole form", ofV2, `{"statusCode":201,"headers":{"X-A":"b","content-type":"text/html"},"body":"<p>","cookies":["a=1; Path=/","b=2"]}`, 201, "<p>", "Content-Type: text/html|X-A: b|Set-Cookie: a=1; Path=/,b=2"},
	{"base64", ofV2, `{"statusCode":200,"isBase64Encoded":true,"body":"aGk="}`, 200, "hi", ""},
	{"base64 that is none", ofV2, `{"statusCode":200,"isBase64Encoded":true,"body":"hi!"}`, 500, "", ""},
	{"no body", ofV2, `{"statusCode":204}`, 204, "", ""},
	{"headers of null", ofV2, `{"statusCode":200,"headers":null,"cookies":null,"multiValueHeaders":null,"body":null,"isBase64Encoded":null}`, 200, "", ""},
	{"a header of null", ofV2, `{"statusCode":200,"headers":{"x-a":null,"x-b":1,"x-c":true,"x-d":1.5}}`, 200, "", "X-B: 1|X-C: true|X-D: 1.5"},
	{"a status in a string", ofV2, `{"statusCode":"201"}`, 201, "", ""},
	{"a status that is a float", ofV2, `{"statusCode":201.0}`, 201, "", ""},
	{"multiValueHeaders are of 1.0", ofV2, `{"statusCode":200,"multiValueHeaders":{"x-a":["b"]}}`, 200, "", "X-A: "},
	{"a status that is none", ofV2, `{"statusCode":"ok"}`, 500, "", ""},
	{"a status below", ofV2, `{"statusCode":99}`, 500, "", ""},
	{"a status of information", ofV2, `{"statusCode":101}`, 500, "", ""},
	{"a status above", ofV2, `{"statusCode":1000}`, 500, "", ""},
	{"a body that is an object", ofV2, `{"statusCode":200,"body":{"a":1}}`, 500, "", ""},
	{"headers that are a list", ofV2, `{"statusCode":200,"headers":[]}`, 500, "", ""},
	{"a header that is a list", ofV2, `{"statusCode":200,"headers":{"a":["b"]}}`, 500, "", ""},
	{"a header with a line break", ofV2, `{"statusCode":200,"headers":{"a":"b\r\nSet-Cookie: x=1"}}`, 500, "", ""},
	{"a header whose name is none", ofV2, `{"statusCode":200,"headers":{"a b":"c"}}`, 500, "", ""},
	{"a cookie with a line break", ofV2, `{"statusCode":200,"cookies":["a=1\nX: y"]}`, 500, "", ""},
	{"what is not JSON", ofV2, `<html>`, 500, "", ""},
	{"half of JSON", ofV2, `{"statusCode":200`, 500, "", ""},
	{"headers of the connection", ofV2, `{"statusCode":200,"headers":{"Content-Length":"7","Connection":"close","Transfer-Encoding":"chunked"},"body":"hi"}`, 200, "hi", "Content-Length: 2|Connection: "},

	{"1.0: the whole form", ofV1, `{"statusCode":200,"headers":{"X-A":"1"},"multiValueHeaders":{"x-a":["1","2"],"set-cookie":["a=1","b=2"]},"body":"b","more":1}`, 200, "b", "X-A: 1,2|Set-Cookie: a=1,b=2"},
	{"1.0: no status", ofV1, `{"body":"b"}`, 500, "", ""},
	{"1.0: a string", ofV1, `"b"`, 500, "", ""},
	{"1.0: cookies are of 2.0", ofV1, `{"statusCode":200,"cookies":["a=1"]}`, 200, "", "Set-Cookie: "},

	{"REST: the whole form", ofREST, `{"statusCode":200,"headers":{"X-A":"1"},"multiValueHeaders":{"X-A":["2"]},"body":"b","isBase64Encoded":false}`, 200, "b", "X-A: 2,1|Content-Type: application/json"},
	{"REST: an empty object", ofREST, `{}`, 200, "", ""},
	{"REST: no body", ofREST, `{"statusCode":200,"headers":{"test-header":"value"}}`, 200, "", "Test-Header: value"},
	{"REST: a status in a string", ofREST, `{"statusCode":"201"}`, 201, "", ""},
	{"REST: another member", ofREST, `{"statusCode":200,"wrongValue":"value"}`, 502, "", ""},
	{"REST: null", ofREST, `null`, 502, "", ""},
	{"REST: a string", ofREST, `"x"`, 502, "", ""},
	{"REST: a body that is an object", ofREST, `{"statusCode":200,"body":{}}`, 502, "", ""},
	{"REST: base64 stays for a type that is not binary", ofREST, `{"statusCode":200,"isBase64Encoded":true,"body":"aGk="}`, 200, "aGk=", ""},
	{"REST: some headers have another name", ofREST, `{"statusCode":401,"headers":{"WWW-Authenticate":"Basic"}}`, 401, "", "Www-Authenticate: |X-Amzn-Remapped-Www-Authenticate: Basic"},

	{"URL: a string is the body with its quotes", ofURL, `"Hello, world!"`, 200, `"Hello, world!"`, "Content-Type: application/json|Content-Length: 15"},
	{"URL: the whole form", ofURL, `{"statusCode":201,"body":"b","cookies":["a=1"]}`, 201, "b", "Set-Cookie: a=1|Content-Type: application/json"},
	{"URL: what is not JSON", ofURL, `x`, 502, "", ""},
}

func TestAnAnswerIsReadByTheRulesOfItsAPI(t *testing.T) {
	for _, c := range answerCases {
		t.Run(c.name, func(t *testing.T) {
			api, target := httpAPI("GET /"), "/"
			switch c.api {
			case ofV1:
				api.Routes[0].Payload = ofV1
			case ofREST:
				api, target = restAPI("GET /"), "/prod"
			case ofURL:
				api = apiOf(app.FunctionURL)
				api.LogicalID = "F"
			}
			s := serve(t, api, c.result)
			w := s.ask("GET", target, "")
			if w.Code != c.status || c.status < 500 && w.Body.String() != c.body {
				t.Errorf("%d %q, want %d %q", w.Code, w.Body, c.status, c.body)
			}
			if c.status >= 500 && (len(s.notices) != 1 || !strings.Contains(s.notices[0], "malformed") || s.records[0].Why == "" || !s.records[0].Failed) {
				t.Errorf("notices %q, records %+v", s.notices, s.records)
			}
			for line := range strings.SplitSeq(c.header, "|") {
				name, value, _ := strings.Cut(line, ": ")
				if got := strings.Join(w.Header()[name], ","); name != "" && got != value {
					t.Errorf("%s is %q, want %q", name, got, value)
				}
			}
		})
	}
}

func TestARESTAPIDecodesBase64ForABinaryTypeThatIsAccepted(t *testing.T) {
	api := restAPI("GET /")
	api.BinaryTypes = []string{"image/png"}
	s := serve(t, api, `{"statusCode":200,"isBase64Encoded":true,"body":"aGk="}`)
	if w := s.ask("GET", "/prod", "", with("Accept", "image/png;q=1, text/html")); w.Body.String() != "hi" {
		t.Errorf("accepted: %q", w.Body)
	}
	if w := s.ask("GET", "/prod", "", with("Accept", "text/html, image/png")); w.Body.String() != "aGk=" {
		t.Errorf("not the first: %q", w.Body)
	}
}

func TestAnAnswerThatStreamsComesWhole(t *testing.T) {
	api := apiOf(app.FunctionURL)
	api.LogicalID, api.InvokeMode = "F", "RESPONSE_STREAM"
	for _, c := range []struct {
		result string
		status int
		body   string
		kind   string
	}{
		{`{"statusCode":201,"headers":{"Content-Type":"text/event-stream"},"cookies":["a=1"]}` + streamEnd + "data: 1\n\n\x00", 201, "data: 1\n\n\x00", "text/event-stream"},
		{streamEnd + "x", 200, "x", "application/octet-stream"},
		{"just text", 200, "just text", "application/octet-stream"},
		{`{"statusCode":202,"body":"x"}`, 202, "x", "application/json"},
		{`[` + streamEnd + "x", 502, "Internal Server Error", "application/json"},
	} {
		w := serve(t, api, c.result).ask("GET", "/", "")
		if w.Code != c.status || w.Body.String() != c.body || w.Header().Get("Content-Type") != c.kind {
			t.Errorf("%q: %d %q %v", c.result, w.Code, w.Body, w.Header())
		}
	}
}

func FuzzAnAnswerIsReadOrRefused(f *testing.F) {
	for _, result := range []string{`{}`, `null`, `"x"`, `{"statusCode":200,"headers":{"a":"b"},"body":"c"}`, `{"statusCode":"200","multiValueHeaders":{"a":["b",1]},"isBase64Encoded":"true","body":"aGk="}`, streamEnd, `{"statusCode":2e2}`} {
		f.Add([]byte(result), uint8(0))
	}
	kinds := []answerRules{rulesOf(app.HTTPOfAPI, "2.0"), rulesOf(app.HTTPOfAPI, "1.0"), rulesOf(app.RESTAPI, "1.0"), rulesOf(app.FunctionURL, "2.0")}
	f.Fuzz(func(t *testing.T, result []byte, kind uint8) {
		check := func(a *functionAnswer, err error) {
			if err != nil {
				if len(err.Error()) > 300 {
					t.Errorf("a long error: %v", err)
				}
				return
			}
			if a.status < 200 || a.status > 599 {
				t.Errorf("status %d", a.status)
			}
			for name, values := range a.header {
				for _, v := range values {
					if !isHeaderName(name) || strings.ContainsAny(v, "\r\n\x00") {
						t.Errorf("header %q: %q", name, v)
					}
				}
			}
		}
		check(parseAnswer(result, kinds[int(kind)%len(kinds)], kind > 127))
		if a, ok, err := parseStream(result); ok {
			check(a, err)
		}
	})
}

func TestTheRulesOfEachKindHaveAnAnswerToEachFailure(t *testing.T) {
	for kind, all := range answers {
		for f := badRequest; f <= timedOut; f++ {
			a, ok := all[f]
			if kind == app.FunctionURL && (f == foreignStage || f == noRoute || f == unauthorized || f == denied || f == deniedExplicitly) {
				continue // it has no stages, routes and authorizers
			}
			if !ok || a.status < 400 || http.StatusText(a.status) == "" {
				t.Errorf("%s: failure %d has the answer %+v", kind, f, a)
			}
			if kind != app.FunctionURL && !json.Valid([]byte(a.body)) {
				t.Errorf("%s: failure %d: %s", kind, f, a.body)
			}
		}
	}
	if !reflect.DeepEqual(len(answers), 3) {
		t.Errorf("%d kinds", len(answers))
	}
}
