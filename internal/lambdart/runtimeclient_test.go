package lambdart

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// onRuntimeClient is a handler on AWS's own runtime client for Node.js, or the test is
// skipped. That client speaks the Runtime API with a library in C++ and with curl,
// which nobody wrote for this package.
func onRuntimeClient(t *testing.T, name string, files ...string) Config {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("skipped: AWS's runtime client for Node.js builds on Linux only")
	}
	client, err := filepath.Abs("../../.tools/aws-lambda-ric/node_modules/aws-lambda-ric/bin/index.mjs")
	if err != nil {
		t.Fatal(err)
	}
	if !isFile(client) || !isFile(filepath.Join(filepath.Dir(client), "../dist/rapid-client.node")) {
		if os.Getenv("CI") == "true" {
			t.Fatal("AWS's runtime client for Node.js is not installed; run make test-needs (with CI=true nothing is skipped)")
		}
		t.Skip("skipped: AWS's runtime client for Node.js is not installed; run make test-needs")
	}
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		write(t, files[i+1], dir, files[i])
	}
	source := Source{Kind: Program, Args: []string{interpreter(t, Node), client, name}, Dir: dir, Handler: name}
	return Config{Name: "fn", Source: source, Env: os.Environ(), Timeout: 20 * time.Second, Output: t.Output(), after: patient}
}

// A handler does the same on that client as on the bootstrap of this package.
func TestHandlersDoTheSameOnAWSsRuntimeClient(t *testing.T) {
	for _, c := range nodeStyles {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := begin(t, onRuntimeClient(t, c.handler, c.files...))
			wantHello(t, f)
			if s := f.Stats(); s.Starts != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
	for name, text := range nodeNothings {
		t.Run("nothing: "+name, func(t *testing.T) {
			t.Parallel()
			wantNull(t, begin(t, onRuntimeClient(t, "index.handler", "index.mjs", text)))
		})
	}
	for _, c := range nodeErrors {
		t.Run("error: "+c.name, func(t *testing.T) {
			t.Parallel()
			c.want(t, begin(t, onRuntimeClient(t, "index.handler", "index.mjs", c.text)))
		})
	}
}
