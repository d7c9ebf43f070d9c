package bundle

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/app"
)

// project is a folder with files, by their names with slashes.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		write(t, filepath.Join(folder, filepath.FromSlash(name)), text)
	}
	return folder
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// outOf is the folder of a project's bundle, where dev puts it too.
func outOf(folder string) string {
	return filepath.Join(folder, ".wirepost", "functions", "f", "bundle")
}

// run makes a bundle and has Node.js print what its handler gives.
func run(t *testing.T, folder string, b app.Bundle) (printed string, made *app.Bundled) {
	t.Helper()
	made, err := Make(t.Context(), &b, outOf(folder))
	if err != nil {
		t.Fatal(err)
	}
	return node(t, outOf(folder), b.Handler), made
}

func node(t *testing.T, out, handler string) string {
	t.Helper()
	base := app.HandlerBase(handler)
	file := filepath.Join(out, filepath.FromSlash(base)+".cjs")
	if !isFile(file) {
		file = filepath.Join(out, filepath.FromSlash(base)+".mjs")
	}
	program, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	script := "const {pathToFileURL} = require('url'); import(pathToFileURL(process.argv[1])).then(async m => console.log(await m." + strings.TrimPrefix(filepath.Ext(handler), ".") + "()))"
	c := exec.CommandContext(ctx, program, "--enable-source-maps", "-e", script, file)
	c.Dir = out
	said, err := c.CombinedOutput()
	if err != nil {
		return strings.TrimSpace(string(said)) + "\n" + err.Error()
	}
	return strings.TrimSpace(string(said))
}

func TestBundlesRunAsTheToolsMakeThem(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string
		b     app.Bundle
		want  string
		file  string // the handler's in the bundle
	}{
		{
			"a TypeScript handler in a folder keeps its path",
			map[string]string{"src/app.ts": "enum E { A = 'typed' }\nexport const handler = async (): Promise<string> => E.A\n"},
			app.Bundle{Handler: "src/app.handler"}, "typed", "src/app.cjs",
		},
		{
			"a module is made where the tool says so, whatever is above",
			map[string]string{"app.ts": "const x = await Promise.resolve('esm')\nexport const handler = () => x + typeof import.meta.url\n"},
			app.Bundle{Tool: app.SAMBuild, Handler: "app.handler", Entries: []string{"app.ts"}, Options: map[string]any{"format": "esm", "outExtension": []any{".js=.mjs"}, "target": "es2022"}},
			"esmstring", "app.mjs",
		},
		{
			"CommonJS runs below a package of modules",
			map[string]string{"package.json": `{"type": "module"}`, "app.js": "export const handler = () => typeof require\n"},
			app.Bundle{Tool: "serverless-esbuild", Handler: "app.handler"}, "function", "app.cjs",
		},
		{
			"nobody's tool makes modules of a package of modules",
			map[string]string{"package.json": `{"type": "module"}`, "app.ts": "export const handler = () => typeof import.meta.url\n"},
			app.Bundle{Handler: "app.handler"}, "string", "app.mjs",
		},
		{
			"entry points are below the folder that all of them are in",
			map[string]string{"src/one/a.ts": "export const handler = () => 'a'", "src/two/b.ts": "export const handler = () => 'b'"},
			app.Bundle{Tool: app.SAMBuild, Handler: "two/b.handler", Entries: []string{"src/one/a", "src/two/b.ts"}}, "b", "two/b.cjs",
		},
		{
			"or below the folder of the source, if the handler is",
			map[string]string{"src/one/a.ts": "export const handler = () => 'a'"},
			app.Bundle{Tool: app.SAMBuild, Handler: "src/one/a.handler", Entries: []string{"src/one/a.ts"}}, "a", "src/one/a.cjs",
		},
		{
			"the paths of tsconfig.json count, and those that it extends, with comments",
			map[string]string{
				"base.json":     "{ // ours\n \"compilerOptions\": {\"baseUrl\": \".\", \"paths\": {\"@lib/*\": [\"lib/*\"]}, }, }",
				"tsconfig.json": `{"extends": "./base.json"}`, "lib/a.ts": "export const a = 'mapped'", "src/app.ts": "import {a} from '@lib/a'\nexport const handler = () => a",
			},
			app.Bundle{Handler: "src/app.handler"}, "mapped", "src/app.cjs",
		},
		{
			"defines, loaders and banners are those of the template",
			map[string]string{"app.ts": "declare const WHO: string\nimport words from './a.txt'\nexport const handler = () => WHO + words + (globalThis as any).first", "a.txt": "words"},
			app.Bundle{Tool: app.SAMBuild, Handler: "app.handler", Options: map[string]any{"define": map[string]any{"WHO": `"me"`}, "loader": []any{".txt=text"}, "banner": []any{"js=globalThis.first = 1"}, "minify": "true", "target": "node20"}},
			"mewords1", "app.cjs",
		},
		{
			"JSX is compiled",
			map[string]string{"app.tsx": "const h = (a: string, b: null, c: string) => a + c\nexport const handler = () => <b>x</b>"},
			app.Bundle{Handler: "app.handler", Options: map[string]any{"jsxFactory": "h"}}, "bx", "app.cjs",
		},
		{
			"what is left out of the bundle is found from the source's folder",
			map[string]string{"src/node_modules/left/package.json": `{"name":"left","main":"m.js"}`, "src/node_modules/left/m.js": "module.exports = __filename.includes('.wirepost') ? 'in' : 'out'", "src/app.ts": "import left from 'left'\nexport const handler = () => left"},
			app.Bundle{Folder: "src", Tool: app.SAMBuild, Handler: "app.handler", Options: map[string]any{"external": []any{"left"}}}, "out", "app.cjs",
		},
		{
			"and in a module",
			map[string]string{"src/node_modules/@aws-sdk/left/package.json": `{"name":"@aws-sdk/left","main":"m.js"}`, "src/node_modules/@aws-sdk/left/m.js": "module.exports = 'sdk'", "src/app.mts": "import left from '@aws-sdk/left'\nexport const handler = () => left"},
			app.Bundle{Folder: "src", Handler: "app.handler", Exclude: []string{"@aws-sdk/*"}}, "sdk", "app.mjs",
		},
		{
			"files that are packed are next to it, and code is not",
			map[string]string{"app.ts": "import fs from 'fs'\nexport const handler = () => fs.readFileSync('views/a.txt', 'utf8') + fs.existsSync('views/b.ts') + fs.existsSync('views/c.txt')", "views/a.txt": "a", "views/b.ts": "", "views/c.txt": ""},
			app.Bundle{Tool: "serverless-esbuild", Handler: "app.handler", Files: []string{"views/**", "!views/c.*"}}, "afalsefalse", "app.cjs",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := project(t, test.files)
			test.b.Folder = filepath.Join(folder, test.b.Folder)
			printed, made := run(t, folder, test.b)
			if printed != test.want || len(made.Notes) > 0 || !made.Changed {
				t.Errorf("it printed %q, want %q; made %+v", printed, test.want, made)
			}
			if !isFile(filepath.Join(outOf(folder), filepath.FromSlash(test.file))) {
				t.Errorf("%s is not there", test.file)
			}
		})
	}
}

func TestAPackageWithCompiledCodeStaysOutside(t *testing.T) {
	const main = "module.exports = require('path').basename(__dirname) + ':' + __dirname.includes('node_modules')"
	files := map[string]string{
		"node_modules/own/package.json": `{"name":"own"}`, "node_modules/own/index.js": main, "node_modules/own/build/Release/x.node": "",
		"node_modules/split/package.json": `{"name":"split","optionalDependencies":{"@split/linux-x64":"1"}}`, "node_modules/split/index.js": main, "node_modules/@split/linux-x64/x.node": "",
		"node_modules/gyp/package.json": `{"name":"gyp","dependencies":{"bindings":"1"}}`, "node_modules/gyp/index.js": main,
		"node_modules/plain/package.json": `{"name":"plain"}`, "node_modules/plain/index.js": main,
		"app.ts": "import a from 'own'\nimport b from 'split'\nimport c from 'gyp'\nimport d from 'plain'\nexport const handler = () => [a, b, c, d].join(' ')",
	}
	folder := project(t, files)
	printed, _ := run(t, folder, app.Bundle{Folder: folder, Handler: "app.handler"})
	if want := "own:true split:true gyp:true bundle:false"; printed != want {
		t.Errorf("it printed %q, want %q", printed, want)
	}
}

func TestOptIsLeftToLayersUnlessItIsMapped(t *testing.T) {
	folder := project(t, map[string]string{"app.ts": "// @ts-ignore\nimport a from '/opt/nodejs/a'\nexport const handler = () => a", "here/a.ts": "export default 'mapped'"})
	b := app.Bundle{Folder: folder, Handler: "app.handler"}
	if _, err := Make(t.Context(), &b, outOf(folder)); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(outOf(folder), "app.cjs")); err != nil || !strings.Contains(string(text), `require("/opt/nodejs/a")`) {
		t.Errorf("the bundle is %q, %v", text, err)
	}
	write(t, filepath.Join(folder, "tsconfig.json"), `{"compilerOptions": {"paths": {"/opt/nodejs/*": ["./here/*"]}}}`)
	if printed, _ := run(t, folder, b); printed != "mapped" {
		t.Errorf("it printed %q", printed)
	}
}

func TestAnErrorHasTheLineOfTheSource(t *testing.T) {
	folder := project(t, map[string]string{"src/app.ts": "import {fail} from '../shared/fail'\nexport const handler = (): string => fail()\n", "shared/fail.ts": "type A = string\n\nexport function fail(): A {\n  throw new Error('no')\n}\n"})
	printed, made := run(t, folder, app.Bundle{Folder: filepath.Join(folder, "src"), Handler: "app.handler", Options: map[string]any{"sourcemap": "false"}})
	if !strings.Contains(printed, filepath.FromSlash("shared/fail.ts:4:9")) {
		t.Errorf("it printed %q", printed)
	}
	if want := []string{filepath.Join(folder, "shared", "fail.ts"), filepath.Join(folder, "src", "app.ts")}; !slices.Equal(made.Inputs, want) {
		t.Errorf("the inputs are %q, want %q", made.Inputs, want)
	}
}

func TestWhatDoesNotCompileLeavesTheBundleThatWas(t *testing.T) {
	folder := project(t, map[string]string{"app.ts": "export const handler = () => 'good'", "tsconfig.json": "{}", "package.json": "{}"})
	t.Chdir(folder)
	b := app.Bundle{Folder: ".", Handler: "app.handler"}
	_, made := run(t, folder, b)
	if want := []string{"app.ts", "package.json", "tsconfig.json"}; len(made.Inputs) != 3 || filepath.Base(made.Inputs[0]) != want[0] || filepath.Base(made.Inputs[1]) != want[1] || filepath.Base(made.Inputs[2]) != want[2] {
		t.Errorf("the inputs are %q", made.Inputs)
	}
	if _, made = run(t, folder, b); made.Changed {
		t.Error("nothing has changed, and the bundle is said to be another")
	}
	write(t, filepath.Join(folder, "app.ts"), "export const handler = () =>\n  'bad\n")
	_, err := Make(t.Context(), &b, outOf(folder))
	wrong, ok := errors.AsType[*Error](err)
	if !ok || err.Error() != "the handler app.handler cannot be bundled: app.ts:2:7: Unterminated string literal" || wrong.Handler != "app.handler" {
		t.Errorf("the error is %v", err)
	}
	if printed := node(t, outOf(folder), b.Handler); printed != "good" {
		t.Errorf("it printed %q", printed)
	}
	write(t, filepath.Join(folder, "app.ts"), "import './gone'\nexport const handler = () => 'bad'")
	if _, err := Make(t.Context(), &b, outOf(folder)); err == nil || !strings.HasSuffix(err.Error(), `: app.ts:1:8: Could not resolve "./gone"`) {
		t.Errorf("the error is %v", err)
	}
}

func TestWhatABundleHasNoMoreIsRemoved(t *testing.T) {
	folder := project(t, map[string]string{"app.ts": "export const handler = () => 1", "a/b.txt": "", "node_modules/left/index.js": ""})
	b := app.Bundle{Folder: folder, Handler: "app.handler", Files: []string{"**"}}
	run(t, folder, b)
	old := filepath.Join(outOf(folder), "a", "b.txt")
	if !isFile(old) {
		t.Fatal("the packed file is not there")
	}
	b.Files = nil
	if _, made := run(t, folder, b); !made.Changed {
		t.Error("a file went, and the bundle is said to be the same")
	}
	if _, err := os.Lstat(filepath.Dir(old)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder is still there: %v", err)
	}
	if !isFile(filepath.Join(folder, "a", "b.txt")) {
		t.Error("the source's own file was removed")
	}
}

func TestWhatALibraryCannotDoIsSaid(t *testing.T) {
	const decorated = "function d(...a: any[]): any {}\n@d\nexport class A { constructor(readonly x: string) {} }\nexport const handler = () => 1"
	for _, test := range []struct {
		name    string
		files   map[string]string
		options map[string]any
		want    []string
	}{
		{"types of decorators", map[string]string{"app.ts": decorated, "tsconfig.json": `{"compilerOptions": {"experimentalDecorators": true, "emitDecoratorMetadata": true}}`}, nil, []string{"emitDecoratorMetadata is on and not done"}},
		{"types of decorators in a base", map[string]string{"app.ts": decorated, "b.json": `{"compilerOptions": {"experimentalDecorators": true, "emitDecoratorMetadata": true}}`, "tsconfig.json": `{"extends": ["./b"]}`}, nil, []string{"emitDecoratorMetadata is on and not done"}},
		{"no decorators", map[string]string{"app.ts": "export const handler = () => 1", "tsconfig.json": `{"compilerOptions": {"emitDecoratorMetadata": true}}`}, nil, nil},
		{"decorators without types", map[string]string{"app.ts": decorated, "tsconfig.json": `{"compilerOptions": {"experimentalDecorators": true}}`}, nil, nil},
		{"options", map[string]string{"app.ts": "export const handler = () => 1"}, map[string]any{"mangleQuoted": "true", "format": "amd", "sourcemap": "true"}, []string{"the option format of T is left out: its value is not understood", "the option mangleQuoted of T is left out"}},
		{"esbuild's warnings", map[string]string{"app.ts": "export const handler = () => import.meta.url"}, map[string]any{"format": "cjs"}, []string{`app.ts:1:30: "import.meta" is not available`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := project(t, test.files)
			t.Chdir(folder)
			made, err := Make(t.Context(), &app.Bundle{Tool: "T", Folder: ".", Handler: "app.handler", Options: test.options}, outOf(folder))
			if err != nil || len(made.Notes) != len(test.want) {
				t.Fatalf("the notes are %+v, %v, want %q", made, err, test.want)
			}
			for i, note := range made.Notes {
				if !strings.HasPrefix(note, test.want[i]) {
					t.Errorf("a note is %q, want %q", note, test.want[i])
				}
			}
		})
	}
}

func TestAHandlerThatNoFileMakesIsAnError(t *testing.T) {
	for _, test := range []struct {
		b    app.Bundle
		want string
	}{
		{app.Bundle{Handler: "other.handler"}, "there is no file for the handler other.handler: other.ts, or one that ends in"},
		{app.Bundle{Handler: "../app.handler"}, `the handler "../app.handler" must be FILE.FUNCTION`},
		{app.Bundle{Handler: "app"}, `the handler "app" must be FILE.FUNCTION`},
		{app.Bundle{Handler: "app.handler", Entries: []string{"gone.ts"}}, "the entry point gone.ts is not in ."},
		{app.Bundle{Handler: "other.handler", Entries: []string{"app.ts"}}, "none of its entry points app.ts makes the file of the handler other.handler"},
	} {
		folder := project(t, map[string]string{"app.ts": "export const handler = () => 1"})
		t.Chdir(folder)
		test.b.Folder = "."
		if _, err := Make(t.Context(), &test.b, outOf(folder)); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %s", test.b, err, test.want)
		}
	}
}

func TestPatternsTakeWhatTheySay(t *testing.T) {
	for _, test := range []struct {
		patterns, name string
		want           bool
	}{
		{"a/**", "a/b/c.txt", true}, {"a/**", "ab", false}, {"**/*.graphql", "x.graphql", true}, {"**/*.graphql", "a/b/x.graphql", true},
		{"*.txt", "a/b.txt", false}, {"./a.{txt,md}", "a.md", true}, {"a?", "ab", true}, {"** !secret/**", "secret/a", false}, {"**", ".env", true}, {"{a", "a", true}, {"[a", "[a", true}, {"ü*", "über", true}, {"a\xa2*", "ab", false},
	} {
		var patterns []pattern
		for p := range strings.FieldsSeq(test.patterns) {
			patterns = append(patterns, newPattern(p))
		}
		if got := takes(patterns, test.name); got != test.want {
			t.Errorf("%s takes %s: %v, want %v", test.patterns, test.name, got, test.want)
		}
	}
}

func FuzzTSConfigAndPatterns(f *testing.F) {
	f.Add(`{"extends": "./a", /* x */ "a": "//",}`)
	f.Add("\xa2")
	f.Fuzz(func(_ *testing.T, s string) {
		withoutComments([]byte(s))
		takes([]pattern{newPattern(s)}, s)
	})
}

func BenchmarkBundle(b *testing.B) {
	folder := b.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "app.ts"), []byte("export const handler = async (): Promise<number> => 1\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Make(b.Context(), &app.Bundle{Folder: folder, Handler: "app.handler"}, outOf(folder)); err != nil {
			b.Fatal(err)
		}
	}
}
