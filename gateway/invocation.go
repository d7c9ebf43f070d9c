package gateway

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"
)

// Why an invocation has no answer, other than the function's own error.
var (
	errTimedOut = errors.New("the function did not return within the integration timeout")
	errEnded    = errors.New("the server has ended")
)

// panicError is a function that panicked.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprintf("the function panicked: %v", p.value) }

// acquire takes one of MaxInvocations slots. It waits for one and reports
// false if gone or the server's end comes first.
func (e *engine) acquire(gone <-chan struct{}) bool {
	select {
	case e.slots <- struct{}{}:
		return true
	default:
	}
	select {
	case e.slots <- struct{}{}:
		return true
	case <-gone:
		return false
	case <-e.base.Done():
		return false
	}
}

// invocation is what is invoked, and on whose account.
type invocation struct {
	function                          Function
	timeout                           time.Duration
	counters                          *routeCounters // nil: the authorizer's are not kept
	connectionID, routeKey, requestID string
	authorizer                        bool
}

func (r *route) invocation(connectionID, requestID string) invocation {
	return invocation{r.function, r.timeout, r.counters, connectionID, r.key, requestID, false}
}

// invocation is what runs a function, in a slot that acquire took and that it gives
// back, and calls done exactly once, from any goroutine: with the answer, or at
// the timeout, whatever the function does then. The caller must have registered
// work; it is over when done has returned.
func (e *engine) invocation(i invocation, payload []byte, done func(answer []byte, err error)) func() {
	return func() {
		ctx, cancel := context.WithTimeout(e.base, i.timeout)
		defer cancel()
		began := time.Now()
		var observed func([]byte, error)
		if e.observer != nil {
			ctx, observed = e.observer.Invoke(ctx, Observation{Kind: ObservedInvocation, ConnectionID: i.connectionID, RouteKey: i.routeKey,
				RequestID: i.requestID, Authorizer: i.authorizer, Payload: payload})
		}
		var settled atomic.Bool
		settle := func(answer []byte, err error) {
			if settled.CompareAndSwap(false, true) {
				<-e.slots
				i.counters.invoked(time.Since(began), err)
				if observed != nil {
					observed(answer, err)
				}
				done(answer, err)
				e.leave()
			}
		}
		stop := context.AfterFunc(ctx, func() { settle(nil, whyEnded(ctx)) })
		answer, err := recovering(ctx, i.function, payload)
		stop()
		if err != nil && ctx.Err() != nil {
			err = whyEnded(ctx)
		}
		settle(answer, err)
	}
}

// whyEnded says why an invocation's context has ended.
func whyEnded(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errTimedOut
	}
	return errEnded
}

func recovering(ctx context.Context, function Function, payload []byte) (answer []byte, err error) {
	defer func() {
		if value := recover(); value != nil {
			answer, err = nil, &panicError{value: value, stack: debug.Stack()}
		}
	}()
	return function.Invoke(ctx, payload)
}

// call is an invocation for a caller that waits.
func (e *engine) call(i invocation, payload []byte) ([]byte, error) {
	type result struct {
		answer []byte
		err    error
	}
	results := make(chan result, 1)
	e.nest()
	go e.invocation(i, payload, func(answer []byte, err error) { results <- result{answer, err} })()
	r := <-results
	return r.answer, r.err
}

// maxLoggedError is how many bytes of an error are logged: a function's may have 6 MB.
const maxLoggedError = 8 << 10

// shortened is an error as it is logged.
func shortened(err error) error {
	text := err.Error()
	if len(text) <= maxLoggedError {
		return err
	}
	return errors.New(strings.ToValidUTF8(text[:maxLoggedError], "") + "…")
}

// report logs an invocation that failed.
func (e *engine) report(err error, routeKey, connectionID string) {
	if err == errEnded {
		return
	}
	var notHere *Unavailable
	if errors.As(err, &notHere) {
		what := "route " + routeKey
		if routeKey == "authorizer" {
			what = "the authorizer of $connect"
		}
		e.note(causeUnavailable, what+": "+notHere.Reason)
		return
	}
	attributes := []any{"routeKey", routeKey, "connectionId", connectionID, "error", shortened(err)}
	var panicked *panicError
	if errors.As(err, &panicked) {
		attributes = append(attributes, "stack", string(panicked.stack))
	}
	e.log.Error("invoke function", attributes...)
}
