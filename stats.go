package wirepost

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Stats is what a [Publisher] has done since it was made. The numbers are read one
// after the other while posts go on, so a sum may be off by those.
type Stats struct {
	Sent   int64 // posts, deletes and gets that were accepted
	Gone   int64 // connections that had ended
	Failed int64
	// Retried counts attempts after the first, Throttled the 429 among all answers.
	Retried   int64
	Throttled int64
	// ConnectionsOpened counts connections to management endpoints. In the steady
	// state it does not grow. It stays 0 with a Transport of one's own.
	ConnectionsOpened int64
	// P50 and P99 say how long it took from the start of a post that was accepted
	// to its answer, with all its retries, to an eighth of the value. Zero without
	// any.
	P50, P99 time.Duration
}

// counters are what Stats is read from. Counting costs some nanoseconds a post and
// no lock.
type counters struct {
	sent, gone, failed, retried, throttled, opened atomic.Int64
	took                                           histogram
}

// Stats reads the counters. It may be called at any time and costs the posts
// nothing.
func (p *Publisher) Stats() Stats {
	c := &p.counters
	s := Stats{Sent: c.sent.Load(), Gone: c.gone.Load(), Failed: c.failed.Load(), Retried: c.retried.Load(), Throttled: c.throttled.Load(), ConnectionsOpened: c.opened.Load()}
	s.P50, s.P99 = c.took.quantile(0.50), c.took.quantile(0.99)
	return s
}

// histogram counts durations in buckets whose width is an eighth of their lower
// bound, from 1 µs to more than an hour.
type histogram [32 * 8]atomic.Int64

// bucketOf finds the bucket of a duration: its highest bit says which eight, the
// next three bits which of them.
func bucketOf(d time.Duration) int {
	us := uint64(max(d.Microseconds(), 0))
	if us < 8 {
		return int(us)
	}
	top := bits.Len64(us) - 4 // shifted by it, 8 … 15 are left
	return min(top*8+int(us>>top), len(histogram{})-1)
}

// bucketStart is the shortest duration of a bucket.
func bucketStart(i int) time.Duration {
	if i < 16 {
		return time.Duration(i) * time.Microsecond
	}
	top := i/8 - 1
	return time.Duration(8+i%8) << top * time.Microsecond
}

func (h *histogram) add(d time.Duration) { h[bucketOf(d)].Add(1) }

// quantile is the middle of the bucket in which the q-th part of the durations
// ends.
func (h *histogram) quantile(q float64) time.Duration {
	var counts [len(histogram{})]int64
	total := int64(0)
	for i := range h {
		counts[i] = h[i].Load()
		total += counts[i]
	}
	rank := int64(q * float64(total))
	for i, n := range counts {
		if rank -= n; n > 0 && rank < 0 {
			return (bucketStart(i) + bucketStart(i+1)) / 2
		}
	}
	return 0
}
