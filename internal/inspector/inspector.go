// Package inspector records what happens in a gateway and shows it in a page of the
// control address, at /_wirepost/.
//
// A [Recorder] is a gateway.Observer: it keeps the last records, at most
// [MaxRecords] of them and [MaxBytes] of memory, and nothing of it is ever written
// to a file by this process. What it does not keep it counts. Secrets are masked
// before they are kept: see mask.go for what counts as one.
//
// [New] makes the page and its API. The page loads nothing from anywhere else.
//
// # Who may look
//
// The URL that dev prints carries a token. The first GET trades it for a cookie that
// scripts cannot read (HttpOnly) and that other sites' pages do not send
// (SameSite=Strict), and redirects to the same page without the token. But a cookie
// knows no ports: pages of other ports of this machine are of the same site. So each
// request also has to come to a name of this machine (Host), from the inspector's own
// page (Origin, Sec-Fetch-Site), and with a header that a page of another origin
// cannot send. Programs send the control address's own token instead, as 'wirepost
// tail' does.
package inspector

import (
	"context"
	"embed"
	"io/fs"
	"net/http"
	"sync"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
)

// Path is where the inspector is on its address.
const Path = "/_wirepost/"

//go:embed page
var embedded embed.FS

// Options are what the inspector shows and does. Recorder, Server and the tokens are
// needed.
type Options struct {
	Recorder *Recorder
	Server   *gateway.Server
	// Token is that of the URL which people open, Bearer that of programs.
	Token, Bearer string
	// Store knows users and topics of connections. Nil: they are not shown.
	Store wirepost.Store
	// Publisher posts and closes what people compose. Nil: they cannot.
	Publisher *wirepost.Publisher
	// Faults are switched by the page. Nil: they cannot be.
	Faults *gateway.Faults
	// Connect is where clients connect, such as ws://127.0.0.1:3001/dev, and Endpoint
	// where publishers post: both are shown, and the page's own clients dial Connect.
	Connect, Endpoint string
	// Query is proposed for the page's clients, such as user=alice.
	Query string
	// Version is shown.
	Version string
}

// Inspector is the page and its API. Close ends its clients.
type Inspector struct {
	o         Options
	session   string // what the cookie holds
	page      fs.FS
	mux       *http.ServeMux
	clients   clients
	rows      rows
	logs      logs
	presences presences

	mu       sync.Mutex
	imported *Recorder // nil: none
}

// New makes an inspector. One that makes it closes it.
func New(o Options) *Inspector {
	page, err := fs.Sub(embedded, "page")
	if err != nil {
		panic(err) // the path is a constant
	}
	i := &Inspector{o: o, session: newSecret(), page: page}
	i.routes()
	return i
}

// Close ends the clients that the page has connected.
func (i *Inspector) Close() { i.clients.close() }

// sessionOf is the recorder that a request asks for: the live one, or an imported
// session.
func (i *Inspector) sessionOf(r *http.Request) *Recorder {
	if r.URL.Query().Get("session") == "imported" {
		i.mu.Lock()
		defer i.mu.Unlock()
		return i.imported
	}
	return i.o.Recorder
}

// function is what a route invokes, or nil.
func (i *Inspector) function(routeKey string, authorizer bool) gateway.Function {
	s := i.o.Server
	if s.Routes == nil {
		return s.Function
	}
	r, ok := s.Routes[routeKey]
	switch {
	case !ok:
		return nil
	case authorizer && r.Authorizer != nil:
		return r.Authorizer.Function
	case authorizer:
		return nil
	case r.Function == nil:
		return s.Function
	}
	return r.Function
}

// invoke gives an event to a function and records it as a replay.
func (i *Inspector) invoke(ctx context.Context, f gateway.Function, o gateway.Observation) ([]byte, error) {
	ctx, ended := i.o.Recorder.replay(ctx, o)
	answer, err := f.Invoke(ctx, o.Payload)
	ended(answer, err)
	return answer, err
}
