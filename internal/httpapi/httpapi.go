package httpapi

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/wirepost/wirepost/internal/accept"
	"github.com/wirepost/wirepost/internal/app"
)

// Function is what an API invokes. It may be invoked concurrently. An error is a failed
// invocation, but for those that wrap ErrUnavailable or ErrThrottled; of an authorizer one
// whose text is Unauthorized, or ends in ": Unauthorized", is a refusal. The context ends
// when the handler is closed, not with the request; Cause says what it is invoked by.
type Function interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// How long an API waits for a function.
const (
	httpTimeout = 30 * time.Second // AWS docs, quotas of HTTP APIs
	restTimeout = 29 * time.Second // AWS docs, quotas of REST APIs; that of Regional ones may be raised
	urlTimeout  = 15 * time.Minute // AWS docs, Lambda quotas: the longest invocation
)

// maxAtOnce is how many requests are answered at one time; what is over gets 429. It
// is Lambda's default concurrency of an account (AWS docs, Lambda quotas).
const maxAtOnce = 1000

// Config says what is served and how. API, Function and Domain are needed.
type Config struct {
	// API is a resolved one. It is not changed, and must not be.
	API *app.HTTPAPI

	// Function is the function with a logical ID, or nil if it cannot be run here.
	// It is asked at each request.
	Function func(logicalID string) Function

	// Account and Region are in events and ARNs; empty means the defaults of package app.
	// ID is the API's: ten characters, or of a function's URL 32; empty means one that
	// follows from its name.
	Account, Region, ID string

	// Domain is the host and the port at which the API is served, and domainName of
	// events. It is never what a client sends.
	Domain string

	// Hosts are names besides those of this machine that a Host header may have, without
	// a port.
	Hosts []string

	// Notice is told in one sentence, once, what a caller has to know. OnRequest is
	// told of each request when it has been answered. Both may be called concurrently.
	// Nil means that nobody is told.
	Notice    func(string)
	OnRequest func(Record)

	// KeySets fetches the keys that tokens are signed with. Nil means a transport of its
	// own, with the proxies of the environment.
	KeySets http.RoundTripper

	// Now and Random are the clock and the source of IDs. Nil means those of the system.
	Now    func() time.Time
	Random io.Reader
}

// Handler serves one API. It is made by New, and its methods may be called concurrently.
type Handler struct {
	c      Config
	table  *table
	tokens *tokens

	life context.Context // of invocations
	kill context.CancelFunc

	mu      sync.Mutex
	closed  bool
	running int           // invocations
	quiet   chan struct{} // closed when closed and none runs
	said    map[string]bool
	places  chan struct{}
}

// New makes the handler of an API. An error is a mistake in the API's routes.
func New(c Config) (*Handler, error) {
	if c.API == nil || c.Function == nil || c.Domain == "" {
		panic("httpapi: Config.API, Config.Function and Config.Domain are needed")
	}
	t, err := newTable(c.API)
	if err != nil {
		return nil, fmt.Errorf("serve the %s %s: %w", c.API.Kind, c.API.LogicalID, err)
	}
	c.Account, c.Region = cmp.Or(c.Account, app.DefaultAccount), cmp.Or(c.Region, app.DefaultRegion)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	h := &Handler{c: c, table: t, quiet: make(chan struct{}), said: map[string]bool{}, places: make(chan struct{}, maxAtOnce)}
	h.life, h.kill = context.WithCancel(context.Background())
	h.tokens = newTokens(c.KeySets, c.Now)
	if c.ID == "" {
		h.c.ID = h.derivedID(c.API.LogicalID, 10)
		if c.API.Kind == app.FunctionURL {
			h.c.ID = h.derivedID(c.API.LogicalID, 32)
		}
	}
	if c.API.Kind == app.FunctionURL && t.fallback == nil && len(t.routes) == 0 {
		t.fallback = &route{HTTPRoute: &app.HTTPRoute{Function: c.API.LogicalID}, key: "$default"}
	}
	return h, nil
}

// The times of a connection. A header and a body have to come, and an answer has to be
// taken; the time in between is the function's.
const (
	headerTime = 5 * time.Second
	bodyTime   = 30 * time.Second
	answerTime = time.Minute
	idleTime   = time.Minute
)

// NewServer serves a handler of this package, so that no request lasts for ever. The
// caller closes it, before the handler.
func NewServer(h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       bodyTime,
		WriteTimeout:      bodyTime + urlTimeout + answerTime, // a handler shortens it when it answers
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		// Its answer to "OPTIONS *" would be no API's.
		DisableGeneralOptionsHandler: true,
	}
}

// notice tells people something once.
func (h *Handler) notice(about, format string, args ...any) {
	h.mu.Lock()
	first := !h.said[about] && len(h.said) < 1000
	if first {
		h.said[about] = true
	}
	h.mu.Unlock()
	if first && h.c.Notice != nil {
		h.c.Notice(fmt.Sprintf(format, args...))
	}
}

// routeName names a route for people.
func (h *Handler) routeName(r *route) string {
	if h.c.API.Kind == app.FunctionURL {
		return "the URL of function " + h.c.API.LogicalID
	}
	return fmt.Sprintf("route %s of the %s %s", r.key, h.c.API.Kind, h.c.API.LogicalID)
}

// cannotRun is the answer for a route that cannot be run here; people are told once.
func (h *Handler) cannotRun(r *route, why string) *reply {
	h.notice("not run "+r.key, "%s was called, and answers 500: %s", h.routeName(r), why)
	return h.fail(notRun, why)
}

// servesHost reports whether a Host header is of this API.
func (h *Handler) servesHost(host string) bool {
	name := host
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		name = host[:i]
	}
	for _, own := range h.c.Hosts {
		if strings.EqualFold(own, name) {
			return true
		}
	}
	return accept.IsLocal(host)
}

// timeout is how long the API waits for the function of a route.
func (h *Handler) timeout(r *route) time.Duration {
	longest := map[app.HTTPKind]time.Duration{app.HTTPOfAPI: httpTimeout, app.RESTAPI: restTimeout}[h.c.API.Kind]
	if longest == 0 {
		return urlTimeout
	}
	if h.c.API.Kind == app.RESTAPI && r.Timeout > 0 {
		return r.Timeout // a Regional API's may be longer
	}
	if r.Timeout > 0 {
		return min(r.Timeout, longest)
	}
	return longest
}

// derivedID is an ID of something of the API's that stays the same.
func (h *Handler) derivedID(of string, size int) string {
	sum := sha256.Sum256([]byte(string(h.c.API.Kind) + "\x00" + h.c.API.LogicalID + "\x00" + of))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:size]
}
