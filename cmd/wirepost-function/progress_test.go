package main

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/wirepost/wirepost"
)

// unreadable is a store whose audiences cannot be read.
type unreadable struct{ wirepost.Store }

func (unreadable) Connections(context.Context, wirepost.Audience, wirepost.ListOptions) iter.Seq2[wirepost.Listed, error] {
	return func(yield func(wirepost.Listed, error) bool) {
		yield(wirepost.Listed{}, errors.New("the table is throttled"))
	}
}

// A job that gets nowhere is not put into the queue again and again: the queue gives
// it back itself, and moves it to the dead-letter queue in the end.
func TestAJobThatMakesNoProgressFailsAndIsNotQueuedAgain(t *testing.T) {
	w := newWorld(t)
	w.function.publisher = wirepost.NewPublisher(unreadable{w.store}, &wirepost.PublisherOptions{Transport: w})
	w.work(w.queue)
	job := `{"publish":"p","to":"everyone","text":"x","part":0,"parts":1,"after":"c"}`
	out, err := w.Invoke(t.Context(), marshal(t, sqsEvent("q", job)))
	if err != nil || string(out) != `{"batchItemFailures":[{"itemIdentifier":"m0"}]}` || len(w.queue.bodies) > 0 {
		t.Errorf("answered %s, %v, and queued %s", out, err, w.queue.bodies)
	}
}
