package cloudformation

import (
	"maps"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

const mappedAPI = `
Resources:
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}
  Long: {Type: AWS::Lambda::Function, Properties: {Runtime: nodejs22.x, Handler: index.handler, Timeout: 300, Code: {ZipFile: "exports.handler = async () => 1"}}}
  Ask: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: ask, Target: !Sub "integrations/${I}"}}
  I:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: AWS
      IntegrationUri: !Sub "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Long.Arn}/invocations"
      RequestParameters: {integration.request.header.X-Amz-Invocation-Type: "'Event'"}
      TemplateSelectionExpression: default
      PassthroughBehavior: NEVER
      RequestTemplates: {default: '{"c": "$context.connectionId"}', other: x}
  Answer: {Type: AWS::ApiGatewayV2::IntegrationResponse, Properties: {ApiId: !Ref Api, IntegrationId: !Ref I, IntegrationResponseKey: $default, ResponseTemplates: {$default: "$input.body"}}}
`

func TestAnIntegrationOfTypeAWSWithAFunctionHasItsTemplates(t *testing.T) {
	a, notes, err := readText(mappedAPI, Options{})
	if err != nil {
		t.Fatal(err)
	}
	route := a.APIs[0].Routes[0]
	i := route.Integration
	if route.Unrunnable != nil || i.Kind != app.AWS || i.Function != "Long" || i.TemplateSelection != "default" || i.Passthrough != "NEVER" || i.AnswerTemplate != "$input.body" ||
		!maps.Equal(i.Templates, map[string]string{"default": `{"c": "$context.connectionId"}`, "other": "x"}) ||
		len(i.Parameters) != 1 || i.Parameters[0] != (app.Parameter{In: "header", Name: "X-Amz-Invocation-Type", Source: "'Event'"}) {
		t.Errorf("%+v, %v", route, route.Unrunnable)
	}
	for _, text := range texts(notes) {
		if strings.Contains(text, "Answer") || strings.Contains(text, "Template") || strings.Contains(text, "Passthrough") {
			t.Errorf("it is said: %s", text)
		}
	}
}

func TestATemplateThatCannotBeKnownIsSaid(t *testing.T) {
	for change, want := range map[string]string{
		`'{"c": "$context.connectionId"}'`: `!ImportValue template`,
	} {
		a, _, err := readText(strings.Replace(mappedAPI, change, want, 1), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if why := a.APIs[0].Routes[0].Unrunnable; why == nil || !strings.Contains(why.Why, "its template default is not known here") {
			t.Errorf("%s: %v", want, why)
		}
	}
	a, _, err := readText(strings.Replace(mappedAPI, "{$default: \"$input.body\"}", "{a: x, b: y}", 1), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if why := a.APIs[0].Routes[0].Unrunnable; why == nil || !strings.Contains(why.Why, "its integration response has 2 templates") {
		t.Errorf("%v", why)
	}
}
