package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// RequestParameter is one request parameter of an HTTP integration, which a template
// writes as integration.request.IN.NAME: SOURCE (AWS docs, "Set up data mapping for
// WebSocket APIs"; the apigatewayv2 model, RequestParameters).
type RequestParameter struct {
	// In is where the value goes: "header", "querystring" or "path". In a path it takes
	// the place of {NAME} or {NAME+} in the integration's URL; what is put in place of
	// {NAME} is escaped.
	In string
	// Name of the header, the query parameter or the place in the path.
	Name string
	// Source of the value:
	//
	//	context.NAME                             a member of the event's requestContext, such as context.connectionId
	//	stageVariables.NAME
	//	route.request.body.PATH                  a member of a message that is JSON; names and indexes
	//	route.request.body                       the whole message
	//	route.request.header.NAME                of the handshake: $connect only
	//	route.request.querystring.NAME           of the handshake: $connect only
	//	route.request.multivalueheader.NAME      all its values
	//	route.request.multivaluequerystring.NAME
	//	'TEXT'                                   the text
	//
	// A source that the event does not have sets nothing (UNCERTAIN), and in a path
	// the empty text. Several values become several headers or query parameters, and in
	// a path are joined with commas (UNCERTAIN). An object or a list of a body is given
	// as its JSON (UNCERTAIN). A control character in a header is given as a space
	// (UNCERTAIN).
	Source string
}

// parameter is a parsed RequestParameter.
type parameter struct {
	RequestParameter
	constant bool
	text     string // of a constant
	object   string // the member of the event that the value is looked up in
	path     []step
	fold     bool // the first step is the name of a header
	inBody   bool // path is one in the body's JSON
}

// parameterName is the form of names in sources (AWS docs, the same page).
var parameterName = regexp.MustCompile(`^[A-Za-z0-9._$-]+$`)

// parseParameter says what is wrong with a request parameter.
func parseParameter(p RequestParameter) (parsed parameter, err error) {
	parsed.RequestParameter = p
	wrong := func(format string, args ...any) (parameter, error) {
		return parsed, fmt.Errorf("request parameter integration.request.%s.%s: %s", p.In, p.Name, fmt.Sprintf(format, args...))
	}
	switch p.In {
	case "header":
		if !validHeaderName(p.Name) {
			return wrong("%q cannot be the name of a header", p.Name)
		}
	case "querystring", "path":
		if p.Name == "" {
			return wrong("it has no name")
		}
	default:
		return wrong("%q is not header, querystring or path", p.In)
	}
	if n := len(p.Source); n >= 2 && p.Source[0] == '\'' && p.Source[n-1] == '\'' {
		parsed.constant, parsed.text = true, p.Source[1:n-1]
		return parsed, nil
	}
	if rest, ok := strings.CutPrefix(p.Source, "route.request.body"); ok {
		parsed.inBody = true
		if parsed.path, err = parsePath(bodyVariable + rest); err != nil {
			return wrong("the source %q: %v", p.Source, err)
		}
		return parsed, nil
	}
	for _, form := range []struct{ prefix, object string }{
		{"context.", "requestContext"}, {"stageVariables.", "stageVariables"},
		{"route.request.header.", "headers"}, {"route.request.multivalueheader.", "multiValueHeaders"},
		{"route.request.querystring.", "queryStringParameters"}, {"route.request.multivaluequerystring.", "multiValueQueryStringParameters"},
	} {
		name, ok := strings.CutPrefix(p.Source, form.prefix)
		if !ok {
			continue
		}
		if !parameterName.MatchString(name) {
			return wrong("the source %q: a name has letters, digits and . _ $ -", p.Source)
		}
		parsed.object, parsed.fold = form.object, strings.HasSuffix(strings.ToLower(form.object), "headers")
		names := []string{name}
		if form.object == "requestContext" {
			names = strings.Split(name, ".")
		}
		for _, n := range names {
			parsed.path = append(parsed.path, step{name: n, index: -1})
		}
		return parsed, nil
	}
	return wrong("the source %q: there are context.NAME, stageVariables.NAME, route.request.header.NAME, route.request.querystring.NAME, their multivalue forms, route.request.body.PATH and 'TEXT' in single quotes", p.Source)
}

// values are what an event has for a parameter.
func (p *parameter) values(event, body []byte) []string {
	if p.constant {
		return []string{p.text}
	}
	var value []byte
	found := false
	switch {
	case p.inBody && len(p.path) == 0:
		if body == nil {
			return nil
		}
		return []string{string(body)}
	case p.inBody:
		if json.Valid(body) {
			value, found = lookup(body, p.path)
		}
	default:
		value, found = member(event, p.object)
		if found && p.fold {
			value, found = memberFold(value, p.path[0].name)
		} else if found {
			value, found = lookup(value, p.path)
		}
	}
	switch {
	case !found || value[0] == 'n':
		return nil
	case value[0] == '[' && strings.HasPrefix(p.object, "multiValue"):
		var all []string
		eachElement(value, func(v []byte) { all = append(all, string(appendText(nil, v))) })
		return all
	case value[0] == '{' || value[0] == '[':
		return []string{string(value)}
	}
	return []string{string(appendText(nil, value))}
}

// parameters are those of an integration, parsed once.
type parameters struct {
	once sync.Once
	all  []parameter
	err  error
}

func (p *parameters) of(given []RequestParameter) ([]parameter, error) {
	p.once.Do(func() {
		seen := map[string]bool{}
		for _, g := range given {
			parsed, err := parseParameter(g)
			name := g.Name
			if g.In == "header" {
				name = http.CanonicalHeaderKey(name)
			}
			if err == nil && seen[g.In+"."+name] {
				err = fmt.Errorf("request parameter integration.request.%s.%s is given twice", g.In, g.Name)
			}
			if err != nil {
				p.err = err
				return
			}
			seen[g.In+"."+name] = true
			p.all = append(p.all, parsed)
		}
	})
	return p.all, p.err
}

// target is an integration's URL with an event's parameters in its path and query.
func target(base string, all []parameter, event, body []byte) (string, error) {
	added := url.Values{}
	for i := range all {
		p := &all[i]
		switch p.In {
		case "path":
			text := strings.Join(p.values(event, body), ",")
			base = strings.ReplaceAll(base, "{"+p.Name+"}", escapedSegment(text))
			base = strings.ReplaceAll(base, "{"+p.Name+"+}", escapedPath(text))
		case "querystring":
			for _, value := range p.values(event, body) {
				added.Add(p.Name, value)
			}
		}
	}
	return withQuery(base, added)
}

// withQuery is a URL with parameters behind those of its query.
func withQuery(base string, added url.Values) (string, error) {
	if len(added) == 0 {
		return base, nil
	}
	u, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += added.Encode()
	return u.String(), nil
}

// escapedPath escapes each segment.
func escapedPath(path string) string {
	segments := strings.Split(path, "/")
	for i := range segments {
		segments[i] = escapedSegment(segments[i])
	}
	return strings.Join(segments, "/")
}

// escapedSegment is a text as one segment of a path, which it cannot leave: a client may
// have sent it.
func escapedSegment(text string) string {
	if text == "." || text == ".." {
		return strings.ReplaceAll(text, ".", "%2E")
	}
	return url.PathEscape(text)
}

// setHeader sets a header of the request to a backend, whatever a client put into it.
func setHeader(r *http.Request, name string, values ...string) {
	for i := range values {
		values[i] = strings.Map(func(c rune) rune {
			if c < ' ' && c != '\t' || c == 0x7f {
				return ' '
			}
			return c
		}, values[i])
	}
	switch {
	case len(values) == 0:
	case http.CanonicalHeaderKey(name) == "Host":
		r.Host = values[len(values)-1]
	default:
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
}
