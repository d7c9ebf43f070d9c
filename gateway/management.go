package gateway

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// manage answers /{stage}/@connections/{connectionId}: path is the decoded
// path in segments. Statuses, types and bodies are those of API Gateway where
// a recording or a report exists (bref's recorded answers; issues named
// below); x-amzn-errortype is always there, for without it AWS's SDKs know no
// typed error.
func (e *engine) manage(w http.ResponseWriter, r *http.Request, path []string) {
	began := time.Now()
	call := Call{Kind: callKind(r.Method)}
	if len(path) == 3 && path[1] == "@connections" {
		call.ConnectionID = path[2]
	}
	out := e.managed(w, r, path, &call)
	e.countCall(&call, out, began)
}

func callKind(method string) CallKind {
	switch method {
	case http.MethodPost:
		return CallPost
	case http.MethodGet:
		return CallGet
	case http.MethodDelete:
		return CallDelete
	}
	return ""
}

// outcome is how a management call was answered.
type outcome struct {
	status    int // 0: a reset instead
	errorType string
	fault     bool
	why       string
}

// managed answers a management call and says how.
func (e *engine) managed(w http.ResponseWriter, r *http.Request, path []string, call *Call) outcome {
	header := w.Header()
	now := e.now()
	e.markCall(header, now)
	if e.clock != nil {
		header["Date"] = []string{now.UTC().Format(http.TimeFormat)}
	}
	if len(r.RequestURI) > e.urlBytes {
		e.ignoreBody(w, r)
		return e.refuse(w, uriTooLong.because(causeCallURL, "%s", e.whyURL(r)))
	}
	if !e.servesHost(r.Host) && !e.isOwnName(r) {
		e.discardBody(w, r)
		return e.refuse(w, forbidden.because(causeHost, "it was sent to the name %s, which is not this gateway's; call %s, or see %s", quoted(r.Host), e.urlOf(r, "http"), e.setting("Hosts")))
	}
	if !e.requests.take() {
		// The account's bucket, which every call counts against (AWS docs,
		// "Amazon API Gateway quotas"). That its type differs from that of a full
		// client buffer is UNCERTAIN.
		e.discardBody(w, r)
		return e.refuse(w, tooManyRequests.because(causeCallRate, "%s", e.whyRequestRate()))
	}
	// A wrong stage is known before any signature (aws-sdk-php#1955).
	if path[0] != e.stage {
		e.discardBody(w, r)
		return e.refuse(w, forbidden.because(causeCallStage, "%s", e.whyStage(r, path)))
	}
	sent, refused := e.readSigned(w, r, now)
	if refused != nil {
		if refused.cause != causeBrokenBody {
			e.discardBody(w, r)
		}
		return e.refuse(w, refused)
	}
	if call.Kind == "" || call.ConnectionID == "" {
		// UNCERTAIN: the message is known from custom domains, the status is not.
		return e.refuse(w, noRoute(strings.Join(path[1:], "/"), r.Method))
	}
	call.Payload = sent.payload
	return e.perform(w, r, *call, sent)
}

// servesHost holds the Host header of a management call against Server.Hosts.
func (e *engine) servesHost(host string) bool {
	if e.hosts == nil {
		return true
	}
	name := hostOf(host)
	return slices.ContainsFunc(e.hosts, func(own string) bool {
		return strings.EqualFold(own, host) || strings.EqualFold(own, name)
	})
}

// perform does a call whose signature is right.
func (e *engine) perform(w http.ResponseWriter, r *http.Request, call Call, sent body) outcome {
	fault := e.ask(call)
	if !fault.isZero() {
		if !e.pause(&fault, r.Context().Done()) || fault.ResetBefore {
			resetRequest(w)
			return outcome{fault: true}
		}
		if fault.Status != 0 {
			return e.answerFault(w, &fault, r.Method)
		}
	}
	var refused *refusal
	var c *conn
	if !validConnectionID(call.ConnectionID) {
		refused = invalidConnectionID(call.ConnectionID)
	} else if c = e.table.get(call.ConnectionID); c == nil || c.closing.Load() {
		refused = gone
		if _, early := e.connecting.Load(call.ConnectionID); early {
			refused = tooEarly
		}
	}
	switch {
	case refused != nil || fault.Drop:
	case fault.Close != 0:
		c.close(fault.Close, "", e.closeWait)
		refused = gone
	default:
		refused = e.effect(c, call, sent)
	}
	out := outcome{status: http.StatusOK}
	switch {
	case fault.ResetAfter:
		resetRequest(w)
		out.status = 0
	case refused != nil:
		out = e.refuse(w, refused)
	case call.Kind == CallDelete:
		// 204 since some time between 2019 and 2020 (bref's recording).
		w.WriteHeader(http.StatusNoContent)
		out.status = http.StatusNoContent
	case call.Kind == CallGet:
		answer(w, http.StatusOK, c.describe())
	default:
		answer(w, http.StatusOK, nil)
	}
	out.fault = !fault.isZero()
	return out
}

func (e *engine) effect(c *conn, call Call, sent body) *refusal {
	switch call.Kind {
	case CallPost:
		switch err := c.deliver(sent.frames(e.frameBytes), sent.payload); {
		case errors.Is(err, errGone):
			return gone
		case err != nil:
			// The SDK's model: "the client side buffer is full".
			return limitExceeded.because(causeQueueFull, "the client does not read: %d bytes wait for it, and %s bounds that", e.queueBytes, e.setting("QueueBytes"))
		}
		c.touch()
	case CallDelete:
		if !c.close(closeNormal, deletedReason, e.closeWait) {
			return gone
		}
	}
	return nil
}

// describe is the body of a GET, in the layout of bref's recording: two
// spaces of indentation and a space on both sides of a colon.
func (c *conn) describe() []byte {
	const layout = "2006-01-02T15:04:05.000Z"
	dst := make([]byte, 0, 256+len(c.userAgent))
	dst = append(dst, "{\n  \"identity\" : {\n    \"sourceIp\" : "...)
	dst = appendString(dst, c.sourceIP)
	if c.userAgent != "" {
		dst = append(dst, ",\n    \"userAgent\" : "...)
		dst = appendString(dst, c.userAgent)
	}
	dst = append(dst, "\n  },\n  \"connectedAt\" : \""...)
	dst = time.UnixMilli(c.connectedAt).UTC().AppendFormat(dst, layout)
	dst = append(dst, "\",\n  \"lastActiveAt\" : \""...)
	dst = time.UnixMilli(c.activeAt.Load()).UTC().AppendFormat(dst, layout)
	return append(dst, "\"\n}"...)
}

// readSigned reads the body, at most MessageBytes of it, and checks the
// signature. What can be refused without the body is refused before it is read.
func (e *engine) readSigned(w http.ResponseWriter, r *http.Request, now time.Time) (body, *refusal) {
	credentials := e.keys.of(e, r)
	claim, refused := e.keys.check(r, credentials, now)
	if refused != nil {
		return body{}, refused
	}
	sent, refused := e.readBody(w, r)
	if refused != nil {
		return body{}, refused
	}
	return sent, e.verify(r, claim, sent.payload)
}

// body is a request's body with room for a frame header before it.
type body struct {
	room    []byte // the header's room and the payload
	payload []byte // the end of room
}

const headerRoom = 10

// readBody reads at most messageBytes.
func (e *engine) readBody(w http.ResponseWriter, r *http.Request) (body, *refusal) {
	if r.ContentLength > int64(e.messageBytes) {
		return body{}, e.tooLarge(r)
	}
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		room := make([]byte, headerRoom)
		return body{room, room[headerRoom:]}, nil
	}
	if r.ContentLength > 0 {
		room := make([]byte, headerRoom+int(r.ContentLength))
		if _, err := io.ReadFull(r.Body, room[headerRoom:]); err != nil {
			return body{}, e.brokenBody(r, err)
		}
		received(r)
		return body{room, room[headerRoom:]}, nil
	}
	room := make([]byte, headerRoom, 4<<10)
	limited := io.LimitReader(r.Body, int64(e.messageBytes)+1)
	for {
		if len(room) == cap(room) {
			room = append(room, 0)[:len(room)]
		}
		n, err := limited.Read(room[len(room):cap(room)])
		room = room[:len(room)+n]
		switch {
		case len(room)-headerRoom > e.messageBytes:
			return body{}, e.tooLarge(r)
		case err == io.EOF:
			received(r)
			return body{room, room[headerRoom:]}, nil
		case err != nil:
			return body{}, e.brokenBody(r, err)
		}
	}
}

func (e *engine) tooLarge(r *http.Request) *refusal {
	size := "more"
	if r.ContentLength > 0 {
		size = fmt.Sprintf("%d bytes", r.ContentLength)
	}
	return payloadTooLarge.because(causeCallBody, "the message has %s; %d are allowed, see %s", size, e.messageBytes, e.setting("MessageBytes"))
}

func (e *engine) brokenBody(r *http.Request, err error) *refusal {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return badRequest.because(causeBrokenBody, "the rest of its body did not come for %v", bodyTimeout)
	}
	return badRequest.because(causeBrokenBody, "its body ended before all of it had come")
}

// whyURL says how long a URL is, and may be.
func (e *engine) whyURL(r *http.Request) string {
	return fmt.Sprintf("the URL has %d bytes; %d are allowed, see %s", len(r.RequestURI), e.urlBytes, e.setting("URLBytes"))
}

// maxDiscard bounds what is read of a body that nobody wants.
const maxDiscard = 10 << 20

// discardBody reads what is left of a body before it is refused: a connection
// closed over unread bytes is reset, and the client would lose the answer.
func (e *engine) discardBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 || r.Body == nil {
		return
	}
	e.receive(w, r, discardTimeout)
	if len(r.Header["Expect"]) > 0 {
		return // it comes only if it is asked for
	}
	if _, err := io.CopyN(io.Discard, r.Body, maxDiscard); err == io.EOF {
		received(r)
	}
}

// frames compiles the body to the bytes of one message, in place if it fits
// one frame.
func (b body) frames(frameBytes int) []byte {
	if len(b.payload) > frameBytes {
		return compileText(b.payload, frameBytes)
	}
	var head [headerRoom]byte
	h := appendHeader(head[:0], 1, true, len(b.payload))
	start := headerRoom - len(h)
	copy(b.room[start:], h)
	return b.room[start:]
}

func messageBody(message string) string {
	return string(append(appendString([]byte(`{"message":`), message), '}'))
}

// The answers of management calls and, but for those of a signature, of handshakes.
var (
	gone            = refusal{status: http.StatusGone, errorType: "GoneException"}.because(causeGone, "no open connection has this ID") // bref's recording: no body
	tooEarly        = gone.because(causeTooEarly, "the $connect of this connection is not answered yet, and a call before that is 410, as on AWS; post from another route, or from another function")
	forbidden       = &refusal{status: http.StatusForbidden, errorType: "ForbiddenException", body: messageBody("Forbidden")}
	badRequest      = &refusal{status: http.StatusBadRequest, errorType: "BadRequestException", body: messageBody("Bad Request")}
	uriTooLong      = &refusal{status: http.StatusRequestURITooLong, errorType: "RequestTooLongException", body: messageBody("Request URI Too Long")}
	payloadTooLarge = &refusal{status: http.StatusRequestEntityTooLarge, errorType: "PayloadTooLargeException", body: messageBody("Request Too Long")} // text UNCERTAIN
	tooManyRequests = &refusal{status: http.StatusTooManyRequests, errorType: "TooManyRequestsException", body: messageBody("Too Many Requests")}
	limitExceeded   = &refusal{status: http.StatusTooManyRequests, errorType: "LimitExceededException", body: messageBody("Limit Exceeded")} // text UNCERTAIN
	unavailable     = &refusal{status: http.StatusServiceUnavailable, errorType: "ServiceUnavailableException", body: messageBody("Service Unavailable")}
	timedOut        = &refusal{status: http.StatusGatewayTimeout, body: messageBody("Endpoint request timed out")}
	internalError   = &refusal{status: http.StatusInternalServerError, errorType: "InternalServerErrorException", body: messageBody("Internal server error")}
	badGateway      = &refusal{status: http.StatusBadGateway, errorType: "InternalServerErrorException", body: messageBody("Internal server error")}
)

func invalidConnectionID(id string) *refusal {
	f := refusal{status: http.StatusBadRequest, errorType: "BadRequestException", body: messageBody("Invalid connectionId: " + id)}
	return f.because(causeConnectionID, "%s is not the form of a connection ID", quoted(id))
}

func noRoute(route, method string) *refusal {
	f := refusal{status: http.StatusNotFound, errorType: "NotFoundException",
		body: messageBody("No method found matching route " + route + " for http method " + method + ".")}
	return f.because(causeCallRoute, "%s of %s; there are POST, GET and DELETE of @connections/ID", clipped(method, 20), quoted(route))
}

var (
	contentTypeJSON = []string{"application/json"}
	emptyLength     = []string{"0"}
)

func answer(w http.ResponseWriter, status int, body []byte) {
	if len(body) > 1<<10 { // net/http does not keep it until the handler has returned
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout))
	}
	header := w.Header()
	if header["Content-Type"] == nil {
		header["Content-Type"] = contentTypeJSON
	}
	if header["Content-Length"] = emptyLength; len(body) > 0 {
		header["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(status)
	w.Write(body)
}
