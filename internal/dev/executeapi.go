package dev

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/intercept"
)

// executeAPI answers at the names that APIs have on AWS,
// {apiId}.execute-api.{region}.amazonaws.com: that of the API that runs, also by the IDs
// of Config.Deployed, and those of others that run here.
type executeAPI struct {
	c      *Config
	api    *apiID
	calls  *awsCalls
	onward http.Handler

	ready chan struct{} // closed when own is set
	own   http.Handler

	http     *httpListeners
	complete chan struct{}           // closed when more is set
	more     map[string]http.Handler // at the names of HTTP and REST APIs, by their IDs in lower case
}

// open sets what answers at the name of the API that runs. Calls that came before wait.
func (e *executeAPI) open(own http.Handler) {
	e.own = own
	close(e.ready)
}

// openMore sets what answers at the names of the app's HTTP and REST APIs. Calls that came
// before wait.
func (e *executeAPI) openMore(more map[string]http.Handler) {
	e.more = more
	close(e.complete)
}

// moreAt is what answers at the name of an HTTP API or a REST API of the app; nil if it
// has none of that ID.
func (e *executeAPI) moreAt(ctx context.Context, id string) http.Handler {
	if len(e.http.all) == 0 {
		return nil
	}
	select {
	case <-e.complete:
		return e.more[id]
	case <-ctx.Done():
		return nil
	}
}

// ServeHTTP implements http.Handler.
func (e *executeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call, ok := intercept.CallOf(r)
	switch {
	case !ok:
		http.Error(w, "this request did not come through the proxy of wirepost dev", http.StatusForbidden)
	case call.Host.Prefix == e.api.id || slices.Contains(e.c.Deployed, call.Host.Prefix):
		select {
		case <-e.ready:
			e.own.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	default:
		if h := e.moreAt(r.Context(), call.Host.Prefix); h != nil {
			h.ServeHTTP(w, r)
			return
		}
		e.another(w, r, call)
	}
}

// another answers a call to an API that does not run here. A post to its connections goes
// on only with credentials that AWS could take; others may need none.
func (e *executeAPI) another(w http.ResponseWriter, r *http.Request, call intercept.Call) {
	isPost := slices.Contains(strings.Split(strings.ReplaceAll(r.URL.Path, "%40", "@"), "/"), "@connections")
	e.calls.anotherAPI(call, isPost && !e.c.Inherit)
	if e.c.Inherit || !isPost {
		e.onward.ServeHTTP(w, r)
		return
	}
	// As AWS answers a call that it does not allow.
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", "ForbiddenException")
	w.WriteHeader(http.StatusForbidden)
	io.WriteString(w, `{"message":"Forbidden"}`)
}
