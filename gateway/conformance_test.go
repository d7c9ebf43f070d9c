package gateway

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// row is one fact of what is known of API Gateway, with a check against a gateway
// that runs. docs/fidelity.md lists them all.
type row struct {
	// id is the section of the facts and a sentence.
	id string
	// status is how the fact is known: DOC (AWS's documentation and models), TRACE
	// (recorded traffic), VALIDATED (another project's tests that passed on AWS),
	// ISSUE (one report) or UNCERTAIN (nobody knows: a default).
	status string
	// source names where from.
	source string
	// here is what the gateway does, where it is not the same or where AWS's
	// behaviour is not known. Of a deviation it has the reason.
	here      string
	deviation bool
	check     func(t *testing.T)
}

func conformanceRows() []row {
	return slices.Concat(eventRows(), disconnectRows(), routeRows(), integrationRows(), errorRows(), handshakeRows(), wireRows(), quotaRows(),
		managementRows(), refusalRows(), sdkRows(), authorizerRows())
}

func TestConformance(t *testing.T) {
	rows := conformanceRows()
	holds, uncertain, deviations := 0, 0, 0
	seen := map[string]bool{}
	for _, r := range rows {
		if seen[r.id] {
			t.Errorf("two rows are %q", r.id)
		}
		seen[r.id] = true
		if !slices.Contains([]string{"DOC", "TRACE", "VALIDATED", "ISSUE", "UNCERTAIN"}, r.status) || r.source == "" || (r.deviation || r.status == "UNCERTAIN") && r.here == "" {
			t.Errorf("%s: status %q, source %q, here %q", r.id, r.status, r.source, r.here)
		}
		if t.Run(r.id, r.check) {
			holds++
		}
		if r.deviation {
			deviations++
		} else if r.status == "UNCERTAIN" {
			uncertain++
		}
	}
	t.Logf("conformance: %d of %d rows hold (%d of them UNCERTAIN, %d deliberate deviations)", holds, len(rows), uncertain, deviations)
}

// lab is a gateway with a client's tools.
type lab struct {
	*recorder
	server *Server
	host   string
}

func newLab(t *testing.T, s *Server) *lab {
	t.Helper()
	l := &lab{recorder: newRecorder(), server: s}
	if s.Function == nil {
		s.Function = l.recorder
	}
	if s.CloseWait == 0 {
		s.CloseWait = 200 * time.Millisecond
	}
	l.host = serve(t, s)
	return l
}

// answering is a lab whose every event is answered with this.
func answering(t *testing.T, s *Server, answer string, err error) *lab {
	t.Helper()
	l := &lab{recorder: newRecorder(), server: s}
	l.answer = func(e event) ([]byte, error) {
		if e.RequestContext.EventType == "CONNECT" && s.Routes["$connect"].Function == nil {
			return []byte(`{"statusCode":200}`), nil
		}
		return []byte(answer), err
	}
	s.Function = l.recorder
	l.host = serve(t, s)
	return l
}

// client is one raw WebSocket client of a lab.
type rawClient struct {
	net.Conn
	r  *bufio.Reader
	id string
	t  *testing.T
}

func (l *lab) connect(t *testing.T) *rawClient { return l.connectWith(t, "/dev", "") }

// connectWith upgrades at a target with more headers. If $connect has a recorder
// the client knows its ID.
func (l *lab) connectWith(t *testing.T, target, header string) *rawClient {
	t.Helper()
	nc := dialTCP(t, l.host)
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(nc, "GET "+target+" HTTP/1.1\r\nHost: client.test\r\n"+handshakeFields+header+"\r\n")
	c := &rawClient{Conn: nc, r: bufio.NewReader(nc), t: t}
	if a, err := http.ReadResponse(c.r, nil); err != nil || a.StatusCode != 101 {
		t.Fatalf("handshake: %+v, %v", a, err)
	}
	engineOf(t, l.server).table.each(func(conn *conn) { c.id = conn.id })
	return c
}

func (c *rawClient) send(text string) { c.Write(masked(0x81, []byte(text))) }

// read is the next message's text.
func (c *rawClient) read() string {
	c.t.Helper()
	text := ""
	for {
		in, err := readFrame(c.r)
		if err != nil {
			c.t.Fatalf("no message: %v", err)
		}
		text += string(in.payload)
		switch in.first {
		case 0x81, 0x80:
			return text
		case 0x01, 0x00:
		default:
			c.t.Fatalf("frame %#x %q", in.first, in.payload)
		}
	}
}

// error reads an error frame and returns its message.
func (c *rawClient) error() string {
	c.t.Helper()
	var frame struct{ Message string }
	if text := c.read(); json.Unmarshal([]byte(text), &frame) != nil {
		c.t.Errorf("no error frame: %s", text)
	}
	return frame.Message
}

// closed reads up to the close frame: its code and reason.
func (c *rawClient) closed() string {
	c.t.Helper()
	for {
		in, err := readFrame(c.r)
		if err != nil {
			c.t.Fatalf("no close frame: %v", err)
		}
		if in.first == 0x88 {
			c.Write(masked(0x88, in.payload))
			if len(in.payload) < 2 {
				return "1005"
			}
			return strings.TrimSpace(fmt.Sprint(int(in.payload[0])<<8|int(in.payload[1]), " ", string(in.payload[2:])))
		}
	}
}

// silent fails if anything has been sent before the answer to a ping.
func (c *rawClient) silent() {
	c.t.Helper()
	c.Write(masked(0x89, []byte("?")))
	if in, err := readFrame(c.r); err != nil || in.first != 0x8a || string(in.payload) != "?" {
		c.t.Errorf("frame %#x %q, %v; want silence", in.first, in.payload, err)
	}
}

// doc is an event as it came.
type doc struct {
	raw string
	m   map[string]any
}

func (l *lab) event(t *testing.T) doc {
	t.Helper()
	select {
	case raw := <-l.raw:
		return docOf(t, raw)
	case <-time.After(20 * time.Second):
		t.Fatal("no event")
		panic("not reached")
	}
}

func docOf(t *testing.T, raw []byte) doc {
	t.Helper()
	d := doc{raw: string(raw)}
	decoder := json.NewDecoder(strings.NewReader(d.raw))
	decoder.UseNumber()
	if err := decoder.Decode(&d.m); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return d
}

// at is a member as text, by names and slashes, or "absent".
func (d doc) at(path string) string {
	var v any = d.m
	for name := range strings.SplitSeq(path, "/") {
		m, _ := v.(map[string]any)
		inner, found := m[name]
		if !found {
			return "absent"
		}
		v = inner
	}
	if v == nil {
		return "null"
	}
	return fmt.Sprint(v)
}

func (d doc) context(name string) string { return d.at("requestContext/" + name) }

// want compares pairs: what came, what should have.
func want(t *testing.T, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] != pairs[i+1] {
			t.Errorf("got  %.300s\nwant %.300s", pairs[i], pairs[i+1])
		}
	}
}

func is(t *testing.T, ok bool, what ...any) {
	t.Helper()
	if !ok {
		t.Error(append([]any{"it does not hold:"}, what...)...)
	}
}

// life is a connection with one message, closed by its client without a status.
func life(t *testing.T, s *Server) (connect, message, disconnect doc) {
	return lifeWith(t, s, "/dev?a=1&a=2&b=x%20y", "User-Agent: agent\r\nOrigin: https://o.test\r\nX-Twice: one\r\nX-Twice: two\r\nContent-Length: 0\r\n")
}

func lifeWith(t *testing.T, s *Server, target, header string) (connect, message, disconnect doc) {
	t.Helper()
	l := newLab(t, s)
	c := l.connectWith(t, target, header)
	connect = l.event(t)
	c.send("{\r\n\t\"a\": 1\r\n}")
	message = l.event(t)
	c.Write(masked(0x88, nil))
	return connect, message, l.event(t)
}

// inEach is a check of each of a connection's three events.
func inEach(check func(t *testing.T, d doc)) func(*testing.T) {
	return func(t *testing.T) {
		connect, message, disconnect := life(t, &Server{})
		for _, d := range []doc{connect, message, disconnect} {
			check(t, d)
		}
	}
}

// ends is a check of a connection's end: what $disconnect hears.
func ends(s *Server, code, reason string, end func(t *testing.T, l *lab, c *rawClient)) func(*testing.T) {
	return func(t *testing.T) {
		server := &Server{IdleTimeout: s.IdleTimeout, MaxAge: s.MaxAge}
		l := newLab(t, server)
		c := l.connect(t)
		l.event(t)
		end(t, l, c)
		d := l.event(t)
		want(t, d.context("disconnectStatusCode"), code, d.context("disconnectReason"), reason)
	}
}
