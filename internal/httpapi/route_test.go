package httpapi

import (
	"maps"
	"net/url"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

var docsRoutes = []string{"GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default"}

// routeCases are those of TestTheBestRouteIsSelected.
var routeCases = []struct {
	name       string
	rest       bool
	keys       []string
	request    string
	want       string // empty: none
	parameters map[string]string
}{
	// AWS docs, "Create routes for HTTP APIs".
	{"the example of AWS: a full match", false, docsRoutes, "GET /pets/dog/1", "GET /pets/dog/1", nil},
	{"the example of AWS: a variable", false, docsRoutes, "GET /pets/dog/2", "GET /pets/dog/{id}", map[string]string{"id": "2"}},
	{"the example of AWS: a greedy variable", false, docsRoutes, "GET /pets/cat/1", "GET /pets/{proxy+}", map[string]string{"proxy": "cat/1"}},
	{"the example of AWS: ANY", false, docsRoutes, "POST /test/5", "ANY /{proxy+}", map[string]string{"proxy": "test/5"}},
	{"$default takes what is left", false, []string{"GET /a", "$default"}, "POST /a", "$default", nil},
	{"no route", false, []string{"GET /a"}, "GET /b", "", nil},
	{"no route for the method", false, []string{"GET /a"}, "POST /a", "", nil},
	{"a method before ANY", false, []string{"ANY /a", "GET /a"}, "GET /a", "GET /a", nil},
	{"ANY for other methods", false, []string{"ANY /a", "GET /a"}, "HEAD /a", "ANY /a", nil},
	{"HEAD is not GET", false, []string{"GET /a"}, "HEAD /a", "", nil},
	{"a variable before a longer greedy beginning", false, []string{"GET /a/b/{rest+}", "GET /a/{x}/c"}, "GET /a/b/c", "GET /a/{x}/c", map[string]string{"x": "b"}},
	{"the longer greedy route", false, []string{"ANY /{proxy+}", "ANY /a/{proxy+}"}, "GET /a/b", "ANY /a/{proxy+}", map[string]string{"proxy": "b"}},
	{"OPTIONS of everything before $default", false, []string{"$default", "OPTIONS /{proxy+}"}, "OPTIONS /a/b", "OPTIONS /{proxy+}", map[string]string{"proxy": "a/b"}},
	{"a literal before a variable", false, []string{"GET /{x}", "GET /a"}, "GET /a", "GET /a", nil},
	{"two variables", false, []string{"GET /{x}/b/{y}"}, "GET /1/b/2", "GET /{x}/b/{y}", map[string]string{"x": "1", "y": "2"}},
	{"the root", false, []string{"GET /"}, "GET /", "GET /", nil},
	{"a variable is never empty", false, []string{"GET /a/{x}"}, "GET /a/", "", nil},
	{"a greedy variable may be empty after its slash", false, []string{"GET /a/{x+}"}, "GET /a/", "GET /a/{x+}", map[string]string{"x": ""}},
	{"a greedy variable needs its slash", false, []string{"GET /a/{x+}"}, "GET /a", "", nil},
	{"a slash at the end counts", false, []string{"GET /a"}, "GET /a/", "", nil},
	{"case counts", false, []string{"GET /a"}, "GET /A", "", nil},

	{"REST: the example", true, docsRoutes[:4], "GET /pets/dog/2", "GET /pets/dog/{id}", map[string]string{"id": "2"}},
	{"REST: a slash at the end does not count", true, []string{"GET /a"}, "GET /a/", "GET /a", nil},
	{"REST: empty segments do not count", true, []string{"GET /a/{x}"}, "GET //a//b", "GET /a/{x}", map[string]string{"x": "b"}},
	{"REST: the proxy loses the slash at the end", true, []string{"ANY /{proxy+}"}, "GET /a/b/", "ANY /{proxy+}", map[string]string{"proxy": "a/b"}},
	{"REST: the root is not of a proxy", true, []string{"ANY /{proxy+}"}, "GET /", "", nil},
	{"REST: the root", true, []string{"ANY /{proxy+}", "GET /"}, "GET /", "GET /", nil},
	{"REST: a resource without the method is not left for a proxy", true, []string{"GET /a", "ANY /{proxy+}"}, "POST /a", "", nil},
	{"REST: another resource is", true, []string{"GET /a", "ANY /{proxy+}"}, "POST /b", "ANY /{proxy+}", map[string]string{"proxy": "b"}},
}

func TestTheBestRouteIsSelected(t *testing.T) {
	for _, c := range routeCases {
		t.Run(c.name, func(t *testing.T) {
			kind := app.HTTPOfAPI
			if c.rest {
				kind = app.RESTAPI
			}
			table, err := newTable(apiOf(kind, c.keys...))
			if err != nil {
				t.Fatal(err)
			}
			method, path, _ := strings.Cut(c.request, " ")
			r, parameters := table.find(method, path)
			got := ""
			if r != nil {
				got = r.key
			}
			if got != c.want || !maps.Equal(parameters, c.parameters) {
				t.Errorf("%s: %q %v, want %q %v", c.request, got, parameters, c.want, c.parameters)
			}
		})
	}
}

func TestARouteWithAPathThatAWSRefusesIsAnError(t *testing.T) {
	for _, key := range []string{"GET a", "GET /{}", "GET /{+}", "GET /{x+}/a"} {
		if _, err := newTable(httpAPI(key)); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// The captures of hotsock/voker, vokerhttp/testdata/ingress-paths.json.
func TestThePathOfAnHTTPAPIIsDecodedTwice(t *testing.T) {
	for sent, want := range map[string]string{
		"/c/plain": "/c/plain", "/c/space%20value": "/c/space value", "/c/question%3Fvalue": "/c/question",
		"/c/percent%25done": "", "/c/hash%23value": "/c/hash#value", "/c/slash%2Fvalue": "/c/slash/value",
		"/c/%CE%BB-%E4%B8%96": "/c/λ-世", "/c/literal%252Fvalue": "/c/literal/value",
		"/c/literal%253Fvalue": "/c/literal?value", "/c/literal%2525value": "/c/literal%value", "/c/a+b": "/c/a+b",
	} {
		s := serve(t, httpAPI("$default"), `{}`)
		w := s.ask("GET", sent+"?q=a%3Fb", "")
		if want == "" {
			if w.Code != 400 {
				t.Errorf("%s: %d %s", sent, w.Code, w.Body)
			}
			continue
		}
		if got := s.member("rawPath"); got != want || s.member("requestContext", "http", "path") != want || s.member("rawQueryString") != "q=a%3Fb" {
			t.Errorf("%s: %v, want %s", sent, got, want)
		}
		api := apiOf(app.FunctionURL)
		api.LogicalID = "F"
		s = serve(t, api, `{}`)
		s.ask("GET", sent, "")
		if got := s.member("rawPath"); got != sent {
			t.Errorf("URL, %s: %v", sent, got)
		}
	}
}

func TestTheStageIsTheFirstSegment(t *testing.T) {
	for _, c := range []struct {
		kind                  app.HTTPKind
		stage, target         string
		status                int
		path, context, routed string
	}{
		{app.HTTPOfAPI, "$default", "/a", 200, "/a", "", "GET /a"},
		{app.HTTPOfAPI, "dev", "/dev/a", 200, "/dev/a", "", "GET /a"},
		{app.HTTPOfAPI, "dev", "/dev", 200, "/dev", "", "GET /"},
		{app.HTTPOfAPI, "dev", "/dev/", 200, "/dev/", "", "GET /"},
		{app.HTTPOfAPI, "dev", "/a", 404, "", "", ""},
		{app.HTTPOfAPI, "dev", "/devel/a", 404, "", "", ""},
		{app.RESTAPI, "prod", "/prod/a", 200, "/a", "/prod/a", "/a"},
		{app.RESTAPI, "prod", "/prod", 200, "/", "/prod", "/"},
		{app.RESTAPI, "prod", "/prod//a", 200, "/a", "/prod//a", "/a"},
		{app.RESTAPI, "prod", "/prod/a/", 200, "/a/", "/prod/a/", "/a"},
		{app.RESTAPI, "prod", "/a", 403, "", "", ""},
		{app.RESTAPI, "prod", "/prod/%2Fa", 403, "", "", ""},
	} {
		api := apiOf(c.kind, "GET /a", "GET /")
		api.Stage = c.stage
		s := serve(t, api, `{"statusCode":200}`)
		w := s.ask("GET", c.target, "")
		if w.Code != c.status {
			t.Errorf("%s %s: %d %s", c.stage, c.target, w.Code, w.Body)
			continue
		}
		if c.status != 200 {
			continue
		}
		if c.kind == app.RESTAPI {
			if s.member("path") != c.path || s.member("requestContext", "path") != c.context || s.member("resource") != c.routed {
				t.Errorf("%s: %s", c.target, s.event)
			}
		} else if s.member("rawPath") != c.path || s.member("routeKey") != c.routed {
			t.Errorf("%s: %s", c.target, s.event)
		}
	}
}

func FuzzARouteIsFoundForAnyPath(f *testing.F) {
	f.Add("GET", "/a/b", false)
	f.Add("OPTIONS", "//{x}/%2f/", true)
	f.Add("", "", true)
	f.Fuzz(func(t *testing.T, method, escaped string, rest bool) {
		kind := app.HTTPOfAPI
		if rest {
			kind = app.RESTAPI
		}
		table, err := newTable(apiOf(kind, "GET /a/{x}", "ANY /{proxy+}", "POST /a/b/c", "GET /{x}/{y}/c", "$default"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := url.PathUnescape(escaped); err != nil {
			escaped = url.PathEscape(escaped)
		}
		stage := "$default"
		if rest {
			stage = "s"
			escaped = "/s/" + escaped
		}
		l, wrong := locate(kind, stage, escaped)
		if wrong != none {
			return
		}
		r, parameters := table.find(method, l.match)
		if r == nil {
			t.Fatalf("%s %q: no route, and there is $default", method, l.match)
		}
		for name, value := range parameters {
			if !strings.Contains(r.Path, "{"+name) || !rest && !strings.Contains(l.match, value) {
				t.Errorf("%s: %s=%q of %q", r.key, name, value, l.match)
			}
		}
	})
}
