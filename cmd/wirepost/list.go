package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
)

const listHelp = `Usage:
    wirepost list [--user NAME | --topic NAME] [--json]

Lists the connections in the store with their users, topics and ages. A row may
be of a connection that has ended without a word; the next message to it says so.

    --user NAME    only this user's
    --topic NAME   only those subscribed to this topic
    --json         one JSON object a line
    --store URL    default sqlite:.wirepost/store.db, or $WIREPOST_STORE

Example:
    $ wirepost list --topic lobby
`

func (c *command) list(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("list", flag.ContinueOnError)
	user := flags.String("user", "", "")
	topic := flags.String("topic", "", "")
	asJSON := flags.Bool("json", false, "")
	url := flags.String("store", "", "")
	if status, done := c.parse(flags, listHelp, args); done {
		return status
	}
	if flags.NArg() > 0 {
		return c.misuse(fmt.Sprintf("list takes no argument %q", flags.Arg(0)), "narrow the list with --user or --topic")
	}
	// An empty name is a mistake of whoever expanded a variable, and not everyone.
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	who := wirepost.Everyone()
	switch {
	case given["user"] && given["topic"]:
		return c.misuse("list takes --user or --topic, not both", "")
	case given["user"]:
		who = wirepost.ToUser(*user)
	case given["topic"]:
		who = wirepost.ToTopic(*topic)
	}
	if err := who.Validate(); err != nil {
		return c.misuse(err.Error(), "")
	}
	store, err := openStore(ctx, storeURL(*url))
	if err != nil {
		return c.failWith(err)
	}
	defer store.Close()

	table := c.stdout.Table("CONNECTION", "USER", "TOPICS", "AGE", "ENDPOINT")
	for l, err := range store.Connections(ctx, who, wirepost.ListOptions{}) {
		if err != nil {
			return c.fail(err)
		}
		row, err := store.Connection(ctx, l.ID)
		if errors.Is(err, wirepost.ErrNotFound) {
			continue // it ended meanwhile
		}
		if err != nil {
			return c.fail(fmt.Errorf("list %s: %w", who, err))
		}
		if *asJSON {
			if err := c.stdout.JSON(row); err != nil {
				return c.fail(err)
			}
			continue
		}
		table.Row(row.ID, dash(row.User), dash(strings.Join(row.Topics, ",")), time.Since(row.ConnectedAt).Round(time.Second), row.Endpoint)
	}
	switch {
	case *asJSON:
	case table.Rows() == 0:
		c.stderr.Printf("wirepost: hint: %s\n", nobodyIn(who))
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
