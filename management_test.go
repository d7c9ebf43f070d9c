package wirepost

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/management"
)

// One pool serves both protocols: over HTTP/1.1 it opens about as many
// connections as there are posts in flight, over HTTP/2 fewer, and uses them again.
func TestThePoolIsRightForBothVersionsOfHTTP(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprint("HTTP/", version), func(t *testing.T) {
			var mu sync.Mutex
			got := map[string]int{}
			var throttled atomic.Int64
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.ProtoMajor != version {
					t.Errorf("%s came over %s", r.URL, r.Proto)
				}
				if throttled.Add(1) <= 5 {
					w.WriteHeader(http.StatusTooManyRequests)
					return
				}
				mu.Lock()
				got[r.URL.Path]++
				mu.Unlock()
			}))
			s.EnableHTTP2 = version == 2
			s.StartTLS()
			t.Cleanup(s.Close)
			const n, inFlight = 300, 8
			roots := x509.NewCertPool()
			roots.AddCert(s.Certificate())
			var opened atomic.Int64
			p := publisher(t, at(t, s.URL+"/dev", n), &PublisherOptions{Concurrency: inFlight, Random: func() float64 { return 0 },
				Transport: trusting(version, roots, inFlight, &opened)})
			for range 3 {
				if r, err := p.Publish(t.Context(), Everyone(), []byte("hi"), nil); err != nil || r.Sent != n {
					t.Fatalf("%v %v, %v", r, r.Errors, err)
				}
			}
			for path, times := range got {
				if times != 3 {
					t.Errorf("%s got 3 messages %d times", path, times)
				}
			}
			// net/http lets a connection go that has not heard of its own write 50 ms after the
			// answer, as happens on a machine that is very busy.
			if opened := opened.Load(); len(got) != n || opened < 1 || opened > 3*inFlight {
				t.Errorf("%d connections were posted to, over %d of the pool", len(got), opened)
			}
		})
	}
}

// trusting is what calls go over that trust a test's server: the library's own client
// for HTTP/1.1, and net/http for HTTP/2.
func trusting(version int, roots *x509.CertPool, connections int, opened *atomic.Int64) http.RoundTripper {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		opened.Add(1)
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	if version == 1 {
		return management.Wire{Dial: dial, TLS: &tls.Config{RootCAs: roots}}
	}
	return &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections}
}

// A transport that says nothing of how far it came may have sent the message.
func TestAnErrorOfATransportThatTellsNothingIsNotRepeated(t *testing.T) {
	calls := 0
	p := publisher(t, at(t, "http://127.0.0.1:1/dev", 1), &PublisherOptions{Random: func() float64 { return 0 }, PostTimeout: time.Second,
		Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			calls++
			return nil, fmt.Errorf("something broke")
		})})
	if err := p.Post(t.Context(), "c0", []byte("x")); ProblemOf(err) != ProblemNoAnswer || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}
