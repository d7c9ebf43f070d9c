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
	if route.Unrunnable != nil || i.Kind != app.AWS || i.Function != "Long" || i.TemplateSelection != "default" || i.Passthrough != "NEVER" || len(i.Responses) != 1 || i.Responses[0].Key != "$default" || i.Responses[0].Templates["$default"] != "$input.body" ||
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
	a, _, err := readText(strings.Replace(mappedAPI, "{$default: \"$input.body\"}", "{a: x, b: !ImportValue y}", 1), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if why := a.APIs[0].Routes[0].Unrunnable; why == nil || !strings.Contains(why.Why, "its template b is not known here") {
		t.Errorf("%v", why)
	}
}

func TestAnIntegrationOfAServiceHasItsAction(t *testing.T) {
	for uri, want := range map[string][3]string{
		"arn:aws:apigateway:eu-west-1:dynamodb:action/PutItem":                                             {"eu-west-1", "dynamodb", "action/PutItem"},
		"arn:aws:apigateway:${AWS::Region}:sqs:path/${AWS::AccountId}/q":                                   {"us-east-1", "sqs", "path/000000000000/q"},
		"arn:aws:apigateway:us-east-1:states:action/StartExecution":                                        {"us-east-1", "states", "action/StartExecution"},
		"arn:aws:apigateway:us-east-1:runtime.sagemaker:path/endpoints/e":                                  {"us-east-1", "runtime.sagemaker", "path/endpoints/e"},
		"arn:aws:apigateway:${AWS::Region}:sqs:path/${AWS::AccountId}/${Q2.QueueName}":                     {"us-east-1", "sqs", "path/000000000000/Q2"},
		`!Join [":", [arn, !Ref AWS::Partition, apigateway, !Ref AWS::Region, kinesis, action/PutRecord]]`: {"us-east-1", "kinesis", "action/PutRecord"},
		"arn:aws:apigateway:us-east-1:dynamodb:PutItem":                                                    {},
	} {
		text := strings.Replace(mappedAPI, "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Long.Arn}/invocations", uri, 1)
		if strings.HasPrefix(uri, "!Join") {
			text = strings.Replace(text, `!Sub "`+uri+`"`, uri, 1)
		}
		text += "  Q2: {Type: AWS::SQS::Queue}\n"
		a, _, err := readText(text, Options{})
		if err != nil {
			t.Fatal(err)
		}
		route := a.APIs[0].Routes[0]
		i := route.Integration
		if got := [3]string{i.Region, i.Service, i.Action}; got != want || (route.Unrunnable == nil) != (want[0] != "") {
			t.Errorf("%s is %q, %v", uri, got, route.Unrunnable)
		}
	}
}

const modelAPI = mappedAPI + `
  Order: {Type: AWS::ApiGatewayV2::Model, Properties: {ApiId: !Ref Api, Name: order, Schema: {type: object, required: [n], properties: {n: {type: integer, minimum: 1}}}}}
  Text: {Type: AWS::ApiGatewayV2::Model, Properties: {ApiId: !Ref Api, Name: text, Schema: '{"type": "object"}'}}
`

func TestARouteHasTheSchemasOfItsModels(t *testing.T) {
	text := strings.Replace(modelAPI, "RouteKey: ask", "RouteKey: ask, ModelSelectionExpression: '${request.body.kind}', RequestModels: {o: order, $default: text, x: none}", 1)
	a, notes, err := readText(text, Options{})
	if err != nil {
		t.Fatal(err)
	}
	route := a.APIs[0].Routes[0]
	if route.ModelSelection != "${request.body.kind}" || !maps.Equal(route.Models, map[string]string{"o": `{"properties":{"n":{"minimum":1,"type":"integer"}},"required":["n"],"type":"object"}`, "$default": `{"type": "object"}`, "x": "{}"}) {
		t.Errorf("%+v", route)
	}
	said := strings.Join(texts(notes), "\n")
	if !strings.Contains(said, "model none of route ask is not in the template") || strings.Contains(said, "AWS::ApiGatewayV2::Model") {
		t.Errorf("it is said: %s", said)
	}
	a, notes, err = readText(strings.Replace(text, "ModelSelectionExpression: '${request.body.kind}', ", "", 1), Options{})
	if err != nil || a.APIs[0].Routes[0].ModelSelection != "" || a.APIs[0].Routes[0].Models != nil || !strings.Contains(strings.Join(texts(notes), "\n"), "has RequestModels and no ModelSelectionExpression") {
		t.Errorf("%v, %q", err, texts(notes))
	}
}
