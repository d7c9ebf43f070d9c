package eventsource

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/eventsource/eventpattern"
)

const (
	// queuePlaces is how many batches of a queue are with the function at a time, unless
	// the mapping says it: as many as Lambda begins with (AWS docs, Lambda developer
	// guide, "Configuring scaling behavior for SQS event source mappings"). It does not
	// grow here.
	queuePlaces = 5

	// longPoll is how long a server waits for a message. A poll that is cut off may take
	// messages with it until they are visible again, so the end of Run waits for it: it
	// is shorter than the 20 s that SQS allows.
	longPoll = time.Second

	// callTime bounds a request to a server, beyond what it is told to wait.
	callTime = 10 * time.Second

	// giveBackTime is how long after Grace unfinished messages may be given back.
	giveBackTime = 3 * time.Second

	// perRequest is how many messages SQS takes or gives in one request.
	perRequest = 10
)

// Queue invokes a function with the messages of an SQS queue. All fields but Timeout,
// Notice and Rand are required, and none may be changed while Run runs.
//
//   - Batches are gathered as Batch says: 10 messages if it says nothing, until the window
//     has passed since the first or the event has 6 MB. 5 batches at a time are with the
//     function, or MaxConcurrency.
//   - Messages that fit no filter are deleted, as on AWS.
//   - After a success the messages are deleted, with Partial all but those that the
//     function reports. What has failed stays in the queue and is visible again after
//     the queue's visibility timeout; dead letters are the server's business.
//   - An invocation that finds no place is tried again until that timeout is over.
//   - In a FIFO queue no two batches with messages of one group are with the function at
//     the same time. A function that reports a message of a group as failed has to report
//     those after it, too, as on AWS: what it does not report is deleted.
//   - What is not finished when Run ends is made visible within a second.
type Queue struct {
	Name string // of the source, for people
	URL  string // of the queue, as requests name it
	ARN  string // of the queue in events

	// Region is that of events.
	Region string

	Server   *Server
	Function Function

	// Timeout is the function's; zero means that it is not known.
	Timeout time.Duration

	Batch  app.Batch
	Notice Notices
	Rand   func() float64 // from 0 up to 1; nil means one of its own
}

// Check reports a filter that cannot be read. Run would return the same error.
func (q *Queue) Check() error {
	_, err := parsePatterns(q.Batch.Filters)
	return err
}

// Run polls until ctx ends. An error is a filter that cannot be read, and is returned at
// once; a server that does not answer is none.
func (q *Queue) Run(ctx context.Context) error {
	patterns, err := parsePatterns(q.Batch.Filters)
	if err != nil {
		return err
	}
	late, cancel := outlive(ctx, Grace)
	defer cancel()
	last, cancelLast := outlive(ctx, Grace+giveBackTime)
	defer cancelLast()
	r := &queueRun{
		Queue: q, patterns: patterns, late: late, last: last, fifo: strings.HasSuffix(q.URL, ".fifo"),
		size: min(cmp.Or(q.Batch.Size, 10), 10_000), places: make(chan struct{}, cmp.Or(q.Batch.MaxConcurrency, queuePlaces)),
		reach:  reach{what: "queue " + q.Name + " at " + q.Server.URL, notice: q.Notice, rand: orRandom(q.Rand)},
		groups: groups{busy: map[string]bool{}},
	}
	if r.fifo {
		r.size = min(r.size, perRequest)
	}
	r.poll(ctx)
	r.running.Wait()
	r.giveBack(r.carry)
	return nil
}

// queueRun is one run of a Queue.
type queueRun struct {
	*Queue
	patterns   []*eventpattern.Pattern
	late, last context.Context // end some time after that of Run, for what runs and for what it leaves
	size       int
	fifo       bool
	visibility time.Duration // of the queue

	places  chan struct{} // has an element for each batch that is with the function
	running sync.WaitGroup
	groups  groups
	carry   []*message // taken, and too large for the last batch
	reach   reach
	once    once

	failing sync.Mutex
	failed  int // batches that have failed one after the other
}

// batch is what one invocation is given.
type batch struct {
	messages []*message
	records  []json.RawMessage
	bytes    int
	first    time.Time // when the first message was taken
}

// poll gathers batches and has them handled, until ctx ends.
func (r *queueRun) poll(ctx context.Context) {
	if !r.describe(ctx) {
		return
	}
	for {
		// A place first: a message that waits here loses of its visibility timeout.
		select {
		case <-ctx.Done():
			return
		case r.places <- struct{}{}:
		}
		b := r.gather(ctx)
		if ctx.Err() != nil || len(b.messages) == 0 || r.fifo && !r.groups.take(ctx, b) {
			r.giveBack(b.messages)
			<-r.places
			continue
		}
		r.running.Go(func() { // Run waits for it
			failed := r.handle(ctx, b)
			r.groups.leave(b)
			r.slowDown(ctx, failed)
			<-r.places
		})
	}
}

// describe asks for the queue's visibility timeout, until the server answers.
func (r *queueRun) describe(ctx context.Context) bool {
	for {
		seconds, err := r.Server.visibilityTimeout(ctx, r.URL)
		if err == nil {
			r.reach.worked()
			r.visibility = time.Duration(seconds) * time.Second
			r.noteVisibility()
			return true
		}
		if ctx.Err() != nil || !sleep(ctx, r.reach.failed(err)) {
			return false
		}
	}
}

// noteVisibility compares the visibility timeout with the function's. (AWS docs, Lambda
// developer guide, "Creating and configuring an Amazon SQS event source mapping": at
// least six times the function's timeout. Lambda refuses one that is below it.)
func (r *queueRun) noteVisibility() {
	switch {
	case r.Timeout == 0 || r.visibility >= 6*r.Timeout:
	case r.visibility < r.Timeout:
		r.once.say(r.Notice, "visibility", "queue %s has a visibility timeout of %v, which is below the function's timeout of %v: AWS refuses such a source", r.Name, r.visibility, r.Timeout)
	default:
		r.once.say(r.Notice, "visibility", "queue %s has a visibility timeout of %v; AWS recommends at least six times the function's timeout, which is %v", r.Name, r.visibility, 6*r.Timeout)
	}
}

// gather takes messages until a batch is complete. It is empty if there are none for a
// while, or if ctx has ended.
func (r *queueRun) gather(ctx context.Context) *batch {
	b := &batch{}
	for {
		if full := r.fill(b); full || ctx.Err() != nil {
			return b
		}
		wait := longPoll
		if len(b.messages) > 0 {
			left := r.Batch.Window - time.Since(b.first)
			if left <= 0 {
				return b
			}
			wait = min(wait, left)
		}
		got, err := r.Server.receive(r.late, r.URL, min(perRequest, r.size-len(b.messages)), wait)
		if err != nil {
			if d := r.reach.failed(err); len(b.messages) > 0 || !sleep(ctx, d) {
				return b
			}
			continue
		}
		r.reach.worked()
		if len(got) == 0 && len(b.messages) == 0 {
			return b
		}
		if b.first.IsZero() {
			b.first = time.Now()
		}
		r.carry = append(r.carry, got...)
	}
}

// fill moves messages from the carry to a batch, and has those deleted that fit no
// filter. It reports whether the batch is full.
func (r *queueRun) fill(b *batch) (full bool) {
	var unfit []*message
	for len(r.carry) > 0 && len(b.messages) < r.size {
		m := r.carry[0]
		record := m.record(r.ARN, r.Region)
		if !fitsMessage(r.patterns, record, m.Body) {
			unfit, r.carry = append(unfit, m), r.carry[1:]
			continue
		}
		if b.bytes+len(record)+100 > maxPayload && len(b.messages) > 0 {
			full = true
			break
		}
		if b.first.IsZero() {
			b.first = time.Now()
		}
		b.messages, b.records, b.bytes = append(b.messages, m), append(b.records, record), b.bytes+len(record)+1
		r.carry = r.carry[1:]
	}
	r.remove(unfit)
	return full || len(b.messages) >= r.size
}

// handle invokes the function and does with the messages what the answer says. It
// reports whether the invocation has failed, or found no place.
func (r *queueRun) handle(ctx context.Context, b *batch) (failed bool) {
	event := eventOf(b.records)
	for tries := 1; ; tries++ {
		answer, err := r.Function.Invoke(r.late, event)
		switch {
		case err == nil:
			return r.settle(b, answer)
		case r.late.Err() != nil:
			r.giveBack(b.messages)
			return false
		case !errors.Is(err, ErrNoPlace):
			return true // visible again after the visibility timeout
		}
		d := backoff(tries, r.reach.rand)
		if time.Since(b.first)+d >= r.visibility {
			r.once.say(r.Notice, "place", "the function of queue %s had no place for a batch within the queue's visibility timeout of %v: its messages come again, and count as received", r.Name, r.visibility)
			return true
		}
		if !sleep(ctx, d) {
			r.giveBack(b.messages)
			return false
		}
	}
}

// settle removes the messages that have succeeded.
func (r *queueRun) settle(b *batch, answer []byte) (failed bool) {
	if !r.Batch.Partial {
		r.remove(b.messages)
		return false
	}
	byID := map[string]*message{}
	for _, m := range b.messages {
		byID[m.MessageID] = m
	}
	ids, err := failedItems(answer, func(id string) bool { return byID[id] != nil })
	if err != nil {
		r.once.say(r.Notice, "answer", "the function of queue %s has answered a batch so that all of it counts as failed: %v", r.Name, err)
		return true
	}
	for _, id := range ids {
		delete(byID, id)
	}
	var done []*message
	for _, m := range b.messages {
		if byID[m.MessageID] != nil {
			done = append(done, m)
		}
	}
	r.remove(done)
	return false // Lambda does not slow down for partial failures either
}

// slowDown keeps the place of a batch that has failed for a while: with a visibility
// timeout of zero its messages would be back at once.
func (r *queueRun) slowDown(ctx context.Context, failed bool) {
	r.failing.Lock()
	if r.failed++; !failed {
		r.failed = 0
	}
	n := r.failed
	r.failing.Unlock()
	if n > 0 {
		sleep(ctx, backoff(n, r.reach.rand)/4)
	}
}

// remove deletes messages, again and again while their visibility timeout may last.
func (r *queueRun) remove(messages []*message) {
	for begun, tries := time.Now(), 1; len(messages) > 0; tries++ {
		left, gone, err := r.Server.deleteMessages(r.late, r.URL, messages)
		if gone > 0 {
			r.once.say(r.Notice, "gone", "messages of queue %s were finished after the queue's visibility timeout of %v, so they come again", r.Name, r.visibility)
		}
		if messages = left; len(left) == 0 {
			return
		}
		d := backoff(tries, r.reach.rand)
		if time.Since(begun)+d > max(r.visibility, time.Second) || !sleep(r.late, d) {
			r.once.say(r.Notice, "delete", "%d messages of queue %s were handled and could not be deleted, so they come again: %s", len(left), r.Name, causeOf(err))
			return
		}
	}
}

// giveBack makes messages visible that nobody has handled.
func (r *queueRun) giveBack(messages []*message) {
	if len(messages) == 0 {
		return
	}
	if err := r.Server.makeVisible(r.last, r.URL, messages); err != nil {
		r.once.say(r.Notice, "back", "messages of queue %s could not be given back: %s; they are visible after the queue's visibility timeout of %v", r.Name, causeOf(err), r.visibility)
	}
}

// groups are the message groups that are with the function.
type groups struct {
	mu      sync.Mutex
	busy    map[string]bool
	changed chan struct{} // is closed when one leaves
}

// take waits until none of a batch's groups is with the function, and marks them.
func (g *groups) take(ctx context.Context, b *batch) bool {
	for {
		g.mu.Lock()
		free := true
		for _, m := range b.messages {
			free = free && !g.busy[m.group()]
		}
		if free {
			for _, m := range b.messages {
				g.busy[m.group()] = true
			}
			g.mu.Unlock()
			return true
		}
		if g.changed == nil {
			g.changed = make(chan struct{})
		}
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		}
	}
}

func (g *groups) leave(b *batch) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range b.messages {
		delete(g.busy, m.group())
	}
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
}
