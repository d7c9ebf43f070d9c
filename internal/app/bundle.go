package app

import (
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Bundle says how the source of a Node.js function becomes what Lambda gets:
// TypeScript, or JavaScript that a tool of the app bundles.
type Bundle struct {
	// Tool is what bundles it on the way to AWS, such as serverless-esbuild. It is
	// empty if the template names none, and the handler is in TypeScript.
	Tool string

	// OnlyTypeScript says that the tool leaves a function alone that runs as it is.
	OnlyTypeScript bool

	// Folder has the source. Handler and Entries are within it, and what is made has
	// their paths. It is opened from the directory in which the template was read.
	Folder  string
	Handler string
	Entries []string // files to start from; none means the handler's

	// Options are those of the tool by the names that esbuild's JavaScript API has for
	// them: text, []any or map[string]any.
	Options map[string]any

	// Exclude are modules that the tool leaves out because Lambda's runtime has them,
	// such as @aws-sdk/*.
	Exclude []string

	// Files are patterns of what is packed next to the bundle, within Folder. One that
	// begins with ! leaves out what those before it have taken.
	Files []string
}

// Bundled is what was made of a Bundle.
type Bundled struct {
	// Inputs are the absolute paths of the files that it was made of, and of those that
	// say how, such as tsconfig.json. They are sorted, and none is of a package below
	// node_modules.
	Inputs []string

	// Changed reports whether a file is another than before.
	Changed bool

	// Notes say what is different from what the tool makes, a sentence each.
	Notes []string
}

// Extensions of the files that a handler may be in, in the order in which they are
// looked for.
var (
	scriptFiles = []string{".js", ".mjs", ".cjs"}
	typedFiles  = []string{".ts", ".mts", ".cts", ".tsx", ".jsx"}
)

// SourceFiles are the extensions of files with code that is bundled.
func SourceFiles() []string { return slices.Concat(typedFiles[:4], scriptFiles, typedFiles[4:]) }

// HandlerBase is the file of a Node.js handler without its extension, with slashes: a
// handler FOLDER/FILE.FUNCTION has its first dot after the last slash there. It is
// empty if the handler is none.
func HandlerBase(handler string) string {
	folder, last := path.Split(handler)
	file, function, _ := strings.Cut(last, ".")
	if file == "" || function == "" {
		return ""
	}
	return path.Join(folder, file)
}

// TypeScript is the bundle of a handler whose file in a folder is no JavaScript that
// Node.js runs as it is, or nil.
func TypeScript(code fs.FS, folder, handler, runtime string) *Bundle {
	base := HandlerBase(handler)
	if !fs.ValidPath(base) || hasFile(code, base, scriptFiles) || !hasFile(code, base, typedFiles) {
		return nil
	}
	return &Bundle{Folder: folder, Handler: handler, Exclude: RuntimeModules(runtime), Files: []string{"**"}}
}

// RuntimeModules are the modules that a Node.js runtime of Lambda brings, as the tools
// that leave them out have them: version 2 of the SDK up to nodejs16.x, and version 3
// since. (Serverless Framework docs, "Building", and serverless-esbuild's README.)
func RuntimeModules(runtime string) []string {
	version, _, _ := strings.Cut(strings.TrimPrefix(runtime, "nodejs"), ".")
	if n, err := strconv.Atoi(version); err == nil && n < 18 {
		return []string{"aws-sdk"}
	}
	return []string{"@aws-sdk/*"}
}

// bundle is how the code of a Node.js function is bundled before it runs, or nil if it
// runs as it is. What 'sam build' has made keeps the Metadata of its source: where
// there is no entry point any more the bundle is there already.
func (d decision) bundle(code fs.FS) *Bundle {
	if isZip(d.Code.Path) || isPlain(d.Code.Path) {
		return nil
	}
	b := d.Code.Bundle
	if b == nil {
		return TypeScript(code, d.Code.Path, d.Handler, d.Runtime)
	}
	if b.OnlyTypeScript && hasFile(code, HandlerBase(d.Handler), scriptFiles) {
		return nil
	}
	made := *b
	made.Folder, made.Handler = d.Code.Path, d.Handler
	isThere := func(entry string) bool {
		entry = path.Clean(filepath.ToSlash(entry))
		return fs.ValidPath(entry) && hasFile(code, entry, append([]string{""}, SourceFiles()...))
	}
	if len(b.Entries) > 0 && !slices.ContainsFunc(b.Entries, isThere) && hasFile(code, HandlerBase(d.Handler), scriptFiles) {
		return nil
	}
	return &made
}

// hasFile reports whether there is a file of that name with one of the endings.
func hasFile(code fs.FS, base string, endings []string) bool {
	return fs.ValidPath(base) && slices.ContainsFunc(endings, func(end string) bool { return isFile(code, base+end) })
}

// The names of tools.
const (
	SAMBuild        = "esbuild of SAM"
	ServerlessBuild = "esbuild of Serverless 4"
)
