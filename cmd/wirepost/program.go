package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/bundle"
	"github.com/wirepost/wirepost/internal/configprogram"
	"github.com/wirepost/wirepost/internal/dev"
)

// runProgram runs a program that --template names, such as serverless.ts, with the
// environment that functions get: without credentials unless they are inherited.
func (c *command) runProgram(ctx context.Context, d *devFlags) func(file string) ([]byte, error) {
	return func(file string) ([]byte, error) {
		mark := configprogram.NewMark()
		source, err := bundle.Program(file, configprogram.After(mark))
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
		return configprogram.Run(ctx, source, mark, configprogram.Options{Folder: filepath.Dir(file), Env: env})
	}
}
