package cloudformation

import (
	"cmp"
	"strings"

	"github.com/wirepost/wirepost/internal/app/document"
)

// rewrite is a value of a stack with the names of the document of all. Outputs of a
// nested stack become what they are.
func (s *scope) rewrite(v *value, depth int) *value {
	if v == nil || v.Kind != document.List && v.Kind != document.Map {
		return v
	}
	if depth > document.MaxNesting {
		return document.NewUnknown(v.Pos, "its values are nested too deeply")
	}
	if name, argument, ok := v.Intrinsic(); ok {
		if now := s.call(name, argument, v, depth); now != nil {
			return now
		}
	}
	if len(v.Fields) == 1 && v.Fields[0].Key == "Condition" && v.Fields[0].Value.ScalarText() != "" {
		return document.NewMap(v.Pos, field{Key: "Condition", Value: s.named(v.Fields[0].Value, s.conditions)})
	}
	out := &value{Kind: v.Kind, Pos: v.Pos}
	for _, item := range v.Items {
		out.Items = append(out.Items, s.rewrite(item, depth+1))
	}
	for _, f := range v.Fields {
		out.Fields = append(out.Fields, field{Key: f.Key, Pos: f.Pos, Value: s.rewrite(f.Value, depth+1)})
	}
	return out
}

// named is a text with the name that it has in the document of all.
func (s *scope) named(v *value, names map[string]string) *value {
	if now, ok := names[v.ScalarText()]; ok && now != v.Text {
		return document.NewText(v.Pos, now)
	}
	return v
}

// call is a function that names something, or nil for one that does not.
func (s *scope) call(name string, a, v *value, depth int) *value {
	switch name {
	case "Ref":
		if a.ScalarText() == "" {
			return nil
		}
		if a.Text == "AWS::StackName" && s.name != "" {
			return document.NewText(v.Pos, s.name)
		}
		return document.Ref(v.Pos, s.reference(a.Text))
	case "Fn::GetAtt":
		id, attribute := "", ""
		if a != nil && a.Kind == document.List && len(a.Items) == 2 && a.Items[0].ScalarText() != "" && a.Items[1].ScalarText() != "" {
			id, attribute = a.Items[0].Text, a.Items[1].Text
		} else if a.ScalarText() != "" {
			id, attribute, _ = strings.Cut(a.Text, ".")
		}
		if id == "" {
			return nil
		}
		if out := s.output(id, attribute, v); out != nil {
			return out
		}
		return document.NewMap(v.Pos, field{Key: name, Value: document.NewList(v.Pos, document.NewText(v.Pos, cmp.Or(s.ids[id], id)), document.NewText(v.Pos, attribute))})
	case "Fn::Sub":
		return s.sub(a, v, depth)
	case "Fn::If", "Fn::FindInMap":
		names := s.conditions
		if name == "Fn::FindInMap" {
			names = s.mappings
		}
		if a == nil || a.Kind != document.List || len(a.Items) == 0 {
			return nil
		}
		out := document.NewList(a.Pos, s.named(a.Items[0], names))
		if a.Items[0].Kind != document.Scalar {
			out.Items[0] = s.rewrite(a.Items[0], depth+1)
		}
		for _, item := range a.Items[1:] {
			out.Items = append(out.Items, s.rewrite(item, depth+1))
		}
		return document.NewMap(v.Pos, field{Key: name, Value: out})
	}
	return nil
}

// reference is the name of a parameter or a resource, also with SAM's attribute behind
// it.
func (s *scope) reference(name string) string {
	if now, ok := s.parameters[name]; ok {
		return now
	}
	id, attribute, dotted := strings.Cut(name, ".")
	if now, ok := s.ids[id]; ok {
		if dotted {
			return now + "." + attribute
		}
		return now
	}
	return name
}

// output is an output of a nested stack, or nil.
func (s *scope) output(id, attribute string, v *value) *value {
	child := s.nested[id]
	name, ok := strings.CutPrefix(attribute, "Outputs.")
	if child == nil || !ok {
		return nil
	}
	if out := child.outputs[name]; out != nil {
		return out
	}
	return document.NewUnknown(v.Pos, "nested stack "+document.Clip(id)+" has no output "+document.Clip(name))
}

// sub is Fn::Sub whose variables have the names of the document of all. What is more
// than a name becomes a variable of its own.
func (s *scope) sub(a, v *value, depth int) *value {
	text, variables := a, (*value)(nil)
	if a != nil && a.Kind == document.List && len(a.Items) == 2 {
		text, variables = a.Items[0], a.Items[1]
	}
	if text.ScalarText() == "" {
		return nil
	}
	own := &value{Kind: document.Map, Pos: text.Pos}
	for _, f := range variables.Each() {
		own.Fields = append(own.Fields, field{Key: f.Key, Pos: f.Pos, Value: s.rewrite(f.Value, depth+1)})
	}
	replaced := subVariables.ReplaceAllStringFunc(text.Text, func(found string) string {
		name := strings.TrimSpace(found[2 : len(found)-1])
		if strings.HasPrefix(name, "!") || variables.Get(name) != nil {
			return found
		}
		if name == "AWS::StackName" && s.name != "" {
			return s.name
		}
		id, attribute, _ := strings.Cut(name, ".")
		if out := s.output(id, attribute, text); out != nil {
			if own.Get(name) == nil {
				own.Fields = append(own.Fields, field{Key: name, Pos: text.Pos, Value: out})
			}
			return found
		}
		return "${" + s.reference(name) + "}"
	})
	now := &value{Kind: document.Scalar, Text: replaced, Pos: text.Pos, Block: text.Block}
	if len(own.Fields) == 0 {
		return document.NewMap(v.Pos, field{Key: "Fn::Sub", Value: now})
	}
	return document.NewMap(v.Pos, field{Key: "Fn::Sub", Value: document.NewList(v.Pos, now, own)})
}
