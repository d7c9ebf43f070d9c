package intercept

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// proxied answers a request to the forward proxy.
func (i *Interceptor) proxied(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect && !r.URL.IsAbs() && r.Header.Get("Proxy-Authorization") == "" {
		// What a page or a stranger sends who takes this for a server.
		http.Error(w, "this is the proxy of wirepost dev for its functions, and no server", http.StatusForbidden)
		return
	}
	client := i.client(r)
	if client == nil {
		w.Header().Set("Proxy-Authenticate", `Basic realm="wirepost dev"`)
		http.Error(w, "this is the proxy of wirepost dev for its functions, which have its token", http.StatusProxyAuthRequired)
		return
	}
	switch {
	case r.Method == http.MethodConnect:
		i.connect(w, r, client)
	case r.URL.IsAbs():
		i.forward(w, r, client)
	case r.Method == http.MethodPost && r.URL.Path == "/calls":
		if h, ok := ParseHost(r.URL.Query().Get("host")); ok {
			call := Call{Client: client, Host: h}
			if why := r.URL.Query().Get("error"); why != "" {
				call.Err = errors.New(why)
			}
			i.c.Elsewhere(call)
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		http.Error(w, "the proxy takes CONNECT and absolute URLs", http.StatusBadRequest)
	}
}

// forward answers a request with an absolute URL, which clients send for http:// and some
// for https://, too.
func (i *Interceptor) forward(w http.ResponseWriter, r *http.Request, client *Client) {
	if r.URL.Scheme != "http" && r.URL.Scheme != "https" || r.URL.Host == "" {
		http.Error(w, "the proxy takes http:// and https://", http.StatusBadRequest)
		return
	}
	host, ofAWS := ParseHost(r.URL.Host)
	r.Header.Del("Proxy-Authorization")
	r.Header.Del("Proxy-Connection")
	if ofAWS && i.handler(host) != nil && usualPort(r.URL) {
		r = r.Clone(r.Context())
		_, rest, _ := strings.Cut(r.RequestURI, "://")
		at := strings.IndexAny(rest, "/?")
		if at < 0 {
			at = len(rest)
		}
		r.RequestURI = rest[at:]
		if !strings.HasPrefix(r.RequestURI, "/") {
			r.RequestURI = "/" + r.RequestURI
		}
		r.URL.Scheme, r.URL.Host = "", ""
		i.answer(w, r, client, host)
		return
	}
	call := Call{Client: client, Host: host}
	ctx := context.WithValue(r.Context(), callKey{}, call)
	err := i.onward.pass(w, r.WithContext(ctx), r.URL.Scheme, r.URL.Host)
	if ofAWS {
		call.Err = err
		i.c.Elsewhere(call)
	}
}

// usualPort reports whether a URL has no port, or the one of its scheme.
func usualPort(u *url.URL) bool {
	port := u.Port()
	return port == "" || port == map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

// connect answers CONNECT: with this process's own TLS for what is taken over, and
// otherwise with a tunnel.
func (i *Interceptor) connect(w http.ResponseWriter, r *http.Request, client *Client) {
	name, port, err := net.SplitHostPort(r.Host)
	if err != nil || name == "" || port == "" {
		http.Error(w, "CONNECT takes HOST:PORT", http.StatusBadRequest)
		return
	}
	host, ofAWS := ParseHost(name)
	if ofAWS && i.handler(host) != nil && (port == "443" || port == "80") {
		nc, err := established(w)
		if err != nil {
			return
		}
		a := &arrival{Conn: nc, client: client, host: host}
		if port == "443" {
			nc = i.secured(a)
		} else {
			nc = a
		}
		i.handed.give(nc)
		return
	}
	there, err := i.onward.dial(r.Context(), client, r.Host)
	if ofAWS {
		i.c.Elsewhere(Call{client, host, err})
	}
	if err != nil {
		refuse(w, err)
		return
	}
	here, err := established(w)
	if err != nil {
		there.Close()
		return
	}
	i.tunnels.run(here, there)
}

// refuse says why there is no tunnel. Clients show the text after the status and nothing
// else.
func refuse(w http.ResponseWriter, why error) {
	nc, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, why.Error(), http.StatusBadGateway)
		return
	}
	defer nc.Close()
	text := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return ' '
		}
		return c
	}, why.Error())
	fmt.Fprintf(nc, "HTTP/1.1 502 %.300s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", text)
}

// established tells the client that it is connected, and takes the connection.
func established(w http.ResponseWriter) (net.Conn, error) {
	nc, buffer, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "CONNECT takes HTTP/1.1", http.StatusHTTPVersionNotSupported)
		return nil, err
	}
	if _, err := io.WriteString(nc, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		nc.Close()
		return nil, err
	}
	return withBuffered(nc, buffer.Reader)
}

// withBuffered gives back what was read too early.
func withBuffered(nc net.Conn, r *bufio.Reader) (net.Conn, error) {
	n := r.Buffered()
	if n == 0 {
		return nc, nil
	}
	early := make([]byte, n)
	if _, err := io.ReadFull(r, early); err != nil {
		nc.Close()
		return nil, err
	}
	return &begun{Conn: nc, early: early}, nil
}

// begun is a connection of which some bytes have been read.
type begun struct {
	net.Conn
	early []byte
}

// Read implements net.Conn.
func (b *begun) Read(p []byte) (int, error) {
	if len(b.early) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.early)
	b.early = b.early[n:]
	return n, nil
}

// CloseWrite ends what is sent.
func (b *begun) CloseWrite() error { return closeWrite(b.Conn) }

func closeWrite(nc net.Conn) error {
	if half, ok := nc.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nc.Close()
}

// tunnels are the connections that go through untouched. They have no limit of time, as
// an upgraded connection has none: their two ends decide.
type tunnels struct {
	mu   sync.Mutex
	open map[net.Conn]bool // nil once closed
}

// run copies both ways until both have ended, or close is called.
func (t *tunnels) run(a, b net.Conn) {
	defer a.Close()
	defer b.Close()
	if !t.add(a, b) {
		return
	}
	defer t.remove(a, b)
	done := make(chan struct{})
	copyOne := func(to, from net.Conn) {
		if _, err := io.Copy(to, from); err != nil {
			to.Close()
			from.Close()
			return
		}
		closeWrite(to)
	}
	go func() { defer close(done); copyOne(b, a) }() // ends when either is closed
	copyOne(a, b)
	<-done
}

func (t *tunnels) add(all ...net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		return false
	}
	for _, nc := range all {
		t.open[nc] = true
	}
	return true
}

func (t *tunnels) remove(all ...net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, nc := range all {
		delete(t.open, nc)
	}
}

func (t *tunnels) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for nc := range t.open {
		nc.Close()
	}
	t.open = nil
}
