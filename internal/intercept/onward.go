package intercept

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"golang.org/x/net/proxy"
)

// dialTime bounds how long a host may take to be reached.
const dialTime = 20 * time.Second

// onward is how calls go on, in the version of HTTP that they came in: by the proxy that the client's own environment names, if it
// names one.
type onward struct {
	roots   *x509.CertPool
	one     *http.Transport // HTTP/1.1
	two     *http.Transport // HTTP/2, where the host has it
	reverse *httputil.ReverseProxy
}

func newOnward() *onward {
	o := &onward{}
	o.one = &http.Transport{
		Proxy:       func(r *http.Request) (*url.URL, error) { return callerOf(r.Context()).proxy(r.URL) },
		DialContext: (&net.Dialer{Timeout: dialTime}).DialContext, TLSHandshakeTimeout: dialTime,

		MaxResponseHeaderBytes: 1 << 20, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute,
		DisableCompression: true, // bytes as they are
	}
	o.two = o.one.Clone()
	o.two.ForceAttemptHTTP2 = true
	o.reverse = &httputil.ReverseProxy{
		Rewrite:       rewrite,
		Transport:     o,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if failed, ok := r.Context().Value(failedKey{}).(*error); ok {
				*failed = err
			}
			http.Error(w, "wirepost dev cannot pass this on to "+r.URL.Host+": "+err.Error(), http.StatusBadGateway)
		},
	}
	return o
}

// RoundTrip implements http.RoundTripper, in the version of HTTP that the client speaks:
// what it has signed depends on it.
func (o *onward) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.ProtoMajor == 2 {
		return o.two.RoundTrip(r)
	}
	return o.one.RoundTrip(r)
}

func (o *onward) trust(roots *x509.CertPool) {
	if roots == nil {
		return
	}
	o.roots = roots
	for _, t := range []*http.Transport{o.one, o.two} {
		t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
}

func (o *onward) close() {
	o.one.CloseIdleConnections()
	o.two.CloseIdleConnections()
}

type (
	targetKey struct{}
	failedKey struct{}
)

// target is where a request goes.
type target struct{ scheme, host string }

// rewrite sends a request on as it came: with its Host, which is signed, and no header
// that it did not have.
func rewrite(p *httputil.ProxyRequest) {
	t := p.In.Context().Value(targetKey{}).(target)
	p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = t.scheme, t.host, p.In.Host
	p.Out.URL.RawQuery = p.In.URL.RawQuery // also what Go cannot parse
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if v, ok := p.In.Header[name]; ok { // ReverseProxy has taken them away
			p.Out.Header[name] = v
		}
	}
	if _, ok := p.In.Header["User-Agent"]; !ok {
		p.Out.Header["User-Agent"] = nil // net/http would send its own
	}
}

// pass sends a request on and its answer back. The error is why it could not.
func (o *onward) pass(w http.ResponseWriter, r *http.Request, scheme, host string) (failed error) {
	ctx := context.WithValue(r.Context(), targetKey{}, target{scheme, host})
	ctx = context.WithValue(ctx, failedKey{}, &failed)
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	o.reverse.ServeHTTP(w, r.WithContext(ctx))
	return failed
}

// Onward passes a request that a handler got on to the host that it was sent to, and its
// answer back: method, path, Host, headers and body are those of the client, so its
// signature stays right, and so do those of the answer. Headers that are of one
// connection only, such as Connection, are not passed on (RFC 9110 §7.6.1). A host that
// cannot be reached is answered with 502. It goes by the proxy that the client's own
// environment names.
func (i *Interceptor) Onward() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call, ok := CallOf(r)
		if !ok {
			http.Error(w, "this request did not come through the proxy of wirepost dev", http.StatusInternalServerError)
			return
		}
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		i.onward.pass(w, r, scheme, call.Host.Name)
	})
}

// Sender sends requests that are not those of a client, in HTTP/2 where a host has it: by
// the proxy that an environment names, and trusting the same roots as what goes on from
// here. It may be used once Serve has been called.
func (i *Interceptor) Sender(env []string) http.RoundTripper {
	return sender{i.onward.two, Call{Client: &Client{proxy: proxyOf(env)}}}
}

type sender struct {
	by   *http.Transport
	call Call
}

// RoundTrip implements http.RoundTripper.
func (s sender) RoundTrip(r *http.Request) (*http.Response, error) {
	return s.by.RoundTrip(r.WithContext(context.WithValue(r.Context(), callKey{}, s.call)))
}

func callerOf(ctx context.Context) *Client {
	call, _ := ctx.Value(callKey{}).(Call)
	return call.Client
}

// dial connects to HOST:PORT for a client.
func (o *onward) dial(ctx context.Context, client *Client, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	direct := &net.Dialer{}
	by, err := client.proxy(&url.URL{Scheme: "https", Host: address})
	switch {
	case err != nil:
		return nil, errors.New("the proxy in the function's environment is not a URL") // which may have a password
	case by == nil:
		nc, err := direct.DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, fmt.Errorf("connect to %s: %w", address, err)
		}
		return nc, nil
	}
	nc, err := o.dialBy(ctx, direct, by, address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s by the proxy %s: %w", address, by.Host, err)
	}
	return nc, nil
}

// dialBy connects by a proxy: http, https, or socks5.
func (o *onward) dialBy(ctx context.Context, direct *net.Dialer, by *url.URL, address string) (net.Conn, error) {
	if by.Scheme == "socks5" || by.Scheme == "socks5h" {
		socks, err := proxy.FromURL(by, direct)
		if err != nil {
			return nil, err
		}
		return socks.(proxy.ContextDialer).DialContext(ctx, "tcp", address)
	}
	port := map[string]string{"http": "80", "https": "443"}[by.Scheme]
	if port == "" {
		return nil, errors.New("its scheme is none of http, https and socks5")
	}
	at := by.Host
	if by.Port() == "" {
		at = net.JoinHostPort(by.Hostname(), port)
	}
	nc, err := direct.DialContext(ctx, "tcp", at)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	if by.Scheme == "https" {
		nc = tls.Client(nc, &tls.Config{RootCAs: o.roots, ServerName: by.Hostname(), MinVersion: tls.VersionTLS12})
	}
	tunnel, err := askProxy(nc, by, address)
	if err != nil {
		nc.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
	}
	return tunnel, err
}

// maxAnswer bounds the answer of a proxy to CONNECT.
const maxAnswer = 64 << 10

// askProxy asks a proxy for a tunnel.
func askProxy(nc net.Conn, by *url.URL, address string) (net.Conn, error) {
	r := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if u := by.User; u != nil {
		password, _ := u.Password()
		r.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)))
	}
	if err := r.Write(nc); err != nil {
		return nil, err
	}
	limited := &io.LimitedReader{R: nc, N: maxAnswer}
	buffer := bufio.NewReader(limited)
	answer, err := http.ReadResponse(buffer, r)
	if err != nil {
		return nil, fmt.Errorf("read its answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return nil, fmt.Errorf("it answered %s", answer.Status)
	}
	return withBuffered(nc, buffer)
}
