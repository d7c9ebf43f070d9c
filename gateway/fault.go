package gateway

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// CallKind tells what a Call is.
type CallKind string

// The three management calls and the three events.
const (
	CallPost       CallKind = "post"
	CallGet        CallKind = "get"
	CallDelete     CallKind = "delete"
	CallConnect    CallKind = "connect"
	CallMessage    CallKind = "message"
	CallDisconnect CallKind = "disconnect"
)

// What is asked about besides calls: the function that an event is given to, and a
// message or answer on its way to a client.
const (
	CallInvoke   CallKind = "invoke"
	CallFrameOut CallKind = "frame-out"
)

// Call is what Server.Fault is asked about.
type Call struct {
	Kind         CallKind
	ConnectionID string // as in the path, for a management call: perhaps of no connection
	RouteKey     string // of an event; empty for a management call
	Payload      []byte // of a post or a message; not to be kept or changed
}

// Fault is how a call goes wrong. The zero value is no fault. Of several
// fields Delay comes first, then ResetBefore, Hang, Status, Close, Drop, ResetAfter.
type Fault struct {
	// Status is answered instead of any effect. For a management call the
	// answer has AWS's bytes for that status unless ErrorType, Body or Header
	// say otherwise. For $connect it is the status of the handshake, and the
	// function is not invoked. For a message it chooses the error frame: 403
	// Forbidden, 400 Bad request body, 504 Endpoint request timed out, any
	// other Internal server error; a Body replaces the whole frame. It has no
	// meaning for $disconnect. An ErrorType that AWS has a body for, such as
	// AccessDeniedException or TooManyRequestsException, chooses that body.
	Status    int
	ErrorType string
	Body      string
	Header    http.Header

	// ResetBefore resets the TCP connection before anything happens: that of
	// the management call, or the WebSocket connection itself.
	ResetBefore bool

	// ResetAfter lets the effect happen (the post is delivered, the function
	// returns) and then resets the TCP connection instead of answering.
	ResetAfter bool

	// Hang does nothing and answers nothing until the client leaves or the
	// server ends.
	Hang bool

	// Drop loses the call and looks like success: an event is not delivered
	// to the function (a $connect is accepted), a post or delete is answered
	// without effect.
	Drop bool

	// Close closes the WebSocket connection with this code instead of anything
	// else: that of the message or frame, that which a management call names (which
	// is then answered as gone), or the one that a $connect has just opened.
	Close int

	// Delay waits before anything else, at most until the server ends.
	Delay time.Duration
}

func (f *Fault) isZero() bool {
	return f.Status == 0 && !f.ResetBefore && !f.ResetAfter && !f.Hang && !f.Drop && f.Delay == 0 && f.Close == 0
}

// pause waits for the fault's delay and, if it hangs, for gone. It reports
// whether the call is to go on.
func (e *engine) pause(f *Fault, gone <-chan struct{}) bool {
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-gone:
			return false
		case <-e.draining: // the end is no reason to lose what was only late
		}
	}
	if f.Hang && !f.ResetBefore {
		select {
		case <-gone:
		case <-e.draining:
		}
		return false
	}
	return true
}

// resetRequest ends the TCP connection of a request with a reset, so that its
// client sees a broken connection and no answer.
func resetRequest(w http.ResponseWriter) {
	nc, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2: resets the stream
	}
	reset(nc)
}

// reset closes with an RST where there is TCP below.
func reset(nc net.Conn) {
	nc = socketOf(nc) // TLS would close with a word of its own
	if tcp, ok := nc.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	nc.Close()
}

// faultWhy is the reason of what Server.Fault made go wrong.
const faultWhy = "a fault that was asked for"

// answerFault answers a fault's status.
func (e *engine) answerFault(w http.ResponseWriter, f *Fault, method string) outcome {
	if f.Status < 200 || f.Status > 999 {
		resetRequest(w) // nothing that HTTP could say
		return outcome{fault: true}
	}
	r := *refusalOf(f.Status)
	r.cause, r.why = causeNone, faultWhy
	if f.ErrorType != "" {
		r.errorType = f.ErrorType
		r.body = e.bodyOf(f.ErrorType, method, r.body)
	}
	if f.Body != "" {
		r.body = f.Body
	}
	for name, values := range f.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	if a, ok := w.(*watchedAnswer); ok {
		a.why = r.why
	}
	out := r.answer(w)
	out.fault = true
	return out
}

// refusalOf has AWS's type and body for a status.
func refusalOf(status int) *refusal {
	switch status {
	case http.StatusGone:
		return gone
	case http.StatusForbidden:
		return forbidden
	case http.StatusBadRequest:
		return badRequest
	case http.StatusRequestEntityTooLarge:
		return payloadTooLarge
	case http.StatusTooManyRequests:
		return limitExceeded
	case http.StatusInternalServerError, http.StatusBadGateway:
		return &refusal{status: status, errorType: "InternalServerErrorException", body: messageBody("Internal server error")}
	case http.StatusServiceUnavailable:
		return unavailable
	case http.StatusGatewayTimeout:
		return timedOut
	}
	return &refusal{status: status, body: messageBody(http.StatusText(status))}
}

// bodyOf has AWS's body for an error type that is not the usual one of its
// status, or body.
func (e *engine) bodyOf(errorType, method, body string) string {
	switch errorType {
	case "AccessDeniedException":
		// The text of three projects' logs: a capital Message, the account
		// masked to its last four digits, and {connectionId} literally.
		masked := "********" + e.accountID[max(0, len(e.accountID)-4):]
		arn := "arn:" + partitionOf(e.region)
		text := "User: " + arn + ":iam::" + e.accountID + ":user/wirepost is not authorized to perform: execute-api:ManageConnections on resource: " +
			arn + ":execute-api:" + e.region + ":" + masked + ":" + e.apiID + "/" + e.stage + "/" + method + "/@connections/{connectionId}"
		return string(append(appendString([]byte(`{"Message":`), text), '}'))
	case "TooManyRequestsException":
		return messageBody("Too Many Requests")
	case "InvalidSignatureException":
		return signatureMismatch.body
	}
	for _, r := range []*refusal{missingToken, incompleteSignature, unrecognizedClient} {
		if r.errorType == errorType {
			return r.body
		}
	}
	return body
}

// faultyFunction is a function that Server.Fault may keep from being invoked.
type faultyFunction struct {
	engine   *engine
	routeKey string
	function Function
}

// Invoke implements Function. A status of 504 is a function that takes too long,
// any other from 400 on one that fails; below that it is the function's answer.
func (f faultyFunction) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	call := Call{Kind: CallInvoke, RouteKey: f.routeKey, Payload: payload}
	if rc, found := lookup(payload, []step{{name: "requestContext", index: -1}, {name: "connectionId", index: -1}}); found {
		call.ConnectionID = string(appendText(nil, rc))
	}
	fault := f.engine.ask(call)
	if fault.isZero() {
		return f.function.Invoke(ctx, payload)
	}
	if !f.engine.pause(&fault, ctx.Done()) {
		return nil, cmp.Or(ctx.Err(), errEnded)
	}
	switch {
	case fault.Status == http.StatusGatewayTimeout:
		return nil, errTimedOut
	case fault.Status >= http.StatusBadRequest:
		return nil, fmt.Errorf("a fault: the function failed with %d", fault.Status)
	case fault.Status != 0:
		return []byte(`{"statusCode":` + strconv.Itoa(fault.Status) + `}`), nil
	case fault.Drop:
		return []byte(`{"statusCode":200}`), nil
	}
	return f.function.Invoke(ctx, payload)
}

// deliver is send, unless something is to go wrong on the way to the client.
func (c *conn) deliver(frames, payload []byte) error {
	e := c.engine
	if e.fault == nil {
		return c.send(frames)
	}
	fault := e.ask(Call{Kind: CallFrameOut, ConnectionID: c.id, Payload: payload})
	switch {
	case fault.isZero():
		return c.send(frames)
	case !e.pause(&fault, c.dead):
		return errGone
	case fault.ResetBefore:
		c.abort()
		return errGone
	case fault.Status != 0:
		return errQueueFull
	case fault.Close != 0:
		c.close(fault.Close, "", e.closeWait)
		return errGone
	case fault.Drop:
		return nil
	}
	err := c.send(frames)
	if fault.ResetAfter {
		c.abort()
	}
	return err
}
