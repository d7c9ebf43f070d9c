package wireposttest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
)

var zero wirepost.Position

var appendChecks = []logCheck{
	{"a topic without kept messages is at the zero position", func(ctx context.Context, l *tested, _ *clock) error {
		r, err := l.read(ctx, "t", zero, wirepost.ReadLimit{})
		if err == nil && (r.UpTo != zero || r.Head != zero || r.More || len(r.Messages)+len(r.Gaps) > 0) {
			err = fmt.Errorf("Read gives %+v, want nothing", r)
		}
		return cmp.Or(err, l.wantHead(ctx, "t", zero))
	}},
	{"offsets are 1, 2, 3 for each topic by itself", func(ctx context.Context, l *tested, _ *clock) error {
		for _, topic := range []string{"a", "ab", "a/1", "A", "Å %_*'\"\\"} {
			first, err := l.put(ctx, topic, entry("x1", keep))
			if err == nil && first.Offset != 1 {
				err = fmt.Errorf("the first offset of %s is %d", topic, first.Offset)
			}
			last, err2 := l.put(ctx, topic, entry("x2", keep), entry("x3", keep))
			if err := cmp.Or(err, err2); err != nil {
				return err
			}
			if want := (wirepost.Position{Epoch: first.Epoch, Offset: 3}); last != want {
				return fmt.Errorf("the third position of %s is %v, want %v", topic, last, want)
			}
			if err := cmp.Or(l.wantHead(ctx, topic, last), l.wantAll(ctx, topic, zero, "x1", "x2", "x3")); err != nil {
				return err
			}
		}
		return nil
	}},
	{"a group has the offsets behind its first", func(ctx context.Context, l *tested, _ *clock) error {
		var group []wirepost.LogEntry
		var want []string
		for i := range wirepost.MaxAppendEntries {
			id := fmt.Sprintf("g%d", i)
			group, want = append(group, entry(id, keep)), append(want, id)
		}
		before, err := l.put(ctx, "t", entry("a", keep))
		if err != nil {
			return err
		}
		first, err := l.Append(ctx, "t", group, nil)
		if err == nil && (first.Epoch != before.Epoch || first.Offset != 2) {
			err = fmt.Errorf("the group begins at %v, want an offset of 2", first)
		}
		if err != nil {
			return err
		}
		last, err := l.put(ctx, "t", entry("b", keep))
		if err == nil && last.Offset != 18 {
			err = fmt.Errorf("the message behind the group has the offset %d, want 18", last.Offset)
		}
		if err != nil {
			return err
		}
		for after := range uint64(18) { // also in the middle of the group
			rest := append(append([]string{"a"}, want...), "b")[after:]
			if err := l.wantAll(ctx, "t", wirepost.Position{Epoch: first.Epoch, Offset: after}, rest...); err != nil {
				return err
			}
		}
		return nil
	}},
	{"a message comes back as it was appended", func(ctx context.Context, l *tested, c *clock) error {
		e := wirepost.LogEntry{Data: []byte("{\"a\": \"\U0001F600 é \\u0000\n\",\"b\":[1.50]} }"), ID: "!~" + strings.Repeat("x", 126), Keep: 1500 * time.Millisecond}
		given := slices.Clone(e.Data)
		p, err := l.put(ctx, "t", e)
		if err != nil {
			return err
		}
		e.Data[1] = 'X' // the caller's own again
		r, err := l.read(ctx, "t", zero, wirepost.ReadLimit{})
		if err != nil {
			return err
		}
		if len(r.Messages) != 1 {
			return fmt.Errorf("there are %d messages, want 1", len(r.Messages))
		}
		now := time.UnixMilli(c.Now().UnixMilli())
		m := r.Messages[0]
		if string(m.Data) != string(given) || m.ID != e.ID || m.Position != p || !m.At.Equal(now) || !m.End.Equal(now.Add(e.Keep)) {
			return fmt.Errorf("it comes back as %+v with data %q, want data %q at %v", m, m.Data, given, now)
		}
		m.Data[0] = 'X' // the reader's own
		return l.wantAll(ctx, "t", zero, e.ID)
	}},
	{"a message of the largest size is kept", func(ctx context.Context, l *tested, _ *clock) error {
		e := entry("big", keep)
		e.Data = []byte(`{"d":"` + strings.Repeat("x", wirepost.MaxKept-8) + `"}`)
		if _, err := l.put(ctx, "t", e, entry("b", keep)); err != nil {
			return err
		}
		r, err := l.read(ctx, "t", zero, wirepost.ReadLimit{})
		if err == nil && (len(r.Messages) != 1 || len(r.Messages[0].Data) != wirepost.MaxKept || !r.More) {
			err = fmt.Errorf("Read gives %v and more %t, want one message alone", offsets(r), r.More)
		}
		return cmp.Or(err, l.wantAll(ctx, "t", zero, "big", "b"))
	}},
	{"what cannot be kept is refused, and appends nothing", func(ctx context.Context, l *tested, _ *clock) error {
		group := func(n, size int) (all []wirepost.LogEntry) {
			for range n {
				e := entry("g", keep)
				e.Data = []byte(`{"d":"` + strings.Repeat("x", size-8) + `"}`)
				all = append(all, e)
			}
			return all
		}
		change := func(f func(*wirepost.LogEntry)) []wirepost.LogEntry {
			e := entry("a", keep)
			f(&e)
			return []wirepost.LogEntry{entry("ok", keep), e}
		}
		for name, entries := range map[string][]wirepost.LogEntry{
			"nothing": nil, "17 entries": group(17, 10), "65 KB in two": group(2, 33<<10), "more than the largest": group(1, wirepost.MaxKept+1),
			"an empty ID":    change(func(e *wirepost.LogEntry) { e.ID = "" }),
			"an ID of 129":   change(func(e *wirepost.LogEntry) { e.ID = strings.Repeat("x", 129) }),
			"an ID in two":   change(func(e *wirepost.LogEntry) { e.ID = "a b" }),
			"no keep":        change(func(e *wirepost.LogEntry) { e.Keep = 0 }),
			"a keep too big": change(func(e *wirepost.LogEntry) { e.Keep = wirepost.MaxKeep + 1 }),
			"no data":        change(func(e *wirepost.LogEntry) { e.Data = nil }),
			"no object":      change(func(e *wirepost.LogEntry) { e.Data = []byte(`[1]`) }),
			"no UTF-8":       change(func(e *wirepost.LogEntry) { e.Data = []byte("{\"a\":\"\xff\"}") }),
		} {
			if p, err := l.Append(ctx, "t", entries, nil); err == nil || errors.Is(err, wirepost.ErrUnknown) {
				return fmt.Errorf("Append of %s returned %v, %v, want a refusal", name, p, err)
			}
		}
		if _, err := l.Append(ctx, "", []wirepost.LogEntry{entry("a", keep)}, nil); err == nil {
			return errors.New("Append to a topic without a name is not refused")
		}
		return l.wantHead(ctx, "t", zero)
	}},
	{"an append at a position is refused if the log ends elsewhere", func(ctx context.Context, l *tested, _ *clock) error {
		at := func(p wirepost.Position, id string) (wirepost.Position, error) {
			return l.Append(ctx, "t", []wirepost.LogEntry{entry(id, keep)}, &wirepost.AppendOptions{At: &p})
		}
		if p, err := at(wirepost.Position{Epoch: "other", Offset: 1}, "x"); !errors.Is(err, wirepost.ErrMoved) || errors.Is(err, wirepost.ErrUnknown) {
			return fmt.Errorf("Append at a position of another log returned %v, %v, want ErrMoved", p, err)
		}
		first, err := at(zero, "a")
		if err != nil {
			return fmt.Errorf("Append at the zero position of a topic without a log: %w", err)
		}
		second, err := at(first, "b")
		if err != nil || second.Offset != 2 {
			return fmt.Errorf("Append at %v returned %v, %w", first, second, err)
		}
		for _, p := range []wirepost.Position{zero, first, {Epoch: first.Epoch, Offset: 3}, {Epoch: "other", Offset: 2}} {
			if got, err := at(p, "x"); !errors.Is(err, wirepost.ErrMoved) || errors.Is(err, wirepost.ErrUnknown) {
				return fmt.Errorf("Append at %v to a log that ends at %v returned %v, %v, want ErrMoved", p, second, got, err)
			}
		}
		return l.wantAll(ctx, "t", zero, "a", "b")
	}},
	{"a context that has ended stops every call", func(ctx context.Context, l *tested, _ *clock) error {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		_, appended := l.Append(ended, "t", []wirepost.LogEntry{entry("a", keep)}, nil)
		_, read := l.Read(ended, "t", zero, wirepost.ReadLimit{})
		_, head := l.Head(ended, "t")
		_, restarted := l.Restart(ended, "t")
		for name, err := range map[string]error{"Append": appended, "Read": read, "Head": head, "Restart": restarted} {
			if !errors.Is(err, context.Canceled) {
				return fmt.Errorf("%s with a context that has ended returns %v", name, err)
			}
		}
		return l.wantHead(ctx, "t", zero)
	}},
}
