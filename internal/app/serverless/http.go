package serverless

import (
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// The logical IDs of the framework's HTTP API and REST API.
const (
	httpID = "HttpApi"
	restID = "ApiGatewayRestApi"
)

// httpAPI makes the HTTP API of the service with its stage and authorizers, once.
// (Serverless Framework docs, "AWS - HTTP API".)
func (s *service) httpAPI(pos app.Position) {
	if s.ids[httpID] {
		return
	}
	p := s.provider.Get("httpApi")
	if id := p.Get("id"); !id.Empty() {
		s.Note(id.Pos, app.Warning, "httpApi.id joins an API of another stack: here the routes have one of their own")
	}
	name := p.Get("name")
	if name.Empty() {
		name = document.NewText(pos, s.stage+"-"+s.name)
	}
	cors := p.Get("cors")
	if cors.ScalarText() == "true" { // AWS docs have no such word; the framework's allow any origin
		cors = document.NewMap(cors.Pos, field{Key: "AllowOrigins", Value: list(cors.Pos, "*")}, field{Key: "AllowMethods", Value: list(cors.Pos, "OPTIONS", "GET", "POST", "PUT", "PATCH", "DELETE")},
			field{Key: "AllowHeaders", Value: list(cors.Pos, "Content-Type", "X-Amz-Date", "Authorization", "X-Api-Key", "X-Amz-Security-Token", "X-Amz-User-Agent", "X-Amzn-Trace-Id")})
	} else {
		cors = corsOf(cors)
	}
	s.add(httpID, "AWS::ApiGatewayV2::Api", pos, nil, nil, field{Key: "Name", Value: name}, field{Key: "ProtocolType", Value: document.NewText(pos, "HTTP")}, field{Key: "CorsConfiguration", Value: cors})
	s.add("HttpApiStage", "AWS::ApiGatewayV2::Stage", pos, nil, nil, field{Key: "ApiId", Value: document.Ref(pos, httpID)}, field{Key: "StageName", Value: document.NewText(pos, "$default")})
	for _, f := range p.Get("authorizers").Each() {
		s.httpAuthorizer(f)
	}
}

func list(pos app.Position, words ...string) *value {
	out := document.NewList(pos)
	for _, word := range words {
		out.Items = append(out.Items, document.NewText(pos, word))
	}
	return out
}

// corsOf is what the framework's keys are called in CloudFormation.
func corsOf(v *value) *value {
	if v == nil || v.Kind != document.Map {
		return nil
	}
	names := map[string]string{"allowedOrigins": "AllowOrigins", "allowedMethods": "AllowMethods", "allowedHeaders": "AllowHeaders", "exposedResponseHeaders": "ExposeHeaders", "allowCredentials": "AllowCredentials", "maxAge": "MaxAge"}
	out := document.NewMap(v.Pos)
	for _, f := range v.Fields {
		if name := names[f.Key]; name != "" {
			out.Fields = append(out.Fields, field{Key: name, Pos: f.Pos, Value: f.Value})
		}
	}
	return out
}

// httpAuthorizer makes an authorizer of provider.httpApi.authorizers.
func (s *service) httpAuthorizer(f field) {
	v, kind := f.Value, "JWT"
	fields := []field{{Key: "ApiId", Value: document.Ref(f.Pos, httpID)}, {Key: "Name", Value: document.NewText(f.Pos, f.Key)}}
	if strings.EqualFold(v.Get("type").ScalarText(), "request") {
		kind = "REQUEST"
		payload := v.Get("payloadVersion")
		if payload.Empty() {
			payload = document.NewText(f.Pos, "2.0")
		}
		fields = append(fields, field{Key: "AuthorizerUri", Value: document.InvocationURI(s.functionARN(v.Get("functionArn"), v.Get("functionName"), f.Pos))},
			field{Key: "AuthorizerPayloadFormatVersion", Value: payload}, field{Key: "EnableSimpleResponses", Value: v.Get("enableSimpleResponses")})
	} else {
		fields = append(fields, field{Key: "JwtConfiguration", Value: document.NewMap(f.Pos, field{Key: "Issuer", Value: v.Get("issuerUrl")}, field{Key: "Audience", Value: v.Get("audience")})})
	}
	s.add("HttpApiAuthorizer"+normalized(f.Key), "AWS::ApiGatewayV2::Authorizer", f.Pos, nil, nil,
		append(fields, field{Key: "IdentitySource", Value: v.Get("identitySource")}, field{Key: "AuthorizerType", Value: document.NewText(f.Pos, kind)})...)
}

// functionARN is an ARN, or that of a function of the service.
func (s *service) functionARN(arn, name *value, pos app.Position) *value {
	switch function := name.ScalarText(); {
	case !arn.Empty():
		return arn
	case function == "":
		return document.NewUnknown(pos, "it names no function")
	case s.functions.Get(function) == nil:
		return document.NewUnknown(pos, "function "+document.Clip(function)+" is not in the service")
	default:
		return document.ARN(pos, normalized(function)+"LambdaFunction")
	}
}

// httpRoute is the event 'httpApi': a method and a path, or * for all.
func (s *service) httpRoute(t trigger) {
	s.httpAPI(t.pos)
	method, path := t.get("method").ScalarText(), t.get("path").ScalarText()
	if !t.isMap() {
		method, path, _ = strings.Cut(strings.TrimSpace(t.value.ScalarText()), " ")
	}
	method, path = strings.ToUpper(method), strings.TrimSpace(path)
	if method == "*" || method == "" {
		method = "ANY"
	}
	key, id := method+" "+path, "HttpApiRoute"+pathID(strings.ToLower(method))+pathID(path)
	if path == "" || path == "*" {
		key, id = "$default", "HttpApiRouteDefault"
	}
	payload := t.function.Value.Get("httpApi", "payload")
	if payload.Empty() {
		payload = s.provider.Get("httpApi", "payload")
	}
	if payload.Empty() {
		payload = t.text("2.0")
	}
	integration := "HttpApiIntegration" + normalized(t.function.Key)
	if !s.ids[integration] {
		s.makeFor(t, integration, "AWS::ApiGatewayV2::Integration", field{Key: "ApiId", Value: document.Ref(t.pos, httpID)}, field{Key: "IntegrationType", Value: t.text("AWS_PROXY")},
			field{Key: "IntegrationUri", Value: document.InvocationURI(t.arn())}, field{Key: "PayloadFormatVersion", Value: payload})
	}
	fields := []field{{Key: "ApiId", Value: document.Ref(t.pos, httpID)}, {Key: "RouteKey", Value: t.text(key)}, {Key: "Target", Value: t.text("integrations/" + integration)}}
	s.makeFor(t, id, "AWS::ApiGatewayV2::Route", append(fields, s.httpGuard(t)...)...)
}

// httpGuard is what a route says of its authorization.
func (s *service) httpGuard(t trigger) []field {
	a := t.get("authorizer")
	if !t.isMap() || a.Empty() {
		return nil
	}
	name := a.ScalarText()
	if a.Kind == document.Map {
		name = a.Get("name").ScalarText()
	}
	switch {
	case a.Get("type").ScalarText() == "aws_iam" || name == "aws_iam":
		return []field{{Key: "AuthorizationType", Value: t.text("AWS_IAM")}}
	case !a.Get("id").Empty():
		return []field{{Key: "AuthorizationType", Value: t.text("CUSTOM")}, {Key: "AuthorizerId", Value: a.Get("id")}}
	}
	kind := "JWT"
	if strings.EqualFold(s.provider.Get("httpApi", "authorizers", name, "type").ScalarText(), "request") {
		kind = "CUSTOM"
	}
	id := document.Ref(t.pos, "HttpApiAuthorizer"+normalized(name))
	return []field{{Key: "AuthorizationType", Value: t.text(kind)}, {Key: "AuthorizerId", Value: id}, {Key: "AuthorizationScopes", Value: a.Get("scopes")}}
}

// pathID is a path in a logical ID.
func pathID(path string) string {
	var out strings.Builder
	for part := range strings.SplitSeq(path, "/") {
		name := strings.Trim(part, "{}+")
		out.WriteString(document.LogicalID(normalized(name)))
		if name != part {
			out.WriteString("Var")
		}
	}
	return out.String()
}

// url is the key 'url' of a function.
func (s *service) url(f field, id string) {
	v := f.Value.Get("url")
	if v.Empty() || v.ScalarText() == "false" {
		return
	}
	fields := []field{{Key: "TargetFunctionArn", Value: document.ARN(v.Pos, id)}}
	if a := v.Get("authorizer"); a.ScalarText() == "aws_iam" {
		fields = append(fields, field{Key: "AuthType", Value: document.NewText(a.Pos, "AWS_IAM")})
	}
	cors := v.Get("cors")
	if cors.ScalarText() == "true" {
		cors = document.NewMap(cors.Pos, field{Key: "AllowOrigins", Value: list(cors.Pos, "*")}, field{Key: "AllowMethods", Value: list(cors.Pos, "*")},
			field{Key: "AllowHeaders", Value: list(cors.Pos, "Content-Type", "X-Amz-Date", "Authorization", "X-Api-Key", "X-Amz-Security-Token", "X-Amzn-Trace-Id")})
	} else {
		cors = corsOf(cors)
	}
	s.add(id+"Url", "AWS::Lambda::Url", v.Pos, f.Value.Get("condition"), nil, append(fields, field{Key: "Cors", Value: cors}, field{Key: "InvokeMode", Value: v.Get("invokeMode")})...)
}
