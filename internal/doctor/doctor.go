// Package doctor looks for what is wrong between a program and the management
// endpoint that it would send to, from the string to the message that a client
// receives, and says it in one sentence with its cure.
//
// It hides which look-ups and requests that takes and how answers that look alike
// are told apart. It stops a layer where its ground is gone, sends nothing that
// could reach somebody, and never signs a request to a host that it was not told to
// trust.
package doctor

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost"
)

// Options says what to look at and what it looks with. The zero value looks at what
// a program in this environment would use.
type Options struct {
	// Endpoint is the management endpoint, or the wss:// or ws:// URL that clients
	// connect to. Empty: the API, then the environment, then the store.
	Endpoint string
	// APIID and Stage name an endpoint without a URL, in Region.
	APIID, Stage string
	// Region to sign for, if not that of the host. Default: AWS_REGION.
	Region string

	// Store, if there is one, how people call it, and what commands in a fix have to say
	// again of it, such as " --store URL".
	Store     wirepost.Store
	StoreName string
	StoreFlag string
	// StoreErr is why there is none although one was named.
	StoreErr error

	// TrustHosts may get signed requests besides execute-api hosts and loopback.
	TrustHosts []string
	// Credentials to sign with. Default: the environment's, or AWS's whole chain in a
	// program that links package awschain.
	Credentials aws.CredentialsProvider
	// LoopbackCredentials sign for an endpoint on this machine, if Credentials are not
	// given. Default: the development pair.
	LoopbackCredentials aws.CredentialsProvider
	// ClientConfig is the configuration that a program makes AWS's own client of. Nil:
	// nothing is known of one.
	ClientConfig *aws.Config
	// Concurrency is the number of posts that the program has in flight with
	// AWS's client. Zero: not known.
	Concurrency int
	// InFunction tells that this runs in a Lambda: accounts are masked, and the
	// context's deadline is that of the invocation.
	InFunction bool

	// Live is [Live], to connect a client of its own, or nil. It is a function so that
	// a program which never does that links no WebSocket client. Header and Subprotocol
	// are what the client says.
	Live        func(context.Context, *run)
	Header      http.Header
	Subprotocol string
	// TableOf is [TableOf], or nil for a program whose role may not look at the table
	// itself: then it links nothing for that.
	TableOf func(wirepost.Store) func(context.Context) error

	// SharedEndpoint is sharedconfig.Endpoint, or nil for a program that has no
	// configuration file of AWS's.
	SharedEndpoint func(ctx context.Context, file, profile string) string

	// ControlPlane, if not nil, asks AWS about the API's configuration.
	ControlPlane ControlPlane

	// Getenv, Now, Resolver, Dial, Proxy and Roots are the world. Default: the real one.
	Getenv   func(string) string
	Proxy    func(*http.Request) (*url.URL, error)
	Now      func() time.Time
	Resolver Resolver
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Roots    *x509.CertPool
	// Step bounds one step, Total the whole. Default 3 s and 14 s.
	Step, Total time.Duration
}

// Resolver is the part of net.Resolver that is used.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// ControlPlane asks AWS about an API.
type ControlPlane interface {
	// Check returns its checks in their order. It never fails as a whole: what may not
	// be asked is a skipped check.
	Check(ctx context.Context, t Target) []Check
}

// Target is what a control plane is asked about, and how.
type Target struct {
	wirepost.Identity
	Host    string // of the endpoint
	Mapping string // of a custom domain: the path of the endpoint, without slashes
	// Store is the URL of the store that was looked at, and Keep what WIREPOST_KEEP is
	// here.
	Store, Keep string
	// Domain tells that Host is a custom domain.
	Domain bool
	// Do signs a request for a service and sends it, to AWS's own hosts only, and to
	// an override of AWS_ENDPOINT_URL_… that is a trusted host.
	Do func(req *http.Request, service string, body []byte) (*http.Response, error)
	// Base is the URL of a service in the API's region.
	Base func(service string) string
}

const (
	defaultStep  = 3 * time.Second
	defaultTotal = 14 * time.Second
	// functionRest is kept free of an invocation's time for the answer.
	functionRest = 300 * time.Millisecond
)

// run is one run of the doctor.
type run struct {
	o      Options
	report *Report

	raw      string // the endpoint as it was found
	endpoint wirepost.Endpoint
	url      *url.URL
	loopback bool
	connect  string // the URL that clients connect to, if it was given
	noRegion bool   // of an API that was named by its ID
	record   *wirepost.StageRecord
	records  []wirepost.StageRecord

	addresses []netip.Addr
	proxy     *url.URL
	proxyErr  error // the URL of the proxy cannot be read
	client    *http.Client
	answering bool // an API Gateway, or what may be one, answers
	unmarked  bool // what answers on this machine does not say that it is a gateway
	trusted   bool // signed requests may go there

	credentials aws.Credentials
	account     string

	// gone is why what follows in this layer cannot be looked at. Empty: it can.
	gone string
}

// Run looks, and takes 14 s at the most.
func Run(ctx context.Context, o Options) *Report {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Proxy == nil {
		o.Proxy = http.ProxyFromEnvironment
	}
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	if o.Step <= 0 {
		o.Step = defaultStep
	}
	if o.Total <= 0 {
		o.Total = defaultTotal
	}
	d := &run{o: o, report: &Report{Version: wirepost.Version}}
	functionTime := d.functionTime(ctx) // before any of it is used up
	if deadline, ok := ctx.Deadline(); ok && o.InFunction {
		if left := time.Until(deadline) - functionRest; left < o.Total {
			o.Total = max(left, time.Millisecond)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, o.Total)
	defer cancel()

	d.version()
	d.resolve(ctx)
	d.configuration(ctx)
	d.network(ctx)
	d.answers(ctx)
	d.identify(ctx)
	d.send(ctx)
	if o.ControlPlane != nil {
		d.controlPlane(ctx)
	}
	d.store(ctx)
	d.runtime(functionTime)
	if o.Live != nil {
		o.Live(ctx, d)
	}
	if d.client != nil {
		d.client.CloseIdleConnections()
	}
	if o.InFunction {
		d.report.mask(d.account)
	}
	return d.report
}

// step is the time of one step.
func (d *run) step(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d.o.Step)
}

func (d *run) add(c Check) { d.report.Checks = append(d.report.Checks, c) }

// ok, skip, warn and fail add a check. A sentence is without a full stop.
func (d *run) ok(name, sentence string) {
	d.add(Check{Name: name, Status: OK, Sentence: sentence})
}

func (d *run) skip(name, reason string) {
	d.add(Check{Name: name, Status: Skip, Sentence: reason})
}

func (d *run) warn(name string, p wirepost.Problem, sentence, fix string) {
	d.add(found(name, Warn, p, sentence, fix))
}

func (d *run) fail(name string, p wirepost.Problem, sentence, fix string) {
	d.add(found(name, Fail, p, sentence, fix))
}

// found makes a check of a problem, with the catalogue's words where there are none
// of its own.
func found(name string, s Status, p wirepost.Problem, sentence, fix string) Check {
	if sentence == "" {
		sentence = p.Sentence()
	}
	if fix == "" {
		fix = p.Fix()
	}
	return Check{Name: name, Status: s, Problem: p, Sentence: sentence, Fix: fix, See: p.URL()}
}

// explained makes a check of an error.
func explained(name string, s Status, e *wirepost.Error) Check {
	c := found(name, s, e.Problem, e.Detail, e.Fix())
	c.Candidates = e.Candidates
	if e.Answered() {
		c.Answer = &Answer{e.Status, e.Body}
	}
	return c
}

// stages are the stage names that are known, with that of the record first.
func (d *run) stages() []string {
	var all []string
	for _, r := range d.records {
		if !slices.Contains(all, r.Stage) {
			all = append(all, r.Stage)
		}
	}
	return all
}
