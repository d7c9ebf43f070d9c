package gateway

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// logged is a log whose lines can be read while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// take returns the lines since it was called last.
func (l *logged) take() (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		_, line, _ = strings.Cut(line, " level=") // without the time
		lines = append(lines, strings.TrimSpace(line))
	}
	l.text.Reset()
	return lines
}

func TestABurstOfRefusalsIsOneLineAndACount(t *testing.T) {
	for name, test := range map[string]struct{ request, first, more string }{
		"handshakes":       {"GET /dev HTTP/1.1\r\nHost: x\r\n" + handshakeFields + "Origin: https://evil.test\r\n\r\n", `WARN msg="refused a handshake of a page of another origin" origin=https://evil.test`, `WARN msg="refused more handshakes of pages of other origins" count=`},
		"management calls": {"POST /dev/@connections/x HTTP/1.1\r\nHost: evil.test\r\nContent-Length: 0\r\n\r\n", `WARN msg="refused a management call to a name that is not this gateway's" host=evil.test`, `WARN msg="refused more management calls to names that are not this gateway's" count=`},
	} {
		t.Run(name, func(t *testing.T) {
			log := &logged{}
			s := &Server{Origin: func(string) bool { return false }, Hosts: []string{"localhost"}, Logger: slog.New(slog.NewTextHandler(log, nil)), ConnectRate: -1, RequestRate: -1}
			inFakeTime(t, s, func(t *testing.T, p *pipes, f *recorder) {
				refused := func(times int) {
					nc := p.connect(t, false)
					defer nc.Close()
					go func() { // ends when nc is closed
						for range times {
							io.WriteString(nc, test.request)
						}
					}()
					all, want := make([]byte, 64<<10), times
					for seen := 0; seen < want; {
						n, err := nc.Read(all)
						if err != nil {
							t.Fatal(err)
						}
						seen += bytes.Count(all[:n], []byte("HTTP/1.1 403"))
					}
				}
				want := func(lines ...string) {
					t.Helper()
					synctest.Wait()
					if got := log.take(); strings.Join(got, "\n") != strings.Join(lines, "\n") {
						t.Errorf("logged %q, want %q", got, lines)
					}
				}
				refused(1500)
				want(test.first)
				time.Sleep(burstWindow)
				want(test.more + "1499")
				refused(7)
				want()
				time.Sleep(burstLongWindow)
				want(test.more + "7")
				time.Sleep(burstLongWindow)
				want()
				refused(1) // another burst
				want(test.first)
				refused(2)
				if err := s.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				want(test.more + "2") // said when the server ends
			})
		})
	}
}

func TestALineOfTheLogIsNotWhatAStrangerMakesIt(t *testing.T) {
	log := &logged{}
	host := serve(t, &Server{Function: newRecorder(), Origin: func(string) bool { return false }, Logger: slog.New(slog.NewTextHandler(log, nil))})
	httpRaw(t, host, "GET /dev HTTP/1.1\r\nHost: x\r\n"+handshakeFields+"Origin: https://"+strings.Repeat("evil.", 10_000)+"\x1b]52;c;x\x07\r\n\r\n")
	httpRaw(t, host, "GET /dev HTTP/1.1\r\nHost: x\r\n"+handshakeFields+"Origin: https://"+strings.Repeat("evil.", 10_000)+"\r\n\r\n")
	if lines := log.take(); len(lines) != 1 || len(lines[0]) > 400 {
		t.Errorf("logged %.500q", lines)
	}
}
