package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/internal/app"
)

func TestErrorsAreThoseOfAWS(t *testing.T) {
	url := apiOf(app.FunctionURL)
	url.LogicalID = "F"
	notRun := httpAPI("GET /a")
	notRun.Routes[0].Unrunnable = &app.Unrunnable{Why: "it is a picture"}
	other := httpAPI("GET /a")
	other.Routes[0].Function = "Nobody"
	otherREST := restAPI("GET /a")
	otherREST.Routes[0].Function = "Nobody"
	long := with("X-Long", strings.Repeat("x", maxHeader))
	rebound := func(r *http.Request) { r.Host = "evil.example:3003" }
	for _, c := range []struct {
		name           string
		api            *app.HTTPAPI
		method, target string
		body           string
		change         func(*http.Request)
		fails          string
		status         int
		answer         string
	}{
		{"no route", httpAPI("GET /a"), "GET", "/b", "", nil, "", 404, `{"message":"Not Found"}`},
		{"no route of REST", restAPI("GET /a"), "GET", "/prod/b", "", nil, "", 403, `{"message":"Missing Authentication Token"}`},
		{"another stage", restAPI("GET /a"), "GET", "/dev/a", "", nil, "", 403, `{"message":"Forbidden"}`},
		{"a function that fails", httpAPI("GET /a"), "GET", "/a", "", nil, "boom", 500, `{"message":"Internal Server Error"}`},
		{"a function of REST that fails", restAPI("GET /a"), "GET", "/prod/a", "", nil, "boom", 502, `{"message": "Internal server error"}`},
		{"a function with a URL that fails", url, "GET", "/a", "", nil, "boom", 502, `Internal Server Error`},
		{"a route that cannot be run", notRun, "GET", "/a", "", nil, "", 500, `{"message":"Internal Server Error"}`},
		{"a function that is not there", other, "GET", "/a", "", nil, "", 500, `{"message":"Internal Server Error"}`},
		{"a function of REST that is not there", otherREST, "GET", "/prod/a", "", nil, "", 500, `{"message": "Internal server error"}`},
		{"a rebound name", httpAPI("GET /a"), "GET", "/a", "", rebound, "", 403, `{"message":"Forbidden"}`},
		{"a rebound name at REST", restAPI("GET /a"), "GET", "/prod/a", "", rebound, "", 403, `{"message":"Forbidden"}`},
		{"a rebound name at a URL", url, "OPTIONS", "/a", "", rebound, "", 403, `{"Message":"Forbidden"}`},
		{"a long header", httpAPI("GET /a"), "GET", "/a", "", long, "", 431, `{"message":"Request Header Fields Too Large"}`},
		{"a long query", httpAPI("GET /a"), "GET", "/a?" + strings.Repeat("x", maxHeader), "", nil, "", 431, ""},
		{"a large body", httpAPI("POST /a"), "POST", "/a", strings.Repeat("x", maxBody+1), nil, "", 413, `{"message":"Request Entity Too Large"}`},
		{"a large body of REST", restAPI("POST /a"), "POST", "/prod/a", strings.Repeat("x", maxBody+1), nil, "", 413, `{"message":"Request Too Long"}`},
		{"a large event", httpAPI("POST /a"), "POST", "/a", strings.Repeat("x", maxPayload), with("Content-Type", "text/plain"), "", 413, `{"message":"Request Entity Too Large"}`},
		{"an event that base64 makes large", url, "POST", "/a", strings.Repeat("x", 5<<20), nil, "", 413, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, c.api, `{}`)
			if c.fails != "" {
				s.functions["F"] = fails(c.fails)
			}
			change := func(*http.Request) {}
			if c.change != nil {
				change = c.change
			}
			w := s.ask(c.method, c.target, c.body, change)
			if w.Code != c.status || c.answer != "" && w.Body.String() != c.answer || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%d %s %v, want %d %s", w.Code, w.Body, w.Header(), c.status, c.answer)
			}
			if r := s.records; len(r) != 1 || !r[0].Failed || r[0].Why == "" || r[0].Status != c.status {
				t.Errorf("records %+v", r)
			}
		})
	}
}

func TestAnAnswerHasTheRequestsID(t *testing.T) {
	url := apiOf(app.FunctionURL)
	url.LogicalID = "F"
	for _, c := range []struct {
		api          *app.HTTPAPI
		target, name string
	}{{httpAPI("GET /"), "/", "Apigw-Requestid"}, {restAPI("GET /"), "/prod", "X-Amzn-Requestid"}, {url, "/", "X-Amzn-Requestid"}} {
		s := serve(t, c.api, `{"statusCode":200}`)
		w := s.ask("GET", c.target, "")
		if got := w.Header().Get(c.name); got == "" || got != s.member("requestContext", "requestId") || got != s.records[0].RequestID {
			t.Errorf("%s: %v", c.api.Kind, w.Header())
		}
	}
}

func TestAFunctionThatTakesLongerThanItsAPIWaitsGoesOn(t *testing.T) {
	url := apiOf(app.FunctionURL)
	url.LogicalID = "F"
	short := httpAPI("GET /a")
	short.Routes[0].Timeout = 2 * time.Second
	for _, c := range []struct {
		api    *app.HTTPAPI
		target string
		status int
		after  time.Duration
	}{
		{httpAPI("GET /a"), "/a", 503, 30 * time.Second},
		{short, "/a", 503, 2 * time.Second},
		{restAPI("GET /a"), "/prod/a", 504, 29 * time.Second},
		{url, "/a", 502, 15 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, c.api, "")
			ended := make(chan error, 1)
			s.functions["F"] = func(ctx context.Context, _ []byte) ([]byte, error) {
				select {
				case <-time.After(time.Hour):
					ended <- nil
				case <-ctx.Done():
					ended <- ctx.Err()
				}
				return nil, nil
			}
			began := time.Now()
			if w := s.ask("GET", c.target, ""); w.Code != c.status || time.Since(began) != c.after {
				t.Errorf("%s: %d after %v", c.api.Kind, w.Code, time.Since(began))
			}
			if err := <-ended; err != nil || time.Since(began) != time.Hour {
				t.Errorf("%s: the function ended with %v after %v", c.api.Kind, err, time.Since(began))
			}
		})
	}
}

func TestCloseWaitsForInvocationsAndCutsOffWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, httpAPI("GET /a"), "")
		took := time.Minute
		s.functions["F"] = func(ctx context.Context, _ []byte) ([]byte, error) {
			select {
			case <-time.After(took):
				return []byte(`"done"`), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		s.ask("GET", "/a", "") // 503 after 30 s; the function has 30 s left
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		began := time.Now()
		if err := s.Close(ctx); err != nil || time.Since(began) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if w := s.ask("GET", "/a", ""); w.Code != 500 {
			t.Errorf("after Close: %d", w.Code)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, httpAPI("GET /a"), "")
		s.functions["F"] = func(ctx context.Context, _ []byte) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() }
		s.ask("GET", "/a", "")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		if err := s.Close(ctx); err == nil || time.Since(began) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestTooManyInvocationsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, httpAPI("GET /a"), `{}`)
		s.mu.Lock()
		s.running = maxAtOnce
		s.mu.Unlock()
		if w := s.ask("GET", "/a", ""); w.Code != 429 {
			t.Errorf("%d", w.Code)
		}
	})
}

func TestAFunctionKnowsItsCauseAndMayRefuse(t *testing.T) {
	url := apiOf(app.FunctionURL)
	url.LogicalID = "F"
	for _, c := range []struct {
		api            *app.HTTPAPI
		target, cause  string
		busy, not, all int
	}{
		{httpAPI("GET /a/{id}"), "/a/1", "GET /a/{id} of the HTTP API Api", 503, 500, 500},
		{restAPI("GET /a/{id}"), "/prod/a/1", "GET /a/{id} of the REST API Api", 500, 500, 502},
		{url, "/a/1", "GET /a/1 of its URL", 429, 500, 502},
	} {
		s := serve(t, c.api, "")
		for err, status := range map[error]int{fmt.Errorf("function F: %w", ErrThrottled): c.busy, fmt.Errorf("function F: %w", ErrUnavailable): c.not, errors.New("boom"): c.all} {
			s.functions["F"] = func(ctx context.Context, _ []byte) ([]byte, error) {
				if got := Cause(ctx); got != c.cause {
					t.Errorf("the cause is %q, want %q", got, c.cause)
				}
				return nil, err
			}
			if w := s.ask("GET", c.target, ""); w.Code != status {
				t.Errorf("%s, %v: %d, want %d", c.api.Kind, err, w.Code, status)
			}
		}
		if len(s.notices) != 1 || !strings.Contains(s.notices[0], "cannot be run here") {
			t.Errorf("%q", s.notices)
		}
	}
	if Cause(t.Context()) != "" {
		t.Error("any context has a cause")
	}
}

func TestAFunctionThatPanicsHasFailed(t *testing.T) {
	s := serve(t, httpAPI("GET /a"), "")
	s.functions["F"] = func(context.Context, []byte) ([]byte, error) { panic("boom") }
	if w := s.ask("GET", "/a", ""); w.Code != 500 || !strings.Contains(s.records[0].Why, "boom") {
		t.Errorf("%d %+v", w.Code, s.records)
	}
}

func TestARecordHasNoSecrets(t *testing.T) {
	s := serve(t, httpAPI("GET /a"), `{"statusCode":200,"headers":{"x-auth-token":"SECRET"},"cookies":["a=SECRET"],"body":"`+strings.Repeat("x", maxRecorded+1)+`"}`)
	s.ask("GET", "/a?token=SECRET&access%5Ftoken=SECRET&page=2&api_key=", "", with("Authorization", "SECRET"), with("Cookie", "a=SECRET"), with("X-Api-Key", "SECRET"), with("X-Page", "2"))
	r := s.records[0]
	var all bytes.Buffer
	r.RequestHeader.Write(&all)
	r.AnswerHeader.Write(&all)
	all.WriteString(r.Target)
	if strings.Contains(all.String(), "SECRET") {
		t.Error(all.String())
	}
	if r.Target != "/a?token=(masked)&access%5Ftoken=(masked)&page=2&api_key=" || r.RequestHeader.Get("X-Page") != "2" {
		t.Errorf("%s %v", r.Target, r.RequestHeader)
	}
	if len(r.AnswerBody) != maxRecorded || r.RouteKey != "GET /a" || r.Function != "F" || r.Status != 200 || r.Failed {
		t.Errorf("%d bytes, %+v", len(r.AnswerBody), r)
	}
	if h := s.event; !bytes.Contains(h, []byte("SECRET")) {
		t.Errorf("the function's event is masked: %s", h)
	}
}

// listen serves an API on a loopback port.
func listen(t *testing.T, s *served) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(s, slog.New(slog.DiscardHandler))
	done := make(chan struct{})
	go func() { server.Serve(l); close(done) }()
	t.Cleanup(func() { server.Close(); <-done })
	return l.Addr().String()
}

// raw sends bytes and reads one answer.
func raw(t *testing.T, address, request string) (*http.Response, string, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(c, request)
	r := bufio.NewReader(c)
	method, _, _ := strings.Cut(request, " ")
	answer, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	return answer, string(body), r
}

func TestOnTheWire(t *testing.T) {
	s := serve(t, httpAPI("ANY /{proxy+}"), `{"statusCode":200,"body":"hi","headers":{"content-type":"text/plain"}}`)
	address := listen(t, s)
	host := "Host: " + address + "\r\n"

	answer, body, _ := raw(t, address, "POST /a HTTP/1.1\r\n"+host+"Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
	if answer.StatusCode != 200 || body != "hi" || s.member("body") != "abcde" || s.member("headers", "content-length") != "5" || s.member("headers", "transfer-encoding") != nil {
		t.Errorf("chunked: %d %q %s", answer.StatusCode, body, s.event)
	}

	answer, body, _ = raw(t, address, "HEAD /a HTTP/1.1\r\n"+host+"\r\n")
	if answer.StatusCode != 200 || body != "" || answer.ContentLength != 2 || s.member("requestContext", "http", "method") != "HEAD" {
		t.Errorf("HEAD: %d %q %d", answer.StatusCode, body, answer.ContentLength)
	}

	answer, _, rest := raw(t, address, "POST /a HTTP/1.1\r\n"+host+"Content-Length: 0\r\n\r\n")
	if answer.StatusCode != 200 || rest.Buffered() > 0 {
		t.Errorf("an empty body: %d", answer.StatusCode)
	}

	answer, _, _ = raw(t, address, "GET /a HTTP/1.1\r\n"+host+"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	if answer.StatusCode != 200 {
		t.Errorf("an upgrade: %d", answer.StatusCode)
	}

	answer, _, _ = raw(t, address, "OPTIONS * HTTP/1.1\r\n"+host+"\r\n")
	if answer.StatusCode != 400 {
		t.Errorf("OPTIONS *: %d %s", answer.StatusCode, s.event)
	}

	answer, _, _ = raw(t, address, "POST /a HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 1000000\r\n\r\n")
	if answer.StatusCode != 403 || !answer.Close {
		t.Errorf("a rebound name with a body: %d, close %v", answer.StatusCode, answer.Close)
	}
}

func TestABodyIsAskedForOnlyIfItIsWanted(t *testing.T) {
	s := serve(t, httpAPI("POST /a"), `"ok"`)
	address := listen(t, s)
	ask := func(path string, length string) (string, *bufio.Reader, net.Conn) {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(c, "POST "+path+" HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nExpect: 100-continue\r\nContent-Length: "+length+"\r\n\r\n")
		r := bufio.NewReader(c)
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(line), r, c
	}
	line, r, c := ask("/a", "2")
	if line != "HTTP/1.1 100 Continue" {
		t.Fatalf("%q", line)
	}
	r.ReadString('\n')
	io.WriteString(c, "ab")
	if line, _ := r.ReadString('\n'); !strings.Contains(line, "200") || s.member("body") != "ab" || s.member("headers", "expect") != nil {
		t.Errorf("%q %s", line, s.event)
	}
	if line, _, _ := ask("/b", "2"); !strings.Contains(line, "404") {
		t.Errorf("no route: %q", line)
	}
	if line, _, _ := ask("/a", "99999999"); !strings.Contains(line, "413") {
		t.Errorf("too large: %q", line)
	}
}

func TestABodyWithoutALengthIsBounded(t *testing.T) {
	s := serve(t, httpAPI("POST /a"), `"ok"`)
	r := httptest.NewRequest("POST", "http://localhost/a", slow{strings.NewReader(strings.Repeat("x", maxBody+1))})
	r.ContentLength = -1
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 413 {
		t.Errorf("%d", w.Code)
	}
}
