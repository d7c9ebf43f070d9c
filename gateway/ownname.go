package gateway

import (
	"context"
	"net/http"
	"strings"
)

// ownNameKey is the context key of requests that came by the API's own name.
type ownNameKey struct{}

// OwnName is the handler of requests that were sent to this API's own name on AWS,
// {APIID}.execute-api.REGION.amazonaws.com, and that somebody has brought here who
// knows that, such as a proxy that has terminated TLS for the name. Server.Hosts is not
// asked about that name then. Through Serve such a Host is refused like any other that is
// not one of Hosts: a page could point a name of its own at this machine. All else is
// as with [Server.ServeHTTP].
func (s *Server) OwnName() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), ownNameKey{}, true)))
	})
}

// isOwnName reports whether a request came by the API's own name.
func (e *engine) isOwnName(r *http.Request) bool {
	label, rest, _ := strings.Cut(strings.ToLower(hostOf(r.Host)), ".")
	return r.Context().Value(ownNameKey{}) != nil && label == strings.ToLower(e.apiID) && strings.HasPrefix(rest, "execute-api")
}
