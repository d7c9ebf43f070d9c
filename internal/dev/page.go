package dev

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost/clients/js"
	"github.com/wirepost/wirepost/internal/hint"
	"github.com/wirepost/wirepost/internal/terminal"
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
		s.c.Report.Begins("reading the folder of the page " + s.c.Page)
		s.root, err = os.OpenRoot(s.c.Page) // no link leads out of it
		if err == nil {
			page.folder, err = filepath.EvalSymlinks(s.c.Page)
		}
		if err != nil {
			return hint.New(fmt.Errorf("open the folder of the page: %w", err), "--page names a folder with an index.html")
		}
		page.files = s.root.FS()
	case s.c.InProcess == nil || s.c.InProcess.Page == nil:
		return nil
	default:
		page.files, page.policy = s.c.InProcess.Page, true
	}
	if _, err := page.open("index.html"); err != nil {
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

// page serves files, the browser client, and the address that it connects to.
type page struct {
	files  fs.FS
	folder string // the folder of the files, with links resolved; empty for built-in files
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
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	if name == "" || strings.HasSuffix(r.URL.Path, "/") {
		name = path.Join(name, "index.html")
	}
	f, err := p.open(name)
	switch {
	case err == nil:
		defer f.Close()
		http.ServeContent(w, r, name, f.modified, f)
	case r.URL.Path == "/wirepost.js":
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		w.Write(js.Module)
	case r.URL.Path == "/stream.js":
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		w.Write(js.Streams)
	case r.URL.Path == "/presence.js":
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		w.Write(js.Presence)
	case r.URL.Path == "/wirepost.json":
		h.Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]string{"connect": "/" + p.stage})
	default:
		http.Error(w, "404: the page has no such file", http.StatusNotFound)
	}
}

// pageFile is an open file of a page.
type pageFile struct {
	fs.File
	io.Seeker
	modified time.Time
}

var errNotServed = errors.New("is not served: only files of the folder are, and no names with a part that begins with a dot")

// open opens a file of the page. It lists no folders, and refuses names with a part that
// begins with a dot: people serve folders that contain .env, .git, and .wirepost with its
// tokens. For a link, the name of its target counts as well.
func (p *page) open(name string) (*pageFile, error) {
	real, err := p.resolve(name)
	if err != nil {
		return nil, err
	}
	info, err := fs.Stat(p.files, real)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s %w", name, errNotServed)
	}
	f, err := p.files.Open(real)
	if err != nil {
		return nil, err
	}
	return &pageFile{f, f.(io.Seeker), info.ModTime()}, nil // files of os and embed implement it
}

// resolve returns the name of a file with links resolved, or an error if the file may
// not be served.
func (p *page) resolve(name string) (real string, err error) {
	real = name
	if p.folder != "" && mayBeServed(name) {
		at, err := filepath.EvalSymlinks(filepath.Join(p.folder, filepath.FromSlash(name)))
		if err != nil {
			return "", err
		}
		if real, err = filepath.Rel(p.folder, at); err != nil {
			return "", err
		}
		real = filepath.ToSlash(real)
	}
	if !mayBeServed(real) || !filepath.IsLocal(filepath.FromSlash(real)) {
		return "", fmt.Errorf("%s %w", name, errNotServed)
	}
	return real, nil
}

// mayBeServed reports whether no part of a name begins with a dot. It also refuses \,
// which separates parts on Windows, and invisible characters, which some file systems
// ignore.
func mayBeServed(name string) bool {
	return terminal.Line(name) == name && !strings.Contains(name, `\`) &&
		!slices.ContainsFunc(strings.Split(name, "/"), func(s string) bool { return strings.HasPrefix(s, ".") })
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
