package main

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/wirepost/wirepost"
)

const (
	// askers is how many connections are asked about, or removed, at a time.
	askers = 16
	// storeTime bounds one call to the store.
	storeTime = 30 * time.Second
	// probeID has the form of a connection ID and is none that anybody has: what
	// answers to it with 410 or 400 is a management endpoint.
	probeID = "AAAAAAAAAAAAAAA="
)

// question is one connection that an endpoint is asked about.
type question struct {
	listed wirepost.Listed
	keep   bool // remove nothing, only say whether it could be
	probe  bool // nobody has this connection; its endpoint is meant
	// certain tells that the connection has ended for certain: what a publish needs
	// to know before it removes a row.
	certain, removed bool
	err              error // of the store, which could not remove it
}

type questionKey struct{}

// questions is the store as the publisher of a sweep sees it. The publisher asks
// by [wirepost.Publisher.Get], which goes to the endpoint of the connection's row
// and reaps what is gone under the guards of every publish. A Get hands its
// context on to the store, and the question is in it: the row is the one that was
// listed, without another read, and what was reaped is known.
type questions struct{ wirepost.Store }

func (s questions) Connection(ctx context.Context, id string) (wirepost.Connection, error) {
	l := ctx.Value(questionKey{}).(*question).listed
	return wirepost.Connection{ID: id, Endpoint: l.Endpoint, ConnectedAt: l.ConnectedAt}, nil
}

func (s questions) Reap(ctx context.Context, _ wirepost.Audience, _ wirepost.Listed) (bool, error) {
	q := ctx.Value(questionKey{}).(*question)
	q.certain = true
	if !q.keep {
		q.removed, q.err = s.Store.Reap(ctx, wirepost.Everyone(), q.listed)
	}
	return q.removed, q.err
}

// asker asks endpoints about connections.
type asker struct{ publisher *wirepost.Publisher }

func newAsker(store wirepost.Store, o wirepost.PublisherOptions) asker {
	o.Concurrency = askers
	return asker{wirepost.NewPublisher(questions{store}, &o)}
}

// ask takes ten seconds at the most, and notes what it has heard. The error is of
// the store, or of a context that has ended: it ends the sweep.
func (a asker) ask(ctx context.Context, q *question, heard *answers) error {
	_, err := a.publisher.Get(context.WithValue(ctx, questionKey{}, q), q.listed.ID)
	switch {
	case q.err != nil:
		return q.err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case wirepost.ProblemOf(err) == wirepost.ProblemStore:
		return err
	}
	heard.add(q, err)
	return nil
}

// answers is what the endpoint of one identity has said.
type answers struct {
	mu sync.Mutex
	wirepost.Result
	heard   int              // answers of a management endpoint
	inARow  int              // failures
	last    wirepost.Problem // of the last failure
	silent  wirepost.Problem // the last of enough failures: nobody asks any more
	certain int              // connections that ended for certain
}

// enough is how many failures in a row say that the next one would fail too.
const enough = 3

func (a *answers) asking() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.silent == ""
}

func (a *answers) add(q *question, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if q.listed.ID == probeID && err == nil { // which nobody has
		err = &wirepost.Error{Problem: wirepost.ProblemNotAPIGateway, ConnectionID: q.listed.ID, Detail: "what answers at the endpoint knows a connection that nobody has"}
	}
	problem := certain(err)
	if err == nil || errors.Is(err, wirepost.ErrGone) || problem == wirepost.ProblemConnectionID {
		a.inARow = 0
		a.heard++
		if q.probe {
			return
		}
	}
	switch {
	case err == nil:
		a.Sent++
		return
	case errors.Is(err, wirepost.ErrGone):
		a.Gone++
		kept := wirepost.KeptTooYoung
		switch {
		case q.removed:
			a.Removed++
			kept = ""
		case q.certain && q.keep:
			kept = wouldBeRemoved
		case q.certain:
			kept = "its row had changed"
		}
		if q.certain {
			a.certain++
		}
		if kept != "" {
			if a.Kept == nil {
				a.Kept = map[wirepost.KeptReason]int{}
			}
			a.Kept[kept]++
		}
		return
	}
	if problem == "" {
		problem = wirepost.ProblemUnexpected
	}
	a.Failed++
	if a.Problems == nil {
		a.Problems = map[wirepost.Problem]int{}
	}
	a.Problems[problem]++
	if len(a.Errors) < enough {
		a.Errors = append(a.Errors, err)
	}
	if problem != wirepost.ProblemConnectionID {
		if a.inARow++; a.inARow >= enough {
			a.silent = problem
		}
	}
	a.last = problem
}

// settle is called when nobody is asked any more: an endpoint that has failed each
// time is silent even if that was less often than would have been enough.
func (a *answers) settle() {
	if a.silent == "" && a.heard == 0 && a.inARow > 0 {
		a.silent = a.last
	}
}

// certain is the problem of an error, and what it would be behind a proxy that removes API
// Gateway's headers if that cannot be told apart: what seems to be somebody else's
// answer removes no rows.
func certain(err error) wirepost.Problem {
	var e *wirepost.Error
	if errors.As(err, &e) && e.Problem == wirepost.ProblemNotAPIGateway && len(e.Candidates) > 1 {
		return e.Candidates[1]
	}
	return wirepost.ProblemOf(err)
}

// absent reports whether a problem is what there is where an API was.
func absent(p wirepost.Problem) bool {
	switch p {
	case wirepost.ProblemEndpointUnset, wirepost.ProblemEndpointUnresolved, wirepost.ProblemEndpointRefused,
		wirepost.ProblemEndpointCertificate, wirepost.ProblemNotAPIGateway, wirepost.ProblemEndpointAnotherAPI, wirepost.ProblemForbidden:
		return true
	}
	return false
}

// unheard reports whether a problem says nothing about the API: neither that it is
// there nor that it is not.
func unheard(p wirepost.Problem) bool {
	switch p {
	case wirepost.ProblemEndpointUnreachable, wirepost.ProblemNoAnswer, wirepost.ProblemDeadline:
		return true
	}
	return false
}

// each calls do for every connection of a listing, [askers] at a time, and returns
// when all calls have. The first error ends it.
func each(ctx context.Context, store wirepost.Store, do func(context.Context, wirepost.Listed) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan wirepost.Listed)
	var workers sync.WaitGroup
	for range askers { // they end when work is closed, below
		workers.Go(func() {
			for l := range work {
				if err := do(ctx, l); err != nil {
					cancel(err)
				}
			}
		})
	}
	err := hand(ctx, store.Connections(ctx, wirepost.Everyone(), wirepost.ListOptions{}), work)
	close(work)
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func hand(ctx context.Context, listing iter.Seq2[wirepost.Listed, error], work chan<- wirepost.Listed) error {
	for l, err := range listing {
		if err != nil {
			return err
		}
		select {
		case work <- l:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
