package app

import "fmt"

// A Position is a line of a file. File is the name that Read was given, or, for
// a file that the template includes, its path joined to the template's directory.
// Line 0 means the file as a whole.
type Position struct {
	File string
	Line int
}

// String is FILE:LINE.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Severity says how much a Note matters.
type Severity uint8

// Info is good to know. Warning is a difference between here and AWS: something
// behaves differently here, or works here and fails there.
const (
	Info Severity = iota
	Warning
)

// String is info or warning.
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "info"
}

// A Note says one thing about a template: what was rewritten, what was not
// understood, what is not done here. It never holds the value of a function's
// variable, except an address that was rewritten.
type Note struct {
	Position Position
	Severity Severity
	Text     string // one sentence, in lower case and without a full stop
}

// String is FILE:LINE: TEXT.
func (n Note) String() string { return n.Position.String() + ": " + n.Text }

// Error is a mistake that makes a template unusable, in one sentence, at the
// place where it can be corrected.
type Error struct {
	Position Position
	Text     string
}

// Errorf makes an Error.
func Errorf(pos Position, format string, args ...any) *Error {
	return &Error{Position: pos, Text: fmt.Sprintf(format, args...)}
}

// Error is FILE:LINE: TEXT.
func (e *Error) Error() string { return e.Position.String() + ": " + e.Text }
