package wirepost

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// watchedStore notes what is asked of it about connections, and changes what its
// listings show.
type watchedStore struct {
	Store
	change func(*Listed)

	mu    sync.Mutex
	calls []string
}

func (s *watchedStore) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, fmt.Sprintf(format, args...))
}

func (s *watchedStore) Connection(ctx context.Context, id string) (Connection, error) {
	s.note("Connection %s", id)
	return s.Store.Connection(ctx, id)
}

func (s *watchedStore) Delete(ctx context.Context, k ConnectionKey) (bool, error) {
	s.note("Delete %s", k.ID)
	return s.Store.Delete(ctx, k)
}

func (s *watchedStore) Reap(ctx context.Context, a Audience, l Listed) (bool, error) {
	s.note("Reap %s %s", a, l.ID)
	return s.Store.Reap(ctx, a, l)
}

func (s *watchedStore) Connections(ctx context.Context, a Audience, o ListOptions) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		for l, err := range s.Store.Connections(ctx, a, o) {
			if s.change != nil {
				s.change(&l)
			}
			if !yield(l, err) {
				return
			}
		}
	}
}

func TestAGoneConnectionCostsTheStoreOneCallAndNoRead(t *testing.T) {
	gone := answerStatus(410, "GoneException", "")
	for _, to := range []Audience{ToUser("u"), ToTopic("t"), Everyone(), ToConnection("c0")} {
		s := &watchedStore{Store: at(t, newManager(t, gone).URL+"/dev", 1)}
		r, err := publisher(t, s, nil).Publish(t.Context(), to, []byte("x"), nil)
		if want := []string{fmt.Sprintf("Reap %s c0", to)}; err != nil || r.Removed != 1 || !slices.Equal(s.calls, want) {
			t.Errorf("%s: %v, %v after %q, want %q", to, r, err, s.calls, want)
		}
	}
	// Of one ID the row has to be read, for its endpoint.
	s := &watchedStore{Store: at(t, newManager(t, gone).URL+"/dev", 1)}
	err := publisher(t, s, nil).Post(t.Context(), "c0", []byte("x"))
	if want := []string{"Connection c0", "Reap connection:c0 c0"}; !errors.Is(err, ErrGone) || !slices.Equal(s.calls, want) {
		t.Errorf("Post: %v after %q, want %q", err, s.calls, want)
	}
}

func TestAConnectionOfUnknownAgeIsNotRemoved(t *testing.T) {
	s := &watchedStore{Store: at(t, newManager(t, answerStatus(410, "GoneException", "")).URL+"/dev", 1), change: func(l *Listed) { l.ConnectedAt = time.Time{} }}
	r, err := publisher(t, s, nil).Publish(t.Context(), Everyone(), []byte("x"), nil)
	if want := "sent 0, gone 1 (kept: the store does not know its age)"; err != nil || r.String() != want || len(s.calls) > 0 {
		t.Errorf("%q, %v after %q, want %q", r, err, s.calls, want)
	}
}

func TestAGoneConnectionWhoseIDBelongsToANewOneIsKept(t *testing.T) {
	for name, endpoint := range map[string]Identity{"of another API": {"other", "dev", "us-east-1"}, "of the same API": testIdentity} {
		t.Run(name, func(t *testing.T) {
			var s *MemStore
			m := newManager(t, func(_ int64, _ string, w http.ResponseWriter, _ *http.Request) {
				// Between the listing and the answer the ID became another connection's.
				s.Put(context.Background(), Connection{ID: "c0", Endpoint: endpoint, ConnectedAt: time.Now().Add(-time.Minute), ExpiresAt: time.Now().Add(time.Hour)})
				w.WriteHeader(410)
			})
			s = at(t, m.URL+"/dev", 1)
			r, err := publisher(t, s, nil).Publish(t.Context(), ToUser("u"), []byte("x"), nil)
			if err != nil || r.String() != "sent 0, gone 1" {
				t.Errorf("%v, %v", r, err)
			}
			if _, err := s.Connection(t.Context(), "c0"); err != nil {
				t.Errorf("a live connection was reaped: %v", err)
			}
		})
	}
}

// Two laptops share a table and each has a gateway at localhost:3001. What this
// one's gateway says of the other one's connections means nothing.
func TestA410OfAnotherAPIsGatewayOnThisMachineRemovesNothing(t *testing.T) {
	for api, want := range map[string]string{
		"":                                 "sent 0, gone 1 (removed)", // another emulator's
		testIdentity.APIID + "/dev":        "sent 0, gone 1 (removed)",
		testIdentity.APIID + "/production": "sent 0, failed 1 (endpoint-another-api)",
		"otherother/dev":                   "sent 0, failed 1 (endpoint-another-api)",
	} {
		m := newManager(t, func(_ int64, _ string, w http.ResponseWriter, _ *http.Request) {
			if api != "" {
				w.Header().Set("X-Wirepost-Api", api)
			}
			w.WriteHeader(410)
		})
		s := at(t, m.URL+"/dev", 1)
		r, err := publisher(t, s, nil).Publish(t.Context(), Everyone(), []byte("x"), nil)
		if err != nil || r.String() != want {
			t.Errorf("answered by the gateway of %q: %v, %v, want %q", api, r, err, want)
		}
		if _, err := s.Connection(t.Context(), "c0"); (r.Removed == 1) != errors.Is(err, ErrNotFound) {
			t.Errorf("answered by the gateway of %q: the row: %v", api, err)
		}
	}
}

// Each guard alone keeps a live connection that answers 410. The test takes them out
// one by one: without its guard the row is removed.
func TestEachGuardOfReapingKeepsALiveConnectionAndWithoutItTheConnectionIsLost(t *testing.T) {
	old := time.Now().Add(-time.Hour)
	gone := answerStatus(410, "GoneException", "")
	for _, tt := range []struct {
		guard  string
		listed func(*Listed)                                           // as the store shows the connection
		stage  func(s *MemStore, url string)                           // what else the store knows
		answer func(int64, string, http.ResponseWriter, *http.Request) // of the gateway
		want   string
	}{
		{guard: "the post went to the row's own endpoint", answer: gone, want: "sent 0, gone 1",
			listed: func(l *Listed) { l.Endpoint = Identity{"old1234567", "dev", "us-east-1"} },
			// The record of the connection's stage says that it is another API's: two stages
			// were mixed up by its writer.
			stage: func(s *MemStore, url string) {
				s.stages[Identity{"old1234567", "dev", "us-east-1"}] = StageRecord{Endpoint{testIdentity, url}, time.Now()}
			}},
		{guard: "the row says when the connection began", answer: gone, want: "sent 0, gone 1 (kept: the store does not know its age)",
			listed: func(l *Listed) { l.ConnectedAt = time.Time{} }},
		{guard: "the gateway says what time it is", want: "sent 0, gone 1 (kept: the answer has no date)",
			answer: func(n int64, id string, w http.ResponseWriter, r *http.Request) {
				w.Header()["Date"] = nil
				gone(n, id, w, r)
			}},
		{guard: "no $connect function can still be running", answer: gone, want: "sent 0, gone 1 (kept: younger than 30 s)",
			listed: func(l *Listed) { l.ConnectedAt = time.Now().Add(-28 * time.Second) }},
	} {
		t.Run(tt.guard, func(t *testing.T) {
			for _, out := range []bool{false, true} {
				m := newManager(t, tt.answer)
				s := at(t, m.URL+"/dev", 0)
				if tt.stage != nil {
					tt.stage(s, m.URL+"/dev")
				}
				l := Listed{ID: "live=", Endpoint: testIdentity, ConnectedAt: old}
				if tt.listed != nil {
					tt.listed(&l)
				}
				reaped := &reapedStore{Store: s, shows: l}
				p := publisher(t, reaped, nil)
				if out {
					p.guards = slices.DeleteFunc(slices.Clone(reapGuards), func(g reapGuard) bool { return g.name == tt.guard })
					if len(p.guards) != len(reapGuards)-1 {
						t.Fatalf("there is no guard %q", tt.guard)
					}
				}
				r, err := p.Publish(t.Context(), Everyone(), []byte("x"), nil)
				switch {
				case err != nil:
					t.Errorf("%v", err)
				case !out && (r.String() != tt.want || reaped.n != 0):
					t.Errorf("with the guard: %q and %d removals, want %q", r, reaped.n, tt.want)
				case out && reaped.n != 1:
					t.Errorf("without the guard: %q and %d removals: the test shows nothing", r, reaped.n)
				}
			}
		})
	}
	if len(reapGuards) != 4 {
		t.Errorf("there are %d guards, and a test for 4", len(reapGuards))
	}
}

// reapedStore shows one connection and counts removals.
type reapedStore struct {
	Store
	shows Listed
	n     int
}

func (s *reapedStore) Connections(context.Context, Audience, ListOptions) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) { yield(s.shows, nil) }
}

func (s *reapedStore) Reap(context.Context, Audience, Listed) (bool, error) {
	s.n++
	return true, nil
}
