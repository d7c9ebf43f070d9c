package cloudformation

import (
	"fmt"

	"github.com/wirepost/wirepost/internal/app"
)

// told is what there is to say of variables once all are read: of several for which it
// is the same, it is said once.
type told struct {
	mentions map[string]*mention
	fillIns  map[string]*fillIn
	values   map[string]map[string]bool // of the functions' variables, by name
}

// A mention is what there is to say of one variable, and of as many more.
type mention struct {
	pos       app.Position
	what      string // the first of them
	more      int
	one, many string // the verb
	rest      string
}

// mention keeps something to say of a variable. The same key is the same thing.
func (r *reader) mention(key string, pos app.Position, what, one, many, rest string) {
	if m := r.told.mentions[key]; m != nil {
		if m.what != what {
			m.more++
		}
		return
	}
	r.told.mentions[key] = &mention{pos: pos, what: what, one: one, many: many, rest: rest}
}

// hasValue keeps a value of the functions' variables of that name.
func (t *told) hasValue(name, text string) {
	if t.values[name] == nil {
		t.values[name] = map[string]bool{}
	}
	t.values[name][text] = true
}

// tell says what was kept.
func (r *reader) tell(a *app.App) {
	for _, m := range r.told.mentions {
		what, verb := m.what, m.one
		if m.more > 0 {
			what, verb = fmt.Sprintf("%s, and %d more,", what, m.more), m.many
		}
		r.Note(m.pos, app.Warning, "%s %s %s", what, verb, m.rest)
	}
	for _, in := range r.told.fillIns {
		r.tellFillIn(in, len(a.HTTPAPIs) > 0)
	}
}
