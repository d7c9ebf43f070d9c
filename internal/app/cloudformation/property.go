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
	e := t.final(v)
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

// must is a property without which its part cannot be run, or why it is not there.
func (t *template) must(v *value, what string) (text, why string) {
	e := t.final(v)
	switch e.Kind {
	case document.Scalar:
		return e.Text, ""
	case document.Null, document.Absent:
		return "", "it has no " + what
	case document.Unknown:
		return "", "its " + what + " is not known here: " + e.Text
	}
	return "", "its " + what + " is not a string"
}

// mentioned is a resource of that type to which a value refers, or empty.
func (t *template) mentioned(v *value, typ string) string {
	text := asWritten(v, 0)
	for _, x := range t.each(typ) {
		for _, reference := range []string{"\n" + x.id + "\n", "\n" + x.id + ".", "${" + x.id + "}", "${" + x.id + "."} {
			if strings.Contains(text, reference) {
				return x.id
			}
		}
	}
	return ""
}

// asWritten is every text in a value as it is written, each on a line of its own.
func asWritten(v *value, depth int) string {
	switch {
	case v == nil || depth > document.MaxNesting:
		return "\n"
	case v.Kind == document.Scalar:
		return "\n" + v.Text + "\n"
	}
	var out strings.Builder
	for _, item := range v.Items {
		out.WriteString(asWritten(item, depth+1))
	}
	for _, f := range v.Fields {
		out.WriteString(asWritten(f.Value, depth+1))
	}
	return out.String()
}

// whereOr is the place of a value, or the one that is given if it is not written.
func (t *template) whereOr(v *value, pos app.Position) app.Position {
	if p := v.Where(); p.Line != 0 {
		return p
	}
	return pos
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
		t.Note(v.Where(), app.Warning, "%s is not a number from 1 to %d: %d is used", what, limit, otherwise)
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
	return filepath.Join(t.dirOf(pos.File), filepath.FromSlash(s))
}

// dirOf is the directory from which the paths of a file are: its own for that of a
// nested stack or of another one, and else the template's.
func (t *template) dirOf(file string) string {
	if t.options.links != nil {
		if dir, ok := t.options.links.dirs[file]; ok {
			return dir
		}
	}
	return t.dir
}
