package doctor_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/doctor"
	"github.com/wirepost/wirepost/internal/doctor/sharedconfig"
	"github.com/wirepost/wirepost/wireposttest"
)

const (
	apiHost    = "abc123.execute-api.eu-west-1.amazonaws.com"
	apiURL     = "https://" + apiHost + "/prod"
	customHost = "ws.example.com"
	publicIP   = "52.1.2.3"
	customIP   = "52.9.9.9"
	otherIP    = "52.8.8.8" // dynamodb's
)

var (
	identity = wirepost.Identity{APIID: "abc123", Stage: "prod", Region: "eu-west-1"}
	keys     = aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}
)

// world is a network of its own: names, addresses and what listens there are the
// test's, and everything that speaks is real.
type world struct {
	t     *testing.T
	env   map[string]string
	names map[string][]string // host to addresses; absent: it does not exist
	at    map[string]string   // address (IP) to what really listens; absent: nobody can get there
	roots *x509.CertPool
	fail  map[string]error // address (IP) to why nothing can be opened there

	mu     sync.Mutex
	looked []string

	gateway *wireposttest.Gateway
	store   *wirepost.MemStore
	fault   func(gateway.Call) gateway.Fault
	server  func(*gateway.Server)
	options doctor.Options
	ctx     context.Context
	proxy   func(*http.Request) (*url.URL, error)
	// after changes what the doctor finds, once the gateway runs.
	after func()
}

func (w *world) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	w.mu.Lock()
	w.looked = append(w.looked, host)
	w.mu.Unlock()
	var all []netip.Addr
	found, ok := w.names[host]
	if !ok {
		found = w.names["*"] // of a name server that has an answer for every name
	}
	for _, a := range found {
		if a == "hang" {
			<-ctx.Done()
			return nil, &net.DNSError{Err: ctx.Err().Error(), Name: host, IsTimeout: true}
		}
		if a == "none" {
			return nil, nil
		}
		if a == "broken" {
			return nil, &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true}
		}
		all = append(all, netip.MustParseAddr(a))
	}
	if len(all) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return all, nil
}

func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		if err := w.fail[host]; err != nil {
			return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", err)}
		}
		if address = w.at[host]; address == "" {
			return nil, &net.OpError{Op: "dial", Net: network, Err: fmt.Errorf("no route to %s", host)}
		}
		if address == "hang" {
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
		}
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// dialName is what a client's transport does in this world.
func (w *world) dialName(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if net.ParseIP(host) != nil || host == "localhost" {
		return w.dial(ctx, network, address)
	}
	found, err := w.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	return w.dial(ctx, network, net.JoinHostPort(found[0].String(), port))
}

// transport is that of a publisher or of AWS's client.
func (w *world) transport() *http.Transport {
	return &http.Transport{DialContext: w.dialName, TLSClientConfig: &tls.Config{RootCAs: w.roots}, DisableKeepAlives: true}
}

var authority = sync.OnceValues(func() (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return c, key
})

// certificate is one for these names, by the authority of all worlds.
func certificate(t *testing.T, names ...string) *tls.Config {
	t.Helper()
	ca, caKey := authority()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: names, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, &key.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// newWorld has an API on AWS in which nothing is wrong.
func newWorld(t *testing.T) *world {
	w := &world{
		t: t, store: wirepost.NewMemStore(nil), roots: x509.NewCertPool(), ctx: t.Context(),
		env: map[string]string{"AWS_REGION": "eu-west-1", "HOME": t.TempDir()},
		names: map[string][]string{
			apiHost:                            {publicIP},
			customHost:                         {customIP},
			"dynamodb.eu-west-1.amazonaws.com": {otherIP},
		},
		at: map[string]string{}, fail: map[string]error{},
	}
	ca, _ := authority()
	w.roots.AddCert(ca)
	w.options = doctor.Options{Endpoint: apiURL, TableOf: doctor.TableOf, SharedEndpoint: sharedconfig.Endpoint, Credentials: given(keys), Step: 2 * time.Second}
	return w
}

func given(c aws.Credentials) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, nil })
}

// start runs the gateway, on both hosts, and STS.
func (w *world) start() {
	mux := wirepost.NewMux(w.store, &wirepost.MuxOptions{Region: "eu-west-1", Endpoint: apiURL, Connect: func(_ context.Context, r *wirepost.ConnectRequest) (wirepost.Accept, error) {
		a := wirepost.Accept{}
		if all := r.Subprotocols(); len(all) > 0 && all[0] != "unknown" {
			a.Subprotocol = all[0]
		}
		return a, nil
	}})
	w.gateway = wireposttest.NewGateway(w.t, mux, func(s *gateway.Server) {
		s.APIID, s.Stage, s.Region = "abc123", "prod", "eu-west-1"
		s.Domain = apiHost
		s.AccountID = "111122223333"
		s.Credentials = []gateway.Credentials{{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey}}
		s.TLS = certificate(w.t, apiHost, customHost)
		if w.fault != nil {
			s.Fault = w.fault
		}
		if w.server != nil {
			w.server(s)
		}
	})
	listener := strings.TrimPrefix(w.gateway.URL, "ws://")
	listener, _, _ = strings.Cut(listener, "/")
	for _, ip := range []string{publicIP, customIP} {
		if _, set := w.at[ip]; !set {
			w.at[ip] = listener
		}
	}
	if w.env["AWS_ENDPOINT_URL_STS"] == "" {
		w.env["AWS_ENDPOINT_URL_STS"] = w.serve(http.HandlerFunc(sts("111122223333")))
	}
	if w.after != nil {
		w.after()
	}
}

// serve runs a server in plain HTTP on this machine.
func (w *world) serve(h http.Handler) string {
	s := httptest.NewServer(h)
	w.t.Cleanup(s.Close)
	return s.URL
}

// serveTLS puts a server behind an address.
func (w *world) serveTLS(ip string, c *tls.Config, h http.Handler) {
	s := httptest.NewUnstartedServer(h)
	s.TLS = c
	s.StartTLS()
	w.t.Cleanup(s.Close)
	w.at[ip] = s.Listener.Addr().String()
}

// sts answers as STS does, to signed requests only.
func sts(account string) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(r.Header.Get("Authorization"), "/sts/aws4_request") || !strings.Contains(string(body), "Action=GetCallerIdentity") {
			stsError("MissingAuthenticationToken", "Request is missing Authentication Token")(rw, r)
			return
		}
		fmt.Fprintf(rw, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:sts::%s:assumed-role/send/fn</Arn><UserId>AROA:fn</UserId><Account>%[1]s</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`, account)
	}
}

func stsError(code, message string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(rw, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>`, code, message)
	}
}

// post sends to a connection as a program would.
func (w *world) post(id, text string) {
	p := wirepost.NewPublisher(wirepost.NewMemStore(nil), &wirepost.PublisherOptions{Endpoint: apiURL, Credentials: given(keys), Transport: w.transport()})
	defer p.CloseIdleConnections()
	if err := p.Post(w.t.Context(), id, []byte(text)); err != nil {
		w.t.Errorf("post: %v", err)
	}
}

// run runs the doctor in this world.
func (w *world) run() *doctor.Report {
	w.t.Helper()
	o := w.options
	o.Getenv = func(name string) string { return w.env[name] }
	o.Resolver, o.Dial, o.Roots = w, w.dial, w.roots
	if o.Proxy = w.proxy; o.Proxy == nil {
		o.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	}
	return doctor.Run(w.ctx, o)
}

// learn puts a stage record into the store.
func (w *world) learn(id wirepost.Identity, url string) {
	w.t.Helper()
	if _, err := w.store.PutStage(w.t.Context(), wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: id, URL: url}, EventTime: time.Now()}); err != nil {
		w.t.Fatal(err)
	}
}

// connected puts connections into the store.
func (w *world) connected(id wirepost.Identity, n int, age time.Duration) {
	w.t.Helper()
	for i := range n {
		at := time.Now().Add(-age)
		if err := w.store.Put(w.t.Context(), wirepost.Connection{ID: fmt.Sprintf("%s-%s-%d", id.APIID, id.Stage, i), Endpoint: id, ConnectedAt: at, ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// answer is a fault of every call of one kind.
func answer(kind gateway.CallKind, f gateway.Fault) func(gateway.Call) gateway.Fault {
	return func(c gateway.Call) gateway.Fault {
		if c.Kind == kind {
			return f
		}
		return gateway.Fault{}
	}
}

func denied(action, resource string) string {
	return `{"Message":"User: arn:aws:sts::111122223333:assumed-role/send/fn is not authorized to perform: execute-api:` + action + ` on resource: arn:aws:execute-api:eu-west-1:********3333:abc123/` + resource + `"}`
}
