package lambdart

import (
	"context"
	"net"
)

// peerKey is the context key of who is at the other end of a connection to a Runtime
// API, an *acquaintance.
type peerKey struct{}

// peer is who has opened a connection. Where nothing is known it is neither.
type peer struct {
	own      bool   // the function's
	stranger bool   // somebody else's
	who      string // such as "process 123 (nc)", if stranger
}

// acquaintance is a peer that is being made out.
type acquaintance struct {
	made chan struct{} // closed when peer is set
	peer peer
}

// who waits until the peer is made out. A nil acquaintance is one of whom nothing is known.
func (a *acquaintance) who() peer {
	if a == nil {
		return peer{}
	}
	<-a.made
	return a.peer
}

// acquaint finds out who has opened a connection, as soon as it is open: the program at
// its other end may not be there any more when its request is read. Accepting does not
// wait for it, and it is done once for all requests of the connection.
//
// The Runtime API has no secret: its clients build http://$AWS_LAMBDA_RUNTIME_API/… and
// nothing more, some of them from a host and a port that they split at the colon (AWS's
// clients for Node.js and Python), so that neither a path nor a password can be in it.
// Where the system tells whose a connection is, only the process that was started for
// this Runtime API, and what it has started, may use it.
func (p *process) acquaint(nc net.Conn) *acquaintance {
	here, ok := nc.LocalAddr().(*net.TCPAddr)
	there, ok2 := nc.RemoteAddr().(*net.TCPAddr)
	if !ok || !ok2 {
		return nil
	}
	a := &acquaintance{made: make(chan struct{})}
	go func() { // ends when it has read what there is in /proc
		defer close(a.made)
		p.mu.Lock()
		address, pid := p.address, p.pid
		p.mu.Unlock()
		a.peer = p.f.c.peerOf(here.AddrPort(), there.AddrPort(), pid, address)
	}()
	return a
}

// meet is the http.Server's ConnContext.
func (p *process) meet(ctx context.Context, nc net.Conn) context.Context {
	if passed, ok := nc.(*readAhead); ok {
		return context.WithValue(ctx, peerKey{}, passed.from)
	}
	return ctx
}

// peerIn is who has sent a request.
func peerIn(ctx context.Context) peer {
	a, _ := ctx.Value(peerKey{}).(*acquaintance)
	return a.who()
}
