package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// bundledApp writes an app into a folder, with Node.js at hand.
func bundledApp(t *testing.T, files map[string]string) string {
	t.Helper()
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		change(t, filepath.Join(folder, filepath.FromSlash(name)), text)
	}
	return folder
}

func change(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// asks sends a message that names a route, and gives what comes back.
func (r *running) asks(t *testing.T, route string) string {
	t.Helper()
	client := r.dial(t)
	if err := client.Send(`{"action":"` + route + `"}`); err != nil {
		t.Fatal(err)
	}
	got, err := client.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// samOf is a template of SAM with a two-way route for each function.
func samOf(functions map[string]string) string {
	text := "Transform: AWS::Serverless-2016-10-31\nResources:\n  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}\n" +
		"  Stage: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Api, StageName: live}}\n"
	for name, function := range functions {
		text += "  " + name + ": {Type: AWS::Serverless::Function, " + function + "}\n" +
			"  " + name + "Made: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref Api, IntegrationType: AWS_PROXY, IntegrationUri: !Sub 'arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${" + name + ".Arn}/invocations'}}\n" +
			"  " + name + "Route: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: " + strings.ToLower(name) + ", RouteResponseSelectionExpression: $default, Target: !Sub 'integrations/${" + name + "Made}'}}\n" +
			"  " + name + "Answers: {Type: AWS::ApiGatewayV2::RouteResponse, Properties: {ApiId: !Ref Api, RouteId: !Ref " + name + "Route, RouteResponseKey: $default}}\n"
	}
	return text
}

// answering is a handler in TypeScript.
func answering(expression string) string {
	return "export const handler = async (e: {body: string}): Promise<object> => ({statusCode: 200, body: " + expression + "})\n"
}

func TestTypeScriptRunsAsItsToolMakesIt(t *testing.T) {
	t.Parallel()
	const service = "service: a\nprovider: {name: aws, runtime: nodejs22.x, websocketsApiRouteSelectionExpression: $request.body.action}\n"
	const function = "functions:\n  f: {handler: src/app.handler, events: [{websocket: {route: f, routeResponseSelectionExpression: $default}}]}\n"
	for _, test := range []struct {
		name, template string
		files          map[string]string
		want           string
	}{
		{"SAM", "template.yaml", map[string]string{
			"template.yaml": samOf(map[string]string{"F": "Properties: {Runtime: nodejs20.x, CodeUri: src, Handler: app.handler}, Metadata: {BuildMethod: esbuild, BuildProperties: {EntryPoints: [app.ts], Target: es2022, Minify: true}}"}),
			"src/app.ts":    "import {who} from '../shared/who'\n" + answering("who + typeof require"), "shared/who.ts": "export const who: string = 'sam '",
		}, "sam function"},
		{"SAM with modules", "template.yaml", map[string]string{
			"template.yaml": samOf(map[string]string{"F": "Properties: {Runtime: nodejs20.x, CodeUri: src, Handler: app.handler}, Metadata: {BuildMethod: esbuild, BuildProperties: {EntryPoints: [app.ts], Format: esm, OutExtension: ['.js=.mjs'], Target: es2022}}"}),
			"src/app.ts":    "const late = await Promise.resolve('late ')\n" + answering("late + typeof import.meta.url"),
		}, "late string"},
		{"SAM without a tool", "template.yaml", map[string]string{
			"template.yaml": samOf(map[string]string{"F": "Properties: {Runtime: nodejs20.x, CodeUri: src/, Handler: app.handler}"}),
			"src/app.ts":    "import {readFileSync} from 'fs'\n" + answering("readFileSync('a.txt', 'utf8')"), "src/a.txt": "packed",
		}, "packed"},
		{"what 'sam build' has made", "template.yaml", map[string]string{
			"template.yaml": samOf(map[string]string{"F": "Properties: {Runtime: nodejs20.x, CodeUri: F, Handler: app.handler}, Metadata: {BuildMethod: esbuild, BuildProperties: {EntryPoints: [app.ts]}}"}),
			"F/app.js":      "exports.handler = async () => ({statusCode: 200, body: 'built'})",
		}, "built"},
		{"Serverless with a plugin", "serverless.yml", map[string]string{
			"serverless.yml": service + "plugins: [serverless-esbuild]\ncustom: {esbuild: {define: {WHO: '\"plugin \"'}}}\npackage: {patterns: [words/*]}\n" + function,
			"src/app.ts":     "import {readFileSync} from 'fs'\ndeclare const WHO: string\n" + answering("WHO + readFileSync('words/a.txt', 'utf8')"), "words/a.txt": "words",
		}, "plugin words"},
		{"Serverless with the compiler's plugin", "serverless.yml", map[string]string{
			"serverless.yml": service + "plugins: [serverless-plugin-typescript]\n" + function, "node_modules/dep/index.js": "module.exports = __filename.includes('.wirepost') ? 'bundled' : 'outside'",
			"src/app.ts": "import {who} from './who'\nimport dep from 'dep'\n" + answering("who + dep"), "src/who.ts": "export const who: string = 'compiled '",
		}, "compiled outside"},
		{"Serverless with webpack", "serverless.yml", map[string]string{
			"serverless.yml": service + "plugins: [serverless-webpack]\ncustom: {webpack: {webpackConfig: webpack.config.js}}\n" + function, "webpack.config.js": "throw new Error('it was run')",
			"src/app.ts": answering("'packed'"),
		}, "packed"},
		{"Serverless 4, tsconfig paths and a package", "serverless.yml", map[string]string{
			"serverless.yml": service + "frameworkVersion: '4'\n" + function, "tsconfig.json": `{"compilerOptions": {"baseUrl": ".", "paths": {"@/*": ["./lib/*"]}}}`,
			"lib/a.ts": "export const a: string = 'four '", "node_modules/dep/index.js": "module.exports = 'dep'", "src/app.ts": "import {a} from '@/a'\nimport dep from 'dep'\n" + answering("a + dep"),
		}, "four dep"},
		{"Serverless without a word", "serverless.yml", map[string]string{
			"serverless.yml": service + function, "package.json": `{"type": "module"}`, "src/app.ts": answering("'plain ' + typeof import.meta.url"),
		}, "plain string"},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := bundledApp(t, test.files)
			dev := startDevProcess(t, nil, "--template", filepath.Join(folder, test.template))
			if got := dev.asks(t, "f"); got != test.want {
				t.Errorf("it answered %q, want %q", got, test.want)
			}
			if strings.Contains(dev.output.String(), "error:") {
				t.Errorf("the dev said an error:\n%s", dev.output)
			}
		})
	}
}

func TestAFunctionThatCannotBeBundledFailsAlone(t *testing.T) {
	t.Parallel()
	folder := bundledApp(t, map[string]string{
		"template.yaml": samOf(map[string]string{"Good": "Properties: {Runtime: nodejs20.x, CodeUri: good, Handler: app.handler}", "Bad": "Properties: {Runtime: nodejs20.x, CodeUri: bad, Handler: app.handler}"}),
		"good/app.ts":   answering("'good'"), "bad/app.ts": "import {x} from '../shared/x'\n" + answering("x +"),
	})
	dev := startDevProcess(t, nil, "--watch", "--template", filepath.Join(folder, "template.yaml"))
	dev.await(t, `^wirepost: error: \S+template\.yaml:\d+: function Bad fails each invocation: the handler app\.handler cannot be bundled: \S+/bad/app\.ts:2:\d+: Unexpected`)
	if got := dev.asks(t, "good"); got != "good" {
		t.Errorf("the good one answered %q", got)
	}
	if got := dev.asks(t, "bad"); !strings.Contains(got, "Internal server error") {
		t.Errorf("the bad one answered %q", got)
	}
	change(t, filepath.Join(folder, "bad", "app.ts"), "import {x} from '../shared/x'\n"+answering("x"))
	dev.await(t, `^wirepost: error: function Bad cannot be bundled since \S+ changed: .*bad/app\.ts:1:17: Could not resolve "\.\./shared/x"`)
	change(t, filepath.Join(folder, "shared", "x.ts"), "export const x = 'mended'")
	change(t, filepath.Join(folder, "bad", "app.ts"), "import {x} from '../shared/x'\n\n"+answering("x"))
	dev.await(t, `^wirepost: hint: function Bad runs, now that \S+ has changed`)
	if got := dev.asks(t, "bad"); got != "mended" {
		t.Errorf("the bad one answered %q when it was mended", got)
	}
}

func TestAFunctionIsBundledAgainWhenAFileOfItChanges(t *testing.T) {
	t.Parallel()
	folder := bundledApp(t, map[string]string{
		"template.yaml": samOf(map[string]string{"F": "Properties: {Runtime: nodejs20.x, CodeUri: src, Handler: app.handler}, Metadata: {BuildMethod: esbuild, BuildProperties: {EntryPoints: [app.ts]}}"}),
		"src/app.ts":    "import {x} from '../shared/x'\n" + answering("x"), "shared/x.ts": "export const x = 'one'", "shared/unused.ts": "",
	})
	dev := startDevProcess(t, nil, "--watch", "--template", filepath.Join(folder, "template.yaml"))
	if got := dev.asks(t, "f"); got != "one" {
		t.Errorf("it answered %q", got)
	}
	change(t, filepath.Join(folder, "shared", "x.ts"), "export const x = 'one")
	dev.await(t, `^wirepost: error: function F cannot be bundled since \S+x\.ts changed; the old one goes on: .*shared/x\.ts:1:\d+: Unterminated string literal`)
	if got := dev.asks(t, "f"); got != "one" {
		t.Errorf("it answered %q with a mistake in its source", got)
	}
	change(t, filepath.Join(folder, "shared", "x.ts"), "export {x} from './y'")
	change(t, filepath.Join(folder, "shared", "y.ts"), "export const x = 'two'")
	dev.await(t, `^wirepost: hint: function F was restarted`)
	if got := dev.asks(t, "f"); got != "two" {
		t.Errorf("it answered %q", got)
	}
	change(t, filepath.Join(folder, "shared", "y.ts"), "export const x = 'three, of a file that came later'")
	dev.await(t, `(?s)function F was restarted.*function F was restarted`)
	if got := dev.asks(t, "f"); got != "three, of a file that came later" {
		t.Errorf("it answered %q", got)
	}
	for _, said := range regexp.MustCompile(`(?m)^wirepost: error: .*`).FindAllString(dev.output.String(), -1)[1:] {
		t.Errorf("the dev said %s", said)
	}
}

func TestAPackedFileRestartsItsFunction(t *testing.T) {
	t.Parallel()
	folder := bundledApp(t, map[string]string{
		"serverless.yml": "service: a\nprovider: {name: aws, runtime: nodejs22.x, websocketsApiRouteSelectionExpression: $request.body.action}\nplugins: [serverless-esbuild]\npackage: {patterns: ['*.txt']}\nfunctions:\n  f: {handler: app.handler, events: [{websocket: {route: f, routeResponseSelectionExpression: $default}}]}\n",
		"app.ts":         "import {readFileSync} from 'fs'\nconst words = readFileSync('a.txt', 'utf8')\n" + answering("words"), "a.txt": "first",
	})
	dev := startDevProcess(t, nil, "--watch", "--template", filepath.Join(folder, "serverless.yml"))
	if got := dev.asks(t, "f"); got != "first" {
		t.Errorf("it answered %q", got)
	}
	// A file that changes right after a message is taken for one that the function
	// writes itself: this one is changed until it is seen.
	for n := 0; !strings.Contains(dev.output.String(), "was restarted") && n < 30; n++ {
		change(t, filepath.Join(folder, "a.txt"), "second"+strings.Repeat(" ", n%2))
		select {
		case <-dev.output.said:
		case <-time.After(2 * time.Second):
		}
	}
	dev.await(t, `^wirepost: hint: function a-dev-f was restarted, because \S+a\.txt`)
	if got := dev.asks(t, "f"); strings.TrimSpace(got) != "second" {
		t.Errorf("it answered %q", got)
	}
}

func TestAPackageThatIsNotInstalledIsInstalledInTheSource(t *testing.T) {
	t.Parallel()
	folder := bundledApp(t, map[string]string{
		"app.ts":        "import gone from 'gone'\n" + answering("gone"),
		"template.yaml": samOf(map[string]string{"F": "Properties: {Runtime: nodejs20.x, CodeUri: ., Handler: app.handler}, Metadata: {BuildMethod: esbuild, BuildProperties: {EntryPoints: [app.ts], External: [gone]}}"}),
	})
	dev := startDevProcess(t, nil, "--template", filepath.Join(folder, "template.yaml"))
	dev.await(t, `^wirepost: error: .* which is not installed; npm install gone in `+regexp.QuoteMeta(folder)+`$`)
}

func TestAnErrorOfABundledFunctionHasTheLineOfItsSource(t *testing.T) {
	t.Parallel()
	folder := bundledApp(t, map[string]string{
		"template.yaml": samOf(map[string]string{"F": "Properties: {Runtime: nodejs20.x, CodeUri: src, Handler: app.handler, Environment: {Variables: {NODE_OPTIONS: --no-warnings}}}, Metadata: {BuildMethod: esbuild, BuildProperties: {EntryPoints: [app.ts], Minify: true, Sourcemap: false}}"}),
		"src/app.ts":    "type E = {body: string}\n\nexport const handler = async (e: E) => {\n  console.log('options', process.env.NODE_OPTIONS)\n  throw new Error('thrown')\n}\n",
	})
	dev := startDevProcess(t, nil, "--template", filepath.Join(folder, "template.yaml"))
	dev.asks(t, "f")
	dev.await(t, `options (--require \S+ )?--no-warnings --enable-source-maps$`)
	dev.await(t, `src/app\.ts:5:9\)?$`)
}

func TestDecoratorsThatAskForTypesAreSaid(t *testing.T) {
	t.Parallel()
	folder := bundledApp(t, map[string]string{
		"serverless.yml": "service: a\nprovider: {name: aws, runtime: nodejs22.x}\nfunctions:\n  f: {handler: app.handler, events: [{websocket: {route: $default}}]}\n",
		"tsconfig.json":  `{"compilerOptions": {"experimentalDecorators": true, "emitDecoratorMetadata": true}}`, "app.ts": "function d(...a: any[]): any {}\n@d\nclass A {}\n" + answering("A.name"),
	})
	dev := startDevProcess(t, nil, "--template", filepath.Join(folder, "serverless.yml"))
	dev.await(t, `^wirepost: hint: \S+serverless\.yml:4: function a-dev-f: emitDecoratorMetadata is on and not done, .* --function ID=FOLDER`)
}

func TestInvokeTakesTypeScript(t *testing.T) {
	folder := bundledApp(t, map[string]string{"src/app.ts": answering("'invoked ' + typeof process.env.NODE_OPTIONS"), "bad/app.ts": "export const handler = (\n"})
	t.Chdir(folder)
	for dir, want := range map[string]string{"src": `^\{"statusCode":200,"body":"invoked string"\}\n$`, "bad": `^wirepost: error: the handler app\.handler cannot be bundled: bad/app\.ts:2:1: Unexpected end of file`} {
		var out bytes.Buffer
		run(t.Context(), []string{"invoke", "--event", "connect", "--handler", "app.handler", "--", dir}, strings.NewReader(""), &out, &out)
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("%s: it printed %q, want %s", dir, out.String(), want)
		}
	}
}

func TestANamedHandlerMayBeInTypeScript(t *testing.T) {
	t.Parallel()
	folder := bundledApp(t, map[string]string{"src/app.ts": answering("'named'"), "src/node/app.ts": answering("'node'")})
	dev := startDevProcess(t, nil, "--handler", "src/app.handler", "--route", "n=node:"+filepath.Join(folder, "src/node")+"#app.handler", "--route-response", "$default", "--route-response", "n", folder)
	for route, want := range map[string]string{"f": "named", "n": "node"} {
		if got := dev.asks(t, route); got != want {
			t.Errorf("route %s answered %q, want %q", route, got, want)
		}
	}
}
