package template

import (
	"path/filepath"
	"regexp"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
	"github.com/wirepost/wirepost/internal/app/serverless"
)

var serverlessProgram = regexp.MustCompile(`^serverless([.-].*)?\.[cm]?[jt]s$`)

// isServerlessProgram reports whether a file is a program that describes a service of
// the Serverless Framework.
func isServerlessProgram(file string) bool {
	return serverlessProgram.MatchString(filepath.Base(file))
}

// readProgram is Read of what such a program exports. Its lines are not known: places
// are the file.
func readProgram(file string, o *Options) (*app.App, []app.Note, error) {
	pos := app.Position{File: file}
	if o == nil {
		o = &Options{}
	}
	if o.Program == nil {
		return nil, nil, app.Errorf(pos, "is a program, which only 'wirepost dev' runs: 'npx serverless print --format json > serverless.json' makes a template of it")
	}
	if _, err := document.ReadFile(file); err != nil { // whether there is one, and whether it is plain
		return nil, nil, err
	}
	data, err := o.Program(file, "")
	if err != nil {
		return nil, nil, app.Errorf(pos, "%v", err)
	}
	reading := document.NewReading(file)
	root, err := document.Parse(file, data, reading)
	if err != nil {
		return nil, nil, app.Errorf(pos, "exports what cannot be read: %v", err)
	}
	if root = document.At(root, pos); !serverless.Is(root) {
		return nil, nil, app.Errorf(pos, "exports no service of the Serverless Framework: it has no provider")
	}
	return readDocument(file, root, reading, o)
}
