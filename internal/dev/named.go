package dev

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// ofNamed starts the functions that were named one by one, and makes the routing table.
func (r *routes) ofNamed(ctx context.Context) (map[string]gateway.Route, error) {
	n := r.c.Named
	table := map[string]gateway.Route{}
	forAll := len(n.Function) > 0 || n.Handler != ""
	if forAll {
		function, err := r.functions.run(ctx, n.Function, n.Handler)
		if err != nil {
			return nil, err
		}
		for _, key := range []string{"$connect", "$disconnect", "$default"} {
			table[key] = gateway.Route{Function: function}
		}
		for _, key := range r.ownRoutes(ctx, function) {
			table[key] = gateway.Route{Function: function, RouteResponse: twoWay(key)}
		}
	}
	for _, route := range n.Routes {
		if _, twice := table[route.Key]; twice && !forAll {
			return nil, misnamed(fmt.Errorf("--route %s is given twice", route.Key))
		}
		function, err := r.functions.byName(ctx, route.Function, n.Handler)
		if err != nil {
			return nil, fmt.Errorf("--route %s: %w", route.Key, err)
		}
		// A frame that no handler of its own takes goes to that of $default.
		own := r.ownRoutes(ctx, function)
		answers := slices.Contains(own, route.Key) || slices.Contains(own, "$default")
		table[route.Key] = gateway.Route{Function: function, RouteResponse: answers && twoWay(route.Key)}
	}
	for _, key := range n.RouteResponses {
		route, ok := table[key]
		if !ok && forAll && !strings.HasPrefix(key, "$") {
			route, ok = table["$default"], true // a route of its own on the one function
		}
		if !ok {
			return nil, misnamed(fmt.Errorf("--route-response %s: there is no such route", key))
		}
		route.RouteResponse = true
		table[key] = route
	}
	return table, r.authorize(ctx, table)
}

// ownRoutes are those of a function, which is asked once; only those that the gateway
// can have.
func (r *routes) ownRoutes(ctx context.Context, function gateway.Function) []string {
	keys, asked := r.own[function]
	if !asked {
		keys = slices.DeleteFunc(ownRoutes(ctx, function, r.c.Logger), func(key string) bool {
			return validate(key, gateway.Route{Function: function}) != nil
		})
		if r.own == nil {
			r.own = map[gateway.Function][]string{}
		}
		r.own[function] = keys
	}
	return keys
}

// twoWay reports whether the answer of a Mux for a route is for the client.
func twoWay(key string) bool { return key != "$connect" && key != "$disconnect" }

// authorize asks the named authorizer, if there is one, before $connect.
func (r *routes) authorize(ctx context.Context, table map[string]gateway.Route) error {
	n := r.c.Named
	switch {
	case n.Authorizer == "" && len(n.IdentitySources) > 0:
		return misnamed(errors.New("--identity-source needs --authorizer"))
	case n.Authorizer == "":
		return nil
	}
	function, err := r.functions.byName(ctx, n.Authorizer, "")
	if err != nil {
		return fmt.Errorf("--authorizer: %w", err)
	}
	route, ok := table["$connect"]
	if !ok { // AWS asks it all the same
		route.Function = &gateway.Mock{}
	}
	route.Authorizer = &gateway.Authorizer{Function: unauthorized{function}, IdentitySources: n.IdentitySources}
	table["$connect"] = route
	return nil
}

// misnamed is a mistake in how functions are named.
func misnamed(err error) error {
	return &ConfigError{err, "'wirepost dev --help' says how functions are named"}
}

// byName is a function by its name: a program, go:DIR, node:DIR#HANDLER,
// python:DIR#HANDLER, a URL for HTTP_PROXY, lambda:URL#NAME or mock:BODY.
func (all *functions) byName(ctx context.Context, spec, handler string) (gateway.Function, error) {
	if f, err := elsewhere(spec); f != nil || err != nil {
		return f, err
	}
	args, handler := argsOf(spec, handler)
	return all.run(ctx, args, handler)
}

// elsewhere is a named function that is no process here; nil if it is one.
func elsewhere(spec string) (gateway.Function, error) {
	switch {
	case strings.HasPrefix(spec, "http://"), strings.HasPrefix(spec, "https://"):
		f := &gateway.HTTPProxy{URL: spec}
		if err := f.Validate(); err != nil {
			return nil, misnamed(err)
		}
		return f, nil
	case strings.HasPrefix(spec, "mock:"):
		return &gateway.Mock{Body: strings.TrimPrefix(spec, "mock:")}, nil
	case strings.HasPrefix(spec, "lambda:"):
		url, name, ok := strings.Cut(strings.TrimPrefix(spec, "lambda:"), "#")
		if !ok || name == "" {
			return nil, misnamed(fmt.Errorf("%q: write lambda:URL#NAME, such as lambda:http://127.0.0.1:3001#Chat", spec))
		}
		return &gateway.LambdaEndpoint{URL: url, Name: name}, nil
	}
	return nil, nil
}

// argsOf are the arguments and the handler of package lambdart for a named function.
func argsOf(spec, handler string) (args []string, _ string) {
	program, own, ok := strings.Cut(spec, "#")
	if ok {
		handler = own
	} else if !strings.HasPrefix(spec, "node:") && !strings.HasPrefix(spec, "python:") {
		handler = ""
	}
	return []string{program}, handler
}

// sourceNamed is what to run for a named function.
func sourceNamed(spec, handler string) (lambdart.Source, error) {
	source, err := lambdart.ParseSource(argsOf(spec, handler))
	if err != nil {
		return source, misnamed(err)
	}
	return source, nil
}

// unauthorized makes of a function's error "Unauthorized" what the gateway answers
// with 401.
type unauthorized struct{ gateway.Function }

func (u unauthorized) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	answer, err := u.Function.Invoke(ctx, payload)
	var failed *lambdart.FunctionError
	if errors.As(err, &failed) && failed.Message == gateway.ErrUnauthorized.Error() {
		return nil, gateway.ErrUnauthorized
	}
	return answer, err
}
