package cloudformation

import (
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// expandWebSocketAPI writes out SAM's AWS::Serverless::WebSocketApi as the resources
// that SAM makes: a stage, and for each route a route and an integration; with Auth
// an authorizer of $connect. (AWS docs, SAM developer
// guide: sam-resource-websocketapi and
// sam-specification-generated-resources-websocketapi. UNCERTAIN: that
// RouteResponseSelectionExpression alone makes a route two-way is read from
// API Gateway, not from SAM.)
func (t *template) expandWebSocketAPI(x *resource) {
	p := x.props
	id := document.Ref(x.pos, x.id)
	stage := p.Get("StageName")
	if stage.Empty() {
		stage = document.NewText(x.pos, "default")
	}
	named := "default"
	if stage.Kind == document.Scalar {
		named = stage.Text
	}
	t.samStages[x.id] = t.make(x, x.id+named+"Stage", "AWS::ApiGatewayV2::Stage", x.pos,
		field{Key: "ApiId", Value: id}, field{Key: "StageName", Value: stage}, field{Key: "StageVariables", Value: p.Get("StageVariables")},
		field{Key: "DefaultRouteSettings", Value: p.Get("DefaultRouteSettings")}, field{Key: "RouteSettings", Value: p.Get("RouteSettings")})
	guard := t.expandAuth(x, id)
	routes := p.Get("Routes")
	if _, _, ok := routes.Intrinsic(); ok || routes != nil && routes.Kind != document.Map && routes.Kind != document.Null {
		t.Note(routes.Pos, app.Warning, "the routes of %s are not written as a map and are not understood", document.Clip(x.id))
		return
	}
	for _, f := range routes.Each() {
		t.expandRoute(x, id, f, guard)
	}
	if d := p.Get("Domain"); !d.Empty() {
		t.Note(d.Pos, app.Info, "the domain of %s is not done: there are no custom domains here", document.Clip(x.id))
	}
}

// expandAuth makes the authorizer, if there is one, and gives what the route $connect
// says of it.
func (t *template) expandAuth(x *resource, id *value) []field {
	auth := x.props.Get("Auth")
	authorization := t.eval(auth.Get("AuthType"))
	guard := []field{{Key: "AuthorizationType", Value: authorization}}
	if authorization.Text != "CUSTOM" {
		return guard
	}
	arn := auth.Get("AuthArn")
	if arn == nil {
		arn = document.NewUnknown(auth.Pos, "Auth of "+document.Clip(x.id)+" has no AuthArn")
	}
	authorizer := t.make(x, x.id+"Authorizer", "AWS::ApiGatewayV2::Authorizer", auth.Pos,
		field{Key: "ApiId", Value: id}, field{Key: "Name", Value: auth.Get("Name")}, field{Key: "AuthorizerType", Value: document.NewText(auth.Pos, "REQUEST")},
		field{Key: "IdentitySource", Value: auth.Get("IdentitySource")}, field{Key: "AuthorizerUri", Value: document.InvocationURI(arn)})
	return append(guard, field{Key: "AuthorizerId", Value: document.NewText(x.pos, authorizer)})
}

// expandRoute makes a route and its integration.
func (t *template) expandRoute(x *resource, id *value, f field, guard []field) {
	route := f.Value
	name := x.id + document.LogicalID(f.Key)
	arn := route.Get("FunctionArn")
	if arn == nil {
		arn = document.NewUnknown(f.Pos, "route "+document.Clip(f.Key)+" has no FunctionArn")
	}
	integration := t.make(x, name+"Integration", "AWS::ApiGatewayV2::Integration", f.Pos,
		field{Key: "ApiId", Value: id}, field{Key: "IntegrationType", Value: document.NewText(f.Pos, "AWS_PROXY")},
		field{Key: "IntegrationUri", Value: document.InvocationURI(arn)}, field{Key: "TimeoutInMillis", Value: route.Get("IntegrationTimeout")})
	properties := []field{
		{Key: "ApiId", Value: id}, {Key: "RouteKey", Value: document.NewText(f.Pos, f.Key)},
		{Key: "Target", Value: document.NewText(f.Pos, "integrations/"+integration)},
		{Key: "ApiKeyRequired", Value: route.Get("ApiKeyRequired")},
		{Key: "RouteResponseSelectionExpression", Value: route.Get("RouteResponseSelectionExpression")},
		{Key: "RequestModels", Value: route.Get("RequestModels")},
		{Key: "ModelSelectionExpression", Value: route.Get("ModelSelectionExpression")},
	}
	if f.Key == "$connect" {
		properties = append(properties, guard...)
	}
	t.make(x, name+"Route", "AWS::ApiGatewayV2::Route", f.Pos, properties...)
}

// make adds a resource that SAM would make of x, and gives its logical ID.
func (t *template) make(x *resource, id, typ string, pos app.Position, fields ...field) string {
	for t.resources[id] != nil {
		id += "2"
	}
	t.add(&resource{id: id, typ: typ, props: document.NewMap(pos, fields...), condition: x.condition, pos: pos, made: true})
	return id
}
