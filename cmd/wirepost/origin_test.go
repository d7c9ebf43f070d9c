//go:build unix

package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/wirepost/wirepost/wireposttest"
)

// A page of another port is of the same site, so a browser sends it the cookie: it is
// the worst neighbour. A page of another name is of another site. Each tries what it
// can, in a browser that is logged in to the inspector.
func TestAPageOfAnotherOrigin(t *testing.T) {
	d := startDev(t)
	opened := d.await(t, `^inspector (http://\S+)$`)[1]
	at, err := url.Parse(opened)
	if err != nil {
		t.Fatal(err)
	}
	inspector := at.Scheme + "://" + at.Host + at.Path
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><title>evil</title>`)
	}))
	defer evil.Close()
	page := newBrowser(t, 800, 600)
	do(t, page, "log in to the inspector", chromedp.Navigate(opened), until(`document.querySelector("#live")?.dataset.state === "live"`))
	alice, err := wireposttest.Dial(t.Context(), clientURL(d)+"?user=alice", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer alice.Cut()
	// Where it works: the same requests, from the inspector's own page.
	own := value[string](t, page, attempt(inspector, "read with the header"))
	if !strings.HasPrefix(own, "200 ") || !strings.Contains(own, "records") {
		t.Fatalf("the page's own read says %s", own)
	}
	for _, c := range []struct{ name, origin string }{
		{"of another port", evil.URL},
		{"of another name", strings.Replace(evil.URL, "127.0.0.1", "localhost", 1)},
	} {
		do(t, page, "go to the page "+c.name, chromedp.Navigate(c.origin), until(`document.title === "evil"`))
		t.Run(c.name+" cannot read the inspector", func(t *testing.T) {
			for _, how := range []string{"read", "read with the header", "read without cors", "script", "frame", "window"} {
				if got := value[string](t, page, attempt(inspector, how)); got != "refused" {
					t.Errorf("%s: %s", how, got)
				}
			}
		})
		t.Run(c.name+" cannot open its stream", func(t *testing.T) {
			for _, how := range []string{"stream", "event source", "socket"} {
				if got := value[string](t, page, attempt(inspector, how)); got != "refused" {
					t.Errorf("%s: %s", how, got)
				}
			}
		})
		t.Run(c.name+" cannot post through it", func(t *testing.T) {
			for _, how := range []string{"post", "post with the header", "post without cors", "beacon", "form"} {
				value[string](t, page, attempt(inspector, how))
			}
			// What reached anybody would have come before this.
			if code := run(t.Context(), []string{"send", "--to", "user:alice", `"the test's own"`}, strings.NewReader(""), d.output, d.output); code != exitDone {
				t.Fatalf("send ended with %d", code)
			}
			receiving, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if got, err := alice.Receive(receiving); got != `"the test's own"` {
				t.Errorf("alice got %q, %v", got, err)
			}
		})
	}
}

// attempt is what a page tries: a promise of "refused", or of what came of it.
func attempt(inspector, how string) string {
	asks := map[string]string{
		"read":                 `fetch(base + "api/records", {credentials: "include"})`,
		"read with the header": `fetch(base + "api/records", {credentials: "include", headers: {"Wirepost-Inspector": "1"}})`,
		"read without cors":    `fetch(base + "api/records", {credentials: "include", mode: "no-cors"}).then(r => r.type === "opaque" ? "refused" : r)`,
		"script":               `new Promise(done => { const s = document.createElement("script"); s.onload = () => done("loaded"); s.onerror = () => done("refused"); s.src = base + "main.js"; document.head.append(s); })`,
		"frame":                `new Promise(done => { const f = document.createElement("iframe"); f.onload = () => { let text = "refused"; try { text = f.contentDocument.body.innerText || "refused"; } catch { } done(text); }; f.src = base; document.documentElement.append(f); })`,
		"window":               `new Promise(done => { const w = open(base); setTimeout(() => { let text = "refused"; try { text = w ? w.document.body.innerText || "refused" : "refused"; } catch { } w?.close(); done(text); }, 300); })`,
		"stream":               `fetch(base + "api/stream", {credentials: "include"}).then(r => r.body.getReader().read()).then(r => "read " + r.value.length)`,
		"event source":         `new Promise(done => { const e = new EventSource(base + "api/stream", {withCredentials: true}); e.onopen = () => done("open"); e.onmessage = () => done("message"); e.onerror = () => { e.close(); done("refused"); }; })`,
		"socket":               `new Promise(done => { const s = new WebSocket(base.replace("http", "ws") + "api/stream"); s.onopen = () => done("open"); s.onerror = () => done("refused"); })`,
		"post":                 `fetch(base + "api/publish", {method: "POST", credentials: "include", headers: {"Content-Type": "application/json"}, body})`,
		"post with the header": `fetch(base + "api/publish", {method: "POST", credentials: "include", headers: {"Content-Type": "application/json", "Wirepost-Inspector": "1"}, body})`,
		"post without cors":    `fetch(base + "api/publish", {method: "POST", credentials: "include", mode: "no-cors", body})`,
		"beacon":               `Promise.resolve(String(navigator.sendBeacon(base + "api/publish", new Blob([body], {type: "text/plain"}))))`,
		"form":                 `new Promise(done => { const f = document.createElement("iframe"); f.name = "target"; document.documentElement.append(f); const form = document.createElement("form"); form.method = "POST"; form.action = base + "api/publish"; form.enctype = "text/plain"; form.target = "target"; const i = document.createElement("input"); i.name = body.slice(0, -1) + ',"x":"'; i.value = '"}'; form.append(i); document.documentElement.append(form); f.onload = () => done("sent"); form.submit(); })`,
	}
	return `(() => { const base = ` + literal(inspector) + `, body = JSON.stringify({to: "user:alice", data: "from evil"});
		return ` + asks[how] + `.then(async r => typeof r === "string" ? r : r.status + " " + (await r.text()).slice(0, 200)).catch(() => "refused"); })()`
}
