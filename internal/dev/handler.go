package dev

import (
	"context"
	"sync"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// handler is the part that runs a function in this process, if there is one.
type handler struct {
	c           *Config
	listener    *listener
	store       *store
	credentials *credentials
	api         *apiID

	publisher *wirepost.Publisher
	mux       *wirepost.Mux
	life      context.Context // of its long work
	end       context.CancelFunc
	running   sync.WaitGroup
}

func (h *handler) start(context.Context) error {
	if h.c.InProcess == nil {
		return nil
	}
	if h.c.InProcess.IfPublic != "" && !h.listener.address().IP.IsLoopback() {
		h.c.Report.Hint(h.c.InProcess.IfPublic)
	}
	at := wirepost.Endpoint{Identity: h.api.identity(), URL: h.listener.endpoint()}
	h.publisher = h.credentials.publisher(h.store.opened, h.c.InProcess.Keep)
	h.life, h.end = context.WithCancel(context.Background())
	h.mux = h.c.InProcess.New(h.store.opened, h.publisher, at, h.c.Logger)
	return nil
}

func (h *handler) stop(context.Context) error {
	if h.publisher != nil {
		h.end()
		h.running.Wait()
		h.publisher.CloseIdleConnections()
	}
	return nil
}

// routes are all of the function's own; its answers go back to the client.
func (h *handler) routes() map[string]gateway.Route {
	all := map[string]gateway.Route{}
	for _, key := range h.mux.RouteKeys() {
		all[key] = gateway.Route{Function: gateway.FunctionFunc(h.invoke), RouteResponse: twoWay(key)}
	}
	return all
}

// invoke runs the function, whose long work (wirepost.Mux.HandleLong) runs here too.
func (h *handler) invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return h.mux.Invoke(wirepost.ContextWithLater(ctx, func(_ context.Context, payload []byte) error {
		h.running.Go(func() { // ends with stop
			long, cancel := context.WithTimeout(h.life, lambdart.LongTimeout)
			defer cancel()
			_, _ = h.mux.Invoke(long, payload) // nobody reads the answer of an asynchronous event
		})
		return nil
	}), payload)
}

// query is what clients are proposed; empty if there is nothing to propose.
func (h *handler) query() string {
	if h.c.InProcess == nil {
		return ""
	}
	return h.c.InProcess.Query
}
