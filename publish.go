package wirepost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/wirepost/wirepost/internal/management"
)

// waitingPerPlace is how many posts may wait to be tried again for each that may be
// in flight.
const waitingPerPlace = 16

// fanOut is a publish while it runs: a reader that is ahead of the posts, and
// workers that take the next connection and post to it. They are started as there
// is work, and all end with run.
type fanOut struct {
	*Publisher
	to      Audience
	request request
	options *PublishOptions

	ctx     context.Context // the caller's
	listing context.Context // ends when no more posts may start
	stop    time.Time       // when that is; zero for never

	ahead   *lookAhead
	places  chan struct{} // a post in flight has one
	workers sync.WaitGroup

	// The next connection is taken by one worker at a time, which is certain then
	// that its post may start: so a cursor says exactly who was reached. One that is
	// in the channel guards the fields below it.
	taking    chan struct{}
	last      Cursor // behind the last connection that was taken or left out
	found     bool
	over      bool
	outOfTime bool
	failure   error

	mu       sync.Mutex
	result   tally
	begun    int // workers
	waiting  int // of those, with a post that waits to be tried again
	panicked *goroutinePanic
}

// fanOut sends one request to each connection of an audience.
func (p *Publisher) fanOut(ctx context.Context, to Audience, r request, o *PublishOptions) (Result, error) {
	p.made("wirepost")
	if o == nil {
		o = &PublishOptions{}
	}
	if err := cmp.Or(to.Validate(), checkReserved(to), ListOptions{After: o.After, Part: o.Part, Parts: o.Parts}.Validate()); err != nil {
		return Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return Result{Next: o.After}, fmt.Errorf("publish to %s: %w", to, err)
	}
	r.repeatable = r.repeatable || o.AtLeastOnce
	f := &fanOut{Publisher: p, to: to, request: r, options: o, ctx: ctx, stop: p.stopTime(ctx), last: o.After, begun: 1,
		result: tally{atLeastOnce: o.AtLeastOnce}, ahead: newLookAhead(), places: make(chan struct{}, p.o.Concurrency), taking: make(chan struct{}, 1)}
	return f.run()
}

func (f *fanOut) run() (Result, error) {
	start := time.Now()
	cancel := context.CancelFunc(func() {})
	if f.listing = f.ctx; !f.stop.IsZero() {
		f.listing, cancel = context.WithDeadline(f.ctx, f.stop)
	}
	defer cancel()
	reading, stopReading := context.WithCancel(f.listing)
	defer stopReading()
	var reader sync.WaitGroup
	reader.Go(func() {
		defer f.catch()
		listed := false
		defer func() {
			if !listed { // it panicked, and the workers wait for a row
				f.ahead.end(false)
			}
		}()
		f.ahead.read(reading, f.rows(reading))
		listed = true
	})
	f.work() // the first worker, which starts others
	f.workers.Wait()
	stopReading()
	reader.Wait()
	if f.panicked != nil {
		panic(f.panicked)
	}

	f.withoutRow()
	if err := f.ctx.Err(); err != nil && f.failure == nil {
		f.failure = fmt.Errorf("publish to %s: %w", f.to, err)
	}
	if f.outOfTime && f.last == "" && f.failure == nil {
		f.failure = fmt.Errorf("publish to %s: no time was left to start: %w", f.to, context.DeadlineExceeded)
	}
	result := f.result.end()
	if err := unsigned(f.to, result); err != nil && f.failure == nil {
		result, f.failure = Result{}, err
	}
	if log := f.o.Logger; log.Enabled(f.ctx, slog.LevelDebug) {
		log.Debug("published", "to", f.to.String(), "bytes", f.request.Size(), "result", result, "took", time.Since(start), "error", f.failure)
	}
	return result, f.failure
}

// unsigned is the error of a publish of which no request was sent, for want of
// credentials: that is no matter of its connections. It is nil if one was sent.
func unsigned(to Audience, r Result) error {
	if r.Failed == 0 || r.Sent+r.Gone > 0 || r.Problems[ProblemCredentialsMissing] != r.Failed {
		return nil
	}
	var first *Error
	if !errors.As(r.Errors[0], &first) {
		return nil
	}
	return &Error{Problem: ProblemCredentialsMissing, Endpoint: first.Endpoint, FixText: first.FixText, Err: first.Err,
		Detail: fmt.Sprintf("no request for %s was sent, because there are no AWS credentials to sign with", to)}
}

// rows are those of the audience that the publish is for.
func (f *fanOut) rows(ctx context.Context) iter.Seq2[Listed, error] {
	if f.options.rows != nil {
		return func(yield func(Listed, error) bool) {
			for _, l := range f.options.rows {
				if !yield(l, nil) {
					return
				}
			}
		}
	}
	return f.store.Connections(ctx, f.to, ListOptions{After: f.options.After, Part: f.options.Part, Parts: f.options.Parts})
}

// work posts to one connection after another until there is none left. Each worker
// that has found something to do sees to it that there is another one.
func (f *fanOut) work() {
	posting := false
	defer f.catch()
	defer func() {
		if posting { // and it will not go on: others wait for its place
			<-f.places
		}
	}()
	ctx := management.NewContext(f.ctx)
	defer func() { ctx.Close() }()
	for {
		l, ok := f.next()
		if !ok {
			return
		}
		posting = true
		f.another()
		_, out := f.deliver(ctx, f.to, l, f.request, f.stop, f)
		if !ctx.End() { // with this post
			ctx.Close()
			ctx = management.NewContext(f.ctx)
		}
		<-f.places
		posting = false
		f.report(out)
		if f.tooMany() {
			return
		}
	}
}

// another starts a worker if there is a place for it.
func (f *fanOut) another() {
	f.mu.Lock()
	start := f.begun-f.waiting < f.o.Concurrency && f.begun < f.o.Concurrency*(1+waitingPerPlace)
	if start {
		f.begun++
	}
	f.mu.Unlock()
	if start {
		f.workers.Go(f.work)
	}
}

// tooMany ends a worker that took the place of one whose post waited, and waits no
// more.
func (f *fanOut) tooMany() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.begun-f.waiting <= f.o.Concurrency {
		return false
	}
	f.begun--
	return true
}

// leave gives the place of a post that waits to another.
func (f *fanOut) leave() {
	f.mu.Lock()
	f.waiting++
	f.mu.Unlock()
	<-f.places
	f.another()
}

// enter waits for a place again. The post has it then, whatever came meanwhile.
func (f *fanOut) enter() {
	f.places <- struct{}{} // posts in flight end by their deadlines
	f.mu.Lock()
	f.waiting--
	f.mu.Unlock()
}

// next is the next connection to post to, with a place for the post. It reports
// false when there is none, or no time for it: then the cursor of the result is
// before it.
func (f *fanOut) next() (Listed, bool) {
	f.taking <- struct{}{} // the one before ends with the listing
	defer func() { <-f.taking }()
	for !f.over {
		l, more, complete := f.ahead.next() // the reader ends with the listing
		switch {
		case complete:
			f.over = true
		case !more || f.late():
			f.end()
			f.outOfTime = true
		case l.err != nil:
			f.end()
			if f.failure = fmt.Errorf("publish to %s: %w", f.to, l.err); !errors.Is(l.err, ErrInvalid) { // such as a cursor
				f.failure = &Error{Problem: ProblemStore, Detail: fmt.Sprintf("the connections of %s could not be listed", f.to), Err: l.err}
			}
		case l.ID == f.options.Except || f.options.Only != nil && *f.options.Only != l.Endpoint:
			f.found, f.last = true, l.Cursor
		case !f.inTurn(f.listing, l.Endpoint) || !f.place():
			f.end()
			f.found, f.outOfTime = true, true
		default:
			f.found, f.last = true, l.Cursor
			return l.Listed, true
		}
	}
	return Listed{}, false
}

// end ends the publish before its audience does.
func (f *fanOut) end() {
	f.over = true
	f.mu.Lock()
	f.result.Next = f.last
	f.mu.Unlock()
}

// place waits for a place among the posts in flight, as long as one may start.
func (f *fanOut) place() bool {
	select {
	case f.places <- struct{}{}:
	case <-f.listing.Done():
		return false
	}
	if f.late() {
		<-f.places
		return false
	}
	return true
}

// late reports whether no more posts may start. The posts in flight end at the same
// moment as the listing: its timer may be a little later, the clock is not.
func (f *fanOut) late() bool {
	return f.listing.Err() != nil || !f.stop.IsZero() && !time.Now().Before(f.stop)
}

func (f *fanOut) report(out Outcome) {
	f.mu.Lock()
	f.result.add(out)
	f.mu.Unlock()
	if f.options.OnResult != nil {
		f.options.OnResult(out)
	}
}

// withoutRow posts to a connection ID that the store does not know. It is gone: it
// has ended, or its time is up. Only who named an endpoint can mean one that was
// never kept.
func (f *fanOut) withoutRow() {
	o, id := f.options, f.to.Name
	whole := ListOptions{Part: o.Part, Parts: o.Parts}
	if f.to.Kind != KindConnection || f.found || f.outOfTime || f.failure != nil || o.After != "" || id == o.Except || !whole.Contains(id) {
		return
	}
	out := Outcome{ConnectionID: id, Err: ErrGone}
	if o.Only == nil && endpointOverride(f.o.Endpoint, os.Getenv) != "" {
		ctx := management.NewContext(f.ctx)
		defer ctx.Close()
		_, out = f.deliver(ctx, f.to, Listed{ID: id}, f.request, f.stop, nil)
	} else {
		f.counters.gone.Add(1)
	}
	f.report(out)
}

// stopTime is when no more posts may start; zero means never.
func (p *Publisher) stopTime(ctx context.Context) time.Time {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Time{}
	}
	margin := p.o.Margin
	if quarter := time.Until(deadline) / 4; quarter < margin {
		margin = quarter
	}
	return deadline.Add(-margin)
}

// inTurn waits until the pace of the stage and then the budget let a post start: a
// place in the budget is not kept for a post that has to wait for its stage. It
// reports false if the context ends first, or would.
func (p *Publisher) inTurn(ctx context.Context, id Identity) bool {
	return p.paceOf(id).wait(ctx) && p.budget.wait(ctx)
}
