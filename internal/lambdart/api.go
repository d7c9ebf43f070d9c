package lambdart

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/wirepost/wirepost/internal/accept"
)

// api is the server of one process's Runtime API. What runtime clients ask for all the
// time is answered by the connections' own loops, because it is on the way of each
// message. A connection on which anything else arrives, wrong or only unusual, is
// net/http's from there on, see process.ServeHTTP: it is the one place that refuses.
type api struct {
	p        *process
	listener net.Listener
	server   *http.Server
	passed   chan net.Conn  // to server
	closed   chan struct{}  // when end begins to close
	once     sync.Once      // for closed
	serving  sync.WaitGroup // accept and server
	looping  sync.WaitGroup // the loops of conns

	mu    sync.Mutex
	conns map[*apiConn]struct{} // nil from end on
}

// idleTime is what a connection without a request has at the end: what its client sent
// before it ended may be on the way.
const idleTime = 50 * time.Millisecond

// serveAPI serves until end is called.
func (p *process) serveAPI(l net.Listener) *api {
	a := &api{
		p: p, listener: accept.Patient(l, p.f.c.Logger), server: p.server(),
		passed: make(chan net.Conn), closed: make(chan struct{}), conns: map[*apiConn]struct{}{},
	}
	a.serving.Go(a.accept)
	a.serving.Go(func() { _ = a.server.Serve((*passedOn)(a)) })
	return a
}

// accept ends when the listener is closed.
func (a *api) accept() {
	for {
		nc, err := a.listener.Accept()
		if err != nil {
			return
		}
		c := newAPIConn(a, nc)
		a.mu.Lock()
		over := a.conns == nil
		if !over {
			a.conns[c] = struct{}{}
			a.looping.Go(c.run) // ends with the connection, which end closes
		}
		a.mu.Unlock()
		if over {
			nc.Close()
			return
		}
	}
}

// end stops serving. What a process has sent before its end still counts, for lastWords
// at most.
func (a *api) end() {
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	a.listener.Close()
	a.mu.Lock()
	conns := a.conns
	a.conns = nil
	for c := range conns {
		if !c.busy.Load() {
			c.nc.SetReadDeadline(time.Now().Add(idleTime))
		}
	}
	a.mu.Unlock()
	looped := make(chan struct{})
	go func() { a.looping.Wait(); close(looped) }() // they end, see below
	select {
	case <-looped:
	case <-ctx.Done():
		a.once.Do(func() { close(a.closed) })
		for c := range conns { // one that was passed on is closed below, too
			c.nc.Close()
		}
		<-looped
	}
	if a.server.Shutdown(ctx) != nil {
		a.server.Close()
	}
	a.serving.Wait()
}

// forget takes a connection out of conns, which are closed at the end.
func (a *api) forget(c *apiConn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.conns, c)
}

// pass gives a connection to net/http, with what has been read of it.
func (a *api) pass(nc net.Conn) {
	select {
	case a.passed <- nc:
	case <-a.closed:
		nc.Close()
	}
}

// passedOn is the listener of net/http's server.
type passedOn api

// Accept implements net.Listener.
func (l *passedOn) Accept() (net.Conn, error) {
	select {
	case nc := <-l.passed:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *passedOn) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *passedOn) Addr() net.Addr { return l.listener.Addr() }

// readAhead is a connection of which something has been read.
type readAhead struct {
	net.Conn
	rest []byte
	from *acquaintance
}

// Read implements net.Conn.
func (r *readAhead) Read(b []byte) (int, error) {
	if len(r.rest) > 0 && len(b) > 0 {
		n := copy(b, r.rest)
		if r.rest = r.rest[n:]; len(r.rest) == 0 {
			r.rest = nil
		}
		return n, nil
	}
	return r.Conn.Read(b)
}
