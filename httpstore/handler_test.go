package httpstore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/httpstore"
)

// request is one that is served; a test spoils it.
func request(path, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8000"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Wirepost-Store", "1")
	return r
}

type problem struct{ Error, Code string }

func do(t testing.TB, h http.Handler, r *http.Request) (*httptest.ResponseRecorder, problem) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var p problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusOK && (p.Error == "" || p.Code == "") {
		t.Errorf("%s answers %d %q, want a JSON object, and what is wrong", r.URL.Path, w.Code, w.Body)
	}
	if w.Header().Get("Wirepost-Store") != "1" {
		t.Errorf("%s answers without its version", r.URL.Path)
	}
	return w, p
}

func TestARequestThatIsNotOfAClientIsRefused(t *testing.T) {
	mem := wirepost.NewMemStore(nil)
	var logged bytes.Buffer
	h := httpstore.NewHandler(mem, &httpstore.HandlerOptions{Token: token, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	const stage = `{"endpoint":{"apiId":"a1","stage":"dev","region":"eu-west-1"},"url":"https://example.com","eventTime":1}`
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	for name, c := range map[string]struct {
		spoil  func(*http.Request)
		status int
		code   string
		text   string
	}{
		"an origin":              {header("Origin", "http://127.0.0.1:8000"), 403, "refused", "browsers"},
		"an empty origin":        {header("Origin", ""), 403, "refused", "browsers"},
		"a fetch":                {header("Sec-Fetch-Site", "none"), 403, "refused", "browsers"},
		"a rebound name":         {host("attacker.example:8000"), 403, "refused", "Host"},
		"a name like an address": {host("127.0.0.1.attacker.example"), 403, "refused", "Host"},
		"another address":        {host("192.168.0.1:8000"), 403, "refused", "Host"},
		"no host":                {host(""), 403, "refused", "Host"},
		"no token":               {func(r *http.Request) { r.Header.Del("Authorization") }, 401, "refused", "token"},
		"an empty token":         {header("Authorization", "Bearer "), 401, "refused", "token"},
		"a wrong token":          {header("Authorization", "Bearer wr0ng"), 401, "refused", "token"},
		"a longer token":         {header("Authorization", "Bearer "+token+"x"), 401, "refused", "token"},
		"another scheme":         {header("Authorization", "Basic "+token), 401, "refused", "token"},
		"no version":             {func(r *http.Request) { r.Header.Del("Wirepost-Store") }, 400, "refused", "header Wirepost-Store"},
		"a later version":        {header("Wirepost-Store", "2"), 400, "refused", "update the wirepost command"},
		"a strange version":      {header("Wirepost-Store", "x"), 400, "refused", "header Wirepost-Store"},
		"a negative version":     {header("Wirepost-Store", "-1"), 400, "refused", "header Wirepost-Store"},
		"another method":         {func(r *http.Request) { r.Method = http.MethodGet }, 405, "invalid", "POST"},
		"another call":           {func(r *http.Request) { r.URL.Path = "/v1/drop" }, 404, "invalid", "no call"},
		"a path that is unclean": {func(r *http.Request) { r.URL.Path = "/v1//put-stage" }, 404, "invalid", "no call"},
		"no number of time":      {header("Wirepost-Timeout-Ms", "1s"), 400, "invalid", "milliseconds"},
		"no time":                {header("Wirepost-Timeout-Ms", "0"), 400, "invalid", "milliseconds"},
	} {
		t.Run(name, func(t *testing.T) {
			logged.Reset()
			r := request("/v1/put-stage", stage)
			c.spoil(r)
			w, p := do(t, h, r)
			if w.Code != c.status || p.Code != c.code || !strings.Contains(p.Error, c.text) {
				t.Errorf("answer = %d %+v, want %d %s with %q", w.Code, p, c.status, c.code, c.text)
			}
			for _, text := range []string{w.Body.String(), fmt.Sprint(w.Header()), logged.String()} {
				if strings.Contains(text, "s3cr3t") || strings.Contains(text, "wr0ng") {
					t.Errorf("a token is shown: %s", text)
				}
			}
			if (c.code == "refused") != (logged.Len() > 0) {
				t.Errorf("logged: %q", logged.String())
			}
			if all, err := mem.Stages(t.Context()); err != nil || len(all) > 0 {
				t.Errorf("Stages = %v, %v, want none", all, err)
			}
		})
	}
	for _, name := range []string{"localhost", "LOCALHOST:8000", "127.0.0.1", "[::1]:8000", "[::1]"} {
		r := request("/v1/stages", "{}")
		r.Host = name
		if w, _ := do(t, h, r); w.Code != http.StatusOK {
			t.Errorf("Host %s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestWithoutATokenNobodyIsAdmitted(t *testing.T) {
	for _, o := range []*httpstore.HandlerOptions{nil, {}} {
		h := httpstore.NewHandler(wirepost.NewMemStore(nil), o)
		for _, given := range []string{"", "Bearer", "Bearer "} {
			r := request("/v1/stages", "{}")
			r.Header.Set("Authorization", given)
			if w, _ := do(t, h, r); w.Code != http.StatusUnauthorized {
				t.Errorf("Authorization %q: %d", given, w.Code)
			}
		}
	}
}

// malformed bodies, by the call that they are for.
var malformed = [][2]string{
	{"/v1/put", ``},
	{"/v1/put", `null`},
	{"/v1/put", `[]`},
	{"/v1/put", `{}`},
	{"/v1/put", `{"connectionId":"c9","endpoint":{"apiId":"a1","stage":"dev","region":"eu-west-1"},"connectedAt":1}`},
	{"/v1/put", `{"connectionId":"c9","endpoint":{"apiId":"a1","stage":"dev","region":"eu-west-1"},"connectedAt":null,"expiresAt":9999999999999}`},
	{"/v1/put", `{"connectionId":"c9","endpoint":{"apiId":"a1","stage":"dev","region":"eu-west-1"},"connectedAt":1.5,"expiresAt":9999999999999}`},
	{"/v1/put", `{"connectionId":"c9","endpoint":{"apiId":"a1","stage":"dev","region":"eu-west-1"},"connectedAt":"1","expiresAt":9999999999999}`},
	{"/v1/put", `{"connectionId":"c9","endpoint":{"apiId":"a1","stage":"dev","region":"eu-west-1"},"connectedAt":1,"expiresAt":99999999999999999999}`},
	{"/v1/put", `{"connectionId":"c9","endpoint":{"apiId":"a1","stage":"dev","region":"eu-west-1"},"connectedAt":1,"expiresAt":9999999999999,"more":1}`},
	{"/v1/put", `{"connectionId":"c9","endpoint":{"apiId":"a1","stage":"dev","region":"eu-west-1"},"connectedAt":1,"expiresAt":9999999999999}{}`},
	{"/v1/put", `{"connectionId":"c9","endpoint":{"apiId":"a1","stage":"dev","region":"eu-west-1"},"connectedAt":1,"expiresAt":9999999999999,"topics":["\ud800"]}`},
	{"/v1/put", "{\"connectionId\":\"c9\",\"endpoint\":{\"apiId\":\"a1\",\"stage\":\"dev\",\"region\":\"eu-west-1\"},\"connectedAt\":1,\"expiresAt\":9999999999999,\"topics\":[\"\xff\"]}"},
	{"/v1/subscribe", `{"connectionId":"c1"}`},
	{"/v1/subscribe", `{"connectionId":"c1","topic":"\udc00\ud800"}`},
	{"/v1/subscribe", `{"connectionId":"c1","topic":"\ud83dx"}`},
	{"/v1/subscribe", `{"connectionId":"c1","topic":"\ud83d"}`},
	{"/v1/subscribe", `{"connectionId":"c1","topic":"a\u0000"}`},
	{"/v1/subscribe", `{"connectionId":"c1","topic":7}`},
	{"/v1/unsubscribe", `{"connectionId":"c1","topic":""}`},
	{"/v1/delete", `{"connectionId":"c1"`},
	{"/v1/delete", `"c1"`},
	{"/v1/reap", `{"listed":{"connectionId":"c1"}}`},
	{"/v1/connections", `{}`},
	{"/v1/connections", `{"audience":{"kind":"room","name":"a"}}`},
	{"/v1/connections", `{"audience":{"kind":"everyone"},"part":2,"parts":2}`},
	{"/v1/connections", `{"audience":{"kind":"everyone"},"limit":-1}`},
	{"/v1/put-stage", `{"endpoint":{"apiId":"a1","stage":"dev","region":"eu-west-1"},"url":"https://example.com"}`},
	{"/v1/put-stage", `{"endpoint":{"apiId":"a1","stage":"dev"},"url":"https://example.com","eventTime":1}`},
	{"/v1/stages", ``},
	{"/v1/stages", `{"a":1}`},
}

func TestAMalformedRequestIsInvalidAndChangesNothing(t *testing.T) {
	mem := peopled(t)
	h := httpstore.NewHandler(mem, &httpstore.HandlerOptions{Token: token})
	before := everything(t, mem)
	for _, m := range malformed {
		if w, p := do(t, h, request(m[0], m[1])); w.Code != http.StatusBadRequest || p.Code != "invalid" || strings.Contains(p.Error, "\n") {
			t.Errorf("%s %s: %d %+v, want 400 and one sentence", m[0], m[1], w.Code, p)
		}
	}
	if w, p := do(t, h, request("/v1/put", strings.Repeat(" ", 5<<20))); w.Code != http.StatusRequestEntityTooLarge || p.Code != "invalid" {
		t.Errorf("5 MiB: %d %+v", w.Code, p)
	}
	if after := everything(t, mem); after != before {
		t.Errorf("the store was\n%s\nand is\n%s", before, after)
	}
}

// Whole characters may be escaped, and a backslash that is escaped begins nothing.
func TestEscapedCharactersAreRead(t *testing.T) {
	mem := peopled(t)
	h := httpstore.NewHandler(mem, &httpstore.HandlerOptions{Token: token})
	for body, want := range map[string]string{
		`{"connectionId":"c1","topic":"\ud83d\uDE00"}`:     "😀",
		`{"connectionId":"c1","topic":"\\ud800"}`:          `\ud800`,
		`{"connectionId":"c1","topic":"\\\u00e4\"\ufffd"}`: `\ä"` + "\ufffd",
	} {
		if w, _ := do(t, h, request("/v1/subscribe", body)); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
		if c, err := mem.Connection(t.Context(), "c1"); err != nil || !slices.Contains(c.Topics, want) {
			t.Errorf("%s: topics = %q, %v, want %q", body, c.Topics, err, want)
		}
	}
}

// peopled is a store with something of everything.
func peopled(t testing.TB) *wirepost.MemStore {
	t.Helper()
	s := wirepost.NewMemStore(nil)
	for _, c := range []wirepost.Connection{connection("c1", "alice", "a"), connection("c2", "", "a", "b")} {
		if err := s.Put(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.PutStage(t.Context(), wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: production, URL: "https://example.com"}, EventTime: time.UnixMilli(5)}); err != nil {
		t.Fatal(err)
	}
	return s
}

// everything is what a store has, as text.
func everything(t testing.TB, s wirepost.Store) string {
	t.Helper()
	var b strings.Builder
	for l, err := range s.Connections(t.Context(), wirepost.Everyone(), wirepost.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Connection(t.Context(), l.ID)
		fmt.Fprintf(&b, "%q %v\n", fmt.Sprint(c), err)
	}
	stages, err := s.Stages(t.Context())
	fmt.Fprintf(&b, "%q %v\n", fmt.Sprint(stages), err)
	return b.String()
}

func FuzzHandler(f *testing.F) {
	for _, m := range malformed {
		f.Add(m[0], m[1], "30000")
	}
	for _, m := range [][2]string{
		{"/v1/put", `{"connectionId":"c9","endpoint":{"apiId":"a1","stage":"dev","region":"eu-west-1"},"user":"u","connectedAt":1,"expiresAt":9999999999999,"topics":["\ud83d\ude00"]}`},
		{"/v1/delete", `{"connectionId":"c1","endpoint":{"apiId":"a1b2c3d4e5","stage":"production","region":"eu-central-1"},"connectedAt":1}`},
		{"/v1/reap", `{"audience":{"kind":"topic","name":"a"},"listed":{"connectionId":"c1","endpoint":{"apiId":"a1"},"connectedAt":1,"cursor":"c1"}}`},
		{"/v1/connection", `{"connectionId":"c1"}`},
		{"/v1/connections", `{"audience":{"kind":"topic","name":"a"},"after":"c1","part":1,"parts":2,"limit":1}`},
		{"/v1/stage", `{"endpoint":{"apiId":"a1b2c3d4e5","stage":"production","region":"eu-central-1"}}`},
		{"/v1/delete-stage", `{"endpoint":{"apiId":"a1b2c3d4e5","stage":"production","region":"eu-central-1"},"url":"https://example.com","eventTime":5}`},
	} {
		f.Add(m[0], m[1], "")
	}
	f.Fuzz(func(t *testing.T, path, body, timeout string) {
		mem := peopled(t)
		before := everything(t, mem)
		r := request("/", body)
		r.URL.Path = path
		if timeout != "" {
			r.Header.Set("Wirepost-Timeout-Ms", timeout)
		}
		w, p := do(t, httpstore.NewHandler(mem, &httpstore.HandlerOptions{Token: token}), r)
		if w.Code != http.StatusOK && everything(t, mem) != before {
			t.Errorf("%s %q changed the store and answers %d %+v", path, body, w.Code, p)
		}
		if w.Code == http.StatusOK && (!json.Valid([]byte(body)) || !utf8.ValidString(body)) {
			t.Errorf("%s %q is no JSON and is answered %s", path, body, w.Body)
		}
	})
}

func TestThePageSizeIsBounded(t *testing.T) {
	h := httpstore.NewHandler(crowded(t, 1200), &httpstore.HandlerOptions{Token: token})
	for limit, want := range map[int]int{0: 1000, 1: 1, 999: 999, 1000: 1000, 5000: 1000} {
		w, _ := do(t, h, request("/v1/connections", fmt.Sprintf(`{"audience":{"kind":"everyone"},"limit":%d}`, limit)))
		var p struct {
			Items []json.RawMessage
			More  bool
		}
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || len(p.Items) != want || !p.More {
			t.Errorf("a page of %d has %d items, more %v, %v, want %d", limit, len(p.Items), p.More, err, want)
		}
	}
}

func TestTheServersErrorsKeepTheirMeaning(t *testing.T) {
	mem := crowded(t, 3)
	disk := errors.New("the disk is full")
	s := lend(t, &hooked{Store: mem,
		connection: func(_ context.Context, id string) (wirepost.Connection, error) {
			switch id {
			case "absent":
				return wirepost.Connection{}, fmt.Errorf("look for it: %w", wirepost.ErrNotFound)
			case "own": // a deadline of the store's own is not the caller's
				return wirepost.Connection{}, fmt.Errorf("ask the database: %w", context.DeadlineExceeded)
			}
			return wirepost.Connection{}, disk
		},
		connections: func(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) iter.Seq2[wirepost.Listed, error] {
			return func(yield func(wirepost.Listed, error) bool) {
				for l := range mem.Connections(ctx, a, o) {
					if l.ID == "c00002" {
						yield(wirepost.Listed{}, disk)
						return
					}
					if !yield(l, nil) {
						return
					}
				}
			}
		},
	}, nil)
	if _, err := s.Connection(t.Context(), "absent"); !errors.Is(err, wirepost.ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
	for id, want := range map[string]string{"own": "ask the database", "c1": "the disk is full"} {
		_, err := s.Connection(t.Context(), id)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "find connection "+id) || !strings.Contains(err.Error(), s.String()) || errors.Is(err, wirepost.ErrNotFound) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: error = %v, want what was asked, where, and %q", id, err, want)
		}
	}
	// What was listed before the error comes before the error.
	ids, err := list(t.Context(), s)
	if len(ids) != 2 || err == nil || !strings.Contains(err.Error(), disk.Error()) {
		t.Errorf("listed %q, %v, want two and the error", ids, err)
	}
}

func TestABodyThatEndsTooSoonChangesNothing(t *testing.T) {
	mem := wirepost.NewMemStore(nil)
	h := httpstore.NewHandler(mem, &httpstore.HandlerOptions{Token: token})
	r := request("/v1/put-stage", "")
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"endpoint":{"apiId":"a1","stage":"dev","region":"eu-west-1"},"url":"https://example.com","eventTime":1}`), failing{}))
	if w, p := do(t, h, r); w.Code != http.StatusBadRequest || p.Code != "invalid" {
		t.Errorf("answer = %d %+v", w.Code, p)
	}
	if all, err := mem.Stages(t.Context()); err != nil || len(all) > 0 {
		t.Errorf("Stages = %v, %v, want none", all, err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestRefusalsDoNotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := httpstore.NewHandler(wirepost.NewMemStore(nil), &httpstore.HandlerOptions{Token: "s3cr3t", Logger: slog.New(slog.NewTextHandler(&log, nil))})
		for range 3 {
			for range 500 {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "http://127.0.0.1/v1/put", nil))
			}
			time.Sleep(time.Second)
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 60 || !strings.HasSuffix(lines[0], "wrong\"") || !strings.HasSuffix(lines[40], "notLogged=480") || !strings.HasSuffix(lines[41], "wrong\"") {
			t.Errorf("%d lines, such as %s", len(lines), lines[min(40, len(lines)-1)])
		}
	})
}
