package app

import (
	"archive/zip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// place writes files into a new folder and goes there. A name that ends with .zip!
// is a zip file of one file, which its text names.
func place(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if archive, ok := strings.CutSuffix(name, "!"); ok {
			f, err := os.Create(archive)
			if err != nil {
				t.Fatal(err)
			}
			w := zip.NewWriter(f)
			if _, err := w.Create(text); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFunctionIsStartedWithWhatItsRuntimeAndItsFilesSay(t *testing.T) {
	const main = "// A comment.\npackage main\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		f     Function
		want  Launch
	}{
		{"Node.js", map[string]string{"src/a.mjs": ""}, Function{Runtime: "nodejs24.x", Handler: "a.b", Code: Code{Path: "src"}}, Launch{Kind: LaunchNode, Path: "src"}},
		{"the template's folder, of which SAM takes code that it does not name", map[string]string{"a.js": ""}, Function{Runtime: "nodejs24.x", Handler: "a.b"}, Launch{Kind: LaunchNode, Path: "."}},
		{"a Makefile of SAM next to the handler's file", map[string]string{"Makefile": "", "pkg/a.py": ""}, Function{Runtime: "python3.14", Handler: "pkg.a.b", Code: Code{Build: "makefile"}}, Launch{Kind: LaunchPython, Path: "."}},
		{"Python in a zip file", map[string]string{"a.zip!": "a.py"}, Function{Runtime: "python3.14", Handler: "a.b", Code: Code{Path: "a.zip"}}, Launch{Kind: LaunchPython, Archive: "a.zip", Path: "."}},
		{"one file", map[string]string{"src/a.js": ""}, Function{Runtime: "nodejs22.x", Handler: "a.b", Code: Code{Path: "src/a.js"}}, Launch{Kind: LaunchNode, Path: "src"}},
		{"a program", map[string]string{"bin/bootstrap": "", "bin/Cargo.toml": ""}, Function{Runtime: "provided.al2023", Code: Code{Path: "bin", Build: "makefile"}}, Launch{Kind: LaunchProgram, Path: "bin/bootstrap"}},
		{"a program in a zip file", map[string]string{"a.zip!": "bootstrap"}, Function{Runtime: "provided", Code: Code{Path: "a.zip"}}, Launch{Kind: LaunchProgram, Archive: "a.zip", Path: "bootstrap"}},
		{"a program that the handler names", map[string]string{"bin/hello": "", "main.go": main}, Function{Runtime: "go1.x", Handler: "bin/hello", Code: Code{Path: "."}}, Launch{Kind: LaunchProgram, Path: "bin/hello"}},
		{"Go", map[string]string{"fn/main.go": main, "fn/Makefile": ""}, Function{Runtime: "provided.al2", Handler: "bootstrap", Code: Code{Path: "fn", Build: "makefile"}}, Launch{Kind: LaunchGo, Path: "fn"}},
		{"Go next to Cargo.toml", map[string]string{"fn/main.go": main, "fn/Cargo.toml": ""}, Function{Runtime: "provided.al2", Code: Code{Path: "fn"}}, Launch{Kind: LaunchGo, Path: "fn"}},
		{"a runtime in a layer", map[string]string{"fn/run.ts": "", "layer/bootstrap": "#!/bin/sh\n", "other/nodejs/a.js": ""}, Function{Runtime: "provided.al2", Handler: "run", Code: Code{Path: "fn"}, Layers: []Layer{{LogicalID: "Deno", Content: "layer"}, {LogicalID: "Other", Content: "other"}, {ARN: "arn:x"}}}, Launch{Kind: LaunchProgram, Layer: "Deno", Path: "bootstrap"}},
		{"the later of two runtimes, in a zip file", map[string]string{"fn.zip!": "run.sh", "layer/bootstrap": "", "second.zip!": "bootstrap"}, Function{Runtime: "provided.al2023", Handler: "run", Code: Code{Path: "fn.zip"}, Layers: []Layer{{LogicalID: "First", Content: "layer"}, {LogicalID: "Second", Content: "second.zip"}}}, Launch{Kind: LaunchProgram, Layer: "Second", Archive: "fn.zip", Path: "bootstrap"}},
		{"its own program before one in a layer", map[string]string{"fn/bootstrap": "", "layer/bootstrap": ""}, Function{Runtime: "provided.al2", Code: Code{Path: "fn"}, Layers: []Layer{{LogicalID: "L", Content: "layer"}}}, Launch{Kind: LaunchProgram, Path: "fn/bootstrap"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			place(t, c.files)
			c.f.LogicalID = "F"
			c.f.Decide("SAM", ".")
			if c.f.Unrunnable != nil || c.f.Launch == nil || *c.f.Launch != c.want {
				t.Errorf("launch %+v, unrunnable %v, want %+v", c.f.Launch, c.f.Unrunnable, c.want)
			}
		})
	}
}

func TestAFunctionThatCannotBeRunSaysWhyAndWhatToDo(t *testing.T) {
	const sam = `run 'sam local start-lambda --port 3002' and give --function "F=lambda:http://127.0.0.1:3002#F"`
	for _, c := range []struct {
		name      string
		files     map[string]string
		format    string
		f         Function
		why, then string
	}{
		{"Java", nil, "SAM", Function{Runtime: "java25", Code: Code{Path: "gone"}}, "its runtime is java25, and only nodejs, python, provided and go1.x are run", sam},
		{".NET", nil, "CloudFormation", Function{Runtime: "dotnet8"}, "its runtime is dotnet8, and only nodejs, python, provided and go1.x are run", sam},
		{"Ruby of serverless.yml", nil, "serverless.yml", Function{Runtime: "ruby3.4"}, "its runtime is ruby3.4, and only nodejs, python, provided and go1.x are run", `run it in a container that answers Lambda's Invoke API and give --function F=lambda:URL#NAME`},
		{"Bref's own name of a runtime", nil, "serverless.yml", Function{Runtime: "php-84-fpm"}, "its runtime is php-84-fpm, and only nodejs, python, provided and go1.x are run", `run it in a container that answers Lambda's Invoke API and give --function F=lambda:URL#NAME`},
		{"no runtime", nil, "SAM", Function{Handler: "a.b"}, "it has no runtime", sam},
		{"an image", nil, "SAM", Function{Code: Code{Kind: CodeImage, Image: Image{URI: "app:v1"}}}, "it is a container image", `start it, as with 'docker run -p 9000:8080 app:v1', and give --function "F=lambda:http://127.0.0.1:9000#function"`},
		{"inline code with another file in its handler", nil, "SAM", Function{Runtime: "nodejs22.x", Handler: "app.handler", Code: Code{Inline: "x"}}, "its handler is app.handler, and the file that Lambda makes of code in a template is index", "write index and the function's name as its Handler"},
		{"inline code without a handler", nil, "SAM", Function{Runtime: "python3.13", Code: Code{Inline: "x"}}, "it has no handler", "give --function F=FUNCTION"},
		{"inline code of a program", nil, "SAM", Function{Runtime: "provided.al2023", Handler: "index.handler", Code: Code{Inline: "x"}}, "its code is in the template itself, which Lambda takes for nodejs and python only", "give --function F=FUNCTION"},
		{"no code", nil, "CloudFormation", Function{Runtime: "nodejs22.x", Handler: "a.b"}, "it does not say where its code is", "give --function F=FOLDER with its code"},
		{"no handler", map[string]string{"src/a.js": ""}, "SAM", Function{Runtime: "nodejs22.x", Code: Code{Path: "src"}}, "it has no handler", "give --function F=FUNCTION"},
		{"an archive of Java", map[string]string{"target/app.jar": ""}, "SAM", Function{Runtime: "provided.al2023", Code: Code{Path: "target/app.jar"}}, "its code target/app.jar is an archive of Java", "give --function F=FOLDER with its code"},
		{"no zip file", map[string]string{"a.zip": "no"}, "SAM", Function{Runtime: "nodejs22.x", Handler: "a.b", Code: Code{Path: "a.zip"}}, "its code a.zip is not a zip file", "give --function F=FOLDER with its code"},

		{"a missing artifact of Node.js", map[string]string{"go.mod": "module m\n"}, "serverless.yml", Function{Runtime: "nodejs22.x", Handler: "a.b", Code: Code{Path: "out.zip"}}, "its code out.zip is not there", "make it with the project's own build, or give --function F=FOLDER with its code"},
		{"a missing artifact of another package", map[string]string{"app/backend/package.json": `{"scripts": {"build": "webpack"}}`}, "Terraform", Function{Runtime: "nodejs22.x", Handler: "a.b", Code: Code{Path: "app/backend/build/a.js"}}, "its code app/backend/build/a.js is not there", "make it with 'npm run build' in app/backend, or give --function F=FOLDER with its code"},
		{"a missing artifact that a script names", map[string]string{"package.json": `{"scripts": {"build": "tsc", "bundle:ws": "tsc && zip out.zip ."}}`}, "serverless.yml", Function{Runtime: "nodejs22.x", Handler: "a.b", Code: Code{Path: "out.zip"}}, "its code out.zip is not there", "make it with 'npm run bundle:ws', or give --function F=FOLDER with its code"},
		{"a missing folder of Node.js with Yarn", map[string]string{"package.json": `{"scripts": {"build": "tsc"}}`, "yarn.lock": ""}, "SAM", Function{Runtime: "nodejs22.x", Handler: "a.b", Code: Code{Path: "dist"}}, "its code dist is not there", "make it with 'yarn build', or give --function F=FOLDER with its code"},
		{"a missing artifact of Python", map[string]string{"go.mod": "module m\n", "Makefile": ""}, "serverless.yml", Function{Runtime: "python3.13", Handler: "a.b", Code: Code{Path: "out.zip"}}, "its code out.zip is not there", "make it with the project's own build, such as 'make', or give --function F=FOLDER with its code"},
		{"a missing artifact of Go", nil, "CloudFormation", Function{Runtime: "provided.al2023", Handler: "bootstrap", Code: Code{Path: "dist/fn.zip"}}, "its code dist/fn.zip is not there", "'wirepost package --output dist/fn.zip PACKAGE' builds it from a Go package, or give --function F=FOLDER with its code"},
		{"a missing artifact of Rust", map[string]string{"Cargo.toml": ""}, "CloudFormation", Function{Runtime: "provided.al2023", Handler: "bootstrap", Code: Code{Path: "target/fn.zip"}}, "its code target/fn.zip is not there", "make it with the build of the Rust project, such as 'cargo lambda build --release', or give --function F=FOLDER with its code"},
		{"a missing asset of CDK", nil, "CloudFormation", Function{Runtime: "nodejs22.x", Handler: "a.b", Code: Code{Path: "cdk.out/asset.0123"}}, "its code cdk.out/asset.0123 is not there", "'cdk synth' makes it, or give --function F=FOLDER with its code"},

		{"a Makefile of SAM", map[string]string{"fn/Makefile": "", "fn/Cargo.toml": ""}, "SAM", Function{Runtime: "provided.al2023", Handler: "bootstrap", Code: Code{Path: "fn", Build: "makefile"}}, "there is no bootstrap in fn", "it is made by BuildMethod makefile: run 'sam build' and name .aws-sam/build/template.yaml as the template, or run 'make build-F ARTIFACTS_DIR=FOLDER' in fn with the whole path of a new folder, and give --function F=FOLDER"},
		{"a Makefile of SAM for Node.js", map[string]string{"Makefile": "build-F:\n", "src/a.ts": ""}, "SAM", Function{Runtime: "nodejs22.x", Handler: "dist/a.handler", Code: Code{Build: "makefile"}}, "the file of its handler dist/a.handler is not in the template's folder", "it is made by BuildMethod makefile: run 'sam build' and name .aws-sam/build/template.yaml as the template, or run 'make build-F ARTIFACTS_DIR=FOLDER' in the template's folder with the whole path of a new folder, and give --function F=FOLDER"},
		{"a Makefile of SAM for Python", map[string]string{"fn/Makefile": ""}, "SAM", Function{Runtime: "python3.13", Handler: "pkg.a.handler", Code: Code{Path: "fn", Build: "makefile"}}, "the file of its handler pkg.a.handler is not in fn", "it is made by BuildMethod makefile: run 'sam build' and name .aws-sam/build/template.yaml as the template, or run 'make build-F ARTIFACTS_DIR=FOLDER' in fn with the whole path of a new folder, and give --function F=FOLDER"},
		{"Rust", map[string]string{"Cargo.toml": ""}, "serverless.yml", Function{Runtime: "provided.al2023", Code: Code{Path: "."}}, "there is no bootstrap in the template's folder", "build the Rust project, as with 'cargo lambda build --release', and give --function F=target/lambda/NAME with the program"},
		{"a Makefile alone", map[string]string{"fn/Makefile": ""}, "CloudFormation", Function{Runtime: "provided.al2", Code: Code{Path: "fn"}}, "there is no bootstrap in fn", "build it, as with 'make', or give --function F=FOLDER with the program or --function F=go:FOLDER with its source"},
		{"a project of PHP", map[string]string{"fn/composer.json": "{}"}, "CloudFormation", Function{Runtime: "provided.al2", Handler: "index", Code: Code{Path: "fn"}}, "there is no bootstrap in fn", "build the PHP project and give --function F=FOLDER with the program"},
		{"PHP in a layer", map[string]string{"fn/main.go": "package main\n"}, "serverless.yml", Function{Runtime: "provided.al2", Handler: "public/index.php", Code: Code{Path: "fn"}, Layers: []Layer{{ARN: "arn:aws:lambda:eu-west-3:111122223333:layer:php-84:7"}}}, "there is no bootstrap in fn, and the layer arn:aws:lambda:eu-west-3:111122223333:layer:php-84:7, which may have it, is not on this machine", "PHP's runtime is in a layer: run it in a container that answers Lambda's Invoke API and give --function F=lambda:URL#NAME"},
		{"a runtime in a layer that was never built", map[string]string{"fn/run.ts": ""}, "SAM", Function{Runtime: "provided.al2", Handler: "run", Code: Code{Path: "fn"}, Layers: []Layer{{LogicalID: "Deno", Content: "layer"}}}, "there is no bootstrap in fn, and the layer Deno, which may have it, is not on this machine", "build it first, or give --function F=FOLDER with the program or --function F=go:FOLDER with its source"},
		{"a library of Go", map[string]string{"fn/lib.go": "package lib\n", "fn/main_test.go": "package main\n"}, "SAM", Function{Runtime: "provided.al2023", Code: Code{Path: "fn"}}, "the Go files in fn are not of package main", "give --function F=go:FOLDER of the one that is"},
		{"a program that the handler names and that is not there", map[string]string{"fn/bootstrap": ""}, "serverless.yml", Function{Runtime: "go1.x", Handler: "bin/hello", Code: Code{Path: "fn"}}, "there is no bin/hello in fn", "build it first, or give --function F=FOLDER with the program or --function F=go:FOLDER with its source"},
	} {
		t.Run(c.name, func(t *testing.T) {
			place(t, c.files)
			c.f.LogicalID = "F"
			c.f.Decide(c.format, ".")
			if u := c.f.Unrunnable; u == nil || c.f.Launch != nil || u.Why != c.why || strings.ReplaceAll(u.Fix, `"F=lambda:URL#NAME"`, "F=lambda:URL#NAME") != c.then || u.StandIn != "--function F=FUNCTION" {
				t.Errorf("got  %+v\nwant why %s\nwant fix %s", u, c.why, c.then)
			}
			if u := c.f.Unrunnable; u != nil && !strings.HasPrefix(c.f.Runtime, "provided") && !strings.HasPrefix(c.f.Runtime, "go") && strings.Contains(u.Fix, "Go ") {
				t.Errorf("advice of Go for %s: %s", c.f.Runtime, u.Fix)
			}
			c.f.StandIn = "./anything"
			if c.f.Decide(c.format, "."); c.f.Unrunnable != nil || c.f.Launch != nil {
				t.Errorf("with a stand-in: %v, %v, want neither", c.f.Launch, c.f.Unrunnable)
			}
		})
	}
}
