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

// meet finds out who has opened a connection, as soon as it is open: the program at its
// other end may not be there any more when its request is read. It is the http.Server's
// ConnContext, and accepting does not wait for it.
//
// The Runtime API has no secret: its clients build http://$AWS_LAMBDA_RUNTIME_API/… and
// nothing more, some of them from a host and a port that they split at the colon (AWS's
// clients for Node.js and Python), so that neither a path nor a password can be in it.
// Where the system tells whose a connection is, only the process that was started for
// this Runtime API, and what it has started, may use it.
func (p *process) meet(ctx context.Context, nc net.Conn) context.Context {
	here, ok := nc.LocalAddr().(*net.TCPAddr)
	there, ok2 := nc.RemoteAddr().(*net.TCPAddr)
	if !ok || !ok2 {
		return ctx
	}
	a := &acquaintance{made: make(chan struct{})}
	go func() { // ends when it has read what there is in /proc
		defer close(a.made)
		p.mu.Lock()
		address, pid := p.address, p.pid
		p.mu.Unlock()
		a.peer = p.f.c.peerOf(here.AddrPort(), there.AddrPort(), pid, address)
	}()
	return context.WithValue(ctx, peerKey{}, a)
}

// peerIn is who has sent a request.
func peerIn(ctx context.Context) peer {
	a, ok := ctx.Value(peerKey{}).(*acquaintance)
	if !ok {
		return peer{}
	}
	<-a.made
	return a.peer
}
