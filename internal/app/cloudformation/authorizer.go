package cloudformation

import (
	"cmp"
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
		r.checkAuthorizer(x, a, what)
		if uri, ok := r.need(x.props.Get("AuthorizerUri"), x.pos, "AuthorizerUri of "+what); ok {
			id, why := r.functionOf(uri)
			if why != "" {
				r.Fail(x.props.Get("AuthorizerUri").Where(), "%s cannot be run: %s", what, why)
			}
			a.Function = id
			r.checkPermission(x.pos, id, x.made, x.props.Get("AuthorizerCredentialsArn"))
		}
		out = append(out, a)
	}
	return out
}

// checkAuthorizer notes what is different on AWS.
func (r *reader) checkAuthorizer(x *resource, a app.Authorizer, what string) {
	if typ := r.text(x.props.Get("AuthorizerType"), "AuthorizerType of "+what); typ != "REQUEST" {
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
