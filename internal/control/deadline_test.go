package control_test

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/httpstore"
	"github.com/wirepost/wirepost/internal/control"
	"github.com/wirepost/wirepost/internal/inspector"
	"github.com/wirepost/wirepost/internal/memlisten"
)

func dial(t *testing.T, l *memlisten.Listener) net.Conn {
	t.Helper()
	nc, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	return nc
}

// serve serves the whole control address in fake time.
func serve(t *testing.T) *memlisten.Listener {
	store := wirepost.NewMemStore(nil)
	server := &gateway.Server{Function: gateway.FunctionFunc(nil)}
	live := &control.Live{}
	live.Set(server.Stats, inspector.New(inspector.Options{Recorder: inspector.NewRecorder(nil), Server: server, Token: "page", Bearer: "secret"}))
	s := control.NewServer(control.Handler(control.Options{Token: "secret", Faults: gateway.NewFaults(1, nil), Live: live,
		Store: httpstore.NewHandler(store, &httpstore.HandlerOptions{Token: "secret"})}), slog.New(slog.DiscardHandler))
	p := memlisten.New()
	served := make(chan struct{})
	go func() { defer close(served); s.Serve(p) }()
	t.Cleanup(func() { s.Close(); <-served })
	return p
}

const (
	from    = "HTTP/1.1\r\nHost: 127.0.0.1:3002\r\n"
	trusted = from + "Authorization: Bearer secret\r\nContent-Type: application/json\r\n"
	lent    = trusted + "Wirepost-Store: 1\r\n"
)

// A request may take 30 s to come, and its answer two minutes.
func TestARequestThatIsNeverCompleteEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t)
		for _, c := range []struct {
			name, send, drip string
			within           time.Duration
		}{
			{"no token", "PUT /faults " + from + "Content-Length: 100\r\n\r\n", "", 0},
			{"a page", "POST /faults " + trusted + "Origin: http://evil.example\r\nContent-Length: 100\r\n\r\n", "x", 0},
			{"faults", "PUT /faults " + trusted + "Content-Length: 100\r\n\r\n[", " ", 30 * time.Second},
			{"faults in chunks", "PUT /faults " + trusted + "Transfer-Encoding: chunked\r\n\r\n", "1\r\n[\r\n", 30 * time.Second},
			{"a body that nobody reads", "GET /faults " + trusted + "Content-Length: 100\r\n\r\n", "x", 30 * time.Second},
			{"metrics with a body", "GET /metrics " + trusted + "Content-Length: 100\r\n\r\n", "x", 30 * time.Second},
			{"about the server, no token", "OPTIONS * " + from + "Content-Length: 100\r\n\r\n", "x", 0},
			{"no such path", "POST /else " + trusted + "Content-Length: 100\r\n\r\n", "x", 30 * time.Second},
			{"the store, no token", "POST /store/v1/put " + from + "Content-Length: 100\r\n\r\n", "x", 0},
			{"the store", "POST /store/v1/put " + lent + "Content-Length: 100\r\n\r\n{", "x", 30 * time.Second},
			{"the inspector, unknown", "POST /_wirepost/api/publish " + from + "Content-Length: 100\r\n\r\n", "x", 0},
			{"the inspector", "POST /_wirepost/api/publish " + trusted + "Content-Length: 100\r\n\r\n{", " ", 30 * time.Second},
			{"the inspector, a session", "POST /_wirepost/api/import " + trusted + "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n", 30 * time.Second},
			{"a header a second", "GET /faults " + trusted, "A: b\r\n", 5 * time.Second},
		} {
			nc := dial(t, p)
			start := time.Now()
			var sending sync.WaitGroup
			sending.Go(func() { // ends when nc is closed
				for text := c.send; ; text = c.drip {
					if _, err := io.WriteString(nc, text); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			})
			r := bufio.NewReader(nc)
			if _, err := r.Peek(1); err != nil && c.within > 5*time.Second || time.Since(start) > c.within {
				t.Errorf("%s: %v after %v, want an answer within %v", c.name, err, time.Since(start), c.within)
			}
			io.Copy(io.Discard, r) // until the server closes
			if took := time.Since(start); took > c.within+6*time.Second {
				t.Errorf("%s: the connection ends after %v", c.name, took)
			}
			nc.Close()
			sending.Wait()
		}
	})
}

func TestAnAnswerThatNobodyTakesEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t)
		for _, path := range []string{"/faults", "/metrics", "/_wirepost/main.js", "/_wirepost/api/records"} {
			nc := dial(t, p)
			io.WriteString(nc, "GET "+path+" "+trusted+"\r\n")
			time.Sleep(2*time.Minute + time.Second)
			synctest.Wait()
			if _, err := nc.Write([]byte("x")); err == nil {
				t.Errorf("%s is not over after two minutes", path)
			}
			nc.Close()
		}
	})
}

// A pager that nobody turns stands still, and the stream with it.
func TestAStreamHasNoEnd(t *testing.T) {
	for _, path := range []string{"stream", "export"} {
		synctest.Test(t, func(t *testing.T) {
			nc := dial(t, serve(t))
			defer nc.Close()
			io.WriteString(nc, "GET /_wirepost/api/"+path+" "+trusted+"\r\n")
			time.Sleep(10 * time.Minute)
			answer, err := http.ReadResponse(bufio.NewReader(nc), nil)
			if err != nil || answer.StatusCode != 200 {
				t.Fatal(path, answer, err)
			}
			lines := bufio.NewScanner(answer.Body)
			for start := time.Now(); time.Since(start) < 10*time.Minute; {
				if !lines.Scan() {
					if path == "stream" || lines.Err() != nil {
						t.Fatalf("the %s ends after %v: %v", path, time.Since(start), lines.Err())
					}
					break
				}
				if !strings.HasPrefix(lines.Text(), `{"`) {
					t.Fatalf("a line of the %s is %s", path, lines.Text())
				}
			}
		})
	}
}
