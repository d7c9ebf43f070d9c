package template

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/app"
)

// FuzzTemplate: whatever the bytes are, reading them does not panic, ends soon,
// says every mistake with its file, and never describes half an app.
func FuzzTemplate(f *testing.F) {
	for _, pattern := range []string{"testdata/web*.yaml", "testdata/cdk*.json", "testdata/service/*.yml", "testdata/sources.yaml", "testdata/sources/*.yml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no files %s: %v", pattern, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Add([]byte("service: ${self:custom.${self:custom.a}}\nprovider: aws\ncustom: {a: a}\nfunctions: ${file(${self:service}):x.${opt:stage}, 'y'}\n"))
	f.Add([]byte("service: " + string(bytes.Repeat([]byte("${self:"), 3000)) + "\nprovider: aws\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		o := &Options{Parameters: map[string]string{"TableName": "people"}, Env: func(string) string { return "" }}
		file := filepath.Join(dir, "t")
		start := time.Now()
		a, notes, err := read(file, data, o)
		var resolved *app.App
		if err == nil {
			var more error
			resolved, notes, more = a.Resolve(hereWithAll(a))
			if (resolved == nil) == (more == nil) {
				t.Errorf("resolved to %v with the error %v", resolved, more)
			}
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("reading %d bytes took %v", len(data), took)
		}
		for _, note := range notes {
			if note.Text == "" {
				t.Errorf("an empty note at %s", note.Position)
			}
		}
		if err != nil {
			var e *app.Error
			if !errors.As(err, &e) || e.Position.File == "" || e.Text == "" || a != nil {
				t.Errorf("error %#v with app %v, want an *app.Error with its file and no app", err, a)
			}
			return
		}
		for _, a := range []*app.App{a, resolved} {
			if a == nil {
				continue
			}
			if api := a.APIs[0]; api.LogicalID == "" || api.Stage == "" && !bytes.Contains(data, []byte("StageName")) || len(api.Routes) == 0 {
				t.Errorf("app %+v without an error is not one that can be run", a)
			}
			checkSources(t, a)
		}
	})
}

// checkSources: what invokes a function names one of the app, or says why it does not.
func checkSources(t *testing.T, a *app.App) {
	for _, s := range a.Sources {
		if s.Unrunnable == nil && a.Function(s.Function) == nil || s.Name == "" || s.Kind == "" {
			t.Errorf("source %+v has no function", s)
		}
	}
	for _, api := range a.HTTPAPIs {
		at := map[[2]string]bool{}
		for _, r := range api.Routes {
			if key := [2]string{r.Method, r.Path}; at[key] {
				t.Errorf("%s %s has %v twice", api.Kind, api.LogicalID, key)
			} else {
				at[key] = true
			}
			if r.Unrunnable == nil && r.Answer == nil && a.Function(r.Function) == nil {
				t.Errorf("route %+v has no function", r)
			}
		}
	}
}

// FuzzStacks: whatever a template and the one that it nests, includes or imports from
// are, reading them does not panic, ends soon, and says every mistake with its file.
func FuzzStacks(f *testing.F) {
	const nested = "  N: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: child.yaml, Parameters: {Name: !GetAtt N.Outputs.O}}}\n"
	f.Add([]byte(socket+nested), []byte("Parameters: {Name: {Type: String}}\nResources:\n"+table("T", "!Ref Name")+"Outputs: {O: {Value: !Ref T, Export: {Name: e}}}\n"))
	f.Add([]byte(socket+"  Fn::Transform: {Name: AWS::Include, Parameters: {Location: child.yaml}}\n"), []byte(table("T", "t")))
	f.Add([]byte(strings.Replace(socket, "VALUE", "!ImportValue e", 1)), []byte("Resources: {}\nOutputs: {O: {Value: !Sub '${A}', Export: {Name: e}}}\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, main, child []byte) {
		if err := os.WriteFile(filepath.Join(dir, "child.yaml"), child, 0o600); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		a, notes, err := read(filepath.Join(dir, "t.yaml"), main, nil)
		if err == nil {
			_, notes, err = a.Resolve(hereWithAll(a))
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("reading %d and %d bytes took %v", len(main), len(child), took)
		}
		var e *app.Error
		if err != nil && (!errors.As(err, &e) || e.Position.File == "" || e.Text == "") {
			t.Errorf("error %#v, want an *app.Error with its file", err)
		}
		for _, note := range notes {
			if note.Text == "" {
				t.Errorf("an empty note at %s", note.Position)
			}
		}
	})
}
