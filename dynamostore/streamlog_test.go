package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
)

// costs counts the operations of a table by name.
type costs struct {
	http.RoundTripper
	mu sync.Mutex
	n  map[string]int
}

func (c *costs) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.n[strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810.")]++
	c.mu.Unlock()
	return c.RoundTripper.RoundTrip(r)
}

// logStore has its logs in one store, and all else in another.
type logStore struct {
	*wirepost.MemStore
	wirepost.Log
}

func (s logStore) Append(ctx context.Context, topic string, entries []wirepost.LogEntry, o *wirepost.AppendOptions) (wirepost.Position, error) {
	return s.Log.Append(ctx, topic, entries, o)
}

func (s logStore) Read(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (wirepost.Replay, error) {
	return s.Log.Read(ctx, topic, after, limit)
}

func (s logStore) Head(ctx context.Context, topic string) (wirepost.Position, error) {
	return s.Log.Head(ctx, topic)
}

func (s logStore) Restart(ctx context.Context, topic string) (wirepost.Position, error) {
	return s.Log.Restart(ctx, topic)
}

// A stream is read for hours, and a table has thousands of them a day: what outlives one
// is paid for a year.
func TestTheLogOfAStreamLeavesNoRowBesideItsItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		table := newSimTable(1)
		s := simProcess(table, 0, logBreaks{}, 1)
		counted := &costs{RoundTripper: table, n: map[string]int{}}
		through := *s.db
		through.Transport = counted
		s.db = simClient(&through)
		p := wirepost.NewPublisher(logStore{wirepost.NewMemStore(nil), s}, nil)
		stream := p.Stream(ctx, wirepost.ToUser("nobody"), &wirepost.StreamOptions{ID: "ID-1", Unread: -1})
		time.Sleep(500 * time.Millisecond)
		counted.mu.Lock()
		if counted.n["PutItem"] != 1 || counted.n["Query"] != 2 || counted.n["GetItem"] != 0 { // its end is looked for, and then it is read
			t.Errorf("its beginning costs %v", counted.n)
		}
		counted.mu.Unlock()
		for i := range 100 {
			fmt.Fprintf(stream, "word %d ", i)
			time.Sleep(100 * time.Millisecond)
		}
		if err := stream.Close(); err != nil {
			t.Fatal(err)
		}
		if n := counted.n["PutItem"]; n > 14 || counted.n["GetItem"] != 0 {
			t.Errorf("10 s cost %v", counted.n)
		}
		const partition = "l:ID-1:$stream/ID-1"
		for _, p := range slices.Sorted(maps.Keys(table.rows)) {
			if p != partition {
				t.Errorf("the table has a partition %s", p)
			}
		}
		r, err := s.Read(ctx, "$stream/ID-1", wirepost.Position{}, wirepost.ReadLimit{Bytes: 1 << 20})
		if err != nil || r.Head.Epoch != "ID-1" || r.More || len(r.Gaps) > 0 || uint64(len(r.Messages)) != r.Head.Offset || !strings.Contains(string(r.Messages[len(r.Messages)-1].Data), `"end":true`) {
			t.Errorf("%+v, %v", r.Head, err)
		}
		if _, err := s.Restart(ctx, "$stream/ID-1"); !errors.Is(err, wirepost.ErrInvalid) {
			t.Errorf("Restart: %v", err)
		}

		// After it expires, the log does not exist, and asking for it writes nothing.
		time.Sleep(10 * 24 * time.Hour)
		before := counted.n["PutItem"]
		other := simProcess(table, 0, logBreaks{}, 2)
		if r, err := other.Read(ctx, "$stream/ID-1", wirepost.Position{}, wirepost.ReadLimit{}); err != nil || len(r.Messages) > 0 || counted.n["PutItem"] != before {
			t.Errorf("%d messages, %v", len(r.Messages), err)
		}
		table.expire(0.5)
		stream = p.Stream(ctx, wirepost.ToUser("nobody"), &wirepost.StreamOptions{ID: "ID-1", Unread: -1})
		fmt.Fprint(stream, "again")
		if err := stream.Close(); err != nil {
			t.Errorf("the same ID, ten days later: %v", err)
		}
	})
}
