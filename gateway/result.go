package gateway

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// returnedNothing is what a handler did whose answer is null or empty.
const returnedNothing = "the handler returned nothing: is its promise returned or awaited?"

// isNothing reports whether a function returned nothing: Lambda gives null then, and
// other functions may give no bytes.
func isNothing(data []byte) bool {
	rest := skipSpace(data)
	return len(rest) == 0 || strings.TrimRight(string(rest), " \t\r\n") == "null"
}

// kindOf names the type of a JSON value as people do.
func kindOf(value []byte) string {
	switch value[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// objectOf is the object that a function returned, without space around it, or what
// else it did. want is how such an object looks.
func objectOf(data []byte, want string) (object []byte, wrong string) {
	if isNothing(data) {
		return nil, returnedNothing
	}
	if !json.Valid(data) {
		return nil, "it is not JSON; it has to be an object: " + want
	}
	value, _ := cutValue(skipSpace(data))
	switch value[0] {
	case '{':
		return value, ""
	case '"':
		if inner := skipSpace(appendText(nil, value)); len(inner) > 0 && inner[0] == '{' && json.Valid(inner) {
			return nil, "it is a string with JSON in it: return the object itself, not its JSON.stringify: " + want
		}
	}
	return nil, "it is " + kindOf(value) + "; it has to be an object: " + want
}

// misspelt is the name in an object that differs from a wanted one in case alone.
func misspelt(object []byte, name string) (other string) {
	eachMember(object, func(key, _ []byte) {
		if text := string(appendText(nil, key)); text != name && strings.EqualFold(text, name) {
			other = text
		}
	})
	return other
}

// resultError says what is wrong with an authorizer's result.
type resultError struct{ what string }

func (r *resultError) Error() string { return "the authorizer's result is malformed: " + r.what }

func malformedResult(format string, args ...any) error {
	return &resultError{fmt.Sprintf(format, args...)}
}

const resultForm = "{principalId, policyDocument, context}"

// parseAuthorizerResult reads an authorizer's result: whether its policy allows the
// route, and what the connection's events carry of it. An error is a *resultError.
func parseAuthorizerResult(data []byte, arn string, latency time.Duration) (said verdict, context authorizerContext, err error) {
	if len(data) > authorizerResultBytes {
		return unmentioned, nil, malformedResult("it has %d bytes, %d are allowed", len(data), authorizerResultBytes)
	}
	object, wrong := objectOf(data, resultForm)
	if wrong != "" {
		return unmentioned, nil, &resultError{wrong}
	}
	principal, err := principalOf(object)
	if err != nil {
		return unmentioned, nil, err
	}
	p, err := policyIn(object)
	if err != nil {
		return unmentioned, nil, err
	}
	said, err = p.judge("execute-api:Invoke", arn)
	if err != nil {
		return said, nil, &resultError{"policyDocument: " + err.Error()}
	}
	if said != allowed {
		return said, nil, nil
	}
	if context, err = contextOf(object, principal, latency); err != nil {
		return unmentioned, nil, err
	}
	return allowed, context, nil
}

// principalOf reads principalId, and tells results of other kinds of authorizers.
func principalOf(object []byte) (string, error) {
	value, found := member(object, "principalId")
	if found && value[0] == '"' {
		return string(appendText(nil, value)), nil
	}
	if found {
		return "", malformedResult("principalId is %s; it has to be a string", kindOf(value))
	}
	if _, simple := member(object, "isAuthorized"); simple {
		return "", malformedResult("isAuthorized is the simple response of HTTP APIs; a WebSocket API needs principalId and policyDocument")
	}
	for _, name := range [...]string{"statusCode", "status", "StatusCode"} {
		if _, answer := member(object, name); answer {
			return "", malformedResult("it has %s: an authorizer refuses with the error Unauthorized (401) or a Deny (403), not with a status", name)
		}
	}
	if other := misspelt(object, "principalId"); other != "" {
		return "", malformedResult("it has %s; the name is principalId", quoted(other))
	}
	return "", malformedResult("it has no principalId; it has to be %s", resultForm)
}

// policyIn reads policyDocument.
func policyIn(object []byte) (*policy, error) {
	value, found := member(object, "policyDocument")
	switch {
	case !found:
		if other := misspelt(object, "policyDocument"); other != "" {
			return nil, malformedResult("it has %s; the name is policyDocument", quoted(other))
		}
		return nil, malformedResult("it has no policyDocument")
	case value[0] == '"' && json.Valid(appendText(nil, value)):
		return nil, malformedResult("policyDocument is a string with JSON in it: return the object itself, not its JSON.stringify")
	case value[0] != '{':
		return nil, malformedResult("policyDocument is %s; it has to be an object with a Statement", kindOf(value))
	}
	p, err := parsePolicy(value)
	if err != nil {
		return nil, &resultError{"policyDocument: " + err.Error()}
	}
	if len(p.Statement) == 0 {
		return nil, malformedResult("policyDocument has no Statement in it")
	}
	return p, nil
}

// contextOf is requestContext.authorizer of the connection's events.
func contextOf(object []byte, principal string, latency time.Duration) (authorizerContext, error) {
	values := map[string][]byte{}
	switch given, found := member(object, "context"); {
	case !found || given[0] == 'n':
	case given[0] != '{':
		return nil, malformedResult("context is %s; it has to be an object of strings, numbers and booleans", kindOf(given))
	default:
		eachMember(given, func(key, value []byte) { values[string(appendText(nil, key))] = value })
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	out := append([]byte(`{"principalId":`), appendString(nil, principal)...)
	out = append(out, `,"integrationLatency":`...) // a number in a recorded REST event; UNCERTAIN here
	out = strconv.AppendInt(out, latency.Milliseconds(), 10)
	for _, name := range names {
		value := values[name]
		switch value[0] {
		case '{', '[':
			// AWS docs: strings, numbers and booleans only.
			return nil, malformedResult("the context's %s is %s; only strings, numbers and booleans are allowed", quoted(name), kindOf(value))
		case 'n':
			continue // UNCERTAIN
		}
		if name == "principalId" || name == "integrationLatency" {
			continue
		}
		out = append(out, ',')
		out = appendString(out, name)
		out = append(out, ':')
		if value[0] == '"' { // anew: it may hold what is not UTF-8
			out = appendString(out, appendText(nil, value))
			continue
		}
		// Whether AWS makes strings of numbers here is UNCERTAIN.
		out = append(out, value...)
	}
	return append(out, '}'), nil
}
