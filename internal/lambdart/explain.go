package lambdart

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"runtime"
	"strings"
	"syscall"
)

// explain says in one sentence why a process did not come to its first invocation.
// err is why there was no process; the process's lock is held.
func (l *launch) explain(p *process, state string, err error) error {
	e := &StartError{Name: l.name, Output: p.tail.lines(), Err: err}
	switch {
	case err != nil:
		e.Reason = l.explainExec(err)
	case p.initError != nil:
		e.Err = p.initError
		e.Reason = l.explainInit(p.initError)
		if len(e.Output) == 0 {
			e.Trace = p.initError.StackTrace
		}
	case l.debugPort != 0 && strings.Contains(strings.Join(e.Output, "\n"), "No module named debugpy"):
		e.Reason = "the debugger of Python is the package debugpy, which is not installed; " + l.path + " -m pip install debugpy"
	case p.late:
		e.Reason = fmt.Sprintf("it did not ask for an invocation within %s; a Lambda function gets /2018-06-01/runtime/invocation/next from AWS_LAMBDA_RUNTIME_API, as lambda.Start does, and its start may take 10 s on Lambda too", initLimit)
	case p.offered:
		e.Reason = "it ended (" + state + ") while it waited for its first invocation"
	case state == "exit status 0":
		e.Reason = "it ended (exit status 0) without asking for an invocation; a Lambda function runs until it is told to end, as lambda.Start does"
	default:
		e.Reason = "it ended (" + state + ") before it asked for an invocation"
	}
	return e
}

func (l *launch) explainExec(err error) string {
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Sprintf("%s is not a program for this machine; build it for %s/%s, or name its source as go:DIR", l.path, runtime.GOOS, runtime.GOARCH)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("%s may not be executed; chmod +x it if it is a program", l.path)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("%s, or its folder %s, or what a script names in its first line, is not there", l.path, l.dir)
	}
	return err.Error()
}

var (
	// What Node.js says of a missing module: with require, of a package with import,
	// and of a file with import.
	nodeMissing = regexp.MustCompile(`Cannot find (?:module|package) '([^']+)'`)
	// What Python says.
	pythonMissing = regexp.MustCompile(`No module named '([^']+)'`)
	npmPackage    = regexp.MustCompile(`^(@[a-z0-9~._][a-z0-9~._-]*/)?[a-z0-9~._][a-z0-9~._-]*`)
	pipPackage    = regexp.MustCompile(`^[A-Za-z0-9_]+`)
	drive         = regexp.MustCompile(`^[A-Za-z]:[\\/]`)
)

// explainInit is the sentence for an error that a process gave before its first
// invocation.
func (l *launch) explainInit(e *FunctionError) string {
	message, _, _ := strings.Cut(e.Message, "\n")
	switch l.source.Kind {
	case Node:
		if m := nodeMissing.FindStringSubmatch(message); m != nil {
			name := m[1]
			if strings.HasPrefix(name, "/opt/") {
				return l.missingInOpt(name)
			}
			if name[0] == '.' || name[0] == '/' || drive.MatchString(name) || strings.HasPrefix(name, "file:") {
				return fmt.Sprintf("a file that the handler %s loads is not there: %s", l.handler, message)
			}
			if install := npmPackage.FindString(name); install != "" {
				if say := l.missingPackage(install); say != "" {
					return say
				}
				return fmt.Sprintf("the handler %s loads %s, which is not installed; %s", l.handler, name, npmInstall(cmp.Or(l.from, l.dir), install))
			}
		}
		if e.Type == "Runtime.UserCodeSyntaxError" {
			files, _ := handlerFiles(l.dir, l.handler, Node)
			if strings.Contains(message, "import statement outside a module") || strings.Contains(message, "Unexpected token 'export'") && len(files) > 0 && isFile(files[0]) {
				return fmt.Sprintf("the handler %s uses import or export in a file that is not a module (%s); name it .mjs, or put \"type\": \"module\" into its package.json", l.handler, message)
			}
			return fmt.Sprintf("the handler %s has a syntax error: %s", l.handler, message)
		}
	case Python:
		if m := pythonMissing.FindStringSubmatch(message); m != nil {
			module, _, _ := strings.Cut(m[1], ".")
			if files, _ := handlerFiles(l.dir, l.handler, Python); len(files) > 0 && m[1] == l.handlerModule() {
				return fmt.Sprintf("the file of the handler %s is not there: %s", l.handler, files[0])
			}
			if install := pipPackage.FindString(module); install != "" {
				if say := l.missingPackage(install); say != "" {
					return say
				}
				return fmt.Sprintf("the handler %s imports %s, which is not installed; %s -m pip %s", l.handler, m[1], l.path, pipInstall(cmp.Or(l.from, l.dir), install))
			}
		}
		if e.Type == "Runtime.UserCodeSyntaxError" {
			return fmt.Sprintf("the handler %s has a syntax error: %s", l.handler, message)
		}
	}
	if e.Type == "Runtime.HandlerNotFound" {
		return fmt.Sprintf("the handler %s is not there: %s", l.handler, message)
	}
	return "it said " + (&FunctionError{Type: e.Type, Message: message}).Error()
}

// handlerModule is the module of a Python handler.
func (l *launch) handlerModule() string {
	if dot := strings.LastIndexByte(l.handler, '.'); dot > 0 {
		return strings.ReplaceAll(l.handler[:dot], "/", ".")
	}
	return ""
}
