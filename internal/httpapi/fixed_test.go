package httpapi

import (
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

func TestARESTAPIAnswersAPreflightByItsMockMethod(t *testing.T) {
	api := restAPI("ANY /{proxy+}")
	api.Routes = append(api.Routes, app.HTTPRoute{Method: "OPTIONS", Path: "/{proxy+}", Answer: &app.FixedAnswer{Status: 204, Header: map[string]string{
		"Access-Control-Allow-Origin": "https://a.example", "Access-Control-Allow-Methods": "OPTIONS,POST", "Vary": "Origin",
	}, Origins: []string{`https://b\.example`, `https://.*\.c\.example`}}})
	s := serve(t, api, `{"statusCode":200}`)
	for _, c := range []struct{ origin, allowed string }{
		{"https://a.example", "https://a.example"}, {"https://b.example", "https://b.example"}, {"https://x.c.example", "https://x.c.example"},
		{"https://bxexample", "https://a.example"}, {"https://b.example.evil", "https://a.example"},
	} {
		answer := s.ask("OPTIONS", "/prod/orders/1", "", with("Origin", c.origin), with("Access-Control-Request-Method", "POST"))
		if h := answer.Header(); answer.Code != 204 || h.Get("Access-Control-Allow-Origin") != c.allowed || h.Get("Access-Control-Allow-Methods") != "OPTIONS,POST" || h.Get("Vary") != "Origin" {
			t.Errorf("%s: %d %v", c.origin, answer.Code, h)
		}
	}
	if s.event != nil {
		t.Errorf("the function was invoked with %s", s.event)
	}
	if answer := s.ask("POST", "/prod/orders/1", ""); answer.Code != 200 || s.event == nil {
		t.Errorf("the function's own answer is %d", answer.Code)
	}
}

func TestAnAnswerWithoutAFunctionHasItsBodyAndAType(t *testing.T) {
	api := restAPI()
	api.Routes = []app.HTTPRoute{{Method: "GET", Path: "/up", Answer: &app.FixedAnswer{Status: 503, Body: `{"down":true}`}}}
	answer := serve(t, api, "").ask("GET", "/prod/up", "")
	if answer.Code != 503 || answer.Body.String() != `{"down":true}` || answer.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %s %v", answer.Code, answer.Body, answer.Header())
	}
}
