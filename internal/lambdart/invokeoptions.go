package lambdart

import (
	"errors"
	"time"
)

// InvokeOptions is what a caller may say of one invocation.
type InvokeOptions struct {
	// Try makes an invocation without a place for it fail at once with ErrBusy, instead
	// of waiting for one.
	Try bool

	// RequestID is the invocation's ID. Empty means a new one. Two invocations with the
	// same ID must not run at once.
	RequestID string

	// ClientContext is the JSON that the function finds as its context's client context.
	// Empty means none.
	ClientContext string

	// Qualifier is the version or alias that the caller named, which ends the ARN that
	// the function is told. Empty means none.
	Qualifier string

	// Long invokes with the function's own Timeout, or with LongTimeout if Config has
	// none, and next to the Concurrency processes instead of in one of them. No more than
	// MaxLong do so at once; the others are as all are. With a DebugPort there is one
	// process all the same.
	Long bool
}

// LongTimeout is the longest time of an invocation on Lambda (AWS, Lambda quotas page: 900
// seconds).
const LongTimeout = 15 * time.Minute

// MaxLong is how many invocations with Long have processes of their own at once.
const MaxLong = 64

// timeout is the time that an invocation has.
func (f *Function) timeout(o *InvokeOptions) time.Duration {
	if o.Long && f.defaultTimeout {
		return LongTimeout
	}
	return f.c.Timeout
}

// beginLong makes room for an invocation, until end is called.
func (f *Function) beginLong() (end func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.long++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.long--
	}
}

// places is how many processes there may be. The caller holds the pool's lock.
func (f *Function) places() int {
	if f.c.DebugPort != 0 {
		return f.c.Concurrency
	}
	return f.c.Concurrency + min(f.long, MaxLong)
}

// qualifier is the end of the invoked ARN.
func (o *InvokeOptions) qualifier() string {
	if o.Qualifier == "" {
		return ""
	}
	return ":" + o.Qualifier
}

// ErrBusy is what an invocation with Try gets if all Concurrency places are taken: by
// invocations that run, and by those that came before it and wait.
var ErrBusy = errors.New("all places of the function are taken")

// entry is an invocation between its arrival and its asking for a process. It takes a
// place meanwhile: a function that has not started yet has no more places than another.
type entry struct {
	f    *Function
	left bool // guarded by the pool's lock
}

// enter takes a place for an invocation. One that does not wait is refused if there is
// none.
func (f *Function) enter(try bool) (*entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if try && !f.closed && f.busy()+f.waiting.Len()+f.entering >= f.places() {
		return nil, ErrBusy
	}
	f.entering++
	return &entry{f: f}, nil
}

// busy is how many processes have an invocation that is not answered. One that has
// answered, or is being ended, does not count: another takes its place in a moment. The
// caller holds the pool's lock.
func (f *Function) busy() int {
	n := len(f.processes)
	for p := range f.processes {
		if !p.ready || p.replacement && !p.takenOver || p.returning || p.isEnding() {
			n--
		}
	}
	for _, p := range f.idle {
		if !p.returning && !p.isEnding() {
			n--
		}
	}
	return n
}

// leave gives the place up. The caller holds the pool's lock.
func (e *entry) leave() {
	if !e.left {
		e.left = true
		e.f.entering--
	}
}

// end is leave for one that does not hold the lock.
func (e *entry) end() {
	e.f.mu.Lock()
	defer e.f.mu.Unlock()
	e.leave()
}
