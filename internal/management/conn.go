package management

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	// A request up to this size goes out in one write, which does not wait for the
	// other side: the buffers of a connection have room for it. A larger one is written
	// while the answer is waited for, which may come before it has all been read.
	oneWrite = 16 << 10
	// lastWords is how long an answer is waited for after the request could not be
	// written whole: one may have come before.
	lastWords = 50 * time.Millisecond
	// answerTime is how long an answer may take, as the pool of net/http has it.
	answerTime = 30 * time.Second
)

// conn is a connection that carries one call at a time.
type conn struct {
	wire    *wire
	rw      io.ReadWriter // the wire, or TLS on it
	answers answers
	out     []byte // the request
	one     [1]byte

	reused  bool      // it has lain idle
	calls   int       // that were answered
	lastUse time.Time // the wall clock
	since   time.Time // when the last answer had come; zero where servers keep their connections
}

func newConn(w *wire, rw io.ReadWriter) *conn {
	c := &conn{wire: w, rw: rw}
	c.answers.src, c.answers.buf = rw, make([]byte, 2<<10)
	return c
}

// asLeft looks at a connection that was used before. It reports false if the other side
// has closed it, or has sent what nobody asked for. A ticket for the next session of
// TLS is read here and no reason. It does not wait, unless it is told to wait for the
// other side to close.
func (c *conn) asLeft(wait time.Duration) bool {
	if c.answers.begun() || c.answers.err != nil || c.wire.record.within() {
		return false
	}
	if wait > 0 {
		c.wire.SetReadDeadline(time.Now().Add(wait))
		n, err := c.rw.Read(c.one[:])
		c.wire.SetReadDeadline(time.Time{})
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
		// On a busy machine a time may be up before what had come is noticed.
	}
	c.wire.looking = true
	n, err := c.rw.Read(c.one[:])
	c.wire.looking = false
	return n == 0 && errors.Is(err, errNothing) && !c.wire.record.within()
}

// close closes a connection that is in order, and says so to the other side.
func (c *conn) close() {
	if t, ok := c.rw.(*tls.Conn); ok {
		t.Close()
		return
	}
	c.wire.Close()
}

// exchange writes the request that c.out has, and reads the answer. sent says whether
// anything of the request may have arrived; keep, that the connection may be used
// again.
func (c *conn) exchange(ctx *Context, r Request, local bool) (a Answer, sent, keep bool, err error) {
	before := c.wire.left.Load()
	if err := ctx.pin(c.wire); err != nil {
		return Answer{}, false, true, err
	}
	defer func() { keep = ctx.unpin() && keep }()
	if time.Until(ctx.limit) > answerTime {
		ctx.readBy(c.wire, time.Now().Add(answerTime))
		defer ctx.readBy(c.wire, time.Time{})
	}
	written := func() bool { return true }
	if len(c.out) > oneWrite {
		written = c.write(ctx)
	} else if _, err := c.rw.Write(c.out); err != nil {
		if c.wire.left.Load() == before {
			return Answer{}, false, false, ctx.why(err)
		}
		ctx.readBy(c.wire, time.Now().Add(lastWords))
		written = func() bool { return false }
	}
	a, keep, err = c.receive(ctx, r, local)
	keep = written() && keep && err == nil && c.answers.err == nil && !c.answers.begun()
	if err != nil {
		return a, c.wire.left.Load() != before, false, ctx.why(err)
	}
	return a, true, keep, nil
}

// write writes a large request while its answer is waited for. The function that it
// returns ends that, and reports whether all was written.
func (c *conn) write(ctx *Context) (written func() bool) {
	result := make(chan error, 1)
	go func() { // ends with written
		_, err := c.rw.Write(c.out)
		if err != nil {
			ctx.readBy(c.wire, time.Now().Add(lastWords))
		}
		result <- err
	}()
	return func() bool {
		select {
		case err := <-result:
			return err == nil
		case <-time.After(lastWords): // answered early
			c.wire.Close()
			<-result
			return false
		}
	}
}

// receive reads the answer.
func (c *conn) receive(ctx *Context, r Request, local bool) (Answer, bool, error) {
	h, err := c.answers.head(local)
	if err != nil {
		return Answer{}, false, err
	}
	if h.length == 0 {
		return h.Answer, h.keep, nil
	}
	// The status is known: a body that drips keeps no other post waiting. A description
	// is in the body.
	described := h.Status/100 == 2 && r.method == "GET"
	if !described && (h.chunked || h.length != int64(c.answers.w-c.answers.r)) {
		ctx.readBy(c.wire, time.Now().Add(bodyTime))
		defer ctx.readBy(c.wire, time.Time{})
	}
	b, err := c.answers.body(h)
	h.Body = b.said
	if err != nil && described {
		return h.Answer, false, err
	}
	return h.Answer, h.keep && b.whole, nil
}

// why is the reason of a read or write that failed: what ended the context, if that
// did it.
func (c *Context) why(err error) error {
	if ended := c.Err(); ended != nil {
		return fmt.Errorf("%w: %w", ended, err)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("no answer came in time: %w", err)
	}
	return err
}
