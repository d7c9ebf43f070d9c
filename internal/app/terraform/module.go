package terraform

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// A module is one that is called, or the root: the names that its expressions know.
type module struct {
	*configuration
	source   *source
	parent   *module
	call     *block               // in the parent, or nil
	within   map[string]cty.Value // each or count of the call
	path     string               // such as module.ws["a"]. with the dot, or empty
	key      string               // of .terraform/modules/modules.json, such as ws.lambda
	relative string               // path.module
	memo     map[string]cty.Value
	called   map[string]*calls // by name
	made     map[string]*instances
}

// calls are the instances of a module call, or why there are none.
type calls struct {
	keyed
	modules []*module
}

func (c *configuration) newModule(s *source, parent *module, call *block) *module {
	return &module{configuration: c, source: s, parent: parent, call: call, relative: ".",
		memo: map[string]cty.Value{}, called: map[string]*calls{}, made: map[string]*instances{}}
}

// keyed is what count and for_each make of a block.
type keyed struct {
	keys    []cty.Value // one for each; NilVal without count and for_each
	scopes  []map[string]cty.Value
	form    string // empty, count or for_each
	unknown *why   // why it is not known what there is
}

// value puts the values of the instances together, as Terraform does.
func (k *keyed) value(of func(i int) cty.Value) cty.Value {
	switch {
	case k.unknown != nil:
		return cty.DynamicVal.Mark(*k.unknown)
	case k.form == "":
		return of(0)
	}
	var list []cty.Value
	all := map[string]cty.Value{}
	for i, key := range k.keys {
		if k.form == "count" {
			list = append(list, of(i))
		} else {
			all[key.AsString()] = of(i)
		}
	}
	if k.form == "count" {
		return cty.TupleVal(list)
	}
	return cty.ObjectVal(all)
}

// suffix is the key of an instance as Terraform writes it.
func (k *keyed) suffix(i int) string {
	switch k.form {
	case "count":
		return fmt.Sprintf("[%d]", i)
	case "for_each":
		return fmt.Sprintf("[%q]", k.keys[i].AsString())
	}
	return ""
}

// maxInstances is how many a block may make.
const maxInstances = 500

// keyed works out count and for_each of a block.
func (m *module) keyed(b *block) keyed {
	not := func(w why) keyed { return keyed{unknown: &w} }
	if e := b.expr("count"); e != nil {
		v := m.value(e, nil)
		n, ok := whole(v)
		switch {
		case !ok:
			return not(reason(v, why{text: "its count is not a number"}))
		case n < 0 || n > maxInstances:
			return not(why{text: fmt.Sprintf("its count is %d, and at most %d are made here", n, maxInstances)})
		}
		out := keyed{form: "count"}
		for i := range n {
			index := cty.NumberIntVal(int64(i))
			out.keys = append(out.keys, index)
			out.scopes = append(out.scopes, map[string]cty.Value{"count": cty.ObjectVal(map[string]cty.Value{"index": index})})
		}
		return out
	}
	e := b.expr("for_each")
	if e == nil {
		return keyed{keys: []cty.Value{cty.NilVal}, scopes: []map[string]cty.Value{nil}}
	}
	given := m.value(e, nil)
	v, _ := given.Unmark()
	switch {
	case !v.IsKnown() || !v.CanIterateElements() && !v.IsNull():
		return not(reason(given, why{text: "its for_each is not known"}))
	case v.IsNull() || v.Type().IsTupleType() || v.Type().IsListType():
		return not(why{text: "its for_each is neither a map nor a set, and Terraform refuses it"})
	case v.LengthInt() > maxInstances:
		return not(why{text: fmt.Sprintf("its for_each has %d elements, and at most %d are made here", v.LengthInt(), maxInstances)})
	}
	out := keyed{form: "for_each"}
	for it := v.ElementIterator(); it.Next(); {
		k, item := it.Element()
		if v.Type().IsSetType() {
			k = item
		}
		if k, _ = k.Unmark(); !k.IsKnown() || k.IsNull() || k.Type() != cty.String {
			return not(reason(given, why{text: "a key of its for_each is not known"}))
		}
		out.keys = append(out.keys, k)
		out.scopes = append(out.scopes, map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": k, "value": item})})
	}
	return out
}

// whole is a number without a fraction.
func whole(v cty.Value) (int, bool) {
	v, _ = v.Unmark()
	v, ok := to(v, cty.Number)
	if !ok || v.IsNull() || !v.IsKnown() {
		return 0, false
	}
	n, accuracy := v.AsBigFloat().Int64()
	return int(n), accuracy == 0
}

// outputs is module.NAME, with those of its outputs that are asked for. The empty name
// asks for all.
func (m *module) outputs(name string, asked map[string]bool, pos app.Position) cty.Value {
	call := m.source.calls[name]
	if call == nil {
		return unknown("there is no module %s", document.Clip(name))
	}
	c := m.calls(call)
	return c.value(func(i int) cty.Value {
		child, all := c.modules[i], map[string]cty.Value{}
		for output := range child.source.outputs {
			if asked[output] || asked[""] {
				all[output] = child.output(output, pos)
			}
		}
		return cty.ObjectVal(all)
	})
}

func (m *module) output(name string, pos app.Position) cty.Value {
	b := m.source.outputs[name]
	return m.once("output."+name, pos, func() cty.Value {
		e := b.expr("value")
		if e == nil {
			return unknown("output %s has no value", document.Clip(name))
		}
		return m.value(e, nil)
	})
}

// calls are the modules that a call makes.
func (m *module) calls(b *block) *calls {
	name := b.labels[0]
	if c := m.called[name]; c != nil {
		return c
	}
	out := &calls{}
	m.called[name] = out
	m.once("module."+name, b.pos, func() cty.Value { out.keyed = m.keyed(b); return cty.True })
	var s *source
	if out.unknown == nil {
		var text string
		if s, text = m.sourceOf(b); text != "" {
			out.unknown = &why{text: text}
		}
	}
	if out.unknown != nil {
		m.Note(b.pos, app.Warning, "module %s%s is left out: %s", m.path, document.Clip(name), out.unknown.text)
		return out
	}
	for i := range out.keys {
		child := m.newModule(s, m, b)
		child.within, child.key = out.scopes[i], strings.TrimPrefix(m.key+"."+name, ".")
		child.path = m.path + "module." + name + out.suffix(i) + "."
		if relative, err := filepath.Rel(m.options.Dir, s.dir); err == nil {
			child.relative = filepath.ToSlash(relative)
		}
		out.modules = append(out.modules, child)
		m.all = append(m.all, child)
	}
	return out
}

// sourceOf is the folder of a module: a local path, or where 'terraform init' has put
// it; or why there is none.
func (m *module) sourceOf(b *block) (s *source, why string) {
	e := b.expr("source")
	if e == nil {
		return nil, "it has no source"
	}
	v, _ := m.value(e, nil).Unmark()
	if !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
		return nil, "its source is not known here"
	}
	from := v.AsString()
	depth := 0
	for p := m; p != nil; p = p.parent {
		depth++
	}
	const deepest = 20
	switch {
	case depth > deepest:
		return nil, "modules call each other more than 20 levels deep"
	case len(m.all) > maxInstances:
		return nil, "there are more than 500 modules"
	}
	dir, ok := m.onDisk[strings.TrimPrefix(m.key+"."+b.labels[0], ".")]
	local := strings.HasPrefix(from, "./") || strings.HasPrefix(from, "../") || from == "." || from == ".."
	switch {
	case local:
		dir = filepath.Join(m.source.dir, filepath.FromSlash(from))
	case !ok:
		return nil, "its source " + document.Clip(from) + " is not on this machine: run 'terraform init', which puts it below .terraform/modules"
	}
	for p := m; p != nil; p = p.parent {
		if filepath.Clean(p.source.dir) == filepath.Clean(dir) {
			return nil, "it calls itself, and Terraform refuses it"
		}
	}
	if len(configurationFiles(dir)) == 0 {
		return nil, "there are no files of Terraform in " + document.Clip(dir)
	}
	s, err := m.load(dir)
	if err != nil {
		return nil, failure(err)
	}
	return s, ""
}

// readManifest reads where 'terraform init' has put modules.
func (c *configuration) readManifest() {
	file := filepath.Join(c.options.Dir, ".terraform", "modules", "modules.json")
	if _, err := os.Stat(file); err != nil {
		return
	}
	var manifest struct {
		Modules []struct{ Key, Dir string }
	}
	data, err := c.read(file)
	if err == nil {
		err = json.Unmarshal(data, &manifest)
	}
	if err != nil {
		c.Note(app.Position{File: file}, app.Warning, "what modules there are on this machine cannot be read: run 'terraform init'")
		return
	}
	for _, m := range manifest.Modules {
		if dir := path.Clean(filepath.ToSlash(m.Dir)); m.Key != "" && m.Dir != "" {
			c.onDisk[m.Key] = filepath.Join(c.options.Dir, filepath.FromSlash(dir))
		}
	}
}

// each calls do for a module and all that it calls.
func (m *module) each(do func(*module)) {
	do(m)
	for _, b := range slices.Clone(m.source.order) {
		if b.typ == "module" {
			for _, child := range m.calls(b).modules {
				child.each(do)
			}
		}
	}
}

// variable is var.NAME.
func (m *module) variable(name string, pos app.Position) cty.Value {
	b := m.source.variables[name]
	if b == nil {
		return unknown("there is no variable %s", document.Clip(name))
	}
	return m.once("var."+name, pos, func() cty.Value { return m.input(name, b) })
}

// input is what a variable gets: what the call of the module says, what the caller
// gives, or its default.
func (m *module) input(name string, b *block) cty.Value {
	wanted, defaults, text := typeOf(b.expr("type"))
	if text != "" {
		m.Note(b.where("type"), app.Warning, "the type of variable %s is not understood: %s", document.Clip(name), text)
	}
	var v cty.Value
	switch {
	case m.parent != nil && m.call.expr(name) != nil:
		v = m.parent.value(m.call.expr(name), m.within)
	case m.parent == nil:
		v = m.given(name, wanted)
	}
	nullable := b.expr("nullable") == nil || !m.value(b.expr("nullable"), nil).RawEquals(cty.False)
	if e := b.expr("default"); v == cty.NilVal || !nullable && v.IsKnown() && v.IsNull() {
		switch {
		case e != nil:
			v = m.value(e, nil)
		case m.parent == nil:
			return cty.DynamicVal.Mark(why{"variable " + document.Clip(name) + " has no value", name})
		default:
			return unknown("variable %s of module %s has no value, and Terraform refuses it", document.Clip(name), strings.TrimSuffix(m.path, "."))
		}
	}
	if defaults != nil && v.IsKnown() && !v.IsNull() {
		v = applied(defaults, v)
	}
	made, ok := to(v, wanted)
	if !ok {
		m.Fail(b.pos, "variable %s has a value that is not of its type, %s", document.Clip(m.path+name), wanted.FriendlyName())
		return unknown("variable %s is not of its type", document.Clip(name))
	}
	return made
}

// checkInputs holds the root's variables against their validations, which may refer to
// others.
func (m *module) checkInputs() {
	for name, b := range m.source.variables {
		for _, v := range b.blocks {
			if v.typ == "validation" {
				m.check(v, "variable "+document.Clip(name)+" may not be what it is", nil, m.Fail)
			}
		}
	}
}

// check holds a condition, and says so if it does not hold.
func (m *module) check(b *block, what string, local map[string]cty.Value, say func(app.Position, string, ...any)) {
	e := b.expr("condition")
	if e == nil {
		return
	}
	if v, _ := m.value(e, local).Unmark(); !v.IsKnown() || v.IsNull() || v.Type() != cty.Bool || v.True() {
		return
	}
	message := ""
	if e := b.expr("error_message"); e != nil {
		if v, _ := m.value(e, local).Unmark(); v.IsKnown() && !v.IsNull() && v.Type() == cty.String {
			message = ": " + document.Clip(strings.TrimSpace(v.AsString()))
		}
	}
	say(b.pos, "%s, and Terraform refuses it%s", what, message)
}

var _ hcl.Expression = (*counted)(nil)
