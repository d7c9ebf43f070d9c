package wireposttest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

// TestLog checks that a store keeps every promise of [wirepost.Log]. Each is a subtest
// whose name is the promise. A driver's test is one call:
//
//	func TestTheLogKeepsTheContract(t *testing.T) {
//		wireposttest.TestLog(t, func(t *testing.T, o wireposttest.StoreOptions) wirepost.Store {
//			return open(t, o.Now)
//		})
//	}
//
// open is called once for each subtest and returns an empty store, which TestLog closes.
// The clock goes up to two months ahead of the real time: a server that removes what
// has expired by a clock of its own does no harm, as it can only be late.
func TestLog(t *testing.T, open func(t *testing.T, o StoreOptions) wirepost.Store) {
	for _, c := range logChecks {
		t.Run(c.promise, func(t *testing.T) {
			clock := newClock()
			store := open(t, StoreOptions{Now: clock.Now})
			log, ok := store.(wirepost.Log)
			if !ok {
				t.Fatalf("%T is no wirepost.Log", store)
			}
			ctx, cancel := context.WithTimeout(t.Context(), hangTime)
			defer cancel()
			if err := c.run(ctx, &tested{log}, clock); err != nil {
				t.Error(err)
			}
			if err := store.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// logCheck finds out whether a log keeps one promise. It returns what it saw instead of
// failing a test, so that the suite is tested with logs that break the promise.
type logCheck struct {
	promise string
	run     func(context.Context, *tested, *clock) error
}

var logChecks = slices.Concat(appendChecks, readChecks, logExpiryChecks, epochChecks, logRaceChecks)

// tested is a log with what checks do with it.
type tested struct{ wirepost.Log }

// keep is how long the messages of checks live that do not expire in them.
const keep = 24 * time.Hour

func entry(id string, keep time.Duration) wirepost.LogEntry {
	return wirepost.LogEntry{Data: []byte(`{"type":"message","id":"` + id + `","data":"é\u0000"}`), ID: id, Keep: keep}
}

// put appends entries one by one and checks that their offsets go on from the last.
func (l *tested) put(ctx context.Context, topic string, entries ...wirepost.LogEntry) (last wirepost.Position, err error) {
	for i, e := range entries {
		p, err := l.Append(ctx, topic, []wirepost.LogEntry{e}, nil)
		if err != nil {
			return p, fmt.Errorf("Append to %s: %w", topic, err)
		}
		if p.Epoch == "" || p.Validate() != nil {
			return p, fmt.Errorf("Append to %s returned the position %v", topic, p)
		}
		if i > 0 && (p.Epoch != last.Epoch || p.Offset != last.Offset+1) {
			return p, fmt.Errorf("Append to %s returned %v after %v", topic, p, last)
		}
		last = p
	}
	return last, nil
}

func (l *tested) read(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (wirepost.Replay, error) {
	r, err := l.Read(ctx, topic, after, limit)
	if err != nil {
		return r, fmt.Errorf("Read %s after %v: %w", topic, after, err)
	}
	return r, l.isWhole(after, r)
}

// isWhole checks that a replay covers each offset once, from the position to UpTo.
func (l *tested) isWhole(after wirepost.Position, r wirepost.Replay) error {
	next := uint64(1)
	if after.Epoch == r.UpTo.Epoch {
		next = min(after.Offset, r.Head.Offset) + 1
	}
	gaps := r.Gaps
	if len(gaps) > 0 && gaps[0].From == 0 {
		next = max(next, gaps[0].To+1)
		gaps = gaps[1:]
	}
	messages := r.Messages
	for {
		switch {
		case len(gaps) > 0 && gaps[0].From == next:
			if gaps[0].To < gaps[0].From {
				return fmt.Errorf("after %v: the gap %v is empty", after, gaps[0])
			}
			next = gaps[0].To + 1
			gaps = gaps[1:]
		case len(messages) > 0 && messages[0].Offset == next && messages[0].Epoch == r.UpTo.Epoch:
			next++
			messages = messages[1:]
		case len(gaps)+len(messages) > 0:
			return fmt.Errorf("after %v: neither a message nor a gap has the offset %d of %v; messages %v, gaps %v", after, next, r.UpTo, offsets(r), r.Gaps)
		case next != r.UpTo.Offset+1:
			return fmt.Errorf("after %v: UpTo is %v, and the answer ends before %d", after, r.UpTo, next)
		case r.Head.Epoch != r.UpTo.Epoch || r.Head.Offset < r.UpTo.Offset:
			return fmt.Errorf("after %v: Head is %v and UpTo is %v", after, r.Head, r.UpTo)
		case r.UpTo.Offset < r.Head.Offset && !r.More:
			return fmt.Errorf("after %v: UpTo %v is before Head %v, and there is not more", after, r.UpTo, r.Head)
		default:
			return nil
		}
	}
}

func offsets(r wirepost.Replay) (all []uint64) {
	for _, m := range r.Messages {
		all = append(all, m.Offset)
	}
	return all
}

// all reads to the end. It is the IDs in order, with a gap as FROM-TO.
func (l *tested) all(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (got []string, end wirepost.Position, err error) {
	for range 10_000 {
		r, err := l.read(ctx, topic, after, limit)
		if err != nil {
			return got, after, err
		}
		got = append(got, told(r)...)
		if !r.More {
			return got, r.UpTo, nil
		}
		if r.UpTo == after {
			return got, after, fmt.Errorf("Read %s after %v says that there is more, and stays there", topic, after)
		}
		after = r.UpTo
	}
	return got, after, errors.New("a reader never comes to the end")
}

// told is what a replay tells its reader, in order.
func told(r wirepost.Replay) (got []string) {
	gaps := r.Gaps
	for _, m := range r.Messages {
		for len(gaps) > 0 && gaps[0].From < m.Offset {
			got, gaps = append(got, shown(gaps[0])), gaps[1:]
		}
		got = append(got, m.ID)
	}
	for _, g := range gaps {
		got = append(got, shown(g))
	}
	return got
}

func shown(g wirepost.Offsets) string { return fmt.Sprintf("%d-%d", g.From, g.To) }

// wantAll compares what a reader is told with what it should be.
func (l *tested) wantAll(ctx context.Context, topic string, after wirepost.Position, want ...string) error {
	got, _, err := l.all(ctx, topic, after, wirepost.ReadLimit{})
	if err == nil && !slices.Equal(got, want) {
		err = fmt.Errorf("a reader of %s after %v is told %q, want %q", topic, after, got, want)
	}
	return err
}

func (l *tested) wantHead(ctx context.Context, topic string, want wirepost.Position) error {
	got, err := l.Head(ctx, topic)
	if err == nil && got != want {
		err = fmt.Errorf("Head of %s is %v, want %v", topic, got, want)
	}
	return err
}

func isMoved(err error) bool { return errors.Is(err, wirepost.ErrMoved) }
