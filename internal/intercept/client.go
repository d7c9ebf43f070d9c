package intercept

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// Client is a program whose calls are brought here. Its token is known to its
// environment only.
type Client struct {
	// Name is for people: that of the function.
	Name string

	of      *Interceptor
	token   string
	context func() context.Context
	proxy   func(*url.URL) (*url.URL, error)
}

// NewClient makes a client with a token of its own. env is the program's environment
// without the variables of this package, as os.Environ gives it: its HTTPS_PROXY,
// HTTP_PROXY and NO_PROXY rule what goes on from here. The context is asked for at each
// call, and is that of the work that the program does; nil if that is not known.
func (i *Interceptor) NewClient(name string, env []string, context func() context.Context) *Client {
	var random [16]byte
	rand.Read(random[:]) // never fails
	c := &Client{Name: name, of: i, token: hex.EncodeToString(random[:]), context: context, proxy: proxyOf(env)}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.clients[c.token] = c
	return c
}

// proxyOf is the proxy for each URL that an environment names.
func proxyOf(env []string) func(*url.URL) (*url.URL, error) {
	config := httpproxy.Config{HTTPProxy: either(env, "HTTP_PROXY"), HTTPSProxy: either(env, "HTTPS_PROXY"), NoProxy: either(env, "NO_PROXY")}
	return config.ProxyFunc()
}

// Close makes the client's token worthless. Calls that have begun go on.
func (c *Client) Close() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	delete(c.of.clients, c.token)
}

// Context is that of the work that the client does at this moment. It is never nil.
func (c *Client) Context() context.Context {
	if c.context != nil {
		if ctx := c.context(); ctx != nil {
			return ctx
		}
	}
	return context.Background()
}

// either is the value of a variable in upper or in lower case, which is the order that
// Go's own clients have.
func either(env []string, name string) string {
	for _, name := range []string{name, strings.ToLower(name)} {
		for _, e := range slices.Backward(env) {
			if v, ok := strings.CutPrefix(e, name+"="); ok && v != "" {
				return v
			}
		}
	}
	return ""
}

// PreloadVariable is the variable that [Preload] reads.
const PreloadVariable = "WIREPOST_INTERCEPT"

// noProxy is what functions call without the proxy: this machine.
const noProxy = "localhost,127.0.0.1,::1"

// Variables are the environment that leads the client here. They are secret: they have
// its token. Serve has to have been called, which says what is taken over.
func (c *Client) Variables() []string {
	proxy := (&url.URL{Scheme: "http", User: url.UserPassword(c.Name, c.token), Host: c.of.proxy.Addr().String()}).String()
	var all []string
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"} {
		all = append(all, name+"="+proxy)
	}
	all = append(all, "NO_PROXY="+noProxy, "no_proxy="+noProxy)
	preload, err := json.Marshal(map[string]any{
		"taken": Pattern(c.of.taken()), "aws": ofAWS.String(), "proxy": portOf(c.of.proxy), "tls": portOf(c.of.names),
		"authorization": c.authorization(), "protocol": protocolPrefix + c.token,
	})
	if err != nil {
		panic(err) // strings and numbers
	}
	return append(all, PreloadVariable+"="+string(preload))
}

func (c *Client) authorization() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.Name+":"+c.token))
}

// client is whose token a request for the proxy has; nil if it has none that is known.
func (i *Interceptor) client(r *http.Request) *Client {
	given, ok := strings.CutPrefix(r.Header.Get("Proxy-Authorization"), "Basic ")
	if !ok {
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(given)
	if err != nil {
		return nil
	}
	_, token, _ := strings.Cut(string(raw), ":")
	return i.withToken(token)
}

// withToken is the client of a token. A token is 128 random bits, so how long a look into
// the map takes tells nothing of use.
func (i *Interceptor) withToken(token string) *Client {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.clients[token]
}
