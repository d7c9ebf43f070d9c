package main

import (
	"runtime"

	"github.com/spf13/cobra"

	"github.com/wirepost/wirepost"
)

func (c *command) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "say which version this is",
		Long:    "Prints the version of wirepost, of Go, and the kind of machine that it was built for.",
		Example: "    $ wirepost version",
		RunE:    runs(func(*cobra.Command, []string) int { return c.printVersion() }),
	}
}

func (c *command) printVersion() int {
	c.stdout.Printf("wirepost %s (%s, %s/%s)\n", wirepost.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return exitDone
}
