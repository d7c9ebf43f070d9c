package wirepost

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"unicode"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/wirepost/wirepost/internal/management"
)

// Explain says what an error of a send means: one of this package, or one of AWS's
// own management client, whose text leaves out what API Gateway said in just the
// cases that need it. The same code, sentence and fix come out for both wherever
// the error still shows what happened.
//
// It returns nil for nil, and for an error in which it recognises nothing. Where an
// answer has several causes that cannot be told apart, Problem is the name of that
// answer and Candidates lists them.
//
// AWS's client is read through what its errors can do (ErrorCode, ErrorMessage,
// HTTPStatusCode, and the request of core's ResponseError), so that this package does
// not link it. It keeps no body but one that is not JSON; the client of package sdkclient
// keeps the beginning of each. Its request shows the URL and the scope that were really
// used.
func Explain(err error) *Error {
	if err == nil {
		return nil
	}
	var own *Error
	if errors.As(err, &own) {
		return own.explained()
	}
	switch {
	case errors.Is(err, ErrGone):
		return &Error{Problem: ProblemConnectionGone, Err: err}
	case errors.Is(err, ErrNoEndpoint):
		return &Error{Problem: ProblemEndpointUnset, Err: err}
	}
	if e := explainAnswered(err); e != nil {
		return e
	}
	if e := explainRefusedByClient(err); e != nil {
		return e
	}
	return explainUnanswered(err)
}

// ExplainResponse is [Explain] for an answer of the management API to a request of
// the caller's own; body is as much of its body as was read. It returns nil for a
// success, and an error with the problem connection-gone for a 410. If the response
// has its request, that is looked at too.
func ExplainResponse(resp *http.Response, body []byte) *Error {
	r := replyTo(resp)
	r.text = string(body)
	if resp.StatusCode/100 == 2 && !r.html {
		return nil
	}
	return r.explain()
}

// explained adds to an error of this package what its answer cannot tell.
func (e *Error) explained() *Error {
	if e.Candidates != nil || candidates[e.Problem] == nil || e.Problem == ProblemNoAnswer {
		return e
	}
	c := *e
	c.Candidates = candidatesOf(e.Problem, e.Endpoint)
	return &c
}

// candidatesOf has the mapping first where there is one. A gateway on this machine has
// nothing to deploy.
func candidatesOf(p Problem, endpoint string) []Problem {
	u, err := url.Parse(endpoint)
	switch {
	case p != ProblemForbidden || err != nil || u.Host == "" || isExecuteAPIHost(u.Hostname()):
		return candidates[p]
	case isLoopback(u.Host):
		return []Problem{ProblemStageUnknown}
	}
	return []Problem{ProblemMappingMissing, ProblemStageNotDeployed, ProblemDeploymentStale}
}

// reply is what is known of an answer that is not a success.
type reply struct {
	endpoint     string
	connectionID string
	url          string // of the request, with "/@connections/ID"; empty: not known
	status       int
	errorType    string
	text         string // the body, or what AWS's client kept of it
	messageOnly  bool   // the text is the message in the body
	dropped      bool   // AWS's client has dropped the body
	server       string
	html         bool
	host         string // that answered, without a port; empty: not known
	from         answerer
	scope        *scope // nil: not known
}

// scope is what a request was signed for.
type scope struct {
	signed          bool
	region, service string
}

func scopeOf(authorization string) *scope {
	_, credential, ok := strings.Cut(authorization, "Credential=")
	if !ok {
		return &scope{}
	}
	credential, _, _ = strings.Cut(credential, ",")
	part := strings.Split(credential, "/")
	if len(part) < 5 { // an access key ID has no slash
		return &scope{}
	}
	part = part[len(part)-4:]
	return &scope{true, part[1], part[2]}
}

// replyTo reads the head of a response and the request that it answers.
func replyTo(resp *http.Response) reply {
	r := reply{status: resp.StatusCode, server: resp.Header.Get("Server")}
	mark := management.MarkOf(resp.Header)
	r.from = answererOf(mark, "")
	r.errorType, _, _ = strings.Cut(resp.Header.Get("X-Amzn-Errortype"), ":")
	r.html = strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html")
	if req := resp.Request; req != nil && req.URL != nil {
		r.url, r.host = req.URL.String(), req.URL.Hostname()
		r.from = answererOf(mark, r.host)
		r.endpoint, r.connectionID = splitCall(r.url)
		r.endpoint = redactURL(r.endpoint)
		r.scope = scopeOf(req.Header.Get("Authorization"))
	}
	return r
}

// splitCall takes the endpoint and the connection ID out of the URL of a call.
func splitCall(call string) (endpoint, connectionID string) {
	low := strings.ToLower(call)
	for _, s := range []string{"/@connections/", "/%40connections/"} {
		if i := strings.LastIndex(low, s); i >= 0 {
			id, err := url.PathUnescape(call[i+len(s):])
			if err != nil {
				id = ""
			}
			return call[:i], id
		}
	}
	return call, ""
}

// explain finds the problem of an answer. What the text names is certain; a plain
// 403 is looked for in the request.
func (r reply) explain() *Error {
	e := &Error{Endpoint: r.endpoint, ConnectionID: r.connectionID, Status: r.status, Body: r.text}
	// Parts of it get into sentences, which are one line.
	r.text, r.server = printable(r.text), printable(r.server)
	has := func(s string) bool { return strings.Contains(r.text, s) }
	switch {
	case r.html && (r.status/100 == 2 || r.errorType == ""):
		e.Problem, e.Body, e.FixText = ProblemNotAPIGateway, r.head(), r.fixAnswerer()
		if r.server != "" {
			e.Detail = fmt.Sprintf("the endpoint is answered by %s, not by API Gateway", clip(r.server))
		}
	case r.status == http.StatusGone:
		e.Problem = ProblemConnectionGone
	case r.status == http.StatusTooManyRequests:
		e.Problem = ProblemThrottled
	case r.status == http.StatusRequestEntityTooLarge:
		e.Problem = ProblemMessageSize
	case r.status == http.StatusBadRequest && has("Invalid connectionId"):
		e.Problem = ProblemConnectionID
	case has("No method found matching route"), has("execute-api:Invoke"):
		r.explainPath(e)
	case has("execute-api:ManageConnections"):
		r.explainDenial(e)
	case has("Credential should be scoped to a valid region"):
		e.Problem = ProblemSigningRegion
		if r.scope != nil && r.scope.signed {
			e.Detail = fmt.Sprintf("API Gateway wants a signature for its own region, and the request was signed for %q", clip(r.scope.region))
		}
	case has("Credential should be scoped to correct service"):
		e.Problem = ProblemEndpointResolver
	case has("signature we calculated does not match"):
		e.Problem = ProblemSignatureMismatch
	case has("Signature expired"), has("Signature not yet current"):
		e.Problem = ProblemClockSkew
	case has("Missing Authentication Token"):
		e.Problem = ProblemCredentialsMissing
		if r.scope != nil && r.scope.signed {
			// A REST or HTTP API says this of a path that it does not know (AWS, re:Post
			// api-gateway-403-custom-domain).
			e.Problem, e.Detail = ProblemPathNotSend, "the request was signed, and the host says that it has no such path: its mapping leads to no WebSocket API"
		}
	case has("security token"), r.errorType == "UnrecognizedClientException", r.errorType == "ExpiredTokenException":
		e.Problem = ProblemCredentialsInvalid
	case r.status == http.StatusForbidden:
		if found := urlProblem(r.url, r.scope); found != nil {
			e.Problem, e.Detail, e.FixText = found.Problem, found.Detail, found.FixText
			break
		}
		e.Problem, e.Candidates = ProblemForbidden, candidatesOf(ProblemForbidden, r.endpoint)
	case r.status >= 500:
		e.Problem = ProblemServerError
	default:
		e.Problem = ProblemUnexpected
	}
	r.doubt(e)
	return e
}

// printable has a space for each control character.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, s)
}

// resourceOf is the ARN that a denial names: what is behind the last "resource: ".
func resourceOf(text string) string {
	i := strings.LastIndex(text, "arn:")
	if i < 0 {
		return ""
	}
	arn := text[i:]
	if j := strings.IndexAny(arn, "\" \t\r\n\\"); j >= 0 {
		arn = arn[:j]
	}
	return arn
}

// explainPath is for a path that API Gateway took for a route. Three projects found
// that a denial of execute-api:Invoke says that the path is wrong and not the
// policy: to allow it only changes the answer to "No method found".
func (r reply) explainPath(e *Error) {
	e.Problem = ProblemPathNotSend
	if strings.Contains(r.text, "@connections/@connections") {
		e.Problem = ProblemEndpointSuffix
		return
	}
	// arn:…:api/STAGE/POST/REST, or "route REST for": REST should have begun with
	// "@connections/", and what is before that is too much.
	stage, rest := "", ""
	if _, said, ok := strings.Cut(r.text, "matching route "); ok {
		rest, _, _ = strings.Cut(said, " ")
	} else if part := strings.SplitN(resourceOf(r.text), "/", 4); len(part) == 4 {
		stage, rest = part[1], part[3]
	}
	extra, _, ok := strings.Cut(strings.ToLower(rest), "/@connections")
	if !ok || extra == "" {
		return
	}
	extra = rest[:len(extra)]
	if stage == extra {
		e.Problem = ProblemEndpointStageOnDomain
	}
	e.Detail = fmt.Sprintf("API Gateway took %s for a route: the mapping already contains the stage, and /%s is too much", clip(rest), clip(extra))
	if fixed, ok := strings.CutSuffix(r.endpoint, "/"+extra); ok {
		e.FixText = "use " + fixed
	}
}

// explainDenial reads the ARN in "not authorized to perform:
// execute-api:ManageConnections on resource: arn:…:region:account:api/stage/VERB/@connections/id".
func (r reply) explainDenial(e *Error) {
	e.Problem = ProblemSendDenied
	resource := resourceOf(r.text)
	part := strings.SplitN(resource, "/", 4)
	field := strings.SplitN(resource, ":", 6)
	if len(part) < 4 || len(field) < 6 {
		return
	}
	switch part[2] {
	case http.MethodGet:
		e.Problem = ProblemGetDenied
	case http.MethodDelete:
		e.Problem = ProblemDeleteDenied
	}
	// API Gateway shows the last four digits of the account.
	account := field[4]
	if _, user, ok := strings.Cut(r.text, "User: arn:"); ok {
		if who := strings.SplitN(user, ":", 6); len(who) == 6 && len(who[3]) >= 4 && len(account) >= 4 {
			if who[3][len(who[3])-4:] != account[len(account)-4:] {
				e.Problem = ProblemCredentialsAccount
				e.Detail = fmt.Sprintf("the credentials belong to an account that ends in %s, the API to one that ends in %s", who[3][len(who[3])-4:], account[len(account)-4:])
				return
			}
			account = who[3]
		}
	}
	e.FixText = fmt.Sprintf("allow execute-api:ManageConnections on %s:%s/%s/*/@connections/*", strings.Join(append(field[:4:4], account), ":"), field[5][:strings.IndexByte(field[5], '/')], part[1])
}

// urlProblem is what can be seen in the URL of a call and in what it was signed for.
func urlProblem(call string, s *scope) *Error {
	if call == "" {
		return nil
	}
	endpoint, _ := splitCall(call)
	o := &EndpointOptions{}
	if s != nil && s.signed {
		if s.service != management.Service {
			return &Error{Problem: ProblemEndpointResolver, Endpoint: redactURL(endpoint)}
		}
		o.Region = s.region
	}
	if u, err := url.Parse(endpoint); (s == nil || !s.signed) && err == nil && !isExecuteAPIHost(u.Hostname()) {
		o.Region = developmentRegion // not known, and not what is looked for
	}
	_, err := ParseEndpoint(endpoint, o)
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if s != nil && s.signed && s.region == "" {
		return &Error{Problem: ProblemSigningRegion, Endpoint: redactURL(endpoint), Detail: "the request was signed for an empty region, which AWS's client does not report"}
	}
	return nil
}

// explainAnswered is for an error of AWS's client that has an HTTP answer.
func explainAnswered(err error) *Error {
	status, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err)
	if !ok || status.HTTPStatusCode() == 0 {
		return nil
	}
	r := reply{status: status.HTTPStatusCode()}
	if answered, ok := errors.AsType[*awshttp.ResponseError](err); ok && answered.ResponseError != nil && answered.Response != nil && answered.Response.Response != nil {
		r = replyTo(answered.Response.Response)
	}
	r.readKept(err)
	if r.status/100 == 3 { // a redirect that it followed until it gave up
		r.html, r.errorType = true, ""
	}
	e := r.explain()
	e.Err = err
	return e
}

// readKept reads what an error of AWS's client has kept of the body.
func (r *reply) readKept(err error) {
	if api, ok := errors.AsType[interface {
		error
		ErrorCode() string
		ErrorMessage() string
	}](err); ok {
		r.text, r.messageOnly = api.ErrorMessage(), true
		if code := api.ErrorCode(); code != unknownError {
			r.errorType = code
		} else if r.text == unknownError {
			r.text = "" // the client's own word
		}
	}
	if kept, ok := errors.AsType[*smithy.DeserializationError](err); ok && len(kept.Snapshot) > 0 {
		r.text, r.messageOnly = string(kept.Snapshot), false
	}
	if r.text != "" {
		return
	}
	if answered, ok := errors.AsType[*awshttp.ResponseError](err); ok && answered.ResponseError != nil && answered.Response != nil && answered.Response.Response != nil {
		if body, ok := answered.Response.Body.(interface{ Kept() []byte }); ok { // of package sdkclient
			r.text, r.messageOnly = string(body.Kept()), false
		}
		r.dropped = r.text == "" && answered.Response.ContentLength != 0
	}
}

// unknownError is what AWS's client says where the answer has no code or no message.
const unknownError = "UnknownError"

// explainRefusedByClient is for what AWS's client refuses before it sends.
func explainRefusedByClient(err error) *Error {
	text := err.Error()
	has := func(s string) bool { return strings.Contains(text, s) }
	e := &Error{Err: err}
	switch {
	case has("FIPS and custom endpoint"), has("Dualstack and custom endpoint"):
		e.Problem = ProblemEndpointVariant
	case has("Missing Region"), has("invalid input region"):
		e.Problem, e.Detail = ProblemSigningRegion, "no region is set to sign for"
	case has("failed to resolve service endpoint, Failed to parse uri"):
		_, raw, _ := strings.Cut(text, "Failed to parse uri: ")
		if _, parsed := ParseEndpoint(raw, &EndpointOptions{Region: developmentRegion}); parsed != nil {
			errors.As(parsed, &e)
			c := *e
			c.Err = err
			return &c
		}
		e.Problem = ProblemEndpointHost
	case has("get identity: get credentials"), has("failed to refresh cached credentials"):
		e.Problem = ProblemCredentialsMissing
	case has("input member ConnectionId must not be empty"), has("missing required field, PostToConnectionInput.ConnectionId"):
		e.Problem, e.Detail = ProblemConnectionID, "the connection ID is empty"
	default:
		return nil
	}
	return e
}

// explainUnanswered is for an error of the network.
func explainUnanswered(err error) *Error {
	e := &Error{Err: err}
	var ue *url.Error
	if errors.As(err, &ue) {
		e.Endpoint, e.ConnectionID = splitCall(ue.URL)
		e.Endpoint = redactURL(e.Endpoint)
		if strings.Contains(ue.URL, "onnections") { // a management call, whatever its endpoint
			if found := urlProblem(ue.URL, nil); found != nil {
				e.Problem, e.Detail, e.FixText = found.Problem, found.Detail, found.FixText
				return e
			}
		}
		if ue.Err != nil && strings.Contains(ue.Err.Error(), "stopped after 10 redirects") {
			e.Problem = ProblemNotAPIGateway
			return e
		}
	}
	if e.Problem, e.Detail = networkProblem(err); e.Problem != "" {
		return e
	}
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		// AWS's client says the same of a dial that hangs and of a silent server.
		e.Problem, e.Candidates = ProblemNoAnswer, candidates[ProblemNoAnswer]
	case ue != nil, errors.As(err, &op):
		e.Problem = ProblemNoAnswer
	default:
		return nil
	}
	return e
}

// networkProblem is what kept a request from being sent at all; empty if nothing
// says that it was not.
func networkProblem(err error) (p Problem, detail string) {
	var (
		dns      *net.DNSError
		dial     *net.OpError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		verify   *tls.CertificateVerificationError
		record   tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return ProblemEndpointUnreachable, "this process has no file descriptor left; 'ulimit -n' says how many it may have"
	case errors.As(err, &dial) && dial.Op == "proxyconnect":
		return ProblemEndpointUnreachable, "the proxy that HTTPS_PROXY names cannot be reached"
	case errors.As(err, &dns) && dns.IsNotFound:
		return ProblemEndpointUnresolved, ""
	case errors.As(err, &dns):
		return ProblemEndpointUnreachable, "the name server did not answer"
	case errors.Is(err, syscall.ECONNREFUSED):
		return ProblemEndpointRefused, ""
	case errors.As(err, &dial) && dial.Op == "dial":
		return ProblemEndpointUnreachable, ""
	case errors.As(err, &hostname), errors.As(err, &unknown), errors.As(err, &invalid), errors.As(err, &verify):
		return ProblemEndpointCertificate, ""
	case errors.As(err, &record) && string(record.RecordHeader[:]) != "HTTP/":
		return ProblemNotAPIGateway, "what listens at the endpoint does not speak TLS"
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return ProblemNotAPIGateway, "the endpoint speaks plain HTTP, not HTTPS"
	case strings.Contains(err.Error(), "TLS handshake timeout"):
		return ProblemEndpointUnreachable, "the connection was opened, and the TLS handshake got no answer"
	}
	return "", ""
}
