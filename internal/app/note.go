package app

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

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
// behaves differently here, or works here and fails there. Stops is a part that
// cannot be run here although something needs it, an Unrunnable.
const (
	Info Severity = iota
	Warning
	Stops
)

// String is info, warning or stops.
func (s Severity) String() string {
	switch s {
	case Warning:
		return "warning"
	case Stops:
		return "stops"
	}
	return "info"
}

// A Note says one thing about a template: what was rewritten, what was not
// understood, what is not supported here. It never holds the value of a function's
// variable, except an address that was rewritten and a placeholder.
type Note struct {
	Position Position
	Severity Severity
	Text     string // one sentence, in lower case and without a full stop

	// More is how many other places have the same text and severity. They have no
	// notes of their own.
	More int
}

// String is FILE:LINE: TEXT, and how often there is more of it.
func (n Note) String() string {
	s := n.Position.String() + ": " + n.Text
	if n.More > 0 {
		s += fmt.Sprintf(" (and %d more like it)", n.More)
	}
	return s
}

// SortNotes puts what stops something first and the rest in the order of the file,
// where first is the file that comes before all others. Notes of one text and
// severity become one, at the first of their places. It changes notes and returns
// what is left of it.
func SortNotes(notes []Note, first string) []Note {
	slices.SortStableFunc(notes, func(a, b Note) int {
		return cmp.Or(cmp.Compare(b.Severity/Stops, a.Severity/Stops), a.Position.compare(b.Position, first), strings.Compare(a.Text, b.Text))
	})
	type line struct {
		severity Severity
		text     string
	}
	at := map[line]int{}
	kept := notes[:0]
	for _, n := range notes {
		if i, ok := at[line{n.Severity, n.Text}]; ok {
			kept[i].More += 1 + n.More
			continue
		}
		at[line{n.Severity, n.Text}] = len(kept)
		kept = append(kept, n)
	}
	return kept
}

// compare orders positions, with those of one file first.
func (p Position) compare(q Position, first string) int {
	if p.File != q.File {
		switch first {
		case p.File:
			return -1
		case q.File:
			return 1
		}
		return strings.Compare(p.File, q.File)
	}
	return cmp.Compare(p.Line, q.Line)
}

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
