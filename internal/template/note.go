package template

import (
	"fmt"
	"slices"
	"strings"
)

// A Position is a line of a file. File is as it was given, or relative to the
// template's directory joined to it. A line of 0 means the file as a whole.
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

// Info is what somebody may want to know. Warning is what behaves differently
// here than on AWS, or would on AWS than here.
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

// Error is FILE:LINE: TEXT.
func (e *Error) Error() string { return e.Position.String() + ": " + e.Text }

func mistake(pos Position, format string, args ...any) *Error {
	return &Error{Position: pos, Text: fmt.Sprintf(format, args...)}
}

// notes collects each note once.
type notes struct {
	all  []Note
	seen map[Note]bool
}

func (n *notes) add(pos Position, s Severity, format string, args ...any) {
	note := Note{pos, s, fmt.Sprintf(format, args...)}
	if n.seen[note] {
		return
	}
	if n.seen == nil {
		n.seen = map[Note]bool{}
	}
	n.seen[note] = true
	n.all = append(n.all, note)
}

// sorted is in the order of the file: main's own lines come first.
func (n *notes) sorted(main string) []Note {
	slices.SortStableFunc(n.all, func(a, b Note) int {
		if a.Position.File != b.Position.File {
			switch main {
			case a.Position.File:
				return -1
			case b.Position.File:
				return 1
			}
			return strings.Compare(a.Position.File, b.Position.File)
		}
		if a.Position.Line != b.Position.Line {
			return a.Position.Line - b.Position.Line
		}
		return strings.Compare(a.Text, b.Text)
	})
	return n.all
}
