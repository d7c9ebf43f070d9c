package gateway

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// The close codes that the gateway itself sends, and the two that only events
// know (RFC 6455 §7.4.1).
const (
	closeNormal        = 1000
	closeGoingAway     = 1001
	closeProtocolError = 1002
	closeUnsupported   = 1003
	closeNoStatus      = 1005
	closeAbnormal      = 1006
	closeInvalidData   = 1007
	closeTooBig        = 1009
)

// appendHeader appends the header of an unmasked frame.
func appendHeader(dst []byte, op ws.OpCode, fin bool, size int) []byte {
	first := byte(op)
	if fin {
		first |= 0x80
	}
	switch {
	case size < 126:
		return append(dst, first, byte(size))
	case size < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, first, 126), uint16(size))
	default:
		return binary.BigEndian.AppendUint64(append(dst, first, 127), uint64(size))
	}
}

// compileText makes the bytes of one text message, once for all connections
// that get it. A message longer than frameBytes is fragmented: AWS bounds
// frames at 32 KB (AWS docs, WebSocket quotas page); that it fragments what is
// posted is UNCERTAIN. Data that is not UTF-8 is sent as it is (UNCERTAIN).
func compileText(data []byte, frameBytes int) []byte {
	frames := 1 + len(data)/frameBytes
	dst := make([]byte, 0, len(data)+frames*10)
	op := ws.OpText
	for len(data) > frameBytes {
		dst = appendHeader(dst, op, false, frameBytes)
		dst = append(dst, data[:frameBytes]...)
		data = data[frameBytes:]
		op = ws.OpContinuation
	}
	dst = appendHeader(dst, op, true, len(data))
	return append(dst, data...)
}

// compileClose makes a close frame. closeNoStatus makes one without a body.
func compileClose(code int, reason string) []byte {
	if code == closeNoStatus {
		return []byte{0x88, 0}
	}
	reason = reason[:min(len(reason), ws.MaxControlFramePayloadSize-2)]
	dst := append(make([]byte, 0, 4+len(reason)), 0x88, byte(2+len(reason)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, reason...)
}

// inbound is where a connection is in its client's stream. It is fed whatever
// bytes have arrived, so an idle connection, even one that stopped in the
// middle of a frame, holds no read buffer. Only the reading goroutine uses it.
type inbound struct {
	head      [ws.MaxHeaderSize]byte // a header that has not arrived whole
	headSize  uint8
	inPayload bool
	fragments bool // a fragmented message has begun
	skip      bool // the payload of this frame is not wanted
	header    ws.Header
	got       int64  // bytes of this frame's payload that have arrived
	control   []byte // of a control frame that has not arrived whole
	message   []byte // of a message that has not arrived whole
}

// scratch is what reading needs and nobody keeps.
type scratch struct {
	buffer [16 << 10]byte
	reader bytes.Reader
	header [ws.MaxHeaderSize]byte
}

// headerSize is the size of the header that p begins with, as far as p tells.
func headerSize(p []byte) int {
	if len(p) < 2 {
		return 2
	}
	size := 2
	switch p[1] & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if p[1]&0x80 != 0 {
		size += 4
	}
	return size
}

// feed takes bytes from the client, which it may change. It reports false
// when nothing more is to be read.
func (c *conn) feed(p []byte, s *scratch) bool {
	in := &c.in
	for {
		if in.inPayload {
			rest, ok := c.feedPayload(p)
			if !ok {
				return false
			}
			p = rest
			if in.inPayload {
				return true
			}
		}
		if len(p) == 0 {
			return true
		}
		head := p
		if in.headSize > 0 || len(p) < headerSize(p) {
			for need := headerSize(in.head[:in.headSize]); int(in.headSize) < need; need = headerSize(in.head[:in.headSize]) {
				if len(p) == 0 {
					return true
				}
				n := copy(in.head[in.headSize:need], p)
				in.headSize += uint8(n)
				p = p[n:]
			}
			head = in.head[:in.headSize]
		} else {
			head = p[:headerSize(p)]
			p = p[len(head):]
		}
		in.headSize = 0
		s.reader.Reset(head)
		h, err := ws.ReadHeaderBuffer(&s.reader, s.header[:])
		if err != nil {
			return c.protocolError("the header of a frame cannot be read: " + err.Error())
		}
		if !c.begin(h) {
			return false
		}
	}
}

// begin judges a frame by its header.
func (c *conn) begin(h ws.Header) bool {
	in := &c.in
	state := ws.StateServerSide
	if in.fragments {
		state = state.Set(ws.StateFragmented)
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return c.protocolError(err.Error())
	}
	in.header, in.got, in.inPayload = h, 0, true
	in.skip = false
	if h.OpCode.IsControl() {
		return true
	}
	switch {
	case c.closing.Load():
		in.skip = true // it only waits for the client's close frame
	case h.OpCode == ws.OpBinary:
		// AWS docs, "Working with binary media types for WebSocket APIs".
		c.refuse(closeUnsupported, "binary frames are not supported", causeBinary, "the client sent a binary frame; API Gateway takes text only, such as base64")
	case h.Length > int64(c.engine.frameBytes):
		c.refuse(closeTooBig, "frame too long", causeFrameSize, fmt.Sprintf("the client sent a frame of %d bytes; %d are allowed in one, and %d in a message of several, see %s",
			h.Length, c.engine.frameBytes, c.engine.messageBytes, c.engine.setting("FrameBytes")))
	case h.Length > int64(c.engine.messageBytes-len(in.message)):
		c.refuse(closeTooBig, "message too long", causeMessageSize, fmt.Sprintf("the client sent a message of %d bytes or more; %d are allowed, see %s",
			int64(len(in.message))+h.Length, c.engine.messageBytes, c.engine.setting("MessageBytes")))
	}
	in.fragments = !h.Fin
	return true
}

// feedPayload takes what p has of the current frame's payload and returns the
// rest of p.
func (c *conn) feedPayload(p []byte) (rest []byte, ok bool) {
	in := &c.in
	h := &in.header
	n := int(min(h.Length-in.got, int64(len(p))))
	chunk, rest := p[:n], p[n:]
	ws.Cipher(chunk, h.Mask, int(in.got&3))
	in.got += int64(n)
	whole := in.got == h.Length
	in.inPayload = !whole
	control := h.OpCode.IsControl()

	// What has arrived in one piece is used where it lies.
	switch {
	case in.skip:
		return rest, true
	case control && whole && in.control == nil:
		return rest, c.control(h.OpCode, chunk)
	case control:
		in.control = append(in.control, chunk...)
		if !whole {
			return rest, true
		}
		payload := in.control
		in.control = nil
		return rest, c.control(h.OpCode, payload)
	case whole && h.Fin && in.message == nil:
		return rest, c.message(chunk)
	}
	in.message = append(in.message, chunk...)
	if !whole || !h.Fin {
		return rest, true
	}
	message := in.message
	in.message = nil
	return rest, c.message(message)
}

// message takes a whole message.
func (c *conn) message(data []byte) bool {
	if !utf8.Valid(data) {
		c.refuse(closeInvalidData, "message is not UTF-8", causeText, "the client sent a message that is not UTF-8")
		return true
	}
	return c.dispatch(data)
}

// control takes a whole control frame.
func (c *conn) control(op ws.OpCode, payload []byte) bool {
	switch op {
	case ws.OpClose:
		return c.peerCloses(payload)
	case ws.OpPing:
		if c.engine.pingKeepsAlive {
			c.touch()
		}
		pong := appendHeader(make([]byte, 0, 2+len(payload)), ws.OpPong, true, len(payload))
		// A pong that finds no place is dropped: a client that does not read
		// cannot make the queue grow, and a later pong answers for all.
		_ = c.sendControl(append(pong, payload...))
	}
	return true
}

// peerCloses takes the client's close frame, which ends reading.
func (c *conn) peerCloses(payload []byte) bool {
	c.peerClosed = true
	if len(payload) == 0 {
		c.closeWith(closeNoStatus, noStatusReason, "", compileClose(closeNoStatus, ""), c.engine.closeWait)
		return false
	}
	if len(payload) == 1 {
		return c.protocolError("the client's close frame has half a code")
	}
	code, reason := ws.ParseCloseFrameData(payload)
	switch {
	case !mayBeSent(int(code)):
		return c.protocolError(fmt.Sprintf("the client's close frame has the code %d, which no frame may have", code))
	case !utf8.ValidString(reason):
		c.refuse(closeInvalidData, "close reason is not UTF-8", causeText, "the reason of the client's close frame is not UTF-8")
		return false
	}
	// That the event has the client's own code and reason is UNCERTAIN,
	// inferred from one trace of a closed tab: 1001 and an empty reason.
	c.closeWith(int(code), reason, "", compileClose(int(code), ""), c.engine.closeWait)
	return false
}

// mayBeSent reports whether a close frame may have this code: those of RFC 6455
// §7.4.1, the three that were registered later, and those for libraries and
// applications (§7.4.2).
func mayBeSent(code int) bool {
	return code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
}

// protocolError fails the connection. Where the next frame begins is unknown
// from here on, so reading ends.
func (c *conn) protocolError(why string) bool {
	c.closeFor(closeProtocolError, "protocol error", causeProtocol, why)
	return false
}

// refuse closes because of what the client sent, and goes on reading until its
// close frame. AWS's reasons for these codes are UNCERTAIN.
func (c *conn) refuse(code int, reason string, because cause, why string) {
	c.in.skip = true
	c.in.message = nil
	c.closeFor(code, reason, because, why)
}

// closeFor closes and tells people why.
func (c *conn) closeFor(code int, reason string, because cause, why string) {
	if c.closeWith(code, reason, why, compileClose(code, reason), c.engine.closeWait) {
		c.engine.note(because, why)
	}
}
