package doctor_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/doctor"
)

// each gives every connection to a function, and is its address. The function's
// connection is closed for it.
func each(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	return l.Addr().String()
}

func resets(c net.Conn) { c.(*net.TCPConn).SetLinger(0) }

// once reads what a client says first.
func once(c net.Conn) {
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	c.Read(make([]byte, 8192))
}

// onLoopback is an endpoint of this machine at which something else listens.
func onLoopback(serve func(net.Conn)) func(*world) {
	return func(w *world) { w.options.Endpoint = "http://" + each(w.t, serve) + "/dev" }
}

// program is an endpoint of this machine at which a program of another kind answers.
func program(h http.HandlerFunc) func(*world) {
	return func(w *world) { w.options.Endpoint = w.serve(h) + "/dev" }
}

func answers(status int, body string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/plain")
		rw.Header().Set("Server", "Other/1.0")
		rw.WriteHeader(status)
		io.WriteString(rw, body)
	}
}

// onlyPost answers what is not a POST with 404.
func onlyPost(h http.HandlerFunc) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			http.NotFound(rw, r)
			return
		}
		h(rw, r)
	}
}

// culpritRows were each called by another's name once.
func culpritRows() []row {
	return slices.Concat(talkRows(), programRows(), nameRows(), routeRows(), otherRows())
}

// talkRows are servers of this machine that talk strangely or not at all.
func talkRows() []row {
	return []row{
		{name: "a server that resets at once", make: onLoopback(resets), want: problems(wirepost.ProblemNoAnswer), says: []string{"took the connection and reset it"}},
		{name: "a server that resets when it is asked", make: onLoopback(func(c net.Conn) { once(c); resets(c) }), want: problems(wirepost.ProblemNoAnswer), says: []string{"took the connection and reset it"}},
		{name: "a server that closes when it is asked", make: onLoopback(once), want: problems(wirepost.ProblemNoAnswer), says: []string{"closed the connection without a whole answer"}},
		{name: "a server that never answers", make: both(func(w *world) { w.options.Step = time.Second }, func(w *world) { w.options.Endpoint = "http://" + silent(w.t) + "/dev" }),
			want: problems(wirepost.ProblemNoAnswer), says: []string{"did not answer within 1s"}},
		{name: "a server of another protocol", make: onLoopback(func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n"); once(c) }), want: problems(wirepost.ProblemNotAPIGateway), says: []string{"does not answer in HTTP", "correct the port"}},
		{name: "a header without an end", make: onLoopback(func(c net.Conn) {
			once(c)
			for _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n"); err == nil; {
				_, err = io.WriteString(c, "X-Long: "+strings.Repeat("x", 4096)+"\r\n")
			}
		}), want: problems(wirepost.ProblemNotAPIGateway), says: []string{"server response headers exceeded"}},
		{name: "http:// to a server of TLS, which says so in HTTP", make: func(w *world) {
			s := httptest.NewTLSServer(http.NotFoundHandler())
			w.t.Cleanup(s.Close)
			w.options.Endpoint = "http://" + s.Listener.Addr().String() + "/dev"
		}, want: problems(wirepost.ProblemEndpointScheme), says: []string{"speaks TLS", "use https://127.0.0.1:"}},
		{name: "http:// to a server of TLS, which says so in TLS", make: onLoopback(func(c net.Conn) { once(c); c.Write([]byte{0x15, 3, 1, 0, 2, 2, 0x46}) }),
			want: problems(wirepost.ProblemEndpointScheme), says: []string{"speaks TLS", "use https://127.0.0.1:"}},
	}
}

// programRows are programs of this machine that are no gateway.
func programRows() []row {
	return []row{
		{name: "another program on this machine", make: program(answers(404, "no such file")), want: problems(wirepost.ProblemNotAPIGateway), says: []string{"answers a send with 404", "another program", "correct the port"}},
		{name: "another program that allows no POST", make: program(answers(405, "")), want: problems(wirepost.ProblemNotAPIGateway), says: []string{"another program"}},
		{name: "another program that forbids", make: program(answers(403, "no")), want: problems(wirepost.ProblemNotAPIGateway), says: []string{"answers a send with 403"}},
		{name: "another program that fails", make: program(answers(500, "oops")), want: problems(wirepost.ProblemNotAPIGateway), says: []string{"answers a send with 500"}},
		{name: "another program that takes every POST", make: program(onlyPost(answers(200, `{"ok":true}`))), want: problems(wirepost.ProblemNotAPIGateway), says: []string{"answers a send with 200"}},
		{name: "another gateway on this machine", make: program(func(rw http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "" {
				answers(404, "")(rw, r)
				return
			}
			rw.WriteHeader(http.StatusGone)
		})},
		{name: "API Gateway takes every send", make: func(w *world) { w.fault = answer(gateway.CallPost, gateway.Fault{Status: 200}) }, want: problems(wirepost.ProblemNotAPIGateway), says: []string{"POST of a connection that nobody has was answered with 200"}},
	}
}

// nameRows are of name servers, and of who answers at what they say.
func nameRows() []row {
	const wrongRegion = "https://abc123.execute-api.eu-wset-1.amazonaws.com/prod"
	own := func(address string) func(*world) { return func(w *world) { w.at[publicIP] = address } }
	return []row{
		{name: "a mistyped region", make: func(w *world) {
			w.options.Endpoint, w.env["AWS_REGION"] = wrongRegion, "eu-wset-1"
			w.names["sts.amazonaws.com"] = []string{otherIP}
		}, want: problems(wirepost.ProblemEndpointUnresolved), says: []string{`there is no region "eu-wset-1"`, "while sts.amazonaws.com does", "correct the region"}},
		{name: "a mistyped region of China", make: func(w *world) {
			w.options.Endpoint, w.env["AWS_REGION"] = "https://abc123.execute-api.cn-nroth-1.amazonaws.com.cn/prod", "cn-nroth-1"
			w.names["sts.cn-north-1.amazonaws.com.cn"] = []string{otherIP}
		}, want: problems(wirepost.ProblemEndpointUnresolved), says: []string{`there is no region "cn-nroth-1"`}},
		{name: "a mistyped domain of AWS", make: endpoint("https://abc123.execute-api.eu-west-1.amazonaws.con/prod"),
			want: problems(wirepost.ProblemEndpointHost), says: []string{"do not end with amazonaws.con", "use https://abc123.execute-api.eu-west-1.amazonaws.com/prod"}},
		{name: "a host in the manner of AWS", make: endpoint("https://abc123.execute-api.eu-west-1.exmaple.com/prod"),
			want: problems(wirepost.ProblemEndpointUnresolved), says: []string{"looks like an API's own host", "correct the host to <api-id>.execute-api.eu-west-1.amazonaws.com"}},
		{name: "a name without an address", make: func(w *world) { w.names[apiHost], w.names["sts.amazonaws.com"] = []string{"none"}, []string{otherIP} },
			want: problems(wirepost.ProblemEndpointUnresolved), says: []string{"it has no address"}},
		{name: "a custom domain whose zone is broken", make: both(trusted(""), func(w *world) {
			w.names[customHost], w.names["sts.amazonaws.com"] = []string{"broken"}, []string{otherIP}
		}), want: problems(wirepost.ProblemEndpointUnresolved), says: []string{"server misbehaving", "while sts.amazonaws.com can", "the zone of ws.example.com"}},
		{name: "a captive portal at a private address", make: func(w *world) { w.names = map[string][]string{"*": {"10.0.0.1"}} },
			want: problems(wirepost.ProblemEndpointUnresolved), says: []string{"10.0.0.1 for names that do not exist too", "captive portal", "sign in to this network"}},
		{name: "a name server that has an answer for every name, and a page there", make: func(w *world) {
			w.names = map[string][]string{"*": {"203.0.113.7"}}
			w.serveTLS("203.0.113.7", certificate(w.t, "search.example.net"), http.HandlerFunc(answers(200, "<html>")))
		}, want: problems(wirepost.ProblemEndpointUnresolved), says: []string{"203.0.113.7 for names that do not exist too"}},
		{name: "another certificate at API Gateway's own host", make: func(w *world) {
			w.serveTLS(publicIP, certificate(w.t, "portal.example.net"), http.HandlerFunc(answers(200, "<html>")))
		}, want: problems(wirepost.ProblemEndpointCertificate), says: []string{"portal.example.net, not " + apiHost, "in AWS's place"}},
		{name: "an expired certificate at API Gateway's own host", make: func(w *world) { w.serveTLS(publicIP, expired(w.t, apiHost), http.NotFoundHandler()) },
			want: problems(wirepost.ProblemEndpointCertificate), says: []string{"set this machine's clock"}},
		{name: "TLS, and another protocol", make: func(w *world) {
			own(each(w.t, func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n"); once(c) }))(w)
		}, want: problems(wirepost.ProblemNotAPIGateway), says: []string{`does not speak TLS: it begins with "SSH-2"`}},
		{name: "TLS is reset", make: func(w *world) { own(each(w.t, func(c net.Conn) { once(c); resets(c) }))(w) }, want: problems(wirepost.ProblemEndpointUnreachable), says: []string{"reset the connection in the TLS handshake"}},
		{name: "TLS is closed", make: func(w *world) { own(each(w.t, once))(w) }, want: problems(wirepost.ProblemEndpointUnreachable), says: []string{"closed the connection in the TLS handshake"}},
	}
}

// routeRows are of the way there.
func routeRows() []row {
	return []row{
		{name: "no network", make: func(w *world) { w.fail[publicIP] = syscall.ENETUNREACH }, want: problems(wirepost.ProblemEndpointUnreachable), says: []string{"no way to " + publicIP + ":443: network is unreachable", "NAT64"}},
		{name: "an IPv6-only name, and no IPv6", make: func(w *world) {
			w.names[apiHost], w.fail["2001:db8::1"] = []string{"2001:db8::1"}, syscall.ENETUNREACH
		}, want: problems(wirepost.ProblemEndpointUnreachable), says: []string{"IPv6 addresses only", "dual-stack"}},
		{name: "IPv4 does not connect, and there is no IPv6", make: func(w *world) {
			w.names[apiHost], w.at[publicIP], w.fail["2001:db8::1"] = []string{"2001:db8::1", publicIP}, "hang", syscall.ENETUNREACH
		}, want: problems(wirepost.ProblemEndpointUnreachable), says: []string{"TCP to " + publicIP + ":443 did not connect within 2", "NAT gateway"}},
		{name: "a firewall of this machine", make: func(w *world) { w.fail[publicIP] = syscall.EPERM }, want: problems(wirepost.ProblemEndpointUnreachable), says: []string{"this machine does not allow", "firewall"}},
		{name: "no descriptor", make: func(w *world) { w.fail[publicIP] = syscall.EMFILE }, want: problems(wirepost.ProblemEndpointUnreachable), says: []string{"too many open files", "ulimit -n"}},
		{name: "a function without a network", make: func(w *world) {
			w.fail[publicIP], w.options.InFunction = syscall.ENETUNREACH, true
		}, want: problems(wirepost.ProblemEndpointUnreachable), says: []string{"no way to"}},
	}
}

// otherRows are of credentials, gateways on this machine, clients and stores.
func otherRows() []row {
	return []row{
		{name: "credentials that could not be had", make: func(w *world) {
			w.options.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{}, errors.New("the SSO session has expired or is invalid")
			})
		}, want: problems(wirepost.ProblemCredentialsMissing), says: []string{"could not be had: the SSO session has expired"}},
		{name: "credentials that never come", make: func(w *world) {
			w.options.Step = time.Second
			w.options.Credentials = aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
				<-ctx.Done()
				return aws.Credentials{}, ctx.Err()
			})
		}, want: problems(wirepost.ProblemCredentialsMissing), says: []string{"did not answer in time"}},
		{name: "a gateway on this machine with a pair of its own", make: func(w *world) {
			w.after = func() {
				w.options.Endpoint, w.options.Credentials = "http://"+strings.TrimPrefix(w.gateway.URL, "ws://"), nil
			}
		}, want: problems(wirepost.ProblemCredentialsInvalid), says: []string{"does not know the key wirepost", ".wirepost/credentials.json"}},
		{name: "a gateway on this machine that fails", make: func(w *world) {
			w.fault = answer(gateway.CallPost, gateway.Fault{Status: 500})
			w.after = func() { w.options.Endpoint = "http://" + strings.TrimPrefix(w.gateway.URL, "ws://") }
		}, want: problems(wirepost.ProblemServerError), says: []string{"the gateway on this machine answered 500", "wirepost fault"}},
		{name: "a client that finds nothing at its path", make: connecting(gateway.Fault{Status: 404}), want: problems(wirepost.ProblemConnectRefused), says: []string{"nothing at this path", "mapping key"}},
		{name: "a client that is sent elsewhere", make: connecting(gateway.Fault{Status: 302}), want: problems(wirepost.ProblemNotAPIGateway), says: []string{"connect was answered with 302"}},
		{name: "a client that waits for $connect", make: both(connecting(gateway.Fault{Hang: true}), func(w *world) { w.options.Step = time.Second }), want: problems(wirepost.ProblemConnectFailed), says: []string{"not answered within 2s", "takes too long"}},
		{name: "a client that is cut off", make: connecting(gateway.Fault{ResetBefore: true}), want: problems(wirepost.ProblemNoAnswer), says: []string{"the handshake was cut off"}},
		{name: "connections at a port that another program has by now", make: func(w *world) {
			w.options.Store = w.store
			w.learn(identity, apiURL)
			w.connected(identity, 1, time.Minute)
			other := wirepost.Identity{APIID: "def456", Stage: "dev", Region: "us-east-1"}
			w.learn(other, w.serve(answers(404, "no such file"))+"/dev")
			w.connected(other, 2, time.Minute)
		}, want: problems(wirepost.ProblemStoreDeadAPI, wirepost.ProblemStoreSeveralAPIs), says: []string{"2 connections belong to def456/dev@us-east-1, which is answered by another program: not-api-gateway"}},
	}
}

// connecting is a client of the doctor's own that meets a fault.
func connecting(f gateway.Fault) func(*world) {
	return func(w *world) {
		w.options.Live = doctor.Live
		w.fault = answer(gateway.CallConnect, f)
	}
}

// expired is a certificate that was valid an hour ago.
func expired(t *testing.T, name string) *tls.Config {
	t.Helper()
	ca, caKey := authority()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(3), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour), DNSNames: []string{name}}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, &key.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func TestTheCulpritIsNamed(t *testing.T) {
	for _, r := range culpritRows() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r.make(w)
			w.start()
			report := w.run()
			r.check(t, report)
			for _, c := range report.Checks {
				if strings.HasPrefix(w.options.Endpoint, "http://127.0.0.1") && (strings.Contains(c.Sentence, "documentation") || strings.Contains(c.Fix, "AtLeastOnce")) {
					t.Errorf("%s blames somebody else: %s; %s", c.Name, c.Sentence, c.Fix)
				}
			}
		})
	}
}

func TestAProxyIsTheCulprit(t *testing.T) {
	connect := func(answer string) func(net.Conn) {
		return func(c net.Conn) {
			if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil && r.Method == http.MethodConnect {
				io.WriteString(c, answer)
			}
		}
	}
	intercepts := func(t *testing.T) func(net.Conn) {
		config := certificate(t, "proxy.example.net")
		return func(c net.Conn) {
			if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil && r.Method == http.MethodConnect {
				io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
				c.SetDeadline(time.Now().Add(10 * time.Second))
				tls.Server(c, config).Handshake()
			}
		}
	}
	for _, tt := range []struct {
		name  string
		serve func(net.Conn)
		row   row
	}{
		{"it wants a password", connect("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n"), row{want: problems(wirepost.ProblemEndpointUnreachable), says: []string{"wants a name and a password (407)", "NAME:PASSWORD"}}},
		{"it forbids", connect("HTTP/1.1 403 Forbidden\r\n\r\n"), row{want: problems(wirepost.ProblemEndpointUnreachable), says: []string{"does not let requests through to " + apiHost, "403", "NO_PROXY"}}},
		{"it reaches nobody", connect("HTTP/1.1 502 Bad Gateway\r\n\r\n"), row{want: problems(wirepost.ProblemEndpointUnreachable), says: []string{"502"}}},
		{"it never answers", func(c net.Conn) { once(c); once(c) }, row{want: problems(wirepost.ProblemNoAnswer), says: []string{"no answer came through the proxy"}}},
		{"it opens TLS", intercepts(t), row{want: problems(wirepost.ProblemEndpointCertificate), says: []string{"proxy.example.net, not " + apiHost, "a proxy"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.options.Step = time.Second
			w.start()
			address := each(t, tt.serve)
			w.proxy = func(r *http.Request) (*url.URL, error) {
				if r.URL.Scheme == "https" {
					return &url.URL{Scheme: "http", Host: address}, nil
				}
				return nil, nil
			}
			tt.row.check(t, w.run())
		})
	}
	t.Run("its URL is none", func(t *testing.T) {
		w := newWorld(t)
		w.start()
		w.proxy = func(*http.Request) (*url.URL, error) {
			return nil, errors.New(`invalid proxy address "http://me:topsecret@:bad"`)
		}
		r := row{want: problems(wirepost.ProblemEndpointUnreachable), says: []string{"HTTPS_PROXY is not the URL of a proxy", "unset it"}}
		report := w.run()
		r.check(t, report)
		var text strings.Builder
		report.JSON(&text)
		if strings.Contains(text.String(), "topsecret") {
			t.Errorf("the report has the proxy's password in it:\n%s", text.String())
		}
	})
}

func TestWithoutAnEndpointOneThingIsSaid(t *testing.T) {
	w := newWorld(t)
	w.options.Endpoint = ""
	w.start()
	report := w.run()
	var text strings.Builder
	report.Text(&text)
	if n := strings.Count(text.String(), "\n"); n > 8 || strings.Contains(text.String(), "skip ") || !strings.Contains(text.String(), "\nfail  endpoint          endpoint-unset: ") {
		t.Errorf("it says %d lines:\n%s", n, text.String())
	}
	names := 0
	for _, c := range report.Checks {
		if slices.Contains(order, c.Name) {
			names++
		}
	}
	if names < 20 {
		t.Errorf("the JSON has %d checks only", names)
	}
}
