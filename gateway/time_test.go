package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/internal/memlisten"
)

// pipes is a listener of connections in memory, so that time can be fake.
type pipes struct{ *memlisten.Listener }

func newPipes() *pipes { return &pipes{memlisten.New()} }

// dial connects and upgrades.
func (p *pipes) dial(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	nc, theirs := net.Pipe()
	p.Conns <- theirs
	if err := rawHandshake(nc, "dev"); err != nil {
		t.Fatal(err)
	}
	return nc, bufio.NewReader(nc)
}

// handshake makes one that is refused and returns the status and the whole answer.
func (p *pipes) handshake(t *testing.T) (status int, answer string) {
	t.Helper()
	nc, theirs := net.Pipe()
	defer nc.Close()
	p.Conns <- theirs
	io.WriteString(nc, "GET /dev HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+handshakeFields+"\r\n")
	all, _ := io.ReadAll(nc)
	fmt.Sscanf(string(all), "HTTP/1.1 %d", &status)
	return status, string(all)
}

// inFakeTime runs a test with a server on pipes in a bubble of fake time.
func inFakeTime(t *testing.T, s *Server, test func(t *testing.T, p *pipes, f *recorder)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newRecorder()
		if s.Function == nil {
			s.Function = f
		}
		p := newPipes()
		serveOn(t, s, p)
		test(t, p, f)
	})
}

// wantClose reads frames until the close frame.
func wantClose(t *testing.T, r *bufio.Reader, payload []byte) {
	t.Helper()
	for {
		in, err := readFrame(r)
		if err != nil {
			t.Fatalf("no close frame: %v", err)
		}
		if in.first == 0x88 {
			if string(in.payload) != string(payload) {
				t.Errorf("close frame %q, want %q", in.payload, payload)
			}
			return
		}
	}
}

func TestAnIdleConnectionIsClosedAfterTenMinutes(t *testing.T) {
	inFakeTime(t, &Server{}, func(t *testing.T, p *pipes, f *recorder) {
		nc, r := p.dial(t)
		id := f.next(t, "CONNECT").RequestContext.ConnectionID
		// Messages in either direction count, pings do not.
		time.Sleep(9 * time.Minute)
		nc.Write(masked(0x81, []byte("in")))
		f.next(t, "MESSAGE")
		start := time.Now()
		time.Sleep(9 * time.Minute)
		nc.Write(masked(0x89, nil))
		if pong, err := readFrame(r); err != nil || pong.first != 0x8a {
			t.Errorf("pong = %+v, %v", pong, err)
		}
		wantClose(t, r, closePayload(1001, "Going away"))
		if idle := time.Since(start); idle != 10*time.Minute {
			t.Errorf("closed after %v", idle)
		}
		nc.Write(masked(0x88, closePayload(1001, "")))
		d := f.next(t, "DISCONNECT").RequestContext
		if d.DisconnectStatusCode != 1001 || d.DisconnectReason != "Going away" || d.ConnectionID != id {
			t.Errorf("disconnect = %+v", d)
		}
	})
}

func TestAMessageToAConnectionKeepsItAlive(t *testing.T) {
	s := &Server{}
	inFakeTime(t, s, func(t *testing.T, p *pipes, f *recorder) {
		nc, r := p.dial(t)
		id := f.next(t, "CONNECT").RequestContext.ConnectionID
		time.Sleep(9 * time.Minute)
		if refused := s.engine.effect(s.engine.table.get(id), Call{Kind: CallPost}, body{make([]byte, 10), nil}); refused != nil {
			t.Fatal(refused)
		}
		start := time.Now()
		wantClose(t, r, closePayload(1001, "Going away"))
		if idle := time.Since(start); idle != 10*time.Minute {
			t.Errorf("closed after %v", idle)
		}
		nc.Close()
		f.next(t, "DISCONNECT")
	})
}

func TestAPingKeepsAConnectionAliveOnlyIfAsked(t *testing.T) {
	inFakeTime(t, &Server{PingKeepsAlive: true}, func(t *testing.T, p *pipes, f *recorder) {
		nc, r := p.dial(t)
		time.Sleep(9 * time.Minute)
		nc.Write(masked(0x89, nil))
		start := time.Now()
		wantClose(t, r, closePayload(1001, "Going away"))
		if idle := time.Since(start); idle != 10*time.Minute {
			t.Errorf("closed after %v", idle)
		}
		nc.Close()
	})
}

func TestAConnectionIsClosedAfterTwoHours(t *testing.T) {
	inFakeTime(t, &Server{}, func(t *testing.T, p *pipes, f *recorder) {
		start := time.Now()
		nc, r := p.dial(t)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			wantClose(t, r, closePayload(1001, "Going away"))
		}()
		for alive := true; alive; {
			select {
			case <-ended:
				alive = false
			case <-time.After(5 * time.Minute):
				nc.Write(masked(0x81, []byte("busy")))
			}
		}
		if age := time.Since(start); age != 2*time.Hour {
			t.Errorf("closed at the age of %v", age)
		}
		nc.Close()
	})
}

func TestAClientThatDoesNotAnswerTheCloseIsCutOff(t *testing.T) {
	s := &Server{}
	inFakeTime(t, s, func(t *testing.T, p *pipes, f *recorder) {
		_, r := p.dial(t)
		id := f.next(t, "CONNECT").RequestContext.ConnectionID
		s.engine.table.get(id).close(closeNormal, deletedReason, s.engine.closeWait)
		wantClose(t, r, closePayload(1000, "Connection Closed Normally"))
		start := time.Now()
		if _, err := r.ReadByte(); err != io.EOF {
			t.Errorf("after the close frame: %v", err)
		}
		if wait := time.Since(start); wait != 5*time.Second {
			t.Errorf("cut off after %v", wait)
		}
		if d := f.next(t, "DISCONNECT").RequestContext; d.DisconnectStatusCode != 1000 {
			t.Errorf("disconnect = %+v", d)
		}
	})
}

func TestAStuckClientIsCutOffWhenItIsIdle(t *testing.T) {
	s := &Server{}
	inFakeTime(t, s, func(t *testing.T, p *pipes, f *recorder) {
		p.dial(t) // and reads nothing
		id := f.next(t, "CONNECT").RequestContext.ConnectionID
		if err := s.engine.table.get(id).send(compileText([]byte("x"), 100)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if e := <-f.events; e.RequestContext.EventType != "DISCONNECT" {
			t.Errorf("event = %+v", e)
		}
		if age := time.Since(start); age != 10*time.Minute+5*time.Second {
			t.Errorf("cut off after %v", age)
		}
	})
}

func TestAFunctionThatIgnoresItsContextTimesOut(t *testing.T) {
	var release chan struct{}
	slow := FunctionFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
		if !strings.Contains(string(payload), `"CONNECT"`) {
			<-release
		}
		return []byte(`{"statusCode":200}`), nil
	})
	s := &Server{Function: slow, MaxInvocations: 1, Routes: map[string]Route{"$connect": {}, "$default": {}}}
	synctest.Test(t, func(t *testing.T) {
		release = make(chan struct{})
		p := newPipes()
		serveOn(t, s, p)
		nc, r := p.dial(t)
		start := time.Now()
		// The second message waits for the only slot, which the first gives
		// back at its timeout although its function runs on.
		nc.Write(append(masked(0x81, []byte("one")), masked(0x81, []byte("two"))...))
		for i := range 2 {
			in, err := readFrame(r)
			if err != nil || !strings.HasPrefix(string(in.payload), `{"message": "Endpoint request timed out", "connectionId":"`) {
				t.Fatalf("frame = %q, %v", in.payload, err)
			}
			if took := time.Since(start); took != time.Duration(i+1)*29*time.Second {
				t.Errorf("timeout %d after %v", i, took)
			}
		}
		close(release)
		nc.Close()
	})
}

func TestAConnectThatTakesTooLongIs504(t *testing.T) {
	waits := FunctionFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	inFakeTime(t, &Server{Function: waits}, func(t *testing.T, p *pipes, f *recorder) {
		nc, theirs := net.Pipe()
		p.Conns <- theirs
		start := time.Now()
		err := rawHandshake(nc, "dev")
		if err == nil || !strings.Contains(err.Error(), "504 Gateway Timeout") || time.Since(start) != 29*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		nc.Close()
	})
}

func TestShutdownClosesTellsAndWaits(t *testing.T) {
	s := &Server{}
	inFakeTime(t, s, func(t *testing.T, p *pipes, f *recorder) {
		f.answer = func(e event) ([]byte, error) {
			if e.RequestContext.EventType == "DISCONNECT" {
				time.Sleep(2 * time.Second) // fake: a function that takes its time
			}
			return []byte(`{"statusCode":200}`), nil
		}
		nc, r := p.dial(t)
		_, _ = p.dial(t) // never answers the close
		f.next(t, "CONNECT")
		f.next(t, "CONNECT")
		go func() {
			wantClose(t, r, closePayload(1001, "Going away"))
			nc.Write(masked(0x88, closePayload(1001, "")))
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		start := time.Now()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown = %v", err)
		}
		// Half of the time for the silent client, then its $disconnect.
		if took := time.Since(start); took < 6*time.Second || took > 7*time.Second {
			t.Errorf("took %v", took)
		}
		for range 2 {
			if d := f.next(t, "DISCONNECT").RequestContext; d.DisconnectStatusCode != 1001 || d.DisconnectReason != "Going away" {
				t.Errorf("disconnect = %+v", d)
			}
		}
		if s.ConnectionCount() != 0 {
			t.Errorf("%d connections", s.ConnectionCount())
		}
		l := newPipes()
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve after Shutdown = %v", err)
		}
	})
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	hangs := FunctionFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
		if strings.Contains(string(payload), `"DISCONNECT"`) {
			<-ctx.Done()
		}
		return []byte(`{"statusCode":200}`), nil
	})
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Function: hangs}
		p := newPipes()
		served := make(chan error)
		go func() { served <- s.Serve(p) }()
		nc, r := p.dial(t)
		go func() {
			wantClose(t, r, closePayload(1001, "Going away"))
			nc.Close()
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("Shutdown = %v after %v", err, time.Since(start))
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve = %v", err)
		}
	})
}
