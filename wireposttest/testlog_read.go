package wireposttest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost"
)

var readChecks = []logCheck{
	{"a read gives what is behind the position", func(ctx context.Context, l *tested, _ *clock) error {
		last, err := l.put(ctx, "t", entry("a", keep), entry("b", keep), entry("c", keep))
		if err != nil {
			return err
		}
		return cmp.Or(
			l.wantAll(ctx, "t", wirepost.Position{Epoch: last.Epoch}, "a", "b", "c"),
			l.wantAll(ctx, "t", wirepost.Position{Epoch: last.Epoch, Offset: 1}, "b", "c"),
			l.wantAll(ctx, "t", last),
		)
	}},
	{"limits bound an answer, and what follows is complete", func(ctx context.Context, l *tested, _ *clock) error {
		var want []string
		for i := range 40 {
			group := []wirepost.LogEntry{}
			for k := range 1 + i%4 {
				e := entry(fmt.Sprintf("%d-%d", i, k), keep)
				e.Data = []byte(`{"d":"` + strings.Repeat("x", 92) + `"}`)
				group, want = append(group, e), append(want, e.ID)
			}
			if _, err := l.Append(ctx, "t", group, nil); err != nil {
				return fmt.Errorf("Append: %w", err)
			}
		}
		for _, limit := range []wirepost.ReadLimit{{}, {Messages: 1}, {Messages: 7}, {Bytes: 1}, {Bytes: 100}, {Bytes: 1050}, {Messages: 3, Bytes: 250}} {
			got, _, err := l.all(ctx, "t", zero, limit)
			if err == nil && !slices.Equal(got, want) {
				err = fmt.Errorf("with the limit %+v a reader is told %d messages, want %d, in order", limit, len(got), len(want))
			}
			r, err2 := l.read(ctx, "t", zero, limit)
			if err := cmp.Or(err, err2); err != nil {
				return err
			}
			size := 0
			for _, m := range r.Messages {
				size += len(m.Data)
			}
			if most := limit.OrDefault(); len(r.Messages) > most.Messages || len(r.Messages) > 1 && size > most.Bytes || len(r.Messages) == 0 {
				return fmt.Errorf("with the limit %+v an answer has %d messages with %d bytes", limit, len(r.Messages), size)
			}
		}
		return nil
	}},
	{"a position beyond the end is the end", func(ctx context.Context, l *tested, _ *clock) error {
		last, err := l.put(ctx, "t", entry("a", keep), entry("b", keep))
		if err != nil {
			return err
		}
		r, err := l.read(ctx, "t", wirepost.Position{Epoch: last.Epoch, Offset: 1000}, wirepost.ReadLimit{})
		if err == nil && (len(r.Messages)+len(r.Gaps) > 0 || r.UpTo != last || r.Head != last || r.More) {
			err = fmt.Errorf("Read gives %+v, want the end, %v", r, last)
		}
		return err
	}},
	{"a position of an unknown epoch has missed what there was, and gets what there is", func(ctx context.Context, l *tested, _ *clock) error {
		other := wirepost.Position{Epoch: "neverwas", Offset: 7}
		if err := l.wantAll(ctx, "t", other, "0-0"); err != nil {
			return err
		}
		if _, err := l.put(ctx, "t", entry("a", keep), entry("b", keep)); err != nil {
			return err
		}
		return l.wantAll(ctx, "t", other, "0-0", "a", "b")
	}},
	{"a position that cannot be one is refused", func(ctx context.Context, l *tested, _ *clock) error {
		for _, p := range []wirepost.Position{{Epoch: "a b", Offset: 1}, {Offset: 1}, {Epoch: strings.Repeat("x", 65)}, {Epoch: "e", Offset: wirepost.MaxOffset + 1}} {
			if r, err := l.Read(ctx, "t", p, wirepost.ReadLimit{}); err == nil {
				return fmt.Errorf("Read after %v gives %+v, want a refusal", p, r)
			}
		}
		return nil
	}},
}

var logExpiryChecks = []logCheck{
	{"what has expired is not returned but told, wherever it lies", func(ctx context.Context, l *tested, c *clock) error {
		last, err := l.put(ctx, "t", entry("a", time.Minute), entry("b", keep), entry("c", time.Minute), entry("d", time.Minute), entry("e", keep), entry("f", time.Second))
		if err != nil {
			return err
		}
		c.set(c.Now().Add(time.Minute)) // expired from this moment on
		at := func(n uint64) wirepost.Position { return wirepost.Position{Epoch: last.Epoch, Offset: n} }
		return cmp.Or(
			l.wantAll(ctx, "t", zero, "1-1", "b", "3-4", "e", "6-6"),
			l.wantAll(ctx, "t", at(1), "b", "3-4", "e", "6-6"),
			l.wantAll(ctx, "t", at(3), "4-4", "e", "6-6"),
			l.wantAll(ctx, "t", at(5), "6-6"),
			l.wantAll(ctx, "t", last),
			l.wantHead(ctx, "t", last),
		)
	}},
	{"a message is there until the millisecond of its end", func(ctx context.Context, l *tested, c *clock) error {
		start := c.Now()
		if _, err := l.put(ctx, "t", entry("a", 10*time.Second)); err != nil {
			return err
		}
		c.set(start.Add(10*time.Second - time.Millisecond))
		if err := l.wantAll(ctx, "t", zero, "a"); err != nil {
			return err
		}
		c.set(start.Add(10 * time.Second))
		return l.wantAll(ctx, "t", zero, "1-1")
	}},
	{"a part of a group expires by itself", func(ctx context.Context, l *tested, c *clock) error {
		if _, err := l.Append(ctx, "t", []wirepost.LogEntry{entry("a", time.Second), entry("b", keep), entry("c", time.Second)}, nil); err != nil {
			return err
		}
		c.set(c.Now().Add(time.Minute))
		return l.wantAll(ctx, "t", zero, "1-1", "b", "3-3")
	}},
	{"offsets go on after everything has expired, for an hour as for days", func(ctx context.Context, l *tested, c *clock) error {
		last, err := l.put(ctx, "t", entry("a", time.Second), entry("b", time.Second))
		if err != nil {
			return err
		}
		c.set(c.Now().Add(time.Hour))
		next, err := l.put(ctx, "t", entry("c", keep))
		if err == nil && (next.Epoch != last.Epoch || next.Offset != 3) {
			err = fmt.Errorf("an hour after everything has expired the next position is %v, want the one behind %v", next, last)
		}
		return cmp.Or(err, l.wantAll(ctx, "t", zero, "1-2", "c"), l.wantAll(ctx, "t", last, "c"))
	}},
	{"a reader who was at the end before a long pause is told the truth", func(ctx context.Context, l *tested, c *clock) error {
		last, err := l.put(ctx, "t", entry("a", time.Second))
		if err != nil {
			return err
		}
		c.set(c.Now().Add(60 * 24 * time.Hour))
		if _, err := l.put(ctx, "t", entry("b", keep)); err != nil {
			return err
		}
		// It may be told that something may be missing, and never misses anything unsaid.
		got, _, err := l.all(ctx, "t", last, wirepost.ReadLimit{})
		if err == nil && (len(got) == 0 || got[len(got)-1] != "b" || slices.Contains(got, "a")) {
			err = fmt.Errorf("a reader after %v is told %q, want b at the end", last, got)
		}
		return err
	}},
}

var epochChecks = []logCheck{
	{"a restart begins a new epoch", func(ctx context.Context, l *tested, _ *clock) error {
		if p, err := l.Restart(ctx, "t"); err != nil || p != zero {
			return fmt.Errorf("Restart of a topic without a log returns %v, %v, want the zero position", p, err)
		}
		old, err := l.put(ctx, "t", entry("a", keep), entry("b", keep))
		if err != nil {
			return err
		}
		begun, err := l.Restart(ctx, "t")
		if err == nil && (begun.Epoch == old.Epoch || begun.Epoch == "" || begun.Offset != 0) {
			err = fmt.Errorf("Restart returns %v, want the beginning of another epoch than that of %v", begun, old)
		}
		if err := cmp.Or(err, l.wantHead(ctx, "t", begun)); err != nil {
			return err
		}
		first, err := l.put(ctx, "t", entry("c", keep))
		if want := (wirepost.Position{Epoch: begun.Epoch, Offset: 1}); err == nil && first != want {
			err = fmt.Errorf("the first position of the new epoch is %v, want %v", first, want)
		}
		return err
	}},
	{"a reader of the old epoch gets what is left of it, a gap, and the new one", func(ctx context.Context, l *tested, _ *clock) error {
		old, err := l.put(ctx, "t", entry("a", keep), entry("b", keep))
		if err != nil {
			return err
		}
		begun, err := l.Restart(ctx, "t")
		if err != nil {
			return err
		}
		if err := l.wantAll(ctx, "t", old, "0-0"); err != nil {
			return fmt.Errorf("before the first message of the new epoch: %w", err)
		}
		if r, err := l.read(ctx, "t", old, wirepost.ReadLimit{}); err != nil || r.UpTo != begun {
			return fmt.Errorf("a reader at the end of the old epoch is at %v, %v, want %v", r.UpTo, err, begun)
		}
		if _, err := l.put(ctx, "t", entry("c", keep)); err != nil {
			return err
		}
		return cmp.Or(
			l.wantAll(ctx, "t", begun, "c"),
			l.wantAll(ctx, "t", old, "0-0", "c"),
			l.wantAll(ctx, "t", wirepost.Position{Epoch: old.Epoch, Offset: 1}, "b", "0-0", "c"),
			l.wantAll(ctx, "t", zero, "a", "b", "0-0", "c"),
		)
	}},
	{"an answer has messages of one epoch", func(ctx context.Context, l *tested, _ *clock) error {
		if _, err := l.put(ctx, "t", entry("a", keep)); err != nil {
			return err
		}
		if _, err := l.Restart(ctx, "t"); err != nil {
			return err
		}
		if _, err := l.put(ctx, "t", entry("b", keep)); err != nil {
			return err
		}
		r, err := l.read(ctx, "t", zero, wirepost.ReadLimit{})
		if err == nil && (len(r.Messages) != 1 || !r.More) {
			err = fmt.Errorf("Read gives %v and more %t, want the one message of the first epoch, and more", offsets(r), r.More)
		}
		return err
	}},
	{"a position beyond the end of an old epoch is of a log that was lost", func(ctx context.Context, l *tested, _ *clock) error {
		old, err := l.put(ctx, "t", entry("a", keep))
		if err != nil {
			return err
		}
		if _, err := l.Restart(ctx, "t"); err != nil {
			return err
		}
		if _, err := l.put(ctx, "t", entry("b", keep)); err != nil {
			return err
		}
		return l.wantAll(ctx, "t", wirepost.Position{Epoch: old.Epoch, Offset: 5}, "0-0", "b")
	}},
	{"ten restarts later an old position is still told the truth", func(ctx context.Context, l *tested, _ *clock) error {
		old, err := l.put(ctx, "t", entry("a", keep))
		if err != nil {
			return err
		}
		for range 10 {
			if _, err := l.Restart(ctx, "t"); err != nil {
				return err
			}
			if _, err := l.put(ctx, "t", entry("m", keep)); err != nil {
				return err
			}
		}
		got, _, err := l.all(ctx, "t", old, wirepost.ReadLimit{})
		if err == nil && len(got) < 10 && !slices.Contains(got, "0-0") {
			err = fmt.Errorf("a reader after %v is told %q: something is missing, and it is not said", old, got)
		}
		return err
	}},
}

var logRaceChecks = []logCheck{
	{"many appenders leave no hole, and each message is there once", func(ctx context.Context, l *tested, _ *clock) error {
		const appenders, each = 8, 12
		var mu sync.Mutex
		at := map[uint64]string{}
		err := concurrently(appenders, func(i int) error {
			for k := range each {
				n := 1 + (i+k)%3
				var group []wirepost.LogEntry
				for g := range n {
					group = append(group, entry(fmt.Sprintf("%d-%d-%d", i, k, g), keep))
				}
				first, err := l.Append(ctx, "t", group, nil)
				if err != nil {
					return fmt.Errorf("Append: %w", err)
				}
				mu.Lock()
				for g := range n {
					offset := first.Offset + uint64(g)
					if other, taken := at[offset]; taken {
						mu.Unlock()
						return fmt.Errorf("the offset %d was given to %s and to %s", offset, other, group[g].ID)
					}
					at[offset] = group[g].ID
				}
				mu.Unlock()
			}
			return nil
		})
		if err != nil {
			return err
		}
		var want []string
		for offset := uint64(1); len(want) < len(at); offset++ {
			id, there := at[offset]
			if !there {
				return fmt.Errorf("no message has the offset %d", offset)
			}
			want = append(want, id)
		}
		return l.wantAll(ctx, "t", zero, want...)
	}},
	{"a reader during appends gets each message once, in order", func(ctx context.Context, l *tested, _ *clock) error {
		const appenders, each = 4, 20
		var left atomic.Int64
		left.Store(appenders)
		var got []string
		return cmp.Or(concurrently(appenders+1, func(i int) error {
			if i < appenders {
				defer left.Add(-1)
				for k := range each {
					if _, err := l.Append(ctx, "t", []wirepost.LogEntry{entry(fmt.Sprintf("%d-%d", i, k), keep)}, nil); err != nil {
						return fmt.Errorf("Append: %w", err)
					}
				}
				return nil
			}
			at := zero
			for last := false; ; {
				last = left.Load() == 0
				more, end, err := l.all(ctx, "t", at, wirepost.ReadLimit{Messages: 3})
				if err != nil {
					return err
				}
				got, at = append(got, more...), end
				if last {
					break
				}
			}
			want, _, err := l.all(ctx, "t", zero, wirepost.ReadLimit{})
			if err == nil && (!slices.Equal(got, want) || len(got) != appenders*each) {
				err = fmt.Errorf("a reader during the appends was told %d messages, one after them %d", len(got), len(want))
			}
			return err
		}))
	}},
	{"a read that starts after an append has returned sees it", func(ctx context.Context, l *tested, _ *clock) error {
		return concurrently(4, func(i int) error {
			for k := range 15 {
				id := fmt.Sprintf("%d-%d", i, k)
				p, err := l.Append(ctx, "t", []wirepost.LogEntry{entry(id, keep)}, nil)
				if err != nil {
					return fmt.Errorf("Append: %w", err)
				}
				r, err := l.read(ctx, "t", wirepost.Position{Epoch: p.Epoch, Offset: p.Offset - 1}, wirepost.ReadLimit{Messages: 1})
				if err != nil {
					return err
				}
				if len(r.Messages) != 1 || r.Messages[0].ID != id {
					return fmt.Errorf("behind %d is %v, want %s", p.Offset-1, told(r), id)
				}
			}
			return nil
		})
	}},
	{"of several appends at one position one is done", func(ctx context.Context, l *tested, _ *clock) error {
		at := zero
		for round := range 4 {
			var done atomic.Int64
			err := concurrently(4, func(i int) error {
				_, err := l.Append(ctx, "t", []wirepost.LogEntry{entry(fmt.Sprintf("%d-%d", round, i), keep)}, &wirepost.AppendOptions{At: &at})
				if err == nil {
					done.Add(1)
				} else if !isMoved(err) {
					return fmt.Errorf("Append at %v: %w", at, err)
				}
				return nil
			})
			head, err2 := l.Head(ctx, "t")
			if err := cmp.Or(err, err2); err != nil {
				return err
			}
			if done.Load() != 1 || head.Offset != at.Offset+1 {
				return fmt.Errorf("%d appends at %v were done, and the head is %v", done.Load(), at, head)
			}
			at = head
		}
		return nil
	}},
}
