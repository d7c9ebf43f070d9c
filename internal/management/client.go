package management

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
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
	// Not an http.Client: a redirect would turn the POST into a GET and lose the
	// message, and AWS sends no cookies.
	transport http.RoundTripper
	tells     bool // the transport says when it looks for a connection, which comes before it sends
	signer    signer
	userAgent []string

	opened    *atomic.Int64
	connected atomic.Bool // a connection was opened

	lastUse atomic.Int64 // wall clock, unix nanoseconds
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
		transport:   o.Transport,
		userAgent:   []string{o.UserAgent},
		opened:      o.Opened,
	}
	if client.transport == nil {
		client.transport = client.pool(o.Connections)
	}
	_, client.tells = client.transport.(*http.Transport)
	return client, nil
}

// URL is the endpoint.
func (c *Client) URL() string { return c.target.URL }

// Transport is what calls go over.
func (c *Client) Transport() http.RoundTripper { return c.transport }

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
	c.thaw(now)
	if err := ctx.Err(); err != nil {
		return Answer{}, c.failed(Unsent, err)
	}
	ctx.request()
	resp, err := c.transport.RoundTrip(c.request(connectionID, r, credentials, now).WithContext(ctx))
	if err != nil {
		if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
			err = fmt.Errorf("%w: %w", ended, err) // net/http says the caller's own cause
		}
		if !ctx.sent(c.tells) {
			return Answer{}, c.failed(Unsent, err)
		}
		return Answer{}, c.failed(Unanswered, err)
	}
	return c.read(resp, r)
}

func (c *Client) failed(reason Reason, err error) *Error {
	return &Error{Reason: reason, Connected: c.connected.Load(), Err: err}
}

// request is the signed HTTP request of a call.
func (c *Client) request(connectionID string, r Request, credentials aws.Credentials, now time.Time) *http.Request {
	escaped := c.prefix + escapeSegment(connectionID)
	header := make(http.Header, 6)
	if r.method == http.MethodPost {
		header["Content-Type"] = octetStream
	}
	header["User-Agent"] = c.userAgent
	c.signer.sign(header, r.method, escaped, r.hash, credentials, now)
	req := &http.Request{
		Method: r.method,
		// RawPath keeps the path as it was signed; from Path alone net/http would
		// choose an escaping of its own.
		URL:        &url.URL{Scheme: c.base.Scheme, Host: c.signer.host, Path: c.base.Path + "/@connections/" + connectionID, RawPath: escaped},
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     header,
		Host:       c.signer.host,
	}
	if data := r.data; len(data) > 0 {
		// net/http knows that this reader is memory, and sends head and body as one. With
		// GetBody it takes another connection when the one from the pool turns out
		// closed before a byte of the request was written.
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
		req.Body, _ = req.GetBody()
		req.ContentLength = int64(len(data))
	} else if r.method == http.MethodPost {
		req.Body = http.NoBody
	}
	return req
}

// The bounds of an answer. API Gateway's header has less than 1 KiB, its body is empty
// or one sentence, and net/http's own bound for a header is 10 MB.
const (
	maxHeader = 32 << 10
	maxAnswer = 2 << 10
	maxDrain  = 64 << 10
	// bodyTime is how long the body may take that comes with a known status.
	bodyTime = time.Second
)

// read takes what the caller decides by out of an answer.
func (c *Client) read(resp *http.Response, r Request) (Answer, error) {
	defer resp.Body.Close()
	a := Answer{Status: resp.StatusCode, ErrorType: resp.Header.Get("X-Amzn-Errortype"), Server: resp.Header.Get("Server")}
	a.ErrorType, _, _ = strings.Cut(a.ErrorType, ":")
	a.HTML = strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html")
	if a.Status/100 != 2 {
		a.Mark = MarkOf(resp.Header)
	}
	if c.target.Loopback {
		a.API = resp.Header.Get("X-Wirepost-Api")
	}
	if d := resp.Header.Get("Date"); d != "" && (a.Status == http.StatusGone || a.Status == http.StatusForbidden) {
		a.Date, _ = http.ParseTime(d)
	}
	if resp.ContentLength != 0 {
		described := a.Status/100 == 2 && r.method == http.MethodGet
		var err error
		a.Body, err = readBody(resp.Body, !described)
		if err != nil && described {
			return a, c.failed(Unanswered, err)
		}
	}
	return a, nil
}

// readBody reads what is kept of a body and drains it, so that the connection is
// used again. With hurry it takes bodyTime at most: the status is known, and a body that
// drips keeps no other post waiting. Then the connection is closed and not used again.
func readBody(body io.ReadCloser, hurry bool) ([]byte, error) {
	if hurry {
		defer time.AfterFunc(bodyTime, func() { body.Close() }).Stop()
	}
	said, err := io.ReadAll(io.LimitReader(body, maxAnswer))
	if err == nil {
		io.CopyN(io.Discard, body, maxDrain)
	}
	return said, err
}

var octetStream = []string{"application/octet-stream"}
