package dev

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/atomicfile"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// source is what to run for a function whose Launch says how, as config describes it.
// Code in a zip file or in the template is put into a folder below .wirepost first, which
// has nothing else afterwards.
func (all *functions) source(f *app.Function, config lambdart.Config) (lambdart.Source, error) {
	folder := filepath.Join(config.Folder, "functions", config.Name, "code")
	if a := all.assembledOf(config.Name); f.Launch.Archive != "" {
		a.archive, a.unpacked = absolute(f.Launch.Archive), folder
	} else if f.Launch.Layer != "" {
		a.folder = absolute(f.Code.Path)
	}
	if f.Launch.Layer != "" && config.Around.Opt == "" {
		return lambdart.Source{}, fmt.Errorf("its program is in the layer %s, which is left out", app.Clip(f.Launch.Layer))
	}
	return launched(*f, folder, config.Around.Opt)
}

func launched(f app.Function, folder, opt string) (lambdart.Source, error) {
	path, root := f.Launch.Path, f.Code.Path
	switch {
	case f.Code.Inline != "":
		if err := writeInline(f, folder); err != nil {
			return lambdart.Source{}, fmt.Errorf("write its code into a file: %w", err)
		}
		path, root = folder, folder
	case len(f.Code.Files) > 0:
		if err := writeFiles(f.Code.Files, folder); err != nil {
			return lambdart.Source{}, fmt.Errorf("write its code into files: %w", err)
		}
		path, root = folder, folder
	case f.Launch.Archive != "":
		if err := unpack(f.Launch.Archive, folder); err != nil {
			return lambdart.Source{}, fmt.Errorf("its code %s cannot be unpacked: %w", f.Launch.Archive, err)
		}
		path, root = filepath.Join(folder, path), folder
	}
	if !isFolder(root) {
		root = filepath.Dir(root)
	}
	if f.Launch.Kind == app.LaunchGo && !isFolder(root) {
		root = path // the project has not built its program yet, nor its folder
	}
	if f.Launch.Layer != "" {
		path = filepath.Join(opt, f.Launch.Path)
	}
	switch f.Launch.Kind {
	case app.LaunchNode:
		return lambdart.ParseSource([]string{"node:" + path}, f.Handler)
	case app.LaunchPython:
		return lambdart.ParseSource([]string{"python:" + path}, f.Handler)
	case app.LaunchGo:
		path = "go:" + path
	default:
		path = absolute(path) // a program of this folder is none of the PATH
	}
	source, err := lambdart.ParseSource([]string{path}, f.Handler)
	source.Dir = root
	return source, err
}

// writeInline writes the code that a template has itself into the file that Lambda
// makes of it, index with the runtime's ending (AWS docs, CloudFormation:
// AWS::Lambda::Function Code, ZipFile). Its lines have the numbers that they have in
// the template.
func writeInline(f app.Function, folder string) error {
	name := "index.js"
	if f.Launch.Kind == app.LaunchPython {
		name = "index.py"
	}
	text := strings.Repeat("\n", max(0, f.Code.InlineLine-1)) + f.Code.Inline
	return writeFiles(map[string]string{name: text}, folder)
}

// writeFiles writes files, by paths with slashes, into a folder, which has nothing else
// afterwards.
func writeFiles(files map[string]string, folder string) error {
	if err := os.MkdirAll(filepath.Dir(folder), 0o700); err != nil {
		return err
	}
	whole, err := atomicfile.TempDir(filepath.Dir(folder))
	if err != nil {
		return err
	}
	for name, text := range files {
		file := filepath.Join(whole, filepath.FromSlash(name))
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			err = fmt.Errorf("%s leads out of the folder", name)
		}
		if err == nil {
			err = os.MkdirAll(filepath.Dir(file), 0o700)
		}
		if err == nil {
			err = os.WriteFile(file, []byte(text), 0o600)
		}
	}
	if err == nil {
		if err = os.RemoveAll(folder); err == nil {
			err = os.Rename(whole, folder)
		}
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(whole))
	}
	return nil
}
