package terraform

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/wirepost/wirepost/internal/app/document"
)

// maxSteps bounds what all expressions cost: steps of loops, and bytes of what goes
// into templates and functions.
const maxSteps = 32 << 20

// stepCost is what one step of a loop costs, in bytes.
const stepCost = 64

// exhausted is the panic that ends the evaluation of an expression which costs too
// much: an error would not end the loops around it.
type exhausted struct{}

// A meter bounds the work of expressions, which a small file can make large: a loop
// within a loop, or a text that is ever doubled.
type meter struct{ spent int }

func (m *meter) spend(n int) bool {
	m.spent += n
	return m.spent <= maxSteps
}

// count puts the meter between an expression and those in it that may be large or are
// worked out often. The expression is changed.
func (m *meter) count(e hcl.Expression) {
	node, ok := e.(hclsyntax.Node)
	if !ok {
		return
	}
	_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		wrap := func(at *hclsyntax.Expression) {
			if *at != nil {
				if _, already := (*at).(*counted); !already {
					*at = &counted{&hclsyntax.ParenthesesExpr{Expression: *at, SrcRange: (*at).Range()}, *at, m}
				}
			}
		}
		switch n := n.(type) {
		case *hclsyntax.ForExpr:
			wrap(&n.KeyExpr)
			wrap(&n.ValExpr)
			wrap(&n.CondExpr)
		case *hclsyntax.TemplateExpr:
			for i := range n.Parts {
				wrap(&n.Parts[i])
			}
		case *hclsyntax.FunctionCallExpr:
			for i := range n.Args {
				wrap(&n.Args[i])
			}
		}
		return nil
	})
}

// counted is an expression whose values cost something. The parentheses let those that
// walk through it find what is in it.
type counted struct {
	hclsyntax.Expression
	inner hclsyntax.Expression
	meter *meter
}

// UnwrapExpression lets what looks at the form of an expression see it.
func (c *counted) UnwrapExpression() hcl.Expression { return c.inner }

func (c *counted) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if !c.meter.spend(stepCost) {
		panic(exhausted{})
	}
	v, diags := c.inner.Value(ctx)
	if !c.meter.spend(size(v)) || tooLong(v) {
		r := c.Range()
		return cty.DynamicVal, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: tooLarge, Detail: tooLarge, Subject: &r}}
	}
	return v, diags
}

const tooLarge = "the value is too large"

// size is what a value costs: the bytes of a text, the items of a collection.
func size(v cty.Value) int {
	v, _ = v.Unmark()
	switch {
	case !v.IsKnown() || v.IsNull():
		return 0
	case v.Type() == cty.String:
		return len(v.AsString())
	case v.CanIterateElements():
		return v.LengthInt()
	}
	return 0
}

// tooLong reports whether a value is larger than a text, or a number, may be.
func tooLong(v cty.Value) bool {
	v, _ = v.Unmark()
	switch {
	case !v.IsKnown() || v.IsNull():
		return false
	case v.Type() == cty.String:
		return len(v.AsString()) > document.MaxString
	case v.Type() == cty.Number:
		const most = 4096 // bits before or after the point
		exponent := v.AsBigFloat().MantExp(nil)
		return v.AsBigFloat().IsInf() || exponent > most || exponent < -most
	}
	return false
}
