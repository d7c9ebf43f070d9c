package wirepost

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/wirepost/wirepost/internal/management"
)

// explain explains an answer that is not a success and not 410.
func (c *endpointClient) explain(a management.Answer, connectionID string) *Error {
	host := ""
	if u, err := url.Parse(c.endpoint.URL); err == nil {
		host = u.Hostname()
	}
	r := reply{endpoint: c.endpoint.URL, connectionID: connectionID, status: a.Status, errorType: a.ErrorType, text: string(a.Body),
		server: a.Server, html: a.HTML, host: host, from: answererOf(a.Mark, host), scope: &scope{signed: true, region: c.endpoint.Region, service: management.Service}}
	e := r.explain()
	if c.another(a) {
		e.Problem, e.Candidates = ProblemEndpointAnotherAPI, nil
		e.Detail = fmt.Sprintf("the gateway at the endpoint is that of %s, the connection is one of %s/%s", clip(a.API), c.endpoint.APIID, c.endpoint.Stage)
	}
	return e
}

// explainUnanswered explains a call that got no answer. sent tells whether the
// message may have been delivered.
func (c *endpointClient) explainUnanswered(call *management.Error, connectionID string) (e *Error, sent bool) {
	e = &Error{Endpoint: c.endpoint.URL, ConnectionID: connectionID, Err: call.Err}
	if e.Problem, e.Detail = networkProblem(call.Err); e.Problem != "" {
		return e, false
	}
	if call.Reason == management.Unanswered {
		e.Problem = ProblemNoAnswer
		return e, true
	}
	// The time was up before there was a connection, because all that there are
	// were busy; or none could be opened.
	e.Problem = ProblemEndpointUnreachable
	timeUp := errors.Is(call.Err, context.DeadlineExceeded) || errors.Is(call.Err, context.Canceled)
	if timeUp && call.Connected {
		e.Problem = ProblemDeadline
	}
	return e, false
}
