package cloudformation

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/wirepost/wirepost/internal/app/document"
)

// assets are the manifests of CDK, by folder: they say where what a template has in a
// bucket is on this machine, by its key there. (AWS docs, CDK: the schema of cloud
// assemblies, AssetManifest.)
type assets map[string]map[string]string

// maxKey is more than the address of an object has, of which the key has 1,024 bytes at
// most. (AWS docs, S3 user guide: "Naming Amazon S3 objects".)
const maxKey = 2000

// maxManifests bounds the manifests of one folder that are read.
const maxManifests = 64

// path is where the object with a key is, as the manifests in a folder have it, or
// empty.
func (a assets) path(dir, key string) string {
	known, ok := a[dir]
	if !ok {
		known = readAssets(dir)
		a[dir] = known
	}
	return known[key]
}

func readAssets(dir string) map[string]string {
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return out
	}
	read := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".assets.json") || read >= maxManifests {
			continue
		}
		read++
		file := filepath.Join(dir, e.Name())
		data, err := document.ReadFile(file)
		if err != nil {
			continue
		}
		addAssets(file, data, out)
	}
	return out
}

// addAssets adds what one manifest says. A file that is not understood says nothing.
func addAssets(file string, data []byte, out map[string]string) {
	manifest, err := document.Parse(file, data, document.NewReading(file))
	if err != nil {
		return
	}
	for _, f := range manifest.Get("files").Each() {
		path := f.Value.Get("source", "path").ScalarText()
		if path == "" || strings.ContainsRune(path, 0) {
			continue
		}
		for _, d := range f.Value.Get("destinations").Each() {
			if key := d.Value.Get("objectKey").ScalarText(); key != "" {
				out[key] = path
			}
		}
	}
}

// template is where the template of a nested stack is, as the manifests in a folder have
// it, or empty. The object's key is the end of its address; what comes before it may
// have functions, which matter for the bucket alone.
func (a assets) template(dir string, url *value) string {
	text := url
	for range 4 {
		switch {
		case text.Get("Fn::Join") != nil && len(text.Get("Fn::Join").Items) == 2:
			text = text.Get("Fn::Join").Items[1]
		case text.Get("Fn::Sub") != nil:
			text = text.Get("Fn::Sub")
		case text != nil && text.Kind == document.List && len(text.Items) > 0:
			text = text.Items[len(text.Items)-1]
		}
	}
	rest := text.ScalarText()
	if !strings.HasSuffix(rest, ".json") || len(rest) > maxKey {
		return ""
	}
	for ok := true; ok; {
		if _, rest, ok = strings.Cut(rest, "/"); ok {
			if path := a.path(dir, rest); path != "" {
				return path
			}
		}
	}
	return ""
}
