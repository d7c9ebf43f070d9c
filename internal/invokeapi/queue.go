package invokeapi

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// What a Queue holds, and how often it tries (AWS docs, "How Lambda handles errors and
// retries with asynchronous invocation": after a function's error twice more, after one
// minute and after another two; an event is kept for up to six hours). The bounds are
// this package's own.
const (
	maxEvents     = 10_000
	maxEventBytes = 64 << 20
	maxAge        = 6 * time.Hour
	maxRetries    = 2
)

var retryAfter = [maxRetries]time.Duration{time.Minute, 2 * time.Minute}

// MaxFree is how many events of a function run next to its places at once.
const MaxFree = 64

// ErrFull is an event for which a Queue has no room; ErrClosed one that comes after its
// Close.
var (
	ErrFull   = fmt.Errorf("more than %d events, or %d MB of them, wait", maxEvents, maxEventBytes>>20)
	ErrClosed = errors.New("the queue was closed")
)

// QueueOptions are a Queue's. Functions is needed.
type QueueOptions struct {
	Functions Functions

	// Places is how many events of one function are with it at once, and wait there for
	// a place next to its other callers. Zero means 1.
	Places int

	// Free says which events take none of the places, MaxFree of a function at most: it
	// is asked once for each. Nil means none.
	Free func(payload []byte) bool

	// Notice gets a sentence for people about each event that is given up. Nil means
	// nowhere.
	Notice func(string)

	// Now is the clock of ages. Nil means time.Now. After runs a function later, unless
	// it is stopped before; nil means time.AfterFunc.
	Now   func() time.Time
	After func(time.Duration, func()) (stop func() bool)
}

// Queue holds the events of asynchronous invocations until their functions have done
// them. An event is given to its function at least once, and again after an error, with
// the same request ID. The order of events is that of their arrival, but for those that
// are tried again. It is in memory: what waits when it is closed is lost.
type Queue struct {
	o       QueueOptions
	life    context.Context
	endLife context.CancelFunc
	running sync.WaitGroup

	mu        sync.Mutex
	functions map[string]*backlog // those that have events
	events    int                 // that wait or run
	bytes     int
	retries   map[*event]func() bool // of those that are tried again later: what stops that
	closed    bool
}

// backlog is the events of one function.
type backlog struct {
	waiting []*event
	running int
	free    int // of events that take no place
}

type event struct {
	function string
	payload  []byte
	call     *Call
	since    time.Time
	free     bool
	failures int
}

// NewQueue makes an empty queue. Its maker closes it.
func NewQueue(o QueueOptions) *Queue {
	if o.Places == 0 {
		o.Places = 1
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.After == nil {
		o.After = func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	q := &Queue{o: o, functions: map[string]*backlog{}, retries: map[*event]func() bool{}}
	q.life, q.endLife = context.WithCancel(context.Background())
	return q
}

// Add takes an event for a function, and keeps payload. It returns at once; the error is
// ErrFull or ErrClosed.
func (q *Queue) Add(function string, payload []byte, call *Call) error {
	c := *call
	c.Event = true
	e := &event{function: function, payload: payload, call: &c, since: q.o.Now(), free: q.o.Free != nil && q.o.Free(payload)}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return ErrClosed
	case q.events >= maxEvents || q.bytes+len(payload) > maxEventBytes:
		return ErrFull
	}
	q.events++
	q.bytes += len(payload)
	q.push(e)
	return nil
}

// push gives an event to its function, or lets it wait. The caller holds mu.
func (q *Queue) push(e *event) {
	b := q.functions[e.function]
	if b == nil {
		b = &backlog{}
		q.functions[e.function] = b
	}
	if e.free && b.free < MaxFree {
		b.free++
		q.running.Go(func() { q.workFree(b, e) }) // ends with Close
		return
	}
	if b.running >= q.o.Places {
		b.waiting = append(b.waiting, e)
		return
	}
	b.running++
	q.running.Go(func() { q.work(b, e) }) // ends with Close
}

// work runs an event and those that come after it.
func (q *Queue) work(b *backlog, e *event) {
	for id := e.function; e != nil; {
		err := q.attempt(e)
		q.mu.Lock()
		q.settle(e, err)
		e = nil
		if len(b.waiting) > 0 && !q.closed {
			e, b.waiting = b.waiting[0], b.waiting[1:]
		} else {
			b.running--
			q.forget(id, b)
		}
		q.mu.Unlock()
	}
}

// workFree runs an event that takes no place.
func (q *Queue) workFree(b *backlog, e *event) {
	err := q.attempt(e)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.settle(e, err)
	b.free--
	q.forget(e.function, b)
}

// forget drops a backlog that has no events. The caller holds mu.
func (q *Queue) forget(id string, b *backlog) {
	if b.running == 0 && b.free == 0 && len(b.waiting) == 0 && q.functions[id] == b {
		delete(q.functions, id)
	}
}

var errTooOld = fmt.Errorf("it has waited for more than %v", maxAge)

func (q *Queue) attempt(e *event) error {
	if q.o.Now().Sub(e.since) > maxAge {
		return errTooOld
	}
	_, err := q.o.Functions.Invoke(q.life, e.function, e.payload, e.call)
	return err
}

// settle decides what follows an attempt. The caller holds mu.
func (q *Queue) settle(e *event, err error) {
	switch {
	case err != nil && q.closed:
		return // Close counts it
	case err != nil && err != errTooOld && e.failures < maxRetries:
		wait := retryAfter[e.failures]
		e.failures++
		q.retries[e] = q.o.After(wait, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			if _, waits := q.retries[e]; waits && !q.closed {
				delete(q.retries, e)
				q.push(e)
			}
		})
		return
	case err == errTooOld:
		q.o.Notice(fmt.Sprintf("an event of function %s is dropped: %v; on AWS it goes to the function's dead-letter queue or on-failure destination if there is one", e.function, err))
	case err != nil:
		q.o.Notice(fmt.Sprintf("an event of function %s is dropped after %d attempts, the last of which failed: %.300v; on AWS it goes to the function's dead-letter queue or on-failure destination if there is one", e.function, e.failures+1, err))
	}
	q.events--
	q.bytes -= len(e.payload)
}

// Close takes no more events, waits for those that run, until ctx ends at the longest,
// and returns how many were not done.
func (q *Queue) Close(ctx context.Context) (lost int) {
	q.mu.Lock()
	q.closed = true
	for _, stop := range q.retries {
		stop()
	}
	q.mu.Unlock()
	ended := make(chan struct{})
	go func() { q.running.Wait(); close(ended) }() // ends with the functions, whose context ends below
	select {
	case <-ended:
	case <-ctx.Done():
	}
	q.endLife()
	<-ended
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.events
}
