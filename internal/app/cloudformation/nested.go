package cloudformation

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// linkedFiles bounds the files of nested stacks and of AWS::Include.
type linkedFiles struct{ count, bytes int }

const (
	maxLinked      = 64
	maxLinkedBytes = 8 << 20 // of all files together
)

// open reads a file, or says why it cannot be read.
func (f *linkedFiles) open(file string, reading *document.Reading) (root *value, why string) {
	if f.count++; f.count > maxLinked {
		return nil, "is one file too many"
	}
	data, err := document.ReadFile(file)
	if err == nil {
		if f.bytes += len(data); f.bytes > maxLinkedBytes {
			return nil, "is too large with the others"
		}
		root, err = document.Parse(file, data, reading)
	}
	switch e := (*app.Error)(nil); {
	case err == nil:
		return root, ""
	case errors.Is(err, fs.ErrNotExist):
		return nil, "is not there"
	case errors.As(err, &e) && e.Position.Line > 0:
		return nil, "cannot be understood: line " + strings.TrimPrefix(e.Position.String(), e.Position.File+":") + " " + e.Text
	case errors.As(err, &e):
		return nil, e.Text
	}
	return nil, "cannot be opened"
}

// nestedFile is the file of a nested stack's template as the parent, in that folder, has
// it, or empty for one that is not on this machine.
func (l *linker) nestedFile(resource *value, dir string) string {
	if asset := resource.Get("Metadata", "aws:asset:path").ScalarText(); asset != "" {
		return asset
	}
	p := resource.Get("Properties")
	if file := l.assets.template(dir, p.Get("TemplateURL")); file != "" {
		return file
	}
	for _, name := range []string{"TemplateURL", "Location"} {
		if text := p.Get(name).ScalarText(); text != "" && !strings.Contains(text, "://") && !strings.ContainsRune(text, 0) {
			return text
		}
	}
	return ""
}

// nest reads a nested stack and adds it before its parent. One that cannot be read
// stays a resource.
func (l *linker) nest(f field, parent *scope) {
	name := l.nestedFile(f.Value, l.dirOf(f.Pos.File))
	if name == "" {
		return
	}
	file := filepath.FromSlash(name)
	if !filepath.IsAbs(file) {
		file = filepath.Join(l.dirOf(f.Pos.File), file)
	}
	refuse := func(why string) {
		part := &app.Unrunnable{What: "nested stack " + document.Clip(f.Key), Why: why, Position: f.Pos}
		l.Add(part.Note(true))
	}
	if slices.Contains(l.active, file) {
		refuse("its template " + document.Clip(name) + " is one of those that it is nested in")
		return
	}
	root, why := l.files.open(file, l.Reading)
	if why == "" && !Is(root) {
		why = "is not a template: it has no Resources"
	}
	if why != "" {
		refuse("its template " + document.Clip(name) + " " + why)
		return
	}
	l.active = append(l.active, file)
	l.dirs[file] = filepath.Dir(file)
	root = l.include(root, filepath.Dir(file), 0)
	stack := parent.name
	if stack == "" {
		stack = "local"
	}
	child := l.newScope(root, stack+"-"+f.Key, parent.prefix+f.Key)
	if c := f.Value.Get("Condition").ScalarText(); c != "" {
		child.condition = c
		if now, ok := parent.conditions[c]; ok {
			child.condition = now
		}
	}
	if parent.condition != "" && child.condition != "" {
		child.condition = l.both(parent.condition, child.condition, f.Pos)
	} else if parent.condition != "" {
		child.condition = parent.condition
	}
	for _, p := range root.Get("Parameters").Each() {
		typ := p.Value.Get("Type").ScalarText()
		l.bound[child.parameters[p.Key]] = binding{list: typ == "CommaDelimitedList" || strings.HasPrefix(typ, "List<")}
	}
	l.add(root, child, false)
	parent.nested[f.Key] = child
	l.active = l.active[:len(l.active)-1]
}

// dirOf is the directory from which a template's paths are.
func (l *linker) dirOf(file string) string {
	if dir, ok := l.dirs[file]; ok {
		return dir
	}
	return filepath.Dir(l.File())
}

// include replaces AWS::Include by the file that it names, as far as it is on this
// machine. (AWS docs, CloudFormation template reference: "AWS::Include transform".)
func (l *linker) include(v *value, dir string, depth int) *value {
	if v == nil || v.Kind != document.Map && v.Kind != document.List || depth > document.MaxNesting || !hasInclude(v, depth) {
		return v
	}
	out := &value{Kind: v.Kind, Pos: v.Pos}
	for _, item := range v.Items {
		out.Items = append(out.Items, l.include(item, dir, depth+1))
	}
	for _, f := range v.Fields {
		location, ok := includes(f)
		if !ok {
			out.Fields = append(out.Fields, field{Key: f.Key, Pos: f.Pos, Value: l.include(f.Value, dir, depth+1)})
			continue
		}
		part, why := l.included(location, dir)
		if why != "" {
			u := &app.Unrunnable{What: "AWS::Include", Why: why, Position: f.Pos}
			l.Add(u.Note(true))
			continue
		}
		if len(v.Fields) == 1 {
			return part
		}
		merged := document.Merge(part, &value{Kind: document.Map, Pos: v.Pos, Fields: out.Fields})
		out.Fields = slices.Clone(merged.Each())
	}
	return out
}

// included is the content of a file that AWS::Include names.
func (l *linker) included(location, dir string) (*value, string) {
	file := filepath.FromSlash(location)
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	if slices.Contains(l.active, file) {
		return nil, "its file " + document.Clip(location) + " includes itself"
	}
	part, why := l.files.open(file, l.Reading)
	if why != "" {
		return nil, "its file " + document.Clip(location) + " " + why
	}
	l.active = append(l.active, file)
	part = l.include(part, dir, 0)
	l.active = l.active[:len(l.active)-1]
	return part, ""
}

// includes is the location that a field includes, if it is AWS::Include of a file on
// this machine.
func includes(f field) (location string, ok bool) {
	if f.Key != "Fn::Transform" && f.Key != "Transform" || f.Value.Get("Name").ScalarText() != "AWS::Include" {
		return "", false
	}
	location = f.Value.Get("Parameters", "Location").ScalarText()
	return location, location != "" && !strings.Contains(location, "://") && !strings.ContainsRune(location, 0)
}

// hasInclude reports whether a value includes a file somewhere.
func hasInclude(v *value, depth int) bool {
	if v == nil || depth > document.MaxNesting {
		return false
	}
	for _, item := range v.Items {
		if hasInclude(item, depth+1) {
			return true
		}
	}
	for _, f := range v.Fields {
		if _, ok := includes(f); ok || hasInclude(f.Value, depth+1) {
			return true
		}
	}
	return false
}
