package cloudformation

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// given is what the caller says for something that only AWS has. It keeps the name,
// so that a name that nothing uses can be told.
func (t *template) given(name string) (string, bool) {
	t.asked[name] = true
	s, ok := t.options.Values[name]
	if !ok && strings.ContainsAny(name, ":.") { // nothing but AWS has those
		s, ok = t.options.MoreValues[name]
	}
	return s, ok
}

// more is what the caller's environment has for a resource whose name nothing else
// says.
func (t *template) more(x *resource) (string, bool) {
	property, named := nameProperty[x.typ]
	if isMadeHere(x.typ) || named && x.props.Get(property) != nil {
		return "", false
	}
	s, ok := t.options.MoreValues[x.id]
	return s, ok
}

// give is the flag that gives a value.
func give(name string) string { return "give " + app.Flag("--value", name, "VALUE") }

// valueOr is a value that the caller gives, or unknown with the reason and the flag.
func (t *template) valueOr(name string, pos app.Position, why string) *value {
	s, ok := t.given(name)
	switch {
	case !ok:
		return document.NewUnknown(pos, why+"; "+give(name))
	case !t.Spend(pos, len(s)):
		return document.TooLarge(pos)
	}
	return document.NewText(pos, s)
}

// final is a value worked out, also the dynamic references in it.
func (t *template) final(v *value) *value {
	e := t.eval(v)
	if e.Kind == document.Scalar && strings.Contains(e.Text, "{{resolve:") && !t.symbolic {
		return t.resolved(e)
	}
	return e
}

var dynamicReference = regexp.MustCompile(`\{\{resolve:(ssm|ssm-secure|secretsmanager):([^{}]+)\}\}`)

// resolved replaces the dynamic references of a string by what is given for them.
// (AWS docs, CloudFormation user guide: "Get values stored in other services using
// dynamic references".)
func (t *template) resolved(e *value) *value {
	var bad *value
	out := dynamicReference.ReplaceAllStringFunc(e.Text, func(reference string) string {
		m := dynamicReference.FindStringSubmatch(reference)
		v := t.dynamic(m[1], m[2], e.Pos)
		if v.Kind != document.Scalar {
			bad = v
		}
		return v.Text
	})
	switch {
	case bad != nil:
		return bad
	case strings.Contains(out, "{{resolve:") && out == e.Text:
		return document.NewUnknown(e.Pos, "a dynamic reference of this form is not understood")
	case len(out) > document.MaxString || !t.Spend(e.Pos, len(out)):
		return document.TooLarge(e.Pos)
	}
	return document.NewText(e.Pos, out)
}

// dynamic is one dynamic reference. A parameter may be given without its version, and
// a secret as a whole, as JSON, of which a key is taken.
func (t *template) dynamic(service, rest string, pos app.Position) *value {
	const why = "a dynamic reference is resolved by AWS"
	if service != "secretsmanager" {
		name, version, _ := strings.Cut(rest, ":")
		if _, ok := t.given("ssm:" + name + ":" + version); ok && version != "" {
			name = rest
		}
		return t.valueOr("ssm:"+name, pos, why)
	}
	id, key := secret(rest)
	if key == "" {
		return t.valueOr("secretsmanager:"+id, pos, why)
	}
	exact := "secretsmanager:" + id + ":SecretString:" + key
	whole, ok := t.given("secretsmanager:" + id)
	if _, given := t.given(exact); given || !ok {
		return t.valueOr(exact, pos, why)
	}
	var fields map[string]any
	if json.Unmarshal([]byte(whole), &fields) != nil {
		return document.NewUnknown(pos, "the value given for secretsmanager:"+document.Clip(id)+" is not a JSON object, of which the key "+document.Clip(key)+" could be taken; "+give(exact))
	}
	switch field := fields[key].(type) {
	case string:
		return document.NewText(pos, field)
	case nil:
		return document.NewUnknown(pos, "the value given for secretsmanager:"+document.Clip(id)+" has no key "+document.Clip(key))
	default:
		text, _ := json.Marshal(field)
		return document.NewText(pos, string(text))
	}
}

// secret is the ID, or the ARN, and the key of SECRET-ID:SecretString:KEY:STAGE:VERSION.
func secret(rest string) (id, key string) {
	parts := strings.Split(rest, ":")
	n := 1
	if parts[0] == "arn" {
		n = min(7, len(parts))
	}
	id = strings.Join(parts[:n], ":")
	if len(parts) > n+1 {
		key = parts[n+1]
	}
	return id, key
}

// checkValues looks at what was given and not asked for: a resource that there is not
// is a mistake, and so is a name that is nearly one that is needed.
func (t *template) checkValues() {
	var ids []string
	for _, x := range t.order {
		ids = append(ids, x.id)
	}
	for _, name := range slices.Sorted(maps.Keys(t.options.Values)) {
		if !t.asked[name] && !t.options.Origin.Asked[name] {
			t.checkValue(name, ids)
		}
	}
}

func (t *template) checkValue(name string, ids []string) {
	file := app.Position{File: t.File()}
	source, _, special := strings.Cut(name, ":")
	id, _, _ := strings.Cut(name, ".")
	before := id + "."
	switch {
	case special:
		before = source + ":"
	case t.parameters.Get(name) != nil:
		t.Fail(file, "%s is a parameter: give %s", document.Clip(name), app.Flag("--parameter", name, "VALUE"))
		return
	case t.resources[id] == nil:
		t.Fail(file, "there is no resource %s, for which a value is given%s", document.Clip(id), didYouMean(id, ids))
		return
	}
	var open []string // what something asks for and nobody gave
	for _, asked := range []map[string]bool{t.asked, t.options.Origin.Asked} {
		for other := range asked {
			if _, given := t.options.Values[other]; !given && strings.HasPrefix(other, before) {
				open = append(open, other)
			}
		}
	}
	switch near := app.Nearest(name, open); {
	case near != "":
		t.Fail(file, "nothing uses the value %s: did you mean %s?", document.Clip(name), document.Clip(near))
	case !special && t.apiIDs[name] != "":
		t.Note(t.resources[name].pos, app.Warning, "nothing uses the value %s: that is the API that runs here, and its ID is %s; for functions that have its address on AWS, give --deployed-api ID", document.Clip(name), t.apiIDs[name])
	default:
		t.Note(file, app.Warning, "nothing uses the value %s", document.Clip(name))
	}
}

// didYouMean is what to add to a message about a name that there is not.
func didYouMean(name string, names []string) string {
	if near := app.Nearest(name, names); near != "" {
		return ": did you mean " + document.Clip(near) + "?"
	}
	return ""
}
