package template

import (
	"cmp"
	"os"
	"path/filepath"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/cloudformation"
	"github.com/wirepost/wirepost/internal/app/document"
	"github.com/wirepost/wirepost/internal/app/serverless"
)

// Options says what a template cannot know. Nil means the defaults.
type Options struct {
	// Parameters are values of the template's parameters, and of ${param:}.
	// A parameter that is not given has its default.
	Parameters map[string]string

	// Values are what only AWS has, by the names that notes give: LOGICALID for Ref
	// of a resource, LOGICALID.ATTRIBUTE, ssm:NAME, secretsmanager:ID, import:NAME,
	// and cf: and s3: of serverless.yml.
	Values map[string]string

	// MoreValues are used where Values has none, for what would have no value otherwise.
	// Names that nothing uses are passed over: it may be a whole environment.
	MoreValues map[string]string

	// StandIns are the parts that the caller runs in its own way. One of a part that
	// the template does not have is an error.
	StandIns app.StandIns

	// Overrides are variables of functions in the place of what the template says of
	// them. Those of a function that the template does not have are an error.
	Overrides app.Overrides

	// API and Stage choose one where the template has several: an API by its
	// logical ID or its name. For serverless.yml Stage is also ${opt:stage},
	// unless CLI has one.
	API, Stage string

	// Region and Account empty mean what the template and the files that go with it
	// say: provider.region of serverless.yml, samconfig.toml, the manifest of CDK, or
	// a value of the stack's own resources; else app.DefaultRegion and
	// app.DefaultAccount.
	Region, Account string

	// Env is ${env:}. Nil, or an empty answer, means that it is not set.
	Env func(name string) string

	// CLI is ${opt:}.
	CLI map[string]string

	// Program runs a program that describes an app, such as serverless.ts, or a part of
	// one, such as ${file(a.js):b}, and gives the JSON of what it exports at an address:
	// all of it where that is empty. Nil means that none is run. Its error is one clause
	// that begins with a verb.
	Program func(file, address string) ([]byte, error)
}

// Read reads the template in file, or all stacks of the folder with that name, such as
// cdk.out, and gives the app that they describe, without its
// variables: those come with app.App.Resolve, which needs addresses. Read needs none.
//
// An error is an *app.Error with the place to correct, or an error of reading the
// file. The notes are in the order of the file and are returned with an error too.
// Read may be called concurrently if o.Env may be. The maps in o must not change
// while the app may be resolved.
func Read(file string, o *Options) (*app.App, []app.Note, error) {
	if isServerlessProgram(file) {
		return readProgram(file, o)
	}
	switch filepath.Ext(file) {
	case ".ts", ".js", ".cjs", ".mjs", ".cts", ".mts", ".py", ".go":
		return nil, nil, app.Errorf(app.Position{File: file}, "is a program, which is never run here: give the template that it makes, such as cdk.out/NAME.template.json")
	}
	if inside := templateIn(file); inside != "" {
		return nil, nil, app.Errorf(app.Position{File: file}, "is a folder: name the file in it, %s", inside)
	}
	if dir, ok := terraformDir(file); ok {
		return readTerraform(file, dir, o)
	}
	if o == nil {
		o = &Options{}
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		if a, notes, err, ok := readStacks(file, o); ok {
			return a, notes, err
		}
	}
	data, err := document.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	return read(file, data, o)
}

// stack is the options for CloudFormation, with what is known of the deployment.
func (o *Options) stack(d deployment) cloudformation.Options {
	return cloudformation.Options{
		Parameters: o.Parameters, Defaults: d.parameters, Values: o.Values, MoreValues: o.MoreValues, StandIns: o.StandIns, Overrides: o.Overrides, API: o.API, Stage: o.Stage,
		Region: cmp.Or(o.Region, d.region), Account: cmp.Or(o.Account, d.account), Stack: d.stack,
	}
}

// templateIn is the template with a usual name in a folder, if file is a folder.
func templateIn(file string) string {
	if info, err := os.Stat(file); err != nil || !info.IsDir() {
		return ""
	}
	for _, name := range []string{"template.yaml", "template.yml", "template.json", "serverless.yml", "serverless.yaml", "serverless.ts", "serverless.js", "serverless.mjs", "serverless.cjs"} {
		inside := filepath.Join(file, name)
		if info, err := os.Stat(inside); err == nil && info.Mode().IsRegular() {
			return inside
		}
	}
	return ""
}

// read is Read of bytes that are there already.
func read(file string, data []byte, o *Options) (*app.App, []app.Note, error) {
	if o == nil {
		o = &Options{}
	}
	reading := document.NewReading(file)
	root, err := document.Parse(file, data, reading)
	if err != nil {
		return nil, reading.Notes(), err
	}
	return readDocument(file, root, reading, o)
}

// readDocument is Read of a template that is parsed.
func readDocument(file string, root *document.Value, reading *document.Reading, o *Options) (*app.App, []app.Note, error) {
	stack := o.stack(deployment{})
	switch {
	case root.Kind != document.Map:
		return nil, reading.Notes(), app.Errorf(root.Pos, "is not a template: it has no Resources and no functions")
	case cloudformation.Is(root):
		d := cdkManifest(file)
		if d.stack == "" {
			d = samConfig(file, reading)
		}
		stack = o.stack(d)
		stack.Others = exporters(file, root, stack, reading)
	case serverless.Is(root):
		service, err := serverless.Expand(root, reading, serverless.Options{
			Parameters: o.Parameters, CLI: o.CLI, Stage: o.Stage, Region: o.Region, Account: o.Account, Env: o.Env, Values: o.Values, MoreValues: o.MoreValues, Program: o.Program,
		})
		if err != nil {
			return nil, reading.Notes(), err
		}
		root = service.Template
		stack.Region, stack.Stack = service.Region, service.Stack
		stack.Origin = &cloudformation.Origin{Format: serverless.Format, Made: service.Made, Asked: service.Asked, Sources: service.Sources}
	default:
		return nil, reading.Notes(), app.Errorf(root.Pos, "is not a template: it has neither Resources, as CloudFormation and SAM have, nor a provider, as serverless.yml has")
	}
	return cloudformation.Read(root, reading, stack)
}
