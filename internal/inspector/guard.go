package inspector

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/accept"
)

// askHeader is what the page's own requests have. A page of another origin cannot
// send it without being asked for permission first, which is never given.
const askHeader = "Wirepost-Inspector"

// policy lets the page use its own files and talk to its own origin, and nothing
// else; scripts cannot make HTML of text.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

func newSecret() string {
	var raw [18]byte
	rand.Read(raw[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

func same(a, b string) bool { return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// cookieName has the port: cookies of two runs at one name are in one place.
func cookieName(host string) string {
	_, port, err := net.SplitHostPort(host)
	if err != nil {
		port = "80"
	}
	return "wirepost-inspector-" + port
}

// ServeHTTP answers everything below Path.
func (i *Inspector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	path, ok := strings.CutPrefix(r.URL.Path, strings.TrimSuffix(Path, "/"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	if sentence := i.refused(r); sentence != "" {
		refuse(w, http.StatusForbidden, sentence)
		return
	}
	program := same(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), i.o.Bearer)
	if !program {
		if token := r.URL.Query().Get("token"); token != "" && r.Method == http.MethodGet && path == "/" {
			i.enter(w, r, token)
			return
		}
		cookie, err := r.Cookie(cookieName(r.Host))
		if err != nil || !same(cookie.Value, i.session) {
			i.unknown(w, path)
			return
		}
	}
	if strings.HasPrefix(path, "/api/") {
		if !program && r.Header.Get(askHeader) == "" {
			refuse(w, http.StatusForbidden, "only the inspector's own page and 'wirepost tail' may ask this")
			return
		}
		if r.ContentLength != 0 && r.Method != http.MethodGet {
			if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "application/json" {
				refuse(w, http.StatusUnsupportedMediaType, "the body has to be application/json")
				return
			}
		}
	}
	i.mux.ServeHTTP(w, r)
}

// refused says why a request may not even show a cookie, or nothing.
func (i *Inspector) refused(r *http.Request) string {
	origins := r.Header["Origin"]
	site := r.Header.Get("Sec-Fetch-Site")
	switch {
	case !accept.IsLocal(r.Host):
		return fmt.Sprintf("the inspector is not at %q; use 127.0.0.1 or localhost", r.Host)
	case len(origins) > 1 || len(origins) == 1 && origins[0] != "http://"+r.Host:
		return "the inspector answers no page of another origin"
	case r.Header.Get("Upgrade") != "":
		return "the inspector does not support protocol upgrades"
	case site == "" || site == "same-origin":
		return ""
	case r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document":
		// Somebody follows a link to the page itself, which tells the other nothing.
		return ""
	}
	return "the inspector answers no page of another origin"
}

// enter trades the token of the URL for a cookie.
func (i *Inspector) enter(w http.ResponseWriter, r *http.Request, token string) {
	if !same(token, i.o.Token) {
		i.unknown(w, "/")
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName(r.Host), Value: i.session, Path: Path, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	w.Header().Set("Location", Path)
	w.WriteHeader(http.StatusSeeOther)
}

func (i *Inspector) unknown(w http.ResponseWriter, path string) {
	const sentence = "open the address that 'wirepost dev' printed when it started: its token is missing here, or of another run"
	if path != "/" {
		refuse(w, http.StatusUnauthorized, sentence)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusUnauthorized)
	fmt.Fprintf(w, "wirepost inspector: %s\n", sentence)
}

// problem is a mistake of the caller, in a sentence.
type problem struct {
	status   int
	sentence string
}

func (p *problem) Error() string { return p.sentence }

func badRequest(format string, args ...any) error {
	return &problem{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// refuse answers at once: net/http would first wait for the body. It gets a little time
// to come, so that its client sees the answer and no reset.
func refuse(w http.ResponseWriter, status int, sentence string) {
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(5 * time.Second))
	w.Header().Set("Connection", "close")
	answer(w, status, map[string]string{"error": sentence})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.Encode(v)
}
