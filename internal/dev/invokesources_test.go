package dev

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/eventsource"
	"github.com/wirepost/wirepost/internal/httpapi"
	"github.com/wirepost/wirepost/internal/lambdart"
)

func TestHTTPAPIsAndSourcesKnowWhyAFunctionWasNotInvoked(t *testing.T) {
	said := &reported{}
	resolved := &resolution{app: &app.App{Functions: []app.Function{{LogicalID: "Busy"}, {LogicalID: "Broken"}, {LogicalID: "Works"}}}}
	i := &invocations{c: &Config{Report: said}, app: resolved, functions: &functions{}, apps: &appFunctions{app: resolved, made: map[string]gateway.Function{
		"Busy":   functionOf(func(context.Context, []byte) ([]byte, error) { return nil, lambdart.ErrBusy }),
		"Broken": &gateway.Unavailable{Reason: "it is in Java"},
		"Works":  functionOf(func(_ context.Context, payload []byte) ([]byte, error) { return payload, nil }),
	}}}
	if i.http("Elsewhere") != nil {
		t.Error("there is a function that the app has not")
	}
	for id, want := range map[string]struct{ http, source error }{"Busy": {httpapi.ErrThrottled, eventsource.ErrNoPlace}, "Broken": {httpapi.ErrUnavailable, nil}} {
		if _, err := i.http(id).Invoke(t.Context(), []byte("{}")); !errors.Is(err, want.http) {
			t.Errorf("%s by an HTTP API: %v", id, err)
		}
		if _, err := i.source(id, "queue q", false).Invoke(t.Context(), []byte("{}")); err == nil || want.source != nil && !errors.Is(err, want.source) || want.source == nil && errors.Is(err, eventsource.ErrNoPlace) {
			t.Errorf("%s by a queue: %v", id, err)
		}
	}
	for name, f := range map[string]interface {
		Invoke(context.Context, []byte) ([]byte, error)
	}{"an HTTP API": i.http("Works"), "a queue": i.source("Works", "queue q", false)} {
		if answer, err := f.Invoke(t.Context(), []byte(`{"a":1}`)); string(answer) != `{"a":1}` || err != nil {
			t.Errorf("by %s: %s, %v", name, answer, err)
		}
	}
	if want := "hint: function Broken was invoked by queue q: it is in Java"; said.String() != want {
		t.Errorf("it said %s, want %s", said, want)
	}
}

func TestWithStrictAFunctionThatOnlyAQueueNeedsHasToStart(t *testing.T) {
	wrong := app.Function{LogicalID: "Fn", Name: "work", Runtime: "provided.al2023", Handler: "bootstrap", Launch: &app.Launch{Kind: app.LaunchProgram, Archive: "nowhere.zip", Path: "bootstrap"}, Position: app.Position{File: "template.yaml", Line: 7}}
	for name, more := range map[string]app.App{
		"a queue":     {Sources: []app.Source{{Name: "S", Kind: app.SQSQueue, Function: "Fn"}}},
		"an HTTP API": {HTTPAPIs: []app.HTTPAPI{{LogicalID: "H", Kind: app.HTTPOfAPI, Routes: []app.HTTPRoute{{Method: "GET", Path: "/", Function: "Fn"}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			a := described(nil)
			a.Functions, a.Sources, a.HTTPAPIs = []app.Function{wrong}, more.Sources, more.HTTPAPIs
			c, said := complete(t, Config{App: a, Strict: true})
			d, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			r := begin(t, d, said)
			within(t, r.ended, "the dev to give up")
			if _, err := r.end(); err == nil || !regexp.MustCompile(`template.yaml:7: function Fn, which the (SQS queue S|HTTP API H) needs, cannot be run here`).MatchString(err.Error()) {
				t.Errorf("it ends with %v", err)
			}
			leavesNothing(t, d)
		})
	}
	a := described(nil)
	a.Functions, a.Sources = []app.Function{wrong}, []app.Source{{Name: "S", Kind: app.SQSQueue, Function: "Fn"}}
	r := start(t, Config{App: a})
	if strings.Contains(r.String(), "template.yaml:7") {
		t.Errorf("without Strict it is said before it is invoked: %s", r)
	}
}
