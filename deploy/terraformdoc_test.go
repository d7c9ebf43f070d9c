package deploy

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// module is the Terraform module as a folder: its files, with README.md and the examples.
func module(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir("terraform", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".tf" && filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		files[strings.TrimPrefix(filepath.ToSlash(path), "terraform/")] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// bodyOf is a configuration of Terraform.
func bodyOf(t *testing.T, name, text string) *hclsyntax.Body {
	t.Helper()
	file, diagnostics := hclsyntax.ParseConfig([]byte(text), name, hcl.InitialPos)
	if diagnostics.HasErrors() {
		t.Fatal(diagnostics)
	}
	return file.Body.(*hclsyntax.Body)
}

// declared are the rows that README.md has to have for the inputs and outputs of a file,
// by their names. text of an argument is what is written there.
func declared(t *testing.T, name, text, kind string) (names []string, rows map[string]string) {
	t.Helper()
	rows = map[string]string{}
	for _, b := range bodyOf(t, name, text).Blocks {
		if b.Type != kind {
			continue
		}
		written := func(argument string) string {
			a, ok := b.Body.Attributes[argument]
			if !ok {
				return ""
			}
			return string(a.Expr.Range().SliceBytes([]byte(text)))
		}
		description := strings.Trim(written("description"), `"`)
		if description == "" {
			t.Errorf("%s: %s %s has no description", name, kind, b.Labels[0])
		}
		if written("sensitive") == "true" {
			description += " (sensitive)"
		}
		row := fmt.Sprintf("| `%s` | %s |", b.Labels[0], description)
		if kind == "variable" {
			fallback := "required"
			if v := written("default"); v != "" {
				fallback = "`" + v + "`"
			}
			row += fmt.Sprintf(" `%s` | %s |", written("type"), fallback)
		}
		names, rows[b.Labels[0]] = append(names, b.Labels[0]), row
	}
	return names, rows
}

// documented are the rows of a table of README.md, by their names.
func documented(readme, heading string) map[string]string {
	_, part, _ := strings.Cut(readme, "\n## "+heading+"\n")
	part, _, _ = strings.Cut(part, "\n## ")
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|.*$").FindAllStringSubmatch(part, -1) {
		rows[m[1]] = m[0]
	}
	return rows
}

// undocumented says where README.md and the files differ.
func undocumented(t *testing.T, files map[string]string) (all []string) {
	t.Helper()
	for _, c := range []struct{ heading, file, kind string }{{"Inputs", "variables.tf", "variable"}, {"Outputs", "outputs.tf", "output"}} {
		names, want := declared(t, c.file, files[c.file], c.kind)
		got := documented(files["README.md"], c.heading)
		for _, name := range names {
			if got[name] != want[name] {
				all = append(all, fmt.Sprintf("README.md, %s: write %s", c.heading, want[name]))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(got)) {
			if want[name] == "" {
				all = append(all, fmt.Sprintf("README.md, %s: there is no %s", c.heading, name))
			}
		}
	}
	for _, m := range regexp.MustCompile(`"(>= [0-9.]+)"`).FindAllStringSubmatch(files["versions.tf"], -1) {
		if !strings.Contains(files["README.md"], "| "+m[1]+" |") {
			all = append(all, "README.md, Requirements: write "+m[1])
		}
	}
	return all
}

func TestTheInputsAndOutputsOfTheTerraformModuleAreDocumented(t *testing.T) {
	files := module(t)
	for _, name := range []string{"main.tf", "variables.tf", "outputs.tf", "versions.tf", "README.md"} {
		if files[name] == "" {
			t.Errorf("the module has no %s", name)
		}
	}
	if d := undocumented(t, files); len(d) > 0 {
		t.Error(strings.Join(d, "\n"))
	}
	belongs := map[string]string{"variable": "variables.tf", "output": "outputs.tf", "terraform": "versions.tf"}
	for name, text := range files {
		if strings.Contains(name, "/") || strings.HasSuffix(name, ".md") {
			continue
		}
		for _, b := range bodyOf(t, name, text).Blocks {
			if to := belongs[b.Type]; to != "" && to != name {
				t.Errorf("%s has a block %s, which belongs to %s", name, b.Type, to)
			}
		}
	}
}

func TestAnInputThatIsNotDocumentedIsSeen(t *testing.T) {
	for _, c := range []struct{ file, old, new, says string }{
		{"variables.tf", `default     = "live"`, `default     = "prod"`, "write | `stage_name` |"},
		{"variables.tf", "default     = 256\n", "", "| `memory_size` | Memory of each function in MB; a large fan-out is faster with more | `number` | required |"},
		{"variables.tf", "  type        = number\n  default     = 5\n", "  type        = string\n  default     = 5\n", "write | `queue_concurrency` |"},
		{"variables.tf", `variable "log_days"`, `variable "days"`, "there is no log_days"},
		{"variables.tf", `variable "log_days"`, `variable "days"`, "write | `days` |"},
		{"variables.tf", "  sensitive   = true\n", "", "write | `jwt_key` |"},
		{"variables.tf", "What a token's iss must be", "The issuer", "write | `jwt_issuer` |"},
		{"outputs.tf", `output "store"`, `output "url"`, "there is no store"},
		{"outputs.tf", "Where clients connect", "The URL", "write | `connect_url` | The URL |"},
		{"versions.tf", ">= 5.60", ">= 6.0", "write >= 6.0"},
		{"README.md", "| `keep` |", "| `kept` |", "there is no kept"},
		{"README.md", "\n## Outputs\n", "\n## Results\n", "write | `api_id` |"},
	} {
		files := module(t)
		if strings.Count(files[c.file], c.old) != 1 {
			t.Errorf("%s has %d times %q", c.file, strings.Count(files[c.file], c.old), c.old)
			continue
		}
		files[c.file] = strings.Replace(files[c.file], c.old, c.new, 1)
		if said := strings.Join(undocumented(t, files), "\n"); !strings.Contains(said, c.says) {
			t.Errorf("%s with %q in place of %q: nothing is said of %q, but\n%s", c.file, c.new, c.old, c.says, said)
		}
	}
}

// bodiesOf are the configurations in a file: of a page those in its blocks of code.
func bodiesOf(t *testing.T, name, text string) (all []*hclsyntax.Body) {
	t.Helper()
	if !strings.HasSuffix(name, ".md") {
		return []*hclsyntax.Body{bodyOf(t, name, text)}
	}
	for _, m := range regexp.MustCompile("(?s)```hcl\n(.*?)```").FindAllStringSubmatch(text, -1) {
		if formatted := string(hclwrite.Format([]byte(m[1]))); formatted != m[1] {
			t.Errorf("%s: write\n%s", name, formatted)
		}
		all = append(all, bodyOf(t, name, m[1]))
	}
	return all
}

// What an example or a page gives the module is an input, and what it takes is an output.
func TestTheExamplesUseWhatTheTerraformModuleHas(t *testing.T) {
	files := module(t)
	_, inputs := declared(t, "variables.tf", files["variables.tf"], "variable")
	_, outputs := declared(t, "outputs.tf", files["outputs.tf"], "output")
	calls := 0
	for name, text := range files {
		if strings.HasSuffix(name, ".tf") {
			if formatted := string(hclwrite.Format([]byte(text))); formatted != text {
				t.Errorf("%s is not formatted: write\n%s", name, formatted)
			}
		}
		for _, body := range bodiesOf(t, name, text) {
			for _, b := range body.Blocks {
				if b.Type != "module" {
					continue
				}
				calls++
				for argument, a := range b.Body.Attributes {
					source, _ := a.Expr.Value(nil)
					switch {
					case argument == "source" && strings.HasPrefix(name, "examples/"):
						if source.AsString() != "../.." {
							t.Errorf("%s has the module %s, not this one", name, source.AsString())
						}
					case argument != "source" && inputs[argument] == "":
						t.Errorf("%s gives the input %s, which there is not", name, argument)
					}
				}
			}
		}
		for _, m := range regexp.MustCompile(`module\.push\.(\w+)`).FindAllStringSubmatch(text, -1) {
			if outputs[m[1]] == "" {
				t.Errorf("%s takes the output %s, which there is not", name, m[1])
			}
		}
	}
	if calls < 3 {
		t.Errorf("%d uses of the module were found, want README.md and two examples", calls)
	}
}
