package dev

import (
	"io"
	"log"
	"net/http"
	"net/http/httputil"

	"github.com/wirepost/wirepost/internal/intercept"
)

// realAWS passes a request on to the host of AWS that it names, by the caller's own proxy:
// as it came if a function was led here.
func realAWS(at *intercept.Interceptor, env []string) http.Handler {
	direct := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "https", r.In.Host, r.In.Host
		},
		Transport: at.Sender(env),
		ErrorLog:  log.New(io.Discard, "", 0),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			http.Error(w, "wirepost dev cannot pass this on to "+r.Host+": "+err.Error(), http.StatusBadGateway)
		},
	}
	led := at.Onward()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := intercept.CallOf(r); ok {
			led.ServeHTTP(w, r)
			return
		}
		direct.ServeHTTP(w, r)
	})
}
