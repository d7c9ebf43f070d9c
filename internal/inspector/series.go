package inspector

import (
	"math/bits"
	"time"
)

// seconds is how far the plots go back.
const seconds = 300

// series counts by second, for the plots.
type series struct {
	buckets [seconds]second
}

type second struct {
	at                int64 // Unix
	in, out, failures int
	invocations       int
	took              [48]uint32 // by two steps for each power of two of microseconds
}

// point is a second as JSON.
type point struct {
	At       int64  `json:"at"` // Unix seconds
	In       int    `json:"in"`
	Out      int    `json:"out"`
	Failures int    `json:"failures"`
	Calls    int    `json:"calls"`
	P50      Millis `json:"p50"`
	P95      Millis `json:"p95"`
}

func (s *series) second(at time.Time) *second {
	unix := at.Unix()
	b := &s.buckets[unix%seconds]
	if b.at != unix {
		*b = second{at: unix}
	}
	return b
}

// invoked counts an invocation.
func (s *second) invoked(took time.Duration) {
	us := uint64(max(took.Microseconds(), 1))
	n := bits.Len64(us)
	i := 2 * (n - 1)
	if n > 1 && us>>(n-2)&1 == 1 {
		i++
	}
	s.invocations++
	s.took[min(i, len(s.took)-1)]++
}

// quantile is about the duration that a part of the invocations did not exceed.
func (s *second) quantile(part float64) time.Duration {
	if s.invocations == 0 {
		return 0
	}
	want := uint32(part * float64(s.invocations))
	seen := uint32(0)
	for i, n := range s.took {
		if seen += n; n > 0 && seen > want {
			us := float64(uint64(1) << (i / 2))
			if i%2 == 1 {
				us *= 1.5
			}
			return time.Duration(us * 1.25 * float64(time.Microsecond)) // the middle of the step
		}
	}
	return 0
}

func (s *second) point(unix int64) point {
	if s.at != unix {
		return point{At: unix}
	}
	return point{unix, s.in, s.out, s.failures, s.invocations, Millis(s.quantile(0.5)), Millis(s.quantile(0.95))}
}
