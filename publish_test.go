package wirepost

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// pagedStore takes its time for each page.
type pagedStore struct {
	Store
	n, page int
	takes   time.Duration
	read    atomic.Int64
}

func (s *pagedStore) Connections(ctx context.Context, _ Audience, _ ListOptions) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		for i := range s.n {
			if i%s.page == 0 && !sleep(ctx, s.takes) {
				yield(Listed{}, ctx.Err())
				return
			}
			s.read.Add(1)
			if !yield(Listed{ID: fmt.Sprintf("c%d", i), Endpoint: testIdentity, ConnectedAt: time.Now(), Cursor: Cursor(fmt.Sprint(i))}, nil) {
				return
			}
		}
	}
}

func TestTheNextPageIsReadWhileThisOneIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{perSecond: 1e9, burst: 1e9, takes: 10 * time.Millisecond, delivered: map[string]int{}}
		s := &pagedStore{Store: crowdAt(t, 0).Store, n: 2000, page: 100, takes: 50 * time.Millisecond}
		p := publisher(t, s, &PublisherOptions{Concurrency: 20, Transport: b, Credentials: fixed{}})
		start := time.Now()
		r, err := p.Publish(t.Context(), Everyone(), []byte("x"), nil)
		// A page takes 50 ms to read and 50 ms to send, 20 of them; one after the other they
		// take 2 s.
		if took := time.Since(start); err != nil || r.Sent != 2000 || took > 1060*time.Millisecond {
			t.Errorf("%v in %v, %v", r, took, err)
		}
	})
}

func TestAPublishKeepsAsMuchOfItsAudienceAsItLooksAheadAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var posts atomic.Int64
		stuck := roundTrip(func(r *http.Request) (*http.Response, error) {
			posts.Add(1)
			<-r.Context().Done()
			return nil, context.Cause(r.Context())
		})
		s := &pagedStore{Store: crowdAt(t, 0).Store, n: 100_000, page: 1000}
		p := publisher(t, s, &PublisherOptions{Concurrency: 8, Transport: stuck, Credentials: fixed{}})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		r, err := p.Publish(ctx, Everyone(), []byte("x"), nil)
		if err != nil || posts.Load() != 8 || r.Problems[ProblemNoAnswer] != 8 || r.Next != "7" {
			t.Errorf("%v next %q, %v after %d posts", r, r.Next, err, posts.Load())
		}
		if read := s.read.Load(); read > 8+1+lookAheadRows+1 {
			t.Errorf("%d connections were read for 8 posts", read)
		}
	})
}

func TestAPublishReturnsBeforeItsDeadlineWhateverHangs(t *testing.T) {
	hangs := roundTrip(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, context.Cause(r.Context())
	})
	for name, s := range map[string]func(t *testing.T) Store{
		"the endpoint": func(t *testing.T) Store { return crowdAt(t, 1000) },
		"the listing": func(t *testing.T) Store {
			return &pagedStore{Store: crowdAt(t, 0).Store, n: 10, page: 1, takes: time.Hour}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := publisher(t, s(t), &PublisherOptions{Transport: hangs, Credentials: fixed{}})
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				start := time.Now()
				r, err := p.Publish(ctx, Everyone(), []byte("x"), nil)
				if took := time.Since(start); took > 2500*time.Millisecond {
					t.Errorf("%v, %v after %v: no time is left to report", r, err, took)
				}
				if name == "the endpoint" && (r.Next == "" || r.Sent > 0 || err != nil) || name == "the listing" && err == nil {
					t.Errorf("%v next %q, %v", r, r.Next, err)
				}
			})
		})
	}
}

// The last post of an audience may take until the deadline: then everybody was
// reached, and nobody has to go on.
func TestAPublishThatReachedEverybodyHasNoNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, context.Cause(r.Context())
		})
		p := publisher(t, crowdAt(t, 5), &PublisherOptions{Transport: slow, Credentials: fixed{}})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if r, err := p.Publish(ctx, Everyone(), []byte("x"), nil); err != nil || r.Failed != 5 || r.Next != "" {
			t.Errorf("%v next %q, %v", r, r.Next, err)
		}
	})
}

// A worker that waits for the store longer than a post may take has as much time for
// the next post as for the first.
func TestATimeThatRanOutBetweenTwoPostsEndsNoPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{perSecond: 1e9, burst: 1e9, takes: 10 * time.Millisecond, delivered: map[string]int{}}
		s := &pagedStore{Store: crowdAt(t, 0).Store, n: 20, page: 2, takes: 15 * time.Second}
		p := publisher(t, s, &PublisherOptions{Concurrency: 2, Transport: b, Credentials: fixed{}})
		if r, err := p.Publish(t.Context(), Everyone(), []byte("x"), nil); err != nil || r.Sent != 20 {
			t.Errorf("%v %v, %v", r, r.Errors, err)
		}
	})
}

// Twice is asked for, and the second attempt fails for certain: the first one may have
// delivered all the same.
func TestAnOutcomeThatNobodyKnowsStaysUnknown(t *testing.T) {
	m := newManager(t, func(n int64, _ string, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			reset(w)
			return
		}
		w.WriteHeader(429)
	})
	p := publisher(t, at(t, m.URL+"/dev", 1), &PublisherOptions{PostTimeout: 100 * time.Millisecond, Random: func() float64 { return 0.1 }})
	r, err := p.Publish(t.Context(), Everyone(), []byte("x"), &PublishOptions{AtLeastOnce: true})
	if err != nil || r.String() != "sent 0, failed 1 (no-answer)" || m.calls.Load() < 2 {
		t.Errorf("%v, %v after %d calls", r, err, m.calls.Load())
	}
}

// failingCredentials are there once.
type failingCredentials struct{ n atomic.Int64 }

func (c *failingCredentials) Retrieve(context.Context) (aws.Credentials, error) {
	if c.n.Add(1) > 1 {
		return aws.Credentials{}, errors.New("STS is down")
	}
	return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b", CanExpire: true, Expires: time.Now()}, nil
}

func TestMissingCredentialsDoNotHideThatAMessageMayHaveArrived(t *testing.T) {
	m := newManager(t, func(_ int64, _ string, w http.ResponseWriter, _ *http.Request) { reset(w) })
	p := publisher(t, at(t, m.URL+"/dev", 1), &PublisherOptions{Credentials: &failingCredentials{}, Random: func() float64 { return 0 }})
	r, err := p.Publish(t.Context(), Everyone(), []byte("x"), &PublishOptions{AtLeastOnce: true})
	if err != nil || r.String() != "sent 0, failed 1 (no-answer)" {
		t.Errorf("%v, %v", r, err)
	}
}

func TestAContextThatHasEndedLeavesTheCursorWhereItWas(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := publisher(t, NewMemStore(nil), nil)
	if r, err := p.Publish(ctx, Everyone(), []byte("x"), &PublishOptions{After: "c7"}); err == nil || r.Next != "c7" {
		t.Errorf("next %q, %v", r.Next, err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
