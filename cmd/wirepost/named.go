package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/hint"
)

// named removes what is kept of one API, or of one stage of it, if its endpoint
// does not answer.
func (s *sweeping) named(ctx context.Context, api, stage string) error {
	meant := func(id wirepost.Identity) bool { return id.APIID == api && (stage == "" || id.Stage == stage) }
	what := "API " + api
	if stage != "" {
		what = "stage " + stage + " of " + what
	}
	if err := s.readStages(ctx); err != nil {
		return err
	}
	if err := each(ctx, s.store, func(_ context.Context, l wirepost.Listed) error {
		if meant(l.Endpoint) {
			s.note(l)
		}
		return nil
	}); err != nil {
		return err
	}
	for id := range s.apis {
		if !meant(id) {
			delete(s.apis, id)
		}
	}
	if len(s.apis) == 0 {
		return hint.New(fmt.Errorf("the store has no connection and no record of %s", what), "'wirepost sweep' shows what there is")
	}
	// A gateway that was started again in another region has the same API and stage as
	// the record that it has left behind: that goes, and what answers stays.
	behind := slices.ContainsFunc(s.sorted(), func(a *swept) bool { return a.moved != nil })
	for _, a := range s.sorted() {
		err := s.confirm(ctx, a, what)
		switch {
		case err == nil:
		case behind && ctx.Err() == nil:
			delete(s.apis, a.identity)
			s.c.stderr.Printf("wirepost: hint: %s was left alone: %s\n", a.identity, strings.TrimPrefix(err.Error(), "nothing was removed: "))
		default:
			return err
		}
	}
	if s.keep {
		return nil
	}

	if err := each(ctx, s.store, func(ctx context.Context, l wirepost.Listed) error {
		s.mu.Lock()
		a := s.apis[l.Endpoint]
		s.mu.Unlock()
		if a == nil || l.ConnectedAt.After(s.began) { // it was not meant, or the API has just come back
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, storeTime)
		defer cancel()
		removed, err := s.store.Reap(ctx, wirepost.Everyone(), l)
		if removed {
			a.mu.Lock()
			a.removed++
			a.mu.Unlock()
		}
		return err
	}); err != nil {
		return err
	}
	for _, a := range s.sorted() {
		if a.record == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, storeTime)
		removed, err := s.store.DeleteStage(ctx, *a.record) // unless the API has just come back
		cancel()
		if err != nil {
			return err
		}
		a.recordRemoved = removed
	}
	return nil
}

// confirm asks the endpoint of an API as often as is enough, and refuses to go on
// if there is an API, or if that cannot be told.
func (s *sweeping) confirm(ctx context.Context, a *swept, what string) error {
	if a.moved != nil {
		return nil // what answers there is another API
	}
	for n := range enough {
		q := probe(a.identity)
		if n < len(a.some) {
			q.listed = a.some[n]
		}
		if err := s.asker.ask(ctx, q, &a.answers); err != nil {
			return err
		}
		if a.heard > 0 || !absent(a.last) {
			break
		}
	}
	where := a.identity.String()
	if a.record != nil {
		where = a.record.URL
	}
	switch {
	case a.heard > 0:
		return hint.New(fmt.Errorf("nothing was removed: %s answers, so %s exists", where, what), "'wirepost sweep' removes those of its connections that are gone; --stage names one stage that is not there any more")
	case absent(a.last):
		return nil
	}
	cause := a.Errors[len(a.Errors)-1]
	_, cure := explain(cause)
	if e, ok := errors.AsType[*wirepost.Error](cause); ok && e.Answered() {
		return hint.New(fmt.Errorf("nothing was removed: what answers for %s may well be the API (%s)", a.identity, certain(cause)), cure)
	}
	return hint.New(fmt.Errorf("nothing was removed: cannot tell from here whether %s still exists (%s)", a.identity, wirepost.ProblemOf(cause)), cure)
}

func (s *sweeping) removedAny() bool {
	for _, a := range s.apis {
		if a.removed > 0 || a.recordRemoved {
			return true
		}
	}
	return false
}

func (s *sweeping) printNamed(leftovers *int) {
	for _, a := range s.sorted() {
		connections, records := a.removed, 0
		if s.keep {
			connections = a.connections
		}
		if a.recordRemoved || s.keep && a.record != nil {
			records = 1
		}
		s.c.stdout.Printf("%s %s and %s of %s\n", s.verb(), count(connections, "connection"), count(records, "record"), a.identity)
	}
	s.printLeftovers(leftovers)
}
