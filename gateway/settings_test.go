package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestAURLHasItsBound(t *testing.T) {
	f := newRecorder()
	host := serve(t, &Server{Function: f})
	small := serve(t, &Server{Function: f, URLBytes: 100})
	for _, test := range []struct {
		host   string
		bytes  int
		status int
	}{{host, 4096, 101}, {host, 4097, 414}, {host, 20_000, 414}, {small, 100, 101}, {small, 101, 414}} {
		status, errorType, body := shake(t, test.host, "/dev?"+strings.Repeat("a", test.bytes-5), "")
		if status != test.status || status == 414 && (errorType != "RequestTooLongException" || body != `{"message":"Request URI Too Long"}`) {
			t.Errorf("%d bytes: %d %s %s", test.bytes, status, errorType, body)
		}
	}
	if a := mustManage(t, "POST", host, pathOf(strings.Repeat("x", 4097)), "x"); a.status != 414 {
		t.Errorf("a management call: %+v", a)
	}
	if err := (&Server{Function: f, URLBytes: -1}).Validate(); err == nil || !strings.Contains(err.Error(), "URLBytes is negative") {
		t.Error(err)
	}
}

func TestPagesOfOtherOriginsAreRefusedIfAsked(t *testing.T) {
	f := newRecorder()
	s := &Server{Function: f, Origin: func(origin string) bool { return origin == "https://mine.test" }}
	host, any := serve(t, s), serve(t, &Server{Function: f})
	for _, test := range []struct {
		host, header string
		status       int
	}{
		{host, "Origin: https://mine.test\r\n", 101}, {host, "", 101}, {host, "Origin: https://other.test\r\n", 403}, {host, "Origin: null\r\n", 403},
		{host, "Origin:\r\n", 403}, {any, "Origin: https://other.test\r\n", 101},
	} {
		if status, _, body := shake(t, test.host, "/dev", test.header); status != test.status || status == 403 && body != `{"message":"Forbidden"}` {
			t.Errorf("%q: %d %s", test.header, status, body)
		}
	}
}

func TestManagementCallsToForeignNamesAreRefusedIfAsked(t *testing.T) {
	for _, test := range []struct {
		hosts  []string
		host   string
		served bool
	}{
		{nil, "anything.test", true}, {[]string{}, "localhost", false},
		{[]string{"localhost"}, "localhost", true}, {[]string{"localhost"}, "LOCALHOST:3001", true}, {[]string{"localhost:3001"}, "localhost:3001", true},
		{[]string{"localhost:3001"}, "localhost", false}, {[]string{"localhost:3001"}, "localhost:3002", false}, {[]string{"localhost"}, "evil.test", false},
		{[]string{"localhost"}, "localhost.evil.test", false}, {[]string{"::1"}, "[::1]:3001", true}, {[]string{"127.0.0.1", "b.test"}, "b.test:1", true},
		{[]string{"localhost"}, "", false},
	} {
		e := engineOf(t, &Server{Function: newRecorder(), Hosts: test.hosts})
		if got := e.servesHost(test.host); got != test.served {
			t.Errorf("%q with %q: %v", test.host, test.hosts, got)
		}
	}
	f := newRecorder()
	host := serve(t, &Server{Function: f, Hosts: []string{"gateway.test"}})
	dial(t, host, nil) // clients may come by any name
	id := f.next(t, "CONNECT").RequestContext.ConnectionID
	if a := mustManage(t, "POST", host, pathOf(id), "x"); a.status != 403 || a.body != `{"message":"Forbidden"}` {
		t.Errorf("%+v", a)
	}
}

func TestEveryManagementAnswerNamesItsAPI(t *testing.T) {
	f := newRecorder()
	s := &Server{Function: f, APIID: "ihd9y8pe0l", Fault: func(c Call) Fault {
		if c.Kind == CallGet {
			return Fault{Status: 500}
		}
		return Fault{}
	}}
	host := serve(t, s)
	dial(t, host, nil)
	id := f.next(t, "CONNECT").RequestContext.ConnectionID
	for status, a := range map[int]answerOf{
		200: mustManage(t, "POST", host, pathOf(id), "x"), 410: mustManage(t, "POST", host, pathOf("L0SM9cOFvHcCIhw="), "x"),
		400: mustManage(t, "POST", host, pathOf("x"), "x"), 500: mustManage(t, "GET", host, pathOf(id), ""),
		404: mustManage(t, "PUT", host, pathOf(id), ""), 403: mustManage(t, "POST", host, "/prod/@connections/x", ""),
		413: mustManage(t, "POST", host, pathOf(id), strings.Repeat("x", 128<<10+1)),
	} {
		if a.status != status || a.header.Get("X-Wirepost-Api") != "ihd9y8pe0l/dev" {
			t.Errorf("%d: %d %q", status, a.status, a.header.Get("X-Wirepost-Api"))
		}
	}
	if a := httpRaw(t, host, "GET /dev HTTP/1.1\r\nHost: x\r\n\r\n"); a.header.Get("X-Wirepost-Api") != "" {
		t.Errorf("a handshake's answer has it: %+v", a)
	}
}

func TestStageVariablesAreInEveryEventOrInNone(t *testing.T) {
	for _, variables := range []map[string]string{nil, {}, {"b": `"2"`, "a": "1"}} {
		f := newRecorder()
		host := serve(t, &Server{Function: f, StageVariables: variables})
		c := dial(t, host, nil)
		write(t, c, "m")
		f.next(t, "CONNECT")
		f.next(t, "MESSAGE")
		c.Close(websocket.StatusNormalClosure, "")
		f.next(t, "DISCONNECT")
		for range 3 {
			var got map[string]json.RawMessage
			if err := json.Unmarshal(<-f.raw, &got); err != nil {
				t.Fatal(err)
			}
			want := ""
			if len(variables) > 0 {
				want = `{"a":"1","b":"\"2\""}`
			}
			if string(got["stageVariables"]) != want {
				t.Errorf("%v: stageVariables = %s", variables, got["stageVariables"])
			}
		}
	}
}

func TestARouteHasItsOwnTimeout(t *testing.T) {
	hangs := FunctionFunc(func(ctx context.Context, _ []byte) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() })
	inFakeTime(t, &Server{IntegrationTimeout: 20 * time.Second, Routes: map[string]Route{
		"$default": {Function: hangs}, "fast": {Function: hangs, IntegrationTimeout: 50 * time.Millisecond},
	}}, func(t *testing.T, p *pipes, f *recorder) {
		nc, r := p.dial(t)
		for message, want := range map[string]time.Duration{`{"action":"fast"}`: 50 * time.Millisecond, "x": 20 * time.Second} {
			start := time.Now()
			nc.Write(masked(0x81, []byte(message)))
			if in, err := readFrame(r); err != nil || !strings.HasPrefix(string(in.payload), `{"message": "Endpoint request timed out", "`) || time.Since(start) != want {
				t.Errorf("%s: %s, %v after %v", message, in.payload, err, time.Since(start))
			}
		}
		nc.Close()
	})
	for timeout, ok := range map[time.Duration]bool{50 * time.Millisecond: true, 29 * time.Second: true, 49 * time.Millisecond: false, 30 * time.Second: false, -1: false} {
		err := (&Server{Routes: map[string]Route{"a": {Function: hangs, IntegrationTimeout: timeout}}}).Validate()
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "must be from 50ms to 29s") {
			t.Errorf("%v: %v", timeout, err)
		}
	}
}

var _ http.Handler = (*Server)(nil)
