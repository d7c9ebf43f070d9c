package gateway

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

func TestMessagesOfOneConnectionAreInvokedConcurrently(t *testing.T) {
	var both sync.WaitGroup
	both.Add(2)
	f := newRecorder()
	f.answer = func(e event) ([]byte, error) {
		if e.RequestContext.EventType == "MESSAGE" {
			both.Done()
			both.Wait() // each waits for the other
		}
		return []byte(`{"statusCode":200}`), nil
	}
	host := serve(t, &Server{Function: f})
	c := dial(t, host, nil)
	f.next(t, "CONNECT")
	write(t, c, "one")
	write(t, c, "two")
	both.Wait()
}

// TestEveryConnectionHasOneConnectAndOneDisconnect lets clients come and go in
// every way while others post to them.
func TestEveryConnectionHasOneConnectAndOneDisconnect(t *testing.T) {
	const clients, rounds = 8, 8
	var mu sync.Mutex
	connects, disconnects := map[string]int{}, map[string]int{}
	s := &Server{}
	s.Function = FunctionFunc(func(_ context.Context, payload []byte) ([]byte, error) {
		_, id, _ := bytes.Cut(payload, []byte(`"connectionId":"`))
		mu.Lock()
		defer mu.Unlock()
		switch {
		case bytes.Contains(payload, []byte(`"eventType":"CONNECT"`)):
			connects[string(id[:16])]++
		case bytes.Contains(payload, []byte(`"eventType":"DISCONNECT"`)):
			disconnects[string(id[:16])]++
		}
		return []byte(`{"statusCode":200}`), nil
	})
	e := engineOf(t, s)
	host := serve(t, s)
	var all, posters sync.WaitGroup
	stop := make(chan struct{})
	posters.Go(func() {
		frame := compileText(bytes.Repeat([]byte("x"), 40<<10), 32<<10)
		for {
			select {
			case <-stop:
				return
			default:
				e.table.each(func(c *conn) { _ = c.send(frame) })
				runtime.Gosched()
			}
		}
	})
	for range clients {
		all.Go(func() {
			for range rounds {
				c, _, err := websocket.Dial(t.Context(), "ws://"+host+"/dev", nil)
				if err != nil {
					t.Errorf("dial: %v", err)
					return
				}
				c.SetReadLimit(-1)
				c.Read(t.Context())
				switch rand.IntN(4) {
				case 0:
					c.CloseNow()
				case 1:
					c.Close(websocket.StatusNormalClosure, "")
				case 2:
					c.Write(t.Context(), websocket.MessageBinary, []byte("x"))
					c.CloseNow()
				case 3:
					e.table.each(func(c *conn) {
						if rand.IntN(clients) == 0 {
							c.close(closeNormal, deletedReason, e.closeWait)
						}
					})
					c.CloseNow()
				}
			}
		})
	}
	all.Wait()
	close(stop)
	posters.Wait()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatalf("Shutdown = %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(connects) != clients*rounds || len(disconnects) != len(connects) {
		t.Errorf("%d connects, %d disconnects, want %d", len(connects), len(disconnects), clients*rounds)
	}
	for id, n := range connects {
		if n != 1 || disconnects[id] != 1 {
			t.Errorf("%s: %d connects, %d disconnects", id, n, disconnects[id])
		}
	}
	if n := s.ConnectionCount(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

func TestAServerWorksAsAHandlerOverTLS(t *testing.T) {
	f := newRecorder()
	f.answer = func(e event) ([]byte, error) { return []byte(`{"statusCode":200,"body":"` + e.Body + `"}`), nil }
	s := &Server{Function: f, Routes: map[string]Route{"$connect": {}, "$disconnect": {}, "$default": {RouteResponse: true}}}
	ts := httptest.NewTLSServer(s)
	defer ts.Close()
	c, _, err := websocket.Dial(t.Context(), "wss"+strings.TrimPrefix(ts.URL, "https")+"/dev", &websocket.DialOptions{HTTPClient: ts.Client()})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(1 << 20)
	e := f.next(t, "CONNECT")
	if e.Headers["X-Forwarded-Proto"] != "https" {
		t.Errorf("headers = %v", e.Headers)
	}
	for _, text := range []string{"hello", strings.Repeat("x", 30<<10)} {
		write(t, c, text)
		if e := f.next(t, "MESSAGE"); e.Body != text {
			t.Errorf("body of %d bytes", len(e.Body))
		}
		if got := read(t, c); got != text {
			t.Errorf("answer of %d bytes", len(got))
		}
	}
	c.Close(websocket.StatusNormalClosure, "")
	f.next(t, "DISCONNECT")
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown = %v", err)
	}
}

func TestTheLogShowsAPanicsStackAndNoPayload(t *testing.T) {
	var log bytes.Buffer
	var mu sync.Mutex
	f := newRecorder()
	f.answer = func(e event) ([]byte, error) {
		if e.RequestContext.EventType == "MESSAGE" {
			panic("a reason")
		}
		return []byte(`{"statusCode":200}`), nil
	}
	s := &Server{Function: f, Logger: slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	host := serve(t, s)
	c := dial(t, host, nil)
	write(t, c, "a-payload")
	read(t, c) // the error frame
	c.Close(websocket.StatusNormalClosure, "")
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if text := log.String(); !strings.Contains(text, "a reason") || !strings.Contains(text, "concurrency_test.go") || strings.Contains(text, "a-payload") {
		t.Errorf("log = %s", text)
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func TestAWrongConfigurationIsAClearError(t *testing.T) {
	f := newRecorder()
	for want, s := range map[string]*Server{
		"has no function":                    {},
		`route "x" has no function`:          {Routes: map[string]Route{"x": {}}},
		"begins with a dollar sign":          {Function: f, Routes: map[string]Route{"$mine": {}}},
		"a route key is empty":               {Function: f, Routes: map[string]Route{"": {}}},
		`stage "a/b"`:                        {Function: f, Stage: "a/b"},
		"QueueBytes is negative":             {Function: f, QueueBytes: -1},
		"route selection expression \"${x\"": {Function: f, RouteSelection: "${x"},
	} {
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate = %v, want %q", err, want)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", "/dev", nil))
		if w.Code != 500 {
			t.Errorf("status = %d", w.Code)
		}
	}
}
