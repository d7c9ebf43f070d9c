// Package accept waits where net/http does not: while a process has no file
// descriptor left for a new connection.
package accept

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	firstPause   = 5 * time.Millisecond
	longestPause = time.Second
	// quiet is how long nothing may have been short for a shortage to be another one.
	quiet = time.Minute
)

// Patient is l with an Accept that does not fail for want of file descriptors or
// memory: it says so once, at warn level and with the cure, and tries again after a
// pause of a second at most. Other errors are l's. It may be used as l may; Close ends
// a pause.
func Patient(l net.Listener, logger *slog.Logger) net.Listener {
	return &patient{Listener: l, log: logger, closed: make(chan struct{})}
}

type patient struct {
	net.Listener
	log    *slog.Logger
	once   sync.Once
	closed chan struct{}

	mu    sync.Mutex
	short time.Time // when something was short last
}

// Accept implements net.Listener.
func (p *patient) Accept() (net.Conn, error) {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		nc, err := p.Listener.Accept()
		if err == nil || !isShortage(err) {
			return nc, err
		}
		p.warn(err)
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-p.closed:
			t.Stop()
			return nil, net.ErrClosed
		}
	}
}

// Close implements net.Listener.
func (p *patient) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.Listener.Close()
}

func (p *patient) warn(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	said := !p.short.IsZero() && now.Sub(p.short) < quiet
	p.short = now
	if said {
		return
	}
	if !errors.Is(err, syscall.EMFILE) {
		p.log.Warn("this machine is short of file descriptors or memory: new connections wait", "address", p.Addr().String(), "error", err)
		return
	}
	attributes := []any{"address", p.Addr().String()}
	if limit := descriptorLimit(); limit > 0 {
		attributes = append(attributes, "limit", limit)
	}
	p.log.Warn("no file descriptor is left: new connections wait until others end; run 'ulimit -n 65536' in the shell before the program", attributes...)
}

// isShortage reports whether accepting may work in a while without anybody's doing.
func isShortage(err error) bool {
	for _, short := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, short) {
			return true
		}
	}
	return false
}
