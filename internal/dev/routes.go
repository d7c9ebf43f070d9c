package dev

import (
	"context"
	"net/http"
	"net/http/httputil"
	"net/url"

	"github.com/wirepost/wirepost/gateway"
)

// routes is the part that makes the routing table, and has the functions started that
// are in it.
type routes struct {
	c         *Config
	app       *resolution
	handler   *handler
	functions *functions
	apps      *appFunctions

	invocations *invocations
	nothingToStop

	table          map[string]gateway.Route
	stageVariables map[string]string
	own            map[gateway.Function][]string // the routes that named functions have said
}

func (r *routes) start(ctx context.Context) (err error) {
	switch {
	case r.handler.mux != nil:
		r.table = r.handler.routes()
	case r.app.app != nil:
		r.c.Report.Begins("reading the functions' files")
		r.stageVariables = r.app.app.APIs[0].StageVariables
		actions := &serviceActions{engine: r.engine, pair: r.invocations.credentials.functions, inherit: r.c.Inherit}
		r.table, err = (&appRoutes{r, r.app.app, actions}).make(ctx)
	default:
		r.c.Report.Begins("reading the functions' files")
		r.table, err = r.ofNamed(ctx)
	}
	return err
}

// engine is the engine of a service of AWS that integrations may call, or nil.
func (r *routes) engine(service string) http.Handler {
	if service != "dynamodb" || r.c.DynamoDB == "" {
		return nil
	}
	u, err := url.Parse(r.c.DynamoDB)
	if err != nil {
		return nil // it has been checked
	}
	return &httputil.ReverseProxy{
		Rewrite:   func(p *httputil.ProxyRequest) { p.SetURL(u) },
		Transport: boundedTransport(),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	}
}
