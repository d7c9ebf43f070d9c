package dev

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/wirepost/wirepost/internal/accept"
	"github.com/wirepost/wirepost/internal/control"
)

// lambdaEndpoint is the part that serves Lambda's Invoke API to programs of this
// machine. It has a port of its own, on 127.0.0.1 whatever Config says, so that no flag
// makes it reachable from elsewhere. Functions are told where it is long before they can
// be invoked.
type lambdaEndpoint struct {
	c *Config

	listener net.Listener
	server   *http.Server
	handler  atomic.Pointer[http.Handler] // once functions can be invoked
	served   chan struct{}                // closed when server has ended
}

func (e *lambdaEndpoint) start(ctx context.Context) (err error) {
	if !e.c.hasProcesses() {
		return nil
	}
	if e.listener, err = listen(ctx, "127.0.0.1:0"); err != nil {
		return fmt.Errorf("listen for Lambda's Invoke API: %w", err)
	}
	e.server = control.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := e.handler.Load()
		if h == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		(*h).ServeHTTP(w, r)
	}), e.c.Logger)
	e.server.Protocols = plainProtocols()
	e.served = make(chan struct{})
	go func() { // ends when stop closes the server
		defer close(e.served)
		e.server.Serve(accept.Patient(e.listener, e.c.Logger))
	}()
	return nil
}

func (e *lambdaEndpoint) stop(context.Context) error {
	if e.server != nil {
		e.server.Close()
		<-e.served
	}
	return nil
}

// url is where the API is.
func (e *lambdaEndpoint) url() string { return "http://" + e.listener.Addr().String() }

// serve serves the API from now on.
func (e *lambdaEndpoint) serve(h http.Handler) { e.handler.Store(&h) }

// isOwn reports whether a Host header is that of the port. A page whose own name was
// pointed here has that name.
func (e *lambdaEndpoint) isOwn(host string) bool {
	port := strconv.Itoa(e.listener.Addr().(*net.TCPAddr).Port)
	return host == "127.0.0.1:"+port || host == "localhost:"+port
}
