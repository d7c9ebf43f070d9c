package cloudformation

import (
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// condition is the value of a named condition. One that cannot be known is
// false, with a note.
func (t *template) condition(name string, pos app.Position) bool {
	if known, ok := t.decided[name]; ok {
		return known
	}
	v := t.conditions.Get(name)
	if v == nil {
		t.Note(pos, app.Warning, "condition %s is not in the template: it counts as false", document.Clip(name))
		return false
	}
	if !t.enter("condition "+name, pos) {
		return false
	}
	result := t.test(v)
	t.leave()
	t.decided[name] = result
	return result
}

// test is what a condition comes to.
func (t *template) test(v *value) bool {
	if !t.Spend(v.Pos, 1) {
		return false
	}
	if v.Kind == document.Map && len(v.Fields) == 1 {
		name, a := v.Fields[0].Key, v.Fields[0].Value
		switch name {
		case "Condition":
			return a.Kind == document.Scalar && t.condition(a.Text, v.Pos)
		case "Fn::Not":
			return len(a.Items) == 1 && !t.test(a.Items[0])
		case "Fn::And":
			for _, item := range a.Items {
				if !t.test(item) {
					return false
				}
			}
			return len(a.Items) > 0
		case "Fn::Or":
			for _, item := range a.Items {
				if t.test(item) {
					return true
				}
			}
			return false
		case "Fn::Equals":
			if len(a.Items) != 2 {
				break
			}
			return t.equal(a.Items[0], a.Items[1], v.Pos)
		case "Fn::Contains", "Fn::EachMemberIn", "Fn::EachMemberEquals":
			if result, ok := t.contains(name, a); ok {
				return result
			}
		}
	}
	if e := t.evalUnless(v, document.Map); e.Kind == document.Scalar {
		return e.Text == "true"
	}
	t.unsure++
	t.Note(v.Pos, app.Warning, "a condition is not understood and counts as false")
	return false
}

// equal is Fn::Equals.
func (t *template) equal(a, b *value, pos app.Position) bool {
	x, y := t.eval(a), t.eval(b)
	for _, v := range []*value{x, y} {
		if v.Kind == document.Unknown {
			t.unsure++
			t.Note(pos, app.Warning, "a condition cannot be known here and counts as false: %s", v.Text)
			return false
		}
	}
	return same(x, y)
}

func same(x, y *value) bool {
	if x.Kind != y.Kind || x.Text != y.Text || len(x.Items) != len(y.Items) {
		return false
	}
	for i := range x.Items {
		if !same(x.Items[i], y.Items[i]) {
			return false
		}
	}
	return x.Kind != document.Map
}
