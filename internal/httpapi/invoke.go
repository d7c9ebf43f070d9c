package httpapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wirepost/wirepost/internal/app"
)

// Errors that a Function's may wrap. ErrUnavailable is of a function that cannot be run
// here: people are told, and the answer is that to an invocation that Lambda refuses.
// ErrThrottled is of one that has no place for another invocation.
var (
	ErrUnavailable = errors.New("the function cannot be run here")
	ErrThrottled   = errors.New("the function has no place for another invocation")
)

var (
	errTimeout = errors.New("it took longer than the API waits")
	errClosed  = errors.New("the API ends")
	errTooMany = fmt.Errorf("%d invocations run", maxAtOnce)
)

// invoke asks a function and waits for it no longer than limit. The function goes on
// after that, as on AWS, until it ends or the handler is closed.
func (h *Handler) invoke(ctx context.Context, f Function, event []byte, limit time.Duration, by *origin) ([]byte, error) {
	type result struct {
		payload []byte
		err     error
	}
	ended := make(chan result, 1)
	if err := h.begin(); err != nil {
		return nil, err
	}
	life, cancel := context.WithCancel(context.WithoutCancel(context.WithValue(ctx, originKey{}, by)))
	stop := context.AfterFunc(h.life, cancel)
	go func() { // ends with the invocation, and at the latest after Close
		defer h.end()
		defer cancel()
		defer stop()
		payload, err := protected(life, f, event)
		ended <- result{payload, err}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-ended:
		return r.payload, r.err
	case <-timer.C:
		return nil, errTimeout
	case <-ctx.Done(): // the client has gone
		return nil, ctx.Err()
	}
}

type originKey struct{}

// origin is what has led to an invocation.
type origin struct{ cause, requestID string }

// Cause is what a Function is invoked by, for people, from the context that it is given,
// such as "GET /pets of the HTTP API Shop"; empty for any other context.
func Cause(ctx context.Context) string { return originOf(ctx).cause }

// RequestID is the ID of the request that a Function is invoked for, which its Record has,
// too; empty for any other context.
func RequestID(ctx context.Context) string { return originOf(ctx).requestID }

func originOf(ctx context.Context) origin {
	if by, ok := ctx.Value(originKey{}).(*origin); ok {
		return *by
	}
	return origin{}
}

// cause is that of the request's invocations.
func (x *exchange) cause() string {
	api := x.h.c.API
	if api.Kind == app.FunctionURL {
		return x.r.Method + " " + app.Clip(x.location.match) + " of its URL"
	}
	return x.route.key + " of the " + string(api.Kind) + " " + api.LogicalID
}

// protected gives the panic of a function as an error.
func protected(ctx context.Context, f Function, event []byte) (payload []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the function panicked: %v", p)
		}
	}()
	return f.Invoke(ctx, event)
}

// begin counts an invocation, unless the handler is closed or too many run.
func (h *Handler) begin() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return errClosed
	case h.running == maxAtOnce:
		return errTooMany
	}
	h.running++
	return nil
}

func (h *Handler) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running--; h.closed && h.running == 0 {
		close(h.quiet)
	}
}

// Close ends the handler: it waits for the invocations that run until ctx ends, cancels
// those that still do, and waits for them. Requests that come later get the answer to a
// failed function. It is called once.
func (h *Handler) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	left := h.running
	h.mu.Unlock()
	defer h.kill()
	if left == 0 {
		return nil
	}
	select {
	case <-h.quiet:
		return nil
	case <-ctx.Done():
	}
	h.kill()
	<-h.quiet
	return fmt.Errorf("end the %s %s: %d invocations were cut off: %w", h.c.API.Kind, h.c.API.LogicalID, left, ctx.Err())
}
