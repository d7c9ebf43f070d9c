package cloudformation

import (
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// variables is a map of strings: an environment, or stage variables. What cannot be
// known is left out, with a note. Addresses are rewritten if names are known.
func (r *reader) variables(v *value, kindOf, owner string) map[string]string {
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
		what := kindOf + " " + document.Clip(f.Key) + " of " + document.Clip(owner)
		clear(r.placeholders)
		e := r.final(f.Value)
		if e.Kind == document.Unknown && r.leftOut[f.Pos] == f.Key {
			continue // said of another function already: Globals, provider.environment
		}
		for id, x := range r.placeholders {
			if e.Kind == document.Unknown {
				break
			}
			standIn := "its logical ID"
			if r.options.Origin.Placeholders[id] != "" {
				standIn = "what is made up"
			}
			r.Note(f.Pos, app.Warning, "%s names %s, of type %s, which is not run here: %s stands for it; %s", what, document.Clip(id), document.Clip(x.typ), standIn, give(id))
		}
		switch {
		case e.Kind == document.Absent:
		case e.Kind == document.Null:
			out[f.Key] = ""
		case e.Kind == document.Unknown:
			r.leftOut[f.Pos] = f.Key
			r.Note(f.Pos, app.Warning, "%s is left out: %s", what, e.Text)
		case e.Kind != document.Scalar:
			r.Note(f.Pos, app.Warning, "%s is left out: it is not a string", what)
		case len(e.Text) > document.MaxString:
			r.Note(f.Pos, app.Warning, "%s is left out: it is too long", what)
		case !r.Spend(f.Pos, len(e.Text)):
			return out
		case r.names == nil:
			out[f.Key] = e.Text
		default:
			out[f.Key] = r.local(e.Text, what, f.Pos)
		}
	}
	return out
}
