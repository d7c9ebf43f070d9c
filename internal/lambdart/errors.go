package lambdart

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrClosed is what an invocation gets from a function that was closed.
var ErrClosed = errors.New("the function was closed")

// errNotGiven is an invocation that no process has seen.
var errNotGiven = errors.New("the process ended before it was given the invocation")

// FunctionError is the function's own answer that its invocation failed.
type FunctionError struct {
	RequestID  string
	Type       string   // such as Error, KeyError or Runtime.ImportModuleError
	Message    string   // as the function gave it
	StackTrace []string // a frame each

	// Body is the whole object that the function gave, as Invoke's caller gets it on
	// Lambda; nil if it gave none.
	Body []byte
}

// Error is Type and Message.
func (e *FunctionError) Error() string {
	if e.Type == "" {
		return e.Message
	}
	return e.Type + ": " + e.Message
}

// ExitError is a process that ended during an invocation.
type ExitError struct {
	RequestID string
	State     string   // such as "exit status 1" or "signal: killed"
	Output    []string // its last lines, which Config.Output has had
}

// Error is what Lambda logs.
func (e *ExitError) Error() string {
	return "RequestId: " + e.RequestID + " Error: Runtime exited with error: " + e.State
}

// TimeoutError is an invocation that took too long. Its process was killed.
type TimeoutError struct {
	RequestID string
	Timeout   time.Duration
}

// Error is what Lambda logs.
func (e *TimeoutError) Error() string {
	return fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", e.RequestID, e.Timeout.Seconds())
}

// StartError is a process that did not come to its first invocation.
type StartError struct {
	Name   string   // the function's
	Reason string   // one sentence: what happened and what to do
	Output []string // the process's last lines, which Config.Output has had
	Trace  []string // the stack trace of a process that has written nothing
	Err    error    // a *FunctionError if the process said why, or nil
}

// Error is the sentence, and the stack trace if it is not among the lines of output,
// which the one that runs the function has seen.
func (e *StartError) Error() string {
	return "function " + e.Name + " did not start: " + e.Reason + indented(e.Trace)
}

// Unwrap gives Err.
func (e *StartError) Unwrap() error { return e.Err }

// BuildError is a source that does not compile.
type BuildError struct {
	Name    string // the function's
	Command string // such as go build ./chat
	Output  string // what the compiler said
}

// Error is the command, and the compiler's lines.
func (e *BuildError) Error() string {
	return "function " + e.Name + " was not built: " + e.Command + " failed" + indented(strings.Split(strings.TrimRight(e.Output, "\n"), "\n"))
}

// indented is lines below a sentence.
func indented(lines []string) string {
	if len(lines) == 0 || len(lines) == 1 && lines[0] == "" {
		return ""
	}
	return "\n\t" + strings.Join(lines, "\n\t")
}
