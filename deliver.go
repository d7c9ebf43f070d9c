package wirepost

import (
	"context"
	"net/http"
	"time"
)

// request is what is sent to each connection.
type request struct {
	method     string
	data       []byte
	hash       string
	repeatable bool // doing it twice does no harm, or was asked for
}

// removeAfter is the age from which a 410 means that a connection has ended:
// the longest a $connect function may run (29 s, AWS, WebSocket quotas page),
// plus one.
const removeAfter = 30 * time.Second

// deliver sends to one connection of an audience, with the retries that are safe,
// and removes the connection from the store if it is gone.
func (p *Publisher) deliver(ctx context.Context, to Audience, l Listed, r request, stop time.Time, place *place) (answer, Outcome) {
	out := Outcome{ConnectionID: l.ID, Endpoint: l.Endpoint}
	defer func() { p.failures.note(&p.o, out) }()
	limit := time.Now().Add(p.o.PostTimeout)
	if !stop.IsZero() && stop.Before(limit) {
		limit = stop
	}
	postCtx, cancel := context.WithDeadline(ctx, limit)
	defer cancel()

	reads := p.reads(l.Endpoint)
	m, err := p.endpoint(postCtx, l.Endpoint)
	if err != nil {
		out.Err = err
		return answer{}, out
	}
	reread := false
	for attempt := 0; ; attempt++ {
		creds, err := p.credentials.retrieve(postCtx, m.loopback)
		if err != nil {
			out.Err = &Error{Problem: ProblemCredentialsMissing, Endpoint: m.endpoint.URL, ConnectionID: l.ID, Err: err}
			return answer{}, out
		}
		a, err := m.call(postCtx, r.method, l.ID, r.data, r.hash, creds, p.o.Now())
		var (
			problem *Error
			again   bool
		)
		switch {
		case err != nil:
			var sent bool
			problem, sent = m.transportProblem(err, l.ID)
			again = !sent || r.repeatable
			if earlier, ok := out.Err.(*Error); ok && !sent && postCtx.Err() != nil {
				problem = earlier // what was found before the time was up says more
			}
		case a.status/100 == 2 && !a.html:
			out.Err = nil
			return a, out
		case a.status == http.StatusGone && !a.html && !m.another(a): // a page is not API Gateway's
			out.Err = ErrGone
			out.Removed, out.Kept = p.remove(postCtx, to, l, m, a)
			return a, out
		default:
			problem = m.problem(a, l.ID)
			again = problem.Problem == ProblemThrottled || problem.Problem == ProblemServerError && r.repeatable
		}
		out.Err = problem
		// A definite wrong-endpoint answer: the stage may have moved. Read its
		// record once, and try once more if it says something else.
		switch problem.Problem {
		case ProblemEndpointUnresolved, ProblemEndpointRefused, ProblemForbidden, ProblemEndpointAnotherAPI:
			if !reread && l.Endpoint != (Identity{}) {
				reread = true
				if fresh, err := p.reread(postCtx, l.Endpoint, max(reads, 1)); err == nil && fresh != m {
					m = fresh
					continue
				}
			}
			// A refused dial may be a gateway that is just starting again; more than
			// a moment of that is an answer.
			if problem.Problem != ProblemEndpointRefused || attempt >= 3 {
				return a, out
			}
		case ProblemEndpointCertificate, ProblemNotAPIGateway:
			return a, out
		}
		if !again || !p.pause(postCtx, attempt, place) {
			return a, out
		}
	}
}

// pause waits before attempt+2, with full jitter: somewhere in [0, 100 ms × 2^n),
// 3.2 s at most. It reports false if the deadline comes first.
//
// Meanwhile another post has its place: a client that does not read delays nobody
// else.
func (p *Publisher) pause(ctx context.Context, attempt int, place *place) bool {
	ceiling := 100 * time.Millisecond << min(attempt, 5)
	wait := time.Duration(p.o.Random() * float64(ceiling))
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	place.leave()
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return place.take(ctx) && ctx.Err() == nil
}

// place is one of the posts in flight of a publish. Nil is a post by itself.
type place struct{ free chan struct{} }

func (p *place) leave() {
	if p != nil {
		<-p.free
	}
}

// take waits for a place. It has one even when it reports false, so that its
// owner leaves it as always.
func (p *place) take(ctx context.Context) bool {
	if p == nil {
		return true
	}
	p.free <- struct{}{} // posts in flight end by their deadlines, so this does
	return ctx.Err() == nil
}

// remove reaps a connection that answered 410 if that is certain to be right, and
// says why not otherwise. What was listed decides and no row is read: if the ID has
// another connection by now, the store leaves that one alone.
func (p *Publisher) remove(ctx context.Context, to Audience, l Listed, m *management, a answer) (bool, string) {
	switch {
	case l.Endpoint == (Identity{}) || l.Endpoint != m.endpoint.Identity:
		return false, "" // no row, or a post that went elsewhere: it says nothing of the row
	case l.ConnectedAt.IsZero():
		return false, "the store does not know its age"
	case a.date.IsZero():
		return false, "the answer has no date"
	case a.date.Sub(l.ConnectedAt) < removeAfter:
		return false, "younger than 30 s"
	}
	removed, err := p.store.Reap(ctx, to, l)
	if err != nil {
		return false, "the store did not answer"
	}
	if removed {
		p.o.Logger.Debug("removed the row of a gone connection", "connectionId", l.ID, "endpoint", l.Endpoint.String())
	}
	return removed, ""
}
