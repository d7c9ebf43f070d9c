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

// layers puts the layers of a function into one folder, which is /opt for it. missing
// are those that are not there. What is wrong with a layer is a hint: the function runs
// without it.
func (all *functions) layers(f app.Function, name string) (opt string, missing []string) {
	var contents, folders []string
	for i, layer := range f.Layers {
		called := cmp.Or(layer.LogicalID, layer.ARN)
		if layer.Content == "" { // which the template's notes say
			missing = append(missing, app.Clip(called))
			continue
		}
		own := filepath.Join(string(all.c.Folder), "functions", name, "layers", strconv.Itoa(i+1))
		content, err := layerContent(layer.Content, own)
		folder := content
		if under := unbuiltLayer(layer, content); err == nil && under != "" {
			folder, err = linkUnder(own+"-source", under, content)
		}
		if err != nil {
			all.c.Report.Hint(fmt.Sprintf("%s: layer %s is left out of function %s: %v", layer.Position, app.Clip(called), app.Clip(f.LogicalID), err))
			missing = append(missing, app.Clip(called))
			continue
		}
		contents, folders = append(contents, absolute(content)), append(folders, absolute(folder))
	}
	opt = absolute(filepath.Join(string(all.c.Folder), "layers", name))
	dangling, err := mergeLayers(opt, folders)
	if err != nil {
		all.c.Report.Hint(fmt.Sprintf("%s: the layers of function %s are left out: %v", f.Position, app.Clip(f.LogicalID), err))
		missing = nil
		for _, layer := range f.Layers {
			missing = append(missing, app.Clip(cmp.Or(layer.LogicalID, layer.ARN)))
		}
		return "", missing
	}
	for _, link := range dangling {
		all.c.Report.Hint(fmt.Sprintf("%s: %s in a layer of function %s is left out: it is a link that leads nowhere", f.Position, terminal.Word(link), app.Clip(f.LogicalID)))
	}
	if len(contents) == 0 {
		return "", missing
	}
	all.keeping.Lock()
	defer all.keeping.Unlock()
	if all.layered == nil {
		all.layered = map[string][]string{}
	}
	all.layered[name] = contents
	return opt, missing
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
