package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wirepost/wirepost/internal/hint"

	"github.com/wirepost/wirepost/internal/inspector"
)

// tailing is what the flags of tail say.
type tailing struct {
	connection, route, status, text string
	kept, json                      bool
}

func (c *command) tailCommand() *cobra.Command {
	var t tailing
	cmd := &cobra.Command{
		Use:   "tail [FLAGS]",
		Short: "print what happens in the gateway that runs here",
		Long: `Prints what happens in the gateway that runs in this folder, a line each: clients
that connect and leave, their messages, invocations with their log lines, answers
and posts. It is the stream of the inspector's page. Ends with Ctrl-C.`,
		Example: `    $ wirepost tail --status failed
    $ wirepost tail --kept --json >session.ndjson`,
		SuggestFor: []string{"logs", "follow"},
	}
	flags := cmd.Flags()
	flags.StringVar(&t.connection, "connection", "", "`ID` only of connections whose ID begins so")
	flags.StringVar(&t.route, "route", "", "`KEY` only of this route")
	flags.StringVar(&t.status, "status", "", "`STATUS` failed, ok, a status such as 429, or a class such as 4xx")
	flags.StringVar(&t.text, "text", "", "`TEXT` only what has this text in it, in small or capital letters")
	flags.BoolVar(&t.kept, "kept", false, "what has been recorded so far, and no more")
	flags.BoolVar(&t.json, "json", false, "one JSON object a line, with payloads")
	completeFlag(cmd, "status", oneOf("failed", "ok", "4xx", "5xx"))
	cmd.RunE = runs(func(cmd *cobra.Command, args []string) int {
		if len(args) > 0 {
			return c.misuse(fmt.Sprintf("tail takes no argument %q", args[0]), "'wirepost tail --help' lists the flags")
		}
		return c.tail(cmd.Context(), t)
	})
	return cmd
}

func (c *command) tail(ctx context.Context, t tailing) int {
	q := url.Values{"full": {"1"}}
	for name, value := range map[string]string{"connection": t.connection, "route": t.route, "status": t.status, "q": t.text} {
		if value != "" {
			q.Set(name, value)
		}
	}
	what := "stream"
	if t.kept {
		what = "export" // a session file, which the page can import
	}
	body, err := followControl(ctx, inspector.Path+"api/"+what+"?"+q.Encode())
	if err != nil {
		return c.failWith(err)
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for n := 0; lines.Scan(); n++ {
		if t.json {
			if err := c.stdout.Data(lines.Bytes()); err != nil {
				return c.fail(err)
			}
			continue
		}
		if t.kept && n == 0 {
			continue // what the file is
		}
		var r inspector.Record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return c.fail(fmt.Errorf("read what the running 'wirepost dev' says: %w", err))
		}
		c.printRecord(&r)
	}
	if ctx.Err() != nil || t.kept && lines.Err() == nil {
		return exitDone
	}
	if err := lines.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return c.fail(fmt.Errorf("follow the running 'wirepost dev': %w", err))
	}
	c.stderr.Print("wirepost: hint: 'wirepost dev' has ended\n")
	return exitDone
}

// printRecord prints a record in one line, and below it why the gateway refused it and
// its log lines.
func (c *command) printRecord(r *inspector.Record) {
	if r.Kind == "skipped" {
		c.stderr.Printf("wirepost: hint: %d changes came faster than they could be shown\n", r.Size)
		return
	}
	mark := " "
	if r.Failed {
		mark = "!"
	}
	said := r.Text
	switch r.Kind {
	case "handshake":
		said = r.Target
	case "http":
		said = r.Target
	case "invocation", "call", "mapping":
		said = cmp.Or(r.Error, r.Answer)
	case "close":
		said = r.Reason
	default:
		said = cmp.Or(said, r.Reason)
	}
	status := "-"
	if r.Status != 0 {
		status = strconv.Itoa(r.Status)
	}
	took := "-"
	if r.Took != 0 {
		took = time.Duration(r.Took).Round(10 * time.Microsecond).String()
	}
	c.stdout.Printf("%s %s %-10s %-16s %-12s %4s %9s  %s\n", r.At.Format("15:04:05.000"), mark, r.Kind, cmp.Or(oneLine(r.Connection), "-"),
		cmp.Or(oneLine(r.Function), oneLine(r.Route), "-"), status, took, oneLine(said))
	switch {
	case r.Cause != "" && r.Kind == "http":
		c.stdout.Printf("             = to the %s\n", oneLine(r.Cause))
	case r.Cause != "":
		c.stdout.Printf("             = by %s\n", oneLine(r.Cause))
	}
	if r.Detail != "" {
		c.stdout.Printf("             = %s\n", lineEnds.Replace(r.Detail))
	}
	for _, line := range r.Lines {
		c.stdout.Printf("             | %s\n", oneLine(line))
	}
}

// oneLine returns the beginning of a text with spaces instead of line ends and tabs.
func oneLine(s string) string {
	s = lineEnds.Replace(s)
	const most = 160
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}

var lineEnds = strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ", "\t", " ")

// followControl asks the running dev for a stream, which ends with the context. The
// caller closes it.
func followControl(ctx context.Context, path string) (io.ReadCloser, error) {
	where, err := folder.Control()
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, where.URL+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+where.Token)
	answer, err := controlClient().Do(r)
	if err != nil {
		return nil, hint.New(fmt.Errorf("ask the running 'wirepost dev' at %s: %w", where.URL, err), "if it has ended, start it again")
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	var refused struct{ Error string }
	if json.NewDecoder(io.LimitReader(answer.Body, maxControlAnswer)).Decode(&refused) != nil || refused.Error == "" {
		refused.Error = answer.Status
	}
	return nil, errors.New(refused.Error)
}
