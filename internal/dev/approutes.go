package dev

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/mapping"
)

// appRoutes makes the routing table of an app, and has the functions started that are
// in it. What cannot be run is a gateway.Unavailable there.
type appRoutes struct {
	*routes
	app     *app.App
	actions *serviceActions
}

// make fails if the context ends, if a flag names something that cannot be, and, if
// that is wanted, if anything cannot be run.
func (a *appRoutes) make(ctx context.Context) (map[string]gateway.Route, error) {
	api := &a.app.APIs[0]
	if err := a.checkDifferences(api); err != nil {
		return nil, err
	}
	table := map[string]gateway.Route{}
	for i := range api.Routes {
		route := &api.Routes[i]
		made, err := a.route(ctx, api, route)
		if err != nil {
			return nil, err
		}
		_, there := table[route.Key]
		_, broken := made.Function.(*gateway.Unavailable)
		if there && broken || validate(route.Key, made) != nil { // AWS refuses it, and it has been said
			continue
		}
		table[route.Key] = made
	}
	if a.c.Strict { // what only other events need starts at once, too
		if err := a.startInvoked(ctx); err != nil {
			return nil, err
		}
	}
	if failed := append(a.apps.found, a.functions.failed...); a.c.Strict && len(failed) > 0 {
		return nil, fmt.Errorf("%w\n%s", errors.Join(failed...), "with --strict nothing runs if a part of the template cannot")
	}
	return table, nil
}

// startInvoked starts the functions of HTTP APIs, queues, streams and schedules, which
// otherwise start when they are first invoked.
func (a *appRoutes) startInvoked(ctx context.Context) error {
	var ids []string
	for _, api := range a.app.HTTPAPIs {
		for _, r := range api.Routes {
			ids = append(ids, r.Function, r.Authorizer)
		}
	}
	for _, s := range a.app.Sources {
		ids = append(ids, s.Function)
	}
	for _, id := range ids {
		if f := a.app.Function(id); f == nil || f.Unrunnable != nil && f.StandIn == "" { // it has been said
			continue
		}
		if _, err := a.apps.running(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// route is what the gateway does with one route.
func (a *appRoutes) route(ctx context.Context, api *app.API, route *app.Route) (made gateway.Route, err error) {
	made = gateway.Route{RouteResponse: route.TwoWay || slices.Contains(a.c.Differences.RouteResponses, route.Key), IntegrationTimeout: route.Integration.Timeout}
	if why := a.app.RouteUnrunnable(route); why != nil {
		made.Function, made.IntegrationTimeout = unavailable(why), 0
	} else if made.Function, err = a.integration(ctx, route); err != nil {
		return made, err
	} else if err := validate(route.Key, made); err != nil {
		made.Function, made.IntegrationTimeout = a.apps.find(app.UnrunnableRoute(route.Key, route.Position, "%s", err)), 0
	}
	made.Model = a.model(route)
	if route.Authorizer == "" || route.Key != "$connect" { // the template's reader has said that AWS refuses it
		return made, nil
	}
	made.Authorizer, err = a.authorizer(ctx, api, route)
	return made, err
}

// integration is the function of a route that can be run.
func (a *appRoutes) integration(ctx context.Context, route *app.Route) (gateway.Function, error) {
	if route.StandIn != "" {
		f, err := a.functions.byName(ctx, route.StandIn, "")
		return f, standInError("--route", route.Key, err)
	}
	switch i := route.Integration; i.Kind {
	case app.AWSProxy:
		return a.apps.running(ctx, i.Function)
	case app.AWS, app.HTTP, app.Mock:
		return a.mapped(ctx, route)
	case app.HTTPProxy:
		return &gateway.HTTPProxy{URL: i.URL, Method: i.Method, Parameters: parametersOf(i)}, nil
	default:
		return a.apps.find(app.UnrunnableRoute(route.Key, route.Position, "its integration has the unknown type %s; the types are AWS_PROXY, AWS, HTTP_PROXY, HTTP and MOCK", i.Kind)), nil
	}
}

// model is what a route holds its messages against, nil if there is nothing. One that
// cannot be read refuses all, as AWS would not have taken it.
func (a *appRoutes) model(route *app.Route) func([]byte) error {
	if route.ModelSelection == "" || route.StandIn != "" {
		return nil
	}
	models, err := mapping.ParseModels(route.ModelSelection, route.Models)
	if err != nil {
		why := app.UnrunnableRoute(route.Key, route.Position, "its messages cannot be checked: %s", oneLine(err))
		a.apps.find(why)
		return func([]byte) error { return err }
	}
	return models.Check
}

func parametersOf(i app.Integration) (all []gateway.RequestParameter) {
	for _, p := range i.Parameters {
		all = append(all, gateway.RequestParameter{In: p.In, Name: p.Name, Source: p.Source})
	}
	return all
}

// authorizer is who is asked before a route.
func (a *appRoutes) authorizer(ctx context.Context, api *app.API, route *app.Route) (*gateway.Authorizer, error) {
	z := api.Authorizer(route.Authorizer)
	if z == nil {
		return &gateway.Authorizer{Function: a.apps.find(app.UnrunnableAuthorizer(route.Authorizer, route.Position, "the template does not have it"))}, nil
	}
	if why := a.app.AuthorizerUnrunnable(z); why != nil {
		return &gateway.Authorizer{Function: unavailable(why)}, nil
	}
	made := &gateway.Authorizer{IdentitySources: z.IdentitySources}
	var f gateway.Function
	var err error
	if z.StandIn != "" {
		f, err = a.functions.byName(ctx, z.StandIn, "")
		err = standInError("--authorizer", z.LogicalID, err)
		if sources := a.c.Differences.IdentitySources; len(sources) > 0 {
			made.IdentitySources = sources
		}
	} else {
		f, err = a.apps.running(ctx, z.Function)
	}
	if err != nil {
		return nil, err
	}
	made.Function = unauthorized{f}
	if err := made.Validate(); err != nil {
		return &gateway.Authorizer{Function: a.apps.find(app.UnrunnableAuthorizer(z.LogicalID, z.Position, "%s", strings.TrimPrefix(err.Error(), "authorizer: ")))}, nil
	}
	return made, nil
}

// validate is what the gateway says of a route.
func validate(key string, route gateway.Route) error {
	err := (&gateway.Server{Routes: map[string]gateway.Route{key: route}}).Validate()
	if err == nil {
		return nil
	}
	text := strings.TrimPrefix(err.Error(), "gateway: ")
	return errors.New(strings.TrimPrefix(text, fmt.Sprintf("route %q: ", key)))
}

// checkDifferences refuses what is wanted of parts that there are not.
func (a *appRoutes) checkDifferences(api *app.API) error {
	d := a.c.Differences
	var keys []string
	for _, r := range api.Routes {
		keys = append(keys, r.Key)
	}
	for _, key := range d.RouteResponses {
		if !slices.Contains(keys, key) {
			meant := ""
			if near := app.Nearest(key, keys); near != "" {
				meant = fmt.Sprintf(" (did you mean %s?)", near)
			}
			return &ConfigError{fmt.Errorf("--route-response %s: the template has no such route%s", key, meant), "it has " + strings.Join(keys, ", ")}
		}
	}
	if len(d.IdentitySources) > 0 && !slices.ContainsFunc(api.Authorizers, func(z app.Authorizer) bool { return z.StandIn != "" }) {
		return misnamed(errors.New("with a template, --identity-source needs --authorizer NAME=FUNCTION"))
	}
	return nil
}

// standInError names the flag of a stand-in that cannot be run.
func standInError(flag, name string, err error) error {
	if err == nil {
		return nil
	}
	wrong := fmt.Errorf("%s %s: %w", flag, name, err)
	if config, ok := errors.AsType[*ConfigError](err); ok {
		return &ConfigError{wrong, config.fix}
	}
	return wrong
}
