package dynamostore_test

import (
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/internal/dynamolocal"
)

// BenchmarkAppendsPerSecond is how many messages a second 4 and 16 processes append to one
// topic, beside one process, and 16 writers in one process, whose appends share items.
func BenchmarkAppendsPerSecond(b *testing.B) {
	endpoint := dynamolocal.Start(b, dynamolocal.DynamoDBLocal)
	const during = 3 * time.Second
	measure := func(writers int, together bool) float64 {
		first := create(b, endpoint, &dynamostore.Options{})
		var all sync.WaitGroup
		counts := make([]int, writers)
		begin := time.Now()
		for w := range writers {
			s := first
			if !together {
				s = again(b, first, endpoint, &dynamostore.Options{})
			}
			all.Go(func() {
				for n := 0; time.Since(begin) < during; n++ {
					if _, err := s.Append(b.Context(), topicOf16, logged300(n, 1), nil); err != nil {
						b.Error(err)
						return
					}
					counts[w]++
				}
			})
		}
		all.Wait()
		took, total := time.Since(begin), 0
		for _, n := range counts {
			total += n
		}
		return float64(total) / took.Seconds()
	}
	one := measure(1, false)
	for _, row := range []struct {
		name     string
		writers  int
		together bool
	}{{"Of4Processes", 4, false}, {"Of16Processes", 16, false}, {"Of16InOneProcess", 16, true}} {
		b.Run(row.name, func(b *testing.B) {
			for b.Loop() {
				n := measure(row.writers, row.together)
				b.ReportMetric(n, "value")
				b.ReportMetric(one, "reference")
				b.ReportMetric(n/one, "ratio")
				b.ReportMetric(1, "goal-min")
			}
		})
	}
}
