package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wirepost/wirepost"
)

// listing is what the flags of list say.
type listing struct {
	user, topic, store string
	json               bool
}

func (c *command) listCommand() *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use:   "list [--user NAME | --topic NAME] [--json]",
		Short: "list the connections",
		Long: `Lists the connections in the store with their users, topics and ages. A row may
be of a connection that has ended without a word; the next message to it says so.`,
		Example:    "    $ wirepost list --topic lobby",
		SuggestFor: []string{"ls", "connections"},
	}
	flags := cmd.Flags()
	flags.StringVar(&l.user, "user", "", "`NAME` only this user's")
	flags.StringVar(&l.topic, "topic", "", "`NAME` only those subscribed to this topic")
	flags.BoolVar(&l.json, "json", false, "one JSON object a line")
	declareStore(flags, &l.store)
	completeFlag(cmd, "user", c.connected(func(row wirepost.Connection) []string { return []string{row.User} }))
	completeFlag(cmd, "topic", c.connected(func(row wirepost.Connection) []string { return row.Topics }))
	cmd.RunE = runs(func(cmd *cobra.Command, args []string) int {
		if len(args) > 0 {
			return c.misuse(fmt.Sprintf("list takes no argument %q", args[0]), "narrow the list with --user or --topic")
		}
		// An empty name usually comes from an unset variable. It must not mean everyone.
		byUser, byTopic := cmd.Flags().Changed("user"), cmd.Flags().Changed("topic")
		audience := wirepost.Everyone()
		switch {
		case byUser && byTopic:
			return c.misuse("list takes --user or --topic, not both", "")
		case byUser:
			audience = wirepost.ToUser(l.user)
		case byTopic:
			audience = wirepost.ToTopic(l.topic)
		}
		if err := audience.Validate(); err != nil {
			return c.misuse(err.Error(), "")
		}
		return c.list(cmd.Context(), l, audience)
	})
	return cmd
}

func (c *command) list(ctx context.Context, o listing, audience wirepost.Audience) int {
	store, err := openStore(ctx, storeURL(o.store))
	if err != nil {
		return c.failWith(err)
	}
	defer store.Close()

	table := c.stdout.Table("CONNECTION", "USER", "TOPICS", "AGE", "STAGE")
	for l, err := range store.Connections(ctx, audience, wirepost.ListOptions{}) {
		if err != nil {
			return c.fail(err)
		}
		row, err := store.Connection(ctx, l.ID)
		if errors.Is(err, wirepost.ErrNotFound) {
			continue // it ended meanwhile
		}
		if err != nil {
			return c.fail(fmt.Errorf("list %s: %w", audience, err))
		}
		if o.json {
			if err := c.stdout.JSON(row); err != nil {
				return c.fail(err)
			}
			continue
		}
		table.Row(row.ID, dash(row.User), dash(strings.Join(row.Topics, ",")), time.Since(row.ConnectedAt).Round(time.Second), row.Endpoint)
	}
	switch {
	case o.json:
	case table.Rows() == 0:
		c.stderr.Printf("wirepost: hint: %s\n", nobodyIn(audience))
	default:
		if err := table.Flush(); err != nil {
			return c.fail(err)
		}
	}
	return exitDone
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// nobodyIn says of an audience that it is empty.
func nobodyIn(a wirepost.Audience) string {
	if a.Kind == wirepost.KindEveryone {
		return "nobody is connected"
	}
	return "nobody is in " + a.String()
}
