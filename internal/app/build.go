package app

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/terminal"
)

// container is how an image serves as the function.
func (d decision) container() string {
	image := "IMAGE"
	if d.Code.Image.URI != "" {
		image = terminal.Word(d.Code.Image.URI)
	}
	return fmt.Sprintf("start it, as with 'docker run -p 9000:8080 %s', and give %s", image, d.give("lambda:http://127.0.0.1:9000#function"))
}

// elsewhere is how a runtime that is not run here serves as the function.
func (d decision) elsewhere() string {
	if d.format == "CloudFormation" || d.format == "SAM" {
		return "run 'sam local start-lambda --port 3002' and give " + d.give("lambda:http://127.0.0.1:3002#"+d.LogicalID)
	}
	return "run it in a container that answers Lambda's Invoke API and give " + d.give("lambda:URL#NAME")
}

// A language is how a project of it is recognised and built.
type language struct {
	file  string // a pattern that the folder has a file of
	name  string
	build string // a command
	made  string // where its program is then
}

// Other languages than Go that functions with a runtime of their own are written in.
var languages = []language{
	{"Cargo.toml", "Rust", "cargo lambda build --release", "target/lambda/NAME"},
	{"composer.json", "PHP", "", ""},
	{"Package.swift", "Swift", "swift package archive", ".build/plugins/AWSLambdaPackager/outputs/AWSLambdaPackager/NAME"},
	{"CMakeLists.txt", "C++", "cmake --build .", "FOLDER"},
	{"*.csproj", ".NET", "dotnet lambda package", "FOLDER"},
	{"*.fsproj", ".NET", "dotnet lambda package", "FOLDER"},
	{"pom.xml", "Java", "mvn package", "FOLDER"},
	{"build.gradle*", "Java", "gradle build", "FOLDER"},
	{"*.cabal", "Haskell", "", ""},
	{"mix.exs", "Elixir", "", ""},
}

// languageOf is the language other than Go of a folder, or nil.
func languageOf(code fs.FS) *language {
	for i, l := range languages {
		if names, _ := fs.Glob(code, l.file); len(names) > 0 {
			return &languages[i]
		}
	}
	return nil
}

// otherLanguage is the name of the language that the function is surely written in
// and that is not Go, or empty.
func (d decision) otherLanguage(code fs.FS) string {
	if strings.HasPrefix(d.Code.Build, "rust") {
		return "Rust"
	}
	if d.isPHP() {
		return "PHP"
	}
	if names, _ := fs.Glob(code, "*.go"); len(names) == 0 {
		if l := languageOf(code); l != nil {
			return l.name
		}
	}
	return ""
}

// isPHP reports whether a function is run by PHP in a layer, as Bref does it.
func (d decision) isPHP() bool {
	return strings.HasSuffix(d.Handler, ".php") || slices.ContainsFunc(d.Layers, func(l Layer) bool {
		name := layerName(l.ARN)
		return strings.HasPrefix(name, "php-") || strings.Contains(name, "-php-") || strings.HasPrefix(name, "bref")
	})
}

// layerName is the name of the layer in the ARN of one of its versions, or empty.
func layerName(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) >= 7 && parts[2] == "lambda" && parts[5] == "layer" {
		return parts[6]
	}
	return ""
}

// unbuilt says why the program of a function that brings its own runtime is not
// there, and how its project makes it.
func (d decision) unbuilt(code fs.FS, program string) (why, fix string) {
	why = fmt.Sprintf("there is no %s in %s", program, d.where())
	if name := d.layerWithRuntime(); name != "" {
		why += ", and the layer " + Clip(name) + ", which may have it, is not on this machine"
	}
	if d.isPHP() {
		return why, "PHP's runtime is in a layer: run it in a container that answers Lambda's Invoke API and give " + d.give("lambda:URL#NAME")
	}
	if d.Code.Build == "makefile" && d.format == "SAM" {
		return why, d.makeIt()
	}
	if d.Code.Build != "" && d.format == "SAM" {
		return why, fmt.Sprintf("it is made by BuildMethod %s: run 'sam build' and name .aws-sam/build/template.yaml as the template, or give %s with the program", Clip(d.Code.Build), d.give("FOLDER"))
	}
	if l := languageOf(code); l != nil && l.build != "" {
		return why, fmt.Sprintf("build the %s project, as with '%s', and give %s with the program", l.name, l.build, d.give(l.made))
	} else if l != nil {
		return why, fmt.Sprintf("build the %s project and give %s with the program", l.name, d.give("FOLDER"))
	}
	if isFile(code, "Makefile") {
		return why, "build it, as with 'make', or give " + d.give("FOLDER") + " with the program or " + d.give("go:FOLDER") + " with its source"
	}
	return why, "build it first, or give " + d.give("FOLDER") + " with the program or " + d.give("go:FOLDER") + " with its source"
}

// makeIt is how the Makefile of a function makes its code: 'sam build' runs the rule
// build-LOGICALID with the folder for it in ARTIFACTS_DIR (AWS docs, SAM developer guide,
// "Building Lambda functions with custom runtimes").
func (d decision) makeIt() string {
	rule := terminal.Word("build-" + d.LogicalID)
	return fmt.Sprintf("it is made by BuildMethod makefile: run 'sam build' and name .aws-sam/build/template.yaml as the template, or run 'make %s ARTIFACTS_DIR=FOLDER' in %s with the whole path of a new folder, and give %s", rule, d.where(), d.give("FOLDER"))
}

// layerWithRuntime is a layer that is not on this machine and may have the function's
// runtime.
func (d decision) layerWithRuntime() string {
	for _, l := range d.Layers {
		if l.Content == "" || errors.Is(fsError(l.Content), fs.ErrNotExist) {
			return cmp.Or(l.LogicalID, l.ARN)
		}
	}
	return ""
}

// build is how a folder or an archive that is not there is made.
func (d decision) build() string {
	or := ", or give " + d.give("FOLDER") + " with its code"
	artifact := d.Code.Path
	if strings.HasPrefix(filepath.Base(artifact), "asset.") {
		return "'cdk synth' makes it" + or
	}
	switch kindOf(d.Runtime) {
	case LaunchNode:
		if command := npmScript(filepath.Dir(artifact), d.dir, filepath.Base(artifact)); command != "" {
			return "make it with " + command + or
		}
	case LaunchProgram:
		if d.Code.Build != "" && d.format == "SAM" {
			break
		}
		if l := languageOf(os.DirFS(d.dir)); l != nil && l.build != "" {
			return fmt.Sprintf("make it with the build of the %s project, such as '%s'%s", l.name, l.build, or)
		}
		if isZip(artifact) && !d.isPHP() {
			return fmt.Sprintf("'wirepost package --output %s PACKAGE' builds it from a Go package", terminal.Word(artifact)) + or
		}
	}
	if isPlain(filepath.Join(d.dir, "Makefile")) {
		return "make it with the project's own build, such as 'make'" + or
	}
	return "make it with the project's own build" + or
}

// npmScript is the command of package.json that seems to make a file, in quotes, and
// where to run it: one that names the file, or else one with a usual name. The folder of
// the file and those above it, up to the first with a package.json, come before the
// template's.
func npmScript(folder, dir, file string) string {
	for _, in := range []string{packageAbove(folder), dir} {
		scripts := npmScripts(filepath.Join(in, "package.json"))
		var names []string
		for name, command := range scripts {
			if strings.Contains(command, file) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, usual := range append(names, "build", "package", "bundle", "dist", "compile") {
			if _, ok := scripts[usual]; !ok {
				continue
			}
			command := "'" + runner(in) + " " + terminal.Word(usual) + "'"
			if here := filepath.Clean(in); here != filepath.Clean(dir) && here != "." {
				command += " in " + Clip(here)
			}
			return command
		}
	}
	return ""
}

// packageAbove is a folder, or the first of four above it, that has a package.json; or
// else the folder.
func packageAbove(folder string) string {
	for up, i := folder, 0; i < 5; up, i = filepath.Join(up, ".."), i+1 {
		if isPlain(filepath.Join(up, "package.json")) {
			return up
		}
	}
	return folder
}

// runner is the package manager of a folder by its lock file.
func runner(folder string) string {
	switch {
	case isPlain(filepath.Join(folder, "yarn.lock")):
		return "yarn"
	case isPlain(filepath.Join(folder, "pnpm-lock.yaml")):
		return "pnpm run"
	}
	return "npm run"
}

func npmScripts(file string) map[string]string {
	if !isPlain(file) {
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	var p struct{ Scripts map[string]string }
	if json.NewDecoder(io.LimitReader(f, 1<<20)).Decode(&p) != nil {
		return nil
	}
	return p.Scripts
}
