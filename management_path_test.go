package wirepost

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/management"
)

// hostile is a management server over TLS that does to each request, by its connection
// ID, what a bad path does, and counts the messages that arrived.
type hostile struct {
	url   string
	roots *x509.CertPool

	mu  sync.Mutex
	got map[string]int
}

// do says what happens to a request: before is called when its header has been read,
// after when it counts and its answer would be written.
type do struct {
	before, after func(id string, c *net.TCPConn) (goOn bool)
	answered      func(c *net.TCPConn) (goOn bool)
}

func newHostile(t *testing.T, what do) *hostile {
	t.Helper()
	s := httptest.NewUnstartedServer(nil) // for its certificate
	s.StartTLS()
	s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hostile{url: "https://" + l.Addr().String() + "/dev", roots: x509.NewCertPool(), got: map[string]int{}}
	h.roots.AddCert(s.Certificate())
	conns := map[net.Conn]bool{}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			h.mu.Lock()
			conns[c] = true
			h.mu.Unlock()
			serving.Go(func() {
				defer c.Close()
				h.serve(c.(*net.TCPConn), tls.Server(c, &tls.Config{Certificates: s.TLS.Certificates}), what)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		h.mu.Lock()
		for c := range conns {
			c.Close()
		}
		h.mu.Unlock()
		serving.Wait()
	})
	return h
}

func (h *hostile) serve(raw *net.TCPConn, c net.Conn, what do) {
	for r := bufio.NewReader(c); ; {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		id := req.URL.Path[strings.LastIndex(req.URL.Path, "/")+1:]
		if what.before != nil && !what.before(id, raw) {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		h.mu.Lock()
		h.got[id]++
		h.mu.Unlock()
		if what.after != nil && !what.after(id, raw) {
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		if what.answered != nil && !what.answered(raw) {
			return
		}
	}
}

func resetConn(c *net.TCPConn) bool { c.SetLinger(0); c.Close(); return false }

// slow is a connection whose bytes take their time, as through a proxy far away.
type slow struct {
	net.Conn
	delay time.Duration
}

func (s slow) Read(p []byte) (int, error) {
	<-time.After(s.delay)
	return s.Conn.Read(p[:min(len(p), 100)])
}

func (s slow) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		<-time.After(s.delay)
		var k int
		k, err = s.Conn.Write(p[:min(len(p), 400)])
		n, p = n+k, p[k:]
	}
	return n, err
}

// On a bad path nobody gets a message twice, what counts as not sent has not arrived,
// what counts as sent has, and no more posts stay unanswered than with net/http's
// client on the same path.
func TestOnABadPathTheClientIsNoWorseThanNetHTTP(t *testing.T) {
	last := func(id string, digits string) bool { return strings.ContainsAny(id[len(id)-1:], digits) }
	for name, path := range map[string]struct {
		what do
		slow time.Duration
	}{
		"a server that closes after each answer without saying so": {what: do{answered: func(c *net.TCPConn) bool { c.Close(); return false }}},
		"a server that resets after each answer":                   {what: do{answered: resetConn}},
		"a proxy that resets before the request has come, after it, or not": {what: do{
			before: func(id string, c *net.TCPConn) bool { return !last(id, "37") || resetConn(c) },
			after:  func(id string, c *net.TCPConn) bool { return !last(id, "5") || resetConn(c) }}},
		"a slow proxy": {slow: 2 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			unanswered := map[string]int{}
			for _, over := range []string{"net/http", "wirepost"} {
				h := newHostile(t, path.what)
				unanswered[over] = h.publish(t, over, path.slow)
			}
			t.Logf("unanswered of 300: %v", unanswered)
			// A server that a busy machine stops between its answer and the close is a
			// matter of luck for both.
			if unanswered["wirepost"] > unanswered["net/http"]+3 {
				t.Errorf("unanswered: %v", unanswered)
			}
		})
	}
}

// publish publishes three times and returns how many posts nobody answered.
func (h *hostile) publish(t *testing.T, over string, delay time.Duration) (unanswered int) {
	const n = 100
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil && delay > 0 {
			c = slow{c, delay}
		}
		return c, err
	}
	var transport http.RoundTripper = management.Wire{Dial: dial, TLS: &tls.Config{RootCAs: h.roots}}
	if over == "net/http" {
		transport = &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: h.roots}, MaxConnsPerHost: 20, MaxIdleConnsPerHost: 20}
	}
	p := publisher(t, at(t, h.url, n), &PublisherOptions{Concurrency: 20, Transport: transport, Random: func() float64 { return 0 }})
	for range 3 {
		h.mu.Lock()
		clear(h.got)
		h.mu.Unlock()
		var mu sync.Mutex
		outcomes := map[string]error{}
		if _, err := p.Publish(t.Context(), Everyone(), []byte("hi"), &PublishOptions{OnResult: func(o Outcome) {
			mu.Lock()
			outcomes[o.ConnectionID] = o.Err
			mu.Unlock()
		}}); err != nil {
			t.Fatal(err)
		}
		h.mu.Lock()
		for id, err := range outcomes {
			got := h.got[id]
			switch {
			case got > 1:
				t.Errorf("%s: %s got it %d times", over, id, got)
			case err == nil && got == 0:
				t.Errorf("%s: %s counts as sent and did not get it", over, id)
			case ProblemOf(err) == ProblemNoAnswer:
				unanswered++
			case err != nil && got > 0:
				t.Errorf("%s: %s got it, and the result says %v", over, id, err)
			}
		}
		h.mu.Unlock()
	}
	return unanswered
}
