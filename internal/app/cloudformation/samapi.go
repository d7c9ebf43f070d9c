package cloudformation

import (
	"strings"

	"github.com/wirepost/wirepost/internal/app/document"
)

// The APIs that SAM makes for events that name none.
const (
	implicitHTTP = "ServerlessHttpApi"
	implicitREST = "ServerlessRestApi"
)

// A samAPI is an HTTP API or a REST API of SAM.
type samAPI struct {
	*resource
	authorizers map[string]string // name to logical ID
	kinds       map[string]string // name to what routes say of it
	scopes      map[string]*value // name to the scopes of routes that have none of their own
	standard    string            // the name of the default authorizer, or empty
	paths       []*samPath        // of a REST API with Cors
}

// expandAPI writes out the stage and the authorizers of an API.
func (e *events) expandAPI(x *resource) *samAPI {
	a := &samAPI{resource: x, authorizers: map[string]string{}, kinds: map[string]string{}, scopes: map[string]*value{}}
	e.apis[x.id] = a
	p, id := x.props, document.Ref(x.pos, x.id)
	stage := p.Get("StageName")
	if x.typ == "AWS::Serverless::Api" {
		named := e.eval(stage).Text
		e.samStages[x.id] = e.make(x, x.id+document.LogicalID(named)+"Stage", "AWS::ApiGateway::Stage", x.pos,
			field{Key: "RestApiId", Value: id}, field{Key: "StageName", Value: stage}, field{Key: "Variables", Value: p.Get("Variables")})
	} else {
		name := "ApiGatewayDefault"
		if stage.Empty() {
			stage = document.NewText(x.pos, defaultStage)
		} else {
			name = document.LogicalID(e.eval(stage).Text)
		}
		e.samStages[x.id] = e.make(x, x.id+name+"Stage", "AWS::ApiGatewayV2::Stage", x.pos,
			field{Key: "ApiId", Value: id}, field{Key: "StageName", Value: stage}, field{Key: "StageVariables", Value: p.Get("StageVariables")})
	}
	auth := p.Get("Auth")
	for _, f := range auth.Get("Authorizers").Each() {
		a.scopes[f.Key] = f.Value.Get("AuthorizationScopes")
		if x.typ == "AWS::Serverless::Api" {
			e.restAuthorizer(a, f)
		} else {
			e.httpAuthorizer(a, f)
		}
	}
	a.standard = e.eval(auth.Get("DefaultAuthorizer")).Text
	return a
}

// identity are the identity sources of an authorizer, in the words of the kind of API.
func (e *events) identity(v *value, header, query string) (out []*value) {
	id := v.Get("Identity")
	for _, part := range []struct{ name, prefix string }{{"Headers", header}, {"QueryStrings", query}, {"Context", strings.Replace(header, "request.header.", "context.", 1)}} {
		if names := e.eval(id.Get(part.name)); names.Kind == document.List {
			for _, name := range names.Items {
				out = append(out, document.NewText(id.Pos, part.prefix+name.ScalarText()))
			}
		}
	}
	return out
}

// httpAuthorizer makes an authorizer of an HTTP API: one with a function is of type
// REQUEST, any other of type JWT.
func (e *events) httpAuthorizer(a *samAPI, f field) {
	v, kind := f.Value, "JWT"
	fields := []field{{Key: "ApiId", Value: document.Ref(f.Pos, a.id)}, {Key: "Name", Value: document.NewText(f.Pos, f.Key)}}
	if arn := v.Get("FunctionArn"); !arn.Empty() {
		kind = "REQUEST"
		sources := e.identity(v, "$request.header.", "$request.querystring.")
		fields = append(fields, field{Key: "AuthorizerUri", Value: document.InvocationURI(arn)}, field{Key: "IdentitySource", Value: document.NewList(f.Pos, sources...)},
			field{Key: "AuthorizerPayloadFormatVersion", Value: v.Get("AuthorizerPayloadFormatVersion")}, field{Key: "EnableSimpleResponses", Value: v.Get("EnableSimpleResponses")})
	} else {
		fields = append(fields, field{Key: "IdentitySource", Value: v.Get("IdentitySource")}, field{Key: "JwtConfiguration", Value: v.Get("JwtConfiguration")})
	}
	a.kinds[f.Key] = map[string]string{"JWT": "JWT", "REQUEST": "CUSTOM"}[kind]
	a.authorizers[f.Key] = e.make(a.resource, a.id+document.LogicalID(f.Key)+"Authorizer", "AWS::ApiGatewayV2::Authorizer", f.Pos,
		append(fields, field{Key: "AuthorizerType", Value: document.NewText(f.Pos, kind)})...)
}

// restAuthorizer makes an authorizer of a REST API: one with a user pool, or one with
// a function, whose payload is TOKEN unless it says REQUEST.
func (e *events) restAuthorizer(a *samAPI, f field) {
	v := f.Value
	fields := []field{{Key: "RestApiId", Value: document.Ref(f.Pos, a.id)}, {Key: "Name", Value: document.NewText(f.Pos, f.Key)}}
	typ, kind := "TOKEN", "CUSTOM"
	header := v.Get("Identity", "Header").ScalarText()
	if header == "" {
		header = "Authorization"
	}
	sources := "method.request.header." + header
	switch {
	case !v.Get("UserPoolArn").Empty():
		typ, kind = "COGNITO_USER_POOLS", "COGNITO_USER_POOLS"
	case e.eval(v.Get("FunctionPayloadType")).Text == "REQUEST":
		typ, sources = "REQUEST", ""
		for _, s := range e.identity(v, "method.request.header.", "method.request.querystring.") {
			sources = strings.TrimPrefix(sources+","+s.Text, ",")
		}
	}
	if arn := v.Get("FunctionArn"); !arn.Empty() {
		fields = append(fields, field{Key: "AuthorizerUri", Value: document.InvocationURI(arn)})
	}
	fields = append(fields, field{Key: "ProviderARNs", Value: v.Get("UserPoolArn")})
	a.kinds[f.Key] = kind
	a.authorizers[f.Key] = e.make(a.resource, a.id+document.LogicalID(f.Key)+"Authorizer", "AWS::ApiGateway::Authorizer", f.Pos,
		append(fields, field{Key: "Type", Value: document.NewText(f.Pos, typ)}, field{Key: "IdentitySource", Value: document.NewText(f.Pos, sources)})...)
}

// apiOf is the API that an event names, or the one that SAM makes.
func (e *events) apiOf(v event, property, implicit, typ, section string) (id *value, api *samAPI) {
	if named := v.get(property); !named.Empty() {
		if name, argument, ok := named.Intrinsic(); ok && name == "Ref" {
			return named, e.apis[argument.ScalarText()]
		}
		return named, nil
	}
	if e.apis[implicit] == nil {
		props := e.globals.Get(section)
		if typ == "AWS::Serverless::Api" { // AWS docs: its stage is Prod
			props = document.Merge(document.NewMap(v.pos, field{Key: "StageName", Value: document.NewText(v.pos, "Prod")}), props)
		}
		x := &resource{id: implicit, typ: typ, props: props, pos: v.pos, made: true}
		e.add(x)
		e.expandAPI(x)
	}
	return document.Ref(v.pos, implicit), e.apis[implicit]
}

// guard is what a route says of its authorization: its own, or the API's.
func (e *events) guard(v event, api *samAPI) []field {
	auth := v.get("Auth")
	name := e.eval(auth.Get("Authorizer")).Text
	if name == "" && api != nil {
		name = api.standard
	}
	text := func(s string) *value { return document.NewText(v.pos, s) }
	switch {
	case name == "" || name == "NONE":
		return nil
	case name == "AWS_IAM":
		return []field{{Key: "AuthorizationType", Value: text("AWS_IAM")}}
	case api == nil || api.authorizers[name] == "":
		return []field{{Key: "AuthorizationType", Value: text("CUSTOM")}, {Key: "AuthorizerId", Value: document.NewUnknown(v.pos, "authorizer "+document.Clip(name)+" is not one of its API")}}
	}
	scopes := auth.Get("AuthorizationScopes")
	if scopes.Empty() {
		scopes = api.scopes[name]
	}
	return []field{{Key: "AuthorizationType", Value: text(api.kinds[name])}, {Key: "AuthorizerId", Value: document.Ref(v.pos, api.authorizers[name])}, {Key: "AuthorizationScopes", Value: scopes}}
}

// method is the method of an event in upper case; ANY for any.
func (e *events) method(v event) string {
	method := strings.ToUpper(e.eval(v.get("Method")).Text)
	if method == "X-AMAZON-APIGATEWAY-ANY-METHOD" || method == "*" {
		return "ANY"
	}
	return method
}

// httpEvent makes a route of an HTTP API and its integration. Without a path it is
// $default.
func (e *events) httpEvent(v event) {
	id, api := e.apiOf(v, "ApiId", implicitHTTP, "AWS::Serverless::HttpApi", "HttpApi")
	key := document.NewText(v.pos, defaultRoute)
	switch path := e.eval(v.get("Path")); {
	case path.Kind == document.Unknown:
		key = path
	case path.Kind == document.Scalar && path.Text != defaultRoute:
		method := e.method(v)
		if method == "" {
			method = "ANY"
		}
		key = document.NewText(v.pos, method+" "+path.Text)
	}
	payload := v.get("PayloadFormatVersion")
	if payload.Empty() {
		payload = document.NewText(v.pos, "2.0")
	}
	integration := e.make(v.function, v.id()+"Integration", "AWS::ApiGatewayV2::Integration", v.pos,
		field{Key: "ApiId", Value: id}, field{Key: "IntegrationType", Value: document.NewText(v.pos, "AWS_PROXY")},
		field{Key: "IntegrationUri", Value: document.InvocationURI(v.arn())}, field{Key: "PayloadFormatVersion", Value: payload},
		field{Key: "TimeoutInMillis", Value: v.get("TimeoutInMillis")})
	e.make(v.function, v.id()+"Route", "AWS::ApiGatewayV2::Route", v.pos, append([]field{
		{Key: "ApiId", Value: id}, {Key: "RouteKey", Value: key}, {Key: "Target", Value: document.NewText(v.pos, "integrations/"+integration)},
	}, e.guard(v, api)...)...)
}

const defaultRoute = "$default"

// restEvent makes a method of a REST API on a path, which is one resource here.
func (e *events) restEvent(v event) {
	id, api := e.apiOf(v, "RestApiId", implicitREST, "AWS::Serverless::Api", "Api")
	var at *value
	switch path := e.eval(v.get("Path")); {
	case path.Kind != document.Scalar:
		at = document.OrUnknown(path, v.pos, "event "+document.Clip(v.name)+" has no Path")
	case strings.Trim(path.Text, "/") == "":
		at = document.NewMap(v.pos, field{Key: "Fn::GetAtt", Value: document.NewList(v.pos, idOf(id), document.NewText(v.pos, "RootResourceId"))})
	default:
		parent := document.NewMap(v.pos, field{Key: "Fn::GetAtt", Value: document.NewList(v.pos, idOf(id), document.NewText(v.pos, "RootResourceId"))})
		at = document.NewText(v.pos, e.make(v.function, v.id()+"Resource", "AWS::ApiGateway::Resource", v.pos,
			field{Key: "RestApiId", Value: id}, field{Key: "ParentId", Value: parent}, field{Key: "PathPart", Value: document.NewText(v.pos, strings.TrimPrefix(path.Text, "/"))}))
	}
	api.has(e.eval(v.get("Path")).ScalarText(), e.method(v), v, at)
	integration := document.NewMap(v.pos, field{Key: "Type", Value: document.NewText(v.pos, "AWS_PROXY")}, field{Key: "Uri", Value: document.InvocationURI(v.arn())},
		field{Key: "TimeoutInMillis", Value: v.get("TimeoutInMillis")})
	e.make(v.function, v.id()+"Method", "AWS::ApiGateway::Method", v.pos, append([]field{
		{Key: "RestApiId", Value: id}, {Key: "ResourceId", Value: at}, {Key: "HttpMethod", Value: document.NewText(v.pos, e.method(v))},
		{Key: "ApiKeyRequired", Value: v.get("Auth").Get("ApiKeyRequired")}, {Key: "Integration", Value: integration},
	}, e.guard(v, api)...)...)
}

// idOf is the logical ID of what a Ref names, for Fn::GetAtt.
func idOf(ref *value) *value {
	if name, argument, ok := ref.Intrinsic(); ok && name == "Ref" {
		return argument
	}
	return ref
}
