package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Timeouts of Serve's own http.Server. A handshake or a signed post is a few
// hundred bytes of header; who needs longer than this is not a client.
const (
	headerTimeout    = 10 * time.Second
	keepAliveTimeout = 2 * time.Minute
	bodyTimeout      = 30 * time.Second
	maxHeaderBytes   = 64 << 10
)

// reachKey is the context key under which Serve keeps who can reach the
// listener, a reach.
type reachKey struct{}

type reach bool

const (
	fromThisMachine reach = true
	fromAnywhere    reach = false
)

// Serve answers what l accepts until Shutdown is called, then returns
// http.ErrServerClosed; it returns earlier with the error of the configuration
// or of the listener. It closes l. It may be called for several listeners.
func (s *Server) Serve(l net.Listener) error {
	if l == nil {
		return errors.New("gateway: serve: the listener is nil")
	}
	e, err := s.ready()
	if err != nil {
		return errors.Join(err, l.Close())
	}
	where := reachOf(l.Addr())
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       keepAliveTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(e.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), reachKey{}, where)
		},
		ConnState: e.noteState,
	}
	e.mu.Lock()
	if e.stopped {
		e.mu.Unlock()
		l.Close()
		return http.ErrServerClosed
	}
	e.servers = append(e.servers, server)
	e.mu.Unlock()

	e.keys.announce(e, where, l.Addr())
	if s.TLS != nil {
		l = newEitherListener(l, s.TLS)
	}
	return server.Serve(l)
}

// Shutdown ends the server: it stops accepting, closes each connection with
// 1001 "Going away", and waits until each $disconnect and each other
// invocation has returned. Clients get at most half of the time left in ctx to
// answer the close frame. When ctx ends first, all that is left is ended
// anyway, the functions' contexts too, and ctx's error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	e, err := s.ready()
	if err != nil {
		return nil
	}
	e.mu.Lock()
	if !e.stopped {
		e.stopped = true
		close(e.draining)
		if e.work == 0 {
			close(e.quiet)
		}
	}
	servers := e.servers
	// Who has said nothing yet will get no answer; net/http would wait 5 seconds.
	for nc := range e.silent {
		socketOf(nc).Close()
	}
	clear(e.silent)
	e.mu.Unlock()

	wait := e.closeWait
	if deadline, ok := ctx.Deadline(); ok {
		wait = max(0, min(wait, time.Until(deadline)/2))
	}
	stopped := make(chan error, len(servers))
	for _, server := range servers {
		go func() { stopped <- server.Shutdown(ctx) }() // ends with ctx
	}
	e.table.each(func(c *conn) { c.close(closeGoingAway, "Going away", wait) })

	select {
	case <-e.quiet:
	case <-ctx.Done():
		err = ctx.Err()
	}
	// Posts that are being answered, and handshakes that are being refused.
	for range servers {
		if stopError := <-stopped; err == nil {
			err = stopError
		}
	}
	e.end()
	e.table.each((*conn).kill)
	for _, server := range servers {
		server.Close()
	}
	return err
}

// noteState keeps the connections that have asked for nothing yet.
func (e *engine) noteState(nc net.Conn, state http.ConnState) {
	if state == http.StateIdle {
		return // it has been active
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(e.silent, nc)
	case e.stopped:
		socketOf(nc).Close()
	default:
		e.silent[nc] = struct{}{}
	}
}

// serve tells a handshake from a management call, and from a request for the page.
func (e *engine) serve(w http.ResponseWriter, r *http.Request) {
	if len(r.RequestURI) > e.urlBytes {
		answerMessage(w, http.StatusRequestURITooLong, "RequestTooLongException", "Request URI Too Long")
		return
	}
	path := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	for i, segment := range path {
		name, err := url.PathUnescape(segment)
		if err != nil {
			name = segment
		}
		path[i] = name
	}
	for i := 0; i < len(path) && i < 2; i++ {
		if path[i] == "@connections" {
			e.manage(w, r, path)
			return
		}
	}
	if e.servesPage(r, path) {
		e.page.ServeHTTP(w, r)
		return
	}
	// For refused handshakes, as of other execute-api errors (UNCERTAIN).
	w.Header()["X-Amzn-Requestid"] = []string{e.newUUID()}
	w.Header()["X-Amz-Apigw-Id"] = []string{e.newRequestID()}
	if e.observer != nil {
		e.observedHandshake(w, r, path)
		return
	}
	e.handshake(w, r, path)
}

// servesPage tells a request for the page from a handshake that went astray.
func (e *engine) servesPage(r *http.Request, path []string) bool {
	return e.page != nil && path[0] != e.stage && (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		len(r.Header["Upgrade"]) == 0 && e.servesHost(r.Host)
}

// localAddress is the address that the request arrived at, or nil.
func localAddress(r *http.Request) net.Addr {
	addr, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return addr
}

// reachOfRequest is the reach of the listener that Serve accepted the request
// on, or that of the local address under another http.Server.
func reachOfRequest(r *http.Request) reach {
	if where, ok := r.Context().Value(reachKey{}).(reach); ok {
		return where
	}
	return reachOf(localAddress(r))
}

// reachOf says who can connect to an address. What is not known to be local
// is not local.
func reachOf(addr net.Addr) reach {
	switch a := addr.(type) {
	case nil:
		return fromAnywhere
	case *net.TCPAddr:
		return reach(a.IP.IsLoopback())
	case *net.UnixAddr:
		return fromThisMachine
	}
	if addr.Network() == "pipe" { // net.Pipe: this process
		return fromThisMachine
	}
	return fromAnywhere
}
