package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/inspector"
	"github.com/wirepost/wirepost/internal/invokeapi"
	"github.com/wirepost/wirepost/internal/lambdart"
	"github.com/wirepost/wirepost/internal/mapping"
)

// mapped is an integration of type AWS, HTTP or MOCK, which maps its messages and its
// answers.
func (a *appRoutes) mapped(ctx context.Context, route *app.Route) (gateway.Function, error) {
	i := &route.Integration
	made := &gateway.Integration{Parameters: parametersOf(*i)}
	unrunnable := func(format string, args ...any) (gateway.Function, error) {
		return a.apps.find(app.UnrunnableRoute(route.Key, i.Position, format, args...)), nil
	}
	switch {
	case i.Kind == app.Mock:
		made.Call = gateway.MockCall
		if len(i.Templates) == 0 {
			made.Call = answering200
		}
	case i.Kind == app.HTTP:
		made.Call = (&gateway.HTTPBackend{URL: i.URL, Method: i.Method}).Call
	case i.Function != "":
		if _, err := a.apps.running(ctx, i.Function); err != nil {
			return nil, err
		}
		made.Call = func(ctx context.Context, c gateway.IntegrationCall) (*gateway.IntegrationAnswer, error) {
			return a.invocations.ofRoute(ctx, i, route.Key, c)
		}
	default:
		call, err := a.actions.of(i)
		if err != nil {
			return unrunnable("%s", err)
		}
		made.Call = call
	}
	if err := a.mappings(made, route); err != nil {
		return unrunnable("%s", oneLine(err))
	}
	return made, nil
}

// oneLine is an error that may be of several things.
func oneLine(err error) string {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) && len(joined.Unwrap()) > 1 {
		return fmt.Sprintf("%v (and %d more)", joined.Unwrap()[0], len(joined.Unwrap())-1)
	}
	return err.Error()
}

// mappings gives an integration its Request and its Response.
func (a *appRoutes) mappings(made *gateway.Integration, route *app.Route) error {
	i := &route.Integration
	request, err := mapping.ParseRequest(mapping.Settings{Templates: i.Templates, Selection: i.TemplateSelection, Passthrough: i.Passthrough, ContentHandling: i.ContentHandling})
	if err != nil {
		return fmt.Errorf("its request %w", err)
	}
	made.Request = func(ctx context.Context, in gateway.MappingInput) ([]byte, error) {
		m, err := request.Map(ctx, inputOf(in))
		a.recordMapped("request", route.Key, in, m, err)
		if err != nil {
			return nil, err
		}
		return m.Out, nil
	}
	if len(i.Responses) == 0 {
		if i.Kind == app.Mock {
			made.Response = func(context.Context, gateway.MappingInput) ([]byte, error) { return nil, nil }
		}
		return nil
	}
	var all []mapping.ResponseSettings
	for _, r := range i.Responses {
		all = append(all, mapping.ResponseSettings{Key: r.Key, Settings: mapping.Settings{Templates: r.Templates, Selection: r.TemplateSelection, ContentHandling: r.ContentHandling}})
	}
	responses, err := mapping.ParseResponses(i.ResponseSelection, i.Function != "", all)
	if err != nil {
		return fmt.Errorf("its answer: %w", err)
	}
	made.Response = func(ctx context.Context, in gateway.MappingInput) ([]byte, error) {
		m, err := responses.Map(ctx, inputOf(in), in.Message, mapping.Answer{Status: in.Answer.Status, Header: in.Answer.Header, Failure: in.Answer.Failure})
		a.recordMapped("response", route.Key, in, m, err)
		switch {
		case err != nil:
			return nil, err
		case m.Template == "" && i.Kind == app.Mock: // its body is that of its own request template
			return nil, nil
		}
		return m.Out, nil
	}
	return nil
}

func inputOf(in gateway.MappingInput) mapping.Input {
	return mapping.Input{Body: in.Body, Context: in.Context, StageVariables: in.StageVariables, Event: in.Event}
}

// recordMapped shows what a template has made, if there was one.
func (a *appRoutes) recordMapped(what, key string, in gateway.MappingInput, m *mapping.Mapped, err error) {
	r := a.invocations.recorder.Load()
	if r == nil || m != nil && m.Template == "" {
		return
	}
	event := eventOf(in.Event, key)
	record := inspector.Mapping{What: what, ConnectionID: event.ConnectionID, RouteKey: key, RequestID: event.RequestID, In: in.Body, Err: err}
	if m != nil {
		record.Key, record.Template, record.Out = m.Key, m.Template, m.Out
	}
	r.Mapped(record)
}

// answering200 is a mock without request templates (UNCERTAIN).
func answering200(context.Context, gateway.IntegrationCall) (*gateway.IntegrationAnswer, error) {
	return &gateway.IntegrationAnswer{Status: http.StatusOK}, nil
}

// ofRoute invokes a function for an integration. What the function says of its own
// failure is an answer only if the integration has a response that may take it.
func (i *invocations) ofRoute(ctx context.Context, to *app.Integration, routeKey string, c gateway.IntegrationCall) (*gateway.IntegrationAnswer, error) {
	most := invokeapi.MaxSyncBytes
	if c.IsEvent() {
		most = invokeapi.MaxAsyncBytes
	}
	id := to.Function
	switch {
	case len(c.Payload) > most:
		return nil, fmt.Errorf("the payload for function %s has %d bytes, and Lambda takes %d", id, len(c.Payload), most)
	case !json.Valid(c.Payload):
		var v any
		return nil, fmt.Errorf("the payload for function %s is not JSON, which Lambda refuses: %w", id, json.Unmarshal(c.Payload, &v))
	}
	how := How{Cause: "route " + routeKey, Event: eventOf(c.Event, routeKey), Told: true}
	if c.IsEvent() {
		how.Cause, how.Told = how.Cause+", asynchronously", false
		return nil, i.Enqueue(id, c.Payload, how)
	}
	answer, err := i.Invoke(ctx, id, c.Payload, how)
	if failed, ok := errors.AsType[*lambdart.FunctionError](err); ok && len(to.Responses) > 0 && failed.Message != "" {
		body := failed.Body
		if body == nil {
			body, _ = json.Marshal(map[string]string{"errorType": failed.Type, "errorMessage": failed.Message}) // strings only
		}
		return &gateway.IntegrationAnswer{Body: body, Failure: failed.Message}, nil
	}
	return &gateway.IntegrationAnswer{Body: answer}, err
}

// eventOf names an event of a socket.
func eventOf(event []byte, routeKey string) Event {
	var said struct {
		RequestContext struct{ ConnectionID, RequestID string }
	}
	_ = json.Unmarshal(event, &said) // the gateway has made it
	return Event{said.RequestContext.ConnectionID, routeKey, said.RequestContext.RequestID}
}
