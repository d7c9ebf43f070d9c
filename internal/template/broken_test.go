package template

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A minimal API, to be broken.
const (
	apiLine   = "  A: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}\n"
	goodLines = "Resources:\n" + apiLine +
		"  F: {Type: AWS::Lambda::Function, Properties: {Handler: a.b, Runtime: nodejs22.x, Code: .}}\n" +
		"  I: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref A, CredentialsArn: x, IntegrationType: AWS_PROXY, IntegrationUri: !Sub \"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${F.Arn}/invocations\"}}\n" +
		"  R: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref A, RouteKey: $default, Target: !Sub \"integrations/${I}\"}}\n"
)

// with puts one text for another in the minimal API.
func with(old, now string) string { return strings.ReplaceAll(goodLines, old, now) }

func readText(t *testing.T, name, text string, o *Options) (*API, []Note, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Read(name, o)
}

func TestAMistakeIsNamedWhereItIs(t *testing.T) {
	for _, c := range []struct {
		name, file, text, want string
	}{
		{"a route to a function that is not there", "", with("${F.Arn}", "arn:aws:lambda:us-east-1:111122223333:function:missing"), "t.yaml:4: route $default cannot be run: function missing is not in the template"},
		{"a URI of a function that is not there", "", with("${F.Arn}", "${G.Arn}"), "t.yaml:4: IntegrationUri of integration I is not known here: G is not in the template"},
		{"a route to an integration that is not there", "", with("${I}", "J"), "t.yaml:5: route $default has an integration that cannot be used: J is not in the template"},
		{"a target that is no integration", "", with("${I}", "${F}"), "t.yaml:5: route $default has target F, which is of type AWS::Lambda::Function and not an integration"},
		{"a target of another form", "", with("integrations/", "integration/"), "t.yaml:5: route $default has target integration/I, which is not integrations/ID"},
		{"no WebSocket API", "", with("WEBSOCKET", "HTTP"), "t.yaml: has no WebSocket API: nothing of type AWS::ApiGatewayV2::Api with ProtocolType WEBSOCKET, no AWS::Serverless::WebSocketApi and no websocket event"},
		{"no routes", "", "Resources:\n" + apiLine, "t.yaml:2: API A has no routes"},
		{"no route selection", "", with("RouteSelectionExpression: $request.body.action", "Name: x"), "t.yaml:2: API A has no RouteSelectionExpression, which a WebSocket API needs, such as $request.body.action"},
		{"the same route twice", "", goodLines + strings.Replace(goodLines[strings.Index(goodLines, "  R:"):], "R:", "S:", 1), "t.yaml:6: route $default is there already, on line 5"},
		{"an unknown dollar key", "", with("$default", "$other"), "t.yaml:5: route key $other begins with a dollar sign: only $connect, $disconnect and $default may"},
		{"several APIs", "", goodLines + strings.Replace(apiLine, "A:", "B:", 1), "t.yaml:6: has several WebSocket APIs: give --api NAME with one of A, B"},
		{"several stages", "", goodLines + "  S: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref A, StageName: one}}\n  T: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref A, StageName: two}}\n", "t.yaml:7: API A has several stages: give --stage NAME with one of one, two"},
		{"a parameter without a value", "", "Parameters:\n  Key: {Type: String}\n" + with("$default", "!Ref Key"), "t.yaml:2: parameter Key has no default: give --parameter Key=VALUE"},
		{"two parameters without a value", "", "Parameters:\n  Key: {Type: String}\n  Who: {Type: String}\n" + with("$default", "!Sub \"${Who}${Key}\""), "t.yaml:2: parameters Key, Who have no default: give --parameter Key=VALUE --parameter Who=VALUE"},
		{"an authorizer that is not there", "", with("RouteKey: $default", "RouteKey: $connect, AuthorizationType: CUSTOM, AuthorizerId: nobody"), "t.yaml:5: route $connect has authorizer nobody, which is not one of this API in the template"},
		{"an authorizer without its function", "", goodLines + "  Z: {Type: AWS::ApiGatewayV2::Authorizer, Properties: {ApiId: !Ref A, AuthorizerType: REQUEST, AuthorizerUri: gone}}\n", "t.yaml:6: authorizer Z cannot be run: function gone is not in the template"},
		{"a name of itself", "", with("Handler: a.b", "FunctionName: !Sub \"x-${F}\""), "t.yaml:3: F refers to itself: F → F"},
		{"names of each other", "", with("Handler: a.b", "FunctionName: !Ref G") + "  G: {Type: AWS::Lambda::Function, Properties: {FunctionName: !Ref F}}\n", "t.yaml:6: F refers to itself: F → G → F"},
		{"a condition of itself", "", "Conditions:\n  C: !Not [!Condition C]\n" + with("Type: AWS::ApiGatewayV2::Route", "Condition: C, Type: AWS::ApiGatewayV2::Route"), "t.yaml:2: condition C refers to itself: condition C → condition C"},
		{"an integration of no type there is", "", with("AWS_PROXY", "LAMBDA"), "t.yaml:4: integration I has type LAMBDA, which a WebSocket API does not have"},
		{"neither YAML nor JSON", "", "Resources:\n  A: [\n", "t.yaml:2: is neither YAML nor JSON: did not find expected node content"},
		{"nothing", "", "", "t.yaml:1: is empty"},
		{"no template", "", "a: b\n", "t.yaml:1: is not a template: it has neither Resources, as CloudFormation and SAM have, nor a provider, as serverless.yml has"},
		{"a list", "", "- a\n", "t.yaml:1: is not a template: it has no Resources and no functions"},
		{"an alias that contains itself", "", "Resources: &r\n  A: *r\n", "t.yaml:2: is nested deeper than 100 levels, or an alias contains itself"},
		{"an alias bomb", "", bomb(), "t.yaml:1: has more than 100000 values once its aliases are followed"},
		{"a string bomb", "", stringBomb(), "t.yaml:4: the template is too large once it is resolved"},
		{"a parameter bomb", "", parameterBomb(), "t.yaml:4: the template is too large once it is resolved"},
		{"a program", "serverless.ts", "export default {}", "serverless.ts: is a program, which is never run here: give the template that it makes, such as cdk.out/NAME.template.json"},

		{"a service of another provider", "serverless.yml", "service: a\nprovider: {name: google}\n", `serverless.yml:2: is for provider "google": only aws has WebSocket APIs of API Gateway`},
		{"a variable of itself", "serverless.yml", "service: ${self:custom.a}\nprovider: aws\ncustom:\n  a: x${self:custom.b}\n  b: ${self:custom.a}\n", "serverless.yml:5: variable ${self:custom.a} refers to itself: ${self:custom.a} → ${self:custom.b} → ${self:custom.a}"},
		{"a variable that contains itself", "serverless.yml", "service: a\nprovider: aws\ncustom: {a: {b: \"${self:custom}\"}}\nfunctions: ${self:custom}\n", "serverless.yml:3: variable ${self:custom} refers to itself: ${self:custom} → ${self:custom}"},
		{"functions that cannot be known", "serverless.yml", "service: a\nprovider: aws\nfunctions: ${file(f.js)}\n", "serverless.yml:3: functions cannot be read: file(f.js) is a program, which is never run here"},
		{"functions outside", "serverless.yml", "service: a\nprovider: aws\nfunctions: ${file(../f.yml)}\n", "serverless.yml:3: functions cannot be read: file(../f.yml) is outside the directory of the template and is not read"},
		{"an event without a route", "serverless.yml", "service: a\nprovider: aws\nfunctions:\n  f:\n    handler: a.b\n    events:\n      - websocket: {}\n", "serverless.yml:7: a websocket event of function f has no route: write websocket: $connect or route: $connect"},
		{"a route from a variable that is not set", "serverless.yml", "service: a\nprovider: aws\nfunctions:\n  f:\n    handler: a.b\n    events:\n      - websocket: ${env:ROUTE}\n", "serverless.yml:7: a websocket event of function f has no route: environment variable ROUTE is not set"},
		{"an authorizer that is not in the service", "serverless.yml", "service: a\nprovider: {name: aws, runtime: nodejs22.x}\nfunctions:\n  f:\n    handler: a.b\n    events:\n      - websocket: {route: $connect, authorizer: guard}\n", "serverless.yml:7: AuthorizerUri of authorizer GuardWebsocketsAuthorizer is not known here: function guard is not in the service"},
		{"no websocket event", "serverless.yml", "service: a\nprovider: aws\nfunctions: {f: {handler: a.b}}\n", "serverless.yml: has no WebSocket API: nothing of type AWS::ApiGatewayV2::Api with ProtocolType WEBSOCKET, no AWS::Serverless::WebSocketApi and no websocket event"},

		{"a route of SAM without a function", "", "Transform: AWS::Serverless-2016-10-31\nResources:\n  A:\n    Type: AWS::Serverless::WebSocketApi\n    Properties:\n      RouteSelectionExpression: $request.body.action\n      Routes:\n        $connect: {}\n", "t.yaml:8: IntegrationUri of integration AconnectIntegration is not known here: route $connect has no FunctionArn"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.file == "" {
				c.file = "t.yaml"
			}
			api, _, err := readText(t, c.file, c.text, nil)
			if err == nil || err.Error() != c.want || api != nil {
				t.Errorf("Read: %v, want %s", err, c.want)
			}
		})
	}
}

// bomb is a file of a few lines that means a thousand million values.
func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 9; i++ {
		p := "*a" + string(rune('0'+i-1))
		b.WriteString("a" + string(rune('0'+i)) + ": &a" + string(rune('0'+i)) + " [" + strings.Repeat(p+", ", 9) + p + "]\n")
	}
	return b.String()
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

func TestAStageThatAParameterNamesIsAskedForByTheParameter(t *testing.T) {
	text := "Parameters: {Env: {Type: String, Default: dev}}\n" + goodLines + "  S: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref A, StageName: !Ref Env}}\n"
	_, _, err := readText(t, "t.yaml", text, &Options{Stage: "prod"})
	const want = "t.yaml:7: API A has no stage prod: give --stage NAME with one of dev, or --parameter Env=prod"
	if err == nil || err.Error() != want {
		t.Errorf("--stage prod: %v, want %s", err, want)
	}
	api, notes, err := readText(t, "t.yaml", text, &Options{Parameters: map[string]string{"Env": "prod", "Other": "x"}})
	if err != nil || api.Stage != "prod" {
		t.Errorf("--parameter Env=prod: %v, %v, want stage prod", api, err)
	}
	if len(notes) != 1 || notes[0].String() != "t.yaml: parameter Other is given, but the template has none of that name" {
		t.Errorf("notes %v, want one of parameter Other", notes)
	}
}

func TestWithoutOptionsAddressesStay(t *testing.T) {
	text := with("Handler: a.b", `Handler: a.b, Environment: {Variables: {AT: !Sub "https://${A}.execute-api.us-east-1.amazonaws.com/dev"}}`)
	api, notes, err := readText(t, "t.yaml", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := api.Functions[0].Env["AT"]; got != "https://local.execute-api.us-east-1.amazonaws.com/dev" {
		t.Errorf("AT is %q, want it as on AWS", got)
	}
	if api.Stage != "dev" || len(notes) != 2 || notes[0].Severity != Info || notes[1].Text != "variable AT of F is the address of the API on AWS and stays" {
		t.Errorf("stage %q and notes %v, want dev and two notes", api.Stage, notes)
	}
}

func TestValuesAreThoseOfCloudFormation(t *testing.T) {
	for _, c := range []struct{ given, want string }{
		{"True", "true"},
		{"1e3", "1e3"},
		{"007", "007"},
		{"2026-10-31", "2026-10-31"},
		{"!Sub '${AWS::StackId}'", "arn:aws:cloudformation:us-east-1:000000000000:stack/local/00000000-0000-0000-0000-000000000000"},
		{"!Base64 hello", "aGVsbG8="},
		{"{'Fn::Length': [a, b]}", "2"},
		{"!Select ['1', [a, !Ref 'AWS::Region']]", "us-east-1"},
		{"!FindInMap [M, none, none, {DefaultValue: d}]", "d"},
		{"!GetAtt A.ApiId", "local"},
		{"{'Fn::GetAtt': [F, Arn]}", "arn:aws:lambda:us-east-1:000000000000:function:F"},
		{"!Equals [a, a]", "true"},
		{"!Join [',', [a, !Ref 'AWS::NoValue', b]]", "a,b"},
		{"!Sub 'a ${ b } $${c}'", ""},
		{"!Sub '$ {a} $${!c}'", "$ {a} $${c}"},
	} {
		api, notes, err := readText(t, "t.yaml", with("Handler: a.b", "Handler: a.b, Environment: {Variables: {V: "+c.given+"}}"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := api.Functions[0].Env["V"]; got != c.want {
			t.Errorf("%s is %q (%v), want %q", c.given, got, notes, c.want)
		}
	}
}

func TestAFileThatIsNotPlainIsRefused(t *testing.T) {
	dir := t.TempDir()
	_, _, err := Read(dir, nil)
	if err == nil || !strings.HasSuffix(err.Error(), ": is a folder: name the file of the template in it") {
		t.Errorf("Read of a folder: %v", err)
	}
	inside := filepath.Join(dir, "serverless.yml")
	if err := os.WriteFile(inside, []byte("service: a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Read(dir, nil); err == nil || !strings.HasSuffix(err.Error(), ": is a folder: name the file in it, "+inside) {
		t.Errorf("Read of a folder with a template: %v", err)
	}
	if _, _, err := Read(os.DevNull, nil); err == nil || !strings.HasSuffix(err.Error(), ": is not a plain file") {
		t.Errorf("Read of a device: %v", err)
	}
	if _, _, err := Read(filepath.Join(t.TempDir(), "none.yaml"), nil); !os.IsNotExist(err) {
		t.Errorf("Read of no file: %v, want that it does not exist", err)
	}
}

func TestAParameterHasOneOfTheValuesThatTheTemplateAllows(t *testing.T) {
	const text = `Parameters:
  Name: {Type: String, Default: prod, AllowedValues: [prod, beta]}
  Some: {Type: CommaDelimitedList, Default: a, AllowedValues: [a, b]}
Resources:
  Api: {Type: "AWS::ApiGatewayV2::Api", Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}
`
	for _, c := range []struct{ name, given, want string }{
		{"Name", "beta", "t.yaml:5: API Api has no routes"},
		{"Name", "gamma", "t.yaml:2: parameter Name may not be gamma: give --parameter Name=VALUE with one of prod, beta"},
		{"Some", "b, a", "t.yaml:5: API Api has no routes"},
		{"Some", "a,c", "t.yaml:3: parameter Some may not be c: give --parameter Some=VALUE with one of a, b"},
	} {
		_, _, err := readText(t, "t.yaml", text, &Options{Parameters: map[string]string{c.name: c.given}})
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s=%s: %q, want %q", c.name, c.given, got, c.want)
		}
	}
}

func TestALinkOutOfTheDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret.yml")
	if err := os.WriteFile(secret, []byte("a: b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(dir, "inside.yml")); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	file := filepath.Join(dir, "serverless.yml")
	if err := os.WriteFile(file, []byte("service: a\nprovider: aws\nfunctions: ${file(inside.yml)}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := Read(file, nil)
	if err == nil || !strings.HasSuffix(err.Error(), "file(inside.yml) is outside the directory of the template and is not read") {
		t.Errorf("Read through a link: %v", err)
	}
}

func TestStageAndAPIAreFoundByNameOrListed(t *testing.T) {
	data, err := os.ReadFile("testdata/several.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ api, stage, want string }{
		{"", "", "t.yaml:6: has several WebSocket APIs: give --api NAME with one of News (news), Games (games)"},
		{"chess", "", "t.yaml: has no WebSocket API chess: give --api NAME with one of News (news), Games (games)"},
		{"Games", "", "t.yaml:44: API Games has several stages: give --stage NAME with one of blue, green"},
		{"Games", "red", "t.yaml:41: API Games has no stage red: give --stage NAME with one of blue, green"},
		{"news", "", ""},
		{"Games", "Blue", ""},
	} {
		api, _, err := readText(t, "t.yaml", string(data), &Options{API: c.api, Stage: c.stage})
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("--api %q --stage %q: %v, want %s", c.api, c.stage, got, c.want)
		}
		if err == nil && len(api.Routes) != 1 {
			t.Errorf("--api %q --stage %q: routes %v, want one", c.api, c.stage, api.Routes)
		}
	}
}
