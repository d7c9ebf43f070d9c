package accept_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/internal/accept"
)

// odd is a listener that fails until a time, and is closed like any other.
type odd struct {
	err   error
	until time.Time

	mu     sync.Mutex
	asked  int
	closed bool
}

func (o *odd) Accept() (net.Conn, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	switch {
	case o.closed:
		return nil, net.ErrClosed
	case time.Now().Before(o.until):
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", o.err)}
	}
	a, _ := net.Pipe()
	return a, nil
}

func (o *odd) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	return nil
}

func (o *odd) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 3001} }

func (o *odd) fail(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.until, o.asked = time.Now().Add(d), 0
}

func TestAShortageIsSaidOnceAndWaitedFor(t *testing.T) {
	for _, short := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			o := &odd{err: short}
			l := accept.Patient(o, slog.New(slog.NewTextHandler(&log, nil)))
			warnings := 0
			for _, shortage := range []struct {
				lasts, after time.Duration
				warnings     int
			}{{10 * time.Minute, 0, 1}, {time.Second, time.Second, 1}, {time.Hour, 2 * time.Minute, 2}} {
				time.Sleep(shortage.after)
				o.fail(shortage.lasts)
				start := time.Now()
				nc, err := l.Accept()
				if late := time.Since(start) - shortage.lasts; err != nil || late > time.Second {
					t.Fatalf("%v: %v, %v too late", short, err, late)
				}
				nc.Close()
				if most := int(shortage.lasts/time.Second) + 10; o.asked > most {
					t.Errorf("%v: asked %d times in %v", short, o.asked, shortage.lasts)
				}
				if warnings = strings.Count(log.String(), "level=WARN"); warnings != shortage.warnings {
					t.Errorf("%v: %d warnings, want %d:\n%s", short, warnings, shortage.warnings, &log)
				}
			}
			if said := log.String(); !strings.Contains(said, "address=127.0.0.1:3001") || strings.Contains(said, "ulimit -n") != (short == syscall.EMFILE) || strings.Count(said, "\n") != 2 {
				t.Errorf("%v: %s", short, said)
			}
			o.fail(time.Hour)
			start := time.Now()
			go func() { time.Sleep(time.Minute + time.Millisecond); l.Close() }()
			if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) || time.Since(start) > time.Minute+time.Second {
				t.Errorf("%v: when it is closed: %v after %v", short, err, time.Since(start))
			}
		})
	}
}

func TestAnotherErrorIsTheListenersOwn(t *testing.T) {
	o := &odd{err: syscall.EINVAL}
	o.fail(time.Hour)
	l := accept.Patient(o, slog.New(slog.DiscardHandler))
	if _, err := l.Accept(); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
}
