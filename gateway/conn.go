package gateway

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Reasons of ends as $disconnect gets them.
const (
	noStatusReason = "Client-side close frame status not set" // seven recorded events
	goingAway      = "Going away"                             // recorded after an idle timeout
	deletedReason  = "Connection Closed Normally"             // aws/chalice#2060
)

// conn is one WebSocket connection, from the handshake's answer to its
// $disconnect. One goroutine, in run, reads and in the end tells; sends come
// from anywhere.
//
// Its life: open; closing, from the first close frame in either direction on:
// it can no longer be posted to and what the client sends is skipped; killed:
// every read and write fails. run then closes the socket.
type conn struct {
	// What a send touches comes first, in one cache line: with many
	// connections a fan-out is bound by cache misses as well as the system call.
	mu              sync.Mutex
	closing         atomic.Bool // set under mu
	killed          bool
	flushing        bool  // a flusher runs
	fd              int32 // for writes that do not block, under mu until closing; -1: see rawConn
	engine          *engine
	active          atomic.Int64 // last message, in nanoseconds since engine.started
	activeAt        atomic.Int64 // the same by engine.now, in Unix milliseconds
	sent, sentBytes int64        // messages, and the bytes of their frames; under mu
	out             outbound

	peer
	nc       net.Conn
	raw      syscall.RawConn // nil: see rawConn
	openedAt time.Duration   // since engine.started
	dead     chan struct{}   // closed by kill

	// Guarded by mu.
	timer  *time.Timer   // idle and age; once closing, the wait for the client
	killAt time.Duration // when closing: the end of the wait, since engine.started
	code   int           // why it ended, for $disconnect; set with closing
	reason string
	why    string // the gateway closed it, for people

	received, receivedBytes atomic.Int64 // messages of the client, and their bytes

	// Of the reading goroutine.
	in         inbound
	next       func() // an invocation that begins when all that has arrived is read
	peerClosed bool   // the client's close frame has come
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// start makes nc a connection: head, the handshake's answer, goes out first
// and buffered is what the client has sent already. It returns at once; the
// caller's registered work is over when $disconnect has returned.
func (e *engine) start(nc net.Conn, p peer, head, buffered []byte) *conn {
	c := &conn{peer: p, engine: e, nc: nc, dead: make(chan struct{})}
	c.raw, c.fd = rawConn(nc)
	c.touch()
	c.openedAt = time.Duration(c.active.Load())
	// Under the lock: a post that finds it in the table comes after head.
	c.mu.Lock()
	e.table.open.Add(1)
	c.timer = time.AfterFunc(min(e.idleTimeout, e.maxAge), c.tick)
	if e.table.put(c) {
		_ = c.push(head)
	} else {
		c.killLocked() // a second connection of this ID: Random repeats itself
	}
	c.mu.Unlock()

	go c.run(buffered)
	select {
	case <-e.draining: // it missed Shutdown's round
		c.close(closeGoingAway, goingAway, e.closeWait)
	default:
	}
	return c
}

// run reads until the connection is over and then tells its function.
func (c *conn) run(buffered []byte) {
	if !c.feedBuffered(buffered) {
		c.end()
		return
	}
	c.read()
}

// read reads until the connection is over, and ends it, or until the reading
// went to another goroutine because a function took long.
func (c *conn) read() {
	for {
		if c.next != nil {
			next := c.next
			c.next = nil
			if !c.engine.inline.run(c, next) {
				return
			}
		}
		more := false
		if c.raw != nil {
			more = c.readRaw()
		} else {
			more = c.readPlain()
		}
		if !more {
			c.end()
			return
		}
	}
}

// end is the last of the reading goroutine.
func (c *conn) end() {
	if c.next != nil {
		go c.next()
		c.next = nil
	}
	c.finish()
	c.engine.disconnected(c)
	c.engine.leave()
}

func (c *conn) feedBuffered(p []byte) bool {
	if len(p) == 0 {
		return true
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	return c.feed(p, s)
}

// readPlain is readRaw with nothing but Read: a small buffer stays with the
// connection while it is idle.
func (c *conn) readPlain() (more bool) {
	small := make([]byte, 1<<10)
	for c.next == nil {
		n, err := c.nc.Read(small)
		if n > 0 && !c.feedBuffered(small[:n]) || err != nil {
			return false
		}
	}
	return true
}

// finish ends the connection on the wire and in the table.
func (c *conn) finish() {
	if c.closing.Load() {
		c.drain()
		if !c.peerClosed {
			c.linger()
		}
	}
	c.mu.Lock()
	c.retire(closeAbnormal, "") // UNCERTAIN: no recorded event of such an end
	cut := c.killed || c.flushing
	c.killLocked()
	c.timer.Stop()
	c.mu.Unlock()
	// Nobody writes to fd any more: closing was set under mu.
	if cut {
		// TLS would say goodbye first, and wait for a client that does not read.
		socketOf(c.nc).Close()
	} else {
		c.nc.Close()
	}
	c.engine.retireCounts(c)
	c.engine.table.remove(c)
}

// linger ends this direction and discards the other until the client has left
// too. Closing at once would make the kernel answer unread bytes with a reset,
// and the reset could overtake the close frame.
func (c *conn) linger() {
	select {
	case <-c.dead:
		return
	default:
	}
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	for {
		if _, err := c.nc.Read(s.buffer[:]); err != nil {
			return // the client's end, or the timer's kill
		}
	}
}

// close sends a close frame after what waits and gives the client some time to
// answer it. It reports false if the connection was closing already. Safe for
// concurrent use; it does not block.
func (c *conn) close(code int, reason string, wait time.Duration) bool {
	return c.closeWith(code, reason, "", compileClose(code, reason), wait)
}

// closeWith is close with its frame and with why the gateway closes, for people.
func (c *conn) closeWith(code int, reason, why string, frame []byte, wait time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing.Load() {
		return false
	}
	c.retire(code, reason)
	c.why = why
	c.killAt = time.Since(c.engine.started) + wait
	c.timer.Reset(wait)
	_ = c.push(frame) // beyond the queue's bound: there is one of these
	return true
}

// retire makes the connection closing, once, and keeps why. The caller holds mu.
func (c *conn) retire(code int, reason string) {
	if c.closing.Load() {
		return
	}
	c.closing.Store(true)
	c.code, c.reason = code, reason
	c.engine.table.open.Add(-1)
}

// kill makes every read and write of the connection fail. One that reads then
// finishes it. It does not block.
func (c *conn) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.killLocked()
}

func (c *conn) killLocked() {
	if c.killed {
		return
	}
	c.killed = true
	close(c.dead)
	// Not Close: it would wait for a callback of RawConn, perhaps the caller.
	c.nc.SetDeadline(time.Unix(1, 0))
}

// touch counts as a message for the idle timer. Whether AWS counts both
// directions for lastActiveAt is UNCERTAIN; for the idle timer it does
// (reports of users).
func (c *conn) touch() { c.touchAt(c.engine.stamp()) }

// touchAt is touch with one reading of the clocks for many connections.
func (c *conn) touchAt(s stamp) {
	c.active.Store(int64(s.sinceStart))
	c.activeAt.Store(s.unixMilli)
}

// stamp is now by both clocks.
type stamp struct {
	sinceStart time.Duration
	unixMilli  int64
}

func (e *engine) stamp() stamp {
	now := time.Now()
	s := stamp{now.Sub(e.started), now.UnixMilli()}
	if e.clock != nil {
		s.unixMilli = e.clock().UnixMilli()
	}
	return s
}

// tick is the timer. There is one for the idle limit and the age, and sends do
// not reset it: it looks when the last message was and sleeps for the rest.
func (c *conn) tick() {
	e := c.engine
	now := time.Since(e.started)
	c.mu.Lock()
	if c.closing.Load() {
		if now >= c.killAt { // else it was set for later a moment ago
			c.killLocked()
		}
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	idle, age := time.Duration(c.active.Load())+e.idleTimeout, c.openedAt+e.maxAge
	rest := min(idle, age) - now
	if rest <= 0 {
		// Idle: recorded. Age: UNCERTAIN, the same by analogy.
		why := fmt.Sprintf("no message in either direction for %v", e.idleTimeout)
		if age < idle {
			why = fmt.Sprintf("it was open for %v", e.maxAge)
		}
		c.closeWith(closeGoingAway, goingAway, why, compileClose(closeGoingAway, goingAway), e.closeWait)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing.Load() {
		c.timer.Reset(rest)
	}
}
