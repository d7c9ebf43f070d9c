package cloudformation

import (
	"strings"
	"testing"
)

func TestAMistakeIsNamedWhereItIs(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a route to a function that is not there", with("${F.Arn}", "arn:aws:lambda:us-east-1:111122223333:function:missing"), "t.yaml:4: route $default cannot be run: function missing is not in the template"},
		{"a URI of a function that is not there", with("${F.Arn}", "${G.Arn}"), "t.yaml:4: IntegrationUri of integration I is not known here: G is not in the template"},
		{"a route to an integration that is not there", with("${I}", "J"), "t.yaml:5: route $default has an integration that cannot be used: J is not in the template"},
		{"a target that is no integration", with("${I}", "${F}"), "t.yaml:5: route $default has target F, which is of type AWS::Lambda::Function and not an integration"},
		{"a target of another form", with("integrations/", "integration/"), "t.yaml:5: route $default has target integration/I, which is not integrations/ID"},
		{"no WebSocket API", with("WEBSOCKET", "HTTP"), "t.yaml: has no WebSocket API: nothing of type AWS::ApiGatewayV2::Api with ProtocolType WEBSOCKET, no AWS::Serverless::WebSocketApi and no websocket event"},
		{"no routes", "Resources:\n" + apiLine, "t.yaml:2: API A has no routes"},
		{"no route selection", with("RouteSelectionExpression: $request.body.action", "Name: x"), "t.yaml:2: API A has no RouteSelectionExpression, which a WebSocket API needs, such as $request.body.action"},
		{"the same route twice", goodLines + strings.Replace(goodLines[strings.Index(goodLines, "  R:"):], "R:", "S:", 1), "t.yaml:6: route $default is there already, on line 5"},
		{"an unknown dollar key", with("$default", "$other"), "t.yaml:5: route key $other begins with a dollar sign: only $connect, $disconnect and $default may"},
		{"several APIs", goodLines + strings.Replace(apiLine, "A:", "B:", 1), "t.yaml:6: has several WebSocket APIs: give --api NAME with one of A, B"},
		{"several stages", goodLines + "  S: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref A, StageName: one}}\n  T: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref A, StageName: two}}\n", "t.yaml:7: API A has several stages: give --stage NAME with one of one, two"},
		{"a parameter without a value", "Parameters:\n  Key: {Type: String}\n" + with("$default", "!Ref Key"), "t.yaml:2: parameter Key has no default: give --parameter Key=VALUE"},
		{"two parameters without a value", "Parameters:\n  Key: {Type: String}\n  Who: {Type: String}\n" + with("$default", "!Sub \"${Who}${Key}\""), "t.yaml:2: parameters Key, Who have no default: give --parameter Key=VALUE --parameter Who=VALUE"},
		{"an authorizer that is not there", with("RouteKey: $default", "RouteKey: $connect, AuthorizationType: CUSTOM, AuthorizerId: nobody"), "t.yaml:5: route $connect has authorizer nobody, which is not one of this API in the template"},
		{"an authorizer without its function", goodLines + "  Z: {Type: AWS::ApiGatewayV2::Authorizer, Properties: {ApiId: !Ref A, AuthorizerType: REQUEST, AuthorizerUri: gone}}\n", "t.yaml:6: authorizer Z cannot be run: function gone is not in the template"},
		{"a name of itself", with("Handler: a.b", "FunctionName: !Sub \"x-${F}\""), "t.yaml:3: F refers to itself: F → F"},
		{"names of each other", with("Handler: a.b", "FunctionName: !Ref G") + "  G: {Type: AWS::Lambda::Function, Properties: {FunctionName: !Ref F}}\n", "t.yaml:6: F refers to itself: F → G → F"},
		{"a condition of itself", "Conditions:\n  C: !Not [!Condition C]\n" + with("Type: AWS::ApiGatewayV2::Route", "Condition: C, Type: AWS::ApiGatewayV2::Route"), "t.yaml:2: condition C refers to itself: condition C → condition C"},
		{"an integration of no type there is", with("AWS_PROXY", "LAMBDA"), "t.yaml:4: integration I has type LAMBDA, which a WebSocket API does not have"},
		{"a string bomb", stringBomb(), "t.yaml:4: the template is too large once it is resolved"},
		{"a parameter bomb", parameterBomb(), "t.yaml:4: the template is too large once it is resolved"},
		{"a route of SAM without a function", "Transform: AWS::Serverless-2016-10-31\nResources:\n  A:\n    Type: AWS::Serverless::WebSocketApi\n    Properties:\n      RouteSelectionExpression: $request.body.action\n      Routes:\n        $connect: {}\n", "t.yaml:8: IntegrationUri of integration AconnectIntegration is not known here: route $connect has no FunctionArn"},
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
