package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/internal/hint"
	"github.com/wirepost/wirepost/internal/terminal"
)

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

func (c *command) tableCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "table COMMAND [FLAGS] [URL]",
		Short: "create, describe or check the DynamoDB table of a store",
		Long: `Creates the DynamoDB table of a store, shows what there is of it, or says what is
wrong with it and what to do. Without a URL it is the table of --store, of
$WIREPOST_STORE, or of the last 'wirepost dev' in this folder. A URL is
dynamodb://TABLE?region=REGION&endpoint=URL; both parameters may be left out where
AWS_REGION, or a profile, names the region. Without them the table is that of the
'wirepost dev' that runs in this folder, if that has tables.`,
		Annotations: map[string]string{notes: `Exit status: 0 all is well, 1 something is wrong with the table, 2 wrong usage.
create needs dynamodb:CreateTable and UpdateTimeToLive, and all need
DescribeTable and DescribeTimeToLive. deploy/ has the same table in a stack for
AWS SAM, Terraform and the CDK.`},
		Example: tableExample,
	}
	group.RunE = runs(func(*cobra.Command, []string) int {
		return c.misuse("table needs a subcommand", "the commands are table create, table describe and table check")
	})
	create := c.tableCommandOf("create [URL]", createTime, c.createTable)
	create.Short = "create the table, or turn on the TTL of one that is there"
	create.Long = `Creates the DynamoDB table of a store. It may be repeated: of a table that is there
it turns on the TTL, if that is off, and changes nothing else.`
	create.Example = tableExample

	var asJSON bool
	describe := c.tableCommandOf("describe [--json] [URL]", tableTime, func(ctx context.Context, t *tableOf) int { return c.describeTable(ctx, t, asJSON) })
	describe.Short = "show what there is of the table"
	describe.Long = "Shows the keys, the billing, the TTL and the size of a table, and the stages that it\nhas records of, with their endpoints."
	describe.Example = "    $ wirepost table describe 'dynamodb://connections?region=eu-central-1' --json"
	describe.Flags().BoolVar(&asJSON, "json", false, "one JSON object")

	check := c.tableCommandOf("check [URL]", tableTime, c.checkTable)
	check.Short = "say what is wrong with the table, and what to do"
	check.Long = "Says what is wrong with a table and what to do. The status is 1 if something is."
	check.Example = "    $ wirepost table check 'dynamodb://connections?region=eu-central-1'"

	group.AddCommand(create, describe, check, c.helpCommand())
	return group
}

const tableExample = `    $ wirepost table create 'dynamodb://connections?region=eu-central-1'
    created table connections in eu-central-1: on-demand, TTL on x`

// tableCommandOf is a command about a table that it opens, for so long at most.
func (c *command) tableCommandOf(use string, limit time.Duration, do func(context.Context, *tableOf) int) *cobra.Command {
	var store string
	cmd := &cobra.Command{Use: use, Annotations: map[string]string{notes: "URL is dynamodb://TABLE?region=REGION&endpoint=URL, as 'wirepost table --help' says."}}
	cmd.Flags().StringVar(&store, "store", "", "`URL` the same as URL; default $WIREPOST_STORE")
	cmd.RunE = runs(func(cmd *cobra.Command, args []string) int {
		at := c.atEngine(cmp.Or(slices.Concat(args, []string{store, os.Getenv("WIREPOST_STORE"), tableOfFolder()})...))
		scheme, _, isURL := strings.Cut(at, ":")
		switch {
		case len(args) > 1:
			return c.misuse(fmt.Sprintf("table %s takes one URL, but was also given %q", cmd.Name(), args[1]), "put the URL in quotes: it has a ? and may have an &")
		case store != "" && len(args) > 0:
			return c.misuse(fmt.Sprintf("table %s takes a URL or --store, not both", cmd.Name()), "")
		case at == "":
			return c.misuse(fmt.Sprintf("table %s needs the URL of a table", cmd.Name()), "give one, such as 'dynamodb://connections?region=eu-central-1', or set WIREPOST_STORE")
		case !isURL:
			return c.misuse(fmt.Sprintf("%q is not the URL of a table", at), fmt.Sprintf("write dynamodb://%s?region=REGION", at))
		case scheme != "dynamodb":
			return c.misuse(fmt.Sprintf("the store is of the kind %q, and only one on DynamoDB has a table to %s", scheme, cmd.Name()), "give the URL of a table, such as 'dynamodb://connections?region=eu-central-1'")
		}
		if _, err := dynamostore.ParseURL(at); err != nil {
			return c.misuse(err.Error(), "")
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), limit)
		defer cancel()
		of, err := openTable(ctx, at)
		if err != nil {
			return c.fail(err)
		}
		defer of.store.Close()
		return do(ctx, of)
	})
	return cmd
}

// tableOfFolder is the store of the folder's last dev if that is a table; empty if not.
func tableOfFolder() string {
	if at := folder.StoreURL(); strings.HasPrefix(at, "dynamodb:") {
		return at
	}
	return ""
}

// atEngine is the URL of a table at the engine of the dev that runs in this folder, if
// the URL says neither region nor endpoint, and the environment names no endpoint.
func (c *command) atEngine(store string) string {
	table, query, _ := strings.Cut(store, "?")
	parameters, err := url.ParseQuery(query)
	if !strings.HasPrefix(table, "dynamodb://") || err != nil || parameters.Has("region") || parameters.Has("endpoint") ||
		os.Getenv("AWS_ENDPOINT_URL_DYNAMODB") != "" || os.Getenv("AWS_ENDPOINT_URL") != "" {
		return store
	}
	at := folder.TablesURL()
	if at == "" {
		return store
	}
	c.stderr.Printf("wirepost: hint: the table is assumed to be that of the 'wirepost dev' in this folder, at %s; for AWS's add a region, as in %s\n", at, terminal.Word(table+"?region=REGION"))
	parameters.Set("endpoint", at)
	return table + "?" + parameters.Encode()
}

func openTable(ctx context.Context, at string) (*tableOf, error) {
	opened, err := dynamostore.OpenURL(ctx, at)
	if err != nil {
		return nil, err
	}
	full, err := dynamostore.ParseURL(opened.URL()) // with the region that AWS's configuration says
	if err != nil {
		opened.Close()
		return nil, err
	}
	where := full.Table + " in " + full.Region
	if full.Endpoint != "" {
		where = full.Table + " at " + full.Endpoint
	}
	return &tableOf{store: opened, url: opened.URL(), where: where}, nil
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
	table := c.stdout.Table("STAGE", "ENDPOINT", "LEARNED")
	for _, r := range stages {
		table.Row(r.Identity, r.URL, fmt.Sprintf("%s ago", age(r.EventTime)))
	}
	return table.Flush()
}

// age is how long ago something was, for people.
func age(t time.Time) time.Duration { return max(0, time.Since(t).Round(time.Second)) }
