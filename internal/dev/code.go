package dev

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/hint"
	"github.com/wirepost/wirepost/internal/lambdart"
	"github.com/wirepost/wirepost/internal/terminal"
)

// described starts one function of an app.
func (all *functions) described(ctx context.Context, f app.Function) (gateway.Function, error) {
	config := all.config
	config.Name = all.nameOf(nil, cmp.Or(f.Name, f.LogicalID))
	source, err := sourceOf(f, filepath.Join(config.Folder, "functions", config.Name, "code"))
	if err != nil {
		return nil, fmt.Errorf("%s: function %s: %w", f.Position, f.LogicalID, err)
	}
	config.Source = source
	config.Timeout = cmp.Or(config.Timeout, f.Timeout)
	config.MemoryMB = f.Memory
	config.Around = all.around(f, config.Name)
	env := Environment(config.Env)
	for _, name := range slices.Sorted(maps.Keys(f.Env)) {
		if name == "WIREPOST_STORE" && all.tables.lends(f.Env[name]) {
			continue
		}
		env = env.Set(name, all.variable(f, name))
	}
	config.Env = env
	return all.launch(ctx, config)
}

// sourceOf is what to run for a function of a template. Where its code is a zip file
// it is unpacked into a folder of its own first.
func sourceOf(f app.Function, folder string) (lambdart.Source, error) {
	switch {
	case f.Launch != nil:
		return launched(f, folder)
	case f.Code.Kind == app.CodeImage:
		return lambdart.Source{}, errors.New("it is a container image, which is not run here; give it a folder with its code")
	case f.Code.Inline != "":
		return lambdart.Source{}, errors.New("its code is in the template itself, which is not run here; put it into a file and name its folder")
	case f.Code.Path == "":
		return lambdart.Source{}, errors.New("its code is not on this machine")
	case filepath.Ext(f.Code.Path) == ".jar":
		return lambdart.Source{}, fmt.Errorf("its code %s is an archive of Java, which is not run here", f.Code.Path)
	case filepath.Ext(f.Code.Path) == ".zip":
		err := unpack(f.Code.Path, folder)
		if errors.Is(err, fs.ErrNotExist) {
			return lambdart.Source{}, hint.New(fmt.Errorf("its code %s is not there", f.Code.Path), fmt.Sprintf("'wirepost package --output %s PACKAGE' builds it from a Go package", terminal.Word(f.Code.Path)))
		}
		if err != nil {
			return lambdart.Source{}, fmt.Errorf("unpack its code %s: %w", f.Code.Path, err)
		}
		f.Code.Path = folder
	}
	switch {
	case strings.HasPrefix(f.Runtime, "nodejs"):
		return lambdart.ParseSource([]string{"node:" + f.Code.Path}, f.Handler)
	case strings.HasPrefix(f.Runtime, "python"):
		return lambdart.ParseSource([]string{"python:" + f.Code.Path}, f.Handler)
	case strings.HasPrefix(f.Runtime, "provided"), strings.HasPrefix(f.Runtime, "go"):
		// Built, or its source, as SAM takes it too.
		if bootstrap := filepath.Join(f.Code.Path, "bootstrap"); isProgram(bootstrap) {
			return lambdart.ParseSource([]string{bootstrap}, f.Handler)
		}
		return lambdart.ParseSource([]string{"go:" + f.Code.Path}, f.Handler)
	}
	return lambdart.Source{}, fmt.Errorf("the runtime %s is not run here; nodejs, python and provided are", cmp.Or(f.Runtime, "(none)"))
}

func isProgram(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular()
}
