package cloudformation

import (
	"strings"
	"testing"
)

// A layer is often a parameter that is empty by default.
func TestALayerWithoutAnARNIsLeftOutAndNotSaidToBeOnAWS(t *testing.T) {
	a, notes, err := readText(`Transform: AWS::Serverless-2016-10-31
Parameters: {Traces: {Type: String, Default: ''}}
Resources:
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}
  Stage: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Api, StageName: live}}
  F: {Type: AWS::Serverless::Function, Properties: {Runtime: nodejs22.x, Handler: a.b, CodeUri: ., Layers: [!Ref Traces]}}
  I: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref Api, IntegrationType: AWS_PROXY, IntegrationUri: !Sub 'arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${F.Arn}/invocations'}}
  R: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: $default, Target: !Sub 'integrations/${I}'}}
`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	said := ""
	for _, n := range notes {
		said += n.String() + "\n"
	}
	if !strings.Contains(said, "a layer of function F is left out: its ARN is empty") || len(a.Functions) != 1 || len(a.Functions[0].Layers) != 0 {
		t.Errorf("functions %+v, said\n%s", a.Functions, said)
	}
}
