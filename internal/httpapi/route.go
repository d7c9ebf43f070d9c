package httpapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
)

// route is a route that can be matched.
type route struct {
	*app.HTTPRoute
	key      string    // as events have it: GET /pets/{id}, ANY /{proxy+}, $default
	segments []segment // of Path
}

// segment is a part of a route's path.
type segment struct {
	name string // the text, or the name of the variable
	kind segmentKind
}

type segmentKind uint8

// In the order in which they are preferred.
const (
	literal  segmentKind = iota
	variable             // {name}
	greedy               // {name+}
)

// table selects the route of a request.
//
// An HTTP API prefers, among the routes whose method fits, those without a greedy
// variable, then those with one, then $default (AWS docs, "Create routes for HTTP
// APIs"). It is UNCERTAIN which of several greedy ones wins, and which of several with
// variables: here the one with the longest literal beginning, and a method before ANY.
//
// A REST API selects a resource by the path alone, and then its method: a request whose
// resource has another method only is not answered by a greedy resource (UNCERTAIN: no
// source but many reports).
type table struct {
	routes   []route // without fallback
	fallback *route  // $default, or nil
	rest     bool
}

func newTable(api *app.HTTPAPI) (*table, error) {
	t := &table{rest: api.Kind == app.RESTAPI}
	for i := range api.Routes {
		r := route{HTTPRoute: &api.Routes[i]}
		if r.Path == "" {
			r.key = "$default"
			if t.fallback == nil {
				t.fallback = &r
			}
			continue
		}
		r.key = r.Method + " " + r.Path
		var err error
		if r.segments, err = parsePath(r.Path); err != nil {
			return nil, fmt.Errorf("route %q: %w", r.key, err)
		}
		t.routes = append(t.routes, r)
	}
	return t, nil
}

func parsePath(path string) (segments []segment, err error) {
	if path[0] != '/' {
		return nil, fmt.Errorf("the path does not begin with a slash")
	}
	if path == "/" {
		return nil, nil
	}
	parts := strings.Split(path[1:], "/")
	for i, part := range parts {
		s := segment{name: part}
		if inner, ok := strings.CutPrefix(part, "{"); ok && strings.HasSuffix(inner, "}") {
			s = segment{strings.TrimSuffix(inner, "}"), variable}
			if name, ok := strings.CutSuffix(s.name, "+"); ok {
				s = segment{name, greedy}
			}
		}
		switch {
		case s.kind != literal && s.name == "":
			return nil, fmt.Errorf("a variable of the path has no name")
		case s.kind == greedy && i != len(parts)-1:
			return nil, fmt.Errorf("{%s+} is not at the end of the path", s.name)
		}
		segments = append(segments, s)
	}
	return segments, nil
}

// find selects the route of a request and gives its path parameters, nil if it has
// none. The path begins with a slash and is without the stage. It returns nil if no
// route fits.
func (t *table) find(method, path string) (*route, map[string]string) {
	parts := t.split(path)
	var best *route
	for i := range t.routes {
		r := &t.routes[i]
		if !t.rest && !r.takes(method) || !r.matches(parts, t.rest) {
			continue
		}
		if best == nil || t.compare(r, best, method) < 0 {
			best = r
		}
	}
	if best == nil || !best.takes(method) { // another method of a REST API's resource
		best = t.fallback
	}
	if best == nil {
		return nil, nil
	}
	return best, best.parameters(parts)
}

// split cuts a path into its parts. For a REST API empty ones do not count: recorded
// events of AWS have the resource /hardcoded for //hardcoded, and the proxy a for /a/
// (LocalStack's snapshots). For an HTTP API reports about a slash at the end differ
// (storacha/w3infra#166: it matches no route but a greedy one; powertools-lambda-python#1552:
// it is ignored); UNCERTAIN: it counts.
func (t *table) split(path string) []string {
	if path == "/" {
		if t.rest {
			return nil
		}
		return []string{""}
	}
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if t.rest {
		parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	}
	return parts
}

func (r *route) takes(method string) bool { return r.Method == method || r.Method == "ANY" }

// matches reports whether the parts of a path fit. A variable is never empty
// (aws/chalice#588). The rest that a greedy one takes may be, for an HTTP API, if there
// is the slash before it: /metrics/ is one of GET /metrics/{proxy+} (storacha/w3infra#166).
func (r *route) matches(parts []string, rest bool) bool {
	if len(r.segments) == 0 {
		return len(parts) == 0 || !rest && len(parts) == 1 && parts[0] == ""
	}
	for i, s := range r.segments {
		switch {
		case i >= len(parts):
			return false
		case s.kind == greedy:
			return true
		case s.kind == variable && parts[i] == "", s.kind == literal && s.name != parts[i]:
			return false
		}
	}
	return len(parts) == len(r.segments)
}

func (r *route) isGreedy() bool {
	n := len(r.segments)
	return n > 0 && r.segments[n-1].kind == greedy
}

// compare is negative if a is preferred to b. Both match the path.
func (t *table) compare(a, b *route, method string) int {
	if !t.rest && a.isGreedy() != b.isGreedy() {
		if b.isGreedy() {
			return -1
		}
		return 1
	}
	for i := range min(len(a.segments), len(b.segments)) {
		if c := cmp.Compare(a.segments[i].kind, b.segments[i].kind); c != 0 {
			return c
		}
	}
	if c := cmp.Compare(len(b.segments), len(a.segments)); c != 0 {
		return c
	}
	return cmp.Compare(a.distance(method), b.distance(method))
}

// distance is how far the route's method is from a request's.
func (r *route) distance(method string) int {
	switch r.Method {
	case method:
		return 0
	case "ANY":
		return 1
	}
	return 2
}

func (r *route) parameters(parts []string) map[string]string {
	var values map[string]string
	for i, s := range r.segments {
		if s.kind == literal {
			continue
		}
		if values == nil {
			values = map[string]string{}
		}
		values[s.name] = parts[i]
		if s.kind == greedy {
			values[s.name] = strings.Join(parts[i:], "/")
		}
	}
	return values
}
