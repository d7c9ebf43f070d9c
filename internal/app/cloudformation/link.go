package cloudformation

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// Another is a stack that is read with the template, because the template imports what
// it exports or because all stacks of an app were asked for.
type Another struct {
	Name string // AWS::StackName
	File string
	Root *document.Value
}

// links are what a template has from other files: the stacks that are read with it and
// the stacks that are nested in it. They become one document, in which a logical ID
// that is there already begins with the name of its stack.
type links struct {
	exports  []export
	bound    map[string]binding // parameters of nested stacks
	optional map[string]string  // parameters of other stacks, to the name that the stack has for them
	dirs     map[string]string  // file to the directory from which its paths are
	assets   assets
}

// An export is one of a stack's Outputs.
type export struct{ name, value *value }

// A binding is what a nested stack gets for a parameter.
type binding struct {
	value *value
	list  bool
}

// A scope is one stack: what its names are called in the document of all.
type scope struct {
	name, prefix                string
	ids, parameters, conditions map[string]string
	mappings                    map[string]string
	nested                      map[string]*scope
	outputs                     map[string]*value // once the stack is added
	condition                   string            // of the nested stack itself, in the document of all
}

// A linker makes one document of several stacks.
type linker struct {
	*document.Reading
	*links
	files    *linkedFiles
	used     map[string]bool // logical IDs and other names of the document of all
	sections map[string][]field
	macros   []*value
	active   []string // files that are being read
}

// link makes one document of a template and the stacks that belong to it. A template
// that stands alone is returned as it is, with nil links.
func link(root *value, reading *document.Reading, o Options) (*value, *links) {
	l := &linker{
		Reading: reading, links: &links{bound: map[string]binding{}, optional: map[string]string{}, dirs: map[string]string{}, assets: assets{}},
		files: &linkedFiles{}, used: map[string]bool{}, sections: map[string][]field{}, active: []string{filepath.Clean(reading.File())},
	}
	root = l.include(root, filepath.Dir(reading.File()), 0)
	if len(o.Others) == 0 && !l.hasNested(root) {
		return root, nil
	}
	l.add(root, l.newScope(root, "", ""), false)
	for _, other := range o.Others {
		l.dirs[other.File] = filepath.Dir(other.File)
		other.Root = l.include(other.Root, filepath.Dir(other.File), 0)
		s := l.newScope(other.Root, other.Name, document.LogicalID(other.Name))
		for name, own := range s.parameters {
			l.optional[own] = name
		}
		l.add(other.Root, s, true)
	}
	for name, all := range l.sections { // the template's own come first
		var own, others []field
		for _, f := range all {
			if f.Pos.File == reading.File() {
				own = append(own, f)
			} else {
				others = append(others, f)
			}
		}
		l.sections[name] = append(own, others...)
	}
	fields := []field{{Key: "Transform", Value: document.NewList(root.Pos, l.macros...)}, {Key: "Rules", Value: root.Get("Rules")}, {Key: "Globals", Value: root.Get("Globals")}}
	for _, name := range slices.Sorted(maps.Keys(l.sections)) {
		fields = append(fields, field{Key: name, Value: &value{Kind: document.Map, Pos: root.Pos, Fields: l.sections[name]}})
	}
	return document.NewMap(root.Pos, fields...), l.links
}

// isNested reports whether a resource is a stack of its own.
func isNested(resource *value) bool {
	typ := resource.Get("Type").ScalarText()
	return typ == "AWS::CloudFormation::Stack" || typ == "AWS::Serverless::Application"
}

func (l *linker) hasNested(root *value) bool {
	for _, f := range root.Get("Resources").Each() {
		if isNested(f.Value) && l.nestedFile(f.Value, filepath.Dir(l.File())) != "" {
			return true
		}
	}
	return false
}

// newScope gives each name of a stack the one that it has in the document of all: its
// own if it is free, or else with the prefix before it.
func (l *linker) newScope(root *value, name, prefix string) *scope {
	s := &scope{name: name, prefix: prefix, nested: map[string]*scope{}, outputs: map[string]*value{}}
	rename := func(section string) map[string]string {
		names := map[string]string{}
		for _, f := range root.Get(section).Each() {
			now := f.Key
			for l.used[section+now] {
				now = cmp.Or(prefix, "Other") + now
			}
			l.used[section+now], names[f.Key] = true, now
		}
		return names
	}
	s.ids, s.parameters, s.conditions, s.mappings = rename("Resources"), rename("Parameters"), rename("Conditions"), rename("Mappings")
	return s
}

// add puts a stack into the document of all: first the stacks that are nested in it,
// then its own sections, and then what the nested ones get for their parameters.
func (l *linker) add(root *value, s *scope, other bool) {
	for _, f := range root.Get("Resources").Each() {
		if isNested(f.Value) {
			l.nest(f, s)
		}
	}
	if m := root.Get("Transform"); m != nil && m.Kind == document.List {
		l.macros = append(l.macros, m.Items...)
	} else if !m.Empty() {
		l.macros = append(l.macros, m)
	}
	keep := func(section string, f field, names map[string]string, v *value) {
		l.sections[section] = append(l.sections[section], field{Key: names[f.Key], Pos: f.Pos, Value: v})
	}
	for _, f := range root.Get("Parameters").Each() {
		keep("Parameters", f, s.parameters, f.Value)
	}
	for _, f := range root.Get("Mappings").Each() {
		keep("Mappings", f, s.mappings, f.Value)
	}
	for _, f := range root.Get("Conditions").Each() {
		keep("Conditions", f, s.conditions, s.rewrite(f.Value, 0))
	}
	for _, f := range root.Get("Resources").Each() {
		if s.nested[f.Key] == nil {
			keep("Resources", f, s.ids, l.resource(f.Value, root.Get("Globals"), s))
		}
	}
	for _, f := range root.Get("Outputs").Each() {
		v := s.rewrite(f.Value.Get("Value"), 0)
		s.outputs[f.Key] = v
		if name := f.Value.Get("Export", "Name"); name != nil {
			l.exports = append(l.exports, export{s.rewrite(name, 0), v})
		}
	}
	for id, child := range s.nested {
		given := s.rewrite(root.Get("Resources", id, "Properties", "Parameters"), 0)
		for _, f := range given.Each() {
			if now, ok := child.parameters[f.Key]; ok {
				b := l.bound[now]
				b.value = f.Value
				l.bound[now] = b
			}
		}
	}
}

// resource is a resource of a stack in the document of all, with SAM's Globals of its
// stack and the condition of the stack that it is in.
func (l *linker) resource(v, globals *value, s *scope) *value {
	if v == nil || v.Kind != document.Map {
		return v
	}
	out := &value{Kind: document.Map, Pos: v.Pos}
	condition := s.condition
	for _, f := range v.Fields {
		switch f.Key {
		case "Condition":
			own := cmp.Or(s.conditions[f.Value.ScalarText()], f.Value.ScalarText())
			if condition != "" {
				own = l.both(condition, own, f.Pos)
			}
			condition = own
		case "Properties":
			p := s.rewrite(f.Value, 0)
			if section, ok := strings.CutPrefix(v.Get("Type").ScalarText(), "AWS::Serverless::"); ok {
				p = document.Merge(s.rewrite(globals.Get(section), 0), p)
			}
			out.Fields = append(out.Fields, field{Key: f.Key, Pos: f.Pos, Value: p})
		case "DependsOn":
		default:
			out.Fields = append(out.Fields, field{Key: f.Key, Pos: f.Pos, Value: s.rewrite(f.Value, 0)})
		}
	}
	if condition != "" {
		out.Fields = append(out.Fields, field{Key: "Condition", Pos: v.Pos, Value: document.NewText(v.Pos, condition)})
	}
	return out
}

// both makes a condition that holds if two do.
func (l *linker) both(a, b string, pos app.Position) string {
	name := a + " and " + b
	if !l.used["Conditions"+name] {
		l.used["Conditions"+name] = true
		of := func(name string) *value {
			return document.NewMap(pos, field{Key: "Condition", Value: document.NewText(pos, name)})
		}
		l.sections["Conditions"] = append(l.sections["Conditions"], field{Key: name, Pos: pos, Value: document.NewMap(pos, field{Key: "Fn::And", Value: document.NewList(pos, of(a), of(b))})})
	}
	return name
}
