//go:build man

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"github.com/wirepost/wirepost"
)

// taggedCommands has the command that writes manual pages. What it links would make
// the program larger for everybody.
func (c *command) taggedCommands() []*cobra.Command {
	return []*cobra.Command{{
		Use:     "man FOLDER",
		Short:   "write the manual pages",
		Long:    "Writes a manual page of each command into a folder, which is made if it is not there.",
		Example: "    $ go run -tags man ./cmd/wirepost man man1",
		Hidden:  true,
		RunE: runs(func(cmd *cobra.Command, args []string) int {
			if len(args) != 1 {
				return c.misuse("man takes the name of one folder", "")
			}
			root := cmd.Root()
			forMan(root)
			header := &doc.GenManHeader{Section: "1", Source: "wirepost " + wirepost.Version, Manual: "wirepost"}
			err := errors.Join(os.MkdirAll(args[0], 0o755), doc.GenManTree(root, header, args[0]))
			if err != nil {
				return c.fail(fmt.Errorf("write the manual pages: %w", err))
			}
			return exitDone
		}),
	}}
}

// forMan gives a command, and those below it, what cobra's manual pages show: the ways
// to use it, its notes, and flags with the names of their values.
func forMan(cmd *cobra.Command) {
	cmd.DisableAutoGenTag = true
	first, others, several := strings.Cut(cmd.Use, "\n")
	if several {
		cmd.Use = first
		cmd.Long = "    " + strings.ReplaceAll(others, "\n", "\n    ") + "\n\n" + cmd.Long
	}
	cmd.Long += "\n\n" + cmd.Annotations[notes]
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if name := annotation(f, valueName); name != "" {
			f.Value, f.DefValue = named{f.Value}, name
		}
	})
	for _, sub := range cmd.Commands() {
		forMan(sub)
	}
}

// named is the value of a flag that is shown by its name.
type named struct{ pflag.Value }

func (named) Type() string { return "named" } // cobra quotes strings
