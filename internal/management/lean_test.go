package management

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/internal/memlisten"
)

// leanClient is a client of an endpoint on this machine.
func leanClient(t *testing.T, url string, connections int, w Wire) (*Client, *atomic.Int64) {
	t.Helper()
	var opened atomic.Int64
	c, err := NewClient(Target{URL: url, Region: "eu-west-1", Loopback: true}, NewCredentials(nil), Options{Connections: connections, Transport: w, Opened: &opened, UserAgent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, &opened
}

// call posts once, within a limit.
func call(t *testing.T, c *Client, r Request, limit time.Duration) (Answer, error) {
	t.Helper()
	ctx := NewContext(t.Context())
	defer ctx.Close()
	ctx.Begin(time.Now().Add(limit))
	return c.Call(ctx, "c=/ü", r, time.Now())
}

func reasonOf(err error) Reason {
	var e *Error
	errors.As(err, &e)
	if e == nil {
		return 0
	}
	return e.Reason
}

// scripted is a server that hands each connection to a function.
func scripted(t *testing.T, serve func(n int, c net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var conns []net.Conn
	var serving sync.WaitGroup
	serving.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			serving.Go(func() { serve(n, c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return "http://" + l.Addr().String() + "/dev"
}

// request reads a request, and reports whether there was one.
func request(r *bufio.Reader) bool {
	req, err := http.ReadRequest(r)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, req.Body)
	return err == nil
}

const gone410 = "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"
const ok200 = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

// What net/http's server reads is what net/http's client sends, line by line.
func TestARequestIsTheOneThatNetHTTPSends(t *testing.T) {
	var mu sync.Mutex
	var got []string
	url := scripted(t, func(_ int, c net.Conn) {
		r := bufio.NewReader(c)
		for {
			var raw strings.Builder
			req, err := http.ReadRequest(bufio.NewReader(io.TeeReader(r, &raw)))
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body)
			mu.Lock()
			got = append(got, raw.String())
			mu.Unlock()
			io.WriteString(c, ok200)
		}
	})
	ours, _ := leanClient(t, url, 1, Wire{})
	theirs, err := NewClient(ours.target, NewCredentials(nil), Options{Transport: &http.Transport{DisableCompression: true}, UserAgent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	now := time.Unix(1_900_000_000, 0)
	for _, r := range []Request{Post([]byte("hi")), Post(nil), Get(), Delete()} {
		for _, c := range []*Client{ours, theirs} {
			ctx := NewContext(t.Context())
			ctx.Begin(time.Now().Add(10 * time.Second))
			if _, err := c.Call(ctx, "c=/ü", r, now); err != nil {
				t.Fatal(err)
			}
			ctx.Close()
		}
		if n := len(got); !slices.Equal(sortedLines(got[n-2]), sortedLines(got[n-1])) {
			t.Errorf("%s:\n%s\nby net/http:\n%s", r.method, got[n-2], got[n-1])
		}
	}
}

func sortedLines(request string) []string {
	lines := strings.Split(request, "\r\n")
	slices.Sort(lines[1:])
	return lines
}

// A connection that is not as it was left is thrown away before the next call, and
// nothing of that has been sent on it.
func TestAConnectionIsLookedAtBeforeItIsUsedAgain(t *testing.T) {
	for name, after := range map[string]func(c net.Conn){
		"closed":                   func(c net.Conn) { c.Close() },
		"closed for writing":       func(c net.Conn) { c.(*net.TCPConn).CloseWrite() },
		"reset":                    func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() },
		"an answer nobody asked":   func(c net.Conn) { io.WriteString(c, ok200) },
		"a byte nobody asked for":  func(c net.Conn) { io.WriteString(c, "H") },
		"two answers in one write": nil,
	} {
		for _, keeps := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", of a server that keeps connections: ", keeps), func(t *testing.T) { lookAgain(t, after, keeps) })
		}
	}
}

func lookAgain(t *testing.T, after func(net.Conn), keeps bool) {
	done := make(chan struct{}, 1)
	url := scripted(t, func(n int, c net.Conn) {
		r := bufio.NewReader(c)
		if n > 0 {
			for request(r) {
				io.WriteString(c, gone410)
			}
			return
		}
		if request(r) {
			if after == nil {
				io.WriteString(c, ok200+ok200)
			} else {
				io.WriteString(c, ok200)
				after(c)
			}
		}
		done <- struct{}{}
		if request(r) {
			t.Error("a request was sent on it")
		}
	})
	c, opened := leanClient(t, url, 1, Wire{})
	c.lean.conns.keeps.Store(keeps)
	if a, err := call(t, c, Post([]byte("x")), 5*time.Second); err != nil || a.Status != 200 {
		t.Fatal(a, err)
	}
	<-done // loopback: what was sent is there
	if a, err := call(t, c, Post([]byte("x")), 5*time.Second); err != nil || a.Status != 410 || opened.Load() != 2 {
		t.Errorf("%d %v, %d connections", a.Status, err, opened.Load())
	}
}

// tlsServer answers each request, with TLS.
func tlsServer(t *testing.T, h http.HandlerFunc) (*httptest.Server, Wire) {
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true // which a client may have that asks for it
	s.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s, Wire{TLS: &tls.Config{RootCAs: roots}}
}

func TestASessionTicketIsNoReasonToThrowAConnectionAway(t *testing.T) {
	s, w := tlsServer(t, func(http.ResponseWriter, *http.Request) {})
	c, opened := leanClient(t, s.URL+"/dev", 1, w)
	for n := range 2 { // the second resumes the session of the first
		conn, err := c.lean.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		secure := conn.rw.(*tls.Conn)
		if p := secure.ConnectionState().NegotiatedProtocol; p != "http/1.1" {
			t.Errorf("ALPN chose %q", p)
		}
		// The server sends the ticket with its part of the handshake, and it is read after that.
		if _, ok := c.lean.tls.ClientSessionCache.Get(c.lean.tls.ServerName); ok != (n > 0) {
			t.Error("the ticket was read before the look")
		}
		if !conn.asLeft(0) {
			t.Error("it was thrown away")
		}
		if _, ok := c.lean.tls.ClientSessionCache.Get(c.lean.tls.ServerName); !ok {
			t.Error("the look has not read a ticket")
		}
		conn.close()
	}
	opened.Store(0)
	for range 3 {
		if a, err := call(t, c, Get(), 5*time.Second); err != nil || a.Status != 200 || opened.Load() != 1 {
			t.Fatalf("%v %v, %d connections", a, err, opened.Load())
		}
	}
}

func TestTheSessionOfTLSIsResumed(t *testing.T) {
	var resumed atomic.Int64
	s, w := tlsServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.DidResume {
			resumed.Add(1)
		}
		w.Header().Set("Connection", "close")
	})
	c, opened := leanClient(t, s.URL+"/dev", 1, w)
	for range 3 {
		if _, err := call(t, c, Post([]byte("x")), 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if resumed.Load() != 2 || opened.Load() != 3 {
		t.Errorf("%d of %d handshakes resumed a session", resumed.Load(), opened.Load())
	}
}

func TestACertificateIsChecked(t *testing.T) {
	s, w := tlsServer(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
	var name *x509.HostnameError
	c, _ := leanClient(t, strings.Replace(s.URL, "127.0.0.1", "localhost", 1)+"/dev", 1, w)
	_, err := call(t, c, Post([]byte("x")), 5*time.Second)
	if hostname := (x509.HostnameError{}); !errors.As(err, &hostname) || reasonOf(err) != Unsent {
		t.Errorf("another name: %v %v", name, err)
	}
	c, _ = leanClient(t, s.URL+"/dev", 1, Wire{TLS: &tls.Config{RootCAs: x509.NewCertPool()}})
	if _, err := call(t, c, Post([]byte("x")), 5*time.Second); reasonOf(err) != Unsent || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("an unknown authority: %v", err)
	}
}

// Wherever a call is when its time is up or its caller has left, it ends then, and what
// it says of the request is true.
func TestALimitEndsACallWhereverItIs(t *testing.T) {
	silent := func(_ int, c net.Conn) { io.Copy(io.Discard, c) }
	big := Post(make([]byte, 1<<20)) // more than the buffers of these connections have
	narrow := Wire{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil {
			err = c.(*net.TCPConn).SetWriteBuffer(16 << 10)
		}
		return c, err
	}}
	for name, c := range map[string]struct {
		url  string
		wire Wire
		r    Request
		want Reason
	}{
		"the dial": {"http://127.0.0.1:1/dev", Wire{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}, Post([]byte("x")), Unsent},
		"the handshake": {strings.Replace(scripted(t, silent), "http:", "https:", 1), Wire{}, Post([]byte("x")), Unsent},
		"the answer":    {scripted(t, silent), Wire{}, Post([]byte("x")), Unanswered},
		"the write":     {scripted(t, func(_ int, c net.Conn) { c.(*net.TCPConn).SetReadBuffer(4 << 10); c.Read(make([]byte, 1)) }), narrow, big, Unanswered},
		"the body of a GET": {scripted(t, func(_ int, c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
			io.Copy(io.Discard, c)
		}), Wire{}, Get(), Unanswered},
		"an answer that drips": {scripted(t, func(_ int, c net.Conn) { io.WriteString(c, "HTTP/1.1 200 O"); io.Copy(io.Discard, c) }), Wire{}, Post([]byte("x")), Unanswered},
	} {
		for _, cancelled := range []bool{false, true} {
			client, _ := leanClient(t, c.url, 1, c.wire)
			parent, cancel := context.WithCancel(t.Context())
			ctx := NewContext(parent)
			ctx.Begin(time.Now().Add(500 * time.Millisecond))
			want := context.DeadlineExceeded
			if cancelled {
				ctx.Begin(time.Now().Add(time.Minute))
				time.AfterFunc(500*time.Millisecond, cancel)
				want = context.Canceled
			}
			start := time.Now()
			_, err := client.Call(ctx, "c", c.r, time.Now())
			if took := time.Since(start); reasonOf(err) != c.want || !errors.Is(err, want) || took > 5*time.Second {
				t.Errorf("%s, cancelled %v: reason %d after %v: %v", name, cancelled, reasonOf(err), took, err)
			}
			ctx.Close()
			cancel()
		}
	}
}

func TestALimitEndsTheWaitForAPlace(t *testing.T) {
	started := make(chan struct{})
	url := scripted(t, func(_ int, c net.Conn) {
		request(bufio.NewReader(c))
		close(started)
		io.Copy(io.Discard, c)
	})
	c, opened := leanClient(t, url, 1, Wire{})
	ctx := NewContext(t.Context())
	ctx.Begin(time.Now().Add(time.Minute))
	var first sync.WaitGroup
	first.Go(func() { c.Call(ctx, "c", Post([]byte("x")), time.Now()) })
	<-started
	if _, err := call(t, c, Post([]byte("x")), 100*time.Millisecond); reasonOf(err) != Unsent || !errors.Is(err, context.DeadlineExceeded) || opened.Load() != 1 {
		t.Errorf("%v, %d connections", err, opened.Load())
	}
	ctx.cancel(context.Canceled)
	first.Wait()
	ctx.Close()
}

// A server that refuses a large message before it has read it is heard.
func TestAnEarlyAnswerIsTaken(t *testing.T) {
	url := scripted(t, func(n int, c net.Conn) {
		r := bufio.NewReader(c)
		for n > 0 && request(r) {
			io.WriteString(c, ok200)
		}
		if n == 0 {
			r.ReadString('\n')
			io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
			c.Read(make([]byte, 1)) // and nothing more
		}
	})
	c, opened := leanClient(t, url, 1, Wire{})
	if a, err := call(t, c, Post(make([]byte, 16<<20)), 20*time.Second); err != nil || a.Status != 413 {
		t.Fatal(a, err)
	}
	if a, err := call(t, c, Post(make([]byte, 128<<10)), 20*time.Second); err != nil || a.Status != 200 || opened.Load() != 2 {
		t.Errorf("%v %v, %d connections", a, err, opened.Load())
	}
}

// In a frozen process the timers stand still, and the wall clock jumps.
func TestAConnectionIsNotUsedAgainAfterFiveSecondsOfTheWallClock(t *testing.T) {
	url := scripted(t, func(_ int, c net.Conn) {
		for r := bufio.NewReader(c); request(r); {
			io.WriteString(c, ok200)
		}
	})
	c, opened := leanClient(t, url, 1, Wire{})
	for i, at := range []struct {
		jump time.Duration
		want int64
	}{{0, 1}, {4 * time.Second, 1}, {10 * time.Second, 2}, {11 * time.Second, 2}, {-time.Hour, 3}} {
		ctx := NewContext(t.Context())
		ctx.Begin(time.Now().Add(10 * time.Second))
		if _, err := c.Call(ctx, "c", Post(nil), time.Now().Add(at.jump)); err != nil || opened.Load() != at.want {
			t.Errorf("call %d: %v, %d connections, want %d", i, err, opened.Load(), at.want)
		}
		ctx.Close()
	}
}

func TestIdleConnectionsAreClosedAfterFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memlisten.New()
		defer l.Close()
		ended := make(chan time.Time, 1)
		go func() {
			c, err := l.Accept()
			for r := bufio.NewReader(c); err == nil && request(r); {
				io.WriteString(c, ok200)
			}
			ended <- time.Now()
		}()
		c, _ := leanClient(t, "http://localhost/dev", 1, Wire{Dial: func(context.Context, string, string) (net.Conn, error) { return l.Dial() }})
		start := time.Now()
		for range 3 {
			if _, err := call(t, c, Post([]byte("x")), time.Second); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Second)
		}
		if after := (<-ended).Sub(start); after < 11*time.Second || after > 13*time.Second {
			t.Errorf("it was closed after %v, and was used last after 6 s", after)
		}
	})
}

// The status is known: the body is waited for a second at most, and the connection
// closed.
func TestABodyThatDripsKeepsNobodyWaiting(t *testing.T) {
	for name, frame := range map[string]string{"with a length": "Content-Length: 99\r\n\r\nso", "chunked": "Transfer-Encoding: chunked\r\n\r\n2\r\nso\r\n", "without": "\r\nso"} {
		url := scripted(t, func(_ int, c net.Conn) {
			request(bufio.NewReader(c))
			fmt.Fprintf(c, "HTTP/1.1 403 Forbidden\r\n%s", frame)
			io.Copy(io.Discard, c)
		})
		c, _ := leanClient(t, url, 1, Wire{})
		start := time.Now()
		a, err := call(t, c, Post([]byte("x")), 20*time.Second)
		if err != nil || a.Status != 403 || string(a.Body) != "so" || time.Since(start) > 10*time.Second {
			t.Errorf("%s: %d %q %v after %v", name, a.Status, a.Body, err, time.Since(start))
		}
	}
}

func TestAProxyOrATransportGoesByNetHTTP(t *testing.T) {
	for name, o := range map[string]Options{"a transport": {Transport: &http.Transport{}}, "what wraps one": {Transport: struct{ http.RoundTripper }{}}} {
		if c, err := NewClient(Target{URL: "https://x.example/dev"}, NewCredentials(nil), o); err != nil || c.lean != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for url, lean := range map[string]bool{"https://x.example/dev": true, "https://ü.example/dev": false, "http://[::1]:3001/dev": true, "http://[fe80::1%25eth0]/dev": false} {
		if c, err := NewClient(Target{URL: url}, NewCredentials(nil), Options{}); err != nil || (c.lean != nil) != (lean && looks) {
			t.Errorf("%s: %v", url, err)
		}
	}
}
