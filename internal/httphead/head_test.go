package httphead_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/httphead"
)

// taken are requests as clients send them, with the length of their bodies.
var taken = []struct {
	text   string
	length int
}{
	{"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1:9001\r\nUser-Agent: aws-lambda-go/go1.26\r\nAccept-Encoding: gzip\r\n\r\n", 0},
	{"POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: 127.0.0.1:9001\r\nTransfer-Encoding: chunked\r\nTrailer: Lambda-Runtime-Function-Error-Body,Lambda-Runtime-Function-Error-Type\r\n\r\n", httphead.Chunked},
	{"POST /dev/@connections/L0SM9cOFvHcCIAg%3D HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 5\r\nConnection: keep-alive\r\nX:\t a \t b\r\n\r\n", 5},
	{"DELETE /a?b=c&d HTTP/1.1\r\nhost: localhost\r\n\r\n", 0},
}

// left are what net/http is to judge: some of it is wrong, some only unusual.
var left = []string{
	"GET / HTTP/1.0\r\nHost: a\r\n\r\n", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "get / HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET //a HTTP/1.1\r\nHost: a\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "GET /% HTTP/1.1\r\nHost: a\r\n\r\n", "GET /ü HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nPragma: no-cache\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1234567890\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nTrailer: X\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: ü\r\n\r\n",
	"GET / HTTP/1.1\nHost: a\n\n\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\rb: c\r\n\r\n", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", httphead.MaxBytes) + "\r\n\r\n", strings.Repeat("x", httphead.MaxBytes),
}

func TestARequestAsClientsSendItIsTaken(t *testing.T) {
	for _, c := range taken {
		var r httphead.Request
		for cut := range c.text {
			if size, ok := r.Parse([]byte(c.text[:cut])); size != 0 || !ok {
				t.Fatalf("%d bytes of %q: %d, %v", cut, c.text, size, ok)
			}
		}
		if size, ok := r.Parse([]byte(c.text + "more")); size != len(c.text) || !ok || r.Length != c.length {
			t.Errorf("%q: %d, %v, length %d", c.text, size, ok, r.Length)
		}
	}
}

func TestAnyOtherRequestIsLeftToNetHTTP(t *testing.T) {
	for _, text := range left {
		var r httphead.Request
		if _, ok := r.Parse([]byte(text)); ok {
			t.Errorf("%.200q is taken", text)
		}
	}
}

func TestAFieldIsFoundInWhateverCase(t *testing.T) {
	var r httphead.Request
	if _, ok := r.Parse([]byte("GET / HTTP/1.1\r\nHost: a\r\nx-one: 1\r\nX-ONE: 2\r\n\r\n")); !ok || string(r.Get("X-One")) != "1" || r.Get("X-On") != nil {
		t.Errorf("%v %q", ok, r.Fields)
	}
}

func TestChunksAreReadHoweverTheyArrive(t *testing.T) {
	const text = "3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n\r\n"
	for step := 1; step <= len(text); step++ {
		var c httphead.Chunks
		end := 0
		for n := step; end == 0; n = min(n+step, len(text)) {
			var ok bool
			if end, ok = c.Scan([]byte(text[:n]), 13); !ok {
				t.Fatalf("%d bytes at a time: not taken at %d", step, n)
			}
			if end == 0 && n == len(text) {
				t.Fatalf("%d bytes at a time: no end", step)
			}
		}
		if body := string(c.Body([]byte(text))); end != len(text) || body != "abc0123456789" {
			t.Errorf("%d bytes at a time: end %d, %q", step, end, body)
		}
	}
	for _, text := range []string{text, "x", "\r\n", "1;a=b\r\nx\r\n", "1\nx\r\n", "1\r\nxx", "1\r\nx\n", "0\r\nX: y\r\n\r\n", "123456789\r\n", "ffffffff\r\n", " 1\r\n"} {
		var c httphead.Chunks
		if end, ok := c.Scan([]byte(text), 12); ok {
			t.Errorf("%q is taken, end %d", text, end)
		}
	}
}

// What is taken is what net/http reads.
func FuzzRequest(f *testing.F) {
	for _, c := range taken {
		f.Add([]byte(c.text + "5\r\nabcde\r\n0\r\n\r\n"))
	}
	for _, text := range left {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r httphead.Request
		size, ok := r.Parse(b)
		if !ok || size == 0 {
			return
		}
		from := bytes.NewReader(b)
		buffered := bufio.NewReader(from)
		theirs, err := http.ReadRequest(buffered)
		if err != nil {
			t.Fatalf("net/http does not take %q: %v", b[:size], err)
		}
		rest := b[size:]
		if r.Length >= 0 {
			if left := from.Len() + buffered.Buffered(); left != len(rest) {
				t.Fatalf("%d bytes are left, and net/http leaves %d", len(rest), left)
			}
			if theirs.ContentLength != int64(r.Length) || len(theirs.TransferEncoding) > 0 {
				t.Fatalf("length %d, net/http's %d %v", r.Length, theirs.ContentLength, theirs.TransferEncoding)
			}
		} else {
			sameBody(t, rest, theirs.Body)
		}
		if theirs.Method != r.Method || theirs.RequestURI != string(r.Target) || theirs.Host != string(r.Host) || theirs.Close || theirs.Proto != "HTTP/1.1" {
			t.Fatalf("%+v, net/http's %+v", r, theirs)
		}
		mine := http.Header{}
		for _, field := range r.Fields {
			if name := http.CanonicalHeaderKey(string(field.Name)); name != "Host" && name != "Transfer-Encoding" && name != "Trailer" && name != "Content-Length" {
				mine.Add(name, string(field.Value))
			}
		}
		theirs.Header.Del("Content-Length")
		if fmt.Sprint(mine) != fmt.Sprint(theirs.Header) {
			t.Fatalf("%q, net/http's %q", mine, theirs.Header)
		}
	})
}

// sameBody compares a chunked body with what net/http makes of it.
func sameBody(t *testing.T, raw []byte, theirs io.Reader) {
	t.Helper()
	var c httphead.Chunks
	end, ok := c.Scan(raw, 1<<20)
	if !ok || end == 0 {
		return
	}
	want, err := io.ReadAll(theirs)
	if err != nil || !bytes.Equal(want, c.Body(raw)) {
		t.Fatalf("the body %q, net/http's %q, %v", c.Body(raw), want, err)
	}
}
