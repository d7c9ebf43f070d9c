package gateway

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
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

// TestEachFrameSequenceHasItsEnd feeds raw bytes, whole and in pieces, over plain
// TCP and over TLS.
func TestEachFrameSequenceHasItsEnd(t *testing.T) {
	for _, over := range []string{"plain", "TLS"} {
		t.Run(over, func(t *testing.T) {
			config := serverTLS()
			if over == "plain" {
				config = nil
			}
			f := newRecorder()
			small := serve(t, &Server{Function: f, FrameBytes: caseFrame, MessageBytes: caseMessage, TLS: config, CloseWait: 500 * time.Millisecond})
			usual := serve(t, &Server{Function: f, TLS: config, CloseWait: 500 * time.Millisecond})
			for _, test := range frameCases() {
				for _, size := range []int{1 << 20, 1, 3} {
					if len(test.send) > 2000 && size < 1<<20 {
						size *= 4999
					}
					t.Run(test.section+" "+test.name, func(t *testing.T) {
						host := small
						if test.usual {
							host = usual
						}
						var nc net.Conn
						if over == "plain" {
							nc = rawDial(t, host)
						} else {
							nc = rawDialTLS(t, host)
						}
						e := <-f.events
						for e.RequestContext.EventType != "CONNECT" { // left by a case that failed
							e = <-f.events
						}
						test.run(t, f, e.RequestContext.ConnectionID, nc, size)
					})
				}
			}
		})
	}
}

// run sends the bytes in pieces of a size and holds the answers and events
// against what they should be.
func (test *frameCase) run(t *testing.T, f *recorder, id string, nc net.Conn, size int) {
	for rest := test.send; len(rest) > 0; {
		n := min(size, len(rest))
		if _, err := nc.Write(rest[:n]); err != nil {
			break // the gateway has closed already
		}
		rest = rest[n:]
	}
	r := bufio.NewReader(nc)
	nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	pongs := test.pongs
	for {
		in, err := readFrame(r)
		if err != nil {
			t.Fatalf("no close frame: %v", err)
		}
		if in.first == 0x8a && len(pongs) > 0 && string(in.payload) == pongs[0] {
			pongs = pongs[1:]
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
	if len(pongs) > 0 {
		t.Errorf("no pong for %q", pongs)
	}
	// Who sends on after its own close frame may see a reset.
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF && test.code < 1002 && test.section != "5.5.1" {
		t.Errorf("after the close frame: %d bytes, %v", n, err)
	}
	nc.Close()
	left := map[string]int{}
	for _, body := range test.bodies {
		left[body]++
	}
	var end event
	for missing := len(test.bodies) + 1; missing > 0; { // in any order: nothing serialises invocations
		select {
		case e := <-f.events:
			if e.RequestContext.ConnectionID != id {
				continue
			}
			missing--
			if e.RequestContext.EventType == "MESSAGE" {
				left[e.Body]--
			} else {
				end = e
			}
		case <-time.After(20 * time.Second):
			t.Fatal("an event is missing")
		}
	}
	for body, n := range left {
		if n != 0 {
			t.Errorf("message %.80q: %d missing", body, n)
		}
	}
	event := test.event
	if event == 0 {
		event = test.code
	}
	if c := end.RequestContext; c.DisconnectStatusCode != event || c.DisconnectReason != test.reason {
		t.Errorf("event has %d %q, want %d %q", c.DisconnectStatusCode, c.DisconnectReason, event, test.reason)
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
		header             string // besides Host
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
