package app

import (
	"archive/zip"
	"cmp"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Launch says how a function is started.
type Launch struct {
	Kind LaunchKind

	// Archive is the zip file that has the code, or empty. Path is then within it.
	Archive string

	// Newer is a file of source that is newer than the program in Path, or empty.
	Newer string

	// Path is the folder of the handler's file, the folder of a Go package, or a
	// program, as it is opened from the directory in which the template was read. It is
	// empty if the code is Code.Inline or Code.Files.
	Path string

	// Layer is the logical ID of the layer that has the program, or empty. Path is then
	// within /opt.
	Layer string

	// Bundle is what has to be made of the code in Path first, or nil.
	Bundle *Bundle
}

// LaunchKind is what a function is started with.
type LaunchKind string

// The kinds of launches.
const (
	LaunchNode    LaunchKind = "node"    // Function.Handler is in the folder Path
	LaunchPython  LaunchKind = "python"  // as LaunchNode
	LaunchGo      LaunchKind = "go"      // Path is the folder of a package main
	LaunchProgram LaunchKind = "program" // Path speaks the Runtime API
)

// Decide sets f.Launch or f.Unrunnable, from what f says of itself and from what is
// at its code's path: no file is read but package.json, the directories of zip files,
// the package clauses of Go files, and of programs the first bytes and, in those for
// another machine, what Go noted. Format is App.Format, and dir the template's directory.
func (f *Function) Decide(format, dir string) {
	f.Launch, f.Unrunnable = nil, nil
	if f.StandIn != "" {
		return
	}
	d := decision{f, format, dir}
	launch, why, fix := d.launch()
	if why == "" {
		f.Launch = launch
		return
	}
	f.Unrunnable = &Unrunnable{What: "function " + Clip(f.LogicalID), Why: why, Fix: fix, StandIn: d.give("FUNCTION"), Position: f.Position}
}

// A decision is how one function is started.
type decision struct {
	*Function
	format, dir string
}

// give is the flag that puts something in the function's place.
func (d decision) give(value string) string { return Flag("--function", d.LogicalID, value) }

func (d decision) launch() (launch *Launch, why, fix string) {
	kind := kindOf(d.Runtime)
	if c := &d.Code; d.format == "SAM" && c.Kind != CodeImage && c.Path == "" && c.Inline == "" && c.Unknown == "" {
		c.Path = cmp.Or(d.dir, ".") // as for 'sam build', whose DEFAULT_CODEURI is "."
	}
	switch {
	case d.Code.Kind == CodeImage:
		return nil, "it is a container image", d.container()
	case kind == "":
		return nil, d.noRuntime(), d.elsewhere()
	case d.Code.Inline != "":
		return d.inline(kind)
	case len(d.Code.Files) > 0:
		return d.written(kind)
	case d.Code.Unknown != "":
		return nil, d.Code.Unknown, "give " + d.give("FOLDER") + " with its code"
	case d.Code.Path == "":
		return nil, "it does not say where its code is", "give " + d.give("FOLDER") + " with its code"
	case d.Handler == "" && kind != LaunchProgram:
		return nil, "it has no handler", "give " + d.give("FUNCTION")
	}
	code, closing, why := openCode(d.Code.Path)
	switch {
	case why != "" && errors.Is(fsError(d.Code.Path), fs.ErrNotExist):
		if source := d.sourceOfMissing(kind); source != "" {
			return &Launch{Kind: LaunchGo, Path: source}, "", ""
		}
		return nil, why, d.build()
	case why != "":
		return nil, why, "give " + d.give("FOLDER") + " with its code"
	}
	defer closing.Close()
	launch = &Launch{Kind: kind, Path: d.Code.Path}
	if isZip(d.Code.Path) {
		launch.Archive, launch.Path = d.Code.Path, "."
	} else if isPlain(d.Code.Path) {
		launch.Path = filepath.Dir(d.Code.Path)
	}
	switch kind {
	case LaunchProgram:
		return d.program(launch, code)
	case LaunchNode, LaunchPython:
		if d.Code.Build == "makefile" && isFile(code, "Makefile") && !d.hasHandler(code, kind) {
			return nil, fmt.Sprintf("the file of its handler %s is not in %s", Clip(d.Handler), d.where()), d.makeIt()
		}
	}
	switch kind {
	case LaunchNode:
		launch.Bundle = d.bundle(code)
	}
	return launch, "", ""
}

// hasHandler reports whether the file of the handler is there.
func (d decision) hasHandler(code fs.FS, kind LaunchKind) bool {
	if kind == LaunchNode {
		return hasFile(code, HandlerBase(d.Handler), SourceFiles())
	}
	module := d.Handler[:max(0, strings.LastIndexByte(d.Handler, '.'))]
	return hasFile(code, strings.ReplaceAll(module, ".", "/"), []string{".py", "/__init__.py"})
}

// inlineFile is the name of the file that Lambda makes of code in a template, without
// its ending.
const inlineFile = "index"

// inline is how code in the template itself is started.
func (d decision) inline(kind LaunchKind) (launch *Launch, why, fix string) {
	switch file, _, _ := strings.Cut(d.Handler, "."); {
	case kind == LaunchProgram:
		return nil, "its code is in the template itself, which Lambda takes for nodejs and python only", "give " + d.give("FUNCTION")
	case d.Handler == "":
		return nil, "it has no handler", "give " + d.give("FUNCTION")
	case file != inlineFile:
		return nil, fmt.Sprintf("its handler is %s, and the file that Lambda makes of code in a template is %s", Clip(d.Handler), inlineFile), "write " + inlineFile + " and the function's name as its Handler"
	}
	return &Launch{Kind: kind}, "", ""
}

// written is how code whose files are in the template is started.
func (d decision) written(kind LaunchKind) (launch *Launch, why, fix string) {
	endings := scriptFiles
	if kind == LaunchPython {
		endings = []string{".py"}
	}
	base := HandlerBase(d.Handler)
	if i := strings.LastIndexByte(d.Handler, '.'); kind == LaunchPython && i > 0 {
		base = strings.ReplaceAll(d.Handler[:i], ".", "/") // the name of a module
	}
	there := slices.ContainsFunc(endings, func(end string) bool { _, ok := d.Code.Files[base+end]; return ok })
	switch {
	case kind == LaunchProgram:
		return nil, "its code is in the template itself, and only nodejs and python are run so", "give " + d.give("FUNCTION")
	case d.Handler == "":
		return nil, "it has no handler", "give " + d.give("FUNCTION")
	case !there:
		return nil, fmt.Sprintf("its handler is %s, and the files that the template has are %s", Clip(d.Handler), Clip(Few(slices.Sorted(maps.Keys(d.Code.Files))))), "give " + d.give("FUNCTION")
	}
	return &Launch{Kind: kind}, "", ""
}

// kindOf is what a runtime is started with, or empty.
func kindOf(runtime string) LaunchKind {
	switch {
	case strings.HasPrefix(runtime, "nodejs"):
		return LaunchNode
	case strings.HasPrefix(runtime, "python"):
		return LaunchPython
	case strings.HasPrefix(runtime, "provided"), strings.HasPrefix(runtime, "go1"):
		return LaunchProgram
	}
	return ""
}

func (d decision) noRuntime() string {
	if d.Runtime == "" {
		return "it has no runtime"
	}
	return "its runtime is " + Clip(d.Runtime) + ", and only nodejs, python, provided and go1.x are run"
}

// where names the folder or the zip file of the code in a sentence.
func (d decision) where() string {
	if d.Code.Path == "." {
		return "the template's folder"
	}
	return Clip(d.Code.Path)
}

// openCode is the files of a folder or a zip file, and none for another file; or why
// there are none.
func openCode(name string) (code fs.FS, closing io.Closer, why string) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, "its code " + Clip(name) + " is not there"
	case err != nil:
		return nil, nil, "its code " + Clip(name) + " cannot be opened"
	case info.IsDir():
		return os.DirFS(name), io.NopCloser(nil), ""
	case !info.Mode().IsRegular():
		return nil, nil, "its code " + Clip(name) + " is neither a folder nor a plain file"
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".jar", ".war":
		return nil, nil, "its code " + Clip(name) + " is an archive of Java"
	case ".zip":
		archive, err := zip.OpenReader(name)
		if err != nil {
			return nil, nil, "its code " + Clip(name) + " is not a zip file"
		}
		return archive, archive, ""
	}
	return os.DirFS(filepath.Dir(name)), io.NopCloser(nil), ""
}

func fsError(name string) error {
	_, err := os.Stat(name)
	return err
}

func isZip(name string) bool { return strings.EqualFold(filepath.Ext(name), ".zip") }

func isPlain(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

func isFile(code fs.FS, name string) bool {
	info, err := fs.Stat(code, name)
	return err == nil && !info.IsDir()
}

// goPackage reports whether a folder has Go files, and whether they are of package
// main.
func goPackage(code fs.FS) (isMain, isGo bool) {
	names, _ := fs.Glob(code, "*.go")
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		isGo = true
		if isMain = packageMain(code, name); isMain {
			break
		}
	}
	return isMain, isGo
}

func packageMain(code fs.FS, name string) bool {
	f, err := code.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	const most = 64 << 10 // the clause comes after comments only
	file, _ := parser.ParseFile(token.NewFileSet(), name, io.LimitReader(f, most), parser.PackageClauseOnly)
	return file != nil && file.Name != nil && file.Name.Name == "main"
}
