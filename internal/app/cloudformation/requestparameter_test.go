package cloudformation

import (
	"reflect"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

func TestRequestParametersAreReadAndUnknownOnesAreTold(t *testing.T) {
	const uri = `AWS_PROXY, IntegrationUri: !Sub "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${F.Arn}/invocations"`
	const sources = " is not a source; those are context.NAME, stageVariables.NAME, route.request.header.NAME, route.request.querystring.NAME, route.request.body and its fields, and 'TEXT'"
	for _, c := range []struct {
		parameters string
		want       []app.Parameter
		note       string
	}{
		{"integration.request.header.id: context.connectionId, integration.request.querystring.of: \"'chat'\"", []app.Parameter{{In: "header", Name: "id", Source: "context.connectionId"}, {In: "querystring", Name: "of", Source: "'chat'"}}, ""},
		{"integration.request.path.room: route.request.body.room.id, integration.request.header.all: route.request.body", []app.Parameter{{In: "path", Name: "room", Source: "route.request.body.room.id"}, {In: "header", Name: "all", Source: "route.request.body"}}, ""},
		{"integration.request.header.key: stageVariables.key, integration.request.header.who: context.authorizer.user", []app.Parameter{{In: "header", Name: "key", Source: "stageVariables.key"}, {In: "header", Name: "who", Source: "context.authorizer.user"}}, ""},
		{"integration.request.header.x: !Sub \"'${AWS::Region}'\"", []app.Parameter{{In: "header", Name: "x", Source: "'us-east-1'"}}, ""},
		{"integration.request.header.x: route.request.header.Auth", []app.Parameter{{In: "header", Name: "x", Source: "route.request.header.Auth"}}, "t.yaml:4: parameter integration.request.header.x of integration I is empty on route $default: only $connect has headers and a query string"},
		{"integration.request.header.x: method.request.header.Auth", nil, "t.yaml:4: parameter integration.request.header.x of integration I is left out: for a WebSocket API its source begins with route.request, not with method.request"},
		{"integration.request.header.x: chat", nil, "t.yaml:4: parameter integration.request.header.x of integration I is left out: chat" + sources},
		{"integration.request.header.x: context.", nil, "t.yaml:4: parameter integration.request.header.x of integration I is left out: context." + sources},
		{"integration.request.body.x: context.stage", nil, "t.yaml:4: parameter integration.request.body.x of integration I is left out: a destination is integration.request.header.NAME, querystring.NAME or path.NAME"},
		{"integration.request.header.x: !ImportValue x", nil, "t.yaml:4: parameter integration.request.header.x of integration I is not known here: Fn::ImportValue takes it from another stack; give --value import:x=VALUE"},
	} {
		for _, kind := range []string{"HTTP_PROXY", "HTTP", "AWS"} {
			text := with(uri, kind+", IntegrationUri: https://backend.example, RequestParameters: {"+c.parameters+"}")
			a, notes, err := readText(text, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := a.APIs[0].Routes[0].Integration.Parameters; !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s of %s: %v, want %v", c.parameters, kind, got, c.want)
			}
			if said := noteLines(notes); c.note != "" && !strings.Contains(said, c.note+"\n") || c.note == "" && strings.Contains(said, "parameter ") {
				t.Errorf("%s of %s: notes %s, want %q", c.parameters, kind, said, c.note)
			}
		}
	}
}

func TestAStageVariableIsInTheURLOfABackend(t *testing.T) {
	text := with(`AWS_PROXY, IntegrationUri: !Sub "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${F.Arn}/invocations"`, `HTTP_PROXY, IntegrationUri: "https://${stageVariables.host}/in"`) +
		"  S: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref A, StageName: live, StageVariables: {host: backend.example}}}\n"
	if a, _, err := readText(text, Options{}); err != nil || a.APIs[0].Routes[0].Integration.URL != "https://backend.example/in" {
		t.Errorf("the URL is %q, %v, want it with the stage variable", a.APIs[0].Routes[0].Integration.URL, err)
	}
}
