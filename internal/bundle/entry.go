package bundle

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/wirepost/wirepost/internal/app"
)

// findEntries are the files to start from, each with its path in the bundle, without
// an extension. One is the handler's file.
//
// Paths in the bundle are those below the source's folder. Where entry points are
// named, esbuild takes those below the folder that all of them are in. UNCERTAIN: that
// SAM does, too, which names no other folder. The one that is the handler's is taken.
func (m *maker) findEntries() ([]api.EntryPoint, error) {
	base := app.HandlerBase(m.Handler)
	if !filepath.IsLocal(filepath.FromSlash(base)) {
		return nil, fmt.Errorf("the handler %q must be FILE.FUNCTION in %s, such as index.handler for the function handler in index.ts", m.Handler, m.Bundle.Folder)
	}
	var files []string // with slashes, within the folder
	for _, entry := range m.Entries {
		file := m.find(path.Clean(filepath.ToSlash(entry)), true)
		if file == "" {
			return nil, fmt.Errorf("the entry point %s is not in %s", app.Clip(entry), m.Bundle.Folder)
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		file := m.find(base, false)
		if file == "" {
			return nil, m.noFile(base)
		}
		return []api.EntryPoint{{InputPath: m.abs(file), OutputPath: base}}, nil
	}
	common := commonFolder(files)
	made, found := []api.EntryPoint{}, false
	for _, file := range files {
		to := withoutExtension(strings.TrimPrefix(strings.TrimPrefix(file, common), "/"))
		if !filepath.IsLocal(filepath.FromSlash(to)) {
			to = path.Base(to)
		}
		found = found || to == base
		made = append(made, api.EntryPoint{InputPath: m.abs(file), OutputPath: to})
	}
	for i, file := range files {
		if !found && withoutExtension(file) == base {
			made[i].OutputPath, found = base, true
		}
	}
	if !found {
		return nil, fmt.Errorf("none of its entry points %s makes the file of the handler %s", app.Clip(strings.Join(m.Entries, ", ")), m.Handler)
	}
	return made, nil
}

func (m *maker) noFile(base string) error {
	return fmt.Errorf("there is no file for the handler %s: %s, or one that ends in .mts, .cts, .tsx, .js, .mjs, .cjs or .jsx", m.Handler, filepath.Join(m.Bundle.Folder, filepath.FromSlash(base)+".ts"))
}

// find is the file of that name in the folder, with one of the endings of source, or
// empty.
func (m *maker) find(name string, asItIs bool) string {
	if asItIs && path.Ext(name) != "" && isFile(m.abs(name)) {
		return name
	}
	for _, end := range app.SourceFiles() {
		if isFile(m.abs(name + end)) {
			return name + end
		}
	}
	return ""
}

func (m *maker) abs(name string) string { return filepath.Join(m.source, filepath.FromSlash(name)) }

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

func withoutExtension(file string) string { return strings.TrimSuffix(file, path.Ext(file)) }

// commonFolder is the folder that all files are in, empty for the one that they are
// relative to.
func commonFolder(files []string) string {
	common := path.Dir(files[0])
	for _, file := range files[1:] {
		for common != "." && common != "/" && !strings.HasPrefix(file, common+"/") {
			common = path.Dir(common)
		}
	}
	if common == "." {
		return ""
	}
	return common
}
