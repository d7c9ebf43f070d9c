package wirepost

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Problem names one way in which pushing goes wrong. It is a stable
// kebab-case code: scripts may compare it.
type Problem string

// The problems, in the order in which somebody would look for them: first what
// can be seen in the configuration, then what the network says, then what API
// Gateway answers.
const (
	ProblemEndpointUnset         Problem = "endpoint-unset"
	ProblemEndpointScheme        Problem = "endpoint-scheme"
	ProblemEndpointHost          Problem = "endpoint-host"
	ProblemEndpointSuffix        Problem = "endpoint-suffix"
	ProblemEndpointPath          Problem = "endpoint-path"
	ProblemEndpointStageMissing  Problem = "endpoint-stage-missing"
	ProblemEndpointStageOnDomain Problem = "endpoint-stage-on-custom-domain"
	ProblemEndpointOverride      Problem = "endpoint-override"
	ProblemSigningRegion         Problem = "signing-region"

	ProblemEndpointUnresolved  Problem = "endpoint-unresolved"
	ProblemEndpointRefused     Problem = "endpoint-refused"
	ProblemEndpointUnreachable Problem = "endpoint-unreachable"
	ProblemEndpointCertificate Problem = "endpoint-certificate"
	ProblemNotAPIGateway       Problem = "not-api-gateway"
	ProblemEndpointAnotherAPI  Problem = "endpoint-another-api"

	ProblemCredentialsMissing Problem = "credentials-missing"
	ProblemCredentialsInvalid Problem = "credentials-invalid"
	ProblemSignatureMismatch  Problem = "signature-mismatch"
	ProblemClockSkew          Problem = "clock-skew"
	ProblemSendDenied         Problem = "send-denied"
	ProblemPathNotSend        Problem = "path-not-a-send"
	ProblemForbidden          Problem = "forbidden-unexplained"

	ProblemConnectionID   Problem = "connection-id-invalid"
	ProblemMessageSize    Problem = "message-too-large"
	ProblemMessageText    Problem = "message-not-text"
	ProblemThrottled      Problem = "throttled"
	ProblemServerError    Problem = "server-error"
	ProblemNoAnswer       Problem = "no-answer"
	ProblemDeadline       Problem = "deadline"
	ProblemUnexpected     Problem = "unexpected-answer"
	ProblemStore          Problem = "store"
	ProblemEventMalformed Problem = "event-malformed"
)

type problemText struct{ sentence, fix string }

// problems is the whole catalogue. A sentence says what is the matter in
// general; the [Error] that carries the problem says it of the thing at hand.
var problems = map[Problem]problemText{
	ProblemEndpointUnset:         {"no management endpoint is known", "connect one client so that it can be learned, or set WIREPOST_ENDPOINT=https://<api-id>.execute-api.<region>.amazonaws.com/<stage>"},
	ProblemEndpointScheme:        {"the management endpoint does not start with https:// (wss:// is the address that clients dial; sending uses HTTPS)", "use https:// with the same host and stage; http:// is for loopback addresses only"},
	ProblemEndpointHost:          {"the host of the management endpoint is not a host name", "use <api-id>.execute-api.<region>.amazonaws.com, or the custom domain of the API"},
	ProblemEndpointSuffix:        {"the management endpoint already contains /@connections, which is added for each call", "remove /@connections and what follows it"},
	ProblemEndpointPath:          {"the management endpoint has more in it than a scheme, a host and a stage", "leave https://<host>/<stage>, without query, user, fragment or further path"},
	ProblemEndpointStageMissing:  {"the management endpoint has no stage, so API Gateway reads \"@connections\" as the stage and answers 403 Forbidden", "append the stage, such as /prod"},
	ProblemEndpointStageOnDomain: {"the mapping of a custom domain already contains the stage, so appending it makes a path that API Gateway does not know", "use the custom domain with its mapping key only, or the execute-api host with the stage"},
	ProblemEndpointOverride:      {"an environment variable sends pushes to another endpoint than the event names", "unset it, or make it the endpoint of this API"},
	ProblemSigningRegion:         {"requests would be signed for another region than the endpoint's", "set AWS_REGION to the region in the endpoint's host"},

	ProblemEndpointUnresolved:  {"the host of the management endpoint does not resolve", "check the API ID and the region: the API may have been deleted or created again"},
	ProblemEndpointRefused:     {"nothing listens at the management endpoint", "start the gateway, or correct the port"},
	ProblemEndpointUnreachable: {"no connection to the management endpoint could be opened in time", "a function in a VPC needs a NAT gateway, or send from a function outside the VPC"},
	ProblemEndpointCertificate: {"the management endpoint's certificate is not valid for its host", "point the custom domain's DNS record at its regional domain name (d-….execute-api.…)"},
	ProblemNotAPIGateway:       {"what answers at the management endpoint is not API Gateway", "use the execute-api host, or the API's own custom domain without a proxy before it"},
	ProblemEndpointAnotherAPI:  {"the gateway that answers at the management endpoint is another API's, as when two machines share a store and each has a gateway at the same localhost address", "send from the machine of that gateway, or give one of the gateways another port"},

	ProblemCredentialsMissing: {"there are no AWS credentials to sign with", "give the function a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"},
	ProblemCredentialsInvalid: {"API Gateway does not accept these credentials", "renew them; a session's token expires"},
	ProblemSignatureMismatch:  {"the signature does not match what API Gateway computed", "check the secret key, and that nothing between here and API Gateway changes the path or the body"},
	ProblemClockSkew:          {"the clock of this machine and that of API Gateway are too far apart", "set the clock: a signature is valid for about five minutes"},
	ProblemSendDenied:         {"these credentials may not use the management API", "allow execute-api:ManageConnections on arn:aws:execute-api:<region>:<account>:<api-id>/<stage>/*/@connections/*"},
	ProblemPathNotSend:        {"API Gateway did not recognise the path as a send: the path is wrong, not the policy", "use the execute-api host with the stage, or the custom domain without it"},
	ProblemForbidden:          {"403 Forbidden, and nothing in the endpoint looks wrong", "in order of likelihood: the stage is not deployed, the execute-api endpoint is disabled, the stage does not exist, or a VPC endpoint with private DNS captures the host"},

	ProblemConnectionID:   {"API Gateway never issued this connection ID", "use an ID from a $connect event, unescaped"},
	ProblemMessageSize:    {"the message is larger than 128 KB", "send a reference to it, or send it in parts"},
	ProblemMessageText:    {"the message is not UTF-8, and a text frame of it makes browsers close with 1007", "encode it, for example as base64 in JSON"},
	ProblemThrottled:      {"API Gateway answered 429 until the deadline: the account's rate is used up, or the client does not read", "send slower, or leave more time"},
	ProblemServerError:    {"API Gateway failed to answer (5xx); whether the message was delivered is not known", "send again if twice is better than never (AtLeastOnce)"},
	ProblemNoAnswer:       {"the request was sent and no answer came; whether the message was delivered is not known", "send again if twice is better than never (AtLeastOnce)"},
	ProblemDeadline:       {"the deadline came before the post was sent", "leave more time, or go on from Result.Next"},
	ProblemUnexpected:     {"API Gateway gave an answer that is not in its documentation", "look at the status and the body in the error"},
	ProblemStore:          {"the store could not be read or written", "look at the error from the store"},
	ProblemEventMalformed: {"the event is not one of a WebSocket API", "connect the function to a WebSocket API with proxy integration"},
}

// Problems lists the catalogue's codes in alphabetical order.
func Problems() []Problem {
	all := make([]Problem, 0, len(problems))
	for p := range problems {
		all = append(all, p)
	}
	slices.Sort(all)
	return all
}

// Sentence says what the problem is, in one sentence without a full stop. It is
// empty for a code that is not in the catalogue.
func (p Problem) Sentence() string { return problems[p].sentence }

// Fix says what to do about it.
func (p Problem) Fix() string { return problems[p].fix }

var (
	// ErrNotFound says that a store has no live row for a connection or stage.
	ErrNotFound = errors.New("wirepost: not found")
	// ErrGone says that the connection has ended (410). Only the calls about a
	// single connection return it: [Publisher.Post], [Publisher.Get] and
	// [Publisher.Delete]. In a publish, gone is a count.
	ErrGone = errors.New("wirepost: connection is gone")
	// ErrNoEndpoint says that no management endpoint is known for a connection.
	ErrNoEndpoint = errors.New("wirepost: no management endpoint known")
)

// Error is what went wrong at one endpoint or with one connection.
type Error struct {
	Problem      Problem
	Endpoint     string // the management endpoint as far as it is known
	ConnectionID string // empty if it is not about one connection
	// Status is the HTTP status that was answered; 0 means that there was no
	// answer and Problem is our own conclusion.
	Status int
	// Body is what was answered, cut at 2 KB. It never contains a payload of ours.
	Body string
	// Detail says what is the matter with the thing at hand. Empty means the
	// catalogue's sentence.
	Detail string
	// FixText overrides the catalogue's fix when the exact cure is known.
	FixText string
	Err     error
}

// Answered reports whether the endpoint itself said so (an HTTP answer), as
// opposed to a conclusion of this package.
func (e *Error) Answered() bool { return e.Status != 0 }

// Fix says what to do.
func (e *Error) Fix() string {
	if e.FixText != "" {
		return e.FixText
	}
	return e.Problem.Fix()
}

// Error is one line: what, on what, and what the other side said.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Problem))
	if e.ConnectionID != "" {
		fmt.Fprintf(&b, ": connection %s", e.ConnectionID)
	}
	if e.Endpoint != "" {
		fmt.Fprintf(&b, ": endpoint %s", e.Endpoint)
	}
	b.WriteString(": ")
	if e.Detail != "" {
		b.WriteString(e.Detail)
	} else {
		b.WriteString(e.Problem.Sentence())
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, " (answered %d", e.Status)
		if e.Body != "" {
			fmt.Fprintf(&b, ": %s", strings.TrimSpace(e.Body))
		}
		b.WriteString(")")
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// ProblemOf finds the problem that an error carries; empty if it carries none.
func ProblemOf(err error) Problem {
	var e *Error
	if errors.As(err, &e) {
		return e.Problem
	}
	return ""
}
