//go:build !man

package main

import "github.com/spf13/cobra"

// taggedCommands are those that only a build with a tag has: see man.go.
func (c *command) taggedCommands() []*cobra.Command { return nil }
