package httpstore_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/httpstore"
	"github.com/wirepost/wirepost/wireposttest"
)

// token has characters that a URL has to escape.
const (
	token        = "s3cr3t/t@ken:%"
	escapedToken = "s3cr3t%2Ft%40ken%3A%25"
)

// TestMain fails when a test leaves a goroutine behind, of this package or of a
// connection of its clients.
func TestMain(m *testing.M) {
	code := m.Run()
	if leaked := leakedGoroutines(5 * time.Second); leaked != "" && code == 0 {
		fmt.Fprintf(os.Stderr, "goroutines outlived the tests:\n%s\n", leaked)
		code = 1
	}
	os.Exit(code)
}

func leakedGoroutines(patience time.Duration) string {
	for end := time.Now().Add(patience); ; runtime.Gosched() {
		var leaked []string
		buffer := make([]byte, 4<<20)
		buffer = buffer[:runtime.Stack(buffer, true)]
		for i, stack := range strings.Split(string(buffer), "\n\n") {
			if i > 0 && (strings.Contains(stack, "wirepost/httpstore.") || strings.Contains(stack, "net/http.(*persistConn)")) {
				leaked = append(leaked, stack)
			}
		}
		if len(leaked) == 0 || time.Now().After(end) {
			return strings.Join(leaked, "\n\n")
		}
	}
}

// The pages are small, so that what comes and goes during a listing does so
// between pages too.
func TestTheStoreKeepsTheContract(t *testing.T) {
	wireposttest.TestStore(t, func(t *testing.T, o wireposttest.StoreOptions) wirepost.Store {
		return lend(t, wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: o.Now}), &httpstore.Options{PageItems: 70})
	})
}

func TestTheStoreKeepsTheContractInEveryRace(t *testing.T) {
	wireposttest.TestStoreRaces(t, 20, func(t *testing.T, o wireposttest.StoreOptions) wirepost.Store {
		return lend(t, wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: o.Now}), &httpstore.Options{PageItems: 3})
	})
}

// serve serves a handler at a loopback port.
func serve(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv
}

// lend serves a store and opens a client of it.
func lend(t testing.TB, store wirepost.Store, o *httpstore.Options) *httpstore.Store {
	t.Helper()
	return open(t, serve(t, httpstore.NewHandler(store, &httpstore.HandlerOptions{Token: token})).URL, o)
}

// open opens a client of a server whose address has no token.
func open(t testing.TB, address string, o *httpstore.Options) *httpstore.Store {
	t.Helper()
	s, err := httpstore.Open(withToken(address, escapedToken), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func withToken(address, escaped string) string {
	return strings.Replace(address, "http://", "http://:"+escaped+"@", 1)
}

// hooked is a store of which a test replaces what it is about.
type hooked struct {
	wirepost.Store
	connection  func(context.Context, string) (wirepost.Connection, error)
	connections func(context.Context, wirepost.Audience, wirepost.ListOptions) iter.Seq2[wirepost.Listed, error]
}

func (h *hooked) Connection(ctx context.Context, id string) (wirepost.Connection, error) {
	if h.connection != nil {
		return h.connection(ctx, id)
	}
	return h.Store.Connection(ctx, id)
}

func (h *hooked) Connections(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) iter.Seq2[wirepost.Listed, error] {
	if h.connections != nil {
		return h.connections(ctx, a, o)
	}
	return h.Store.Connections(ctx, a, o)
}

var production = wirepost.Identity{APIID: "a1b2c3d4e5", Stage: "production", Region: "eu-central-1"}

func connection(id, user string, topics ...string) wirepost.Connection {
	now := time.Now().Truncate(time.Millisecond).UTC()
	return wirepost.Connection{ID: id, Endpoint: production, User: user, Topics: topics, ConnectedAt: now, ExpiresAt: now.Add(2 * time.Hour)}
}

// crowded has n connections on the topic "all".
func crowded(t testing.TB, n int) *wirepost.MemStore {
	t.Helper()
	s := wirepost.NewMemStore(nil)
	for i := range n {
		if err := s.Put(t.Context(), connection(fmt.Sprintf("c%05d", i), "", "all")); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func list(ctx context.Context, s wirepost.Store) (ids []string, err error) {
	for l, err := range s.Connections(ctx, wirepost.ToTopic("all"), wirepost.ListOptions{}) {
		if err != nil {
			return ids, err
		}
		ids = append(ids, l.ID)
	}
	return ids, nil
}

func TestTheURLOpensTheStore(t *testing.T) {
	mem := wirepost.NewMemStore(nil)
	prefixed := http.StripPrefix("/some/store", httpstore.NewHandler(mem, &httpstore.HandlerOptions{Token: token}))
	address := serve(t, prefixed).URL
	s, err := wirepost.OpenStore(t.Context(), withToken(address, escapedToken)+"/some/store/")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	// A topic of every kind of character that JSON or HTTP could take for its own.
	want := connection("c1", "alice", "\u2028<&>\"\\ \ufffd 日本 😀\u0301", "\ufeff/../%00")
	if err := s.Put(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	got, err := mem.Connection(t.Context(), "c1")
	slices.Sort(want.Topics)
	if err != nil || !slices.Equal(got.Topics, want.Topics) || got.User != "alice" {
		t.Errorf("the row behind the server is %+v, %v, want %+v", got, err, want)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		if text := fmt.Sprintf(verb, s); strings.Contains(text, "s3cr3t") || strings.Contains(text, fmt.Sprintf("%x", "s3cr3t")) {
			t.Errorf("printed with %s the store shows its token: %s", verb, text)
		}
	}
	if got, want := fmt.Sprint(s), address+"/some/store"; got != want {
		t.Errorf("String = %s, want %s", got, want)
	}
}

// badURLs are refused. Wherever the token is in them, no error shows it.
var badURLs = map[string]string{
	"https://:s3cr3t@127.0.0.1:8000":      "TLS",
	"http://:s3cr3t@example.com:8000":     "loopback",
	"http://:s3cr3t@10.0.0.1:8000":        "loopback",
	"http://:s3cr3t@127.0.0.1.nip.io:80":  "loopback",
	"http://:s3cr3t@[::2]:8000":           "loopback",
	"http://:s3cr3t@0.0.0.0:8000":         "loopback",
	"http://:s3cr3t@127.0.0.1":            "port",
	"http://:s3cr3t@127.0.0.1:0":          "port",
	"http://:s3cr3t@127.0.0.1:70000":      "port",
	"http://:s3cr3t@127.0.0.1:x":          "malformed",
	"http://127.0.0.1:8000":               "token",
	"http://:@127.0.0.1:8000":             "token",
	"http://:s3cr3t%0d%0a@127.0.0.1:8000": "token",
	"http://:s3cr3t%20@127.0.0.1:8000":    "token",
	"http://s3cr3t@127.0.0.1:8000":        "user name",
	"http://me:s3cr3t@127.0.0.1:8000":     "user name",
	"http://:s3cr3t@127.0.0.1:8000/?a=b":  "query",
	"http://:s3cr3t@127.0.0.1:8000/#a":    "fragment",
	"http://:s3cr3t/more@127.0.0.1:8000":  "malformed",
	"http://s3cr3t:127.0.0.1:8000":        "malformed",
	"http://s3cr3t":                       "token",
	"http://":                             "malformed",
	"http:s3cr3t":                         "malformed",
	"http:":                               "malformed",
	"http://:s3cr3t@127.0.0.1:8000/\x00":  "malformed",
}

func TestAURLThatIsNotOneOfThisMachineIsRefusedAndNotShown(t *testing.T) {
	for rawURL, want := range badURLs {
		s, err := wirepost.OpenStore(t.Context(), rawURL)
		if err == nil || s != nil {
			t.Errorf("%s: opened", rawURL)
			continue
		}
		if text := err.Error(); !strings.Contains(text, want) || strings.Contains(text, "s3cr3t") || strings.ContainsAny(text, "\r\n") {
			t.Errorf("%s: error = %q, want one sentence with %q and no token", rawURL, text, want)
		}
	}
	for _, rawURL := range []string{"http://:t@localhost:1", "http://:t@[::1]:1/", "http://:t@127.9.9.9:65535/a/b", "HTTP://:t@LOCALHOST:1"} {
		s, err := httpstore.Open(rawURL, nil)
		if err != nil {
			t.Errorf("%s: %v", rawURL, err)
			continue
		}
		s.Close()
	}
}

func FuzzOpen(f *testing.F) {
	for rawURL := range badURLs {
		f.Add(rawURL)
	}
	f.Add("http://:s3cr3t@127.0.0.1:8000/a%2Fb")
	f.Fuzz(func(t *testing.T, rawURL string) {
		s, err := httpstore.Open(rawURL, nil)
		if err != nil {
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%q: the error shows the token: %v", rawURL, err)
			}
			return
		}
		defer s.Close()
		host, rest, _ := strings.Cut(strings.TrimPrefix(s.String(), "http://"), ":")
		if host != "[" && !strings.HasPrefix(host, "127.") && !strings.EqualFold(host, "localhost") {
			t.Errorf("%q opens %s%s, which is not this machine", rawURL, host, rest)
		}
	})
}

func TestWhatJSONWouldChangeIsRefused(t *testing.T) {
	mem := wirepost.NewMemStore(nil)
	s := lend(t, mem, nil)
	c := connection("c1", "")
	c.Endpoint.APIID = "\xff"
	r := wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: production, URL: "https://\xff"}, EventTime: time.Now()}
	_, deleteErr := s.Delete(t.Context(), c.Key())
	_, stageErr := s.Stage(t.Context(), c.Endpoint)
	_, putStageErr := s.PutStage(t.Context(), r)
	_, deleteStageErr := s.DeleteStage(t.Context(), r)
	_, reapErr := s.Reap(t.Context(), wirepost.Everyone(), wirepost.Listed{ID: "c1", Endpoint: production, Cursor: "\xff"})
	for method, err := range map[string]error{"Put": s.Put(t.Context(), c), "Delete": deleteErr, "Stage": stageErr, "PutStage": putStageErr, "DeleteStage": deleteStageErr, "Reap": reapErr} {
		if err == nil || !strings.Contains(err.Error(), "is not UTF-8") {
			t.Errorf("%s of what is not UTF-8: error = %v", method, err)
		}
	}
	if all, err := mem.Stages(t.Context()); err != nil || len(all) > 0 {
		t.Errorf("Stages = %v, %v, want none", all, err)
	}
}

// An ID that no gateway would make is that of no row, without asking the server:
// there is none here.
func TestAnIDThatNoGatewayWouldMakeIsAnAbsentOne(t *testing.T) {
	s := open(t, "http://127.0.0.1:1", nil)
	for _, id := range []string{"", "\xff", "a b", strings.Repeat("x", 5<<20)} {
		c := connection(id, "")
		if _, err := s.Connection(t.Context(), id); !errors.Is(err, wirepost.ErrNotFound) {
			t.Errorf("Connection: %v", err)
		}
		if err := s.Subscribe(t.Context(), id, "a"); !errors.Is(err, wirepost.ErrNotFound) {
			t.Errorf("Subscribe: %v", err)
		}
		if err := s.Unsubscribe(t.Context(), id, "a"); err != nil {
			t.Errorf("Unsubscribe: %v", err)
		}
		if removed, err := s.Delete(t.Context(), c.Key()); removed || err != nil {
			t.Errorf("Delete: %v, %v", removed, err)
		}
		if removed, err := s.Reap(t.Context(), wirepost.Everyone(), wirepost.Listed{ID: id}); removed || err != nil {
			t.Errorf("Reap: %v, %v", removed, err)
		}
	}
}

func TestARowWithThousandsOfTopicsPassesAndALargerOneIsRefused(t *testing.T) {
	s := lend(t, wirepost.NewMemStore(nil), nil)
	c := connection("c1", "")
	for i := range 5000 {
		c.Topics = append(c.Topics, fmt.Sprintf("%0128d", i))
	}
	if err := s.Put(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	got, err := s.Connection(t.Context(), "c1")
	if err != nil || !slices.Equal(got.Topics, c.Topics) {
		t.Errorf("%d topics come back, %v, want %d", len(got.Topics), err, len(c.Topics))
	}
	c.Topics = slices.Repeat(c.Topics, 10)
	if err := s.Put(t.Context(), c); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("Put of 6 MB: error = %v", err)
	}
}
