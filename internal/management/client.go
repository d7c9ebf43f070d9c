package management

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Target is the endpoint of a client.
type Target struct {
	// URL is the endpoint without a slash at its end: scheme, host and path.
	URL string
	// Region is what calls are signed for.
	Region string
	// Loopback says that the endpoint is on this machine: the development pair signs
	// unless credentials were given, and the gateway's name for itself is believed.
	Loopback bool
}

// Options of a client; the zero value is useful.
type Options struct {
	Connections int               // of the pool; 0: as net/http has it
	Transport   http.RoundTripper // replaces the pool
	Opened      *atomic.Int64     // counts connections that the pool opens
	UserAgent   string
}

// Client makes the calls of one endpoint. All goroutines of a process share one,
// with one pool of connections. Safe for concurrent use.
type Client struct {
	target      Target
	credentials *Credentials
	base        *url.URL
	prefix      string // escaped path up to and including "@connections/"
	signer      signer
	userAgent   []string

	lean *lean // nil: calls go by transport
	// Not an http.Client: a redirect would turn the POST into a GET and lose the
	// message, and AWS sends no cookies.
	transport http.RoundTripper
	tells     bool // the transport says when it looks for a connection, which comes before it sends

	opened    *atomic.Int64
	connected atomic.Bool // a connection was opened

	lastUse atomic.Int64 // of the transport: wall clock, unix nanoseconds
	thawing sync.Mutex
}

// NewClient makes the client of an endpoint. It opens no connection. The error says
// that the endpoint is not a URL.
func NewClient(t Target, c *Credentials, o Options) (*Client, error) {
	u, err := url.Parse(t.URL)
	if err != nil {
		return nil, err
	}
	client := &Client{
		target:      t,
		credentials: c,
		base:        u,
		prefix:      u.EscapedPath() + "/@connections/",
		signer:      signer{host: hostHeader(u), region: t.Region},
		userAgent:   []string{o.UserAgent},
		opened:      o.Opened,
	}
	if client.lean = client.leanFor(o); client.lean != nil {
		return client, nil
	}
	if client.transport = o.Transport; client.transport == nil {
		client.transport = client.pool(o.Connections)
	}
	_, client.tells = client.transport.(*http.Transport)
	return client, nil
}

// URL is the endpoint.
func (c *Client) URL() string { return c.target.URL }

// hostHeader is the Host that goes over the wire and is signed: without the
// scheme's own port, as AWS's client has it.
func hostHeader(u *url.URL) string {
	if p := u.Port(); u.Scheme == "https" && p == "443" || u.Scheme == "http" && p == "80" {
		return strings.TrimSuffix(u.Host, ":"+p)
	}
	return u.Host
}

// Call sends a request to one connection, once. now is the time that it is signed
// for, by the wall clock. An HTTP status is not an error here: the error is an
// [*Error], of a call without an answer.
func (c *Client) Call(ctx *Context, connectionID string, r Request, now time.Time) (Answer, error) {
	credentials, err := c.credentials.retrieve(ctx, c.target.Loopback)
	if err != nil {
		return Answer{}, c.failed(NoCredentials, err)
	}
	if err := ctx.Err(); err != nil {
		return Answer{}, c.failed(Unsent, err)
	}
	if c.lean != nil {
		return c.lean.call(ctx, connectionID, r, credentials, now)
	}
	return c.roundTrip(ctx, connectionID, r, credentials, now)
}

func (c *Client) failed(reason Reason, err error) *Error {
	return &Error{Reason: reason, Connected: c.connected.Load(), Err: err}
}
