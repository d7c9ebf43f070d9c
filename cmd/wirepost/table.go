package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/internal/hint"
	"github.com/wirepost/wirepost/internal/terminal"
)

const tableHelp = `Usage:
    wirepost table create [URL]
    wirepost table describe [--json] [URL]
    wirepost table check [URL]

Creates the DynamoDB table of a store, shows what there is of it, or says what is
wrong with it and what to do. Without a URL it is the table of --store or of
$WIREPOST_STORE. create may be repeated: of a table that is there it turns on the
TTL, if that is off, and changes nothing else.

    URL           dynamodb://TABLE?region=REGION&endpoint=URL; both parameters may
                  be left out where AWS_REGION, or a profile, names the region
    --store URL   the same
    --json        describe: one JSON object

Exit status: 0 all is well, 1 something is wrong with the table, 2 wrong usage.
create needs dynamodb:CreateTable and UpdateTimeToLive, and all need
DescribeTable and DescribeTimeToLive. deploy/ has the same table in a stack for
AWS SAM, Terraform and the CDK.

Example:
    $ wirepost table create 'dynamodb://connections?region=eu-central-1'
    created table connections in eu-central-1: on-demand, TTL on x
`

const (
	tableTime  = 30 * time.Second // for asking what there is of a table
	createTime = 3 * time.Minute  // a table takes some seconds on AWS
)

// tableOf is the table that a command is about.
type tableOf struct {
	store *dynamostore.Store
	url   string
	where string // for people: its name, and where it is
}

func (c *command) table(ctx context.Context, args []string) int {
	subs := "the commands are table create, table describe and table check"
	if len(args) == 0 {
		return c.misuse("table needs to be told what to do", subs)
	}
	flags := flag.NewFlagSet("table", flag.ContinueOnError)
	asJSON := false
	var do func(context.Context, *tableOf) int
	limit := tableTime
	switch args[0] {
	case "create":
		do, limit = c.createTable, createTime
	case "describe":
		flags.BoolVar(&asJSON, "json", false, "")
		do = func(ctx context.Context, t *tableOf) int { return c.describeTable(ctx, t, asJSON) }
	case "check":
		do = c.checkTable
	case "help", "--help", "-help", "-h":
		c.stdout.Print(tableHelp)
		return exitDone
	default:
		return c.misuse(fmt.Sprintf("there is no command table %q", args[0]), subs)
	}
	store := flags.String("store", "", "")
	if status, done := c.parse(flags, tableHelp, args[1:]); done {
		return status
	}
	if flags.NArg() > 1 {
		return c.misuse(fmt.Sprintf("table %s takes one URL, and %q comes after it", args[0], flags.Arg(1)), "put flags first, and the URL in quotes: it has a ? and may have an &")
	}
	if *store != "" && flags.NArg() > 0 {
		return c.misuse(fmt.Sprintf("table %s takes a URL or --store, not both", args[0]), "")
	}
	url := cmp.Or(flags.Arg(0), *store, os.Getenv("WIREPOST_STORE"))
	scheme, _, isURL := strings.Cut(url, ":")
	switch {
	case url == "":
		return c.misuse(fmt.Sprintf("table %s needs the URL of a table", args[0]), "give one, such as 'dynamodb://connections?region=eu-central-1', or set WIREPOST_STORE")
	case !isURL:
		return c.misuse(fmt.Sprintf("%q is not the URL of a table", url), fmt.Sprintf("write dynamodb://%s?region=REGION", url))
	case scheme != "dynamodb":
		return c.misuse(fmt.Sprintf("the store is of the kind %q, and only one on DynamoDB has a table to %s", scheme, args[0]), "give the URL of a table, such as 'dynamodb://connections?region=eu-central-1'")
	}
	if _, err := dynamostore.ParseURL(url); err != nil {
		return c.misuse(err.Error(), "")
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	opened, err := dynamostore.OpenURL(ctx, url)
	if err != nil {
		return c.fail(err)
	}
	defer opened.Close()
	full, err := dynamostore.ParseURL(opened.URL()) // with the region that AWS's configuration says
	if err != nil {
		return c.fail(err)
	}
	where := full.Table + " in " + full.Region
	if full.Endpoint != "" {
		where = full.Table + " at " + full.Endpoint
	}
	return do(ctx, &tableOf{store: opened, url: opened.URL(), where: where})
}

func (c *command) createTable(ctx context.Context, of *tableOf) int {
	before, err := of.store.DescribeTable(ctx)
	if err != nil {
		return c.fail(err)
	}
	t, err := of.store.CreateTable(ctx)
	if err != nil {
		return c.fail(err)
	}
	var is []string
	if t.OnDemand {
		is = append(is, "on-demand")
	} else {
		is = append(is, "provisioned")
	}
	if t.TTL != "" {
		is = append(is, "TTL on "+t.TTL)
	} else {
		is = append(is, "no TTL")
	}
	switch about := strings.Join(is, ", "); {
	case before.Status == "":
		c.stdout.Printf("created table %s: %s\n", of.where, about)
	case before.TTL == "" && t.TTL != "":
		c.stdout.Printf("table %s was there already: %s; the TTL was off before\n", of.where, about)
	default:
		c.stdout.Printf("table %s was there already: %s\n", of.where, about)
	}
	status := c.complainOfTable(of, t)
	if status == exitDone && before.Status == "" {
		c.stderr.Printf("wirepost: hint: functions and commands find it by WIREPOST_STORE=%s\n", terminal.Word(of.url))
	}
	return status
}

func (c *command) checkTable(ctx context.Context, of *tableOf) int {
	t, err := of.store.DescribeTable(ctx)
	if err != nil {
		return c.fail(err)
	}
	want := dynamostore.Definition()
	ok := func(holds bool, what string) {
		if holds {
			c.stdout.Printf("ok %s\n", what)
		}
	}
	ok(t.Status != "", fmt.Sprintf("the table %s is %s", of.where, t.Status))
	ok(t.Key == want.Key && t.KeyTypes == want.KeyTypes, "its keys are "+keysOf(t))
	ok(t.TTL == want.TTL, "TTL is on "+t.TTL)
	ok(t.OnDemand, "it is on-demand")
	return c.complainOfTable(of, t)
}

// complainOfTable says what is wrong with a table, if anything.
func (c *command) complainOfTable(of *tableOf, t dynamostore.Table) int {
	if t.Status == "" {
		return c.noTable(of)
	}
	problems, warnings := t.Problems()
	want := dynamostore.Definition()
	ours := t.Key == want.Key && t.KeyTypes == want.KeyTypes
	for _, p := range problems {
		what, cure, _ := strings.Cut(p, "; ")
		if ours && strings.HasPrefix(what, "TTL is off") {
			cure += fmt.Sprintf(", as 'wirepost table create %s' does", terminal.Word(of.url))
		}
		c.complain("table "+of.where+": "+what, cure)
	}
	for _, w := range warnings {
		c.stderr.Printf("wirepost: hint: %s\n", w)
	}
	if t.TTLUnknown != "" {
		c.stderr.Printf("wirepost: hint: without TTL, rows of connections that ended without a word stay until 'wirepost sweep' removes them\n")
	}
	if len(problems) > 0 {
		return exitFailed
	}
	return exitDone
}

func (c *command) noTable(of *tableOf) int {
	c.complain("there is no table "+of.where, fmt.Sprintf("create it with 'wirepost table create %s', or name the right region", terminal.Word(of.url)))
	return exitFailed
}

// keysOf is "p (S) and s (S)".
func keysOf(t dynamostore.Table) string {
	if t.Key[1] == "" {
		return fmt.Sprintf("%s (%s) alone", t.Key[0], t.KeyTypes[0])
	}
	return fmt.Sprintf("%s (%s) and %s (%s)", t.Key[0], t.KeyTypes[0], t.Key[1], t.KeyTypes[1])
}

// described is what describe prints as JSON.
type described struct {
	Table    string                 `json:"table"`
	URL      string                 `json:"url"`
	Status   string                 `json:"status"`
	Keys     [2]describedKey        `json:"keys"`
	OnDemand bool                   `json:"onDemand"`
	TTL      string                 `json:"ttl,omitempty"`
	NoTTL    string                 `json:"ttlUnknown,omitempty"`
	Rows     int64                  `json:"rows"`
	Bytes    int64                  `json:"bytes"`
	Stages   []wirepost.StageRecord `json:"stages"`
}

type describedKey struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

func (c *command) describeTable(ctx context.Context, of *tableOf, asJSON bool) int {
	t, err := of.store.DescribeTable(ctx)
	if err != nil {
		return c.fail(err)
	}
	if t.Status == "" {
		return c.noTable(of)
	}
	stages := []wirepost.StageRecord{}
	var unread error
	if want := dynamostore.Definition(); t.Key == want.Key && t.KeyTypes == want.KeyTypes {
		stages, unread = of.store.Stages(ctx)
	} else {
		unread = hint.New(errors.New("the stages known in it cannot be read: it has other keys than wirepost's"), fmt.Sprintf("'wirepost table check %s' says what to do", terminal.Word(of.url)))
	}
	if asJSON {
		d := described{t.Name, of.url, t.Status, [2]describedKey{{t.Key[0], t.KeyTypes[0]}, {t.Key[1], t.KeyTypes[1]}}, t.OnDemand, t.TTL, t.TTLUnknown, t.Rows, t.Bytes, stages}
		if err := c.stdout.JSON(d); err != nil {
			return c.fail(err)
		}
	} else if err := c.printTable(of, t, stages); err != nil {
		return c.fail(err)
	}
	if unread != nil {
		return c.failWith(unread)
	}
	return exitDone
}

func (c *command) printTable(of *tableOf, t dynamostore.Table, stages []wirepost.StageRecord) error {
	billing, ttl := "provisioned", "off"
	if t.OnDemand {
		billing = "on-demand"
	}
	if t.TTLUnknown != "" {
		ttl = "unknown: " + t.TTLUnknown
	} else if t.TTL != "" {
		ttl = "on " + t.TTL
	}
	c.stdout.Printf("table    %s\n", of.where)
	c.stdout.Printf("status   %s\n", t.Status)
	c.stdout.Printf("keys     %s\n", keysOf(t))
	c.stdout.Printf("billing  %s\n", billing)
	c.stdout.Printf("TTL      %s\n", ttl)
	c.stdout.Printf("holds    %d rows, %d bytes (DynamoDB counts about every six hours)\n", t.Rows, t.Bytes)
	if len(stages) == 0 {
		return nil
	}
	c.stdout.Print("\n")
	table := c.stdout.Table("ENDPOINT", "URL", "LEARNED")
	for _, r := range stages {
		table.Row(r.Identity, r.URL, fmt.Sprintf("%s ago", age(r.EventTime)))
	}
	return table.Flush()
}

// age is how long ago something was, for people.
func age(t time.Time) time.Duration { return max(0, time.Since(t).Round(time.Second)) }
