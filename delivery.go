package wirepost

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/wirepost/wirepost/internal/management"
)

// request is what is sent to each connection.
type request struct {
	management.Request
	repeatable bool // doing it twice does no harm, or was asked for
}

// deliver sends to one connection of an audience, with the retries that are safe,
// and removes the connection from the store if it is gone. held is whose places this post
// has one of, and who has waited for its turn; nil for a post by itself. No more is tried
// from stop on, or when the time of a post is over; ctx is begun anew for it.
func (p *Publisher) deliver(ctx *management.Context, to Audience, l Listed, r request, stop time.Time, held places) (management.Answer, Outcome) {
	start := time.Now()
	limit := start.Add(p.o.PostTimeout)
	if !stop.IsZero() && stop.Before(limit) {
		limit = stop
	}
	ctx.Begin(limit)
	d := delivery{Publisher: p, ctx: ctx, to: to, row: l, request: r, places: held, out: Outcome{ConnectionID: l.ID, Endpoint: l.Endpoint}}
	a := d.run()
	switch {
	case d.out.Err == nil:
		p.counters.sent.Add(1)
		p.counters.took.add(time.Since(start))
	case errors.Is(d.out.Err, ErrGone):
		p.counters.gone.Add(1)
	default:
		p.counters.failed.Add(1)
		p.failures.note(&p.o, d.out)
		if p.o.Logger.Enabled(ctx, slog.LevelDebug) {
			p.o.Logger.Debug("a post failed", "connectionId", l.ID, "error", d.out.Err) // which names the endpoint
		}
	}
	return a, d.out
}

// places are what posts in flight have: one that waits to be tried again leaves its place
// to another, and enters again.
type places interface {
	leave()
	enter()
}

// delivery is the post to one connection, with its attempts.
type delivery struct {
	*Publisher
	ctx     *management.Context
	to      Audience
	row     Listed
	request request
	places  places // nil: a post by itself

	client  *endpointClient
	reads   int    // of the stage's record, before the first attempt
	reread  bool   // the record was read again for this post
	unknown *Error // an attempt that may have delivered: no later failure says otherwise
	out     Outcome
}

// next is what follows an attempt.
type next int

const (
	done  next = iota
	again      // after a pause
	moved      // at once: the stage has another endpoint
)

// run attempts the post until it succeeds, fails for good, or its time is over.
func (d *delivery) run() management.Answer {
	d.reads = d.stages.reads(d.row.Endpoint)
	var err error
	if d.client, err = d.stages.client(d.ctx, d.row.Endpoint); err != nil {
		d.out.Err = err
		return management.Answer{}
	}
	if d.places == nil && !d.inTurn(d.ctx, d.row.Endpoint) {
		d.out.Err = d.problem(ProblemDeadline, "", cmp.Or(d.ctx.Err(), context.DeadlineExceeded))
		return management.Answer{}
	}
	for attempt := 0; ; attempt++ {
		a, next := d.attempt(attempt)
		if next == done || next == again && !d.pause(attempt) {
			return a
		}
	}
}

// attempt makes one call and says what follows. It sets the outcome.
func (d *delivery) attempt(attempt int) (management.Answer, next) {
	a, err := d.client.Call(d.ctx, d.row.ID, d.request.Request, d.o.Now())
	if attempt > 0 {
		d.counters.retried.Add(1)
	}
	if err != nil {
		return a, d.unanswered(attempt, err)
	}
	throttled := a.Status == http.StatusTooManyRequests
	d.paceOf(d.row.Endpoint).answered(time.Now(), throttled, d.row.ID)
	if throttled {
		d.counters.throttled.Add(1)
	}
	switch {
	case a.Status/100 == 2 && !a.HTML:
		d.out.Err = nil
		return a, done
	case a.Status == http.StatusGone && !a.HTML && !d.client.another(a): // a page is not API Gateway's
		d.out.Err = ErrGone
		d.out.Removed, d.out.Kept = d.remove(d.ctx, d.to, d.row, d.client, a)
		return a, done
	}
	problem := d.client.explain(a, d.row.ID)
	return a, d.failed(attempt, problem, problem.Problem == ProblemThrottled || problem.mayBe(ProblemServerError) && d.request.repeatable)
}

// unanswered says what follows a call without an answer.
func (d *delivery) unanswered(attempt int, err error) next {
	call, ok := err.(*management.Error)
	if ok && call.Reason == management.NoCredentials {
		switch {
		case d.unknown != nil, d.out.Err != nil && d.ctx.Err() != nil:
			// What is known of the attempt before says more.
		case d.ctx.Err() != nil:
			d.out.Err = d.problem(ProblemDeadline, "the deadline came before there were credentials", call.Err)
		default:
			d.out.Err = d.problem(ProblemCredentialsMissing, "", call.Err)
		}
		return done
	}
	problem, sent := d.client.explainUnanswered(call, d.row.ID)
	if earlier, ok := d.out.Err.(*Error); ok && !sent && d.ctx.Err() != nil {
		problem = earlier // what was found before the time was up says more
	}
	return d.failed(attempt, problem, !sent || d.request.repeatable)
}

// failed keeps a problem as the outcome, unless an earlier attempt may have
// delivered, and says whether to try once more.
func (d *delivery) failed(attempt int, problem *Error, repeat bool) next {
	if problem.Problem == ProblemNoAnswer || problem.mayBe(ProblemServerError) {
		d.unknown = problem
	}
	if d.out.Err = problem; d.unknown != nil {
		d.out.Err = d.unknown
	}
	switch {
	case problem.mayBe(ProblemServerError):
	case problem.Problem == ProblemEndpointUnresolved, problem.Problem == ProblemEndpointRefused, problem.mayBe(ProblemForbidden), problem.Problem == ProblemEndpointAnotherAPI:
		if d.hasMoved() {
			return moved
		}
		// A refused dial may be a gateway that is just starting again; more than
		// a moment of that is an answer.
		if problem.Problem != ProblemEndpointRefused || attempt >= 3 {
			return done
		}
	case problem.Problem == ProblemEndpointCertificate, problem.Problem == ProblemNotAPIGateway:
		return done
	}
	if repeat {
		return again
	}
	return done
}

// hasMoved is asked after a definite wrong-endpoint answer. It reads the stage's
// record, once, and reports whether that names another endpoint, which is used then.
func (d *delivery) hasMoved() bool {
	if d.reread || d.row.Endpoint == (Identity{}) {
		return false
	}
	d.reread = true
	fresh, err := d.stages.reread(d.ctx, d.row.Endpoint, max(d.reads, 1))
	if err != nil || fresh == d.client {
		return false
	}
	d.client = fresh
	return true
}

func (d *delivery) problem(p Problem, detail string, err error) *Error {
	return &Error{Problem: p, Endpoint: d.client.endpoint.URL, ConnectionID: d.row.ID, Detail: detail, Err: err}
}
