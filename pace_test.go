package wirepost

import (
	"context"
	"fmt"
	"iter"

	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost/internal/management"
)

// bucket is a management API with a rate, as AWS's: a token bucket that is shared by
// everybody, and clients whose buffer is always full.
type bucket struct {
	perSecond float64
	burst     float64
	takes     time.Duration
	full      func(id string) bool

	mu         sync.Mutex
	tokens     float64
	filled     time.Time
	ok, denied int
	delivered  map[string]int
}

func (b *bucket) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(b.takes):
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
	id := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.tokens = min(b.burst, b.tokens+b.perSecond*now.Sub(b.filled).Seconds())
	b.filled = now
	status := http.StatusOK
	if b.tokens < 1 || b.full != nil && b.full(id) {
		status = http.StatusTooManyRequests
		b.denied++
	} else {
		b.tokens--
		b.ok++
		b.delivered[id]++
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, ContentLength: 0, Request: r}, nil
}

// crowd is a store with n connections that are in no memory.
type crowd struct {
	Store
	n int
}

func (c crowd) Connections(ctx context.Context, _ Audience, o ListOptions) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		i := 0
		if o.After != "" {
			fmt.Sscan(string(o.After), &i)
		}
		for ; i < c.n; i++ {
			if err := ctx.Err(); err != nil {
				yield(Listed{}, err)
				return
			}
			if !yield(Listed{ID: fmt.Sprintf("c%d", i), Endpoint: testIdentity, ConnectedAt: time.Now().Add(-time.Hour), Cursor: Cursor(fmt.Sprint(i + 1))}, nil) {
				return
			}
		}
	}
}

func crowdAt(t *testing.T, n int) crowd {
	return crowd{at(t, "https://abc123.execute-api.us-east-1.amazonaws.com/dev", 0), n}
}

// publish runs a publish to n connections against a bucket in fake time.
func (b *bucket) publish(t *testing.T, n int, o *PublisherOptions) (Result, time.Duration, *Publisher) {
	t.Helper()
	b.delivered, b.tokens, b.filled = map[string]int{}, b.burst, time.Now()
	s := crowdAt(t, n)
	o.Transport, o.Credentials = b, fixed{}
	p := publisher(t, s, o)
	start := time.Now()
	r, err := p.Publish(t.Context(), Everyone(), []byte("x"), nil)
	if err != nil {
		t.Errorf("publish: %v", err)
	}
	return r, time.Since(start), p
}

func TestAPublishFindsTheRateThatTheAccountHas(t *testing.T) {
	for _, rate := range []float64{300, 2000} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := int(rate * 10)
				b := &bucket{perSecond: rate, burst: rate / 2, takes: 5 * time.Millisecond}
				r, took, p := b.publish(t, n, &PublisherOptions{Concurrency: 64, PostTimeout: 30 * time.Second})
				ideal := time.Duration((float64(n) - b.burst) / rate * float64(time.Second))
				if r.Sent != n || took > ideal*5/4 {
					t.Errorf("%v in %v, with the whole rate it is %v", r, took, ideal)
				}
				share := float64(b.denied) / float64(b.ok+b.denied)
				t.Logf("%d posts at %v a second: %v, %v with the whole rate; %.1f %% were throttled", n, rate, took, ideal, 100*share)
				if share > 0.15 {
					t.Error("too many were throttled")
				}
				if s := p.Stats(); s.Throttled != int64(b.denied) || s.Retried < s.Throttled || s.Sent != int64(n) {
					t.Errorf("%+v, and the server denied %d", s, b.denied)
				}
				for id, times := range b.delivered {
					if times != 1 {
						t.Fatalf("%s got it %d times", id, times)
					}
				}
			})
		})
	}
}

func TestARateThatIsGivenBackIsUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{perSecond: 500, burst: 100, takes: 5 * time.Millisecond}
		var more sync.Once
		n := 30_000
		b.full = func(string) bool {
			if b.ok > 5000 { // the account's other users have stopped
				more.Do(func() { b.perSecond, b.burst = 1e6, 1e6 })
			}
			return false
		}
		r, took, _ := b.publish(t, n, &PublisherOptions{Concurrency: 64, PostTimeout: 30 * time.Second})
		// 10 s for the first 5,000; 64 in flight at 5 ms are 12,800 a second after that.
		if r.Sent != n || took > 18*time.Second {
			t.Errorf("%v in %v", r, took)
		}
	})
}

func TestTwoClientsThatDoNotReadSlowNobodyDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{perSecond: 1e6, burst: 1e6, takes: 5 * time.Millisecond, full: func(id string) bool { return id == "c1" || id == "c2" }}
		// Without chance: an attempt that is under way when the time is up is no answer.
		half := func() float64 { return 0.5 }
		r, took, p := b.publish(t, 12_000, &PublisherOptions{Concurrency: 64, PostTimeout: 2 * time.Second, Random: half})
		// 12,000 in 64 lanes of 5 ms are 0.94 s; the two give up after 2 s.
		if r.Sent != 11_998 || r.Problems[ProblemThrottled] != 2 || took > 2100*time.Millisecond {
			t.Errorf("%v in %v", r, took)
		}
		if pace := p.paceOf(testIdentity); pace.rate != 0 {
			t.Errorf("the rate has fallen to %v", pace.rate)
		}
	})
}

func TestABudgetIsSharedByAllPublishesOfAProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{perSecond: 1e6, burst: 1e6, takes: time.Millisecond, delivered: map[string]int{}}
		s := crowdAt(t, 1000)
		p := publisher(t, s, &PublisherOptions{MaxPerSecond: 500, Transport: b, Credentials: fixed{}})
		start := time.Now()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if r, err := p.Publish(t.Context(), Everyone(), []byte("x"), nil); err != nil || r.Sent != 1000 {
					t.Errorf("%v, %v", r, err)
				}
			})
		}
		wg.Go(func() { p.Post(t.Context(), "c1", []byte("x")) })
		wg.Wait()
		if took := time.Since(start); took < 5900*time.Millisecond || took > 6200*time.Millisecond {
			t.Errorf("3,001 posts at 500 a second took %v", took)
		}
	})
}

func TestABudgetThatLeavesNoTimeLeavesACursor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{perSecond: 1e6, burst: 1e6, takes: time.Millisecond, delivered: map[string]int{}}
		p := publisher(t, crowdAt(t, 1000), &PublisherOptions{MaxPerSecond: 100, Transport: b, Credentials: fixed{}})
		sent, runs := 0, 0
		for next, more := Cursor(""), true; more; runs++ {
			// The 3 ms are so that the last post of a run does not end when its time does:
			// the next run begins with that post's end, 1 ms after a place of the budget.
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second+3*time.Millisecond)
			r, err := p.Publish(ctx, Everyone(), []byte("x"), &PublishOptions{After: next})
			cancel()
			if err != nil || r.Failed > 0 || r.Sent == 0 || runs > 5 {
				t.Fatalf("run %d: %v, %v", runs, r, err)
			}
			sent += r.Sent
			next, more = r.Next, r.Next != ""
		}
		if sent != 1000 || len(b.delivered) != 1000 || runs < 4 {
			t.Errorf("%d runs sent %d to %d", runs, sent, len(b.delivered))
		}
	})
}

// More is asked for than the budget has, all the time: what the budget has is used,
// and who would be too late is told so at once.
func TestPostsThatGiveUpTakeNothingFromTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{perSecond: 1e6, burst: 1e6, takes: time.Millisecond, delivered: map[string]int{}}
		p := publisher(t, crowdAt(t, 0), &PublisherOptions{MaxPerSecond: 100, PostTimeout: 2 * time.Second, Transport: b, Credentials: fixed{}})
		var wg sync.WaitGroup
		late := 0
		for range 60 * 150 { // a minute
			wg.Go(func() {
				if err := p.Post(t.Context(), "c=", []byte("x")); ProblemOf(err) == ProblemDeadline {
					b.mu.Lock()
					late++
					b.mu.Unlock()
				} else if err != nil {
					t.Error(err)
				}
			})
			time.Sleep(time.Second / 150)
		}
		wg.Wait()
		if b.ok < 5900 || b.ok > 6300 || b.ok+late != 9000 {
			t.Errorf("of 9,000 posts in a minute at 100 a second %d were sent, and %d were too late", b.ok, late)
		}
	})
}

type fixed struct{}

func (fixed) Retrieve(context.Context) (c aws.Credentials, err error) {
	return management.DevelopmentCredentials, nil
}
