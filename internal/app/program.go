package app

import (
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// program finds the program of a function that brings its own runtime: the one that
// the handler names for go1.x, and else bootstrap. Where it is not there, or is one of
// another system or processor, it is built from its source if that is Go: the package
// main that the handler names, the one in the code's folder, as SAM does it, or the one
// that a program for another machine was built from. Where there is none, it may be in a
// layer.
func (d decision) program(launch *Launch, code fs.FS) (_ *Launch, why, fix string) {
	name, foreign := "bootstrap", ""
	if d.namesProgram() {
		name = d.Handler
	}
	local := path.Clean(filepath.ToSlash(name))
	isFileItself := isPlain(d.Code.Path) && launch.Archive == ""
	if isFileItself {
		local = filepath.Base(d.Code.Path)
	}
	if isFileItself || fs.ValidPath(local) && isFile(code, local) {
		if foreign = foreignTo(code, local); foreign == "" {
			launch.Path = filepath.Join(launch.Path, filepath.FromSlash(local))
			if launch.Archive == "" {
				launch.Newer = d.newerSource(launch.Path)
			}
			return launch, "", ""
		}
	}
	source, several := d.source(code, launch.Archive)
	if source == "" && len(several) == 0 && foreign != "" && d.otherLanguage(code) == "" {
		source = d.sourceOfForeign(code, local)
	}
	switch {
	case source != "":
		return &Launch{Kind: LaunchGo, Path: source}, "", ""
	case len(several) > 0:
		return nil, fmt.Sprintf("there is no %s in %s, and it may be built from %s", Clip(name), d.where(), oneOf(several)), "give " + d.give("go:FOLDER") + " of the one that is meant"
	case foreign != "":
		return nil, fmt.Sprintf("its program %s is one for %s, and this machine is %s", Clip(name), foreign, here()), "build it for " + here() + ", or give " + d.give("go:FOLDER") + " with its source"
	}
	if layer, foreign := d.layerWithProgram(); foreign != "" {
		return nil, fmt.Sprintf("its program bootstrap in the layer %s is one for %s, and this machine is %s", Clip(layer), foreign, here()), "build the layer for " + here() + ", or give " + d.give("FOLDER") + " with the program"
	} else if layer != "" {
		launch.Layer, launch.Path = layer, "bootstrap"
		return launch, "", ""
	}
	switch {
	case launch.Archive == "" && d.otherLanguage(code) == "":
		if isMain, isGo := goPackage(code); isGo && !isMain {
			return nil, fmt.Sprintf("the Go files in %s are not of package main", d.where()), "give " + d.give("go:FOLDER") + " of the one that is"
		}
	}
	why, fix = d.unbuilt(code, Clip(name))
	if folder := d.outsideModules(); folder != "" && launch.Archive == "" {
		why += ", and the package main in " + Clip(folder) + " is in no Go module"
		fix = "run 'go mod init NAME' and 'go mod tidy' in the folder of the project, or " + fix
	}
	return nil, why, fix
}

// namesProgram reports whether the handler is the name of the program: AWS runs
// bootstrap for provided runtimes, whatever the handler is (AWS docs, Lambda developer
// guide, "Building Lambda functions with Go").
func (d decision) namesProgram() bool {
	return strings.HasPrefix(d.Runtime, "go1") && d.Handler != ""
}

// here is the system and the processor of this machine, as Go names them.
func here() string { return runtime.GOOS + "/" + runtime.GOARCH }

// layerWithProgram is the layer that has the bootstrap of a function without one of its
// own, and what it is for if that is another system or processor than this machine's:
// Lambda looks for it in /opt after the function's own folder (AWS docs, Lambda
// developer guide, "Building a custom runtime").
func (d decision) layerWithProgram() (layer, foreign string) {
	if d.namesProgram() {
		return "", ""
	}
	for _, l := range slices.Backward(d.Layers) {
		if l.Content == "" || !isFolder(l.Content) && !isZip(l.Content) {
			continue
		}
		content, closing, why := openCode(l.Content)
		if why != "" {
			continue // said where the layers are put together
		}
		there := isFile(content, "bootstrap")
		if there {
			foreign = foreignTo(content, "bootstrap")
		}
		closing.Close()
		if there {
			return l.LogicalID, foreign
		}
	}
	return "", ""
}

// source is the folder of the Go package that the function's program is built from, or
// those that it may be.
func (d decision) source(code fs.FS, archive string) (folder string, several []string) {
	folder = d.Code.Path
	if archive != "" {
		folder = filepath.Dir(archive)
	}
	if !isFolder(folder) {
		return "", nil
	}
	if found := d.namedSource(folder); len(found) == 1 {
		return found[0], nil
	} else if len(found) > 1 {
		return "", found
	}
	if archive != "" || d.otherLanguage(code) != "" {
		return "", nil
	}
	// The handler names another program, unless a tool builds the folder as a whole.
	if d.namesProgram() && d.format == "serverless.yml" && !slices.Contains([]string{"main", "bootstrap"}, path.Base(d.Handler)) {
		return "", nil
	}
	if isMain, _ := goPackage(code); isMain {
		return folder, nil
	}
	return "", nil
}

// namedSource are the folders of package main that the handler may mean: the folder or
// the file that it is the path of, or else those with the name of its last part, in the
// code's folder or, if that has none, in the Go module.
func (d decision) namedSource(folder string) []string {
	named := path.Clean(filepath.ToSlash(d.Handler))
	if strings.HasSuffix(named, ".go") {
		named = path.Dir(named)
	} else if last := path.Base(named); last == "bootstrap" && !d.namesProgram() {
		return nil
	}
	if !fs.ValidPath(named) || named == "." {
		return nil
	}
	if exact := filepath.Join(folder, filepath.FromSlash(named)); isMainFolder(exact) {
		return []string{exact}
	}
	module := moduleOf(folder)
	for _, root := range []string{folder, module} {
		if root == "" {
			continue
		}
		found := slices.DeleteFunc(mainFolders(root, path.Base(named)), func(folder string) bool { return moduleOf(folder) == "" })
		if len(found) > 0 {
			return mostAlike(found, named)
		}
	}
	if module != "" && isMainFolder(folder) {
		if abs, err := filepath.Abs(folder); err == nil && filepath.Base(abs) == path.Base(named) {
			return []string{folder}
		}
	}
	return nil
}

// maxFolders is how many folders are looked into for a package main.
const maxFolders = 20_000

// mainFolders are the folders of package main with that name below root.
func mainFolders(root, name string) (found []string) {
	seen := 0
	_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || !e.IsDir():
			return nil // what cannot be read has none
		case path == root:
			return nil
		case strings.HasPrefix(e.Name(), ".") || strings.HasPrefix(e.Name(), "_") || slices.Contains([]string{"node_modules", "vendor", "testdata"}, e.Name()):
			return fs.SkipDir
		}
		if seen++; seen > maxFolders {
			return fs.SkipAll
		}
		if e.Name() == name && isMainFolder(path) {
			found = append(found, path)
		}
		return nil
	})
	return found
}

// outsideModules is a folder of package main that the handler may mean and that is in no
// Go module, as in projects that are older than modules; or empty.
func (d decision) outsideModules() string {
	if !d.namesProgram() || !isFolder(d.Code.Path) {
		return ""
	}
	for _, folder := range mainFolders(d.Code.Path, path.Base(filepath.ToSlash(d.Handler))) {
		if moduleOf(folder) == "" {
			return folder
		}
	}
	return ""
}

// mostAlike are those of some folders that end with the most parts of a path.
func mostAlike(folders []string, named string) (best []string) {
	most := 0
	for _, folder := range folders {
		a, b := strings.Split(filepath.ToSlash(folder), "/"), strings.Split(named, "/")
		n := 0
		for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
			n++
		}
		if n > most {
			most, best = n, nil
		}
		if n == most {
			best = append(best, folder)
		}
	}
	return best
}

// moduleOf is the folder of the go.mod that a folder belongs to, or empty.
func moduleOf(folder string) string {
	abs, err := filepath.Abs(folder)
	if err != nil {
		return ""
	}
	for up, dir := folder, abs; ; up, dir = filepath.Join(up, ".."), filepath.Dir(dir) {
		if isPlain(filepath.Join(dir, "go.mod")) {
			return up
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// checkout is how much newer a file may be that was written together with the program,
// as by Git.
const checkout = 2 * time.Second

// newerSource is a Go file next to a program, or in the folder that it is built from,
// that is newer than the program; or empty.
func (d decision) newerSource(program string) string {
	info, err := os.Stat(program)
	if err != nil {
		return ""
	}
	folders := []string{filepath.Dir(program)}
	if isFolder(d.Code.Path) {
		if source, _ := d.source(os.DirFS(d.Code.Path), ""); source != "" {
			folders = append(folders, source)
		}
	}
	newest, file := info.ModTime().Add(checkout), ""
	for _, folder := range folders {
		entries, _ := os.ReadDir(folder)
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
				continue
			}
			if at := modified(e); at.After(newest) {
				newest, file = at, filepath.Join(folder, e.Name())
			}
		}
	}
	return file
}

func modified(e fs.DirEntry) time.Time {
	info, err := e.Info()
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

func isMainFolder(folder string) bool {
	if !isFolder(folder) {
		return false
	}
	isMain, _ := goPackage(os.DirFS(folder))
	return isMain
}

// oneOf names two folders or more.
func oneOf(folders []string) string {
	if len(folders) > 3 {
		return fmt.Sprintf("%s, %s or %d other folders", Clip(folders[0]), Clip(folders[1]), len(folders)-2)
	}
	return strings.Join(folders[:len(folders)-1], ", ") + " or " + folders[len(folders)-1]
}

// foreignTo is the system and the processor that a program is for, as Go names them, if
// they are not those of this machine. What is no program of a known format is taken for
// one of this machine: it may be a script.
func foreignTo(code fs.FS, name string) string {
	f, err := code.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	header := make([]byte, 20)
	if _, err := io.ReadFull(f, header); err != nil {
		return ""
	}
	system, processor := machineOf(header)
	switch {
	case system == "":
		return ""
	case system != runtime.GOOS:
	case processor == runtime.GOARCH || processor == "":
		return ""
	case system == "darwin" || system == "windows": // they run those of other processors, too
		return ""
	case processor == "386" && runtime.GOARCH == "amd64" || processor == "arm" && runtime.GOARCH == "arm64":
		return ""
	}
	return strings.TrimSuffix(system+"/"+processor, "/")
}

// machineOf is the system and the processor of a program by its first 20 bytes: ELF
// (Linux), Mach-O (macOS) or PE (Windows). Empty means that it is not known.
func machineOf(header []byte) (system, processor string) {
	switch magic := string(header[:4]); {
	case magic == "\x7fELF":
		order := binary.ByteOrder(binary.LittleEndian)
		if header[5] == 2 {
			order = binary.BigEndian
		}
		known := map[uint16]string{3: "386", 0x28: "arm", 0x3e: "amd64", 0xb7: "arm64", 0xf3: "riscv64"}
		machine := order.Uint16(header[18:])
		if processor = known[machine]; processor == "" {
			processor = fmt.Sprintf("processor %d of ELF", machine)
		}
		return "linux", processor
	case magic == "\xcf\xfa\xed\xfe":
		return "darwin", map[uint32]string{0x01000007: "amd64", 0x0100000c: "arm64"}[binary.LittleEndian.Uint32(header[4:])]
	case magic == "\xca\xfe\xba\xbe":
		return "darwin", ""
	case magic[:2] == "MZ":
		return "windows", ""
	}
	return "", ""
}
