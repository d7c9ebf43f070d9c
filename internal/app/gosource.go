package app

import (
	"bytes"
	"debug/buildinfo"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// maxProgram is how much of a program is read for what Go noted in it: Lambda's limit of a
// function's code, unzipped (AWS Lambda Developer Guide, "Lambda quotas").
const maxProgram = 250 << 20

// sourceOfMissing is the folder of the Go package that code which is not there is surely
// built from, or empty. What SAM builds and what another language makes has none.
func (d decision) sourceOfMissing(kind LaunchKind) string {
	if kind != LaunchProgram || d.Code.Build != "" || d.isPHP() || languageOf(os.DirFS(d.dir)) != nil {
		return ""
	}
	if d.namesProgram() && !slices.Contains(usualPrograms, path.Base(filepath.ToSlash(d.Handler))) {
		if module := moduleOf(filepath.Dir(d.Code.Path)); module != "" {
			if found := d.namedSource(module); len(found) > 0 {
				return only(found)
			}
		}
	}
	return namesake(d.Code.Path)
}

// sourceOfForeign is the folder of the Go package that a program for another machine was
// built from, or empty: the one that Go noted in it, or else the one with its name.
func (d decision) sourceOfForeign(code fs.FS, program string) string {
	artifact := d.Code.Path
	if isFolder(artifact) {
		artifact = filepath.Join(artifact, filepath.FromSlash(program))
	}
	if folder := noted(code, program, artifact); folder != "" {
		return folder
	}
	if d.namesProgram() {
		return "" // the handler has been looked for
	}
	return namesake(artifact)
}

// only is the only one of some folders, or empty.
func only(folders []string) string {
	if len(folders) != 1 {
		return ""
	}
	return folders[0]
}

// noted is the folder of the package main that Go noted in a program, if the Go module
// around artifact has it; or empty. 'go build' notes the paths of the package and of its
// module, unless it gets the names of files.
func noted(code fs.FS, program, artifact string) string {
	info := buildInfo(code, program)
	if info == nil {
		return ""
	}
	below, ok := strings.CutPrefix(info.Path, info.Main.Path)
	module := moduleOf(filepath.Dir(artifact))
	if !ok || module == "" || modulePath(module) != info.Main.Path {
		return ""
	}
	folder := filepath.Join(module, filepath.FromSlash(below))
	if !isMainFolder(folder) || moduleOf(folder) != module {
		return ""
	}
	return folder
}

// buildInfo is what Go noted in a program, or nil if Go did not build it.
func buildInfo(code fs.FS, program string) *buildinfo.BuildInfo {
	f, err := code.Open(program)
	if err != nil {
		return nil
	}
	defer f.Close()
	reader, ok := f.(io.ReaderAt)
	if !ok { // in a zip file
		data, err := io.ReadAll(io.LimitReader(f, maxProgram))
		if err != nil {
			return nil
		}
		reader = bytes.NewReader(data)
	}
	info, err := buildinfo.Read(reader)
	if err != nil {
		return nil
	}
	return info
}

// modulePath is the path that the go.mod of a folder gives the module.
func modulePath(folder string) string {
	data, err := os.ReadFile(filepath.Join(folder, "go.mod"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if words := strings.Fields(line); len(words) >= 2 && words[0] == "module" {
			return strings.Trim(words[1], "\"`")
		}
	}
	return ""
}

// Names that projects give to the programs of all their functions alike.
var usualPrograms = []string{"bootstrap", "main", "handler", "function", "lambda"}

// namesake is the only folder of package main that a program or a zip file of one is
// surely built from, by its name: the folder that it is in, or else the one of that name
// in the Go module around it. Where the name is a usual one, that of its folder counts.
func namesake(artifact string) string {
	folder := filepath.Dir(artifact)
	module := moduleOf(folder)
	if module == "" {
		return ""
	}
	if folder != module && isMainFolder(folder) {
		return folder
	}
	name := strings.TrimSuffix(filepath.Base(artifact), filepath.Ext(artifact))
	if slices.Contains(usualPrograms, name) {
		name = filepath.Base(folder)
	}
	named := path.Join(filepath.ToSlash(folder), name)
	found := slices.DeleteFunc(mainFolders(module, name), func(folder string) bool { return moduleOf(folder) != module })
	return only(mostAlike(found, named))
}
