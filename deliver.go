package wirepost

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
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

// deliver sends to one connection of an audience, with the retries that are safe,
// and removes the connection from the store if it is gone. f is the publish that has
// waited for the turn of this post, nil for a post by itself. No more is tried from
// stop on, or when the time of a post is over; ctx is begun anew for it.
func (p *Publisher) deliver(ctx *postContext, to Audience, l Listed, r request, stop time.Time, f *fanOut) (answer, Outcome) {
	start := time.Now()
	limit := start.Add(p.o.PostTimeout)
	if !stop.IsZero() && stop.Before(limit) {
		limit = stop
	}
	ctx.begin(limit)
	a, out := p.attempts(ctx, to, l, r, f)
	switch {
	case out.Err == nil:
		p.counters.sent.Add(1)
		p.counters.took.add(time.Since(start))
	case errors.Is(out.Err, ErrGone):
		p.counters.gone.Add(1)
	default:
		p.counters.failed.Add(1)
		p.failures.note(&p.o, out)
		if p.o.Logger.Enabled(ctx, slog.LevelDebug) {
			p.o.Logger.Debug("a post failed", "connectionId", l.ID, "error", out.Err) // which names the endpoint
		}
	}
	return a, out
}

func (p *Publisher) attempts(postCtx *postContext, to Audience, l Listed, r request, f *fanOut) (answer, Outcome) {
	out := Outcome{ConnectionID: l.ID, Endpoint: l.Endpoint}
	pace := p.paceOf(l.Endpoint)
	reads := p.reads(l.Endpoint)
	m, err := p.endpoint(postCtx, l.Endpoint)
	if err != nil {
		out.Err = err
		return answer{}, out
	}
	reread := false
	var unknown *Error // an attempt that may have delivered: no later failure says otherwise
	for attempt := 0; ; attempt++ {
		if attempt == 0 && f == nil && !p.inTurn(postCtx, l.Endpoint) {
			out.Err = &Error{Problem: ProblemDeadline, Endpoint: m.endpoint.URL, ConnectionID: l.ID, Err: cmp.Or(postCtx.Err(), context.DeadlineExceeded)}
			return answer{}, out
		}
		creds, err := p.credentials.retrieve(postCtx, m.loopback)
		switch {
		case err == nil:
		case unknown != nil, out.Err != nil && postCtx.Err() != nil:
			return answer{}, out // what is known of the attempt before says more
		case postCtx.Err() != nil:
			out.Err = &Error{Problem: ProblemDeadline, Endpoint: m.endpoint.URL, ConnectionID: l.ID, Detail: "the deadline came before there were credentials", Err: err}
			return answer{}, out
		default:
			out.Err = &Error{Problem: ProblemCredentialsMissing, Endpoint: m.endpoint.URL, ConnectionID: l.ID, Err: err}
			return answer{}, out
		}
		if attempt > 0 {
			p.counters.retried.Add(1)
		}
		a, err := m.call(postCtx, r.method, l.ID, r.data, r.hash, creds, p.o.Now())
		if err == nil {
			throttled := a.status == http.StatusTooManyRequests
			pace.answered(time.Now(), throttled, l.ID)
			if throttled {
				p.counters.throttled.Add(1)
			}
		}
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
		if problem.Problem == ProblemNoAnswer || problem.Problem == ProblemServerError {
			unknown = problem
		}
		if out.Err = problem; unknown != nil {
			out.Err = unknown
		}
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
		if !again || !p.pause(postCtx, attempt, l.Endpoint, f) {
			return a, out
		}
	}
}

// pause waits before attempt+2, with full jitter: somewhere in [0, 100 ms × 2^n),
// 3.2 s at most, and for its turn. It reports false if the deadline comes first.
//
// Meanwhile another post of the publish has its place: a client that does not read
// delays nobody else.
func (p *Publisher) pause(ctx context.Context, attempt int, id Identity, f *fanOut) bool {
	ceiling := 100 * time.Millisecond << min(attempt, 5)
	wait := time.Duration(p.o.Random() * float64(ceiling))
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	f.leave()
	defer f.enter()
	return sleep(ctx, wait) && p.inTurn(ctx, id)
}

// inTurn waits until the pace of the stage and then the budget let a post start: a
// place in the budget is not kept for a post that has to wait for its stage. It
// reports false if the context ends first, or would.
func (p *Publisher) inTurn(ctx context.Context, id Identity) bool {
	return p.paceOf(id).wait(ctx) && p.budget.wait(ctx)
}

func (p *Publisher) paceOf(id Identity) *pace {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.paces[id]
	if known == nil {
		known = &pace{}
		p.paces[id] = known
	}
	return known
}
