package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/terminal"
)

// target is what send and kick have in common: who, where, how long.
type target struct {
	to, store string
	timeout   time.Duration
}

const audienceForm = "--to takes user:NAME, topic:NAME, connection:ID or everyone"

func (c *command) targetFlags(cmd *cobra.Command) *target {
	var t target
	flags := cmd.Flags()
	flags.StringVar(&t.to, "to", "", "`AUDIENCE` user:NAME, topic:NAME, connection:ID or everyone")
	declareStore(flags, &t.store)
	flags.DurationVar(&t.timeout, "timeout", 30*time.Second, "`DURATION` for the whole, default 30s")
	c.completeAudience(cmd, "to")
	return &t
}

// sending is what the flags of send say.
type sending struct {
	*target
	atLeastOnce bool
	keep        time.Duration
	keepSet     bool // --keep is there
	id          string
	again       bool
	stream      bool
}

func (c *command) sendCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "send --to AUDIENCE DATA",
		Short: "post a message to an audience",
		Long: `Posts DATA, or what standard input holds if DATA is '-', to every connection of
the audience, and prints the result: 'sent 2, gone 1 (removed)'. The status is 1
if a post failed; a connection that is gone is no failure. DATA that begins with a
dash goes after --.

With --keep the message stays in the log of its topic, from which clients get what
they missed. DATA is JSON then, and is sent in a message of docs/protocol.md, unless
it is one. $WIREPOST_KEEP, such as lobby=24h,orders/*=10m, has rules for topics.`,
		Example: `    $ wirepost send --to user:alice '{"text":"hi"}'
    $ date | wirepost send --to everyone -
    $ wirepost send --to topic:lobby --keep 24h '{"text":"hi"}'
    $ tail -f build.log | wirepost send --to topic:builds --stream`,
		SuggestFor: []string{"post", "publish", "push"},
	}
	s := sending{target: c.targetFlags(cmd)}
	flags := cmd.Flags()
	flags.BoolVar(&s.atLeastOnce, "at-least-once", false, "repeat posts whose outcome is not known; a client may then get the message twice")
	flags.DurationVar(&s.keep, "keep", 0, "`DURATION` keep the message so long, such as 24h; 0 does not keep it, whatever $WIREPOST_KEEP says")
	flags.StringVar(&s.id, "id", "", "`ID` of a message that is kept; default random")
	flags.BoolVar(&s.again, "again", false, "it may have been kept before under its ID: look for it first")
	flags.BoolVar(&s.stream, "stream", false, "send standard input as one stream of text, piece by piece as it comes; --timeout does not bound it")
	cmd.RunE = runs(func(cmd *cobra.Command, args []string) int {
		if s.stream {
			return c.sendStream(cmd.Context(), s.target, args)
		}
		s.keepSet = cmd.Flags().Changed("keep")
		return c.send(cmd.Context(), &s, args)
	})
	return cmd
}

func (c *command) send(ctx context.Context, s *sending, args []string) int {
	to, status, ok := c.audience(s.target, "send")
	if !ok {
		return status
	}
	switch len(args) {
	case 0:
		return c.misuse("send has no data to post", "give it as one argument, or - to read standard input")
	case 1:
	default:
		return c.misuse(fmt.Sprintf("send takes one data argument, but was given %d", len(args)), "put the data in quotes, as in wirepost send --to "+terminal.Word(to.String())+" '{\"text\":\"hi\"}'")
	}
	switch {
	case s.keep < 0:
		return c.misuse("--keep must not be negative", "")
	case s.keep > 0 && to.Kind != wirepost.KindTopic:
		return c.misuse("--keep works only with a topic, but --to is "+to.String(), "only messages to topic:NAME are kept")
	}
	data := []byte(args[0])
	if args[0] == "-" {
		var err error
		if data, err = c.readInput(ctx); err != nil {
			return c.fail(fmt.Errorf("read the data from standard input: %w", err))
		}
		if len(data) > wirepost.MaxMessage {
			return c.fail(&wirepost.Error{Problem: wirepost.ProblemMessageSize, Detail: fmt.Sprintf("standard input holds more than %d bytes", wirepost.MaxMessage)})
		}
	}
	return c.deliver(ctx, s.target, to, "sent", func(ctx context.Context, p *wirepost.Publisher) (wirepost.Result, error) {
		return c.publish(ctx, p, s, to, data)
	})
}

// readInput reads standard input, one byte more than a message may have at the
// most, or until the context ends: a terminal gives no end by itself. The reading
// goroutine then ends with the program.
func (c *command) readInput(ctx context.Context) ([]byte, error) {
	type read struct {
		data []byte
		err  error
	}
	done := make(chan read, 1)
	go func() {
		data, err := io.ReadAll(io.LimitReader(c.stdin, wirepost.MaxMessage+1))
		done <- read{data, err}
	}()
	select {
	case r := <-done:
		return r.data, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *command) audience(t *target, name string) (wirepost.Audience, int, bool) {
	if t.to == "" {
		return wirepost.Audience{}, c.misuse(name+" needs --to", audienceForm), false
	}
	if t.timeout <= 0 {
		return wirepost.Audience{}, c.misuse("--timeout must be more than zero", ""), false
	}
	to, err := wirepost.ParseAudience(t.to)
	if err != nil {
		return to, c.misuse(fmt.Sprintf("--to: %v", err), audienceForm), false
	}
	return to, 0, true
}

// deliver opens what send and kick need, does it, and prints the result.
func (c *command) deliver(ctx context.Context, t *target, to wirepost.Audience, verb string, do func(context.Context, *wirepost.Publisher) (wirepost.Result, error)) int {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	store, err := openStore(ctx, storeURL(t.store))
	if err != nil {
		return c.failWith(err)
	}
	defer store.Close()
	o, err := publisherOptions(ctx, store)
	if err != nil {
		return c.failWith(err)
	}
	publisher := wirepost.NewPublisher(store, o)
	defer publisher.CloseIdleConnections()
	result, err := do(ctx, publisher)
	if line := verb + strings.TrimPrefix(result.String(), "sent"); err == nil || result.Sent+result.Gone+result.Failed > 0 {
		c.stdout.Printf("%s\n", line)
	}
	if err != nil {
		return c.failWith(err)
	}
	// One error and its cure for each problem is enough to act on.
	told := map[wirepost.Problem]bool{}
	for _, e := range result.Errors {
		if p := wirepost.ProblemOf(e); !told[p] {
			told[p] = true
			c.fail(blamePair(e, o.Credentials))
		}
	}
	switch {
	case result.Next != "":
		c.complain("time ran out before every connection was reached", "give more with --timeout")
		return exitFailed
	case result.Failed > 0:
		return exitFailed
	case result.Sent+result.Gone == 0 && to.Kind != wirepost.KindConnection:
		c.stderr.Printf("wirepost: hint: %s; 'wirepost list' shows who is connected\n", nobodyIn(to))
	}
	return exitDone
}
