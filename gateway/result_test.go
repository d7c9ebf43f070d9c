package gateway

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
)

// goWords are what a message of encoding/json has in it: nothing that a user of another
// language can do anything with.
var goWords = regexp.MustCompile(`json:|Go |unmarshal|struct|invalid character|looking for|unexpected end|map\[|strconv|gateway\.`)

// notObjects are what a function may return instead of an object, and what is said.
var notObjects = map[string]string{
	``:                   "the handler returned nothing: is its promise returned or awaited?",
	` `:                  "the handler returned nothing: is its promise returned or awaited?",
	`null`:               "the handler returned nothing: is its promise returned or awaited?",
	" null\n":            "the handler returned nothing: is its promise returned or awaited?",
	`ok`:                 "it is not JSON; it has to be an object",
	`{"statusCode":200`:  "it is not JSON; it has to be an object",
	`"ok"`:               "it is a string; it has to be an object",
	`"{\"a\":1}"`:        "it is a string with JSON in it: return the object itself, not its JSON.stringify",
	`[]`:                 "it is a list; it has to be an object",
	`[{"statusCode":1}]`: "it is a list; it has to be an object",
	`200`:                "it is a number; it has to be an object",
	`true`:               "it is a boolean; it has to be an object",
}

func TestAnAnswerToConnectThatIsOfNoUseSaysWhatTheFunctionDid(t *testing.T) {
	cases := map[string]string{
		`{}`:                            `it has no statusCode; it has to be like {"statusCode": 200}`,
		`{"body":"x"}`:                  "it has no statusCode",
		`{"StatusCode":200}`:            `it has "StatusCode"; the name is statusCode`,
		`{"statuscode":200}`:            `it has "statuscode"; the name is statusCode`,
		policyOf("Allow", "*", "{}"):    "it has a policyDocument and no statusCode: that is an authorizer's result",
		`{"statusCode":null}`:           "statusCode is null; it has to be a number from 200 to 599",
		`{"statusCode":true}`:           "statusCode is a boolean",
		`{"statusCode":{}}`:             "statusCode is an object",
		`{"statusCode":[200]}`:          "statusCode is a list",
		`{"statusCode":"ok"}`:           `statusCode is "ok"; it has to be a number from 200 to 599`,
		`{"statusCode":""}`:             `statusCode is ""`,
		`{"statusCode":"2e2"}`:          `statusCode is "2e2"`,
		`{"statusCode":200.5}`:          "statusCode is 200.5",
		`{"statusCode":0}`:              "statusCode is 0;",
		`{"statusCode":101}`:            "statusCode is 101;",
		`{"statusCode":600}`:            "statusCode is 600;",
		`{"statusCode":-200}`:           "statusCode is -200;",
		`{"statusCode":99999999999999}`: "statusCode is 99999999999999;",

		`{"statusCode":200,"headers":[]}`:                                               "headers is a list; it has to be an object of strings",
		`{"statusCode":200,"headers":"a: b"}`:                                           "headers is a string; it has to be an object of strings",
		`{"statusCode":200,"headers":7}`:                                                "headers is a number",
		`{"statusCode":200,"headers":{"sec-websocket-protocol":["a"]}}`:                 "the header Sec-WebSocket-Protocol is a list; it has to be a string",
		`{"statusCode":200,"headers":{"Sec-WebSocket-Protocol":{}}}`:                    "the header Sec-WebSocket-Protocol is an object",
		`{"statusCode":200,"headers":{"Sec-WebSocket-Protocol":"a\r\nb"}}`:              "Sec-WebSocket-Protocol holds a control character",
		`{"statusCode":200,"multiValueHeaders":[]}`:                                     "multiValueHeaders is a list; it has to be an object of lists of strings",
		`{"statusCode":200,"multiValueHeaders":{"X":"a"}}`:                              `"X" of multiValueHeaders is a string; it has to be a list of strings`,
		`{"statusCode":200,"multiValueHeaders":{"X":[1]}}`:                              `"X" of multiValueHeaders is not a list of strings alone`,
		`{"statusCode":200,"multiValueHeaders":{"Sec-WebSocket-Protocol":["a\u0000"]}}`: "holds a control character",
	}
	for answer, want := range notObjects {
		cases[answer] = want
	}
	for answer, want := range cases {
		status, protocol, err := parseConnectAnswer([]byte(answer))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "the function's answer is malformed: ") || goWords.MatchString(err.Error()) {
			t.Errorf("%s: %d %q %v, want %q", answer, status, protocol, err, want)
		}
	}
	for answer, want := range map[string]int{
		`{"statusCode":200}`: 200, ` {"statusCode":"204"} `: 204, `{"statusCode":403,"headers":null,"multiValueHeaders":null,"body":null}`: 403,
		`{"statusCode":200,"headers":{"X":7,"Y":null},"multiValueHeaders":{"X":null}}`: 200, `{"statusCode":1,"statusCode":201}`: 201,
	} {
		if status, _, err := parseConnectAnswer([]byte(answer)); status != want || err != nil {
			t.Errorf("%s: %d, %v", answer, status, err)
		}
	}
	for answer, want := range map[string]string{
		`{"statusCode":200,"headers":{"SEC-websocket-protocol":"a"}}`:                                                                 "a",
		`{"statusCode":200,"headers":{"Sec-WebSocket-Protocol":"a"},"multiValueHeaders":{"Sec-WebSocket-Protocol":["b","c"]}}`:        "c",
		`{"statusCode":200,"headers":{"Sec-WebSocket-Protocol":"a"},"multiValueHeaders":{"Sec-WebSocket-Protocol":[],"X":["d","e"]}}`: "a",
	} {
		if _, protocol, err := parseConnectAnswer([]byte(answer)); protocol != want || err != nil {
			t.Errorf("%s: %q, %v", answer, protocol, err)
		}
	}
}

func TestAnAnswerOfATwoWayRouteThatIsOfNoUseSaysWhatTheFunctionDid(t *testing.T) {
	cases := map[string]string{
		`{"body":{"a":1}}`:                        "body is an object; it has to be a string, such as JSON.stringify makes of it",
		`{"body":[1]}`:                            "body is a list; it has to be a string",
		`{"body":7}`:                              "body is a number; it has to be a string",
		`{"body":true}`:                           "body is a boolean; it has to be a string",
		`{"body":"x","isBase64Encoded":"true"}`:   "isBase64Encoded is a string; it has to be true or false",
		`{"body":"x","isBase64Encoded":1}`:        "isBase64Encoded is a number; it has to be true or false",
		`{"body":"***","isBase64Encoded":true}`:   "isBase64Encoded is true, and body is not base64",
		`{"body":"hello","isBase64Encoded":true}`: "isBase64Encoded is true, and body is not base64",
	}
	for answer, want := range notObjects {
		if strings.TrimSpace(answer) != "null" { // of which nothing is sent
			cases[answer] = want
		}
	}
	for answer, want := range cases {
		body, _, err := parseMessageAnswer([]byte(answer))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "the function's answer is malformed: ") || goWords.MatchString(err.Error()) {
			t.Errorf("%s: %q %v, want %q", answer, body, err, want)
		}
	}
}

func TestAResultOfAnAuthorizerThatIsOfNoUseSaysWhatItDid(t *testing.T) {
	policy := func(document string) string { return `{"principalId":"u","policyDocument":` + document + `}` }
	one := func(statement string) string {
		return policy(`{"Version":"2012-10-17","Statement":[` + statement + `]}`)
	}
	cases := map[string]string{
		`{}`:                                  "it has no principalId; it has to be {principalId, policyDocument, context}",
		`{"statusCode":401}`:                  "it has statusCode: an authorizer refuses with the error Unauthorized (401) or a Deny (403), not with a status",
		`{"status":401}`:                      "it has status: an authorizer refuses with the error Unauthorized",
		`{"isAuthorized":true}`:               "isAuthorized is the simple response of HTTP APIs; a WebSocket API needs principalId and policyDocument",
		`{"isAuthorized":false,"context":{}}`: "isAuthorized is the simple response of HTTP APIs",
		`{"PrincipalId":"u"}`:                 `it has "PrincipalId"; the name is principalId`,
		`{"principalId":null}`:                "principalId is null; it has to be a string",
		`{"principalId":42,"policyDocument":{"Statement":[]}}`: "principalId is a number; it has to be a string",
		`{"principalId":{},"policyDocument":{"Statement":[]}}`: "principalId is an object; it has to be a string",
		`{"principalId":"u"}`:                     "it has no policyDocument",
		`{"principalId":"u","policydocument":{}}`: `it has "policydocument"; the name is policyDocument`,
		policy(`null`):                            "policyDocument is null; it has to be an object with a Statement",
		policy(`[]`):                              "policyDocument is a list; it has to be an object",
		policy(`"allow"`):                         "policyDocument is a string; it has to be an object",
		policy(`"{\"Statement\":[]}"`):            "policyDocument is a string with JSON in it: return the object itself, not its JSON.stringify",
		policy(`{}`):                              "policyDocument has no Statement in it",
		policy(`{"Statement":null}`):              "policyDocument has no Statement in it",
		policy(`{"Statement":[]}`):                "policyDocument has no Statement in it",
		policy(`{"Statement":"Allow"}`):           "policyDocument: its Statement is a string; it has to be a list of statements",
		one(`"Allow"`):                            "policyDocument: statement 1 is a string; it has to be an object with Effect, Action and Resource",
		one(`null`):                               "policyDocument: statement 1 is null",
		one(`{"Action":"*","Resource":"*"}`):      `policyDocument: statement 1 has the effect ""; it has to be Allow or Deny`,
		one(`{"Effect":"allow","Action":"*","Resource":"*"}`):            `policyDocument: statement 1 has the effect "allow"; it has to be Allow or Deny`,
		one(`{"Effect":true,"Action":"*","Resource":"*"}`):               "policyDocument: statement 1: its Effect is a boolean; it has to be Allow or Deny",
		one(`{"Effect":"Allow","Resource":"*"}`):                         "policyDocument: statement 1 has no Action",
		one(`{"Effect":"Allow","Action":"*"}`):                           "policyDocument: statement 1 has no Resource",
		one(`{"Effect":"Allow","Action":"*","Resource":[]}`):             "policyDocument: statement 1 has no Resource",
		one(`{"Effect":"Allow","Action":"*","Resource":null}`):           "policyDocument: statement 1 has no Resource",
		one(`{"Effect":"Allow","Action":7,"Resource":"*"}`):              "policyDocument: statement 1: Action has a number in it; it has to be a string or a list of strings",
		one(`{"Effect":"Allow","Action":"*","Resource":[{}]}`):           "policyDocument: statement 1: Resource has an object in it; it has to be a string or a list of strings",
		one(`{"Effect":"Allow","Action":"*","Resource":["*",null]}`):     "policyDocument: statement 1: Resource has null in it",
		policyOf("Allow", "*", `"a"`):                                    "context is a string; it has to be an object of strings, numbers and booleans",
		policyOf("Allow", "*", `[]`):                                     "context is a list",
		policyOf("Allow", "*", `{"a":{"b":1}}`):                          `the context's "a" is an object; only strings, numbers and booleans are allowed`,
		policyOf("Allow", "*", `{"groups":["a"]}`):                       `the context's "groups" is a list; only strings, numbers and booleans are allowed`,
		policyOf("Allow", "*", `{"a":"`+strings.Repeat("x", 8<<10)+`"}`): "bytes, 8192 are allowed",
	}
	for answer, want := range notObjects {
		cases[answer] = want
	}
	for answer, want := range cases {
		said, context, err := parseAuthorizerResult([]byte(answer), connectARN, time.Millisecond)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "the authorizer's result is malformed: ") || goWords.MatchString(err.Error()) || context != nil {
			t.Errorf("%.200s: %v %s %v, want %q", answer, said, context, err, want)
		}
	}
	for answer, want := range map[string]verdict{
		policy(`{"statement":{"effect":"Allow","action":"*","resource":"*"}}`):                              allowed, // IAM's names in other letters were always taken
		one(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":null}`):                              allowed,
		one(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{ }}`):                               allowed,
		strings.Replace(policyOf("Allow", "*", "null"), `"me"`, `""`, 1):                                    allowed,
		one(`{"Effect":"Allow","Action":"*","Resource":"a"},{"Effect":"Deny","Action":"*","Resource":"*"}`): denied,
	} {
		if said, _, err := parseAuthorizerResult([]byte(answer), connectARN, 0); said != want || err != nil {
			t.Errorf("%s: %v, %v", answer, said, err)
		}
	}
}

func TestADenialNamesEachStatementThatDoesNotAllow(t *testing.T) {
	statements := func(s ...string) []byte {
		return []byte(`{"principalId":"u","policyDocument":{"Statement":[` + strings.Join(s, ",") + `]}}`)
	}
	allow := func(action, resource string) string {
		return `{"Effect":"Allow","Action":"` + action + `","Resource":` + resource + `}`
	}
	const begin = "no statement allows execute-api:Invoke on " + connectARN + " ("
	for want, result := range map[string][]byte{
		begin + "statement 1: a, b)": statements(allow("*", `["a","b"]`)),
		begin + "statement 1: the action execute-api:ManageConnections of *; statement 2: x)": statements(allow("execute-api:ManageConnections", `"*"`), allow("execute-api:Invoke", `"x"`)),
		begin + "statement 1: all but *)":                                                     statements(`{"Effect":"Allow","Action":"*","NotResource":"*"}`),
		begin + "statement 1: a; statement 2: a Deny of b)":                                   statements(allow("*", `"a"`), `{"Effect":"Deny","Action":"*","Resource":"b"}`),
		begin + "statement 1: a; statement 2: a; statement 3: a; statement 4: a; and 2 more)": statements(allow("*", `"a"`), allow("*", `"a"`), allow("*", `"a"`), allow("*", `"a"`), allow("*", `"a"`), allow("*", `"a"`)),
		"statement 2 denies execute-api:Invoke on " + connectARN + " (*)":                     statements(allow("*", `"*"`), `{"Effect":"Deny","Action":"*","Resource":"*"}`),
	} {
		said, _, err := parseAuthorizerResult(result, connectARN, 0)
		if got := whyDenied(result, said, connectARN); err != nil || got != want {
			t.Errorf("%v\n got %s\nwant %s", err, got, want)
		}
	}
}

func FuzzResult(f *testing.F) {
	for answer := range notObjects {
		f.Add([]byte(answer))
	}
	f.Add([]byte(policyOf("Allow", "*", `{"a":1}`)))
	f.Add([]byte(`{"statusCode":"200","headers":{"Sec-WebSocket-Protocol":"a"},"multiValueHeaders":{"a":["b"]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		said, _, err := parseAuthorizerResult(data, connectARN, 0)
		if err == nil && said != allowed && whyDenied(data, said, connectARN) == "" {
			t.Errorf("%q is denied without a reason", data)
		}
		status, _, err := parseConnectAnswer(data)
		if (err == nil) != (status >= 200 && status <= 599) || err == nil && !json.Valid(data) {
			t.Errorf("%q: %d, %v", data, status, err)
		}
		if err != nil && goWords.MatchString(strings.NewReplacer(string(data), "").Replace(err.Error())) && !goWords.Match(data) {
			t.Errorf("%q: %v", data, err)
		}
	})
}
