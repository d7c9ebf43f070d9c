// Package hint gives errors what to do about them: one more sentence for people, which
// is printed in a line of its own.
package hint

import "errors"

// Error is an error with what to do about it. Make it with [New].
type Error struct {
	err error
	fix string
}

// New gives err a hint, in lower case and without a full stop. The text of the error
// stays as it is.
func New(err error, fix string) *Error { return &Error{err, fix} }

// Error is the text of the error without the hint.
func (e *Error) Error() string { return e.err.Error() }

// Unwrap is the error that was given the hint.
func (e *Error) Unwrap() error { return e.err }

// Fix is the hint. The errors of the library have a method of this name too.
func (e *Error) Fix() string { return e.fix }

// Of is the outermost hint of an error, empty if it has none.
func Of(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.fix
	}
	return ""
}
