package gateway

import (
	"io"
	"strings"
	"testing"
)

// While a function of a connection runs for long, the connection is read on: its
// pings are answered, its other messages are invoked, and its close is seen.
func TestALongInvocationDoesNotKeepItsConnectionFromBeingRead(t *testing.T) {
	release := make(chan struct{})
	f := newRecorder()
	f.answer = func(e event) ([]byte, error) {
		if e.Body == "long" {
			<-release
		}
		return []byte(`{"statusCode":200}`), nil
	}
	host := serve(t, &Server{Function: f})
	nc := rawDial(t, host)
	f.next(t, "CONNECT")
	for _, message := range []string{"long", "long", "short"} {
		if _, err := nc.Write(masked(0x81, []byte(message))); err != nil {
			t.Fatal(err)
		}
		if e := f.next(t, "MESSAGE"); e.Body != message {
			t.Errorf("got %q, want %q", e.Body, message)
		}
	}
	if _, err := nc.Write(masked(0x89, []byte("alive"))); err != nil {
		t.Fatal(err)
	}
	pong := make([]byte, 2+len("alive"))
	if _, err := io.ReadFull(nc, pong); err != nil || !strings.HasSuffix(string(pong), "alive") {
		t.Errorf("the ping was answered with %q, %v", pong, err)
	}
	if _, err := nc.Write(masked(0x88, nil)); err != nil {
		t.Fatal(err)
	}
	if e := f.next(t, "DISCONNECT"); e.RequestContext.DisconnectStatusCode != 1005 {
		t.Errorf("$disconnect has code %d", e.RequestContext.DisconnectStatusCode)
	}
	close(release)
}

// With one slot the first of two messages that arrive at once must run for the
// second to get it.
func TestMessagesThatArriveTogetherShareOneSlot(t *testing.T) {
	f := newRecorder()
	host := serve(t, &Server{Function: f, MaxInvocations: 1})
	nc := rawDial(t, host)
	f.next(t, "CONNECT")
	frames := append(masked(0x81, []byte("one")), masked(0x81, []byte("two"))...)
	frames = append(frames, masked(0x81, []byte("three"))...)
	if _, err := nc.Write(append(frames, masked(0x88, nil)...)); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for range 3 {
		got[f.next(t, "MESSAGE").Body] = true
	}
	if len(got) != 3 {
		t.Errorf("got %v", got)
	}
	f.next(t, "DISCONNECT")
}
