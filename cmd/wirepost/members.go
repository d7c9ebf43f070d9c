package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/terminal"
)

// watchEvery is how often members --watch reads the list.
const watchEvery = time.Second

// membersFlags are what the flags of members say.
type membersFlags struct {
	topic, store string
	watch, json  bool
}

func (c *command) membersCommand() *cobra.Command {
	var f membersFlags
	cmd := &cobra.Command{
		Use:   "members --topic NAME [--watch] [--json]",
		Short: "list who is present in a topic",
		Long: `Lists who is present in a topic: users, and sessions without a user, with how many
sessions each has. With --watch it goes on, and says who joins and who leaves; it
reads the list every second.`,
		Example:    "    $ wirepost members --topic lobby --watch",
		SuggestFor: []string{"presence", "who"},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.topic, "topic", "", "`NAME` of the topic")
	flags.BoolVar(&f.watch, "watch", false, "go on, and say what changes")
	flags.BoolVar(&f.json, "json", false, "one JSON object a line")
	declareStore(flags, &f.store)
	completeFlag(cmd, "topic", c.connected(func(row wirepost.Connection) []string { return row.Topics }))
	cmd.RunE = runs(func(cmd *cobra.Command, args []string) int {
		switch err := wirepost.ValidateName(f.topic); {
		case len(args) > 0:
			return c.misuse(fmt.Sprintf("members takes no argument %q", args[0]), "name the topic with --topic")
		case !cmd.Flags().Changed("topic"):
			return c.misuse("members needs --topic", "'wirepost list' shows the topics of connections")
		case err != nil:
			return c.misuse("--topic: "+err.Error(), "")
		}
		return c.members(cmd.Context(), f)
	})
	return cmd
}

// memberLine is a line of members --json.
type memberLine struct {
	Change   string          `json:"change,omitempty"` // joined or left, with --watch
	User     string          `json:"user,omitempty"`
	ID       string          `json:"id,omitempty"`
	Sessions int             `json:"sessions"`
	Info     json.RawMessage `json:"info,omitempty"`
	Said     json.RawMessage `json:"said,omitempty"`
	N        int64           `json:"n"`
}

func (c *command) members(ctx context.Context, f membersFlags) int {
	store, err := openStore(ctx, storeURL(f.store))
	if err != nil {
		return c.failWith(err)
	}
	defer store.Close()
	publisher := wirepost.NewPublisher(store, nil)
	defer publisher.CloseIdleConnections()
	known, err := readMembers(ctx, publisher, f.topic)
	if err != nil {
		return c.failWith(err)
	}
	c.printMembers(f, known)
	for f.watch {
		select {
		case <-ctx.Done():
			return exitDone
		case <-time.After(watchEvery):
		}
		now, err := readMembers(ctx, publisher, f.topic)
		if ctx.Err() != nil {
			return exitDone
		}
		if err != nil {
			return c.failWith(err)
		}
		for _, key := range slices.Sorted(maps.Keys(now)) {
			if _, there := known[key]; !there {
				c.printChange(f, "joined", now[key])
			}
		}
		for _, key := range slices.Sorted(maps.Keys(known)) {
			if _, there := now[key]; !there {
				c.printChange(f, "left", known[key])
			}
		}
		known = now
	}
	return exitDone
}

func readMembers(ctx context.Context, p *wirepost.Publisher, topic string) (map[string]wirepost.Member, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	all := map[string]wirepost.Member{}
	for m, err := range p.Members(ctx, topic) {
		if err != nil {
			return nil, err
		}
		all[m.Key()] = m
	}
	return all, nil
}

func memberName(m wirepost.Member) string {
	if m.User != "" {
		return terminal.Word(m.User)
	}
	return "~" + m.ID
}

func (c *command) printMembers(f membersFlags, all map[string]wirepost.Member) {
	if f.json {
		for _, key := range slices.Sorted(maps.Keys(all)) {
			c.printChange(f, "", all[key])
		}
		return
	}
	if len(all) == 0 {
		c.stderr.Print("wirepost: hint: nobody is present there\n")
		return
	}
	table := c.stdout.Table("MEMBER", "SESSIONS", "SINCE")
	for _, key := range slices.Sorted(maps.Keys(all)) {
		m := all[key]
		table.Row(memberName(m), m.Sessions, age(time.UnixMilli(m.Number)))
	}
	table.Flush()
}

func (c *command) printChange(f membersFlags, change string, m wirepost.Member) {
	if f.json {
		_ = c.stdout.JSON(memberLine{change, m.User, m.ID, m.Sessions, m.Info, m.Said, m.Number}) // nobody to tell
		return
	}
	c.stdout.Printf("%s %s %s\n", time.Now().Format(time.TimeOnly), change, memberName(m))
}
