package document

import (
	"fmt"
	"maps"
	"slices"

	"github.com/wirepost/wirepost/internal/app"
)

// What the values of a template may become.
const (
	MaxString  = 256 << 10 // bytes of one string
	MaxNesting = 1000      // references, or variables, within each other
	maxWork    = 4 << 20   // steps and bytes of all values together
)

const tooLarge = "the template is too large once it is resolved"

// A Reading is one pass over a template: the notes about it, the first mistake that
// makes it unusable, and a bound on the work, so that a small template cannot
// describe a large app. It is for one goroutine.
type Reading struct {
	file  string
	notes []app.Note
	seen  map[app.Note]bool
	fatal *app.Error
	spent int
}

// NewReading begins to read the template in file.
func NewReading(file string) *Reading {
	return &Reading{file: file, seen: map[app.Note]bool{}}
}

// File is the name of the template's file, as it was given.
func (r *Reading) File() string { return r.file }

// Fork is a reading that goes on from where r is; r stays as it is.
func (r *Reading) Fork() *Reading {
	fork := *r
	fork.notes, fork.seen = slices.Clone(r.notes), maps.Clone(r.seen)
	return &fork
}

// Note keeps a note, once.
func (r *Reading) Note(pos app.Position, s app.Severity, format string, args ...any) {
	r.Add(app.Note{Position: pos, Severity: s, Text: fmt.Sprintf(format, args...)})
}

// Fail keeps the first mistake that makes the template unusable.
func (r *Reading) Fail(pos app.Position, format string, args ...any) {
	if r.fatal == nil {
		r.fatal = app.Errorf(pos, format, args...)
	}
}

// Err is what Fail was told first, an *app.Error, or nil.
func (r *Reading) Err() error {
	if r.fatal == nil {
		return nil
	}
	return r.fatal
}

// Spend takes n steps or bytes from the work that the template may cause. It
// reports false, and the template fails, when there is none left.
func (r *Reading) Spend(pos app.Position, n int) bool {
	if r.spent += n; r.spent <= maxWork {
		return true
	}
	r.Fail(pos, tooLarge)
	return false
}

// Notes are all notes as app.SortNotes orders them: what stops something first, then
// those of the template, then those of the files that it includes.
func (r *Reading) Notes() []app.Note {
	return app.SortNotes(slices.Clone(r.notes), r.file)
}

// Add keeps a note that is made already, once.
func (r *Reading) Add(note app.Note) {
	if r.seen[note] {
		return
	}
	r.seen[note] = true
	r.notes = append(r.notes, note)
}
