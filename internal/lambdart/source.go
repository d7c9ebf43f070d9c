package lambdart

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/atomicfile"
	"github.com/wirepost/wirepost/internal/terminal"
)

// Kind is how a Source is run.
type Kind int

const (
	Program Kind = iota + 1 // speaks the Runtime API itself
	Go                      // a Go package of such a program, built first
	Node                    // a handler file, run by node
	Python                  // a handler file, run by python3
)

// Source is what to run. ParseSource makes one; the zero value is none.
type Source struct {
	Kind Kind

	// Args is the program and its arguments (Program), or the package's folder and
	// the program's arguments (Go).
	Args []string

	// Dir is the working directory and LAMBDA_TASK_ROOT; for handlers it is the one
	// that Handler is in. Empty means the current one.
	Dir string

	// Handler is _HANDLER: FILE.FUNCTION for handlers, and whatever a program makes
	// of it. Empty means bootstrap for a program.
	Handler string

	// Interpreter is the program that runs a handler. Empty means node or python3
	// (python on Windows), as PATH has it.
	Interpreter string
}

//go:embed bootstrap/node.mjs
var nodeBootstrap []byte

//go:embed bootstrap/resolve.mjs
var nodeResolve []byte

//go:embed bootstrap/python.py
var pythonBootstrap []byte

// ParseSource says what somebody means who names args, with a handler or without
// (then it is empty). args is one of
//
//	PROGRAM [ARGS...]   a program that speaks the Runtime API; a path needs ./ as in a shell
//	go:DIR [ARGS...]    the Go program in that folder
//	[DIR]               with a handler: the folder that the handler's file is in
//	node:DIR, python:DIR  the same where both languages have such a file
//
// Files must exist.
func ParseSource(args []string, handler string) (Source, error) {
	first := ""
	if len(args) > 0 {
		first = args[0]
	}
	if dir, ok := strings.CutPrefix(first, "go:"); ok {
		return parseGo(dir, args[1:], handler)
	}
	if handler == "" {
		if first == "" {
			return Source{}, errors.New("name a function: a program such as ./bootstrap, a Go folder such as go:./chat, or a folder with a handler such as index.handler")
		}
		return parseProgram(args, "")
	}
	kinds := []Kind{Node, Python}
	if dir, ok := strings.CutPrefix(first, "node:"); ok {
		first, kinds = dir, kinds[:1]
	} else if dir, ok := strings.CutPrefix(first, "python:"); ok {
		first, kinds = dir, kinds[1:]
	} else if info, err := os.Stat(first); first != "" && (err != nil || !info.IsDir()) {
		return parseProgram(args, handler)
	}
	if len(args) > 1 {
		return Source{}, fmt.Errorf("a handler takes one folder, but %q was given too", args[1:])
	}
	if first == "" {
		first = "."
	}
	dir, err := filepath.Abs(first)
	if err != nil {
		return Source{}, fmt.Errorf("find the folder %s: %w", first, err)
	}
	return parseHandler(dir, handler, kinds)
}

func parseProgram(args []string, handler string) (Source, error) {
	path, err := exec.LookPath(args[0])
	if errors.Is(err, exec.ErrDot) {
		err = nil
	}
	if err != nil {
		if info, statErr := os.Stat(args[0]); statErr == nil {
			switch {
			case info.IsDir():
				return Source{}, fmt.Errorf("%s is a folder: name a program in it, or go:%s if it is a Go program, or a handler such as index.handler", args[0], args[0])
			case handlerFile.MatchString(args[0]):
				folder, file := filepath.Split(args[0])
				return Source{}, fmt.Errorf("%s is not a program: a function handler in it is the handler %s of the folder %s", args[0], handlerFile.ReplaceAllString(file, ".handler"), filepath.Clean(folder))
			case strings.ContainsRune(args[0], filepath.Separator):
				return Source{}, fmt.Errorf("%s may not be executed; chmod +x %s if it is a program", args[0], terminal.Word(args[0]))
			default:
				return Source{}, fmt.Errorf("there is no program %s on the PATH; the file in this folder is ./%s", args[0], args[0])
			}
		}
		return Source{}, fmt.Errorf("there is no program %s", args[0])
	}
	if path, err = filepath.Abs(path); err != nil {
		return Source{}, fmt.Errorf("find %s: %w", args[0], err)
	}
	return Source{Kind: Program, Args: append([]string{path}, args[1:]...), Handler: handler}, nil
}

func parseGo(dir string, args []string, handler string) (Source, error) {
	if dir == "" {
		dir = "."
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Source{}, fmt.Errorf("find the folder %s: %w", dir, err)
	}
	switch info, err := os.Stat(abs); {
	case errors.Is(err, fs.ErrNotExist):
		return Source{}, fmt.Errorf("go:%s: there is no folder %s", dir, abs)
	case err == nil && !info.IsDir():
		return Source{}, fmt.Errorf("go:%s: %s is a file; name the folder of the package main", dir, abs)
	}
	files, err := filepath.Glob(filepath.Join(abs, "*.go"))
	if err != nil || len(files) == 0 {
		return Source{}, fmt.Errorf("go:%s: there is no Go file in that folder; name the one with package main", dir)
	}
	return Source{Kind: Go, Args: append([]string{abs}, args...), Handler: handler}, nil
}

// handlerFiles is where a handler can be, per language, and the function's name in
// it. Lambda's Node.js takes what is before the first dot of the last path segment
// for the file, its Python what is before the last dot, with dots for folders too.
func handlerFiles(dir, handler string, kind Kind) (files []string, function string) {
	if kind == Python {
		dot := strings.LastIndexByte(handler, '.')
		if dot < 1 {
			return nil, ""
		}
		base := filepath.Join(dir, strings.ReplaceAll(handler[:dot], ".", "/"))
		return []string{base + ".py", filepath.Join(base, "__init__.py")}, handler[dot+1:]
	}
	folder, last := "", handler
	if slash := strings.LastIndexByte(handler, '/'); slash >= 0 {
		folder, last = handler[:slash], handler[slash+1:]
	}
	file, function, _ := strings.Cut(last, ".")
	if file == "" {
		return nil, ""
	}
	base := filepath.Join(dir, folder, file)
	return []string{base + ".js", base + ".mjs", base + ".cjs", filepath.Join(base, "index.js")}, function
}

// handlerFile is how the name of a file ends that a handler may be in.
var handlerFile = regexp.MustCompile(`\.(js|mjs|cjs|py)$`)

func parseHandler(dir, handler string, kinds []Kind) (Source, error) {
	if handlerFile.MatchString(handler) && isFile(filepath.Join(dir, handler)) {
		return Source{}, fmt.Errorf("%q names a file and not a handler: a function handler in it is the handler %s", handler, handlerFile.ReplaceAllString(handler, ".handler"))
	}
	var found []Source
	for _, kind := range kinds {
		files, function := handlerFiles(dir, handler, kind)
		if function == "" {
			return Source{}, fmt.Errorf("the handler %q must be FILE.FUNCTION, such as index.handler for the function handler in index.mjs", handler)
		}
		if slices.ContainsFunc(files, isFile) {
			found = append(found, Source{Kind: kind, Dir: dir, Handler: handler})
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 2:
		return Source{}, fmt.Errorf("the handler %s is in a JavaScript and in a Python file of %s; say node:DIR or python:DIR", handler, dir)
	}
	js, _ := handlerFiles(dir, handler, Node)
	if ts := strings.TrimSuffix(js[0], ".js") + ".ts"; isFile(ts) {
		return Source{}, fmt.Errorf("the handler %s is in %s, which is TypeScript: build it to JavaScript first, as for Lambda, and name the folder of the result", handler, ts)
	}
	py, _ := handlerFiles(dir, handler, Python)
	return Source{}, fmt.Errorf("there is no file for the handler %s: neither %s (nor .mjs or .cjs) nor %s", handler, js[0], py[0])
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && !info.IsDir()
}

// launch is a Source that is ready to be run.
type launch struct {
	name      string // of the function
	source    Source
	around    Around
	path      string
	args      []string
	dir       string
	handler   string
	env       []string
	from      string // Config.From
	built     string // a file of this launch only
	debugPort int
}

// discard removes what was built for l, which nobody will start again.
func (l *launch) discard() {
	if l != nil && l.built != "" {
		_ = os.Remove(l.built) // on Windows it is still in use, and the next Start removes it
	}
}

// prepare makes the source ready to be run. One that replaces calls it.
func (f *Function) prepare(ctx context.Context) (*launch, error) {
	s := f.c.Source
	f.mu.Lock()
	around := f.c.Around
	f.mu.Unlock()
	l := &launch{name: f.c.Name, source: s, around: around, handler: s.Handler, debugPort: f.c.DebugPort}
	var err error
	if l.dir, err = filepath.Abs(s.Dir); err != nil {
		return nil, fmt.Errorf("start function %s: find its folder: %w", f.c.Name, err)
	}
	if l.handler == "" {
		l.handler = "bootstrap"
	}
	f.builds++
	l.from = f.c.From
	switch s.Kind {
	case Program, Go:
		if len(s.Args) == 0 {
			return nil, fmt.Errorf("start function %s: its Source names nothing to run", f.c.Name)
		}
		l.path, l.args = s.Args[0], s.Args[1:]
		if s.Kind == Go {
			err = f.build(ctx, l)
		}
	case Node:
		err = f.bootstrap(l, "node", "bootstrap.mjs", nodeBootstrap)
		if f.c.DebugPort != 0 {
			l.args = append([]string{"--inspect=127.0.0.1:" + strconv.Itoa(f.c.DebugPort)}, l.args...)
		}
	case Python:
		name := "python3"
		if runtime.GOOS == "windows" {
			name = "python"
		}
		err = f.bootstrap(l, name, "bootstrap.py", pythonBootstrap)
		l.env = append(l.env, "PYTHONUNBUFFERED=1")
		if f.c.DebugPort != 0 {
			l.args = append([]string{"-m", "debugpy", "--listen", "127.0.0.1:" + strconv.Itoa(f.c.DebugPort)}, l.args...)
		}
	default:
		err = fmt.Errorf("start function %s: there is no kind %d of Source", f.c.Name, s.Kind)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// bootstrap writes the program that calls a handler.
func (f *Function) bootstrap(l *launch, interpreter, file string, text []byte) error {
	if l.source.Interpreter != "" {
		interpreter = l.source.Interpreter
	}
	path, err := exec.LookPath(interpreter)
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return &StartError{Name: f.c.Name, Reason: fmt.Sprintf("%s, which runs the handler %s, is not installed or not on the PATH", interpreter, l.handler)}
	}
	if l.path, err = filepath.Abs(path); err != nil {
		return fmt.Errorf("start function %s: find %s: %w", f.c.Name, interpreter, err)
	}
	around, err := l.around.forBootstrap()
	if err != nil {
		return fmt.Errorf("start function %s: %w", f.c.Name, err)
	}
	files := map[string][]byte{file: text, "around.json": around}
	if l.source.Kind == Node {
		files["resolve.mjs"] = nodeResolve
	}
	for name, text := range files {
		path := filepath.Join(f.folder, name)
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
			continue
		}
		if err := atomicfile.Write(path, text, 0o600); err != nil {
			return fmt.Errorf("start function %s: make the program that calls its handler: %w", f.c.Name, err)
		}
	}
	l.args = []string{filepath.Join(f.folder, file)}
	return nil
}

// build compiles a Go package for this machine, whatever GOOS and GOARCH say. Each
// build has a file of its own: processes of the one before go on.
func (f *Function) build(ctx context.Context, l *launch) error {
	if f.builds == 1 { // what a killed process left
		left, _ := filepath.Glob(filepath.Join(f.folder, "bootstrap-*"))
		for _, name := range left {
			_ = os.Remove(name)
		}
	}
	if _, err := os.Stat(l.path); errors.Is(err, fs.ErrNotExist) { // of which go would say that it is not installed
		return &StartError{Name: f.c.Name, Reason: "its source, the folder " + l.path + ", is not there"}
	}
	out := filepath.Join(f.folder, "bootstrap-"+strconv.Itoa(f.builds))
	if runtime.GOOS == "windows" {
		out += ".exe"
	}
	args := []string{"build", "-o", out}
	if f.c.DebugPort != 0 {
		args = append(args, "-gcflags=all=-N -l")
	}
	c := exec.CommandContext(ctx, "go", append(args, ".")...)
	c.Dir = l.path
	c.Env = slices.DeleteFunc(slices.Clone(f.c.Env), func(e string) bool {
		return strings.HasPrefix(e, "GOOS=") || strings.HasPrefix(e, "GOARCH=")
	})
	c.SysProcAttr = ownGroup()
	c.Cancel = func() error { signalGroup(c.Process.Pid, sigKill); return nil }
	c.WaitDelay = time.Second
	said, err := c.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("build function %s: %w", f.c.Name, ctx.Err())
	case errors.Is(err, exec.ErrNotFound):
		return &StartError{Name: f.c.Name, Reason: "go, which builds it, is not installed or not on the PATH"}
	case err != nil:
		if len(said) == 0 {
			said = []byte(err.Error())
		}
		if bytes.Contains(said, []byte("go.mod file not found")) {
			return &StartError{Name: f.c.Name, Reason: "its source, the folder " + l.path + ", is in no Go module: run 'go mod init NAME' and 'go mod tidy' in the folder of the project"}
		}
		return &BuildError{Name: f.c.Name, Command: "go build in " + l.path, Output: string(said[:min(len(said), maxLine)])}
	}
	if info, err := os.Stat(out); err != nil || info.Mode()&fs.ModePerm&0o100 == 0 && runtime.GOOS != "windows" {
		os.Remove(out)
		return &StartError{Name: f.c.Name, Reason: "go build in " + l.path + " made no program: the folder does not have package main"}
	}
	l.path, l.built = out, out
	return nil
}
