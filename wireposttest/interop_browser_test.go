package wireposttest_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	management "github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
)

// browser is a page in headless Chromium that holds a connection.
type browser struct {
	id      string
	reports chan pageReport
}

// pageReport is what testdata/interop/page.html tells the server it came from.
type pageReport struct {
	What, Data string
	Code       int
}

// openPage returns when the page has told that its connection is open.
func openPage(t *testing.T, g *ground) *browser {
	t.Helper()
	name := program(t, "/usr/bin/chromium", "chromium")
	b := &browser{reports: make(chan pageReport, 16)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "testdata/interop/page.html")
	})
	mux.HandleFunc("GET /elsewhere", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "<!doctype html><title>Elsewhere</title>")
	})
	mux.HandleFunc("POST /report", func(w http.ResponseWriter, r *http.Request) {
		var p pageReport
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		b.reports <- p
	})
	pages := httptest.NewServer(mux)
	t.Cleanup(pages.Close)

	profile := t.TempDir()
	env := environment(t)
	ctx, cancel := context.WithCancel(g.ctx)
	// No sandbox: tests run as root in containers, where it cannot start. All
	// that would reach beyond loopback is off. So is the back/forward cache, where
	// Chromium keeps a page that was left, its connection still open, for minutes.
	c := command(ctx, env, name, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-features=BackForwardCache",
		"--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
		"--user-data-dir="+profile, pages.URL+"/?gateway="+url.QueryEscape(g.URL))
	var output bytes.Buffer
	c.Stdout, c.Stderr = &output, &output
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})

	select {
	case e := <-g.events:
		if e.RequestContext.EventType != "CONNECT" || e.Headers["Origin"] != pages.URL {
			t.Fatalf("the function was told %+v, want a CONNECT from %s", e, pages.URL)
		}
		b.id = e.RequestContext.ConnectionID
	case err := <-ended:
		ended <- err
		t.Fatalf("Chromium ended: %v: %s", err, &output)
	case <-g.ctx.Done():
		t.Fatal("the page never connected")
	}
	b.want(t, g, pageReport{What: "open", Data: "wirepost.v1"})
	return b
}

func (b *browser) want(t *testing.T, g *ground, want pageReport) {
	t.Helper()
	if got := await(t, g.ctx, b.reports, cmp.Or(want.What, "report")+" of the page"); got != want {
		t.Fatalf("the page tells %+v, want %+v", got, want)
	}
}

func TestInteropAPageInChromiumIsPushedToAndSends(t *testing.T) {
	g := newGround(t)
	b := openPage(t, g)
	g.post(t, b.id, payload)
	b.want(t, g, pageReport{What: "message", Data: payload})
	var sent struct{ Action, Data string }
	if e := g.event(t, "MESSAGE"); json.Unmarshal([]byte(e.Body), &sent) != nil || sent.Action != "seen" || sent.Data != payload {
		t.Errorf("the function was told %q", e.Body)
	}
}

func TestInteropAPageInChromiumThatNavigatesAwayOrClosesIsDisconnected(t *testing.T) {
	for _, test := range []struct {
		name string
		code int
	}{
		{"navigate", 1001},
		{"close", 1005},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newGround(t)
			b := openPage(t, g)
			g.post(t, b.id, test.name)
			if e := g.event(t, "DISCONNECT").RequestContext; e.DisconnectStatusCode != test.code || e.ConnectionID != b.id {
				t.Errorf("$disconnect of %s has code %d, want %d for %s", e.ConnectionID, e.DisconnectStatusCode, test.code, b.id)
			}
		})
	}
}

func TestInteropAPageInChromiumSeesCloseCode1000AfterDelete(t *testing.T) {
	g := newGround(t)
	b := openPage(t, g)
	if _, err := g.publisher.DeleteConnection(g.ctx, &management.DeleteConnectionInput{ConnectionId: &b.id}); err != nil {
		t.Fatal(err)
	}
	got := await(t, g.ctx, b.reports, "close of the page")
	if got.What != "close" || got.Code != 1000 {
		t.Errorf("the page tells %+v, want close code 1000", got)
	}
	if e := g.event(t, "DISCONNECT").RequestContext; e.DisconnectStatusCode != 1000 {
		t.Errorf("$disconnect has code %d, want 1000", e.DisconnectStatusCode)
	}
}
