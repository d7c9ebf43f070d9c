package cloudformation

import (
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

// goodRoute is a second route, which always works.
const goodRoute = "  M: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref A, IntegrationType: MOCK}}\n" +
	"  Q: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref A, RouteKey: ping, Target: !Sub \"integrations/${M}\"}}\n"

func serviceURI(rest string) string {
	return with(`AWS_PROXY, IntegrationUri: !Sub "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${F.Arn}/invocations"`, "AWS, IntegrationUri: "+rest)
}

func guarded(authorizer string) string {
	return with("RouteKey: $default", "RouteKey: $connect, AuthorizationType: CUSTOM, AuthorizerId: !Ref Z") +
		"  Z: {Type: AWS::ApiGatewayV2::Authorizer, Properties: {ApiId: !Ref A, Name: guard, " + authorizer + "}}\n"
}

func TestWhatCannotBeRunIsOneLineAndAllElseRuns(t *testing.T) {
	const route, give = "route $default cannot be run here: ", `; give --route "\$default=FUNCTION"`
	const pool = ", a user pool of Cognito: a WebSocket API has REQUEST authorizers only, which are Lambda functions, and AWS refuses it; give --authorizer Z=FUNCTION"
	for _, c := range []struct{ name, text, want string }{
		{"a function of another stack", with("${F.Arn}", "arn:aws:lambda:us-east-1:111122223333:function:missing"), "t.yaml:4: " + route + "function missing is not in the template" + give},
		{"a URI of a function that is not there", with("${F.Arn}", "${G.Arn}"), "t.yaml:4: " + route + "its IntegrationUri is not known here: G is not in the template" + give},
		{"a function of another stack's export", with("${F.Arn}", "${Arn}") + "Parameters: {Arn: {Type: \"AWS::SSM::Parameter::Value<String>\", Default: /shared/arn}}\n", "t.yaml:4: " + route + "its IntegrationUri is not known here: parameter Arn comes from Systems Manager; give --value ssm:/shared/arn=VALUE" + give},
		{"an integration that is not there", with("${I}", "J"), "t.yaml:5: " + route + "its integration cannot be used: J is not in the template" + give},
		{"a target that is no integration", with("${I}", "${F}"), "t.yaml:5: " + route + "its target F is of type AWS::Lambda::Function and not an integration" + give},
		{"a target of another form", with("integrations/", "integration/"), "t.yaml:5: " + route + "its target integration/I is not integrations/ID" + give},
		{"a type that there is not", with("AWS_PROXY", "LAMBDA"), "t.yaml:4: " + route + "its integration has the type LAMBDA, which a WebSocket API does not have" + give},
		{"AWS to a function of another stack", serviceURI(`!Sub "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:111122223333:function:missing/invocations"`), "t.yaml:4: " + route + "function missing is not in the template" + give},
		{"a service that is not known", serviceURI(`!Ref Nowhere`), "t.yaml:4: " + route + "its IntegrationUri is not known here: Nowhere is not in the template" + give},
		{"a service without an action", serviceURI(`"arn:aws:apigateway:us-east-1:kinesis:PutRecord"`), "t.yaml:4: " + route + "its URI arn:aws:apigateway:us-east-1:kinesis:PutRecord is not arn:aws:apigateway:REGION:SERVICE:action/NAME or :path/PATH" + give},
		{"the same route twice", goodLines + strings.Replace(goodLines[strings.Index(goodLines, "  R:"):], "R:", "S:", 1), "t.yaml:6: route $default cannot be run here: it is there already, on line 5, and AWS refuses duplicates"},
		{"an unknown dollar key", goodLines + strings.NewReplacer("R:", "S:", "$default", "$other").Replace(goodLines[strings.Index(goodLines, "  R:"):]), "t.yaml:6: route $other cannot be run here: its key begins with a dollar sign, and AWS takes only $connect, $disconnect and $default"},
		{"an authorizer that is not there", with("RouteKey: $default", "RouteKey: $connect, AuthorizationType: CUSTOM, AuthorizerId: nobody"), "t.yaml:5: authorizer nobody cannot be run here: nobody is not an authorizer of this API in the template; give --authorizer nobody=FUNCTION"},
		{"an authorizer of another stack", with("RouteKey: $default", "RouteKey: $connect, AuthorizationType: CUSTOM, AuthorizerId: !ImportValue guard"), "t.yaml:5: authorizer RAuthorizer cannot be run here: its AuthorizerId is not known here: Fn::ImportValue takes it from another stack; give --value import:guard=VALUE; give --authorizer RAuthorizer=FUNCTION"},
		{"an authorizer's function of another stack", guarded("AuthorizerType: REQUEST, AuthorizerUri: gone"), "t.yaml:6: authorizer Z cannot be run here: function gone is not in the template; give --authorizer Z=FUNCTION"},
		{"an authorizer without a function", guarded("AuthorizerType: REQUEST"), "t.yaml:6: authorizer Z cannot be run here: it has no AuthorizerUri; give --authorizer Z=FUNCTION"},
		{"a user pool by its ARN", guarded("AuthorizerType: REQUEST, AuthorizerUri: \"arn:aws:cognito-idp:us-east-1:111122223333:userpool/us-east-1_a\""), "t.yaml:6: authorizer Z cannot be run here: its function is arn:aws:cognito-idp:us-east-1:111122223333:userpool/us-east-1_a" + pool},
		{"a user pool of the template", guarded("AuthorizerType: REQUEST, AuthorizerUri: !GetAtt Pool.Arn") + "  Pool: {Type: AWS::Cognito::UserPool}\n", "t.yaml:6: authorizer Z cannot be run here: its function is Pool" + pool},
		{"an authorizer of JWT", guarded("AuthorizerType: JWT, JwtConfiguration: {Audience: [a]}"), "t.yaml:6: authorizer Z cannot be run here: it is of type JWT, which only HTTP APIs have: a WebSocket API has REQUEST authorizers only, which are Lambda functions; give --authorizer Z=FUNCTION"},
		{"a function of another runtime", with("Runtime: nodejs22.x", "Runtime: java21"), `t.yaml:3: function F, which route $default needs, cannot be run here: its runtime is java21, and only nodejs, python, provided and go1.x are run; run 'sam local start-lambda --port 3002' and give --function "F=lambda:http://127.0.0.1:3002#F"`},
		{"code in a bucket", with("Code: .", "Code: {S3Bucket: b, S3Key: k}"), "t.yaml:3: function F, which route $default needs, cannot be run here: its code is in a bucket, not on this machine; give --function F=FOLDER with its code"},
		{"code that is not known", with("Code: .", "Code: !ImportValue code"), "t.yaml:3: function F, which route $default needs, cannot be run here: where its code is is not known here: Fn::ImportValue takes it from another stack; give --value import:code=VALUE; give --function F=FOLDER with its code"},
		{"a table without a key", goodLines + "  T: {Type: AWS::DynamoDB::Table, Properties: {}}\n", "t.yaml:6: table T cannot be run here: it has no KeySchema"},
		{"a table whose index has an unknown attribute", goodLines + "  T: {Type: AWS::DynamoDB::Table, Properties: {AttributeDefinitions: [{AttributeName: a, AttributeType: S}], KeySchema: [{AttributeName: a, KeyType: HASH}], GlobalSecondaryIndexes: [{IndexName: i, KeySchema: [{AttributeName: b, KeyType: HASH}]}]}}\n", "t.yaml:6: table T cannot be run here: AttributeDefinitions do not have its key b, and AWS refuses it"},
		{"a route of SAM without a function", "Transform: AWS::Serverless-2016-10-31\nResources:\n" + apiLine + "  W:\n    Type: AWS::Serverless::WebSocketApi\n    Properties:\n      RouteSelectionExpression: $request.body.action\n      Routes:\n        $connect: {}\n", "t.yaml:9: route $connect cannot be run here: its IntegrationUri is not known here: route $connect has no FunctionArn; give --route \"\\$connect=FUNCTION\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, o := c.text, Options{API: "A"}
			if strings.Contains(text, "  W:") {
				o.API = "W"
			} else {
				text = strings.Replace(text, "Resources:\n", "Resources:\n"+goodRoute, 1)
				c.want = moved(c.want, 2)
			}
			a, notes, err := readText(text, o)
			if err != nil {
				t.Fatal(err)
			}
			var stops []string
			for _, n := range notes {
				if n.Severity == app.Stops {
					stops = append(stops, n.String())
				}
			}
			if len(stops) != 1 || stops[0] != c.want || notes[0].Severity != app.Stops {
				t.Errorf("what stops is\n%s\nwant\n%s", strings.Join(stops, "\n"), c.want)
			}
			for _, r := range a.APIs[0].Routes {
				if why := a.RouteUnrunnable(&r); r.Key == "ping" && why != nil {
					t.Errorf("the other route cannot be run: %s", why)
				}
			}
		})
	}
}

// moved is a message about t.yaml some lines further down, with the lines that it
// names.
func moved(s string, by byte) string {
	for _, before := range []string{"t.yaml:", "on line "} {
		if i := strings.Index(s, before); i >= 0 {
			i += len(before)
			s = s[:i] + string(s[i]+by) + s[i+1:]
		}
	}
	return s
}

func TestAStandInTakesThePlaceOfWhatCannotBeRun(t *testing.T) {
	text := with("RouteKey: $default", "RouteKey: $connect, AuthorizationType: CUSTOM, AuthorizerId: !Ref Z") +
		strings.ReplaceAll(goodRoute, "MOCK", "AWS") +
		"  Z: {Type: AWS::ApiGatewayV2::Authorizer, Properties: {ApiId: !Ref A, Name: guard, AuthorizerType: REQUEST, AuthorizerUri: gone}}\n"
	text = strings.ReplaceAll(text, "nodejs22.x", "java21")
	in := app.StandIns{Routes: map[string]string{"ping": "mock:pong"}, Authorizers: map[string]string{"guard": "./guard"}, Functions: map[string]string{"F": "./hub"}}
	a, notes, err := readText(text, Options{StandIns: in})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notes {
		if n.Severity == app.Stops {
			t.Errorf("with stand-ins there is still %s", n)
		}
	}
	api := a.APIs[0]
	if api.Routes[1].StandIn != "mock:pong" || api.Authorizers[0].StandIn != "./guard" || a.Functions[0].StandIn != "./hub" || a.Functions[0].Launch != nil {
		t.Errorf("routes %+v, authorizers %+v, functions %+v, want the stand-ins", api.Routes, api.Authorizers, a.Functions)
	}
	folder := t.TempDir()
	in.Functions["F"] = folder
	if a, _, err = readText(strings.ReplaceAll(text, "java21", "python3.13"), Options{StandIns: in}); err != nil || a.Functions[0].StandIn != "" || a.Functions[0].Launch == nil || a.Functions[0].Launch.Path != folder {
		t.Errorf("with a folder the function is %+v, %v, want its code there", a.Functions[0], err)
	}
	for _, c := range []struct {
		in   app.StandIns
		want string
	}{
		{app.StandIns{Routes: map[string]string{"pong": "x"}}, "t.yaml: has no route pong, for which --route is given: did you mean ping?"},
		{app.StandIns{Authorizers: map[string]string{"gaurd": "x"}}, "t.yaml: has no authorizer gaurd, for which --authorizer is given: did you mean guard?"},
		{app.StandIns{Functions: map[string]string{"Chat": "x"}}, "t.yaml: has no function Chat, for which --function is given: it has F"},
	} {
		if _, _, err := readText(text, Options{StandIns: c.in}); err == nil || err.Error() != c.want {
			t.Errorf("%+v: %v, want %s", c.in, err, c.want)
		}
	}
}

func TestTenRoutesOfWhichThreeCannotBeRun(t *testing.T) {
	var b strings.Builder
	b.WriteString("Resources:\n" + apiLine)
	for i, properties := range []string{
		"Runtime: nodejs22.x, Handler: a.b, Code: .", "Runtime: java21, Handler: a.B, Code: .", "PackageType: Image, Code: {ImageUri: jar}",
		"Runtime: python3.13, Handler: a.b, Code: .",
	} {
		id := string(rune('1' + i))
		b.WriteString("  F" + id + ": {Type: AWS::Lambda::Function, Properties: {" + properties + "}}\n" +
			"  I" + id + ": {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref A, CredentialsArn: x, IntegrationType: AWS_PROXY, IntegrationUri: !Sub \"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${F" + id + ".Arn}/invocations\"}}\n")
	}
	b.WriteString("  I5: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref A, IntegrationType: AWS, IntegrationUri: !ImportValue stream}}\n")
	for i, target := range []string{"1", "1", "4", "4", "2", "3", "5", "1", "4", "1"} {
		key := "k" + string(rune('0'+i))
		b.WriteString("  R" + key + ": {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref A, RouteKey: " + key + ", Target: !Sub \"integrations/${I" + target + "}\"}}\n")
	}
	a, notes, err := readText(b.String(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	runs, stops := 0, 0
	for _, r := range a.APIs[0].Routes {
		if a.RouteUnrunnable(&r) == nil {
			runs++
		}
	}
	for _, n := range notes {
		if n.Severity == app.Stops {
			stops++
		}
	}
	if runs != 7 || stops != 3 {
		t.Errorf("%d routes run and %d lines stop, want 7 and 3: %v", runs, stops, notes)
	}
}
