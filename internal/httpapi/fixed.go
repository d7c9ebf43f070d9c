package httpapi

import (
	"net/http"
	"regexp"
)

// fixed is the answer of a route that has no function.
func (x *exchange) fixed() *reply {
	a := x.route.Answer
	p := &reply{status: a.Status, header: http.Header{}, body: []byte(a.Body)}
	for name, value := range a.Header {
		p.header.Set(name, value)
	}
	if p.header.Get("Content-Type") == "" && p.status != http.StatusNoContent {
		p.header.Set("Content-Type", "application/json") // the default of REST APIs
	}
	origin := x.r.Header.Get("Origin")
	for _, pattern := range a.Origins {
		if fits, err := regexp.MatchString("^(?:"+pattern+")$", origin); err == nil && fits {
			p.header.Set("Access-Control-Allow-Origin", origin)
		}
	}
	return p
}
