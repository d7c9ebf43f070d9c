package dev

import (
	"context"

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
		r.table, err = (&appRoutes{routes: r, app: r.app.app}).make(ctx)
	default:
		r.c.Report.Begins("reading the functions' files")
		r.table, err = r.ofNamed(ctx)
	}
	return err
}
