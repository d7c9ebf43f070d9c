package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Authorizer is a Lambda authorizer of type REQUEST, the only type for WebSocket
// APIs, which only $connect can have (AWS docs; the apigatewayv2 model). It is
// asked at every handshake: a WebSocket API caches no result (the model:
// AuthorizerResultTtlInSeconds is for HTTP APIs).
type Authorizer struct {
	Function Function

	// IdentitySources name what a handshake must have for the function to be
	// asked at all: route.request.header.NAME, route.request.querystring.NAME,
	// stageVariables.NAME, context.NAME. If one is missing or empty the answer is
	// 401 and the function is not invoked (AWS docs).
	IdentitySources []string
}

// authorizerResultBytes is AWS's quota (AWS docs, WebSocket quotas page: 8 KB;
// that KB means 1024 is UNCERTAIN).
const authorizerResultBytes = 8 << 10

// authorizerContext is what an authorizer said of a connection: the object that
// requestContext.authorizer is in every event from then on, as JSON.
type authorizerContext []byte

// authorize asks the authorizer of $connect. It answers the client itself and
// reports false unless the connection may go on.
func (e *engine) authorize(w http.ResponseWriter, r *http.Request, p *peer, now time.Time) bool {
	a := e.authorizer
	if a == nil {
		return true
	}
	for _, source := range a.IdentitySources {
		if e.identity(source, p, r) == "" {
			answerMessage(w, http.StatusUnauthorized, "UnauthorizedException", "Unauthorized")
			return false
		}
	}
	if !e.acquire(r.Context().Done()) {
		resetRequest(w)
		return false
	}
	began := time.Now()
	requestID := e.newRequestID()
	data, err := e.call(invocation{function: a.Function, timeout: e.integrationTimeout, routeKey: "$connect", connectionID: p.id, requestID: requestID, authorizer: true},
		e.authorizerEvent(p, r, requestID, now))
	latency := time.Since(began)
	switch {
	case err == errEnded:
		answerMessage(w, http.StatusServiceUnavailable, "ServiceUnavailableException", "Service Unavailable")
		return false
	case err != nil && saysUnauthorized(err):
		// A function that throws exactly "Unauthorized" (AWS docs' sample; a
		// validated test of another emulator).
		answerMessage(w, http.StatusUnauthorized, "UnauthorizedException", "Unauthorized")
		return false
	case err != nil:
		e.report(err, "authorizer", p.id)
		answerMessage(w, http.StatusInternalServerError, "AuthorizerConfigurationException", "Internal server error") // UNCERTAIN
		return false
	}
	arn := e.routeARN("$connect")
	said, context, err := parseAuthorizerResult(data, arn, latency)
	switch {
	case err != nil: // serverless/examples#557: a result of another shape is 500
		e.report(fmt.Errorf("the authorizer's result: %w", err), "authorizer", p.id)
		answerMessage(w, http.StatusInternalServerError, "AuthorizerConfigurationException", "Internal server error")
		return false
	case said != allowed: // the texts of REST APIs (UNCERTAIN)
		text := "User is not authorized to access this resource"
		if said == denied {
			text += " with an explicit deny"
		}
		answerMessage(w, http.StatusForbidden, "AccessDeniedException", text)
		return false
	}
	p.authorizer = context
	return true
}

// ErrUnauthorized is what an authorizer's error may have in its chain to be
// answered with 401, as one whose text is "Unauthorized", AWS's own word.
var ErrUnauthorized = errors.New("Unauthorized")

func saysUnauthorized(err error) bool {
	const word = "Unauthorized"
	return errors.Is(err, ErrUnauthorized) || err.Error() == word || strings.HasSuffix(err.Error(), ": "+word)
}

// identity is the value of an identity source.
func (e *engine) identity(source string, p *peer, r *http.Request) string {
	if name, ok := strings.CutPrefix(source, "route.request.header."); ok {
		if strings.EqualFold(name, "Host") {
			return r.Host
		}
		return r.Header.Get(name)
	}
	if name, ok := strings.CutPrefix(source, "route.request.querystring."); ok {
		for _, f := range parseQuery(r.URL.RawQuery) {
			if f.name == name {
				return f.values[len(f.values)-1]
			}
		}
		return ""
	}
	if name, ok := strings.CutPrefix(source, "stageVariables."); ok {
		return e.stageVariables[name]
	}
	switch strings.TrimPrefix(source, "context.") {
	case "connectionId":
		return p.id
	case "domainName":
		return p.domain
	case "stage":
		return e.stage
	case "apiId":
		return e.apiID
	case "routeKey":
		return "$connect"
	case "eventType":
		return "CONNECT"
	case "identity.sourceIp":
		return p.sourceIP
	case "identity.userAgent":
		return p.userAgent
	}
	return ""
}

// checkIdentitySource says what is wrong with one, before anybody connects. AWS
// refuses $request.header.X for WebSocket APIs (a validated test).
func checkIdentitySource(source string) error {
	for _, prefix := range []string{"route.request.header.", "route.request.querystring.", "stageVariables.", "context."} {
		if name, ok := strings.CutPrefix(source, prefix); ok && name != "" {
			return nil
		}
	}
	return fmt.Errorf("identity source %q: write route.request.header.NAME, route.request.querystring.NAME, stageVariables.NAME or context.NAME", source)
}

// routeARN is what policies name: arn:…:{apiId}/{stage}/{routeKey}.
func (e *engine) routeARN(routeKey string) string {
	return "arn:" + partitionOf(e.region) + ":execute-api:" + e.region + ":" + e.accountID + ":" + e.apiID + "/" + e.stage + "/" + routeKey
}

// partitionOf is the partition of a region (AWS's SDK, endpoint tables).
func partitionOf(region string) string {
	for prefix, partition := range map[string]string{
		"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b", "eu-isoe-": "aws-iso-e", "us-isof-": "aws-iso-f",
	} {
		if strings.HasPrefix(region, prefix) {
			return partition
		}
	}
	return "aws"
}

// authorizerEvent is that of $connect with type and methodArn, with all headers
// (localstack/localstack#7191 quotes a real one) and the stage's variables (AWS
// docs: an empty object where there are none).
func (e *engine) authorizerEvent(p *peer, r *http.Request, requestID string, at time.Time) []byte {
	dst := make([]byte, 0, 4096)
	dst = append(dst, `{"type":"REQUEST"`...)
	dst = appendMember(dst, "methodArn", e.routeARN("$connect"))
	headers := append(e.connectHeaders(p, r, at),
		field{"Connection", []string{"upgrade"}}, field{"Upgrade", []string{"websocket"}}, field{"content-length", []string{"0"}})
	slices.SortFunc(headers, func(a, b field) int { return strings.Compare(a.name, b.name) })
	dst = appendFields(dst, "headers", "multiValueHeaders", headers)
	dst = appendFields(dst, "queryStringParameters", "multiValueQueryStringParameters", parseQuery(r.URL.RawQuery))
	dst = e.appendStageVariables(dst)
	dst = e.appendContext(dst, p, &contextFields{routeKey: "$connect", eventType: "CONNECT", requestID: requestID, at: at})
	return append(dst, '}')
}

// parseAuthorizerResult reads an authorizer's result: whether its policy allows the
// route, and what the connection's events carry of it.
func parseAuthorizerResult(data []byte, arn string, latency time.Duration) (said verdict, context authorizerContext, err error) {
	if len(data) > authorizerResultBytes {
		return unmentioned, nil, fmt.Errorf("it has %d bytes, %d are allowed", len(data), authorizerResultBytes)
	}
	var result struct {
		PrincipalID    *string                    `json:"principalId"`
		PolicyDocument *policy                    `json:"policyDocument"`
		Context        map[string]json.RawMessage `json:"context"`
	}
	if err := json.Unmarshal(data, &result); err != nil {
		return unmentioned, nil, fmt.Errorf("it is not {principalId, policyDocument, context}: %w", err)
	}
	if result.PrincipalID == nil {
		return unmentioned, nil, errors.New("it has no principalId")
	}
	if result.PolicyDocument == nil || len(result.PolicyDocument.Statement) == 0 {
		return unmentioned, nil, errors.New("it has no policyDocument with a statement")
	}
	if said, err = result.PolicyDocument.judge("execute-api:Invoke", arn); err != nil || said != allowed {
		return said, nil, err
	}
	names := make([]string, 0, len(result.Context))
	for name := range result.Context {
		names = append(names, name)
	}
	slices.Sort(names)
	out := append([]byte(`{"principalId":`), appendString(nil, *result.PrincipalID)...)
	out = append(out, `,"integrationLatency":`...) // a number in a recorded REST event; UNCERTAIN here
	out = strconv.AppendInt(out, latency.Milliseconds(), 10)
	for _, name := range names {
		value := result.Context[name]
		switch value[0] {
		case '{', '[':
			// AWS docs: strings, numbers and booleans only.
			return unmentioned, nil, fmt.Errorf("the context's %q is an object or a list; only strings, numbers and booleans are allowed", name)
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
	return allowed, append(out, '}'), nil
}

// policy is an IAM policy document, as far as one that an authorizer returns goes.
type policy struct {
	Statement oneOrMore[statement] `json:"Statement"`
}

type statement struct {
	Effect      string            `json:"Effect"`
	Action      oneOrMore[string] `json:"Action"`
	NotAction   oneOrMore[string] `json:"NotAction"`
	Resource    oneOrMore[string] `json:"Resource"`
	NotResource oneOrMore[string] `json:"NotResource"`
	Condition   json.RawMessage   `json:"Condition"`
}

// oneOrMore is a value or a list of them.
type oneOrMore[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (o *oneOrMore[T]) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, (*[]T)(o))
	}
	var one T
	if err := json.Unmarshal(data, &one); err != nil {
		return err
	}
	*o = oneOrMore[T]{one}
	return nil
}

// verdict is what a policy says of an action.
type verdict int

const (
	unmentioned verdict = iota // an implicit deny
	allowed
	denied
)

// judge evaluates as IAM does: an explicit deny wins, else one allow is needed
// (AWS, IAM user guide, "Policy evaluation logic").
func (p policy) judge(action, resource string) (said verdict, err error) {
	for i, s := range p.Statement {
		switch {
		case s.Effect != "Allow" && s.Effect != "Deny":
			return unmentioned, fmt.Errorf("statement %d has the effect %q, want Allow or Deny", i+1, s.Effect)
		case len(s.Action) == 0 && len(s.NotAction) == 0:
			return unmentioned, fmt.Errorf("statement %d has no Action", i+1)
		case len(s.Resource) == 0 && len(s.NotResource) == 0:
			return unmentioned, fmt.Errorf("statement %d has no Resource", i+1)
		case len(s.Condition) > 0 && string(s.Condition) != "{}" && string(s.Condition) != "null":
			return unmentioned, fmt.Errorf("statement %d has a Condition, which is not emulated", i+1)
		}
		match := func(patterns, not []string, name string, fold bool) bool {
			like := func(pattern string) bool {
				if fold { // actions do not know case, resources do
					return wildcard(strings.ToLower(pattern), strings.ToLower(name))
				}
				return wildcard(pattern, name)
			}
			return slices.ContainsFunc(patterns, like) || len(not) > 0 && !slices.ContainsFunc(not, like)
		}
		if !match(s.Action, s.NotAction, action, true) || !match(s.Resource, s.NotResource, resource, false) {
			continue
		}
		if s.Effect == "Deny" {
			said = denied
		} else if said == unmentioned {
			said = allowed
		}
	}
	return said, nil
}

// wildcard matches with * for anything and ? for one character.
func wildcard(pattern, name string) bool {
	// The last * tried takes one more each time what follows does not fit.
	p, n, star, mark := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
