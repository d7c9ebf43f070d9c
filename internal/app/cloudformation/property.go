package cloudformation

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// text is a property that should be a string, or empty with a note.
func (t *template) text(v *value, what string) string {
	e := t.eval(v)
	switch e.Kind {
	case document.Scalar:
		return e.Text
	case document.Null, document.Absent:
	case document.Unknown:
		t.Note(e.Where(), app.Warning, "%s is not known here: %s", what, e.Text)
	default:
		t.Note(e.Where(), app.Warning, "%s is not a string", what)
	}
	return ""
}

// need is a property without which the app cannot be run: the template fails
// without it.
func (t *template) need(v *value, pos app.Position, what string) (string, bool) {
	e := t.eval(v)
	switch e.Kind {
	case document.Scalar:
		return e.Text, true
	case document.Null, document.Absent:
		t.Fail(pos, "%s is missing", what)
	case document.Unknown:
		t.Fail(e.Pos, "%s is not known here: %s", what, e.Text)
	default:
		t.Fail(e.Pos, "%s is not a string", what)
	}
	return "", false
}

// texts is a property that should be a list of strings, or one string.
func (t *template) texts(v *value, what string) []string {
	e := t.eval(v)
	switch e.Kind {
	case document.Null, document.Absent:
		return nil
	case document.List:
		var out []string
		for _, item := range e.Items {
			if s := t.text(item, what); s != "" {
				out = append(out, s)
			}
		}
		return out
	}
	if s := t.text(e, what); s != "" {
		return []string{s}
	}
	return nil
}

// number is a property from 1 to limit, or otherwise, with a note if it is none.
func (t *template) number(v *value, otherwise, limit int, what string) int {
	s := t.text(v, what)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > limit {
		t.Note(v.Where(), app.Warning, "%s is not a number from 1 to %d: %d is taken", what, limit, otherwise)
		return otherwise
	}
	return n
}

// items is a property that should be a list.
func (t *template) items(v *value, what string) []*value {
	e := t.eval(v)
	if e.Kind == document.Unknown {
		t.Note(e.Where(), app.Warning, "%s is not known here: %s", what, e.Text)
	}
	return e.Items
}

// path is a path in a template, as it is opened from here. It is not opened.
func (t *template) path(pos app.Position, s string) string {
	if strings.ContainsRune(s, 0) {
		t.Note(pos, app.Warning, "a path with a zero byte is left out")
		return ""
	}
	if filepath.IsAbs(s) {
		return filepath.Clean(s)
	}
	return filepath.Join(t.dir, filepath.FromSlash(s))
}
