package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
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
	// 401 and the function is not invoked (AWS docs). Each is read from the event that
	// the function would get: headers that API Gateway adds, such as X-Forwarded-For,
	// count as those of the client, and context is the event's requestContext. Case
	// counts but in the names of headers; of several values the last counts.
	IdentitySources []string
}

// Validate reports the first mistake in the configuration, as Server.Validate does.
func (a *Authorizer) Validate() error {
	_, err := a.parse()
	return err
}

// parse checks the configuration, and reads the identity sources.
func (a *Authorizer) parse() ([]identitySource, error) {
	if a.Function == nil || nilPointer(a.Function) {
		return nil, errors.New("the authorizer has no function")
	}
	if err := validateFunction(a.Function); err != nil {
		return nil, fmt.Errorf("authorizer: %w", err)
	}
	var sources []identitySource
	for _, text := range a.IdentitySources {
		source, err := parseIdentitySource(text)
		if err != nil {
			return nil, fmt.Errorf("authorizer: %w", err)
		}
		sources = append(sources, source)
	}
	return sources, nil
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
	requestID := e.newRequestID()
	event := e.authorizerEvent(p, r, requestID, now)
	for _, source := range e.identitySources {
		if source.value(event) == "" {
			e.refuse(w, unauthorized.because(causeIdentitySource, "authorizer not asked: %s", source.whyMissing(event)))
			return false
		}
	}
	if !e.acquire(r.Context().Done()) {
		resetRequest(w)
		return false
	}
	began := time.Now()
	data, err := e.call(invocation{function: a.Function, timeout: e.integrationTimeout, routeKey: "$connect", connectionID: p.id, requestID: requestID, authorizer: true}, event)
	latency := time.Since(began)
	arn := e.routeARN("$connect")
	var said verdict
	var context authorizerContext
	if err == nil {
		said, context, err = parseAuthorizerResult(data, arn, latency)
	}
	if refused := e.judge(data, arn, said, err, p); refused != nil {
		e.refuse(w, refused)
		return false
	}
	p.authorizer = context
	return true
}

// judge is the answer to a client that an authorizer does not let in.
func (e *engine) judge(result []byte, arn string, said verdict, err error, p *peer) *refusal {
	var malformed *resultError
	switch {
	case err == nil && said == allowed:
		return nil
	case err == nil: // the texts of REST APIs (UNCERTAIN)
		f := refusal{status: http.StatusForbidden, errorType: "AccessDeniedException", body: messageBody("User is not authorized to access this resource")}
		if said == denied {
			f.body = messageBody("User is not authorized to access this resource with an explicit deny")
		}
		return f.because(causePolicy, "%s", whyDenied(result, said, arn))
	case err == errEnded:
		return unavailable.because(causeHandshakeAtEnd, "the server is ending")
	case errors.As(err, &malformed): // serverless/examples#557: a result of another shape is 500
		e.report(err, "authorizer", p.id)
		return authorizerError.because(causeAuthorizerResult, "%v", err)
	case saysUnauthorized(err):
		// A function that throws exactly "Unauthorized" (AWS docs' sample; a
		// validated test of another emulator).
		return unauthorized.because(causeUnauthorized, "the authorizer failed with Unauthorized")
	}
	e.report(err, "authorizer", p.id)
	return authorizerError.because(causeAuthorizerFailed, "the authorizer failed: %v", err)
}

var (
	unauthorized    = &refusal{status: http.StatusUnauthorized, errorType: "UnauthorizedException", body: messageBody("Unauthorized")}
	authorizerError = &refusal{status: http.StatusInternalServerError, errorType: "AuthorizerConfigurationException", body: messageBody("Internal server error")} // UNCERTAIN
)

// ErrUnauthorized is what an authorizer's error may have in its chain to be
// answered with 401, as one whose text is "Unauthorized", AWS's own word.
var ErrUnauthorized = errors.New("Unauthorized")

func saysUnauthorized(err error) bool {
	const word = "Unauthorized"
	return errors.Is(err, ErrUnauthorized) || err.Error() == word || strings.HasSuffix(err.Error(), ": "+word)
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
