package template

import "strings"

// expandWebSocketAPI makes of SAM's AWS::Serverless::WebSocketApi the resources
// that SAM says it makes of it: a stage, and for each route a route and an
// integration; with Auth an authorizer of $connect. (AWS docs, SAM developer
// guide: sam-resource-websocketapi and
// sam-specification-generated-resources-websocketapi. UNCERTAIN: that
// RouteResponseSelectionExpression alone makes a route two-way is read from
// API Gateway, not from SAM.)
func (r *reader) expandWebSocketAPI(x *resource) {
	p := x.props
	id := reference(x.pos, x.id)
	stage := p.get("StageName")
	if stage.empty() {
		stage = newText(x.pos, "default")
	}
	named := "default"
	if stage.kind == scalar {
		named = stage.text
	}
	r.samStages[x.id] = r.make(x, x.id+named+"Stage", "AWS::ApiGatewayV2::Stage", x.pos,
		field{key: "ApiId", value: id}, field{key: "StageName", value: stage}, field{key: "StageVariables", value: p.get("StageVariables")},
		field{key: "DefaultRouteSettings", value: p.get("DefaultRouteSettings")}, field{key: "RouteSettings", value: p.get("RouteSettings")})

	auth, authorizer := p.get("Auth"), ""
	authorization := r.eval(auth.get("AuthType"))
	if authorization.text == "CUSTOM" {
		arn := auth.get("AuthArn")
		if arn == nil {
			arn = newUnknown(auth.pos, "Auth of "+clip(x.id)+" has no AuthArn")
		}
		authorizer = r.make(x, x.id+"Authorizer", "AWS::ApiGatewayV2::Authorizer", auth.pos,
			field{key: "ApiId", value: id}, field{key: "Name", value: auth.get("Name")}, field{key: "AuthorizerType", value: newText(auth.pos, "REQUEST")},
			field{key: "IdentitySource", value: auth.get("IdentitySource")}, field{key: "AuthorizerUri", value: invocation(arn)})
	}
	routes := p.get("Routes")
	if _, _, ok := routes.intrinsic(); ok || routes != nil && routes.kind != mapping && routes.kind != null {
		r.note(routes.pos, Warning, "the routes of %s are not written as a map and are not understood", clip(x.id))
		return
	}
	for _, f := range routes.each() {
		route := f.value
		name := x.id + plainName(f.key)
		arn := route.get("FunctionArn")
		if arn == nil {
			arn = newUnknown(f.pos, "route "+clip(f.key)+" has no FunctionArn")
		}
		integration := r.make(x, name+"Integration", "AWS::ApiGatewayV2::Integration", f.pos,
			field{key: "ApiId", value: id}, field{key: "IntegrationType", value: newText(f.pos, "AWS_PROXY")},
			field{key: "IntegrationUri", value: invocation(arn)}, field{key: "TimeoutInMillis", value: route.get("IntegrationTimeout")})
		fields := []field{
			{key: "ApiId", value: id}, {key: "RouteKey", value: newText(f.pos, f.key)},
			{key: "Target", value: newText(f.pos, "integrations/"+integration)},
			{key: "ApiKeyRequired", value: route.get("ApiKeyRequired")},
			{key: "RouteResponseSelectionExpression", value: route.get("RouteResponseSelectionExpression")},
			{key: "RequestModels", value: route.get("RequestModels")},
			{key: "ModelSelectionExpression", value: route.get("ModelSelectionExpression")},
		}
		if f.key == "$connect" {
			fields = append(fields, field{key: "AuthorizationType", value: authorization})
			if authorizer != "" {
				fields = append(fields, field{key: "AuthorizerId", value: newText(f.pos, authorizer)})
			}
		}
		r.make(x, name+"Route", "AWS::ApiGatewayV2::Route", f.pos, fields...)
	}
	if d := p.get("Domain"); !d.empty() {
		r.note(d.pos, Info, "the domain of %s is not done: there are no custom domains here", clip(x.id))
	}
}

// make adds a resource that SAM would make of x, and gives its logical ID.
func (r *reader) make(x *resource, id, typ string, pos Position, fields ...field) string {
	for r.resources[id] != nil {
		id += "2"
	}
	r.add(&resource{id: id, typ: typ, props: newMap(pos, fields...), condition: x.condition, pos: pos, made: true})
	return id
}

// invocation is the URI of an integration with the function of that ARN.
func invocation(arn *value) *value {
	text := func(s string) *value { return newText(arn.pos, s) }
	return newMap(arn.pos, field{key: "Fn::Join", value: newList(arn.pos, text(""), newList(arn.pos,
		text("arn:aws:apigateway:local:lambda:path/2015-03-31/functions/"), arn, text("/invocations")))})
}

func plainName(key string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			return c
		}
		return -1
	}, key)
}
