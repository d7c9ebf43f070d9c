package dev

import (
	"context"
	"net/http"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/awslocal"
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
	engines     *engines
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
		actions := &serviceActions{engine: r.engine, pair: r.invocations.credentials.functions, inherit: r.c.Inherit,
			client: &http.Client{Transport: r.invocations.interception.at.Sender(r.c.Env), CheckRedirect: stay}}
		r.table, err = (&appRoutes{r, r.app.app, actions}).make(ctx)
	default:
		r.c.Report.Begins("reading the functions' files")
		r.table, err = r.ofNamed(ctx)
	}
	return err
}

// engine is what answers here for a service of AWS that integrations may call, or nil.
func (r *routes) engine(service string) http.Handler {
	var backend *awslocal.Backend
	switch service {
	case "dynamodb", "streams.dynamodb":
		backend = r.engines.tables
	case "sqs", "sns":
		backend = r.engines.queues
	}
	if backend == nil {
		return nil
	}
	return r.engines.services()[service]
}
