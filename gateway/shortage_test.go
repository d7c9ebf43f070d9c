package gateway

import (
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestWithoutDescriptorsOneWarningNamesTheCure(t *testing.T) {
	for _, secure := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			log := &logged{}
			f := newRecorder()
			l := &oddListener{pipes: *newPipes(), errs: make(chan error)}
			s := &Server{Function: f, Logger: slog.New(slog.NewTextHandler(log, nil))}
			if secure {
				s.TLS = serverTLS()
			}
			serveOn(t, s, l)
			for start := time.Now(); time.Since(start) < 10*time.Minute; {
				l.errs <- &net.OpError{Op: "accept", Err: syscall.EMFILE}
			}
			nc, _ := l.dial(t)
			f.next(t, "CONNECT")
			nc.Close()
			if lines := log.take(); len(lines) != 1 || !strings.HasPrefix(lines[0], "WARN ") || !strings.Contains(lines[0], "ulimit -n") {
				t.Errorf("logged %q", lines)
			}
		})
	}
}
