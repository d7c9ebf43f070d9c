// Package notify is a development example: a WebSocket function that lets
// clients say who they are in the URL.
//
//	ws://HOST/STAGE?user=alice&topic=lobby&topic=news
//
// It believes them. A real function authenticates in its Connect hook; this one
// is for a laptop, and refuses browser pages that do not come from it, because
// any web page can open a WebSocket to this machine.
//
// Its clients speak docs/protocol.md, without tokens: everybody may subscribe to
// every topic and send to every user.
package notify

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
)

// Options of the function; nil means the defaults.
type Options struct {
	Logger *slog.Logger // nil: nowhere
	// Origin decides about the pages that may connect. Nil: those of this machine.
	Origin func(origin string) bool
	// Endpoint and Region are those of wirepost.MuxOptions.
	Endpoint, Region string
}

// New makes the function on a store and a publisher.
func New(store wirepost.Store, publisher *wirepost.Publisher, o *Options) *wirepost.Mux {
	if o == nil {
		o = &Options{}
	}
	allow := o.Origin
	if allow == nil {
		allow = loopback
	}
	connect := func(_ context.Context, r *wirepost.ConnectRequest) (wirepost.Accept, error) { return accept(r, allow) }
	mux := wirepost.NewMux(store, &wirepost.MuxOptions{Connect: connect, Logger: o.Logger, Publisher: publisher, Endpoint: o.Endpoint, Region: o.Region,
		Presence: &wirepost.PresenceOptions{Gather: 250 * time.Millisecond}})
	mux.HandleProtocol(publisher, nil)
	return mux
}

// accept believes what the URL says, except from a page of another origin.
func accept(r *wirepost.ConnectRequest, allow func(origin string) bool) (wirepost.Accept, error) {
	if origin := r.Header("Origin"); origin != "" && !allow(origin) {
		return wirepost.Accept{}, wirepost.Refuse(http.StatusForbidden, "a page of another origin may not connect to this machine")
	}
	accept := wirepost.Accept{Topics: r.Query("topic")}
	if users := r.Query("user"); len(users) > 0 {
		accept.User = users[0]
	}
	accept.Subprotocol = choose(r.Subprotocols())
	if err := accept.Validate(); err != nil { // which is what the client chose
		return wirepost.Accept{}, wirepost.Refuse(http.StatusBadRequest, err.Error())
	}
	return accept, nil
}

// choose takes the protocol's own name if the client offers it, else what it offers
// first: a laptop has clients of all kinds. A token is never answered.
func choose(offered []string) string {
	if slices.Contains(offered, wirepost.Subprotocol) {
		return wirepost.Subprotocol
	}
	for _, s := range offered {
		if !strings.HasPrefix(s, "bearer.") {
			return s
		}
	}
	return ""
}

func loopback(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	host := u.Hostname()
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // which browsers resolve to this machine
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && net.IP(a.AsSlice()).IsLoopback()
}
