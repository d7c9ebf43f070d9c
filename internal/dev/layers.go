package dev

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/atomicfile"
	"github.com/wirepost/wirepost/internal/terminal"
)

// assembled is what a function has below .wirepost that is not its own: the files of
// its zip file, and its layers. Once the function runs, it is for the goroutine that
// watches the function.
type assembled struct {
	all  *functions
	of   app.Function
	name string
	told map[string]bool // what has been said of its layers

	archive, unpacked string   // the zip file with its code and the folder with the files in it, or empty
	folder            string   // the folder with its code, if its program is in a layer, or empty
	contents          []string // of its layers, absolute, there or not
	packages          []string // folders and files of these that Watch leaves out
}

// layers puts the layers of a function into one folder; see merge.
func (all *functions) layers(f app.Function, name string) (opt string, missing []string) {
	a := &assembled{all: all, of: f, name: name}
	all.keeping.Lock()
	if all.assembled == nil {
		all.assembled = map[string]*assembled{}
	}
	all.assembled[name] = a
	all.keeping.Unlock()
	return a.merge()
}

// merge puts the layers of the function into one folder, which is /opt for it. missing
// are those that are not there. What is wrong with a layer is a hint, once: the function
// runs without it. A function without layers on this machine has no folder.
func (a *assembled) merge() (opt string, missing []string) {
	var folders []string
	a.contents, a.packages = nil, nil
	for i, layer := range a.of.Layers {
		called := cmp.Or(layer.LogicalID, layer.ARN)
		if layer.Content == "" { // which the template's notes say
			missing = append(missing, app.Clip(called))
			continue
		}
		a.contents = append(a.contents, absolute(layer.Content))
		if isFolder(layer.Content) || filepath.Ext(layer.Content) == "" {
			a.packages = append(a.packages, packagesIn(absolute(layer.Content))...)
		}
		folder, err := a.layer(i)
		if err != nil {
			a.hint(layer.Position, "layer %s is left out of function %s: %v", app.Clip(called), app.Clip(a.of.LogicalID), err)
			missing = append(missing, app.Clip(called))
			continue
		}
		folders = append(slices.DeleteFunc(folders, func(f string) bool { return f == folder }), folder)
	}
	opt = absolute(filepath.Join(string(a.all.c.Folder), "layers", a.name))
	dangling, err := mergeLayers(opt, folders)
	if err != nil {
		a.hint(a.of.Position, "the layers of function %s are left out: %v", app.Clip(a.of.LogicalID), err)
		missing = nil
		for _, layer := range a.of.Layers {
			missing = append(missing, app.Clip(cmp.Or(layer.LogicalID, layer.ARN)))
		}
		return "", missing
	}
	for _, link := range dangling {
		a.hint(a.of.Position, "%s in a layer of function %s is left out: it is a link that leads nowhere", terminal.Word(link), app.Clip(a.of.LogicalID))
	}
	if len(folders) == 0 {
		return "", missing
	}
	return opt, missing
}

// layer is the folder with what one of the layers has in /opt.
func (a *assembled) layer(i int) (string, error) {
	layer := a.of.Layers[i]
	own := filepath.Join(string(a.all.c.Folder), "functions", a.name, "layers", strconv.Itoa(i+1))
	content, err := layerContent(layer.Content, own)
	if err != nil {
		return "", err
	}
	if madeByMake(layer, content) {
		return "", fmt.Errorf("its content %s is only what BuildMethod makefile makes it of; run 'sam build' and name .aws-sam/build/template.yaml as the template", layer.Content)
	}
	if under := unbuiltLayer(layer, content); under != "" {
		content, err = linkUnder(own+"-source", under, content)
	}
	return absolute(content), err
}

// hint says something of the layers, unless it has said it before.
func (a *assembled) hint(at app.Position, format string, args ...any) {
	text := at.String() + ": " + fmt.Sprintf(format, args...)
	if a.told[text] {
		return
	}
	if a.told == nil {
		a.told = map[string]bool{}
	}
	a.told[text] = true
	a.all.c.Report.Hint(text)
}

// maxPackageFiles is how many files there may be in a node_modules of a layer that is
// watched as a whole: each of them is looked at twice a second.
const maxPackageFiles = 3000

// packagesIn is what has to be watched of the node_modules of a layer, which is where
// its code is: all of it, or what npm writes when it installs something where that is too
// much; and the folders that links in it lead to. The layer may come later.
func packagesIn(layer string) (paths []string) {
	paths = []string{filepath.Join(layer, "node_modules"), filepath.Join(layer, "nodejs", "node_modules")}
	paths = append(paths, matching(layer, "nodejs/node*/node_modules")...)
	for i, folder := range slices.Clone(paths) {
		packages := slices.Concat(matching(folder, "*"), matching(folder, "@*/*"))
		whole := countFiles(folder, maxPackageFiles) < maxPackageFiles
		if !whole {
			paths[i] = filepath.Join(folder, ".package-lock.json")
		}
		for _, p := range packages {
			if info, err := os.Lstat(p); err == nil && info.Mode()&fs.ModeSymlink != 0 {
				paths = append(paths, p)
			} else if !whole {
				paths = append(paths, filepath.Join(p, "package.json"))
			}
		}
	}
	return paths
}

// countFiles counts the files of a folder, up to a number.
func countFiles(folder string, most int) (files int) {
	_ = filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files++
		}
		if files >= most {
			return fs.SkipAll
		}
		return nil // what cannot be read does not change
	})
	return files
}

// paths are what has to be watched of it.
func (a *assembled) paths() []string {
	paths := slices.Concat(a.contents, a.packages)
	if a.archive != "" {
		paths = append(paths, a.archive)
	}
	if a.folder != "" {
		paths = append(paths, a.folder)
	}
	return paths
}

// again puts together anew what files that have changed are of, for the next start of
// the function, and reports whether that finds something else than before.
func (a *assembled) again(f restartable, files []string) (changed bool, err error) {
	for _, file := range files {
		changed = changed || slices.ContainsFunc(a.paths(), func(path string) bool { return isBelow(file, path) })
	}
	if a.archive != "" && slices.Contains(files, a.archive) {
		if err := unpack(a.archive, a.unpacked); err != nil {
			return false, fmt.Errorf("its code %s cannot be unpacked: %w", a.of.Launch.Archive, err)
		}
	}
	if changed {
		f.SetLayers(a.merge())
	}
	return changed, nil
}

// isBelow reports whether a path is another one or below it.
func isBelow(path, folder string) bool {
	inside, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(inside)
}

// unbuiltLayer is the folder of a layer into which 'sam build' puts its content, if that
// is the source and not the layer; or empty. (AWS docs, SAM developer guide, "Building
// Lambda layers".)
func unbuiltLayer(layer app.Layer, content string) string {
	for _, under := range []string{"nodejs", "python"} {
		if strings.HasPrefix(layer.Build, under) && !isFolder(filepath.Join(content, under)) {
			return under
		}
	}
	return ""
}

// madeByMake reports whether a layer's content is only what 'sam build' makes it of, by
// the rule build-LOGICALID of the Makefile there (AWS docs, SAM developer guide, "Building
// Lambda layers"). What has been made has no Makefile.
func madeByMake(layer app.Layer, content string) bool {
	if layer.Build != "makefile" || !isPlain(filepath.Join(content, "Makefile")) {
		return false
	}
	return !slices.ContainsFunc([]string{"nodejs", "python", "bin", "lib", "bootstrap"}, func(name string) bool {
		_, err := os.Stat(filepath.Join(content, name))
		return err == nil
	})
}

func isPlain(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// linkUnder makes a folder that has nothing but a link to another one.
func linkUnder(folder, name, to string) (string, error) {
	if err := os.RemoveAll(folder); err != nil {
		return "", err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	return folder, os.Symlink(absolute(to), filepath.Join(folder, name))
}

// layerContent is the folder of a layer's content; a zip file is unpacked into folder.
func layerContent(content, folder string) (string, error) {
	info, err := os.Stat(content)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(content); err == nil {
			return "", fmt.Errorf("its content %s is a link that leads nowhere", content)
		}
		return "", fmt.Errorf("its content %s is not there", content)
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("its content %s cannot be opened", content)
	case info.IsDir():
		return content, nil
	case !strings.EqualFold(filepath.Ext(content), ".zip"):
		return "", fmt.Errorf("its content %s is neither a folder nor a zip file", content)
	}
	if err := unpack(content, folder); err != nil {
		return "", fmt.Errorf("unpack its content %s: %w", content, err)
	}
	return folder, nil
}

// mergeLayers makes opt a folder of links to what the layers have, of which later ones
// win. It returns the links in the layers that lead nowhere. Without layers there is no
// folder afterwards.
func mergeLayers(opt string, layers []string) (dangling []string, err error) {
	if len(layers) == 0 {
		return nil, os.RemoveAll(opt)
	}
	if err := os.MkdirAll(filepath.Dir(opt), 0o700); err != nil {
		return nil, err
	}
	whole, err := atomicfile.TempDir(filepath.Dir(opt))
	if err != nil {
		return nil, err
	}
	if dangling, err = linkAll(whole, layers); err == nil {
		if err = os.RemoveAll(opt); err == nil {
			err = os.Rename(whole, opt)
		}
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(whole))
	}
	return dangling, nil
}

// linkAll fills a folder that is there with links to what is in others. What only one
// of them has is one link, a folder too.
func linkAll(to string, from []string) (dangling []string, err error) {
	having := map[string][]string{}
	for _, folder := range from {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.Name() == ".wirepost" { // this folder may be in it
				continue
			}
			path := filepath.Join(folder, e.Name())
			info, err := os.Stat(path)
			switch {
			case err != nil && e.Type()&fs.ModeSymlink != 0:
				dangling = append(dangling, path)
			case err != nil:
				return nil, err
			case !info.IsDir(): // it takes the place of what was there
				having[e.Name()] = []string{path}
			case len(having[e.Name()]) == 1 && !isFolder(having[e.Name()][0]):
				having[e.Name()] = []string{path}
			default:
				having[e.Name()] = append(having[e.Name()], path)
			}
		}
	}
	for name, paths := range having {
		at := filepath.Join(to, name)
		if len(paths) == 1 {
			if err := os.Symlink(paths[0], at); err != nil {
				return nil, err
			}
			continue
		}
		if err := os.Mkdir(at, 0o700); err != nil {
			return nil, err
		}
		more, err := linkAll(at, paths)
		if err != nil {
			return nil, err
		}
		dangling = append(dangling, more...)
	}
	slices.Sort(dangling)
	return dangling, nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
