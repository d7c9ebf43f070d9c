package bundle

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/wirepost/wirepost/internal/app"
)

// An option sets what one of the tool's options says. It reports false for a value that
// it does not understand.
type option func(o *api.BuildOptions, v any) bool

// options are esbuild's options by the names that its JavaScript API has for them
// (esbuild docs, "API").
var options = map[string]option{
	"bundle":            flag(func(o *api.BuildOptions) *bool { return &o.Bundle }),
	"keepNames":         flag(func(o *api.BuildOptions) *bool { return &o.KeepNames }),
	"jsxDev":            flag(func(o *api.BuildOptions) *bool { return &o.JSXDev }),
	"jsxSideEffects":    flag(func(o *api.BuildOptions) *bool { return &o.JSXSideEffects }),
	"preserveSymlinks":  flag(func(o *api.BuildOptions) *bool { return &o.PreserveSymlinks }),
	"ignoreAnnotations": flag(func(o *api.BuildOptions) *bool { return &o.IgnoreAnnotations }),
	"minifyWhitespace":  flag(func(o *api.BuildOptions) *bool { return &o.MinifyWhitespace }),
	"minifyIdentifiers": flag(func(o *api.BuildOptions) *bool { return &o.MinifyIdentifiers }),
	"minifySyntax":      flag(func(o *api.BuildOptions) *bool { return &o.MinifySyntax }),
	"splitting":         flag(func(o *api.BuildOptions) *bool { return &o.Splitting }),
	"minify":            setMinify,
	"treeShaking":       setTreeShaking,

	"jsxFactory":      text(func(o *api.BuildOptions) *string { return &o.JSXFactory }),
	"jsxFragment":     text(func(o *api.BuildOptions) *string { return &o.JSXFragment }),
	"jsxImportSource": text(func(o *api.BuildOptions) *string { return &o.JSXImportSource }),
	"tsconfigRaw":     text(func(o *api.BuildOptions) *string { return &o.TsconfigRaw }),
	"publicPath":      text(func(o *api.BuildOptions) *string { return &o.PublicPath }),
	"assetNames":      text(func(o *api.BuildOptions) *string { return &o.AssetNames }),
	"chunkNames":      text(func(o *api.BuildOptions) *string { return &o.ChunkNames }),
	"tsconfig":        text(func(o *api.BuildOptions) *string { return &o.Tsconfig }),

	"external":          list(func(o *api.BuildOptions) *[]string { return &o.External }),
	"exclude":           list(func(o *api.BuildOptions) *[]string { return &o.External }),
	"mainFields":        list(func(o *api.BuildOptions) *[]string { return &o.MainFields }),
	"conditions":        list(func(o *api.BuildOptions) *[]string { return &o.Conditions }),
	"resolveExtensions": list(func(o *api.BuildOptions) *[]string { return &o.ResolveExtensions }),
	"inject":            list(func(o *api.BuildOptions) *[]string { return &o.Inject }),
	"pure":              list(func(o *api.BuildOptions) *[]string { return &o.Pure }),
	"dropLabels":        list(func(o *api.BuildOptions) *[]string { return &o.DropLabels }),
	"nodePaths":         list(func(o *api.BuildOptions) *[]string { return &o.NodePaths }),

	"define": pairs(func(o *api.BuildOptions) *map[string]string { return &o.Define }),
	"alias":  pairs(func(o *api.BuildOptions) *map[string]string { return &o.Alias }),
	"banner": pairs(func(o *api.BuildOptions) *map[string]string { return &o.Banner }),
	"footer": pairs(func(o *api.BuildOptions) *map[string]string { return &o.Footer }),

	"format": choice(func(o *api.BuildOptions) *api.Format { return &o.Format },
		map[string]api.Format{"cjs": api.FormatCommonJS, "esm": api.FormatESModule, "iife": api.FormatIIFE}),
	"platform": choice(func(o *api.BuildOptions) *api.Platform { return &o.Platform },
		map[string]api.Platform{"node": api.PlatformNode, "neutral": api.PlatformNeutral, "browser": api.PlatformBrowser}),
	"packages": choice(func(o *api.BuildOptions) *api.Packages { return &o.Packages },
		map[string]api.Packages{"bundle": api.PackagesBundle, "external": api.PackagesExternal}),
	"charset": choice(func(o *api.BuildOptions) *api.Charset { return &o.Charset },
		map[string]api.Charset{"ascii": api.CharsetASCII, "utf8": api.CharsetUTF8}),
	"jsx": choice(func(o *api.BuildOptions) *api.JSX { return &o.JSX },
		map[string]api.JSX{"transform": api.JSXTransform, "preserve": api.JSXPreserve, "automatic": api.JSXAutomatic}),
	"legalComments": choice(func(o *api.BuildOptions) *api.LegalComments { return &o.LegalComments },
		map[string]api.LegalComments{"none": api.LegalCommentsNone, "inline": api.LegalCommentsInline, "eof": api.LegalCommentsEndOfFile, "linked": api.LegalCommentsLinked, "external": api.LegalCommentsExternal}),

	"drop":   setDrop,
	"loader": setLoader,
	"target": setTarget,
}

// unread are options that change nothing in what the bundle does, or that are decided
// here: source maps are always on, and the paths are those of the handler.
var unread = []string{"sourcemap", "sourcesContent", "sourceRoot", "outExtension", "outputFileExtension", "entryNames", "outdir", "outfile", "outbase", "absWorkingDir",
	"write", "metafile", "allowOverwrite", "color", "logLevel", "logLimit", "logOverride", "lineLimit", "watch", "entryPoints",
	"concurrency", "zipConcurrency", "buildConcurrency", "packager", "packagePath", "packagerOptions", "keepOutputDirectory", "outputWorkFolder", "outputBuildFolder",
	"nativeZip", "installExtraArgs", "skipRebuild", "disposeContext", "disableIncremental", "disabledIncremental"}

// programs are options that lead to programs of the tool's, of which there is a note
// where the template is read.
var programs = []string{"plugins", "config", "configFile"}

// buildOptions are what the tool has esbuild do.
func (m *maker) buildOptions() api.BuildOptions {
	o := api.BuildOptions{
		Bundle: true, Platform: api.PlatformNode, Format: m.defaultFormat(), Target: api.ESNext,
		External: slices.Clone(m.Exclude), AbsWorkingDir: m.source, LogLevel: api.LogLevelSilent,
	}
	for _, name := range slices.Sorted(maps.Keys(m.Options)) {
		set, known := options[name]
		switch {
		case slices.Contains(unread, name) || slices.Contains(programs, name):
		case !known:
			m.notes = append(m.notes, fmt.Sprintf("the option %s of %s is left out: esbuild as a library does not know it", app.Clip(name), m.Tool))
		case !set(&o, m.Options[name]):
			m.notes = append(m.notes, fmt.Sprintf("the option %s of %s is left out: its value is not understood", name, m.Tool))
		}
	}
	o.Sourcemap, o.SourcesContent = api.SourceMapLinked, api.SourcesContentInclude
	o.EntryPointsAdvanced, o.Outdir, o.Metafile, o.Write = m.entries, m.folder, true, false
	// A file .js would be what the package.json above this folder says, which is none
	// that Lambda gets.
	o.OutExtension = map[string]string{".js": ".cjs"}
	if o.Format == api.FormatESModule {
		o.OutExtension[".js"] = ".mjs"
	} else {
		o.Splitting = false
	}
	if o.Tsconfig != "" && !filepath.IsAbs(o.Tsconfig) {
		o.Tsconfig = filepath.Join(m.source, o.Tsconfig)
	}
	o.Plugins = []api.Plugin{m.outside()}
	return o
}

// defaultFormat is what is made where the tool's options do not say it: modules where
// Serverless 4, or nobody, bundles a package of modules, and else CommonJS, as esbuild
// does for Node.js. UNCERTAIN: that Serverless 4 looks at the package.
func (m *maker) defaultFormat() api.Format {
	if strings.HasSuffix(m.entries[0].InputPath, ".mts") {
		return api.FormatESModule
	}
	if m.Tool == "" || m.Tool == app.ServerlessBuild {
		if packageOf(filepath.Dir(m.entries[0].InputPath)).Type == "module" && !strings.HasSuffix(m.entries[0].InputPath, ".cts") {
			return api.FormatESModule
		}
	}
	return api.FormatCommonJS
}

func flag(at func(*api.BuildOptions) *bool) option {
	return func(o *api.BuildOptions, v any) bool {
		on, ok := truth(v)
		if ok {
			*at(o) = on
		}
		return ok
	}
}

func truth(v any) (on, ok bool) { return v == "true", v == "true" || v == "false" }

func text(at func(*api.BuildOptions) *string) option {
	return func(o *api.BuildOptions, v any) bool {
		s, ok := v.(string)
		if ok {
			*at(o) = s
		}
		return ok
	}
}

// list adds to what is there.
func list(at func(*api.BuildOptions) *[]string) option {
	return func(o *api.BuildOptions, v any) bool {
		items, ok := texts(v)
		*at(o) = append(*at(o), items...)
		return ok
	}
}

// texts are the items of a list, or of a text with commas.
func texts(v any) (items []string, ok bool) {
	switch v := v.(type) {
	case string:
		for item := range strings.SplitSeq(v, ",") {
			items = append(items, strings.TrimSpace(item))
		}
		return items, true
	case []any:
		for _, item := range v {
			s, ok := item.(string)
			if !ok {
				return nil, false
			}
			items = append(items, s)
		}
		return items, true
	}
	return nil, false
}

// pairs takes a map, or a list of NAME=VALUE as esbuild's command does.
func pairs(at func(*api.BuildOptions) *map[string]string) option {
	return func(o *api.BuildOptions, v any) bool {
		all, ok := mapOf(v)
		if ok {
			*at(o) = all
		}
		return ok
	}
}

func mapOf(v any) (map[string]string, bool) {
	all := map[string]string{}
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			s, ok := value.(string)
			if !ok {
				return nil, false
			}
			all[name] = s
		}
	case []any:
		for _, item := range v {
			s, _ := item.(string)
			name, value, ok := strings.Cut(s, "=")
			if !ok {
				return nil, false
			}
			all[name] = value
		}
	default:
		return nil, false
	}
	return all, true
}

func choice[T any](at func(*api.BuildOptions) *T, of map[string]T) option {
	return func(o *api.BuildOptions, v any) bool {
		s, _ := v.(string)
		value, ok := of[s]
		if ok {
			*at(o) = value
		}
		return ok
	}
}

func setMinify(o *api.BuildOptions, v any) bool {
	on, ok := truth(v)
	o.MinifyWhitespace, o.MinifyIdentifiers, o.MinifySyntax = on, on, on
	return ok
}

func setTreeShaking(o *api.BuildOptions, v any) bool {
	on, ok := truth(v)
	if ok {
		o.TreeShaking = api.TreeShakingFalse
	}
	if on {
		o.TreeShaking = api.TreeShakingTrue
	}
	return ok
}

func setDrop(o *api.BuildOptions, v any) bool {
	items, ok := texts(v)
	for _, item := range items {
		switch item {
		case "console":
			o.Drop |= api.DropConsole
		case "debugger":
			o.Drop |= api.DropDebugger
		default:
			ok = false
		}
	}
	return ok
}

var loaders = map[string]api.Loader{"js": api.LoaderJS, "jsx": api.LoaderJSX, "ts": api.LoaderTS, "tsx": api.LoaderTSX, "json": api.LoaderJSON, "text": api.LoaderText, "base64": api.LoaderBase64,
	"binary": api.LoaderBinary, "dataurl": api.LoaderDataURL, "file": api.LoaderFile, "copy": api.LoaderCopy, "empty": api.LoaderEmpty, "css": api.LoaderCSS, "default": api.LoaderDefault}

func setLoader(o *api.BuildOptions, v any) bool {
	all, ok := mapOf(v)
	o.Loader = map[string]api.Loader{}
	for end, name := range all {
		loader, known := loaders[name]
		ok = ok && known
		o.Loader[end] = loader
	}
	return ok
}

var (
	targets = map[string]api.Target{"esnext": api.ESNext, "es5": api.ES5, "es6": api.ES2015, "es2015": api.ES2015, "es2016": api.ES2016, "es2017": api.ES2017, "es2018": api.ES2018,
		"es2019": api.ES2019, "es2020": api.ES2020, "es2021": api.ES2021, "es2022": api.ES2022, "es2023": api.ES2023, "es2024": api.ES2024}
	engines = map[string]api.EngineName{"node": api.EngineNode, "deno": api.EngineDeno, "chrome": api.EngineChrome, "edge": api.EngineEdge, "firefox": api.EngineFirefox, "safari": api.EngineSafari}
)

func setTarget(o *api.BuildOptions, v any) bool {
	items, ok := texts(v)
	for _, item := range items {
		item = strings.ToLower(item)
		if target, known := targets[item]; known {
			o.Target = target
			continue
		}
		name := strings.TrimRight(item, "0123456789.")
		engine, known := engines[name]
		if !known {
			ok = false
			continue
		}
		o.Target = api.DefaultTarget
		o.Engines = append(o.Engines, api.Engine{Name: engine, Version: item[len(name):]})
	}
	return ok
}
