package cloudformation

import (
	"cmp"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// httpAuthorize reads who may use a route of an HTTP API, or why that cannot be asked.
func (r *reader) httpAuthorize(x *resource, out *app.HTTPRoute, name string) (why string) {
	kind := cmp.Or(r.text(x.props.Get("AuthorizationType"), "AuthorizationType of route "+name), "NONE")
	switch kind {
	case "NONE":
		return ""
	case "AWS_IAM":
		out.AuthorizerKind = kind
		r.Note(r.whereOr(x.props.Get("AuthorizationType"), x.pos), app.Warning, "route %s needs a signature of AWS IAM, which is not checked here", name)
		return ""
	}
	authorizer, why := r.httpAuthorizer(x.props.Get("AuthorizerId"), "AWS::ApiGatewayV2::Authorizer")
	if why != "" {
		return why
	}
	p, what := authorizer.props, "authorizer "+document.Clip(authorizer.id)
	out.AuthorizerKind = cmp.Or(r.text(p.Get("AuthorizerType"), "AuthorizerType of "+what), kind)
	out.IdentitySources = r.texts(p.Get("IdentitySource"), "the identity source of "+what)
	switch out.AuthorizerKind {
	case "JWT":
		out.Scopes = r.texts(x.props.Get("AuthorizationScopes"), "AuthorizationScopes of route "+name)
		if out.JWT, why = r.jwtConfiguration(p.Get("JwtConfiguration"), what); why != "" {
			return "its authorizer " + document.Clip(authorizer.id) + " cannot check tokens: " + why
		}
		return ""
	case "REQUEST":
	default:
		return "its authorizer " + document.Clip(authorizer.id) + " is of type " + document.Clip(out.AuthorizerKind) + ", which an HTTP API does not have"
	}
	if out.Authorizer, why = r.sourceFunction(p.Get("AuthorizerUri"), "AuthorizerUri"); why != "" {
		return "its authorizer " + document.Clip(authorizer.id) + " cannot be asked: " + why
	}
	out.SimpleAnswers = r.text(p.Get("EnableSimpleResponses"), "EnableSimpleResponses of "+what) == "true"
	out.AuthorizerPayload = cmp.Or(r.text(p.Get("AuthorizerPayloadFormatVersion"), "AuthorizerPayloadFormatVersion of "+what), "1.0")
	return ""
}

// httpAuthorizer is the authorizer of a type that a route names, or why there is none.
func (r *reader) httpAuthorizer(v *value, typ string) (*resource, string) {
	id, why := r.must(v, "AuthorizerId")
	if why != "" {
		return nil, why
	}
	x, why := r.resource(id)
	if x != nil && x.typ != typ {
		why = document.Clip(id) + " is of type " + document.Clip(x.typ)
	}
	if why != "" {
		return nil, "its authorizer cannot be used: " + why
	}
	return x, ""
}

// restAuthorize reads who may use a method of a REST API, or why that cannot be asked.
func (r *reader) restAuthorize(x *resource, out *app.HTTPRoute, name string) (why string) {
	kind := cmp.Or(r.text(x.props.Get("AuthorizationType"), "AuthorizationType of route "+name), "NONE")
	switch kind {
	case "NONE":
		return ""
	case "AWS_IAM":
		out.AuthorizerKind = kind
		r.Note(r.whereOr(x.props.Get("AuthorizationType"), x.pos), app.Warning, "route %s needs a signature of AWS IAM, which is not checked here", name)
		return ""
	}
	authorizer, why := r.httpAuthorizer(x.props.Get("AuthorizerId"), "AWS::ApiGateway::Authorizer")
	if why != "" {
		return why
	}
	p, what := authorizer.props, "authorizer "+document.Clip(authorizer.id)
	typ, why := r.must(p.Get("Type"), "Type")
	if why != "" {
		return "its authorizer " + document.Clip(authorizer.id) + " cannot be asked: " + why
	}
	for source := range strings.SplitSeq(r.text(p.Get("IdentitySource"), "the identity source of "+what), ",") {
		if source = strings.TrimSpace(source); source != "" {
			out.IdentitySources = append(out.IdentitySources, source)
		}
	}
	switch typ {
	case "COGNITO_USER_POOLS":
		out.AuthorizerKind = "COGNITO"
		out.Scopes = r.texts(x.props.Get("AuthorizationScopes"), "AuthorizationScopes of route "+name)
		if out.JWT, why = r.userPools(p.Get("ProviderARNs"), authorizer.pos, what); why != "" {
			return "its authorizer " + document.Clip(authorizer.id) + " cannot check tokens: " + why
		}
		return ""
	case "TOKEN", "REQUEST":
		out.AuthorizerKind, out.AuthorizerPayload = typ, "1.0"
	default:
		return "its authorizer " + document.Clip(authorizer.id) + " is of type " + document.Clip(typ) + ", which a REST API does not have"
	}
	if out.Authorizer, why = r.sourceFunction(p.Get("AuthorizerUri"), "AuthorizerUri"); why != "" {
		return "its authorizer " + document.Clip(authorizer.id) + " cannot be asked: " + why
	}
	return ""
}
