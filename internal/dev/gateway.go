package dev

import (
	"cmp"
	"context"
	"net/netip"
	"net/url"
	"slices"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/inspector"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// gatewayServer is the part that has the gateway itself, ready to be served.
type gatewayServer struct {
	c           *Config
	api         *apiID
	listener    *listener
	trust       *trust
	credentials *credentials
	routes      *routes
	site        *site
	nothingToStop

	server   *gateway.Server
	recorder *inspector.Recorder // nil if nothing is recorded
}

func (g *gatewayServer) start(context.Context) error {
	c := g.c
	g.server = &gateway.Server{
		RouteSelection: c.RouteSelection,
		Stage:          c.Stage,
		APIID:          g.api.id,
		Region:         c.Region,
		Domain:         g.listener.domain(),
		IdleTimeout:    c.IdleTimeout,
		MaxAge:         c.MaxAge,
		TLS:            g.trust.tls,
		Credentials:    g.credentials.accepted,
		Hosts:          g.credentials.hosts,
		Routes:         g.routes.table,
		StageVariables: g.routes.stageVariables,
		Fault:          c.Faults.Ask,
		Origin:         allowOrigin(c.Origins),
		Notice:         c.Report.Hint,
		Logger:         c.Logger,
	}
	if c.hasProcesses() {
		g.server.MaxDisconnects = 2 * cmp.Or(c.Processes.Concurrency, lambdart.DefaultConcurrency)
	}
	if g.site.page != nil {
		g.server.Page = g.site.page
	}
	if !c.NoInspector {
		g.recorder = record(g.server)
	}
	if err := g.server.Validate(); err != nil {
		return &ConfigError{err, "'wirepost dev --help' lists the flags"}
	}
	return nil
}

// allowOrigin lets pages of this machine connect, and of the origins that were
// named: whatever page is open in a browser here could otherwise use functions that
// trust this machine.
func allowOrigin(named []string) func(string) bool {
	return func(origin string) bool {
		if slices.Contains(named, "*") || slices.Contains(named, origin) {
			return true
		}
		u, err := url.Parse(origin)
		if err != nil {
			return false
		}
		a, err := netip.ParseAddr(u.Hostname())
		return u.Hostname() == "localhost" || err == nil && a.IsLoopback()
	}
}
