package dev

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// Around is what a function finds outside its own folder, but for layers. Runtime is
// that of the function on Lambda, or empty. The packages of Lambda's runtime are looked
// for in the folder that is named first, then in those that come after it.
func (f Folder) Around(runtime string, dirs ...string) lambdart.Around {
	a := lambdart.Around{Runtime: runtime, Install: f.file("runtime")}
	add := func(folders ...string) {
		for _, folder := range folders {
			if !slices.Contains(a.Packages, folder) {
				a.Packages = append(a.Packages, folder)
			}
		}
	}
	for _, dir := range dirs {
		dir = absolute(dir)
		for up := dir; ; up = filepath.Dir(up) {
			add(filepath.Join(up, "node_modules"))
			for _, environment := range []string{".venv", "venv"} {
				add(matching(up, environment, "lib/python*/site-packages")...)
			}
			if up == filepath.Dir(up) {
				break
			}
		}
		next := filepath.Dir(dir)
		add(matching(next, "*/node_modules")...)
		if isCloudAssembly(dir) {
			add(matching(filepath.Dir(next), "*/node_modules")...)
		}
	}
	return a
}

// matching are the paths below a folder that a pattern names, whose own name is none.
func matching(folder string, pattern ...string) []string {
	names, _ := filepath.Glob(filepath.Join(append([]string{literal(folder)}, pattern...)...))
	return names
}

// literal is a pattern that only path itself matches.
func literal(path string) string {
	if filepath.Separator == '\\' {
		return path // where \ cannot quote
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// isCloudAssembly reports whether CDK made a folder, such as cdk.out.
func isCloudAssembly(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "cdk.out"))
	return err == nil || filepath.Base(dir) == "cdk.out"
}

// around is what a function of a template finds outside its own folder.
func (all *functions) around(f app.Function, name string) lambdart.Around {
	var dirs []string
	if f.Code.Path != "" {
		code := f.Code.Path
		if info, err := os.Stat(code); err == nil && !info.IsDir() {
			code = filepath.Dir(code)
		}
		dirs = append(dirs, code)
	}
	a := all.c.Folder.Around(f.Runtime, append(dirs, filepath.Dir(f.Position.File))...)
	a.Opt, a.Missing = all.layers(f, name)
	return a
}
