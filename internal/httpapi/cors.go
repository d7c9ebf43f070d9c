package httpapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
)

// isPreflight reports whether a request asks what an origin may send (AWS docs,
// "Configure CORS for HTTP APIs": OPTIONS with origin and access-control-request-method).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// preflight answers a preflight request instead of a function. An origin that is not
// allowed gets no headers, which is what refuses it in a browser (UNCERTAIN, as is the
// status of a function's URL).
func (x *exchange) preflight() *reply {
	p := &reply{status: http.StatusNoContent, header: http.Header{}}
	if x.h.c.API.Kind == app.FunctionURL {
		p.status = http.StatusOK
	}
	return p
}

// allowOrigin reports what Access-Control-Allow-Origin says to an origin, or nothing if
// it is not allowed. A function's URL names the origin even if any is allowed, which
// reports about doubled headers show (powertools-lambda-python#4163).
func (x *exchange) allowOrigin(c *app.CORS, origin string) string {
	all := slices.Contains(c.Origins, "*")
	scheme, _, _ := strings.Cut(origin, "://")
	switch {
	case all && !c.Credentials && x.h.c.API.Kind != app.FunctionURL:
		return "*"
	case all, slices.Contains(c.Origins, origin), slices.Contains(c.Origins, scheme+"://*"):
		return origin
	}
	return ""
}

// addCORS puts the headers of the API's CORS configuration into an answer.
//
// An HTTP API ignores those that a function has set (AWS docs, "Configure CORS for HTTP
// APIs"). A function's URL adds its own to them, so that a browser refuses what has two
// (powertools-lambda-python#4163). A request without an Origin gets none. That errors of
// the API itself have them, too, is UNCERTAIN.
func (x *exchange) addCORS(p *reply) {
	c := x.h.c.API.CORS
	if c == nil || x.h.c.API.Kind == app.RESTAPI {
		return
	}
	if x.h.c.API.Kind == app.HTTPOfAPI {
		for name := range p.header {
			if strings.HasPrefix(strings.ToLower(name), "access-control-") {
				delete(p.header, name)
			}
		}
	}
	origin := x.r.Header.Get("Origin")
	allowed := x.allowOrigin(c, origin)
	if origin == "" || allowed == "" {
		return
	}
	add := func(name string, values ...string) {
		if len(values) > 0 {
			p.header.Add(name, strings.Join(values, ","))
		}
	}
	add("Access-Control-Allow-Origin", allowed)
	if c.Credentials {
		add("Access-Control-Allow-Credentials", "true")
	}
	if !isPreflight(x.r) {
		add("Access-Control-Expose-Headers", c.Expose...)
		return
	}
	add("Access-Control-Allow-Methods", c.Methods...)
	add("Access-Control-Allow-Headers", c.Headers...)
	if c.MaxAge > 0 {
		add("Access-Control-Max-Age", strconv.Itoa(c.MaxAge))
	}
}
