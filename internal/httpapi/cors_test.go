package httpapi

import (
	"net/http"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

var testCORS = app.CORS{Origins: []string{"https://app.example.com"}, Methods: []string{"GET", "POST"}, Headers: []string{"content-type", "x-a"}, Expose: []string{"x-b"}, MaxAge: 300}

func preflightOf(origin string) []func(*http.Request) {
	return []func(*http.Request){with("Origin", origin), with("Access-Control-Request-Method", "POST"), with("Access-Control-Request-Headers", "x-a")}
}

func TestAPreflightRequestIsAnsweredByTheAPI(t *testing.T) {
	for _, c := range []struct {
		name    string
		kind    app.HTTPKind
		cors    func(*app.CORS)
		origin  string
		status  int
		allowed string
	}{
		{"an allowed origin", app.HTTPOfAPI, nil, "https://app.example.com", 204, "https://app.example.com"},
		{"another origin", app.HTTPOfAPI, nil, "https://evil.example", 204, ""},
		{"any origin", app.HTTPOfAPI, func(c *app.CORS) { c.Origins = []string{"*"} }, "https://x.example", 204, "*"},
		{"any origin of a scheme", app.HTTPOfAPI, func(c *app.CORS) { c.Origins = []string{"https://*"} }, "https://x.example", 204, "https://x.example"},
		{"any origin of another scheme", app.HTTPOfAPI, func(c *app.CORS) { c.Origins = []string{"https://*"} }, "http://x.example", 204, ""},
		{"a URL names the origin", app.FunctionURL, func(c *app.CORS) { c.Origins = []string{"*"} }, "https://x.example", 200, "https://x.example"},
	} {
		api := apiOf(c.kind, "GET /a")
		cors := testCORS
		if c.cors != nil {
			c.cors(&cors)
		}
		api.CORS = &cors
		s := serve(t, api, `{}`)
		w := s.ask("OPTIONS", "/a", "", preflightOf(c.origin)...)
		h := w.Header()
		if w.Code != c.status || h.Get("Access-Control-Allow-Origin") != c.allowed || w.Body.Len() > 0 || s.event != nil {
			t.Errorf("%s: %d %v %q", c.name, w.Code, h, w.Body)
		}
		if c.allowed != "" && (h.Get("Access-Control-Allow-Methods") != "GET,POST" || h.Get("Access-Control-Allow-Headers") != "content-type,x-a" || h.Get("Access-Control-Max-Age") != "300" || h.Get("Access-Control-Expose-Headers") != "") {
			t.Errorf("%s: %v", c.name, h)
		}
	}
}

func TestOptionsThatIsNoPreflightIsARequest(t *testing.T) {
	api := httpAPI("ANY /a")
	api.CORS = &testCORS
	s := serve(t, api, `"x"`)
	if w := s.ask("OPTIONS", "/a", "", with("Origin", "https://app.example.com")); w.Code != 200 || w.Body.String() != "x" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	if w := s.ask("OPTIONS", "/b", ""); w.Code != 404 {
		t.Errorf("%d", w.Code)
	}
	if w := serve(t, httpAPI("GET /a"), `{}`).ask("OPTIONS", "/a", "", preflightOf("https://app.example.com")...); w.Code != 404 {
		t.Errorf("without CORS: %d", w.Code)
	}
}

func TestAnAuthorizerOfTheRouteComesBeforeThePreflight(t *testing.T) {
	api := httpAPI("$default")
	api.CORS = &testCORS
	api.Routes[0].AuthorizerKind, api.Routes[0].Authorizer, api.Routes[0].IdentitySources = "REQUEST", "Z", []string{"$request.header.Authorization"}
	s := serve(t, api, `{}`)
	if w := s.ask("OPTIONS", "/a", "", preflightOf("https://app.example.com")...); w.Code != 401 {
		t.Errorf("%d", w.Code)
	}
	api.Routes = append(api.Routes, app.HTTPRoute{Method: "OPTIONS", Path: "/{proxy+}", Function: "F"})
	s = serve(t, api, `{}`)
	if w := s.ask("OPTIONS", "/a", "", preflightOf("https://app.example.com")...); w.Code != 204 {
		t.Errorf("with a route of its own: %d", w.Code)
	}
}

func TestTheHeadersOfTheAPIReplaceThoseOfItsFunction(t *testing.T) {
	const result = `{"statusCode":200,"headers":{"Access-Control-Allow-Origin":"*","access-control-allow-credentials":"true"}}`
	api := httpAPI("GET /a")
	api.CORS = &testCORS
	h := serve(t, api, result).ask("GET", "/a", "", with("Origin", "https://app.example.com")).Header()
	if got := h["Access-Control-Allow-Origin"]; len(got) != 1 || got[0] != "https://app.example.com" || h.Get("Access-Control-Allow-Credentials") != "" || h.Get("Access-Control-Expose-Headers") != "x-b" {
		t.Errorf("%v", h)
	}
	if h := serve(t, api, result).ask("GET", "/a", "").Header(); h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("without an origin: %v", h)
	}
	if h := serve(t, api, result).ask("GET", "/nowhere", "", with("Origin", "https://app.example.com")).Header(); h.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("an error of the API: %v", h)
	}
	api.CORS = nil
	if h := serve(t, api, result).ask("GET", "/a", "").Header(); h.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("without CORS of the API: %v", h)
	}

	// powertools-lambda-python#4163: a browser refuses the two.
	url := apiOf(app.FunctionURL)
	url.LogicalID, url.CORS = "F", &testCORS
	h = serve(t, url, result).ask("GET", "/a", "", with("Origin", "https://app.example.com")).Header()
	if got := h["Access-Control-Allow-Origin"]; len(got) != 2 {
		t.Errorf("URL: %v", got)
	}
}
