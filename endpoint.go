package wirepost

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Identity names one deployed stage of one WebSocket API. Connections carry it
// instead of a URL, so that an endpoint that moves is healed for all of them by
// one write.
type Identity struct {
	APIID  string `json:"apiId"`
	Stage  string `json:"stage"`
	Region string `json:"region"`
}

// String is "apiId/stage@region".
func (i Identity) String() string { return i.APIID + "/" + i.Stage + "@" + i.Region }

// Validate says what is missing or malformed in the identity.
//
// API Gateway allows letters, digits, '-' and '_' in a stage name, 128 at most
// (AWS, WebSocket quotas page and CreateStage reference); "$default" is the one
// exception.
func (i Identity) Validate() error {
	switch {
	case i.APIID == "" || len(i.APIID) > 128 || strings.ContainsAny(i.APIID, "/#@ \t\r\n"):
		return invalidf("endpoint identity %q: the API ID is empty or malformed", i.String())
	case !validStage(i.Stage):
		return invalidf("endpoint identity %q: the stage is empty or malformed", i.String())
	case !isRegion(i.Region):
		return invalidf("endpoint identity %q: the region is empty or malformed", i.String())
	}
	return nil
}

// Endpoint is the management endpoint of one stage: where posts go and what
// they are signed for.
type Endpoint struct {
	Identity
	// URL is https://host/stage without a trailing slash. A connection's URL is
	// URL + "/@connections/" + the escaped ID.
	URL string `json:"url"`
}

// StageRecord is what a store keeps of a stage: its endpoint, and when the event
// happened that it was learned from.
type StageRecord struct {
	Endpoint
	// EventTime is the event's requestTimeEpoch: a time by the gateway's clock, never
	// the reader's, in whole milliseconds.
	EventTime time.Time `json:"eventTime"`
}

// Validate says what is wrong with a record. Drivers call it before they write.
func (r StageRecord) Validate() error {
	if err := r.Identity.Validate(); err != nil {
		return err
	}
	if r.URL == "" {
		return invalidf("stage record of %s: the URL is empty", r.Identity)
	}
	if r.EventTime.IsZero() {
		return invalidf("stage record of %s: the event time is missing", r.Identity)
	}
	return nil
}

// Newer reports whether r takes the place of old: a later event wins, and of two
// events of one millisecond the greater URL, so that every order of arrival ends
// the same.
func (r StageRecord) Newer(old StageRecord) bool {
	a, b := r.EventTime.UnixMilli(), old.EventTime.UnixMilli()
	return a > b || a == b && r.URL > old.URL
}

// dnsSuffix is the domain of a region's partition (endpoint tables of AWS's SDK).
func dnsSuffix(region string) string {
	for _, p := range [...]struct{ prefix, suffix string }{
		{"cn-", "amazonaws.com.cn"},
		{"eusc-", "amazonaws.eu"},
		{"us-isob-", "sc2s.sgov.gov"},
		{"us-isof-", "csp.hci.ic.gov"},
		{"us-iso-", "c2s.ic.gov"},
		{"eu-isoe-", "cloud.adc-e.uk"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.suffix
		}
	}
	return "amazonaws.com"
}

// DefaultEndpointURL is the management endpoint that every stage has unless its
// API's execute-api endpoint is disabled.
func DefaultEndpointURL(i Identity) string {
	return "https://" + i.APIID + ".execute-api." + i.Region + "." + dnsSuffix(i.Region) + "/" + i.Stage
}

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
	if strings.TrimSpace(p.raw) == "" {
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
	if strings.ContainsFunc(p.raw, func(r rune) bool { return r <= ' ' || r == 0x7f || r > 0x7e }) {
		return p.fail(ProblemEndpointScheme, "take the spaces and line breaks out of it", "the endpoint contains a space, a line break or another character that no URL has")
	}
	return nil
}

// split takes the scheme off.
func (p *endpointParser) split() error {
	var found bool
	if p.scheme, p.rest, found = strings.Cut(p.raw, "://"); !found {
		rest := strings.TrimLeft(p.raw, "/")
		return p.fail(ProblemEndpointScheme, "use "+schemeFor(rest)+rest, "the endpoint has no scheme")
	}
	switch {
	case strings.EqualFold(p.scheme, "wss") || strings.EqualFold(p.scheme, "ws"):
		rest, _, _ := strings.Cut(p.rest, "?") // what clients say about themselves
		return p.fail(ProblemEndpointScheme, "use "+schemeFor(rest)+rest, "the endpoint starts with %s://, the address that clients dial; sending uses HTTPS", strings.ToLower(p.scheme))
	case p.scheme != "https" && p.scheme != "http":
		return p.fail(ProblemEndpointScheme, "use https://"+p.rest, "the endpoint's scheme is %q", p.scheme)
	case strings.HasPrefix(strings.ToLower(p.rest), "http:") || strings.HasPrefix(strings.ToLower(p.rest), "https:"):
		return p.fail(ProblemEndpointScheme, "leave one https://", "the endpoint has a scheme inside its host")
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
		return p.fail(ProblemEndpointHost, "", "the endpoint is not a URL: %v", err)
	}
	host := p.u.Hostname()
	if host == "" {
		return p.fail(ProblemEndpointHost, "set the variable that the host comes from, to <api-id>.execute-api.<region>.amazonaws.com or the custom domain of the API", "the host of the endpoint is empty")
	}
	if p.loopback = isLoopback(p.u.Host); p.loopback {
		return nil
	}
	if strings.ToLower(host) != host {
		return p.fail(ProblemEndpointHost, "use "+strings.Replace(p.raw, host, strings.ToLower(host), 1), "the host of the endpoint has upper-case letters, which the signature would keep and the server would not")
	}
	if net.ParseIP(host) == nil {
		labels := strings.Split(host, ".")
		if err := p.executeAPIHost(labels); err != nil {
			return err
		}
		for _, l := range labels {
			if !isHostLabel(l) {
				return p.fail(ProblemEndpointHost, "", "%q is not a host name", host)
			}
		}
		if len(labels) == 1 {
			return p.fail(ProblemEndpointHost, "", "the host part is %q: the host is empty and the stage took its place", host)
		}
	}
	if p.scheme == "http" {
		return p.fail(ProblemEndpointScheme, "use https://"+p.rest, "the endpoint uses http:// to a host that is not this machine")
	}
	return nil
}

// executeAPIHost checks the API ID and the region of {apiId}.execute-api.{region}.…
func (p *endpointParser) executeAPIHost(label []string) error {
	if len(label) < 4 || label[1] != "execute-api" && label[1] != "execute-api-fips" || !slices.Contains(executeAPISuffixes, strings.Join(label[3:], ".")) {
		return nil
	}
	apiID, region := label[0], label[2]
	zone := strings.TrimRight(region, "abcdefghijklmnopqrstuvwxyz")
	switch {
	case apiID == "":
		return p.fail(ProblemEndpointHost, "set the variable that the API ID comes from", "the API ID in the host of the endpoint is empty")
	case region == "":
		return p.fail(ProblemEndpointHost, "set the variable that the region comes from, such as AWS_REGION", "the region in the host of the endpoint is empty")
	case !consistsOf(apiID, lowerOrDigit) && !strings.HasPrefix(apiID, "d-"): // d-… is what the DNS of a custom domain leads to
		return p.fail(ProblemEndpointHost, "", "%q in the host of the endpoint is not an API ID, which has lower-case letters and digits only, such as a1b2c3d4e5", apiID)
	case isAWSRegion(region):
		return nil
	case isAWSRegion(zone) && len(region) == len(zone)+1:
		return p.fail(ProblemEndpointHost, "use "+strings.Replace(p.raw, "."+region+".", "."+zone+".", 1), "%q in the host of the endpoint is an Availability Zone, not a region", region)
	}
	return p.fail(ProblemEndpointHost, "", "%q in the host of the endpoint is not a region, which has a form such as eu-west-1", region)
}

func (p *endpointParser) port() error {
	if port := p.u.Port(); port != "" {
		if n, err := parsePort(port); err != nil || n == 0 {
			return p.fail(ProblemEndpointHost, "", "the port %q is not a port", port)
		}
	} else if strings.HasSuffix(p.u.Host, ":") {
		return p.fail(ProblemEndpointHost, "", "the port is empty")
	}
	if host := p.u.Hostname(); isBareService(host) {
		return p.fail(ProblemEndpointUnset, "name the API and its stage: https://<api-id>.execute-api.<region>.amazonaws.com/<stage>", "%s is the service and not an API: it is what AWS's SDK calls when no endpoint is set, and it does not exist", host)
	}
	return nil
}

func (p *endpointParser) path() error {
	u := p.u
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(p.raw, "#") {
		return p.fail(ProblemEndpointPath, "", "the endpoint has a user, a query or a fragment")
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	if i := connectionsSegment(path); i >= 0 {
		return p.fail(ProblemEndpointSuffix, "use "+p.scheme+"://"+u.Host+path[:i], "the endpoint contains /@connections, which is added for each call")
	}
	if strings.Contains(path, "//") || strings.Contains(path, "%") || strings.Contains(path, "/../") || strings.Contains(path, "/./") || strings.HasSuffix(path, "/..") || strings.HasSuffix(path, "/.") {
		return p.fail(ProblemEndpointPath, "", "the path %q of the endpoint is not plain", path)
	}
	p.stage = strings.TrimPrefix(path, "/")
	p.ep = Endpoint{Identity: Identity{APIID: p.o.APIID, Stage: p.o.Stage, Region: p.o.Region}, URL: p.scheme + "://" + u.Host + path}
	return nil
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
		return p.fail(ProblemEndpointPath, "", "the path %q is more than a stage", "/"+p.stage)
	case isDefault && p.o.Region != "" && p.o.Region != hostRegion:
		return p.fail(ProblemSigningRegion, "set AWS_REGION="+hostRegion, "the endpoint is in %s but requests would be signed for %s", hostRegion, p.o.Region)
	}
	p.ep.Stage = p.stage
	if isDefault {
		p.ep.APIID, p.ep.Region = apiID, hostRegion
	}
	return nil
}

func (p *endpointParser) region() error {
	if isPrintedForNothing(p.ep.Region) {
		return p.fail(ProblemSigningRegion, "set AWS_REGION to the region of the API", "the region to sign for is %q: the variable that it comes from has no value", p.ep.Region)
	}
	if p.ep.Region == "" {
		return p.fail(ProblemSigningRegion, "set AWS_REGION to the region of the API", "requests would be signed with an empty region, which AWS's SDK does not report")
	}
	if !isRegion(p.ep.Region) {
		return p.fail(ProblemSigningRegion, "", "%q is not a region", p.ep.Region)
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

// redactURL keeps a password in a mistyped URL out of errors and logs.
func redactURL(raw string) string {
	if i := strings.LastIndex(raw, "@"); i >= 0 && !strings.HasPrefix(raw[i:], "@connections") {
		if j := strings.Index(raw, "://"); j >= 0 && j < i && !strings.Contains(raw[j+3:i], "/") {
			raw = raw[:j+3] + "…" + raw[i:]
		}
	}
	if len(raw) > 300 {
		raw = raw[:300] + "…"
	}
	// A line break in an endpoint must not become one in an error.
	return strings.Trim(strconv.QuoteToGraphic(raw), `"`)
}

// isLoopback reports whether a host, with or without a port, is this machine.
func isLoopback(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// developmentRegion is the region of a gateway on this machine unless it was
// told another.
const developmentRegion = "us-east-1"

// endpointFromEvent derives the endpoint of a WebSocket event:
//
//   - override, if there is one, is the URL;
//   - a loopback domainName is a gateway on this machine, in plain HTTP;
//   - an execute-api domainName is the endpoint's host;
//   - any other domainName is a custom domain. Its mapping key is in no event and
//     "https://{customDomain}/{stage}" is wrong unless they happen to be equal, so
//     the URL is the default host of the API instead (AWS's own chat sample moved
//     to the same rule: aws-samples/simple-websockets-chat-app, pull request 59).
func endpointFromEvent(domainName, apiID, stage, region, override string) (Endpoint, error) {
	if _, r, ok := parseExecuteAPIHost(domainName); ok {
		region = r
	} else if region == "" && isLoopback(domainName) {
		region = developmentRegion
	}
	if domainName == "" && override == "" {
		return Endpoint{}, &Error{Problem: ProblemEventMalformed, Detail: "the event has no requestContext.domainName"}
	}
	id := Identity{APIID: apiID, Stage: stage, Region: region}
	if region == "" {
		return Endpoint{}, &Error{Problem: ProblemSigningRegion, Detail: fmt.Sprintf("the region of %q is not known", domainName), FixText: "set AWS_REGION to the region of the API"}
	}
	if err := id.Validate(); err != nil {
		return Endpoint{}, &Error{Problem: ProblemEventMalformed, Detail: err.Error()}
	}
	raw := override
	if raw == "" {
		switch {
		case isLoopback(domainName):
			raw = "http://" + domainName + "/" + stage
		case isExecuteAPIHost(domainName):
			raw = "https://" + domainName + "/" + stage
		default:
			raw = DefaultEndpointURL(id)
		}
	}
	// The region of an override's host may differ from the function's: say so
	// here, where it can still be mended, and not as a 403 later.
	known := strings.HasSuffix(strings.TrimSuffix(raw, "/"), "/"+stage)
	ep, err := ParseEndpoint(raw, &EndpointOptions{Region: region, APIID: apiID, StageExists: known})
	if err != nil {
		return Endpoint{}, err
	}
	return Endpoint{Identity: id, URL: ep.URL}, nil
}

// environment variables that override the endpoint, in their order.
var overrideVariables = []string{"WIREPOST_ENDPOINT", "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"}

// endpointOverride is the explicit endpoint: the option, then the environment.
// The generic AWS_ENDPOINT_URL is never read: it is set for other services.
func endpointOverride(option string, getenv func(string) string) string {
	if option != "" {
		return option
	}
	for _, name := range overrideVariables {
		if v := getenv(name); v != "" {
			return v
		}
	}
	return ""
}
