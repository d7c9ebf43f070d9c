package httpstore_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wirepost/wirepost"
)

// BenchmarkPut is a connect: a new row with a user and two topics.
func BenchmarkPut(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := lend(b, wirepost.NewMemStore(nil), nil)
			var next atomic.Int64
			var all sync.WaitGroup
			b.ResetTimer()
			for range callers {
				all.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						// Multiplied by an odd number, so that IDs come in no order, as real ones.
						id := fmt.Sprintf("%016x", uint64(n)*0x9e3779b97f4a7c15)
						if err := s.Put(b.Context(), connection(id, fmt.Sprintf("user-%d", n%5000), "some", fmt.Sprintf("order-%d", n%1000))); err != nil {
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
	mem := crowded(b, rows)
	for _, of := range []struct {
		name  string
		store wirepost.Store
	}{{"http", lend(b, mem, nil)}, {"direct", mem}} {
		b.Run(of.name, func(b *testing.B) {
			for b.Loop() {
				if ids, err := list(b.Context(), of.store); err != nil || len(ids) != rows {
					b.Fatalf("listed %d of %d, %v", len(ids), rows, err)
				}
			}
		})
	}
}
