package wirepost

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// postContext bounds the posts that one worker makes one after the other, and
// knows of the request under way whether anything of it may have been sent: if
// not, trying again cannot deliver twice. It is made once a worker, because a
// context with a deadline and a trace for each post is a tenth of a post's work.
type postContext struct {
	context.Context // ends with the caller's, or when limit has come
	cancel          context.CancelCauseFunc
	timer           *time.Timer
	limit           time.Time
	progress        atomic.Int32
}

// How far a request has come. A transport that does not tell (httptrace) leaves it
// at unknown, which counts as sent.
const (
	unknown int32 = iota
	connecting
	written
)

func newPostContext(parent context.Context) *postContext {
	c := &postContext{}
	inner, cancel := context.WithCancelCause(parent)
	c.cancel = cancel
	c.Context = httptrace.WithClientTrace(inner, &httptrace.ClientTrace{
		GetConn:      func(string) { c.progress.CompareAndSwap(unknown, connecting) },
		WroteHeaders: func() { c.progress.Store(written) }, // into the buffer: the body and the system call come after
	})
	return c
}

// begin sets when the next post has to have ended.
func (c *postContext) begin(limit time.Time) {
	c.limit = limit
	if c.timer == nil {
		c.timer = time.AfterFunc(time.Until(limit), func() { c.cancel(context.DeadlineExceeded) })
	} else {
		c.timer.Reset(time.Until(limit))
	}
}

// end says that the post has ended, so that its limit ends no other one. It reports
// false if the context ended with it, and another one is needed.
func (c *postContext) end() bool { return c.timer.Stop() && c.Context.Err() == nil }

// close releases the context. Nothing may be under way.
func (c *postContext) close() {
	if c.timer != nil {
		c.timer.Stop()
	}
	c.cancel(context.Canceled)
}

// Deadline implements [context.Context].
func (c *postContext) Deadline() (time.Time, bool) { return c.limit, true }

// Err implements [context.Context]: a limit that has come is a deadline exceeded.
func (c *postContext) Err() error {
	err := c.Context.Err()
	if err != nil && context.Cause(c.Context) == context.DeadlineExceeded {
		return context.DeadlineExceeded
	}
	return err // a cause of the caller's is no error of a context
}

// request begins a request.
func (c *postContext) request() { c.progress.Store(unknown) }

// sent reports whether anything of the request may have left.
func (c *postContext) sent() bool { return c.progress.Load() != connecting }
