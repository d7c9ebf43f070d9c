package template

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAProgramIsReadByWhatItExports(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"serverless.ts", "serverless.prod.js", "serverless-a.mjs", "app.ts"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	gives := func(text string, err error) func(_, _ string) ([]byte, error) {
		return func(_, _ string) ([]byte, error) { return []byte(text), err }
	}
	const service = `{"service": "ws", "provider": {"name": "aws", "runtime": "nodejs22.x"}, "functions": {"f": {"handler": "a.b", "events": [{"websocket": "$connect"}]}}}`
	for _, c := range []struct {
		name, file, want string
		program          func(_, _ string) ([]byte, error)
	}{
		{"a service", "serverless.ts", "", gives(service, nil)},
		{"a service with another name", "serverless.prod.js", "", gives(service, nil)},
		{"a module", "serverless-a.mjs", "", gives(service, nil)},
		{"a service that nobody runs", "serverless.ts", "serverless.ts: is a program, which only 'wirepost dev' runs: 'npx serverless print --format json > serverless.json' makes a template of it", nil},
		{"another program", "app.ts", "app.ts: is a program, which is never run here: give the template that it makes, such as cdk.out/NAME.template.json", gives(service, nil)},
		{"one that fails", "serverless.ts", "serverless.ts: fails: Error: no stage", gives("", errors.New("fails: Error: no stage"))},
		{"no service", "serverless.ts", "serverless.ts: exports no service of the Serverless Framework: it has no provider", gives(`{"a": 1}`, nil)},
		{"a service of another cloud", "serverless.ts", `serverless.ts: is for provider "google": only aws has WebSocket APIs of API Gateway`, gives(`{"service": "a", "provider": {"name": "google"}}`, nil)},
		{"a folder", "", "is a folder: name the file in it, serverless.ts", gives(service, nil)},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, _, err := Read(filepath.Join(dir, c.file), &Options{Program: c.program})
			if c.want == "" {
				if err != nil || len(a.APIs[0].Routes) != 1 || a.APIs[0].Routes[0].Position.String() != filepath.Join(dir, c.file) {
					t.Errorf("app %+v, %v, want one route at the file", a, err)
				}
				return
			}
			if err == nil || !strings.HasSuffix(strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), ""), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}
