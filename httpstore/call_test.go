package httpstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/httpstore"
)

// lossy serves a store and cuts the connection of some requests: before they
// reach the store, or behind it.
type lossy struct {
	next   http.Handler
	before func(n int, path string) bool // of the n-th request, from 1
	after  func(n int, path string) bool
	n      atomic.Int32
}

func (l *lossy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := int(l.n.Add(1))
	if l.before != nil && l.before(n, r.URL.Path) {
		panic(http.ErrAbortHandler)
	}
	if l.after != nil && l.after(n, r.URL.Path) {
		l.next.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
	l.next.ServeHTTP(w, r)
}

func handle(store wirepost.Store) http.Handler {
	return httpstore.NewHandler(store, &httpstore.HandlerOptions{Token: token})
}

func TestALostAnswerIsAskedForOnceMore(t *testing.T) {
	first := func(n int, _ string) bool { return n == 1 }
	always := func(int, string) bool { return true }
	for name, c := range map[string]struct {
		lossy   *lossy
		removed bool
		err     string // of Delete
		left    bool
	}{
		"before it reached the store":       {&lossy{before: first}, true, "", false},
		"behind the store":                  {&lossy{after: first}, false, "whether this call removed it is not known", false},
		"each time before it reached it":    {&lossy{before: always}, false, "the answer was lost", true},
		"each time, and the store was told": {&lossy{after: always}, false, "the answer was lost", false},
	} {
		t.Run(name, func(t *testing.T) {
			mem := wirepost.NewMemStore(nil)
			row := connection("c1", "alice", "all")
			if err := mem.Put(t.Context(), row); err != nil {
				t.Fatal(err)
			}
			c.lossy.next = handle(mem)
			s := open(t, serve(t, c.lossy).URL, nil)
			removed, err := s.Delete(t.Context(), row.Key())
			if removed != c.removed || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("Delete = %v, %v, want %v and the error %q", removed, err, c.removed, c.err)
			}
			if _, err := mem.Connection(t.Context(), "c1"); (err == nil) != c.left {
				t.Errorf("the row: %v, want it there: %v", err, c.left)
			}
			if n := c.lossy.n.Load(); n != 2 {
				t.Errorf("%d requests, want 2", n)
			}
		})
	}
}

func TestAServerThatStartsAgainIsWaitedFor(t *testing.T) {
	mem := wirepost.NewMemStore(nil)
	if err := mem.Put(t.Context(), connection("c1", "alice")); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(handle(mem))
	address := srv.Listener.Addr().String()
	var again *httptest.Server
	var once sync.Once
	s := open(t, srv.URL, &httpstore.Options{Random: func() float64 {
		// A pause is drawn: the dial has failed.
		once.Do(func() {
			l, err := net.Listen("tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			again = httptest.NewUnstartedServer(handle(mem))
			again.Listener.Close()
			again.Listener = l
			again.Start()
		})
		return 0
	}})
	if _, err := s.Connection(t.Context(), "c1"); err != nil { // leaves a connection in the pool
		t.Fatal(err)
	}
	srv.CloseClientConnections()
	srv.Close()
	defer func() {
		if again != nil {
			again.Close()
		}
	}()
	// Many at once: they find dead connections, and then nobody.
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := s.Put(t.Context(), connection(fmt.Sprintf("new-%d", i), "", "all")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if ids, err := list(t.Context(), s); err != nil || len(ids) != 20 {
		t.Errorf("listed %d, %v, want 20", len(ids), err)
	}
}

func TestAServerThatIsNotThereIsGivenUpInTime(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + l.Addr().String()
	l.Close()
	s := open(t, address, &httpstore.Options{RedialTime: 60 * time.Millisecond})
	err = s.Put(t.Context(), connection("c1", ""))
	if err == nil || !strings.Contains(err.Error(), "nothing listens there; start wirepost dev") || !strings.Contains(err.Error(), "put connection c1: store "+address) {
		t.Errorf("error = %v, want what was attempted, where, and what to do", err)
	}
	// The caller's time is shorter.
	s = open(t, address, &httpstore.Options{RedialTime: time.Hour})
	short, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
	defer cancel()
	if err := s.Put(short, connection("c1", "")); err == nil || !strings.Contains(err.Error(), "nothing listens there") {
		t.Errorf("error = %v", err)
	}
}

func TestWhatWasWrongUntilTheContextEndedIsTold(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + l.Addr().String()
	l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	s := open(t, address, &httpstore.Options{Random: func() float64 { cancel(); return 0 }})
	if err := s.Put(ctx, connection("c1", "")); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "nothing listens there") {
		t.Errorf("error = %v, want Canceled and that nothing listens", err)
	}
}

// hanging is a store that answers when its caller no longer waits. It tells when
// it was asked, and when the caller's context ended.
func hanging(mem wirepost.Store) (s *hooked, asked, ended chan context.Context) {
	asked, ended = make(chan context.Context, 8), make(chan context.Context, 8)
	return &hooked{Store: mem, connection: func(ctx context.Context, _ string) (wirepost.Connection, error) {
		asked <- ctx
		<-ctx.Done()
		ended <- ctx
		return wirepost.Connection{}, ctx.Err()
	}}, asked, ended
}

func TestTheCallersContextBoundsTheServersWork(t *testing.T) {
	store, asked, stopped := hanging(wirepost.NewMemStore(nil))
	s := lend(t, store, nil)
	t.Run("a deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 80*time.Millisecond)
		defer cancel()
		deadline, _ := ctx.Deadline()
		if _, err := s.Connection(ctx, "c1"); !errors.Is(err, context.DeadlineExceeded) || ctx.Err() == nil {
			t.Errorf("error = %v while the context has %v, want DeadlineExceeded of both", err, ctx.Err())
		}
		// Less than its 30 seconds: what the header said, and the way there.
		if at, ok := (<-asked).Deadline(); !ok || at.After(deadline.Add(10*time.Second)) {
			t.Errorf("the server's deadline is %v, the caller's %v", at, deadline)
		}
		<-stopped
	})
	t.Run("a cancel", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		reason := errors.New("the function ends")
		result := make(chan error, 1)
		go func() {
			_, err := s.Connection(ctx, "c1")
			result <- err
		}()
		<-asked
		cancel(reason)
		if err := <-result; !errors.Is(err, context.Canceled) || !errors.Is(err, reason) {
			t.Errorf("error = %v, want Canceled and its cause", err)
		}
		if ctx := <-stopped; !errors.Is(ctx.Err(), context.Canceled) {
			t.Errorf("the server's context: %v, want Canceled", ctx.Err())
		}
	})
}

func TestAServerThatHangsIsGivenUp(t *testing.T) {
	store, _, stopped := hanging(wirepost.NewMemStore(nil))
	s := lend(t, store, &httpstore.Options{CallTimeout: 50 * time.Millisecond})
	_, err := s.Connection(t.Context(), "c1")
	if err == nil || !strings.Contains(err.Error(), "no answer within 50ms") || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v, want that there is no answer, and not the caller's deadline", err)
	}
	<-stopped
	// The server has a bound of its own.
	strict := open(t, serve(t, httpstore.NewHandler(store, &httpstore.HandlerOptions{Token: token, MaxTime: 20 * time.Millisecond})).URL, nil)
	if _, err := strict.Connection(t.Context(), "c1"); err == nil || !strings.Contains(err.Error(), "longer than the server allows") || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v, want that the server ended the call, and not the caller's deadline", err)
	}
	<-stopped
	// Nor does a server that never reads hang its caller.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	deaf := open(t, "http://"+l.Addr().String(), &httpstore.Options{CallTimeout: 50 * time.Millisecond})
	if err := deaf.Put(t.Context(), connection("c1", "")); err == nil || !strings.Contains(err.Error(), "no answer within 50ms") {
		t.Errorf("error = %v", err)
	}
}

func TestAServerThatEndsCancelsItsCallsAndTheNextOneAnswers(t *testing.T) {
	mem := wirepost.NewMemStore(nil)
	if err := mem.Put(t.Context(), connection("c1", "alice")); err != nil {
		t.Fatal(err)
	}
	base, end := context.WithCancel(t.Context())
	var calls atomic.Int32
	store := &hooked{Store: mem, connection: func(ctx context.Context, id string) (wirepost.Connection, error) {
		if calls.Add(1) == 1 {
			end()
		}
		<-base.Done()
		return mem.Connection(ctx, id)
	}}
	first := true
	srv := httptest.NewUnstartedServer(handle(store))
	srv.Config.BaseContext = func(net.Listener) context.Context { return base }
	srv.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		if first { // the first connection is of the server that ends
			first = false
			return ctx
		}
		return context.WithoutCancel(ctx)
	}
	srv.Start()
	t.Cleanup(srv.Close)
	s := open(t, srv.URL, nil)
	if c, err := s.Connection(t.Context(), "c1"); err != nil || c.User != "alice" || calls.Load() != 2 {
		t.Errorf("Connection = %v, %v after %d calls", c, err, calls.Load())
	}
}

func TestAListingSurvivesALostPageAndTellsOfALostServer(t *testing.T) {
	mem := crowded(t, 1000)
	want, err := list(t.Context(), mem)
	if err != nil {
		t.Fatal(err)
	}
	l := &lossy{next: handle(mem), before: func(n int, _ string) bool { return n%3 == 0 }}
	s := open(t, serve(t, l).URL, &httpstore.Options{PageItems: 100})
	if got, err := list(t.Context(), s); err != nil || !slices.Equal(got, want) {
		t.Errorf("listed %d, %v, want %d", len(got), err, len(want))
	}
	l = &lossy{next: handle(mem), before: func(n int, _ string) bool { return n > 4 }}
	s = open(t, serve(t, l).URL, &httpstore.Options{PageItems: 100})
	var got []string
	var ended error
	for it, err := range s.Connections(t.Context(), wirepost.ToTopic("all"), wirepost.ListOptions{}) {
		if ended != nil {
			t.Fatalf("there is more behind the error %v", ended)
		}
		if ended = err; err == nil {
			got = append(got, it.ID)
		}
	}
	if ended == nil || !strings.Contains(ended.Error(), "list topic:all: store http://") || !slices.Equal(got, want[:400]) {
		t.Errorf("listed %d, %v, want 400 and the error", len(got), ended)
	}
}

func TestTheNextPageIsReadAheadAndNoFurther(t *testing.T) {
	mem := crowded(t, 50)
	asked := make(chan string, 50)
	s := lend(t, &hooked{Store: mem, connections: func(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) iter.Seq2[wirepost.Listed, error] {
		asked <- string(o.After)
		return mem.Connections(ctx, a, o)
	}}, &httpstore.Options{PageItems: 10})
	n := 0
	for l, err := range s.Connections(t.Context(), wirepost.ToTopic("all"), wirepost.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n%10 == 0 { // the body waits until the next page has been asked for
			if n == 0 {
				<-asked
			}
			if want, got := fmt.Sprintf("c%05d", n+9), <-asked; got != want {
				t.Errorf("at %s the page behind %s is asked for, want %s", l.ID, got, want)
			}
		}
		if len(asked) > 0 {
			t.Fatalf("at %s the page behind %s is asked for already", l.ID, <-asked)
		}
		n++
	}
	if n != 50 {
		t.Errorf("listed %d, want 50", n)
	}
}

func TestABodyThatBreaksCancelsThePageThatIsReadAhead(t *testing.T) {
	mem := crowded(t, 50)
	waiting, stopped := make(chan bool), make(chan error, 1)
	s := lend(t, &hooked{Store: mem, connections: func(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) iter.Seq2[wirepost.Listed, error] {
		if o.After == "" {
			return mem.Connections(ctx, a, o)
		}
		return func(yield func(wirepost.Listed, error) bool) {
			close(waiting)
			<-ctx.Done()
			stopped <- ctx.Err()
			yield(wirepost.Listed{}, ctx.Err())
		}
	}}, &httpstore.Options{PageItems: 10})
	for _, err := range s.Connections(t.Context(), wirepost.ToTopic("all"), wirepost.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		<-waiting
		break
	}
	if leaked := leakedGoroutines(0); strings.Contains(leaked, "httpstore.(*Store).list.") {
		t.Errorf("the listing has returned and its reader has not:\n%s", leaked)
	}
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Errorf("the server's context: %v, want Canceled", err)
	}
}

func TestAListingIsTheSameInPagesOfEverySize(t *testing.T) {
	mem := crowded(t, 2000)
	want, err := list(t.Context(), mem)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1000, 1999, 999, 400, 37} {
		s := lend(t, mem, &httpstore.Options{PageItems: size})
		if got, err := list(t.Context(), s); err != nil || !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %d, %v, want %d in the same order", size, len(got), err, len(want))
		}
	}
}

func TestWhatIsNotTheStoreOfWirepostDevIsRecognised(t *testing.T) {
	var elsewhere atomic.Int32
	target := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { elsewhere.Add(1) }))
	version := func(v string, status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Wirepost-Store", v)
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	for name, c := range map[string]struct {
		h    http.Handler
		want string
	}{
		"another server":       {http.NotFoundHandler(), "is not the store of wirepost dev"},
		"a redirect":           {http.RedirectHandler(target.URL, http.StatusTemporaryRedirect), "is not the store of wirepost dev"},
		"a later server":       {version("2", 400, `{}`), "update the module"},
		"an older server":      {version("0", 400, `{}`), "not a version number"},
		"no reason":            {version("1", 500, `oops`), "does not say why"},
		"no JSON":              {version("1", 200, `oops`), "cannot be read"},
		"another path":         {http.StripPrefix("/v1", handle(wirepost.NewMemStore(nil))), "the store has no call"},
		"another token":        {httpstore.NewHandler(wirepost.NewMemStore(nil), &httpstore.HandlerOptions{Token: "other"}), "the token is missing or wrong"},
		"a page without items": {version("1", 200, `{"more":true}`), "more"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, serve(t, c.h).URL, nil)
			_, rowErr := s.Connection(t.Context(), "c1")
			if name == "a page without items" {
				rowErr = errors.New("there is more")
			}
			_, listErr := list(t.Context(), s)
			for _, err := range []error{rowErr, listErr} {
				if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, wirepost.ErrNotFound) || strings.ContainsAny(err.Error(), "\r\n") || strings.Contains(err.Error(), "s3cr3t") {
					t.Errorf("error = %v, want one sentence with %q", err, c.want)
				}
			}
		})
	}
	if elsewhere.Load() > 0 {
		t.Error("a redirect was followed")
	}
}

func TestTheEnvironmentsProxyIsNotAsked(t *testing.T) {
	// net/http never uses a proxy for loopback, unless it is told to.
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	s := lend(t, crowded(t, 1), nil)
	if ids, err := list(t.Context(), s); err != nil || len(ids) != 1 {
		t.Errorf("listed %q, %v", ids, err)
	}
}
