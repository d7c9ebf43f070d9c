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

	"github.com/wirepost/wirepost/internal/accept"
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
		Handler:           e,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,   // for what does not come as far as to the handler,
		WriteTimeout:      answerTimeout, // and what net/http answers itself
		IdleTimeout:       keepAliveTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(e.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), reachKey{}, where)
		},
		ConnContext: e.newSocket,
		ConnState:   e.noteState,
		// Its handler for "OPTIONS *" waits for the body, without a limit.
		DisableGeneralOptionsHandler: true,
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
	l = accept.Patient(l, e.log)
	if s.TLS != nil {
		l = newEitherListener(l, s.TLS)
	}
	return server.Serve(l)
}

// Shutdown ends the server: it stops accepting, closes each connection with
// 1001 "Going away", and waits until each $disconnect and each other
// invocation has returned. Clients get at most half of the time left in ctx to
// answer the close frame. When ctx ends first, all that is left is ended
// anyway, the functions' contexts too, and the error is an *UnfinishedError with
// ctx's. A request whose body is not complete gets half a second for the rest.
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
	e.hurry()
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
	if err != nil && err == ctx.Err() {
		err = &UnfinishedError{e.unfinished(), err}
	}
	e.end()
	e.reasons.end()
	e.table.each((*conn).kill)
	for _, server := range servers {
		server.Close()
	}
	return err
}

// ServeHTTP answers requests, for Serve and for any other http.Server.
func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.requestsOpen.Add(1)
	defer e.requestsOpen.Add(-1)
	if s := socketOfRequest(r); s != nil {
		s.handled.Store(true)
		defer s.handled.Store(false)
	}
	if r.ContentLength != 0 {
		e.receive(w, r, bodyTimeout)
	}
	if !e.serve(w, r) {
		e.answered(w)
	}
}

// serve tells a handshake from a management call, and from a request for the page.
// It reports whether the connection has been upgraded: then it is no request's any
// more.
func (e *engine) serve(w http.ResponseWriter, r *http.Request) (upgraded bool) {
	path := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	for i, segment := range path {
		name, err := url.PathUnescape(segment)
		if err != nil {
			name = segment
		}
		path[i] = name
	}
	if tidy, ok := e.tidy(path); ok {
		e.manage(w, r, tidy)
		return false
	}
	for i := 0; i < len(path) && i < 2; i++ {
		if path[i] == "@connections" {
			e.manage(w, r, path)
			return false
		}
	}
	e.ignoreBody(w, r)
	if e.servesPage(r, path) {
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(pageTimeout))
		e.page.ServeHTTP(w, r)
		return false
	}
	// For refused handshakes, as of other execute-api errors (UNCERTAIN).
	w.Header()["X-Amzn-Requestid"] = []string{e.newUUID()}
	w.Header()["X-Amz-Apigw-Id"] = []string{e.newRequestID()}
	if e.observer != nil {
		return e.observedHandshake(w, r, path)
	}
	return e.handshake(w, r, path)
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
