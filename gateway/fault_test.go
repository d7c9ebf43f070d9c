package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// faulty serves a recorder whose faults a test sets.
type faulty struct {
	*recorder
	server *Server
	host   string
	next   atomic.Pointer[map[CallKind]Fault]
	ended  chan struct{} // one element for each question about a $disconnect
}

func newFaulty(t *testing.T) *faulty { return newFaultyOver(t, nil) }

func newFaultyOver(t *testing.T, config *tls.Config) *faulty {
	f := &faulty{recorder: newRecorder(), ended: make(chan struct{}, 100)}
	f.server = &Server{Function: f.recorder, AccountID: "123456781380", APIID: "ihd9y8pe0l", TLS: config, Fault: func(c Call) Fault {
		if c.Kind == CallDisconnect {
			defer func() { f.ended <- struct{}{} }()
		}
		if faults := f.next.Load(); faults != nil {
			return (*faults)[c.Kind]
		}
		return Fault{}
	}}
	f.host = serve(t, f.server)
	return f
}

func (f *faulty) set(kind CallKind, fault Fault) { f.next.Store(&map[CallKind]Fault{kind: fault}) }

func TestEachFaultOfAManagementCallHappens(t *testing.T) {
	f := newFaulty(t)
	c := dial(t, f.host, nil)
	id := f.recorder.next(t, "CONNECT").RequestContext.ConnectionID
	post := func() (answerOf, error) { return manage(t, "POST", f.host, pathOf(id), "x") }

	for _, test := range []struct {
		fault      Fault
		kind, body string
	}{
		{Fault{Status: 410}, "GoneException", ""},
		{Fault{Status: 429}, "LimitExceededException", `{"message":"Limit Exceeded"}`},
		{Fault{Status: 429, ErrorType: "TooManyRequestsException"}, "TooManyRequestsException", `{"message":"Too Many Requests"}`},
		{Fault{Status: 403}, "ForbiddenException", `{"message":"Forbidden"}`},
		{Fault{Status: 403, ErrorType: "AccessDeniedException"}, "AccessDeniedException",
			`{"Message":"User: arn:aws:iam::123456781380:user/wirepost is not authorized to perform: execute-api:ManageConnections on resource: arn:aws:execute-api:us-east-1:********1380:ihd9y8pe0l/dev/POST/@connections/{connectionId}"}`},
		{Fault{Status: 413}, "PayloadTooLargeException", `{"message":"Request Too Long"}`},
		{Fault{Status: 500}, "InternalServerErrorException", `{"message":"Internal server error"}`},
		{Fault{Status: 503}, "ServiceUnavailableException", `{"message":"Service Unavailable"}`},
		{Fault{Status: 403, Body: "<html>", ErrorType: "X", Header: http.Header{"content-type": {"text/html"}}}, "X", "<html>"},
	} {
		f.set(CallPost, test.fault)
		a, err := post()
		if err != nil || a.status != test.fault.Status || a.header.Get("x-amzn-errortype") != test.kind || a.body != test.body {
			t.Errorf("%+v: %+v, %v", test.fault, a, err)
		}
	}
	f.set(CallPost, Fault{ResetBefore: true})
	if a, err := post(); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("reset before: %+v, %v", a, err)
	}
	f.set(CallPost, Fault{Drop: true})
	if a, err := post(); err != nil || a.status != 200 {
		t.Errorf("drop: %+v, %v", a, err)
	}
	// Nothing so far was delivered: this is the first message.
	f.set(CallPost, Fault{ResetAfter: true})
	if a, err := manage(t, "POST", f.host, pathOf(id), "after"); err == nil {
		t.Errorf("reset after: %+v", a)
	}
	if got := read(t, c); got != "after" {
		t.Errorf("message = %q", got)
	}
	f.set(CallPost, Fault{Delay: time.Millisecond})
	if a, err := post(); err != nil || a.status != 200 {
		t.Errorf("delay: %+v, %v", a, err)
	}
	read(t, c)
	f.set(CallGet, Fault{Hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "GET", "http://"+f.host+pathOf(id), nil)
	signedBy(t, r, nil, DevelopmentCredentials(), "us-east-1", "execute-api", time.Now())
	if _, err := http.DefaultTransport.RoundTrip(r); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hang: %v", err)
	}
}

func TestEachFaultOfAnEventHappens(t *testing.T) {
	f := newFaulty(t)
	connect := func() (*websocket.Conn, *http.Response, error) {
		return websocket.Dial(t.Context(), "ws://"+f.host+"/dev", nil)
	}
	// $connect
	f.set(CallConnect, Fault{Status: 429})
	if _, r, err := connect(); err == nil || r.StatusCode != 429 {
		t.Errorf("connect, status: %v", err)
	}
	f.set(CallConnect, Fault{ResetBefore: true})
	if _, r, err := connect(); err == nil || r != nil {
		t.Errorf("connect, reset before: %v", err)
	}
	f.set(CallConnect, Fault{ResetAfter: true})
	if _, _, err := connect(); err == nil {
		t.Error("connect, reset after: connected")
	}
	f.recorder.next(t, "CONNECT")
	f.recorder.next(t, "DISCONNECT")
	f.set(CallConnect, Fault{Drop: true})
	c, _, err := connect()
	if err != nil {
		t.Fatalf("connect, drop: %v", err)
	}
	// messages of the connection that nobody heard of
	for _, test := range []struct {
		fault Fault
		want  string
	}{
		{Fault{Status: 403}, `{"message": "Forbidden", "`}, {Fault{Status: 504}, `{"message": "Endpoint request timed out", "`},
		{Fault{Status: 400}, `{"message": "Bad request body", "`}, {Fault{Status: 500}, `{"message": "Internal server error", "`},
		{Fault{Status: 500, Body: "own"}, "own"},
	} {
		f.set(CallMessage, test.fault)
		write(t, c, "m")
		if got := read(t, c); len(got) < len(test.want) || got[:len(test.want)] != test.want {
			t.Errorf("%+v: %s", test.fault, got)
		}
	}
	f.set(CallMessage, Fault{Drop: true})
	write(t, c, "dropped")
	f.set(CallMessage, Fault{Hang: true})
	write(t, c, "hanging")
	// Both were judged once a ping is answered: frames are taken in order.
	pinged := c.CloseRead(t.Context())
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.set(CallMessage, Fault{Delay: time.Millisecond})
	write(t, c, "delayed")
	if e := f.recorder.next(t, "MESSAGE"); e.Body != "delayed" {
		t.Errorf("message = %q", e.Body)
	}
	f.set(CallMessage, Fault{ResetAfter: true})
	write(t, c, "last")
	f.recorder.next(t, "MESSAGE")
	<-pinged.Done()
	if d := f.recorder.next(t, "DISCONNECT").RequestContext; d.DisconnectStatusCode != 1006 {
		t.Errorf("disconnect = %+v", d)
	}
	f.set(CallMessage, Fault{ResetBefore: true})
	c = dial(t, f.host, nil)
	f.recorder.next(t, "CONNECT")
	write(t, c, "never")
	f.recorder.next(t, "DISCONNECT")

	// a lost $disconnect
	for len(f.ended) > 0 {
		<-f.ended
	}
	f.set(CallDisconnect, Fault{Drop: true})
	nc := rawDial(t, f.host)
	f.recorder.next(t, "CONNECT")
	nc.Write(masked(0x88, nil))
	bufio.NewReader(nc).ReadByte()
	nc.Close()
	<-f.ended
	f.set(CallDisconnect, Fault{})
	c = dial(t, f.host, nil)
	if e := f.recorder.next(t, "CONNECT"); e.RequestContext.ConnectionID == "" {
		t.Error("no connection ID")
	}
	c.CloseNow()
}
