package terraform

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app/document"
)

// folder is a folder with files.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const anAPI = "resource \"aws_apigatewayv2_api\" \"ws\" {\n  name          = \"ws\"\n  protocol_type = \"WEBSOCKET\"\n}\n"

// aFunction is a configuration with an API and a function that has variables, which are
// the fields of an object, on line 8 and after.
func aFunction(variables string) string {
	return anAPI + "resource \"aws_lambda_function\" \"f\" {\n  environment {\n    variables = {\n" + variables + "\n    }\n  }\n}\n"
}

// expand works out a folder, with paths in messages from there.
func expand(t testing.TB, dir string, o Options) (*Result, []string, error) {
	t.Helper()
	o.Dir = dir
	reading := document.NewReading(dir)
	made, err := Expand(reading, o)
	var notes []string
	for _, n := range reading.Notes() {
		notes = append(notes, strings.ReplaceAll(n.String(), dir+string(filepath.Separator), ""))
	}
	return made, notes, err
}

// variables are those of the function f, as text.
func variables(t testing.TB, made *Result) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, f := range made.Template.Get("Resources", "aws_lambda_function.f", "Properties", "Environment", "Variables").Each() {
		out[f.Key] = written(f.Value)
	}
	return out
}

// written is a value as text: references in braces, and what is not known as its reason.
func written(v *document.Value) string {
	if v == nil {
		return ""
	}
	if name, a, ok := v.Intrinsic(); ok {
		switch name {
		case "Ref":
			return "{" + a.Text + "}"
		case "Fn::GetAtt":
			return "{" + a.Items[0].Text + " " + a.Items[1].Text + "}"
		}
		s := ""
		for _, part := range a.Items[1].Items {
			s += written(part)
		}
		return s
	}
	if v.Kind == document.Unknown {
		return "unknown: " + v.Text
	}
	return v.ScalarText()
}

func TestExpressionsComeToWhatTerraformMakesOfThem(t *testing.T) {
	files := map[string]string{
		"files/hello.txt": "hello", "files/b.txt": "b", "files/deep/c.txt": "c",
		"greet.tftpl": "%{ for n in names ~}\nhi ${n}\n%{ endfor ~}\n${greeting}!",
	}
	for expression, want := range map[string]string{
		`"a" == "a" ? 1 : 2`:        "1",
		`upper("ab") + "x"`:         "unknown: unsuitable value for left operand: a number is required",
		`format("%s-%03d", "a", 7)`: "a-007",
		`join(",", [for k, v in { a = 1, b = 2 } : "${k}=${v}"])`:               "a=1,b=2",
		`templatefile("greet.tftpl", { names = ["a", "b"], greeting = "bye" })`: "hi a\nhi b\nbye!",
		`file("files/hello.txt")`:                                     "hello",
		`file("files/no.txt")`:                                        `unknown: call to function "file" failed: files/no.txt cannot be read: no such file or directory`,
		`fileexists("files/no.txt") ? 1 : 0`:                          "0",
		`join(" ", fileset("files", "**/*.txt"))`:                     "b.txt deep/c.txt hello.txt",
		`join(" ", fileset("${path.module}/files", "{b,hello}.txt"))`: "b.txt hello.txt",
		`filemd5("files/hello.txt")`:                                  "5d41402abc4b2a76b9719d911017c592",
		`filebase64sha256("files/hello.txt")`:                         "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
		`base64encode("hello")`:                                       "aGVsbG8=",
		`base64decode("aGVsbG8=")`:                                    "hello",
		`sha1("hello")`:                                               "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
		`try(jsondecode("{").a, "otherwise")`:                         "otherwise",
		`can(tonumber("x")) ? "y" : "n"`:                              "n",
		`one([]) == null ? "none" : "some"`:                           "none",
		`one(["a"])`:                                                  "a",
		`sum([1, 2.5])`:                                               "3.5",
		`startswith("abc", "ab") && endswith("abc", "bc") && strcontains("abc", "b")`: "true",
		`length("héé") + length([1, 2]) + length({ a = 1 })`:                          "6",
		`yamldecode("a: [1, x]").a[1]`:                                                "x",
		`yamlencode({ a = [1] })`:                                                     "a:\n    - 1\n",
		`urlencode("a b&c")`:                                                          "a+b%26c",
		`replace("a.b.c", "/[.]/", "-")`:                                              "a-b-c",
		`replace("a.b.c", ".", "")`:                                                   "abc",
		`abspath("x") == "${path.cwd}/x" ? "yes" : "no"`:                              "yes",
		`"${path.module} ${path.root} ${terraform.workspace}"`:                        ". . default",
		`lookup({ a = "b" }, "c", "d")`:                                               "d",
		`lookup({ a = "b" }, "c", null) == null ? "none" : "some"`:                    "none",
		`lookup(tomap({ a = "b" }), "c", null) == null ? "none" : "some"`:             "none",
		`lookup({ a = null }, "a", "d") == null ? "none" : "some"`:                    "none",
		`lookup(tomap({ a = 2 }), "a") + lookup({ a = 1 }, "a")`:                      "3",
		`lookup(tomap({ a = "b" }), "a", 3)`:                                          "b",
		`lookup(tomap({ a = "b" }), "c", 3)`:                                          "3",
		`lookup({ a = "b" }, "c")`:                                                    `unknown: invalid value for "key" parameter: there is no element with that key, and no default is given`,
		`lookup({ a = aws_elasticache_cluster.c.x, b = "b" }, "b", null)`:             "b",
		`merge({ a = 1 }, { a = 2 }).a`:                                               "2",
		`alltrue([true, false]) || anytrue([false, true])`:                            "true",
		`tostring(toset(["a", "a"]) == toset(["a"]))`:                                 "true",
		`element(["a", "b"], 3)`:                                                      "b",
		`setproduct(["a"], ["b"])[0][1]`:                                              "b",
		`indent(2, "a\nb")`:                                                           "a\n  b",
		`nonsensitive(sensitive("s"))`:                                                "s",
		`cidrsubnet("10.0.0.0/8", 8, 1)`:                                              "unknown: function cidrsubnet is not known here",
		`aws_apigatewayv2_api.ws.id`:                                                  "{aws_apigatewayv2_api.ws}",
		`replace(aws_apigatewayv2_api.ws.api_endpoint, "wss://", "https://")`:         "https://{aws_apigatewayv2_api.ws}.execute-api.us-east-1.amazonaws.com",
		`"${aws_apigatewayv2_api.ws.execution_arn}/*"`:                                "arn:aws:execute-api:us-east-1:000000000000:{aws_apigatewayv2_api.ws}/*",
		`aws_apigatewayv2_api.ws.body == null ? "none" : "some"`:                      "none",
		`aws_apigatewayv2_api.other.id`:                                               "unknown: there is no aws_apigatewayv2_api.other",
		`var.none`:                                                                    "unknown: there is no variable none",
		`local.none`:                                                                  "unknown: there is no local.none",
		`data.aws_region.here.name`:                                                   "us-east-1",
		`data.aws_caller_identity.me.account_id`:                                      "000000000000",
		`data.aws_partition.p.dns_suffix`:                                             "amazonaws.com",
		`jsondecode(data.aws_iam_policy_document.d.json).Statement[0].Action[0]`:      "s3:GetObject",
		`data.aws_ssm_parameter.p.value`:                                              "unknown: ssm:/app/a is only on AWS; give --value ssm:/app/a=VALUE",
		`data.aws_secretsmanager_secret_version.s.secret_string`:                      "unknown: secretsmanager:app/s is only on AWS; give --value secretsmanager:app/s=VALUE",
		`data.aws_vpc.v.cidr_block`:                                                   "unknown: cidr_block of data.aws_vpc.v is looked up outside of this machine; give --value data.aws_vpc.v.cidr_block=VALUE",
		`aws_elasticache_cluster.c.cluster_address`:                                   "unknown: cluster_address of aws_elasticache_cluster.c is made by AWS; give --value aws_elasticache_cluster.c.cluster_address=VALUE",
		`aws_sqs_queue.q.url`:                                                         "{aws_sqs_queue.q}",
		`aws_sqs_queue.q.arn`:                                                         "arn:aws:sqs:us-east-1:000000000000:jobs",
		`aws_dynamodb_table.t.stream_arn`:                                             "{aws_dynamodb_table.t StreamArn}",
		`length(random_string.r.result)`:                                              "6",
		`aws_cognito_user_pool.p.endpoint`:                                            "cognito-idp.us-east-1.amazonaws.com/{aws_cognito_user_pool.p}",
	} {
		t.Run(expression, func(t *testing.T) {
			all := map[string]string{
				"main.tf": aFunction("X = " + expression),
				"data.tf": `data "aws_region" "here" {}
data "aws_caller_identity" "me" {}
data "aws_partition" "p" {}
data "aws_vpc" "v" {}
data "aws_ssm_parameter" "p" { name = "/app/a" }
data "aws_secretsmanager_secret" "s" { name = "app/s" }
data "aws_secretsmanager_secret_version" "s" { secret_id = data.aws_secretsmanager_secret.s.id }
data "aws_iam_policy_document" "d" {
  statement { actions = ["s3:GetObject"] }
}
resource "aws_elasticache_cluster" "c" {}
resource "aws_sqs_queue" "q" { name = "jobs" }
resource "aws_cognito_user_pool" "p" { name = "people" }
resource "random_string" "r" { length = 6 }
resource "aws_dynamodb_table" "t" {
  name           = "t"
  stream_enabled = true
}
`}
			for name, text := range files {
				all[name] = text
			}
			dir := folder(t, all)
			made, _, err := expand(t, dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.ReplaceAll(variables(t, made)["X"], dir+string(filepath.Separator), ""); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestVariablesHaveTheValuesThatTerraformGivesThem(t *testing.T) {
	dir := folder(t, map[string]string{
		"main.tf": `variable "a" { default = "default" }
variable "b" { default = "default" }
variable "c" { default = "default" }
variable "d" { default = "default" }
variable "e" { type = string }
variable "list" {
  type    = list(string)
  default = []
}
variable "object" {
  type = object({ x = string, y = optional(number, 5) })
  default = { x = "x" }
}
variable "unused" {}
` + aFunction("A = var.a\nB = var.b\nC = var.c\nD = var.d\nE = var.e\nLIST = join(\"-\", var.list)\nO = \"${var.object.x}${var.object.y}\""),
		"terraform.tfvars":   "b = \"tfvars\"\nc = \"tfvars\"\n",
		"x.auto.tfvars":      "c = \"auto\"\nd = \"auto\"\n",
		"x.auto.tfvars.json": `{"d": "auto json"}`,
	})
	made, _, err := expand(t, dir, Options{
		Parameters: map[string]string{"d": "flag", "list": `["x", "y"]`},
		Env: func(name string) string {
			return map[string]string{"TF_VAR_a": "env", "TF_VAR_b": "env", "TF_VAR_e": "env"}[name]
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := variables(t, made)
	for name, want := range map[string]string{"A": "env", "B": "tfvars", "C": "auto", "D": "flag", "E": "env", "LIST": "x-y", "O": "x5"} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

func TestValuesThatAreGivenTakeThePlaceOfWhatIsMadeUp(t *testing.T) {
	dir := folder(t, map[string]string{"main.tf": aFunction("A = aws_elasticache_cluster.c.address\nB = data.aws_ssm_parameter.p.value\nC = aws_sns_topic.t.arn\nD = data.terraform_remote_state.s.outputs.x") +
		"resource \"aws_elasticache_cluster\" \"c\" {}\ndata \"aws_ssm_parameter\" \"p\" { name = \"/a\" }\nresource \"aws_sns_topic\" \"t\" {}\ndata \"terraform_remote_state\" \"s\" {}\n"})
	made, _, err := expand(t, dir, Options{
		Values:     map[string]string{"aws_elasticache_cluster.c.address": "host", "aws_sns_topic.t": "arn:aws:sns:eu-west-1:111122223333:t", "data.terraform_remote_state.s.outputs.x": "there"},
		MoreValues: map[string]string{"ssm:/a": "p", "OTHER": "x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := variables(t, made)
	for name, want := range map[string]string{"A": "host", "B": "p", "C": "arn:aws:sns:eu-west-1:111122223333:t", "D": "there"} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	_, _, err = expand(t, dir, Options{Values: map[string]string{"aws_elasticache_cluster.c.adress": "host"}})
	if want := "nothing uses the value aws_elasticache_cluster.c.adress: did you mean aws_elasticache_cluster.c.address?"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestWhatIsNotKnownLeavesOutOnlyWhatNeedsIt(t *testing.T) {
	dir := folder(t, map[string]string{"main.tf": aFunction("A = unknown_function(1)\nB = \"b\"\nC = local.all[\"c\"]") +
		"locals {\n  all = merge({ c = data.external.x.result }, { d = 1 })\n}\ndata \"external\" \"x\" {}\n" +
		"resource \"aws_dynamodb_table\" \"t\" {\n  for_each = data.external.x.result\n}\n"})
	made, notes, err := expand(t, dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := variables(t, made)
	for name, want := range map[string]string{"A": "unknown: function unknown_function is not known here", "B": "b",
		"C": "unknown: result of data.external.x is looked up outside of this machine; give --value data.external.x.result=VALUE"} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if want := "main.tf:18: aws_dynamodb_table.t is left out: result of data.external.x is looked up outside"; len(notes) != 1 || !strings.HasPrefix(notes[0], want) {
		t.Errorf("notes %q, want %s…", notes, want)
	}
}

func TestEachVariableHasItsOwnLine(t *testing.T) {
	dir := folder(t, map[string]string{"main.tf": aFunction("A = 1\nB = 2\n\nC = 3")})
	made, _, err := expand(t, dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"A": 8, "B": 9, "C": 11}
	for _, f := range made.Template.Get("Resources", "aws_lambda_function.f", "Properties", "Environment", "Variables").Each() {
		if f.Pos.Line != want[f.Key] {
			t.Errorf("%s is on line %d, want %d", f.Key, f.Pos.Line, want[f.Key])
		}
	}
}
