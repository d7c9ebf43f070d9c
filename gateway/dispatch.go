package gateway

import "fmt"

// dispatch gives a message to its route. It runs in the reading goroutine, so
// that data need not be copied; the invocation begins there too, as c.next, when
// all that has arrived is read. It waits only for a free slot, and then the
// connection is not read. It reports false when the connection ends meanwhile.
func (c *conn) dispatch(data []byte) bool {
	e := c.engine
	c.touch()
	requestID := e.newRequestID()
	c.received.Store(c.received.Load() + 1) // this goroutine is the only one to write
	c.receivedBytes.Store(c.receivedBytes.Load() + int64(len(data)))
	if !e.requests.take() {
		e.counters.messagesThrottled.Add(1)
		e.observe(Observation{Kind: ObservedMessage, ConnectionID: c.id, RequestID: requestID, Reason: "Too Many Requests", Detail: e.whyRequestRate(), Payload: data})
		e.note(causeMessageRate, e.whyRequestRate())
		c.sendError("Too Many Requests", requestID, "") // UNCERTAIN
		return true
	}
	r := e.find(data)
	if r == nil {
		e.counters.unrouted.Add(1)
		why := e.whyNoRoute(data)
		e.observe(Observation{Kind: ObservedMessage, ConnectionID: c.id, RequestID: requestID, Reason: "Forbidden", Detail: why, Payload: data})
		e.note(causeNoRoute, why)
		c.sendError("Forbidden", requestID, "")
		return true
	}
	fault := e.ask(Call{Kind: CallMessage, ConnectionID: c.id, RouteKey: r.key, Payload: data})
	r.counters.messages.Add(1)
	if e.observer != nil {
		e.observer.Observe(Observation{Kind: ObservedMessage, ConnectionID: c.id, RouteKey: r.key, RequestID: requestID, Fault: !fault.isZero(), Payload: data})
	}
	if r.model != nil && fault.isZero() {
		if err := r.model(data); err != nil {
			c.sendError("Bad request body", requestID, err.Error())
			return true
		}
	}
	event := e.messageEvent(&c.peer, r.key, requestID, data, e.now())
	if fault.isZero() {
		if c.next != nil {
			// Two at once: neither waits for the other, nor for its slot.
			go c.next()
			c.next = nil
		}
		if !e.acquire(c.dead) {
			return false
		}
		e.nest()
		c.next = c.invocation(r, event, requestID, nil)
		return true
	}
	if fault.ResetBefore && fault.Delay == 0 {
		c.abort()
		return false
	}
	e.nest()
	go c.dispatchFaulty(r, event, requestID, fault) // ends with the connection
	return true
}

// dispatchFaulty is the rest of dispatch where something is to go wrong. Its
// work is registered.
func (c *conn) dispatchFaulty(r *route, event []byte, requestID string, fault Fault) {
	e := c.engine
	switch {
	case !e.pause(&fault, c.dead):
	case fault.ResetBefore:
		c.abort()
	case fault.Status != 0:
		c.sendFault(&fault, requestID)
	case fault.Close != 0:
		c.close(fault.Close, "", e.closeWait)
	case fault.Drop:
	case e.acquire(c.dead):
		var after func()
		if fault.ResetAfter {
			after = c.abort
		}
		c.invocation(r, event, requestID, after)()
		return
	}
	e.leave()
}

// invocation gives an event to a function and its answer, if the route is
// two-way, to the client. instead, if not nil, is done in place of answering.
func (c *conn) invocation(r *route, event []byte, requestID string, instead func()) func() {
	e := c.engine
	return e.invocation(r.invocation(c.id, requestID), event, func(answer []byte, err error) {
		if instead != nil {
			instead()
			return
		}
		if err == nil && r.twoWay {
			body, ok, malformed := parseMessageAnswer(answer)
			switch err = malformed; {
			case err != nil:
			case ok:
				err = c.answer(r, body, requestID)
			case isNothing(answer):
				c.noAnswer(r, requestID)
			}
		}
		switch err {
		case nil:
			return
		case errEnded:
		case errTimedOut:
			c.sendError("Endpoint request timed out", requestID, err.Error())
		default:
			// Also on a one-way route (UNCERTAIN; simple-websockets-chat-app#42).
			c.sendError("Internal server error", requestID, err.Error())
		}
		e.report(err, r.key, c.id)
	})
}

// answer sends the body of a two-way route's answer. An error is an answer that cannot
// be sent, whatever the connection does.
func (c *conn) answer(r *route, body []byte, requestID string) error {
	if len(body) > c.engine.messageBytes {
		// UNCERTAIN: what AWS does with it. As other answers that are of no use it is an
		// error frame here, so that the client does not wait for ever.
		err := fmt.Errorf("the answer has %d bytes, and a message may have %d", len(body), c.engine.messageBytes)
		if c.engine.observer != nil {
			c.observeFrame(r.key, requestID, nil, err)
		}
		return err
	}
	err := c.deliver(compileText(body, c.engine.frameBytes), body)
	if c.engine.observer != nil {
		c.observeFrame(r.key, requestID, body, err)
	}
	if err != nil {
		c.engine.log.Debug("answer of a two-way route was not delivered", "connectionId", c.id, "error", err)
		return nil
	}
	c.touch()
	return nil
}

// noAnswer tells of a two-way route whose client waits for nothing.
func (c *conn) noAnswer(r *route, requestID string) {
	why := "route " + r.key + " has a route response: " + returnedNothing
	c.engine.note(causeNoAnswer, why)
	c.engine.observe(Observation{Kind: ObservedFrame, ConnectionID: c.id, RouteKey: r.key, RequestID: requestID, Reason: "nothing was sent", Detail: why})
}

// whyNoRoute says what a message selects. The key is part of what a client has sent, but
// for an expression that is the whole message it is a name and no payload.
func (e *engine) whyNoRoute(data []byte) string {
	there := ", and there is no $default route"
	key, ok := e.selection.key(data)
	switch {
	case !ok:
		return "the message is not JSON, so that " + e.expression + " selects nothing" + there
	case e.selection.wholeBody():
		return e.expression + " selects no route" + there
	case len(key) == 0:
		return e.expression + " is not in the message, or is empty" + there
	case key[0] == '$' && (string(key) == "$connect" || string(key) == "$disconnect"):
		return e.expression + " is " + quoted(string(key)) + ", which no message can name" + there
	}
	return e.expression + " is " + quoted(string(key)) + ", which is no route" + there
}

// sendError sends an error frame, in the exact bytes of recorded ones: a space
// after the first colon and after commas, none after the later colons. An observer is
// told why it was sent; for what is refused, it has the reason with the message.
func (c *conn) sendError(message, requestID, why string) {
	text := make([]byte, 0, 128)
	text = append(text, `{"message": `...)
	text = appendString(text, message)
	text = append(text, `, "connectionId":`...)
	text = appendString(text, c.id)
	text = append(text, `, "requestId":`...)
	text = appendString(text, requestID)
	text = append(text, '}')
	if err := c.send(compileText(text, c.engine.frameBytes)); err == nil {
		c.touch()
	} else {
		message = fmt.Sprintf("%s, which was not delivered: %v", message, err)
	}
	c.engine.observe(Observation{Kind: ObservedFrame, ConnectionID: c.id, RequestID: requestID, Reason: message, Detail: why, Payload: text})
}

// observeFrame tells of an answer that was sent, or that err kept from it.
func (c *conn) observeFrame(routeKey, requestID string, payload []byte, err error) {
	o := Observation{Kind: ObservedFrame, ConnectionID: c.id, RouteKey: routeKey, RequestID: requestID, Payload: payload}
	if err != nil {
		o.Reason = err.Error()
	}
	c.engine.observer.Observe(o)
}

func (c *conn) sendFault(f *Fault, requestID string) {
	if f.Body != "" {
		_ = c.send(compileText([]byte(f.Body), c.engine.frameBytes))
		c.engine.observe(Observation{Kind: ObservedFrame, ConnectionID: c.id, RequestID: requestID, Reason: "a fault", Fault: true, Payload: []byte(f.Body)})
		return
	}
	switch f.Status {
	case 400:
		c.sendError("Bad request body", requestID, faultWhy)
	case 403:
		c.sendError("Forbidden", requestID, faultWhy)
	case 504:
		c.sendError("Endpoint request timed out", requestID, faultWhy)
	default:
		c.sendError("Internal server error", requestID, faultWhy)
	}
}

// abort ends the connection with a TCP reset.
func (c *conn) abort() {
	if tcp, ok := socketOf(c.nc).(interface{ SetLinger(int) error }); ok {
		tcp.SetLinger(0)
	}
	c.kill()
}

// disconnected tells the function of the end of a connection, once, after it
// has ended on the wire.
func (e *engine) disconnected(c *conn) {
	e.observe(Observation{Kind: ObservedClose, ConnectionID: c.id, Status: c.code, Reason: c.reason, Detail: c.why})
	e.tellDisconnect(&c.peer, c.code, c.reason)
}

// tellDisconnect invokes $disconnect and waits for it. What it returns means
// nothing to anyone.
func (e *engine) tellDisconnect(p *peer, code int, reason string) {
	if e.disconnect == nil {
		return
	}
	fault := e.ask(Call{Kind: CallDisconnect, ConnectionID: p.id, RouteKey: "$disconnect"})
	fault.Status, fault.ResetBefore = 0, false // there is nobody to see them
	if !e.pause(&fault, e.base.Done()) || fault.Drop {
		return
	}
	requestID := e.newRequestID()
	event := e.disconnectEvent(p, requestID, code, reason, e.now())
	e.disconnectsWaiting.Add(1)
	begins := false
	select {
	case e.leaving <- struct{}{}:
		defer func() { <-e.leaving }()
		begins = e.acquire(e.base.Done())
	case <-e.base.Done():
	}
	e.disconnectsWaiting.Add(-1)
	if !begins {
		return
	}
	if _, err := e.call(e.disconnect.invocation(p.id, requestID), event); err != nil {
		e.report(err, "$disconnect", p.id)
	}
}
