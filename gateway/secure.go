package gateway

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"
)

// tlsRecord is the first byte of every TLS connection: the record type
// "handshake" (RFC 8446 §5.1). No HTTP request begins with it.
const tlsRecord = 0x16

// eitherListener accepts plain connections and TLS ones on one port, and tells
// them apart by their first byte. A handler that AWS's documentation shows posts
// to https://{domainName}/{stage}, and browsers of a test page connect to ws://.
//
// One that connects and says nothing is waited for in a goroutine of its own, as
// long as net/http would wait for its header, and delays nobody else.
type eitherListener struct {
	net.Listener
	config   *tls.Config
	accepted chan net.Conn
	failed   chan error
	closed   chan struct{}
	once     sync.Once
	waiting  sync.WaitGroup

	mu      sync.Mutex
	pending map[net.Conn]bool // those that have said nothing yet; nil after Close
}

func newEitherListener(l net.Listener, config *tls.Config) *eitherListener {
	config = config.Clone()
	config.NextProtos = []string{"http/1.1"} // a WebSocket needs it
	e := &eitherListener{
		Listener: l, config: config, accepted: make(chan net.Conn), failed: make(chan error),
		closed: make(chan struct{}), pending: map[net.Conn]bool{},
	}
	e.waiting.Go(e.run) // ends when Close has closed l
	return e
}

func (e *eitherListener) run() {
	for {
		nc, err := e.Listener.Accept()
		if err != nil {
			// net/http decides: it waits and asks again, or it gives up and closes.
			select {
			case e.failed <- err:
				continue
			case <-e.closed:
				return
			}
		}
		e.mu.Lock()
		over := e.pending == nil
		if !over {
			e.pending[nc] = true
		}
		e.mu.Unlock()
		if over {
			nc.Close()
			return
		}
		e.waiting.Go(func() { e.sort(nc) }) // ends when Close closes nc, or at its deadline
	}
}

// sort looks at the first byte without taking it.
func (e *eitherListener) sort(nc net.Conn) {
	nc.SetReadDeadline(time.Now().Add(headerTimeout))
	first, nc2, err := peek(nc)
	e.mu.Lock()
	delete(e.pending, nc)
	e.mu.Unlock()
	if err != nil {
		nc.Close()
		return
	}
	nc2.SetReadDeadline(time.Time{})
	if first == tlsRecord {
		nc2 = tls.Server(nc2, e.config)
	}
	select {
	case e.accepted <- nc2:
	case <-e.closed:
		nc2.Close()
	}
}

// Accept implements net.Listener.
func (e *eitherListener) Accept() (net.Conn, error) {
	select {
	case nc := <-e.accepted:
		return nc, nil
	case err := <-e.failed:
		return nil, err
	case <-e.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It waits for the goroutines.
func (e *eitherListener) Close() error {
	var err error
	e.once.Do(func() {
		close(e.closed)
		err = e.Listener.Close()
		e.mu.Lock()
		for nc := range e.pending {
			nc.Close()
		}
		e.pending = nil // from here on run closes what it accepts
		e.mu.Unlock()
		e.waiting.Wait()
	})
	return err
}

// socketOf is what a connection runs on, below TLS and below a byte that was
// looked at: what can be reset, and closed without a word.
func socketOf(nc net.Conn) net.Conn {
	for {
		outer, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return nc
		}
		nc = outer.NetConn()
	}
}

// prefixed gives back a byte that was read.
type prefixed struct {
	net.Conn
	first []byte
}

// NetConn is as tls.Conn's.
func (p *prefixed) NetConn() net.Conn { return p.Conn }

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.first) > 0 && len(b) > 0 {
		n := copy(b, p.first)
		p.first = p.first[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// readFirst is peek where the socket cannot be looked at.
func readFirst(nc net.Conn) (byte, net.Conn, error) {
	var b [1]byte
	if _, err := io.ReadFull(nc, b[:]); err != nil {
		return 0, nil, err
	}
	return b[0], &prefixed{nc, b[:]}, nil
}
