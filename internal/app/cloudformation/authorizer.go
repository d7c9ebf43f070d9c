package cloudformation

import (
	"cmp"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// authorizers are those of the API, each with its function.
func (r *reader) authorizers() []app.Authorizer {
	var out []app.Authorizer
	for _, x := range r.each("AWS::ApiGatewayV2::Authorizer") {
		if !r.ofAPI(x) {
			continue
		}
		what := "authorizer " + document.Clip(x.id)
		a := app.Authorizer{
			LogicalID: x.id, Position: x.pos,
			IdentitySources: r.texts(x.props.Get("IdentitySource"), "the identity source of "+what),
			Name:            cmp.Or(r.text(x.props.Get("Name"), "the name of "+what), x.id),
		}
		if r.standInFor(&a) {
			out = append(out, a)
			continue
		}
		r.checkAuthorizer(x, a, what)
		var why string
		if a.Function, why = r.authorizerFunction(x); why != "" {
			r.noAuthorizer(&a, r.whereOr(x.props.Get("AuthorizerUri"), x.pos), why)
		} else {
			r.invokedBy(a.Function, what)
			r.called(call{a.Function, "authorizers/" + x.id, what, x.pos}, x.made, x.props.Get("AuthorizerCredentialsArn"))
		}
		out = append(out, a)
	}
	return out
}

// standInFor takes what the caller asks in the place of an authorizer.
func (r *reader) standInFor(a *app.Authorizer) bool {
	if a.StandIn = r.options.StandIns.Authorizers[a.LogicalID]; a.StandIn == "" {
		a.StandIn = r.options.StandIns.Authorizers[a.Name]
	}
	return a.StandIn != ""
}

// authorizerFunction is the logical ID of an authorizer's function, or why there is
// none.
func (r *reader) authorizerFunction(x *resource) (id, why string) {
	if typ := r.text(x.props.Get("AuthorizerType"), "AuthorizerType of "+document.Clip(x.id)); typ == "JWT" {
		return "", "it is of type JWT, which only HTTP APIs have: a WebSocket API has REQUEST authorizers only, which are Lambda functions"
	}
	const pool = ", a user pool of Cognito: a WebSocket API has REQUEST authorizers only, which are Lambda functions, and AWS refuses it"
	if id := r.mentioned(x.props.Get("AuthorizerUri"), "AWS::Cognito::UserPool"); id != "" {
		return "", "its function is " + document.Clip(id) + pool
	}
	uri, why := r.must(x.props.Get("AuthorizerUri"), "AuthorizerUri")
	if why != "" {
		return "", why
	}
	if strings.Contains(uri, ":cognito-idp:") {
		return "", "its function is " + document.Clip(app.FunctionName(uri)) + pool
	}
	return r.functionOf(uri)
}

// noAuthorizer keeps why an authorizer cannot be asked. Its flag has the name that
// the template's makers gave, if it is one authorizer's only.
func (r *reader) noAuthorizer(a *app.Authorizer, pos app.Position, why string) {
	name := a.LogicalID
	if r.resources[name] == nil || r.resources[name].made {
		name = a.Name
	}
	a.Unrunnable = app.UnrunnableAuthorizer(name, pos, "%s", why)
	r.Add(a.Unrunnable.Note(true))
}

// checkAuthorizer notes what is different on AWS.
func (r *reader) checkAuthorizer(x *resource, a app.Authorizer, what string) {
	if typ := r.text(x.props.Get("AuthorizerType"), "AuthorizerType of "+what); typ != "REQUEST" && typ != "JWT" {
		r.Note(x.pos, app.Warning, "%s is of type %q: a WebSocket API has REQUEST authorizers only", what, document.Clip(typ))
	}
	for _, s := range a.IdentitySources {
		if strings.HasPrefix(s, "$") {
			r.Note(x.pos, app.Warning, "%s has identity source %s, which AWS refuses for a WebSocket API: write route.request.header.NAME or route.request.querystring.NAME", what, document.Clip(s))
		}
	}
	if !x.props.Get("AuthorizerResultTtlInSeconds").Empty() {
		r.Note(x.props.Get("AuthorizerResultTtlInSeconds").Pos, app.Info, "results of %s are not cached: AWS does so for HTTP APIs only", what)
	}
}

// authorize reads who may use a route. An authorizer that is not in the template
// becomes one that cannot be asked.
func (r *reader) authorize(x *resource, route *app.Route, api *app.API) {
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
		route.Authorizer = r.authorizerOf(x, api)
	default:
		r.Note(p.Get("AuthorizationType").Where(), app.Warning, "%s has AuthorizationType %s, which a WebSocket API does not have", what, document.Clip(route.Authorization))
	}
	if route.Key != "$connect" {
		r.Note(x.pos, app.Warning, "%s has authorization, which only $connect can have: AWS refuses it", what)
	}
}

// authorizerOf is the logical ID of a route's authorizer.
func (r *reader) authorizerOf(x *resource, api *app.API) string {
	id, why := r.must(x.props.Get("AuthorizerId"), "AuthorizerId")
	if why == "" && slices.ContainsFunc(api.Authorizers, func(a app.Authorizer) bool { return a.LogicalID == id }) {
		return id
	}
	if why == "" {
		why = document.Clip(id) + " is not an authorizer of this API in the template"
	} else {
		id = x.id + "Authorizer"
	}
	a := app.Authorizer{LogicalID: id, Name: id, Position: r.whereOr(x.props.Get("AuthorizerId"), x.pos)}
	if api.Authorizer(id) == nil {
		if !r.standInFor(&a) {
			r.noAuthorizer(&a, a.Position, why)
		}
		api.Authorizers = append(api.Authorizers, a)
	}
	return id
}
