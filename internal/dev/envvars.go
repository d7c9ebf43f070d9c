package dev

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/hint"
)

// maxEnvVars bounds a file of variables.
const maxEnvVars = 1 << 20

const envVarsForm = `it is the file of sam local's --env-vars: {"FUNCTION": {"NAME": "VALUE"}, "Parameters": {"NAME": "VALUE for all functions"}}`

// ReadEnvVars reads variables of functions from a file of JSON as 'sam local
// --env-vars' takes it: an object for each function, by its logical ID or name, and one
// that is called Parameters for all. No error shows a value.
func ReadEnvVars(path string) (app.Overrides, error) {
	f, err := os.Open(path)
	if err != nil {
		return app.Overrides{}, hint.New(fmt.Errorf("read --env-vars: %w", err), envVarsForm)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxEnvVars+1))
	if err == nil && len(data) > maxEnvVars {
		err = fmt.Errorf("it has more than %d bytes", maxEnvVars)
	}
	var o app.Overrides
	if err == nil {
		o, err = parseEnvVars(data)
	}
	if err != nil {
		return app.Overrides{}, hint.New(fmt.Errorf("read --env-vars %s: %w", filepath.Base(path), err), envVarsForm)
	}
	return o, nil
}

// parseEnvVars is ReadEnvVars of what is in the file.
func parseEnvVars(data []byte) (app.Overrides, error) {
	var all map[string]map[string]any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&all); err != nil {
		return app.Overrides{}, malformed(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return app.Overrides{}, errors.New("there is more behind the object")
	}
	o := app.Overrides{Each: map[string]map[string]string{}}
	for function, variables := range all {
		texts := map[string]string{}
		for name, value := range variables {
			text, ok := variableText(value)
			switch {
			case !ok:
				return app.Overrides{}, fmt.Errorf("variable %s of %s is neither a string nor a number", app.Clip(name), app.Clip(function))
			case name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(text, 0):
				return app.Overrides{}, fmt.Errorf("%q of %s cannot be a variable", app.Clip(name), app.Clip(function))
			}
			texts[name] = text
		}
		if function == "Parameters" {
			o.All = texts
		} else {
			o.Each[function] = texts
		}
	}
	return o, nil
}

// variableText is a value of JSON as an environment has it.
func variableText(value any) (string, bool) {
	switch v := value.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return fmt.Sprint(v), true
	}
	return "", false
}

// malformed says what is wrong with JSON, without a part of it.
func malformed(err error) error {
	if wrong, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("it is not JSON at byte %d", wrong.Offset)
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("byte %d: an object of variables is expected for each function", wrong.Offset)
	}
	return errors.New("it ends too early")
}
