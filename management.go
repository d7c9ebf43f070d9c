package wirepost

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// management makes the three @connections calls of one endpoint. One is shared
// by all goroutines of a process, with one pool of connections.
type management struct {
	endpoint Endpoint
	base     *url.URL
	prefix   string // escaped path up to and including "@connections/"
	loopback bool
	// Not an http.Client: nothing of it is wanted. A redirect would turn the POST
	// into a GET and lose the message, and AWS sends no cookies.
	client http.RoundTripper
	signer signer

	connected atomic.Int64 // connections opened

	lastUse atomic.Int64 // wall clock, unix nanoseconds
	thawing sync.Mutex
}

// idleAfter is how long a connection may have lain idle by the wall clock and
// still be trusted. A Lambda is frozen between invocations: its timers stand
// still while the other side closes what it holds.
const idleAfter = 5 * time.Second

func newManagement(ep Endpoint, concurrency int, transport http.RoundTripper, opened *atomic.Int64) (*management, error) {
	u, err := url.Parse(ep.URL)
	if err != nil {
		return nil, err
	}
	m := &management{
		endpoint: ep,
		base:     u,
		prefix:   u.EscapedPath() + "/@connections/",
		loopback: isLoopback(u.Host),
		signer:   signer{host: hostHeader(u), region: ep.Region},
	}
	if transport == nil {
		dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}
		transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := dialer.DialContext(ctx, network, addr)
				if err == nil {
					m.connected.Add(1)
					opened.Add(1)
				}
				return c, err
			},
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(concurrency)},
			TLSHandshakeTimeout:    5 * time.Second,
			MaxIdleConns:           0,
			MaxIdleConnsPerHost:    concurrency,
			MaxConnsPerHost:        concurrency,
			IdleConnTimeout:        55 * time.Second,
			ResponseHeaderTimeout:  30 * time.Second,
			MaxResponseHeaderBytes: maxHeader,
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
			ReadBufferSize:         2 << 10,
			WriteBufferSize:        2 << 10,
		}
	}
	m.client = transport
	return m, nil
}

// hostHeader is the Host that goes over the wire and is signed: without the
// scheme's own port, as AWS's client has it.
func hostHeader(u *url.URL) string {
	if p := u.Port(); u.Scheme == "https" && p == "443" || u.Scheme == "http" && p == "80" {
		return strings.TrimSuffix(u.Host, ":"+p)
	}
	return u.Host
}

// errNotSent marks an error of a request of which nothing was sent.
type errNotSent struct{ error }

func (e errNotSent) Unwrap() error { return e.error }

// answer is what the endpoint said.
type answer struct {
	status    int
	errorType string
	body      []byte // cut at maxAnswer
	date      time.Time
	html      bool
	server    string
	api       string // whose gateway answered, API/STAGE, where it says so
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

// another reports whether a gateway on this machine says that it is another API's.
// Every laptop has a localhost:3001: a 410 from the wrong one says nothing about
// the connection.
func (m *management) another(a answer) bool {
	return a.api != "" && a.api != m.endpoint.APIID+"/"+m.endpoint.Stage && m.endpoint.APIID != ""
}

// thaw closes idle connections that the wall clock says are too old to trust. Of
// many posts that begin at once after a freeze, none passes before that is done.
func (m *management) thaw(now time.Time) {
	wall := now.Round(0).UnixNano() // the monotonic clock stands still in a frozen process
	if last := m.lastUse.Load(); last != 0 && wall-last <= int64(idleAfter) {
		m.lastUse.Store(wall)
		return
	}
	m.thawing.Lock()
	defer m.thawing.Unlock()
	if last := m.lastUse.Load(); last != 0 && wall-last > int64(idleAfter) {
		m.close()
	}
	m.lastUse.Store(wall)
}

// call makes one request. The error is of the transport, an [errNotSent] if that
// is known; an HTTP status is not an error here.
func (m *management) call(ctx *postContext, method, connectionID string, data []byte, hash string, c aws.Credentials, now time.Time) (answer, error) {
	m.thaw(now)
	escaped := m.prefix + escapeSegment(connectionID)
	header := make(http.Header, 6)
	if method == http.MethodPost {
		header["Content-Type"] = octetStream
	}
	header["User-Agent"] = userAgent
	m.signer.sign(header, method, escaped, hash, c, now)
	req := &http.Request{
		Method: method,
		// RawPath keeps the path as it was signed; from Path alone net/http would
		// choose an escaping of its own.
		URL:        &url.URL{Scheme: m.base.Scheme, Host: m.signer.host, Path: m.base.Path + "/@connections/" + connectionID, RawPath: escaped},
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     header,
		Host:       m.signer.host,
	}
	if len(data) > 0 {
		// net/http knows that this reader is memory, and sends head and body as one. With
		// GetBody it takes another connection when the one from the pool turns out
		// closed before a byte of the request was written.
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
		req.Body, _ = req.GetBody()
		req.ContentLength = int64(len(data))
	} else if method == http.MethodPost {
		req.Body = http.NoBody
	}
	if err := ctx.Err(); err != nil {
		return answer{}, errNotSent{err}
	}
	ctx.request()
	resp, err := m.client.RoundTrip(req.WithContext(ctx))
	if err != nil {
		if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
			err = fmt.Errorf("%w: %w", ended, err) // net/http says the caller's own cause
		}
		if !ctx.sent() {
			err = errNotSent{err}
		}
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, errorType: resp.Header.Get("X-Amzn-Errortype"), server: resp.Header.Get("Server")}
	a.errorType, _, _ = strings.Cut(a.errorType, ":")
	a.html = strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html")
	if m.loopback {
		a.api = resp.Header.Get("X-Wirepost-Api")
	}
	if d := resp.Header.Get("Date"); d != "" && (a.status == http.StatusGone || a.status == http.StatusForbidden) {
		a.date, _ = http.ParseTime(d)
	}
	if resp.ContentLength != 0 {
		described := a.status/100 == 2 && method == http.MethodGet
		a.body, err = readAnswer(resp.Body, !described)
		if err != nil && described {
			return a, err
		}
	}
	return a, nil
}

// readAnswer reads what is kept of a body and drains it, so that the connection is
// used again. With hurry it takes bodyTime at most: the status is known, and a body that
// drips keeps no other post waiting. Then the connection is closed and not used again.
func readAnswer(body io.ReadCloser, hurry bool) ([]byte, error) {
	if hurry {
		defer time.AfterFunc(bodyTime, func() { body.Close() }).Stop()
	}
	said, err := io.ReadAll(io.LimitReader(body, maxAnswer))
	if err == nil {
		io.CopyN(io.Discard, body, maxDrain)
	}
	return said, err
}

var (
	octetStream = []string{"application/octet-stream"}
	userAgent   = []string{"wirepost/" + Version}
)

// problem explains an answer that is not a success and not 410.
func (m *management) problem(a answer, connectionID string) *Error {
	r := reply{endpoint: m.endpoint.URL, connectionID: connectionID, status: a.status, errorType: a.errorType, text: string(a.body),
		server: a.server, html: a.html, scope: &scope{signed: true, region: m.endpoint.Region, service: signingService}}
	e := r.explain()
	if m.another(a) {
		e.Problem, e.Candidates = ProblemEndpointAnotherAPI, nil
		e.Detail = fmt.Sprintf("the gateway at the endpoint is that of %s, the connection is one of %s/%s", clip(a.api), m.endpoint.APIID, m.endpoint.Stage)
	}
	return e
}

// transportProblem explains a request that got no answer. sent tells whether
// the message may have been delivered.
func (m *management) transportProblem(err error, connectionID string) (e *Error, sent bool) {
	e = &Error{Endpoint: m.endpoint.URL, ConnectionID: connectionID, Err: err}
	if e.Problem, e.Detail = networkProblem(err); e.Problem != "" {
		return e, false
	}
	var notSent errNotSent
	switch {
	case errors.As(err, &notSent):
		// The time was up before there was a connection, because all that there are
		// were busy; or none could be opened.
		e.Problem = ProblemEndpointUnreachable
		timeUp := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
		if timeUp && m.connected.Load() > 0 {
			e.Problem = ProblemDeadline
		}
	default:
		e.Problem, sent = ProblemNoAnswer, true
	}
	return e, sent
}

// ConnectionInfo is what the management API tells of a connection.
type ConnectionInfo struct {
	ConnectedAt  time.Time `json:"connectedAt"`
	LastActiveAt time.Time `json:"lastActiveAt"`
	Identity     struct {
		SourceIP  string `json:"sourceIp"`
		UserAgent string `json:"userAgent,omitempty"`
	} `json:"identity"`
}

func parseConnectionInfo(body []byte) (ConnectionInfo, error) {
	var info ConnectionInfo
	if err := json.Unmarshal(body, &info); err != nil {
		return info, fmt.Errorf("read the description of a connection: %w", err)
	}
	return info, nil
}

// close closes the idle connections of the pool.
func (m *management) close() {
	if c, ok := m.client.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
