package management

import (
	"context"
	"net"
	"net/http/httptrace"
	"sync"
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

	mu   sync.Mutex
	stop func() bool // ends the watch over the context; nil before the first call
	conn net.Conn    // of the call in flight
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
	if c.stop != nil {
		c.stop()
	}
	c.cancel(context.Canceled)
}

// pin begins a call on a connection, which the end of the context interrupts. The
// error says that it has ended.
func (c *Context) pin(conn net.Conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.Err(); err != nil {
		return err
	}
	if c.stop == nil {
		c.stop = context.AfterFunc(c.Context, c.interrupt)
	}
	c.conn = conn
	return nil
}

// unpin ends a call. It reports false if the context has ended, and the connection
// with it.
func (c *Context) unpin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = nil
	return c.Context.Err() == nil
}

// readBy sets when a read of the call in flight ends; zero stands for no time but the
// context's.
func (c *Context) readBy(conn net.Conn, t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == conn && c.Context.Err() == nil {
		conn.SetReadDeadline(t)
	}
}

func (c *Context) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.SetDeadline(time.Unix(1, 0)) // which is over
	}
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
