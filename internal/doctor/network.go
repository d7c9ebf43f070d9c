package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/wirepost/wirepost"
)

// tcpTime bounds one attempt to open a TCP connection.
const tcpTime = 2 * time.Second

// network looks a name up, opens a connection and shakes hands, one after the other.
func (d *run) network(ctx context.Context) {
	if d.gone == "" {
		d.client = d.newClient()
		d.proxied()
	}
	steps := []struct {
		name string
		do   func(context.Context)
	}{{"dns", d.dns}, {"address", d.address}, {"tcp", d.tcp}, {"tls", d.tls}}
	for _, s := range steps {
		switch {
		case d.gone != "":
			d.skip(s.name, d.gone)
		case d.proxy != nil:
			d.skip(s.name, "requests go through the proxy "+d.proxy.Host)
		default:
			s.do(ctx)
		}
	}
}

func (d *run) proxied() {
	if d.loopback {
		return
	}
	d.proxy, _ = d.o.Proxy(&http.Request{URL: d.url})
}

// newClient makes every request of a run. It follows no redirect: a signed request
// must not wander.
func (d *run) newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  d.o.Proxy,
			DialContext:            d.dialName,
			TLSClientConfig:        &tls.Config{RootCAs: d.o.Roots, MinVersion: tls.VersionTLS12},
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dialName looks a name up by the run's resolver and opens a connection to the first
// address that takes one.
func (d *run) dialName(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddr(host); err == nil || isLoopback(host) {
		return d.o.Dial(ctx, network, address)
	}
	addresses, err := d.o.Resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	err = &net.OpError{Op: "dial", Net: network, Err: errors.New("no address for " + host)}
	for _, a := range tried(addresses) {
		var c net.Conn
		attempt, cancel := context.WithTimeout(ctx, tcpTime)
		c, err = d.o.Dial(attempt, network, net.JoinHostPort(a.String(), port))
		cancel()
		if err == nil {
			return c, nil
		}
	}
	return nil, err
}

// tried are the addresses that are tried: the first of each family, IPv4 first.
func tried(addresses []netip.Addr) (some []netip.Addr) {
	for _, want4 := range []bool{true, false} {
		for _, a := range addresses {
			if a = a.Unmap(); a.Is4() == want4 {
				some = append(some, a)
				break
			}
		}
	}
	return some
}

func (d *run) dns(ctx context.Context) {
	host := d.url.Hostname()
	if a, err := netip.ParseAddr(host); err == nil {
		d.addresses = []netip.Addr{a}
		d.ok("dns", "the host is an address")
		return
	}
	if d.loopback {
		d.ok("dns", host+" is this machine")
		return
	}
	step, cancel := d.step(ctx)
	defer cancel()
	addresses, err := d.o.Resolver.LookupNetIP(step, "ip", host)
	if err == nil && len(addresses) > 0 {
		d.addresses = addresses
		d.ok("dns", fmt.Sprintf("%s is %s", host, list(addresses)))
		return
	}
	d.gone = "the host has no address"
	region := d.endpoint.Region
	other := "dynamodb." + region + dnsSuffix(region)
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		step, cancel := d.step(ctx)
		defer cancel()
		if _, err := d.o.Resolver.LookupNetIP(step, "ip", other); err == nil {
			if isExecuteAPI(host) {
				d.fail("dns", wirepost.ProblemEndpointUnresolved,
					fmt.Sprintf("%s does not resolve while %s does: the API ID or the region is wrong, or the API was deleted", host, other),
					"list the APIs that there are: aws apigatewayv2 get-apis --region "+region)
				return
			}
			d.fail("dns", wirepost.ProblemEndpointUnresolved, fmt.Sprintf("%s does not resolve while %s does", host, other),
				"add a DNS record for "+host+" that points at the domain's regional name (d-….execute-api."+region+dnsSuffix(region)+")")
			return
		}
	}
	d.fail("dns", wirepost.ProblemEndpointUnreachable, fmt.Sprintf("no name can be looked up from here: neither %s nor %s", host, other),
		"check the name server of this network; in a VPC, that enableDnsSupport is on")
}

// dnsSuffix is the domain of a region's partition, with its first dot.
func dnsSuffix(region string) string {
	host := wirepost.DefaultEndpointURL(wirepost.Identity{APIID: "a", Stage: "s", Region: region})
	_, rest, _ := strings.Cut(host, "."+region)
	suffix, _, _ := strings.Cut(rest, "/")
	return suffix
}

func list(addresses []netip.Addr) string {
	var b strings.Builder
	for i, a := range addresses {
		if i == 3 {
			fmt.Fprintf(&b, " and %d more", len(addresses)-3)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(a.Unmap().String())
	}
	return b.String()
}

// address tells an API from a VPC endpoint that stands in its place.
func (d *run) address(context.Context) {
	if d.loopback {
		d.ok("address", "of this machine")
		return
	}
	for _, a := range d.addresses {
		if a = a.Unmap(); !a.IsPrivate() && !a.IsLinkLocalUnicast() {
			continue
		}
		if isExecuteAPI(d.url.Hostname()) {
			d.fail("address", wirepost.ProblemEndpointPrivate,
				fmt.Sprintf("the host resolves to %s: a VPC endpoint for execute-api with private DNS captures all public APIs of this region and answers 403", a), "")
			d.gone = "a VPC endpoint stands in the place of API Gateway"
			return
		}
		d.warn("address", wirepost.ProblemEndpointPrivate, fmt.Sprintf("the custom domain resolves to %s, a private address: it is not API Gateway that has it", a),
			"point the domain's DNS record at its regional domain name (d-….execute-api.…)")
		return
	}
	d.ok("address", "public")
}

// hostPort is the endpoint's address with its port.
func (d *run) hostPort() string {
	port := d.url.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[d.url.Scheme]
	}
	return net.JoinHostPort(d.url.Hostname(), port)
}

func (d *run) tcp(ctx context.Context) {
	step, cancel := d.step(ctx)
	defer cancel()
	began := time.Now()
	where := d.hostPort()
	if len(d.addresses) > 0 {
		_, port, _ := net.SplitHostPort(where)
		where = net.JoinHostPort(tried(d.addresses)[0].String(), port)
	}
	c, err := d.dialName(step, "tcp", d.hostPort())
	if err == nil {
		c.Close()
		d.ok("tcp", where+" takes connections")
		return
	}
	d.gone = "no connection can be opened"
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) && d.loopback:
		d.fail("tcp", wirepost.ProblemEndpointRefused, "nothing listens at "+where, "start the gateway with 'wirepost dev' in its folder (with --listen "+where+"), or correct the port")
	case errors.Is(err, syscall.ECONNREFUSED):
		d.fail("tcp", wirepost.ProblemEndpointRefused, "nothing listens at "+where, "check what the name points to")
	case d.o.InFunction:
		d.fail("tcp", wirepost.ProblemEndpointUnreachable,
			fmt.Sprintf("TCP to %s did not connect within %s: this function runs in VPC subnets without a route to the internet", where, since(began)),
			"add a NAT gateway, or send from a function outside the VPC (no VPC endpoint reaches a WebSocket API)")
	default:
		d.fail("tcp", wirepost.ProblemEndpointUnreachable, fmt.Sprintf("TCP to %s did not connect within %s", where, since(began)),
			"let this network reach it; a function in a VPC needs a NAT gateway, or send from one outside the VPC")
	}
}

func since(t time.Time) time.Duration { return time.Since(t).Round(100 * time.Millisecond) }

func (d *run) tls(ctx context.Context) {
	if d.url.Scheme != "https" {
		d.ok("tls", "none: plain HTTP on this machine")
		return
	}
	step, cancel := d.step(ctx)
	defer cancel()
	c, err := d.dialName(step, "tcp", d.hostPort())
	if err != nil {
		d.gone = "no connection can be opened"
		d.add(explained("tls", Fail, explain(err)))
		return
	}
	defer c.Close()
	host := d.url.Hostname()
	err = tls.Client(c, &tls.Config{ServerName: host, RootCAs: d.o.Roots, MinVersion: tls.VersionTLS12}).HandshakeContext(step)
	if err == nil {
		d.ok("tls", "the certificate is "+host+"'s")
		return
	}
	d.gone = "the TLS handshake failed"
	var (
		name    x509.HostnameError
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &name):
		names := strings.Join(name.Certificate.DNSNames, ", ")
		fix := ""
		if strings.Contains(names, "execute-api") {
			fix = fmt.Sprintf("point %s at the custom domain's own target (d-….execute-api.%s%s) and not at the API", host, d.endpoint.Region, dnsSuffix(d.endpoint.Region))
		}
		d.fail("tls", wirepost.ProblemEndpointCertificate, fmt.Sprintf("the certificate is for %s, not %s", orElse(names, "no name"), host), fix)
	case errors.As(err, &unknown):
		fix := "check what the name points to, and whether a proxy of this network opens TLS connections"
		if d.loopback {
			fix = "use http:// for a gateway on this machine, or trust the authority of that gateway (SSL_CERT_FILE=.wirepost/ca.pem)"
		}
		d.fail("tls", wirepost.ProblemEndpointCertificate, fmt.Sprintf("the certificate of %s is signed by an authority that this machine does not trust", host), fix)
	case errors.As(err, &invalid):
		d.fail("tls", wirepost.ProblemEndpointCertificate, fmt.Sprintf("the certificate of %s is not valid: %v", host, invalid), "set this machine's clock, or renew the certificate")
	case errors.As(err, &record):
		d.fail("tls", wirepost.ProblemNotAPIGateway, host+" speaks plain HTTP, not HTTPS, and API Gateway does not", "")
	case step.Err() != nil:
		d.fail("tls", wirepost.ProblemEndpointUnreachable, fmt.Sprintf("%s took the connection and did not answer the TLS handshake within %s", host, d.o.Step),
			"check what the name points to, and what stands between")
	default:
		d.fail("tls", wirepost.ProblemEndpointUnreachable, fmt.Sprintf("the TLS handshake with %s failed: %v", host, err), "check what the name points to, and what stands between")
	}
}

// explain is wirepost.Explain, which knows every error of a dial.
func explain(err error) *wirepost.Error {
	if e := wirepost.Explain(err); e != nil {
		return e
	}
	return &wirepost.Error{Problem: wirepost.ProblemNoAnswer, Detail: err.Error()}
}
