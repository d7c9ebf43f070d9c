package inspector

import (
	"bytes"
	"net/url"
	"regexp"
	"strings"
)

// masked is what stands in place of a secret.
const masked = "(masked)"

// Header names whose values are secrets, and what the name of a query parameter has
// in it whose value is one.
var (
	secretHeaders = []string{"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-amz-security-token", "authorizationtoken"}
	secretQueries = []string{"token", "authorization", "jwt", "secret", "password", "signature", "api_key", "apikey", "api-key", "credential"}
)

// masker masks what a recorder keeps:
//
//   - in events, the values of the headers, query parameters and other members that
//     the lists above name, and of those that an authorizer's identity sources name;
//   - in any text, what follows "bearer." (a subprotocol) or "Bearer " (a header), and
//     the values of such query parameters in a URL.
//
// What a client sends as a message's body it sends to be read: only the second holds
// there.
type masker struct {
	member *regexp.Regexp // "NAME":"VALUE" or "NAME":["VALUE",…]
	query  *regexp.Regexp // ?NAME=VALUE
	names  []string       // of identity sources, in lower case
}

const (
	jsonString = `"(?:[^"\\]|\\.)*"`
	jsonList   = `\[(?:` + jsonString + `\s*,?\s*)*\]`
)

var bearerWord = newNeedle("bearer")

var bearer = regexp.MustCompile(`(?i)\b(bearer(?:\.|%2e|\s+))[A-Za-z0-9._~+/=%-]+`)

// newMasker makes a masker. Sources are identity sources as authorizers have them.
func newMasker(sources []string) *masker {
	m := &masker{}
	for _, s := range sources {
		for _, prefix := range []string{"route.request.header.", "route.request.querystring."} {
			if name, ok := strings.CutPrefix(s, prefix); ok && !harmless(name) {
				m.names = append(m.names, strings.ToLower(name))
			}
		}
	}
	var exact []string
	for _, n := range append(append([]string{}, secretHeaders...), m.names...) {
		exact = append(exact, regexp.QuoteMeta(n))
	}
	var within []string
	for _, n := range secretQueries {
		within = append(within, regexp.QuoteMeta(n))
	}
	name := `(?:` + strings.Join(exact, "|") + `|[^"\\=&?\s]*(?:` + strings.Join(within, "|") + `)[^"\\=&?\s]*)`
	m.member = regexp.MustCompile(`(?i)("` + name + `"\s*:\s*)(` + jsonString + `|` + jsonList + `)`)
	m.query = regexp.MustCompile(`(?i)([?&]` + name + `=)[^&\s"'\\<>]+`)
	return m
}

// harmless are identity sources that every client sends and that prove nothing.
func harmless(name string) bool {
	switch strings.ToLower(name) {
	case "host", "origin", "user-agent":
		return true
	}
	return false
}

// event masks an event, whole JSON.
func (m *masker) event(b []byte) []byte {
	b = m.member.ReplaceAllFunc(b, func(found []byte) []byte {
		parts := m.member.FindSubmatch(found)
		value := `"` + masked + `"`
		if parts[2][0] == '[' {
			value = `["` + masked + `"]`
		}
		return append(bytes.Clone(parts[1]), value...)
	})
	return m.text(b)
}

// text masks in any text. Most has nothing to mask, and what has is found by its
// letters before any expression is tried.
func (m *masker) text(b []byte) []byte {
	if bearerWord.in(b) {
		b = bearer.ReplaceAll(b, []byte("${1}"+masked))
	}
	if bytes.IndexByte(b, '?') >= 0 || bytes.IndexByte(b, '&') >= 0 {
		b = m.query.ReplaceAll(b, []byte("${1}"+masked))
	}
	return b
}

// target masks the query of a handshake's target, whose names may be escaped.
func (m *masker) target(target string) string {
	path, query, ok := strings.Cut(target, "?")
	if !ok {
		return target
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil {
			plain = name
		}
		if value != "" && m.query.MatchString("?"+plain+"=x") {
			pairs[i] = name + "=" + masked
		}
	}
	return path + "?" + string(bearer.ReplaceAll([]byte(strings.Join(pairs, "&")), []byte("${1}"+masked)))
}
