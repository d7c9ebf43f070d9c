package dev

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/invokeapi"
	"github.com/wirepost/wirepost/internal/mapping"
)

// mapped is an integration of type AWS that invokes a function with what its template
// makes of a message: at once, or as an event, which does not wait for the answer.
func (a *appRoutes) mapped(ctx context.Context, route *app.Route) (gateway.Function, error) {
	i := route.Integration
	if _, err := a.apps.running(ctx, i.Function); err != nil {
		return nil, err
	}
	made := &gateway.Integration{Selection: i.TemplateSelection, Passthrough: i.Passthrough, Parameters: parametersOf(i)}
	made.Call = func(ctx context.Context, c gateway.IntegrationCall) ([]byte, error) {
		return a.invocations.ofRoute(ctx, i.Function, route.Key, c)
	}
	for key, text := range i.Templates {
		m, err := mappingOf(text)
		if err != nil {
			return a.apps.find(app.UnrunnableRoute(route.Key, i.Position, "its request template %s: %s", app.Clip(key), err)), nil
		}
		if made.Requests == nil {
			made.Requests = map[string]gateway.Mapping{}
		}
		made.Requests[key] = m
	}
	if i.AnswerTemplate != "" {
		m, err := mappingOf(i.AnswerTemplate)
		if err != nil {
			return a.apps.find(app.UnrunnableRoute(route.Key, i.Position, "its response template: %s", err)), nil
		}
		made.Response = m
	}
	return made, nil
}

// mappingOf is a mapping template as the gateway uses it.
func mappingOf(text string) (gateway.Mapping, error) {
	t, err := mapping.Parse(text)
	if err != nil {
		return nil, err
	}
	return func(in gateway.MappingInput) ([]byte, error) {
		return t.Render(mapping.Input{Body: in.Body, Context: in.Context, StageVariables: in.StageVariables}), nil
	}, nil
}

// ofRoute invokes a function for an integration.
func (i *invocations) ofRoute(ctx context.Context, id, routeKey string, c gateway.IntegrationCall) ([]byte, error) {
	most := invokeapi.MaxSyncBytes
	if c.IsEvent() {
		most = invokeapi.MaxAsyncBytes
	}
	switch {
	case len(c.Payload) > most:
		return nil, fmt.Errorf("the payload for function %s has %d bytes, and Lambda takes %d", id, len(c.Payload), most)
	case !json.Valid(c.Payload):
		var v any
		return nil, fmt.Errorf("the payload for function %s is not JSON, which Lambda refuses: %w", id, json.Unmarshal(c.Payload, &v))
	}
	how := How{Cause: "route " + routeKey, Event: eventOf(c.Event, routeKey), Told: true}
	if !c.IsEvent() {
		return i.Invoke(ctx, id, c.Payload, how)
	}
	how.Cause, how.Told = how.Cause+", asynchronously", false
	return nil, i.Enqueue(id, c.Payload, how)
}

// eventOf names an event of a socket.
func eventOf(event []byte, routeKey string) Event {
	var said struct {
		RequestContext struct{ ConnectionID, RequestID string }
	}
	_ = json.Unmarshal(event, &said) // the gateway has made it
	return Event{said.RequestContext.ConnectionID, routeKey, said.RequestContext.RequestID}
}
