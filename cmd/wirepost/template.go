package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/template"
	"github.com/wirepost/wirepost/internal/dev"
	"github.com/wirepost/wirepost/internal/hint"
)

// readEnvFile reads the file with more environment of functions, if there is one.
func (c *command) readEnvFile(d *devFlags) (err error) {
	if d.envFile == "" {
		return nil
	}
	c.step("reading the env file %s", d.envFile)
	d.config.More, err = dev.ReadEnvFile(d.envFile)
	return err
}

// readTemplate reads the template, if there is one, before anything is opened or made.
func (c *command) readTemplate(ctx context.Context, d *devFlags) error {
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
	values, err := c.readValues(d.template.values)
	if err != nil {
		return err
	}
	c.step("reading the template %s", d.template.file)
	a, notes, err := template.Read(d.template.file, &template.Options{
		Parameters: parameters, Values: values, MoreValues: d.valuesOfEnvFile(), StandIns: d.template.standIns, Overrides: d.overrides,
		API: d.template.api, Stage: d.config.Stage, Region: d.config.Region, Env: dev.TemplateEnv(d.config.Inherit), CLI: options, Program: c.runProgram(ctx, d, options),
	})
	stops := func(n app.Note) bool { return n.Severity == app.Stops }
	strict := err == nil && d.config.Strict && slices.ContainsFunc(notes, stops)
	if err != nil || strict {
		for _, n := range notes { // those of an app that can be read come with its variables
			switch {
			case strict && stops(n):
				c.stderr.Printf("wirepost: error: %s\n", n)
			case n.Severity >= app.Warning || d.config.Verbose:
				c.stderr.Printf("wirepost: hint: %s\n", n)
			}
		}
	}
	switch {
	case strict:
		return hint.New(errors.New("with --strict nothing runs if a part of the template cannot"), "do what the lines above say, or leave --strict out")
	case err != nil:
		return fmt.Errorf("read the template: %w", err)
	}
	d.config.App = a
	return nil
}

// valuesOfEnvFile are the lines of the env file, each of which may be what the template
// misses. Names with a colon are no variables, and leave the functions' environment.
func (d *devFlags) valuesOfEnvFile() map[string]string {
	all := map[string]string{}
	d.config.More = slices.DeleteFunc(slices.Clone(d.config.More), func(line string) bool {
		name, value, _ := strings.Cut(line, "=")
		all[name] = value
		return strings.Contains(name, ":")
	})
	return all
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

// readValues are pairs, of which a value may be the content of a file. What is written
// may be a secret, and is not shown.
func (c *command) readValues(all many) (map[string]string, error) {
	out := map[string]string{}
	for _, pair := range all {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, errors.New("--value: write NAME=VALUE, or NAME=@FILE")
		}
		if file, ok := strings.CutPrefix(value, "@"); ok {
			c.step("reading the value %s from %s", name, file)
			text, err := readValue(file)
			if err != nil {
				return nil, fmt.Errorf("--value %s: %w", name, err)
			}
			value = text
		}
		out[name] = value
	}
	return out, nil
}

// maxValue is how large a value in a file may be: as a secret (AWS docs, Secrets
// Manager user guide, "AWS Secrets Manager quotas": 65,536 bytes).
const maxValue = 64 << 10

// readValue reads a value from a file, without one newline at its end.
func readValue(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxValue+3)) // and a newline
	if err != nil {
		return "", err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if len(text) > maxValue {
		return "", fmt.Errorf("%s has more than %d bytes", file, maxValue)
	}
	return text, nil
}
