package gateway

import (
	"sync"
	"time"
)

// bucket is a token bucket: so many a second on average, and so many at once. Its
// clock is the time package's own. Nil lets everything pass.
type bucket struct {
	mu     sync.Mutex
	rate   float64 // tokens a second
	burst  float64
	tokens float64
	last   time.Time
}

func newBucket(rate, burst int) *bucket {
	if rate < 0 {
		return nil
	}
	if burst < 0 {
		burst = rate
	}
	return &bucket{rate: float64(rate), burst: float64(burst), tokens: float64(burst), last: time.Now()}
}

// take takes a token if there is one.
func (b *bucket) take() bool {
	if b == nil {
		return true
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if passed := now.Sub(b.last); passed > 0 {
		b.tokens = min(b.burst, b.tokens+passed.Seconds()*b.rate)
		b.last = now
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
