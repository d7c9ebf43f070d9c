package serverless

import (
	"regexp"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// A bundler is what makes the code of a service's Node.js functions on the way to AWS.
type bundler struct {
	tool    string
	typed   bool   // it leaves functions alone that are not in TypeScript
	options *value // of esbuild, by its own names
	pos     app.Position
}

// bundlers are the plugins that do it, in the order in which they are looked for.
var bundlers = []string{"serverless-esbuild", "serverless-webpack", "serverless-plugin-typescript"}

// version4 is a frameworkVersion that no version before 4 satisfies. UNCERTAIN: that
// version 4 bundles TypeScript alone if build.esbuild is not there.
var version4 = regexp.MustCompile(`^[\^~>=v\s]*4(\D|$)`)

// bundler is the service's, or nil. What it has a program of its own for, which is not
// run, is a note.
func (s *service) bundler(root *value) *bundler {
	plugins := s.plugins(root)
	for _, name := range bundlers {
		plugin, ok := plugins[name]
		if !ok {
			continue
		}
		b := &bundler{tool: name, pos: plugin.Pos}
		switch name {
		case "serverless-esbuild":
			b.options = s.variables.resolve(root.Get("custom", "esbuild"))
			s.sayPrograms(b)
		case "serverless-webpack":
			s.sayNotRun(b, plugin.Pos, "the configuration of webpack is a program and is not run: esbuild bundles the functions in its place, without webpack's loaders and plugins")
		case "serverless-plugin-typescript":
			// It compiles file by file, and packs node_modules.
			b.typed = true
			b.options = document.NewMap(plugin.Pos, field{Key: "packages", Value: document.NewText(plugin.Pos, "external")})
		}
		return b
	}
	build := s.variables.resolve(root.Get("build"))
	options := build.Get("esbuild")
	asked := build.ScalarText() == "esbuild" || options != nil && options.Kind == document.Map || options.ScalarText() == "true"
	switch {
	case options.ScalarText() == "false":
		return nil
	case !asked && !version4.MatchString(s.variables.resolve(root.Get("frameworkVersion")).ScalarText()):
		return nil
	}
	b := &bundler{tool: app.ServerlessBuild, typed: !asked, options: options, pos: build.Where()}
	s.sayPrograms(b)
	return b
}

// plugins are those of the service, by name.
func (s *service) plugins(root *value) map[string]*value {
	v := s.variables.resolve(root.Get("plugins"))
	if v != nil && v.Kind == document.Map {
		v = v.Get("modules")
	}
	all := map[string]*value{}
	if v != nil && v.Kind == document.List {
		for _, item := range v.Items {
			all[item.ScalarText()] = item
		}
	}
	return all
}

// sayPrograms says which programs of a bundler are not run.
func (s *service) sayPrograms(b *bundler) {
	for _, f := range b.options.Each() {
		switch {
		case f.Value.Empty():
		case f.Key == "plugins":
			s.sayNotRun(b, f.Pos, "the plugins of %s are programs and are not run: its bundles are made without them", b.tool)
		case f.Key == "config" || f.Key == "configFile":
			s.sayNotRun(b, f.Pos, "the configuration %s of %s is a program and is not run: what it says is not known here", document.Clip(f.Value.ScalarText()), b.tool)
		}
	}
}

func (s *service) sayNotRun(b *bundler, pos app.Position, format string, args ...any) {
	s.Note(pos, app.Warning, format+"; where that matters run 'npx serverless package' and give --function ID=FOLDER with its output", args...)
}

// bundle is the Metadata of a function that is bundled, in the shape that SAM has for
// it, or nil.
func (s *service) bundle(f field, runtime *value) *value {
	b := s.bundlerOf(f)
	if b == nil || !strings.HasPrefix(runtime.ScalarText(), "nodejs") || !f.Value.Get("package", "artifact").Empty() || !s.artifact.Empty() {
		return nil
	}
	properties := []field{}
	exclude := texts(b.pos, app.RuntimeModules(runtime.ScalarText())...)
	for _, option := range b.options.Each() {
		if option.Key == "exclude" {
			exclude = option.Value
			continue
		}
		properties = append(properties, option)
	}
	if b.tool == "serverless-plugin-typescript" {
		exclude = texts(b.pos)
	}
	pos := f.Pos
	return document.NewMap(pos,
		field{Key: "BuildMethod", Value: document.NewText(pos, "esbuild")},
		field{Key: "Tool", Value: document.NewText(pos, b.tool)},
		field{Key: "OnlyTypeScript", Value: document.NewText(pos, map[bool]string{true: "true", false: "false"}[b.typed])},
		field{Key: "Exclude", Value: exclude},
		field{Key: "Files", Value: s.packed(f, b)},
		field{Key: "BuildProperties", Value: document.NewMap(pos, properties...)})
}

// bundlerOf is what bundles one function: with Serverless 4 each may have its own way.
func (s *service) bundlerOf(f field) *bundler {
	own := f.Value.Get("build")
	if own.Empty() || s.bundles != nil && s.bundles.tool != app.ServerlessBuild {
		return s.bundles
	}
	switch {
	case own.ScalarText() == "false" || own.Get("esbuild").ScalarText() == "false":
		return nil
	case own.ScalarText() == "esbuild" || own.Get("esbuild") != nil:
		b := &bundler{tool: app.ServerlessBuild, options: own.Get("esbuild"), pos: own.Pos}
		if s.bundles != nil {
			b.options = document.Merge(s.bundles.options, b.options)
		}
		return b
	}
	return s.bundles
}

// packed are the patterns of what a function's package has next to its bundle: what the
// service and the function name, and everything for what only compiles TypeScript.
func (s *service) packed(f field, b *bundler) *value {
	list := []*value{}
	if b.tool == "serverless-plugin-typescript" {
		list = append(list, document.NewText(f.Pos, "**"))
	}
	for _, p := range []*value{s.packages, f.Value.Get("package")} {
		for _, key := range []string{"include", "exclude", "patterns"} {
			v := p.Get(key)
			if v == nil || v.Kind != document.List {
				continue
			}
			for _, item := range v.Items {
				text := item.ScalarText()
				if key == "exclude" {
					text = "!" + strings.TrimPrefix(text, "!")
				}
				list = append(list, document.NewText(item.Pos, text))
			}
		}
	}
	return document.NewList(f.Pos, list...)
}

func texts(pos app.Position, all ...string) *value {
	items := []*value{}
	for _, s := range all {
		items = append(items, document.NewText(pos, s))
	}
	return document.NewList(pos, items...)
}

// otherPlugins reports whether there are plugins of which nothing is done here.
func (s *service) otherPlugins(root *value) bool {
	for name := range s.plugins(root) {
		if !slices.Contains(bundlers, name) {
			return true
		}
	}
	return len(s.plugins(root)) == 0
}
