package cloudformation

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// routes are those of the API that invoke something, or would if it could be run
// here. Each route key is there once.
func (r *reader) routes(api *app.API) []app.Route {
	var out []app.Route
	left := "" // why the last one was left out
	at := map[string]app.Position{}
	answered := r.routeResponses()
	for _, x := range r.each("AWS::ApiGatewayV2::Route") {
		if !r.ofAPI(x) {
			continue
		}
		key, why := r.must(x.props.Get("RouteKey"), "route key")
		if why == "" {
			why = r.badKey(key, at)
		}
		if why != "" {
			r.Add((&app.Unrunnable{What: "route " + document.Clip(cmp.Or(key, x.id)), Why: why, Position: r.whereOr(x.props.Get("RouteKey"), x.pos)}).Note(true))
			left = why
			continue
		}
		at[key] = x.pos
		route := app.Route{Key: key, TwoWay: answered[x.id], Position: x.pos, StandIn: r.options.StandIns.Routes[key]}
		if route.StandIn == "" && !r.integrate(x, &route) {
			continue
		}
		r.authorize(x, &route, api)
		r.routeSettings(x, &route)
		r.models(x, &route)
		out = append(out, route)
	}
	if len(out) == 0 {
		if left != "" {
			r.Fail(r.api.pos, "API %s has no routes that can be run: %s", document.Clip(r.api.id), left)
		}
		r.Fail(r.api.pos, "API %s has no routes", document.Clip(r.api.id))
	}
	return out
}

// badKey is why AWS refuses a route key, or empty.
func (r *reader) badKey(key string, at map[string]app.Position) string {
	if before, twice := at[key]; twice {
		return fmt.Sprintf("it is there already, on line %d, and AWS refuses duplicates", before.Line)
	}
	if strings.HasPrefix(key, "$") && !slices.Contains([]string{"$connect", "$disconnect", "$default"}, key) {
		return "its key begins with a dollar sign, and AWS takes only $connect, $disconnect and $default"
	}
	return ""
}

// routeResponses are the IDs of the routes that have a route response.
func (r *reader) routeResponses() map[string]bool {
	answered := map[string]bool{}
	for _, x := range r.each("AWS::ApiGatewayV2::RouteResponse") {
		if id := r.eval(x.props.Get("RouteId")); id.Kind == document.Scalar && r.ofAPI(x) {
			answered[id.Text] = true
			if key := r.text(x.props.Get("RouteResponseKey"), "RouteResponseKey of "+document.Clip(x.id)); key != "$default" {
				r.Note(x.pos, app.Warning, "%s has the key %q: the only one that AWS takes is $default", document.Clip(x.id), document.Clip(key))
			}
		}
	}
	return answered
}

// routeSettings reads what a route says of itself.
func (r *reader) routeSettings(x *resource, route *app.Route) {
	p, what := x.props, "route "+document.Clip(route.Key)
	if r.text(p.Get("RouteResponseSelectionExpression"), "RouteResponseSelectionExpression of "+what) != "" {
		route.TwoWay = true
	}
	route.APIKeyRequired = r.text(p.Get("ApiKeyRequired"), "ApiKeyRequired of "+what) == "true"
	if route.APIKeyRequired {
		r.Note(p.Get("ApiKeyRequired").Pos, app.Warning, "%s needs an API key: which keys there are is not in a template", what)
	}
}
