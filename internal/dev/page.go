package dev

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/clients/js"
	"github.com/wirepost/wirepost/internal/hint"
)

// site is the part that has what is answered at /: the caller's own page, or that of the
// function in this process, or nothing, as on AWS.
type site struct {
	c *Config

	root *os.Root
	page *page // nil if nothing is answered
}

func (s *site) start(context.Context) (err error) {
	page := &page{stage: s.c.Stage}
	switch {
	case s.c.Page != "":
		s.root, err = os.OpenRoot(s.c.Page) // no link leads out of it
		if err != nil {
			return hint.New(fmt.Errorf("open the folder of the page: %w", err), "--page names a folder with an index.html")
		}
		page.files = s.root.FS()
	case s.c.InProcess == nil || s.c.InProcess.Page == nil:
		return nil
	default:
		page.files, page.policy = s.c.InProcess.Page, true
	}
	if _, err := fs.Stat(page.files, "index.html"); err != nil {
		if s.root != nil {
			s.root.Close()
		}
		return hint.New(fmt.Errorf("the page %s: %w", cmp.Or(s.c.Page, "that is built in"), err), "--page names a folder with an index.html")
	}
	s.page = page
	return nil
}

func (s *site) stop(context.Context) error {
	if s.root == nil {
		return nil
	}
	return s.root.Close()
}

// page serves files, beside them the browser client and where it connects.
type page struct {
	files  fs.FS
	stage  string
	policy bool // it loads and connects to nothing but its own origin
}

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache") // it is being worked on
	if p.policy {
		h.Set("Content-Security-Policy", policyAt(r.Host))
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
	}
	name, ok := p.find(r.URL.Path)
	switch {
	case ok:
		http.ServeFileFS(w, r, p.files, name)
	case r.URL.Path == "/wirepost.js":
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		w.Write(js.Module)
	case r.URL.Path == "/wirepost.json":
		h.Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]string{"connect": "/" + p.stage})
	default:
		http.Error(w, "404: the page has no such file", http.StatusNotFound)
	}
}

// find is the file of a path. Folders are not listed, and what begins with a dot is
// nobody's page: .env, .git and .wirepost with its tokens lie in folders that people
// serve.
func (p *page) find(where string) (name string, ok bool) {
	name = strings.TrimPrefix(path.Clean("/"+where), "/")
	if slices.ContainsFunc(strings.Split(name, "/"), func(s string) bool { return strings.HasPrefix(s, ".") }) {
		return "", false
	}
	if name == "" || strings.HasSuffix(where, "/") {
		name = path.Join(name, "index.html")
	}
	info, err := fs.Stat(p.files, name)
	return name, err == nil && info.Mode().IsRegular()
}

var plainHost = regexp.MustCompile(`^[A-Za-z0-9.:\[\]-]+$`)

// policyAt is the content policy of the built-in page. 'self' is not the origin's
// WebSockets in every browser.
func policyAt(host string) string {
	connect := "'self'"
	if plainHost.MatchString(host) {
		connect += " ws://" + host + " wss://" + host
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src " + connect +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
