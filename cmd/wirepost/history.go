package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/hint"
)

// logged is what the flags of history and log say.
type logged struct {
	topic, store, after string
	last                int
	json                bool
}

func (c *command) topicFlags(cmd *cobra.Command, topic, store *string) {
	cmd.Flags().StringVar(topic, "topic", "", "`NAME` of the topic")
	completeFlag(cmd, "topic", c.connected(func(row wirepost.Connection) []string { return row.Topics }))
	if store != nil {
		declareStore(cmd.Flags(), store)
	}
}

func (c *command) historyCommand() *cobra.Command {
	var l logged
	cmd := &cobra.Command{
		Use:   "history --topic NAME [--last N | --after EPOCH:N] [--json]",
		Short: "print the messages that are kept of a topic",
		Long: `Prints the newest messages in the log of a topic, or those after a position, from
the store and without connecting. What is gone for good is said between them.`,
		Example: `    $ wirepost history --topic lobby --last 5
    $ wirepost history --topic lobby --after k3v9:41 --json`,
	}
	c.topicFlags(cmd, &l.topic, nil)
	cmd.Flags().IntVar(&l.last, "last", 20, "`N` the newest N messages, default 20")
	cmd.Flags().StringVar(&l.after, "after", "", "`EPOCH:N` all messages after this position")
	cmd.Flags().BoolVar(&l.json, "json", false, "one JSON object a line")
	declareStore(cmd.Flags(), &l.store)
	cmd.RunE = runs(func(cmd *cobra.Command, args []string) int {
		if status, ok := c.topicOf("history", l.topic, args); !ok {
			return status
		}
		var after *wirepost.Position
		switch {
		case l.after != "" && cmd.Flags().Changed("last"):
			return c.misuse("history takes --last or --after, not both", "")
		case l.last < 1:
			return c.misuse("--last must be more than zero", "")
		case l.after != "":
			at, err := wirepost.ParsePosition(l.after)
			if err != nil {
				return c.misuse(fmt.Sprintf("--after: %v", err), "'wirepost history' and 'wirepost listen --json' print positions")
			}
			after = &at
		}
		return c.history(cmd.Context(), l, after)
	})
	return cmd
}

// topicOf says what is wrong with the topic or the arguments of a command.
func (c *command) topicOf(name, topic string, args []string) (status int, ok bool) {
	switch {
	case len(args) > 0:
		return c.misuse(fmt.Sprintf("%s takes no argument %q", name, args[0]), "name the topic with --topic"), false
	case topic == "":
		return c.misuse(name+" needs --topic", "--topic takes the name of a topic, such as lobby"), false
	}
	if err := wirepost.ValidateName(topic); err != nil {
		return c.misuse(fmt.Sprintf("--topic: %v", err), ""), false
	}
	return exitDone, true
}

// withLog opens a store that has logs, for as long as do runs.
func (c *command) withLog(ctx context.Context, url string, do func(wirepost.Log) error) int {
	store, err := openStore(ctx, storeURL(url))
	if err != nil {
		return c.failWith(err)
	}
	defer store.Close()
	l, ok := store.(wirepost.Log)
	if !ok {
		err = hint.New(errors.New("this store keeps no messages"), "name another one with --store")
	} else {
		err = do(l)
	}
	if err != nil {
		return c.failWith(err)
	}
	return exitDone
}

// messageLine is a message as listen and history print it with --json.
type messageLine struct {
	Type   string          `json:"type"` // message
	Topic  string          `json:"topic"`
	Epoch  string          `json:"epoch,omitempty"` // of one that was kept
	Offset uint64          `json:"offset,omitempty"`
	ID     string          `json:"id,omitempty"`
	From   string          `json:"from,omitempty"`
	Data   json.RawMessage `json:"data"`
	At     *time.Time      `json:"at,omitempty"`
	End    *time.Time      `json:"end,omitempty"`
}

// rawLine is a post that is no message of docs/protocol.md, as listen prints it with --json.
type rawLine struct {
	Type string `json:"type"` // raw
	Text string `json:"text"`
}

// gapLine is what is gone for good, as they print it with --json.
type gapLine struct {
	Type  string `json:"type"` // gap
	Topic string `json:"topic"`
	From  uint64 `json:"from"`
	To    uint64 `json:"to"`
}

func (c *command) history(ctx context.Context, l logged, after *wirepost.Position) int {
	n := 0
	var head wirepost.Position
	status := c.withLog(ctx, l.store, func(log wirepost.Log) error {
		var err error
		if head, err = log.Head(ctx, l.topic); err != nil {
			return err
		}
		first := uint64(0) // what is gone before the newest was not asked for
		if after == nil {
			first = head.Offset - min(head.Offset, uint64(l.last))
			after = &wirepost.Position{Epoch: head.Epoch, Offset: first}
		}
		for at := *after; ; {
			r, err := log.Read(ctx, l.topic, at, wirepost.ReadLimit{})
			if err != nil {
				return err
			}
			k, err := c.printReplay(l, r, l.after == "" && n == 0)
			if err != nil {
				return err
			}
			n += k
			if !r.More || r.UpTo == at {
				return nil
			}
			at = r.UpTo
		}
	})
	if status == exitDone && n == 0 && !l.json {
		what := "no message of topic " + l.topic + " is kept"
		if head.Epoch != "" {
			what += fmt.Sprintf(" after %s; the log ends at %s", *after, head)
		}
		c.stderr.Printf("wirepost: hint: %s\n", what)
	}
	return status
}

// printReplay prints messages and the gaps between them, and counts the messages.
// Without a position, what is gone before the first one is left out.
func (c *command) printReplay(l logged, r wirepost.Replay, newest bool) (int, error) {
	gaps := r.Gaps
	tell := func(before uint64) error {
		for len(gaps) > 0 && gaps[0].From <= before {
			if err := c.printGap(l.topic, l.json, gaps[0].From, gaps[0].To); err != nil {
				return err
			}
			gaps = gaps[1:]
		}
		return nil
	}
	for i, m := range r.Messages {
		if newest && i == 0 {
			for len(gaps) > 0 && gaps[0].To < m.Offset {
				gaps = gaps[1:]
			}
		}
		if err := tell(m.Offset); err != nil {
			return 0, err
		}
		if err := c.printLogged(l, m); err != nil {
			return 0, err
		}
	}
	if newest && len(r.Messages) == 0 {
		return 0, nil
	}
	return len(r.Messages), tell(wirepost.MaxOffset)
}

func (c *command) printLogged(l logged, m wirepost.LogMessage) error {
	var e wirepost.Envelope
	if err := json.Unmarshal(m.Data, &e); err != nil {
		e = wirepost.Envelope{ID: m.ID, Data: m.Data}
	}
	if l.json {
		return c.stdout.JSON(messageLine{Type: "message", Topic: l.topic, Epoch: m.Epoch, Offset: m.Offset, ID: e.ID, From: e.From, Data: e.Data, At: &m.At, End: &m.End})
	}
	c.printMessage(m.Position.String(), m.At.Local().Format(time.DateTime)+"  ", e.From, e.Data)
	return nil
}

// printMessage prints a message in one line.
func (c *command) printMessage(position, at, from string, data []byte) {
	if from != "" {
		from += ": "
	}
	c.stdout.Printf("%-14s %s%s%s\n", position, at, oneLine(from), oneLine(string(data)))
}

// printGap says that messages are gone for good.
func (c *command) printGap(topic string, asJSON bool, from, to uint64) error {
	if asJSON {
		return c.stdout.JSON(gapLine{"gap", topic, from, to})
	}
	switch {
	case to == 0:
		c.stdout.Printf("-- earlier messages of topic %s may be gone; how many is not known\n", topic)
	case from == 0:
		c.stdout.Printf("-- messages up to %d of topic %s are gone; how many is not known\n", to, topic)
	case from == to:
		c.stdout.Printf("-- message %d of topic %s is gone\n", from, topic)
	default:
		c.stdout.Printf("-- messages %d to %d of topic %s are gone\n", from, to, topic)
	}
	return nil
}

func (c *command) logCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "log COMMAND [FLAGS]",
		Short: "begin the log of a topic anew",
		Long: `Works on the log of a topic, which has its kept messages. 'wirepost history' prints
it.`,
		Example:     "    $ wirepost log restart --topic lobby",
		Annotations: map[string]string{notes: "'wirepost tail' prints what happens in the gateway that runs here."},
	}
	group.RunE = runs(func(*cobra.Command, []string) int {
		return c.misuse("log needs a subcommand", "the command is log restart")
	})
	var l logged
	restart := &cobra.Command{
		Use:   "restart --topic NAME",
		Short: "begin a new epoch, as is needed after a restore from a backup",
		Long: `Begins a new epoch of a topic's log and prints its position. That is needed after
the store was restored from a backup: clients have positions that it does not know,
and offsets would be given a second time. What is left of the old epoch stays
readable; a client that comes from there is told that something may be gone.`,
		Example: "    $ wirepost log restart --topic lobby",
	}
	c.topicFlags(restart, &l.topic, &l.store)
	restart.RunE = runs(func(cmd *cobra.Command, args []string) int {
		if status, ok := c.topicOf("log restart", l.topic, args); !ok {
			return status
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), storeTime)
		defer cancel()
		return c.withLog(ctx, l.store, func(log wirepost.Log) error {
			at, err := log.Restart(ctx, l.topic)
			switch {
			case err != nil:
				return fmt.Errorf("begin a new epoch of topic %s: %w", l.topic, err)
			case at.Epoch == "":
				return hint.New(errors.New("topic "+l.topic+" has no log"), "it gets one with the first message that is kept, such as by 'wirepost send --keep 24h'")
			}
			c.stdout.Printf("topic %s goes on at %s\n", l.topic, at)
			return nil
		})
	})
	group.AddCommand(restart, c.helpCommand())
	return group
}
