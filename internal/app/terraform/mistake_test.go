package terraform

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// doubled is a configuration whose locals double a text many times.
func doubled() string {
	s := anAPI + "locals {\n  a0 = \"xxxxxxxxxxxxxxxx\"\n"
	for i := 1; i < 60; i++ {
		s += fmt.Sprintf("  a%d = \"${local.a%d}${local.a%d}\"\n", i, i-1, i-1)
	}
	return s + "}\nresource \"aws_lambda_function\" \"f\" {\n  environment {\n    variables = { A = local.a59 }\n  }\n}\n"
}

// chained is a configuration whose locals need each other, one after the other.
func chained(n int) string {
	s := anAPI + "locals {\n  a0 = 1\n"
	for i := 1; i <= n; i++ {
		s += fmt.Sprintf("  a%d = local.a%d\n", i, i-1)
	}
	return s + fmt.Sprintf("}\nresource \"aws_lambda_function\" \"f\" {\n  handler = local.a%d\n}\n", n)
}

func TestAMistakeIsOneSentenceWithItsPlace(t *testing.T) {
	loop := "for i in range(1000) : "
	const tooBig = "unknown: the value is too large"
	for _, c := range []struct{ name, text, want string }{
		{"a file that is cut off", anAPI[:60], "main.tf:2: cannot be understood: no closing marker was found for the string"},
		{"another language", "Resources:\n  A:\n    Type: x\n", "main.tf:1: cannot be understood: an argument or block definition is required here"},
		{"another tool's resources", "resource \"google_cloud_run_service\" \"x\" {}\n", ": has no WebSocket API: no aws_apigatewayv2_api with protocol_type \"WEBSOCKET\""},
		{"an HTTP API", strings.ReplaceAll(anAPI, "WEBSOCKET", "HTTP"), ": has no WebSocket API: no aws_apigatewayv2_api with protocol_type \"WEBSOCKET\""},
		{"nothing", "", ": has no WebSocket API: no aws_apigatewayv2_api with protocol_type \"WEBSOCKET\""},
		{"locals of themselves", anAPI + "locals {\n  a = local.b\n  b = local.a\n}\nresource \"aws_lambda_function\" \"f\" {\n  handler = local.a\n}\n", "main.tf:7: local.a refers to itself: local.a → local.b → local.a"},
		{"resources of themselves", anAPI + "resource \"aws_lambda_function\" \"f\" {\n  handler = aws_lambda_function.g.handler\n}\nresource \"aws_lambda_function\" \"g\" {\n  handler = aws_lambda_function.f.handler\n}\n", "main.tf:9: aws_lambda_function.f refers to itself: aws_lambda_function.f → aws_lambda_function.g → aws_lambda_function.f"},
		{"a module of itself", anAPI + "module \"m\" {\n  source = \"./\"\n}\n", "unknown: module m is left out: it calls itself, and Terraform refuses it"},
		{"locals that need too many", chained(400), "refers to too many others, one after the other"},
		{"the same resource twice", anAPI + anAPI, "main.tf:5: resource aws_apigatewayv2_api ws is there already, on line 1 of main.tf, and Terraform refuses duplicates"},
		{"brackets without an end", "a = " + strings.Repeat("(", 200_000), "main.tf:1: is nested deeper than 100 levels"},
		{"templates in templates", "a = " + strings.Repeat(`"${`, 100_000), "main.tf:1: is nested deeper than 100 levels"},
		{"operators without an end", "a = " + strings.Repeat("!", 200_000) + "true\n", "main.tf:1: has an expression with more than 500 operators"},
		{"a sum without an end", "a = 1" + strings.Repeat("+1", 100_000) + "\n", "main.tf:1: has an expression with more than 500 operators"},
		{"directives without an end", "a = \"" + strings.Repeat("%{if true}", 50_000) + "\"\n", "main.tf:1: is nested deeper than 100 levels"},
		{"a huge file", "a = \"" + strings.Repeat("x", maxFile) + "\"\n", "main.tf: is larger than 524288 bytes, which is too much for a file of Terraform"},
		{"a text that is ever doubled", doubled(), "unknown: local.a15 is too large"},
		{"a loop in a loop", aFunction("A = length([" + loop + "[" + loop + "[" + loop + "1]]])"), "main.tf:7: the configuration is too large once it is worked out"},
		{"a text that is replaced", aFunction(`A = replace(replace(replace("` + strings.Repeat("a", 5000) + `", "a", "` + strings.Repeat("a", 5000) + `"), "a", "aaaa"), "a", "` + strings.Repeat("b", 5000) + `")`), tooBig},
		{"an indentation", aFunction(`A = indent(900000000, "a\nb")`), tooBig},
		{"a product", aFunction("A = length(setproduct(range(1000), range(1000), range(1000)))"), tooBig},
		{"a huge number", aFunction("A = 1e999999999"), tooBig},
		{"a huge number in a text", aFunction(`A = tostring(tonumber("1e999999999"))`), tooBig},
		{"a huge count", anAPI + "resource \"aws_lambda_function\" \"f\" {\n  count = 1000000000\n}\n", "unknown: main.tf:5: aws_lambda_function.f is left out: its count is 1000000000, and at most 500 are made here"},
		{"a pattern that takes long", aFunction(`A = replace("` + strings.Repeat("a", 5000) + `", "/(a*)*b/", "")`), "unknown: "},
		{"a variable without a value", "variable \"name\" {}\nvariable \"other\" {}\n" + aFunction("A = var.name\nB = \"${var.other}/x\""), "main.tf:10: variables name, other have no value: give --parameter name=VALUE --parameter other=VALUE"},
		{"a variable of another type", "variable \"n\" {\n  type = number\n  default = \"x\"\n}\n" + aFunction("A = var.n"), "main.tf:1: variable n has a value that is not of its type, number"},
		{"a variable that is refused", "variable \"n\" {\n  default = 1\n  validation {\n    condition = var.n > 1\n    error_message = \"More than one.\"\n  }\n}\n" + anAPI, "main.tf:3: variable n may not be what it is, and Terraform refuses it: More than one."},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := folder(t, map[string]string{"main.tf": c.text})
			start := time.Now()
			made, notes, err := expand(t, dir, Options{})
			if took := time.Since(start); took > 5*time.Minute {
				t.Errorf("it took %v", took)
			}
			if why, ok := strings.CutPrefix(c.want, "unknown: "); ok {
				if err != nil {
					t.Fatal(err)
				}
				a := made.Template.Get("Resources", "aws_lambda_function.f", "Properties", "Environment", "Variables", "A")
				if text := strings.Join(notes, "\n") + written(a); !strings.Contains(text, why) {
					t.Errorf("%.300s, want %s", text, why)
				}
				return
			}
			if err == nil || !strings.HasSuffix(strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), ""), c.want) {
				t.Errorf("error %.300v, want %s", err, c.want)
			}
		})
	}
}

func TestAParameterThatThereIsNotIsAMistake(t *testing.T) {
	dir := folder(t, map[string]string{"main.tf": "variable \"stage\" { default = 1 }\n" + anAPI})
	_, _, err := expand(t, dir, Options{Parameters: map[string]string{"stag": "x"}})
	if want := "has no variable stag, which is given as a parameter: did you mean stage?"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}

// FuzzExpand: whatever the bytes of a file are, HCL or JSON, working them out does not
// panic and ends soon, and a mistake has its place.
func FuzzExpand(f *testing.F) {
	for _, s := range []string{anAPI, doubled(), chained(20), aFunction("A = templatefile(\"main.tf\", {})\nB = [for k, v in { a = 1 } : k...]"),
		"resource \"aws_lambda_function\" \"f\" {\n  for_each = toset([\"a\"])\n  dynamic \"x\" {\n    for_each = [each.key]\n    content { y = x.value }\n  }\n}\n",
		"module \"m\" {\n  source = \"./\"\n}\noutput \"o\" { value = module.m.o }\nlocals { a = module.m.o }\n"} {
		f.Add([]byte(s), false)
	}
	f.Add([]byte(`{"resource": {"aws_apigatewayv2_api": {"ws": {"name": "${upper(\"a\")}", "protocol_type": "WEBSOCKET"}}}, "locals": [{"a": "${local.a}"}]}`), true)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte, json bool) {
		name, other := filepath.Join(dir, "main.tf"), filepath.Join(dir, "main.tf.json")
		if json {
			name, other = other, name
		}
		_ = os.Remove(other)
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		reading := document.NewReading(dir)
		made, err := Expand(reading, Options{Dir: dir})
		if took := time.Since(start); took > 5*time.Minute {
			t.Errorf("%d bytes took %v", len(data), took)
		}
		if (made == nil) == (err == nil) {
			t.Errorf("made %v with the error %v", made, err)
		}
		if e := (*app.Error)(nil); err != nil && (!errors.As(err, &e) || e.Position.File == "" || e.Text == "") {
			t.Errorf("error %#v, want an *app.Error with its file", err)
		}
	})
}
