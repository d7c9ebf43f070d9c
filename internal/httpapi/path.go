package httpapi

import (
	"net/url"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
)

// defaultStage is the stage of an HTTP API that is no part of a path.
const defaultStage = "$default"

// location is the path of a request in its forms.
type location struct {
	event   string // rawPath of payload 2.0, path of 1.0
	context string // path of requestContext
	match   string // what routes are matched with: without the stage
}

// locate reads the path of a request. Its forms are those of recorded events of AWS
// (hotsock/voker, vokerhttp/testdata, July 2026; LocalStack's snapshots of REST APIs):
//
//   - An HTTP API gives the path decoded, and even decoded twice: a%252Fb becomes a/b,
//     what is after %3F is lost, and a%25b is answered with 400. Its stage is in the path
//     (powertools-lambda-python#621). That routes are matched with the decoded path
//     is UNCERTAIN.
//   - A REST API gives the path as it was sent. The event's is without the stage and
//     without empty segments in a row, that of requestContext is whole.
//   - A function's URL gives rawPath as it was sent, and the path of requestContext decoded.
//
// The failure is what AWS answers to such a path, or none.
func locate(kind app.HTTPKind, stage, escaped string) (l location, wrong failure) {
	if escaped == "" { // http://HOST alone in the request line
		escaped = "/"
	}
	if escaped[0] != '/' { // OPTIONS *
		return l, badRequest
	}
	switch kind {
	case app.RESTAPI:
		first, rest, more := strings.Cut(strings.TrimPrefix(escaped, "/"), "/")
		if name, err := url.PathUnescape(first); err != nil || name != stage {
			return l, foreignStage
		}
		l = location{"/", escaped, "/"}
		if more {
			l.event = "/" + single(rest)
			l.match = l.event
		}
		return l, none
	case app.FunctionURL:
		once, err := url.PathUnescape(escaped)
		if err != nil {
			return l, badRequest
		}
		return location{escaped, text(once), once}, none
	}
	decoded, err := url.PathUnescape(escaped)
	if err == nil {
		decoded, _, _ = strings.Cut(decoded, "?")
		decoded, err = url.PathUnescape(decoded)
	}
	if err != nil {
		return l, badRequest
	}
	decoded = text(decoded)
	l = location{decoded, decoded, decoded}
	if stage != defaultStage {
		first, rest, _ := strings.Cut(strings.TrimPrefix(decoded, "/"), "/")
		if first != stage {
			return l, foreignStage
		}
		l.match = "/" + rest
	}
	return l, none
}

// single makes one slash of several in a row, and removes those at the beginning.
func single(path string) string {
	path = strings.TrimLeft(path, "/")
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	return path
}

// text is s as JSON can have it.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// pair is a name of the query with a value.
type pair struct{ name, value string }

// pairs reads a query: + is a space in it, %2B is a plus (recorded events of AWS, as
// above). A REST API also separates by semicolons (AWS docs, "Amazon API Gateway
// important notes"). What is not well encoded stays as it is (UNCERTAIN).
func pairs(query string, semicolons bool) (all []pair) {
	isSeparator := func(c rune) bool { return c == '&' || semicolons && c == ';' }
	for part := range strings.FieldsFuncSeq(query, isSeparator) {
		name, value, _ := strings.Cut(part, "=")
		all = append(all, pair{unescaped(name), unescaped(value)})
	}
	return all
}

func unescaped(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		s = plain
	}
	return text(s)
}
