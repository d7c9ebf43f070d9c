package cloudformation

import (
	"regexp"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

var subVariables = regexp.MustCompile(`\$\{(![^}]*|[^!}$][^}$]*)\}`)

// sub replaces ${Name} and ${Name.Attribute}; ${!Literal} loses its mark.
func (t *template) sub(a *value, pos app.Position) *value {
	text, variables := a, (*value)(nil)
	if a.Kind == document.List {
		if len(a.Items) != 2 {
			return document.NewUnknown(pos, "Fn::Sub needs a string and its variables")
		}
		text, variables = a.Items[0], a.Items[1]
	}
	if text = t.evalUnless(text, document.Scalar); text.Kind != document.Scalar {
		return document.OrUnknown(text, pos, "Fn::Sub of something that is not a string")
	}
	var out strings.Builder
	rest := text.Text
	var bad *value
	known := map[string]*value{}
	for {
		m := subVariables.FindStringSubmatchIndex(rest)
		if m == nil {
			break
		}
		out.WriteString(rest[:m[0]])
		name := rest[m[2]:m[3]]
		rest = rest[m[1]:]
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			out.WriteString("${" + literal + "}")
			continue
		}
		name = strings.TrimSpace(name)
		if known[name] == nil {
			known[name] = t.subVariable(name, variables, text.Pos)
		}
		switch v := known[name]; v.Kind {
		case document.Scalar:
			out.WriteString(v.Text)
		case document.Null, document.Absent:
		default:
			if bad == nil { // the others are asked all the same: parameters may be missing
				bad = document.OrUnknown(v, pos, "Fn::Sub of "+document.Clip(name)+", which is not a string")
			}
		}
		if out.Len() > document.MaxString {
			return document.NewUnknown(pos, "Fn::Sub makes a string that is too long")
		}
	}
	if bad != nil {
		return bad
	}
	out.WriteString(rest)
	if out.Len() > document.MaxString || !t.Spend(pos, out.Len()) {
		return document.NewUnknown(pos, "Fn::Sub makes a string that is too long")
	}
	return document.NewText(pos, out.String())
}

// subVariable is a variable of Fn::Sub: one that it defines itself, an attribute or a
// reference.
func (t *template) subVariable(name string, variables *value, pos app.Position) *value {
	if given := variables.Get(name); given != nil {
		return t.eval(given)
	}
	if id, attribute, ok := strings.Cut(name, "."); ok {
		return t.attribute(id, attribute, pos)
	}
	return t.ref(name, pos)
}
