package main

import (
	"os/exec"
	"path/filepath"
	"testing"
)

func TestAnAppOfTerraformRunsHere(t *testing.T) {
	t.Parallel()
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	dir := bundledApp(t, map[string]string{
		"src/chat.js": "exports.handler = async (event) => ({ statusCode: 200, body: process.env.GREETING + ' ' + event.requestContext.routeKey });\n",
		"main.tf": `variable "greeting" {}
data "archive_file" "code" {
  type        = "zip"
  source_dir  = "${path.module}/src"
  output_path = "${path.module}/code.zip"
}
resource "aws_apigatewayv2_api" "ws" {
  name                       = "chat"
  protocol_type              = "WEBSOCKET"
  route_selection_expression = "$request.body.action"
}
resource "aws_lambda_function" "chat" {
  for_each      = toset(["all"])
  function_name = "chat-${each.key}"
  filename      = data.archive_file.code.output_path
  handler       = "chat.handler"
  runtime       = "nodejs22.x"
  environment {
    variables = { GREETING = var.greeting }
  }
}
resource "aws_apigatewayv2_integration" "chat" {
  api_id           = aws_apigatewayv2_api.ws.id
  integration_type = "AWS_PROXY"
  integration_uri  = aws_lambda_function.chat["all"].invoke_arn
}
data "archive_file" "written" {
  type        = "zip"
  output_path = "${path.module}/written.zip"
  source {
    filename = "app.js"
    content  = "exports.handler = async () => ({ statusCode: 200, body: require('./lib/word').word });"
  }
  source {
    filename = "lib/word.js"
    content  = "exports.word = 'written';"
  }
}
resource "aws_lambda_function" "written" {
  function_name = "written"
  filename      = data.archive_file.written.output_path
  handler       = "app.handler"
  runtime       = "nodejs22.x"
}
resource "aws_apigatewayv2_integration" "written" {
  api_id           = aws_apigatewayv2_api.ws.id
  integration_type = "AWS_PROXY"
  integration_uri  = aws_lambda_function.written.invoke_arn
}
resource "aws_apigatewayv2_route" "written" {
  api_id                              = aws_apigatewayv2_api.ws.id
  route_key                           = "written"
  route_response_selection_expression = "$default"
  target                              = "integrations/${aws_apigatewayv2_integration.written.id}"
}
resource "aws_apigatewayv2_route" "say" {
  for_each                            = toset(["$connect", "say"])
  api_id                              = aws_apigatewayv2_api.ws.id
  route_key                           = each.key
  route_response_selection_expression = "$default"
  target                              = "integrations/${aws_apigatewayv2_integration.chat.id}"
}
resource "aws_apigatewayv2_stage" "live" {
  api_id = aws_apigatewayv2_api.ws.id
  name   = "live"
}
`})
	dev := startDevProcess(t, []string{"TF_VAR_greeting=hello"}, "--template", dir)
	dev.await(t, `^connect +ws://\S+/live$`)
	for route, want := range map[string]string{"say": "hello say", "written": "written"} {
		if got := dev.asks(t, route); got != want {
			t.Errorf("received %q, want %q", got, want)
		}
	}
}

// Serverless's own template works handlers out of __dirname, through a path of
// tsconfig.json, and exports in the way of CommonJS.
func TestAServiceInTypeScriptRunsHere(t *testing.T) {
	t.Parallel()
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	dir := bundledApp(t, map[string]string{
		"serverless.ts": `import type { AWS } from '@serverless/typescript';
import say from '@functions/say';
console.log('this is no result');
const service: AWS = {
  service: 'ws',
  provider: { name: 'aws', runtime: 'nodejs22.x', environment: { KEY: process.env.AWS_SECRET_ACCESS_KEY } },
  functions: { say },
};
module.exports = service;
`,
		"src/functions/say/index.ts":   "import { here } from '../../here';\nexport default { handler: `${here(__dirname)}/handler.main`, events: [{ websocket: { route: '$connect' } }, { websocket: { route: 'say', routeResponseSelectionExpression: '$default' } }] };\n",
		"src/functions/say/handler.ts": "export const main = async (event: any) => ({ statusCode: 200, body: `${process.env.KEY} ${event.requestContext.routeKey}` });\n",
		"src/here.ts":                  "export const here = (folder: string) => folder.split(process.cwd())[1].substring(1);\n",
		"tsconfig.json":                `{"compilerOptions": {"baseUrl": ".", "paths": {"@functions/*": ["src/functions/*"]}}}`,
	})
	dev := startDevProcess(t, []string{"AWS_SECRET_ACCESS_KEY=mine"}, "--template", dir+"/serverless.ts")
	dev.await(t, `^connect +ws://\S+/dev$`)
	if got, want := dev.asks(t, "say"), "wirepost say"; got != want {
		t.Errorf("received %q, want %q", got, want)
	}
}

// Many services keep what differs between stages in JavaScript.
func TestAServiceTakesValuesFromProgramsNextToIt(t *testing.T) {
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	dir := bundledApp(t, map[string]string{
		"serverless.yml": "service: ws\nprovider: {name: aws, runtime: nodejs22.x, stage: '${opt:stage, \"dev\"}', environment: '${file(config/settings.js):variables}'}\n" +
			"functions: {say: {handler: say.main, events: [{websocket: {route: say, routeResponseSelectionExpression: $default}}]}}\n",
		"config/settings.js": "const word = require('./word');\nmodule.exports.variables = async ({ options }) => ({ WORD: word, STAGE: options.stage, IN: require('node:path').basename(process.cwd()) });\n",
		"config/word.js":     "module.exports = 'hello';\n",
		"say.js":             "exports.main = async () => ({ statusCode: 200, body: `${process.env.WORD} ${process.env.STAGE} ${process.env.IN}` });\n",
	})
	dev := startDev(t, "--template", filepath.Join(dir, "serverless.yml"), "--stage", "blue")
	if got, want := dev.asks(t, "say"), "hello blue "+filepath.Base(dir); got != want {
		t.Errorf("received %q, want %q", got, want)
	}
}
