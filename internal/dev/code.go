package dev

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// describe is how a function of an app is run, but for what.
func (all *functions) describe(f *app.Function) lambdart.Config {
	config := all.config
	config.Name = all.nameOf(nil, cmp.Or(f.Name, f.LogicalID))
	config.Timeout = cmp.Or(config.Timeout, f.Timeout)
	config.MemoryMB = f.Memory
	config.LeftOut = layers(f.Layers)
	var own Environment
	for _, name := range slices.Sorted(maps.Keys(f.Env)) {
		if name == "WIREPOST_STORE" && all.tables.lends(f.Env[name]) {
			continue
		}
		own = append(own, name+"="+f.Env[name])
	}
	all.calls.variables("function "+f.LogicalID, own)
	config.Env = append(Environment(config.Env).without(own.has), own...)
	return config
}

// layers names the layers of a function, none of which is here.
func layers(all []app.Layer) string {
	var names []string
	for _, l := range all {
		names = append(names, "layer "+app.Clip(cmp.Or(l.LogicalID, l.ARN)))
	}
	if len(names) > 3 {
		names = append(names[:2], fmt.Sprintf("%d more", len(names)-2))
	}
	return strings.Join(names, " or ")
}

// sourceOf is what to run for a function of an app. Where its code is a zip file it is
// unpacked into a folder of its own first.
func sourceOf(f *app.Function, folder string) (lambdart.Source, error) {
	path := f.Launch.Path
	if f.Launch.Archive != "" {
		if err := unpack(f.Launch.Archive, folder); err != nil {
			return lambdart.Source{}, fmt.Errorf("its code %s cannot be unpacked: %w", f.Launch.Archive, err)
		}
		path = filepath.Join(folder, path)
	}
	switch f.Launch.Kind {
	case app.LaunchNode, app.LaunchPython:
		return lambdart.ParseSource([]string{string(f.Launch.Kind) + ":" + path}, f.Handler)
	case app.LaunchGo:
		return lambdart.ParseSource([]string{"go:" + path}, f.Handler)
	case app.LaunchProgram:
		if !filepath.IsAbs(path) {
			path = "." + string(filepath.Separator) + path // nothing of the PATH
		}
		return lambdart.ParseSource([]string{path}, f.Handler)
	}
	return lambdart.Source{}, fmt.Errorf("nothing starts a function of the kind %q", f.Launch.Kind)
}
