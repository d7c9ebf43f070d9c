package cloudformation

import (
	"fmt"
	"strings"
	"testing"
)

func TestAMistakeIsNamedWhereItIs(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"no WebSocket API", with("WEBSOCKET", "HTTP"), "t.yaml: has no WebSocket API: nothing of type AWS::ApiGatewayV2::Api with ProtocolType WEBSOCKET, no AWS::Serverless::WebSocketApi and no websocket event"},
		{"no routes", "Resources:\n" + apiLine, "t.yaml:2: API A has no routes"},
		{"nothing but an unknown dollar key", with("$default", "$other"), "t.yaml:2: API A has no routes that can be run: its key begins with a dollar sign, and AWS takes only $connect, $disconnect and $default"},
		{"nothing but a route whose key is not known", with("$default", "!ImportValue key"), "t.yaml:2: API A has no routes that can be run: its route key is not known here: Fn::ImportValue takes it from another stack; give --value import:key=VALUE"},
		{"five parameters without a value", "Parameters:\n  A1: {Type: String}\n  A2: {Type: String}\n  A3: {Type: String}\n  A4: {Type: String}\n  A5: {Type: String}\n" + with("$default", "!Sub \"${A2}${A1}${A3}${A4}${A5}\""), "t.yaml:2: parameter A1 and 4 more have no default: give --parameter A1=VALUE and so on, or a samconfig.toml with parameter_overrides"},
		{"a stage of HTTP APIs", "Parameters:\n  Stage: {Type: String, Default: $default}\n" + goodLines + "  S: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref A, StageName: !Ref Stage}}\n", "t.yaml:8: API A has the stage $default, which only HTTP APIs have: give --parameter Stage=NAME"},
		{"a stage of HTTP APIs that no parameter names", goodLines + "  S: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref A, StageName: $default}}\n", "t.yaml:6: API A has the stage $default, which only HTTP APIs have: give --stage NAME"},
		{"several APIs", goodLines + strings.Replace(apiLine, "A:", "B:", 1), "t.yaml:6: has several WebSocket APIs: give --api NAME with one of A, B"},
		{"a hundred APIs", manyAPIs(100), "t.yaml:3: has several WebSocket APIs: give --api NAME with one of A0, A1, A2, A3, A4, A5, A6, A7 and 92 more"},
		{"several stages", goodLines + "  S: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref A, StageName: one}}\n  T: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref A, StageName: two}}\n", "t.yaml:7: API A has several stages: give --stage NAME with one of one, two"},
		{"a parameter without a value", "Parameters:\n  Key: {Type: String}\n" + with("$default", "!Ref Key"), "t.yaml:2: parameter Key has no default: give --parameter Key=VALUE"},
		{"two parameters without a value", "Parameters:\n  Key: {Type: String}\n  Who: {Type: String}\n" + with("$default", "!Sub \"${Who}${Key}\""), "t.yaml:2: parameters Key, Who have no default: give --parameter Key=VALUE --parameter Who=VALUE"},
		{"a name of itself", with("Handler: a.b", "FunctionName: !Sub \"x-${F}\""), "t.yaml:3: F refers to itself: F → F"},
		{"names of each other", with("Handler: a.b", "FunctionName: !Ref G") + "  G: {Type: AWS::Lambda::Function, Properties: {FunctionName: !Ref F}}\n", "t.yaml:6: F refers to itself: F → G → F"},
		{"a condition of itself", "Conditions:\n  C: !Not [!Condition C]\n" + with("Type: AWS::ApiGatewayV2::Route", "Condition: C, Type: AWS::ApiGatewayV2::Route"), "t.yaml:2: condition C refers to itself: condition C → condition C"},
		{"a string bomb", stringBomb(), "t.yaml:4: the template is too large once it is resolved"},
		{"a parameter bomb", parameterBomb(), "t.yaml:4: the template is too large once it is resolved"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, _, err := readText(c.text, Options{})
			if err == nil || err.Error() != c.want || a != nil {
				t.Errorf("Read: %v, want %s", err, c.want)
			}
			// Nothing has to listen before it is told.
			if a, _, err := readOnly(c.text, Options{}); err == nil || err.Error() != c.want || a != nil {
				t.Errorf("Read alone: %v, want %s", err, c.want)
			}
		})
	}
}

func manyAPIs(n int) string {
	text := "Resources:\n"
	for i := range n {
		text += strings.Replace(apiLine, "A:", fmt.Sprintf("A%d:", i), 1)
	}
	return text
}

// stringBomb is a template that resolves to a hundred times its own size.
func stringBomb() string {
	return "Parameters: {P: {Type: String, Default: " + strings.Repeat("z", 60000) + "}}\n" +
		with("Handler: a.b", "FunctionName: !Join ['', ["+strings.Repeat("!Sub '${P}${P}${P}${P}', ", 40)+"x]]")
}

// parameterBomb gives one long parameter to many variables.
func parameterBomb() string {
	var variables []string
	for c := 'A'; c <= 'Z'; c++ {
		variables = append(variables, string(c)+": !Ref P")
	}
	return "Parameters: {P: {Type: String, Default: " + strings.Repeat("z", 200000) + "}}\n" +
		with("Handler: a.b", "Handler: a.b, Environment: {Variables: {"+strings.Join(variables, ", ")+"}}")
}
