package wirepost

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// lyingEndpoint answers each request with raw bytes: once with first, then with more
// until the client has enough.
func lyingEndpoint(t *testing.T, first, more string, pause time.Duration) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	begin, next := []byte(first), []byte(more)
	var serving sync.WaitGroup
	stopped := make(chan struct{})
	t.Cleanup(func() { close(stopped); l.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { // ends when the client closes, or with the test
				defer nc.Close()
				if _, err := http.ReadRequest(bufio.NewReader(nc)); err != nil {
					return
				}
				for text := begin; ; text = next {
					if _, err := nc.Write(text); err != nil {
						return
					}
					select {
					case <-stopped:
						return
					case <-time.After(pause):
					}
				}
			})
		}
	})
	return "http://" + l.Addr().String()
}

func TestAHeaderWithoutAnEndCostsLittle(t *testing.T) {
	line := "X-Padding: " + strings.Repeat("x", 1000) + "\r\n"
	for name, answer := range map[string][2]string{
		"long lines":    {"HTTP/1.1 200 OK\r\n", strings.Repeat(line, 60)},
		"many lines":    {"HTTP/1.1 200 OK\r\n", strings.Repeat("a:\r\n", 16<<10)},
		"one line":      {"HTTP/1.1 200 OK\r\nX: ", strings.Repeat("x", 64<<10)},
		"a status line": {"HTTP/1.1 200 ", strings.Repeat("x", 64<<10)},
		"many answers":  {"", strings.Repeat("HTTP/1.1 103 Early Hints\r\n"+strings.Repeat(line, 10)+"\r\n", 6)},
		"a trailer":     {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", strings.Repeat(line, 60)},
		"chunk lines":   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", strings.Repeat("x", 64<<10)},
	} {
		const posts = 20
		url := lyingEndpoint(t, answer[0], answer[1], 0)
		p := publisher(t, at(t, url+"/dev", posts), nil)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		r, err := p.Publish(t.Context(), Everyone(), []byte("x"), nil)
		runtime.ReadMemStats(&after)
		if err != nil || r.Sent+r.Failed != posts {
			t.Errorf("%s: %v, %v", name, r, err)
		}
		// With what the other side of the test allocates.
		if each := (after.TotalAlloc - before.TotalAlloc) / posts; each > 2<<20 || time.Since(start) > 8*time.Second {
			t.Errorf("%s: a post took %d KiB, all of them %v", name, each>>10, time.Since(start))
		}
	}
}

// What is known of a post is said when it is known.
func TestABodyThatDripsKeepsNoPostWaiting(t *testing.T) {
	const chunked = "Transfer-Encoding: chunked\r\n"
	for name, test := range map[string]struct{ answer, want string }{
		"sent":            {"HTTP/1.1 200 OK\r\n" + chunked + "\r\n", "sent 1"},
		"sent, by length": {"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", "sent 1"},
		"gone":            {"HTTP/1.1 410 Gone\r\nDate: " + time.Now().UTC().Format(http.TimeFormat) + "\r\n" + chunked + "\r\n", "sent 0, gone 1 (removed)"},
		"denied":          {"HTTP/1.1 403 Forbidden\r\nX-Amzn-Requestid: 1\r\n" + chunked + "\r\n9\r\nForbidden\r\n", "sent 0, failed 1 (forbidden-unexplained)"},
		"an error":        {"HTTP/1.1 500 Oops\r\nX-Amzn-Requestid: 1\r\n" + chunked + "\r\n", "sent 0, failed 1 (server-error)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := at(t, lyingEndpoint(t, test.answer, "1\r\nx\r\n", 100*time.Millisecond)+"/dev", 1)
			p := publisher(t, s, &PublisherOptions{PostTimeout: 20 * time.Second})
			start := time.Now()
			r, err := p.Publish(t.Context(), Everyone(), []byte("x"), nil)
			if took := time.Since(start); err != nil || r.String() != test.want || took > 10*time.Second {
				t.Errorf("got %q after %v, %v (%v)", r.String(), took, err, r.Errors)
			}
		})
	}
	t.Run("a description", func(t *testing.T) { // which is the answer itself
		t.Parallel()
		s := at(t, lyingEndpoint(t, "HTTP/1.1 200 OK\r\n"+chunked+"\r\n", "1\r\nx\r\n", 100*time.Millisecond)+"/dev", 1)
		p := publisher(t, s, &PublisherOptions{PostTimeout: 2 * time.Second})
		if _, err := p.Get(t.Context(), "c0"); !errors.As(err, new(*Error)) {
			t.Errorf("get = %v", fmt.Sprint(err))
		}
	})
}
