package gateway

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// asked keeps the calls that Server.Fault was asked about.
type asked struct {
	mu    sync.Mutex
	calls []string
}

func (a *asked) fault(c Call) Fault {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls = append(a.calls, string(c.Kind)+" "+c.RouteKey+" "+string(c.Payload))
	if len(c.ConnectionID) != 16 {
		a.calls = append(a.calls, "a call without its connection")
	}
	return Fault{}
}

func TestFaultIsAskedOnceOnEachWay(t *testing.T) {
	f, a := newRecorder(), new(asked)
	f.answer = func(event) ([]byte, error) { return []byte(`{"statusCode":200,"body":"pong"}`), nil }
	host := serve(t, &Server{Function: f, Fault: a.fault, Routes: map[string]Route{"$connect": {}, "$disconnect": {}, "ping": {RouteResponse: true}}})
	c := dial(t, host, nil)
	id := f.next(t, "CONNECT").RequestContext.ConnectionID
	write(t, c, `{"action":"ping"}`)
	read(t, c)
	f.next(t, "MESSAGE")
	mustManage(t, "POST", host, pathOf(id), "hello")
	read(t, c)
	mustManage(t, "DELETE", host, pathOf(id), "")
	c.Read(t.Context())
	f.next(t, "DISCONNECT")
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, call := range a.calls {
		if kind, event, _ := strings.Cut(call, " {"); strings.HasPrefix(kind, "invoke") && strings.Contains(event, "connectionId") {
			a.calls[i] = kind // and the whole event
		}
	}
	want := []string{"connect $connect ", "invoke $connect", `message ping {"action":"ping"}`, "invoke ping", "frame-out  pong",
		"post  hello", "frame-out  hello", "delete  ", "disconnect $disconnect ", "invoke $disconnect"}
	if !slices.Equal(a.calls, want) {
		t.Errorf("asked %q\nwant  %q", a.calls, want)
	}
}

func TestEachFaultOfAFunctionHappens(t *testing.T) {
	f := newFaulty(t)
	for _, test := range []struct {
		fault  Fault
		status int
	}{{Fault{Status: 500}, 502}, {Fault{Status: 504}, 504}, {Fault{Status: 403}, 502}, {Fault{Status: 201}, 101}, {Fault{Status: 302}, 302}, {Fault{Drop: true}, 101}, {Fault{Delay: time.Millisecond}, 101}} {
		f.set(CallInvoke, test.fault)
		if status, _, body := shake(t, f.host, "/dev", ""); status != test.status {
			t.Errorf("connect, %+v: %d %s", test.fault, status, body)
		}
	}
	f.set(CallInvoke, Fault{Drop: true})
	c := dial(t, f.host, nil)
	for _, test := range []struct {
		fault Fault
		frame string
	}{{Fault{Status: 500}, "Internal server error"}, {Fault{Status: 504}, "Endpoint request timed out"}} {
		f.set(CallInvoke, test.fault)
		write(t, c, "x")
		if got := read(t, c); !strings.HasPrefix(got, `{"message": "`+test.frame+`", "`) {
			t.Errorf("message, %+v: %s", test.fault, got)
		}
	}
}

func TestAFunctionThatHangsTimesOut(t *testing.T) {
	faults := NewFaults(1, nil, mustRules(t, "invoke:hang:route=$default")...)
	inFakeTime(t, &Server{Fault: faults.Ask}, func(t *testing.T, p *pipes, f *recorder) {
		nc, r := p.dial(t)
		start := time.Now()
		nc.Write(masked(0x81, []byte("x")))
		if in, err := readFrame(r); err != nil || !strings.HasPrefix(string(in.payload), `{"message": "Endpoint request timed out", "`) || time.Since(start) != 29*time.Second {
			t.Errorf("%s, %v after %v", in.payload, err, time.Since(start))
		}
		nc.Close()
	})
}

func TestEachFaultOfAFrameHappens(t *testing.T) {
	f := newFaulty(t)
	c := dial(t, f.host, nil)
	id := f.recorder.next(t, "CONNECT").RequestContext.ConnectionID
	post := func(text string) answerOf { return mustManage(t, "POST", f.host, pathOf(id), text) }
	f.set(CallFrameOut, Fault{Status: 429})
	if a := post("1"); a.status != 429 || a.header.Get("x-amzn-errortype") != "LimitExceededException" {
		t.Errorf("buffer full: %+v", a)
	}
	f.set(CallFrameOut, Fault{Drop: true})
	if a := post("2"); a.status != 200 {
		t.Errorf("drop: %+v", a)
	}
	f.set(CallFrameOut, Fault{Delay: time.Millisecond})
	if a := post("3"); a.status != 200 || read(t, c) != "3" {
		t.Errorf("delay: %+v", a)
	}
	f.set(CallFrameOut, Fault{Close: 1011})
	if a := post("4"); a.status != 410 {
		t.Errorf("close: %+v", a)
	}
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != 1011 {
		t.Errorf("the client sees %v", err)
	}
	if d := f.recorder.next(t, "DISCONNECT").RequestContext; d.DisconnectStatusCode != 1011 {
		t.Errorf("disconnect = %+v", d)
	}
	for fault, status := range map[*Fault]int{{ResetBefore: true}: 410, {ResetAfter: true}: 200} {
		nc := rawDial(t, f.host)
		id = f.recorder.next(t, "CONNECT").RequestContext.ConnectionID
		f.set(CallFrameOut, *fault)
		if a := post("5"); a.status != status {
			t.Errorf("%+v: %+v", fault, a)
		}
		if got, err := io.ReadAll(nc); !errors.Is(err, syscall.ECONNRESET) && err == nil || len(got) > 0 && fault.ResetBefore {
			t.Errorf("%+v: the client sees %q, %v", fault, got, err)
		}
		if d := f.recorder.next(t, "DISCONNECT").RequestContext; d.DisconnectStatusCode != 1006 {
			t.Errorf("disconnect = %+v", d)
		}
	}
}

// A post that hangs in front of the client ends with the client.
func TestAFrameThatHangsEndsWithItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faults := NewFaults(1, nil, mustRules(t, "frame-out:hang")...)
		f, s := newRecorder(), &Server{Fault: faults.Ask}
		s.Function = f
		p := newPipes()
		serveOn(t, s, p)
		nc, r := p.dial(t)
		c := engineOf(t, s).table.get(f.next(t, "CONNECT").RequestContext.ConnectionID)
		posted := make(chan error)
		go func() { posted <- c.deliver(compileText([]byte("x"), 100), []byte("x")) }()
		synctest.Wait()
		select {
		case err := <-posted:
			t.Errorf("it did not hang: %v", err)
		default:
		}
		nc.Write(masked(0x88, nil))
		wantClose(t, r, nil)
		nc.Close()
		if err := <-posted; err != errGone {
			t.Errorf("it ended with %v", err)
		}
	})
}

func TestACloseByAFaultIsSeenOnBothSides(t *testing.T) {
	f := newFaulty(t)
	for _, test := range []struct {
		kind   CallKind
		method string
		code   int
	}{{CallConnect, "", 4001}, {CallMessage, "", 1012}, {CallPost, "POST", 1011}, {CallGet, "GET", 3000}, {CallDelete, "DELETE", 4999}} {
		f.next.Store(nil)
		if test.kind == CallConnect {
			f.set(test.kind, Fault{Close: test.code})
		}
		nc := rawDial(t, f.host)
		id := f.recorder.next(t, "CONNECT").RequestContext.ConnectionID
		f.set(test.kind, Fault{Close: test.code})
		switch {
		case test.kind == CallMessage:
			nc.Write(masked(0x81, []byte("x")))
		case test.method != "":
			if a := mustManage(t, test.method, f.host, pathOf(id), ""); a.status != 410 {
				t.Errorf("%s: %+v", test.kind, a)
			}
		}
		wantClose(t, bufio.NewReader(nc), closePayload(test.code, ""))
		nc.Write(masked(0x88, closePayload(test.code, "")))
		if d := f.recorder.next(t, "DISCONNECT").RequestContext; d.DisconnectStatusCode != test.code || d.ConnectionID != id {
			t.Errorf("%s: %+v", test.kind, d)
		}
	}
	f.set(CallPost, Fault{Close: 1011})
	if a := mustManage(t, "POST", f.host, pathOf("L0SM9cOFvHcCIhw="), ""); a.status != 410 {
		t.Errorf("a post to nobody: %+v", a)
	}
}

// A fault that only delays loses nothing when the server ends meanwhile.
func TestADelayedDisconnectIsNotLostAtTheEnd(t *testing.T) {
	for _, kind := range []CallKind{CallDisconnect, CallInvoke} {
		synctest.Test(t, func(t *testing.T) {
			f := newRecorder()
			s := &Server{Function: f, Fault: func(c Call) Fault {
				if c.Kind == kind && c.RouteKey == "$disconnect" {
					return Fault{Delay: time.Hour}
				}
				return Fault{}
			}}
			p := newPipes()
			serveOn(t, s, p)
			nc, r := p.dial(t)
			f.next(t, "CONNECT")
			nc.Write(masked(0x88, nil))
			wantClose(t, r, nil)
			nc.Close()
			synctest.Wait()
			if err := s.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown = %v", err)
			}
			f.next(t, "DISCONNECT")
		})
	}
}
