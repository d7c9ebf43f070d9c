package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/terminal"
)

// tcpTime bounds one attempt to open a TCP connection.
const tcpTime = 2 * time.Second

// network looks a name up, opens a connection and shakes hands, one after the other.
func (d *run) network(ctx context.Context) {
	if d.gone == "" {
		d.client = d.newClient()
		d.proxied()
	}
	proxy := ""
	switch {
	case d.proxyErr != nil:
		proxy = "requests go through a proxy whose URL cannot be read"
	case d.proxy != nil:
		proxy = "requests go through the proxy " + d.proxy.Host
	}
	steps := []struct {
		name string
		do   func(context.Context)
	}{{"dns", d.dns}, {"address", d.address}, {"tcp", d.tcp}, {"tls", d.tls}}
	for _, s := range steps {
		switch {
		case d.gone != "":
			d.skip(s.name, d.gone)
		case proxy != "":
			d.skip(s.name, proxy)
		default:
			s.do(ctx)
		}
	}
}

func (d *run) proxied() {
	if d.loopback {
		return
	}
	d.proxy, d.proxyErr = d.o.Proxy(&http.Request{URL: d.url})
}

// newClient makes every request of a run. It follows no redirect: a signed request
// must not wander.
func (d *run) newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  d.o.Proxy,
			OnProxyConnectResponse: proxyAnswered,
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
	var failed error
	for _, a := range tried(addresses) {
		attempt, cancel := context.WithTimeout(ctx, tcpTime)
		c, err := d.o.Dial(attempt, network, net.JoinHostPort(a.String(), port))
		cancel()
		if err == nil {
			return c, nil
		}
		if failed == nil || !unrouted(err) { // that a machine has no IPv6 says nothing of an IPv4 address
			failed = err
		}
	}
	if failed == nil {
		failed = &net.OpError{Op: "dial", Net: network, Err: errors.New("no address for " + host)}
	}
	return nil, failed
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
	if err == nil {
		err = errors.New("it has no address")
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
					"list the APIs that there are: aws apigatewayv2 get-apis --region "+terminal.Word(region))
				return
			}
			if strings.Contains(host, "execute-api") || strings.Contains(host, "amazonaws") { // nobody's own domain
				d.fail("dns", wirepost.ProblemEndpointUnresolved, fmt.Sprintf("%s does not resolve while %s does: it looks like an API's own host, and is none", host, other),
					"correct the host to <api-id>.execute-api."+region+dnsSuffix(region))
				return
			}
			d.fail("dns", wirepost.ProblemEndpointUnresolved, fmt.Sprintf("%s does not resolve while %s does", host, other),
				"add a DNS record for "+host+" that points at the domain's regional name (d-….execute-api."+region+dnsSuffix(region)+")")
			return
		}
		if d.resolves(ctx, controlName(region)) {
			d.noRegionOrRecord(host, other)
			return
		}
		other = controlName(region)
	} else if other = controlName(region); d.resolves(ctx, other) {
		d.fail("dns", wirepost.ProblemEndpointUnresolved, fmt.Sprintf("%s cannot be looked up (%s) while %s can: the name servers of its domain do not answer rightly", host, cause(err), other),
			"check the zone of "+host+", and whether this network blocks it")
		return
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
func (d *run) address(ctx context.Context) {
	if d.loopback {
		d.ok("address", "of this machine")
		return
	}
	for _, a := range d.addresses {
		if a = a.Unmap(); !a.IsPrivate() && !a.IsLinkLocalUnicast() {
			continue
		}
		if d.everyName(ctx, "address") {
			return
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
	if errors.Is(err, syscall.ECONNRESET) { // it was taken: what asks next says what happens then
		d.ok("tcp", where+" takes connections, and has reset one at once")
		return
	}
	d.gone = "no connection can be opened"
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) && d.loopback:
		d.fail("tcp", wirepost.ProblemEndpointRefused, "nothing listens at "+where, "start the gateway with 'wirepost dev' in its folder (with --listen "+terminal.Word(where)+"), or correct the port")
	case errors.Is(err, syscall.ECONNREFUSED):
		d.fail("tcp", wirepost.ProblemEndpointRefused, "nothing listens at "+where, "check what the name points to")
	case !timedOut(err):
		sentence, fix := d.notOpened(where, err)
		d.fail("tcp", wirepost.ProblemEndpointUnreachable, sentence, fix)
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
		sentence, fix := d.notOpened(d.hostPort(), err)
		d.fail("tls", wirepost.ProblemEndpointUnreachable, sentence, fix)
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
	if ofHandshake(err) && d.everyName(ctx, "tls") { // another party answers, and not silence
		return
	}
	d.add(d.handshakeFailed("tls", err))
}

// explain is wirepost.Explain, which knows every error of a dial.
func explain(err error) *wirepost.Error {
	if e := wirepost.Explain(err); e != nil {
		return e
	}
	return &wirepost.Error{Problem: wirepost.ProblemNoAnswer, Detail: err.Error()}
}
