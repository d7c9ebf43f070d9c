package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"

	"github.com/wirepost/wirepost/gateway"
)

const faultHelp = `Usage:
    wirepost fault              list what goes wrong in the gateway that runs here
    wirepost fault RULE…        replace it
    wirepost fault --clear      nothing goes wrong any more

A RULE is WHERE:WHAT[:KEY=VALUE,…]. Where: connect, message, disconnect, invoke,
post, get, delete, frame-out. What: a status, denied, buffer-full, drop, hang,
reset-before, reset-after, close=CODE. Keys: p (how likely), n (how often at most),
after and for (calls or a duration), delay, route, connection, message. Of several
rules that apply the first wins. 'wirepost dev --fault RULE' starts with some.

    --json    one JSON list

Examples:
    $ wirepost fault post:429:p=0.1 disconnect:drop
    $ wirepost fault post:410:n=1
    $ wirepost fault invoke:hang:route=slow,for=30s
`

func (c *command) fault(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("fault", flag.ContinueOnError)
	cleared := flags.Bool("clear", false, "")
	asJSON := flags.Bool("json", false, "")
	if status, done := c.parse(flags, faultHelp, args); done {
		return status
	}
	rules := flags.Args()
	if *cleared && len(rules) > 0 {
		return c.misuse("--clear takes no rules", "")
	}
	if _, err := gateway.ParseFaultRules(rules); err != nil {
		return c.misuse(err.Error(), "'wirepost fault --help' lists what can go wrong")
	}
	method, body := "GET", []byte(nil)
	if *cleared || len(rules) > 0 {
		if rules == nil {
			rules = []string{}
		}
		method = "PUT"
		body, _ = json.Marshal(rules) // strings only
	}
	counts := []gateway.FaultCount{}
	if err := askControl(ctx, method, "/faults", body, &counts); err != nil {
		return c.failWith(err)
	}
	if *asJSON {
		if err := c.stdout.JSON(counts); err != nil {
			return c.fail(err)
		}
		return exitDone
	}
	if len(counts) == 0 {
		c.stdout.Print("nothing goes wrong\n")
		return exitDone
	}
	table := c.stdout.Table("RULE", "CALLS", "HITS")
	for _, r := range counts {
		table.Row(r.Rule, r.Calls, r.Hits)
	}
	if err := table.Flush(); err != nil {
		return c.fail(err)
	}
	return exitDone
}

// bytesReader is a body, or none.
func bytesReader(b []byte) io.Reader {
	if b == nil {
		return nil
	}
	return bytes.NewReader(b)
}

// many is a flag that may be given more than once.
type many []string

func (m *many) String() string     { return fmt.Sprint(*m) }
func (m *many) Set(s string) error { *m = append(*m, s); return nil }
