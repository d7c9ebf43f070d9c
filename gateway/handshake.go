package gateway

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// handshake answers what is not a management call: it upgrades, once $connect
// has said yes.
//
// The statuses are those of the sources that the developer guide, validated
// tests and issues give; bodies and headers of refused handshakes are recorded
// nowhere and follow other execute-api errors (UNCERTAIN).
func (e *engine) handshake(w http.ResponseWriter, r *http.Request, path []string) (upgraded bool) {
	if refused := e.checkHandshake(w, r, path); refused != nil {
		e.refuse(w, refused)
		return false
	}
	key := r.Header.Get("Sec-Websocket-Key")
	if !e.connects.take() {
		e.counters.connectsThrottled.Add(1)
		e.refuse(w, tooManyRequests.because(causeConnectRate, "%s", e.whyConnectRate())) // body UNCERTAIN
		return false
	}
	if !e.enter() {
		e.refuse(w, unavailable.because(causeHandshakeAtEnd, "the server is ending"))
		return false
	}
	if !e.open(w, r, acceptKey(key)) {
		e.leave()
		return false
	}
	return true
}

// checkHandshake looks at the request alone. It may set headers of the answer.
func (e *engine) checkHandshake(w http.ResponseWriter, r *http.Request, path []string) *refusal {
	if len(r.RequestURI) > e.urlBytes {
		return uriTooLong.because(causeHandshakeURL, "%s", e.whyURL(r))
	}
	// /{stage}, with or without a slash at its end.
	if path[0] != e.stage || len(path) > 2 || len(path) == 2 && path[1] != "" {
		return forbidden.because(causeHandshakePath, "%s", e.whyPath(r, path))
	}
	if !hasToken(r.Header["Upgrade"], "websocket") || !hasToken(r.Header["Connection"], "upgrade") {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		f := refusal{status: http.StatusUpgradeRequired, errorType: "BadRequestException", body: messageBody("Upgrade Required")} // UNCERTAIN
		return f.because(causeNoUpgrade, "the request asks for no upgrade: a WebSocket client sends Connection: Upgrade and Upgrade: websocket, and a proxy on the way may have lost them")
	}
	malformed := func(why string) *refusal { return badRequest.because(causeHandshakeForm, "%s", why) }
	nonce, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-Websocket-Key"))
	switch {
	case r.Header.Get("Sec-Websocket-Version") != "13":
		w.Header().Set("Sec-WebSocket-Version", "13") // RFC 6455 §4.4
		return badRequest.because(causeVersion, "Sec-WebSocket-Version is %s; only 13 is supported (RFC 6455)", quoted(r.Header.Get("Sec-Websocket-Version")))
	case r.Method != http.MethodGet:
		return malformed("its method is " + clipped(r.Method, 20) + ", and not GET")
	case !r.ProtoAtLeast(1, 1):
		return malformed("it is of " + clipped(r.Proto, 20) + ", and not of HTTP/1.1")
	case err != nil || len(nonce) != 16:
		return malformed("Sec-WebSocket-Key is not 16 bytes in base64")
	case r.ContentLength != 0:
		// It would be read as frames (that AWS refuses one is UNCERTAIN).
		return badRequest.because(causeHandshakeBody, "it has a body")
	}
	if origin := r.Header["Origin"]; len(origin) > 0 && e.origin != nil && !e.isOwnPage(origin[0], r.Host) && !e.origin(origin[0]) {
		return forbidden.because(causeOrigin, "it is from a page of another origin, %s; %s lets others in", quoted(origin[0]), e.setting("Origin"))
	}
	return nil
}

// isOwnPage reports whether an origin is that of Server.Page: the page came from the
// host that the handshake goes to. A name alone proves nothing, because whose it is may
// point it here; an address does, and a name of Server.Hosts.
func (e *engine) isOwnPage(origin, host string) bool {
	_, from, ok := strings.Cut(origin, "://")
	if !ok || e.page == nil || !strings.EqualFold(from, host) {
		return false
	}
	_, err := netip.ParseAddr(strings.Trim(hostOf(host), "[]"))
	return err == nil || e.hosts != nil && e.servesHost(host)
}

// open asks $connect and upgrades. It reports whether the connection began,
// and with it has taken over the work that was registered.
func (e *engine) open(w http.ResponseWriter, r *http.Request, accept string) bool {
	now, began := e.now(), time.Now()
	p := peer{
		id:          e.newConnectionID(),
		sourceIP:    hostOf(r.RemoteAddr),
		userAgent:   strings.Clone(lastOf(r.Header["User-Agent"])),
		domain:      e.domain,
		connectedAt: now.UnixMilli(),
	}
	if p.domain == "" {
		if addr := localAddress(r); addr != nil {
			p.domain = addr.String()
		}
	}
	e.connecting.Store(p.id, nil)
	defer e.connecting.Delete(p.id)
	fault := e.ask(Call{Kind: CallConnect, ConnectionID: p.id, RouteKey: "$connect"})
	watched, _ := w.(*watchedAnswer) // nil: there is no observer
	if watched != nil {
		watched.connectionID, watched.fault = p.id, !fault.isZero()
	}
	if !e.pause(&fault, r.Context().Done()) || fault.ResetBefore {
		resetRequest(w)
		return false
	}
	if fault.Status != 0 {
		e.answerFault(w, &fault, r.Method)
		return false
	}
	if !e.authorize(w, r, &p, now) {
		return false
	}
	protocol := ""
	if e.connect != nil && !fault.Drop {
		status, chosen, ok := e.askConnect(w, r, &p, now)
		if !ok {
			return false
		}
		if status < 200 || status > 299 {
			// The body of the function's answer does not reach the client.
			f := refusal{status: status, body: messageBody(http.StatusText(status))}
			e.refuse(w, f.because(causeConnectStatus, "the function of $connect answered with %d", status))
			return false
		}
		protocol = chosen
	}
	// From here on the connection has been accepted: whatever ends it, its
	// $disconnect runs.
	select {
	case <-e.draining:
		e.refuse(w, unavailable.because(causeHandshakeAtEnd, "the server is ending"))
		e.tellDisconnect(&p, closeGoingAway, goingAway)
		return false
	default:
	}
	nc, buffered, err := hijack(w)
	if err != nil {
		if errors.Is(err, http.ErrNotSupported) {
			e.refuse(w, internalError.because(causeUpgrade, "the HTTP server cannot hand over connections: HTTP/2, or a wrapper without Hijack"))
		}
		e.tellDisconnect(&p, closeAbnormal, "")
		return false
	}
	if fault.ResetAfter || r.Context().Err() != nil { // the client has left meanwhile
		reset(nc)
		e.tellDisconnect(&p, closeAbnormal, "")
		return false
	}
	if watched != nil {
		e.observer.Observe(Observation{Kind: ObservedHandshake, ConnectionID: p.id, RouteKey: "$connect", Status: http.StatusSwitchingProtocols,
			Remote: r.RemoteAddr, Target: r.URL.RequestURI(), Fault: !fault.isZero(), Took: time.Since(began)})
	}
	c := e.start(nc, p, switchingProtocols(now, accept, protocol), buffered)
	if fault.Close != 0 {
		c.close(fault.Close, "", e.closeWait)
	}
	return true
}

// askConnect invokes $connect and answers the client itself if there is no
// usable answer.
func (e *engine) askConnect(w http.ResponseWriter, r *http.Request, p *peer, now time.Time) (status int, protocol string, ok bool) {
	if !e.acquire(r.Context().Done()) {
		resetRequest(w)
		return 0, "", false
	}
	// The function runs on if the client leaves: AWS has no way to stop it.
	requestID := e.newRequestID()
	data, err := e.call(e.connect.invocation(p.id, requestID), e.connectEvent(p, r, requestID, now))
	if err == nil {
		status, protocol, err = parseConnectAnswer(data)
	}
	if err == nil {
		return status, protocol, true
	}
	e.report(err, "$connect", p.id)
	var notHere *Unavailable
	switch {
	case err == errTimedOut:
		// UNCERTAIN: by analogy with REST APIs.
		e.refuse(w, timedOut.because(causeConnectTimeout, "%v", err))
	case err == errEnded:
		e.refuse(w, unavailable.because(causeHandshakeAtEnd, "the server is ending"))
	case errors.As(err, &notHere):
		// What cannot be invoked is 500 (terraform-aws-apigateway-v2#8).
		e.refuse(w, internalError.because(causeConnectFailed, "the function of $connect cannot run here: %v", err))
	case errors.Is(err, errMalformedAnswer):
		e.refuse(w, badGateway.because(causeConnectAnswer, "%v", err))
	default:
		// serverless-websockets-plugin#13: a function that throws.
		e.refuse(w, badGateway.because(causeConnectFailed, "the function of $connect failed: %v", err))
	}
	return 0, "", false
}

// hijack takes the connection from net/http, with what the client has sent
// beyond its request. net/http's buffers are garbage afterwards.
func hijack(w http.ResponseWriter) (nc net.Conn, buffered []byte, err error) {
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if n := rw.Reader.Buffered(); n > 0 {
		waiting, _ := rw.Reader.Peek(n)
		buffered = append(buffered, waiting...)
	}
	nc.SetDeadline(time.Time{})
	return nc, buffered, nil
}

// switchingProtocols is the 101 answer, with the headers of a recorded one
// (python-websockets#1065). Extensions are declined, permessage-deflate too:
// what AWS does with an offer today is UNCERTAIN, and declining is always legal.
func switchingProtocols(now time.Time, accept, protocol string) []byte {
	head := make([]byte, 0, 256)
	head = append(head, "HTTP/1.1 101 Switching Protocols\r\nDate: "...)
	head = now.UTC().AppendFormat(head, http.TimeFormat)
	head = append(head, "\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "...)
	head = append(head, accept...)
	if protocol != "" {
		head = append(head, "\r\nSec-WebSocket-Protocol: "...)
		head = append(head, protocol...)
	}
	return append(head, "\r\n\r\n"...)
}

// acceptKey is RFC 6455 §4.2.2, step 5.4.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// hasToken looks for a token in comma-separated header values.
func hasToken(values []string, token string) bool {
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

func lastOf(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

// hostOf is the address without its port; clones, so as not to keep the request.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	return strings.Clone(host)
}
