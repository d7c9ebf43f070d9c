package cloudformation

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// eval works out the functions in a value. What cannot be known here comes back as
// Unknown, with the reason.
func (t *template) eval(v *value) *value {
	if v == nil {
		return &value{Kind: document.Absent}
	}
	if v.Kind == document.Null || v.Kind == document.Scalar || v.Kind == document.Unknown || v.Kind == document.Absent {
		return v
	}
	if !t.Spend(v.Pos, 1) {
		return document.TooLarge(v.Pos)
	}
	if t.calls++; t.calls > document.MaxNesting {
		t.calls--
		return document.NewUnknown(v.Pos, "its references are nested too deeply")
	}
	defer func() { t.calls-- }()
	if name, argument, ok := v.Intrinsic(); ok {
		return t.call(name, argument, v.Pos)
	}
	out := &value{Kind: v.Kind, Pos: v.Pos}
	for _, item := range v.Items {
		if e := t.eval(item); e.Kind != document.Absent {
			out.Items = append(out.Items, e)
		}
	}
	for _, f := range v.Fields {
		if e := t.eval(f.Value); e.Kind != document.Absent {
			out.Fields = append(out.Fields, field{Key: f.Key, Pos: f.Pos, Value: e})
		}
	}
	return out
}

// call is one function of CloudFormation.
func (t *template) call(name string, a *value, pos app.Position) *value {
	switch name {
	case "Ref":
		a = t.eval(a)
		if a.Kind != document.Scalar {
			return document.NewUnknown(pos, "Ref of something that is not a name")
		}
		return t.ref(a.Text, pos)
	case "Fn::GetAtt":
		id, attribute, bad := t.getAttArguments(a, pos)
		if bad != nil {
			return bad
		}
		return t.attribute(id, attribute, pos)
	case "Fn::Sub":
		return t.sub(a, pos)
	case "Fn::Join":
		return t.join(a, pos)
	case "Fn::If":
		if a.Kind != document.List || len(a.Items) != 3 || a.Items[0].Kind != document.Scalar {
			return document.NewUnknown(pos, "Fn::If needs a condition and two values")
		}
		if t.condition(a.Items[0].Text, pos) {
			return t.eval(a.Items[1])
		}
		return t.eval(a.Items[2])
	case "Fn::FindInMap":
		return t.findInMap(a, pos)
	case "Fn::Select":
		return t.selectItem(a, pos)
	case "Fn::Split":
		return t.split(a, pos)
	case "Fn::Base64":
		return t.base64(a, pos)
	case "Fn::Length":
		return t.length(a, pos)
	case "Fn::ToJsonString":
		return t.toJSON(a, pos)
	case "Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not":
		return document.NewText(pos, strconv.FormatBool(t.test(document.NewMap(pos, field{Key: name, Value: a}))))
	case "Fn::ImportValue":
		return t.importValue(a, pos)
	case "Fn::Transform":
		return document.NewUnknown(pos, "Fn::Transform is a macro, which is not run here")
	}
	return document.NewUnknown(pos, document.Clip(name)+" is not understood")
}

func (t *template) importValue(a *value, pos app.Position) *value {
	const why = "Fn::ImportValue takes it from another stack"
	if a = t.eval(a); a.Kind != document.Scalar {
		return document.OrUnknown(a, pos, why)
	}
	if t.symbolic {
		return document.NewUnknown(pos, why)
	}
	if v := t.exported(a.Text, pos); v != nil {
		return v
	}
	return t.valueOr("import:"+a.Text, pos, why)
}

// exported is what another stack exports under a name, unless a value is given for it;
// or nil.
func (t *template) exported(name string, pos app.Position) *value {
	if _, given := t.given("import:" + name); given || t.options.links == nil {
		return nil
	}
	if t.exports == nil {
		t.exports = map[string]*value{}
		for _, e := range t.options.links.exports {
			if n := t.eval(e.name); n.Kind == document.Scalar && t.exports[n.Text] == nil {
				t.exports[n.Text] = e.value
			}
		}
	}
	v := t.exports[name]
	if v == nil {
		return nil
	}
	if !t.enter("import "+name, pos) {
		return document.NewUnknown(pos, "the export "+document.Clip(name)+" refers to itself")
	}
	defer t.leave()
	if v = t.eval(v); v.Kind == document.Scalar {
		return document.NewText(pos, v.Text)
	}
	return v
}

func (t *template) base64(a *value, pos app.Position) *value {
	a = t.eval(a)
	if a.Kind != document.Scalar {
		return document.OrUnknown(a, pos, "Fn::Base64 of something that is not a string")
	}
	if !t.Spend(pos, 2*len(a.Text)) {
		return document.TooLarge(pos)
	}
	return document.NewText(pos, base64.StdEncoding.EncodeToString([]byte(a.Text)))
}

func (t *template) length(a *value, pos app.Position) *value {
	a = t.eval(a)
	if a.Kind != document.List {
		return document.OrUnknown(a, pos, "Fn::Length of something that is not a list")
	}
	return document.NewText(pos, strconv.Itoa(len(a.Items)))
}

// toJSON is Fn::ToJsonString: a map or a list as JSON text. (AWS docs, CloudFormation
// template reference: "Fn::ToJsonString".)
func (t *template) toJSON(a *value, pos app.Position) *value {
	a = t.eval(a)
	if a.Kind != document.Map && a.Kind != document.List {
		return document.OrUnknown(a, pos, "Fn::ToJsonString of something that is neither a map nor a list")
	}
	if bad := unknownIn(a, 0); bad != nil {
		return bad
	}
	text := a.JSON()
	if len(text) > document.MaxString || !t.Spend(pos, len(text)) {
		return document.TooLarge(pos)
	}
	return document.NewText(pos, text)
}

// unknownIn is the first value in another that is not known, or nil.
func unknownIn(v *value, depth int) *value {
	if v == nil || depth > document.MaxNesting {
		return nil
	}
	if v.Kind == document.Unknown {
		return v
	}
	for _, item := range v.Items {
		if bad := unknownIn(item, depth+1); bad != nil {
			return bad
		}
	}
	for _, f := range v.Fields {
		if bad := unknownIn(f.Value, depth+1); bad != nil {
			return bad
		}
	}
	return nil
}

func (t *template) getAttArguments(a *value, pos app.Position) (id, attribute string, bad *value) {
	if a = t.eval(a); a.Kind == document.List && len(a.Items) == 2 && a.Items[0].Kind == document.Scalar && a.Items[1].Kind == document.Scalar {
		return a.Items[0].Text, a.Items[1].Text, nil
	}
	if a.Kind == document.Scalar {
		if id, attribute, ok := strings.Cut(a.Text, "."); ok {
			return id, attribute, nil
		}
	}
	return "", "", document.OrUnknown(a, pos, "Fn::GetAtt needs a resource and an attribute")
}

// arguments evaluates a list and wants n of it or more.
func (t *template) arguments(a *value, n int, pos app.Position, why string) ([]*value, *value) {
	if a.Kind != document.List {
		a = t.eval(a)
	}
	if a.Kind != document.List || len(a.Items) < n {
		return nil, document.OrUnknown(a, pos, why)
	}
	out := make([]*value, len(a.Items))
	for i, item := range a.Items {
		out[i] = t.eval(item)
		if out[i].Kind == document.Unknown {
			return nil, out[i]
		}
	}
	return out, nil
}

func (t *template) join(a *value, pos app.Position) *value {
	args, bad := t.arguments(a, 2, pos, "Fn::Join needs a delimiter and a list")
	if bad != nil {
		return bad
	}
	if len(args) != 2 || args[0].Kind != document.Scalar || args[1].Kind != document.List {
		return document.NewUnknown(pos, "Fn::Join needs a delimiter and a list")
	}
	var parts []string
	size := 0
	for _, item := range args[1].Items {
		switch item.Kind {
		case document.Unknown:
			return item
		case document.Scalar:
			parts = append(parts, item.Text)
			size += len(item.Text) + len(args[0].Text)
		case document.Null, document.Absent:
		default:
			return document.NewUnknown(pos, "Fn::Join of something that is not a string")
		}
		if size > document.MaxString {
			return document.NewUnknown(pos, "Fn::Join makes a string that is too long")
		}
	}
	if !t.Spend(pos, size) {
		return document.TooLarge(pos)
	}
	return document.NewText(pos, strings.Join(parts, args[0].Text))
}

func (t *template) split(a *value, pos app.Position) *value {
	args, bad := t.arguments(a, 2, pos, "Fn::Split needs a delimiter and a string")
	if bad != nil {
		return bad
	}
	if args[0].Kind != document.Scalar || args[0].Text == "" || args[1].Kind != document.Scalar {
		return document.NewUnknown(pos, "Fn::Split needs a delimiter and a string")
	}
	if !t.Spend(pos, len(args[1].Text)) {
		return document.TooLarge(pos)
	}
	out := document.NewList(pos)
	for _, part := range strings.Split(args[1].Text, args[0].Text) {
		out.Items = append(out.Items, document.NewText(pos, part))
	}
	return out
}

func (t *template) selectItem(a *value, pos app.Position) *value {
	const why = "Fn::Select needs an index and a list"
	if a = t.evalUnless(a, document.List); a.Kind != document.List || len(a.Items) != 2 {
		return document.OrUnknown(a, pos, why)
	}
	index, items := t.eval(a.Items[0]), a.Items[1]
	if items = t.evalUnless(items, document.List); items.Kind != document.List {
		return document.OrUnknown(items, pos, why)
	}
	i, err := strconv.Atoi(index.Text)
	if err != nil || i < 0 || i >= len(items.Items) {
		return document.OrUnknown(index, pos, "Fn::Select has an index that its list does not have")
	}
	return t.eval(items.Items[i])
}

// evalUnless leaves a value of that kind as it is, so that only what is used
// is evaluated.
func (t *template) evalUnless(v *value, k document.Kind) *value {
	if v != nil && v.Kind == k {
		return v
	}
	return t.eval(v)
}

func (t *template) findInMap(a *value, pos app.Position) *value {
	const why = "Fn::FindInMap needs a mapping and two keys"
	if a.Kind != document.List || len(a.Items) < 3 {
		return document.NewUnknown(pos, why)
	}
	var keys [3]string
	for i := range keys {
		k := t.eval(a.Items[i])
		if k.Kind != document.Scalar {
			return document.OrUnknown(k, pos, why)
		}
		keys[i] = k.Text
	}
	if found := t.mappings.Get(keys[:]...); found != nil {
		return t.eval(found)
	}
	if len(a.Items) > 3 {
		if d := a.Items[3].Get("DefaultValue"); d != nil {
			return t.eval(d)
		}
	}
	return document.NewUnknown(pos, "mapping "+document.Clip(keys[0])+" has no "+document.Clip(keys[1])+" with "+document.Clip(keys[2]))
}
