package lambdart

import (
	"context"
	"fmt"
	"time"
)

// attempts are the starts of a function that has never started. The pool's lock
// guards them.
type attempts struct {
	made    int       // starts that have ended
	inARow  int       // of these: the last ones, which failed
	failure error     // of the last one
	next    time.Time // when another may begin
}

// Started reports whether the function has started at any time: then Invoke finds or
// starts a process of what worked last.
func (f *Function) Started() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.launch != nil
}

// ensureStarted starts a function that has not started, or says why it cannot.
func (f *Function) ensureStarted(ctx context.Context) error {
	before, err, decided := f.settled(-1)
	if decided {
		return err
	}
	select {
	case f.replacing <- struct{}{}:
		defer func() { <-f.replacing }()
	case <-ctx.Done():
		return fmt.Errorf("invoke function %s: it is being started: %w", f.c.Name, ctx.Err())
	}
	if _, err, decided := f.settled(before); decided {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(f.life, cancel)()
	err = f.attempt(ctx)
	if f.life.Err() != nil {
		return ErrClosed
	}
	return err
}

// settled reports whether nothing has to be started, and what an invocation gets then:
// nothing if the function has started, or the error of a start that failed after those
// that had been made before, or whose back-off has not ended. A before of less than
// zero is that of nobody.
func (f *Function) settled(before int) (made int, err error, decided bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := &f.first
	switch {
	case f.closed:
		return a.made, ErrClosed, true
	case f.launch != nil:
		return a.made, nil, true
	case a.failure != nil && (before >= 0 && a.made != before || time.Now().Before(a.next)):
		return a.made, a.failure, true
	}
	return a.made, nil, false
}

// attempt is replace, and notes how it ended. The caller holds replacing.
func (f *Function) attempt(ctx context.Context) error {
	err := f.replace(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	a := &f.first
	switch {
	case err == nil:
		*a = attempts{made: a.made + 1}
	case f.launch != nil || f.closed || ctx.Err() != nil: // nothing is known of a start that was cut off
	default:
		a.made++
		a.inARow++
		a.failure, a.next = err, time.Now().Add(backOff(a.inARow, f.c.Random))
	}
	return err
}
