package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/client"
	"github.com/wirepost/wirepost/internal/hint"
)

// listening is what the flags of listen say.
type listening struct {
	topic, after, url, user, store string
	last                           int
	json                           bool
}

// maxLast is how many of the newest messages a client may ask for (docs/protocol.md).
const maxLast = 300

func (c *command) listenCommand() *cobra.Command {
	var l listening
	cmd := &cobra.Command{
		Use:   "listen --topic NAME [--last N | --after EPOCH:N] [--json]",
		Short: "print the messages of a topic as a client gets them",
		Long: `Connects as a client, subscribes to a topic and prints its messages. It stays
connected, over limits and restarts of the server: of a topic with a log it prints
each kept message once and in order, and says what is gone for good. The position
that each begins with is what --after takes. Behind a - are messages that were not
kept, and posts that do not say which topic they are for, such as those of 'wirepost
send' without --keep. A stream is a line for each piece, with its ID and how much was
before it; one that is kept goes on where it was after a restart. Ends with Ctrl-C.

Without --url it connects to the API whose endpoint the store has learned last, which
is that of the running 'wirepost dev'. $WIREPOST_TOKEN is the token that it gives.`,
		Example: `    $ wirepost listen --topic lobby --last 20
    $ wirepost listen --topic lobby --after k3v9:41 --json
    $ wirepost listen --topic lobby --url wss://abc123.execute-api.eu-central-1.amazonaws.com/prod`,
		SuggestFor: []string{"subscribe", "watch"},
	}
	c.topicFlags(cmd, &l.topic, nil)
	flags := cmd.Flags()
	flags.IntVar(&l.last, "last", 0, "`N` begin with the newest N kept messages, 300 at most")
	flags.StringVar(&l.after, "after", "", "`EPOCH:N` begin with what was kept after this position")
	flags.BoolVar(&l.json, "json", false, "one JSON object a line")
	flags.StringVar(&l.url, "url", "", "`URL` ws:// or wss://, which clients connect to")
	flags.StringVar(&l.user, "user", "", "`NAME` connect as this user, to a function that believes the URL")
	declareStore(flags, &l.store)
	completeFlag(cmd, "user", c.connected(func(row wirepost.Connection) []string { return []string{row.User} }))
	cmd.RunE = runs(func(cmd *cobra.Command, args []string) int {
		if status, ok := c.topicOf("listen", l.topic, args); !ok {
			return status
		}
		o := &client.Options{Topics: []string{l.topic}, Last: l.last}
		switch {
		case l.after != "" && cmd.Flags().Changed("last"):
			return c.misuse("listen takes --last or --after, not both", "")
		case l.last < 0 || l.last > maxLast:
			return c.misuse(fmt.Sprintf("--last must be from 0 to %d", maxLast), "'wirepost history' prints more")
		case l.after != "":
			at, err := wirepost.ParsePosition(l.after)
			if err != nil {
				return c.misuse(fmt.Sprintf("--after: %v", err), "'wirepost history' and 'wirepost listen' print positions")
			}
			o.Positions = map[string]wirepost.Position{l.topic: at}
		}
		if token := os.Getenv("WIREPOST_TOKEN"); token != "" {
			o.Token = func(context.Context) (string, error) { return token, nil }
		}
		return c.listen(cmd.Context(), l, o)
	})
	return cmd
}

func (c *command) listen(ctx context.Context, l listening, o *client.Options) int {
	address, err := c.connectTo(ctx, l)
	if err != nil {
		return c.failWith(err)
	}
	to := client.Connect(address, o)
	s := &streams{c: c, json: l.json, heard: heard{}, known: map[string]*followed{}}
	defer s.all.Wait()
	defer to.Close()
	var told string // what is wrong with the connection, once
	for e, err := range to.Events(ctx) {
		if err == nil {
			err = c.printEvent(l, e)
		}
		if err == nil && e.Piece != nil {
			err = s.take(ctx, to, *e.Piece)
		}
		var refused *client.Refusal
		switch {
		case ctx.Err() != nil:
			return exitDone
		case errors.As(e.Err, &refused) && refused.Topic != "":
			return c.failWith(hint.New(fmt.Errorf("subscribe to topic %s: the server refused it: %s", refused.Topic, refused.Code), "docs/protocol.md has the codes; a token goes into WIREPOST_TOKEN"))
		case err != nil:
			return c.fail(err)
		case e.State == client.Open && told != "":
			c.stderr.Print("wirepost: hint: connected again\n")
			told = ""
		case e.Err != nil && e.Err.Error() != told && to.State() != client.Open:
			told = e.Err.Error()
			c.stderr.Printf("wirepost: hint: not connected to %s, and trying again: %s\n", withoutQuery(address), oneLine(told))
		}
	}
	return exitDone
}

// connectTo is the URL that clients connect to.
func (c *command) connectTo(ctx context.Context, l listening) (string, error) {
	address := l.url
	if address == "" {
		var err error
		if address, err = learnedURL(ctx, storeURL(l.store)); err != nil {
			return "", err
		}
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "" || u.Fragment != "" {
		return "", hint.New(errors.New("--url is not an address that clients connect to"), "it is like wss://abc123.execute-api.eu-central-1.amazonaws.com/prod, or ws://localhost:3001/dev")
	}
	if l.user != "" {
		q := u.Query()
		q.Set("user", l.user)
		u.RawQuery = q.Encode()
	}
	return u.String(), nil
}

// learnedURL is where clients connect to the API whose endpoint a store has learned last.
func learnedURL(ctx context.Context, from string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	store, err := openStore(ctx, from)
	if err != nil {
		return "", err
	}
	defer store.Close()
	stages, err := store.Stages(ctx)
	if err != nil {
		return "", err
	}
	if len(stages) == 0 {
		return "", hint.New(errors.New("the store knows no endpoint"), "name the address that clients connect to with --url wss://…, or start 'wirepost dev'")
	}
	newest := slices.MaxFunc(stages, func(a, b wirepost.StageRecord) int { return a.EventTime.Compare(b.EventTime) })
	return "ws" + strings.TrimPrefix(newest.URL, "http"), nil
}

// withoutQuery is an address as it may be shown: a query may have a token.
func withoutQuery(address string) string {
	before, _, _ := strings.Cut(address, "?")
	return before
}

// printEvent prints a message, or a gap.
func (c *command) printEvent(l listening, e client.Event) error {
	switch {
	case e.Gap != nil:
		return c.printGap(e.Gap.Topic, l.json, e.Gap.From, e.Gap.To)
	case e.Raw != nil && l.json:
		return c.stdout.JSON(rawLine{"raw", string(e.Raw)})
	case e.Raw != nil:
		c.printMessage("-", "", "", e.Raw)
		return nil
	case e.Message == nil:
		return nil
	}
	m := e.Message
	if l.json {
		topic, _ := strings.CutPrefix(m.To, "topic:")
		return c.stdout.JSON(messageLine{Type: "message", Topic: topic, Epoch: m.Epoch, Offset: m.Offset, ID: m.ID, From: m.From, Data: m.Data})
	}
	at := "-"
	if m.Epoch != "" {
		at = m.Position.String()
	}
	c.printMessage(at, "", m.From, m.Data)
	return nil
}
