package deploy

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app/cloudformation"
)

// read is the files of one of the folders, by their path here.
func read(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(Files, folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := Files.ReadFile(name)
		files[path.Clean(name)] = string(b)
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("the files of %s: %v", folder, err)
	}
	return files
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// cloudFormationOf is the stack of a template of SAM or of CloudFormation, in which
// every reference leads somewhere.
func cloudFormationOf(t *testing.T, file string, values map[string]string) *stack {
	t.Helper()
	got, notes, err := cloudformation.Evaluate(filepath.FromSlash(file), cloudformation.Options{Parameters: values})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range slices.Concat(notes, got.Dangling) {
		t.Errorf("%s", n)
	}
	s := &stack{map[string]parameter{}, map[string]any{}, map[string]resource{}, got.Refused}
	for _, p := range got.Parameters {
		s.parameters[plainName(p.Name)] = parameter{p.Type, p.Default, p.NoEcho}
	}
	for name, v := range got.Outputs {
		s.outputs[plainName(name)] = v
	}
	for _, r := range got.Resources {
		if len(r.Attributes) > 0 {
			t.Errorf("%s: %s has %q, which is not compared", r.Position, r.LogicalID, r.Attributes)
		}
		if r.Type == "AWS::Serverless::Function" || r.Type == "AWS::Lambda::Function" {
			r.Type = "AWS::Lambda::Function"
			code, ok := r.Properties["Code"].(map[string]any) // of the CDK: an asset
			if r.Properties["CodeUri"] != "function.zip" && (!ok || !strings.HasSuffix(text(code["S3Key"]), ".zip")) {
				t.Errorf("%s: %s has code %v", r.Position, r.LogicalID, r.Properties)
			}
			delete(r.Properties, "CodeUri")
			r.Properties["Code"] = "the zip"
		}
		x := resource{typ: r.Type, properties: r.Properties}
		for _, id := range r.DependsOn {
			x.after = append(x.after, plainName(id))
		}
		s.resources[plainName(r.LogicalID)] = x
	}
	return s
}
