package cloudformation

import (
	"maps"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// variables is a map of strings: an environment, or stage variables. What cannot be
// known is left out, with a note. Addresses are rewritten if names are known. What is
// given comes before what the template says, and is taken as it is.
func (r *reader) variables(v *value, kindOf, owner string, given map[string]string) map[string]string {
	out := map[string]string{}
	if v != nil && v.Kind == document.Map {
		if _, _, ok := v.Intrinsic(); ok {
			v = r.eval(v)
		}
	}
	if v != nil && v.Kind == document.Unknown {
		r.Note(v.Pos, app.Warning, "every %s of %s is left out: %s", kindOf, document.Clip(owner), v.Text)
	}
	for _, f := range v.Each() {
		if _, ok := given[f.Key]; ok {
			continue
		}
		if !r.variable(f, kindOf, owner, out) {
			return out
		}
	}
	maps.Copy(out, given)
	return out
}

// variable puts one variable into out, unless it is left out. It is false if there is
// no work left for others.
func (r *reader) variable(f field, kindOf, owner string, out map[string]string) bool {
	what := kindOf + " " + document.Clip(f.Key) + " of " + document.Clip(owner)
	clear(r.placeholders)
	e := r.final(f.Value)
	if e.Kind == document.Unknown && r.leftOut[f.Pos] == f.Key {
		return true // said of another function already: Globals, provider.environment
	}
	for id, x := range r.placeholders {
		if e.Kind == document.Unknown {
			break
		}
		standIn := "its logical ID"
		if r.options.Origin.Placeholders[id] != "" {
			standIn = "what is made up"
		}
		r.mention(id, f.Pos, what, "names", "name", document.Clip(id)+", of type "+document.Clip(x.typ)+", which is not run here: "+standIn+" stands for it; "+give(id))
	}
	switch {
	case e.Kind == document.Absent:
	case e.Kind == document.Null:
		out[f.Key] = ""
	case e.Kind == document.Unknown:
		r.leftOut[f.Pos] = f.Key
		r.mention(f.Key+" "+e.Text, f.Pos, what, "is", "are", "left out: "+e.Text)
	case e.Kind != document.Scalar:
		r.Note(f.Pos, app.Warning, "%s is left out: it is not a string", what)
	case len(e.Text) > document.MaxString:
		r.Note(f.Pos, app.Warning, "%s is left out: it is too long", what)
	case !r.Spend(f.Pos, len(e.Text)):
		return false
	case r.names == nil:
		out[f.Key] = e.Text
	case app.IsFillIn(r.written(f.Value, e.Text)):
		r.fillIn(f, e.Text, kindOf, owner)
		out[f.Key] = e.Text
	default:
		out[f.Key] = r.local(e.Text, what, f.Pos)
	}
	if e.Kind == document.Scalar && kindOf == functionVariable {
		r.told.hasValue(f.Key, e.Text)
	}
	return true
}

// functionVariable is the kind of those that functions have.
const functionVariable = "variable"
