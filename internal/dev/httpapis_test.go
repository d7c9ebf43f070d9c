package dev

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/httpapi"
)

// httpFunction is a function of a test.
type httpFunction func(ctx context.Context, event []byte) ([]byte, error)

func (f httpFunction) Invoke(ctx context.Context, event []byte) ([]byte, error) { return f(ctx, event) }

// httpRun has the parts for HTTP of a dev in a folder.
type httpRun struct {
	*reported
	listeners *httpListeners
	apis      *httpAPIs
	parts     parts
}

// serveHTTP starts the parts for an app.
func serveHTTP(t *testing.T, folder Folder, a *app.App, gateway string, f httpFunction) *httpRun {
	t.Helper()
	r := &httpRun{reported: &reported{}}
	c := &Config{Folder: folder, App: a, Report: r.reported, Listen: gateway, Region: "eu-west-1", Logger: slog.New(slog.DiscardHandler)}
	at := &listener{c: c}
	r.listeners = &httpListeners{c: c, listener: at}
	resolved := &fakeResolution{r: &resolution{c: c}}
	r.apis = &httpAPIs{c: c, app: resolved.r, listeners: r.listeners, function: func(id string) httpapi.Function {
		if id != "F" {
			return nil
		}
		return f
	}}
	r.parts = parts{at, r.listeners, resolved, r.apis}
	if err := r.parts.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// fakeResolution gives the app as it was read.
type fakeResolution struct {
	r *resolution
	nothingToStop
}

func (f *fakeResolution) start(context.Context) error { f.r.app = f.r.c.App; return nil }

func (r *httpRun) stop(t *testing.T) {
	t.Helper()
	if err := r.parts.stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body)
}

func appWithHTTP() *app.App {
	route := []app.HTTPRoute{{Method: "GET", Path: "/a", Function: "F"}}
	return &app.App{APIs: []app.API{{LogicalID: "Socket"}}, Account: "123456789012", HTTPAPIs: []app.HTTPAPI{
		{Kind: app.HTTPOfAPI, LogicalID: "Api", Stage: "$default", Routes: route},
		{Kind: app.RESTAPI, LogicalID: "Api", Stage: "prod", Routes: route},
		{Kind: app.HTTPOfAPI, LogicalID: "Not", Stage: "$default", Unrunnable: &app.Unrunnable{Why: "so"}},
		{Kind: app.FunctionURL, LogicalID: "F", Stage: "$default"},
	}}
}

func echoEvent(_ context.Context, event []byte) ([]byte, error) {
	return []byte(`{"statusCode":200,"body":` + strconv.Quote(strconv.Itoa(len(event))) + `}`), nil
}

func TestEachHTTPAPIHasAnAddressOfItsOwn(t *testing.T) {
	first, next := twoPorts(t)
	first.Close()
	next.Close()
	folder, gateway := Folder(t.TempDir()), first.Addr().String()
	r := serveHTTP(t, folder, appWithHTTP(), gateway, echoEvent)
	at := r.listeners.addresses()
	if len(at[app.HTTPOfAPI]) != 1 || len(at[app.RESTAPI]) != 1 || len(at[app.FunctionURL]) != 1 {
		t.Fatalf("addresses %v", at)
	}
	want := strings.Join([]string{"HTTP API " + at[app.HTTPOfAPI]["Api"], "REST API " + at[app.RESTAPI]["Api"] + "/prod", "function URL " + at[app.FunctionURL]["F"]}, "\n")
	if r.String() != want {
		t.Errorf("it says\n%s\nwant\n%s", r, want)
	}
	for _, c := range []struct {
		url    string
		status int
	}{
		{at[app.HTTPOfAPI]["Api"] + "/a", 200}, {at[app.HTTPOfAPI]["Api"] + "/b", 404}, {at[app.RESTAPI]["Api"] + "/prod/a", 200}, {at[app.FunctionURL]["F"] + "/any", 200},
	} {
		if status, body := get(t, c.url); status != c.status {
			t.Errorf("%s: %d %s", c.url, status, body)
		}
		if ap, err := netip.ParseAddrPort(strings.Split(c.url, "/")[2]); err != nil || !ap.Addr().IsLoopback() {
			t.Errorf("%s is not on loopback", c.url)
		}
	}
	r.stop(t)
	if status, body := get(t, at[app.HTTPOfAPI]["Api"]+"/a"); status != 0 {
		t.Errorf("after the stop: %d %s", status, body)
	}

	// The addresses survive a restart, also if an API comes before them.
	changed := appWithHTTP()
	changed.HTTPAPIs = append([]app.HTTPAPI{{Kind: app.HTTPOfAPI, LogicalID: "New", Stage: "$default"}}, changed.HTTPAPIs...)
	r = serveHTTP(t, folder, changed, gateway, echoEvent)
	defer r.stop(t)
	for _, name := range []string{"HTTP API New ", "HTTP API Api ", "REST API http"} {
		if line, _ := r.find(name); line == "" {
			t.Errorf("no %q in\n%s", name, r)
		}
	}
	for kind, byID := range at {
		for id, address := range byID {
			if again := r.listeners.addresses()[kind][id]; again != address {
				t.Errorf("%s %s is at %s after a restart, before at %s", kind, id, again, address)
			}
		}
	}
}

func TestAPortThatWasTakenMeanwhileIsSaid(t *testing.T) {
	folder := Folder(t.TempDir())
	r := serveHTTP(t, folder, appWithHTTP(), "127.0.0.1:0", echoEvent)
	before, other := strings.TrimPrefix(r.listeners.addresses()[app.HTTPOfAPI]["Api"], "http://"), r.listeners.addresses()[app.RESTAPI]["Api"]
	r.stop(t)
	taken, err := net.Listen("tcp", before)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	r = serveHTTP(t, folder, appWithHTTP(), "127.0.0.1:0", echoEvent)
	defer r.stop(t)
	hint, _ := r.find("hint: ")
	if !strings.Contains(hint, "the HTTP API Api is at 127.0.0.1:") || !strings.Contains(hint, "already in use by another program") {
		t.Errorf("it says\n%s", r)
	}
	if again := r.listeners.addresses()[app.RESTAPI]["Api"]; again != other {
		t.Errorf("the REST API is at %s, before at %s", again, other)
	}
}

func TestPortsComeSoonAfterTheGateways(t *testing.T) {
	first, next := twoPorts(t)
	port := first.Addr().(*net.TCPAddr).Port
	first.Close()
	next.Close()
	r := serveHTTP(t, Folder(t.TempDir()), appWithHTTP(), first.Addr().String(), echoEvent)
	defer r.stop(t)
	_, text, _ := net.SplitHostPort(strings.TrimPrefix(r.listeners.addresses()[app.HTTPOfAPI]["Api"], "http://"))
	if got, _ := strconv.Atoi(text); got < port+2 || got >= port+2+httpPorts {
		t.Errorf("the gateway has %d, the API %d", port, got)
	}
}

func TestAFileOfPortsThatCannotBeReadCostsTheAddressesAlone(t *testing.T) {
	for _, content := range []string{"", "\x00\x00", "null", `{"HTTP API Api":-1}`, `{"HTTP API Api":99999}`, `[1]`} {
		folder := Folder(t.TempDir())
		if err := os.WriteFile(folder.httpPortsFile(), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		r := serveHTTP(t, folder, appWithHTTP(), "127.0.0.1:0", echoEvent)
		if status, _ := get(t, r.listeners.addresses()[app.HTTPOfAPI]["Api"]+"/a"); status != 200 {
			t.Errorf("%q: %d", content, status)
		}
		r.stop(t)
	}
}

func TestAnAPIThatCannotBeServedStopsNothingElse(t *testing.T) {
	a := appWithHTTP()
	a.HTTPAPIs[0].Routes = []app.HTTPRoute{{Method: "GET", Path: "/{x+}/b", Function: "F"}}
	r := serveHTTP(t, Folder(t.TempDir()), a, "127.0.0.1:0", echoEvent)
	defer r.stop(t)
	if line, _ := r.find("problem: "); !strings.Contains(line, "/{x+}/b") {
		t.Errorf("it says\n%s", r)
	}
	if status, _ := get(t, r.listeners.addresses()[app.RESTAPI]["Api"]+"/prod/a"); status != 200 {
		t.Errorf("the other: %d", status)
	}
}

func TestInvocationsThatRunAtTheEndAreCutOffAndSaid(t *testing.T) {
	began, ended := make(chan struct{}), make(chan error, 1)
	r := serveHTTP(t, Folder(t.TempDir()), appWithHTTP(), "127.0.0.1:0", func(ctx context.Context, _ []byte) ([]byte, error) {
		close(began)
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	})
	go get(t, r.listeners.addresses()[app.HTTPOfAPI]["Api"]+"/a")
	within(t, began, "the function to be invoked")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	r.apis.stop(ctx)
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the function ended with %v", err)
	}
	if line, _ := r.find("hint: "); !strings.Contains(line, "cut off") {
		t.Errorf("it says\n%s", r)
	}
	r.parts[:3].stop(t.Context())
}

func TestWithoutAnAppThereIsNothingToServe(t *testing.T) {
	r := serveHTTP(t, Folder(t.TempDir()), nil, "127.0.0.1:0", nil)
	r.stop(t)
	if r.String() != "" {
		t.Error(r)
	}
}
