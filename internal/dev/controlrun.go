package dev

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/invokeapi"
)

// Description is what a dev that runs says of itself at its control address, GET
// /run/description.
type Description struct {
	APIID      string   `json:"apiId"`
	DomainName string   `json:"domainName"`
	Stage      string   `json:"stage"`
	Endpoint   string   `json:"endpoint"`
	Region     string   `json:"region"`
	Account    string   `json:"account"`
	Lambda     string   `json:"lambda,omitempty"` // the URL of Lambda's Invoke API
	Functions  []string `json:"functions"`        // that can be invoked, by name
}

// Invoked is the answer of POST /run/invoke?function=NAME, whose body is the event: what
// the function answered, or the error that it failed with.
type Invoked struct {
	Answer json.RawMessage `json:"answer,omitempty"`
	Text   string          `json:"text,omitempty"` // an answer that is not JSON
	Error  string          `json:"error,omitempty"`
	Lines  []string        `json:"lines,omitempty"` // that it logged
}

// Selected is the answer of POST /run/route, whose body is a message: the key of its
// route, or empty.
type Selected struct {
	Route string `json:"route"`
}

// controlRun is the part that answers at the control address what runs, and lets people
// invoke its functions.
type controlRun struct {
	c           *Config
	api         *apiID
	listener    *listener
	lambda      *lambdaEndpoint
	control     *controlServer
	invocations *invocations
	gateway     *gatewayServer
	nothingToStop
}

func (r *controlRun) start(context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /description", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, r.describe()) })
	mux.HandleFunc("POST /route", func(w http.ResponseWriter, q *http.Request) {
		message, err := io.ReadAll(q.Body)
		if err != nil {
			reply(w, http.StatusBadRequest, map[string]string{"error": "the message cannot be read: " + err.Error()})
			return
		}
		key, _ := r.gateway.server.RouteOf(message)
		reply(w, http.StatusOK, Selected{key})
	})
	mux.HandleFunc("POST /invoke", r.invoke)
	r.control.run.handler.Store(mux)
	return nil
}

func (r *controlRun) describe() Description {
	d := Description{APIID: r.api.id, DomainName: r.listener.domain(), Stage: r.c.Stage, Endpoint: r.listener.endpoint(), Region: r.c.Region,
		Account: cmp.Or(r.c.account(), app.DefaultAccount), Functions: r.invocations.names()}
	if r.lambda.listener != nil {
		d.Lambda = r.lambda.url()
	}
	return d
}

// names are the functions that can be invoked, sorted.
func (i *invocations) names() (names []string) {
	names = []string{}
	if i.app.app != nil {
		for _, f := range i.app.app.Functions {
			names = append(names, f.LogicalID)
		}
	}
	for name := range i.functions.known {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// invoke gives an event to a function for a person, who waits for a place.
func (r *controlRun) invoke(w http.ResponseWriter, q *http.Request) {
	// An invocation may take longer than other requests of the control address.
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(time.Minute))
	control.SetWriteDeadline(time.Time{})
	event, err := io.ReadAll(q.Body)
	if err == nil && !json.Valid(event) {
		err = errors.New("it is not JSON")
	}
	if err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"error": "the event cannot be read: " + err.Error()})
		return
	}
	name := q.URL.Query().Get("function")
	id, ok := r.invocations.find(name)
	if !ok {
		why := "the 'wirepost dev' that runs here has no functions that can be invoked by name"
		if names := r.invocations.names(); len(names) > 0 {
			why = fmt.Sprintf("the 'wirepost dev' that runs here has no function %.80q; it has %s", name, app.Few(names))
		}
		reply(w, http.StatusNotFound, map[string]string{"error": why})
		return
	}
	control.SetReadDeadline(time.Time{})
	var lines lineKeeper
	answer, err := r.invocations.Invoke(q.Context(), id, event, How{Cause: "'wirepost invoke'", Told: true, Line: lines.add})
	invokeapi.Settle(func() int { return len(lines.all()) })
	out := Invoked{Lines: lines.all()}
	switch {
	case err != nil:
		out.Error = err.Error()
	case json.Valid(answer):
		out.Answer = answer
	default:
		out.Text = string(answer)
	}
	reply(w, http.StatusOK, out)
}

func reply(w http.ResponseWriter, status int, v any) {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // a caller that has gone needs nothing
}

// runHandler answers 503 until there is something to ask.
type runHandler struct{ handler atomic.Pointer[http.ServeMux] }

// ServeHTTP implements http.Handler.
func (h *runHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mux := h.handler.Load()
	if mux == nil {
		reply(w, http.StatusServiceUnavailable, map[string]string{"error": "the 'wirepost dev' of this folder is starting"})
		return
	}
	mux.ServeHTTP(w, r)
}

// lineKeeper keeps what an invocation logs, up to a bound.
type lineKeeper struct {
	mu    sync.Mutex
	lines []string
	bytes int
}

const maxKeptLines = 64 << 10

func (k *lineKeeper) add(line string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bytes += len(line) + 1; k.bytes <= maxKeptLines {
		k.lines = append(k.lines, line)
	}
}

func (k *lineKeeper) all() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.lines)
}
