package dev

import (
	"context"
	"fmt"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
)

// routes is the part that makes the routing table, and has the functions started that
// are in it.
type routes struct {
	c         *Config
	app       *resolution
	handler   *handler
	functions *functions
	nothingToStop

	table          map[string]gateway.Route
	stageVariables map[string]string
}

func (r *routes) start(ctx context.Context) (err error) {
	switch {
	case r.handler.mux != nil:
		r.table = r.handler.routes()
	case r.app.app != nil:
		r.c.Report.Begins("reading the functions' files")
		r.stageVariables = r.app.app.APIs[0].StageVariables
		r.table, err = r.ofApp(ctx)
	default:
		r.c.Report.Begins("reading the functions' files")
		r.table, err = r.ofNamed(ctx)
	}
	return err
}

// ofApp starts the functions that the app's routes and authorizers need, and makes the
// routing table.
func (r *routes) ofApp(ctx context.Context) (map[string]gateway.Route, error) {
	started := map[string]gateway.Function{}
	function := func(logicalID string) (gateway.Function, error) {
		if f := started[logicalID]; f != nil {
			return f, nil
		}
		named := r.app.app.Function(logicalID)
		if named == nil {
			return nil, fmt.Errorf("the template has no function %s", logicalID)
		}
		f, err := r.functions.described(ctx, *named)
		if err == nil {
			started[logicalID] = f
		}
		return f, err
	}
	table := map[string]gateway.Route{}
	for _, route := range r.app.app.APIs[0].Routes {
		if route.Unrunnable != nil {
			return nil, fmt.Errorf("%s: %s", route.Unrunnable.Position, route.Unrunnable)
		}
		made, err := integrate(route, function)
		if err != nil {
			return nil, fmt.Errorf("%s: route %s: %w", route.Position, route.Key, err)
		}
		if route.Authorizer != "" {
			authorizer := r.app.app.APIs[0].Authorizer(route.Authorizer)
			if authorizer == nil {
				return nil, fmt.Errorf("%s: route %s: the template has no authorizer %s", route.Position, route.Key, route.Authorizer)
			}
			if authorizer.Unrunnable != nil {
				return nil, fmt.Errorf("%s: %s", authorizer.Unrunnable.Position, authorizer.Unrunnable)
			}
			f, err := function(authorizer.Function)
			if err != nil {
				return nil, fmt.Errorf("%s: authorizer %s: %w", authorizer.Position, authorizer.LogicalID, err)
			}
			made.Authorizer = &gateway.Authorizer{Function: unauthorized{f}, IdentitySources: authorizer.IdentitySources}
		}
		table[route.Key] = made
	}
	return table, nil
}

// integrate makes one route, with a function by its logical ID where it needs one.
func integrate(route app.Route, function func(logicalID string) (gateway.Function, error)) (made gateway.Route, err error) {
	made = gateway.Route{RouteResponse: route.TwoWay, IntegrationTimeout: route.Integration.Timeout}
	switch i := route.Integration; i.Kind {
	case app.AWSProxy:
		made.Function, err = function(i.Function)
	case app.HTTPProxy:
		made.Function = &gateway.HTTPProxy{URL: i.URL, Method: i.Method}
	case app.Mock:
		made.Function = &gateway.Mock{Body: i.Answer}
	default:
		err = fmt.Errorf("an integration of the type %s is not emulated; AWS_PROXY, HTTP_PROXY and MOCK are", i.Kind)
	}
	return made, err
}
