package wirepost

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrInvalid says that what a caller gave can never work: a name, an audience, a
// connection ID, a message, an envelope, a part or a cursor. The error's text says what
// is wrong with it. A service answers its own client 400 for it.
var ErrInvalid = errors.New("wirepost: invalid input")

// invalidError is a sentence about what was given.
type invalidError struct{ error }

func (e invalidError) Is(target error) bool { return target == ErrInvalid }
func (e invalidError) Unwrap() error        { return e.error }

func invalidf(format string, args ...any) error {
	return invalidError{fmt.Errorf(format, args...)}
}

// invalidProblems are those of what a caller gave.
var invalidProblems = map[Problem]bool{ProblemConnectionID: true, ProblemMessageSize: true, ProblemMessageText: true, ProblemEventMalformed: true}

// Is makes an error whose problem is one of what the caller gave an [ErrInvalid].
func (e *Error) Is(target error) bool { return target == ErrInvalid && invalidProblems[e.Problem] }

// jsonFault says what is wrong with JSON in words, without Go's types.
func jsonFault(err error) string {
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		value, _, _ := strings.Cut(kind.Value, " ") // "number 1e99" has the client's text in it
		if kind.Field == "" {
			return fmt.Sprintf("it is a JSON %s, which it cannot be", value)
		}
		return fmt.Sprintf("%q is a JSON %s, which it cannot be", clip(kind.Field), value)
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("at byte %d: %v", syntax.Offset, syntax)
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}
