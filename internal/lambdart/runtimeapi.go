package lambdart

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/accept"
)

// The Runtime API (AWS docs, and the OpenAPI document they link).
const (
	apiRoot     = "/2018-06-01/runtime/"
	apiNext     = apiRoot + "invocation/next"
	apiInit     = apiRoot + "init/error"
	apiCall     = apiRoot + "invocation/"
	typeHeader  = "Lambda-Runtime-Function-Error-Type"
	bodyTrailer = "Lambda-Runtime-Function-Error-Body"

	// apiVariable tells a process where its Runtime API is.
	apiVariable = "AWS_LAMBDA_RUNTIME_API"

	// refusedTime is what a request that is refused has for its body and its answer.
	refusedTime = 5 * time.Second

	// farDeadline is what a function is told that has no timeout: every runtime wants
	// a time.
	farDeadline = 24 * time.Hour
)

// server serves the Runtime API of one process. Requests that are welcome lift its
// limits: those for /next wait for as long as there is nothing to do.
func (p *process) server() *http.Server {
	return &http.Server{
		Handler:           p,
		ReadHeaderTimeout: refusedTime,
		ReadTimeout:       refusedTime,
		WriteTimeout:      refusedTime, // for what net/http answers itself
		// Without it the one for reading would hold, and a runtime that works for longer
		// than that finds its connection closed when it answers.
		IdleTimeout:    farDeadline,
		MaxHeaderBytes: 2 << 20, // aws-lambda-go sends causes for X-Ray of up to 1 MiB
		ErrorLog:       log.New(io.Discard, "", 0),
		ConnContext:    p.meet,
		// Its handler for "OPTIONS *" waits for the body, without a limit.
		DisableGeneralOptionsHandler: true,
	}
}

// ServeHTTP is the Runtime API of one process.
func (p *process) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if from := peerIn(r.Context()); from.stranger {
		p.strangers.Do(func() {
			p.f.c.Logger.Warn("refused a request to the Runtime API of another program than the function's process", "from", from.who)
		})
		refuse(w, http.StatusForbidden, "Forbidden", "this Runtime API is another process's")
		return
	}
	if reason := fromElsewhere(r, p.where()); reason != "" {
		refuse(w, http.StatusForbidden, "Forbidden", reason)
		return
	}
	want, serve := http.MethodPost, func() {}
	switch {
	case r.URL.Path == apiNext:
		want, serve = http.MethodGet, func() { p.next(w, r) }
	case r.URL.Path == apiInit:
		serve = func() { p.initFailed(w, r) }
	case strings.HasPrefix(r.URL.Path, apiCall):
		id, what, _ := strings.Cut(r.URL.Path[len(apiCall):], "/")
		switch what {
		case "response":
			serve = func() { p.answered(w, r, id, false) }
		case "error":
			serve = func() { p.answered(w, r, id, true) }
		default:
			want = ""
		}
	default:
		want = ""
	}
	switch {
	case want == "":
		refuse(w, http.StatusNotFound, "NotFound", "the Runtime API has no such path; extensions and the like are not emulated")
	case r.Method != want:
		w.Header().Set("Allow", want)
		refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "this path takes "+want)
	default:
		serve()
	}
}

// fromElsewhere says why a request is not the function's, or nothing. Browsers send
// an Origin or a Sec-Fetch header with whatever a page asks for, and the name of the
// page's own host with a rebound address.
func fromElsewhere(r *http.Request, address string) string {
	if r.Host != address {
		return "the Host is not this Runtime API's address"
	}
	if accept.FromPage(r.Header) {
		return "requests of web pages are refused"
	}
	return ""
}

func (p *process) where() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.address
}

// poll is a request for /next that waits.
type poll struct {
	conn     *apiConn      // nil: it is net/http's
	replaced chan struct{} // closed when the same process asks again
	over     chan struct{} // closed when it waits no longer
	given    bool          // it got an invocation; set before over is closed
}

// replace tells a poll that the same process asks again. The caller holds the process's
// lock, and another one takes its place.
func (q *poll) replace() {
	close(q.replaced)
	if q.conn != nil {
		close(q.over)
		q.conn.nc.SetReadDeadline(time.Unix(1, 0)) // it waits in a read
	}
}

func (q *poll) isReplaced() bool {
	select {
	case <-q.replaced:
		return true
	default:
		return false
	}
}

// next waits for an invocation and answers with it. The one before ends here.
func (p *process) next(w http.ResponseWriter, r *http.Request) {
	// Without its end net/http does not look whether the client is still there.
	if _, err := io.CopyN(io.Discard, r.Body, 1); err != io.EOF {
		refuse(w, http.StatusBadRequest, "BadRequest", "a request for the next invocation has no body")
		return
	}
	if !p.firstInLine(w, r) {
		return
	}
	if i := p.current; i != nil && i.isGiven && !i.isDone {
		p.mu.Unlock()
		// UNCERTAIN: the status for a call in the wrong state.
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "the invocation "+i.id+" has not been answered")
		return
	}
	fresh := p.back()
	mine := &poll{replaced: make(chan struct{}), over: make(chan struct{})}
	p.poll = mine
	p.mu.Unlock()
	if fresh {
		p.f.offer(p)
	}
	var i *invocation
	select {
	case i = <-p.given:
	case <-mine.replaced:
	case <-r.Context().Done():
	}
	p.mu.Lock()
	last := p.poll == mine
	if last {
		p.poll = nil
	}
	var other *invocation
	var to *apiConn
	if i != nil && (!last || r.Context().Err() != nil) {
		to = p.hand(i) // there is room, as i came from there
		other, i = i, nil
	}
	mine.given = i != nil
	close(mine.over)
	p.mu.Unlock()
	if to != nil {
		to.event(other)
	}
	if i == nil { // its place is kept
		if !last {
			refuse(w, http.StatusForbidden, "InvalidStateTransition", secondNext)
		}
		return
	}
	if !p.begin(i) {
		<-r.Context().Done() // the process is ending: an empty 200 would be an event to it
		return
	}
	h := w.Header()
	h.Set("Content-Length", strconv.Itoa(len(i.payload)))
	p.eventFields(i, h.Set)
	http.NewResponseController(w).SetWriteDeadline(time.Time{}) // the invocation has a limit
	_, _ = w.Write(i.payload)                                   // a process that has gone fails its invocation itself
}

// eventFields sets the header fields of an event.
func (p *process) eventFields(i *invocation, set func(name, value string)) {
	now := p.f.c.Now()
	deadline := now.Add(p.f.timeout(i.options))
	if p.f.c.NoTimeout {
		deadline = now.Add(farDeadline)
	}
	set("Content-Type", "application/json")
	set("Lambda-Runtime-Aws-Request-Id", i.id)
	set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(deadline.UnixMilli(), 10))
	set("Lambda-Runtime-Invoked-Function-Arn", p.f.arn()+i.options.qualifier())
	if i.options.ClientContext != "" {
		set("Lambda-Runtime-Client-Context", i.options.ClientContext)
	}
	set("Lambda-Runtime-Trace-Id", traceID(i.payload, now.Unix()))
}

// back takes a process that has come to /next back from its invocation, and reports
// whether the pool does not have it yet. The caller holds mu.
func (p *process) back() (fresh bool) {
	if i := p.current; i != nil && i.isGiven {
		if i.stopTime != nil {
			i.stopTime()
		}
		p.current = nil
	}
	fresh = !p.offered
	p.offered = true
	return fresh
}

// secondNext is why a request for the next invocation is refused. (UNCERTAIN: what
// Lambda answers.)
const secondNext = "another request for the next invocation waits, or was given it"

// firstInLine returns with the lock held when no request for the next invocation waits.
// A process has one at a time. If it is known to be the same process that asks again, it
// has given its first one up. Else the second one may be anybody's: it waits for the
// end of the first, is refused if that gets the invocation, and a third one is at once.
func (p *process) firstInLine(w http.ResponseWriter, r *http.Request) bool {
	p.mu.Lock()
	for p.poll != nil {
		first := p.poll
		if peerIn(r.Context()).own {
			first.replace()
			p.poll = nil
			return true
		}
		if p.inLine {
			p.mu.Unlock()
			refuse(w, http.StatusForbidden, "InvalidStateTransition", secondNext)
			return false
		}
		p.inLine = true
		p.mu.Unlock()
		select {
		case <-first.over:
		case <-r.Context().Done():
		}
		p.mu.Lock()
		p.inLine = false
		switch {
		case r.Context().Err() != nil:
			p.mu.Unlock()
			return false
		case first.given:
			p.mu.Unlock()
			refuse(w, http.StatusForbidden, "InvalidStateTransition", secondNext)
			return false
		}
	}
	return true
}

// answered takes the answer of an invocation, or its error.
func (p *process) answered(w http.ResponseWriter, r *http.Request, id string, failed bool) {
	if status, kind, reason := p.mayAnswer(id); status != 0 {
		refuse(w, status, kind, reason)
		return
	}
	// A stream may take as long as its invocation, which ends with its process at the latest.
	http.NewResponseController(w).SetReadDeadline(time.Time{})
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, payloadLimit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		reason := fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", payloadLimit)
		p.conclude(id, nil, &FunctionError{RequestID: id, Type: "Function.ResponseSizeTooLarge", Message: reason})
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", reason)
		return
	case err != nil:
		return // the process has gone, or tries again
	}
	var functionError *FunctionError
	if failed {
		functionError = parseFunctionError(r.Header.Get(typeHeader), body)
	} else if kind := r.Trailer.Get(typeHeader); kind != "" {
		// An answer that broke off half way says so in a trailer.
		said, _ := base64.StdEncoding.DecodeString(r.Trailer.Get(bodyTrailer))
		functionError = parseFunctionError(kind, said)
	}
	if functionError != nil {
		functionError.RequestID = id
		p.conclude(id, nil, functionError)
	} else {
		p.conclude(id, body, nil)
	}
	acknowledge(w)
}

// mayAnswer says why an answer for that ID is not welcome.
func (p *process) mayAnswer(id string) (status int, kind, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch i := p.current; {
	case i == nil || !i.isGiven || i.id != id:
		return http.StatusBadRequest, "InvalidRequestID", "no invocation of this process has the request ID"
	case i.isDone:
		return http.StatusForbidden, "InvalidStateTransition", "the invocation was answered before"
	}
	return 0, "", ""
}

func (p *process) conclude(id string, answer []byte, functionError *FunctionError) {
	var err error
	if functionError != nil {
		err = functionError
	}
	p.f.answered(p, err != nil) // before anybody can act on the answer
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := p.current; i != nil && i.id == id {
		p.finish(i, answer, err)
	}
}

// initFailed keeps why the process cannot start. It is to end itself then.
func (p *process) initFailed(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, payloadLimit))
	if err != nil {
		refuse(w, http.StatusBadRequest, "BadRequest", "the error could not be read")
		return
	}
	p.mu.Lock()
	allowed := !p.offered && p.served == 0 && p.initError == nil
	if allowed {
		p.initError = parseFunctionError(r.Header.Get(typeHeader), body)
	}
	p.mu.Unlock()
	if !allowed {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "the process has started before, or has said that it cannot")
		return
	}
	acknowledge(w)
}

func acknowledge(w http.ResponseWriter) {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(refusedTime))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, accepted)
}

// accepted is the answer to an answer.
const accepted = `{"status":"OK"}` + "\n"

// refuse answers at once and closes: net/http would first wait for the body, and then
// for as long as the client does not take the answer.
func refuse(w http.ResponseWriter, status int, kind, reason string) {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(refusedTime))
	w.Header().Set("Connection", "close")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(refusal(kind, reason))
}

// refusal is the body of an answer that refuses.
func refusal(kind, reason string) []byte {
	text, _ := json.Marshal(map[string]string{"errorType": kind, "errorMessage": reason}) // never fails
	return text
}

// parseFunctionError reads what a runtime says of an error. What is not the object
// of the docs is the message as it stands.
func parseFunctionError(header string, body []byte) *FunctionError {
	var said struct {
		Type       string            `json:"errorType"`
		Message    json.RawMessage   `json:"errorMessage"`
		StackTrace []json.RawMessage `json:"stackTrace"`
		Trace      []json.RawMessage `json:"trace"` // of Node.js
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return &FunctionError{Type: header, Message: string(bytes.TrimSpace(body[:min(len(body), maxLine)]))}
	}
	e := &FunctionError{Type: said.Type, Message: plain(said.Message), Body: body}
	if e.Type == "" {
		e.Type = header
	}
	frames := said.StackTrace
	if len(frames) == 0 {
		frames = said.Trace
	}
	for _, f := range frames {
		// Go's frames are objects.
		var frame struct {
			Path, Label string
			Line        int
		}
		if json.Unmarshal(f, &frame) == nil && frame.Path != "" {
			e.StackTrace = append(e.StackTrace, fmt.Sprintf("%s (%s:%d)", frame.Label, frame.Path, frame.Line))
			continue
		}
		e.StackTrace = append(e.StackTrace, strings.TrimRight(plain(f), "\n"))
	}
	return e
}

// plain is a JSON string's text, or other JSON as it stands.
func plain(raw json.RawMessage) string {
	var text string
	if len(raw) == 0 || json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// traceID is the event's own X-Ray header, or a new one that is not sampled. It has all
// three parts: clients of X-Ray complain of one that does not (AWS docs, Lambda developer
// guide, "Defined runtime environment variables").
func traceID(event []byte, seconds int64) string {
	if bytes.Contains(event, []byte("mzn-")) { // nearly every event has none
		var said struct {
			Headers map[string]json.RawMessage `json:"headers"`
		}
		if json.Unmarshal(event, &said) == nil {
			for name, value := range said.Headers {
				if text := plain(value); strings.EqualFold(name, "X-Amzn-Trace-Id") && isTraceID(text) {
					if strings.HasPrefix(text, "Root=") && !strings.Contains(text, "Parent=") {
						text += ";Parent=" + randomHex(8)
					}
					if !strings.Contains(text, "Sampled=") {
						text += ";Sampled=0"
					}
					return text
				}
			}
		}
	}
	return fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=0", uint32(seconds), randomHex(12), randomHex(8))
}

// isTraceID keeps what a client made up out of a header.
func isTraceID(text string) bool {
	if !strings.HasPrefix(text, "Root=") && !strings.HasPrefix(text, "Self=") || len(text) > 512 {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}
