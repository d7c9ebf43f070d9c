//go:build unix

package js_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

var pictures = flag.Bool("pictures", false, "write the pictures of the README into docs")

// browser starts a Chromium with nothing in it. Its tabs are made by tab.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := tool(t, "chromium", "chromium-browser", "google-chrome")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path),
		chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true), chromedp.UserDataDir(t.TempDir()))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	must(t, ctx, chromedp.Navigate("about:blank"))
	return ctx
}

// tab opens a page. What it writes to the console fails the test: the page's errors,
// and what its content policy has stopped.
func tab(t *testing.T, browser context.Context, url string, width, height int64) context.Context {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	messages, done := chromedp.Console(ctx), make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() { // ends with the tab
		defer close(done)
		for m, err := range messages {
			if err != nil {
				return
			}
			// The browser itself says that the server was away.
			if (m.Type == chromedp.ConsoleError || m.IsException()) && !strings.Contains(m.Text, "WebSocket connection to") {
				t.Errorf("the console of %s has %s", url, m)
			}
		}
	}()
	must(t, ctx, chromedp.EmulateViewport(width, height), chromedp.Navigate(url))
	return ctx
}

func must(t *testing.T, ctx context.Context, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// until waits until an expression of the page is true.
func until(t *testing.T, ctx context.Context, expression string) {
	t.Helper()
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := chromedp.Run(limited, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(0))); err != nil {
		text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText + (window.look?.() ?? '')"))
		t.Fatalf("%s: %v; the page says:\n%s", expression, err, text)
	}
}

func value[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

func TestTheClientStaysConnectedInChromium(t *testing.T) {
	t.Parallel()
	chromium := browser(t)
	args := append([]string{"--page", scenarioPage(t)}, limits...)
	d := startDev(t, args...)
	page := tab(t, chromium, d.said["page"], 400, 300)
	heard := 0
	follow(t, d, args, func() string {
		until(t, page, fmt.Sprintf("window.told?.length > %d", heard))
		heard++
		return value[string](t, page, fmt.Sprintf("told[%d]", heard-1))
	}, func() { value[any](t, page, "resume()") })
}

// said waits for the last message of a chat page, and that there is no other element
// in it than the page's own.
func said(t *testing.T, page context.Context, from, text string) {
	t.Helper()
	row := func(part string) string {
		return "document.querySelector('#log li:last-child ." + part + "')?.textContent"
	}
	until(t, page, fmt.Sprintf("%s === %s && %s === %s", row("text"), quoted(text), row("from"), quoted(from)))
	if n := value[int](t, page, "document.querySelectorAll('#log li > span > *, #log img, #log script').length"); n != 0 {
		t.Errorf("there are %d elements in messages", n)
	}
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func TestPeopleTalkOnTheChatPage(t *testing.T) {
	t.Parallel()
	chromium := browser(t)
	d := startDev(t)
	at := d.said["page"]
	open := func(name string) context.Context {
		page := tab(t, chromium, at+"#name="+name, 640, 420)
		until(t, page, "document.querySelector('#state').textContent === 'connected'")
		return page
	}
	alice := open("alice")
	must(t, alice, chromedp.KeyEvent("is anybody here?\r")) // the field has the focus
	said(t, alice, "alice", "is anybody here?")
	until(t, alice, "document.querySelector('#log li:last-child .note')?.textContent === 'nobody else is here'")

	bob := open("bob")
	must(t, alice, chromedp.KeyEvent("hello, bob\r"))
	said(t, bob, "alice", "hello, bob")
	must(t, bob, chromedp.KeyEvent("hello, alice\r"))
	said(t, alice, "bob", "hello, alice")

	path, err := command()
	if err != nil {
		t.Fatal(err)
	}
	send := exec.CommandContext(t.Context(), path, "send", "--to", "topic:lobby", `{"text":"from the command line"}`)
	send.Dir = d.folder
	if out, err := send.CombinedOutput(); err != nil || string(out) != "sent 2\n" {
		t.Errorf("send: %v %s", err, out)
	}
	for _, page := range []context.Context{alice, bob} {
		said(t, page, "a program", "from the command line")
	}
	picture(t, alice, "chat.png")

	markup := `<img src=x onerror="document.title='owned'"><b>bold</b>`
	must(t, bob, chromedp.KeyEvent(markup+"\r"))
	said(t, alice, "bob", markup)
	if title := value[string](t, alice, "document.title"); title != "alice in lobby: wirepost chat" {
		t.Errorf("the title is %q", title)
	}
	rows := "document.querySelectorAll('#log li').length"
	if a, b := value[int](t, alice, rows), value[int](t, bob, rows); a != 5 || b != 4 {
		t.Errorf("alice sees %d messages and bob %d, want 5 and 4", a, b)
	}

	// Another of one's own name is somebody else.
	second := open("alice")
	must(t, second, chromedp.KeyEvent("me too\r"))
	said(t, alice, "alice", "me too")
	if mine := value[int](t, second, rows); mine != 1 {
		t.Errorf("what was sent is there %d times", mine)
	}
	for _, line := range [][2]string{{"bob", "which of you is it?"}, {"alice", "the one who wrote this."}} {
		page := map[string]context.Context{"bob": bob, "alice": alice}[line[0]]
		must(t, page, chromedp.KeyEvent(line[1]+"\r"))
		said(t, second, line[0], line[1])
	}

	// With the keyboard alone: back from the field to the topic, and on to its button.
	const back = "\t"
	must(t, alice, chromedp.KeyEvent(back, chromedp.KeyModifiers(chromedp.ModifierShift)), chromedp.KeyEvent(back, chromedp.KeyModifiers(chromedp.ModifierShift)),
		chromedp.KeyEvent(back, chromedp.KeyModifiers(chromedp.ModifierShift)))
	if id := value[string](t, alice, "document.activeElement.id"); id != "topic" {
		t.Errorf("three tabs back from the message is %q", id)
	}
	must(t, alice, chromedp.KeyEvent("den\r"))
	until(t, alice, "document.title === 'alice in den: wirepost chat' && document.querySelector('#state').className === 'open' && document.activeElement.id === 'text'")

	// Without the server what is said waits, and says so.
	port := d.where(t).Port()
	d.kill()
	until(t, bob, "document.querySelector('#state').textContent.startsWith('no connection')")
	must(t, bob, chromedp.KeyEvent("later\r"))
	until(t, bob, "document.querySelector('#log li:last-child .note')?.textContent === 'waits for a connection'")
	d.start(t, "--listen", "127.0.0.1:"+port)
	until(t, bob, "document.querySelector('#log li:last-child .note')?.textContent !== 'waits for a connection'")
}

func TestTheChatPageShowsWhatWasSaidWhileOneWasAwayAndWhatIsMissing(t *testing.T) {
	t.Parallel()
	chromium := browser(t)
	d := startDev(t)
	open := func(page context.Context) {
		until(t, page, "document.querySelector('#state')?.textContent === 'connected'")
	}
	alice, bob := tab(t, chromium, d.said["page"]+"#name=alice", 640, 420), tab(t, chromium, d.said["page"]+"#name=bob", 640, 420)
	open(alice)
	open(bob)
	say := func(text string) {
		must(t, alice, chromedp.KeyEvent(text+"\r"))
		said(t, alice, "alice", text)
	}
	say("you are here")
	said(t, bob, "alice", "you are here")
	rows := "[...document.querySelectorAll('#log li')].map((r) => r.className + ' ' + r.querySelector('.text').textContent).join('; ')"

	must(t, bob, chromedp.Navigate("about:blank"))
	for _, text := range []string{"one", "two", "three"} {
		say(text)
	}
	must(t, bob, chromedp.Navigate(d.said["page"]+"#name=bob"))
	open(bob)
	said(t, bob, "alice", "three")
	if got := value[string](t, bob, rows); got != " one;  two;  three" {
		t.Errorf("bob missed three messages and sees %q", got)
	}

	// What is over when he comes back is a line.
	must(t, bob, chromedp.Navigate("about:blank"))
	path, err := command()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		send := exec.CommandContext(t.Context(), path, "send", "--to", "topic:lobby", "--keep", "1ms", `{"text":"short-lived"}`)
		send.Dir = d.folder
		if out, err := send.CombinedOutput(); err != nil {
			t.Fatalf("send: %v %s", err, out)
		}
	}
	said(t, alice, "a program", "short-lived")
	say("four")
	for late := time.Now().Add(time.Minute); ; { // it is kept; a browser may keep a page that was left, and its connection
		history := exec.CommandContext(t.Context(), path, "history", "--topic", "lobby")
		history.Dir = d.folder
		out, err := history.CombinedOutput()
		if strings.Contains(string(out), "four") {
			break
		}
		if err != nil || time.Now().After(late) {
			t.Fatalf("history: %v %s", err, out)
		}
	}
	d.kill()
	d.start(t, "--listen", d.where(t).Host)
	must(t, bob, chromedp.Navigate(d.said["page"]+"#name=bob"))
	open(bob)
	said(t, bob, "alice", "four")
	if got := value[string](t, bob, rows); got != "gap 2 messages are missing;  four" {
		t.Errorf("bob missed two messages for good and sees %q", got)
	}
}

func TestTheChatPageFitsNarrowWindowsAndDarkRooms(t *testing.T) {
	t.Parallel()
	chromium := browser(t)
	page := tab(t, chromium, startDev(t).said["page"], 280, 400)
	until(t, page, "document.querySelector('#state').className === 'open'")
	must(t, page, chromedp.KeyEvent(strings.Repeat("wide", 100)+"\r"))
	until(t, page, "!!document.querySelector('#log li .note')")
	if over := value[int](t, page, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
		t.Errorf("the page is %d pixels wider than a window of 280", over)
	}
	if h := value[int](t, page, "document.querySelector('#log').clientHeight"); h < 100 {
		t.Errorf("%d pixels are left for the messages", h)
	}
	for scheme, dark := range map[string]bool{"light": false, "dark": true} {
		if _, err := chromedp.Call(page, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}); err != nil {
			t.Fatal(err)
		}
		// Contrast of text and page, as WCAG has it.
		contrasts := value[[]float64](t, page, `(() => {
			const light = (c) => { const [r, g, b] = c.match(/[\d.]+/g).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 }); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
			const over = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!c.includes(", 0)")) return c } return "rgb(255, 255, 255)" };
			return [...document.querySelectorAll("h1, #state, label, input, button, #log .text, #log .from, #log .note")].map((e) => { const [a, b] = [light(getComputedStyle(e).color), light(over(e))]; return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) });
		})()`)
		for i, c := range contrasts {
			if c < 4.5 {
				t.Errorf("%s: the contrast of element %d is %.2f", scheme, i, c)
			}
		}
		background := value[string](t, page, "getComputedStyle(document.body).backgroundColor")
		if isDark := strings.HasPrefix(background, "rgb(22,"); isDark != dark {
			t.Errorf("%s: the background is %s", scheme, background)
		}
	}
}

func picture(t *testing.T, page context.Context, name string) {
	t.Helper()
	b, err := chromedp.Run(page, chromedp.CaptureScreenshot())
	if err != nil || len(b) == 0 {
		t.Fatalf("%s: %v", name, err)
	}
	if !*pictures {
		return
	}
	if err := os.WriteFile(filepath.Join("..", "..", "docs", name), b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestThePageIsServedByItsRules(t *testing.T) {
	tool(t, "go")
	get := func(t *testing.T, d *dev, path string, change func(*http.Request)) (int, http.Header, string) {
		t.Helper()
		u := d.where(t)
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+u.Host+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(r)
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var body bytes.Buffer
		body.ReadFrom(resp.Body)
		return resp.StatusCode, resp.Header, body.String()
	}
	t.Run("the built-in page", func(t *testing.T) {
		d := startDev(t, "--stage", "prod")
		status, h, body := get(t, d, "/", nil)
		policy := h.Get("Content-Security-Policy")
		if status != 200 || !strings.Contains(body, "<title>wirepost chat") || !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; ") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			t.Errorf("%d, policy %q:\n%s", status, policy, body)
		}
		for path, want := range map[string]string{"/wirepost.js": "Apache-2.0", "/wirepost.json": `{"connect":"/prod"}`, "/chat.js": "connect", "/chat.css": "color-scheme"} {
			if status, h, body := get(t, d, path, nil); status != 200 || !strings.Contains(body, want) || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %d %v", path, status, h)
			}
		}
		if status, _, _ := get(t, d, "/", func(r *http.Request) { r.Host = "evil.example" }); status != 403 {
			t.Errorf("under a name that is not this machine's: %d", status)
		}
		for _, path := range []string{"/none", "/page/", "/../go.mod"} {
			if status, _, _ := get(t, d, path, nil); status != 404 {
				t.Errorf("%s: %d", path, status)
			}
		}
	})
	t.Run("the user's own", func(t *testing.T) {
		dir := t.TempDir()
		for name, text := range map[string]string{"index.html": "mine", ".env": "SECRET", ".git/config": "SECRET", "sub/index.html": "below", "empty/a.txt": "a", "wirepost.js": "my own"} {
			os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700)
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		secret := filepath.Join(t.TempDir(), "secret")
		os.WriteFile(secret, []byte("SECRET"), 0o600)
		if err := os.Symlink(secret, filepath.Join(dir, "link.txt")); err != nil {
			t.Fatal(err)
		}
		d := startDev(t, "--page", dir, "--route", "$default=mock:{}")
		for path, want := range map[string]string{"/": "mine", "/sub/": "below", "/empty/a.txt": "a", "/wirepost.js": "my own"} {
			if status, h, body := get(t, d, path, nil); status != 200 || body != want || h.Get("Content-Security-Policy") != "" {
				t.Errorf("%s: %d %q %v", path, status, body, h)
			}
		}
		for _, path := range []string{"/.env", "/.git/config", "/sub/../.env", "/link.txt", "/empty/", "/empty", "/%2e%65nv", "/..%2f" + filepath.Base(dir) + "/.env"} {
			if status, _, body := get(t, d, path, nil); status == 200 || strings.Contains(body, "SECRET") {
				t.Errorf("%s: %d %q", path, status, body)
			}
		}
	})
	t.Run("none with a function of one's own, as on AWS", func(t *testing.T) {
		d := startDev(t, "--route", "$default=mock:{}")
		if status, _, body := get(t, d, "/", nil); d.said["page"] != "" || status != 403 || body != `{"message":"Forbidden"}` {
			t.Errorf("%q %d %q", d.said["page"], status, body)
		}
	})
}
