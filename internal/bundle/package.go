package bundle

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// packageJSON is what a package.json says, as far as it is of use here.
type packageJSON struct {
	Type                 string            `json:"type"`
	Gypfile              bool              `json:"gypfile"`
	Dependencies         map[string]string `json:"dependencies"`
	OptionalDependencies map[string]string `json:"optionalDependencies"`
}

// maxPackageJSON is how large a package.json may be. The largest known have some 100 KB.
const maxPackageJSON = 4 << 20

// packageOf is the package.json of a folder or of the next one above it that has one.
func packageOf(folder string) (p packageJSON) {
	if file := above(folder, "package.json"); file != "" {
		readPackage(file, &p)
	}
	return p
}

func readPackage(file string, p *packageJSON) {
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() || info.Size() > maxPackageJSON {
		return
	}
	if data, err := os.ReadFile(file); err == nil {
		_ = json.Unmarshal(data, p) // esbuild says what is wrong with it
	}
}

// above is a file of a folder or of the next one above it that has one, or empty.
func above(folder, name string) string {
	for {
		if file := filepath.Join(folder, name); isFile(file) {
			return file
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return ""
		}
		folder = parent
	}
}

// installed is the folder of a package as Node.js finds it from another folder, or
// empty.
func installed(name, from string) string {
	for {
		folder := filepath.Join(from, "node_modules", filepath.FromSlash(name))
		if info, err := os.Stat(folder); err == nil && info.IsDir() {
			return folder
		}
		parent := filepath.Dir(from)
		if parent == from {
			return ""
		}
		from = parent
	}
}

// packageName is the package of a module's name, such as @a/b of @a/b/c; empty if the
// name is a path or of Node.js itself.
func packageName(module string) string {
	if module == "" || strings.ContainsAny(module[:1], "./#") || strings.ContainsAny(module, "\\:*") {
		return ""
	}
	parts := strings.Split(module, "/")
	switch {
	case module[0] != '@':
		return parts[0]
	case len(parts) < 2 || parts[1] == "":
		return ""
	}
	return parts[0] + "/" + parts[1]
}

// outside keeps two kinds of modules out of the bundle: packages with compiled code,
// which is looked for next to a package's own files, and /opt, where layers are, unless
// the paths of tsconfig.json lead it elsewhere.
func (m *maker) outside() api.Plugin {
	type asked struct{}
	return api.Plugin{Name: "wirepost", Setup: func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: `^[^./#]`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			name := packageName(filepath.ToSlash(a.Path))
			if a.Kind == api.ResolveEntryPoint || name == "" {
				return api.OnResolveResult{}, nil
			}
			if folder := installed(name, a.ResolveDir); folder != "" && m.isNative(folder) {
				return api.OnResolveResult{Path: a.Path, External: true}, nil
			}
			return api.OnResolveResult{}, nil
		})
		b.OnResolve(api.OnResolveOptions{Filter: `^/opt/`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			if _, again := a.PluginData.(asked); again || a.Kind == api.ResolveEntryPoint {
				return api.OnResolveResult{}, nil
			}
			found := b.Resolve(a.Path, api.ResolveOptions{ResolveDir: a.ResolveDir, Importer: a.Importer, Namespace: a.Namespace, Kind: a.Kind, PluginData: asked{}})
			if len(found.Errors) > 0 || found.External {
				return api.OnResolveResult{Path: a.Path, External: true}, nil
			}
			return api.OnResolveResult{Path: found.Path, Namespace: found.Namespace, Suffix: found.Suffix}, nil
		})
	}}
}

// nativeTools are packages that find or build compiled code of the package that depends
// on them.
var nativeTools = []string{"bindings", "node-gyp-build", "node-gyp-build-optional-packages", "prebuild-install", "node-pre-gyp", "@mapbox/node-pre-gyp", "node-addon-api", "nan"}

// isNative reports whether a package has compiled code, of its own or in one of the
// packages for one processor each that it depends on.
func (m *maker) isNative(folder string) bool {
	m.nativeLock.Lock()
	defer m.nativeLock.Unlock()
	native, known := m.natives[folder]
	if !known {
		native = hasCompiled(folder)
		if !native {
			var p packageJSON
			readPackage(filepath.Join(folder, "package.json"), &p)
			native = p.Gypfile || slices.ContainsFunc(nativeTools, func(tool string) bool { return p.Dependencies[tool] != "" })
			for name := range p.OptionalDependencies {
				if native {
					break
				}
				if at := installed(name, realPath(folder)); at != "" {
					native = hasCompiled(at)
				}
			}
		}
		m.natives[folder] = native
	}
	return native
}

func realPath(file string) string {
	if real, err := filepath.EvalSymlinks(file); err == nil {
		return real
	}
	return file
}

// Compiled code is never deeper in a package, nor behind so many other files.
const (
	maxCompiledDepth = 5
	maxCompiledFiles = 5000
)

// hasCompiled reports whether there is a .node file in a package.
func hasCompiled(folder string) (found bool) {
	folder = realPath(folder)
	looked := 0
	_ = filepath.WalkDir(folder, func(file string, d fs.DirEntry, err error) error {
		if looked++; err != nil || looked > maxCompiledFiles {
			return fs.SkipAll
		}
		inside, _ := filepath.Rel(folder, file)
		switch {
		case d.IsDir() && (d.Name() == "node_modules" && file != folder || strings.Count(inside, string(filepath.Separator)) >= maxCompiledDepth):
			return fs.SkipDir
		case strings.HasSuffix(d.Name(), ".node") && !d.IsDir():
			found = true
			return fs.SkipAll
		}
		return nil
	})
	return found
}

// linkPackages links the packages that stay outside of the bundle to where Node.js
// looks for them from there: those that are found from the file that names them.
func (m *maker) linkPackages(out *output, meta metafile) {
	for _, input := range sortedInputs(meta) {
		from := m.input(input)
		if from == "" {
			continue
		}
		for _, i := range meta.Inputs[input].Imports {
			name := packageName(i.Path)
			if !i.External || name == "" {
				continue
			}
			if at := installed(name, filepath.Dir(from)); at != "" {
				out.link(filepath.Join("node_modules", filepath.FromSlash(name)), at)
			}
		}
	}
}
