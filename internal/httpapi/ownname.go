package httpapi

import (
	"context"
	"net/http"
)

// ownNameKey is the context key of requests that came by a name of the API on AWS.
type ownNameKey struct{}

// OwnName is the handler of requests that were sent to a name that the API has on AWS,
// such as {ID}.execute-api.REGION.amazonaws.com. Who has brought them here has checked the
// name: Config.Hosts is not asked. All else is as with [Handler.ServeHTTP].
func (h *Handler) OwnName() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), ownNameKey{}, true)))
	})
}

// ID is that of the API in events.
func (h *Handler) ID() string { return h.c.ID }
