package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/app"
)

// maxRecorded is how much of a body a record has, in bytes.
const maxRecorded = 16 << 10

// Record is a request and its answer, for people to look at. Secrets in headers and in
// the query are masked: those of Authorization, cookies, API keys, identity sources, and
// of names with words such as token. Bodies are as they are, and cut after 16 KiB.
type Record struct {
	Kind      app.HTTPKind
	LogicalID string // of the API
	At        time.Time
	Duration  time.Duration
	RequestID string

	Method, Target string // of the request line
	RouteKey       string // empty: no route fits
	Function       string // the logical ID of the one that was invoked; empty: none was

	RequestHeader http.Header
	RequestBody   []byte

	Status       int
	AnswerHeader http.Header
	AnswerBody   []byte

	// Failed is set if the API itself answered with an error. Why says what was wrong, in
	// one sentence; empty if nothing was.
	Failed bool
	Why    string
}

// masked stands in the place of a secret.
const masked = "(masked)"

// Names whose values are secrets, in lower case, and parts of such names.
var (
	secretNames = []string{"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-amz-security-token", "code", "key", "session", "ticket", "assertion", "sig"}
	// harmless are identity sources that every client sends and that prove nothing.
	harmless    = []string{"host", "origin", "user-agent"}
	secretParts = []string{"token", "authorization", "jwt", "secret", "passw", "passphrase", "signature", "api_key", "apikey", "api-key", "credential", "auth"}
)

// record makes the record of the request.
func (x *exchange) record(p *reply, took time.Duration) Record {
	r := Record{
		Kind: x.h.c.API.Kind, LogicalID: x.h.c.API.LogicalID, At: x.at, Duration: took, RequestID: x.requestID,
		Method: x.r.Method, Function: x.invoked, RequestBody: cut(x.body),
		Status: p.status, AnswerBody: cut(p.body), Failed: p.failure != none, Why: p.why,
	}
	var sources []identitySource
	if x.route != nil {
		r.RouteKey = x.route.key
		sources, _ = x.route.sources() // a mistake in them has been said
	}
	isSecret := func(name string, of sourceOf) bool {
		low := strings.ToLower(name)
		return slices.Contains(secretNames, low) ||
			slices.ContainsFunc(secretParts, func(part string) bool { return strings.Contains(low, part) }) ||
			slices.ContainsFunc(sources, func(s identitySource) bool {
				return s.of == of && strings.EqualFold(s.name, name) && !slices.Contains(harmless, low)
			})
	}
	r.RequestHeader = maskHeader(x.r.Header, isSecret)
	r.AnswerHeader = maskHeader(p.header, isSecret)
	r.Target = x.r.URL.EscapedPath()
	if x.r.URL.RawQuery != "" {
		r.Target += "?" + maskQuery(x.r.URL.RawQuery, isSecret)
	}
	return r
}

func cut(body []byte) []byte { return slices.Clone(body[:min(len(body), maxRecorded)]) }

func maskHeader(header http.Header, isSecret func(string, sourceOf) bool) http.Header {
	out := header.Clone()
	for name, values := range out {
		if isSecret(name, ofHeader) {
			for i := range values {
				values[i] = masked
			}
		}
	}
	return out
}

func maskQuery(query string, isSecret func(string, sourceOf) bool) string {
	parts := strings.Split(query, "&")
	for i, part := range parts {
		name, value, _ := strings.Cut(part, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil {
			plain = name
		}
		if value != "" && isSecret(plain, ofQuery) {
			parts[i] = name + "=" + masked
		}
	}
	return strings.Join(parts, "&")
}
