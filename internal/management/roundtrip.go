package management

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// roundTrip makes a call by net/http.
func (c *Client) roundTrip(ctx *Context, connectionID string, r Request, credentials aws.Credentials, now time.Time) (Answer, error) {
	req, err := c.request(connectionID, r, credentials, now)
	if err != nil {
		return Answer{}, c.failed(Unsent, err)
	}
	c.thaw(now)
	ctx.request()
	resp, err := c.transport.RoundTrip(req.WithContext(ctx))
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

// request is the signed HTTP request of a call.
func (c *Client) request(connectionID string, r Request, credentials aws.Credentials, now time.Time) (*http.Request, error) {
	escaped := c.prefix + escapeSegment(connectionID)
	header := make(http.Header, 6)
	if r.method == http.MethodPost {
		header["Content-Type"] = octetStream
	}
	header["User-Agent"] = c.userAgent
	if err := c.signer.sign(header, r.method, escaped, r.hash, credentials, now); err != nil {
		return nil, err
	}
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
	return req, nil
}

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
