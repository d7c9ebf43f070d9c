package template

import (
	"cmp"
	"encoding/base64"
	"regexp"
	"strconv"
	"strings"
)

const (
	maxWork   = 4 << 20   // steps and bytes that the values of one template may take
	maxString = 256 << 10 // bytes of one resolved string
	maxCalls  = 1000      // references within references
)

// eval resolves the intrinsic functions of a value. What cannot be known here
// comes back as unknown, with the reason.
func (r *reader) eval(v *value) *value {
	if v == nil {
		return &value{kind: absent}
	}
	if v.kind == null || v.kind == scalar || v.kind == unknown || v.kind == absent {
		return v
	}
	if !r.spend(v.pos, 1) {
		return newUnknown(v.pos, "the template is too large once it is resolved")
	}
	if r.calls++; r.calls > maxCalls {
		r.calls--
		return newUnknown(v.pos, "its references are nested too deeply")
	}
	defer func() { r.calls-- }()
	if name, argument, ok := v.intrinsic(); ok {
		return r.call(name, argument, v.pos)
	}
	out := &value{kind: v.kind, pos: v.pos}
	for _, item := range v.items {
		if e := r.eval(item); e.kind != absent {
			out.items = append(out.items, e)
		}
	}
	for _, f := range v.fields {
		if e := r.eval(f.value); e.kind != absent {
			out.fields = append(out.fields, field{f.key, f.pos, e})
		}
	}
	return out
}

// spend bounds all work, so that a small template cannot describe a large one.
func (r *reader) spend(pos Position, n int) bool {
	if r.spent += n; r.spent <= maxWork {
		return true
	}
	if r.fatal == nil {
		r.fatal = mistake(pos, "the template is too large once it is resolved")
	}
	return false
}

func (r *reader) call(name string, a *value, pos Position) *value {
	switch name {
	case "Ref":
		a = r.eval(a)
		if a.kind != scalar {
			return newUnknown(pos, "Ref of something that is not a name")
		}
		return r.ref(a.text, pos)
	case "Fn::GetAtt":
		id, attribute, bad := r.getAttArguments(a, pos)
		if bad != nil {
			return bad
		}
		return r.attribute(id, attribute, pos)
	case "Fn::Sub":
		return r.sub(a, pos)
	case "Fn::Join":
		return r.join(a, pos)
	case "Fn::If":
		if a.kind != list || len(a.items) != 3 || a.items[0].kind != scalar {
			return newUnknown(pos, "Fn::If needs a condition and two values")
		}
		if r.condition(a.items[0].text, pos) {
			return r.eval(a.items[1])
		}
		return r.eval(a.items[2])
	case "Fn::FindInMap":
		return r.findInMap(a, pos)
	case "Fn::Select":
		return r.selectItem(a, pos)
	case "Fn::Split":
		return r.split(a, pos)
	case "Fn::Base64":
		a = r.eval(a)
		if a.kind != scalar {
			return orUnknown(a, pos, "Fn::Base64 of something that is not a string")
		}
		if !r.spend(pos, 2*len(a.text)) {
			return newUnknown(pos, "the template is too large once it is resolved")
		}
		return newText(pos, base64.StdEncoding.EncodeToString([]byte(a.text)))
	case "Fn::Length":
		a = r.eval(a)
		if a.kind != list {
			return orUnknown(a, pos, "Fn::Length of something that is not a list")
		}
		return newText(pos, strconv.Itoa(len(a.items)))
	case "Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not":
		return newText(pos, strconv.FormatBool(r.test(newMap(pos, field{key: name, value: a}))))
	case "Fn::ImportValue":
		return newUnknown(pos, "Fn::ImportValue takes it from another stack")
	case "Fn::Transform":
		return newUnknown(pos, "Fn::Transform is a macro, which is not run here")
	}
	return newUnknown(pos, clip(name)+" is not understood")
}

func orUnknown(v *value, pos Position, why string) *value {
	if v.kind == unknown {
		return v
	}
	return newUnknown(pos, why)
}

func (r *reader) getAttArguments(a *value, pos Position) (id, attribute string, bad *value) {
	if a = r.eval(a); a.kind == list && len(a.items) == 2 && a.items[0].kind == scalar && a.items[1].kind == scalar {
		return a.items[0].text, a.items[1].text, nil
	}
	if a.kind == scalar {
		if id, attribute, ok := strings.Cut(a.text, "."); ok {
			return id, attribute, nil
		}
	}
	return "", "", orUnknown(a, pos, "Fn::GetAtt needs a resource and an attribute")
}

// arguments evaluates a list and wants n of it or more.
func (r *reader) arguments(a *value, n int, pos Position, why string) ([]*value, *value) {
	if a.kind != list {
		a = r.eval(a)
	}
	if a.kind != list || len(a.items) < n {
		return nil, orUnknown(a, pos, why)
	}
	out := make([]*value, len(a.items))
	for i, item := range a.items {
		out[i] = r.eval(item)
		if out[i].kind == unknown {
			return nil, out[i]
		}
	}
	return out, nil
}

func (r *reader) join(a *value, pos Position) *value {
	args, bad := r.arguments(a, 2, pos, "Fn::Join needs a delimiter and a list")
	if bad != nil {
		return bad
	}
	if len(args) != 2 || args[0].kind != scalar || args[1].kind != list {
		return newUnknown(pos, "Fn::Join needs a delimiter and a list")
	}
	var parts []string
	size := 0
	for _, item := range args[1].items {
		switch item.kind {
		case unknown:
			return item
		case scalar:
			parts = append(parts, item.text)
			size += len(item.text) + len(args[0].text)
		case null, absent:
		default:
			return newUnknown(pos, "Fn::Join of something that is not a string")
		}
		if size > maxString {
			return newUnknown(pos, "Fn::Join makes a string that is too long")
		}
	}
	if !r.spend(pos, size) {
		return newUnknown(pos, "the template is too large once it is resolved")
	}
	return newText(pos, strings.Join(parts, args[0].text))
}

func (r *reader) split(a *value, pos Position) *value {
	args, bad := r.arguments(a, 2, pos, "Fn::Split needs a delimiter and a string")
	if bad != nil {
		return bad
	}
	if args[0].kind != scalar || args[0].text == "" || args[1].kind != scalar {
		return newUnknown(pos, "Fn::Split needs a delimiter and a string")
	}
	if !r.spend(pos, len(args[1].text)) {
		return newUnknown(pos, "the template is too large once it is resolved")
	}
	out := newList(pos)
	for _, part := range strings.Split(args[1].text, args[0].text) {
		out.items = append(out.items, newText(pos, part))
	}
	return out
}

func (r *reader) selectItem(a *value, pos Position) *value {
	const why = "Fn::Select needs an index and a list"
	if a = r.evalUnless(a, list); a.kind != list || len(a.items) != 2 {
		return orUnknown(a, pos, why)
	}
	index, items := r.eval(a.items[0]), a.items[1]
	if items = r.evalUnlessPlain(items); items.kind != list {
		return orUnknown(items, pos, why)
	}
	i, err := strconv.Atoi(index.text)
	if err != nil || i < 0 || i >= len(items.items) {
		return orUnknown(index, pos, "Fn::Select has an index that its list does not have")
	}
	return r.eval(items.items[i])
}

// evalUnless leaves a value of that kind as it is, so that only what is used
// is evaluated.
func (r *reader) evalUnless(v *value, k kind) *value {
	if v != nil && v.kind == k {
		return v
	}
	return r.eval(v)
}

func (r *reader) evalUnlessPlain(v *value) *value { return r.evalUnless(v, list) }

func (r *reader) findInMap(a *value, pos Position) *value {
	const why = "Fn::FindInMap needs a mapping and two keys"
	if a.kind != list || len(a.items) < 3 {
		return newUnknown(pos, why)
	}
	var keys [3]string
	for i := range keys {
		k := r.eval(a.items[i])
		if k.kind != scalar {
			return orUnknown(k, pos, why)
		}
		keys[i] = k.text
	}
	if found := r.mappings.get(keys[:]...); found != nil {
		return r.eval(found)
	}
	if len(a.items) > 3 {
		if d := a.items[3].get("DefaultValue"); d != nil {
			return r.eval(d)
		}
	}
	return newUnknown(pos, "mapping "+clip(keys[0])+" has no "+clip(keys[1])+" with "+clip(keys[2]))
}

var subVariable = regexp.MustCompile(`\$\{(![^}]*|[^!}$][^}$]*)\}`)

// sub replaces ${Name} and ${Name.Attribute}; ${!Literal} loses its mark.
func (r *reader) sub(a *value, pos Position) *value {
	text, variables := a, (*value)(nil)
	if a.kind == list {
		if len(a.items) != 2 {
			return newUnknown(pos, "Fn::Sub needs a string and its variables")
		}
		text, variables = a.items[0], a.items[1]
	}
	if text = r.evalUnless(text, scalar); text.kind != scalar {
		return orUnknown(text, pos, "Fn::Sub of something that is not a string")
	}
	var out strings.Builder
	rest := text.text
	var bad *value
	known := map[string]*value{}
	for {
		m := subVariable.FindStringSubmatchIndex(rest)
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
		v, ok := known[name]
		if !ok {
			if given := variables.get(name); given != nil {
				v = r.eval(given)
			} else if id, attribute, ok := strings.Cut(name, "."); ok {
				v = r.attribute(id, attribute, text.pos)
			} else {
				v = r.ref(name, text.pos)
			}
			known[name] = v
		}
		switch v.kind {
		case scalar:
			out.WriteString(v.text)
		case null, absent:
		default:
			if bad == nil { // the others are asked all the same: parameters may be missing
				bad = orUnknown(v, pos, "Fn::Sub of "+clip(name)+", which is not a string")
			}
		}
		if out.Len() > maxString {
			return newUnknown(pos, "Fn::Sub makes a string that is too long")
		}
	}
	if bad != nil {
		return bad
	}
	out.WriteString(rest)
	if out.Len() > maxString || !r.spend(pos, out.Len()) {
		return newUnknown(pos, "Fn::Sub makes a string that is too long")
	}
	return newText(pos, out.String())
}

// condition is the value of a named condition. One that cannot be known is
// false, with a note.
func (r *reader) condition(name string, pos Position) bool {
	if known, ok := r.conditions[name]; ok {
		return known
	}
	v := r.conditionTree.get(name)
	if v == nil {
		r.note(pos, Warning, "condition %s is not in the template: it counts as false", clip(name))
		return false
	}
	if !r.enter("condition "+name, pos) {
		return false
	}
	result := r.test(v)
	r.leave()
	r.conditions[name] = result
	return result
}

func (r *reader) test(v *value) bool {
	if !r.spend(v.pos, 1) {
		return false
	}
	if v.kind == mapping && len(v.fields) == 1 {
		name, a := v.fields[0].key, v.fields[0].value
		switch name {
		case "Condition":
			return a.kind == scalar && r.condition(a.text, v.pos)
		case "Fn::Not":
			return len(a.items) == 1 && !r.test(a.items[0])
		case "Fn::And":
			for _, item := range a.items {
				if !r.test(item) {
					return false
				}
			}
			return len(a.items) > 0
		case "Fn::Or":
			for _, item := range a.items {
				if r.test(item) {
					return true
				}
			}
			return false
		case "Fn::Equals":
			if len(a.items) != 2 {
				break
			}
			x, y := r.eval(a.items[0]), r.eval(a.items[1])
			if x.kind == unknown || y.kind == unknown {
				bad := x
				if x.kind != unknown {
					bad = y
				}
				r.note(v.pos, Warning, "a condition cannot be known here and counts as false: %s", bad.text)
				return false
			}
			return same(x, y)
		}
	}
	if e := r.evalUnless(v, mapping); e.kind == scalar {
		return e.text == "true"
	}
	r.note(v.pos, Warning, "a condition is not understood and counts as false")
	return false
}

func same(x, y *value) bool {
	if x.kind != y.kind || x.text != y.text || len(x.items) != len(y.items) {
		return false
	}
	for i := range x.items {
		if !same(x.items[i], y.items[i]) {
			return false
		}
	}
	return x.kind != mapping
}

// enter remembers what is being resolved. If it is already, it refers to
// itself, which is a mistake.
func (r *reader) enter(name string, pos Position) bool {
	for i, active := range r.active {
		if active == name {
			if r.fatal == nil {
				chain := append(append([]string(nil), r.active[i:]...), name)
				if len(chain) > 6 {
					chain = append(append(chain[:3:3], "…"), chain[len(chain)-2:]...)
				}
				r.fatal = mistake(pos, "%s refers to itself: %s", clip(name), clip(strings.Join(chain, " → ")))
			}
			return false
		}
	}
	if len(r.active) >= maxDepth {
		if r.fatal == nil {
			r.fatal = mistake(pos, "%s refers to too many others, one after the other", clip(name))
		}
		return false
	}
	r.active = append(r.active, name)
	return true
}

func (r *reader) leave() { r.active = r.active[:len(r.active)-1] }

// region is where the template is, as far as it matters here.
func (r *reader) region() string {
	return cmp.Or(r.options.Region, r.templateRegion, "us-east-1")
}
