package main

import (
	"cmp"
	"context"
	"maps"
	"os"
	"path/filepath"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/bundle"
	"github.com/wirepost/wirepost/internal/configprogram"
	"github.com/wirepost/wirepost/internal/dev"
)

// runProgram runs a program that --template names, such as serverless.ts, or that the
// service in it names with ${file()}, with the environment that functions get: without
// credentials unless they are inherited. Options are those of the framework's command
// line.
func (c *command) runProgram(ctx context.Context, d *devFlags, options map[string]string) func(file, address string) ([]byte, error) {
	options = maps.Clone(options)
	if d.config.Stage != "" {
		if options == nil {
			options = map[string]string{}
		}
		options["stage"] = cmp.Or(options["stage"], d.config.Stage)
	}
	return func(file, address string) ([]byte, error) {
		mark := configprogram.NewMark()
		source, err := bundle.Program(file, configprogram.After(mark, address, options))
		if err != nil {
			return nil, err
		}
		c.step("running %s", file)
		env := dev.Environment(os.Environ())
		if !d.config.Inherit {
			env = env.Isolated(gateway.DevelopmentCredentials())
		}
		if region := d.config.Region; region != "" {
			env = env.Set("AWS_REGION", region).Set("AWS_DEFAULT_REGION", region)
		}
		part := filepath.Clean(file) != filepath.Clean(d.template.file)
		return configprogram.Run(ctx, source, mark, configprogram.Options{Folder: filepath.Dir(d.template.file), Env: env, Part: part})
	}
}
