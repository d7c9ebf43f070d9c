// Package memlisten is a listener of connections in memory, so that servers can be
// tested in fake time (package testing/synctest).
package memlisten

import (
	"net"
	"sync"
)

// Listener accepts the connections that are sent to Conns. Make it with [New]. Safe for
// concurrent use.
type Listener struct {
	// Conns takes the server's ends of connections. A send waits until one is accepted.
	Conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// New makes a listener.
func New() *Listener { return &Listener{Conns: make(chan net.Conn), closed: make(chan struct{})} }

// Dial makes a connection and returns the client's end. It waits until the server's end
// is accepted, and returns net.ErrClosed if the listener is closed first.
func (l *Listener) Dial() (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.Conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Done is closed when the listener is.
func (l *Listener) Done() <-chan struct{} { return l.closed }

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.Conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener]. Connections that were accepted stay open.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements [net.Listener].
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }
