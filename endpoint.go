package wirepost

import (
	"fmt"
	"net"
	"net/netip"
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

// redactURL keeps a user, a password and a query, where tokens are, out of errors and
// logs.
func redactURL(raw string) string {
	if i := strings.IndexAny(raw, "?#"); i >= 0 {
		raw = raw[:i+1] + "…"
	}
	for i := strings.LastIndexByte(raw, '@'); i >= 0; i = strings.LastIndexByte(raw[:i], '@') {
		if !strings.HasPrefix(strings.ToLower(raw[i:]), "@connections") {
			scheme, _, found := strings.Cut(raw[:i], "://")
			if found {
				scheme += "://"
			} else {
				scheme = ""
			}
			raw = scheme + "…" + raw[i:]
			break
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
