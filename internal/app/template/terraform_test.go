package template

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

// summary is what an app of Terraform has, a line each, and the notes that matter.
func summary(a *app.App, notes []app.Note, err error, dir string) string {
	var out strings.Builder
	if err != nil {
		fmt.Fprintf(&out, "error %v\n", err)
	}
	if a != nil {
		api := a.APIs[0]
		fmt.Fprintf(&out, "%s stage %s of %s in %s\n", api.LogicalID, api.Stage, api.RouteSelection, a.Region)
		for _, r := range api.Routes {
			fmt.Fprintf(&out, "%s: %s %s%s two-way=%v %s %s\n", r.Key, r.Integration.Kind, r.Integration.Function, r.Integration.URL, r.TwoWay, r.Authorizer, r.Position)
		}
		for _, f := range a.Functions {
			code := f.Code.Path
			for _, name := range slices.Sorted(maps.Keys(f.Code.Files)) {
				code += "+" + name
			}
			fmt.Fprintf(&out, "%s (%s) %s %s %s runs=%v %v %s\n", f.LogicalID, f.Name, f.Runtime, f.Handler, code, f.Launch != nil, f.Env, f.Position)
		}
		for _, t := range a.Tables {
			fmt.Fprintf(&out, "%s (%s) %v %v\n", t.LogicalID, t.Name, t.Keys, t.Attributes)
		}
	}
	for _, n := range notes {
		if n.Severity >= app.Warning {
			fmt.Fprintf(&out, "%s %s\n", n.Severity, n)
		}
	}
	return strings.ReplaceAll(out.String(), dir+string(filepath.Separator), "")
}

const (
	wsAPI = `resource "aws_apigatewayv2_api" "ws" {
  name                       = "chat"
  protocol_type              = "WEBSOCKET"
  route_selection_expression = "$request.body.action"
}
resource "aws_apigatewayv2_stage" "live" {
  api_id = aws_apigatewayv2_api.ws.id
  name   = "live"
}
`
	handler = "exports.handler = async (event) => ({ statusCode: 200, body: event.body ?? '' });\n"
)

func TestConfigurationsOfTerraformAsPeopleHaveThem(t *testing.T) {
	for _, c := range []struct {
		name, want string
		files      map[string]string
	}{
		{"one file", `aws_apigatewayv2_api.ws stage live of $request.body.action in eu-west-1
$connect: AWS_PROXY aws_lambda_function.chat two-way=false aws_apigatewayv2_authorizer.a main.tf:52
$default: AWS_PROXY aws_lambda_function.chat two-way=true  main.tf:60
aws_lambda_function.chat (chat) nodejs22.x index.handler src runs=true map[HERE:http://localhost:3001/live TABLE:people] main.tf:21
aws_dynamodb_table.people (people) [{id HASH} {at RANGE}] [{id S} {at N}]
`, map[string]string{"src/index.js": handler, "main.tf": wsAPI + `
provider "aws" { region = "eu-west-1" }
data "archive_file" "code" {
  type        = "zip"
  source_dir  = "${path.module}/src"
  output_path = "${path.module}/build/code.zip"
}
resource "aws_iam_role" "role" {
  name               = "role"
  assume_role_policy = "{}"
}
resource "aws_lambda_function" "chat" {
  function_name = "chat"
  filename      = data.archive_file.code.output_path
  handler       = "index.handler"
  runtime       = "nodejs22.x"
  role          = aws_iam_role.role.arn
  environment {
    variables = {
      TABLE = aws_dynamodb_table.people.name
      HERE  = "https://${aws_apigatewayv2_api.ws.id}.execute-api.eu-west-1.amazonaws.com/${aws_apigatewayv2_stage.live.name}"
    }
  }
}
resource "aws_lambda_permission" "chat" {
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.chat.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.ws.execution_arn}/*/*"
}
resource "aws_apigatewayv2_integration" "chat" {
  api_id           = aws_apigatewayv2_api.ws.id
  integration_type = "AWS_PROXY"
  integration_uri  = aws_lambda_function.chat.invoke_arn
}
resource "aws_apigatewayv2_authorizer" "a" {
  api_id           = aws_apigatewayv2_api.ws.id
  authorizer_type  = "REQUEST"
  authorizer_uri   = aws_lambda_function.chat.invoke_arn
  identity_sources = ["route.request.querystring.token"]
  name             = "a"
}
resource "aws_apigatewayv2_route" "connect" {
  api_id             = aws_apigatewayv2_api.ws.id
  route_key          = "$connect"
  authorization_type = "CUSTOM"
  authorizer_id      = aws_apigatewayv2_authorizer.a.id
  target             = "integrations/${aws_apigatewayv2_integration.chat.id}"
}

resource "aws_apigatewayv2_route" "default" {
  api_id                              = aws_apigatewayv2_api.ws.id
  route_key                           = "$default"
  route_response_selection_expression = "$default"
  target                              = "integrations/${aws_apigatewayv2_integration.chat.id}"
}
resource "aws_dynamodb_table" "people" {
  name         = "people"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"
  range_key    = "at"
  attribute {
    name = "id"
    type = "S"
  }
  attribute {
    name = "at"
    type = "N"
  }
}
`}},
		{"modules of one's own", `aws_apigatewayv2_api.ws stage live of $request.body.action in us-east-1
$connect: AWS_PROXY module.route["connect"].aws_lambda_function.this[0] two-way=false  modules/route/main.tf:36
say: AWS_PROXY module.route["say"].aws_lambda_function.this[0] two-way=false  modules/route/main.tf:36
module.route["connect"].aws_lambda_function.this[0] (app-connect) nodejs22.x connect.handler modules/route/src/connect.js runs=true map[STAGE:live] modules/route/main.tf:13
module.route["say"].aws_lambda_function.this[0] (app-say) nodejs22.x say.handler modules/route/src/say.js runs=true map[STAGE:live] modules/route/main.tf:13
`, map[string]string{
			"modules/route/src/connect.js": handler, "modules/route/src/say.js": handler,
			"main.tf": wsAPI + `module "route" {
  source   = "./modules/route"
  for_each = { connect = "$connect", say = "say" }
  name     = each.key
  key      = each.value
  api      = aws_apigatewayv2_api.ws
  env      = { STAGE = aws_apigatewayv2_stage.live.name }
}
`, "modules/route/main.tf": `variable "name" {}
variable "key" {}
variable "api" { type = object({ id = string, execution_arn = string }) }
variable "env" { type = map(string) }
variable "create" {
  default = true
}
data "archive_file" "code" {
  type        = "zip"
  source_file = "${path.module}/src/${var.name}.js"
  output_path = "/tmp/${var.name}.zip"
}
resource "aws_lambda_function" "this" {
  count         = var.create ? 1 : 0
  function_name = "app-${var.name}"
  filename      = data.archive_file.code.output_path
  handler       = "${var.name}.handler"
  runtime       = "nodejs22.x"
  role          = "arn:aws:iam::000000000000:role/x"
  dynamic "environment" {
    for_each = length(var.env) > 0 ? [var.env] : []
    content { variables = environment.value }
  }
}
resource "aws_apigatewayv2_integration" "this" {
  api_id           = var.api.id
  integration_type = "AWS_PROXY"
  integration_uri  = one(aws_lambda_function.this[*].invoke_arn)
}
resource "aws_lambda_permission" "this" {
  function_name = aws_lambda_function.this[0].arn
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${var.api.execution_arn}/*/${var.key}"
}
resource "aws_apigatewayv2_route" "this" {
  api_id    = var.api.id
  route_key = var.key
  target    = "integrations/${aws_apigatewayv2_integration.this.id}"
}
`,
		}},
		{"a map of routes, and an override", `aws_apigatewayv2_api.ws stage live of $request.body.kind in us-east-1
$connect: AWS_PROXY aws_lambda_function.fn["connect"] two-way=false  routes.tf:1
bye: MOCK  two-way=true  routes.tf:1
say: HTTP_PROXY http://127.0.0.1:9/say two-way=false  routes.tf:1
aws_lambda_function.fn["connect"] (connect) python3.12 app.main +app.py+lib/words.py runs=true map[] main.tf:13
`, map[string]string{
			"main.tf": wsAPI + `locals {
  routes = { for r in yamldecode(file("routes.yaml")).routes : r.key => r }
}
resource "aws_lambda_function" "fn" {
  for_each      = { for k, r in local.routes : trimprefix(k, "$") => r if r.type == "AWS_PROXY" }
  function_name = each.key
  filename      = data.archive_file.code.output_path
  handler       = "app.main"
  runtime       = "python3.12"
}
resource "aws_apigatewayv2_integration" "i" {
  for_each         = local.routes
  api_id           = aws_apigatewayv2_api.ws.id
  integration_type = each.value.type
  integration_uri  = try(each.value.url, each.value.type == "AWS_PROXY" ? aws_lambda_function.fn[trimprefix(each.key, "$")].invoke_arn : null)
  integration_method = "POST"
  credentials_arn  = "arn:aws:iam::000000000000:role/x"
}
`, "routes.tf": `resource "aws_apigatewayv2_route" "r" {
  for_each  = aws_apigatewayv2_integration.i
  api_id    = aws_apigatewayv2_api.ws.id
  route_key = each.key
  target    = "integrations/${each.value.id}"
}
resource "aws_apigatewayv2_route_response" "r" {
  for_each           = { for k, r in local.routes : k => r if try(r.answers, false) }
  api_id             = aws_apigatewayv2_api.ws.id
  route_id           = aws_apigatewayv2_route.r[each.key].id
  route_response_key = "$default"
}
data "archive_file" "code" {
  type        = "zip"
  output_path = "x.zip"
  source {
    filename = "app.py"
    content  = templatefile("app.py.tftpl", { name = "main" })
  }
  source {
    filename = "lib/words.py"
    content  = "hello = 1"
  }
}
`, "app.py.tftpl": "def ${name}(event, context):\n    return {}\n",
			"routes.yaml": "routes:\n- {key: $connect, type: AWS_PROXY}\n- {key: say, type: HTTP_PROXY, url: 'http://127.0.0.1:9/say'}\n- {key: bye, type: MOCK, answers: true}\n",
			"override.tf": "resource \"aws_apigatewayv2_api\" \"ws\" {\n  route_selection_expression = \"$request.body.kind\"\n}\n"}},
		{"JSON", `aws_apigatewayv2_api.ws stage live of $request.body.action in us-east-1
$connect: AWS_PROXY aws_lambda_function.f two-way=false  main.tf.json:1
aws_lambda_function.f (chat) nodejs22.x index.handler src runs=true map[A:b TABLE:people] main.tf.json:1
aws_dynamodb_table.t (people) [{id HASH}] [{id S}]
`, map[string]string{"src/index.js": handler, "main.tf.json": `{"variable": {"name": {"default": "chat"}}, "resource": {` +
			`"aws_apigatewayv2_api": {"ws": {"name": "${var.name}", "protocol_type": "WEBSOCKET", "route_selection_expression": "$request.body.action"}}, ` +
			`"aws_apigatewayv2_stage": {"s": {"api_id": "${aws_apigatewayv2_api.ws.id}", "name": "live"}}, ` +
			`"aws_dynamodb_table": {"t": {"name": "people", "hash_key": "id", "billing_mode": "PAY_PER_REQUEST", "attribute": [{"name": "id", "type": "S"}]}}, ` +
			`"aws_lambda_function": {"f": {"function_name": "${var.name}", "s3_bucket": "${aws_s3_bucket.b.id}", "s3_key": "${aws_s3_object.o.key}", "handler": "index.handler", "runtime": "nodejs22.x", "environment": {"variables": {"A": "b", "TABLE": "${aws_dynamodb_table.t.id}"}}}}, ` +
			`"aws_s3_bucket": {"b": {"bucket": "code"}}, "aws_s3_object": {"o": {"bucket": "${aws_s3_bucket.b.id}", "key": "c.zip", "source": "${data.archive_file.c.output_path}"}}, ` +
			`"aws_apigatewayv2_integration": {"i": {"api_id": "${aws_apigatewayv2_api.ws.id}", "integration_type": "AWS_PROXY", "integration_uri": "${aws_lambda_function.f.invoke_arn}", "credentials_arn": "arn:aws:iam::000000000000:role/x"}}, ` +
			`"aws_apigatewayv2_route": {"c": {"api_id": "${aws_apigatewayv2_api.ws.id}", "route_key": "$connect", "target": "integrations/${aws_apigatewayv2_integration.i.id}"}}}, ` +
			`"data": {"archive_file": {"c": {"type": "zip", "source_dir": "src", "output_path": "c.zip"}}}}`}},
		{"modules that 'terraform init' has put there", `module.api.aws_apigatewayv2_api.this[0] stage prod of $request.body.action in us-east-1
$connect: AWS_PROXY module.fn.aws_lambda_function.this[0] two-way=false  .terraform/modules/api/main.tf:10
module.fn.aws_lambda_function.this[0] (chat) nodejs22.x index.handler src runs=true map[A:b] .terraform/modules/fn/main.tf:15
warning main.tf:19: module other is left out: its source example/other/aws is not on this machine: run 'terraform init', which puts it below .terraform/modules
`, map[string]string{"src/index.js": handler,
			".terraform/modules/modules.json": `{"Modules":[{"Key":"","Source":"","Dir":"."},{"Key":"api","Source":"example.com/api/aws","Dir":".terraform/modules/api"},{"Key":"fn","Source":"x","Dir":".terraform/modules/fn"}]}`,
			"main.tf": `module "api" {
  source  = "example/api/aws"
  version = "~> 5.0"
  name    = "chat"
  routes = {
    "$connect" = { integration = { uri = module.fn.lambda_function_invoke_arn } }
  }
}
module "fn" {
  source                = "example/fn/aws"
  function_name         = "chat"
  source_path           = [{ path = "${path.module}/src", patterns = ["!x"] }]
  environment_variables = { A = "b" }
  allowed_triggers = {
    ws = { service = "apigateway", source_arn = "${module.api.api_execution_arn}/*/*" }
  }
}

module "other" { source = "example/other/aws" }
`, ".terraform/modules/api/main.tf": `variable "name" { type = string }
variable "routes" { type = map(object({ integration = object({ uri = optional(string), type = optional(string, "AWS_PROXY"), credentials_arn = optional(string) }), scopes = optional(list(string), []) })) }
resource "aws_apigatewayv2_api" "this" {
  count         = 1
  name          = var.name
  protocol_type = "WEBSOCKET"

  route_selection_expression = "$request.body.action"
}
resource "aws_apigatewayv2_route" "this" {
  for_each             = var.routes
  api_id               = aws_apigatewayv2_api.this[0].id
  route_key            = each.key
  authorization_scopes = each.value.scopes
  target               = "integrations/${aws_apigatewayv2_integration.this[each.key].id}"
}
resource "aws_apigatewayv2_integration" "this" {
  for_each         = { for k, v in var.routes : k => v.integration }
  api_id           = aws_apigatewayv2_api.this[0].id
  integration_type = each.value.type
  integration_uri  = each.value.uri
}
resource "aws_apigatewayv2_stage" "this" {
  api_id = aws_apigatewayv2_api.this[0].id
  name   = "prod"
}
output "api_execution_arn" { value = try(aws_apigatewayv2_api.this[0].execution_arn, "") }
`, ".terraform/modules/fn/main.tf": `variable "function_name" {}
variable "source_path" {
  type    = any
  default = null
}
variable "environment_variables" { default = {} }
variable "allowed_triggers" {
  type    = map(any)
  default = {}
}
data "external" "archive_prepare" {
  count   = 1
  program = ["python3", "package.py"]
}
resource "aws_lambda_function" "this" {
  count         = 1
  function_name = var.function_name
  filename      = try(data.external.archive_prepare[0].result.filename, null)
  handler       = "index.handler"
  runtime       = "nodejs22.x"
  reserved_concurrent_executions = -1
  dynamic "environment" {
    for_each = length(keys(var.environment_variables)) == 0 ? [] : [true]
    content { variables = var.environment_variables }
  }
}
resource "aws_lambda_permission" "t" {
  for_each      = var.allowed_triggers
  function_name = aws_lambda_function.this[0].function_name
  action        = "lambda:InvokeFunction"
  principal     = try(each.value.principal, format("%s.amazonaws.com", try(each.value.service, "")))
  source_arn    = try(each.value.source_arn, null)
}
output "lambda_function_invoke_arn" { value = try(aws_lambda_function.this[0].invoke_arn, "") }
`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range c.files {
				file := filepath.Join(dir, filepath.FromSlash(name))
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			a, notes, err := readHere(dir, &Options{})
			if got := summary(a, notes, err, dir); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestTheStackOfThisProjectIsReadAsAnApp(t *testing.T) {
	const dir = "../../../deploy/terraform"
	a, notes, err := readHere(dir, &Options{Parameters: map[string]string{"jwt_key": "k", "jwt_issuer": "i", "jwt_audience": "a", "allow_origin": "*"}})
	if err != nil {
		t.Fatal(err)
	}
	var routes, functions, tables []string
	for _, r := range a.APIs[0].Routes {
		answer := ""
		for _, response := range r.Integration.Responses {
			answer += response.Templates["$default"]
		}
		routes = append(routes, fmt.Sprintf("%s=%s%s:%v", r.Key, r.Integration.Kind, answer, r.TwoWay))
	}
	for _, f := range a.Functions {
		functions = append(functions, f.LogicalID+"="+f.Name+" "+f.Env["WIREPOST_STORE"]+f.Env["WIREPOST_JWT_KEY"])
	}
	for _, x := range a.Tables {
		tables = append(tables, fmt.Sprint(x.Name, x.Keys, x.TTL))
	}
	const store = " dynamodb://connections?region=us-east-1"
	for _, c := range []struct{ what, got, want string }{
		{"routes", strings.Join(routes, "\n"), "$connect=AWS_PROXY:false\n$default=AWS_PROXY:true\n$disconnect=AWS_PROXY:false\nsend=AWS_PROXY:true\nsubscribe=AWS_PROXY:true\nunsubscribe=AWS_PROXY:true\nping=MOCK{\"type\":\"pong\"}:true"},
		{"functions", strings.Join(functions, "\n"), `aws_lambda_function.function["long"]=wirepost-long` + store + "\n" + `aws_lambda_function.function["publish"]=wirepost-publish` + store + "\n" + `aws_lambda_function.function["queue"]=wirepost-queue` + store + "\n" + `aws_lambda_function.function["websocket"]=wirepost-websocket` + store + "k"},
		{"tables", strings.Join(tables, "\n"), "connections[{p HASH} {s RANGE}]x"},
	} {
		if c.got != c.want {
			t.Errorf("%s\n%s\nwant\n%s", c.what, c.got, c.want)
		}
	}
	for _, n := range notes {
		if strings.Contains(n.Text, "permission") || strings.Contains(n.Text, "not known") {
			t.Errorf("note %s", n)
		}
	}
	for _, example := range []string{"basic", "publisher"} {
		a, notes, err := readHere(dir+"/examples/"+example, &Options{})
		if err != nil || len(a.APIs) != 1 || len(a.APIs[0].Routes) != len(routes) || len(a.Functions) < len(functions) || len(a.Tables) != 1 {
			t.Errorf("the example %s is %+v, %v, %v", example, a, notes, err)
		}
	}
	_, notes, err = readHere(dir, &Options{})
	if err != nil || !slices.ContainsFunc(notes, func(n app.Note) bool {
		return strings.HasSuffix(n.Text, "a precondition of aws_apigatewayv2_api.api does not hold, and Terraform refuses it: Tokens need jwt_jwks_url or jwt_key")
	}) {
		t.Errorf("notes %v, %v, want the precondition", notes, err)
	}
}
