package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// seen is an Observer that keeps what it sees, in a line each.
type seen struct {
	mu    sync.Mutex
	lines []string
	more  chan struct{}
}

func newSeen() *seen { return &seen{more: make(chan struct{}, 100)} }

func (s *seen) add(o Observation, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := fmt.Sprintf("%s %s %d %q %q", o.Kind, o.RouteKey, o.Status, o.Reason, o.Payload)
	if format != "" {
		line = fmt.Sprintf(format, args...)
	}
	if o.ConnectionID == "" && o.Kind != ObservedHandshake {
		line += " of no connection"
	}
	if o.Fault {
		line += " fault"
	}
	s.lines = append(s.lines, line)
	s.more <- struct{}{}
}

func (s *seen) Observe(o Observation) { s.add(o, "") }

func (s *seen) Invoke(ctx context.Context, o Observation) (context.Context, func([]byte, error)) {
	if !strings.Contains(string(o.Payload), `"requestId":"`+o.RequestID+`"`) || !strings.Contains(string(o.Payload), `"connectionId":"`+o.ConnectionID+`"`) {
		s.add(o, "an event of another request: %s", o.Payload)
	}
	return context.WithValue(ctx, seenKey{}, o.RouteKey), func(answer []byte, err error) { s.add(o, "invoked %s %v %s %v", o.RouteKey, o.Authorizer, answer, err) }
}

type seenKey struct{}

// await waits for so many lines and returns them.
func (s *seen) await(t *testing.T, n int) []string {
	t.Helper()
	for {
		s.mu.Lock()
		lines := slices.Clone(s.lines)
		s.mu.Unlock()
		if len(lines) >= n {
			return lines
		}
		select {
		case <-s.more:
		case <-time.After(10 * time.Second):
			t.Fatalf("only %q", lines)
		}
	}
}

func TestAnObserverSeesEachThingOnceAndInOrder(t *testing.T) {
	s := newSeen()
	function := FunctionFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
		switch ctx.Value(seenKey{}) {
		case "say":
			return []byte(`{"statusCode":200,"body":"said"}`), nil
		case "break":
			return nil, errors.New("it broke")
		}
		return []byte(`{"statusCode":200}`), nil
	})
	server := &Server{Function: function, Observer: s, Routes: map[string]Route{"$connect": {}, "$disconnect": {}, "say": {RouteResponse: true}, "break": {}}}
	host := serve(t, server)
	c := dial(t, host, nil)
	id := server.Connections()[0].ID
	// A frame is seen after it was written, and what its client does next meanwhile.
	for i, action := range []string{"say", "break", "none"} {
		write(t, c, `{"action":"`+action+`"}`)
		read(t, c)
		s.await(t, []int{5, 8, 10}[i])
	}
	mustManage(t, "POST", host, pathOf(id), "hello")
	read(t, c)
	mustManage(t, "GET", host, pathOf(id), "")
	mustManage(t, "POST", host, pathOf("AAAAAAAAAAAAAAA="), "x")
	mustManage(t, "DELETE", host, pathOf(id), "")
	c.Read(t.Context())
	want := []string{
		`invoked $connect false {"statusCode":200} <nil>`,
		`handshake $connect 101 "" ""`,
		`message say 0 "" "{\"action\":\"say\"}"`,
		`invoked say false {"statusCode":200,"body":"said"} <nil>`,
		`frame say 0 "" "said"`,
		`message break 0 "" "{\"action\":\"break\"}"`,
		`invoked break false  it broke`,
		`frame  0 "Internal server error" "{\"message\": \"Internal server error`,
		`message  0 "Forbidden" "{\"action\":\"none\"}"`,
		`frame  0 "Forbidden" "{\"message\": \"Forbidden`,
		`post  200 "" "hello"`,
		`get  200 "" ""`,
		`post  410 "GoneException" "x"`,
		`delete  204 "" ""`,
		`close  1000 "Connection Closed Normally" ""`,
		`invoked $disconnect false {"statusCode":200} <nil>`,
	}
	var lines []string
	for _, line := range s.await(t, len(want)) { // error frames have IDs
		if before, _, ok := strings.Cut(line, `\", \"connectionId`); ok {
			line = before
		}
		lines = append(lines, line)
	}
	if !slices.Equal(lines, want) {
		t.Errorf("seen\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestAnObserverSeesRefusedHandshakesAndFaults(t *testing.T) {
	s := newSeen()
	deny := FunctionFunc(func(context.Context, []byte) ([]byte, error) { return nil, ErrUnauthorized })
	host := serve(t, &Server{Function: newRecorder(), Observer: s, Routes: map[string]Route{"$connect": {Authorizer: &Authorizer{Function: deny}}},
		Fault: func(c Call) Fault {
			if c.Kind == CallPost {
				return Fault{Status: http.StatusTooManyRequests}
			}
			return Fault{}
		}})
	if _, _, err := websocket.Dial(t.Context(), "ws://"+host+"/dev?a=b", nil); err == nil {
		t.Fatal("it was let in")
	}
	mustManage(t, "POST", host, pathOf("AAAAAAAAAAAAAAA="), "x")
	got := s.await(t, 3)
	want := []string{"invoked $connect true  Unauthorized", `handshake $connect 401 "" ""`, `post  429 "LimitExceededException" "x" fault`}
	if !slices.Equal(got, want) {
		t.Errorf("seen %q, want %q", got, want)
	}
}

func TestStatsAddUpAlsoWhenConnectionsAreOver(t *testing.T) {
	function := FunctionFunc(func(_ context.Context, payload []byte) ([]byte, error) {
		if strings.Contains(string(payload), `"routeKey":"break"`) {
			return nil, errors.New("it broke")
		}
		return []byte(`{"statusCode":200,"body":"ok"}`), nil
	})
	server := &Server{Function: function, Routes: map[string]Route{"$connect": {}, "say": {RouteResponse: true}, "break": {}}, ConnectRate: 2}
	host := serve(t, server)
	c := dial(t, host, nil)
	id := server.Connections()[0].ID
	for range 3 {
		write(t, c, `{"action":"say"}`)
		read(t, c)
	}
	write(t, c, `{"action":"break"}`)
	read(t, c)
	write(t, c, `{"action":"none"}`)
	read(t, c)
	raw := rawDial(t, host)
	if _, err := raw.Write(masked(0x89, nil)); err != nil { // whose pong is no message
		t.Fatal(err)
	}
	if _, err := readFrame(bufio.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
	mustManage(t, "POST", host, pathOf(id), "hello")
	read(t, c)
	mustManage(t, "POST", host, pathOf("AAAAAAAAAAAAAAA="), "x")
	check := func(connections int) {
		t.Helper()
		got := server.Stats()
		if got.Connections != connections || got.MessagesIn != 5 || got.MessagesOut != 6 || got.BytesIn != int64(3*len(`{"action":"say"}`)+len(`{"action":"break"}{"action":"none"}`)) || got.Unrouted != 1 || got.BytesOut < 100 {
			t.Errorf("%+v", got)
		}
		if len(got.Routes) != 3 || got.Routes[2].Key != "say" || got.Routes[2].Messages != 3 || got.Routes[2].Invocations != 3 || got.Routes[2].Failed != 0 || got.Routes[1].Failed != 1 || got.Routes[2].Sum <= 0 {
			t.Errorf("routes %+v", got.Routes)
		}
		if !slices.Contains(got.Calls, CallStats{CallPost, 200, 1}) || !slices.Contains(got.Calls, CallStats{CallPost, 410, 1}) {
			t.Errorf("calls %+v", got.Calls)
		}
	}
	check(2)
	if all := server.Connections(); len(all) != 2 || all[0].MessagesIn != 5 || all[0].MessagesOut != 6 || all[0].SourceIP != "127.0.0.1" {
		t.Errorf("%+v", all)
	}
	mustManage(t, "DELETE", host, pathOf(id), "")
	c.Read(t.Context()) // its close frame, which the client answers
	check(1)
	for range 5 {
		websocket.Dial(t.Context(), "ws://"+host+"/dev", nil)
	}
	if got := server.Stats(); got.ThrottledConnects == 0 {
		t.Errorf("%+v", got)
	}
}

// Whatever answered: the client is told, and a watcher sees why.
func TestAnAnswerThatIsTooLongIsSeenAsAFrameThatFailed(t *testing.T) {
	long := strings.Repeat("x", 101)
	page := backend(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, long) })
	for name, function := range map[string]Function{
		"a function's": FunctionFunc(func(context.Context, []byte) ([]byte, error) {
			return []byte(`{"statusCode":200,"body":"` + long + `"}`), nil
		}),
		"a backend's": &HTTPProxy{URL: page},
		"a mock's":    &Mock{Body: long},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSeen()
			host := serve(t, &Server{MessageBytes: 100, Observer: s, Routes: map[string]Route{"$default": {Function: function, RouteResponse: true}}})
			c := dial(t, host, nil)
			write(t, c, "x")
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, frame, err := c.Read(ctx)
			if err != nil || !strings.HasPrefix(string(frame), `{"message": "Internal server error"`) {
				t.Errorf("the client got %q, %v", frame, err)
			}
			lines := s.await(t, 5) // the handshake, the message, its invocation, the answer, the error frame
			if want := `frame $default 0 "the answer has 101 bytes, and a message may have 100" ""`; lines[3] != want {
				t.Errorf("seen %q, want %s", lines[3], want)
			}
			if !strings.HasPrefix(lines[4], `frame  0 "Internal server error" `) {
				t.Errorf("seen %q", lines[4])
			}
		})
	}
}

func TestAnIntegrationsAnswerIsWholeOrAnError(t *testing.T) {
	size := maxIntegrationAnswer
	page := backend(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", size)) })
	event := []byte(`{"requestContext":{},"body":""}`)
	out, err := (&HTTPProxy{URL: page}).Invoke(t.Context(), event)
	if body, ok, malformed := parseMessageAnswer(out); err != nil || !ok || malformed != nil || len(body) != size {
		t.Errorf("%d bytes, %v, %v", len(body), err, malformed)
	}
	size++
	for _, f := range []Function{&HTTPProxy{URL: page}, &LambdaEndpoint{URL: page, Name: "f"}} {
		if out, err := f.Invoke(t.Context(), event); err == nil || !strings.Contains(err.Error(), "it has more than 6291456 bytes") {
			t.Errorf("%T: answered %d bytes, %v", f, len(out), err)
		}
	}
}
