package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/app"
)

// functionFunc is a function of a test.
type functionFunc func(ctx context.Context, event []byte) ([]byte, error)

func (f functionFunc) Invoke(ctx context.Context, event []byte) ([]byte, error) { return f(ctx, event) }

// returns is a function that always returns the same.
func returns(result string) functionFunc {
	return func(context.Context, []byte) ([]byte, error) { return []byte(result), nil }
}

func fails(text string) functionFunc {
	return func(context.Context, []byte) ([]byte, error) { return nil, errors.New(text) }
}

// served is an API of a test.
type served struct {
	*Handler
	functions map[string]functionFunc
	event     json.RawMessage // of the last invocation of F
	notices   []string
	records   []Record
}

var testTime = time.Date(2026, 7, 10, 19, 19, 5, 766e6, time.UTC)

// serve makes an API whose function F returns the result.
func serve(t testing.TB, api *app.HTTPAPI, result string, change ...func(*Config)) *served {
	t.Helper()
	s := &served{functions: map[string]functionFunc{}}
	s.functions["F"] = func(_ context.Context, event []byte) ([]byte, error) {
		s.event = event
		return []byte(result), nil
	}
	if api.LogicalID == "" {
		api.LogicalID = "Api"
	}
	if api.Stage == "" {
		api.Stage = "$default"
	}
	c := Config{
		API: api, Account: "123456789012", Region: "eu-west-1", ID: "abcdef1234", Domain: "127.0.0.1:3003",
		Function: func(id string) Function {
			if f := s.functions[id]; f != nil {
				return f
			}
			return nil
		},
		Notice:    func(text string) { s.notices = append(s.notices, text) },
		OnRequest: func(r Record) { s.records = append(s.records, r) },
		Now:       func() time.Time { return testTime },
		Random:    zeros{},
	}
	for _, f := range change {
		f(&c)
	}
	var err error
	if s.Handler, err = New(c); err != nil {
		t.Fatal(err)
	}
	return s
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// httpAPI has the routes METHOD PATH, or $default, with the function F.
func httpAPI(keys ...string) *app.HTTPAPI { return apiOf(app.HTTPOfAPI, keys...) }

func restAPI(keys ...string) *app.HTTPAPI {
	api := apiOf(app.RESTAPI, keys...)
	api.Stage = "prod"
	return api
}

func apiOf(kind app.HTTPKind, keys ...string) *app.HTTPAPI {
	api := &app.HTTPAPI{Kind: kind}
	for _, key := range keys {
		r := app.HTTPRoute{Function: "F"}
		if key != "$default" {
			r.Method, r.Path, _ = strings.Cut(key, " ")
		}
		api.Routes = append(api.Routes, r)
	}
	return api
}

// ask sends a request to the API.
func (s *served) ask(method, target, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1:3003"+target, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:50000"
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// with sets a header.
func with(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Add(name, value) }
}

// member is a member of the last event, by its path.
func (s *served) member(path ...string) any {
	var v any
	json.Unmarshal(s.event, &v)
	for _, name := range path {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return v
}

// sameJSON compares JSON, without the order of members.
func sameJSON(t *testing.T, got []byte, want string) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal(got, &a); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatalf("the wanted JSON: %v", err)
	}
	x, _ := json.MarshalIndent(a, "", "  ")
	y, _ := json.MarshalIndent(b, "", "  ")
	if !bytes.Equal(x, y) {
		t.Errorf("got %s\nwant %s", x, y)
	}
}

// slow reads a body without a length.
type slow struct{ io.Reader }
