package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/wirepost/wirepost/gateway"
)

// serving is the last part: it says where everything is and lets clients in. It stops
// first, and then lets clients and functions come to an end.
type serving struct {
	c        *Config
	listener *listener
	store    *store
	handler  *handler
	site     *site
	gateway  *gatewayServer

	served chan error // has the error with which serving ended
	failed error      // set if it ended by itself
	closed int        // how many connections were open at the end
}

func (s *serving) start(context.Context) error {
	if s.site.page != nil {
		s.c.Report.Address("page", "http://"+s.listener.domain()+"/")
	}
	query := s.handler.query()
	if query != "" {
		query = "?" + query
	}
	s.c.Report.Address("connect", s.listener.connect()+query)
	s.c.Report.Address("endpoint", s.listener.endpoint())
	s.c.Report.Address("store", s.store.shown())
	s.serve(s.gateway.server, s.listener)
	return nil
}

func (s *serving) serve(server *gateway.Server, l net.Listener) {
	s.served = make(chan error, 1)
	go func() { s.served <- server.Serve(l) }() // ends when stop has closed the listener
}

// wait returns when ctx ends, or with the error of a gateway that cannot serve.
func (s *serving) wait(ctx context.Context) error {
	select {
	case s.failed = <-s.served:
		return fmt.Errorf("serve on %s: %w", s.listener.Addr(), s.failed)
	case <-ctx.Done():
		return nil
	}
}

func (s *serving) stop(ctx context.Context) error { return s.shutdown(ctx, s.gateway.server) }

// shutdown ends the server, and says what it waits for if that takes long.
func (s *serving) shutdown(ctx context.Context, server *gateway.Server) error {
	s.closed = server.ConnectionCount()
	stopped := make(chan error, 1)
	go func() { stopped <- server.Shutdown(ctx) }() // ends with ctx
	var err error
	select {
	case err = <-stopped:
	case <-time.After(time.Second):
		if open := server.Unfinished(); open != (gateway.Unfinished{}) {
			s.c.Report.Hint(fmt.Sprintf("waiting for %v to end, %v at most; Ctrl-C again ends at once", open, stopTime))
		}
		err = <-stopped
	}
	if s.failed == nil {
		if served := <-s.served; !errors.Is(served, http.ErrServerClosed) && err == nil {
			err = served
		}
	}
	unfinished, ok := errors.AsType[*gateway.UnfinishedError](err)
	switch {
	case ok:
		s.c.Report.Hint(fmt.Sprintf("%v had not ended after %v; wirepost has cut off what was left", unfinished.Unfinished, stopTime))
	case err != nil:
		return fmt.Errorf("shut down: %w", err)
	}
	return nil
}
