package terraform

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// why is the mark of a value that cannot be known here: the reason, in one clause, and
// the variable that would have to be given.
type why struct{ text, variable string }

// unknown is a value that cannot be known here.
func unknown(format string, args ...any) cty.Value {
	return cty.DynamicVal.Mark(why{text: fmt.Sprintf(format, args...)})
}

// reason is why a value is not known, or otherwise.
func reason(v cty.Value, otherwise why) why {
	_, marks := v.Unmark()
	var all []why
	for m := range marks {
		if w, ok := m.(why); ok {
			all = append(all, w)
		}
	}
	if len(all) == 0 {
		return otherwise
	}
	return slices.MinFunc(all, func(a, b why) int { return strings.Compare(a.text, b.text) })
}

// deep is the reason of a value, or of something in it.
func deep(v cty.Value) why {
	_, marks := v.UnmarkDeep()
	for m := range marks {
		if w, ok := m.(why); ok {
			return w
		}
	}
	return why{text: "it depends on what only AWS knows"}
}

// once works something out that may be asked for often, and finds what needs itself.
func (m *module) once(name string, pos app.Position, find func() cty.Value) cty.Value {
	if v, ok := m.memo[name]; ok {
		return v
	}
	full := m.path + name
	if i := slices.Index(m.active, full); i >= 0 {
		chain := append(slices.Clone(m.active[i:]), full)
		if len(chain) > 6 {
			chain = append(append(chain[:3:3], "…"), chain[len(chain)-2:]...)
		}
		m.Fail(pos, "%s refers to itself: %s", document.Clip(full), document.Clip(strings.Join(chain, " → ")))
		return unknown("%s refers to itself", document.Clip(full))
	}
	const maxChain = 300
	if len(m.active) >= maxChain {
		m.Fail(pos, "%s refers to too many others, one after the other", document.Clip(full))
		return unknown("%s refers to too many others", document.Clip(full))
	}
	m.active = append(m.active, full)
	v := find()
	m.active = m.active[:len(m.active)-1]
	if !m.meter.spend(1 + size(v)) {
		m.Fail(pos, "%s", tooMuch)
	}
	if tooLong(v) {
		v = unknown("%s is too large", document.Clip(full))
	}
	m.memo[name] = v
	return v
}

// value is what an expression comes to. What cannot be known has its reason, and of a
// map or a list that is written out only the part that cannot.
func (m *module) value(e hcl.Expression, local map[string]cty.Value) (out cty.Value) {
	if !m.meter.spend(stepCost) {
		return unknown("%s", tooMuch)
	}
	active := len(m.active)
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(exhausted); !ok {
				panic(r)
			}
			m.active = m.active[:active]
			m.Fail(m.at(e.Range()), "%s", tooMuch)
			out = unknown("%s", tooMuch)
		}
	}()
	ctx := m.context(e, local)
	v, diags := e.Value(ctx)
	if !diags.HasErrors() {
		return v
	}
	inner := e
	for {
		u, ok := inner.(interface{ UnwrapExpression() hcl.Expression })
		if !ok {
			break
		}
		inner = u.UnwrapExpression()
	}
	switch e := inner.(type) {
	case *hclsyntax.ObjectConsExpr:
		out := map[string]cty.Value{}
		for _, item := range e.Items {
			k, diags := item.KeyExpr.Value(ctx)
			if k, _ = k.Unmark(); diags.HasErrors() || !k.IsKnown() || k.IsNull() || k.Type() != cty.String {
				continue
			}
			out[k.AsString()] = m.value(item.ValueExpr, local)
		}
		return cty.ObjectVal(out)
	case *hclsyntax.TupleConsExpr:
		var out []cty.Value
		for _, item := range e.Exprs {
			out = append(out, m.value(item, local))
		}
		return cty.TupleVal(out)
	}
	return unknown("%s", m.diagnosis(diags))
}

const tooMuch = "the configuration is too large once it is worked out"

// diagnosis is why an expression cannot be worked out.
func (m *module) diagnosis(diags hcl.Diagnostics) string {
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		if name, ok := strings.CutPrefix(d.Detail, `There is no function named "`); ok {
			name, _, _ = strings.Cut(name, `"`)
			return "function " + document.Clip(name) + " is not known here"
		}
		return sentence(d)
	}
	return "it cannot be worked out"
}

// context is what the names in an expression mean: only those that it has, so that
// nothing is worked out that nobody needs.
func (m *module) context(e hcl.Expression, local map[string]cty.Value) *hcl.EvalContext {
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: m.functions}
	needed := map[string]map[string]cty.Value{}
	put := func(root, name string, v func() cty.Value) {
		if needed[root] == nil {
			needed[root] = map[string]cty.Value{}
		}
		if _, there := needed[root][name]; !there {
			needed[root][name] = v()
		}
	}
	data := map[string]map[string]cty.Value{}
	outputs := map[string]map[string]bool{}
	var calls []string
	for _, t := range e.Variables() {
		root, pos := t.RootName(), m.at(t.SourceRange())
		if v, ok := local[root]; ok {
			ctx.Variables[root] = v
			continue
		}
		name, second := step(t, 1), step(t, 2)
		switch root {
		case "var":
			put(root, name, func() cty.Value { return m.variable(name, pos) })
		case "local":
			put(root, name, func() cty.Value { return m.local(name, pos) })
		case "path", "terraform":
			ctx.Variables[root] = m.constant(root)
		case "module":
			if outputs[name] == nil {
				outputs[name] = map[string]bool{}
				calls = append(calls, name)
			}
			outputs[name][outputOf(t)] = true
		case "data":
			if data[name] == nil {
				data[name] = map[string]cty.Value{}
			}
			data[name][second] = m.resource("data."+name+"."+second, pos)
		case "each", "count", "self":
			ctx.Variables[root] = unknown("%s means nothing here", root)
		default:
			put(root, name, func() cty.Value { return m.resource(root+"."+name, pos) })
		}
	}
	for _, name := range calls {
		put("module", name, func() cty.Value { return m.outputs(name, outputs[name], m.at(e.Range())) })
	}
	for typ, all := range data {
		put("data", typ, func() cty.Value { return cty.ObjectVal(all) })
	}
	for root, all := range needed {
		ctx.Variables[root] = cty.ObjectVal(all)
	}
	return ctx
}

// step is the name of a step of a traversal, or empty.
func step(t hcl.Traversal, i int) string {
	if i < len(t) {
		if a, ok := t[i].(hcl.TraverseAttr); ok {
			return a.Name
		}
	}
	return ""
}

// outputOf is the output that module.NAME.OUTPUT or module.NAME[KEY].OUTPUT has, or
// empty for all.
func outputOf(t hcl.Traversal) string {
	if name := step(t, 2); name != "" {
		return name
	}
	return step(t, 3)
}

// local is local.NAME.
func (m *module) local(name string, pos app.Position) cty.Value {
	a := m.source.locals[name]
	if a == nil {
		return unknown("there is no local.%s", document.Clip(name))
	}
	return m.once("local."+name, pos, func() cty.Value { return m.value(a.expr, nil) })
}

// constant is path or terraform.
func (m *module) constant(root string) cty.Value {
	if root == "terraform" {
		return cty.ObjectVal(map[string]cty.Value{"workspace": cty.StringVal("default"), "applying": cty.True})
	}
	return cty.ObjectVal(map[string]cty.Value{
		"module": cty.StringVal(m.relative), "root": cty.StringVal("."), "cwd": cty.StringVal(m.cwd),
	})
}

// mention keeps the names of attributes that an expression has: those that a resource
// has to have, although only AWS knows them.
func (c *configuration) mention(e hcl.Expression) {
	note := func(t hcl.Traversal, from int) {
		for i := from; i < len(t); i++ {
			if name := step(t, i); name != "" && len(c.mentioned) < maxMentioned {
				c.mentioned[name] = true
			}
		}
	}
	for _, t := range e.Variables() {
		note(t, 2)
	}
	node, ok := e.(hclsyntax.Node)
	if !ok {
		return
	}
	_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		switch n := n.(type) {
		case *hclsyntax.RelativeTraversalExpr:
			note(n.Traversal, 0)
		case *hclsyntax.ScopeTraversalExpr:
			note(n.Traversal, 1)
		}
		return nil
	})
}

const maxMentioned = 2000

// failure is an error of reading as a reason.
func failure(err error) string {
	if e := (*app.Error)(nil); errors.As(err, &e) {
		return document.Clip(e.Position.String()) + " " + e.Text
	}
	return err.Error()
}
