package bundle

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// What takes the place of the names that each file of a program has of its own.
const (
	ownFile = "__wirepost_filename"
	ownDir  = "__wirepost_dirname"
	ownURL  = "__wirepost_url"
)

// Program is a program that describes an app, such as serverless.ts, as the source of
// one ECMAScript module that Node.js reads from its standard input in the program's
// folder. Each of its files keeps its own __dirname, __filename and import.meta.url:
// the paths of handlers are worked out from them. Packages stay outside; paths of
// tsconfig.json are followed. After is code that comes behind it, in which program is
// the namespace of the file.
//
// An error is one clause that begins with a verb, with esbuild's first message.
func Program(file, after string) ([]byte, error) {
	shown := filepath.Dir(file)
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("cannot be found: %w", err)
	}
	folder := filepath.Dir(file)
	entry := fmt.Sprintf("import * as program from %s\n%s", quoted("./"+filepath.Base(file)), after)
	result := api.Build(api.BuildOptions{
		Stdin:  &api.StdinOptions{Contents: entry, ResolveDir: folder, Sourcefile: "wirepost", Loader: api.LoaderJS},
		Bundle: true, AbsWorkingDir: folder, Platform: api.PlatformNode, Format: api.FormatESModule, Target: api.ES2022, Packages: api.PackagesExternal,
		Define:  map[string]string{"__dirname": ownDir, "__filename": ownFile, "import.meta.url": ownURL, "import.meta.dirname": ownDir, "import.meta.filename": ownFile},
		Plugins: []api.Plugin{ownNames}, Sourcemap: api.SourceMapNone, LogLevel: api.LogLevelSilent,
		Banner: map[string]string{"js": fmt.Sprintf("import { createRequire as __wirepost_require } from 'node:module';\nconst require = __wirepost_require(%s);", quoted(fileURL(file)))},
	})
	if n := len(result.Errors); n > 0 {
		message, more := result.Errors[0], ""
		if n > 1 {
			more = fmt.Sprintf(" (and %d more)", n-1)
		}
		if l := message.Location; l != nil {
			return nil, fmt.Errorf("does not compile: %s:%d: %s%s", filepath.Join(shown, filepath.FromSlash(l.File)), l.Line, message.Text, more)
		}
		return nil, fmt.Errorf("does not compile: %s%s", message.Text, more)
	}
	return result.OutputFiles[0].Contents, nil
}

// ownNames puts the names that a file has of its own before its first line.
var ownNames = api.Plugin{Name: "own-names", Setup: func(build api.PluginBuild) {
	build.OnLoad(api.OnLoadOptions{Filter: `\.([cm]?[jt]s|[jt]sx)$`, Namespace: "file"}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		data, err := os.ReadFile(args.Path)
		if err != nil {
			return api.OnLoadResult{}, err
		}
		source := strings.TrimPrefix(string(data), "\ufeff")
		if strings.HasPrefix(source, "#!") {
			source = "//" + source
		}
		names := fmt.Sprintf("const %s = %s, %s = %s, %s = %s; ", ownFile, quoted(args.Path), ownDir, quoted(filepath.Dir(args.Path)), ownURL, quoted(fileURL(args.Path)))
		contents := names + source
		return api.OnLoadResult{Contents: &contents, Loader: loaderOf(args.Path)}, nil
	})
}}

// loaderOf is the loader of a file of a program.
func loaderOf(file string) api.Loader {
	switch filepath.Ext(file) {
	case ".ts", ".mts", ".cts":
		return api.LoaderTS
	case ".tsx":
		return api.LoaderTSX
	case ".jsx":
		return api.LoaderJSX
	}
	return api.LoaderJS
}

func quoted(s string) string {
	q, _ := json.Marshal(s)
	return string(q)
}

// fileURL is the URL of a file.
func fileURL(file string) string {
	path := filepath.ToSlash(file)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}
