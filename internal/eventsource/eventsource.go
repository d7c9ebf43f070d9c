// Package eventsource invokes functions for what is no API: SQS queues, DynamoDB streams
// and schedules, as Lambda's event source mappings, EventBridge's scheduled rules and
// EventBridge Scheduler do.
//
// A [Queue], a [Stream] and a [Schedule] have one method, Run, which returns when its
// context has ended and what it has taken is settled: within [Grace] and a few seconds.
// Messages that were taken and not finished are given back to their queue, and the
// position in a stream is kept in a file. Records are given at least once, as on AWS.
//
// The package knows functions only as a [Function], and servers only by their address.
// Facts about AWS come from its documentation ("AWS docs"); where nothing authoritative
// was found the code says UNCERTAIN.
package eventsource

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/wirepost/wirepost/internal/eventsource/eventpattern"
)

// Function is what a source invokes. Invoke may be called concurrently. An error is an
// invocation that has failed, unless it is [ErrNoPlace].
type Function interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// ErrNoPlace is in the error of an invocation that has not begun, as the function has no
// place for it now. It is tried again, and counts as no attempt.
var ErrNoPlace = errors.New("the function has no place for another invocation")

// Grace is how long invocations may go on that run when the context of Run ends. Then
// their context ends, too.
const Grace = 5 * time.Second

// maxPayload bounds the event of a batch in bytes (AWS docs, Lambda quotas: 6 MB for a
// synchronous invocation; the limit holds for batches, too).
const maxPayload = 6 << 20

// Notices is told what the person who runs a source has to know: one sentence each, in
// lower case and without a full stop, which may contain what others have written. It may
// be called concurrently.
type Notices func(text string)

// once says each thing once.
type once struct {
	mu   sync.Mutex
	said map[string]bool
}

func (o *once) say(notice Notices, key, format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.said == nil {
		o.said = map[string]bool{}
	}
	if !o.said[key] && notice != nil {
		o.said[key] = true
		notice(fmt.Sprintf(format, args...))
	}
}

// reach is whether a server can be reached, for one source. It says when that ends and
// when it is so again, and how long to wait before the next attempt.
type reach struct {
	what   string // such as "queue Orders at http://127.0.0.1:4566"
	notice Notices
	rand   func() float64

	mu       sync.Mutex
	failures int
	heard    string // the last cause that was said
}

// failed is how long to wait after a request that has failed.
func (r *reach) failed(err error) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures++
	if cause := causeOf(err); r.heard == "" && r.notice != nil {
		r.heard = cause
		r.notice(fmt.Sprintf("%s cannot be read: %s; it is tried again until it can", r.what, cause))
	}
	return backoff(r.failures, r.rand)
}

// worked is a request that was answered.
func (r *reach) worked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.heard != "" && r.notice != nil {
		r.notice(r.what + " can be read again")
	}
	r.failures, r.heard = 0, ""
}

// maxBackoff is the longest wait between two attempts.
const maxBackoff = 30 * time.Second

// backoff is the wait after so many failures: half a second, doubled each time, and
// between a half of that and the whole.
func backoff(failures int, random func() float64) time.Duration {
	d := maxBackoff
	if failures < 8 {
		d = min(d, 500*time.Millisecond<<(failures-1))
	}
	return d/2 + time.Duration(random()*float64(d/2))
}

// orRandom is the source of randomness that was given, or math/rand's.
func orRandom(random func() float64) func() float64 {
	if random == nil {
		return rand.Float64
	}
	return random
}

// sleep waits, and reports whether the context has not ended meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// outlive is a context that ends some time after the one that is given. The caller calls
// the function when nothing uses the context any more.
func outlive(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if sleep(late, d) {
			cancel()
		}
	})
	return late, func() { stop(); cancel() }
}

// parsePatterns reads the filters of an event source mapping.
func parsePatterns(filters []string) ([]*eventpattern.Pattern, error) {
	all := make([]*eventpattern.Pattern, 0, len(filters))
	for i, f := range filters {
		p, err := eventpattern.Parse(f)
		if err != nil {
			return nil, fmt.Errorf("filter %d of %d: %w", i+1, len(filters), err)
		}
		all = append(all, p)
	}
	return all, nil
}
