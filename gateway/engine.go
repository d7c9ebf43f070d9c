package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// engine is a Server with its defaults filled in, and its state.
type engine struct {
	routes     map[string]*route
	all        []*route // in the order of their keys
	connect    *route   // nil: every connection is accepted
	disconnect *route   // nil: nobody is told
	fallback   *route   // $default; nil: Forbidden
	selection  selection
	expression string // of selection

	authorizer      *Authorizer // of $connect; nil: none
	identitySources []identitySource

	stage, apiID, region, accountID, domain string
	name                                    []string // API/STAGE, as a header's value
	stageVariables                          map[string]string
	origin                                  func(string) bool
	hosts                                   []string
	page                                    http.Handler
	loose                                   *loosePaths // nil: none are taken
	urlBytes                                int
	connects, requests                      *bucket

	messageBytes, frameBytes, queueBytes    int
	idleTimeout, maxAge, integrationTimeout time.Duration
	closeWait                               time.Duration
	pingKeepsAlive                          bool

	fault    func(Call) Fault
	observer Observer         // nil: nobody
	clock    func() time.Time // nil: time.Now
	random   io.Reader
	notice   func(string)
	log      *slog.Logger
	reasons  bursts            // of refusals, for people
	settings map[string]string // Server.Settings

	keys       *keyring
	table      *table
	connecting sync.Map // IDs whose handshake is not answered
	counters   counters
	slots      chan struct{} // one element for each invocation that runs
	leaving    chan struct{} // the same of $disconnect
	inline     inline
	started    time.Time // origin of the monotonic clock of idle times

	// base ends when the server has ended: it ends the functions' contexts.
	base context.Context
	end  context.CancelFunc
	// draining is closed when Shutdown begins.
	draining chan struct{}

	requestsOpen       atomic.Int64 // that are being answered
	disconnectsWaiting atomic.Int64 // for their turn to be invoked

	mu      sync.Mutex
	stopped bool
	servers []*http.Server
	sockets map[net.Conn]*socket
	work    int           // connections, handshakes and invocations that are not over
	quiet   chan struct{} // closed once stopped and work is 0
}

// route is one row of the routing table.
type route struct {
	key      string
	function Function
	twoWay   bool
	timeout  time.Duration
	counters *routeCounters
	model    func([]byte) error
}

func newEngine(s *Server) (*engine, error) {
	e := &engine{
		stage:              cmp.Or(s.Stage, "dev"),
		apiID:              s.APIID,
		region:             cmp.Or(s.Region, "us-east-1"),
		accountID:          cmp.Or(s.AccountID, "000000000000"),
		domain:             s.Domain,
		stageVariables:     s.StageVariables,
		settings:           s.Settings,
		origin:             s.Origin,
		page:               s.Page,
		hosts:              s.Hosts,
		urlBytes:           cmp.Or(s.URLBytes, DefaultURLBytes),
		messageBytes:       cmp.Or(s.MessageBytes, DefaultMessageBytes),
		frameBytes:         cmp.Or(s.FrameBytes, DefaultFrameBytes),
		queueBytes:         cmp.Or(s.QueueBytes, DefaultQueueBytes),
		idleTimeout:        cmp.Or(s.IdleTimeout, DefaultIdleTimeout),
		maxAge:             cmp.Or(s.MaxAge, DefaultMaxAge),
		integrationTimeout: cmp.Or(s.IntegrationTimeout, DefaultIntegrationTimeout),
		closeWait:          cmp.Or(s.CloseWait, DefaultCloseWait),
		pingKeepsAlive:     s.PingKeepsAlive,
		fault:              s.Fault,
		observer:           s.Observer,
		clock:              s.Now,
		random:             s.Random,
		notice:             s.Notice,
		log:                s.Logger,
		table:              newTable(),
		started:            time.Now(),
		draining:           make(chan struct{}),
		quiet:              make(chan struct{}),
		sockets:            make(map[net.Conn]*socket),
	}
	e.listenersOf(s)
	if s.LoosePaths {
		e.loose = &loosePaths{}
	}
	e.connects = newBucket(cmp.Or(s.ConnectRate, DefaultConnectRate), cmp.Or(s.ConnectRate, DefaultConnectRate))
	rate, burst := DefaultRequestRate, DefaultRequestBurst
	if e.region == "af-south-1" || e.region == "eu-south-1" {
		rate, burst = 2_500, 1_250 // Cape Town and Milan (AWS docs, the same page)
	}
	e.requests = newBucket(cmp.Or(s.RequestRate, rate), cmp.Or(s.RequestBurst, burst))
	invocations := cmp.Or(s.MaxInvocations, DefaultMaxInvocations)
	if err := e.checkLimits(s, invocations); err != nil {
		return nil, err
	}
	if !validStage(e.stage) {
		return nil, fmt.Errorf("gateway: stage %q: 1 to 128 letters, digits, hyphens and underscores", e.stage)
	}
	if e.apiID == "" {
		e.apiID = e.newAPIID()
	}
	e.name = []string{e.apiID + "/" + e.stage}
	e.expression = cmp.Or(s.RouteSelection, "$request.body.action")
	selection, err := parseSelection(e.expression)
	if err != nil {
		return nil, fmt.Errorf("gateway: route selection expression %q: %w", s.RouteSelection, err)
	}
	e.selection = selection
	if err := e.setRoutes(s); err != nil {
		return nil, err
	}
	e.slots = make(chan struct{}, invocations)
	e.leaving = make(chan struct{}, cmp.Or(s.MaxDisconnects, invocations))
	e.keys = newKeyring(s.Credentials, e.region, cmp.Or(s.ClockSkew, DefaultClockSkew))
	e.keys.skewName = e.setting("ClockSkew")
	e.base, e.end = context.WithCancel(context.Background())
	return e, nil
}

// listenersOf takes who is told what, and the source of randomness.
func (e *engine) listenersOf(s *Server) {
	if e.random == nil {
		e.random = rand.Reader
	}
	if e.notice == nil {
		e.notice = func(string) {}
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	e.reasons.say = s.Notice
	if s.Notice == nil {
		e.reasons.say = func(line string) { e.log.Warn(line) }
	}
}

// checkLimits refuses limits below zero.
func (e *engine) checkLimits(s *Server, invocations int) error {
	for _, limit := range []struct {
		name     string
		negative bool
	}{
		{"MessageBytes", e.messageBytes < 0}, {"FrameBytes", e.frameBytes < 0}, {"QueueBytes", e.queueBytes < 0},
		{"IdleTimeout", e.idleTimeout < 0}, {"MaxAge", e.maxAge < 0}, {"IntegrationTimeout", e.integrationTimeout < 0},
		{"CloseWait", e.closeWait < 0}, {"ClockSkew", s.ClockSkew < 0}, {"MaxInvocations", invocations < 0}, {"MaxDisconnects", s.MaxDisconnects < 0}, {"URLBytes", e.urlBytes < 0},
	} {
		if limit.negative {
			return fmt.Errorf("gateway: %s is negative", limit.name)
		}
	}
	return nil
}

func (e *engine) setRoutes(s *Server) error {
	routes := s.Routes
	if routes == nil {
		routes = map[string]Route{"$connect": {}, "$disconnect": {}, "$default": {}}
	}
	if len(routes) > maxRoutes {
		return fmt.Errorf("gateway: %d routes; an API may have %d", len(routes), maxRoutes)
	}
	e.routes = make(map[string]*route, len(routes))
	for key, r := range routes {
		function, err := s.functionOf(key, r)
		if err != nil {
			return err
		}
		if err := validateFunction(function); err != nil {
			return fmt.Errorf("gateway: route %q: %w", key, err)
		}
		if e.fault != nil {
			function = faultyFunction{e, key, function}
		}
		if t := r.IntegrationTimeout; t != 0 && (t < minIntegration || t > maxIntegration) {
			return fmt.Errorf("gateway: route %q: the integration timeout is %v; it must be from %v to %v", key, t, minIntegration, maxIntegration)
		}
		row := &route{key: key, function: function, twoWay: r.RouteResponse, timeout: cmp.Or(r.IntegrationTimeout, e.integrationTimeout), counters: new(routeCounters), model: r.Model}
		e.all = append(e.all, row)
		if a := r.Authorizer; a != nil {
			if key != "$connect" {
				return fmt.Errorf("gateway: route %q has an authorizer; only $connect can have one", key)
			}
			if err := e.setAuthorizer(a); err != nil {
				return err
			}
		}
		switch {
		case key == "$connect":
			e.connect = row
		case key == "$disconnect":
			e.disconnect = row
		case key == "$default":
			e.fallback = row
		case key == "":
			return errors.New("gateway: a route key is empty")
		case strings.HasPrefix(key, "$"):
			return fmt.Errorf("gateway: route key %q begins with a dollar sign and is not $connect, $disconnect or $default", key)
		default:
			// Only these can be reached by a message. Whether AWS lets a
			// client name $connect is UNCERTAIN; here it cannot.
			e.routes[key] = row
		}
	}
	slices.SortFunc(e.all, func(a, b *route) int { return strings.Compare(a.key, b.key) })
	return nil
}

// functionOf is what a route invokes.
func (s *Server) functionOf(key string, r Route) (Function, error) {
	function := r.Function
	if function == nil {
		function = s.Function
	}
	switch {
	case function == nil:
		return nil, fmt.Errorf("gateway: route %q has no function and the server has none", key)
	case nilPointer(function):
		return nil, fmt.Errorf("gateway: the function of route %q is a nil %T", key, function)
	}
	return function, nil
}

func (e *engine) setAuthorizer(a *Authorizer) error {
	sources, err := a.parse()
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	e.authorizer, e.identitySources = a, sources
	return nil
}

// validateFunction says what is wrong with a function of this package, before anybody
// connects.
func validateFunction(f Function) error {
	switch f := f.(type) {
	case *HTTPProxy:
		return f.Validate()
	case *Integration:
		return f.Validate()
	}
	return nil
}

// nilPointer reports whether a function is a pointer or a func that is nil: it would
// panic at each event.
func nilPointer(f Function) bool {
	v := reflect.ValueOf(f)
	return (v.Kind() == reflect.Pointer || v.Kind() == reflect.Func) && v.IsNil()
}

// validStage holds a name against the rule of AWS docs, WebSocket quotas page.
func validStage(name string) bool {
	for _, c := range []byte(name) {
		if !isAlphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return len(name) > 0 && len(name) <= 128
}

func (e *engine) now() time.Time {
	if e.clock != nil {
		return e.clock()
	}
	return time.Now()
}

// ask asks for a fault. Call it once for each management call or event.
func (e *engine) ask(c Call) Fault {
	if e.fault == nil {
		return Fault{}
	}
	f := e.fault(c)
	if !f.isZero() {
		e.log.Info("a fault", "where", string(c.Kind), "routeKey", c.RouteKey, "connectionId", c.ConnectionID)
	}
	return f
}

// enter registers work that Shutdown waits for. It reports false when the
// server is shutting down: nothing new may begin.
func (e *engine) enter() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return false
	}
	e.work++
	return true
}

// nest registers work inside work that has entered and not left.
func (e *engine) nest() {
	e.mu.Lock()
	e.work++
	e.mu.Unlock()
}

func (e *engine) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.work--
	if e.work == 0 && e.stopped {
		close(e.quiet)
	}
}
