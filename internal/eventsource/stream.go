package eventsource

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"time"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/eventsource/eventpattern"
)

const (
	// pollPause is the time between two requests for records of a shard: Lambda makes
	// four a second (AWS docs, Lambda developer guide, "Using AWS Lambda with Amazon
	// DynamoDB"). Without records it grows to maxPause.
	pollPause = 250 * time.Millisecond
	maxPause  = time.Second

	// listPause is the time between two listings of shards, unless one ends.
	listPause = 10 * time.Second

	// retention is how long a stream has a record (AWS docs, DynamoDB developer guide,
	// "Change data capture for DynamoDB Streams").
	retention = 24 * time.Hour
)

// Stream invokes a function with the records of a table's stream. All fields but Notice
// and Rand are required, and none may be changed while Run runs.
//
//   - A shard is read after its parent has ended, one batch at a time, and shards that do
//     not depend on each other at the same time. Batch.Parallel is not used: one batch at
//     a time keeps a stronger order than what AWS promises.
//   - Batches are gathered as Batch says: 100 records if it says nothing, until the window
//     has passed since the first or the event has 6 MB. Records that fit no filter are
//     skipped.
//   - The position after each batch is in a file below Folder. What was read first is as
//     StartAt says, TRIM_HORIZON if it says nothing; after that each record is given at
//     least once, also after a kill.
//   - A batch that fails is tried again, and its shard waits: Retries times and until the
//     first record has MaxAge, or if the mapping has neither until it is 24 h old. With
//     Bisect it is cut in two first. With Partial what comes before the first record that
//     the function reports is done. Records that are given up are reported once.
type Stream struct {
	Name  string // of the source, for people, and of its file
	Table string // its name at the server

	// ARN is the table's in events, and Region theirs.
	ARN, Region string

	Server   *Server
	Function Function
	Batch    app.Batch

	// Began is when the app began to run. A stream that is newer has no record from
	// before, so LATEST reads all of it, also what came before Run. Zero means that it is
	// not known.
	Began time.Time

	// Folder keeps positions. It is made if it is not there. One process uses it at a
	// time.
	Folder string

	Notice Notices
	Rand   func() float64 // from 0 up to 1; nil means one of its own
}

// Check reports a filter that cannot be read. Run would return the same error.
func (s *Stream) Check() error {
	_, err := parsePatterns(s.Batch.Filters)
	return err
}

// Run reads until ctx ends. An error is a filter that cannot be read, and is returned at
// once; a server that does not answer is none.
func (s *Stream) Run(ctx context.Context) error {
	patterns, err := parsePatterns(s.Batch.Filters)
	if err != nil {
		return err
	}
	late, cancel := outlive(ctx, Grace)
	defer cancel()
	r := &streamRun{
		Stream: s, patterns: patterns, late: late, size: min(cmp.Or(s.Batch.Size, 100), 10_000),
		reach: reach{what: "the stream of table " + s.Table + " at " + s.Server.URL, notice: s.Notice, rand: orRandom(s.Rand)},
	}
	if s.Batch.TumbleAfter > 0 {
		r.once.say(s.Notice, "tumble", "stream %s has a tumbling window, which is not kept here: the function gets batches without a window and a state", s.Name)
	}
	for first := true; ctx.Err() == nil; first = false {
		r.read(ctx, first)
	}
	return nil
}

// streamRun is one run of a Stream.
type streamRun struct {
	*Stream
	patterns []*eventpattern.Pattern
	late     context.Context // ends some time after that of Run
	size     int
	reach    reach
	once     once

	// Of the stream that is read now.
	arn       string // at the server
	eventARN  string // in events
	positions *positions
}

// read reads one stream of the table, until the table has another one or ctx ends.
func (r *streamRun) read(ctx context.Context, first bool) {
	if !r.find(ctx) {
		return
	}
	var isNew bool
	var err error
	if r.positions, isNew, err = loadPositions(r.Folder, r.Name, r.arn); err != nil {
		r.once.say(r.Notice, "load", "%v; the stream is read as if for the first time", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait() // after cancel
	defer cancel()

	latest := first && isNew && r.Batch.StartAt == "LATEST" && !r.isNewer()
	started, ended := map[string]bool{}, make(chan struct{}, 1)
	for ctx.Err() == nil {
		shards, ok := r.list(ctx)
		if !ok {
			return
		}
		if latest && !r.skipAll(ctx, shards) {
			return
		}
		latest = false
		for _, sh := range r.ready(shards, started) {
			started[sh.ID] = true
			running.Go(func() { // read waits for it
				(&shardRun{streamRun: r, id: sh.ID}).run(ctx)
				select {
				case ended <- struct{}{}:
				default:
				}
			})
		}
		pause := time.NewTimer(listPause)
		select {
		case <-ctx.Done():
		case <-ended:
		case <-pause.C:
		}
		pause.Stop()
	}
}

// isNewer reports whether the stream was made after the app began to run. Its label is when
// it was made (AWS docs, DynamoDB API reference, LatestStreamLabel).
func (r *streamRun) isNewer() bool {
	_, label, _ := strings.Cut(r.eventARN, "/stream/")
	made, err := time.Parse("2006-01-02T15:04:05.999", label)
	return err == nil && !r.Began.IsZero() && made.After(r.Began)
}

// find looks for the table's stream until there is one.
func (r *streamRun) find(ctx context.Context) bool {
	for {
		arn, label, err := r.Server.latestStream(ctx, r.Table)
		if err == nil {
			r.reach.worked()
			r.arn, r.eventARN = arn, r.ARN+"/stream/"+label
			return true
		}
		if ctx.Err() != nil || !sleep(ctx, r.reach.failed(err)) {
			return false
		}
	}
}

// list lists the shards of the stream. It fails if the table has another stream now, or
// ctx ends.
func (r *streamRun) list(ctx context.Context) ([]shard, bool) {
	for {
		arn, _, err := r.Server.latestStream(ctx, r.Table)
		if err == nil && arn != r.arn {
			return nil, false
		}
		var all []shard
		if err == nil {
			all, err = r.Server.shards(ctx, r.arn)
		}
		if err == nil {
			r.reach.worked()
			has := map[string]bool{}
			for _, sh := range all {
				has[sh.ID] = true
			}
			r.positions.prune(has)
			return all, true
		}
		if ctx.Err() != nil || !sleep(ctx, r.reach.failed(err)) {
			return nil, false
		}
	}
}

// ready are the shards that can be read now: those whose parents have ended, or are not
// there any more.
func (r *streamRun) ready(all []shard, started map[string]bool) (ready []shard) {
	has := map[string]bool{}
	for _, sh := range all {
		has[sh.ID] = true
	}
	for _, sh := range all {
		own, _ := r.positions.of(sh.ID)
		parent, _ := r.positions.of(sh.Parent)
		if !own.Ended && !started[sh.ID] && (!has[sh.Parent] || parent.Ended) {
			ready = append(ready, sh)
		}
	}
	return ready
}

// skipAll keeps the end of each shard as its position, for LATEST. The iterator that
// DynamoDB has for it would not tell which record is the last one: after a kill before
// the first record, those that came meanwhile would be lost.
func (r *streamRun) skipAll(ctx context.Context, all []shard) bool {
	for _, sh := range all {
		at := shardPosition{Ended: sh.closed()}
		for iterator := ""; !at.Ended; {
			var got []*change
			var err error
			if iterator == "" {
				iterator, err = r.Server.iterator(ctx, r.arn, sh.ID, at.After)
			}
			if err == nil {
				got, iterator, err = r.Server.records(ctx, iterator)
			}
			if err != nil {
				iterator = ""
				if ctx.Err() != nil || !sleep(ctx, r.reach.failed(err)) {
					return false
				}
				continue
			}
			if len(got) == 0 {
				break
			}
			at.After = got[len(got)-1].Change.SequenceNumber
			at.Ended = iterator == ""
		}
		r.positions.mu.Lock()
		r.positions.kept.Shards[sh.ID] = at
		r.positions.mu.Unlock()
	}
	r.save(r.positions.save())
	return true
}

// save says if a position could not be kept.
func (r *streamRun) save(err error) {
	if err != nil {
		r.once.say(r.Notice, "save", "the position in the stream of table %s could not be kept: %v; after the next start records come again", r.Table, err)
	}
}

// fits reports whether a record fits one of the patterns.
func (r *streamRun) fits(c *change) bool {
	if len(r.patterns) == 0 {
		return true
	}
	v, err := eventpattern.Decode(c.record)
	if err != nil {
		return false
	}
	for _, p := range r.patterns {
		if p.Match(v) {
			return true
		}
	}
	return false
}

// isTrimmed reports whether records were asked for that the stream has no more.
func isTrimmed(err error) bool { return strings.Contains(codeOf(err), "TrimmedDataAccess") }
