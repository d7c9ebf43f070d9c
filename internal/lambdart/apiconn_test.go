package lambdart

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// odd makes a request one for net/http: a header value that is not ASCII.
const odd = "X-Odd: ü\r\n"

// wire is a connection to a Runtime API on which a test writes what it likes.
type wire struct {
	t    *testing.T
	nc   net.Conn
	from *bufio.Reader
	host string
}

func (r *runtimeClient) wire(t *testing.T) *wire {
	t.Helper()
	nc, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	return &wire{t, nc, bufio.NewReader(nc), r.address}
}

func (w *wire) send(parts ...string) {
	w.t.Helper()
	for _, part := range parts {
		if _, err := io.WriteString(w.nc, part); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *wire) next(fields string) string {
	return "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: " + w.host + "\r\n" + fields + "\r\n"
}

func (w *wire) response(id, fields, rest string) string {
	return "POST /2018-06-01/runtime/invocation/" + id + "/response HTTP/1.1\r\nHost: " + w.host + "\r\n" + fields + "\r\n" + rest
}

// answer reads one answer. Its status is 0 where the connection has ended.
func (w *wire) answer() (status int, header http.Header, body string) {
	w.t.Helper()
	answer, err := http.ReadResponse(w.from, nil)
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, nil, ""
		}
		w.t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(text)
}

// An invocation has the same course in whichever form its requests come, and also when
// the form changes.
func TestAnInvocationHasTheSameCourseInEachFormOfItsRequests(t *testing.T) {
	r := playRuntime(t)
	const chunks = "Transfer-Encoding: chunked\r\nTrailer: Lambda-Runtime-Function-Error-Type\r\n"
	for name, form := range map[string]struct{ next, fields, rest string }{
		"a length":                    {"", "Content-Length: 3\r\n", "abc"},
		"chunks":                      {"", chunks, "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"},
		"for net/http":                {odd, odd + "Content-Length: 3\r\n", "abc"},
		"net/http from the answer on": {"", odd + "Content-Length: 3\r\n", "abc"},
		"chunks with an extension":    {"", chunks, "1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n"},
		"chunks and a trailer field":  {"", chunks, "1\r\na\r\n2\r\nbc\r\n0\r\nLambda-Runtime-Function-Error-Type: \r\n\r\n"},
	} {
		for _, step := range []int{1, 7, 1 << 20} {
			w := r.wire(t)
			for range 2 { // the connection stays
				result := make(chan invoked, 1)
				go func() { // ends with the invocation
					answer, err := r.f.Invoke(t.Context(), []byte(`{"a":1}`))
					result <- invoked{string(answer), err}
				}()
				w.send(split(w.next(form.next), step)...)
				status, header, event := w.answer()
				if id := header.Get("Lambda-Runtime-Aws-Request-Id"); status != 200 || event != `{"a":1}` || header.Get("Content-Type") != "application/json" || header.Get("Date") == "" || len(id) != 36 {
					t.Fatalf("%s: %d %v %s", name, status, header, event)
				}
				w.send(split(w.response(header.Get("Lambda-Runtime-Aws-Request-Id"), form.fields, form.rest), step)...)
				if status, _, said := w.answer(); status != 202 || said != accepted {
					t.Errorf("%s: %d %s", name, status, said)
				}
				if got := <-result; got.err != nil || got.answer != "abc" {
					t.Errorf("%s: %+v", name, got)
				}
			}
			w.nc.Close()
			r.awaitNoNext(t)
		}
	}
}

func split(text string, step int) (parts []string) {
	for ; len(text) > step; text = text[step:] {
		parts = append(parts, text[:step])
	}
	return append(parts, text)
}

// What is refused is refused alike, whether the connection was net/http's before or not.
func TestARefusalIsTheSameInEachFormOfARequest(t *testing.T) {
	r := playRuntime(t)
	for name, request := range map[string]func(w *wire, fields string) string{
		"another ID":    func(w *wire, fields string) string { return w.response("x", fields+"Content-Length: 1\r\n", "x") },
		"another host":  func(w *wire, fields string) string { return strings.Replace(w.next(fields), w.host, "evil.example", 1) },
		"a page":        func(w *wire, fields string) string { return w.next(fields + "origin: null\r\n") },
		"a page's mode": func(w *wire, fields string) string { return w.next(fields + "SEC-FETCH-MODE: navigate\r\n") },
		"a body":        func(w *wire, fields string) string { return w.next(fields+"Content-Length: 1\r\n") + "x" },
		"a method":      func(w *wire, fields string) string { return strings.Replace(w.next(fields), "GET", "PUT", 1) },
		"a path":        func(w *wire, fields string) string { return strings.Replace(w.next(fields), "/next", "/nowhere", 1) },
		"too large": func(w *wire, fields string) string {
			return w.response("x", fields+fmt.Sprintf("Content-Length: %d\r\n", payloadLimit+1), "")
		},
	} {
		var said [2]string
		for i, fields := range []string{"", odd} {
			w := r.wire(t)
			w.send(request(w, fields))
			status, header, body := w.answer()
			header.Del("Date")
			said[i] = fmt.Sprint(status, header, body)
			if end, _, _ := w.answer(); status < 400 || end != 0 {
				t.Errorf("%s: %d, and then %d", name, status, end)
			}
		}
		if said[0] != said[1] {
			t.Errorf("%s: %s\nand by net/http %s", name, said[0], said[1])
		}
	}
}

func TestASecondNextOfTheSameProcessTakesThePlaceOfTheFirst(t *testing.T) {
	r := playRuntime(t)
	for _, fields := range [][2]string{{"", ""}, {odd, ""}, {"", odd}, {odd, odd}} {
		first, second := r.wire(t), r.wire(t)
		first.send(first.next(fields[0]))
		awaitThat(t, func() bool { return r.waits() }, func() string { return "the first does not wait" })
		second.send(second.next(fields[1]))
		if status, _, said := first.answer(); status != 403 || !strings.Contains(said, secondNext) {
			t.Errorf("%q: the first got %d %s", fields, status, said)
		}
		if status, _, _ := first.answer(); status != 0 {
			t.Errorf("%q: the first connection stays", fields)
		}
		result := make(chan invoked, 1)
		go func() { // ends with the invocation
			answer, err := r.f.Invoke(t.Context(), []byte(`{}`))
			result <- invoked{string(answer), err}
		}()
		status, header, _ := second.answer()
		second.send(second.response(header.Get("Lambda-Runtime-Aws-Request-Id"), "Content-Length: 1\r\n", "1"))
		if got := <-result; status != 200 || got.answer != "1" || got.err != nil {
			t.Errorf("%q: %d, %+v", fields, status, got)
		}
		second.nc.Close()
		r.awaitNoNext(t)
	}
}

// waits reports whether a request for /next waits.
func (r *runtimeClient) waits() bool {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	for p := range r.f.processes {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.poll != nil
	}
	return false
}

// Nothing is lost of requests that a client sends ahead, or answers before it has read.
func TestRequestsThatAreSentAheadWaitForTheirTurn(t *testing.T) {
	r := playRuntime(t)
	w := r.wire(t)
	event := bytes.Repeat([]byte("x"), payloadLimit)
	w.send(w.next("") + w.response("x", "Content-Length: 1\r\n", "x"))
	awaitThat(t, func() bool { return r.waits() }, func() string { return "it does not wait" })
	result := make(chan invoked, 1)
	go func() { // ends with the invocation
		answer, err := r.f.Invoke(t.Context(), event)
		result <- invoked{string(answer), err}
	}()
	status, header, got := w.answer()
	if status != 200 || got != string(event) {
		t.Fatalf("%d, %d bytes", status, len(got))
	}
	if status, _, said := w.answer(); status != 400 || !strings.Contains(said, "InvalidRequestID") {
		t.Errorf("%d %s", status, said)
	}
	w = r.wire(t)
	w.send(w.response(header.Get("Lambda-Runtime-Aws-Request-Id"), "Content-Length: 1\r\n", "1"))
	if got := <-result; got.answer != "1" || got.err != nil {
		t.Errorf("%+v", got)
	}
}

// A client that stops in the middle does not keep its connection.
func TestAHeadThatDoesNotComeToItsEndIsGivenUp(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: it waits for 5 s")
	}
	t.Parallel()
	r := playRuntime(t)
	began := time.Now()
	for _, text := range []string{"", "GET /2018"} {
		w := r.wire(t)
		w.send(text)
		if status, _, _ := w.answer(); status != 0 {
			t.Errorf("%q was answered with %d", text, status)
		}
	}
	if took := time.Since(began); took < refusedTime {
		t.Errorf("it was given up after %v", took)
	}
}
