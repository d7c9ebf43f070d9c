package wireposttest

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// listener makes the write buffers of chosen connections as small as the system allows:
// those of clients that are to be slow.
type listener struct {
	net.Listener

	mu   sync.Mutex // held from the dial of a slow client until it is in slow
	slow map[string]bool
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	client := conn.RemoteAddr().String()
	if l.slow[client] {
		delete(l.slow, client)
		_ = smallBuffers(conn) // fails only if the connection has ended, which the server finds out
	}
	return conn, nil
}

// dial connects a client whose two ends have small buffers.
func (l *listener) dial(ctx context.Context, network, address string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if err := smallBuffers(conn); err != nil {
		conn.Close()
		return nil, err
	}
	l.slow[conn.LocalAddr().String()] = true
	return conn, nil
}

func smallBuffers(conn net.Conn) error {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	if err := tcp.SetReadBuffer(1); err != nil { // the system makes it its least
		return err
	}
	return tcp.SetWriteBuffer(1)
}

// DialSlow connects a client that takes next to nothing until its Receive is called: the
// system's buffers of the connection are as small as they can be. query is what follows
// the gateway's URL, such as "?user=alice"; header may be nil.
//
// What is posted to it waits in the gateway, which answers 429 (LimitExceededException,
// the problem throttled) when gateway.Server.QueueBytes are full: a publish tries again
// until its PostTimeout or its deadline. Set a small QueueBytes in the configure function of
// [NewGateway]. What is left of the system's buffers takes the first posts, so publish long
// messages until one fails.
func (g *Gateway) DialSlow(ctx context.Context, query string, header http.Header) (*Client, error) {
	return dial(ctx, g.URL+query, header, g.listener.dial)
}
