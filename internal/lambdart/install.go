package lambdart

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// npmInstall is the command that installs a package which a handler in a folder loads: of
// all packages, if the package.json that npm uses there lists it.
func npmInstall(folder, name string) string {
	for at := folder; ; at = filepath.Dir(at) {
		text, err := os.ReadFile(filepath.Join(at, "package.json"))
		switch {
		case err == nil && lists(text, name):
			return "npm install in " + at
		case err == nil, at == filepath.Dir(at):
			return "npm install " + name + " in " + folder
		}
	}
}

// lists reports whether a package.json has a package among those that npm installs.
func lists(text []byte, name string) bool {
	var p struct {
		Dependencies, DevDependencies, OptionalDependencies map[string]any
	}
	if json.Unmarshal(text, &p) != nil {
		return false
	}
	for _, packages := range []map[string]any{p.Dependencies, p.DevDependencies, p.OptionalDependencies} {
		if _, listed := packages[name]; listed {
			return true
		}
	}
	return false
}

// pipInstall is what to tell pip of a package that a handler in a folder imports: the
// requirements of the folder, if it has any, because a module has not always the name of
// its package.
func pipInstall(folder, name string) string {
	file := filepath.Join(folder, "requirements.txt")
	if isFile(file) {
		return "install -r " + file
	}
	return "install " + name
}
