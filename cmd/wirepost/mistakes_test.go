package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What somebody sees who names a function wrongly, or one that does not start.
func TestWhatIsWrongWithAFunctionIsSaidOnce(t *testing.T) {
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	for _, c := range []struct {
		name  string
		files map[string]string
		args  []string
		want  []string // each is there exactly once
	}{
		{"a Go folder that is not there", nil, []string{"go:./chat"},
			[]string{"wirepost: error: go:./chat: there is no folder "}},
		{"a Go folder of a template that is not there", map[string]string{"template.yaml": `Transform: AWS::Serverless-2016-10-31
Resources:
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}
  Default: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: $default, Target: !Sub "integrations/${Integration}"}}
  Integration: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref Api, IntegrationType: AWS_PROXY, IntegrationUri: !Sub "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Chat.Arn}/invocations"}}
  Chat: {Type: AWS::Serverless::Function, Metadata: {BuildMethod: go1.x}, Properties: {CodeUri: ./chat, Handler: bootstrap, Runtime: provided.al2023}}
`}, []string{"--strict", "--template", "template.yaml"},
			[]string{"wirepost: error: template.yaml:6: function Chat, which route $default needs, cannot be run here: its code chat is not there; "}},
		{"a file in the place of a handler", map[string]string{"index.mjs": "export const handler = async () => {}"}, []string{"--handler", "index.mjs"},
			[]string{`wirepost: error: "index.mjs" names a file and not a handler: a function handler in it is the handler index.handler`}},
		{"a handler that throws", map[string]string{"index.mjs": "throw new Error('no ' + 'table');"}, []string{"--handler", "index.handler"},
			[]string{"wirepost: error: function index-handler did not start: it said Error: no table\n", "index.mjs:1:7"}},
		{"a handler that is not there", map[string]string{"index.mjs": "export const main = 1;"}, []string{"--handler", "index.handler"},
			[]string{"wirepost: error: function index-handler did not start: the handler index.handler is not there: handler is not a function that index.mjs exports; it exports main\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for name, text := range c.files {
				write(t, name, text)
			}
			var out transcript
			args := append([]string{"dev", "--listen", "127.0.0.1:0"}, c.args...)
			if status := run(t.Context(), args, strings.NewReader(""), &out, &out); status == exitDone {
				t.Error("it was taken")
			}
			for _, want := range c.want {
				if n := strings.Count(out.String(), want); n != 1 {
					t.Errorf("%q is said %d times in\n%s", want, n, &out)
				}
			}
			if strings.Contains(out.String(), "bootstrap.mjs") && len(c.want) == 1 {
				t.Errorf("it shows a program that is not the user's:\n%s", &out)
			}
		})
	}
}

func TestWhatAnEnvFileCannotSetIsSaid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "env")
	write(t, file, "AWS_REGION=eu-west-1\nTABLE=x\n_HANDLER=mine\nAWS_DEFAULT_REGION=us-east-1\n")
	source := moduleFolder(t, "testdata/functions/goanswer")
	dev := startDev(t, "--env-file", file, "go:"+source)
	dev.await(t, `^wirepost: hint: not taken from --env-file, because Lambda sets it: AWS_REGION, _HANDLER; the region is that of --region, us-east-1$`)
}
