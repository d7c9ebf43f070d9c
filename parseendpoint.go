package wirepost

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// EndpointOptions is what [ParseEndpoint] may know besides the string.
type EndpointOptions struct {
	// Region is what requests would be signed for. It must not differ from the
	// region in an execute-api host, and it must be given for every other host.
	Region string
	// Stage is a stage name of the API. It tells a custom domain with the stage
	// wrongly appended from one whose mapping key it is.
	Stage string
	// APIID is kept in the result if the host does not name the API.
	APIID string
	// StageExists says that the path is known to be right, as that of an event or of a
	// store's record is. API Gateway allows a stage to be called "undefined" or "null";
	// otherwise such a path is an error, because a variable without a value is far more
	// likely.
	StageExists bool
}

// ParseEndpoint reads a management endpoint and finds every mistake that can be
// seen in the string, before any network call. The error is an [*Error] whose
// Problem names the mistake and whose Fix is the cure.
func ParseEndpoint(raw string, o *EndpointOptions) (Endpoint, error) {
	if o == nil {
		o = &EndpointOptions{}
	}
	ep, err := parseEndpoint(raw, o)
	if e, ok := err.(*Error); ok {
		e.FixText = cure(raw, o, e)
	}
	return ep, err
}

func parseEndpoint(raw string, o *EndpointOptions) (Endpoint, error) {
	p := &endpointParser{raw: raw, o: o}
	for _, step := range []func() error{p.text, p.split, p.host, p.port, p.path, p.identify, p.region} {
		if err := step(); err != nil {
			return Endpoint{}, err
		}
	}
	return p.ep, nil
}

// endpointParser reads an endpoint from left to right, a method for each part.
type endpointParser struct {
	raw string
	o   *EndpointOptions

	scheme, rest string // before and behind "://"
	u            *url.URL
	loopback     bool
	stage        string // the path, without its slashes
	ep           Endpoint
}

func (p *endpointParser) fail(problem Problem, fix, format string, args ...any) error {
	return &Error{Problem: problem, Endpoint: redactURL(p.raw), Detail: fmt.Sprintf(format, args...), FixText: fix}
}

func (p *endpointParser) text() error {
	if strings.Trim(p.raw, " \t\r\n\"'") == "" {
		return p.fail(ProblemEndpointUnset, "", "no management endpoint is configured")
	}
	if m, found := findMissingValue(p.raw); found && !(m.inPath && !m.unreplaced && p.o.StageExists) {
		problem := ProblemEndpointHost
		switch {
		case m.place == "":
			problem = ProblemEndpointUnset
		case m.inPath:
			problem = ProblemEndpointPath
		}
		return p.fail(problem, m.fix(), "%s", m.detail())
	}
	if err := p.somethingElse(); err != nil {
		return err
	}
	if i := strings.IndexFunc(p.raw, func(r rune) bool { return r <= ' ' || r > 0x7e }); i >= 0 {
		return p.character(i)
	}
	return nil
}

// character says that the endpoint has a character which no URL has.
func (p *endpointParser) character(i int) error {
	r, _ := utf8.DecodeRuneInString(p.raw[i:])
	if strings.Count(p.raw, "://") > 1 {
		return p.fail(ProblemEndpointScheme, "leave one of them", "the endpoint is more than one URL")
	}
	what := fmt.Sprintf("the character %U, which no URL has", r)
	fix := "take it out"
	switch {
	case r == '\n' || r == '\r':
		what = "a line break"
	case r == ' ':
		what = "a space"
	case r == '\ufeff':
		what = "a byte order mark, which editors put at the beginning of a file and do not show"
	case r == utf8.RuneError:
		what = "a byte that is not UTF-8"
	case unicode.IsLetter(r):
		fix = "write an international domain name in its ASCII form, which begins with xn--"
	}
	return p.fail(ProblemEndpointScheme, fix, "the endpoint contains %s", what)
}

// split takes the scheme off.
func (p *endpointParser) split() error {
	var found bool
	if p.scheme, p.rest, found = strings.Cut(p.raw, "://"); !found {
		if scheme, rest := cutScheme(strings.ReplaceAll(p.raw, `\`, "/")); scheme != "" && rest != "" {
			return p.fail(ProblemEndpointScheme, "", "the endpoint has %s without :// behind it", scheme)
		}
		if host := p.raw[:max(0, strings.IndexAny(p.raw+"/", ":/"))]; p.raw[0] != ':' && !strings.Contains(host, ".") && !isLoopback(host) && !strings.HasPrefix(p.raw, "//") {
			return p.fail(ProblemEndpointScheme, "use https://<api-id>.execute-api.<region>.amazonaws.com/<stage>", "the endpoint is not a URL")
		}
		return p.fail(ProblemEndpointScheme, "", "the endpoint has no scheme")
	}
	switch {
	case strings.EqualFold(p.scheme, "wss") || strings.EqualFold(p.scheme, "ws"):
		return p.fail(ProblemEndpointScheme, "", "the endpoint starts with %s://, the address that clients dial; sending uses HTTPS", strings.ToLower(p.scheme))
	case p.scheme != strings.ToLower(p.scheme) && strings.HasPrefix("https", strings.ToLower(p.scheme)):
		return p.fail(ProblemEndpointScheme, "", "the scheme of the endpoint is %q, in capitals", p.scheme)
	case p.scheme != "https" && p.scheme != "http":
		if n := len(p.scheme); !consistsOf(p.scheme, isLetter) && isLetter(p.scheme[n-1]) {
			return p.fail(ProblemEndpointScheme, "", "the endpoint has other text before its URL")
		}
		return p.fail(ProblemEndpointScheme, "", "the endpoint's scheme is %q", clip(p.scheme))
	}
	if scheme, _ := cutScheme(p.rest); scheme != "" {
		return p.fail(ProblemEndpointScheme, "leave one https://", "the endpoint has a scheme inside its host")
	}
	if strings.Contains(p.rest, "://") {
		return p.fail(ProblemEndpointScheme, "leave one of them", "the endpoint is more than one URL")
	}
	return nil
}

// somethingElse recognises what is taken for an endpoint and is another thing.
func (p *endpointParser) somethingElse() error {
	s := strings.Trim(p.raw, " \t\r\n\"'")
	_, isARN := identityOfARN(s)
	id, _, _ := strings.Cut(s, "/")
	switch {
	case strings.HasPrefix(s, "arn:"):
		fix := ""
		if !isARN {
			fix = "use https://<api-id>.execute-api.<region>.amazonaws.com/<stage>"
		}
		return p.fail(ProblemEndpointScheme, fix, "the endpoint is an ARN, not a URL")
	case strings.Contains(s, ".console.") && strings.Contains(s, "/apigateway/"):
		return p.fail(ProblemEndpointHost, "use https://<api-id>.execute-api.<region>.amazonaws.com/<stage>", "the endpoint is a page of AWS's console")
	case isAPIID(id):
		return p.fail(ProblemEndpointScheme, "", "the endpoint is the ID of an API, not a URL")
	case strings.HasPrefix(s, "sqlite:") || strings.HasPrefix(s, "dynamodb:"):
		return p.fail(ProblemEndpointScheme, "put it into WIREPOST_STORE; the endpoint is https://<api-id>.execute-api.<region>.amazonaws.com/<stage>", "the endpoint is the URL of a store")
	case s[0] == '{' || s[0] == '[' && (len(s) == 1 || strings.IndexByte("\"'{", s[1]) >= 0):
		return p.fail(ProblemEndpointScheme, "give the URL that is in it", "the endpoint is JSON, not a URL")
	}
	return nil
}

// schemeFor is the scheme that an endpoint without one should have: a gateway on
// this machine is learned with http.
func schemeFor(rest string) string {
	if host, _, _ := strings.Cut(rest, "/"); isLoopback(host) {
		return "http://"
	}
	return "https://"
}

func (p *endpointParser) host() error {
	var err error
	if p.u, err = url.Parse(p.raw); err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		if connectionsSegment(p.rest) >= 0 {
			return p.suffix()
		}
		if strings.Contains(p.rest, "@") { // it may quote a password
			err = errors.New("what is before or behind its @ is malformed")
		}
		fix := ""
		if strings.Contains(err.Error(), "invalid port") {
			fix = "write a number for the port, and a slash before the stage"
		}
		return p.fail(ProblemEndpointHost, fix, "the endpoint is not a URL: %v", err)
	}
	host := p.u.Hostname()
	if host == "" {
		return p.fail(ProblemEndpointHost, "set the variable that the host comes from, to <api-id>.execute-api.<region>.amazonaws.com or the custom domain of the API", "the host of the endpoint is empty")
	}
	if p.loopback = isLoopback(p.u.Host); p.loopback {
		return nil
	}
	if strings.ToLower(host) != host {
		return p.fail(ProblemEndpointHost, "", "the host of the endpoint has upper-case letters, which the signature would keep and the server would not")
	}
	ip, err := netip.ParseAddr(host)
	if err == nil && ip.IsUnspecified() {
		return p.fail(ProblemEndpointHost, "", "%s is where a server listens, and not an address to send to", host)
	}
	if err != nil {
		if err := p.name(host); err != nil {
			return err
		}
	}
	switch {
	case p.scheme == "https":
		return nil
	case isLocalName(host):
		return p.fail(ProblemEndpointScheme, "use http://localhost and the port on the machine of the gateway, or put TLS in front of it and use https://", "the endpoint uses http:// to a host that is not this machine")
	}
	return p.fail(ProblemEndpointScheme, "", "the endpoint uses http:// to a host that is not this machine")
}

// name checks a host that is not an IP address.
func (p *endpointParser) name(host string) error {
	if label, dot := strings.CutSuffix(host, "."); dot && label != "" {
		return p.fail(ProblemEndpointHost, "", "the host of the endpoint ends with a dot, which the signature would keep and the server would not")
	}
	labels := strings.Split(host, ".")
	if err := p.executeAPIHost(labels); err != nil {
		return err
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return p.fail(ProblemEndpointHost, "write the four numbers of the address, such as 127.0.0.1", "%q is not an IP address", host)
	}
	for _, l := range labels {
		if !isHostLabel(l) {
			return p.fail(ProblemEndpointHost, "", "%q is not a host name", host)
		}
	}
	switch {
	case len(labels) > 1:
		return nil
	case p.u.Port() != "" || p.scheme == "http":
		return p.fail(ProblemEndpointHost, "use http://localhost and the port on the machine of the gateway; on AWS it is <api-id>.execute-api.<region>.amazonaws.com or the custom domain of the API", "the host %q has no domain, as no API on AWS has, and is not this machine", host)
	}
	return p.fail(ProblemEndpointHost, "", "the host part is %q: the host is empty and the stage took its place", host)
}

// executeAPIHost checks the API ID, the region and the suffix of
// {apiId}.execute-api.{region}.{suffix}.
func (p *endpointParser) executeAPIHost(label []string) error {
	if len(label) < 4 {
		return nil
	}
	apiID, region, suffix := label[0], label[2], strings.Join(label[3:], ".")
	host := strings.Join(label, ".")
	switch fixed := repairAWSHost(host); {
	case strings.HasPrefix(suffix, "vpce."):
		return p.fail(ProblemEndpointHost, "use https://<api-id>.execute-api."+region+"."+dnsSuffix(region)+"/<stage>", "%s is a VPC endpoint, and no WebSocket API can be reached by one", host)
	case label[1] != "execute-api" && label[1] != "execute-api-fips":
		if fixed != host && slices.Contains(executeAPISuffixes, suffix) {
			return p.fail(ProblemEndpointHost, "", "%q in the host of the endpoint should be execute-api", label[1])
		}
		return nil
	case region == "amazonaws":
		return p.fail(ProblemEndpointHost, "put the region into it, as in "+apiID+".execute-api.eu-west-1.amazonaws.com", "the host of the endpoint has no region")
	case misplacedSuffix(region, suffix):
		return p.fail(ProblemEndpointHost, "", "the hosts of APIs in %s do not end with %s", region, suffix)
	case !slices.Contains(executeAPISuffixes, suffix):
		return nil
	case apiID == "":
		return p.fail(ProblemEndpointHost, "set the variable that the API ID comes from", "the API ID in the host of the endpoint is empty")
	case region == "":
		return p.fail(ProblemEndpointHost, "set the variable that the region comes from, such as AWS_REGION", "the region in the host of the endpoint is empty")
	case strings.Contains(apiID, "-vpce-"):
		return p.fail(ProblemEndpointHost, "", "%q in the host of the endpoint is the name of a private API behind a VPC endpoint, and no WebSocket API is private", apiID)
	case !consistsOf(apiID, lowerOrDigit) && !strings.HasPrefix(apiID, "d-"): // d-… is what the DNS of a custom domain leads to
		return p.fail(ProblemEndpointHost, "put the ID of the API in its place, as 'aws apigatewayv2 get-apis' lists it", "%q in the host of the endpoint is not an API ID, which has lower-case letters and digits only, such as a1b2c3d4e5", apiID)
	case isAWSRegion(region):
		return nil
	case zoneRegion(region) != "":
		return p.fail(ProblemEndpointHost, "", "%q in the host of the endpoint is an Availability Zone, not a region", region)
	}
	return p.fail(ProblemEndpointHost, "put the region of the API in its place", "%q in the host of the endpoint is not a region, which has a form such as eu-west-1", region)
}

func (p *endpointParser) port() error {
	host, port := p.u.Hostname(), p.u.Port()
	if n, err := parsePort(port); port != "" && (err != nil || n == 0) {
		return p.fail(ProblemEndpointHost, "use a port from 1 to 65535, or leave it out for 443", "the port %q is not a port", port)
	}
	if port == "" && strings.HasSuffix(p.u.Host, ":") {
		return p.fail(ProblemEndpointHost, "write the port behind the colon, or leave the colon out", "the port is empty")
	}
	if isBareService(host) {
		_, rest, _ := strings.Cut(host, ".")
		region, _, _ := strings.Cut(rest, ".")
		return p.fail(ProblemEndpointUnset, "name the API and its stage: https://<api-id>.execute-api."+region+"."+dnsSuffix(region)+"/<stage>", "%s is the service and not an API: it is what AWS's SDK calls when no endpoint is set, and it does not exist", host)
	}
	if port != "" && port != "443" && isExecuteAPIHost(host) {
		return p.fail(ProblemEndpointHost, "", "the endpoint has the port %s, and API Gateway answers at 443 only", port)
	}
	return nil
}

func (p *endpointParser) path() error {
	u := p.u
	if extra := p.extra(); extra != "" {
		return p.fail(ProblemEndpointPath, "", "the endpoint has %s", extra)
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	if i := connectionsSegment(path); i >= 0 {
		return p.suffix()
	}
	if has := unplain(u.EscapedPath()); has != "" {
		return p.fail(ProblemEndpointPath, "", "the path %q of the endpoint has %s", u.EscapedPath(), has)
	}
	p.stage = strings.TrimPrefix(path, "/")
	p.ep = Endpoint{Identity: Identity{APIID: p.o.APIID, Stage: p.o.Stage, Region: p.o.Region}, URL: p.scheme + "://" + u.Host + path}
	return nil
}

func (p *endpointParser) suffix() error {
	return p.fail(ProblemEndpointSuffix, "", "the endpoint contains /@connections, which is added for each call")
}

// unplain is what makes a path another one on its way: API Gateway and a proxy may not
// agree on what it says.
func unplain(path string) string {
	segment := strings.Split(path, "/")
	switch {
	case strings.Trim(path, "/") == "":
		return ""
	case strings.Contains(path, "//"):
		return "two slashes together"
	case strings.Contains(path, "%"):
		return "an escape"
	case slices.Contains(segment, ".") || slices.Contains(segment, ".."):
		return "a part that is only dots"
	}
	return ""
}

// extra is what an endpoint has that none may have.
func (p *endpointParser) extra() string {
	switch u := p.u; {
	case u.User != nil:
		return "a user before its host"
	case u.RawQuery != "" || u.ForceQuery:
		return "a query behind its path"
	case u.Fragment != "" || strings.HasSuffix(p.raw, "#"):
		return "a fragment behind its path"
	}
	return ""
}

// identify finds out which API and stage the endpoint is, as far as host and path
// tell: an execute-api host names both, a gateway on this machine the stage, and a
// custom domain neither.
func (p *endpointParser) identify() error {
	apiID, hostRegion, isDefault := parseExecuteAPIHost(p.u.Hostname())
	if !isDefault && !p.loopback {
		if p.o.Stage != "" && p.stage == p.o.Stage {
			return p.fail(ProblemEndpointStageOnDomain, "use "+p.scheme+"://"+p.u.Host+", or add the mapping key only", "%s is a custom domain and its mapping already contains the stage; with /%s appended API Gateway does not know the path", p.u.Hostname(), p.stage)
		}
		return nil
	}
	switch {
	case p.stage == "" && isDefault:
		fix := ""
		if p.o.Stage != "" {
			fix = "append /" + p.o.Stage
		}
		return p.fail(ProblemEndpointStageMissing, fix, "the endpoint has no stage, so API Gateway reads \"@connections\" as the stage and answers 403 Forbidden")
	case p.stage == "":
		return p.fail(ProblemEndpointStageMissing, "append the stage, such as /dev", "the endpoint has no stage")
	case !validStage(p.stage):
		return p.notAStage()
	case isDefault && p.o.Region != "" && p.o.Region != hostRegion:
		return p.fail(ProblemSigningRegion, "set AWS_REGION="+hostRegion, "the endpoint is in %s but requests would be signed for %s", hostRegion, p.o.Region)
	}
	p.ep.Stage = p.stage
	if isDefault {
		p.ep.APIID, p.ep.Region = apiID, hostRegion
	}
	return nil
}

// notAStage says what a path is that is not a stage.
func (p *endpointParser) notAStage() error {
	first, rest, more := strings.Cut(p.stage, "/")
	last := p.stage[strings.LastIndexByte(p.stage, '/')+1:]
	switch {
	case isRouteKey(last):
		return p.fail(ProblemEndpointPath, "use the stage that the API is deployed to, such as /prod, in its place", "%q in the path of the endpoint is a route, not a stage", last)
	case more && first == rest:
		return p.fail(ProblemEndpointPath, "", "the path of the endpoint has the stage %q twice", first)
	case more:
		fix := ""
		if validStage(first) && isExecuteAPIHost(p.u.Hostname()) {
			fix = "leave https://" + p.u.Host + "/" + first + ", if " + first + " is the stage"
		}
		return p.fail(ProblemEndpointPath, fix, "the path %q is more than a stage", "/"+p.stage)
	}
	return p.fail(ProblemEndpointPath, "use the name of the stage, such as /prod", "%q in the path of the endpoint is not a stage, which has up to 128 letters, digits, hyphens and underscores", clip(p.stage))
}

func (p *endpointParser) region() error {
	if isPrintedForNothing(p.ep.Region) {
		return p.fail(ProblemSigningRegion, "set AWS_REGION to the region of the API", "the region to sign for is %q: the variable that it comes from has no value", p.ep.Region)
	}
	if p.ep.Region == "" {
		return p.fail(ProblemSigningRegion, "set AWS_REGION to the region of the API", "requests would be signed with an empty region, which AWS's SDK does not report")
	}
	if region := p.ep.Region; zoneRegion(region) != "" {
		return p.fail(ProblemSigningRegion, "set AWS_REGION="+zoneRegion(region), "%q is an Availability Zone, not a region to sign for", region)
	} else if !isRegion(region) {
		fix := "set AWS_REGION to the region of the API, such as eu-west-1"
		if plain := strings.ToLower(strings.Trim(region, " \t\r\n\"'")); isAWSRegion(plain) {
			fix = "set AWS_REGION=" + plain
		}
		return p.fail(ProblemSigningRegion, fix, "%q is not a region", region)
	}
	return nil
}

// connectionsSegment is where "/@connections" starts in an escaped path, or -1.
func connectionsSegment(path string) int {
	low := strings.ToLower(path)
	for _, s := range []string{"/@connections", "/%40connections"} {
		if i := strings.Index(low, s); i >= 0 {
			return i
		}
	}
	return -1
}

func parsePort(s string) (uint16, error) {
	a, err := netip.ParseAddrPort("127.0.0.1:" + s)
	return a.Port(), err
}
