package management

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// Context bounds the posts that one worker makes one after the other: each may take
// several calls, and ends at its own limit or with the parent. It also knows whether
// anything of the call in flight may have been sent: if not, repeating it cannot
// deliver twice. A worker makes one and keeps it, because a context with a deadline
// and a trace for each post is a tenth of a post's work.
//
// A Context serves one post at a time.
type Context struct {
	context.Context // ends with the parent, or when the limit has come
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

// NewContext makes a context for posts. Close releases it.
func NewContext(parent context.Context) *Context {
	c := &Context{}
	inner, cancel := context.WithCancelCause(parent)
	c.cancel = cancel
	c.Context = httptrace.WithClientTrace(inner, &httptrace.ClientTrace{
		GetConn:      func(string) { c.progress.CompareAndSwap(unknown, connecting) },
		WroteHeaders: func() { c.progress.Store(written) }, // into the buffer: the body and the system call come after
	})
	return c
}

// Begin sets when the next post has to have ended.
func (c *Context) Begin(limit time.Time) {
	c.limit = limit
	if c.timer == nil {
		c.timer = time.AfterFunc(time.Until(limit), func() { c.cancel(context.DeadlineExceeded) })
	} else {
		c.timer.Reset(time.Until(limit))
	}
}

// End says that the post has ended, so that its limit does not end the next one. It
// reports false if the context ended with the post: the next one needs a new Context.
func (c *Context) End() bool { return c.timer.Stop() && c.Context.Err() == nil }

// Close releases the context. No call may be in flight.
func (c *Context) Close() {
	if c.timer != nil {
		c.timer.Stop()
	}
	c.cancel(context.Canceled)
}

// Deadline implements [context.Context].
func (c *Context) Deadline() (time.Time, bool) { return c.limit, true }

// Err implements [context.Context]: a limit that has come is a deadline exceeded.
func (c *Context) Err() error {
	err := c.Context.Err()
	if err != nil && context.Cause(c.Context) == context.DeadlineExceeded {
		return context.DeadlineExceeded
	}
	return err // a cause of the caller's is no error of a context
}

// request begins a request.
func (c *Context) request() { c.progress.Store(unknown) }

// sent reports whether anything of the request may have left. tells says that the
// transport reports its progress: a context that ends before it has looked for a
// connection then means that nothing was sent.
func (c *Context) sent(tells bool) bool {
	switch c.progress.Load() {
	case connecting:
		return false
	case unknown:
		return !tells
	}
	return true
}
