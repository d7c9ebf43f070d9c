package dev

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

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
	invocations *invocations
	names       *executeAPI
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
		AccountID:      c.account(),
		Domain:         g.domain(),
		IdleTimeout:    c.IdleTimeout,
		MaxAge:         c.MaxAge,
		ConnectRate:    c.ConnectRate,

		IntegrationTimeout: c.IntegrationTimeout,
		Settings:           c.settings(),
		TLS:                g.trust.tls,
		Credentials:        g.credentials.accepted,
		Hosts:              g.credentials.hosts,
		LoosePaths:         true,
		Routes:             g.routes.table,
		StageVariables:     g.routes.stageVariables,
		Fault:              c.Faults.Ask,
		Origin:             allowOrigin(c.Origins, g.listener.address()),
		Notice:             c.Report.Hint,
		Logger:             c.Logger,
	}
	for key, route := range g.routes.table {
		if c.IntegrationTimeout > 0 && route.IntegrationTimeout > c.IntegrationTimeout {
			route.IntegrationTimeout = 0
			g.routes.table[key] = route
		}
	}
	if c.hasProcesses() {
		g.server.MaxDisconnects = 2 * cmp.Or(c.Processes.Concurrency, lambdart.DefaultConcurrency)
	}
	if g.site.page != nil {
		g.server.Page = g.site.page
	}
	if !c.NoInspector {
		g.recorder = record(g.server)
		g.invocations.recorder.Store(g.recorder)
	}
	if err := g.server.Validate(); err != nil {
		return &ConfigError{err, "'wirepost dev --help' lists the flags"}
	}
	g.names.open(g.server.OwnName(c.Deployed...))
	return nil
}

// domain is the domainName of events.
func (g *gatewayServer) domain() string {
	if !g.c.AWSNames {
		return g.listener.domain()
	}
	name := g.api.awsName()
	g.c.Report.Hint("events have the domainName " + name + ", which leads here for functions and for nothing else: a browser cannot reach it")
	return name
}

// allowOrigin lets pages of this machine connect, and of the origins that were
// named: whatever page is open in a browser here could otherwise use functions that
// trust this machine. Where others reach the gateway its own page has this machine's
// name, too.
func allowOrigin(named []string, address *net.TCPAddr) func(string) bool {
	if !address.IP.IsLoopback() {
		named = slices.Clone(named)
		for _, name := range ownNames() {
			at := net.JoinHostPort(strings.ToLower(name), strconv.Itoa(address.Port))
			named = append(named, "http://"+at, "https://"+at)
		}
	}
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

// ownNames are the names by which other machines may know this one.
func ownNames() (names []string) {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return nil
	}
	first, _, _ := strings.Cut(name, ".")
	return []string{name, first, first + ".local"}
}
