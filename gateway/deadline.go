package gateway

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Limits of a request on Serve's own http.Server. A handshake or a signed post is a
// few hundred bytes of header and at most 128 KiB of body: who needs longer than
// this is not a client. Upgraded connections have the limits of API Gateway instead.
const (
	headerTimeout    = 10 * time.Second
	keepAliveTimeout = 2 * time.Minute
	// bodyTimeout is for a body that is wanted, discardTimeout for one that is not.
	bodyTimeout    = 30 * time.Second
	discardTimeout = 5 * time.Second
	// answerTimeout is for writing an answer, pageTimeout for writing a file.
	answerTimeout = 10 * time.Second
	pageTimeout   = time.Minute
	// lastBytesTimeout is for what requests still have to send or to take when the
	// server ends.
	lastBytesTimeout = time.Second / 2
	maxHeaderBytes   = 64 << 10
)

// socket is a connection that Serve has accepted and nobody has upgraded.
type socket struct {
	nc net.Conn
	// silent tells that no request has begun. Guarded by engine.mu.
	silent bool
	// handled tells that a request is the handler's, and receiving that its body is not
	// complete.
	handled, receiving atomic.Bool
}

// socketKey is the context key of the socket that a request came on.
type socketKey struct{}

func socketOfRequest(r *http.Request) *socket {
	s, _ := r.Context().Value(socketKey{}).(*socket)
	return s // nil for another http.Server's
}

// newSocket is the http.Server's ConnContext.
func (e *engine) newSocket(ctx context.Context, nc net.Conn) context.Context {
	s := &socket{nc: nc, silent: true}
	e.mu.Lock()
	e.sockets[nc] = s
	e.mu.Unlock()
	return context.WithValue(ctx, socketKey{}, s)
}

// noteState is the http.Server's ConnState.
func (e *engine) noteState(nc net.Conn, state http.ConnState) {
	if state == http.StateIdle {
		return // it has been active
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.sockets[nc]
	switch {
	case s == nil:
	case state == http.StateClosed || state == http.StateHijacked:
		delete(e.sockets, nc)
	case state == http.StateActive:
		s.silent = false
	case e.stopped: // new, and too late
		socketOf(nc).Close()
	}
}

// receive bounds the time until a request's body is complete, which received tells.
// It may be called again, with another limit.
//
// The deadline stays when the handler returns: net/http reads what is left of a body
// before it answers, and again before it closes, and has no bound of its own.
func (e *engine) receive(w http.ResponseWriter, r *http.Request, limit time.Duration) {
	deadlines := http.NewResponseController(w)
	deadlines.SetReadDeadline(time.Now().Add(limit))
	s := socketOfRequest(r)
	if s == nil {
		return
	}
	s.receiving.Store(true)
	select {
	case <-e.draining: // Shutdown may have looked before
		deadlines.SetReadDeadline(time.Now().Add(min(limit, lastBytesTimeout)))
	default:
	}
}

// received ends what receive began. net/http itself lifts the deadline when it has
// read the end of a body, so that what a fault delays is not the client's time.
func received(r *http.Request) {
	if s := socketOfRequest(r); s != nil {
		s.receiving.Store(false)
	}
}

// answered bounds the time that the client of a request has to take its answer, most
// of which is written when the handler has returned.
func (e *engine) answered(w http.ResponseWriter) {
	limit := answerTimeout
	select {
	case <-e.draining:
		limit = lastBytesTimeout
	default:
	}
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(limit))
}

// ignoreBody answers a request without waiting for a body that nobody wants. The
// client has a little time to send it, so that it sees the answer and no reset.
func (e *engine) ignoreBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		e.receive(w, r, discardTimeout)
		w.Header().Set("Connection", "close")
	}
}

// hurry ends what waits for clients' bytes soon, when the server ends. The caller
// holds e.mu.
func (e *engine) hurry() {
	soon := time.Now().Add(lastBytesTimeout)
	for _, s := range e.sockets {
		if s.silent {
			// It will get no answer; net/http would wait 5 seconds.
			socketOf(s.nc).Close()
			continue
		}
		s.nc.SetWriteDeadline(soon) // an answer that is still to come sets its own
		// net/http reads the rest of a body when the handler has returned, or without
		// asking it, as after an Expect that it does not know.
		if s.receiving.Load() || !s.handled.Load() {
			s.nc.SetReadDeadline(soon)
		}
	}
}
