package management

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const (
	dialTime      = 5 * time.Second
	handshakeTime = 5 * time.Second
	keepAlive     = 15 * time.Second
)

// Wire takes the place of Options.Transport in tests: calls go over connections of the
// client's own, as they do without a Transport, whatever the environment says of
// proxies.
type Wire struct {
	Dial func(ctx context.Context, network, address string) (net.Conn, error) // nil: the network's
	TLS  *tls.Config                                                          // nil: the system's roots
}

// RoundTrip implements [http.RoundTripper], and is not called.
func (Wire) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.ErrUnsupported }

// lean makes calls over HTTP/1.1 and connections of its own. What each costs above
// TLS and the system calls is the signature.
type lean struct {
	client  *Client
	conns   conns
	address string // to dial
	path    string // up to the connection ID, escaped
	lines   []byte // behind the path, up to the length of the body
	dialer  func(ctx context.Context, network, address string) (net.Conn, error)
	tls     *tls.Config // nil: without
}

// leanFor is the lean client of an endpoint, or nil if calls have to go by net/http: with
// a proxy or a transport of the caller's, with names that want net/http's knowledge of
// them, and on systems whose connections cannot be looked at.
func (c *Client) leanFor(o Options) *lean {
	w, given := o.Transport.(Wire)
	if o.Transport != nil && !given || !given && !looks || !plainHost(c.base) || !headerValue(o.UserAgent) {
		return nil
	}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: c.base}); !given && (proxy != nil || err != nil) {
		return nil
	}
	l := &lean{client: c, address: address(c.base), path: c.prefix, dialer: w.Dial,
		lines: []byte(" HTTP/1.1\r\nHost: " + c.signer.host + "\r\nUser-Agent: " + o.UserAgent + "\r\n")}
	if l.dialer == nil {
		l.dialer = (&net.Dialer{KeepAlive: keepAlive}).DialContext
	}
	connections := o.Connections
	if connections <= 0 {
		connections = 64
	}
	if c.base.Scheme == "https" {
		if l.tls = w.TLS.Clone(); l.tls == nil {
			l.tls = &tls.Config{}
		}
		if l.tls.ServerName == "" {
			l.tls.ServerName = c.base.Hostname()
		}
		l.tls.MinVersion = tls.VersionTLS12
		l.tls.NextProtos = []string{"http/1.1"}
		l.tls.ClientSessionCache = tls.NewLRUClientSessionCache(connections)
		l.tls.DynamicRecordSizingDisabled = true // a request is one record, and so one system call
	}
	l.conns = conns{max: connections, dial: l.open, now: time.Now}
	return l
}

// plainHost reports whether a host goes over the wire as it is written: a name in
// ASCII or an address without a zone.
func plainHost(u *url.URL) bool {
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return false
	}
	for _, c := range []byte(u.Host) {
		if !unreserved[c] && !strings.ContainsRune(":[]", rune(c)) {
			return false
		}
	}
	return true
}

func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		if port = "80"; u.Scheme == "https" {
			port = "443"
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// open opens a connection.
func (l *lean) open(ctx context.Context) (*conn, error) {
	dialing, cancel := context.WithTimeout(ctx, dialTime)
	raw, err := l.dialer(dialing, "tcp", l.address)
	cancel()
	if err != nil {
		return nil, err
	}
	l.client.connected.Store(true)
	if l.client.opened != nil {
		l.client.opened.Add(1)
	}
	w := newWire(raw)
	if l.tls == nil {
		return newConn(w, w), nil
	}
	w.secure = true
	t := tls.Client(w, l.tls)
	ctx, cancel = context.WithTimeoutCause(ctx, handshakeTime, errHandshake)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		raw.Close()
		var record tls.RecordHeaderError
		switch {
		case ctx.Err() != nil:
			err = context.Cause(ctx)
		case errors.As(err, &record) && string(record.RecordHeader[:]) == "HTTP/":
			err = http.ErrSchemeMismatch
		}
		return nil, err
	}
	return newConn(w, t), nil
}

var errHandshake = errors.New("TLS handshake timeout") // in net/http's words

// call makes a call. A connection that turns out closed before a byte of the request
// has left is no failure: the next one is taken.
func (l *lean) call(ctx *Context, connectionID string, r Request, credentials aws.Credentials, now time.Time) (Answer, error) {
	t, err := l.client.signer.at(now, credentials)
	if err != nil {
		return Answer{}, l.client.failed(Unsent, err)
	}
	for again := r.method == http.MethodGet; ; {
		c, err := l.conns.take(ctx, now)
		if err != nil {
			return Answer{}, l.client.failed(Unsent, err)
		}
		c.out = l.appendRequest(c.out[:0], connectionID, r, t)
		a, sent, keep, err := c.exchange(ctx, r, l.client.target.Loopback)
		reused := c.reused
		l.release(c, keep, now)
		switch {
		case err == nil:
			return a, nil
		case ctx.Err() == nil && reused && !sent:
		case ctx.Err() == nil && reused && again && a.Status == 0: // it was closed at that moment, and asking twice does no harm
			again = false
		case !sent:
			return a, l.client.failed(Unsent, err)
		default:
			return a, l.client.failed(Unanswered, err)
		}
	}
}

// release gives a connection back, or closes it.
func (l *lean) release(c *conn, keep bool, now time.Time) {
	if cap(c.out) > oneWrite {
		c.out = nil
	}
	if len(c.answers.buf) > 4<<10 && !c.answers.begun() {
		c.answers.buf = make([]byte, 2<<10)
	}
	if keep {
		l.conns.put(c, now)
	} else {
		l.conns.drop(c)
	}
}

// appendRequest appends the signed request of a call, in net/http's order of lines.
func (l *lean) appendRequest(b []byte, connectionID string, r Request, t *signingTime) []byte {
	b = append(b, r.method...)
	b = append(b, ' ')
	path := len(b)
	b = append(b, l.path...)
	b = appendSegment(b, connectionID)
	escaped := b[path:]
	b = append(b, l.lines...)
	if r.method == http.MethodPost {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(r.data)), 10)
		b = append(b, "\r\nContent-Type: application/octet-stream\r\n"...)
	}
	b = append(b, t.lines...)
	b = t.appendSignature(b, r.method, escaped, r.hash)
	b = append(b, "\r\n\r\n"...)
	return append(b, r.data...)
}
