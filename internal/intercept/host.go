package intercept

import (
	"net"
	"regexp"
	"slices"
	"strings"
)

// Host is a name of AWS's, taken apart.
type Host struct {
	Name string // in lower case, without a dot at its end

	// Service is what answers at it, as in "dynamodb", "streams.dynamodb", "sqs",
	// "execute-api"; empty for a name of another form than those that [ParseHost] knows.
	Service string

	// Prefix is what comes before the service: the ID of an API, or the account in
	// 123456789012.ddb.us-east-1.amazonaws.com. It may be empty.
	Prefix string

	// Region is that of the name. Empty if Service is.
	Region string
}

const (
	regionForm = `[a-z]{2,3}(?:-[a-z]+)+-[0-9]+`
	suffixForm = `(?:amazonaws\.com(?:\.cn)?|api\.aws)`
)

// forms are the names of services that have others than SERVICE.REGION. (The rule sets
// in AWS's SDK models, endpoint-rule-set.json: of DynamoDB the endpoints of accounts, of
// DynamoDB Streams the dual-stack ones. The queue names are those that clients took
// before 2022: botocore's endpoints.json, sslCommonName.)
var forms = map[string]string{
	"execute-api":      `[a-z0-9]+\.execute-api`,
	"dynamodb":         `dynamodb|[0-9]{12}\.ddb`,
	"streams.dynamodb": `streams\.dynamodb|streams-dynamodb`,
	"sqs":              `sqs|queue`,
}

// form is the expression for all names of a service.
func form(service string) string {
	name := forms[service]
	if name == "" {
		name = regexp.QuoteMeta(service)
	}
	all := `(?:` + name + `)(?:-fips)?\.` + regionForm
	if service == "sqs" {
		all += `|(?:` + regionForm + `\.)?queue`
	}
	return `(?:` + all + `)\.` + suffixForm
}

// Pattern is a regular expression for the names of services, in lower case, which
// JavaScript understands too.
func Pattern(services []string) string {
	if len(services) == 0 {
		return `^[^\s\S]`
	}
	var all []string
	for _, service := range slices.Sorted(slices.Values(services)) {
		all = append(all, form(service))
	}
	return `^(?:` + strings.Join(all, "|") + `)$`
}

var (
	ofAWS   = regexp.MustCompile(`^(?:[a-z0-9_-]+\.)+` + suffixForm + `$`)
	inParts = regexp.MustCompile(`^(?:([a-z0-9-]+)\.(execute-api|ddb)|(streams)[.-](dynamodb)|([a-z0-9-]+))(?:\.(` + regionForm + `))\.` + suffixForm + `$`)
	ofQueue = regexp.MustCompile(`^(?:(` + regionForm + `)\.)?queue\.` + suffixForm + `$`)
	isAPI   = regexp.MustCompile(`^[a-z0-9]+$`)
	isOwner = regexp.MustCompile(`^[0-9]{12}$`)
)

// ParseHost takes the host of a URL, with or without a port. It reports false for a name
// that is not AWS's, which are those below amazonaws.com, amazonaws.com.cn and api.aws.
// Endpoints for FIPS and dual-stack count as those of the service.
func ParseHost(name string) (Host, bool) {
	if h, _, err := net.SplitHostPort(name); err == nil {
		name = h
	}
	h := Host{Name: strings.ToLower(strings.TrimSuffix(name, "."))}
	if len(h.Name) > 253 || !ofAWS.MatchString(h.Name) {
		return Host{}, false
	}
	if m := ofQueue.FindStringSubmatch(h.Name); m != nil {
		h.Service, h.Region = "sqs", m[1]
		if h.Region == "" {
			h.Region = "us-east-1"
		}
		return h, true
	}
	m := inParts.FindStringSubmatch(withoutFIPS(h.Name))
	switch {
	case m == nil:
		return h, true
	case m[2] == "execute-api" && isAPI.MatchString(m[1]):
		h.Prefix, h.Service = m[1], m[2]
	case m[2] == "ddb" && isOwner.MatchString(m[1]):
		h.Prefix, h.Service = m[1], "dynamodb"
	case m[3] != "":
		h.Service = "streams.dynamodb"
	case m[5] == "queue":
		h.Service = "sqs"
	case m[5] != "" && m[5] != "execute-api" && m[5] != "ddb":
		h.Service = m[5]
	default:
		return h, true
	}
	h.Region = m[6]
	return h, true
}

// withoutFIPS is a name without the mark of a FIPS endpoint, which is at the end of the
// label before the region.
func withoutFIPS(name string) string { return strings.Replace(name, "-fips.", ".", 1) }
