package main

import (
	"fmt"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/template"
	"github.com/wirepost/wirepost/internal/dev"
)

// readTemplate reads the template, if there is one, before anything is opened or made.
func (c *command) readTemplate(d *devFlags) error {
	if d.template.file == "" {
		return nil
	}
	parameters, err := pairs("--parameter", d.template.parameters)
	if err != nil {
		return err
	}
	options, err := pairs("--opt", d.template.options)
	if err != nil {
		return err
	}
	c.step("reading the template %s", d.template.file)
	a, notes, err := template.Read(d.template.file, &template.Options{
		Parameters: parameters, CLI: options, API: d.template.api, Stage: d.config.Stage, Region: d.config.Region, Env: dev.TemplateEnv(d.config.Inherit),
	})
	if err != nil {
		for _, n := range notes { // those of an app that can be read come with its variables
			if n.Severity >= app.Warning || d.config.Verbose {
				c.stderr.Printf("wirepost: hint: %s\n", n)
			}
		}
		return fmt.Errorf("read the template: %w", err)
	}
	d.config.App = a
	return nil
}

func pairs(flag string, all many) (map[string]string, error) {
	out := map[string]string{}
	for _, pair := range all {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%s %q: write NAME=VALUE", flag, pair)
		}
		out[name] = value
	}
	return out, nil
}
