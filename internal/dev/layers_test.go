package dev

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

func TestLayersAreMergedAndLaterOnesWin(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a/python/one.py": "a", "a/python/both.py": "a", "a/bin/tool": "a", "a/file-then-folder": "a", "a/folder-then-file/x": "a", "a/data/deep/a.txt": "a",
		"b/python/both.py": "b", "b/python/two.py": "b", "b/file-then-folder/x": "b", "b/folder-then-file": "b", "b/data/deep/b.txt": "b",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, path, text)
	}
	dangling := filepath.Join(dir, "b/python/gone.py")
	if err := os.Symlink("nowhere", dangling); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	opt := filepath.Join(dir, "layers/fn")
	for range 2 { // what is there already is replaced
		links, err := mergeLayers(opt, []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")})
		if err != nil || !slices.Equal(links, []string{dangling}) {
			t.Fatalf("links that lead nowhere: %v, %v", links, err)
		}
		for name, want := range map[string]string{
			"python/one.py": "a", "python/two.py": "b", "python/both.py": "b", "bin/tool": "a", "file-then-folder/x": "b", "folder-then-file": "b", "data/deep/a.txt": "a", "data/deep/b.txt": "b",
		} {
			if got, err := os.ReadFile(filepath.Join(opt, name)); err != nil || string(got) != want {
				t.Errorf("%s has %q, %v, want %q", name, got, err, want)
			}
		}
	}
	if _, err := mergeLayers(opt, nil); err != nil || isFolder(opt) {
		t.Errorf("without layers: %v, and the folder is there: %v", err, isFolder(opt))
	}
	if entries, _ := os.ReadDir(filepath.Dir(opt)); len(entries) != 0 {
		t.Errorf("left are %v", entries)
	}
}

func TestALayerThatIsNotHereIsALineAndTheRestIsMerged(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "good/python"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "layer.tgz"), "")
	write(t, filepath.Join(dir, "layer.zip"), "no zip")
	if err := os.WriteFile(filepath.Join(dir, "packed.zip"), zipOf(t, "nodejs/a.js", "file"), 0o600); err != nil {
		t.Fatal(err)
	}
	config, said := complete(t, Config{InProcess: echo()})
	all := &functions{c: &config}
	f := app.Function{LogicalID: "Fn"}
	for _, content := range []string{"absent", "layer.tgz", "layer.zip", "good", "packed.zip"} {
		f.Layers = append(f.Layers, app.Layer{LogicalID: "L-" + content, Content: filepath.Join(dir, content), Build: "nodejs22.x"})
	}
	f.Layers = append(f.Layers, app.Layer{ARN: "arn:elsewhere"})
	opt, missing := all.layers(f, "fn")
	if want := []string{"L-absent", "L-layer.tgz", "L-layer.zip", "arn:elsewhere"}; !slices.Equal(missing, want) {
		t.Errorf("missing are %v, want %v", missing, want)
	}
	for _, path := range []string{"nodejs/a.js", "nodejs/python"} { // of the zip file, and of a source that SAM would build
		if _, err := os.Stat(filepath.Join(opt, path)); err != nil {
			t.Error(err)
		}
	}
	for _, want := range []string{"layer L-absent is left out of function Fn: its content " + filepath.Join(dir, "absent") + " is not there", "layer.tgz is neither a folder nor a zip file", "layer L-layer.zip is left out of function Fn: unpack its content"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("it is not said that %s:\n%s", want, said)
		}
	}
}

func TestAReadOfOptThatFailsIsToldOnce(t *testing.T) {
	config, said := complete(t, Config{InProcess: echo()})
	all := &functions{c: &config}
	for _, line := range []string{
		"Error: ENOENT: no such file or directory, open '/opt/a.json'", "Error: ENOENT: no such file or directory, open '/opt/a.json'",
		"FileNotFoundError: [Errno 2] No such file or directory: '/opt/b.json'", "sh: /opt/bin/c: not found", "cat: /opt/d: No such file or directory",
		"reading /opt/e", "ENOENT: no such file, open '/var/opt/f'",
	} {
		all.readOpt(line)
	}
	var told []string
	for line := range strings.Lines(said.String()) {
		_, rest, _ := strings.Cut(line, "a function reads ")
		path, _, _ := strings.Cut(rest, ",")
		told = append(told, path)
	}
	if want := []string{"/opt/a.json", "/opt/b.json", "/opt/bin/c", "/opt/d"}; !slices.Equal(told, want) {
		t.Errorf("told are %q, want %q", told, want)
	}
}

// The folder of the layers may be in that of a layer, as where a Makefile of the project
// makes several layers.
func TestLayersOfOneFolderThatHasAllOfThemEnd(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"nodejs/a.js", "other/nodejs/b.js", ".wirepost/layers/old/x"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, name, "")
	}
	config, said := complete(t, Config{Folder: ".wirepost", InProcess: echo()})
	all := &functions{c: &config}
	opt, missing := all.layers(app.Function{LogicalID: "F", Layers: []app.Layer{{LogicalID: "A", Content: "."}, {LogicalID: "B", Content: "other"}, {LogicalID: "C", Content: "./"}}}, "fn")
	if len(missing) > 0 || said.String() != "" {
		t.Errorf("missing %v, said %s", missing, said)
	}
	for name, want := range map[string]bool{"nodejs/a.js": true, "nodejs/b.js": true, ".wirepost": false} {
		if _, err := os.Lstat(filepath.Join(opt, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestALayerThatAMakefileMakesIsLeftOutUntilItHas(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Makefile"), "build-L:\n")
	config, said := complete(t, Config{InProcess: echo()})
	f := app.Function{LogicalID: "F", Layers: []app.Layer{{LogicalID: "L", Content: dir, Build: "makefile"}}}
	if _, missing := (&functions{c: &config}).layers(f, "fn"); !slices.Equal(missing, []string{"L"}) || !strings.Contains(said.String(), "is only what BuildMethod makefile makes it of; run 'sam build'") {
		t.Errorf("missing %v, said %s", missing, said)
	}
	if err := os.Mkdir(filepath.Join(dir, "nodejs"), 0o700); err != nil {
		t.Fatal(err)
	}
	if opt, missing := (&functions{c: &config}).layers(f, "fn"); len(missing) > 0 || !isFolder(filepath.Join(opt, "nodejs")) {
		t.Errorf("missing %v of what is made", missing)
	}
}

func TestManyPackagesOfALayerAreWatchedByWhatNpmWrites(t *testing.T) {
	dir := t.TempDir()
	modules := filepath.Join(dir, "nodejs/node_modules")
	for _, name := range []string{"a/lib/deep", "@s/b", "../../shared"} {
		if err := os.MkdirAll(filepath.Join(modules, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "shared"), filepath.Join(modules, "linked")); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	few := []string{filepath.Join(dir, "node_modules"), modules, filepath.Join(modules, "linked")}
	if got := packagesIn(dir); !slices.Equal(got, few) {
		t.Errorf("few files: watched are %q, want %q", got, few)
	}
	for i := range maxPackageFiles {
		write(t, filepath.Join(modules, "a/lib/deep", strconv.Itoa(i)), "")
	}
	many := []string{filepath.Join(modules, ".package-lock.json"), filepath.Join(modules, "a/package.json"), filepath.Join(modules, "@s/b/package.json"), filepath.Join(modules, "linked")}
	got := packagesIn(dir)
	for _, path := range many {
		if !slices.Contains(got, path) || slices.Contains(got, modules) {
			t.Errorf("many files: watched are %q, want %s and not the folder", got, path)
		}
	}
}
