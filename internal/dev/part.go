package dev

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A part is one of the things that a dev consists of.
type part interface {
	// start is called once, after every part above it in the list has started. If it
	// fails, it has left nothing behind that it would have to stop. ctx is the life of
	// the dev: if it ends meanwhile, start returns soon.
	start(ctx context.Context) error

	// stop is called once after a start that did not fail, when every part below it
	// in the list has stopped. It returns when nothing of the part runs any more, at
	// the latest soon after ctx has ended.
	stop(ctx context.Context) error
}

// nothingToStop is for parts that leave nothing running.
type nothingToStop struct{}

func (nothingToStop) stop(context.Context) error { return nil }

// stopTime is how long each part gets to stop: clients and $disconnect functions at the
// gateway, processes of functions at theirs.
const stopTime = 10 * time.Second

// parts is a list of parts. They start in its order and stop in reverse.
type parts []part

// start starts all parts. If one of them fails, or ctx ends, it stops those that have
// started and returns why.
func (all parts) start(ctx context.Context) error {
	for i, p := range all {
		err := context.Cause(ctx)
		if err != nil {
			err = fmt.Errorf("interrupted before everything had started: %w", err)
		} else {
			err = p.start(ctx)
		}
		if err != nil {
			return errors.Join(err, all[:i].stop(ctx))
		}
	}
	return nil
}

// stop stops all parts, also those below one that fails to, and also if ctx has ended.
func (all parts) stop(ctx context.Context) error {
	var errs []error
	for _, p := range slices.Backward(all) {
		deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		errs = append(errs, p.stop(deadline))
		cancel()
	}
	return errors.Join(errs...)
}
