package lambdart

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// goFunction is a function of nothing but the standard library, which answers NAME.
const goFunction = `package main

import (
	"net/http"
	"os"
	"strings"
)

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		next, err := http.Get(api + "next")
		if err != nil {
			return
		}
		next.Body.Close()
		answer, err := http.Post(api+next.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "application/json", strings.NewReader("NAME"))
		if err != nil {
			return
		}
		answer.Body.Close()
	}
}
`

func TestAGoSourceIsBuiltAndABrokenBuildKeepsTheOldProcess(t *testing.T) {
	noGoroutineStays(t)
	dir, folder := t.TempDir(), t.TempDir()
	write(t, "module m\n\ngo 1.24\n", dir, "go.mod")
	write(t, strings.ReplaceAll(goFunction, "NAME", "one"), dir, "fn", "main.go")
	write(t, "left behind", folder, "functions", "built", "bootstrap-7")
	source, err := ParseSource([]string{"go:" + filepath.Join(dir, "fn")}, "")
	if err != nil {
		t.Fatal(err)
	}
	// A machine that builds for Lambda most of the time.
	f := begin(t, Config{Name: "built", Source: source, Folder: folder, Env: append(os.Environ(), "GOOS=plan9", "GOARCH=386"), Output: t.Output(), after: patient})
	answers := func(want string) {
		t.Helper()
		if answer, err := f.Invoke(t.Context(), nil); err != nil || string(answer) != want {
			t.Errorf("got %q, %v", answer, err)
		}
	}
	files := func(want string) {
		t.Helper()
		entries, err := os.ReadDir(filepath.Join(folder, "functions", "built"))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, e := range entries {
			got += e.Name() + " "
		}
		if got != want {
			t.Errorf("the folder has %s", got)
		}
	}
	answers("one")
	files("bootstrap-1 ")

	write(t, strings.ReplaceAll(goFunction, "next.Body", "next.Bodi"), dir, "fn", "main.go")
	err = f.Restart(t.Context())
	var broken *BuildError
	if !errors.As(err, &broken) || !strings.HasPrefix(err.Error(), "function built was not built: go build in "+filepath.Join(dir, "fn")+" failed\n\t") || !strings.Contains(err.Error(), "main.go:16:8: next.Bodi undefined") {
		t.Errorf("%v", err)
	}
	answers("one")

	write(t, "package main\n\nfunc main() { panic(\"no luck\") }\n", dir, "fn", "main.go")
	err = f.Restart(t.Context())
	var failed *StartError
	if !errors.As(err, &failed) || !slices.Contains(failed.Output, "panic: no luck") {
		t.Errorf("%v", err)
	}
	answers("one")
	files("bootstrap-1 ")

	write(t, "package other\n", dir, "fn", "main.go")
	if err = f.Restart(t.Context()); !errors.As(err, &failed) || !strings.Contains(failed.Reason, "made no program: the folder does not have package main") {
		t.Errorf("%v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err = f.Restart(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}

	write(t, strings.ReplaceAll(goFunction, "NAME", "two"), dir, "fn", "main.go")
	if err := f.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	answers("two")
	if s := f.Stats(); s.Restarts != 1 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
	files("bootstrap-5 ")
}

func TestATemporaryFolderIsRemoved(t *testing.T) {
	f, err := Start(t.Context(), handler(t, Node, "index.handler", "index.mjs", `export const handler = async () => 1`))
	if err != nil {
		t.Fatal(err)
	}
	if !isFile(filepath.Join(f.folder, "bootstrap.mjs")) {
		t.Error("the bootstrap is not in the folder")
	}
	for range 2 {
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(f.folder); !os.IsNotExist(err) {
		t.Error(err)
	}
}

func TestARestartTakesTheHandlerAsItIsNow(t *testing.T) {
	for kind, c := range map[Kind][4]string{
		Node:   {"index.handler", "index.mjs", "export const handler = async () => 1", "export const handler = async () => 2"},
		Python: {"app.handler", "app.py", "def handler(e, c):\n    return 1\n", "def handler(e, c):\n    return 20 // 10\n"},
	} {
		f := begin(t, handler(t, kind, c[0], c[1], c[2]))
		write(t, "def export (", f.c.Source.Dir, c[1])
		var failed *StartError
		if err := f.Restart(t.Context()); !errors.As(err, &failed) || !strings.Contains(failed.Reason, "syntax error") {
			t.Error(err)
		}
		if answer, err := f.Invoke(t.Context(), []byte("{}")); err != nil || string(answer) != "1" {
			t.Errorf("%q, %v", answer, err)
		}
		write(t, c[3], f.c.Source.Dir, c[1])
		if err := f.Restart(t.Context()); err != nil {
			t.Error(err)
		}
		if answer, err := f.Invoke(t.Context(), []byte("{}")); err != nil || string(answer) != "2" {
			t.Errorf("%q, %v", answer, err)
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestADebuggerOfNodeCanBeReachedAfterARestartToo(t *testing.T) {
	c := handler(t, Node, "index.handler", "index.mjs", `export const handler = async (e, c) => c.getRemainingTimeInMillis()`)
	c.DebugPort, c.Concurrency, c.Timeout = freePort(t), 5, 1
	f := begin(t, c)
	for range 2 {
		answer, err := http.Get("http://127.0.0.1:" + strconv.Itoa(c.DebugPort) + "/json/version")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != 200 {
			t.Error(answer.Status)
		}
		if left, err := f.Invoke(t.Context(), []byte("{}")); err != nil || len(left) < 8 {
			t.Errorf("%s ms are left, %v", left, err)
		}
		if err := f.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := f.Stats(); s.Processes != 1 {
			t.Errorf("%+v", s)
		}
	}
	// With the port free and the file broken nothing runs; the next invocation tries
	// again.
	write(t, "export (", c.Source.Dir, "index.mjs")
	var failed *StartError
	if err := f.Restart(t.Context()); !errors.As(err, &failed) {
		t.Error(err)
	}
	write(t, "export const handler = async () => 1", c.Source.Dir, "index.mjs")
	if answer, err := f.Invoke(t.Context(), []byte("{}")); err != nil || string(answer) != "1" {
		t.Errorf("%s, %v", answer, err)
	}
}

func TestADebuggerOfPythonThatIsNotInstalledSaysWhatToDo(t *testing.T) {
	c := handler(t, Python, "app.handler", "app.py", "def handler(e, c):\n    return 1\n")
	c.DebugPort = freePort(t)
	f, err := Start(t.Context(), c)
	if err == nil {
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
		return // it is installed
	}
	if !strings.Contains(err.Error(), "is the package debugpy, which is not installed; "+c.Source.Interpreter+" -m pip install debugpy") {
		t.Error(err)
	}
}

func TestAnInterpreterThatIsNotThereIsNamed(t *testing.T) {
	c := handler(t, Node, "index.handler", "index.mjs", "")
	c.Source.Interpreter = "node-that-is-not-there"
	if _, err := Start(t.Context(), c); err == nil || err.Error() != "function fn did not start: node-that-is-not-there, which runs the handler index.handler, is not installed or not on the PATH" {
		t.Error(err)
	}
}

// In GOPATH's time there were no modules, and Go's own error says nothing of the function.
func TestGoSourceInNoModuleIsASentence(t *testing.T) {
	dir := t.TempDir()
	write(t, goFunction, dir, "main.go")
	_, err := Start(t.Context(), Config{Name: "fn", Source: Source{Kind: Go, Args: []string{dir}}, Env: os.Environ()})
	var failed *StartError
	if want := "its source, the folder " + dir + ", is in no Go module: run 'go mod init NAME' and 'go mod tidy' in the folder of the project"; !errors.As(err, &failed) || failed.Reason != want {
		t.Errorf("%v, want %s", err, want)
	}
}
