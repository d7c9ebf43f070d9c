package intercept

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

const tableHost = "dynamodb.us-east-1.amazonaws.com"

// heard is what an Interceptor was told of calls that go elsewhere.
type heard struct {
	told chan struct{} // closed with the first
	once sync.Once

	mu    sync.Mutex
	calls []Call
}

func (h *heard) add(c Call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.once.Do(func() { close(h.told) })
	h.calls = append(h.calls, c)
}

func (h *heard) all() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var text []string
	for _, c := range h.calls {
		text = append(text, fmt.Sprintf("%s called %s (reached: %v)", c.Client.Name, c.Host.Name, c.Err == nil))
	}
	return strings.Join(text, "\n")
}

// running starts an Interceptor whose tables tell what came.
func running(t *testing.T, c Config) (*Interceptor, *heard) {
	t.Helper()
	h := &heard{told: make(chan struct{})}
	c.Elsewhere = h.add
	i, err := Listen(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	if err := i.Serve(map[string]http.Handler{"dynamodb": http.HandlerFunc(tell), "sns": i.Onward()}); err != nil {
		t.Fatal(err)
	}
	return i, h
}

// tell answers what came, and from whom.
func tell(w http.ResponseWriter, r *http.Request) {
	call, _ := CallOf(r)
	server := "plain"
	if r.TLS != nil {
		server = r.TLS.ServerName
	}
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s of %s for %s: %s (%s) %s", r.Proto, r.Method, r.RequestURI, r.Host, call.Client.Name, body, server, r.Header.Get("Proxy-Authorization"))
}

// variable is the value that a client has of a variable.
func (c *Client) variable(name string) string { return either(c.Variables(), name) }

// through is a client of HTTP that uses the proxy as a function would.
func through(t *testing.T, i *Interceptor, c *Client, two bool) *http.Client {
	t.Helper()
	proxy, err := url.Parse(c.variable("HTTPS_PROXY"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(i.Authority().PEM())
	transport := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: two, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: 20 * time.Second}
}

func get(t *testing.T, c *http.Client, method, address, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text)
}

func TestACallByTheProxyArrivesAsItWasSent(t *testing.T) {
	i, h := running(t, Config{})
	client := i.NewClient("chat", nil, nil)
	for _, c := range []struct {
		two           bool
		address, want string
	}{
		{false, "https://" + tableHost + "/a%2Fb//c?x=1;y", "HTTP/1.1 POST /a%2Fb//c?x=1;y of " + tableHost + " for chat: hello (" + tableHost + ") "},
		{true, "https://" + tableHost + "/", "HTTP/2.0 POST / of " + tableHost + " for chat: hello (" + tableHost + ") "},
		{false, "http://" + tableHost + "/a%2Fb//c?x=1;y", "HTTP/1.1 POST /a%2Fb//c?x=1;y of " + tableHost + " for chat: hello (plain) "},
		{false, "https://111122223333.ddb.eu-west-1.amazonaws.com/", "HTTP/1.1 POST / of 111122223333.ddb.eu-west-1.amazonaws.com for chat: hello (111122223333.ddb.eu-west-1.amazonaws.com) "},
	} {
		if status, got := get(t, through(t, i, client, c.two), "POST", c.address, "hello"); status != 200 || got != c.want {
			t.Errorf("%s: %d %s\nwant %s", c.address, status, got, c.want)
		}
	}
	if said := h.all(); said != "" {
		t.Errorf("it is said to go elsewhere: %s", said)
	}
}

// Some clients, such as axios, send the whole URL also for https.
func TestAWholeURLOfHTTPSIsTakenToo(t *testing.T) {
	i, _ := running(t, Config{})
	client := i.NewClient("chat", nil, nil)
	for target, want := range map[string]string{
		"https://" + tableHost + "/x?y":   "/x?y",
		"https://" + tableHost + ":443/x": "/x",
		"https://" + tableHost:            "/",
		"https://" + tableHost + "?y":     "/?y",
	} {
		status, text := raw(t, i.Proxy(), "GET "+target+" HTTP/1.1\r\nHost: "+tableHost+"\r\nProxy-Authorization: "+client.authorization()+"\r\nConnection: close\r\n\r\n")
		if status != 200 || !strings.Contains(text, "GET "+want+" of "+tableHost) {
			t.Errorf("%s: %d %s", target, status, text)
		}
	}
}

// raw sends bytes and reads one answer.
func raw(t *testing.T, address, request string) (int, string) {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(nc, request)
	answer, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, answer.Status + "\n" + string(text)
}

func TestWithoutATokenTheProxyGivesNothing(t *testing.T) {
	secret := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Error("a request went on") }))
	defer secret.Close()
	i, h := running(t, Config{})
	gone := i.NewClient("chat", nil, nil)
	gone.Close()
	other, _ := running(t, Config{})
	there := strings.TrimPrefix(secret.URL, "http://")
	for name, header := range map[string]string{
		"nothing":                      "",
		"a page's":                     "Origin: https://evil.test\r\nSec-Fetch-Site: cross-site\r\n",
		"a page of this machine's":     "Origin: http://localhost:3001\r\nSec-Fetch-Site: same-site\r\n",
		"another token":                "Proxy-Authorization: Basic Y2hhdDp4\r\n",
		"an empty token":               "Proxy-Authorization: Basic Y2hhdDo=\r\n",
		"no base64":                    "Proxy-Authorization: Basic %\r\n",
		"a bearer token":               "Proxy-Authorization: Bearer " + gone.token + "\r\n",
		"that of a process that ended": "Proxy-Authorization: " + gone.authorization() + "\r\n",
		"that of another run":          "Proxy-Authorization: " + other.NewClient("chat", nil, nil).authorization() + "\r\n",
		"the header of a server":       "Authorization: " + gone.authorization() + "\r\n",
	} {
		for _, request := range []string{"CONNECT " + tableHost + ":443", "CONNECT " + there, "GET http://" + tableHost + "/", "GET " + secret.URL + "/", "POST /calls?host=" + tableHost, "GET /", "OPTIONS *"} {
			for _, host := range []string{there, i.Proxy(), "rebound.evil.test", tableHost} {
				status, text := raw(t, i.Proxy(), request+" HTTP/1.1\r\nHost: "+host+"\r\n"+header+"Content-Length: 0\r\nConnection: close\r\n\r\n")
				if status != 407 && status != 403 || strings.Contains(text, "Access-Control") {
					t.Errorf("%s: %s of %s: %d %s", name, request, host, status, text)
				}
			}
		}
	}
	if said := h.all(); said != "" {
		t.Errorf("somebody without a token has it told: %s", said)
	}
}

func TestAllElseGoesThroughUntouched(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s: %s", r.Host, r.RequestURI, body)
	}))
	defer server.Close()
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %v", r.Host, r.RequestURI, r.Header)
	}))
	defer plain.Close()
	i, _ := running(t, Config{})
	client := through(t, i, i.NewClient("chat", nil, nil), false)
	client.Transport.(*http.Transport).TLSClientConfig.RootCAs.AddCert(server.Certificate())
	if status, got := get(t, client, "POST", server.URL+"/a//b?c", "hello"); status != 200 || got != strings.TrimPrefix(server.URL, "https://")+" /a//b?c: hello" {
		t.Errorf("https: %d %s", status, got)
	}
	want := strings.TrimPrefix(plain.URL, "http://") + " /a//b?c;d map[Content-Length:[0] User-Agent:[Go-http-client/1.1]]"
	if status, got := get(t, client, "POST", plain.URL+"/a//b?c;d", ""); status != 200 || got != want {
		t.Errorf("http: %d %s\nwant %s", status, got, want)
	}
}

func TestAHostOfAWSThatIsNotHereIsToldWithWhetherItWasReached(t *testing.T) {
	i, h := running(t, Config{})
	proxy, asked := callersProxy(t, "127.0.0.1:1")
	client := through(t, i, i.NewClient("chat", []string{"HTTPS_PROXY=" + proxy}, nil), false)
	_, why := get(t, client, "GET", "https://s3.us-east-1.amazonaws.com/", "")
	if !strings.Contains(why, "connect to s3.us-east-1.amazonaws.com:443 by the proxy 127.0.0.1:") || strings.Contains(why, "secret") {
		t.Errorf("a client is told %s", why)
	}
	if got := next(t, asked); got != "s3.us-east-1.amazonaws.com:443" {
		t.Errorf("the caller's proxy is asked for %s", got)
	}
	get(t, client, "GET", "https://other.example:443/", "")
	if got := h.all(); got != "chat called s3.us-east-1.amazonaws.com (reached: false)" {
		t.Errorf("told: %s", got)
	}
}

// next is what a proxy is asked for next.
func next(t *testing.T, asked chan string) string {
	t.Helper()
	select {
	case got := <-asked:
		return got
	case <-time.After(20 * time.Second):
		t.Error("the caller's proxy is not asked")
		return ""
	}
}

// callersProxy is one that leads everything to one address.
func callersProxy(t *testing.T, to string) (address string, asked chan string) {
	t.Helper()
	asked = make(chan string, 100)
	proxy := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Host
		if r.Header.Get("Proxy-Authorization") != "Basic bWU6c2VjcmV0" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		there, err := net.Dial("tcp", to)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		here, err := established(w)
		if err != nil {
			there.Close()
			return
		}
		both := tunnels{open: map[net.Conn]bool{}}
		both.run(here, there)
	}))
	proxy.Config.ErrorLog = log.New(io.Discard, "", 0)
	proxy.Start()
	t.Cleanup(proxy.Close)
	return "http://me:secret@" + strings.TrimPrefix(proxy.URL, "http://"), asked
}

// What a handler gives to Onward, and what is not taken over, goes by the caller's own
// proxy, unless the caller's NO_PROXY has the host.
func TestTheCallersVariablesRuleWhatGoesOn(t *testing.T) {
	aws := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Amzn-Requestid", "1")
		fmt.Fprintf(w, "%s %s of %s: %s %v", r.Proto, r.RequestURI, r.Host, body, r.Header)
	}))
	authority, err := NewAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := authority.certificateFor("sns.us-east-1.amazonaws.com")
	if err != nil {
		t.Fatal(err)
	}
	aws.TLS, aws.EnableHTTP2 = &tls.Config{Certificates: []tls.Certificate{*certificate}}, true
	aws.StartTLS()
	defer aws.Close()
	roots := x509.NewCertPool()
	roots.AddCert(authority.certificate)
	proxy, asked := callersProxy(t, aws.Listener.Addr().String())
	i, _ := running(t, Config{Roots: roots})
	for _, two := range []bool{false, true} {
		client := through(t, i, i.NewClient("chat", []string{"https_proxy=" + proxy}, nil), two)
		status, got := get(t, client, "POST", "https://sns.us-east-1.amazonaws.com/a%2Fb//c?x=1;y", "hello")
		version := map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[two]
		if want := version + " /a%2Fb//c?x=1;y of sns.us-east-1.amazonaws.com: hello map[Content-Length:[5] User-Agent:[Go-http-client/" + version[5:8] + "]]"; status != 200 || got != want {
			t.Errorf("%s: %d %s\nwant %s", version, status, got, want)
		}
		if got := next(t, asked); got != "sns.us-east-1.amazonaws.com:443" {
			t.Errorf("the caller's proxy is asked for %s", got)
		}
	}
	client := i.NewClient("chat", []string{"HTTPS_PROXY=" + proxy, "NO_PROXY=.amazonaws.com"}, nil)
	if u, err := client.proxy(&url.URL{Scheme: "https", Host: "sns.us-east-1.amazonaws.com"}); u != nil || err != nil {
		t.Errorf("with NO_PROXY it goes on by %v, %v", u, err)
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		if got := client.variable(name); got != "localhost,127.0.0.1,::1" {
			t.Errorf("the function has %s=%s", name, got)
		}
	}
	if got := client.variable("HTTP_PROXY"); !strings.Contains(got, client.token+"@127.0.0.1:") || client.variable("http_proxy") != got || client.variable("https_proxy") != got {
		t.Errorf("the function has HTTP_PROXY=%s", got)
	}
}

func TestACallKnowsItsWork(t *testing.T) {
	type key struct{}
	i, h := running(t, Config{})
	ctx := context.WithValue(t.Context(), key{}, "an invocation")
	proxy, _ := callersProxy(t, "127.0.0.1:1")
	client := i.NewClient("chat", []string{"HTTPS_PROXY=" + proxy}, func() context.Context { return ctx })
	get(t, through(t, i, client, false), "GET", "https://s3.us-east-1.amazonaws.com/", "")
	if len(h.calls) != 1 || h.calls[0].Client.Context().Value(key{}) != "an invocation" {
		t.Errorf("%+v", h.calls)
	}
	if i.NewClient("chat", nil, nil).Context() == nil {
		t.Error("a client without work has no context")
	}
}

func TestClosingEndsWhatGoesThrough(t *testing.T) {
	there, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	i, _ := running(t, Config{})
	client := i.NewClient("chat", nil, nil)
	nc, err := net.Dial("tcp", i.Proxy())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(nc, "CONNECT %s HTTP/1.1\r\nHost: x\r\nProxy-Authorization: %s\r\n\r\n", there.Addr(), client.authorization())
	far, err := there.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	answer, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil || answer.StatusCode != 200 {
		t.Fatalf("%v, %v", answer, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- i.Close() }() // ends below
	if _, err := nc.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the tunnel: %v", err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("Close does not end")
	}
}
