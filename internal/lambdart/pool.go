package lambdart

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A start that follows another that failed begins at once, the next ones after up
// to backOffBase, twice that, and so on, but at most backOffMost.
const (
	backOffBase = 200 * time.Millisecond
	backOffMost = 10 * time.Second
	// returnTime is how long a process that has answered is waited for before another
	// is started in its place.
	returnTime = 250 * time.Millisecond
)

// pool is which process does what. Its lock may be held when a process's own is
// taken, never the other way round.
type pool struct {
	mu         sync.Mutex
	launch     *launch // what a new process runs
	generation int     // of launch
	processes  map[*process]struct{}
	fewer      chan struct{} // closed and replaced when a process ends
	idle       []*process    // the one idle for longest first; empty while any invocation waits
	waiting    *list.List    // of *waiter, in order of arrival
	starting   int           // processes before their first /next, without a replacement
	returning  int           // processes that have answered and are about to come to /next
	failures   int           // starts that failed since an invocation was last given
	held       bool          // until the back-off ends
	stopHeld   func() bool
	stopHaste  func() bool // the timer that stops counting on returning; nil when none runs
	stopIdle   func() bool // the timer that ends idle processes; nil when none runs
	long       int         // invocations with Long
	entering   int         // invocations that have not asked for a process yet
	paused     bool        // while a Restart has no process on purpose
	closed     bool
	sequence   int   // the greatest generation yet
	stats      Stats // without what follows

	notAnswered, timedOut atomic.Int64 // invocations

	begunBefore int64 // starts and invocations when Worked was last asked
}

// waiter is an invocation that waits for a process. got has room for one and is
// filled once, under the pool's lock, when the waiter is taken off the list.
type waiter struct{ got chan given }

type given struct {
	p   *process
	err error
}

func (pl *pool) init() {
	pl.processes = map[*process]struct{}{}
	pl.fewer = make(chan struct{})
	pl.waiting = list.New()
}

// acquire returns a process that waits in /next, for the caller alone.
func (f *Function) acquire(ctx context.Context, e *entry) (*process, error) {
	f.mu.Lock()
	e.leave()
	if f.closed {
		f.mu.Unlock()
		return nil, ErrClosed
	}
	if n := len(f.idle); n > 0 {
		// The one used last: the others can come to their end.
		p := f.idle[n-1]
		f.idle[n-1] = nil
		f.idle = f.idle[:n-1]
		p.thaw()
		f.mu.Unlock()
		return p, nil
	}
	w := &waiter{make(chan given, 1)}
	place := f.waiting.PushBack(w)
	f.grow()
	f.mu.Unlock()
	select {
	case g := <-w.got:
		return g.p, g.err
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case g := <-w.got: // in the same moment
		if g.p != nil {
			f.place(g.p)
		}
	default:
		f.waiting.Remove(place)
	}
	return nil, fmt.Errorf("invoke function %s: none of its %d processes became free: %w", f.c.Name, len(f.processes), ctx.Err())
}

// offer takes a process that has come to /next.
func (f *Function) offer(p *process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.returned(p)
	if !p.ready {
		p.ready = true
		close(p.isReady)
		if p.replacement {
			return // the one that replaces decides
		}
		f.starting--
	}
	f.place(p)
}

// place gives a process to the first that waits, or keeps it.
func (f *Function) place(p *process) {
	if _, alive := f.processes[p]; !alive {
		return
	}
	if f.closed || p.generation < f.generation {
		p.end()
		return
	}
	if first := f.waiting.Front(); first != nil {
		f.waiting.Remove(first).(*waiter).got <- given{p: p}
		return
	}
	if f.c.Freeze {
		p.freeze()
	}
	p.idleSince = time.Now()
	f.idle = append(f.idle, p)
	f.watchIdle(f.c.IdleEnd)
}

// watchIdle arms the one timer that ends idle processes.
func (f *Function) watchIdle(d time.Duration) {
	if f.stopIdle == nil && len(f.idle) > 0 && len(f.processes) > 1 {
		f.stopIdle = f.c.after(d, f.endIdle)
	}
}

func (f *Function) endIdle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopIdle = nil
	if f.closed {
		return
	}
	alive := 0
	for p := range f.processes {
		if !p.isEnding() {
			alive++
		}
	}
	for ; alive > 1 && len(f.idle) > 0; alive-- {
		p := f.idle[0]
		if left := f.c.IdleEnd - time.Since(p.idleSince); left > 0 {
			f.watchIdle(left)
			return
		}
		f.unlist(p)
		p.end()
	}
}

// unlist takes a process from the idle ones.
func (f *Function) unlist(p *process) {
	for i, q := range f.idle {
		if p == q {
			f.idle = append(f.idle[:i], f.idle[i+1:]...)
			return
		}
	}
}

// grow starts a process for each invocation that waits and has none on its way, as
// far as places allows. While starts fail, one is tried at a time.
func (f *Function) grow() {
	for !f.closed && !f.held && !f.paused && f.launch != nil &&
		f.starting+f.returning < f.waiting.Len() && len(f.processes) < f.places() &&
		(f.failures == 0 || f.starting == 0) {
		f.starting++
		f.begin(f.launch, f.generation, false)
	}
	if f.returning > 0 && f.waiting.Len() > 0 && f.stopHaste == nil && !f.closed {
		f.stopHaste = f.c.after(returnTime, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.stopHaste = nil
			for p := range f.processes {
				f.returned(p)
			}
			f.grow()
		})
	}
}

// answered counts an answer. Its process will come to /next in a moment, so that
// who invokes again at once does not need another process: what a function keeps in
// its memory would be lost on a client that waits for each answer.
func (f *Function) answered(p *process, failed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if failed {
		f.stats.Failed++
	}
	if !p.returning {
		p.returning = true
		f.returning++
	}
}

// returned ends what answered began.
func (f *Function) returned(p *process) {
	if p.returning {
		p.returning = false
		f.returning--
	}
}

// begin starts a process. It has an entry in processes until it has ended.
func (f *Function) begin(l *launch, generation int, replacement bool) *process {
	p := newProcess(f, generation, replacement)
	f.processes[p] = struct{}{}
	f.stats.Starts++
	f.running.Add(1)
	go p.run(l) // ends with the child, which close ends
	return p
}

// gone forgets a process that has ended, and decides what follows.
func (f *Function) gone(p *process, failure error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.processes, p)
	f.unlist(p)
	f.returned(p)
	close(f.fewer)
	f.fewer = make(chan struct{})
	if !p.ready && !p.replacement {
		f.starting--
	}
	if f.closed {
		return
	}
	if failure != nil {
		f.stats.FailedStarts++
		if !p.takenOver && p.replacement {
			return // Start or Restart has the error
		}
		f.failed(failure)
	}
	f.grow()
	if len(f.processes) == 0 && f.failures == 0 && !f.paused && f.launch != nil {
		f.starting++
		f.begin(f.launch, f.generation, false) // so that the next invocation finds one
	}
}

// failed counts a start that failed. If no other process can serve those who wait,
// they get the error.
func (f *Function) failed(failure error) {
	f.failures++
	reason := failure
	if s, ok := failure.(*StartError); ok {
		reason = errors.New(s.Reason) // its lines are the function's own output
	}
	f.c.Logger.Warn("process did not start", "error", reason, "inARow", f.failures)
	if d := backOff(f.failures, f.c.Random); d > 0 && !f.held {
		f.held = true
		f.stopHeld = f.c.after(d, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.held = false
			f.grow()
		})
	}
	for p := range f.processes {
		if p.generation >= f.generation && !p.isEnding() {
			return
		}
	}
	f.refuse(failure)
}

// refuse fails all who wait.
func (f *Function) refuse(err error) {
	for e := f.waiting.Front(); e != nil; e = f.waiting.Front() {
		f.waiting.Remove(e).(*waiter).got <- given{err: err}
	}
}

// backOff is how long to wait after that many failures in a row: full jitter, that
// is any time up to a bound that doubles.
func backOff(failures int, random func() float64) time.Duration {
	if failures < 2 {
		return 0
	}
	most := backOffMost
	if doublings := failures - 2; doublings < 10 {
		most = min(most, backOffBase<<doublings)
	}
	return time.Duration(random() * float64(most))
}

// served counts an invocation that was given to a process.
func (f *Function) served() {
	f.mu.Lock()
	f.stats.Invocations++
	f.failures = 0
	f.mu.Unlock()
}

// lost counts an invocation that was not answered, before its caller knows. It takes
// no lock, because its own caller holds that of the process.
func (f *Function) lost(timedOut bool) {
	f.notAnswered.Add(1)
	if timedOut {
		f.timedOut.Add(1)
	}
}

// replace builds the source and lets processes of the build take over. The caller
// holds replacing.
func (f *Function) replace(ctx context.Context) error {
	l, err := f.prepare(ctx)
	if err != nil {
		return err
	}
	p, err := f.beginReplacement(ctx, l)
	if err != nil {
		l.discard()
		return err
	}
	select {
	case <-p.isReady:
	case <-p.ended:
	case <-ctx.Done():
		p.kill()
		<-p.ended
		f.unpause()
		l.discard()
		return fmt.Errorf("start function %s: it has not asked for an invocation: %w", f.c.Name, ctx.Err())
	}
	old, err := f.takeOver(p, l)
	if err != nil {
		l.discard()
		return err
	}
	old.discard()
	return nil
}

// beginReplacement starts a process of a new build, when there is room for it.
func (f *Function) beginReplacement(ctx context.Context, l *launch) (*process, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	room := f.places()
	if f.c.DebugPort != 0 {
		room = 0 // the port is free when no process is left
		f.paused = true
		f.retire()
	}
	for !f.closed && len(f.processes) > room {
		fewer := f.fewer
		f.mu.Unlock()
		var err error
		select {
		case <-fewer:
		case <-ctx.Done():
			err = fmt.Errorf("restart function %s: its old processes are still busy: %w", f.c.Name, ctx.Err())
		}
		f.mu.Lock()
		if err != nil {
			f.resume()
			return nil, err
		}
	}
	if f.closed {
		return nil, ErrClosed
	}
	f.sequence++
	return f.begin(l, f.sequence, true), nil
}

// retire ends the processes that have nothing to do, and marks the others to end
// when they come to /next.
func (f *Function) retire() {
	f.sequence++
	f.generation = f.sequence
	for p := range f.processes {
		if !p.ready {
			p.end()
		}
	}
	for _, p := range f.idle {
		p.end()
	}
	f.idle = nil
}

func (f *Function) unpause() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resume()
}

func (f *Function) resume() {
	if f.paused {
		f.paused = false
		f.grow()
	}
}

// takeOver makes p and its build the ones that serve, unless it has ended.
func (f *Function) takeOver(p *process, l *launch) (old *launch, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		p.end()
		return nil, ErrClosed
	}
	if _, alive := f.processes[p]; !alive || !p.ready {
		f.resume()
		return nil, p.startError()
	}
	old = f.launch
	// p is of a later generation than those that retire, and the ones after it are
	// of its own.
	for q := range f.processes {
		if q != p && !q.ready {
			q.end()
		}
	}
	for _, q := range f.idle {
		q.end()
	}
	f.idle = nil
	f.launch, f.generation = l, p.generation
	p.takenOver = true
	f.failures, f.paused = 0, false
	if f.held {
		f.held = false // its timer finds nothing to do
		f.stopHeld()
	}
	f.place(p)
	f.grow()
	return old, nil
}

// close refuses what comes and tells every process to end.
func (f *Function) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, stop := range []func() bool{f.stopHeld, f.stopHaste, f.stopIdle} {
		if stop != nil {
			stop()
		}
	}
	f.idle = nil
	for p := range f.processes {
		p.end()
	}
	f.refuse(ErrClosed)
}

func (f *Function) killAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.processes {
		p.kill()
	}
}
