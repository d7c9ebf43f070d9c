package main

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/wirepost/wirepost"
)

// believe is the Connect hook without tokens, under dev: who connects is who the
// URL says. Pages of other origins than this machine's are refused, because any of
// them can open a WebSocket to it.
func believe(_ context.Context, r *wirepost.ConnectRequest) (wirepost.Accept, error) {
	if origin := r.Header("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || !isLoopback(u.Hostname()) {
			return wirepost.Accept{}, wirepost.Refuse(http.StatusForbidden, "without tokens only pages of this machine may connect")
		}
	}
	accept := wirepost.Accept{Topics: r.Query("topic")}
	if users := r.Query("user"); len(users) > 0 {
		accept.User = users[0]
	}
	if offered := r.Subprotocols(); slices.Contains(offered, wirepost.Subprotocol) {
		accept.Subprotocol = wirepost.Subprotocol
	} else if len(offered) > 0 {
		return wirepost.Accept{}, wirepost.Refuse(http.StatusBadRequest, "the client offers subprotocols, and not "+wirepost.Subprotocol)
	}
	if err := accept.Validate(); err != nil { // which is what the client chose
		return wirepost.Accept{}, wirepost.Refuse(http.StatusBadRequest, err.Error())
	}
	return accept, nil
}
