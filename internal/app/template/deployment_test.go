package template

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app/document"
)

const placed = `Transform: AWS::Serverless-2016-10-31
Parameters: {Table: {Type: String, Default: people}, Word: {Type: String, Default: none}}
Resources:
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}
  Fn: {Type: AWS::Serverless::Function, Properties: {Runtime: nodejs22.x, Handler: a.b, CodeUri: ., Environment: {Variables: {V: !Sub "${AWS::Region} ${AWS::AccountId} ${AWS::StackName} ${Table} ${Word}"}}}}
  In: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref Api, CredentialsArn: x, IntegrationType: AWS_PROXY, IntegrationUri: !Sub "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Fn.Arn}/invocations"}}
  Default: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: $default, Target: !Sub "integrations/${In}"}}
`

func TestTheFileNextToATemplateSaysWhereItIsDeployed(t *testing.T) {
	const none = "us-east-1 000000000000 local people none"
	for _, c := range []struct {
		name, template string
		files          map[string]string
		o              *Options
		want, note     string
	}{
		{"no file", "template.yaml", nil, nil, none, ""},
		{"samconfig.toml", "template.yaml", map[string]string{"samconfig.toml": "version = 0.1\n[default.deploy.parameters]\nstack_name = \"chat\"\nregion = \"eu-west-1\"\nparameter_overrides = \"Table=\\\"a b\\\" Word='x=y' Elsewhere=z\"\n"}, nil, "eu-west-1 000000000000 chat a b x=y", "samconfig.toml: gives the region, the stack's name and parameters, as far as flags do not"},
		{"a list, and all commands", "template.yaml", map[string]string{"samconfig.toml": "[default.global.parameters]\nregion = \"eu-west-2\"\nstack_name = \"chat\"\n[default.deploy.parameters]\nregion = \"eu-west-3\"\nparameter_overrides = [\"Table=a\", \"ParameterKey=Word,ParameterValue=b\"]\n"}, nil, "eu-west-3 000000000000 chat a b", ""},
		{"another environment", "template.yaml", map[string]string{"samconfig.toml": "[prod.deploy.parameters]\nregion = \"eu-west-1\"\n"}, nil, none, ""},
		{"another template", "template.yaml", map[string]string{"samconfig.toml": "[default.deploy.parameters]\ntemplate_file = \"other.yaml\"\nregion = \"eu-west-1\"\n"}, nil, none, "samconfig.toml: is not used: it is of the template other.yaml"},
		{"this template", "template.yaml", map[string]string{"samconfig.toml": "[default.deploy.parameters]\ntemplate_file = \"./template.yaml\"\nregion = \"eu-west-1\"\n"}, nil, "eu-west-1 000000000000 local people none", ""},
		{"YAML", "template.yaml", map[string]string{"samconfig.yaml": "default:\n  deploy:\n    parameters:\n      region: eu-west-1\n      parameter_overrides: {Table: a, Word: [b, c]}\n"}, nil, "eu-west-1 000000000000 local a b,c", ""},
		{"TOML before YAML", "template.yaml", map[string]string{"samconfig.toml": "[default.deploy.parameters]\nregion = \"eu-west-1\"\n", "samconfig.yaml": "default: {deploy: {parameters: {region: eu-west-2}}}\n"}, nil, "eu-west-1 000000000000 local people none", ""},
		{"the template of sam build", ".aws-sam/build/template.yaml", map[string]string{"samconfig.toml": "[default.deploy.parameters]\nregion = \"eu-west-1\"\n"}, nil, "eu-west-1 000000000000 local people none", ""},
		{"flags before the file", "template.yaml", map[string]string{"samconfig.toml": "[default.deploy.parameters]\nregion = \"eu-west-1\"\nparameter_overrides = \"Table=a Word=b\"\n"}, &Options{Region: "us-west-2", Account: "111122223333", Parameters: map[string]string{"Word": "c"}}, "us-west-2 111122223333 local a c", ""},
		{"no TOML", "template.yaml", map[string]string{"samconfig.toml": "[default\n"}, nil, none, "samconfig.toml:2: is not read: is not TOML: expected"},
		{"CDK", "cdk.out/Chat.template.json", map[string]string{"cdk.out/manifest.json": `{"artifacts": {"Other": {"type": "aws:cloudformation:stack", "environment": "aws://111122223333/eu-west-2", "properties": {"templateFile": "Other.template.json"}}, "Chat": {"type": "aws:cloudformation:stack", "environment": "aws://444455556666/ap-south-1", "properties": {"templateFile": "Chat.template.json", "stackName": "chat-prod"}}}}`}, nil, "ap-south-1 444455556666 chat-prod people none", ""},
		{"CDK without an environment", "cdk.out/Chat.template.json", map[string]string{"cdk.out/manifest.json": `{"artifacts": {"Chat": {"type": "aws:cloudformation:stack", "environment": "aws://unknown-account/unknown-region", "properties": {"templateFile": "Chat.template.json"}}}}`}, nil, "us-east-1 000000000000 Chat people none", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			files := map[string]string{c.template: placed}
			for name, text := range c.files {
				files[name] = text
			}
			for name, text := range files {
				if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			a, notes, err := readHere(c.template, c.o)
			if err != nil {
				t.Fatal(err)
			}
			got := a.Functions[0].Env["V"]
			if got != c.want || !strings.HasPrefix(got, a.Region+" "+a.Account+" ") {
				t.Errorf("V is %q, region %s, account %s, want %q", got, a.Region, a.Account, c.want)
			}
			var said strings.Builder
			for _, n := range notes {
				said.WriteString(n.String() + "\n")
			}
			if !strings.Contains(said.String(), c.note) {
				t.Errorf("notes %s, want %s", &said, c.note)
			}
		})
	}
}

func TestTheRegionOfServerlessIsThatOfTheApp(t *testing.T) {
	t.Chdir(t.TempDir())
	text := "service: a\nprovider: {name: aws, runtime: nodejs22.x, region: \"${opt:region, 'eu-central-1'}\", environment: {A: !Ref AWS::Region, B: \"${aws:region}\", C: \"${self:provider.region}\", D: !GetAtt FLambdaFunction.Arn, E: !Sub 'https://${WebsocketsApi}.execute-api.${AWS::Region}.amazonaws.com/${sls:stage}'}}\nfunctions:\n  f:\n    handler: a.b\n    events: [{websocket: $connect}]\n"
	if err := os.WriteFile("serverless.yml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{}, "eu-central-1"}, {Options{Region: "eu-west-3"}, "eu-west-3"}, {Options{CLI: map[string]string{"region": "sa-east-1"}}, "sa-east-1"},
		{Options{Region: "eu-west-3", CLI: map[string]string{"region": "sa-east-1"}}, "eu-west-3"},
	} {
		a, _, err := readHere("serverless.yml", &c.o)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"A": c.want, "B": c.want, "C": c.want, "D": "arn:aws:lambda:" + c.want + ":000000000000:function:a-dev-f", "E": "http://localhost:3001/dev"}
		if a.Region != c.want || !reflect.DeepEqual(a.Functions[0].Env, want) {
			t.Errorf("%+v: region %s, variables %v, want %v", c.o, a.Region, a.Functions[0].Env, want)
		}
	}
}

// FuzzSAMConfig: whatever a configuration is, reading it ends without a panic, and no
// parameter is without a name.
func FuzzSAMConfig(f *testing.F) {
	f.Add("[default.deploy.parameters]\nregion = \"eu-west-1\"\nparameter_overrides = [\"A=b\", \"ParameterKey=C,ParameterValue=d\"]\n")
	f.Add("[default.global.parameters]\nparameter_overrides = \"A=\\\"b c\\\" D='e\\\\'\"\n[[default.deploy.parameters]]\n")
	f.Fuzz(func(t *testing.T, text string) {
		config, err := parseConfig("samconfig.toml", []byte(text))
		if err != nil {
			return
		}
		for _, v := range []*document.Value{config, config.Get("default", "deploy", "parameters", "parameter_overrides")} {
			for name := range overrides(v) {
				if name == "" && v.Get("") == nil && v.Kind != document.List {
					t.Errorf("a parameter without a name in %q", text)
				}
			}
		}
	})
}
