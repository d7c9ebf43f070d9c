package httpapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
)

// answerRules are how an API reads what a function returns.
type answerRules struct {
	infer    bool // valid JSON without statusCode is the body of a 200 (payload 2.0)
	unquoted bool // such a body that is a string is given without its quotes
	strict   bool // members of other names are an error (REST APIs)
	multi    bool // multiValueHeaders count (payload 1.0)
	cookies  bool // cookies count (payload 2.0)
	status   bool // statusCode has to be there, if infer does not hold
	encode   bool // a body in base64 is always decoded
	content  string
}

// rulesOf are those of a kind and a payload. Their sources:
//
//   - AWS docs, "Create AWS Lambda proxy integrations for HTTP APIs": the inferred form,
//     whose table shows a string without quotes; cookies; that 1.0 has multiValueHeaders
//     and no inference.
//   - AWS docs, "Invoking Lambda function URLs": the inferred form, whose table shows a
//     string with quotes.
//   - LocalStack's tests that are validated on AWS, for REST APIs: {} is 200 without a
//     body, a member of another name is 502, statusCode may be a string.
//   - aws/aws-sam-cli#2941: 1.0 of an HTTP API needs a statusCode and ignores other members;
//     an HTTP API decodes base64 whatever the type is.
//
// The content type of an answer that names none is UNCERTAIN, but for the inferred form.
func rulesOf(kind app.HTTPKind, payload string) answerRules {
	switch {
	case kind == app.RESTAPI:
		return answerRules{strict: true, multi: true, content: "application/json"}
	case kind == app.FunctionURL:
		return answerRules{infer: true, cookies: true, encode: true, content: "application/json"}
	case payload == "1.0":
		return answerRules{multi: true, status: true, encode: true, content: "text/plain;charset=UTF-8"}
	}
	return answerRules{infer: true, unquoted: true, cookies: true, encode: true, content: "text/plain;charset=UTF-8"}
}

// functionAnswer is what a function returned.
type functionAnswer struct {
	status int
	header http.Header
	body   []byte
}

// The parts of an answer.
type answerForm struct {
	StatusCode        json.RawMessage  `json:"statusCode"`
	Headers           map[string]any   `json:"headers"`
	MultiValueHeaders map[string][]any `json:"multiValueHeaders"`
	Cookies           []string         `json:"cookies"`
	Body              json.RawMessage  `json:"body"`
	IsBase64          json.RawMessage  `json:"isBase64Encoded"`
}

// parseAnswer reads what a function returned. An error says what is wrong with it.
func parseAnswer(result []byte, rules answerRules, binary bool) (*functionAnswer, error) {
	if len(result) > maxPayload {
		return nil, fmt.Errorf("it has %d bytes, %d are allowed", len(result), maxPayload)
	}
	if len(bytes.TrimSpace(result)) == 0 {
		result = []byte("null") // a function that returns nothing
	}
	if !json.Valid(result) {
		return nil, errors.New("it is not JSON")
	}
	members := map[string]json.RawMessage{}
	isObject := bytes.TrimSpace(result)[0] == '{' && json.Unmarshal(result, &members) == nil
	if given := members["statusCode"]; rules.infer && (given == nil || string(given) == "null") {
		return inferred(result, rules), nil
	}
	if !isObject {
		return nil, errors.New("it is not an object with statusCode, headers and body")
	}
	if rules.strict {
		for _, name := range slices.Sorted(maps.Keys(members)) {
			switch name {
			case "statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded":
			default:
				return nil, fmt.Errorf("it has %.40q, which the answer of a REST API's function must not have", name)
			}
		}
	}
	var form answerForm
	if err := json.Unmarshal(result, &form); err != nil {
		return nil, plainly(err)
	}
	return form.read(rules, binary)
}

// plainly says what does not fit, without the names of Go's types.
func plainly(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("its %s cannot be a JSON %s", wrong.Field, wrong.Value)
	}
	return err
}

// inferred is the answer of a function that returns no statusCode.
func inferred(result []byte, rules answerRules) *functionAnswer {
	body := bytes.TrimSpace(result)
	var s string
	if rules.unquoted && body[0] == '"' && json.Unmarshal(body, &s) == nil {
		body = []byte(s)
	}
	return &functionAnswer{http.StatusOK, http.Header{"Content-Type": {"application/json"}}, body}
}

func (f *answerForm) read(rules answerRules, binary bool) (*functionAnswer, error) {
	a := &functionAnswer{header: http.Header{}}
	var err error
	if a.status, err = statusIn(f.StatusCode, rules.status); err != nil {
		return nil, err
	}
	if err := f.readHeaders(a.header, rules.multi); err != nil {
		return nil, err
	}
	if rules.cookies {
		for _, c := range f.Cookies {
			if !isHeaderValue(c) {
				return nil, errors.New("a cookie has characters that no header can have")
			}
			a.header.Add("Set-Cookie", c)
		}
	}
	if a.header.Get("Content-Type") == "" {
		a.header["Content-Type"] = []string{rules.content}
	}
	if len(f.Body) > 0 && string(f.Body) != "null" {
		var body string
		if json.Unmarshal(f.Body, &body) != nil {
			return nil, errors.New("its body is not a string: use JSON.stringify, json.dumps or the like")
		}
		a.body = []byte(body)
	}
	isBase64, err := flagIn(f.IsBase64)
	if err != nil {
		return nil, err
	}
	if isBase64 && (rules.encode || binary) {
		if a.body, err = base64.StdEncoding.DecodeString(string(a.body)); err != nil {
			return nil, errors.New("isBase64Encoded is true and the body is not base64")
		}
	}
	return a, nil
}

// statusIn is statusCode: a number, or a string with one (validated on AWS for REST APIs,
// localstack/localstack#11199; UNCERTAIN for the others).
func statusIn(value json.RawMessage, needed bool) (int, error) {
	if len(value) == 0 || string(value) == "null" {
		if needed {
			return 0, errors.New("it has no statusCode")
		}
		return http.StatusOK, nil
	}
	digits := strings.Trim(string(value), `"`)
	status, err := strconv.Atoi(digits)
	if whole, isWhole := strings.CutSuffix(digits, ".0"); isWhole {
		status, err = strconv.Atoi(whole)
	}
	// No 1xx: it would not be the answer's end.
	if err != nil || status < 200 || status > 599 {
		return 0, fmt.Errorf("its statusCode is %.40s; it has to be a number from 200 to 599", value)
	}
	return status, nil
}

// flagIn is isBase64Encoded: a boolean, or a string with one (UNCERTAIN).
func flagIn(value json.RawMessage) (bool, error) {
	switch strings.ToLower(strings.Trim(string(value), `"`)) {
	case "true":
		return true, nil
	case "false", "null", "":
		return false, nil
	}
	return false, fmt.Errorf("its isBase64Encoded is %.40s; it has to be true or false", value)
}

// readHeaders reads the headers. Of several names that differ in case alone all count.
// Where a header is in both maps, a value that both have counts once (AWS docs, "Lambda
// proxy integrations in API Gateway").
func (f *answerForm) readHeaders(into http.Header, multi bool) error {
	add := func(name string, value any) error {
		s, ok := headerText(value)
		if !ok || !isHeaderName(name) || !isHeaderValue(s) {
			return fmt.Errorf("the header %.40q of it is none: a value has to be a string of one line, a number or a boolean", name)
		}
		if !slices.Contains(into.Values(name), s) || !multi {
			into.Add(name, s)
		}
		return nil
	}
	if multi {
		for _, name := range slices.Sorted(maps.Keys(f.MultiValueHeaders)) {
			for _, value := range f.MultiValueHeaders[name] {
				if err := add(name, value); err != nil {
					return err
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Headers)) {
		if f.Headers[name] == nil {
			continue // UNCERTAIN
		}
		if err := add(name, f.Headers[name]); err != nil {
			return err
		}
	}
	// Those of the connection are net/http's.
	for _, name := range append([]string{"Content-Length"}, hopByHop...) {
		into.Del(name)
	}
	return nil
}

func headerText(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return strings.TrimSpace(v), true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// isHeaderName reports whether a name is a token (RFC 9110, section 5.6.2).
func isHeaderName(name string) bool {
	for i := range len(name) {
		c := name[i] | 0x20
		if !('a' <= c && c <= 'z' || '0' <= name[i] && name[i] <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", name[i]) >= 0) {
			return false
		}
	}
	return name != ""
}

// isHeaderValue reports whether a value has no control characters but tabs.
func isHeaderValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// streamEnd parts the prelude of an answer that is streamed from its body: eight zeros
// (aws-lambda-go, events.LambdaFunctionURLStreamingResponse).
const streamEnd = "\x00\x00\x00\x00\x00\x00\x00\x00"

// parseStream reads the answer of a function whose URL streams, and that came whole: a
// prelude with status, headers and cookies, and the body as it is; or, without a prelude,
// the body alone, of the type application/octet-stream (AWS docs, "Response streaming
// for Lambda functions"). ok is false if it is an answer as any other.
func parseStream(result []byte) (a *functionAnswer, ok bool, err error) {
	prelude, body, ok := bytes.Cut(result, []byte(streamEnd))
	if !ok {
		if json.Valid(result) {
			return nil, false, nil
		}
		return &functionAnswer{http.StatusOK, http.Header{"Content-Type": {"application/octet-stream"}}, result}, true, nil
	}
	if len(bytes.TrimSpace(prelude)) == 0 {
		prelude = []byte("{}")
	}
	var form answerForm
	if err := json.Unmarshal(prelude, &form); err != nil {
		return nil, true, plainly(err)
	}
	form.Body, form.IsBase64 = nil, nil
	a, err = form.read(answerRules{cookies: true, content: "application/octet-stream"}, false)
	if err == nil {
		a.body = body
	}
	return a, true, err
}
