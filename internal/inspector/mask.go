package inspector

import (
	"bytes"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// masked is what stands in place of a secret.
const masked = "(masked)"

// Names of secrets, in lower case. Case does not matter.
var (
	secretHeaders = []string{"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-amz-security-token", "authorizationtoken"}
	// secretParts may be any part of the name of a header, a parameter or a member.
	secretParts = []string{"token", "authorization", "jwt", "secret", "password", "passphrase", "signature", "api_key", "apikey", "api-key", "credential"}
	// secretWords are words in the name of a header or a query parameter: x-auth, userPass.
	secretWords = []string{"pwd", "pass", "passwd", "passcode", "sig", "hmac", "auth", "oauth", "otp", "pin", "sid"}
	// secretQueries are whole names of query parameters. As words they are common in
	// names of other values.
	secretQueries = []string{"code", "key", "session", "ticket", "assertion"}
)

// place says what a name is the name of.
type place uint8

const (
	member place = iota
	header
	query
)

// masker masks what a recorder keeps:
//
//   - in events and in JSON that a function logs, the values of the headers, query
//     parameters and other members that the lists above or an authorizer's identity
//     sources name;
//   - in any text, what follows "bearer." (a subprotocol) or "Bearer " (a header), and
//     the values of such query parameters in a URL.
//
// What a client sends as a message's body it sends to be read: only the second holds
// there.
type masker struct {
	names []string // of identity sources, in lower case
}

var bearerWord = newNeedle("bearer")

var bearer = regexp.MustCompile(`(?i)\b(bearer(?:\.|%2e|\s+|%20|\+))[A-Za-z0-9._~+/=%-]+`)

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

// secret reports whether the value of a name is one.
func (m *masker) secret(name string, at place) bool {
	low := strings.ToLower(name)
	switch {
	case slices.Contains(secretHeaders, low), slices.Contains(m.names, low),
		slices.ContainsFunc(secretParts, func(part string) bool { return strings.Contains(low, part) }):
		return true
	case at == member:
		return false
	}
	isNoLetter := func(c rune) bool { return c < 'a' || c > 'z' }
	return at == query && slices.Contains(secretQueries, strings.TrimFunc(low, isNoLetter)) || hasWord(name, secretWords)
}

// hasWord reports whether a name contains one of some words. A word is a run of letters;
// userPass and XPass have two words.
func hasWord(name string, words []string) bool {
	isSmall := func(i int) bool { return i < len(name) && 'a' <= name[i] && name[i] <= 'z' }
	isLetter := func(i int) bool { return isSmall(i) || 'A' <= name[i] && name[i] <= 'Z' }
	for i := 0; i < len(name); {
		begin := i
		for i < len(name) && isLetter(i) && (i == begin || isSmall(i) || !isSmall(i-1) && !isSmall(i+1)) {
			i++
		}
		if slices.Contains(words, strings.ToLower(name[begin:i])) {
			return true
		}
		if i == begin {
			i++
		}
	}
	return false
}

// text masks in any text.
func (m *masker) text(b []byte) []byte {
	if bearerWord.in(b) {
		b = bearer.ReplaceAll(b, []byte("${1}"+masked))
	}
	return m.queries(b)
}

// queries masks the values of query parameters: text after an equals sign whose name
// begins at ?, & or #. It also finds these characters percent-encoded, as they are in a
// URL within a URL, and \u0026, which Go writes for & in JSON.
func (m *masker) queries(b []byte) []byte {
	if bytes.IndexByte(b, '=') < 0 && !bytes.Contains(b, []byte("%3")) {
		return b
	}
	var out []byte
	from := 0
	for i := 0; i < len(b); i++ {
		size, escaped := equals(b[i:])
		if size == 0 {
			continue
		}
		name, ok := nameBefore(b[from:i], escaped)
		if !ok || !m.secret(name, query) {
			continue
		}
		value := i + size
		end := value + valueSize(b[value:], escaped)
		if end > value {
			out = append(append(out, b[from:value]...), masked...)
			from, i = end, end-1
		}
	}
	if out == nil {
		return b
	}
	return append(out, b[from:]...)
}

// equals returns the size of an equals sign at the beginning of b, or 0.
func equals(b []byte) (size int, escaped bool) {
	switch b[0] {
	case '=':
		return 1, false
	case '%':
		if len(b) > 2 && b[1] == '3' && b[2]|0x20 == 'd' {
			return 3, true
		}
	}
	return 0, false
}

// longestName limits how far back nameBefore looks.
const longestName = 128

// nameBefore returns the name of the parameter whose equals sign follows b.
func nameBefore(b []byte, escaped bool) (name string, ok bool) {
	b = b[max(0, len(b)-longestName):]
	for i := len(b) - 1; i >= 0; i-- {
		rest := b[i:]
		switch c := b[i]; {
		case c == '?' || c == '&' || c == '#':
			return unescaped(string(rest[1:])), true
		case c == '%' && len(rest) > 2 && escaped && isSeparator(rest):
			return unescaped(string(rest[3:])), true
		case c == '\\':
			after, ok := bytes.CutPrefix(rest, []byte(`\u0026`))
			return unescaped(string(after)), ok
		case c == '\n' || c == '"' || c == '\'' || c == '<' || c == '>':
			return "", false
		}
	}
	return "", false
}

// isSeparator reports whether b begins with a percent-encoded ?, & or #.
func isSeparator(b []byte) bool {
	return b[1] == '3' && b[2]|0x20 == 'f' || b[1] == '2' && (b[2] == '6' || b[2] == '3')
}

// valueSize returns the size of the parameter's value at the beginning of b.
func valueSize(b []byte, escaped bool) int {
	for i, c := range b {
		if c <= ' ' || c == '&' || c == '"' || c == '\'' || c == '\\' || c == '<' || c == '>' || escaped && c == '%' && i+2 < len(b) && isSeparator(b[i:]) {
			return i
		}
	}
	return len(b)
}

func unescaped(name string) string {
	name = strings.TrimPrefix(name, "amp;") // HTML
	if plain, err := url.QueryUnescape(name); err == nil {
		return plain
	}
	return name
}

// target masks the query of a handshake's target, whose names may be escaped.
func (m *masker) target(target string) string {
	path, all, ok := strings.Cut(target, "?")
	if !ok {
		return target
	}
	pairs := strings.Split(all, "&")
	for i, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		if value != "" && m.secret(unescaped(name), query) {
			pairs[i] = name + "=" + masked
		}
	}
	return string(m.text([]byte(path + "?" + strings.Join(pairs, "&"))))
}
