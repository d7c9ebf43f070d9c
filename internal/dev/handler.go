package dev

import (
	"context"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
)

// handler is the part that runs a function in this process, if there is one.
type handler struct {
	c           *Config
	listener    *listener
	store       *store
	credentials *credentials

	publisher *wirepost.Publisher
	mux       *wirepost.Mux
}

func (h *handler) start(context.Context) error {
	if h.c.InProcess == nil {
		return nil
	}
	if h.c.InProcess.IfPublic != "" && !h.listener.address().IP.IsLoopback() {
		h.c.Report.Hint(h.c.InProcess.IfPublic)
	}
	h.publisher = h.credentials.publisher(h.store.opened, h.c.InProcess.Keep)
	h.mux = h.c.InProcess.New(h.store.opened, h.publisher, h.c.Logger)
	return nil
}

func (h *handler) stop(context.Context) error {
	if h.publisher != nil {
		h.publisher.CloseIdleConnections()
	}
	return nil
}

// routes are all of the function's own; its answers go back to the client.
func (h *handler) routes() map[string]gateway.Route {
	all := map[string]gateway.Route{}
	for _, key := range h.mux.RouteKeys() {
		all[key] = gateway.Route{Function: h.mux, RouteResponse: twoWay(key)}
	}
	return all
}

// query is what clients are proposed; empty if there is nothing to propose.
func (h *handler) query() string {
	if h.c.InProcess == nil {
		return ""
	}
	return h.c.InProcess.Query
}
