package gateway

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func closePayload(code int, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// TestEachFrameSequenceHasItsEnd feeds raw bytes, whole and one by one. The
// close codes are those of AWS docs and, for protocol errors, of RFC 6455.
func TestEachFrameSequenceHasItsEnd(t *testing.T) {
	const frame, message = 200, 500
	x := func(n int) []byte { return bytes.Repeat([]byte("x"), n) }
	bye := masked(0x88, closePayload(1000, ""))
	unmasked := []byte{0x81, 1, 'x'}
	for _, test := range []struct {
		name   string
		send   []byte
		bodies []string // of MESSAGE events, in any order
		pongs  []string
		code   int // of the gateway's close frame; 1005: an empty one
		event  int // disconnectStatusCode
		reason string
	}{
		{name: "a close with code and reason", send: masked(0x88, closePayload(4000, "why")), code: 4000, event: 4000, reason: "why"},
		{name: "a close without a status", send: masked(0x88, nil), code: 1005, event: 1005, reason: "Client-side close frame status not set"},
		{name: "a message", send: join(masked(0x81, []byte("a")), bye), bodies: []string{"a"}, code: 1000, event: 1000},
		{name: "an empty message", send: join(masked(0x81, nil), bye), bodies: []string{""}, code: 1000, event: 1000},
		{name: "two messages at once", send: join(masked(0x81, []byte("a")), masked(0x81, []byte("b")), bye), bodies: []string{"a", "b"}, code: 1000, event: 1000},
		{name: "fragments", send: join(masked(0x01, []byte("a")), masked(0x00, []byte("b")), masked(0x80, []byte("c")), bye), bodies: []string{"abc"}, code: 1000, event: 1000},
		{name: "empty fragments", send: join(masked(0x01, nil), masked(0x00, nil), masked(0x80, nil), bye), bodies: []string{""}, code: 1000, event: 1000},
		{name: "a ping between fragments", send: join(masked(0x01, []byte("a")), masked(0x89, []byte("p")), masked(0x80, []byte("b")), bye), bodies: []string{"ab"}, pongs: []string{"p"}, code: 1000, event: 1000},
		{name: "an empty ping", send: join(masked(0x89, nil), bye), pongs: []string{""}, code: 1000, event: 1000},
		{name: "a pong nobody asked for", send: join(masked(0x8a, []byte("p")), bye), code: 1000, event: 1000},
		{name: "a rune split over fragments", send: join(masked(0x01, []byte("\xe2\x82")), masked(0x80, []byte("\xac")), bye), bodies: []string{"€"}, code: 1000, event: 1000},
		{name: "a frame at its limit", send: join(masked(0x81, x(frame)), bye), bodies: []string{string(x(frame))}, code: 1000, event: 1000},
		{name: "a message at its limit", send: join(masked(0x01, x(200)), masked(0x00, x(200)), masked(0x80, x(100)), bye), bodies: []string{string(x(message))}, code: 1000, event: 1000},
		{name: "a frame over its limit", send: join(masked(0x81, x(frame+1)), bye), code: 1009, event: 1009, reason: "frame too long"},
		{name: "a message over its limit", send: join(masked(0x01, x(200)), masked(0x00, x(200)), masked(0x80, x(101)), bye), code: 1009, event: 1009, reason: "message too long"},
		{name: "a frame that claims to be huge", send: append([]byte{0x81, 0xff, 0x7f}, x(7+4)...), code: 1009, event: 1009, reason: "frame too long"},
		{name: "a binary frame", send: join(masked(0x82, []byte("a")), bye), code: 1003, event: 1003, reason: "binary frames are not supported"},
		{name: "a message that is not UTF-8", send: join(masked(0x81, []byte("\xff")), bye), code: 1007, event: 1007, reason: "message is not UTF-8"},
		{name: "a surrogate in UTF-8", send: join(masked(0x81, []byte("\xed\xa0\x80")), bye), code: 1007, event: 1007, reason: "message is not UTF-8"},
		{name: "messages after a refused one are skipped", send: join(masked(0x82, []byte("a")), masked(0x81, []byte("b")), masked(0x89, []byte("p")), bye), code: 1003, event: 1003, reason: "binary frames are not supported"},
		{name: "an unmasked frame", send: unmasked, code: 1002, event: 1002, reason: "protocol error"},
		{name: "reserved bit 1", send: masked(0xc1, []byte("a")), code: 1002, event: 1002, reason: "protocol error"},
		{name: "reserved bit 3", send: masked(0x91, []byte("a")), code: 1002, event: 1002, reason: "protocol error"},
		{name: "reserved data opcode", send: masked(0x83, []byte("a")), code: 1002, event: 1002, reason: "protocol error"},
		{name: "reserved control opcode", send: masked(0x8b, []byte("a")), code: 1002, event: 1002, reason: "protocol error"},
		{name: "a fragmented ping", send: masked(0x09, []byte("a")), code: 1002, event: 1002, reason: "protocol error"},
		{name: "a long ping", send: masked(0x89, x(126)), code: 1002, event: 1002, reason: "protocol error"},
		{name: "a continuation of nothing", send: masked(0x80, []byte("a")), code: 1002, event: 1002, reason: "protocol error"},
		{name: "a new message inside another", send: join(masked(0x01, []byte("a")), masked(0x81, []byte("b"))), code: 1002, event: 1002, reason: "protocol error"},
		{name: "a length with its highest bit", send: append([]byte{0x81, 0xff, 0xff}, x(7+4)...), code: 1002, event: 1002, reason: "protocol error"},
		{name: "a close of one byte", send: masked(0x88, []byte{3}), code: 1002, event: 1002, reason: "protocol error"},
		{name: "a close with a code that must not be sent", send: masked(0x88, closePayload(1005, "")), code: 1002, event: 1002, reason: "protocol error"},
		{name: "a close with code 999", send: masked(0x88, closePayload(999, "")), code: 1002, event: 1002, reason: "protocol error"},
		{name: "a close with code 5000", send: masked(0x88, closePayload(5000, "")), code: 1002, event: 1002, reason: "protocol error"},
		{name: "a close with a reason that is not UTF-8", send: masked(0x88, closePayload(1000, "\xff")), code: 1007, event: 1007, reason: "close reason is not UTF-8"},
	} {
		for _, size := range []int{1 << 20, 1, 3} {
			t.Run(test.name, func(t *testing.T) {
				f := newRecorder()
				host := serve(t, &Server{Function: f, FrameBytes: frame, MessageBytes: message, CloseWait: 500 * time.Millisecond})
				nc := rawDial(t, host)
				f.next(t, "CONNECT")
				for rest := test.send; len(rest) > 0; {
					n := min(size, len(rest))
					if _, err := nc.Write(rest[:n]); err != nil {
						break // the gateway has closed already
					}
					rest = rest[n:]
				}
				r := bufio.NewReader(nc)
				nc.SetReadDeadline(time.Now().Add(10 * time.Second))
				for {
					in, err := readFrame(r)
					if err != nil {
						t.Fatalf("no close frame: %v", err)
					}
					if in.first == 0x8a && len(test.pongs) > 0 && string(in.payload) == test.pongs[0] {
						test.pongs = test.pongs[1:]
						defer func(p string) { test.pongs = append(test.pongs, p) }(string(in.payload))
						continue
					}
					if in.first != 0x88 {
						t.Fatalf("frame %#x %q", in.first, in.payload)
					}
					code := closeNoStatus
					if len(in.payload) >= 2 {
						code = int(binary.BigEndian.Uint16(in.payload))
					}
					if code != test.code {
						t.Errorf("close code = %d, want %d", code, test.code)
					}
					break
				}
				if len(test.pongs) > 0 {
					t.Errorf("no pong for %q", test.pongs)
				}
				if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF && test.code < 1002 {
					t.Errorf("after the close frame: %d bytes, %v", n, err)
				}
				nc.Close()
				left := map[string]int{}
				for _, body := range test.bodies {
					left[body]++
				}
				var end event
				for range len(test.bodies) + 1 { // in any order: nothing serialises invocations
					e := <-f.events
					if e.RequestContext.EventType == "MESSAGE" {
						left[e.Body]--
					} else {
						end = e
					}
				}
				for body, n := range left {
					if n != 0 {
						t.Errorf("message %q: %d missing", body, n)
					}
				}
				if c := end.RequestContext; c.DisconnectStatusCode != test.event || c.DisconnectReason != test.reason {
					t.Errorf("event has %d %q, want %d %q", c.DisconnectStatusCode, c.DisconnectReason, test.event, test.reason)
				}
			})
		}
	}
}

func TestAConnectionThatIsCutEndsWith1006(t *testing.T) {
	f := newRecorder()
	host := serve(t, &Server{Function: f})
	nc := rawDial(t, host)
	f.next(t, "CONNECT")
	nc.Close()
	if c := f.next(t, "DISCONNECT").RequestContext; c.DisconnectStatusCode != 1006 || c.DisconnectReason != "" {
		t.Errorf("event has %d %q", c.DisconnectStatusCode, c.DisconnectReason)
	}
}

func TestBytesSentWithTheHandshakeAreNotLost(t *testing.T) {
	f := newRecorder()
	host := serve(t, &Server{Function: f})
	nc := dialTCP(t, host)
	io.WriteString(nc, "GET /dev HTTP/1.1\r\nHost: x\r\n"+handshakeFields+"\r\n"+string(masked(0x81, []byte("early"))))
	f.next(t, "CONNECT")
	if e := f.next(t, "MESSAGE"); e.Body != "early" {
		t.Errorf("body = %q", e.Body)
	}
}

func TestTheHandshakeAnswersAsAPIGatewayDoes(t *testing.T) {
	answers := map[string]string{
		"ok":        `{"statusCode":200,"headers":{"sec-websocket-protocol":"chat","X-Other":"no"},"body":"no"}`,
		"multi":     `{"statusCode":"204","multiValueHeaders":{"SEC-WEBSOCKET-PROTOCOL":["a","chat"]}}`,
		"plain":     `{"statusCode":200}`,
		"no":        `{"statusCode":401,"body":"secret"}`,
		"teapot":    `{"statusCode":418}`,
		"malformed": `"no object"`,
		"missing":   `{}`,
		"null":      `null`,
		"empty":     ``,
		"999":       `{"statusCode":999}`,
		"101":       `{"statusCode":101}`,
		"split":     `{"statusCode":200,"headers":{"Sec-WebSocket-Protocol":"a\r\nX-Evil: 1"}}`,
	}
	f := newRecorder()
	f.answer = func(e event) ([]byte, error) {
		switch want := e.Headers["X-Want"]; want {
		case "error":
			return nil, io.ErrUnexpectedEOF
		case "panic":
			panic("in the function")
		default:
			return []byte(answers[want]), nil
		}
	}
	host := serve(t, &Server{Function: f, Routes: map[string]Route{"$connect": {}}})
	for _, test := range []struct {
		name, method, path string
		header             string // beside Host
		status             int
		protocol           string
		body               string
	}{
		{"accepted", "GET", "/dev", handshakeFields + "X-Want: ok\r\n", 101, "chat", ""},
		{"a slash at the end", "GET", "/dev/?a=b", handshakeFields + "X-Want: plain\r\n", 101, "", ""},
		{"an offer of compression is declined", "GET", "/dev", handshakeFields + "X-Want: plain\r\nSec-WebSocket-Extensions: permessage-deflate\r\n", 101, "", ""},
		{"a protocol is not chosen for the function", "GET", "/dev", handshakeFields + "X-Want: plain\r\nSec-WebSocket-Protocol: chat\r\n", 101, "", ""},
		{"multi-value headers and a numeric string", "GET", "/dev", handshakeFields + "X-Want: multi\r\n", 101, "chat", ""},
		{"refused", "GET", "/dev", handshakeFields + "X-Want: no\r\n", 401, "", `{"message":"Unauthorized"}`},
		{"refused oddly", "GET", "/dev", handshakeFields + "X-Want: teapot\r\n", 418, "", `{"message":"I'm a teapot"}`},
		{"an error", "GET", "/dev", handshakeFields + "X-Want: error\r\n", 502, "", `{"message":"Internal server error"}`},
		{"a panic", "GET", "/dev", handshakeFields + "X-Want: panic\r\n", 502, "", `{"message":"Internal server error"}`},
		{"no object", "GET", "/dev", handshakeFields + "X-Want: malformed\r\n", 502, "", ""},
		{"no status", "GET", "/dev", handshakeFields + "X-Want: missing\r\n", 502, "", ""},
		{"null", "GET", "/dev", handshakeFields + "X-Want: null\r\n", 502, "", ""},
		{"nothing", "GET", "/dev", handshakeFields + "X-Want: empty\r\n", 502, "", ""},
		{"status 999", "GET", "/dev", handshakeFields + "X-Want: 999\r\n", 502, "", ""},
		{"status 101", "GET", "/dev", handshakeFields + "X-Want: 101\r\n", 502, "", ""},
		{"a header in the protocol", "GET", "/dev", handshakeFields + "X-Want: split\r\n", 502, "", ""},
		{"another stage", "GET", "/prod", handshakeFields, 403, "", `{"message":"Forbidden"}`},
		{"no stage", "GET", "/", handshakeFields, 403, "", `{"message":"Forbidden"}`},
		{"more path", "GET", "/dev/more", handshakeFields, 403, "", `{"message":"Forbidden"}`},
		{"not an upgrade", "GET", "/dev", "", 426, "", `{"message":"Upgrade Required"}`},
		{"an old version", "GET", "/dev", strings.Replace(handshakeFields, "13", "8", 1), 400, "", ""},
		{"a bad key", "GET", "/dev", strings.Replace(handshakeFields, "dGhl", "", 1), 400, "", ""},
		{"a post", "POST", "/dev", handshakeFields + "Content-Length: 0\r\n", 400, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			nc := dialTCP(t, host)
			io.WriteString(nc, test.method+" "+test.path+" HTTP/1.1\r\nHost: x\r\n"+test.header+"\r\n")
			r, err := http.ReadResponse(bufio.NewReader(nc), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if r.StatusCode != test.status {
				t.Fatalf("status = %d, want %d", r.StatusCode, test.status)
			}
			if got := r.Header.Get("Sec-WebSocket-Protocol"); got != test.protocol {
				t.Errorf("protocol = %q, want %q", got, test.protocol)
			}
			if r.Header.Get("Sec-WebSocket-Extensions")+r.Header.Get("X-Other")+r.Header.Get("X-Evil") != "" {
				t.Errorf("headers = %v", r.Header)
			}
			if test.status == 101 {
				if r.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // RFC 6455 §1.3
					t.Errorf("accept = %q", r.Header.Get("Sec-WebSocket-Accept"))
				}
				return
			}
			body, _ := io.ReadAll(r.Body)
			if test.body != "" && string(body) != test.body {
				t.Errorf("body = %s, want %s", body, test.body)
			}
		})
	}
}

func TestWithoutAConnectRouteEveryConnectionIsAccepted(t *testing.T) {
	host := serve(t, &Server{Function: newRecorder(), Routes: map[string]Route{"$default": {}}})
	dial(t, host, nil)
}

func TestMessagesGetTheirFramesBack(t *testing.T) {
	f := newRecorder()
	f.answer = func(e event) ([]byte, error) {
		switch e.Body {
		case `{"action":"error"}`, "one-way error":
			return nil, io.ErrUnexpectedEOF
		case `{"action":"panic"}`:
			panic("in the function")
		case `{"action":"malformed"}`:
			return []byte(`nonsense`), nil
		case `{"action":"base64"}`:
			return []byte(`{"isBase64Encoded":true,"body":"aGVsbG8="}`), nil
		case `{"action":"status"}`:
			return []byte(`{"statusCode":500,"body":"a body all the same"}`), nil
		case `{"action":"long"}`:
			return []byte(`{"body":"` + strings.Repeat("y", 100<<10) + `"}`), nil
		}
		return []byte(`{"statusCode":200}`), nil
	}
	routes := map[string]Route{"$connect": {}, "oneway": {}}
	for _, key := range []string{"error", "panic", "malformed", "base64", "status", "long"} {
		routes[key] = Route{RouteResponse: true}
	}
	s := &Server{Function: f, Routes: routes}
	host := serve(t, s)
	c := dial(t, host, &websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover})
	c.SetReadLimit(1 << 20)
	id := f.next(t, "CONNECT").RequestContext.ConnectionID
	frame := func(message string) string {
		return `{"message": "` + message + `", "connectionId":"` + id + `", "requestId":"`
	}
	for action, want := range map[string]string{
		"unknown": frame("Forbidden"), "$connect": frame("Forbidden"), "error": frame("Internal server error"),
		"panic": frame("Internal server error"), "malformed": frame("Internal server error"),
		"base64": "hello", "status": "a body all the same", "long": strings.Repeat("y", 100<<10),
	} {
		write(t, c, `{"action":"`+action+`"}`)
		got := read(t, c)
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: %.200s, want %.200s", action, got, want)
		}
		if strings.HasSuffix(want, `"requestId":"`) && (len(got) != len(want)+16+2 || !strings.HasSuffix(got, `="}`)) {
			t.Errorf("%s: %s", action, got)
		}
	}
}
