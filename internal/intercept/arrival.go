package intercept

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// arrival is a connection to a host that is taken over.
type arrival struct {
	net.Conn
	client *Client
	host   Host
}

type arrivalKey struct{}

// withArrival has the requests of a connection know what it is to. On the port for
// server names that is known only after the TLS handshake, before the first request.
func withArrival(ctx context.Context, nc net.Conn) context.Context {
	if outer, ok := nc.(*tls.Conn); ok {
		nc = outer.NetConn()
	}
	return context.WithValue(ctx, arrivalKey{}, nc.(*arrival))
}

type callKey struct{}

// CallOf says who has sent a request that a handler got, and to which host. It reports
// false for a request that did not come through an Interceptor.
func CallOf(r *http.Request) (Call, bool) {
	c, ok := r.Context().Value(callKey{}).(Call)
	return c, ok
}

// arrived answers a request of a connection to a host that is taken over.
func (i *Interceptor) arrived(w http.ResponseWriter, r *http.Request) {
	a := r.Context().Value(arrivalKey{}).(*arrival)
	i.answer(w, r, a.client, a.host)
}

// answer has the handler of a host answer.
func (i *Interceptor) answer(w http.ResponseWriter, r *http.Request, client *Client, host Host) {
	if h, ok := ParseHost(r.Host); !ok || h.Name != host.Name {
		http.Error(w, "this connection is to "+host.Name+", and the request is for another host", http.StatusMisdirectedRequest)
		return
	}
	if r.Method == http.MethodConnect {
		http.Error(w, "there is no proxy here", http.StatusMethodNotAllowed)
		return
	}
	ctx := context.WithValue(r.Context(), callKey{}, Call{Client: client, Host: host})
	i.handler(host).ServeHTTP(w, r.WithContext(ctx))
}

// protocolPrefix is what begins the protocol by which [Preload] shows a client's token
// in the TLS handshake (ALPN), before its own protocols. Nothing speaks it.
const protocolPrefix = "wirepost-"

// namedListener accepts connections that say by the server name of TLS where they were
// meant to go.
type namedListener struct {
	net.Listener
	of *Interceptor
}

// Accept implements net.Listener.
func (l *namedListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	a := &arrival{Conn: nc}
	return tls.Server(a, &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return l.of.welcome(a, hello)
	}}), nil
}

var (
	errNoToken  = errors.New("the client has no token")
	errNotTaken = errors.New("the server name is not one that is taken over")
)

// welcome is the TLS configuration for a client that shows its token and names a host
// that is taken over.
func (i *Interceptor) welcome(a *arrival, hello *tls.ClientHelloInfo) (*tls.Config, error) {
	var protocols []string
	for _, p := range hello.SupportedProtos {
		token, ok := strings.CutPrefix(p, protocolPrefix)
		if !ok {
			protocols = append(protocols, p)
		} else if a.client = i.withToken(token); a.client == nil {
			return nil, errNoToken
		}
	}
	if a.client == nil {
		return nil, errNoToken
	}
	host, ok := ParseHost(hello.ServerName)
	if !ok || i.handler(host) == nil {
		return nil, errNotTaken
	}
	a.host = host
	return i.configFor(host, protocols), nil
}

// configFor is the TLS configuration for one host, with those of a client's protocols
// that are spoken here. A client that offers none gets HTTP/1.1 without a word of it.
func (i *Interceptor) configFor(host Host, offered []string) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return i.authority.certificateFor(host.Name)
	}}
	for _, p := range []string{"h2", "http/1.1"} {
		if slices.Contains(offered, p) {
			config.NextProtos = append(config.NextProtos, p)
		}
	}
	return config
}

// secured is a connection that the proxy has taken over, with TLS.
func (i *Interceptor) secured(a *arrival) net.Conn {
	return tls.Server(a, &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if hello.ServerName != "" && !strings.EqualFold(hello.ServerName, a.host.Name) {
			return nil, errNotTaken
		}
		return i.configFor(a.host, hello.SupportedProtos), nil
	}})
}

// handedOver is a listener of connections that the proxy has taken over.
type handedOver struct {
	address net.Addr
	conns   chan net.Conn
	once    sync.Once
	closed  chan struct{}
}

func newHandedOver(address net.Addr) *handedOver {
	return &handedOver{address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// give hands a connection over, or closes it if nobody accepts any more.
func (l *handedOver) give(nc net.Conn) {
	select {
	case l.conns <- nc:
	case <-l.closed:
		nc.Close()
	}
}

// Accept implements net.Listener.
func (l *handedOver) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *handedOver) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *handedOver) Addr() net.Addr { return l.address }
