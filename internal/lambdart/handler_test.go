package lambdart

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// interpreter is the path of node or Python, or the test is skipped.
func interpreter(tb testing.TB, kind Kind) string {
	tb.Helper()
	names := []string{"node"}
	if kind == Python {
		names = []string{"/usr/bin/python3", "python3"}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		tb.Fatalf("%s is not installed (with CI=true nothing is skipped)", names[len(names)-1])
	}
	tb.Skipf("skipped: %s is not installed", names[len(names)-1])
	return ""
}

// handler is a function of files, given as name and text in turn.
func handler(tb testing.TB, kind Kind, name string, files ...string) Config {
	tb.Helper()
	path := interpreter(tb, kind)
	dir := tb.TempDir()
	for i := 0; i < len(files); i += 2 {
		write(tb, files[i+1], dir, files[i])
	}
	source, err := ParseSource([]string{dir}, name)
	if err != nil {
		tb.Fatal(err)
	}
	if source.Kind != kind {
		tb.Fatalf("%+v", source)
	}
	source.Interpreter = path
	return Config{Name: "fn", Source: source, Env: os.Environ(), Timeout: 20 * time.Second, Output: tb.Output(), after: patient}
}

// nodeStyles are the ways to write a handler for Node.js. Each answers with "hello"
// and the event's name.
var nodeStyles = []struct {
	name    string
	handler string
	files   []string
}{
	{"ESM async", "index.handler", []string{"index.mjs", `import os from 'node:os'; export const handler = async (event) => ({statusCode: 200, body: 'hello ' + event.name, ...(os ? {} : 0)})`}},
	{"ESM top-level await", "index.handler", []string{"index.mjs", `const greet = await Promise.resolve('hello '); export async function handler(event) { return {statusCode: 200, body: greet + event.name} }`}},
	{"ESM by package.json", "index.handler", []string{"package.json", `{"type":"module"}`, "index.js", `export const handler = async (event) => ({statusCode: 200, body: 'hello ' + event.name})`}},
	{"CommonJS exports", "index.handler", []string{"index.js", `exports.handler = async (event) => ({statusCode: 200, body: 'hello ' + event.name})`}},
	{"CommonJS module.exports computed", "index.handler", []string{"index.js", `const all = {}; all['hand' + 'ler'] = async (event) => ({statusCode: 200, body: 'hello ' + event.name}); module.exports = all`}},
	{"CommonJS .cjs", "index.handler", []string{"index.cjs", `const path = require('path'); exports.handler = async (event) => ({statusCode: 200, body: 'hello ' + path.basename('x/' + event.name)})`}},
	{"CommonJS local module", "src/app.nested.run", []string{"src/app.js", `const g = require('../lib/greet'); exports.nested = {run: async (event) => g(event)}`, "lib/greet.js", `module.exports = (event) => ({statusCode: 200, body: 'hello ' + event.name})`}},
	{"a folder with an index.js", "src/app.handler", []string{"src/app/index.js", `exports.handler = async (event) => ({statusCode: 200, body: 'hello ' + event.name})`}},
	{"callback", "index.handler", []string{"index.js", `exports.handler = (event, context, callback) => { setTimeout(() => callback(null, {statusCode: 200, body: 'hello ' + event.name}), 5) }`}},
	{"callback at once", "index.handler", []string{"index.js", `exports.handler = (event, context, callback) => { callback(null, {statusCode: 200, body: 'hello ' + event.name}) }`}},
	{"callback that waits for the loop", "index.handler", []string{"index.js", `exports.handler = (event, context, callback) => { const answer = {statusCode: 200}; setTimeout(() => { answer.body = 'hello ' + event.name }, 50); callback(null, answer) }`}},
	{"callback that does not wait", "index.handler", []string{"index.js", `exports.handler = (event, context, callback) => { context.callbackWaitsForEmptyEventLoop = false; setInterval(() => {}, 10000); callback(null, {statusCode: 200, body: 'hello ' + event.name}) }`}},
	{"context.succeed", "index.handler", []string{"index.js", `exports.handler = (event, context) => { setInterval(() => {}, 10000); context.succeed({statusCode: 200, body: 'hello ' + event.name}) }`}},
}

func TestHandlersOfEveryStyleAnswer(t *testing.T) {
	type style struct {
		name    string
		kind    Kind
		handler string
		files   []string
	}
	all := []style{
		{"Python", Python, "app.handler", []string{"app.py", "def handler(event, context):\n    return {'statusCode': 200, 'body': 'hello ' + event['name']}\n"}},
		{"Python package", Python, "src/fn/app.run", []string{"src/__init__.py", "", "src/fn/app.py", "from .greet import greet\nrun = lambda event, context: greet(event)\n", "src/fn/greet.py", "def greet(event):\n    return {'statusCode': 200, 'body': 'hello ' + event['name']}\n"}},
		{"Python object and Decimal", Python, "pkg.handler", []string{"pkg/__init__.py", "from decimal import Decimal\nclass H:\n    def __call__(self, event, context):\n        return {'statusCode': Decimal(200), 'body': 'hello ' + event['name']}\nhandler = H()\n"}},
	}
	for _, c := range nodeStyles {
		all = append(all, style{c.name, Node, c.handler, c.files})
	}
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := begin(t, handler(t, c.kind, c.handler, c.files...))
			wantHello(t, f)
			if s := f.Stats(); s.Starts != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// wantHello invokes a function of one of the styles three times.
func wantHello(t *testing.T, f *Function) {
	t.Helper()
	const answer = `{"statusCode":200,"body":"hello a"}`
	for range 3 {
		got, err := f.Invoke(t.Context(), []byte(`{"name":"a"}`))
		var a, b any
		if err != nil || json.Unmarshal(got, &a) != nil || json.Unmarshal([]byte(answer), &b) != nil || fmt.Sprint(a) != fmt.Sprint(b) {
			t.Fatalf("%s, %v", got, err)
		}
	}
}

// nodeNothings are handlers for Node.js that answer with null.
var nodeNothings = map[string]string{
	"async":        `export const handler = async () => {}`,
	"no callback":  `export const handler = () => 'ignored'`,
	"never":        `export const handler = () => new Promise(() => {})`,
	"empty answer": `export const handler = (e, c, callback) => callback()`,
}

func TestAHandlerThatReturnsNothingAnswersNull(t *testing.T) {
	for name, text := range nodeNothings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantNull(t, begin(t, handler(t, Node, "index.handler", "index.mjs", text)))
		})
	}
}

func wantNull(t *testing.T, f *Function) {
	t.Helper()
	for range 2 {
		if got, err := f.Invoke(t.Context(), []byte(`{}`)); err != nil || string(got) != "null" {
			t.Errorf("%q, %v", got, err)
		}
	}
}

func TestAHandlersContextIsThatOfLambda(t *testing.T) {
	for name, c := range map[string]Config{
		"node": handler(t, Node, "index.handler", "index.mjs", `export const handler = async (event, c) => ({id: c.awsRequestId, name: c.functionName, version: c.functionVersion, arn: c.invokedFunctionArn, memory: c.memoryLimitInMB, group: c.logGroupName, stream: c.logStreamName, left: c.getRemainingTimeInMillis(), waits: c.callbackWaitsForEmptyEventLoop, trace: process.env._X_AMZN_TRACE_ID, env: process.env.AWS_EXECUTION_ENV, offset: new Date().getTimezoneOffset()})`),
		"python": handler(t, Python, "app.handler", "app.py", `import os, time
def handler(event, c):
    return {'id': c.aws_request_id, 'name': c.function_name, 'version': c.function_version, 'arn': c.invoked_function_arn, 'memory': c.memory_limit_in_mb, 'group': c.log_group_name, 'stream': c.log_stream_name, 'left': c.get_remaining_time_in_millis(), 'waits': True, 'trace': os.environ['_X_AMZN_TRACE_ID'], 'env': os.environ['AWS_EXECUTION_ENV'], 'offset': time.localtime().tm_gmtoff}
`),
	} {
		f := begin(t, c)
		answer, err := f.Invoke(t.Context(), []byte(`{"headers":{"X-Amzn-Trace-Id":"Root=1-aa-bb"}}`))
		if err != nil {
			t.Fatal(err)
		}
		var said struct {
			ID, Name, Version, ARN, Memory, Group, Stream, Trace, Env string
			Left, Offset                                              int
			Waits                                                     bool
		}
		if err := json.Unmarshal(answer, &said); err != nil {
			t.Fatal(err)
		}
		if len(said.ID) != 36 || said.Name != "fn" || said.Version != "$LATEST" || said.ARN != "arn:aws:lambda:us-east-1:000000000000:function:fn" ||
			said.Memory != "128" || said.Group != "/aws/lambda/fn" || !strings.Contains(said.Stream, "[$LATEST]") || said.Left < 1000 || said.Left > 20_000 ||
			!said.Waits || !strings.HasPrefix(said.Trace, "Root=1-aa-bb;Parent=") || !strings.HasPrefix(said.Env, "AWS_Lambda_"+name) || said.Offset != 0 {
			t.Errorf("%s: %+v", name, said)
		}
	}
}

// failing is a handler whose invocations fail.
type failing struct {
	name, text, kind, message, frame string
	starts                           int64 // after a second invocation
}

// nodeErrors fail alike on Lambda.
var nodeErrors = []failing{
	{"rejects", `export const handler = async () => { throw new TypeError('no') }`, "TypeError", "no", "index.mjs", 1},
	{"throws", `export const handler = () => { throw new RangeError('no') }`, "RangeError", "no", "index.mjs", 1},
	{"own class", `class Own extends Error { constructor(m) { super(m); this.name = 'Own' } } export const handler = async () => { throw new Own('no') }`, "Own", "no", "index.mjs", 1},
	{"callback", `export const handler = (e, c, callback) => callback(new Error('no'))`, "Error", "no", "index.mjs", 1},
	{"text", `export const handler = (e, c, callback) => callback('no')`, "string", "no", "", 1},
	{"context.fail", `export const handler = (e, c) => c.fail(new Error('no'))`, "Error", "no", "index.mjs", 1},
	{"rejects nothing", `export const handler = () => Promise.reject()`, "string", "handled", "", 1},
	{"uncaught", `export const handler = () => { setTimeout(() => { throw new Error('no') }, 1); return new Promise(() => {}) }`, "Error", "no", "index.mjs", 2},
	{"unhandled", `export const handler = () => { Promise.reject(new Error('no')); return new Promise(() => {}) }`, "Runtime.UnhandledPromiseRejection", "Error: no", "", 2},
}

func TestAHandlersErrorIsAFunctionError(t *testing.T) {
	for _, c := range slices.Concat(nodeErrors, []failing{
		{"circular", `export const handler = async () => { const a = {}; a.a = a; return a }`, "Runtime.SerializationError", "what the handler returned is not JSON: Converting circular structure to JSON", "", 1},
		{"a function", `export const handler = async () => () => {}`, "Runtime.SerializationError", "what the handler returned is not JSON: a function", "", 1},
		{"raises", "def handler(event, context):\n    return event['no']\n", "KeyError", "'no'", "app.py", 1},
		{"not JSON", "def handler(event, context):\n    return object()\n", "Runtime.MarshalError", "what the handler returned is not JSON: an object of type object", "", 1},
		{"a coroutine", "async def handler(event, context):\n    pass\n", "Runtime.MarshalError", "what the handler returned is not JSON: an object of type coroutine", "", 1},
	}) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := Config{}
			if strings.Contains(c.text, "def handler") {
				config = handler(t, Python, "app.handler", "app.py", c.text)
			} else {
				config = handler(t, Node, "index.handler", "index.mjs", c.text)
			}
			c.want(t, begin(t, config))
		})
	}
}

// want invokes a function with the handler twice.
func (c failing) want(t *testing.T, f *Function) {
	t.Helper()
	for range 2 {
		_, err := f.Invoke(t.Context(), []byte(`{}`))
		var failed *FunctionError
		if !errors.As(err, &failed) || failed.Type != c.kind || !strings.HasPrefix(failed.Message, c.message) || !strings.Contains(strings.Join(failed.StackTrace, "\n"), c.frame) {
			t.Fatalf("%#v", err)
		}
	}
	if s := f.Stats(); s.Starts != c.starts || s.Failed != 2 {
		t.Errorf("%+v", s)
	}
}

func TestAHandlerThatExitsFailsItsInvocation(t *testing.T) {
	for name, c := range map[string]Config{
		"node":   handler(t, Node, "index.handler", "index.js", `exports.handler = () => { console.log('going'); process.exit(5) }`),
		"python": handler(t, Python, "app.handler", "app.py", "import sys\ndef handler(event, context):\n    print('going')\n    sys.exit(5)\n"),
	} {
		f := begin(t, c)
		_, err := f.Invoke(t.Context(), []byte(`{}`))
		var exited *ExitError
		if !errors.As(err, &exited) || exited.State != "exit status 5" || strings.Join(exited.Output, "\n") != "going" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAHandlerThatCannotBeLoadedSaysWhatToDo(t *testing.T) {
	for _, c := range []struct {
		name    string
		kind    Kind
		handler string
		files   []string
		want    string // DIR and PYTHON are replaced
		lines   string // is in the lines below the sentence
	}{
		{"ESM package", Node, "index.handler", []string{"index.mjs", `import { X } from '@aws-sdk/client-apigatewaymanagementapi/deep/x.js'; export const handler = X`},
			"the handler index.handler loads @aws-sdk/client-apigatewaymanagementapi, which is not installed; npm install @aws-sdk/client-apigatewaymanagementapi in DIR", "index.mjs"},
		{"CommonJS package", Node, "index.handler", []string{"index.js", `const X = require('lodash/fp'); exports.handler = X`},
			"the handler index.handler loads lodash/fp, which is not installed; npm install lodash in DIR", "index.js"},
		{"a package that package.json lists", Node, "index.handler", []string{"index.js", `require('lodash/fp')`, "package.json", `{"dependencies":{"lodash":"^4","ws":"^8"}}`},
			"the handler index.handler loads lodash/fp, which is not installed; npm install in DIR", ""},
		{"a package that package.json does not list", Node, "index.handler", []string{"index.js", `require('lodash/fp')`, "package.json", `{"dependencies":{"ws":"^8"}}`},
			"the handler index.handler loads lodash/fp, which is not installed; npm install lodash in DIR", ""},
		{"ESM file", Node, "index.handler", []string{"index.mjs", `import './absent.mjs'; export const handler = 1`},
			"a file that the handler index.handler loads is not there: Cannot find module 'DIR/absent.mjs'", ""},
		{"CommonJS file", Node, "index.handler", []string{"index.js", `require('./absent')`},
			"a file that the handler index.handler loads is not there: Cannot find module './absent'", ""},
		{"ESM syntax", Node, "index.handler", []string{"index.mjs", "export const handler = async () => {\n  const = 1\n}"},
			"the handler index.handler has a syntax error: Unexpected token '='", "index.mjs:2"},
		{"CommonJS syntax", Node, "index.handler", []string{"index.js", "exports.handler = async () => {\n  const = 1\n}"},
			"the handler index.handler has a syntax error: Unexpected token '='", "index.js:2"},
		{"not exported", Node, "index.handler", []string{"index.mjs", `export const main = 1, other = 2`},
			"the handler index.handler is not there: handler is not a function that index.mjs exports; it exports main, other", ""},
		{"exports nothing", Node, "index.handler", []string{"index.js", ``},
			"the handler index.handler is not there: handler is not a function that index.js exports; it exports nothing by name", ""},
		{"throws", Node, "index.handler", []string{"index.mjs", `throw new Error('no table\nline two')`},
			"it said Error: no table", "index.mjs:1"},
		{"Python package", Python, "app.handler", []string{"app.py", "import boto3_absent.dynamodb\n"},
			"the handler app.handler imports boto3_absent, which is not installed; PYTHON -m pip install boto3_absent", "app.py"},
		{"Python package of the requirements", Python, "app.handler", []string{"app.py", "import boto3_absent.dynamodb\n", "requirements.txt", "boto3-absent\n"},
			"the handler app.handler imports boto3_absent, which is not installed; PYTHON -m pip install -r DIR/requirements.txt", "app.py"},
		{"Python syntax", Python, "app.handler", []string{"app.py", "def handler(event, context):\n    return (\n"},
			"the handler app.handler has a syntax error: ", "app.py"},
		{"Python not there", Python, "app.handler", []string{"app.py", "def main(event, context):\n    pass\n"},
			"the handler app.handler is not there: handler is not a function of DIR/app.py; it has main", ""},
		{"Python raises", Python, "app.handler", []string{"app.py", "{}['table']\n"},
			"it said KeyError: 'table'", "app.py"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := handler(t, c.kind, c.handler, c.files...)
			_, err := Start(t.Context(), config)
			var failed *StartError
			if !errors.As(err, &failed) {
				t.Fatal(err)
			}
			want := strings.NewReplacer("DIR", config.Source.Dir, "PYTHON", config.Source.Interpreter).Replace(c.want)
			if !strings.HasPrefix(failed.Error(), "function fn did not start: "+want) || strings.Contains(failed.Reason, "\n") {
				t.Errorf("%v\nwant %s", err, want)
			}
			if lines := strings.Join(append(failed.Output, failed.Trace...), "\n"); !strings.Contains(lines, c.lines) {
				t.Errorf("%s is not in\n%s", c.lines, lines)
			}
		})
	}
}

// A package of its name may be a stranger's.
func TestAPackageThatMayBeInALayerIsNotToBeInstalled(t *testing.T) {
	for _, config := range []Config{
		handler(t, Node, "index.handler", "index.js", `require('shared/x')`), handler(t, Node, "index.handler", "index.mjs", `import 'shared'`),
		handler(t, Python, "app.handler", "app.py", "import shared\n"),
	} {
		config.Around.Missing = []string{"Deps"}
		_, err := Start(t.Context(), config)
		var failed *StartError
		if !errors.As(err, &failed) || !strings.Contains(failed.Reason, "Deps") || strings.Contains(failed.Reason, "install") {
			t.Errorf("%s: %v", config.Source.Handler, err)
		}
	}
}

func TestModuleSyntaxInAFileThatIsNoModuleSaysWhatToDo(t *testing.T) {
	// Node.js 22.7 and later take it for a module and run it.
	f, err := Start(t.Context(), handler(t, Node, "index.handler", "index.js", `export const handler = async () => 1`))
	if err == nil {
		if got, err := f.Invoke(t.Context(), []byte(`{}`)); err != nil || string(got) != "1" {
			t.Errorf("%s, %v", got, err)
		}
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
	} else if !strings.Contains(err.Error(), `name it .mjs, or put "type": "module" into its package.json`) {
		t.Error(err)
	}
}

func TestParseSourceKnowsWhatIsMeant(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "#!/bin/sh\n", "bootstrap")
	if err := os.Chmod("bootstrap", 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, "", "data.txt")
	write(t, "package main\n", "chat/main.go")
	write(t, "", "js/index.cjs")
	write(t, "", "py/app.py")
	write(t, "", "both/app.py")
	write(t, "", "both/app.js")
	write(t, "", "ts/index.ts")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args    string
		handler string
		want    string // a Source, or an error's beginning
	}{
		{"./bootstrap -v", "", "{1 [HERE/bootstrap -v]   }"},
		{"./bootstrap", "chat.handler", "{1 [HERE/bootstrap]  chat.handler }"},
		{"go:./chat -v", "", "{2 [HERE/chat -v]   }"},
		{"js", "index.handler", "{3 [] HERE/js index.handler }"},
		{"", "js/index.handler", "{3 [] HERE js/index.handler }"},
		{"py", "app.handler", "{4 [] HERE/py app.handler }"},
		{"", "py.app.handler", "{4 [] HERE py.app.handler }"},
		{"python:both", "app.handler", "{4 [] HERE/both app.handler }"},
		{"node:both", "app.handler", "{3 [] HERE/both app.handler }"},
		{"both", "app.handler", "the handler app.handler is in a JavaScript and in a Python file of HERE/both; say node:DIR or python:DIR"},
		{"ts", "index.handler", "the handler index.handler is in HERE/ts/index.ts, which is TypeScript: build it"},
		{"js", "absent.handler", "there is no file for the handler absent.handler: neither HERE/js/absent.js (nor .mjs or .cjs) nor HERE/js/absent.py"},
		{"js", "index", `the handler "index" must be FILE.FUNCTION`},
		{"js", "index.cjs", `"index.cjs" names a file and not a handler: a function handler in it is the handler index.handler`},
		{"", "py/app.py", `"py/app.py" names a file and not a handler: a function handler in it is the handler py/app.handler`},
		{"js", ".handler", `the handler ".handler" must be FILE.FUNCTION`},
		{"js more", "index.handler", `a handler takes one folder, but ["more"] was given too`},
		{"", "", "name a function: a program such as ./bootstrap"},
		{"./absent", "", "there is no program ./absent"},
		{"bootstrap", "", "there is no program bootstrap on the PATH; the file in this folder is ./bootstrap"},
		{"./data.txt", "", "./data.txt may not be executed; chmod +x ./data.txt if it is a program"},
		{"./chat", "", "./chat is a folder: name a program in it, or go:./chat if"},
		{"./js/index.cjs", "", "./js/index.cjs is not a program: a function handler in it is the handler index.handler of the folder js"},
		{"go:./absent", "", "go:./absent: there is no folder HERE/absent"},
		{"go:./chat/main.go", "", "go:./chat/main.go: HERE/chat/main.go is a file; name the folder of the package main"},
		{"go:./js", "", "go:./js: there is no Go file in that folder"},
	} {
		source, err := ParseSource(strings.Fields(c.args), c.handler)
		got := fmt.Sprint(source)
		if err != nil {
			got = err.Error()
		}
		if want := strings.ReplaceAll(c.want, "HERE", here); !strings.HasPrefix(got, want) {
			t.Errorf("%q with %q: %s\nwant %s", c.args, c.handler, got, want)
		}
	}
}

// The bootstraps read and write the Runtime API's requests themselves, in pieces.
func TestALargeEventComesBackAsItWasFromEachLanguage(t *testing.T) {
	event := `{"a":"` + strings.Repeat("ü€😀x", 100_000) + `"}`
	for name, config := range map[string]func() Config{
		"Node.js": func() Config {
			return handler(t, Node, "index.handler", "index.mjs", "export const handler = async (event) => event;\n")
		},
		"Python": func() Config {
			return handler(t, Python, "app.handler", "app.py", "def handler(e, c):\n    return e\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := begin(t, config())
			for range 2 {
				answer, err := f.Invoke(t.Context(), []byte(event))
				var got, want map[string]string
				if err == nil {
					err = json.Unmarshal(answer, &got)
				}
				if json.Unmarshal([]byte(event), &want); err != nil || got["a"] != want["a"] {
					t.Fatalf("%d bytes, %v", len(answer), err)
				}
			}
		})
	}
}
