//go:build unix

package dev

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// pageFolder makes a folder with a page, secrets and links.
func pageFolder(t *testing.T) string {
	t.Helper()
	outside, dir := t.TempDir(), filepath.Join(t.TempDir(), ".site") // the user chose this name
	for name, text := range map[string]string{
		"index.html": "the page", "dist/app.1.js": "the script", "dist/index.html": "below", ".env": "SECRET", ".git/config": "SECRET", ".git/index.html": "SECRET",
		"sub/.hidden/a.txt": "SECRET", "\u200c.env": "SECRET", "a\\.env": "SECRET", "..env": "SECRET",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), text)
	}
	write(t, filepath.Join(outside, "passwords"), "SECRET")
	for name, to := range map[string]string{
		"app.js": "dist/app.1.js", "assets": "dist", "again.js": "app.js",
		"env.txt": ".env", "twice.txt": "env.txt", "git": ".git", "below/index.html": "../.env", "through": "sub/../.git", "deep.txt": "sub/.hidden/a.txt",
		"out.txt": filepath.Join(outside, "passwords"), "outside": outside, "up.txt": "../.site/.env", "round": "round", "index": ".git",
		"absolute.txt": filepath.Join(dir, ".env"),
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAPageServesItsFilesAndNothingElse(t *testing.T) {
	dir := pageFolder(t)
	t.Chdir(dir)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{dir, ".", link} {
		site := &site{c: &Config{Page: folder, Stage: "dev", Report: silent{}}}
		if err := site.start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer site.stop(t.Context())
		server := httptest.NewServer(site.page)
		defer server.Close()
		get := func(path string) (status int, kind, text string) {
			t.Helper()
			r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			b, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			return answer.StatusCode, answer.Header.Get("Content-Type"), string(b)
		}
		for path, want := range map[string]string{"/": "the page", "/index.html": "the page", "/app.js": "the script", "/again.js": "the script", "/dist/app.1.js": "the script",
			"/assets/app.1.js": "the script", "/dist/": "below", "/assets/": "below", "/x/../app.js": "the script"} {
			status, kind, text := get(path)
			if status != 200 || text != want {
				t.Errorf("--page %s: GET %s: %d %q, want %q", folder, path, status, text, want)
			}
			if strings.HasSuffix(path, ".js") && !strings.HasPrefix(kind, "text/javascript") {
				t.Errorf("--page %s: GET %s is of the kind %s", folder, path, kind)
			}
		}
		for _, path := range []string{"/.env", "/.ENV", "/%2eenv", "/%2Eenv", "/%252eenv", "/.git/config", "/.git/", "/%2egit/config", "/x/..%2f.env", "/..%2f.site/.env", "/%2e%2e/.env", "/./.env", "/sub/%2e%2e/.env",
			"/..env", "/%E2%80%8C.env", "/a%5c.env", "/%5c.env", "/sub%5c..%5c.env", "/.env%00.html", "/index.html%00", "/sub/.hidden/a.txt", "/sub/", "/sub", "/dist", "/pipe",
			"/env.txt", "/twice.txt", "/git/config", "/git/", "/git", "/below/", "/below/index.html", "/through/config", "/deep.txt", "/out.txt", "/outside/passwords", "/up.txt", "/round", "/index/", "/absolute.txt"} {
			if status, _, text := get(path); status != 404 || strings.Contains(text, "SECRET") {
				t.Errorf("--page %s: GET %s: %d %q, want 404", folder, path, status, text)
			}
		}
	}
}

func TestAPageWhoseIndexIsALinkToASecretIsRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, ".env"), "SECRET")
	if err := os.Symlink(".env", filepath.Join(dir, "index.html")); err != nil {
		t.Fatal(err)
	}
	if err := (&site{c: &Config{Page: dir, Report: silent{}}}).start(t.Context()); err == nil || !strings.Contains(err.Error(), "index.html is not served") {
		t.Errorf("%v", err)
	}
}
