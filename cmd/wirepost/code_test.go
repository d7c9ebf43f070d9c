package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// samWith is a template of SAM with functions, given as name and properties in turn, each
// with a two-way route of its name.
func samWith(functions ...string) string {
	var b strings.Builder
	b.WriteString("Transform: AWS::Serverless-2016-10-31\nResources:\n" +
		"  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: a, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}\n" +
		"  Stage: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Api, StageName: dev, AutoDeploy: true}}\n")
	for i := 0; i < len(functions); i += 2 {
		name := functions[i]
		fmt.Fprintf(&b, "  %[1]sI: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref Api, IntegrationType: AWS_PROXY, CredentialsArn: x, IntegrationUri: !Sub 'arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${%[1]s.Arn}/invocations'}}\n"+
			"  %[1]sR: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: %[1]s, Target: !Sub 'integrations/${%[1]sI}'}}\n"+
			"  %[1]sA: {Type: AWS::ApiGatewayV2::RouteResponse, Properties: {ApiId: !Ref Api, RouteId: !Ref %[1]sR, RouteResponseKey: $default}}\n"+
			"  %[1]s:\n    Type: AWS::Serverless::Function\n    Properties:\n      %[2]s\n", name, strings.ReplaceAll(strings.TrimSpace(functions[i+1]), "\n", "\n      "))
	}
	return b.String()
}

// folderOf writes files into a new folder, and returns it.
func folderOf(t *testing.T, texts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range texts {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, path, text)
	}
	return dir
}

// each sends a message to a route, given with its answer in turn.
func (r *running) each(t *testing.T, routes ...string) {
	t.Helper()
	client := r.dial(t)
	for i := 0; i < len(routes); i += 2 {
		if err := client.Send(`{"action":"` + routes[i] + `"}`); err != nil {
			t.Fatal(err)
		}
		if got, err := client.Receive(t.Context()); err != nil || got != routes[i+1] {
			t.Errorf("route %s answers %q, %v, want %q", routes[i], got, err, routes[i+1])
		}
	}
}

const answerOf = "exports.handler = async () => ({statusCode: 200, body: BODY})"

func TestLayersOfATemplateAreThereForItsFunctions(t *testing.T) {
	t.Parallel()
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	needs(t, "Python", exec.Command("python3", "--version").Run() == nil)
	dir := folderOf(t, map[string]string{
		"template.yaml": samWith(
			"js", "{Runtime: nodejs20.x, CodeUri: js, Handler: a.handler, Layers: [!Ref First, !Ref Second, !Ref Gone]}",
			"esm", "{Runtime: nodejs20.x, CodeUri: js, Handler: b.handler, Layers: [!Ref First, !Ref Second]}",
			"py", "{Runtime: python3.12, CodeUri: py, Handler: a.handler, Layers: [!Ref First]}",
			"one", "{Runtime: nodejs20.x, CodeUri: js, Handler: c.handler, Layers: [!Ref First, !Ref Source]}",
		) + "  First: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: first}}\n" +
			"  Second: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: second}}\n" +
			"  Gone: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: gone}}\n" +
			"  Source: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: source}, Metadata: {BuildMethod: nodejs20.x}}\n",
		"js/a.js":                answerOfRequire,
		"js/b.mjs":               "import greet from 'greet'; import tool from '/opt/nodejs/tool.js'; export const handler = async () => ({statusCode: 200, body: greet + tool})",
		"js/c.js":                strings.ReplaceAll(answerOf, "BODY", "require('greet') + require('/opt/nodejs/unbuilt') + require('fs').existsSync('/opt/nodejs/none') + (() => { try { require('fs').readFileSync('/opt/data.txt') } catch (e) { console.log(e) } return '' })()"),
		"py/a.py":                "from shared import word\ndef handler(event, context):\n    return {'statusCode': 200, 'body': word}\n",
		"first/python/shared.py": "word = 'python of a layer'\n",
		"first/nodejs/node_modules/greet/index.js":  "module.exports = 'first'",
		"source/unbuilt.js":                         "module.exports = ' unbuilt '",
		"first/nodejs/tool.js":                      "module.exports = ' tool'",
		"second/nodejs/node_modules/greet/index.js": "module.exports = 'second'",
	})
	if err := os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "gone")); err != nil {
		t.Fatal(err)
	}
	dev := startDevProcess(t, nil, "--watch", "--template", filepath.Join(dir, "template.yaml"))
	dev.await(t, `^wirepost: hint: \S+template\.yaml:\d+: layer Gone is left out of function js: its content \S+gone is a link that leads nowhere$`)
	dev.each(t, "js", "second tool", "esm", "second tool", "py", "python of a layer", "one", "first unbuilt false")
	write(t, filepath.Join(dir, "first/python/shared.py"), "word = 'python of a changed layer'\n")
	dev.await(t, `^wirepost: hint: function py was restarted, because \S+shared\.py changed$`)
	dev.each(t, "py", "python of a changed layer")
	dev.await(t, `^wirepost: hint: a function reads /opt/data.txt, which is not there: here only require and import find what layers have in /opt; the files are in \.wirepost/layers$`)
}

const answerOfRequire = "const tool = require('/opt/nodejs/tool'); exports.handler = async () => ({statusCode: 200, body: require('greet') + tool})"

func TestCodeInATemplateRunsWithTheTemplatesLineNumbers(t *testing.T) {
	t.Parallel()
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	needs(t, "Python", exec.Command("python3", "--version").Run() == nil)
	template := samWith(
		"js", "Runtime: nodejs20.x\nHandler: index.handler\nInlineCode: |\n  exports.handler = async () => {\n    return {statusCode: 200, body: new Error().stack.split('\\n')[1].replace(/.*index.js:(\\d+).*/, 'line $1')}\n  }",
		"py", "Runtime: python3.12\nHandler: index.handler\nInlineCode: !Sub |\n  import sys\n  def handler(event, context):\n    return {'statusCode': 200, 'body': 'line %d of ${AWS::Region}' % sys._getframe().f_lineno}",
	)
	line := func(text string) int { return strings.Count(template[:strings.Index(template, text)], "\n") + 1 }
	dir := folderOf(t, map[string]string{"template.yaml": template})
	dev := startDevProcess(t, nil, "--template", filepath.Join(dir, "template.yaml"))
	dev.each(t, "js", fmt.Sprintf("line %d", line("new Error")), "py", fmt.Sprintf("line %d of us-east-1", line("sys._getframe")))
}

// The SDK is in the folder next to the one that has the template, as where a stack and
// its functions are two packages, and below node_modules of the function's own folder
// there is none.
func TestAFunctionWithoutTheSDKFindsItWhereItsProjectHasIt(t *testing.T) {
	t.Parallel()
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	const sdk = "exports.word = 'of the project'"
	dir := folderOf(t, map[string]string{
		"stack/cdk.out/template.json": "",
		"stack/cdk.out/template.yaml": samWith(
			"esm", "{Runtime: nodejs20.x, CodeUri: asset.1, Handler: a.handler}",
			"js", "{Runtime: nodejs20.x, CodeUri: asset.2, Handler: a.handler, Environment: {Variables: {NODE_OPTIONS: --enable-source-maps, HTTPS_PROXY: 'http://me:secret@127.0.0.1:9'}}}",
			"v2", "{Runtime: nodejs16.x, CodeUri: asset.2, Handler: b.handler}"),
		"stack/cdk.out/asset.1/a.mjs":                             "import {word} from '@aws-sdk/client-made'; export const handler = async () => ({statusCode: 200, body: word})",
		"stack/cdk.out/asset.2/a.js":                              "const {word} = require('@aws-sdk/client-made'); " + strings.ReplaceAll(answerOf, "BODY", "word + ' ' + process.env.NODE_OPTIONS.replace(/^--require \"[^\"]+intercept.cjs\" /, '')"),
		"stack/cdk.out/asset.2/b.js":                              strings.ReplaceAll(answerOf, "BODY", "require('aws-sdk').word"),
		"stack/lambda/node_modules/@aws-sdk/client-made/index.js": sdk,
		"stack/lambda/node_modules/aws-sdk/index.js":              sdk,
	})
	dev := startDevProcess(t, []string{"NODE_OPTIONS=--no-deprecation"}, "--template", filepath.Join(dir, "stack/cdk.out/template.yaml"))
	dev.await(t, `^wirepost: hint: \S+template\.yaml:\d+: function js has HTTPS_PROXY in the template: what it calls goes through that proxy here too$`)
	dev.each(t, "esm", "of the project", "js", "of the project --no-deprecation --enable-source-maps", "v2", "of the project")
	if strings.Contains(dev.output.String(), "secret") {
		t.Error("the password of a proxy was printed")
	}
}

// goFunction is a function in Go, of the standard library alone, that answers a word.
const goFunction = `package main

import (
	"bytes"
	"net/http"
	"os"
)

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		next, err := http.Get(api + "next")
		if err != nil {
			os.Exit(1)
		}
		next.Body.Close()
		answer := []byte("{\"statusCode\": 200, \"body\": \"WORD\"}")
		if done, err := http.Post(api+next.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "application/json", bytes.NewReader(answer)); err == nil {
			done.Body.Close()
		}
	}
}
`

func goFunctionOf(word string) string { return strings.ReplaceAll(goFunction, "WORD", word) }

func TestTwoProgramsOfOneServiceAreBuiltEachFromItsOwnFolder(t *testing.T) {
	t.Parallel()
	dir := folderOf(t, map[string]string{
		"serverless.yml": "service: s\nprovider: {name: aws, runtime: go1.x}\nfunctions:\n" +
			"  first: {handler: bin/first, events: [{websocket: {route: first, routeResponseSelectionExpression: $default}}]}\n" +
			"  second: {handler: bin/second, events: [{websocket: {route: second, routeResponseSelectionExpression: $default}}]}\n",
		"go.mod":             "module m\n\ngo 1.21\n",
		"cmd/first/main.go":  goFunctionOf("one"),
		"cmd/second/main.go": goFunctionOf("two"),
		"main.go":            goFunctionOf("neither"),
	})
	dev := startDevProcess(t, nil, "--template", filepath.Join(dir, "serverless.yml"))
	dev.each(t, "first", "one", "second", "two")
}

func TestAProgramThatTheProjectHasNotBuiltYetRunsFromItsSource(t *testing.T) {
	dir := folderOf(t, map[string]string{
		"serverless.yml": "service: s\nprovider: {name: aws, runtime: provided.al2023}\nfunctions:\n" +
			"  first: {handler: bootstrap, package: {artifact: bin/first.zip}, events: [{websocket: {route: first, routeResponseSelectionExpression: $default}}]}\n" +
			"  second: {handler: bootstrap, package: {artifact: bin/second/bootstrap.zip}, events: [{websocket: {route: second, routeResponseSelectionExpression: $default}}]}\n",
		"go.mod":             "module m\n\ngo 1.21\n",
		"cmd/first/main.go":  goFunctionOf("one"),
		"cmd/second/main.go": goFunctionOf("two"),
	})
	dev := startDev(t, "--template", filepath.Join(dir, "serverless.yml"))
	dev.each(t, "first", "one", "second", "two")
}

func TestAProgramRunsFromItsSourceAndBuilt(t *testing.T) {
	t.Parallel()
	elf := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 57)...) // the beginning of a program for another processor
	elf[18] = map[string]byte{"arm64": 0x3e}[runtime.GOARCH]
	if elf[18] == 0 {
		elf[18] = 0xb7
	}
	dir := folderOf(t, map[string]string{
		"template.yaml": samWith(
			"source", "{Runtime: provided.al2023, CodeUri: source, Handler: bootstrap}",
			"built", "{Runtime: provided.al2023, CodeUri: built, Handler: bootstrap}",
			"other", "{Runtime: provided.al2023, CodeUri: other, Handler: bootstrap}"),
		"source/go.mod": "module m\n\ngo 1.21\n", "source/main.go": goFunctionOf("from source"),
		"built/go.mod": "module m\n\ngo 1.21\n", "built/main.go": goFunctionOf("built"),
		"other/go.mod": "module m\n\ngo 1.21\n", "other/main.go": goFunctionOf("built for this machine"),
	})
	write(t, filepath.Join(dir, "other/bootstrap"), string(elf))
	build := exec.Command("go", "build", "-o", "bootstrap", ".")
	build.Dir = filepath.Join(dir, "built")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// The source is not what runs where there is a program.
	write(t, filepath.Join(dir, "built/main.go"), "package main\n\nfunc main() { does not compile }\n")
	dev := startDevProcess(t, nil, "--template", filepath.Join(dir, "template.yaml"))
	dev.each(t, "source", "from source", "built", "built", "other", "built for this machine")
}

// pythonRuntime is a runtime of its own, which answers with a file of the function's
// folder.
const pythonRuntime = `#!/usr/bin/env python3
import json, os
from http.client import HTTPConnection
body = open(os.environ["LAMBDA_TASK_ROOT"] + "/" + os.environ["_HANDLER"]).read()
api = HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    event = api.getresponse()
    event.read()
    api.request("POST", "/2018-06-01/runtime/invocation/%s/response" % event.headers["Lambda-Runtime-Aws-Request-Id"], json.dumps({"statusCode": 200, "body": "VERSION " + body}))
    api.getresponse().read()
`

func TestARuntimeInALayerRunsTheFunctionsCode(t *testing.T) {
	t.Parallel()
	needs(t, "Python", exec.Command("python3", "--version").Run() == nil)
	foreign := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 57)...)
	foreign[18] = 0xf3 // RISC-V
	dir := folderOf(t, map[string]string{
		"template.yaml": samWith(
			"folder", "{Runtime: provided.al2023, CodeUri: code, Handler: answer.txt, Layers: [!Ref Made]}",
			"zipped", "{Runtime: provided.al2, CodeUri: code, Handler: answer.txt, Layers: [!Ref Zipped]}",
			"other", "{Runtime: provided.al2, CodeUri: code, Handler: answer.txt, Layers: [!Ref Other]}",
			"unbuilt", "{Runtime: provided.al2, CodeUri: code, Handler: answer.txt, Layers: [!Ref Unbuilt]}",
		) + "  Made: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: runtime}}\n" +
			"  Zipped: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: runtime.zip}}\n" +
			"  Other: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: other}}\n" +
			"  Unbuilt: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: build}}\n",
		"code/answer.txt":   "one",
		"runtime/bootstrap": strings.ReplaceAll(pythonRuntime, "VERSION", "first"),
		"other/bootstrap":   string(foreign),
	})
	if err := os.Chmod(filepath.Join(dir, "runtime/bootstrap"), 0o700); err != nil {
		t.Fatal(err)
	}
	zipped(t, filepath.Join(dir, "runtime.zip"), "bootstrap", strings.ReplaceAll(pythonRuntime, "VERSION", "zipped"))
	dev := startDevProcess(t, nil, "--watch", "--template", filepath.Join(dir, "template.yaml"))
	dev.await(t, `function other, which route other needs, cannot be run here: its program bootstrap in the layer Other is one for linux/riscv64, and this machine is \S+; build the layer for \S+, or give --function`)
	dev.await(t, `function unbuilt, which route unbuilt needs, cannot be run here: there is no bootstrap in \S+, and the layer Unbuilt, which may have it, is not on this machine; build it first, or give`)
	dev.each(t, "folder", "first one", "zipped", "zipped one")
	write(t, filepath.Join(dir, "runtime/bootstrap"), strings.ReplaceAll(pythonRuntime, "VERSION", "second"))
	dev.await(t, `^wirepost: hint: function folder was restarted, because \S+bootstrap( \(and \d more\))? changed$`)
	dev.each(t, "folder", "second one")
}

// zipped writes a zip file with programs, given as name and text in turn, in one step, as
// a tool does that makes it elsewhere first.
func zipped(t *testing.T, file string, texts ...string) {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(texts); i += 2 {
		header := &zip.FileHeader{Name: texts[i]}
		header.SetMode(0o755)
		f, err := w.CreateHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(texts[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, file+".new", b.String())
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// What is put together below .wirepost is put together again when what it is made of
// changes, once for each change.
func TestAChangedLayerOrZipFileRestartsItsFunctions(t *testing.T) {
	t.Parallel()
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	answer := func(expression string) string { return strings.ReplaceAll(answerOf, "BODY", expression) }
	dir := folderOf(t, map[string]string{
		"template.yaml": samWith(
			"packed", "{Runtime: nodejs20.x, CodeUri: code.zip, Handler: a.handler}",
			"modules", "{Runtime: nodejs20.x, CodeUri: js, Handler: a.handler, Layers: [!Ref Modules]}",
			"linked", "{Runtime: nodejs20.x, CodeUri: js, Handler: b.handler, Layers: [!Ref Modules]}",
			"ziplayer", "{Runtime: nodejs20.x, CodeUri: js, Handler: c.handler, Layers: [!Ref Zip]}",
			"bundled", "{Runtime: nodejs20.x, CodeUri: ts, Handler: a.handler, Layers: [!Ref Zip]}",
			"late", "{Runtime: nodejs20.x, CodeUri: js, Handler: d.handler, Layers: [!Ref Late]}",
		) + "  Modules: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layer}}\n" +
			"  Zip: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layer.zip}}\n" +
			"  Late: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: late}}\n",
		"js/a.js": answer("require('greet')"), "js/b.js": answer("require('linked')"), "js/c.js": answer("require('/opt/words')"), "js/d.js": answer("require('late')"),
		"ts/a.ts":       "// @ts-ignore\nimport words from '/opt/words'\nexport const handler = async (): Promise<object> => ({statusCode: 200, body: 'bundled ' + words})",
		"shared/one.js": "", "shared/index.js": "module.exports = 'linked'",
		"layer/nodejs/node_modules/greet/index.js": "module.exports = 'one'",
	})
	if err := os.Symlink(filepath.Join(dir, "shared"), filepath.Join(dir, "layer/nodejs/node_modules/linked")); err != nil {
		t.Fatal(err)
	}
	zipped(t, filepath.Join(dir, "code.zip"), "a.js", answer("'zip one'"))
	zipped(t, filepath.Join(dir, "layer.zip"), "words.js", "module.exports = 'words one'")
	dev := startDevProcess(t, nil, "--watch", "--template", filepath.Join(dir, "template.yaml"))
	dev.each(t, "packed", "zip one", "modules", "one", "linked", "linked", "ziplayer", "words one", "bundled", "bundled words one")
	restarted := func(name, file string) {
		t.Helper()
		dev.await(t, `^wirepost: hint: function `+name+` (was restarted, because|runs, now that) \S+`+file+`( \(and \d more\))? (has )?changed$`)
	}

	write(t, filepath.Join(dir, "code.zip"), "no zip")
	dev.await(t, `^wirepost: error: function packed cannot be started since \S+code.zip changed; the old one goes on: its code \S+code.zip cannot be unpacked: `)
	dev.each(t, "packed", "zip one")
	zipped(t, filepath.Join(dir, "code.zip"), "a.js", answer("'zip two'"))
	restarted("packed", "code.zip")
	write(t, filepath.Join(dir, "layer/nodejs/node_modules/greet/index.js"), "module.exports = 'two'")
	restarted("modules", "greet/index.js")
	write(t, filepath.Join(dir, "shared/index.js"), "module.exports = 'linked two'")
	restarted("linked", "linked/index.js")
	zipped(t, filepath.Join(dir, "layer.zip"), "words.js", "module.exports = 'words two'")
	restarted("ziplayer", "layer.zip")
	restarted("bundled", "layer.zip")
	if err := os.MkdirAll(filepath.Join(dir, "late/nodejs/node_modules"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "late/nodejs/node_modules/late.js"), "module.exports = 'late'")
	restarted("late", "late.js")
	dev.each(t, "packed", "zip two", "modules", "two", "linked", "linked two", "ziplayer", "words two", "bundled", "bundled words two", "late", "late")
	if n := strings.Count(dev.output.String(), "function packed was restarted"); n != 1 {
		t.Errorf("function packed was restarted %d times", n)
	}
}
