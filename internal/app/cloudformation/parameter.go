package cloudformation

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
	"github.com/wirepost/wirepost/internal/terminal"
)

// parameter is Ref of a parameter: what was given for it, or its default.
func (t *template) parameter(name string, p *value, pos app.Position) *value {
	typ := p.Get("Type")
	text, given := t.options.Parameters[name]
	switch d := p.Get("Default"); {
	case given:
	case typ != nil && strings.HasPrefix(typ.Text, "AWS::SSM::"):
		return document.NewUnknown(pos, fmt.Sprintf("parameter %s comes from Systems Manager: give --parameter %s=VALUE", document.Clip(name), terminal.Word(document.Clip(name))))
	case d.Empty() || d.Kind == document.Unknown:
		if t.unset[name] == (app.Position{}) {
			t.unset[name] = p.Pos
		}
		return document.NewUnknown(pos, fmt.Sprintf("parameter %s has no value", document.Clip(name)))
	case d.Kind == document.List: // not CloudFormation, but unmistakable
		return d
	default:
		text = d.Text
	}
	if !t.Spend(pos, len(text)) {
		return document.TooLarge(pos)
	}
	if typ != nil && (typ.Text == "CommaDelimitedList" || strings.HasPrefix(typ.Text, "List<")) {
		out := document.NewList(pos)
		for item := range strings.SplitSeq(text, ",") {
			out.Items = append(out.Items, document.NewText(pos, strings.TrimSpace(item)))
		}
		return out
	}
	return document.NewText(pos, text)
}

// checkParameters looks at what was given: a value that the template does not allow
// is an error, as on AWS.
func (t *template) checkParameters() error {
	for name := range t.options.Parameters {
		// A template of another language has parameters of its own.
		if t.format != t.options.Origin.Format && t.parameters.Get(name) == nil {
			t.Note(app.Position{File: t.File()}, app.Warning, "parameter %s is given, but the template has none of that name", document.Clip(name))
		}
	}
	for _, f := range t.parameters.Each() {
		if text, given := t.options.Parameters[f.Key]; given {
			if err := allowed(f, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// allowed looks for a parameter's value among its AllowedValues.
func allowed(parameter field, text string) error {
	list := parameter.Value.Get("AllowedValues")
	if list == nil || list.Kind != document.List {
		return nil
	}
	var values []string
	for _, v := range list.Items {
		values = append(values, document.Clip(v.Text))
	}
	texts := []string{text}
	if typ := parameter.Value.Get("Type"); typ != nil && typ.Text == "CommaDelimitedList" {
		texts = strings.Split(text, ",")
	}
	for _, text := range texts {
		if text = strings.TrimSpace(text); !slices.ContainsFunc(list.Items, func(v *value) bool { return v.Text == text }) {
			name := document.Clip(parameter.Key)
			return app.Errorf(parameter.Pos, "parameter %s may not be %s: give --parameter %s=VALUE with one of %s", name, document.Clip(text), terminal.Word(name), strings.Join(values, ", "))
		}
	}
	return nil
}

// missing is an error that names the parameters that something needs and that have
// no value.
func (t *template) missing() error {
	var first app.Position
	var flags, names []string
	for _, f := range t.parameters.Each() {
		if pos, ok := t.unset[f.Key]; ok {
			if len(names) == 0 {
				first = pos
			}
			names = append(names, document.Clip(f.Key))
			flags = append(flags, "--parameter "+terminal.Word(document.Clip(f.Key))+"=VALUE")
		}
	}
	switch {
	case len(names) == 0:
		return nil
	case len(names) == 1:
		return app.Errorf(first, "parameter %s has no default: give %s", names[0], flags[0])
	case len(names) > 20:
		return app.Errorf(first, "%d parameters have no default, the first is %s: give %s and so on", len(names), names[0], flags[0])
	}
	return app.Errorf(first, "parameters %s have no default: give %s", strings.Join(names, ", "), strings.Join(flags, " "))
}
