package terraform

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// document is a value in the shape of CloudFormation: made-up texts become references,
// and a part that is written out has its own line. Nil is a value that is not there.
func (c *configuration) document(v cty.Value, e hcl.Expression, pos app.Position) *value {
	return c.convert(v, e, pos, deep(v))
}

func (c *configuration) convert(v cty.Value, e hcl.Expression, pos app.Position, outer why) *value {
	if v == cty.NilVal {
		return nil
	}
	outer = reason(v, outer)
	v, _ = v.Unmark()
	if !c.Spend(pos, 1) {
		return document.TooLarge(pos)
	}
	switch typ := v.Type(); {
	case !v.IsKnown():
		c.missing(outer, pos)
		return document.NewUnknown(pos, outer.text)
	case v.IsNull():
		return nil
	case typ.IsPrimitiveType():
		if tooLong(v) {
			return document.NewUnknown(pos, tooLarge)
		}
		if !c.Spend(pos, size(v)) {
			return document.TooLarge(pos)
		}
		return c.referring(text(v), pos)
	case typ.IsObjectType() || typ.IsMapType():
		parts := partsOf(e)
		out := &value{Kind: document.Map, Pos: pos}
		for it := v.ElementIterator(); it.Next(); {
			k, item := it.Element()
			at, inner := pos, hcl.Expression(nil)
			if p := parts[k.AsString()]; p != nil {
				at, inner = c.at(p.StartRange()), p
			}
			if made := c.convert(item, inner, at, outer); made != nil {
				out.Fields = append(out.Fields, field{Key: k.AsString(), Pos: at, Value: made})
			}
		}
		return out
	case v.CanIterateElements():
		out := document.NewList(pos)
		list, _ := e.(*hclsyntax.TupleConsExpr)
		i := 0
		for it := v.ElementIterator(); it.Next(); i++ {
			_, item := it.Element()
			at, inner := pos, hcl.Expression(nil)
			if list != nil && i < len(list.Exprs) {
				at, inner = c.at(list.Exprs[i].StartRange()), list.Exprs[i]
			}
			if made := c.convert(item, inner, at, outer); made != nil {
				out.Items = append(out.Items, made)
			}
		}
		return out
	}
	return document.NewUnknown(pos, "it is neither a text, a list nor a map")
}

// missing keeps a variable without a value that something needs.
func (c *configuration) missing(w why, pos app.Position) {
	if _, there := c.unset[w.variable]; w.variable != "" && !there {
		c.unset[w.variable] = pos
	}
}

// partsOf are the expressions of the fields of a map that is written out, also within
// the arguments of a function such as merge.
func partsOf(e hcl.Expression) map[string]hclsyntax.Expression {
	if counted, ok := e.(*counted); ok {
		e = counted.inner
	}
	out := map[string]hclsyntax.Expression{}
	switch e := e.(type) {
	case *hclsyntax.ObjectConsExpr:
		for _, item := range e.Items {
			if key, diags := item.KeyExpr.Value(nil); !diags.HasErrors() && key.Type() == cty.String && key.IsKnown() && !key.IsNull() {
				out[key.AsString()] = item.ValueExpr
			}
		}
	case *hclsyntax.FunctionCallExpr:
		for _, arg := range e.Args {
			maps.Copy(out, partsOf(arg))
		}
	case *hclsyntax.ConditionalExpr:
		maps.Copy(out, partsOf(e.TrueResult))
		maps.Copy(out, partsOf(e.FalseResult))
	case *hclsyntax.ParenthesesExpr:
		return partsOf(e.Expression)
	}
	return out
}

// referring is a text in which each token is a reference.
func (c *configuration) referring(s string, pos app.Position) *value {
	first, at := "", len(s)
	for _, t := range c.tokenOrder { // the longest first
		if i := strings.Index(s, t); i >= 0 && (i < at || i == at && len(t) > len(first)) {
			first, at = t, i
		}
	}
	if first == "" {
		return document.NewText(pos, s)
	}
	reference := c.reference(c.tokens[first], pos)
	if s == first {
		return reference
	}
	parts := document.NewList(pos)
	for rest := s; rest != ""; {
		next, at := "", len(rest)
		for _, t := range c.tokenOrder {
			if i := strings.Index(rest, t); i >= 0 && (i < at || i == at && len(t) > len(next)) {
				next, at = t, i
			}
		}
		if at > 0 {
			parts.Items = append(parts.Items, document.NewText(pos, rest[:at]))
		}
		if next == "" {
			break
		}
		parts.Items = append(parts.Items, c.reference(c.tokens[next], pos))
		rest = rest[at+len(next):]
	}
	return document.NewMap(pos, field{Key: "Fn::Join", Value: document.NewList(pos, document.NewText(pos, ""), parts)})
}

func (c *configuration) reference(t token, pos app.Position) *value {
	if t.attribute == "" {
		return document.Ref(pos, t.of.address)
	}
	return document.NewMap(pos, field{Key: "Fn::GetAtt", Value: document.NewList(pos, document.NewText(pos, t.of.address), document.NewText(pos, t.attribute))})
}

// ofJSON is an argument that is JSON as a value of its own. What is none stays a text.
func (c *configuration) ofJSON(a evaluated) *value {
	s := text(a.value)
	var plain any
	if s == "" || json.Unmarshal([]byte(s), &plain) != nil {
		return c.document(a.value, a.expr, a.pos)
	}
	return c.plain(plain, a.pos)
}

func (c *configuration) plain(v any, pos app.Position) *value {
	switch v := v.(type) {
	case map[string]any:
		out := &value{Kind: document.Map, Pos: pos}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out.Fields = append(out.Fields, field{Key: key, Pos: pos, Value: c.plain(v[key], pos)})
		}
		return out
	case []any:
		out := document.NewList(pos)
		for _, item := range v {
			out.Items = append(out.Items, c.plain(item, pos))
		}
		return out
	case string:
		return c.referring(v, pos)
	}
	return document.FromAny(pos, v)
}
