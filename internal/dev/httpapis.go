package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/wirepost/wirepost/internal/accept"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/atomicfile"
	"github.com/wirepost/wirepost/internal/httpapi"
	"github.com/wirepost/wirepost/internal/inspector"
)

// httpListeners is the part that has the addresses of HTTP APIs, REST APIs and function
// URLs: a port on 127.0.0.1 for each. It listens before the app is resolved, because
// variables have the addresses. The ports are kept in the folder, so that an address
// survives a restart.
type httpListeners struct {
	c        *Config
	listener *listener

	all map[httpKey]net.Listener
}

// httpKey names an API.
type httpKey struct {
	kind app.HTTPKind
	id   string // logical
}

func (k httpKey) String() string { return string(k.kind) + " " + k.id }

// httpPortsFile has the ports of the last run, by kind and logical ID.
func (f Folder) httpPortsFile() string { return f.file("http-ports.json") }

func (l *httpListeners) start(ctx context.Context) error {
	l.all = map[httpKey]net.Listener{}
	if l.c.App == nil {
		return nil
	}
	kept := l.kept()
	changed := false
	// Those that have a port first, so that a new one does not take it.
	for _, again := range [...]bool{true, false} {
		for _, api := range l.c.App.HTTPAPIs {
			key := httpKey{api.Kind, api.LogicalID}
			before := kept[key.String()]
			if api.Unrunnable != nil || l.all[key] != nil || again != (before != 0) {
				continue
			}
			port, err := l.add(ctx, key, before)
			if err != nil {
				return errors.Join(err, l.close())
			}
			if port != before {
				kept[key.String()], changed = port, true
			}
		}
	}
	if !changed {
		return nil
	}
	b, err := json.Marshal(kept)
	if err == nil {
		err = atomicfile.Write(l.c.Folder.httpPortsFile(), append(b, '\n'), 0o600)
	}
	if err != nil {
		l.close()
		return fmt.Errorf("keep the ports of HTTP APIs: %w", err)
	}
	return nil
}

// add listens for an API, at the port that it had before if that is free.
func (l *httpListeners) add(ctx context.Context, key httpKey, before int) (port int, err error) {
	at, err := l.listen(ctx, before)
	if err != nil {
		return 0, fmt.Errorf("listen for the %s: %w", key, err)
	}
	l.all[key] = at
	port = at.Addr().(*net.TCPAddr).Port
	if before != 0 && before != port {
		l.c.Report.Hint(fmt.Sprintf("the %s is at %s, because its port of the last run, %d, is already in use by another program", key, at.Addr(), before))
	}
	return port, nil
}

// kept are the ports of the last run. A file that cannot be read costs the addresses, not
// the run.
func (l *httpListeners) kept() map[string]int {
	ports := map[string]int{}
	b, err := atomicfile.Read(l.c.Folder.httpPortsFile())
	if err == nil {
		err = json.Unmarshal(b, &ports)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.c.Report.Hint(fmt.Sprintf("the ports of HTTP APIs are new ones, because %s cannot be read: %v", l.c.Folder.httpPortsFile(), err))
	}
	if ports == nil || err != nil {
		ports = map[string]int{}
	}
	return ports
}

// httpPorts is how many ports are tried for an API after the gateway's, but for the one
// of the control address, before a free one is taken.
const httpPorts = 20

// listen takes the port that is kept, else one soon after the gateway's, else a free one.
func (l *httpListeners) listen(ctx context.Context, kept int) (net.Listener, error) {
	var ports []int
	if kept > 0 && kept < 1<<16 {
		ports = append(ports, kept)
	}
	if first := l.listener.address().Port + 2; !l.listener.tookFreePort() {
		for port := first; port < min(first+httpPorts, 1<<16); port++ {
			ports = append(ports, port)
		}
	}
	for _, port := range append(ports, 0) {
		at, err := listen(ctx, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil || port == 0 || ctx.Err() != nil {
			return at, err
		}
	}
	panic("not reached: the last port is 0")
}

// addresses are those of the APIs, without their stages, as app.Names has them.
func (l *httpListeners) addresses() map[app.HTTPKind]map[string]string {
	all := map[app.HTTPKind]map[string]string{}
	for key, at := range l.all {
		if all[key.kind] == nil {
			all[key.kind] = map[string]string{}
		}
		all[key.kind][key.id] = "http://" + at.Addr().String()
	}
	return all
}

func (l *httpListeners) stop(context.Context) error { return l.close() }

func (l *httpListeners) close() error {
	var errs []error
	for _, at := range l.all {
		if err := at.Close(); !errors.Is(err, net.ErrClosed) { // its server closes it, too
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// httpAPIs is the part that serves what an app's functions are invoked by over HTTP.
type httpAPIs struct {
	c         *Config
	app       *resolution
	listeners *httpListeners

	// function is a function of the app by its logical ID; nil if there is none.
	function func(logicalID string) httpapi.Function

	invocations *invocations // whose recorder the requests are in, too; may be nil
	names       *executeAPI  // may be nil

	running []*runningAPI
}

// runningAPI is one that is served.
type runningAPI struct {
	key     httpKey
	handler *httpapi.Handler
	server  *http.Server
	served  chan struct{} // closed when server has ended
}

// start serves the APIs, in the order of the template. One that cannot be served is
// reported, and stops nothing else.
func (h *httpAPIs) start(context.Context) error {
	named := map[string]http.Handler{}
	if h.names != nil {
		defer func() { h.names.openMore(named) }()
	}
	if h.app.app == nil {
		return nil
	}
	for i := range h.app.app.HTTPAPIs {
		api := &h.app.app.HTTPAPIs[i]
		key := httpKey{api.Kind, api.LogicalID}
		at := h.listeners.all[key]
		if at == nil || h.runs(key) {
			continue
		}
		handler, err := httpapi.New(httpapi.Config{
			API: api, Function: h.function, Account: h.c.account(), Region: h.c.Region, Domain: at.Addr().String(),
			Notice: h.c.Report.Hint, OnRequest: h.record,
		})
		if err != nil {
			h.c.Report.Problem(err.Error())
			at.Close()
			continue
		}
		h.running = append(h.running, h.serve(key, handler, at))
		if api.Kind != app.FunctionURL { // the ID in variables, and the one in events
			named[strings.ToLower(api.LogicalID)], named[handler.ID()] = handler.OwnName(), handler.OwnName()
		}
		h.c.Report.Address(h.nameOf(api), httpAddress(api, at.Addr().String()))
	}
	return nil
}

// record shows a request to those who look.
func (h *httpAPIs) record(q httpapi.Record) {
	if h.invocations == nil {
		return
	}
	if r := h.invocations.recorder.Load(); r != nil {
		r.Request(inspector.Request{
			At: q.At, Took: q.Duration, ID: q.RequestID, API: string(q.Kind) + " " + q.LogicalID, Function: q.Function, Route: q.RouteKey,
			Method: q.Method, Target: q.Target, Body: q.RequestBody, Status: q.Status, Answer: q.AnswerBody, Why: q.Why,
		})
	}
}

func (h *httpAPIs) runs(key httpKey) bool {
	for _, r := range h.running {
		if r.key == key {
			return true
		}
	}
	return false
}

// nameOf is the kind of an API, with its logical ID if there are several of the kind.
func (h *httpAPIs) nameOf(api *app.HTTPAPI) string {
	for key := range h.listeners.all {
		if key.kind == api.Kind && key.id != api.LogicalID {
			return string(api.Kind) + " " + app.Clip(api.LogicalID)
		}
	}
	return string(api.Kind)
}

// httpAddress is where an API is called, with its stage.
func httpAddress(api *app.HTTPAPI, at string) string {
	address := "http://" + at
	if api.Kind != app.FunctionURL && api.Stage != "" && api.Stage != "$default" {
		address += "/" + api.Stage
	}
	return address
}

func (h *httpAPIs) serve(key httpKey, handler *httpapi.Handler, at net.Listener) *runningAPI {
	r := &runningAPI{key: key, handler: handler, server: httpapi.NewServer(handler, h.c.Logger), served: make(chan struct{})}
	go func() { // ends when stop ends the server
		defer close(r.served)
		if err := r.server.Serve(accept.Patient(at, h.c.Logger)); !errors.Is(err, http.ErrServerClosed) {
			h.c.Report.Problem(fmt.Sprintf("the %s is not served any more: %v", key, err))
		}
	}()
	return r
}

// stop lets requests and invocations that run come to an end, of all APIs at a time.
func (h *httpAPIs) stop(ctx context.Context) error {
	ended := make(chan error)
	for _, r := range h.running {
		go func() { ended <- r.stop(ctx) }() // ends with ctx
	}
	for range h.running {
		if err := <-ended; err != nil {
			h.c.Report.Hint(err.Error())
		}
	}
	return nil
}

func (r *runningAPI) stop(ctx context.Context) error {
	late := r.server.Shutdown(ctx)
	err := r.handler.Close(ctx)
	r.server.Close()
	<-r.served
	if late != nil && err == nil {
		err = fmt.Errorf("requests to the %s were cut off: %w", r.key, late)
	}
	return err
}
