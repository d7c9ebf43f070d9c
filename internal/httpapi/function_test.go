package httpapi

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// The same function in two languages: it answers in the inferred form, in the whole one, in
// base64, and not at all.
const nodeFunction = `
export const handler = async (event) => {
  const path = event.rawPath ?? event.path
  const body = event.isBase64Encoded ? Buffer.from(event.body, 'base64').toString('latin1') : event.body
  if (path === '/plain') return { got: body ?? null }
  if (path === '/whole') return { statusCode: 201, headers: { 'X-Id': event.pathParameters?.x ?? 'none' }, body: body ?? '' }
  if (path === '/binary') return { statusCode: 200, headers: { 'Content-Type': 'image/png' }, isBase64Encoded: true, body: Buffer.from([0x89, 0xff]).toString('base64') }
  throw new Error('boom')
}
`

const pythonFunction = `
import base64

def handler(event, context):
    path = event.get('rawPath') or event.get('path')
    body = event.get('body')
    if event.get('isBase64Encoded'):
        body = base64.b64decode(body).decode('latin1')
    if path == '/plain':
        return {'got': body}
    if path == '/whole':
        return {'statusCode': 201, 'headers': {'X-Id': (event.get('pathParameters') or {}).get('x', 'none')}, 'body': body or ''}
    if path == '/binary':
        return {'statusCode': 200, 'headers': {'Content-Type': 'image/png'}, 'isBase64Encoded': True, 'body': base64.b64encode(b'\x89\xff').decode()}
    raise Exception('boom')
`

func TestUnchangedFunctionsAreServed(t *testing.T) {
	for _, c := range []struct{ name, program, file, text, handler string }{
		{"Node.js", "node", "index.mjs", nodeFunction, "index.handler"},
		{"Python", "python3", "index.py", pythonFunction, "index.handler"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := exec.LookPath(c.program); err != nil {
				if os.Getenv("CI") == "true" {
					t.Fatalf("%s is not installed (with CI=true nothing is skipped)", c.program)
				}
				t.Skipf("skipped: %s is not installed", c.program)
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			source, err := lambdart.ParseSource([]string{dir}, c.handler)
			if err != nil {
				t.Fatal(err)
			}
			f, err := lambdart.Start(t.Context(), lambdart.Config{Name: "fn", Source: source, Env: os.Environ(), Timeout: 20 * time.Second, Output: t.Output()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close(context.Background()) })
			askFunction(t, f)
		})
	}
}

func askFunction(t *testing.T, f *lambdart.Function) {
	url := apiOf(app.FunctionURL)
	url.LogicalID = "F"
	for _, api := range []*app.HTTPAPI{httpAPI("ANY /{x}"), url} {
		s := serve(t, api, "")
		s.functions["F"] = f.Invoke
		failed := 500
		if api.Kind == app.FunctionURL {
			failed = 502
		}
		for _, c := range []struct {
			method, path, body, kind string
			status                   int
			want                     string
		}{
			{"GET", "/plain", "", "", 200, "\"got\""},
			{"POST", "/plain", "h\u00e9", "text/plain", 200, "h"},
			{"POST", "/whole", "a=b", "application/x-www-form-urlencoded", 201, "a=b"},
			{"GET", "/binary", "", "", 200, "\x89\xff"},
			{"GET", "/other", "", "", failed, ""},
		} {
			w := s.ask(c.method, c.path, c.body, with("Content-Type", c.kind))
			if got := w.Body.String(); w.Code != c.status || c.want != "" && !strings.Contains(got, c.want) {
				t.Errorf("%s, %s %s: %d %q, want %d with %q", api.Kind, c.method, c.path, w.Code, got, c.status, c.want)
			}
			if id := w.Header().Get("X-Id"); c.path == "/whole" && (id == "none") != (api.Kind == app.FunctionURL) {
				t.Errorf("%s: x is %q", api.Kind, id)
			}
		}
	}
}
