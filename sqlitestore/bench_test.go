package sqlitestore_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

func connection(id, user string, topics ...string) wirepost.Connection {
	now := time.Now()
	return wirepost.Connection{
		ID:          id,
		Endpoint:    wirepost.Identity{APIID: "a1b2c3d4e5", Stage: "production", Region: "eu-central-1"},
		User:        user,
		Topics:      topics,
		ConnectedAt: now,
		ExpiresAt:   now.Add(2 * time.Hour),
	}
}

// BenchmarkPut is a connect: a new row with a user and two topics.
func BenchmarkPut(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "store.db"), nil)
			var next atomic.Int64
			var all sync.WaitGroup
			b.ResetTimer()
			for range callers {
				all.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						// Multiplied by an odd number, so that IDs come in no order, as real ones.
						id := fmt.Sprintf("%016x", uint64(n)*0x9e3779b97f4a7c15)
						if err := s.Put(b.Context(), connection(id, fmt.Sprintf("user-%d", n%5000), "all", fmt.Sprintf("order-%d", n%1000))); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
		})
	}
}

func BenchmarkListTopic10000(b *testing.B) {
	const rows = 10_000
	s := open(b, filepath.Join(b.TempDir(), "store.db"), nil)
	var all sync.WaitGroup
	for w := range 64 {
		all.Go(func() {
			for n := w; n < rows; n += 64 {
				id := fmt.Sprintf("%016x", uint64(n)*0x9e3779b97f4a7c15)
				if err := s.Put(b.Context(), connection(id, "", "all")); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	for b.Loop() {
		n := 0
		for _, err := range s.Connections(b.Context(), wirepost.ToTopic("all"), wirepost.ListOptions{}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != rows {
			b.Fatalf("listed %d of %d", n, rows)
		}
	}
}
