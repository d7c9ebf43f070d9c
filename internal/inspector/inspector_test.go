package inspector_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/examples/notify"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/inspector"
	"github.com/wirepost/wirepost/wireposttest"
)

// world is a gateway with the example function, and its inspector at a URL.
type world struct {
	gateway  *wireposttest.Gateway
	recorder *inspector.Recorder
	store    *wirepost.MemStore
	url      string // of the inspector's server
	cookie   *http.Cookie
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOf(t, wirepost.NewMemStore(nil))
}

func newWorldOf(t *testing.T, store *wirepost.MemStore) *world {
	t.Helper()
	publisher := wirepost.NewPublisher(store, nil)
	t.Cleanup(func() { publisher.CloseIdleConnections() })
	w := &world{recorder: inspector.NewRecorder(nil), store: store}
	mux := notify.New(store, publisher, nil)
	faults := gateway.NewFaults(1, nil)
	w.gateway = wireposttest.NewGateway(t, mux, func(s *gateway.Server) {
		s.Routes = map[string]gateway.Route{}
		for _, key := range mux.RouteKeys() {
			s.Routes[key] = gateway.Route{Function: mux, RouteResponse: !strings.HasPrefix(key, "$") || key == "$default"}
		}
		s.Observer, s.Fault = w.recorder, faults.Ask
	})
	i := inspector.New(inspector.Options{Recorder: w.recorder, Server: w.gateway.Server, Token: "url-token", Bearer: "program-token", Store: store,
		Publisher: publisher, Faults: faults, Connect: w.gateway.URL, Endpoint: w.gateway.Endpoint})
	server := httptest.NewServer(i)
	t.Cleanup(func() {
		i.Close()
		server.CloseClientConnections()
		server.Close()
	})
	w.url = server.URL
	answer := w.ask(t, "GET", "/_wirepost/?token=url-token", "", nil)
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/_wirepost/" || len(answer.Cookies()) != 1 {
		t.Fatalf("the first GET is answered with %s, %v", answer.Status, answer.Header)
	}
	w.cookie = answer.Cookies()[0]
	return w
}

// serve is what the inspector answers to a request.
func serve(i *inspector.Inspector, r *http.Request) string {
	w := httptest.NewRecorder()
	i.ServeHTTP(w, r)
	return w.Body.String()
}

// ask makes a request as a program would: nothing is sent unasked.
func (w *world) ask(t *testing.T, method, path, body string, change func(*http.Request)) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}

// page makes a request of the inspector's own page.
func (w *world) page(r *http.Request) {
	r.AddCookie(w.cookie)
	r.Header.Set("Origin", w.url)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Wirepost-Inspector", "1")
	if r.Method != "GET" {
		r.Header.Set("Content-Type", "application/json")
	}
}

func (w *world) do(t *testing.T, method, path, body string, into any) {
	t.Helper()
	answer := w.ask(t, method, "/_wirepost/api/"+path, body, w.page)
	said, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != 200 {
		t.Fatalf("%s %s: %s %s", method, path, answer.Status, said)
	}
	if into != nil {
		if err := json.Unmarshal(said, into); err != nil {
			t.Fatalf("%s %s: %v: %s", method, path, err, said)
		}
	}
}

func TestTheCookieIsOutOfReachOfScriptsAndOtherSites(t *testing.T) {
	w := newWorld(t)
	c := w.cookie
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/_wirepost/" || strings.Contains(c.Value, "token") {
		t.Errorf("the cookie is %v", c)
	}
	answer := w.ask(t, "GET", "/_wirepost/", "", func(r *http.Request) { r.AddCookie(c) })
	policy := answer.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q lacks %s", policy, want)
		}
	}
	if answer.StatusCode != 200 || strings.Contains(policy, "unsafe") || answer.Header.Get("Referrer-Policy") != "no-referrer" || answer.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s %v", answer.Status, answer.Header)
	}
}

// Each line of the safety rules, with requests as browsers make them, all of them with
// the cookie: pages of another port of this machine are of the same site.
func TestRequestsOfOtherPagesAndNamesAreRefused(t *testing.T) {
	w := newWorld(t)
	host := strings.TrimPrefix(w.url, "http://")
	type change = func(*http.Request)
	header := func(pairs ...string) change {
		return func(r *http.Request) {
			r.AddCookie(w.cookie)
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i+1] == "" {
					r.Header.Del(pairs[i])
				} else {
					r.Header.Set(pairs[i], pairs[i+1])
				}
			}
		}
	}
	own := []string{"Origin", w.url, "Sec-Fetch-Site", "same-origin", "Wirepost-Inspector", "1", "Content-Type", "application/json"}
	with := func(pairs ...string) change { return header(append(append([]string{}, own...), pairs...)...) }
	for _, c := range []struct {
		name, method, path, body string
		change                   change
		status                   int
	}{
		{"the page's own read", "GET", "api/records", "", with(), 200},
		{"the page's own act", "POST", "api/clear", "", with(), 200},
		{"a program's read", "GET", "api/records", "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer program-token") }, 200},
		{"a program of a page", "GET", "api/records", "", func(r *http.Request) {
			r.Header.Set("Authorization", "Bearer program-token")
			r.Header.Set("Origin", "http://127.0.0.1:1")
		}, 403},
		{"no cookie", "GET", "api/records", "", func(r *http.Request) { r.Header.Set("Wirepost-Inspector", "1") }, 401},
		{"another run's cookie", "GET", "api/records", "", func(r *http.Request) {
			r.AddCookie(&http.Cookie{Name: w.cookie.Name, Value: "other"})
			r.Header.Set("Wirepost-Inspector", "1")
		}, 401},
		{"a wrong token", "GET", "?token=url-tokem", "", nil, 401},
		{"the page without a cookie", "GET", "", "", nil, 401},
		{"another origin reads", "GET", "api/records", "", with("Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site"), 403},
		{"another port reads", "GET", "api/records", "", with("Origin", "http://127.0.0.1:1", "Sec-Fetch-Site", "same-site"), 403},
		{"another port reads without an Origin", "GET", "api/records", "", with("Origin", "", "Sec-Fetch-Site", "same-site"), 403},
		{"an old browser's page without the header", "GET", "api/records", "", header(), 403},
		{"another port takes the page", "GET", "", "", header("Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"), 403},
		{"another site frames the page", "GET", "", "", header("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"), 403},
		{"a link to the page", "GET", "", "", header("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"), 200},
		{"a link to data", "GET", "api/export", "", header("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"), 403},
		{"another origin posts", "POST", "api/publish", `{"to":"everyone","data":"x"}`, with("Origin", "http://127.0.0.1:1"), 403},
		{"a form posts", "POST", "api/publish", `{"to":"everyone","data":"x"}`, header("Origin", "null", "Content-Type", "text/plain"), 403},
		{"a form without an origin posts", "POST", "api/publish", `{"to":"everyone","data":"x"}`, header("Content-Type", "text/plain"), 403},
		{"a body of another type", "POST", "api/publish", `{"to":"everyone","data":"x"}`, with("Content-Type", "text/plain"), 415},
		{"a rebound name", "GET", "api/records", "", func(r *http.Request) { with()(r); r.Host = "evil.example:80" }, 403},
		{"a name that begins alike", "GET", "api/records", "", func(r *http.Request) { with()(r); r.Host = "localhost.evil.example" }, 403},
		{"another name of this machine, of the other's origin", "GET", "api/records", "", func(r *http.Request) { with()(r); r.Host = strings.Replace(host, "127.0.0.1", "localhost", 1) }, 403},
		{"an upgrade", "GET", "api/stream", "", with("Upgrade", "websocket", "Connection", "Upgrade"), 403},
		{"an upgrade of another origin", "GET", "api/stream", "", with("Upgrade", "websocket", "Connection", "Upgrade", "Origin", "http://127.0.0.1:1"), 403},
		{"a file that is not there", "GET", "nothing.js", "", with(), 404},
	} {
		answer := w.ask(t, c.method, "/_wirepost/"+c.path, c.body, c.change)
		said, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != c.status {
			t.Errorf("%s: %s %.200s, want %d", c.name, answer.Status, said, c.status)
		}
		if answer.Header.Get("Access-Control-Allow-Origin") != "" || answer.Header.Get("X-Content-Type-Options") != "nosniff" || answer.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: headers %v", c.name, answer.Header)
		}
	}
}

func TestSecretsAreMaskedBeforeTheyAreKept(t *testing.T) {
	w := newWorld(t)
	secrets := http.Header{"Authorization": {"Bearer SECRET1"}, "Cookie": {"session=SECRET2"}, "Sec-Websocket-Protocol": {"chat, bearer.SECRET3.x-y_z"},
		"Referer": {"http://x/?access_token=SECRET4&a=b"}, "X-Api-Key": {"SECRET5"}, "X-Note": {"he said bearer SECRET6"}}
	c, err := wireposttest.Dial(t.Context(), w.gateway.URL+"?user=alice&topic=lobby&token=SECRET7&Access%5FToken=SECRET8&jwt=SECRET9", secrets)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Cut()
	if err := c.Send(`{"action":"ping","link":"https://x/?id_token=SECRETA&b=1","h":"Bearer SECRETB"}`); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.do(t, "POST", "replay", `{"route":"ping","event":{"headers":{"Cookie":"SECRETC"},"multiValueHeaders":{"cookie":["SECRETD","]SECRETE"]},"requestContext":{"eventType":"MESSAGE","connectionId":"x"}}}`, nil)
	said, _ := io.ReadAll(w.ask(t, "GET", "/_wirepost/api/export", "", w.page).Body)
	if strings.Contains(string(said), "SECRET") {
		t.Errorf("kept:\n%s", said)
	}
	for _, want := range []string{"user=alice", `\"topic\":\"lobby\"`, "token=(masked)", "he said bearer (masked)", "bearer.(masked)", "\"masked\":true"} {
		if !strings.Contains(string(said), want) {
			t.Errorf("the session lacks %s:\n%s", want, said)
		}
	}
}

func TestTheStreamOfProgramsHasEachCompleteRecord(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "GET", w.url+"/_wirepost/api/stream?full=1&route=ping", nil)
	r.Header.Set("Authorization", "Bearer program-token")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	c, err := wireposttest.Dial(ctx, w.gateway.URL+"?user=alice", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Cut()
	if err := c.Send(`{"action":"ping"}`); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(answer.Body)
	var kinds []string
	for len(kinds) < 3 && lines.Scan() {
		var record inspector.Record
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, record.Kind)
		if record.Kind == "invocation" && (!strings.Contains(record.Text, `"eventType":"MESSAGE"`) || !strings.Contains(record.Answer, "pong") || record.Took <= 0) {
			t.Errorf("%+v", record)
		}
	}
	if got := strings.Join(kinds, " "); got != "message invocation frame" {
		t.Errorf("the stream has %s, %v", got, lines.Err())
	}
}

func TestClientsOfThePageGoToThisGatewayOnly(t *testing.T) {
	w := newWorld(t)
	var made struct {
		N          int
		Connection string
	}
	w.do(t, "POST", "clients", `{"query":"user=alice&topic=lobby","headers":{"X-Own":"1"},"protocols":["chat"]}`, &made)
	if made.N != 1 || len(made.Connection) != 16 {
		t.Fatalf("%+v", made)
	}
	var list struct {
		Open        int
		Connections []struct {
			ID, User string
			Topics   []string
			Client   int
		}
	}
	w.do(t, "GET", "connections?q=ALICE", "", &list)
	if list.Open != 1 || len(list.Connections) != 1 || list.Connections[0].ID != made.Connection || list.Connections[0].User != "alice" || list.Connections[0].Client != 1 || list.Connections[0].Topics[0] != "lobby" {
		t.Errorf("%+v", list)
	}
	w.do(t, "POST", "clients/1", `{"text":"{\"action\":\"ping\"}"}`, nil)
	var sent struct{ Result string }
	w.do(t, "POST", "publish", `{"to":"user:alice","data":"hi"}`, &sent)
	if sent.Result != "sent 1" {
		t.Errorf("%+v", sent)
	}
	w.do(t, "POST", "kick", `{"to":"user:alice"}`, &sent)
	if sent.Result != "closed 1" {
		t.Errorf("%+v", sent)
	}
	for _, c := range []struct{ path, body, says string }{
		{"clients", `{"query":"a b"}`, "has to be escaped"},
		{"clients", `{"headers":{"A: b":"c"}}`, "not a header"},
		{"clients", `{"headers":{"A":"b\r\nC: d"}}`, "not a header"},
		{"clients", `{"protocols":["a,b"]}`, "not a subprotocol"},
		{"clients", `{"url":"ws://127.0.0.1:1/"}`, "cannot be read"},
		{"clients/7", `{"text":"x"}`, "has ended"},
		{"publish", `{"to":"room:x","data":"x"}`, "room"},
		{"replay", `{"route":"nobody","event":{}}`, "no function"},
		{"replay", `{"route":"ping","event":7}`, `"the event is not valid: it is not an object"`},
		{"replay", `{"route":"ping","event":{"requestContext":{"connectionId":7}}}`, `"the event is not valid: requestContext.connectionId is not a string"`},
		{"replay", `{"route":"ping"}`, `"the event is not valid: unexpected end of JSON input"`},
		{"replay", `{"route":7}`, `"the request cannot be read: route is not a string"`},
		{"clients", `[]`, `"the request cannot be read: it is not an object"`},
		{"import", `{}`, "not a session"},
	} {
		answer := w.ask(t, "POST", "/_wirepost/api/"+c.path, c.body, w.page)
		said, _ := io.ReadAll(answer.Body)
		if answer.StatusCode < 400 || answer.StatusCode >= 500 || !strings.Contains(string(said), c.says) {
			t.Errorf("POST %s %s: %s %s, want %q", c.path, c.body, answer.Status, said, c.says)
		}
	}
	if answer := w.ask(t, "GET", "/_wirepost/api/records?status="+url.QueryEscape("9xx"), "", w.page); answer.StatusCode != 400 {
		t.Errorf("a wrong status: %s", answer.Status)
	}
}

func TestASessionIsReadBackAsItWas(t *testing.T) {
	w := newWorld(t)
	c, err := wireposttest.Dial(t.Context(), w.gateway.URL+"?user=alice", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Cut()
	if err := c.Send(`{"action":"ping"}`); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	first, _ := io.ReadAll(w.ask(t, "GET", "/_wirepost/api/export", "", w.page).Body)
	w.do(t, "POST", "import", string(first), nil)
	w.do(t, "POST", "clear", "", nil)
	second, _ := io.ReadAll(w.ask(t, "GET", "/_wirepost/api/export?session=imported", "", w.page).Body)
	_, firstRecords, _ := strings.Cut(string(first), "\n")
	_, secondRecords, _ := strings.Cut(string(second), "\n")
	if firstRecords != secondRecords || len(firstRecords) < 500 {
		t.Errorf("exported:\n%s\nread back:\n%s", firstRecords, secondRecords)
	}
	half := string(first[:len(first)/2])
	if answer := w.ask(t, "POST", "/_wirepost/api/import", half[:strings.LastIndex(half, "\n")+1], w.page); answer.StatusCode != 400 {
		t.Errorf("half a session: %s", answer.Status)
	}
}

func TestALogIsShownWithPositionsAndGaps(t *testing.T) {
	w := newWorld(t)
	get := func(path string, into any) int {
		t.Helper()
		answer := w.ask(t, "GET", "/_wirepost/api/"+path, "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer program-token") })
		if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode
	}
	type logs struct {
		Supported bool
		Logs      []struct {
			Topic  string
			Offset uint64
		}
	}
	var none logs
	if status := get("logs", &none); status != http.StatusOK || !none.Supported || len(none.Logs) != 0 {
		t.Errorf("without a log: %d %+v", status, none)
	}
	publisher := wirepost.NewPublisher(w.store, nil)
	to := wirepost.ToTopic("lobby")
	for i := range 70 {
		keep := time.Hour
		if i == 40 || i == 41 {
			keep = time.Millisecond
		}
		frame, err := wirepost.NewEnvelope(to, []byte(`"`+strings.Repeat("x", 700)+`"`)).Frame()
		if err == nil {
			_, err = publisher.Append(t.Context(), to, frame, &wirepost.PublishOptions{Keep: keep})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	over := time.NewTimer(5 * time.Millisecond)
	<-over.C // two of them
	var log struct {
		Epoch    string
		Offset   uint64
		Messages []struct {
			Offset  uint64
			ID      string
			At, End time.Time
		}
		Gone  [][2]uint64
		Error string
	}
	if status := get("log?topic=lobby", &log); status != http.StatusOK || log.Epoch == "" || log.Offset != 70 || len(log.Messages) != 48 || log.Messages[0].Offset != 70 || log.Messages[47].Offset != 21 ||
		log.Messages[0].ID == "" || log.Messages[0].End.Sub(log.Messages[0].At) != time.Hour || len(log.Gone) != 1 || log.Gone[0] != [2]uint64{41, 42} {
		t.Errorf("the log is shown as %d %+v", status, log)
	}
	var known logs
	if get("logs", &known); len(known.Logs) != 1 || known.Logs[0].Topic != "lobby" || known.Logs[0].Offset != 70 {
		t.Errorf("after it was named: %+v", known)
	}
	if status := get("log?topic=", &log); status != http.StatusBadRequest || !strings.HasPrefix(log.Error, "topic: ") {
		t.Errorf("without a topic: %d %q", status, log.Error)
	}
}
