package gateway

import (
	"fmt"
	"strings"
)

// identitySource is a parsed identity source of an authorizer.
type identitySource struct {
	text   string
	object string // the member of the event that it is looked up in
	path   []string
	fold   bool // headers do not know case
}

// parseIdentitySource says what is wrong with one, before anybody connects. AWS
// refuses $request.header.X for WebSocket APIs (a validated test).
func parseIdentitySource(source string) (identitySource, error) {
	s := identitySource{text: source}
	for _, form := range []struct{ prefix, object string }{
		{"route.request.header.", "headers"}, {"route.request.querystring.", "queryStringParameters"}, {"stageVariables.", "stageVariables"}, {"context.", "requestContext"},
	} {
		name, ok := strings.CutPrefix(source, form.prefix)
		if !ok || name == "" {
			continue
		}
		s.object, s.path = form.object, []string{name}
		switch form.object {
		case "headers":
			s.fold = true
			if !validHeaderName(name) {
				return s, fmt.Errorf("identity source %q: %q cannot be the name of a header", source, name)
			}
		case "requestContext":
			s.path = strings.Split(name, ".")
			for _, part := range s.path {
				if part == "" {
					return s, fmt.Errorf("identity source %q has an empty name", source)
				}
			}
		}
		return s, nil
	}
	right := ""
	for _, other := range []struct{ prefix, right, api string }{
		{"method.request.header.", "route.request.header.", "REST"}, {"method.request.querystring.", "route.request.querystring.", "REST"},
		{"$request.header.", "route.request.header.", "HTTP"}, {"$request.querystring.", "route.request.querystring.", "HTTP"},
		{"$context.", "context.", "HTTP"}, {"$stageVariables.", "stageVariables.", "HTTP"},
	} {
		if name, ok := strings.CutPrefix(source, other.prefix); ok && name != "" {
			right = fmt.Sprintf(" (that is the form of %s APIs; here it is %s%s)", other.api, other.right, name)
		}
	}
	return s, fmt.Errorf("identity source %q: write route.request.header.NAME, route.request.querystring.NAME, stageVariables.NAME or context.NAME%s", source, right)
}

// value is what an authorizer's event has of it, as text. It is empty where the event
// has none, and for an object.
func (s *identitySource) value(event []byte) string {
	value, found := member(event, s.object)
	for _, name := range s.path {
		if !found {
			return ""
		}
		if s.fold {
			value, found = memberFold(value, name)
		} else {
			value, found = member(value, name)
		}
	}
	if !found || value[0] == '{' || value[0] == '[' || value[0] == 'n' {
		return ""
	}
	return string(appendText(nil, value))
}

// whyMissing says how a source without a value is missing.
func (s *identitySource) whyMissing(event []byte) string {
	value, found := member(event, s.object)
	for _, name := range s.path {
		if found {
			parent := value
			if value, found = member(parent, name); !found && s.fold {
				value, found = memberFold(parent, name)
			} else if !found && s.object != "requestContext" {
				if other, differs := memberFold(parent, name); differs && other[0] == '"' {
					return s.text + " is missing; there is one whose name differs in case"
				}
			}
		}
	}
	switch {
	case !found:
		return s.text + " is missing"
	case value[0] == '{':
		return s.text + " is an object, not a value"
	}
	return s.text + " is empty"
}

// memberFold is member whatever the case of the name is.
func memberFold(object []byte, name string) (value []byte, found bool) {
	if object[0] != '{' {
		return nil, false
	}
	eachMember(object, func(key, v []byte) {
		if strings.EqualFold(string(appendText(nil, key)), name) {
			value, found = v, true
		}
	})
	return value, found
}

// validHeaderName reports whether a name is a token (RFC 9110 §5.1).
func validHeaderName(name string) bool {
	for _, c := range []byte(name) {
		if !isAlphanumeric(c) && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return name != ""
}
