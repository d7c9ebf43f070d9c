package wirepost

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// missingValue is the text of a value that is missing in an endpoint: what languages
// print for it, such as "undefined", or a placeholder that nobody has replaced.
type missingValue struct {
	text  string
	place string // such as "the API ID"; empty: the text is the whole endpoint
	// unreplaced tells a placeholder from what a language prints.
	unreplaced bool
	// inPath: a stage or a mapping key may really have this name.
	inPath bool
}

// printedForNothing is what JavaScript, Python, Go, Ruby, C and others print for a
// value that is missing, in lower case. The text true or false is that of a condition
// in the place of a value. None of them is a region, a port, the only label of a host or
// an API ID: those in recorded events all have ten lower-case letters and digits. AWS
// documents no form of them: UNCERTAIN.
var printedForNothing = []string{"undefined", "null", "none", "nil", "nan", "true", "false"}

// namesOfNothing are those that are read as missing where API Gateway allows any name,
// in this case of letters: no stage is likely to be called so. A name such as "none" or
// "true" may be meant.
var namesOfNothing = []string{"undefined", "null", "None", "nil", "NaN"}

// hole takes the place of a placeholder: a character that no endpoint contains.
const hole = "\x00"

// findMissingValue looks for a missing value in the host and the path of an endpoint.
// It does not look at a user or a query, which may hold secrets.
func findMissingValue(raw string) (missingValue, bool) {
	raw = strings.TrimSpace(raw)
	if whole := strings.Trim(raw, `"'`); slices.Contains(printedForNothing, strings.ToLower(whole)) || whole == "[]" {
		return missingValue{text: whole}, true
	}
	if whole := strings.Trim(raw, `"'`); strings.HasPrefix(whole, "!") || strings.Contains(whole, "[Output<T>]") || strings.Contains(whole, "known after apply") {
		return missingValue{text: whole, unreplaced: true}, true
	}
	rest := raw
	if _, after, ok := strings.Cut(raw, "://"); ok {
		rest = after
	}
	if i := connectionsSegment(rest); i >= 0 { // what follows is a connection's
		rest = rest[:i]
	}
	rest, _, _ = strings.Cut(strings.TrimLeft(rest, "/"), "?")
	if authority, _, _ := strings.Cut(rest, "/"); strings.Contains(authority, "@") {
		rest = rest[strings.LastIndex(authority, "@")+1:]
	}
	if unescaped, err := url.PathUnescape(rest); err == nil && !strings.Contains(unescaped, hole) {
		rest = unescaped
	}
	// A placeholder may have dots, colons and slashes in it.
	var m missingValue
	if from, to := findPlaceholder(rest); to > 0 {
		if m.text, m.unreplaced = rest[from:to], !strings.HasPrefix(rest[from:to], "<nil") && !strings.HasPrefix(rest[from:to], "[object"); rest == m.text {
			return m, true
		}
		rest = rest[:from] + hole + rest[to:]
	}
	authority, path, _ := strings.Cut(rest, "/")
	host, port, _ := strings.Cut(authority, ":")
	if strings.HasPrefix(authority, "[") { // IPv6
		host, port = authority, ""
	}
	for _, p := range hostParts(host) {
		if p.missing() {
			return m.in(p.name, p.text), true
		}
	}
	if port != "" && (isPrintedForNothing(port) || strings.Contains(port, hole)) {
		return m.in("the port", port), true
	}
	m.inPath = true
	for segment := range strings.SplitSeq(path, "/") {
		if strings.Contains(segment, hole) || slices.Contains(namesOfNothing, segment) || hasUndefined(segment) {
			return m.in(pathName(host), segment), true
		}
	}
	return missingValue{}, false
}

// in adds the place, and takes the text that was found there unless that has the
// placeholder in it.
func (m missingValue) in(place, text string) missingValue {
	m.place = place
	if !strings.Contains(text, hole) {
		m.text, m.unreplaced = text, false
	}
	return m
}

// detail says what is where.
func (m missingValue) detail() string {
	why := "a variable that it is made of has no value"
	if m.unreplaced {
		why = "it was not replaced by a value"
	}
	if m.place == "" {
		return "the endpoint is " + quoted(m.text) + ": " + strings.Replace(why, "a variable that it is made of", "the variable that it comes from", 1)
	}
	return "the endpoint has " + quoted(m.text) + " where " + m.place + " should be: " + why
}

// fix is the cure.
func (m missingValue) fix() string {
	what := "the variable that " + cmp.Or(m.place, "the endpoint") + " comes from"
	switch {
	case strings.Contains(m.text, "Token["):
		return "give the endpoint to the program by a variable of its environment or an output of the stack: it is a token of the CDK, which has its value in the deployed stack only"
	case strings.HasPrefix(m.text, "!"):
		return "write the tag before the quotation marks, as in !Sub \"https://${Api}...\": inside of them it is text"
	case strings.HasPrefix(m.text, "${"):
		return "set " + what + "; in a template, put !Sub before the string with ${...}, or join its parts with !Join"
	case m.unreplaced:
		return "put the value of " + cmp.Or(m.place, "the endpoint") + " in the place of " + quoted(m.text)
	case m.inPath:
		return "set " + what + "; a stage that really has this name is learned from its events"
	}
	return "set " + what
}

// quoted is a text in quotation marks, on one line and cut.
func quoted(text string) string { return `"` + clip(printable(text)) + `"` }

// hostPart is a label of a host, and what it is.
type hostPart struct {
	text, name string
	// free: anybody may call a domain so.
	free bool
}

// hostParts are the labels of a host that can be missing. Of a custom domain these are
// the labels before the last two, which are registered names.
func hostParts(host string) []hostPart {
	label := strings.Split(host, ".")
	switch {
	case isLoopback(host) && !strings.Contains(host, hole):
		return nil
	case len(label) == 1:
		return []hostPart{{text: host, name: "the host"}}
	case len(label) > 2 && (label[1] == "execute-api" || label[1] == "execute-api-fips"):
		return []hostPart{{text: label[0], name: "the API ID"}, {text: label[2], name: "the region"}, {text: strings.Join(label[3:], "."), name: "the host", free: true}}
	}
	var parts []hostPart
	for i, l := range label {
		if i < len(label)-2 || strings.Contains(l, hole) {
			parts = append(parts, hostPart{text: l, name: "a label of the host", free: true})
		}
	}
	return parts
}

func (p hostPart) missing() bool {
	if strings.Contains(p.text, hole) || hasUndefined(p.text) {
		return true
	}
	if p.free {
		return slices.Contains(namesOfNothing, p.text)
	}
	return isPrintedForNothing(p.text)
}

// pathName is what the path of an endpoint is: a stage, or the mapping key of a custom
// domain.
func pathName(host string) string {
	if isLoopback(host) || strings.Contains(host, ".execute-api") {
		return "the stage"
	}
	return "the mapping key"
}

func isPrintedForNothing(s string) bool {
	return slices.Contains(printedForNothing, strings.ToLower(s))
}

// hasUndefined finds the word in a name that is made of words, such as chat-undefined.
func hasUndefined(s string) bool {
	return strings.Contains(s, "undefined") && slices.Contains(strings.FieldsFunc(s, func(c rune) bool { return c == '-' || c == '_' }), "undefined")
}

// findPlaceholder finds the first placeholder of a template, a shell or a format: ${X},
// #{X}, {{X}}, {X}, {}, <X>, [object X], $(X), $X, %s, %!v(X) or %X%. None of their
// characters can be in an endpoint, but for the $ of $default, the % of an escape and
// the brackets of IPv6. It returns 0, 0 if there is none.
func findPlaceholder(s string) (from, to int) {
	for i := range len(s) {
		rest := s[i:]
		n := 0
		switch c := s[i]; {
		case c == '{':
			n = closed(rest, "{", "}")
		case c == '<':
			n = closed(rest, "<", ">")
		case c == '[' && strings.HasPrefix(rest, "[object "):
			n = closed(rest, "[", "]")
		case (c == '$' || c == '#') && strings.HasPrefix(rest[1:], "{"):
			n = 1 + closed(rest[1:], "{", "}")
		case c == '$' && strings.HasPrefix(rest[1:], "("):
			n = 1 + closed(rest[1:], "(", ")")
		case c == '$' && !strings.HasPrefix(rest, "$default") && !isRouteKey(rest):
			n = 1 + word(rest[1:])
		case c == '%' && strings.HasPrefix(rest[1:], "!"):
			n = closed(rest, "(", ")")
		case c == '%' && len(rest) > 1 && strings.IndexByte("svq", rest[1]) >= 0:
			n = 2
		case c == '%' && word(rest[1:]) > 2 && strings.HasPrefix(rest[1+word(rest[1:]):], "%") && !(isHex(rest[1]) && isHex(rest[2])):
			n = word(rest[1:]) + 2
		case c == '(' && strings.HasPrefix(rest, "(null)"):
			n = len("(null)")
		}
		if n > 0 {
			return i, i + n
		}
	}
	return 0, 0
}

// closed is how long a text is that begins with an opening mark, up to the mark that
// closes it or, if none does, to the end.
func closed(s, open, end string) int {
	depth := 0
	for i := range len(s) {
		switch {
		case strings.HasPrefix(s[i:], open):
			depth++
		case strings.HasPrefix(s[i:], end):
			if depth--; depth <= 0 {
				return i + len(end)
			}
		}
	}
	return len(s)
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

// word is how many letters, digits and underscores a text begins with.
func word(s string) int {
	n := 0
	for n < len(s) && (lowerOrDigit(s[n]|0x20) || s[n] == '_') {
		n++
	}
	return n
}
