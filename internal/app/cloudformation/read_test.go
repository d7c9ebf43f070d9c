package cloudformation

import (
	"os"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
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

// readOnly is Read of a text, as the file t.yaml.
func readOnly(text string, o Options) (*app.App, []app.Note, error) {
	reading := document.NewReading("t.yaml")
	root, err := document.Parse("t.yaml", []byte(text), reading)
	if err != nil {
		return nil, nil, err
	}
	return Read(root, reading, o)
}

// readText reads a text in both steps, with no names.
func readText(text string, o Options) (*app.App, []app.Note, error) {
	a, notes, err := readOnly(text, o)
	if err != nil {
		return a, notes, err
	}
	return a.Resolve(app.Names{})
}

func TestStageAndAPIAreFoundByNameOrListed(t *testing.T) {
	data, err := os.ReadFile("../template/testdata/several.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ a, stage, want string }{
		{"", "", "t.yaml:6: has several WebSocket APIs: give --api NAME with one of News (news), Games (games)"},
		{"chess", "", "t.yaml: has no WebSocket API chess: give --api NAME with one of News (news), Games (games)"},
		{"Games", "", "t.yaml:44: API Games has several stages: give --stage NAME with one of blue, green"},
		{"Games", "red", "t.yaml:41: API Games has no stage red: give --stage NAME with one of blue, green"},
		{"news", "", ""},
		{"Games", "Blue", ""},
	} {
		a, _, err := readText(string(data), Options{API: c.a, Stage: c.stage})
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("--api %q --stage %q: %v, want %s", c.a, c.stage, got, c.want)
		}
		if err == nil && len(a.APIs[0].Routes) != 1 {
			t.Errorf("--api %q --stage %q: routes %v, want one", c.a, c.stage, a.APIs[0].Routes)
		}
	}
}

func TestAStageThatAParameterNamesIsAskedForByTheParameter(t *testing.T) {
	text := "Parameters: {Env: {Type: String, Default: dev}}\n" + goodLines + "  S: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref A, StageName: !Ref Env}}\n"
	_, _, err := readText(text, Options{Stage: "prod"})
	const want = "t.yaml:7: API A has no stage prod: give --stage NAME with one of dev, or --parameter Env=prod"
	if err == nil || err.Error() != want {
		t.Errorf("--stage prod: %v, want %s", err, want)
	}
	a, notes, err := readText(text, Options{Parameters: map[string]string{"Env": "prod"}})
	if err != nil || a.APIs[0].Stage != "prod" || len(notes) > 0 {
		t.Errorf("--parameter Env=prod: %v, %v, notes %v, want stage prod", a, err, notes)
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
		_, _, err := readText(text, Options{Parameters: map[string]string{c.name: c.given}})
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s=%s: %q, want %q", c.name, c.given, got, c.want)
		}
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
		a, notes, err := readText(with("Handler: a.b", "Handler: a.b, Environment: {Variables: {V: "+c.given+"}}"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Functions[0].Env["V"]; got != c.want {
			t.Errorf("%s is %q (%v), want %q", c.given, got, notes, c.want)
		}
	}
}
