package cloudformation

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// isHTTPAPI reports whether a type is that of an HTTP API or a REST API. An
// AWS::ApiGatewayV2::Api is one too, if its protocol is HTTP.
func isHTTPAPI(typ string) bool {
	return typ == "AWS::Serverless::HttpApi" || isRESTAPI(typ)
}

func isRESTAPI(typ string) bool {
	return typ == "AWS::ApiGateway::RestApi" || typ == "AWS::Serverless::Api"
}

// httpAPIs are all of the template, with the URLs of functions.
func (r *reader) httpAPIs() []app.HTTPAPI {
	var out []app.HTTPAPI
	for _, x := range r.each("AWS::ApiGatewayV2::Api", "AWS::Serverless::HttpApi") {
		if x.typ == "AWS::Serverless::HttpApi" || r.eval(x.props.Get("ProtocolType")).Text == "HTTP" {
			out = append(out, r.httpAPI(x))
		}
	}
	for _, x := range r.each("AWS::ApiGateway::RestApi", "AWS::Serverless::Api") {
		out = append(out, r.restAPI(x))
	}
	for _, x := range r.each("AWS::Lambda::Url") {
		if u, ok := r.functionURL(x); ok {
			out = append(out, u)
		}
	}
	return out
}

// openAPI is where an API has its routes in an OpenAPI document, which is not read, or
// nil.
func openAPI(x *resource) *value {
	for _, name := range []string{"Body", "BodyS3Location", "DefinitionBody", "DefinitionUri"} {
		if v := x.props.Get(name); !v.Empty() {
			return v
		}
	}
	return nil
}

// noRoutes keeps why an API is not served: its routes are in a document that is not
// read. One that has no route at all is only said.
func (r *reader) noRoutes(x *resource, api *app.HTTPAPI) {
	what := string(api.Kind) + " " + document.Clip(x.id)
	document := openAPI(x)
	switch {
	case document != nil && len(api.Routes) > 0:
		r.Note(r.whereOr(document, x.pos), app.Warning, "the routes of %s that are in an OpenAPI document are not read", what)
	case document != nil:
		api.Unrunnable = &app.Unrunnable{What: what, Why: "its routes are in an OpenAPI document, which is not read", Position: r.whereOr(document, x.pos)}
		r.Add(api.Unrunnable.Note(true))
	case len(api.Routes) == 0:
		r.Note(x.pos, app.Info, "%s has no routes", what)
	}
}

// httpAPI reads an HTTP API with its routes. (AWS docs, CloudFormation template
// reference: AWS::ApiGatewayV2::Api, Route, Integration, Stage and Authorizer.)
func (r *reader) httpAPI(x *resource) app.HTTPAPI {
	api := app.HTTPAPI{LogicalID: x.id, Name: r.apiName(x), Kind: app.HTTPOfAPI, Position: x.pos}
	stage := r.httpStage(&api, r.ofHTTP(x, "ApiId", "AWS::ApiGatewayV2::Stage", "AWS::ApiGatewayV2::Deployment"), defaultStage)
	r.httpStageVariables(&api, stage, "StageVariables")
	api.CORS = r.cors(x.props.Get("CorsConfiguration"), "CorsConfiguration of "+document.Clip(x.id))
	variables := r.stageVariables
	r.stageVariables = r.httpVariables
	for _, route := range r.ofHTTP(x, "ApiId", "AWS::ApiGatewayV2::Route") {
		r.httpRoute(x, route, &api)
	}
	if target := x.props.Get("Target"); !target.Empty() {
		r.quickRoute(x, target, &api)
	}
	r.stageVariables = variables
	r.noRoutes(x, &api)
	return api
}

// ofHTTP are the resources of some types that belong to an API.
func (r *reader) ofHTTP(api *resource, property string, types ...string) []*resource {
	var out []*resource
	own := r.apiID(api.id)
	for _, x := range r.each(types...) {
		if id := r.eval(x.props.Get(property)); id.Kind == document.Scalar && id.Text == own {
			out = append(out, x)
		}
	}
	return out
}

// httpStage chooses the stage that is run: the one that was asked for, the only one,
// $default, or the first, with a note. It is nil if the template has none, and the
// name is then the otherwise.
func (r *reader) httpStage(api *app.HTTPAPI, all []*resource, otherwise string) *resource {
	var stages []*resource
	var names []string
	for _, x := range all {
		if x.props.Get("StageName").Empty() {
			continue // a deployment without one
		}
		name := r.text(x.props.Get("StageName"), "StageName of "+document.Clip(x.id))
		if name != "" && !slices.Contains(names, name) {
			stages, names = append(stages, x), append(names, name)
		}
	}
	what := string(api.Kind) + " " + document.Clip(api.LogicalID)
	i := max(slices.Index(names, r.options.Stage), 0)
	if r.options.Stage == "" || !slices.Contains(names, r.options.Stage) {
		i = max(slices.Index(names, defaultStage), 0)
	}
	switch {
	case len(stages) == 0:
		if api.Stage = otherwise; r.resources[api.LogicalID].props.Get("Target").Empty() {
			r.Note(api.Position, app.Info, "%s has no stage in the template: it runs as stage %s", what, document.Clip(api.Stage))
		}
		return nil
	case len(stages) > 1 && names[i] != r.options.Stage:
		r.Note(stages[i].pos, app.Warning, "%s has several stages, and %s runs: give --stage NAME with one of %s", what, document.Clip(names[i]), document.Clip(strings.Join(names, ", ")))
	}
	api.Stage = names[i]
	return stages[i]
}

// httpStageVariables reads the variables of a stage.
func (r *reader) httpStageVariables(api *app.HTTPAPI, stage *resource, path ...string) {
	r.httpVariables = map[string]string{}
	if stage != nil {
		r.httpVariables = r.variables(stage.props.Get(path...), "stage variable", api.LogicalID, nil)
	}
	if r.names != nil {
		api.StageVariables = r.httpVariables
	}
}

var routeKey = regexp.MustCompile(`^(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|ANY) (/.*)$`)

// httpRoute reads one route of an HTTP API.
func (r *reader) httpRoute(x, route *resource, api *app.HTTPAPI) {
	out := app.HTTPRoute{Position: route.pos}
	key, why := r.must(route.props.Get("RouteKey"), "route key")
	if why == "" && route.props.Get("Target").Empty() {
		r.Note(route.pos, app.Warning, "route %s of HTTP API %s has no Target and is left out", document.Clip(key), document.Clip(x.id))
		return
	}
	if m := routeKey.FindStringSubmatch(key); m != nil {
		out.Method, out.Path = m[1], m[2]
	} else if key != "$default" && why == "" {
		why = "its key is neither $default nor METHOD /PATH, and AWS refuses it"
	}
	name := document.Clip(cmp.Or(key, route.id)) + " of HTTP API " + document.Clip(x.id)
	pos := route.pos
	if why == "" {
		var integration *resource
		if integration, why = r.httpTarget(route.props.Get("Target"), x); why == "" {
			if !integration.made {
				pos = integration.pos
			}
			why = r.httpIntegration(integration, &out, name)
		}
	}
	if why == "" {
		why = r.httpAuthorize(route, &out, name)
	}
	r.addHTTPRoute(api, out, cmp.Or(key, route.id), pos, why)
}

// addHTTPRoute adds a route, or one that says why it cannot be run. One whose path is
// not known, or that is there already, is only said.
func (r *reader) addHTTPRoute(api *app.HTTPAPI, out app.HTTPRoute, key string, pos app.Position, why string) {
	of := string(api.Kind) + " " + document.Clip(api.LogicalID)
	known := out.Path != "" || key == defaultRoute
	for _, other := range api.Routes {
		if known && other.Method == out.Method && other.Path == out.Path {
			known, why = false, cmp.Or(why, "it is there already, and AWS refuses duplicates")
		}
	}
	if why != "" {
		out.Function, out.Authorizer, out.Answer = "", "", nil
		out.Unrunnable = app.UnrunnableHTTP(key, of, pos, "%s", why)
		r.Add(out.Unrunnable.Note(true))
		if !known {
			return
		}
	} else {
		if out.Function != "" {
			r.invokedBy(out.Function, "route "+document.Clip(key)+" of "+of)
		}
		if out.Authorizer != "" {
			r.invokedBy(out.Authorizer, "the authorizer of "+of)
		}
	}
	api.Routes = append(api.Routes, out)
}

// httpTarget is the integration that a route names, or why there is none.
func (r *reader) httpTarget(v *value, api *resource) (*resource, string) {
	s, why := r.must(v, "target")
	if why != "" {
		return nil, why
	}
	id, ok := strings.CutPrefix(s, "integrations/")
	x, why := r.resource(id)
	switch {
	case !ok:
		return nil, "its target " + document.Clip(s) + " is not integrations/ID"
	case x == nil:
		return nil, "its integration cannot be used: " + why
	case x.typ != "AWS::ApiGatewayV2::Integration":
		return nil, "its target " + document.Clip(id) + " is of type " + document.Clip(x.typ) + " and not an integration"
	case !slices.Contains(r.ofHTTP(api, "ApiId", x.typ), x):
		return nil, "its integration " + document.Clip(id) + " belongs to another API"
	}
	return x, ""
}

// httpIntegration reads what a route of an HTTP API invokes, or why it cannot be run.
func (r *reader) httpIntegration(x *resource, out *app.HTTPRoute, name string) (why string) {
	p, what := x.props, "integration "+document.Clip(x.id)
	kind, why := r.must(p.Get("IntegrationType"), "IntegrationType")
	switch {
	case why != "":
		return why
	case !p.Get("IntegrationSubtype").Empty():
		return "its integration calls a service of AWS, " + document.Clip(r.text(p.Get("IntegrationSubtype"), "IntegrationSubtype of "+what)) + ", which is not supported here"
	case kind != "AWS_PROXY":
		return "its integration is of type " + document.Clip(kind) + ", and only functions are invoked here"
	}
	uri, why := r.must(p.Get("IntegrationUri"), "IntegrationUri")
	if why != "" {
		return why
	}
	if out.Function, why = r.functionOf(uri); why != "" {
		return why
	}
	out.Payload = r.text(p.Get("PayloadFormatVersion"), "PayloadFormatVersion of "+what)
	switch out.Payload {
	case "1.0", "2.0":
	case "":
		r.Note(x.pos, app.Warning, "%s has no PayloadFormatVersion, which AWS asks for: 1.0 is used", what)
		out.Payload = "1.0"
	default:
		return "the payload format " + document.Clip(out.Payload) + " of its integration is neither 1.0 nor 2.0"
	}
	for _, name := range []string{"RequestParameters", "ResponseParameters"} {
		if v := p.Get(name); !v.Empty() {
			r.Note(r.whereOr(v, x.pos), app.Warning, "%s of %s are left out: parameters are not mapped for HTTP APIs here", name, what)
		}
	}
	const limit = 30000 // AWS docs, "Quotas for configuring and running an HTTP API"
	if n := r.whole(p.Get("TimeoutInMillis"), 50, limit, "TimeoutInMillis of "+what); n != nil {
		out.Timeout = time.Duration(*n) * time.Millisecond
	}
	return ""
}

// quickRoute is what an API with a Target makes of itself: one route, $default unless
// RouteKey says otherwise, with payload 2.0. (AWS docs, API Gateway developer guide:
// "Create an HTTP API by using quick create".)
func (r *reader) quickRoute(x *resource, target *value, api *app.HTTPAPI) {
	out := app.HTTPRoute{Position: r.whereOr(target, x.pos), Payload: "2.0"}
	key := cmp.Or(r.text(x.props.Get("RouteKey"), "RouteKey of "+document.Clip(x.id)), "$default")
	uri, why := r.must(target, "Target")
	if m := routeKey.FindStringSubmatch(key); m != nil {
		out.Method, out.Path = m[1], m[2]
	}
	switch {
	case why != "":
	case strings.HasPrefix(uri, "http://") || strings.HasPrefix(uri, "https://"):
		why = "its target is an address, and only functions are invoked here"
	default:
		out.Function, why = r.functionOf(uri)
	}
	r.addHTTPRoute(api, out, key, out.Position, why)
}

// cors is what an API does for pages of other origins, or nil. For SAM it may be true,
// which allows any origin.
func (r *reader) cors(v *value, what string) *app.CORS {
	e := r.eval(v)
	switch e.Kind {
	case document.Null, document.Absent:
		return nil
	case document.Scalar:
		if e.Text != "true" {
			return nil
		}
		return &app.CORS{Origins: []string{"*"}}
	case document.Unknown:
		r.Note(e.Where(), app.Warning, "%s is left out: %s", what, e.Text)
		return nil
	}
	c := &app.CORS{
		Origins: r.texts(e.Get("AllowOrigins"), what), Methods: r.texts(e.Get("AllowMethods"), what), Headers: r.texts(e.Get("AllowHeaders"), what),
		Expose: r.texts(e.Get("ExposeHeaders"), what), Credentials: r.text(e.Get("AllowCredentials"), what) == "true",
	}
	if n := r.whole(e.Get("MaxAge"), -1, 86400, "MaxAge of "+what); n != nil {
		c.MaxAge = *n
	}
	return c
}
