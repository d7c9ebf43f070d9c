package gateway

import (
	"net/http"
	"sync"
)

// maxBackendHeader bounds the header of a backend's answer.
const maxBackendHeader = 64 << 10

// backendClient is the HTTP client of one integration.
type backendClient struct {
	once sync.Once
	own  *http.Client
}

// of is the one that was given, or one of its own. It follows no redirect unless
// the given one says which: a redirect is an answer, and the message, the client's
// token and the integration's headers are for the URL that was configured.
func (b *backendClient) of(given *http.Client) *http.Client {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	switch {
	case given == nil:
		b.once.Do(func() {
			b.own = &http.Client{Transport: http.DefaultTransport, CheckRedirect: stay}
			if t, ok := http.DefaultTransport.(*http.Transport); ok {
				t = t.Clone()
				t.MaxResponseHeaderBytes = maxBackendHeader
				b.own.Transport = t
			}
		})
		return b.own
	case given.CheckRedirect == nil:
		c := *given
		c.CheckRedirect = stay
		return &c
	}
	return given
}
