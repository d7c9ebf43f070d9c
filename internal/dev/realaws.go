package dev

import (
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"time"

	"github.com/wirepost/wirepost/internal/intercept"
)

// realAWS passes a request on to the host of AWS that it names: as it came if a function
// was led here, and by the caller's own proxy if it came by a variable.
func realAWS(at *intercept.Interceptor) http.Handler {
	direct := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "https", r.In.Host, r.In.Host
		},
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true},
		ErrorLog:  log.New(io.Discard, "", 0),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			http.Error(w, "wirepost dev cannot pass this on to "+r.Host+": "+err.Error(), http.StatusBadGateway)
		},
	}
	var onward http.Handler
	if at != nil {
		onward = at.Onward()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, led := intercept.CallOf(r); led && onward != nil {
			onward.ServeHTTP(w, r)
			return
		}
		direct.ServeHTTP(w, r)
	})
}
