package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// head is the request line and the fields of a post, signed for a body, whatever is
// sent of it.
func head(t *testing.T, body string, chunked bool) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://gateway.test"+pathOf("L0SM9cOFvHcCIhw="), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if chunked {
		r.ContentLength = -1
	}
	signedBy(t, r, []byte(body), DevelopmentCredentials(), "us-east-1", "execute-api", time.Now())
	var all bytes.Buffer
	if err := r.Write(&all); err != nil {
		t.Fatal(err)
	}
	fields, _, _ := strings.Cut(all.String(), "\r\n\r\n")
	return fields + "\r\n\r\n"
}

const unsigned = "POST /dev/@connections/L0SM9cOFvHcCIhw= HTTP/1.1\r\nHost: gateway.test\r\n"

// hangingRequests are requests that are never complete: what is sent at once, what
// follows every second, the status of the answer and how long it may take.
func hangingRequests(t *testing.T) []hangingRequest {
	hundred := strings.Repeat("x", 100)
	return []hangingRequest{
		{"unsigned, no body", unsigned + "Content-Length: 100\r\n\r\n", "", 403, discardTimeout},
		{"unsigned, a chunk and no more", unsigned + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", "", 403, discardTimeout},
		{"unsigned, a byte each second", unsigned + "Content-Length: 100\r\n\r\n", "x", 403, discardTimeout},
		{"unsigned, a chunk each second", unsigned + "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", 403, discardTimeout},
		{"unsigned, trailers without an end", unsigned + "Transfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n", 403, discardTimeout},
		{"unsigned, a wait for permission", unsigned + "Content-Length: 100\r\nExpect: 100-continue\r\n\r\n", "", 403, 0},
		{"unsigned, another expectation", unsigned + "Content-Length: 100\r\nExpect: nothing\r\n\r\n", "x", 417, 0},
		{"another stage", strings.Replace(unsigned, "dev", "prod", 1) + "Content-Length: 100\r\n\r\n", "", 403, discardTimeout},
		{"signed, no body", head(t, hundred, false), "", 400, bodyTimeout},
		{"signed, a byte each second", head(t, hundred, false), "x", 400, bodyTimeout},
		{"signed, a chunk each second", head(t, hundred, true), "1\r\nx\r\n", 400, bodyTimeout},
		{"signed, more than a message", strings.Replace(head(t, hundred, false), "Content-Length: 100", "Content-Length: 1000000", 1), "x", 413, discardTimeout},
		{"a handshake with a body", "GET /dev HTTP/1.1\r\nHost: x\r\n" + handshakeFields + "Content-Length: 100\r\n\r\n", "", 400, 0},
		{"a handshake astray with a body", "GET /else HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n", "x", 403, 0},
		{"a URL that is too long, with a body", "GET /" + strings.Repeat("x", 5000) + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n", "", 414, 0},
		{"a question about the server, with a body", "OPTIONS * HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n", "x", 403, 0},
		{"half of a line", "POST /dev HT", "", 400, headerTimeout},
		{"a header a second", unsigned, "A: b\r\n", 0, headerTimeout},
	}
}

type hangingRequest struct {
	name, send, drip string
	status           int // 0: closed without an answer
	within           time.Duration
}

// connect makes a connection to a server on pipes, plain or over TLS.
func (p *pipes) connect(t *testing.T, secure bool) net.Conn {
	t.Helper()
	nc, theirs := net.Pipe()
	p.Conns <- theirs
	if secure {
		_, config := testTLS()
		return tls.Client(nc, config)
	}
	return nc
}

// keepSending writes until the connection ends.
func keepSending(nc net.Conn, first, drip string) {
	if _, err := io.WriteString(nc, first); err != nil || drip == "" {
		return
	}
	for tick := time.NewTicker(time.Second); ; <-tick.C {
		if _, err := io.WriteString(nc, drip); err != nil {
			tick.Stop()
			return
		}
	}
}

func TestARequestThatIsNeverCompleteIsAnsweredAndEnds(t *testing.T) {
	for _, over := range []string{"plain", "TLS"} {
		synctest.Test(t, func(t *testing.T) {
			s := &Server{Function: newRecorder(), TLS: serverTLS()}
			p := newPipes()
			serveOn(t, s, p)
			for _, test := range hangingRequests(t) {
				nc := p.connect(t, over == "TLS")
				start := time.Now()
				var sending sync.WaitGroup
				sending.Go(func() { keepSending(nc, test.send, test.drip) }) // ends when nc is closed
				answer, err := http.ReadResponse(bufio.NewReader(nc), nil)
				status := 0
				if err == nil {
					status = answer.StatusCode
				}
				if took := time.Since(start); status != test.status || took > test.within {
					t.Errorf("%s, %s: status %d after %v (%v), want %d within %v", over, test.name, status, took, err, test.status, test.within)
				}
				io.Copy(io.Discard, nc) // until the gateway closes
				if took := time.Since(start); took > max(test.within+discardTimeout, bodyTimeout)+time.Second {
					t.Errorf("%s, %s: the connection ends after %v", over, test.name, took)
				}
				nc.Close()
				sending.Wait()
				time.Sleep(time.Second) // net/http's own, before it closes
				synctest.Wait()
				if u := s.Unfinished(); u != (Unfinished{}) || len(s.engine.sockets) > 0 {
					t.Errorf("%s, %s: %v and %d sockets are left", over, test.name, u, len(s.engine.sockets))
				}
			}
		})
	}
}

func TestAnAnswerThatNobodyTakesEnds(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 1<<20)) })
	s := &Server{Page: page}
	inFakeTime(t, s, func(t *testing.T, p *pipes, f *recorder) {
		for request, limit := range map[string]time.Duration{
			unsigned + "\r\n":                      answerTimeout,
			head(t, "x", false) + "x":              answerTimeout,
			"GET /dev HTTP/1.1\r\nHost: x\r\n\r\n": answerTimeout,
			"GET / HTTP/1.1\r\nHost: x\r\n\r\n":    pageTimeout,
		} {
			nc := p.connect(t, false)
			io.WriteString(nc, request)
			time.Sleep(limit + time.Second)
			synctest.Wait()
			if _, err := nc.Write([]byte("x")); err == nil || len(s.engine.sockets) > 0 {
				t.Errorf("%.30q is not over after %v", request, limit)
			}
			nc.Close()
		}
	})
}

// What a fault delays, or a function, is not the client's time.
func TestABodyThatIsCompleteHasNoDeadlineAnyMore(t *testing.T) {
	fault := func(c Call) Fault {
		return Fault{Delay: map[bool]time.Duration{true: 2 * bodyTimeout}[c.Kind == CallPost]}
	}
	inFakeTime(t, &Server{Fault: fault}, func(t *testing.T, p *pipes, f *recorder) {
		nc := p.connect(t, false)
		defer nc.Close()
		r := bufio.NewReader(nc)
		for _, request := range []string{head(t, "x", false) + "x", head(t, "x", true) + "1\r\nx\r\n0\r\n\r\n"} {
			start := time.Now()
			io.WriteString(nc, request)
			answer, err := http.ReadResponse(r, nil)
			if err != nil || answer.StatusCode != 410 || time.Since(start) != 2*bodyTimeout {
				t.Fatalf("%v, %v after %v", answer, err, time.Since(start))
			}
			io.Copy(io.Discard, answer.Body)
		}
	})
}

func TestShutdownGivesRequestsThatHangHalfASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Function: newRecorder(), TLS: serverTLS(),
			Page: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 1<<20)) })}
		p := newPipes()
		served := make(chan error)
		go func() { served <- s.Serve(p) }()
		requests := hangingRequests(t)
		var sending sync.WaitGroup
		defer sending.Wait()
		for _, secure := range []bool{false, true} {
			for _, test := range requests {
				nc := p.connect(t, secure)
				sending.Go(func() { keepSending(nc, test.send, test.drip) }) // both end when the gateway closes
				sending.Go(func() { io.Copy(io.Discard, nc) })
			}
		}
		io.WriteString(p.connect(t, false), "GET / HTTP/1.1\r\nHost: x\r\n\r\n") // and takes nothing of the page
		synctest.Wait()
		start := time.Now()
		if u := s.Unfinished(); u.Requests < len(requests) || u.Connections+u.Invocations > 0 {
			t.Errorf("unfinished: %v", u)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil || time.Since(start) > 2*time.Second {
			t.Errorf("Shutdown = %v after %v", err, time.Since(start))
		}
		if err := <-served; err != http.ErrServerClosed {
			t.Errorf("Serve = %v", err)
		}
	})
}

func TestShutdownSaysWhatHadNotEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := &Server{MaxDisconnects: 1, Function: FunctionFunc(func(_ context.Context, payload []byte) ([]byte, error) {
			if bytes.Contains(payload, []byte("DISCONNECT")) || bytes.Contains(payload, []byte("slow")) {
				<-release
			}
			return []byte(`{"statusCode":200}`), nil
		})}
		p := newPipes()
		served := make(chan error)
		go func() { served <- s.Serve(p) }()
		nc, r := p.dial(t)
		p.dial(t)
		waiting := p.connect(t, false)
		go io.WriteString(waiting, "GET /dev?slow=1 HTTP/1.1\r\nHost: x\r\n"+handshakeFields+"\r\n")
		go func() { // answers the close frame
			wantClose(t, r, closePayload(1001, "Going away"))
			nc.Write(masked(0x88, closePayload(1001, "")))
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err := s.Shutdown(ctx)
		unfinished, ok := errors.AsType[*UnfinishedError](err)
		if !ok || !errors.Is(err, context.DeadlineExceeded) || unfinished.Unfinished != (Unfinished{Requests: 1, Invocations: 3}) {
			t.Errorf("Shutdown = %v", err)
		}
		if got := fmt.Sprint(Unfinished{1, 2, 3}, "; ", Unfinished{Invocations: 1}, "; ", Unfinished{}); got != "1 connection, 2 requests and 3 invocations; 1 invocation; nothing" {
			t.Errorf("they are said as %q", got)
		}
		close(release)
		<-served
	})
}
