package cloudformation

import (
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

const pingAPI = `
Resources:
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}
  Ping: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: ping, Target: !Sub "integrations/${Mock}", RouteResponseSelectionExpression: $default}}
  Mock: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref Api, IntegrationType: MOCK, RequestTemplates: {$default: '{"statusCode":200}'}}}
  Answer: {Type: AWS::ApiGatewayV2::IntegrationResponse, Properties: {ApiId: !Ref Api, IntegrationId: !Ref Mock, IntegrationResponseKey: $default, ResponseTemplates: {$default: TEMPLATE}}}
`

func TestAMockHasTheTemplatesOfItsRequestAndItsAnswer(t *testing.T) {
	for text, want := range map[string]string{`'{"type":"pong"}'`: `{"type":"pong"}`, `'{"id":"$context.connectionId"}'`: `{"id":"$context.connectionId"}`, `'#set($x = 1)'`: "#set($x = 1)"} {
		a, notes, err := readText(strings.ReplaceAll(pingAPI, "TEMPLATE", text), Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := a.APIs[0].Routes[0].Integration
		if len(got.Responses) != 1 || got.Responses[0].Templates["$default"] != want || got.Templates["$default"] != `{"statusCode":200}` {
			t.Errorf("with the template %s it is %+v", text, got)
		}
		if said := strings.Join(texts(notes), "\n"); strings.Contains(said, "Answer") {
			t.Errorf("with the template %s it is said: %s", text, said)
		}
	}
}

func texts(notes []app.Note) (all []string) {
	for _, n := range notes {
		all = append(all, n.Text)
	}
	return all
}
