package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/wirepost/wirepost/internal/app"
)

// exchange is one request and its answer.
type exchange struct {
	h  *Handler
	r  *http.Request
	at time.Time

	requestID, extendedID, traceID string
	sourceIP                       string
	query                          []pair
	location                       location
	route                          *route // nil: none
	parameters                     map[string]string
	body                           []byte
	authorized                     json.RawMessage // requestContext.authorizer, or nil
	invoked                        string          // the logical ID of the function that was invoked
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	x := &exchange{h: h, r: r, at: h.c.Now()}
	x.identify()
	p := x.answer(w)
	x.addCORS(p)
	x.write(w, p)
	if h.c.OnRequest != nil {
		h.c.OnRequest(x.record(p, time.Since(began)))
	}
}

// identify gives the request its IDs, in the forms of recorded ones: an HTTP API's request
// ID is 11 bytes in base64, that of the others a UUID, next to which a REST API has an
// extended one like an HTTP API's.
func (x *exchange) identify() {
	var b [43]byte
	if _, err := io.ReadFull(x.h.c.Random, b[:]); err != nil {
		panic("httpapi: read randomness: " + err.Error())
	}
	x.extendedID = base64.URLEncoding.EncodeToString(b[:11])
	x.requestID = x.extendedID
	if x.h.c.API.Kind != app.HTTPOfAPI {
		u := b[11:27]
		u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
		x.requestID = fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
	}
	x.traceID = fmt.Sprintf("Root=1-%08x-%s", x.at.Unix(), hex.EncodeToString(b[27:39]))
	if host, _, err := net.SplitHostPort(x.r.RemoteAddr); err == nil {
		x.sourceIP = host
	}
	x.query = pairs(x.r.URL.RawQuery, x.h.c.API.Kind == app.RESTAPI)
}

// port is that of the API's own address.
func (x *exchange) port() string {
	if _, port, err := net.SplitHostPort(x.h.c.Domain); err == nil {
		return port
	}
	return "80"
}

// answer finds the answer to the request.
func (x *exchange) answer(w http.ResponseWriter) *reply {
	h := x.h
	select {
	case h.places <- struct{}{}:
		defer func() { <-h.places }()
	default:
		return h.fail(tooMany, fmt.Sprintf("%d requests are being answered", maxAtOnce))
	}
	if p := x.findRoute(); p != nil {
		return p
	}
	if x.route.Unrunnable != nil {
		return h.cannotRun(x.route, x.route.Unrunnable.Why)
	}
	if p := x.authorize(); p != nil {
		return p
	}
	if h.c.API.CORS != nil && h.c.API.Kind == app.HTTPOfAPI && isPreflight(x.r) {
		// The API answers itself, but after the authorizer of a route that takes OPTIONS,
		// such as ANY or $default (AWS docs, "Configure CORS for HTTP APIs", the section on
		// $default and authorizers). That the function is not asked then is UNCERTAIN.
		return x.preflight()
	}
	var wrong failure
	if x.body, wrong = readBody(w, x.r); wrong != none {
		return h.fail(wrong, "the body is too large, or broke off")
	}
	if x.route.Answer != nil {
		return x.fixed()
	}
	return x.ask()
}

// findRoute finds the route of the request. It returns the answer if there is none.
func (x *exchange) findRoute() *reply {
	h, r := x.h, x.r
	if r.Context().Value(ownNameKey{}) == nil && !h.servesHost(r.Host) {
		h.notice("host", "the %s %s refused a request to the name %.80q, which is not this machine's; call http://%s", h.c.API.Kind, h.c.API.LogicalID, r.Host, h.c.Domain)
		return h.fail(foreignHost, "the Host header is not this machine's")
	}
	if size := headerSize(r); size > maxHeader {
		return h.fail(longHeader, fmt.Sprintf("the request line and the header values have %d bytes, %d are allowed", size, maxHeader))
	}
	if r.Header.Get("Upgrade") != "" {
		h.notice("upgrade", "the %s %s got a request to upgrade the connection, such as of a WebSocket client; it has no WebSockets, and treats it as any other request", h.c.API.Kind, h.c.API.LogicalID)
	}
	isURL := h.c.API.Kind == app.FunctionURL
	if isURL && h.c.API.CORS != nil && isPreflight(r) {
		return x.preflight()
	}
	var wrong failure
	if x.location, wrong = locate(h.c.API.Kind, h.c.API.Stage, r.URL.EscapedPath()); wrong == foreignStage {
		h.notice("stage", "the %s %s got %s %.80q, which is outside of its stage: call http://%s/%s/...", h.c.API.Kind, h.c.API.LogicalID, r.Method, r.URL.Path, h.c.Domain, h.c.API.Stage)
		return h.fail(wrong, "the path is outside of the stage "+h.c.API.Stage)
	} else if wrong != none {
		return h.fail(wrong, "the target is not a path, or is one that cannot be decoded as AWS does it")
	}
	if isURL {
		x.route = h.urlRoute()
		return nil
	}
	if x.route, x.parameters = h.table.find(r.Method, x.location.match); x.route != nil {
		return nil
	}
	if h.c.API.CORS != nil && h.c.API.Kind == app.HTTPOfAPI && isPreflight(r) {
		return x.preflight()
	}
	return h.fail(noRoute, fmt.Sprintf("no route fits %s %.200s", r.Method, x.location.match))
}

// urlRoute is the one route of a function's URL, whatever an app says of it.
func (h *Handler) urlRoute() *route {
	if h.table.fallback != nil {
		return h.table.fallback
	}
	return &h.table.routes[0]
}

// ask invokes the function and reads its answer.
func (x *exchange) ask() *reply {
	h := x.h
	event := x.functionEvent()
	if len(event) > maxPayload {
		return h.fail(tooLarge, fmt.Sprintf("the event has %d bytes, %d are allowed", len(event), maxPayload))
	}
	f := h.c.Function(x.route.Function)
	if f == nil {
		return h.cannotRun(x.route, fmt.Sprintf("its function %q is not run here", app.Clip(x.route.Function)))
	}
	x.invoked = x.route.Function
	result, err := h.invoke(x.r.Context(), f, event, h.timeout(x.route), &origin{x.cause(), x.requestID})
	switch {
	case errors.Is(err, errTooMany):
		return h.fail(tooMany, err.Error())
	case errors.Is(err, ErrUnavailable):
		return h.cannotRun(x.route, err.Error())
	case errors.Is(err, ErrThrottled):
		return h.fail(throttled, err.Error())
	case errors.Is(err, errTimeout):
		return h.fail(timedOut, fmt.Sprintf("the function took longer than %v", h.timeout(x.route)))
	case err != nil && errors.Is(err, context.Canceled) && x.r.Context().Err() != nil:
		return h.fail(functionFailed, "the client has gone")
	case err != nil:
		return h.fail(functionFailed, fmt.Sprintf("the function failed: %v", err))
	}
	a, err := x.parse(result)
	if err != nil {
		h.notice("answer "+x.route.key, "%s: the answer of function %s is malformed: %v", h.routeName(x.route), x.invoked, err)
		return h.fail(functionFailed, "the function's answer is malformed: "+err.Error())
	}
	return &reply{status: a.status, header: a.header, body: a.body}
}

func (x *exchange) parse(result []byte) (*functionAnswer, error) {
	api := x.h.c.API
	if api.Kind == app.FunctionURL && api.InvokeMode == "RESPONSE_STREAM" && len(result) > 0 {
		if a, ok, err := parseStream(result); ok {
			return a, err
		}
	}
	return parseAnswer(result, rulesOf(api.Kind, x.payload()), api.Kind == app.RESTAPI && x.acceptsBinary())
}

// acceptsBinary reports whether a REST API decodes an answer in base64: the first type
// of Accept is one of the binary types (AWS docs, "Content type conversions in API
// Gateway").
func (x *exchange) acceptsBinary() bool {
	return listed(x.h.c.API.BinaryTypes, firstType(x.r.Header.Get("Accept")))
}

// remapped are headers of a function that a REST API gives under another name (AWS docs,
// "Amazon API Gateway important notes", say that they may be; which are is UNCERTAIN).
var remapped = []string{"Date", "Server", "Www-Authenticate"}

// write answers. Headers of the gateway's come last.
func (x *exchange) write(w http.ResponseWriter, p *reply) {
	controller := http.NewResponseController(w)
	controller.SetWriteDeadline(time.Now().Add(answerTime))
	if p.failure != none && x.body == nil && x.r.ContentLength != 0 {
		// The body was not read. It gets a little time to come, so that the client sees
		// the answer and no reset.
		controller.SetReadDeadline(time.Now().Add(headerTime))
		w.Header().Set("Connection", "close")
	}
	header := w.Header()
	for name, values := range p.header {
		header[name] = values
	}
	switch x.h.c.API.Kind {
	case app.HTTPOfAPI:
		header["Apigw-Requestid"] = []string{x.requestID}
	case app.RESTAPI:
		for _, name := range remapped {
			if values := header[name]; values != nil && p.failure == none {
				header["X-Amzn-Remapped-"+name] = values
				delete(header, name)
			}
		}
		header["X-Amzn-Requestid"] = []string{x.requestID}
		header["X-Amz-Apigw-Id"] = []string{x.extendedID}
	default:
		header["X-Amzn-Requestid"] = []string{x.requestID}
	}
	if p.status != http.StatusNoContent && p.status != http.StatusNotModified {
		header["Content-Length"] = []string{strconv.Itoa(len(p.body))}
	}
	w.WriteHeader(p.status)
	if p.status != http.StatusNoContent && p.status != http.StatusNotModified {
		w.Write(p.body)
	}
}
