package inspector

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
)

const (
	// maxAsk bounds what a request may send, but for an imported session.
	maxAsk = 1 << 20
	// doTime bounds what the page has done: posts, replays, connects.
	doTime = 30 * time.Second
	// listed is how many records or connections one answer has at most.
	listed = 500
	// alongside bounds what an exchange shows next to its own records.
	alongside = 50
)

// routes are the page's files and its API, all below Path.
func (i *Inspector) routes() {
	i.mux = http.NewServeMux()
	i.mux.HandleFunc("GET "+Path+"{file}", i.file)
	i.mux.HandleFunc("GET "+Path+"{$}", i.file)
	for pattern, serve := range map[string]func(*http.Request) (any, error){
		"GET records":        i.getRecords,
		"GET exchange":       i.getExchange,
		"GET connections":    i.getConnections,
		"GET logs":           i.getLogs,
		"GET log":            i.getLog,
		"GET presence":       i.getPresence,
		"GET faults":         i.getFaults,
		"PUT faults":         i.putFaults,
		"POST clear":         i.postClear,
		"POST publish":       i.postPublish,
		"POST kick":          i.postKick,
		"POST replay":        i.postReplay,
		"POST import":        i.postImport,
		"DELETE import":      i.deleteImport,
		"GET clients":        i.getClients,
		"POST clients":       i.postClient,
		"POST clients/{n}":   i.postToClient,
		"DELETE clients/{n}": i.deleteClient,
	} {
		method, name, _ := strings.Cut(pattern, " ")
		i.mux.HandleFunc(method+" "+Path+"api/"+name, func(w http.ResponseWriter, r *http.Request) {
			limit := int64(maxAsk)
			if name == "import" {
				limit = maxImport
			}
			r.Body = http.MaxBytesReader(w, r.Body, limit)
			v, err := serve(r)
			var p *problem
			switch {
			case errors.As(err, &p):
				refuse(w, p.status, p.sentence)
			case err != nil:
				refuse(w, http.StatusBadGateway, err.Error())
			default:
				answer(w, http.StatusOK, v)
			}
		})
	}
	i.mux.HandleFunc("GET "+Path+"api/stream", i.stream)
	i.mux.HandleFunc("GET "+Path+"api/export", i.export)
}

var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

func (i *Inspector) file(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	if name == "" {
		name = "index.html"
	}
	kind, ok := contentTypes[path.Ext(name)]
	b, err := fs.ReadFile(i.page, name)
	if err != nil || !ok {
		refuse(w, http.StatusNotFound, "there is no such file")
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Write(b)
}

func (i *Inspector) readBody(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return badRequest("the request cannot be read: %s", inJSON(err))
	}
	return nil
}

// inJSON says an error of decoding in the words of JSON: Go's own names the types of
// this package.
func inJSON(err error) string {
	e, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return strings.TrimPrefix(err.Error(), "json: ")
	}
	what, want := "it", "a number"
	if e.Field != "" {
		what = strings.ToLower(e.Field[:1]) + e.Field[1:]
	}
	switch e.Type.Kind() {
	case reflect.String:
		want = "a string"
	case reflect.Bool:
		want = "true or false"
	case reflect.Slice:
		want = "a list"
	case reflect.Struct, reflect.Map:
		want = "an object"
	}
	return what + " is not " + want
}

func number(r *http.Request, name string, most int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return most, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, badRequest("%s=%q: want a number", name, text)
	}
	return min(n, most), nil
}

// getRecords is a page of the timeline: the newest records that a filter chooses.
func (i *Inspector) getRecords(r *http.Request) (any, error) {
	f, err := parseFilter(r.URL.Query())
	if err != nil {
		return nil, err
	}
	n, err := number(r, "limit", listed)
	if err != nil {
		return nil, err
	}
	before, err := strconv.ParseUint("0"+r.URL.Query().Get("before"), 10, 64)
	if err != nil {
		return nil, badRequest("before: %v", err)
	}
	session := i.sessionOf(r)
	if session == nil {
		return nil, badRequest("there is no imported session")
	}
	records, since := session.since()
	began := time.Now()
	found, total := find(records, &f, before, n)
	out := struct {
		Records []summary `json:"records"`
		Matched int       `json:"matched"`
		Kept    int       `json:"kept"`
		Since   uint64    `json:"since"` // where a stream goes on
		Dropped Dropped   `json:"dropped"`
		Took    Millis    `json:"took"`
	}{Records: []summary{}, Matched: total, Kept: len(records), Since: since, Dropped: session.state(0).Dropped, Took: Millis(time.Since(began))}
	for _, record := range found {
		out.Records = append(out.Records, record.summary())
	}
	return out, nil
}

// part is a record in an exchange.
type part struct {
	*Record
	// Alongside tells that it only happened while an invocation of the exchange ran,
	// or that such an invocation may have caused it.
	Alongside bool `json:"alongside,omitempty"`
}

func (i *Inspector) getExchange(r *http.Request) (any, error) {
	seq, err := strconv.ParseUint(r.URL.Query().Get("seq"), 10, 64)
	session := i.sessionOf(r)
	if err != nil || session == nil {
		return nil, badRequest("seq=%q: want a record's number", r.URL.Query().Get("seq"))
	}
	parts := exchange(session.all(), seq)
	if parts == nil {
		return nil, &problem{http.StatusNotFound, "this record has been dropped; newer ones took its place"}
	}
	return map[string]any{"records": parts}, nil
}

// exchange is a record with all that belongs to it, in order.
func exchange(records []*Record, seq uint64) []part {
	var of *Record
	for _, r := range records {
		if r.Seq == seq {
			of = r
		}
	}
	if of == nil {
		return nil
	}
	is := func(r *Record, kind gateway.ObservationKind) bool { return r.Kind == string(kind) }
	connecting := func(r *Record) bool {
		return !r.Replay && (is(r, gateway.ObservedHandshake) || is(r, gateway.ObservedInvocation) && r.Route == "$connect")
	}
	ending := func(r *Record) bool {
		return !r.Replay && (is(r, gateway.ObservedClose) || is(r, gateway.ObservedInvocation) && r.Route == "$disconnect")
	}
	call := func(r *Record) bool {
		return is(r, gateway.ObservedPost) || is(r, gateway.ObservedGet) || is(r, gateway.ObservedDelete)
	}
	belongs := func(r *Record) bool {
		switch {
		case r == of:
			return true
		case r.Connection != "" && r.Connection == of.Connection && (connecting(of) && connecting(r) || ending(of) && ending(r)):
			return true
		}
		return of.Request != "" && r.Request == of.Request
	}
	// From the beginning of an invocation to its end, or until now.
	ran := func(invocation, other *Record) bool {
		return !other.At.Before(invocation.At.Time) && (invocation.Running || !other.At.After(invocation.At.Add(time.Duration(invocation.Took))))
	}
	var own []*Record
	for _, r := range records {
		if belongs(r) {
			own = append(own, r)
		}
	}
	var parts []part
	extra := 0
	for _, r := range records {
		if belongs(r) {
			parts = append(parts, part{Record: r})
			continue
		}
		if extra >= alongside {
			continue
		}
		for _, o := range own {
			if o.isInvocation() && call(r) && ran(o, r) || call(o) && r.isInvocation() && ran(r, o) {
				parts = append(parts, part{r, true})
				extra++
				break
			}
		}
	}
	// A handshake is recorded when it ends, and begins before its invocations.
	slices.SortStableFunc(parts, func(a, b part) int { return a.At.Compare(b.At.Time) })
	return parts
}

func (i *Inspector) getFaults(*http.Request) (any, error) {
	if i.o.Faults == nil {
		return []gateway.FaultCount{}, nil
	}
	return i.o.Faults.Counts(), nil
}

func (i *Inspector) putFaults(r *http.Request) (any, error) {
	var texts []string
	if err := i.readBody(r, &texts); err != nil {
		return nil, err
	}
	if i.o.Faults == nil {
		return nil, badRequest("this gateway has no faults")
	}
	rules, err := gateway.ParseFaultRules(texts)
	if err != nil {
		return nil, badRequest("%v", err)
	}
	i.o.Faults.Set(rules)
	return i.o.Faults.Counts(), nil
}

func (i *Inspector) postClear(*http.Request) (any, error) {
	i.o.Recorder.Clear()
	return struct{}{}, nil
}

// published says what the result was of a post to an audience.
type published struct {
	Result string   `json:"result"`
	Failed bool     `json:"failed"`
	Errors []string `json:"errors"`
}

func publishedOf(verb string, result wirepost.Result, err error) (any, error) {
	if err != nil {
		return nil, badRequest("%v", err)
	}
	out := published{Result: verb + strings.TrimPrefix(result.String(), "sent"), Failed: result.Failed > 0, Errors: []string{}}
	for _, e := range result.Errors[:min(len(result.Errors), 5)] {
		out.Errors = append(out.Errors, e.Error())
	}
	return out, nil
}

func (i *Inspector) postPublish(r *http.Request) (any, error) {
	var ask struct{ To, Data string }
	if err := i.readBody(r, &ask); err != nil {
		return nil, err
	}
	to, err := wirepost.ParseAudience(ask.To)
	switch {
	case err != nil:
		return nil, badRequest("%v", err)
	case i.o.Publisher == nil:
		return nil, badRequest("this inspector cannot post")
	}
	ctx, cancel := context.WithTimeout(r.Context(), doTime)
	defer cancel()
	result, err := i.o.Publisher.Publish(ctx, to, []byte(ask.Data), nil)
	return publishedOf("sent", result, err)
}

func (i *Inspector) postKick(r *http.Request) (any, error) {
	var ask struct{ To string }
	if err := i.readBody(r, &ask); err != nil {
		return nil, err
	}
	to, err := wirepost.ParseAudience(ask.To)
	switch {
	case err != nil:
		return nil, badRequest("%v", err)
	case i.o.Publisher == nil:
		return nil, badRequest("this inspector cannot close connections")
	}
	ctx, cancel := context.WithTimeout(r.Context(), doTime)
	defer cancel()
	result, err := i.o.Publisher.CloseAll(ctx, to, nil)
	return publishedOf("closed", result, err)
}

// postReplay gives an event, as somebody has edited it, to the function of a route.
func (i *Inspector) postReplay(r *http.Request) (any, error) {
	var ask struct {
		Route      string
		Authorizer bool
		Event      json.RawMessage
	}
	if err := i.readBody(r, &ask); err != nil {
		return nil, err
	}
	f := i.function(ask.Route, ask.Authorizer)
	if f == nil {
		return nil, badRequest("there is no function for route %q", ask.Route)
	}
	var event struct {
		RequestContext struct {
			ConnectionID string `json:"connectionId"`
		} `json:"requestContext"`
	}
	if err := json.Unmarshal(ask.Event, &event); err != nil {
		return nil, badRequest("the event is not valid: %s", inJSON(err))
	}
	ctx, cancel := context.WithTimeout(r.Context(), doTime)
	defer cancel()
	said, err := i.invoke(ctx, f, gateway.Observation{Kind: gateway.ObservedInvocation, ConnectionID: event.RequestContext.ConnectionID,
		RouteKey: ask.Route, Authorizer: ask.Authorizer, Payload: ask.Event})
	out := struct {
		Answer string `json:"answer"`
		Error  string `json:"error,omitempty"`
	}{Answer: string(said)}
	if err != nil {
		out.Error = err.Error()
	}
	return out, nil
}
