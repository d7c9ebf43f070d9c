package cloudformation

import (
	"cmp"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// checkRules fails if parameters that were given do not meet an assertion of the
// template's Rules, as CloudFormation does before it makes anything. If they are all
// defaults, with which nobody deploys, it is a note. Rules that look into an account
// are not checked. (AWS docs, CloudFormation user guide: "Rules".)
func (t *template) checkRules(rules *value) {
	for _, f := range rules.Each() {
		refused := t.refusals(f)
		switch {
		case len(refused) == 0:
		case t.isOfGiven(f.Value):
			t.Fail(f.Pos, "rule %s does not allow these parameters: %s", document.Clip(f.Key), document.Clip(refused[0]))
		default:
			t.Note(f.Pos, app.Warning, "rule %s does not allow the parameters' defaults, and AWS refuses them: %s", document.Clip(f.Key), document.Clip(refused[0]))
		}
	}
}

// isOfGiven reports whether a rule is about a parameter that was given.
func (t *template) isOfGiven(rule *value) bool {
	text := asWritten(rule, 0)
	for _, f := range t.parameters.Each() {
		_, flag := t.options.Parameters[f.Key]
		_, file := t.options.Defaults[f.Key]
		if (flag || file) && (strings.Contains(text, "\n"+f.Key+"\n") || strings.Contains(text, "${"+f.Key+"}")) {
			return true
		}
	}
	return false
}

// refusals are the descriptions of a rule's assertions that do not hold.
func (t *template) refusals(f field) (refused []string) {
	if looksIntoAccount(f.Value, 0) {
		t.Note(f.Pos, app.Info, "rule %s is not checked here: it looks into an account", document.Clip(f.Key))
		return nil
	}
	if c := f.Value.Get("RuleCondition"); c != nil && !t.test(c) {
		return nil
	}
	assertions := f.Value.Get("Assertions")
	if assertions == nil {
		return nil
	}
	for _, a := range assertions.Items {
		before := t.unsure
		if assert := a.Get("Assert"); assert == nil || t.test(assert) || t.unsure > before {
			continue // what cannot be known refuses nothing
		}
		says := t.text(a.Get("AssertDescription"), "AssertDescription of "+document.Clip(f.Key))
		refused = append(refused, cmp.Or(says, "one of its assertions does not hold"))
	}
	return refused
}

// looksIntoAccount reports whether a rule has a function whose result is in an
// account.
func looksIntoAccount(v *value, depth int) bool {
	if v == nil || depth > document.MaxNesting {
		return false
	}
	if name, _, ok := v.Intrinsic(); ok && slices.Contains([]string{"Fn::RefAll", "Fn::ValueOf", "Fn::ValueOfAll"}, name) {
		return true
	}
	for _, item := range v.Items {
		if looksIntoAccount(item, depth+1) {
			return true
		}
	}
	for _, f := range v.Fields {
		if looksIntoAccount(f.Value, depth+1) {
			return true
		}
	}
	return false
}

// contains is Fn::Contains, Fn::EachMemberIn and Fn::EachMemberEquals, which only
// rules have: a list of strings and what is held against each.
func (t *template) contains(name string, a *value) (result, ok bool) {
	if a.Kind != document.List || len(a.Items) != 2 {
		return false, false
	}
	x, y := t.eval(a.Items[0]), t.eval(a.Items[1])
	if unknownIn(x, 0) != nil || unknownIn(y, 0) != nil { // such as the version of CDK's bootstrap stack
		t.unsure++
		return false, true
	}
	has := func(list *value, text string) bool {
		return slices.ContainsFunc(list.Items, func(v *value) bool { return v.Text == text })
	}
	switch {
	case name == "Fn::Contains" && x.Kind == document.List && y.Kind == document.Scalar:
		return has(x, y.Text), true
	case name == "Fn::EachMemberIn" && x.Kind == document.List && y.Kind == document.List:
		return !slices.ContainsFunc(x.Items, func(v *value) bool { return !has(y, v.Text) }), true
	case name == "Fn::EachMemberEquals" && x.Kind == document.List && y.Kind == document.Scalar:
		return !slices.ContainsFunc(x.Items, func(v *value) bool { return v.Text != y.Text }), true
	}
	return false, false
}
