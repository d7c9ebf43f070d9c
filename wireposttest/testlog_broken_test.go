package wireposttest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wirepost/wirepost"
)

type (
	logEntries = []wirepost.LogEntry
	appendAt   = *wirepost.AppendOptions
)

// brokenLogs each break one promise.
var brokenLogs = []struct {
	promise, how string
	breakIt      func(*brokenLog, *clock)
}{
	{"a topic without kept messages is at the zero position", "an epoch without messages", func(b *brokenLog, _ *clock) {
		b.head = func(ctx context.Context, topic string) (wirepost.Position, error) {
			p, err := b.Log.Head(ctx, topic)
			if p == zero {
				p.Epoch = "new"
			}
			return p, err
		}
	}},
	{"offsets are 1, 2, 3 for each topic by itself", "one log for all topics", onAppend(func(_ context.Context, _ *brokenLog, topic *string, e logEntries, o appendAt) (logEntries, appendAt) {
		*topic = "all"
		return e, o
	})},
	{"offsets are 1, 2, 3 for each topic by itself", "topics without regard to case", onAppend(func(_ context.Context, _ *brokenLog, topic *string, e logEntries, o appendAt) (logEntries, appendAt) {
		*topic = strings.ToLower(*topic)
		return e, o
	})},
	{"a group has the offsets behind its first", "the position of the last", func(b *brokenLog, _ *clock) {
		b.append = func(ctx context.Context, topic string, e []wirepost.LogEntry, o *wirepost.AppendOptions) (wirepost.Position, error) {
			p, err := b.Log.Append(ctx, topic, e, o)
			if err == nil {
				p.Offset += uint64(len(e)) - 1
			}
			return p, err
		}
	}},
	{"a group has the offsets behind its first", "a reader in the middle of a group gets the whole of it", func(b *brokenLog, _ *clock) {
		b.read = func(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (wirepost.Replay, error) {
			if after.Offset > 1 && after.Offset < 17 {
				after.Offset = 1
			}
			return b.Log.Read(ctx, topic, after, limit)
		}
	}},
	{"a message comes back as it was appended", "compact JSON", onAppend(func(_ context.Context, _ *brokenLog, _ *string, e logEntries, o appendAt) (logEntries, appendAt) {
		e = slices.Clone(e)
		e[0].Data = bytes.ReplaceAll(e[0].Data, []byte(" "), nil)
		return e, o
	})},
	{"a message comes back as it was appended", "another end", onRead(func(_ wirepost.Position, r *wirepost.Replay) {
		for i := range r.Messages {
			r.Messages[i].End = r.Messages[i].End.Truncate(time.Second)
		}
	})},
	{"a message of the largest size is kept", "items of 64 KB", func(b *brokenLog, _ *clock) {
		b.append = func(ctx context.Context, topic string, e []wirepost.LogEntry, o *wirepost.AppendOptions) (wirepost.Position, error) {
			if len(e[0].Data) > wirepost.MaxAppendBytes {
				return zero, errBroken
			}
			return b.Log.Append(ctx, topic, e, o)
		}
	}},
	{"what cannot be kept is refused, and appends nothing", "the first is appended before the second is looked at", func(b *brokenLog, _ *clock) {
		b.append = func(ctx context.Context, topic string, e []wirepost.LogEntry, o *wirepost.AppendOptions) (wirepost.Position, error) {
			if len(e) > 1 && e[0].Validate() == nil {
				b.Log.Append(ctx, topic, e[:1], o)
			}
			return b.Log.Append(ctx, topic, e, o)
		}
	}},
	{"what cannot be kept is refused, and appends nothing", "a message without a time", onAppend(func(_ context.Context, _ *brokenLog, _ *string, e logEntries, o appendAt) (logEntries, appendAt) {
		e = slices.Clone(e)
		for i := range e {
			e[i].Keep = max(e[i].Keep, time.Second)
		}
		return e, o
	})},
	{"an append at a position is refused if the log ends elsewhere", "any position will do", onAppend(func(_ context.Context, _ *brokenLog, _ *string, e logEntries, _ appendAt) (logEntries, appendAt) {
		return e, nil
	})},
	{"an append at a position is refused if the log ends elsewhere", "the zero position means no position", onAppend(func(_ context.Context, _ *brokenLog, _ *string, e logEntries, o appendAt) (logEntries, appendAt) {
		if o != nil && *o.At == zero {
			o = nil
		}
		return e, o
	})},
	{"a context that has ended stops every call", "Head answers", func(b *brokenLog, _ *clock) {
		b.head = func(ctx context.Context, topic string) (wirepost.Position, error) {
			return b.Log.Head(context.WithoutCancel(ctx), topic)
		}
	}},
	{"a context that has ended stops every call", "Append appends", func(b *brokenLog, _ *clock) {
		b.append = func(ctx context.Context, topic string, e []wirepost.LogEntry, o *wirepost.AppendOptions) (wirepost.Position, error) {
			p, err := b.Log.Append(context.WithoutCancel(ctx), topic, e, o)
			if ctx.Err() != nil {
				return p, ctx.Err()
			}
			return p, err
		}
	}},
	{"a read gives what is behind the position", "the message at the position too", func(b *brokenLog, _ *clock) {
		b.read = func(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (wirepost.Replay, error) {
			after.Offset = max(after.Offset, 1) - 1
			return b.Log.Read(ctx, topic, after, limit)
		}
	}},
	{"limits bound an answer, and what follows is complete", "UpTo is the head", onRead(func(_ wirepost.Position, r *wirepost.Replay) {
		r.UpTo, r.More = r.Head, false
	})},
	{"limits bound an answer, and what follows is complete", "nothing fits", onRead(func(after wirepost.Position, r *wirepost.Replay) {
		if len(r.Messages) == 1 && r.More {
			r.Messages, r.UpTo = nil, wirepost.Position{Epoch: r.UpTo.Epoch, Offset: after.Offset}
		}
	})},
	{"limits bound an answer, and what follows is complete", "no limit", func(b *brokenLog, _ *clock) {
		b.read = func(ctx context.Context, topic string, after wirepost.Position, _ wirepost.ReadLimit) (wirepost.Replay, error) {
			return b.Log.Read(ctx, topic, after, wirepost.ReadLimit{Messages: 1e6, Bytes: 1e9})
		}
	}},
	{"a position beyond the end is the end", "of another log", func(b *brokenLog, _ *clock) {
		b.read = func(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (wirepost.Replay, error) {
			if after.Offset == 1000 {
				after = wirepost.Position{Epoch: "other"}
			}
			return b.Log.Read(ctx, topic, after, limit)
		}
	}},
	{"a position of an unknown epoch has missed what there was, and gets what there is", "silence", onRead(func(after wirepost.Position, r *wirepost.Replay) {
		if after.Epoch == "neverwas" {
			r.Gaps = nil
		}
	})},
	{"a position that cannot be one is refused", "it is the beginning", func(b *brokenLog, _ *clock) {
		b.read = func(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (wirepost.Replay, error) {
			if after.Validate() != nil {
				after = zero
			}
			return b.Log.Read(ctx, topic, after, limit)
		}
	}},
	{"what has expired is not returned but told, wherever it lies", "it is returned until it is removed", neverExpires},
	{"what has expired is not returned but told, wherever it lies", "gaps at the end are not told", onRead(func(_ wirepost.Position, r *wirepost.Replay) {
		if n := len(r.Gaps); n > 0 && r.Gaps[n-1].To == r.Head.Offset {
			r.Gaps = r.Gaps[:n-1]
		}
	})},
	{"what has expired is not returned but told, wherever it lies", "the head is the last that is there", func(b *brokenLog, _ *clock) {
		b.head = func(ctx context.Context, topic string) (p wirepost.Position, err error) {
			r, err := b.Log.Read(ctx, topic, zero, wirepost.ReadLimit{})
			if n := len(r.Messages); n > 0 {
				p = r.Messages[n-1].Position
			}
			return p, err
		}
	}},
	{"a message is there until the millisecond of its end", "and in it", lateBy(time.Millisecond)},
	{"a message is there until the millisecond of its end", "in whole seconds", lateBy(-time.Second)},
	{"a part of a group expires by itself", "all at the end of the last", func(b *brokenLog, _ *clock) {
		b.append = func(ctx context.Context, topic string, e []wirepost.LogEntry, o *wirepost.AppendOptions) (wirepost.Position, error) {
			e = slices.Clone(e)
			for i := range e {
				e[i].Keep = keep
			}
			return b.Log.Append(ctx, topic, e, o)
		}
	}},
	{"offsets go on after everything has expired, for an hour as for days", "a new epoch", func(b *brokenLog, c *clock) {
		b.append = func(ctx context.Context, topic string, e []wirepost.LogEntry, o *wirepost.AppendOptions) (wirepost.Position, error) {
			if r, err := b.Log.Read(ctx, topic, zero, wirepost.ReadLimit{}); err == nil && r.Head.Offset > 0 && len(r.Messages) == 0 {
				b.Log.Restart(ctx, topic)
			}
			return b.Log.Append(ctx, topic, e, o)
		}
	}},
	{"a reader who was at the end before a long pause is told the truth", "offsets begin anew in the same epoch", func(b *brokenLog, c *clock) {
		begun := c.Now()
		b.read = func(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (wirepost.Replay, error) {
			if c.Now().Sub(begun) > 30*24*time.Hour {
				r, err := b.Log.Read(ctx, topic, wirepost.Position{Epoch: after.Epoch, Offset: 1000}, limit)
				return r, err
			}
			return b.Log.Read(ctx, topic, after, limit)
		}
	}},
	{"a restart begins a new epoch", "the offsets go on", func(b *brokenLog, _ *clock) {
		b.restart = func(ctx context.Context, topic string) (wirepost.Position, error) { return b.Log.Head(ctx, topic) }
	}},
	{"a restart begins a new epoch", "of a topic without a log too", func(b *brokenLog, _ *clock) {
		b.restart = func(ctx context.Context, topic string) (wirepost.Position, error) {
			p, err := b.Log.Restart(ctx, topic)
			if p == zero && err == nil {
				p.Epoch = "new"
			}
			return p, err
		}
	}},
	{"a reader of the old epoch gets what is left of it, a gap, and the new one", "no gap", onRead(func(after wirepost.Position, r *wirepost.Replay) {
		if after.Epoch != "" && r.UpTo.Epoch != after.Epoch {
			r.Gaps = nil
		}
	})},
	{"a reader of the old epoch gets what is left of it, a gap, and the new one", "it begins with the new one", func(b *brokenLog, _ *clock) {
		b.read = func(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (wirepost.Replay, error) {
			if head, err := b.Log.Head(ctx, topic); err == nil && after.Epoch != head.Epoch {
				after = wirepost.Position{Epoch: "other"}
				r, err := b.Log.Read(ctx, topic, after, limit)
				for err == nil && r.UpTo.Epoch != head.Epoch {
					r, err = b.Log.Read(ctx, topic, r.UpTo, limit)
				}
				return r, err
			}
			return b.Log.Read(ctx, topic, after, limit)
		}
	}},
	{"a reader of the old epoch gets what is left of it, a gap, and the new one", "it stays in the old one", oldEpochs(func(r wirepost.Replay, after wirepost.Position) wirepost.Replay {
		return wirepost.Replay{UpTo: after, Head: after}
	})},
	{"an answer has messages of one epoch", "of all", func(b *brokenLog, _ *clock) {
		b.read = func(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (wirepost.Replay, error) {
			r, err := b.Log.Read(ctx, topic, after, limit)
			for r.More && err == nil {
				before := r
				r, err = b.Log.Read(ctx, topic, r.UpTo, limit)
				r.Messages = append(before.Messages, r.Messages...)
			}
			return r, err
		}
	}},
	{"a position beyond the end of an old epoch is of a log that was lost", "it is one of the new epoch", func(b *brokenLog, _ *clock) {
		b.read = func(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (wirepost.Replay, error) {
			if head, err := b.Log.Head(ctx, topic); err == nil && after.Offset == 5 {
				after.Epoch = head.Epoch
			}
			return b.Log.Read(ctx, topic, after, limit)
		}
	}},
	{"ten restarts later an old position is still told the truth", "it jumps to the newest epoch", func(b *brokenLog, _ *clock) {
		b.read = func(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (wirepost.Replay, error) {
			head, err := b.Log.Head(ctx, topic)
			if err == nil && after.Epoch != "" && after.Epoch != head.Epoch {
				after = wirepost.Position{Epoch: head.Epoch}
			}
			return b.Log.Read(ctx, topic, after, limit)
		}
	}},
	{"many appenders leave no hole, and each message is there once", "a put whose answer was lost is done again", func(b *brokenLog, _ *clock) {
		b.append = func(ctx context.Context, topic string, e []wirepost.LogEntry, o *wirepost.AppendOptions) (wirepost.Position, error) {
			if e[0].ID == "3-5-0" {
				b.Log.Append(ctx, topic, e, o)
			}
			return b.Log.Append(ctx, topic, e, o)
		}
	}},
	{"many appenders leave no hole, and each message is there once", "the head is read and written in two steps", func(b *brokenLog, _ *clock) {
		b.append = func(ctx context.Context, topic string, e []wirepost.LogEntry, o *wirepost.AppendOptions) (wirepost.Position, error) {
			head, err := b.Log.Head(ctx, topic)
			if err != nil {
				return zero, err
			}
			p, err := b.Log.Append(ctx, topic, e, o)
			if head != zero {
				p = wirepost.Position{Epoch: head.Epoch, Offset: max(head.Offset, 5) + 1}
			}
			return p, err
		}
	}},
	{"a reader during appends gets each message once, in order", "a read skips what comes meanwhile", func(b *brokenLog, _ *clock) {
		b.read = func(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (wirepost.Replay, error) {
			r, err := b.Log.Read(ctx, topic, after, limit)
			if n := len(r.Messages); n > 2 && after.Offset%2 == 0 {
				r.Messages = r.Messages[:n-1]
			}
			return r, err
		}
	}},
	{"a read that starts after an append has returned sees it", "a cache of the last answer", func(b *brokenLog, _ *clock) {
		var mu sync.Mutex
		var last wirepost.Replay
		b.read = func(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (wirepost.Replay, error) {
			mu.Lock()
			defer mu.Unlock()
			if last.UpTo.Offset == after.Offset && after.Offset > 0 {
				return wirepost.Replay{UpTo: after, Head: after}, nil
			}
			r, err := b.Log.Read(ctx, topic, after, limit)
			last = r
			return r, err
		}
	}},
	{"of several appends at one position one is done", "the look and the append are two steps", func(b *brokenLog, _ *clock) {
		arrived := make(chan struct{}, 1000)
		b.append = func(ctx context.Context, topic string, e []wirepost.LogEntry, o *wirepost.AppendOptions) (wirepost.Position, error) {
			head, err := b.Log.Head(ctx, topic)
			if err != nil || head != *o.At {
				return zero, wirepost.ErrMoved
			}
			arrived <- struct{}{}
			for len(arrived)%4 != 0 && ctx.Err() == nil { // all have looked
				if h, _ := b.Log.Head(ctx, topic); h != head {
					break
				}
			}
			return b.Log.Append(ctx, topic, e, nil)
		}
	}},
}

// neverExpires gives what has expired as well.
func neverExpires(b *brokenLog, c *clock) { lateBy(365*24*time.Hour)(b, c) }

// lateBy takes messages for expired later than they are.
func lateBy(d time.Duration) func(*brokenLog, *clock) {
	return func(b *brokenLog, c *clock) {
		b.Log = wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: c.Now})
		b.append = func(ctx context.Context, topic string, e []wirepost.LogEntry, o *wirepost.AppendOptions) (wirepost.Position, error) {
			e = slices.Clone(e)
			for i := range e {
				e[i].Keep = max(e[i].Keep+d, time.Millisecond)
			}
			return b.Log.Append(ctx, topic, e, o)
		}
	}
}

// oldEpochs changes what a reader of an old epoch gets at its end.
func oldEpochs(change func(wirepost.Replay, wirepost.Position) wirepost.Replay) func(*brokenLog, *clock) {
	return func(b *brokenLog, _ *clock) {
		b.read = func(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (wirepost.Replay, error) {
			r, err := b.Log.Read(ctx, topic, after, limit)
			if after.Epoch != "" && r.UpTo.Epoch != after.Epoch {
				r = change(r, after)
			}
			return r, err
		}
	}
}
