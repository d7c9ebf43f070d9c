package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/dynamolocal"
)

// Three templates of different shape. Each function has its endpoint in a variable,
// which on AWS would name a host of AWS.
func TestTheAPIOfATemplateRunsHere(t *testing.T) {
	templates := moduleFolder(t, "testdata/templates")
	modules := moduleFolder(t, "../../.tools/node/node_modules")
	for _, c := range []struct {
		name, file, url string
		args            func(t *testing.T) []string
	}{
		{"CloudFormation with a table", "cloudformation/template.yaml", `/beta$`, func(t *testing.T) []string {
			needs(t, "Python with boto3", exec.Command("/usr/bin/python3", "-c", "import boto3").Run() == nil)
			t.Setenv("PATH", "/usr/bin:"+os.Getenv("PATH"))
			return []string{"--parameter", "StageName=beta", "--dynamodb", dynamolocal.Start(t, dynamolocal.DynamoDBLocal)}
		}},
		{"SAM", "sam/template.yaml", `/test$`, func(*testing.T) []string { return nil }},
		{"serverless.yml", "serverless/serverless.yml", `/qa$`, func(*testing.T) []string { return []string{"--opt", "stage=qa"} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := copyOf(t, filepath.Join(templates, filepath.Dir(c.file)))
			if filepath.Dir(c.file) != "cloudformation" {
				_, err := os.Stat(filepath.Join(modules, "@aws-sdk/client-apigatewaymanagementapi"))
				needs(t, "Node.js with AWS's SDK", err == nil && exec.Command("node", "--version").Run() == nil)
				if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
					t.Fatal(err)
				}
			}
			dev := startDev(t, append([]string{"--template", filepath.Join(dir, filepath.Base(c.file))}, c.args(t)...)...)
			dev.await(t, `^connect +ws://\S+`+c.url)
			client := dev.dial(t)
			for _, text := range []string{`{"action":"echo","n":1}`, `{"action":"echo","n":2}`} {
				if err := client.Send(text); err != nil {
					t.Fatal(err)
				}
				if got, err := client.Receive(t.Context()); err != nil || got != text {
					t.Errorf("received %q, %v, want %q", got, err, text)
				}
			}
			// Pushes do not leave this machine, and it is said.
			dev.await(t, `^wirepost: hint: \S+:\d+: .*http://localhost:\d+/`)
		})
	}
}

func TestATemplateThatCannotRunIsNamedWithItsLine(t *testing.T) {
	t.Chdir(t.TempDir())
	for text, want := range map[string]string{
		"Resources: {}\n":   `WebSocket`,
		"Resources:\n  - x": `template.yaml:`,
	} {
		write(t, "template.yaml", text)
		var out transcript
		if status := run(t.Context(), []string{"dev", "--listen", "127.0.0.1:0", "--template", "template.yaml"}, nil, &out, &out); status == exitDone {
			t.Errorf("%q: no error", text)
		}
		(&running{output: &out}).await(t, `^wirepost: error: read the template: .*`+want)
	}
}

func TestATemplateIsReadBeforeAnythingListensOrIsMade(t *testing.T) {
	t.Chdir(t.TempDir())
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	write(t, "template.yaml", "Resources: {}\n")
	var out transcript
	if status := run(t.Context(), []string{"dev", "--listen", taken.Addr().String(), "--template", "template.yaml"}, nil, &out, &out); status == exitDone {
		t.Error("no error")
	}
	(&running{output: &out}).await(t, `^wirepost: error: read the template: .*WebSocket`)
	if _, err := os.Stat(string(folder)); err == nil {
		t.Error("it made its folder for a template that it cannot run")
	}
}

func TestAVariableThatIsGivenComesBeforeThatOfTheTemplate(t *testing.T) {
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	t.Chdir(t.TempDir())
	write(t, "index.js", "exports.handler = async () => ({ statusCode: 200, body: [process.env.A, process.env.B, process.env.C, process.env.D].join(' ') });\n")
	write(t, "env.json", `{"Chat": {"B": "file's", "D": 4}, "Parameters": {"A": "file's", "B": "all's"}}`)
	write(t, "env", "C=line\nA=line\n")
	write(t, "template.yaml", `Transform: AWS::Serverless-2016-10-31
Resources:
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}
  Default: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: $default, Target: !Sub "integrations/${Integration}"}}
  Answer: {Type: AWS::ApiGatewayV2::RouteResponse, Properties: {ApiId: !Ref Api, RouteId: !Ref Default, RouteResponseKey: $default}}
  Integration: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref Api, IntegrationType: AWS_PROXY, IntegrationUri: !Sub "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Chat.Arn}/invocations"}}
  Chat:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: .
      Handler: index.handler
      Runtime: nodejs22.x
      Environment: {Variables: {A: '<insert endpoint>', B: template, API_ENDPOINT: '<insert endpoint>'}}
`)
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, "<insert endpoint> template  "},
		{"a file of lines", []string{"--env-file", "env"}, "<insert endpoint> template line "},
		{"a file as sam local has it", []string{"--env-vars", "env.json"}, "file's file's  4"},
		{"a flag for all", []string{"--env-vars", "env.json", "--env", "B=flag's", "--env", "A=a=b", "--env-file", "env", "--env", "C=flag's"}, "a=b flag's flag's 4"},
		{"a flag for one", []string{"--env", "Chat.A=one's", "--env", "A=all's"}, "one's template  "},
	} {
		t.Run(c.name, func(t *testing.T) {
			dev := startDevHere(t, "127.0.0.1:0", append([]string{"--template", "template.yaml"}, c.args...)...)
			client := dev.dial(t)
			if err := client.Send("hello"); err != nil {
				t.Fatal(err)
			}
			if got, err := client.Receive(t.Context()); err != nil || got != c.want {
				t.Errorf("the function has %q, %v, want %q", got, err, c.want)
			}
			dev.await(t, `^wirepost: hint: template.yaml:13: variable API_ENDPOINT of Chat has a placeholder for a value, <insert endpoint>; the address of this API here is (http://localhost:\d+/\S+): give --env API_ENDPOINT=http://localhost`)
			dev.stop()
		})
	}
}

func TestAnEnvFlagThatIsNoneIsRefusedWithoutItsValue(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "template.yaml", "Resources: {}\n")
	write(t, "env.json", `{"Chat": {"A": ["hunter2"]}}`)
	for _, c := range []struct{ args, want string }{
		{"--env hunter2 ./x", "wirepost: error: --env is not NAME=VALUE\n"},
		{"--env A-B=hunter2 ./x", "wirepost: error: --env is not NAME=VALUE\n"},
		{"--env .A=hunter2 --template template.yaml", "wirepost: error: --env is not NAME=VALUE\n"},
		{"--env F.A=hunter2 ./x", "wirepost: error: --env F.A needs --template\n"},
		{"--env A=hunter2", "wirepost: error: these flags need a function\n"},
		{"--env-vars env.json --template template.yaml", "wirepost: error: read --env-vars env.json: variable A of Chat is neither a string nor a number\n"},
		{"--env-vars gone.json --template template.yaml", "wirepost: error: read --env-vars: open gone.json"},
	} {
		var out transcript
		if status := run(t.Context(), append([]string{"dev", "--listen", "127.0.0.1:0"}, strings.Fields(c.args)...), nil, &out, &out); status == exitDone {
			t.Errorf("%s: it is taken", c.args)
		}
		if said := out.String(); !strings.Contains(said, c.want) || strings.Contains(said, "hunter2") {
			t.Errorf("%s: it says\n%s\nwant %s", c.args, said, c.want)
		}
	}
}
