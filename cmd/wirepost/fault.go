package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"github.com/wirepost/wirepost/gateway"
)

func (c *command) faultCommand() *cobra.Command {
	var cleared, asJSON bool
	cmd := &cobra.Command{
		Use: `fault              list the faults of the 'wirepost dev' in this folder
wirepost fault RULE…        replace them
wirepost fault --clear      remove them`,
		Short: "list or replace the faults of the gateway that runs here",
		Long: `A RULE is WHERE:WHAT[:KEY=VALUE,…]. Of several that match, the first applies.

    WHERE  connect, message, disconnect, invoke, post, get, delete, frame-out
    WHAT   a status from 200 to 599, denied, buffer-full, drop, hang, reset-before,
           reset-after, close=CODE
    KEY    p (probability, 0 to 1), n (number of times at most), after and for (a
           number of calls or a duration), delay, route, connection, message

A change takes effect at once, and clients stay connected. 'wirepost dev --fault RULE'
starts with a fault.`,
		Example: `    $ wirepost fault post:429:p=0.1 disconnect:drop
    $ wirepost fault post:410:n=1
    $ wirepost fault invoke:hang:route=slow,for=30s`,
	}
	cmd.Flags().BoolVar(&cleared, "clear", false, "remove all faults")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON list")
	cmd.RunE = runs(func(cmd *cobra.Command, rules []string) int {
		if cleared && len(rules) > 0 {
			return c.misuse("--clear takes no rules", "")
		}
		if _, err := gateway.ParseFaultRules(rules); err != nil {
			return c.misuse(err.Error(), "'wirepost fault --help' lists the rules")
		}
		return c.fault(cmd.Context(), rules, cleared, asJSON)
	})
	return cmd
}

func (c *command) fault(ctx context.Context, rules []string, cleared, asJSON bool) int {
	method, body := "GET", []byte(nil)
	if cleared || len(rules) > 0 {
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
	if asJSON {
		if err := c.stdout.JSON(counts); err != nil {
			return c.fail(err)
		}
		return exitDone
	}
	if len(counts) == 0 {
		c.stdout.Print("no faults\n")
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
