//go:build unix

package js_test

import (
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/wirepost/wirepost/clients/js"
)

// sizeLimit is for the module minified and gzipped.
const sizeLimit = 5 << 10

// needs skips a test without a program, and fails it in CI.
func needs(t *testing.T, what string, there bool) {
	t.Helper()
	switch {
	case there:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is not installed; run make test-needs (with CI=true nothing is skipped)", what)
	default:
		t.Skipf("skipped: %s is not installed; run make test-needs", what)
	}
}

func tool(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	needs(t, names[0], false)
	return ""
}

// nodeModule is the path of what scripts/test-needs has installed.
func nodeModule(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", ".tools", "node", "node_modules", name))
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(path)
	needs(t, "the npm package "+name, err == nil)
	return path
}

func TestTheCommittedClientIsBuiltFromItsSourceAndSmall(t *testing.T) {
	tool(t, "node")
	nodeModule(t, "typescript")
	nodeModule(t, "esbuild")
	fresh := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "./build", fresh).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	made, err := filepath.Glob(filepath.Join(fresh, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(made) != len(builtFiles) {
		t.Errorf("clients/js/build makes %d files, and the package has %d of them", len(made), len(builtFiles))
	}
	for _, name := range builtFiles {
		committed, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		built, err := os.ReadFile(filepath.Join(fresh, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(committed, built) {
			t.Errorf("clients/js/%s is not what its source makes: run clients/js/build and commit it", name)
		}
	}
	check := exec.CommandContext(t.Context(), filepath.Join(nodeModule(t, "typescript"), "bin", "tsc"), "--ignoreConfig", "--noEmit", "--strict",
		"--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler", "--lib", "es2022,dom", "--types", "", "test/usage.ts")
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("the types: %v\n%s", err, out)
	}
	var small bytes.Buffer
	w, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(js.Module)
	w.Close()
	if t.Logf("wirepost.js: %d bytes, %d gzipped", len(js.Module), small.Len()); small.Len() > sizeLimit {
		t.Errorf("wirepost.js has %d bytes minified and gzipped, more than %d", small.Len(), sizeLimit)
	}
}

func TestTheClientKeepsItsPromisesOnAClockOfTheTest(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), tool(t, "node"), "--test", "test/client.test.js", "test/hours.test.js", "test/skew.test.js", "test/log.test.js", "test/stream.test.js", "test/presence.test.js").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range bytes.Lines(out) {
		if bytes.HasPrefix(line, []byte("# connections")) || bytes.HasPrefix(line, []byte("# pass")) {
			t.Logf("%s", bytes.TrimSpace(line))
		}
	}
}
