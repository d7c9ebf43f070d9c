package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/wirepost/wirepost"
)

func (c *command) kickCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kick --to AUDIENCE",
		Short: "close the connections of an audience",
		Long: `Closes every connection of the audience with code 1000. A client cannot be given
another code; send it a message first if it should know why.`,
		Example:    "    $ wirepost kick --to user:mallory",
		SuggestFor: []string{"close", "disconnect"},
	}
	t := c.targetFlags(cmd)
	cmd.RunE = runs(func(cmd *cobra.Command, args []string) int { return c.kick(cmd.Context(), t, args) })
	return cmd
}

func (c *command) kick(ctx context.Context, t *target, args []string) int {
	to, status, ok := c.audience(t, "kick")
	if !ok {
		return status
	}
	if len(args) > 0 {
		return c.misuse(fmt.Sprintf("kick takes no argument %q", args[0]), "name whom to close with --to")
	}
	return c.deliver(ctx, t, to, "closed", func(ctx context.Context, p *wirepost.Publisher) (wirepost.Result, error) {
		return p.CloseAll(ctx, to, nil)
	})
}
