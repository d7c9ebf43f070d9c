package cloudformation

import (
	"cmp"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// routes are those of the API that invoke something. Each route key is there once.
func (r *reader) routes(authorizers []app.Authorizer) []app.Route {
	var out []app.Route
	at := map[string]app.Position{}
	answered := r.routeResponses()
	for _, x := range r.each("AWS::ApiGatewayV2::Route") {
		if !r.ofAPI(x) {
			continue
		}
		key, ok := r.need(x.props.Get("RouteKey"), x.pos, "the route key of "+document.Clip(x.id))
		if !ok {
			return nil
		}
		if before, twice := at[key]; twice {
			r.Fail(x.pos, "route %s is there already, on line %d", document.Clip(key), before.Line)
			return nil
		}
		at[key] = x.pos
		route := app.Route{Key: key, TwoWay: answered[x.id], Position: x.pos}
		if route.Integration, ok = r.integration(x, "route "+document.Clip(key)); !ok {
			continue
		}
		r.authorize(x, &route, authorizers)
		r.routeSettings(x, &route)
		out = append(out, route)
	}
	if len(out) == 0 {
		r.Fail(r.api.pos, "API %s has no routes", document.Clip(r.api.id))
	}
	return out
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
	if !p.Get("RequestModels").Empty() || !p.Get("ModelSelectionExpression").Empty() {
		r.Note(x.pos, app.Warning, "the models of %s are not checked here", what)
	}
	if strings.HasPrefix(route.Key, "$") && !slices.Contains([]string{"$connect", "$disconnect", "$default"}, route.Key) {
		r.Fail(x.pos, "route key %s begins with a dollar sign: only $connect, $disconnect and $default may", document.Clip(route.Key))
	}
}

// authorize reads who may use a route.
func (r *reader) authorize(x *resource, route *app.Route, authorizers []app.Authorizer) {
	p, what := x.props, "route "+document.Clip(route.Key)
	route.Authorization = cmp.Or(r.text(p.Get("AuthorizationType"), "AuthorizationType of "+what), "NONE")
	switch route.Authorization {
	case "NONE":
		if !p.Get("AuthorizerId").Empty() {
			r.Note(p.Get("AuthorizerId").Pos, app.Warning, "%s has an authorizer, which is not asked: its AuthorizationType is not CUSTOM", what)
		}
		return
	case "AWS_IAM":
		r.Note(p.Get("AuthorizationType").Where(), app.Warning, "%s needs a signature of AWS IAM, which is not checked here", what)
	case "CUSTOM":
		id, ok := r.need(p.Get("AuthorizerId"), x.pos, "the authorizer of "+what)
		if !ok {
			return
		}
		if !slices.ContainsFunc(authorizers, func(a app.Authorizer) bool { return a.LogicalID == id }) {
			r.Fail(p.Get("AuthorizerId").Where(), "%s has authorizer %s, which is not one of this API in the template", what, document.Clip(id))
			return
		}
		route.Authorizer = id
	default:
		r.Note(p.Get("AuthorizationType").Where(), app.Warning, "%s has AuthorizationType %s, which a WebSocket API does not have", what, document.Clip(route.Authorization))
	}
	if route.Key != "$connect" {
		r.Note(x.pos, app.Warning, "%s has authorization, which only $connect can have: AWS refuses it", what)
	}
}
