package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// TestMain fails when a test leaves a goroutine of this package behind.
func TestMain(m *testing.M) {
	if runReaderProcess() {
		return
	}
	code := m.Run()
	if leaked := leakedGoroutines(5 * time.Second); leaked != "" && code == 0 {
		fmt.Fprintf(os.Stderr, "goroutines outlived the tests:\n%s\n", leaked)
		code = 1
	}
	os.Exit(code)
}

// leakedGoroutines returns the stacks of goroutines that this package started
// and that are still there after patience.
func leakedGoroutines(patience time.Duration) string {
	for end := time.Now().Add(patience); ; runtime.Gosched() {
		var leaked []string
		buffer := make([]byte, 4<<20)
		buffer = buffer[:runtime.Stack(buffer, true)]
		for i, stack := range strings.Split(string(buffer), "\n\n") {
			if i > 0 && strings.Contains(stack, "wirepost/gateway.") {
				leaked = append(leaked, stack)
			}
		}
		if len(leaked) == 0 || time.Now().After(end) {
			return strings.Join(leaked, "\n\n")
		}
	}
}

// event is what tests look at in an event.
type event struct {
	Headers        map[string]string
	RequestContext struct {
		RouteKey, EventType, ConnectionID, RequestID, ExtendedRequestID, MessageID string
		DisconnectStatusCode                                                       int
		DisconnectReason                                                           string
		ConnectedAt, RequestTimeEpoch                                              int64
		DomainName                                                                 string
	}
	Body string
}

// recorder is a function that keeps its events and answers 200.
type recorder struct {
	events chan event
	raw    chan []byte
	answer func(event) ([]byte, error) // nil: 200
}

func newRecorder() *recorder {
	return &recorder{events: make(chan event, 4096), raw: make(chan []byte, 4096)}
}

func (f *recorder) Invoke(_ context.Context, payload []byte) ([]byte, error) {
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, err
	}
	f.raw <- payload
	f.events <- e
	if f.answer != nil {
		return f.answer(e)
	}
	return []byte(`{"statusCode":200}`), nil
}

// next returns the next event, of the wanted type.
func (f *recorder) next(t testing.TB, eventType string) event {
	t.Helper()
	select {
	case e := <-f.events:
		if e.RequestContext.EventType != eventType {
			t.Fatalf("event is %s %q, want %s", e.RequestContext.EventType, e.Body, eventType)
		}
		return e
	case <-time.After(20 * time.Second):
		t.Fatalf("no %s event", eventType)
		panic("not reached")
	}
}

// serve runs a server on a loopback port until the test ends.
func serve(t testing.TB, s *Server) (host string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, s, l)
	return l.Addr().String()
}

func serveOn(t testing.TB, s *Server, l net.Listener) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve = %v", err)
		}
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown = %v", err)
		}
		wg.Wait()
	})
}

// dial connects with an independent client.
func dial(t testing.TB, host string, options *websocket.DialOptions) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), "ws://"+host+"/dev", options)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

func write(t testing.TB, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func read(t testing.TB, c *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	kind, data, err := c.Read(ctx)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if kind != websocket.MessageText {
		t.Errorf("message is %v, want text", kind)
	}
	return string(data)
}

func TestAServerThatCannotWorkSaysSoAtOnce(t *testing.T) {
	var none *LambdaEndpoint
	for want, s := range map[string]*Server{
		`route "$connect" has no function`:                          {Routes: map[string]Route{"$connect": {}}},
		`the function of route "$default" is a nil *gateway.Lambda`: {Routes: map[string]Route{"$default": {Function: none}}},
		`is a nil gateway.FunctionFunc`:                             {Function: FunctionFunc(nil)},
		`the authorizer has no function`:                            {Function: &Mock{}, Routes: map[string]Route{"$connect": {Authorizer: &Authorizer{Function: none}}}},
	} {
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := (&Server{Function: &Mock{}}).Serve(nil); err == nil || !strings.Contains(err.Error(), "the listener is nil") {
		t.Errorf("%v", err)
	}
	var f Faults
	if fault := f.Ask(Call{Kind: CallPost}); !fault.isZero() || len(f.Counts()) != 0 {
		t.Error("zero Faults have a rule")
	}
	rule, err := ParseFaultRule("post:denied")
	if err != nil {
		t.Fatal(err)
	}
	if f.Set([]FaultRule{rule}); f.Ask(Call{Kind: CallPost}).Status != 403 {
		t.Error("zero Faults take no rule")
	}
}
