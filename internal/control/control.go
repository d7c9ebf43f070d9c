// Package control is the control address of 'wirepost dev': a listener of its own,
// next to the one that clients and publishers use, for what only this machine may
// do. It serves the faults, the store that functions are lent, metrics and, in a
// browser, the inspector.
//
// Every request needs the token of this run, in the Authorization header as
// "Bearer TOKEN". A page in a browser cannot send it: requests with an Origin
// header, and those to a host that is not this machine's own, are refused before
// the token is looked at. The inspector alone is for a page: it has checks and a token
// of its own.
//
//	GET /faults    the rules in force, with how often each was hit
//	PUT /faults    a JSON list of rules, which replaces them while traffic runs
//	/store/…       the store of dev, for package httpstore
//	GET /metrics   counts of the gateway, for Prometheus
//	/run/…         what runs, and its functions, if Options.Run serves it
//	/_wirepost/…   the inspector, package inspector
package control

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/accept"
)

// maxBody bounds what a request may send here.
const maxBody = 1 << 20

// Options say what is served.
type Options struct {
	// Token that every request has to have. Make it with NewToken.
	Token string
	// Faults are read and replaced at /faults. Nil: there is no such path.
	Faults *gateway.Faults
	// Store serves the paths below /store/. It checks the token itself, as it may
	// be served without this package. Nil: there are none.
	Store http.Handler
	// Run serves the paths below /run/, to this machine alone also if Public is set. Nil:
	// there are none.
	Run http.Handler
	// Live is what is served once the gateway runs. Nil: nothing is.
	Live *Live
	// Public serves requests to any host name, for a listener that others reach.
	Public bool
}

// Live is what there is to serve when the gateway runs, which is later than functions
// need the store. Before Set it is answered with 503.
type Live struct{ set atomic.Pointer[live] }

type live struct{ metrics, inspector http.Handler }

// Set serves the counts of stats as metrics and, if it is not nil, the inspector.
func (l *Live) Set(stats func() gateway.Stats, inspector http.Handler) {
	l.set.Store(&live{newMetrics(stats), inspector})
}

func (l *Live) serve(w http.ResponseWriter, r *http.Request, choose func(*live) http.Handler) {
	var h http.Handler
	set := l.set.Load()
	if set != nil {
		h = choose(set)
	}
	switch {
	case set == nil:
		refuse(w, http.StatusServiceUnavailable, "the gateway is starting")
	case h == nil:
		refuse(w, http.StatusNotFound, "this run has no inspector")
	default:
		h.ServeHTTP(w, r)
	}
}

// How long a request may take: its header, its body, and all of it with the answer. The
// longest calls are those of the store, of a minute. The inspector lifts the last one
// for its stream and its sessions, which only those who have the token get.
const (
	headerTimeout    = 5 * time.Second
	bodyTimeout      = 30 * time.Second
	discardTimeout   = 5 * time.Second // of a request that is refused
	requestTimeout   = 2 * time.Minute
	keepAliveTimeout = time.Minute
)

// NewServer serves a handler of one machine's own programs, this package's or a store's
// alone, so that no request lasts for ever: neither one whose body never comes nor one
// whose answer nobody takes. The caller closes it.
func NewServer(h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		WriteTimeout:      requestTimeout,
		IdleTimeout:       keepAliveTimeout,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		// Its handler for "OPTIONS *" asks for no token and waits for the body.
		DisableGeneralOptionsHandler: true,
	}
}

// runPath is where Options.Run is. What is sent there may be an event of a function, which
// Lambda takes up to 6 MB of.
const (
	runPath  = "/run/"
	maxEvent = 6<<20 + 1<<10
)

// inspectorPath is where the inspector is.
const inspectorPath = "/_wirepost/"

// NewToken makes a token of 128 random bits.
func NewToken() string {
	var raw [16]byte
	rand.Read(raw[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// Handler serves the control address. It may be used concurrently.
func Handler(o Options) http.Handler {
	mux := http.NewServeMux()
	if o.Faults != nil {
		mux.HandleFunc("GET /faults", func(w http.ResponseWriter, r *http.Request) { answer(w, http.StatusOK, o.Faults.Counts()) })
		mux.HandleFunc("PUT /faults", func(w http.ResponseWriter, r *http.Request) { replaceFaults(w, r, o.Faults) })
	}
	if o.Store != nil {
		mux.Handle("/store/", http.StripPrefix("/store", o.Store))
	}
	if o.Run != nil {
		mux.Handle("/run/", http.StripPrefix("/run", o.Run))
	}
	if o.Live != nil {
		mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
			o.Live.serve(w, r, func(l *live) http.Handler { return l.metrics })
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case o.Live != nil && strings.HasPrefix(r.URL.Path, inspectorPath):
			o.Live.serve(w, r, func(l *live) http.Handler { return l.inspector })
		case len(r.Header["Origin"]) > 0 || r.Header.Get("Sec-Fetch-Site") != "":
			refuse(w, http.StatusForbidden, "the control address answers no page of a browser")
		case !o.Public && !accept.IsLocal(r.Host):
			refuse(w, http.StatusForbidden, fmt.Sprintf("the control address is not %q; use 127.0.0.1 or localhost", r.Host))
		case subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+o.Token)) != 1:
			refuse(w, http.StatusUnauthorized, "the token is missing or that of another run; it is in .wirepost/control.json")
		case strings.HasPrefix(r.URL.Path, runPath) && !accept.IsLocal(r.RemoteAddr):
			refuse(w, http.StatusForbidden, "functions are invoked from this machine only")
		default:
			most := int64(maxBody)
			if strings.HasPrefix(r.URL.Path, runPath) {
				most = maxEvent
			}
			r.Body = http.MaxBytesReader(w, r.Body, most)
			mux.ServeHTTP(w, r)
		}
	})
}

func replaceFaults(w http.ResponseWriter, r *http.Request, faults *gateway.Faults) {
	var texts []string
	d := json.NewDecoder(r.Body)
	err := d.Decode(&texts)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("there is more behind the list")
		}
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("the faults are not a JSON list of rules, such as [\"post:429:p=0.1\"]: %v", err))
		return
	}
	rules, err := gateway.ParseFaultRules(texts)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	faults.Set(rules)
	answer(w, http.StatusOK, faults.Counts())
}

// refuse answers at once: net/http would first wait for the body. It gets a little time
// to come, so that its client sees the answer and no reset.
func refuse(w http.ResponseWriter, status int, sentence string) {
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(discardTimeout))
	w.Header().Set("Connection", "close")
	answer(w, status, map[string]string{"error": sentence})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.Encode(v)
}
