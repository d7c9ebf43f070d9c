package lambdart

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/internal/memlisten"
)

// withProcess serves the Runtime API of a process that is none, in fake time.
func withProcess(t *testing.T, test func(t *testing.T, p *process, dial func() net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		c := Config{Name: "fn"}
		c.setDefaults()
		f := &Function{c: c}
		f.pool.init()
		p := newProcess(f, 1, false)
		p.address = "127.0.0.1:9001"
		l := memlisten.New()
		s := p.server()
		served := make(chan struct{})
		go func() { defer close(served); s.Serve(l) }()
		t.Cleanup(func() { s.Close(); <-served })
		test(t, p, func() net.Conn {
			nc, theirs := net.Pipe()
			l.Conns <- theirs
			return nc
		})
	})
}

func TestARequestToTheRuntimeAPIThatIsRefusedEnds(t *testing.T) {
	const host = " HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n"
	for name, request := range map[string]struct{ send, drip string }{
		"another host":         {"POST " + apiInit + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n", ""},
		"no such invocation":   {"POST " + apiCall + "x/response" + host + "Content-Length: 100\r\n\r\n", "x"},
		"chunks without end":   {"POST " + apiCall + "x/error" + host + "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"},
		"an error of the init": {"POST " + apiInit + host + "Content-Length: 100\r\n\r\n", "x"},
		"a next with a body":   {"GET " + apiNext + host + "Content-Length: 100\r\n\r\n", "x"},
		"a next without it":    {"GET " + apiNext + host + "Content-Length: 100\r\n\r\n", ""},
		"about the server":     {"OPTIONS *" + host + "Content-Length: 100\r\n\r\n", "x"},
		"no such path":         {"POST /x" + host + "Content-Length: 100\r\n\r\n", ""},
		"a header a second":    {"GET " + apiNext + host, "A: b\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			withProcess(t, func(t *testing.T, p *process, dial func() net.Conn) {
				nc := dial()
				start := time.Now()
				var sending sync.WaitGroup
				defer sending.Wait()
				defer nc.Close()
				sending.Go(func() { // ends when nc is closed
					for text := request.send; ; text = request.drip {
						if _, err := io.WriteString(nc, text); err != nil {
							return
						}
						time.Sleep(time.Second)
					}
				})
				io.Copy(io.Discard, nc) // until the server closes
				if took := time.Since(start); took > refusedTime+time.Second {
					t.Errorf("it ends after %v", took)
				}
			})
		})
	}
}

// A function may stream its answer for as long as its invocation may take.
func TestAnAnswerMayTakeAsLongAsItsInvocation(t *testing.T) {
	withProcess(t, func(t *testing.T, p *process, dial func() net.Conn) {
		i := &invocation{ctx: t.Context(), id: "id", done: make(chan outcome, 1), isGiven: true}
		p.current = i
		nc := dial()
		defer nc.Close()
		io.WriteString(nc, "POST "+apiCall+"id/response HTTP/1.1\r\nHost: 127.0.0.1:9001\r\nTransfer-Encoding: chunked\r\n\r\n")
		for range 60 {
			io.WriteString(nc, "1\r\nx\r\n")
			time.Sleep(time.Second)
		}
		io.WriteString(nc, "0\r\n\r\n")
		answer, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil || answer.StatusCode != http.StatusAccepted {
			t.Fatal(answer, err)
		}
		if got := <-i.done; string(got.answer) != strings.Repeat("x", 60) {
			t.Errorf("%q, %v", got.answer, got.err)
		}
	})
}

// A runtime asks for an event, works, and answers on the same connection.
func TestAConnectionIsThereForTheAnswerHoweverLongTheFunctionWorks(t *testing.T) {
	withProcess(t, func(t *testing.T, p *process, dial func() net.Conn) {
		nc := dial()
		defer nc.Close()
		read := bufio.NewReader(nc)
		for _, id := range []string{"first", "second"} {
			i := &invocation{ctx: t.Context(), id: id, done: make(chan outcome, 1), isGiven: true}
			p.current = i
			if _, err := io.WriteString(nc, "POST "+apiCall+id+"/response HTTP/1.1\r\nHost: 127.0.0.1:9001\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
				t.Fatal(err)
			}
			answer, err := http.ReadResponse(read, nil)
			if err != nil || answer.StatusCode != http.StatusAccepted {
				t.Fatal(id, answer, err)
			}
			io.Copy(io.Discard, answer.Body)
			<-i.done
			time.Sleep(15 * time.Minute) // the longest that Lambda lets one work
		}
	})
}
