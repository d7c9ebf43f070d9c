package httpstore_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/httpstore"
	"github.com/wirepost/wirepost/wireposttest"
)

func TestTheLogKeepsTheContract(t *testing.T) {
	wireposttest.TestLog(t, func(t *testing.T, o wireposttest.StoreOptions) wirepost.Store {
		return lend(t, wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: o.Now}), nil)
	})
}

// withoutLog is a store of a driver that keeps no messages.
type withoutLog struct{ wirepost.Store }

func TestAStoreWithoutALogSaysThatItHasNone(t *testing.T) {
	s := lend(t, withoutLog{wirepost.NewMemStore(nil)}, nil)
	if _, err := s.Head(t.Context(), "t"); !errors.Is(err, wirepost.ErrNotSupported) || !strings.Contains(err.Error(), "this store keeps no messages") {
		t.Errorf("Head returns %v, want ErrNotSupported", err)
	}
	if _, err := s.Append(t.Context(), "t", []wirepost.LogEntry{{Data: []byte("{}"), ID: "a", Keep: time.Hour}}, nil); !errors.Is(err, wirepost.ErrNotSupported) || errors.Is(err, wirepost.ErrUnknown) {
		t.Errorf("Append returns %v, want ErrNotSupported, and that nothing was kept", err)
	}
}

func TestAnAppendWhoseAnswerIsLostIsNotSentAgainAndIsUnknown(t *testing.T) {
	store := wirepost.NewMemStore(nil)
	behind := httpstore.NewHandler(store, &httpstore.HandlerOptions{Token: token})
	var appends atomic.Int64
	srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/append" {
			appends.Add(1)
			behind.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		behind.ServeHTTP(w, r)
	}))
	s := open(t, srv.URL, nil)
	_, err := s.Append(t.Context(), "t", []wirepost.LogEntry{{Data: []byte("{}"), ID: "a", Keep: time.Hour}}, nil)
	if !errors.Is(err, wirepost.ErrUnknown) || appends.Load() != 1 {
		t.Errorf("after %d requests Append returns %v, want one, and ErrUnknown", appends.Load(), err)
	}
	if head, err := s.Head(t.Context(), "t"); err != nil || head.Offset != 1 {
		t.Errorf("the log ends at %v, %v, want one message", head, err)
	}
}

func TestAnAppendThatIsNotAnsweredInTimeIsUnknown(t *testing.T) {
	release := make(chan struct{})
	srv := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(func() { close(release) })
	s := open(t, srv.URL, &httpstore.Options{CallTimeout: 50 * time.Millisecond})
	if _, err := s.Append(t.Context(), "t", []wirepost.LogEntry{{Data: []byte("{}"), ID: "a", Keep: time.Hour}}, nil); !errors.Is(err, wirepost.ErrUnknown) {
		t.Errorf("Append returns %v, want ErrUnknown", err)
	}
}

func TestAnAppendThatReachesNobodyIsRefused(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	s := open(t, srv.URL, &httpstore.Options{RedialTime: time.Millisecond})
	if _, err := s.Append(t.Context(), "t", []wirepost.LogEntry{{Data: []byte("{}"), ID: "a", Keep: time.Hour}}, nil); err == nil || errors.Is(err, wirepost.ErrUnknown) {
		t.Errorf("Append returns %v, want a refusal", err)
	}
}
