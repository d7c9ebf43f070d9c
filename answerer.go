package wirepost

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/management"
)

// answerer is what an answer shows of who gave it.
type answerer int

const (
	unknownAnswerer answerer = iota // neither the headers nor the host are known
	apiGateway
	somebodyElse
)

// answererOf judges by the headers that API Gateway puts on its answers, and by the host:
// the name of an execute-api host is AWS's. That all its errors have one of the headers,
// also behind a custom domain and through CloudFront, is UNCERTAIN: recorded answers
// do, but not every error was recorded.
func answererOf(mark management.Mark, host string) answerer {
	switch {
	case mark == management.MarkOfAPIGateway, isExecuteAPIHost(host):
		return apiGateway
	case mark == management.MarkOfAWS && !isOtherAWSHost(host):
		return apiGateway
	case host == "":
		return unknownAnswerer
	}
	return somebodyElse
}

// shownBody is how much of the answer of somebody else is in an error, in bytes.
const shownBody = 200

// doubt names the answerer if nothing shows that it is API Gateway. What the answer would
// mean from API Gateway stays as the second candidate, because a proxy may have taken its
// headers away.
func (r reply) doubt(e *Error) {
	if r.from != somebodyElse || r.ownWords() {
		return
	}
	switch e.Problem {
	case ProblemForbidden, ProblemServerError, ProblemUnexpected, ProblemMessageSize:
	default:
		return // in words of API Gateway's, or by a status that means the same of everybody
	}
	otherwise := e.Problem
	e.Problem, e.Body = ProblemNotAPIGateway, r.head()
	who := "something that does not say what it is"
	if r.server != "" {
		who = clip(r.server)
	}
	switch {
	case r.status/100 == 3:
		e.Detail, e.Candidates = "the endpoint redirects, and API Gateway does not", nil
	case r.status == http.StatusUpgradeRequired || strings.Contains(strings.ToLower(r.text), "websocket"):
		e.Detail = "the endpoint is answered by a WebSocket server that has no management API"
		e.Candidates = []Problem{ProblemNotAPIGateway, otherwise}
	default:
		e.Detail = fmt.Sprintf("the endpoint is answered by %s: the answer has none of API Gateway's headers (x-amzn-requestid, x-amz-apigw-id, x-amzn-errortype), unless a proxy has removed them", who)
		e.Candidates = []Problem{ProblemNotAPIGateway, otherwise}
	}
	e.FixText = r.fixAnswerer()
	if r.dropped {
		e.FixText = e.Fix() + "; AWS's client drops what was said, and 'wirepost doctor' shows it"
	}
}

// fixAnswerer is the cure if somebody else answers; empty for that of the catalogue.
func (r reply) fixAnswerer() string {
	if isLoopback(r.host) {
		return "start the gateway with 'wirepost dev', or correct the port"
	}
	return ""
}

// ownWords reports whether the body is one that API Gateway gives when it says no more
// (recorded answers).
func (r reply) ownWords() bool {
	text := strings.ReplaceAll(strings.TrimSpace(r.text), " ", "")
	if r.messageOnly {
		text = `{"message":"` + text + `"}`
	}
	return slices.Contains([]string{`{"message":"Forbidden"}`, `{"message":"Internalservererror"}`, `{"message":"Messagetoolong"}`, `{"message":"TooManyRequests"}`}, text)
}

// head is the beginning of a body, on one line. A body that has our signature in it, as
// that of a server that echoes requests, is left out.
func (r reply) head() string {
	low := strings.ToLower(r.text)
	if strings.Contains(low, "aws4-hmac-sha256") || strings.Contains(low, "x-amz-security-token") {
		return ""
	}
	text := strings.ToValidUTF8(strings.Join(strings.Fields(r.text), " "), "\uFFFD")
	if len(text) <= shownBody {
		return text
	}
	return strings.ToValidUTF8(text[:shownBody], "") + "…"
}

// mayBe reports whether a problem is the one that is named, or would be if a proxy had
// removed the headers of API Gateway: what follows a post is decided by that, as if the
// answer were API Gateway's.
func (e *Error) mayBe(p Problem) bool {
	return e.Problem == p || e.Problem == ProblemNotAPIGateway && slices.Contains(e.Candidates, p)
}
