package dev

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/invokeapi"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// invokeFunctions are the functions of a dev as package invokeapi knows them.
type invokeFunctions struct{ *invocations }

// Find implements invokeapi.Functions.
func (f invokeFunctions) Find(name string) (id string, ok bool) { return f.find(name) }

// Invoke implements invokeapi.Functions.
func (f invokeFunctions) Invoke(ctx context.Context, id string, payload []byte, c *invokeapi.Call) ([]byte, error) {
	how, own := c.Value.(How)
	if !own {
		how.Cause = "Lambda's Invoke API"
		if c.Event {
			how.Cause += ", as an event"
		}
	}
	how.Long = c.Event && isLong(payload)
	how.Try, how.RequestID, how.ClientContext, how.Qualifier, how.Line = !c.Event, c.RequestID, c.ClientContext, c.Qualifier, c.Line
	answer, err := f.invocations.Invoke(ctx, id, payload, how)
	return answer, functionError(err)
}

// isLong reports whether a payload is work that a function has handed on by
// wirepost.Mux.HandleLong.
func isLong(payload []byte) bool {
	var p struct{ Wirepost string }
	return bytes.Contains(payload, []byte(`"wirepost"`)) && json.Unmarshal(payload, &p) == nil && p.Wirepost == "long"
}

// functionError is an error of an invocation as the caller of Lambda gets it. Those that
// Lambda has no words for have a type of our own.
func functionError(err error) error {
	said := func(kind, message string) error {
		body, _ := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message}) // strings only
		return &invokeapi.FunctionError{Body: body, Err: err}
	}
	var failed *lambdart.FunctionError
	var exited *lambdart.ExitError
	var late *lambdart.TimeoutError
	var not *gateway.Unavailable
	switch {
	case err == nil:
		return nil
	case errors.Is(err, lambdart.ErrBusy):
		return invokeapi.ErrBusy
	case errors.Is(err, lambdart.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &failed) && json.Valid(failed.Body):
		return &invokeapi.FunctionError{Body: failed.Body, Err: err}
	case failed != nil:
		return said(failed.Type, failed.Message)
	case errors.As(err, &exited):
		return said("Runtime.ExitError", err.Error())
	case errors.As(err, &late):
		return said("Sandbox.Timedout", err.Error())
	case errors.As(err, &not):
		return said("Wirepost.Unavailable", not.Reason)
	}
	return said("Wirepost.Unavailable", err.Error())
}
