package gateway

import (
	"errors"
	"io"
	"net/http"
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
	call := Call{Kind: map[string]CallKind{http.MethodPost: CallPost, http.MethodGet: CallGet, http.MethodDelete: CallDelete}[r.Method]}
	if len(path) == 3 && path[1] == "@connections" {
		call.ConnectionID = path[2]
	}
	out := e.managed(w, r, path, &call)
	e.countCall(&call, out, began)
}

// outcome is how a management call was answered.
type outcome struct {
	status    int // 0: a reset instead
	errorType string
	fault     bool
}

// managed answers a management call and says how.
func (e *engine) managed(w http.ResponseWriter, r *http.Request, path []string, call *Call) outcome {
	header := w.Header()
	header["X-Amzn-Requestid"] = []string{e.newUUID()}
	header["X-Amz-Apigw-Id"] = []string{e.newRequestID()}
	now := e.now()
	header["X-Amzn-Trace-Id"] = []string{e.newTraceID(now)}
	if e.clock != nil {
		header["Date"] = []string{now.UTC().Format(http.TimeFormat)}
	}
	header["X-Wirepost-Api"] = []string{e.apiID + "/" + e.stage}
	if !e.servesHost(r.Host) {
		e.discardBody(w, r)
		e.strangeNames.note("host", r.Host)
		return forbidden.answer(w)
	}
	if !e.requests.take() {
		// The account's bucket, which every call counts against (AWS docs,
		// "Amazon API Gateway quotas"). That its type differs from that of a full
		// client buffer is UNCERTAIN.
		e.discardBody(w, r)
		return tooManyRequests.answer(w)
	}
	// A wrong stage is known before any signature (aws-sdk-php#1955).
	if path[0] != e.stage {
		e.discardBody(w, r)
		return forbidden.answer(w)
	}
	sent, refused := e.readSigned(w, r, now)
	if refused != nil {
		if refused != brokenBody {
			e.discardBody(w, r)
		}
		return refused.answer(w)
	}
	if call.Kind == "" || call.ConnectionID == "" {
		// UNCERTAIN: the message is known from custom domains, the status is not.
		return noRoute(strings.Join(path[1:], "/"), r.Method).answer(w)
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
		out = refused.answer(w)
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
			return limitExceeded
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
	return sent, e.keys.verify(r, claim, sent.payload)
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
		return body{}, payloadTooLarge
	}
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		room := make([]byte, headerRoom)
		return body{room, room[headerRoom:]}, nil
	}
	if r.ContentLength > 0 {
		room := make([]byte, headerRoom+int(r.ContentLength))
		if _, err := io.ReadFull(r.Body, room[headerRoom:]); err != nil {
			return body{}, brokenBody
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
			return body{}, payloadTooLarge
		case err == io.EOF:
			received(r)
			return body{room, room[headerRoom:]}, nil
		case err != nil:
			return body{}, brokenBody
		}
	}
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

// refusal is an error answer.
type refusal struct {
	status    int
	errorType string
	body      string
}

// answer answers with it.
func (f *refusal) answer(w http.ResponseWriter) outcome {
	if f.errorType != "" {
		w.Header()["X-Amzn-Errortype"] = []string{f.errorType}
	}
	answer(w, f.status, []byte(f.body))
	return outcome{status: f.status, errorType: f.errorType}
}

func messageBody(message string) string {
	return string(append(appendString([]byte(`{"message":`), message), '}'))
}

var (
	gone            = &refusal{http.StatusGone, "GoneException", ""} // bref's recording: no body
	forbidden       = &refusal{http.StatusForbidden, "ForbiddenException", messageBody("Forbidden")}
	badRequest      = &refusal{http.StatusBadRequest, "BadRequestException", messageBody("Bad Request")}
	brokenBody      = &refusal{http.StatusBadRequest, "BadRequestException", messageBody("Bad Request")}                      // the body is cut, or never complete
	payloadTooLarge = &refusal{http.StatusRequestEntityTooLarge, "PayloadTooLargeException", messageBody("Request Too Long")} // text UNCERTAIN
	tooManyRequests = &refusal{http.StatusTooManyRequests, "TooManyRequestsException", messageBody("Too Many Requests")}
	limitExceeded   = &refusal{http.StatusTooManyRequests, "LimitExceededException", messageBody("Limit Exceeded")} // text UNCERTAIN
)

func invalidConnectionID(id string) *refusal {
	return &refusal{http.StatusBadRequest, "BadRequestException", messageBody("Invalid connectionId: " + id)}
}

func noRoute(route, method string) *refusal {
	return &refusal{http.StatusNotFound, "NotFoundException",
		messageBody("No method found matching route " + route + " for http method " + method + ".")}
}

func answerMessage(w http.ResponseWriter, status int, errorType, message string) {
	(&refusal{status, errorType, messageBody(message)}).answer(w)
}

var contentTypeJSON = []string{"application/json"}

func answer(w http.ResponseWriter, status int, body []byte) {
	if len(body) > 1<<10 { // net/http does not keep it until the handler has returned
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout))
	}
	header := w.Header()
	if header["Content-Type"] == nil {
		header["Content-Type"] = contentTypeJSON
	}
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	w.Write(body)
}
