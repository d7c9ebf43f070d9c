package gateway

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"slices"
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

// say is a Server.Notice.
func (l *logged) say(line string) { l.Write([]byte(line + "\n")) }

// take returns the lines since it was called last.
func (l *logged) take() (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if _, after, ok := strings.Cut(line, " level="); ok {
			line = after // without the time
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	l.text.Reset()
	return lines
}

func TestABurstOfRefusalsIsOneLineAndACount(t *testing.T) {
	for name, test := range map[string]struct{ request, line string }{
		"handshakes":       {"GET /dev HTTP/1.1\r\nHost: x\r\n" + handshakeFields + "Origin: https://evil.test\r\n\r\n", "handshake: it is from a page of another origin, \"https://evil.test\"; --allow-origin lets others in"},
		"management calls": {"POST /dev/@connections/x HTTP/1.1\r\nHost: evil.test\r\nContent-Length: 0\r\n\r\n", "management call: it was sent to the name \"evil.test\", which is not this gateway's; call http://pipe/dev, or see Server.Hosts"},
	} {
		t.Run(name, func(t *testing.T) {
			log := &logged{}
			s := &Server{Origin: func(string) bool { return false }, Hosts: []string{"localhost"}, Notice: log.say, ConnectRate: -1, RequestRate: -1,
				Settings: map[string]string{"Origin": "--allow-origin"}}
			line := "refused a " + test.line
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
				want(line)
				time.Sleep(burstWindow)
				want(line + " (1499 times more)")
				refused(7)
				want()
				time.Sleep(burstLongWindow)
				want(line + " (7 times more)")
				time.Sleep(burstLongWindow)
				want()
				refused(1) // another burst
				want(line)
				refused(2)
				if err := s.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				want(line + " (2 times more)") // said when the server ends
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

func TestLinesThatDifferAreCountedEachForItselfUpToABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		b := &bursts{say: log.say}
		for round := range 3 {
			for i := range 7 { // what a stranger sends may differ each time
				b.note(causeOrigin, fmt.Sprintf("origin %d", i))
			}
			b.note(causeHost, "a host") // of another cause
			want := 0
			if round == 0 {
				want = alikeBursts + 1
			}
			if got := log.take(); len(got) != want {
				t.Errorf("round %d: %q", round, got)
			}
		}
		time.Sleep(burstWindow)
		synctest.Wait()
		got := log.take()
		slices.Sort(got)
		want := []string{"refused a handshake: a page of another origin, with other details (6 times more)"}
		for i := range alikeBursts {
			want = append(want, fmt.Sprintf("refused a handshake: origin %d (2 times more)", i))
		}
		want = append(want, "refused a management call: a host (2 times more)")
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		b.note(causeHost, "a host")
		b.end()
		if got := log.take(); !slices.Equal(got, []string{"refused a management call: a host (once more)"}) {
			t.Errorf("at the end: %q", got)
		}
		b.note(causeHost, "a host")
		if got := log.take(); len(got) > 0 {
			t.Errorf("after the end: %q", got)
		}
	})
}

func TestWithoutANoticeTheReasonsAreInTheLog(t *testing.T) {
	log := &logged{}
	host := serve(t, &Server{Function: newRecorder(), Logger: slog.New(slog.NewTextHandler(log, nil))})
	shake(t, host, "/prod", "")
	if lines := log.take(); len(lines) != 1 || !strings.HasPrefix(lines[0], `WARN msg="refused a handshake: the path \"/prod\" does not begin with the stage dev; connect to ws://127.0.0.1:`) {
		t.Errorf("logged %q", lines)
	}
}
