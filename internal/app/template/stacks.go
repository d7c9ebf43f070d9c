package template

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/cloudformation"
	"github.com/wirepost/wirepost/internal/app/document"
)

// maxStacks bounds the templates of one folder that are looked at.
const maxStacks = 64

// stackFiles are the templates of a folder: of cdk.out those that its manifest names,
// also in the assemblies of its stages, and of any other folder the files that look
// like a template of CloudFormation.
func stackFiles(dir string, depth int) (files []string) {
	file := filepath.Join(dir, "manifest.json")
	if data, err := document.ReadFile(file); err == nil {
		if manifest, err := document.Parse(file, data, document.NewReading(file)); err == nil && manifest.Get("artifacts") != nil {
			for _, f := range manifest.Get("artifacts").Each() {
				p := f.Value.Get("properties")
				switch f.Value.Get("type").ScalarText() {
				case "aws:cloudformation:stack":
					if name := p.Get("templateFile").ScalarText(); filepath.IsLocal(name) {
						files = append(files, filepath.Join(dir, name))
					}
				case "cdk:cloud-assembly":
					if name := p.Get("directoryName").ScalarText(); filepath.IsLocal(name) && depth < 4 {
						files = append(files, stackFiles(filepath.Join(dir, name), depth+1)...)
					}
				}
			}
			return files[:min(len(files), maxStacks)]
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		switch filepath.Ext(e.Name()) {
		case ".json", ".yaml", ".yml", ".template":
			if e.Type().IsRegular() && len(files) < maxStacks {
				files = append(files, filepath.Join(dir, e.Name()))
			}
		}
	}
	return files
}

// A stack is a template of CloudFormation that was opened, with what is known of its
// deployment.
type stack struct {
	cloudformation.Another
	deployment       deployment
	exports, imports []string
}

// openStack reads a template of CloudFormation. It is false for any other file.
func openStack(file string) (s stack, ok bool) {
	data, err := document.ReadFile(file)
	if err != nil {
		return s, false
	}
	root, err := document.Parse(file, data, document.NewReading(file))
	if err != nil || root.Kind != document.Map || root.Get("Resources") == nil || root.Get("Resources").Kind != document.Map {
		return s, false
	}
	s.File, s.Root, s.deployment = file, root, cdkManifest(file)
	base, _, _ := strings.Cut(filepath.Base(file), ".")
	s.Name = cmp.Or(s.deployment.stack, base)
	return s, true
}

func (s *stack) exchange(o cloudformation.Options) {
	o.Stack = s.Name
	if s.deployment.parameters != nil {
		o.Defaults = s.deployment.parameters
	}
	s.exports, s.imports = cloudformation.Exchange(s.File, s.Root, o)
}

// exporters are the stacks next to a template that export what it imports, and what
// those import in turn. Nothing is opened for a template that imports nothing.
func exporters(file string, root *document.Value, o cloudformation.Options, reading *document.Reading) (out []cloudformation.Another) {
	_, wanted := cloudformation.Exchange(file, root, o)
	wanted = slices.DeleteFunc(wanted, func(name string) bool { _, given := o.Values["import:"+name]; return given })
	if len(wanted) == 0 {
		return nil
	}
	var near []stack
	for _, other := range stackFiles(filepath.Dir(file), 0) {
		if filepath.Clean(other) == filepath.Clean(file) {
			continue
		}
		if s, ok := openStack(other); ok {
			s.exchange(o)
			near = append(near, s)
		}
	}
	for found := true; found; {
		found = false
		for i, s := range near {
			if !slices.ContainsFunc(s.exports, func(name string) bool { return slices.Contains(wanted, name) }) {
				continue
			}
			reading.Note(app.Position{File: s.File}, app.Info, "is read too, as stack %s: %s imports what it exports", document.Clip(s.Name), document.Clip(filepath.Base(file)))
			out, wanted, found = append(out, s.Another), append(wanted, s.imports...), true
			near = slices.Delete(near, i, i+1)
			break
		}
	}
	return out
}

// readStacks reads all stacks of a folder as one app: the first one that has a
// WebSocket API is the one that the others are read with. It is false if the folder
// has no stacks.
func readStacks(dir string, o *Options) (*app.App, []app.Note, error, bool) {
	var all []stack
	var broken []string
	for _, file := range stackFiles(dir, 0) {
		if s, ok := openStack(file); ok {
			all = append(all, s)
		} else if strings.Contains(file, ".template.") {
			broken = append(broken, file)
		}
	}
	if len(all) == 0 {
		return nil, nil, nil, false
	}
	i := max(slices.IndexFunc(all, func(s stack) bool { return cloudformation.HasWebSocketAPI(s.Root) }), 0)
	main := all[i]
	reading := document.NewReading(main.File)
	for _, file := range broken {
		part := &app.Unrunnable{What: "stack " + document.Clip(filepath.Base(file)), Why: "its template cannot be read", Position: app.Position{File: file}}
		reading.Add(part.Note(true))
	}
	if main.deployment.stack == "" {
		main.deployment = samConfig(main.File, reading)
	}
	options := o.stack(main.deployment)
	options.Stack = cmp.Or(main.deployment.stack, main.Name)
	for _, s := range slices.Delete(all, i, i+1) {
		reading.Note(app.Position{File: s.File}, app.Info, "is read too, as stack %s", document.Clip(s.Name))
		options.Others = append(options.Others, s.Another)
	}
	a, notes, err := cloudformation.Read(main.Root, reading, options)
	return a, notes, err, true
}
