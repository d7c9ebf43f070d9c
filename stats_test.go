package wirepost

import (
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestStatsCountWhatBecameOfThePosts(t *testing.T) {
	var ofC0 atomic.Int64
	m := newManager(t, func(n int64, id string, w http.ResponseWriter, r *http.Request) {
		switch {
		case id == "c1":
			w.WriteHeader(410)
		case id == "c2":
			w.WriteHeader(403)
		case id == "c0" && ofC0.Add(1) <= 2: // its repetition may come before another post or after it
			w.WriteHeader(429)
		}
	})
	p := publisher(t, at(t, m.URL+"/dev", 10), &PublisherOptions{Concurrency: 1, Random: func() float64 { return 0 }})
	r, err := p.Publish(t.Context(), Everyone(), []byte("x"), nil)
	if err != nil || r.Sent != 8 {
		t.Fatalf("%v, %v", r, err)
	}
	p.Publish(t.Context(), ToConnection("nobody="), []byte("x"), nil)
	s := p.Stats()
	if s.Sent != 8 || s.Gone != 2 || s.Failed != 1 || s.Retried != 2 || s.Throttled != 2 || s.ConnectionsOpened != 1 {
		t.Errorf("%+v", s)
	}
	if s.P50 <= 0 || s.P99 < s.P50 {
		t.Errorf("p50 %v, p99 %v", s.P50, s.P99)
	}
}

func TestTheQuantilesAreRightToAnEighth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		slow := roundTrip(func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Duration(n.Add(1)) * time.Millisecond) // fake time: 1 … 1,000 ms
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		})
		p := publisher(t, crowdAt(t, 1000), &PublisherOptions{Concurrency: 1, Transport: slow, Credentials: fixed{}})
		if r, err := p.Publish(t.Context(), Everyone(), []byte("x"), nil); err != nil || r.Sent != 1000 {
			t.Fatalf("%v, %v", r, err)
		}
		s := p.Stats()
		if s.P50 < 440*time.Millisecond || s.P50 > 565*time.Millisecond || s.P99 < 880*time.Millisecond || s.P99 > 1120*time.Millisecond {
			t.Errorf("p50 %v of 1 … 1000 ms, p99 %v", s.P50, s.P99)
		}
	})
}

func TestEveryDurationIsInABucketThatBeginsBelowItAndEndsAbove(t *testing.T) {
	for d := time.Duration(0); d < 3*time.Hour; d = d*17/16 + time.Microsecond {
		i := bucketOf(d)
		if i < 0 || i >= len(histogram{}) || bucketStart(i) > d.Truncate(time.Microsecond) || bucketStart(i+1) <= d.Truncate(time.Microsecond) {
			t.Fatalf("%v is in bucket %d, from %v to %v", d, i, bucketStart(i), bucketStart(i+1))
		}
	}
	if i := bucketOf(-time.Second); i != 0 {
		t.Errorf("a clock that was set back counts in bucket %d", i)
	}
}

func TestTheDebugLogHasEachPublishAndEachFailedPostAndNoMessage(t *testing.T) {
	m := newManager(t, func(_ int64, id string, w http.ResponseWriter, _ *http.Request) {
		if id == "c1" {
			w.WriteHeader(500)
		}
	})
	// At every level one line explains the failures.
	for level, want := range map[slog.Level]int{slog.LevelDebug: 3, slog.LevelInfo: 1} {
		var log strings.Builder
		p := publisher(t, at(t, m.URL+"/dev", 3), &PublisherOptions{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))})
		if r, err := p.Publish(t.Context(), Everyone(), []byte("confidential"), nil); err != nil || r.Failed != 1 {
			t.Fatalf("%v, %v", r, err)
		}
		if lines := strings.Count(log.String(), "\n"); lines != want || strings.Contains(log.String(), "confidential") {
			t.Errorf("at %v the log has %d lines, want %d:\n%s", level, lines, want, log.String())
		}
	}
}

// What the counters and the log cost a post when nobody looks, compared with some ten
// microseconds for the post.
func BenchmarkCountingAPost(b *testing.B) {
	p := NewPublisher(NewMemStore(nil), nil)
	for b.Loop() {
		p.counters.sent.Add(1)
		p.counters.took.add(3 * time.Millisecond)
		if p.o.Logger.Enabled(b.Context(), slog.LevelDebug) {
			b.Fatal("somebody looks")
		}
	}
}
