package main

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/dev"
	"github.com/wirepost/wirepost/internal/hint"
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// parseEnv reads the variables that are given for all functions or for one. What is
// written may be a secret, and is not shown.
func (d *devFlags) parseEnv() (mistake, cure string) {
	o := app.Overrides{All: map[string]string{}, Each: map[string]map[string]string{}}
	for _, pair := range d.env {
		name, value, ok := strings.Cut(pair, "=")
		function := ""
		if i := strings.LastIndexByte(name, '.'); i >= 0 {
			function, name = name[:i], name[i+1:]
		}
		switch {
		case !ok || !variableName.MatchString(name) || strings.HasPrefix(pair, "."):
			return "--env is not NAME=VALUE", "write --env NAME=VALUE for all functions, or --env FUNCTION.NAME=VALUE for one"
		case function == "":
			o.All[name] = value
		case d.template.file == "":
			return "--env " + function + "." + name + " needs --template", "write --env " + name + "=VALUE, which all functions get"
		default:
			if o.Each[function] == nil {
				o.Each[function] = map[string]string{}
			}
			o.Each[function][name] = value
		}
	}
	d.overrides = o
	return "", ""
}

// readEnvVars adds the variables of a file, which come after those of flags.
func (c *command) readEnvVars(d *devFlags) error {
	if d.envVars != "" {
		c.step("reading the variables in %s", d.envVars)
		file, err := dev.ReadEnvVars(d.envVars)
		if err != nil {
			return err
		}
		if len(file.Each) > 0 && d.template.file == "" {
			return hint.New(errors.New("--env-vars has variables of one function, which needs --template"), `write {"Parameters": {"NAME": "VALUE"}}, which all functions get`)
		}
		d.overrides = d.overrides.Before(file)
	}
	for name, value := range d.overrides.All {
		d.config.Given = append(d.config.Given, name+"="+value)
	}
	slices.Sort(d.config.Given)
	return nil
}
