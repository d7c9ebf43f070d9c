package doctor

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"github.com/wirepost/wirepost"
)

// controlName is a name of AWS's that exists whatever region was meant: it must not
// have the same mistake as the endpoint (AWS's SDK, endpoint tables).
func controlName(region string) string {
	for _, p := range [...]struct{ prefix, name string }{
		{"cn-", "sts.cn-north-1.amazonaws.com.cn"},
		{"us-gov-", "sts.us-gov-west-1.amazonaws.com"},
		{"eusc-", "sts.eusc-de-east-1.amazonaws.eu"},
		{"us-isob-", "sts.us-isob-east-1.sc2s.sgov.gov"},
		{"us-isof-", "sts.us-isof-south-1.csp.hci.ic.gov"},
		{"us-iso-", "sts.us-iso-east-1.c2s.ic.gov"},
		{"eu-isoe-", "sts.eu-isoe-west-1.cloud.adc-e.uk"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.name
		}
	}
	return "sts.amazonaws.com"
}

// resolves reports whether a name has an address.
func (d *run) resolves(ctx context.Context, name string) bool {
	step, cancel := d.step(ctx)
	defer cancel()
	found, err := d.o.Resolver.LookupNetIP(step, "ip", name)
	return err == nil && len(found) > 0
}

// noRegionOrRecord is for a host that does not resolve in a region whose own names do
// not either, while those of AWS do.
func (d *run) noRegionOrRecord(host, regional string) {
	region := d.endpoint.Region
	sentence := fmt.Sprintf("there is no region %q: neither %s nor %s resolves, while %s does", region, host, regional, controlName(region))
	if isExecuteAPI(host) {
		d.fail("dns", wirepost.ProblemEndpointUnresolved, sentence, "correct the region in the endpoint; 'aws ec2 describe-regions --all-regions' lists those that there are")
		return
	}
	d.fail("dns", wirepost.ProblemEndpointUnresolved, sentence, "correct AWS_REGION, or --region, and add a DNS record for "+host+" that points at the domain's regional name (d-….execute-api.…)")
}

// everyName says, where an address is not API Gateway's, whether the name server of
// this network gives it for every name, as that of a captive portal does and those of
// some providers. The name that it asks for is in AWS's zone of the region, and is
// none.
func (d *run) everyName(ctx context.Context, check string) bool {
	if d.loopback || d.proxy != nil {
		return false
	}
	if _, err := netip.ParseAddr(d.url.Hostname()); err == nil {
		return false
	}
	step, cancel := d.step(ctx)
	defer cancel()
	name := "wirepost-" + strings.ToLower(rand.Text()[:16]) + "." + d.endpoint.Region + dnsSuffix(d.endpoint.Region)
	found, err := d.o.Resolver.LookupNetIP(step, "ip", name)
	if err != nil {
		return false
	}
	for _, a := range found {
		if !slices.ContainsFunc(d.addresses, func(b netip.Addr) bool { return a.Unmap() == b.Unmap() }) {
			continue
		}
		d.fail(check, wirepost.ProblemEndpointUnresolved,
			fmt.Sprintf("the name server of this network gives %s for names that do not exist too, as a captive portal does, so %s may not exist", a.Unmap(), d.url.Hostname()),
			"sign in to this network with a browser, or use another name server; then check the API ID and the region")
		d.gone = "the name server of this network gives one address for every name"
		return true
	}
	return false
}

// notOpened says why a connection could not be opened, other than that nobody answered.
func (d *run) notOpened(where string, err error) (sentence, fix string) {
	only6 := len(d.addresses) > 0 && !slices.ContainsFunc(d.addresses, func(a netip.Addr) bool { return a.Unmap().Is4() })
	switch {
	case unrouted(err) && only6:
		return fmt.Sprintf("%s has IPv6 addresses only, and this machine has no way to %s: %s", d.url.Hostname(), where, cause(err)),
			"use a name that has an IPv4 address, or give this network IPv6 (a function needs a dual-stack subnet, and Ipv6AllowedForDualStack)"
	case unrouted(err):
		return fmt.Sprintf("this machine has no way to %s: %s", where, cause(err)), "check that this network has a way out; an IPv6-only one needs NAT64 and DNS64"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "no socket can be opened: " + cause(err), "raise the limit of open files (ulimit -n), or end what has so many open"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fmt.Sprintf("this machine does not allow a connection to %s: %s", where, cause(err)), "look at the rules of its firewall, or of the sandbox that this runs in"
	case errors.Is(err, syscall.ECONNRESET):
		return where + " reset the connection while it was opened", "check what the name points to, and what stands between"
	}
	return fmt.Sprintf("TCP to %s did not connect: %s", where, cause(err)), "check what the name points to, and what stands between"
}

func unrouted(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

func timedOut(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// cause is the innermost of an error, which alone says what happened.
func cause(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.Err
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// handshakeFailed says why a TLS handshake did, and whose fault that is.
func (d *run) handshakeFailed(check string, err error) Check {
	const between = "check what the name points to, and what stands between"
	host := d.url.Hostname()
	fail := func(p wirepost.Problem, fix, format string, args ...any) Check {
		return found(check, Fail, p, fmt.Sprintf(format, args...), fix)
	}
	var (
		name    x509.HostnameError
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &name):
		names := strings.Join(name.Certificate.DNSNames[:min(len(name.Certificate.DNSNames), 5)], ", ")
		fix := ""
		switch {
		case isExecuteAPI(host): // AWS answers there with the right one
			fix = "look for what answers in AWS's place: the sign-in page of this network, a proxy, or an entry in the hosts file"
		case d.loopback:
			fix = "use localhost or 127.0.0.1, which the certificate of a gateway on this machine is for, or http://"
		case strings.Contains(names, "execute-api"):
			fix = fmt.Sprintf("point %s at the custom domain's own target (d-….execute-api.%s%s) and not at the API", host, d.endpoint.Region, dnsSuffix(d.endpoint.Region))
		}
		return fail(wirepost.ProblemEndpointCertificate, fix, "the certificate is for %s, not %s", orElse(names, "no name"), host)
	case errors.As(err, &unknown):
		fix := "check what the name points to, and whether a proxy of this network opens TLS connections"
		if d.loopback {
			fix = "use http:// for a gateway on this machine, or trust the authority of that gateway (SSL_CERT_FILE=.wirepost/ca.pem)"
		}
		by := ""
		if unknown.Cert != nil && unknown.Cert.Issuer.String() != "" {
			by = ", " + unknown.Cert.Issuer.String()
		}
		return fail(wirepost.ProblemEndpointCertificate, fix, "the certificate of %s is signed by an authority that this machine does not trust%s", host, by)
	case errors.As(err, &invalid):
		fix := "set this machine's clock, or renew the certificate"
		if isExecuteAPI(host) {
			fix = "set this machine's clock; if it is right, look for what answers in AWS's place"
		}
		return fail(wirepost.ProblemEndpointCertificate, fix, "the certificate of %s is not valid: %v", host, invalid)
	case errors.As(err, &record) && string(record.RecordHeader[:]) == "HTTP/", strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fail(wirepost.ProblemNotAPIGateway, "", "%s speaks plain HTTP, not HTTPS, and API Gateway does not", host)
	case errors.As(err, &record):
		return fail(wirepost.ProblemNotAPIGateway, "", "%s does not speak TLS: it begins with %q", host, record.RecordHeader[:])
	case timedOut(err):
		return fail(wirepost.ProblemEndpointUnreachable, between, "%s took the connection and did not answer the TLS handshake within %s", host, d.o.Step)
	case errors.Is(err, syscall.ECONNRESET):
		return fail(wirepost.ProblemEndpointUnreachable, between, "%s reset the connection in the TLS handshake", host)
	case errors.Is(err, io.EOF):
		return fail(wirepost.ProblemEndpointUnreachable, between, "%s closed the connection in the TLS handshake", host)
	}
	return fail(wirepost.ProblemEndpointUnreachable, between, "the TLS handshake with %s failed: %s", host, cause(err))
}

// ofHandshake reports whether an error of a request is one of its TLS handshake.
func ofHandshake(err error) bool {
	_, verify := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	return verify || record || alert || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// proxyRefusal is a proxy's answer to CONNECT.
type proxyRefusal struct{ status int }

func (p proxyRefusal) Error() string {
	return fmt.Sprintf("the proxy answered CONNECT with %d", p.status)
}

func proxyAnswered(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return proxyRefusal{resp.StatusCode}
	}
	return nil
}

// unansweredBy says why the unsigned request to the endpoint got no answer, and whose
// fault that is.
func (d *run) unansweredBy(err error) Check {
	const between = "check what the name points to, and what stands between"
	fail := func(p wirepost.Problem, fix, format string, args ...any) Check {
		return found("answers", Fail, p, fmt.Sprintf(format, args...), fix)
	}
	at, text := d.url.Host, err.Error()
	refusal, byProxy := errors.AsType[proxyRefusal](err)
	switch {
	case d.proxyErr != nil: // whose text has the URL in it, and perhaps a password
		return fail(wirepost.ProblemEndpointUnreachable, "correct HTTPS_PROXY, or unset it", "HTTPS_PROXY is not the URL of a proxy, such as http://proxy.example.com:3128")
	case byProxy && refusal.status == http.StatusProxyAuthRequired:
		return fail(wirepost.ProblemEndpointUnreachable, "put the name and the password into HTTPS_PROXY (http://NAME:PASSWORD@…), or the host into NO_PROXY", "the proxy %s wants a name and a password (407)", d.proxy.Host)
	case byProxy:
		return fail(wirepost.ProblemEndpointUnreachable, "ask who runs the proxy to allow "+at+", or put the host into NO_PROXY", "the proxy %s does not let requests through to %s: it answered CONNECT with %d", d.proxy.Host, at, refusal.status)
	case ofHandshake(err):
		return d.handshakeFailed("answers", err)
	case d.proxy != nil && timedOut(err):
		return fail(wirepost.ProblemNoAnswer, "try the proxy with another host, and put "+at+" into NO_PROXY if it needs none", "no answer came through the proxy %s from %s within %s", d.proxy.Host, at, d.o.Step)
	case timedOut(err):
		return fail(wirepost.ProblemNoAnswer, between, "%s took the request and did not answer within %s", at, d.o.Step)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fail(wirepost.ProblemNoAnswer, between, "%s took the connection and reset it without an answer", at)
	case strings.Contains(text, `malformed HTTP response "\x15\x03`), strings.Contains(text, `malformed HTTP response "\x16\x03`):
		return fail(wirepost.ProblemEndpointScheme, "use https://"+strings.TrimPrefix(d.endpoint.URL, "http://"), "the endpoint says http://, and %s speaks TLS", at)
	case strings.Contains(text, "malformed HTTP"), strings.Contains(text, "malformed MIME"), strings.Contains(text, "server response headers exceeded"):
		return fail(wirepost.ProblemNotAPIGateway, d.another(), "what listens at %s does not answer in HTTP: %s", at, cause(err))
	case strings.Contains(text, "readLoopPeekFailLocked: %!w(<nil>)"): // so net/http says it
		return fail(wirepost.ProblemNotAPIGateway, d.another(), "what listens at %s does not answer in HTTP: it speaks before it is asked", at)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fail(wirepost.ProblemNoAnswer, between, "%s took the request and closed the connection without a whole answer", at)
	}
	e := explain(err)
	if d.proxy != nil && e.Problem == wirepost.ProblemEndpointUnreachable {
		return fail(e.Problem, "correct HTTPS_PROXY, start the proxy, or put the host into NO_PROXY", "the proxy %s, which HTTPS_PROXY names, cannot be reached, or does not reach %s", d.proxy.Host, at)
	}
	if e.Problem == wirepost.ProblemNoAnswer {
		return fail(e.Problem, between, "%s took the request and did not answer: %s", at, cause(err))
	}
	return explained("answers", Fail, e)
}

// another is what to use in the place of what answers and is no API Gateway.
func (d *run) another() string {
	if d.loopback {
		return "start the gateway with 'wirepost dev', or correct the port"
	}
	return "use the execute-api endpoint: https://<api-id>.execute-api." + d.endpoint.Region + dnsSuffix(d.endpoint.Region) + "/<stage>"
}
