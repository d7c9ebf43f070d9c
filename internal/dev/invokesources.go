package dev

import (
	"context"
	"errors"
	"fmt"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/eventsource"
	"github.com/wirepost/wirepost/internal/httpapi"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// functionOf is a function of the dev for a package that knows it by its Invoke alone.
type functionOf func(ctx context.Context, payload []byte) ([]byte, error)

// Invoke implements httpapi.Function and eventsource.Function.
func (f functionOf) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return f(ctx, payload)
}

// http is a function of the app as an HTTP API invokes it, which waits for no place. It is
// nil if there is none.
func (i *invocations) http(logicalID string) httpapi.Function {
	if i.app.app == nil || i.app.app.Function(logicalID) == nil {
		return nil
	}
	return functionOf(func(ctx context.Context, payload []byte) ([]byte, error) {
		answer, err := i.Invoke(ctx, logicalID, payload, How{
			Cause: httpapi.Cause(ctx), Try: true, Event: Event{RequestID: httpapi.RequestID(ctx)}, Told: true, // the API tells it
		})
		if not, ok := errors.AsType[*gateway.Unavailable](err); ok {
			return nil, fmt.Errorf("%w: %s", httpapi.ErrUnavailable, not.Reason)
		}
		if errors.Is(err, lambdart.ErrBusy) {
			return nil, fmt.Errorf("%w: %w", httpapi.ErrThrottled, err)
		}
		return answer, err
	})
}

// source is a function of the app as a queue, a stream or a schedule invokes it, as
// sources.function says.
func (i *invocations) source(logicalID, cause string, asynchronous bool) eventsource.Function {
	return functionOf(func(ctx context.Context, payload []byte) ([]byte, error) {
		how := How{Cause: cause, Try: true}
		if asynchronous {
			return nil, i.Enqueue(logicalID, payload, how)
		}
		answer, err := i.Invoke(ctx, logicalID, payload, how)
		if errors.Is(err, lambdart.ErrBusy) {
			return nil, fmt.Errorf("%w: %w", eventsource.ErrNoPlace, err)
		}
		return answer, err
	})
}

// sourceURL is where a kind of source is read; empty if it is nowhere here.
func (e *engines) sourceURL(kind app.SourceKind) string {
	if kind == app.DynamoDBStream && e.tables != nil || (kind == app.SQSQueue || kind == app.SNSTopic) && e.queues != nil {
		return e.port.url()
	}
	return ""
}

// queueURL is the URL of a queue of the app.
func (e *engines) queueURL(name string) string { return e.port.queueURL(e.account(), name) }
