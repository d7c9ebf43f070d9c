package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dev"
	"github.com/wirepost/wirepost/internal/doctor"
	"github.com/wirepost/wirepost/internal/terminal"
)

// sweepHelp is the example in the help of sweep; the README has the same.
const sweepHelp = `    $ wirepost sweep
    STAGE                     CONNECTIONS  OLDEST   ANSWER
    a3k7m2q9xz/dev@us-east-1  3            1h12m0s  open 2, gone 1 (removed)
    w5c6n4r2ta/dev@us-east-1  14           1h50m0s  does not answer: endpoint-refused
    removed 1 connection
    $ wirepost sweep --api w5c6n4r2ta --stage dev
    removed 14 connections and 1 record of w5c6n4r2ta/dev@us-east-1
`

// wouldBeRemoved is the reason for which a dry run keeps a row.
const wouldBeRemoved = "would be removed"

// sweeping is one run of sweep.
type sweeping struct {
	c     *command
	store wirepost.Store
	asker asker
	keep  bool // --dry-run
	began time.Time
	flag  string // what hints have to repeat of the command line

	mu   sync.Mutex
	apis map[wirepost.Identity]*swept
}

// swept is what a sweep knows of one stage.
type swept struct {
	identity    wirepost.Identity
	record      *wirepost.StageRecord // nil: no endpoint is known
	moved       *wirepost.Identity    // whose endpoint that is by now, if it is another's
	connections int
	oldest      time.Time
	some        []wirepost.Listed // a few of the connections
	answers

	removed       int // by name
	recordRemoved bool
}

// sweepFlags are what the flags of sweep say.
type sweepFlags struct {
	api, stage, store string
	named             bool // an API is
	dry, json         bool
	presence          bool
}

func (c *command) sweepCommand() *cobra.Command {
	var f sweepFlags
	cmd := &cobra.Command{
		Use: `sweep [--dry-run] [--json]
wirepost sweep --api ID [--stage NAME] [--dry-run] [--json]
wirepost sweep --presence [--json]`,
		Short: "remove what belongs to nobody any more from the store",
		Long: `Removes what belongs to nobody any more from the store. The endpoint of each
connection is asked whether it is still there, and a row is removed as after a
post: if the answer is 410 Gone and the connection is older than 30 s. Then a
DynamoDB table is rid of what writes that were cut half way have left. (What no
sweep removes ends two hours after its $connect, as its connection would have.)

Of an endpoint that does not answer nothing is removed: it may only be stopped. If
its API will not come back, name it with --api. It is asked once more, and if
there is still no API, its connections and the record of its endpoint are removed.

With --presence it does what the schedule of a stack does every minute, and nothing
else: it ends the leases of those who vanished from topics without a word, and tells
those who watch. 'wirepost dev' does so by itself.`,
		Annotations: map[string]string{notes: "Exit status: 0 also if endpoints do not answer, 1 if one could not be asked."},
		Example:     strings.TrimSuffix(sweepHelp, "\n"),
		SuggestFor:  []string{"clean", "gc", "prune"},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.api, "api", "", "`ID` remove all that is kept of this API, if it does not answer")
	flags.StringVar(&f.stage, "stage", "", "`NAME` only this stage of it")
	flags.BoolVar(&f.dry, "dry-run", false, "ask, and say what would be removed; what cut writes have left is not looked for")
	flags.BoolVar(&f.presence, "presence", false, "end leases of presence, and nothing else")
	declareStore(flags, &f.store)
	flags.BoolVar(&f.json, "json", false, "one JSON object")
	cmd.RunE = runs(func(cmd *cobra.Command, args []string) int {
		f.named = cmd.Flags().Changed("api")
		staged := cmd.Flags().Changed("stage")
		switch {
		case len(args) > 0:
			return c.misuse(fmt.Sprintf("sweep takes no argument %q", args[0]), "'wirepost sweep --help' lists the flags")
		case f.presence && (f.named || staged || f.dry):
			return c.misuse("--presence can be combined only with --store and --json", "leave the others out")
		case staged && !f.named:
			return c.misuse("--stage needs --api", "give both, or neither to sweep the whole store")
		case f.named && f.api == "", staged && f.stage == "":
			return c.misuse("--api and --stage need a name", "'wirepost sweep' shows what there is")
		}
		if f.presence {
			return c.sweepPresence(cmd.Context(), f)
		}
		return c.sweep(cmd.Context(), f)
	})
	return cmd
}

func (c *command) sweep(ctx context.Context, f sweepFlags) int {
	store, err := openStore(ctx, storeURL(f.store))
	if err != nil {
		return c.failWith(err)
	}
	defer store.Close()
	o, err := publisherOptions(ctx, store)
	if err != nil {
		return c.failWith(err)
	}
	s := &sweeping{c: c, store: store, asker: newAsker(store, *o), keep: f.dry, began: time.Now(), apis: map[wirepost.Identity]*swept{}}
	defer s.asker.publisher.CloseIdleConnections()
	s.flag = storeFlag(f.store)

	var leftovers *int
	run := s.all
	if f.named {
		run = func(ctx context.Context) error { return s.named(ctx, f.api, f.stage) }
	}
	if err = run(ctx); err == nil && !f.dry {
		leftovers, err = s.leftovers(ctx)
	}
	for _, a := range s.apis {
		a.settle()
	}
	// What was done is told even of a sweep that was ended.
	switch {
	case err != nil && (len(s.apis) == 0 || f.named && !s.removedAny()): // nothing was done
	case f.json:
		s.printJSON(leftovers)
	case f.named:
		s.printNamed(leftovers)
	default:
		s.print(leftovers)
	}
	switch {
	case ctx.Err() != nil:
		c.complain("the sweep was interrupted", "run it again; what it has removed stays removed")
		return exitFailed
	case err != nil:
		return c.failWith(err)
	}
	return s.complain(f.named)
}

// sweepPresence ends leases of presence.
func (c *command) sweepPresence(ctx context.Context, f sweepFlags) int {
	store, err := openStore(ctx, storeURL(f.store))
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
	swept, err := publisher.SweepPresence(ctx, nil)
	if err != nil {
		return c.failWith(err)
	}
	switch {
	case f.json:
		_ = c.stdout.JSON(swept) // nobody to tell
	case !swept.Taken:
		c.stdout.Print("this minute was swept already\n")
	default:
		c.stdout.Printf("ended the leases of %s, of whom %d left; announced %s again\n", count(swept.Lapsed, "member"), swept.Left, count(swept.Again, "change"))
	}
	return exitDone
}

// api is what is known of a stage.
func (s *sweeping) api(id wirepost.Identity) *swept {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apis[id]
	if a == nil {
		a = &swept{identity: id}
		s.apis[id] = a
	}
	return a
}

func (s *sweeping) sorted() []*swept {
	all := make([]*swept, 0, len(s.apis))
	for _, a := range s.apis {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *swept) int {
		return cmp.Or(cmp.Compare(a.identity.APIID, b.identity.APIID), cmp.Compare(a.identity.Stage, b.identity.Stage), cmp.Compare(a.identity.Region, b.identity.Region))
	})
	return all
}

// readStages notes the stages that are known, and whose endpoint has become another
// API's.
func (s *sweeping) readStages(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	records, err := s.store.Stages(ctx)
	if err != nil {
		return err
	}
	here, _ := folder.APIID()
	owners := map[string]wirepost.StageRecord{}
	for _, r := range records {
		s.api(r.Identity).record = &r
		// On a machine with several gateways, or two machines with a gateway each, one
		// port may be in several records. The one in this folder is ours; else the
		// last one is whose gateway answers. What it says is nothing about the others.
		owner, taken := owners[r.URL]
		ours := dev.OnThisMachine(r.URL) && here != "" && r.APIID == here
		theirs := taken && dev.OnThisMachine(r.URL) && here != "" && owner.APIID == here
		if !taken || ours && !theirs || ours == theirs && r.EventTime.After(owner.EventTime) {
			owners[r.URL] = r
		}
	}
	for _, r := range records {
		if owner := owners[r.URL].Identity; owner != r.Identity {
			s.api(r.Identity).moved = &owner
		}
	}
	return nil
}

// note counts a listed connection.
func (s *sweeping) note(l wirepost.Listed) *swept {
	a := s.api(l.Endpoint)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.connections++
	if a.oldest.IsZero() || l.ConnectedAt.Before(a.oldest) {
		a.oldest = l.ConnectedAt
	}
	if len(a.some) < enough {
		a.some = append(a.some, l)
	}
	return a
}

// all asks about every connection, and removes what is gone.
func (s *sweeping) all(ctx context.Context) error {
	if err := s.readStages(ctx); err != nil {
		return err
	}
	err := each(ctx, s.store, func(ctx context.Context, l wirepost.Listed) error {
		a := s.note(l)
		if a.moved != nil || !a.asking() {
			return nil
		}
		return s.asker.ask(ctx, &question{listed: l, keep: s.keep}, &a.answers)
	})
	if err != nil {
		return err
	}
	// An endpoint without connections is asked about one that nobody has.
	for _, a := range s.sorted() {
		if a.connections == 0 && a.moved == nil {
			if err := s.asker.ask(ctx, probe(a.identity), &a.answers); err != nil {
				return err
			}
		}
	}
	return nil
}

// probe asks for nobody's connection.
func probe(id wirepost.Identity) *question {
	return &question{listed: wirepost.Listed{ID: probeID, Endpoint: id}, keep: true, probe: true}
}

// leftovers removes what cut writes have left, in a store that has such. It is nil
// for one that has not.
func (s *sweeping) leftovers(ctx context.Context) (*int, error) {
	store, ok := s.store.(interface {
		Sweep(context.Context) (int, error)
	})
	if !ok {
		return nil, nil
	}
	n, err := store.Sweep(ctx)
	return &n, err
}

// answer is what the endpoint has said, in a line.
func (a *swept) answer() string {
	if a.moved != nil {
		return fmt.Sprintf("%s (it is that of %s)", doctor.Absence(wirepost.ProblemEndpointAnotherAPI), a.moved)
	}
	said := "answers"
	if a.connections > 0 && a.Sent+a.Gone+a.Failed > 0 {
		said = "open" + strings.TrimPrefix(a.Result.String(), "sent")
		said = strings.ReplaceAll(said, "kept: "+wouldBeRemoved, wouldBeRemoved)
	}
	if a.silent == "" {
		return said
	}
	silence := "cannot be asked: " + string(a.silent)
	if absent(a.silent) || unheard(a.silent) {
		silence = doctor.Absence(a.silent)
	}
	if a.heard > 0 {
		return said + "; then it " + silence
	}
	return silence
}

// whatToDo is the cure of silence. The catalogue's is that of a message.
func (a *swept) whatToDo() string {
	if a.silent == wirepost.ProblemNoAnswer {
		return "something there accepts connections but does not answer; check it with 'wirepost doctor'"
	}
	return a.silent.Fix()
}

// away reports whether there is no sign of the API.
func (a *swept) away() bool {
	return a.moved != nil || a.heard == 0 && absent(a.silent)
}

func (s *sweeping) print(leftovers *int) {
	apis := s.sorted()
	if len(apis) == 0 {
		s.printLeftovers(leftovers)
		s.c.stderr.Print("wirepost: hint: nobody is connected, and no stage is known\n")
		return
	}
	table := s.c.stdout.Table("STAGE", "CONNECTIONS", "OLDEST", "ANSWER")
	n := 0
	for _, a := range apis {
		oldest := "-"
		if !a.oldest.IsZero() {
			oldest = age(a.oldest).String()
		}
		table.Row(a.identity, a.connections, oldest, a.answer())
		if s.keep {
			n += a.certain
		} else {
			n += a.Removed
		}
	}
	table.Flush()
	s.c.stdout.Printf("%s %s\n", s.verb(), count(n, "connection"))
	s.printLeftovers(leftovers)
	for _, a := range apis {
		if a.heard == 0 && unheard(a.silent) {
			s.c.stderr.Printf("wirepost: hint: cannot tell from here whether %s still exists (%s): %s\n", a.identity, a.silent, a.whatToDo())
		}
		if !a.away() {
			continue
		}
		where := ""
		if a.record != nil && dev.OnThisMachine(a.record.URL) {
			where = "; localhost may have meant another machine, so check there first"
		}
		s.c.stderr.Printf("wirepost: hint: if %s will not come back, 'wirepost sweep --api %s --stage %s%s' removes what is kept of it%s\n",
			a.identity, terminal.Word(a.identity.APIID), terminal.Word(a.identity.Stage), s.flag, where)
	}
}

func (s *sweeping) printLeftovers(leftovers *int) {
	if leftovers != nil && *leftovers > 0 {
		s.c.stdout.Printf("removed %s of writes that were cut half way\n", count(*leftovers, "row"))
	}
}

func (s *sweeping) verb() string {
	if s.keep {
		return "would remove"
	}
	return "removed"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// complain tells, once for each problem, what kept endpoints from being asked.
func (s *sweeping) complain(named bool) int {
	status := exitDone
	told := map[wirepost.Problem]bool{}
	for _, a := range s.sorted() {
		for _, err := range a.Errors {
			p := certain(err)
			if absent(p) || unheard(p) || named {
				continue
			}
			status = exitFailed
			if !told[p] {
				told[p] = true
				s.c.fail(err)
			}
		}
	}
	return status
}

// sweptJSON is a stage as --json has it; its beginning is as in that of table describe.
type sweptJSON struct {
	wirepost.Identity
	URL           string                   `json:"url,omitempty"`
	Connections   int                      `json:"connections"`
	Oldest        *time.Time               `json:"oldest,omitempty"`
	Open          int                      `json:"open"`
	Gone          int                      `json:"gone"`
	Removable     int                      `json:"removable,omitempty"` // by a dry run
	Removed       int                      `json:"removed"`
	RecordRemoved bool                     `json:"recordRemoved,omitempty"`
	Failed        map[wirepost.Problem]int `json:"failed,omitempty"`
	Away          bool                     `json:"away"` // there is no sign of the API
	Answer        string                   `json:"answer"`
}

func (s *sweeping) printJSON(leftovers *int) {
	out := struct {
		DryRun    bool        `json:"dryRun"`
		Stages    []sweptJSON `json:"stages"`
		Leftovers *int        `json:"leftovers,omitempty"`
	}{s.keep, []sweptJSON{}, leftovers}
	for _, a := range s.sorted() {
		j := sweptJSON{Identity: a.identity, Connections: a.connections, Open: a.Sent, Gone: a.Gone, Removed: a.Removed + a.removed,
			RecordRemoved: a.recordRemoved, Failed: a.Problems, Away: a.away(), Answer: a.answer()}
		if a.record != nil {
			j.URL = a.record.URL
		}
		if !a.oldest.IsZero() {
			j.Oldest = &a.oldest
		}
		if s.keep {
			j.Removable = a.certain
		}
		out.Stages = append(out.Stages, j)
	}
	_ = s.c.stdout.JSON(out) // nobody to tell
}
