package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// answerOf is what came back from a signed call.
type answerOf struct {
	status int
	header http.Header
	body   string
}

// manage makes a management call, signed by AWS's signer with the development pair.
func manage(t testing.TB, method, host, path, body string) (answerOf, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+host+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	signedBy(t, r, []byte(body), DevelopmentCredentials(), "us-east-1", "execute-api", time.Now())
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return answerOf{}, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return answerOf{response.StatusCode, response.Header, string(data)}, err
}

func mustManage(t testing.TB, method, host, path, body string) answerOf {
	t.Helper()
	a, err := manage(t, method, host, path, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func pathOf(id string) string { return "/dev/@connections/" + url.QueryEscape(id) }

func TestAPostIsDeliveredAGetDescribesAndADeleteCloses(t *testing.T) {
	f := newRecorder()
	host := serve(t, &Server{Function: f})
	c := dial(t, host, &websocket.DialOptions{HTTPHeader: http.Header{"User-Agent": {`a "browser"`}}})
	c.SetReadLimit(1 << 20)
	id := f.next(t, "CONNECT").RequestContext.ConnectionID

	for _, data := range []string{"hello", "", strings.Repeat("x", 32<<10), strings.Repeat("y", 32<<10+1), strings.Repeat("z", 128<<10), "not UTF-8: \xff"} {
		if strings.HasPrefix(data, "not") {
			continue // the client would close; see the raw test below
		}
		a := mustManage(t, "POST", host, pathOf(id), data)
		if a.status != 200 || a.body != "" || a.header.Get("Content-Type") != "application/json" || a.header.Get("Content-Length") != "0" {
			t.Errorf("post = %+v", a)
		}
		if uuid := a.header.Get("x-amzn-requestid"); !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(uuid) {
			t.Errorf("x-amzn-requestid = %s", uuid)
		}
		if !validConnectionID(a.header.Get("x-amz-apigw-id")) || !strings.HasPrefix(a.header.Get("x-amzn-trace-id"), "Root=1-") || a.header.Get("Date") == "" {
			t.Errorf("headers = %v", a.header)
		}
		if got := read(t, c); got != data {
			t.Errorf("message of %d bytes arrived as %d bytes", len(data), len(got))
		}
	}
	if a := mustManage(t, "POST", host, "/dev/%40connections/"+url.QueryEscape(id), "x"); a.status != 200 || read(t, c) != "x" {
		t.Errorf("post to %%40connections = %+v", a)
	}

	a := mustManage(t, "GET", host, pathOf(id), "")
	const stamp = `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`
	layout := regexp.MustCompile("^\\{\n  \"identity\" : \\{\n    \"sourceIp\" : \"127\\.0\\.0\\.1\",\n    \"userAgent\" : \"a \\\\\"browser\\\\\"\"\n  \\},\n" +
		"  \"connectedAt\" : \"" + stamp + "\",\n  \"lastActiveAt\" : \"" + stamp + "\"\n\\}$")
	if a.status != 200 || !layout.MatchString(a.body) || !json.Valid([]byte(a.body)) || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("get = %+v", a)
	}

	if a := mustManage(t, "DELETE", host, pathOf(id), ""); a.status != 204 || a.body != "" || a.header.Get("Content-Type") != "" || a.header.Get("x-amzn-requestid") == "" {
		t.Errorf("delete = %+v", a)
	}
	_, _, err := c.Read(t.Context())
	if websocket.CloseStatus(err) != 1000 || !strings.Contains(err.Error(), "Connection Closed Normally") {
		t.Errorf("the client sees %v", err)
	}
	if d := f.next(t, "DISCONNECT").RequestContext; d.DisconnectStatusCode != 1000 || d.DisconnectReason != "Connection Closed Normally" {
		t.Errorf("disconnect = %+v", d)
	}
	for _, method := range []string{"GET", "POST", "DELETE"} {
		a := mustManage(t, method, host, pathOf(id), "")
		if a.status != 410 || a.body != "" || a.header.Get("x-amzn-errortype") != "GoneException" ||
			a.header.Get("Content-Length") != "0" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s after delete = %+v", method, a)
		}
	}
}

func TestLongAndOddPostsAreFragmentedTextFrames(t *testing.T) {
	f := newRecorder()
	host := serve(t, &Server{Function: f, FrameBytes: 4})
	nc := rawDial(t, host)
	id := f.next(t, "CONNECT").RequestContext.ConnectionID
	mustManage(t, "POST", host, pathOf(id), "abcdefgh\xff")
	r := bufio.NewReader(nc)
	for i, want := range []frameIn{{0x01, []byte("abcd")}, {0x00, []byte("efgh")}, {0x80, []byte("\xff")}} {
		if got, err := readFrame(r); err != nil || got.first != want.first || string(got.payload) != string(want.payload) {
			t.Errorf("frame %d = %#x %q, %v", i, got.first, got.payload, err)
		}
	}
}

func TestWrongManagementCallsAreAnsweredAsAWSDoes(t *testing.T) {
	f := newRecorder()
	host := serve(t, &Server{Function: f})
	dial(t, host, nil)
	id := f.next(t, "CONNECT").RequestContext.ConnectionID
	const unknown = "L0SM9cOFvHcCIhw="
	for _, test := range []struct {
		name, method, path, body string
		status                   int
		kind, answer             string
	}{
		{"an unknown connection", "POST", pathOf(unknown), "x", 410, "GoneException", ""},
		{"a malformed ID", "POST", pathOf("WDGT8fY4joECJrQ=test"), "x", 400, "BadRequestException", `{"message":"Invalid connectionId: WDGT8fY4joECJrQ=test"}`},
		{"an ID with odd characters", "GET", "/dev/@connections/a%2Fb%22%20%E2%82%AC", "", 400, "BadRequestException", `{"message":"Invalid connectionId: a/b\" €"}`},
		{"another stage", "POST", strings.Replace(pathOf(id), "dev", "prod", 1), "x", 403, "ForbiddenException", `{"message":"Forbidden"}`},
		{"no stage", "POST", "/@connections/" + url.QueryEscape(id), "x", 403, "ForbiddenException", `{"message":"Forbidden"}`},
		{"an endpoint that includes @connections", "POST", "/dev/@connections/@connections/" + url.QueryEscape(id), "x", 404, "NotFoundException", `{"message":"No method found matching route @connections/@connections/` + id + ` for http method POST."}`},
		{"no ID", "POST", "/dev/@connections/", "x", 404, "NotFoundException", ""},
		{"another method", "PUT", pathOf(id), "x", 404, "NotFoundException", ""},
		{"too much", "POST", pathOf(id), strings.Repeat("x", 128<<10+1), 413, "PayloadTooLargeException", `{"message":"Request Too Long"}`},
	} {
		a := mustManage(t, test.method, host, test.path, test.body)
		if a.status != test.status || a.header.Get("x-amzn-errortype") != test.kind || test.answer != "" && a.body != test.answer {
			t.Errorf("%s: %d %s %s, want %d %s %s", test.name, a.status, a.header.Get("x-amzn-errortype"), a.body, test.status, test.kind, test.answer)
		}
	}
}

func TestAConnectionIsGoneWhileItsConnectRuns(t *testing.T) {
	f := newRecorder()
	proceed := make(chan struct{})
	f.answer = func(e event) ([]byte, error) {
		if e.RequestContext.EventType == "CONNECT" {
			<-proceed
		}
		return []byte(`{"statusCode":200}`), nil
	}
	host := serve(t, &Server{Function: f})
	var wg sync.WaitGroup
	var c *websocket.Conn
	wg.Go(func() { c = dial(t, host, nil) })
	id := f.next(t, "CONNECT").RequestContext.ConnectionID
	if a := mustManage(t, "POST", host, pathOf(id), "x"); a.status != 410 {
		t.Errorf("post = %+v", a)
	}
	close(proceed)
	wg.Wait()
	if a := mustManage(t, "POST", host, pathOf(id), "x"); a.status != 200 || read(t, c) != "x" {
		t.Errorf("post = %+v", a)
	}
}

func TestAClientThatLeavesDuringConnectIsStillDisconnected(t *testing.T) {
	f := newRecorder()
	proceed := make(chan struct{})
	f.answer = func(e event) ([]byte, error) {
		if e.RequestContext.EventType == "CONNECT" {
			<-proceed
		}
		return []byte(`{"statusCode":200}`), nil
	}
	host := serve(t, &Server{Function: f})
	nc := dialTCP(t, host)
	io.WriteString(nc, "GET /dev HTTP/1.1\r\nHost: x\r\n"+handshakeFields+"\r\n")
	id := f.next(t, "CONNECT").RequestContext.ConnectionID
	nc.Close()
	close(proceed)
	if d := f.next(t, "DISCONNECT").RequestContext; d.ConnectionID != id || d.DisconnectStatusCode != 1006 {
		t.Errorf("disconnect = %+v", d)
	}
}

// TestAStuckReaderGets429AndStallsNobody posts to a client that reads nothing
// until its queue is full, while another gets everything.
func TestAStuckReaderGets429AndStallsNobody(t *testing.T) {
	f := newRecorder()
	s := &Server{Function: f, QueueBytes: 256 << 10}
	host := serve(t, s)
	stuck := rawDial(t, host)
	stuckID := f.next(t, "CONNECT").RequestContext.ConnectionID
	healthy := dial(t, host, nil)
	healthyID := f.next(t, "CONNECT").RequestContext.ConnectionID
	text := strings.Repeat("x", 16<<10)
	accepted := 0
	for ; ; accepted++ {
		a := mustManage(t, "POST", host, pathOf(stuckID), text)
		if a.status == 429 {
			if a.header.Get("x-amzn-errortype") != "LimitExceededException" {
				t.Errorf("answer = %+v", a)
			}
			break
		}
		if a.status != 200 || accepted > 100<<20/len(text) {
			t.Fatalf("post %d = %+v", accepted, a)
		}
		if b := mustManage(t, "POST", host, pathOf(healthyID), "y"); b.status != 200 || read(t, healthy) != "y" {
			t.Fatalf("post to the other = %+v", b)
		}
	}
	c := engineOf(t, s).table.get(stuckID)
	c.mu.Lock()
	queued := c.out.queued
	c.mu.Unlock()
	if queued > s.QueueBytes+len(text) {
		t.Errorf("%d bytes are queued, the bound is %d", queued, s.QueueBytes)
	}
	// It reads again: all that was accepted arrives, whole and in order, and
	// then it can be posted to.
	r := bufio.NewReader(stuck)
	for i := range accepted {
		if got, err := readFrame(r); err != nil || got.first != 0x81 || string(got.payload) != text {
			t.Fatalf("frame %d of %d: %#x, %d bytes, %v", i, accepted, got.first, len(got.payload), err)
		}
	}
	if a := mustManage(t, "POST", host, pathOf(stuckID), "again"); a.status != 200 {
		t.Errorf("post = %+v", a)
	}
	if got, err := readFrame(r); err != nil || string(got.payload) != "again" {
		t.Errorf("frame = %q, %v", got.payload, err)
	}
}

func TestPostsFromManySidesNeverInterleaveTheirFrames(t *testing.T) {
	f := newRecorder()
	s := &Server{Function: f, QueueBytes: 64 << 20}
	host := serve(t, s)
	nc := rawDial(t, host)
	c := engineOf(t, s).table.get(f.next(t, "CONNECT").RequestContext.ConnectionID)
	const senders, each = 8, 60
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			for n := range each {
				body := strings.Repeat(string(rune('a'+i)), 1+n*977%(100<<10))
				if err := c.send(compileText([]byte(body), 32<<10)); err != nil {
					t.Errorf("send: %v", err)
				}
			}
		})
	}
	// Pings make pongs between them.
	wg.Go(func() {
		for range each {
			nc.Write(masked(0x89, []byte("p")))
		}
	})
	r := bufio.NewReaderSize(nc, 64)
	messages, pongs := 0, 0
	var message []byte
	for messages < senders*each || pongs < each {
		in, err := readFrame(r)
		if err != nil {
			t.Fatal(err)
		}
		if in.first == 0x8a {
			pongs++
			continue
		}
		message = append(message, in.payload...)
		if in.first&0x80 != 0 {
			if strings.Trim(string(message), string(message[:1])) != "" {
				t.Fatalf("a message of %d bytes is mixed", len(message))
			}
			messages++
			message = message[:0]
		}
	}
	wg.Wait()
}

func TestAGeneratedPairIsAnnouncedOnce(t *testing.T) {
	var notices []string
	s := &Server{Function: newRecorder(), Notice: func(text string) { notices = append(notices, text) }}
	r, _ := http.NewRequest("GET", "/dev/@connections/x", nil)
	e := engineOf(t, s)
	first := e.keys.of(e, r)
	if second := e.keys.of(e, r); len(first) != 1 || len(second) != 1 || first[0] != second[0] || first[0] == DevelopmentCredentials() {
		t.Errorf("credentials = %v, then %v", len(first), len(second))
	}
	if len(notices) != 1 || !strings.Contains(notices[0], first[0].SecretAccessKey) || !strings.Contains(notices[0], "other machines") {
		t.Errorf("%d notices", len(notices))
	}
	local := r.WithContext(context.WithValue(context.Background(), reachKey{}, fromThisMachine))
	if c := e.keys.of(e, local); len(c) != 1 || c[0] != DevelopmentCredentials() {
		t.Errorf("on loopback: %d pairs", len(c))
	}
}

// A client that does not know how long its body will be sends it in chunks.
func TestAPostInChunksIsRead(t *testing.T) {
	f := newRecorder()
	host := serve(t, &Server{Function: f})
	nc := rawDial(t, host)
	id := f.next(t, "CONNECT").RequestContext.ConnectionID
	frames := bufio.NewReader(nc)
	transport := &http.Transport{DisableKeepAlives: true}
	for size, status := range map[int]int{0: 200, 1: 200, 5000: 200, 32 << 10: 200, 128<<10 + 1: 413, 1 << 20: 413} {
		text := strings.Repeat("x", size)
		r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+host+pathOf(id), io.MultiReader(strings.NewReader(text)))
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = -1
		signedBy(t, r, []byte(text), DevelopmentCredentials(), "us-east-1", "execute-api", time.Now())
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != status {
			t.Errorf("%d bytes: %d, want %d", size, response.StatusCode, status)
		}
		if status != 200 {
			continue
		}
		if in, err := readFrame(frames); err != nil || string(in.payload) != text {
			t.Errorf("%d bytes arrived as %d, %v", size, len(in.payload), err)
		}
	}
}
