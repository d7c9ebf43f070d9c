package serverless

import (
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// restAPI makes the REST API of the service with its stage, once. (Serverless
// Framework docs, "AWS - API Gateway (REST API)".)
func (s *service) restAPI(pos app.Position) {
	if s.ids[restID] {
		return
	}
	if id := s.provider.Get("apiGateway", "restApiId"); !id.Empty() {
		s.Note(id.Pos, app.Warning, "restApiId joins an API of another stack: here the routes have one of their own")
	}
	name := s.provider.Get("apiName")
	if name.Empty() {
		name = document.NewText(pos, s.stage+"-"+s.name)
	}
	stage := s.provider.Get("apiGateway", "stage")
	if stage.Empty() {
		stage = document.NewText(pos, s.stage)
	}
	s.add(restID, "AWS::ApiGateway::RestApi", pos, nil, nil, field{Key: "Name", Value: name}, field{Key: "BinaryMediaTypes", Value: s.provider.Get("apiGateway", "binaryMediaTypes")})
	s.add("ApiGatewayDeployment", "AWS::ApiGateway::Deployment", pos, nil, nil, field{Key: "RestApiId", Value: document.Ref(pos, restID)}, field{Key: "StageName", Value: stage})
}

// method is the event 'http': a method and a path of the REST API.
func (s *service) method(t trigger) {
	s.restAPI(t.pos)
	method, path := t.get("method").ScalarText(), t.get("path").ScalarText()
	if !t.isMap() {
		method, path, _ = strings.Cut(strings.TrimSpace(t.value.ScalarText()), " ")
	}
	method, path = strings.ToUpper(method), strings.Trim(strings.TrimSpace(path), "/")
	if method == "*" {
		method = "ANY"
	}
	at := s.resource(t, path)
	fields := []field{
		{Key: "RestApiId", Value: document.Ref(t.pos, restID)}, {Key: "ResourceId", Value: at}, {Key: "HttpMethod", Value: t.text(method)},
		{Key: "Integration", Value: s.integration(t)},
	}
	if private := t.get("private"); private.ScalarText() == "true" {
		fields = append(fields, field{Key: "ApiKeyRequired", Value: private})
	}
	s.makeFor(t, "ApiGatewayMethod"+pathID(path)+pathID(strings.ToLower(method)), "AWS::ApiGateway::Method", append(fields, s.restGuard(t)...)...)
	s.preflight(t, path, method, at)
}

// resource makes the resource of a path, once, and gives its ID. Here a path is one
// resource, with all of its parts.
func (s *service) resource(t trigger, path string) *value {
	root := document.NewMap(t.pos, field{Key: "Fn::GetAtt", Value: document.NewList(t.pos, t.text(restID), t.text("RootResourceId"))})
	if path == "" {
		return root
	}
	id := "ApiGatewayResource" + pathID(path)
	if !s.ids[id] {
		s.add(id, "AWS::ApiGateway::Resource", t.pos, nil, nil, field{Key: "RestApiId", Value: document.Ref(t.pos, restID)}, field{Key: "ParentId", Value: root}, field{Key: "PathPart", Value: t.text(path)})
	}
	return document.Ref(t.pos, id)
}

// integration is what a method invokes: the function, as a proxy unless the event
// says otherwise.
func (s *service) integration(t trigger) *value {
	kind := "AWS_PROXY"
	switch written := strings.ToLower(strings.ReplaceAll(t.get("integration").ScalarText(), "_", "-")); written {
	case "", "lambda-proxy", "aws-proxy":
		if t.get("async").ScalarText() == "true" {
			kind = "AWS"
		}
	case "lambda", "aws":
		kind = "AWS"
	default:
		kind = strings.ToUpper(strings.ReplaceAll(written, "-", "_"))
	}
	return document.NewMap(t.pos, field{Key: "Type", Value: t.text(kind)}, field{Key: "Uri", Value: document.InvocationURI(t.arn())}, field{Key: "TimeoutInMillis", Value: t.get("timeoutInMillis")})
}

// restGuard is what a method says of its authorization, and the authorizer that it
// asks.
func (s *service) restGuard(t trigger) []field {
	a := t.get("authorizer")
	if !t.isMap() || a.Empty() {
		return nil
	}
	name, kind, arn := a.ScalarText(), strings.ToUpper(a.Get("type").ScalarText()), a.Get("arn")
	if a.Kind == document.Map {
		name = a.Get("name").ScalarText()
	}
	if _, _, ok := a.Intrinsic(); ok {
		arn = a
	}
	if strings.HasPrefix(name, "arn:") {
		arn, name = document.NewText(a.Pos, name), lastOf(name)
	} else if name == "" {
		name = lastOf(arn.ScalarText())
	}
	if strings.EqualFold(name, "aws_iam") || kind == "AWS_IAM" {
		return []field{{Key: "AuthorizationType", Value: t.text("AWS_IAM")}}
	}
	if id := a.Get("authorizerId"); !id.Empty() {
		return []field{{Key: "AuthorizationType", Value: t.text("CUSTOM")}, {Key: "AuthorizerId", Value: id}}
	}
	authorization := "CUSTOM"
	if kind == "COGNITO_USER_POOLS" || strings.Contains(arn.ScalarText(), ":cognito-idp:") {
		kind, authorization = "COGNITO_USER_POOLS", "COGNITO_USER_POOLS"
	}
	if kind != "REQUEST" && authorization == "CUSTOM" {
		kind = "TOKEN"
	}
	id := normalized(document.LogicalID(name)) + "ApiGatewayAuthorizer"
	if !s.ids[id] {
		source := a.Get("identitySource")
		if source.Empty() {
			source = t.text("method.request.header.Authorization")
		}
		s.add(id, "AWS::ApiGateway::Authorizer", a.Pos, nil, nil, field{Key: "RestApiId", Value: document.Ref(a.Pos, restID)}, field{Key: "Name", Value: document.NewText(a.Pos, name)},
			field{Key: "Type", Value: t.text(kind)}, field{Key: "IdentitySource", Value: source},
			field{Key: "AuthorizerUri", Value: document.InvocationURI(s.functionARN(arn, document.NewText(a.Pos, name), a.Pos))}, field{Key: "ProviderARNs", Value: arn})
	}
	return []field{{Key: "AuthorizationType", Value: t.text(authorization)}, {Key: "AuthorizerId", Value: document.Ref(t.pos, id)}, {Key: "AuthorizationScopes", Value: a.Get("scopes")}}
}
