package wirepost

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestTheJobsOfAPublishReachEveryConnectionOnceFromManyGoroutines(t *testing.T) {
	m := newManager(t, nil)
	s := at(t, m.URL+"/dev", 500)
	jobs, err := Split(ToTopic("t"), []byte("hi"), 8, &PublishOptions{Except: "c7"})
	if err != nil || len(jobs) != 8 {
		t.Fatalf("%d jobs, %v", len(jobs), err)
	}
	p := publisher(t, s, nil)
	var sent atomic.Int64
	var wg sync.WaitGroup
	for _, j := range jobs {
		wg.Go(func() {
			// As it comes out of a queue.
			wire, err := json.Marshal(j)
			var back Job
			if err == nil {
				err = json.Unmarshal(wire, &back)
			}
			if err != nil || !reflect.DeepEqual(back, j) {
				t.Errorf("%+v became %+v, %v", j, back, err)
			}
			r, err := p.Do(t.Context(), back)
			if err != nil || r.Failed+r.Gone > 0 || r.Next != "" {
				t.Errorf("%s: %v, %v", j, r, err)
			}
			sent.Add(int64(r.Sent))
		})
	}
	wg.Wait()
	if sent.Load() != 499 || len(m.got) != 499 || m.got["c7"] != nil {
		t.Errorf("sent %d to %d connections", sent.Load(), len(m.got))
	}
	for id, bodies := range m.got {
		if len(bodies) != 1 {
			t.Errorf("%s got %q", id, bodies)
		}
	}
}

// cutListing fails behind every thirtieth connection that it lists.
type cutListing struct{ Store }

func (s cutListing) Connections(ctx context.Context, a Audience, o ListOptions) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		n := 0
		for l, err := range s.Store.Connections(ctx, a, o) {
			if n++; n > 30 {
				yield(Listed{}, errors.New("the table is throttled"))
				return
			}
			if !yield(l, err) {
				return
			}
		}
	}
}

// A job that was interrupted is put back as its rest, as often as it takes.
func TestTheRestOfAJobReachesWhoWasNotReachedAndNobodyTwice(t *testing.T) {
	const n = 200
	m := newManager(t, nil)
	p := publisher(t, cutListing{at(t, m.URL+"/dev", n)}, &PublisherOptions{Concurrency: 4})
	jobs, err := Split(ToTopic("t"), []byte("x"), 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	runs := 0
	for ; len(jobs) > 0 && runs < 40; runs++ {
		r, err := p.Do(t.Context(), jobs[0])
		rest, more := jobs[0].Rest(r)
		if (err != nil) != more || r.Sent == 0 && more {
			t.Fatalf("%s: %v, %v", jobs[0], r, err)
		}
		if jobs = jobs[1:]; more {
			jobs = append(jobs, rest)
		}
	}
	if runs < 6 || m.calls.Load() != n || len(m.got) != n {
		t.Errorf("%d runs made %d posts to %d of %d connections", runs, m.calls.Load(), len(m.got), n)
	}
}

func TestWhatCannotBeSplitIsRefusedInOneSentence(t *testing.T) {
	for _, tt := range []struct {
		to    Audience
		data  string
		parts int
		want  string
	}{
		{Audience{}, "x", 1, "expected user:NAME"},
		{Everyone(), "x", 0, "the number must be from 1 to 1000"},
		{Everyone(), "x", MaxParts + 1, "the number must be from 1 to 1000"},
		{Everyone(), strings.Repeat("x", MaxMessage+1), 1, "message-too-large"},
		{Everyone(), "a\xff", 1, "message-not-text"},
	} {
		if _, err := Split(tt.to, []byte(tt.data), tt.parts, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Split(%s, %d bytes, %d) = %v, want %q in it", tt.to, len(tt.data), tt.parts, err, tt.want)
		}
	}
	if jobs, err := Split(ToConnection("c="), []byte("x"), 5, nil); err != nil || len(jobs) != 1 {
		t.Errorf("one connection is %d jobs, %v", len(jobs), err)
	}
}
