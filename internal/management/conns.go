package management

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// conns are the connections of a client: at most so many, each for one call at a time.
type conns struct {
	max  int
	dial func(context.Context) (*conn, error)
	now  func() time.Time

	// keeps says that the other side has lately answered on a connection that was used
	// before. Until it has, it may be one that closes after each answer without saying so:
	// then a connection gets a moment for that before it is used again.
	keeps atomic.Bool

	mu      sync.Mutex
	open    int     // with those that are being opened
	idle    []*conn // the one that was used last is at the end
	waiting []*waiter
	sweep   *time.Timer // closes what lies idle; nil before the first
	armed   bool
}

// waiter waits for a connection.
type waiter struct {
	got    chan opened // has room for one
	dialed bool        // a connection is being opened for it
}

type opened struct {
	conn *conn
	err  error
}

// take is a connection for a call: one that was used before and is as it was left, or
// a new one. Nothing has been sent if it fails.
func (p *conns) take(ctx *Context, now time.Time) (*conn, error) {
	for {
		c, w := p.next(now)
		if c == nil {
			select {
			case o := <-w.got:
				if o.err != nil || !o.conn.reused {
					return o.conn, o.err
				}
				c = o.conn
			case <-ctx.Done():
				p.leave(w)
				return nil, ctx.Err()
			}
		}
		if c.asLeft(p.moment(ctx, c)) {
			return c, nil
		}
		if now.Round(0).Sub(c.lastUse) < time.Second {
			p.keeps.Store(false)
		}
		p.drop(c)
	}
}

// closingTime is how long the other side gets to close a connection after an answer.
const closingTime = 5 * time.Millisecond

// moment is how long a connection is to be looked at before it is used again.
func (p *conns) moment(ctx *Context, c *conn) time.Duration {
	if p.keeps.Load() || c.since.IsZero() {
		return 0
	}
	return min(closingTime-time.Since(c.since), time.Until(ctx.limit))
}

// next is an idle connection, or a place among those who wait for one.
func (p *conns) next(now time.Time) (*conn, *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.idle); n > 0; n = len(p.idle) {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		if c.fresh(now) {
			return c, nil
		}
		p.open--
		c.wire.Close()
	}
	w := &waiter{got: make(chan opened, 1)}
	p.waiting = append(p.waiting, w)
	p.begin()
	return nil, w
}

// fresh reports whether a connection was used so lately, by the wall clock, that it is
// trusted. A Lambda is frozen between invocations: its timers stand still while the
// other side closes what it holds.
func (c *conn) fresh(now time.Time) bool {
	return now.Round(0).Sub(c.lastUse).Abs() <= idleAfter
}

// begin opens connections for those who wait, as many as there may be. The lock is
// held.
func (p *conns) begin() {
	for _, w := range p.waiting {
		if p.open >= p.max {
			return
		}
		if !w.dialed {
			w.dialed = true
			p.open++
			go p.openFor(w) // ends within dialTime and handshakeTime
		}
	}
}

// openFor opens a connection for a waiter. The one that has waited longest gets it: this
// one may have another by now, or have left.
func (p *conns) openFor(w *waiter) {
	c, err := p.dial(context.Background())
	if err == nil {
		p.give(c)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	if i := slices.Index(p.waiting, w); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
		w.got <- opened{err: err}
	}
	p.begin()
}

// put takes back a connection that may be used again.
func (p *conns) put(c *conn, now time.Time) {
	if c.calls++; c.calls == 2 {
		p.keeps.Store(true)
	}
	c.reused, c.lastUse, c.since = true, now.Round(0), time.Time{}
	if !p.keeps.Load() {
		c.since = time.Now()
	}
	p.give(c)
}

func (p *conns) give(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 {
		w := p.waiting[0]
		p.waiting = slices.Delete(p.waiting, 0, 1)
		w.got <- opened{conn: c}
		return
	}
	if c.lastUse.IsZero() {
		c.reused, c.lastUse = true, p.now().Round(0) // nobody waits for it any more
	}
	p.idle = append(p.idle, c)
	if !p.armed {
		p.armed = true
		p.arm(idleAfter)
	}
}

func (p *conns) arm(d time.Duration) {
	if p.sweep == nil {
		p.sweep = time.AfterFunc(d, p.closeIdle)
	} else {
		p.sweep.Reset(d)
	}
}

// leave takes back a place among those who wait.
func (p *conns) leave(w *waiter) {
	p.mu.Lock()
	i := slices.Index(p.waiting, w)
	if i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 {
		return
	}
	if o := <-w.got; o.conn != nil { // it came at the same moment
		p.give(o.conn)
	}
}

// drop closes a connection that is not used again.
func (p *conns) drop(c *conn) {
	c.wire.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	p.begin()
}

// closeIdle closes the connections that have lain idle for too long.
func (p *conns) closeIdle() {
	now := p.now()
	p.closeIf(func(c *conn) bool { return now.Round(0).Sub(c.lastUse).Abs() >= idleAfter })
}

// close closes the idle connections.
func (p *conns) close() { p.closeIf(func(*conn) bool { return true }) }

func (p *conns) closeIf(old func(*conn) bool) {
	p.mu.Lock()
	var closing []*conn
	p.idle = slices.DeleteFunc(p.idle, func(c *conn) bool {
		if old(c) {
			closing = append(closing, c)
			return true
		}
		return false
	})
	p.open -= len(closing)
	if p.armed = len(p.idle) > 0; p.armed {
		p.arm(idleAfter / 5)
	}
	p.mu.Unlock()
	for _, c := range closing {
		c.close()
	}
}
