package gateway

import (
	"context"
	"net/http"
	"slices"
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
//
// The names of APIs with the IDs of deployed, in lower case, are the API's own too: for
// programs that have the address of the API on AWS written down.
func (s *Server) OwnName(deployed ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), ownNameKey{}, deployed)))
	})
}

// isOwnName reports whether a request came by a name of the API's own.
func (e *engine) isOwnName(r *http.Request) bool {
	deployed, ok := r.Context().Value(ownNameKey{}).([]string)
	label, rest, _ := strings.Cut(strings.ToLower(hostOf(r.Host)), ".")
	return ok && (label == strings.ToLower(e.apiID) || slices.Contains(deployed, label)) && strings.HasPrefix(rest, "execute-api")
}
