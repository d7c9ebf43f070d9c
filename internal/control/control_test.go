package control_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/control"
)

func handler(faults *gateway.Faults, public bool) http.Handler {
	return control.Handler(control.Options{Token: "secret", Faults: faults, Public: public, Store: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "store "+r.URL.Path)
	})})
}

func ask(h http.Handler, method, path, body string, change func(*http.Request)) (int, string) {
	r := httptest.NewRequest(method, "http://127.0.0.1:3002"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer secret")
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestOnlyThisMachineWithItsTokenIsAnswered(t *testing.T) {
	h := handler(gateway.NewFaults(1, nil), false)
	for _, c := range []struct {
		name   string
		change func(*http.Request)
		status int
		says   string
	}{
		{"the token", nil, 200, "[]"},
		{"localhost", func(r *http.Request) { r.Host = "localhost:3002" }, 200, "[]"},
		{"IPv6", func(r *http.Request) { r.Host = "[::1]:3002" }, 200, "[]"},
		{"no token", func(r *http.Request) { r.Header.Del("Authorization") }, 401, "control.json"},
		{"another token", func(r *http.Request) { r.Header.Set("Authorization", "Bearer secreT") }, 401, "control.json"},
		{"a page", func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:3002") }, 403, "no page"},
		{"a page's own request", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }, 403, "no page"},
		{"a rebound name", func(r *http.Request) { r.Host = "evil.example:3002" }, 403, "evil.example"},
		{"a name that begins alike", func(r *http.Request) { r.Host = "localhost.example" }, 403, "localhost.example"},
	} {
		if status, body := ask(h, "GET", "/faults", "", c.change); status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s, want %d with %q", c.name, status, body, c.status, c.says)
		}
	}
	if status, _ := ask(handler(gateway.NewFaults(1, nil), true), "GET", "/faults", "", func(r *http.Request) { r.Host = "laptop.example" }); status != 200 {
		t.Errorf("a public address answers a name with %d", status)
	}
}

func TestFaultsAreReplacedAsAList(t *testing.T) {
	faults := gateway.NewFaults(1, nil)
	h := handler(faults, false)
	status, body := ask(h, "PUT", "/faults", `["post:429:p=0.5","disconnect:drop"]`, nil)
	var counts []gateway.FaultCount
	if err := json.Unmarshal([]byte(body), &counts); err != nil || status != 200 || len(counts) != 2 || counts[1].Rule != "disconnect:drop" {
		t.Errorf("%d %s, %v", status, body, err)
	}
	faults.Ask(gateway.Call{Kind: gateway.CallDisconnect})
	for _, c := range []struct{ body, says string }{
		{`["post:429","post:999"]`, "999"},
		{`{"post":429}`, "JSON list"},
		{`["post:429"] x`, "more behind the list"},
		{``, "JSON list"},
		{`["` + strings.Repeat("x", 2<<20) + `"]`, "too large"},
	} {
		if status, body := ask(h, "PUT", "/faults", c.body, nil); status != 400 || !strings.Contains(body, c.says) {
			t.Errorf("%.40s: %d %s, want 400 with %q", c.body, status, body, c.says)
		}
	}
	// What was refused changed nothing.
	if _, body := ask(h, "GET", "/faults", "", nil); !strings.Contains(body, `{"rule":"disconnect:drop","calls":1,"hits":1}`) {
		t.Errorf("after bad lists: %s", body)
	}
	if status, body := ask(h, "PUT", "/faults", `[]`, nil); status != 200 || strings.TrimSpace(body) != "[]" {
		t.Errorf("an empty list: %d %s", status, body)
	}
}

func TestTheStoreIsBelowItsPath(t *testing.T) {
	if status, body := ask(handler(nil, false), "POST", "/store/v1/put", "", nil); status != 200 || body != "store /v1/put" {
		t.Errorf("%d %q", status, body)
	}
	if status, _ := ask(handler(nil, false), "GET", "/faults", "", nil); status != 404 {
		t.Errorf("faults that there are not: %d", status)
	}
	if a, b := control.NewToken(), control.NewToken(); a == b || len(a) != 22 {
		t.Errorf("tokens %q and %q", a, b)
	}
}

func TestFunctionsAreInvokedFromThisMachineOnly(t *testing.T) {
	h := control.Handler(control.Options{Token: "secret", Public: true, Run: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		io.WriteString(w, r.URL.Path+" "+strconv.Itoa(len(b)))
	})})
	from := func(address string) func(*http.Request) {
		return func(r *http.Request) { r.RemoteAddr = address }
	}
	large := strings.Repeat("x", 6<<20)
	if status, body := ask(h, "POST", "/run/invoke", large, from("127.0.0.1:1234")); status != 200 || body != "/invoke 6291456" {
		t.Errorf("%d %s", status, body)
	}
	if status, body := ask(h, "POST", "/run/invoke", "", from("192.0.2.1:1234")); status != 403 {
		t.Errorf("another machine: %d %s", status, body)
	}
	if status, body := ask(h, "POST", "/run/invoke", "", func(r *http.Request) { r.RemoteAddr = "127.0.0.1:1"; r.Header.Del("Authorization") }); status != 401 {
		t.Errorf("no token: %d %s", status, body)
	}
	if status, body := ask(h, "POST", "/run/invoke", "", func(r *http.Request) { r.RemoteAddr = "127.0.0.1:1"; r.Header.Set("Origin", "http://127.0.0.1:3002") }); status != 403 {
		t.Errorf("a page: %d %s", status, body)
	}
}
