package lambdart

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/internal/httphead"
)

// apiConn is a connection to a Runtime API, as long as its requests are those that
// runtime clients make all the time: for the next invocation, and with an answer. Their
// way is short: the goroutine that invokes the function writes the event to the connection itself,
// and the goroutine that reads it has the answer in its hands.
type apiConn struct {
	api  *api
	p    *process
	nc   net.Conn
	from *acquaintance

	busy atomic.Bool // a request has begun to arrive and is not answered

	// Of the goroutine that reads.
	head       httphead.Request
	buffer     []byte // buffer[start:end] has been read and not used
	start, end int
	limited    bool  // there is a read deadline
	wait       *poll // the request for /next, until its answer is known of

	writing sync.Mutex // held until what was begun is written
	out     []byte     // guarded by writing
}

const (
	bufferBytes = 4 << 10
	// keptBytes is how large a buffer stays with its connection.
	keptBytes = 64 << 10
	// joinedBytes is how long an event may be for one write with its header.
	joinedBytes = 64 << 10
)

func newAPIConn(a *api, nc net.Conn) *apiConn {
	return &apiConn{api: a, p: a.p, nc: nc, from: a.p.acquaint(nc), buffer: make([]byte, bufferBytes)}
}

// run serves the connection until it ends or is net/http's.
func (c *apiConn) run() {
	then := c.serve()
	c.leaveNext()
	c.api.forget(c)
	if then != pass {
		c.nc.Close()
	}
	c.writing.Lock() // until the event before is written, or fails to be
	defer c.writing.Unlock()
	if then != pass {
		return
	}
	c.nc.SetReadDeadline(time.Time{})
	c.api.pass(&readAhead{Conn: c.nc, rest: c.buffer[c.start:c.end], from: c.from})
}

// verdict is what becomes of a connection after a request.
type verdict int

const (
	served verdict = iota
	over
	pass // to net/http, with all that is in the buffer
)

func (c *apiConn) serve() verdict {
	c.limit()
	for {
		size, ok := 0, true
		if c.start < c.end {
			if !c.settle() {
				return over
			}
			size, ok = c.head.Parse(c.buffer[c.start:c.end])
		}
		switch {
		case !ok:
			return pass
		case size > 0:
			if c.limited {
				c.limited = false
				c.nc.SetReadDeadline(time.Time{})
			}
			if then := c.request(size); then != served {
				return then
			}
		case !c.fill():
			return over
		case c.start < c.end:
			c.limit() // lifted when the head is whole, which it mostly is
		}
	}
}

// limit bounds the time until a head is whole, as the http.Server does.
func (c *apiConn) limit() {
	if !c.limited && !bytes.Contains(c.buffer[c.start:c.end], []byte("\r\n\r\n")) {
		c.limited = true
		c.nc.SetReadDeadline(time.Now().Add(refusedTime))
	}
}

// fill reads more. While a request for /next waits it is what sees that the client has
// given that up.
func (c *apiConn) fill() bool {
	if c.start == c.end {
		c.start, c.end = 0, 0
		c.busy.Store(false)
		if len(c.buffer) > keptBytes {
			c.buffer = make([]byte, bufferBytes)
		}
	}
	if c.end == len(c.buffer) {
		if c.start == 0 {
			c.buffer = append(c.buffer, make([]byte, len(c.buffer))...)
		} else {
			c.end = copy(c.buffer, c.buffer[c.start:c.end])
			c.start = 0
		}
	}
	n, _ := c.nc.Read(c.buffer[c.end:]) // the error comes again
	if n <= 0 {
		if c.wait != nil && c.wait.isReplaced() {
			c.refuseReplaced()
		}
		return false
	}
	c.busy.Store(true)
	c.end += n
	return true
}

// settle waits, when something has come after a request for /next, for the answer to
// that. It reports false if there is none.
func (c *apiConn) settle() bool {
	if c.wait == nil {
		return true
	}
	select {
	case <-c.wait.over:
	case <-c.api.closed:
		return false
	}
	if c.wait.isReplaced() {
		c.refuseReplaced()
		return false
	}
	c.wait = nil
	return true
}

// leaveNext gives up the request for /next, if it waits.
func (c *apiConn) leaveNext() {
	if c.wait == nil {
		return
	}
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if c.p.poll == c.wait {
		c.p.poll = nil
		close(c.wait.over)
	}
}

// request serves what is the function's own and ordinary.
func (c *apiConn) request(size int) verdict {
	h := &c.head
	if c.from.who().stranger || string(h.Host) != c.p.where() || mayBePage(h) {
		return pass
	}
	if string(h.Target) == apiNext {
		if h.Method != http.MethodGet || h.Length != 0 {
			return pass
		}
		return c.next(size)
	}
	call, ok := bytes.CutPrefix(h.Target, []byte(apiCall))
	id, what, _ := bytes.Cut(call, []byte("/"))
	failed := string(what) == "error"
	if !ok || h.Method != http.MethodPost || !failed && string(what) != "response" {
		return pass
	}
	return c.answered(string(id), failed, size)
}

// mayBePage is accept.FromPage, but for what that takes for the fetch of Node.js.
func mayBePage(h *httphead.Request) bool {
	for _, f := range h.Fields {
		if c := f.Name[0] | 0x20; c != 'o' && c != 's' {
			continue
		}
		name := strings.ToLower(string(f.Name))
		if name == "origin" || strings.HasPrefix(name, "sec-fetch-") {
			return true
		}
	}
	return false
}

// next is process.next: it answers at once if there is an invocation, and else leaves
// the connection to the one who brings it.
func (c *apiConn) next(size int) verdict {
	p := c.p
	p.mu.Lock()
	i := p.current
	if p.poll != nil && !c.from.who().own || i != nil && i.isGiven && !i.isDone {
		p.mu.Unlock()
		return pass // it waits in line there, or is refused
	}
	c.start += size
	if p.poll != nil {
		p.poll.replace()
	}
	mine := &poll{conn: c, replaced: make(chan struct{}), over: make(chan struct{})}
	p.poll, c.wait = mine, mine
	fresh := p.back()
	var to *apiConn
	select {
	case i = <-p.given:
		to = p.hand(i)
	default:
	}
	p.mu.Unlock()
	if fresh {
		p.f.offer(p)
	}
	if to != nil {
		to.event(i)
	}
	return served
}

// answered takes the answer of an invocation, or its error.
func (c *apiConn) answered(id string, failed bool, size int) verdict {
	if status, _, _ := c.p.mayAnswer(id); status != 0 || c.head.Length > payloadLimit {
		return pass
	}
	kind := ""
	if failed {
		kind = string(c.head.Get(typeHeader))
	}
	body, then := c.body(size)
	if then != served {
		return then
	}
	if failed {
		functionError := parseFunctionError(kind, body)
		functionError.RequestID = id
		c.p.conclude(id, nil, functionError)
	} else {
		c.p.conclude(id, body, nil)
	}
	if !c.acknowledge() {
		return over
	}
	return served
}

// body takes the request's head out of the buffer and reads its body, which may take as
// long as its invocation.
func (c *apiConn) body(size int) ([]byte, verdict) {
	if length := c.head.Length; length >= 0 {
		c.start += size
		body := make([]byte, length)
		n := copy(body, c.buffer[c.start:c.end])
		c.start += n
		if _, err := io.ReadFull(c.nc, body[n:]); err != nil {
			return nil, over // the process has gone, or tries again
		}
		return body, served
	}
	var chunks httphead.Chunks
	for {
		raw := c.buffer[c.start+size : c.end]
		end, ok := chunks.Scan(raw, payloadLimit)
		switch {
		case !ok || len(raw) > 2*payloadLimit: // too long, or broken off, which its trailer says
			return nil, pass
		case end > 0:
			c.start += size + end
			return chunks.Body(raw), served
		case !c.fill():
			return nil, over
		}
	}
}

// event writes the answer to the request for /next. It does not wait for the process to
// take it.
func (c *apiConn) event(i *invocation) {
	c.p.f.served()
	if !c.writing.TryLock() {
		go func() { // ends with the connection
			c.writing.Lock()
			defer c.writing.Unlock()
			c.write(c.eventHead(i), i.payload)
		}()
		return
	}
	out, rest := c.eventHead(i), i.payload
	if len(rest) <= joinedBytes {
		out, rest = append(out, rest...), nil
	}
	c.out = out
	if n := writeNow(c.nc, out); n < len(out) || rest != nil {
		go func() { // ends with the connection
			defer c.writing.Unlock()
			c.write(out[n:], rest)
		}()
		return
	}
	c.writing.Unlock()
}

// write writes what is left of an event. A process that has gone fails its invocation
// itself, and the invocation has a limit.
func (c *apiConn) write(parts ...[]byte) {
	buffers := net.Buffers(parts)
	_, _ = buffers.WriteTo(c.nc)
	c.out = nil
}

// eventHead is the head of the answer to /next. The caller holds writing.
func (c *apiConn) eventHead(i *invocation) []byte {
	out := append(c.out[:0], "HTTP/1.1 200 OK\r\nContent-Length: "...)
	out = strconv.AppendInt(out, int64(len(i.payload)), 10)
	c.p.eventFields(i, func(name, value string) {
		out = append(append(append(out, "\r\n"...), name...), ": "...)
		for _, b := range []byte(value) {
			if b == '\r' || b == '\n' {
				b = ' '
			}
			out = append(out, b)
		}
	})
	return append(appendDate(append(out, "\r\n"...)), "\r\n"...)
}

func appendDate(out []byte) []byte {
	out = append(out, "Date: "...)
	out = time.Now().UTC().AppendFormat(out, http.TimeFormat)
	return append(out, "\r\n"...)
}

// acknowledge answers an answer.
func (c *apiConn) acknowledge() bool {
	c.writing.Lock()
	defer c.writing.Unlock()
	out := append(c.out[:0], "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n"...)
	out = append(appendDate(out), "\r\n"+accepted...)
	c.out = out
	n := writeNow(c.nc, out)
	return n == len(out) || c.writeSoon(out[n:])
}

// writeSoon gives the client some time to take the rest of a short answer.
func (c *apiConn) writeSoon(rest []byte) bool {
	c.nc.SetWriteDeadline(time.Now().Add(refusedTime))
	_, err := c.nc.Write(rest)
	c.nc.SetWriteDeadline(time.Time{})
	return err == nil
}

// refuseReplaced answers a request for /next after which its process has sent another.
func (c *apiConn) refuseReplaced() {
	c.writing.Lock()
	defer c.writing.Unlock()
	text := refusal("InvalidStateTransition", secondNext)
	out := append(c.out[:0], "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: "...)
	out = append(strconv.AppendInt(out, int64(len(text)), 10), "\r\n"...)
	_ = c.writeSoon(append(append(appendDate(out), "\r\n"...), text...))
}
