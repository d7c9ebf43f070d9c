package lambdart

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// answers starts a function and holds its answer against want, or against the error of
// its start where want has no quotes around it.
func answers(t *testing.T, c Config, want string) {
	t.Helper()
	f, err := Start(t.Context(), c)
	if err != nil {
		if !strings.Contains(err.Error(), want) || strings.HasPrefix(want, `"`) {
			t.Errorf("it does not start: %v\nwant %s", err, want)
		}
		return
	}
	t.Cleanup(func() {
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	got, err := f.Invoke(t.Context(), []byte("{}"))
	if err != nil || string(got) != want {
		t.Errorf("the answer is %s, %v, want %s", got, err, want)
	}
}

// The packages of these tests are a word each, so that an answer says where it is from.
func TestNodeFindsTheSDKOfItsRuntimeWhereItsOwnFolderHasNone(t *testing.T) {
	const module, commonJS = `import {word} from 'NAME'; export const handler = async () => word`, `const {word} = require('NAME'); exports.handler = async () => word`
	for _, c := range []struct {
		name, file, text, package_, runtime, want string
	}{
		{"import", "a.mjs", module, "@aws-sdk/client-s3", "nodejs22.x", `"theirs"`},
		{"require", "a.js", commonJS, "@aws-sdk/client-s3", "nodejs22.x", `"theirs"`},
		{"a part of a package", "a.mjs", module, "@aws-sdk/core/part", "nodejs22.x", `"theirs, in part"`},
		{"a part of a package by require", "a.cjs", commonJS, "@aws-sdk/core/part", "nodejs22.x", `"theirs, in part"`},
		{"an unknown runtime", "a.mjs", module, "@smithy/types", "", `"theirs"`},
		{"version 2", "a.js", commonJS, "aws-sdk", "nodejs16.x", `"theirs"`},
		{"what was installed for it", "a.mjs", module, "@aws-sdk/client-installed", "nodejs22.x", `"installed"`},
		{"its own comes first", "a.mjs", module, "@aws-sdk/client-own", "nodejs22.x", `"own"`},
		{"its own comes first by require", "a.js", commonJS, "@aws-sdk/client-own", "nodejs22.x", `"own"`},
		{"version 2 in a runtime without", "a.js", commonJS, "aws-sdk", "nodejs18.x", "the handler a.handler loads aws-sdk, which Lambda has up to nodejs16.x and not in nodejs18.x; npm install aws-sdk in "},
		{"another package", "a.mjs", module, "shared", "nodejs22.x", "the handler a.handler loads shared, which is not installed; npm install shared in "},
		{"nowhere", "a.mjs", "import '@aws-sdk/client-b'; " + module, "@aws-sdk/client-a", "nodejs22.x", "which Lambda's runtime has but this machine does not; npm install --prefix INSTALL @aws-sdk/client-a @aws-sdk/client-b"},
		{"nowhere by require", "a.js", commonJS, "@aws-sdk/client-a/part", "nodejs22.x", "npm install --prefix INSTALL @aws-sdk/client-a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := handler(t, Node, "a.handler", c.file, strings.ReplaceAll(c.text, "NAME", c.package_))
			around := t.TempDir()
			packages, install := filepath.Join(around, "node_modules"), filepath.Join(around, "runtime")
			for _, name := range []string{"@aws-sdk/client-s3", "@aws-sdk/client-own", "@smithy/types", "aws-sdk", "shared"} {
				write(t, "exports.word = 'theirs'", packages, name, "index.js")
			}
			write(t, `{"name": "@aws-sdk/core", "exports": {"./part": "./dist/part.js"}}`, packages, "@aws-sdk/core/package.json")
			write(t, "exports.word = 'theirs, in part'", packages, "@aws-sdk/core/dist/part.js")
			for _, name := range []string{"@aws-sdk/client-s3", "@aws-sdk/client-installed"} {
				write(t, "exports.word = 'installed'", install, "node_modules", name, "index.js")
			}
			write(t, "exports.word = 'own'", config.Source.Dir, "node_modules/@aws-sdk/client-own/index.js")
			config.Around = Around{Runtime: c.runtime, Packages: []string{filepath.Join(around, "nothing"), packages}, Install: install}
			answers(t, config, strings.ReplaceAll(c.want, "INSTALL", install))
		})
	}
}

func TestAHandlerWithTheRealSDKOfTheRuntimeStarts(t *testing.T) {
	packages, err := filepath.Abs("../../.tools/node/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(packages, "@aws-sdk/client-apigatewaymanagementapi")); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("skipped: %v", err)
	}
	for name, text := range map[string]string{
		"a.mjs": `import {ApiGatewayManagementApiClient as C} from '@aws-sdk/client-apigatewaymanagementapi'; export const handler = async () => typeof new C({region: 'us-east-1'}).send`,
		"a.cjs": `const {ApiGatewayManagementApiClient: C} = require('@aws-sdk/client-apigatewaymanagementapi'); exports.handler = async () => typeof new C({region: 'us-east-1'}).send`,
	} {
		t.Run(name, func(t *testing.T) {
			config := handler(t, Node, "a.handler", name, text)
			config.Around = Around{Runtime: "nodejs22.x", Packages: []string{packages}}
			answers(t, config, `"function"`)
		})
	}
}

func TestNodeFindsWhatLayersHave(t *testing.T) {
	const none = "the handler a.handler loads /opt/gone.js, "
	for _, c := range []struct {
		name, file, text, want string
		missing                []string
	}{
		{"a package by require", "a.js", "exports.handler = async () => require('greet').word", `"a layer's"`, nil},
		{"a package by import", "a.mjs", "import g from 'greet'; export const handler = async () => g.word", `"a layer's"`, nil},
		{"a package for this runtime", "a.js", "exports.handler = async () => require('newer').word", `"of node22"`, nil},
		{"the SDK in a layer", "a.js", "exports.handler = async () => require('@aws-sdk/x').word", `"a layer's SDK"`, nil},
		{"a file by require", "a.js", "exports.handler = async () => require('/opt/nodejs/tool').word", `"a tool"`, nil},
		{"a folder by require", "a.js", "exports.handler = async () => require('/opt/nodejs').word", `"a folder"`, nil},
		{"a file by import", "a.mjs", "import t from '/opt/nodejs/tool.js'; export const handler = async () => t.word", `"a tool"`, nil},
		{"a file by its URL", "a.mjs", "export const handler = async () => (await import('file:///opt/nodejs/tool.js')).default.word", `"a tool"`, nil},
		{"a file that a file of a layer loads", "a.js", "exports.handler = async () => require('/opt/nodejs/both').word", `"a tool and a layer's"`, nil},
		{"a file that no layer has", "a.js", "require('/opt/gone.js')", none + "which none of its layers has", nil},
		{"a file that a layer may have", "a.mjs", "import '/opt/gone.js'", none + "which may be in a layer that is not on this machine: arn:x", []string{"arn:x"}},
		{"a package that no layer has", "a.js", "require('stranger')", " nor in nodejs/node_modules of its layers", nil},
		{"a package that a layer may have", "a.js", "require('stranger')", "the handler a.handler loads stranger, which may be in the layer arn:x, which is not on this machine", []string{"arn:x"}},
		{"a package that one of two layers may have", "a.mjs", "import 'stranger'", "the handler a.handler loads stranger, which may be in one of the layers arn:x, arn:y, which are not on this machine", []string{"arn:x", "arn:y"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := handler(t, Node, "a.handler", c.file, c.text)
			opt := t.TempDir()
			write(t, "exports.word = \"a layer's\"", opt, "nodejs/node_modules/greet/index.js")
			write(t, "exports.word = 'of all'", opt, "nodejs/node_modules/newer/index.js")
			write(t, "exports.word = 'of node22'", opt, "nodejs/node22/node_modules/newer/index.js")
			write(t, "exports.word = \"a layer's SDK\"", opt, "nodejs/node_modules/@aws-sdk/x/index.js")
			write(t, "exports.word = 'a tool'", opt, "nodejs/tool.js")
			write(t, "exports.word = 'a folder'", opt, "nodejs/index.js")
			write(t, "exports.word = require('/opt/nodejs/tool').word + ' and ' + require('greet').word", opt, "nodejs/both.js")
			config.Around = Around{Runtime: "nodejs22.x", Opt: opt, Missing: c.missing}
			answers(t, config, c.want)
		})
	}
	config := handler(t, Node, "a.handler", "a.js", "require('/opt/gone.js')")
	answers(t, config, none+"and it has no layers")
}

func TestPythonFindsWhatLayersHave(t *testing.T) {
	const text = "from NAME import word\ndef handler(event, context):\n    return word\n"
	for _, c := range []struct{ name, module, want string }{
		{"a module", "shared", `"a layer's"`},
		{"one for this runtime", "newer", `"of 3.12"`},
		{"its own comes first", "mine", `"own"`},
		{"one of a layer comes before the standard library's", "this", `"a layer's"`},
		{"one that is nowhere", "stranger", "the handler a.handler imports stranger, which may be in the layer arn:x, which is not on this machine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := handler(t, Python, "a.handler", "a.py", strings.ReplaceAll(text, "NAME", c.module), "mine.py", "word = 'own'")
			opt := t.TempDir()
			for _, name := range []string{"shared", "mine", "this", "newer"} {
				write(t, "word = \"a layer's\"", opt, "python", name+".py")
			}
			write(t, "word = 'of 3.12'", opt, "python/lib/python3.12/site-packages/newer.py")
			config.Around = Around{Runtime: "python3.12", Opt: opt, Missing: []string{"arn:x"}}
			answers(t, config, c.want)
		})
	}
}

func TestPythonFindsTheSDKOfItsRuntimeWhereItsOwnFolderHasNone(t *testing.T) {
	python := interpreter(t, Python)
	bare := filepath.Join(t.TempDir(), "venv") // has no packages
	if out, err := exec.Command(python, "-m", "venv", "--without-pip", bare).CombinedOutput(); err != nil {
		t.Skipf("skipped: python3 -m venv: %v: %s", err, out)
	}
	const text = "import NAME\ndef handler(event, context):\n    return NAME.word\n"
	for _, c := range []struct{ name, module, want string }{
		{"in a folder with packages", "botocore", `"theirs"`},
		{"installed for it", "s3transfer", `"installed"`},
		{"its own comes first", "boto3", `"own"`},
		{"another package", "shared", "the handler a.handler imports shared, which is not installed"},
		{"another package of the runtime that is nowhere", "jmespath", "-m pip install --target INSTALL/python boto3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := handler(t, Python, "a.handler", "a.py", strings.ReplaceAll(text, "NAME", c.module), "boto3.py", "word = 'own'")
			config.Source.Interpreter = filepath.Join(bare, "bin/python")
			if c.module == "jmespath" && findsPackage(python, "jmespath") {
				t.Skip("skipped: this machine has it")
			}
			around := t.TempDir()
			packages, install := filepath.Join(around, "site-packages"), filepath.Join(around, "runtime")
			for _, name := range []string{"boto3", "botocore", "shared"} {
				write(t, "word = 'theirs'", packages, name+".py")
			}
			write(t, "word = 'installed'", install, "python/s3transfer.py")
			config.Around = Around{Runtime: "python3.12", Packages: []string{packages}, Install: install}
			answers(t, config, strings.ReplaceAll(c.want, "INSTALL", install))
		})
	}
}

func findsPackage(python, name string) bool {
	return exec.Command(python, "-c", "import "+name).Run() == nil
}

// Debian has boto3, and an environment made with venv does not see it.
func TestPythonInAVirtualEnvironmentFindsTheRealSDKOfItsRuntime(t *testing.T) {
	python := interpreter(t, Python)
	if !findsPackage(python, "boto3") {
		t.Skip("skipped: this machine has no boto3")
	}
	bare := filepath.Join(t.TempDir(), "venv")
	if out, err := exec.Command(python, "-m", "venv", "--without-pip", bare).CombinedOutput(); err != nil {
		t.Skipf("skipped: python3 -m venv: %v: %s", err, out)
	}
	config := handler(t, Python, "a.handler", "a.py", "import boto3\ndef handler(event, context):\n    return boto3.client('sqs', region_name='eu-west-1').meta.region_name\n")
	config.Source.Interpreter = filepath.Join(bare, "bin/python")
	answers(t, config, `"eu-west-1"`)
}

func TestAnESModuleInAFileOfCommonJSIsRefusedAsOnLambda(t *testing.T) {
	const text = "import fs from 'fs'; export const handler = async () => typeof fs"
	const want = "uses import or export in a file that is not a module (Cannot use import statement outside a module); name it .mjs, or put \"type\": \"module\" into its package.json"
	for _, c := range []struct {
		name, runtime, manifest, want string
	}{
		{"nodejs22.x", "nodejs22.x", "", want},
		{"with a package.json", "nodejs18.x", `{"name": "a"}`, want},
		{"a module", "nodejs22.x", `{"type": "module"}`, `"object"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := handler(t, Node, "a.handler", "a.js", text)
			if c.manifest != "" {
				write(t, c.manifest, config.Source.Dir, "package.json")
			}
			config.Around.Runtime = c.runtime
			answers(t, config, c.want)
		})
	}
	config := handler(t, Node, "a.handler", "a.js", "exports.handler = async () => 'CommonJS'")
	config.Around.Runtime = "nodejs22.x"
	answers(t, config, `"CommonJS"`)
}

func TestProgramsOfLayersAreOnThePathAfterAllOthers(t *testing.T) {
	config := handler(t, Node, "a.handler", "a.js", "exports.handler = async () => require('child_process').execSync('greet').toString()")
	opt := t.TempDir()
	write(t, "#!/bin/sh\nprintf hello", opt, "bin/greet")
	if err := os.Chmod(filepath.Join(opt, "bin/greet"), 0o700); err != nil {
		t.Fatal(err)
	}
	config.Around.Opt = opt
	answers(t, config, `"hello"`)

	write(t, "", opt, "lib/liba.so")
	changed := config.Around.environment([]string{"PATH=/usr/bin", "LD_LIBRARY_PATH=/mine"})
	if !slices.Contains(changed, "PATH=/usr/bin"+string(os.PathListSeparator)+filepath.Join(opt, "bin")) {
		t.Errorf("the environment is changed by %q", changed)
	}
	if len(changed) == 2 && !strings.HasSuffix(changed[1], ":/mine:"+filepath.Join(opt, "lib")) {
		t.Errorf("LD_LIBRARY_PATH is %s", changed[1])
	}
}
