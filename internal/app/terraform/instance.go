package terraform

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// An instance is one resource, or one result of a data source.
type instance struct {
	*module
	block   *block
	typ     string
	label   string
	address string // as Terraform has it
	scope   map[string]cty.Value
	body    *body // once it is worked out
	object  cty.Value
}

// instances are those of one block.
type instances struct {
	keyed
	all []*instance
}

// A body is what is in a block, worked out: also what dynamic blocks make.
type body struct {
	pos    app.Position
	attrs  map[string]evaluated
	blocks map[string][]*body
}

type evaluated struct {
	value cty.Value
	expr  hcl.Expression
	pos   app.Position
}

// meta are the arguments that Terraform itself reads.
var meta = []string{"count", "for_each", "depends_on", "provider", "providers", "lifecycle", "provisioner", "connection"}

// instances makes those of a block, without working out what they have.
func (m *module) instances(b *block) *instances {
	address := b.labels[0] + "." + b.labels[1]
	if b.typ == "data" {
		address = "data." + address
	}
	if made := m.made[address]; made != nil {
		return made
	}
	made := &instances{}
	m.once("count of "+address, b.pos, func() cty.Value { made.keyed = m.keyed(b); return cty.True })
	if made.unknown != nil {
		if b.typ == "resource" && isRead(b.labels[0]) {
			m.missing(*made.unknown, b.pos)
			m.Note(b.pos, app.Warning, "%s is left out: %s", document.Clip(m.path+address), made.unknown.text)
		}
	}
	for i := range made.keys {
		made.all = append(made.all, &instance{module: m, block: b, typ: b.labels[0], label: b.labels[1], address: m.path + address + made.suffix(i), scope: made.scopes[i]})
	}
	m.made[address] = made
	return made
}

// resource is TYPE.NAME or data.TYPE.NAME.
func (m *module) resource(address string, pos app.Position) cty.Value {
	b := m.source.resources[address]
	if b == nil {
		return unknown("there is no %s", document.Clip(m.path+address))
	}
	made := m.instances(b)
	return made.value(func(i int) cty.Value { return made.all[i].value(pos) })
}

// value is an instance as an expression sees it.
func (x *instance) value(pos app.Position) cty.Value {
	if x.object != cty.NilVal {
		return x.object
	}
	return x.once(x.address[len(x.path):], pos, func() cty.Value {
		x.object = x.withComputed(x.content())
		return x.object
	})
}

// content works out what is in the block.
func (x *instance) content() *body {
	if x.body == nil {
		x.body = x.module.content(x.block, x.scope, 0)
	}
	return x.body
}

func (m *module) content(b *block, local map[string]cty.Value, depth int) *body {
	out := &body{pos: b.pos, attrs: map[string]evaluated{}, blocks: map[string][]*body{}}
	for _, name := range slices.Sorted(maps.Keys(b.attrs)) {
		if a := b.attrs[name]; depth > 0 || !slices.Contains(meta, name) {
			out.attrs[name] = evaluated{m.value(a.expr, local), a.expr, a.pos}
		}
	}
	for _, inner := range b.blocks {
		switch {
		case depth == 0 && slices.Contains(meta, inner.typ), depth > maxNesting:
		case inner.typ == "dynamic" && len(inner.labels) == 1:
			out.blocks[inner.labels[0]] = append(out.blocks[inner.labels[0]], m.dynamic(inner, local, depth)...)
		default:
			out.blocks[inner.typ] = append(out.blocks[inner.typ], m.content(inner, local, depth+1))
		}
	}
	return out
}

// dynamic is the blocks that a dynamic block makes. If that is not known, there are
// none, which is a note.
func (m *module) dynamic(b *block, local map[string]cty.Value, depth int) (out []*body) {
	e := b.expr("for_each")
	if e == nil {
		return nil
	}
	given := m.value(e, local)
	v, _ := given.Unmark()
	if !v.IsKnown() || v.IsNull() || !v.CanIterateElements() {
		w := reason(given, why{text: "its for_each is not a list, a set or a map"})
		m.missing(w, b.pos)
		m.Note(b.pos, app.Warning, "the blocks %s are left out: %s", document.Clip(b.labels[0]), w.text)
		return nil
	}
	name := b.labels[0]
	if e := b.expr("iterator"); e != nil {
		if word := hcl.ExprAsKeyword(e); word != "" {
			name = word
		}
	}
	for it := v.ElementIterator(); it.Next() && len(out) < maxInstances; {
		k, item := it.Element()
		if v.Type().IsSetType() {
			k = item
		}
		scope := maps.Clone(local)
		if scope == nil {
			scope = map[string]cty.Value{}
		}
		scope[name] = cty.ObjectVal(map[string]cty.Value{"key": k, "value": item})
		for _, content := range b.blocks {
			if content.typ == "content" {
				out = append(out, m.content(content, scope, depth+1))
			}
		}
	}
	return out
}

// values is what a body has as an object: blocks are lists of objects.
func (b *body) values() map[string]cty.Value {
	out := map[string]cty.Value{}
	for name, a := range b.attrs {
		out[name] = a.value
	}
	for name, all := range b.blocks {
		var list []cty.Value
		for _, inner := range all {
			list = append(list, cty.ObjectVal(inner.values()))
		}
		out[name] = cty.TupleVal(list)
	}
	return out
}

// text is an argument that is a string, or empty.
func (b *body) text(name string) string {
	return text(b.attrs[name].value)
}

// text is a value as a string, or empty if it is none or not known.
func text(v cty.Value) string {
	if v == cty.NilVal {
		return ""
	}
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() {
		return ""
	}
	if v, ok := to(v, cty.String); ok && v.IsKnown() && !v.IsNull() {
		return v.AsString()
	}
	return ""
}
