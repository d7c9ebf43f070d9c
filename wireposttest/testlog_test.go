package wireposttest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

func TestTheMemoryLogKeepsTheContract(t *testing.T) {
	TestLog(t, func(_ *testing.T, o StoreOptions) wirepost.Store {
		return wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: o.Now})
	})
}

// brokenLog is a MemStore some of whose log's methods are replaced.
type brokenLog struct {
	wirepost.Log
	append  func(context.Context, string, []wirepost.LogEntry, *wirepost.AppendOptions) (wirepost.Position, error)
	read    func(context.Context, string, wirepost.Position, wirepost.ReadLimit) (wirepost.Replay, error)
	head    func(context.Context, string) (wirepost.Position, error)
	restart func(context.Context, string) (wirepost.Position, error)
}

func (b *brokenLog) Append(ctx context.Context, topic string, entries []wirepost.LogEntry, o *wirepost.AppendOptions) (wirepost.Position, error) {
	if b.append != nil {
		return b.append(ctx, topic, entries, o)
	}
	return b.Log.Append(ctx, topic, entries, o)
}

func (b *brokenLog) Read(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (wirepost.Replay, error) {
	if b.read != nil {
		return b.read(ctx, topic, after, limit)
	}
	return b.Log.Read(ctx, topic, after, limit)
}

func (b *brokenLog) Head(ctx context.Context, topic string) (wirepost.Position, error) {
	if b.head != nil {
		return b.head(ctx, topic)
	}
	return b.Log.Head(ctx, topic)
}

func (b *brokenLog) Restart(ctx context.Context, topic string) (wirepost.Position, error) {
	if b.restart != nil {
		return b.restart(ctx, topic)
	}
	return b.Log.Restart(ctx, topic)
}

// onRead changes what is read. before is what the reader asked for.
func onRead(change func(before wirepost.Position, r *wirepost.Replay)) func(*brokenLog, *clock) {
	return func(b *brokenLog, _ *clock) {
		b.read = func(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (wirepost.Replay, error) {
			r, err := b.Log.Read(ctx, topic, after, limit)
			change(after, &r)
			return r, err
		}
	}
}

func onAppend(change func(ctx context.Context, b *brokenLog, topic *string, entries []wirepost.LogEntry, o *wirepost.AppendOptions) ([]wirepost.LogEntry, *wirepost.AppendOptions)) func(*brokenLog, *clock) {
	return func(b *brokenLog, _ *clock) {
		b.append = func(ctx context.Context, topic string, entries []wirepost.LogEntry, o *wirepost.AppendOptions) (wirepost.Position, error) {
			entries, o = change(ctx, b, &topic, entries, o)
			return b.Log.Append(ctx, topic, entries, o)
		}
	}
}

// TestEachPromiseOfALogIsFoundBroken breaks a log once for each promise, and more often
// where that can be done in several ways.
func TestEachPromiseOfALogIsFoundBroken(t *testing.T) {
	covered := map[string]bool{}
	for _, broken := range brokenLogs {
		covered[broken.promise] = true
		t.Run(broken.promise+": "+broken.how, func(t *testing.T) {
			var check *logCheck
			for i := range logChecks {
				if logChecks[i].promise == broken.promise {
					check = &logChecks[i]
				}
			}
			if check == nil {
				t.Fatal("there is no such promise")
			}
			clock := newClock()
			b := &brokenLog{Log: wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: clock.Now})}
			broken.breakIt(b, clock)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := check.run(ctx, &tested{b}, clock); err == nil {
				t.Error("the check passes")
			} else {
				t.Log(err)
			}
		})
	}
	for _, c := range logChecks {
		if !covered[c.promise] {
			t.Errorf("no log breaks the promise %q", c.promise)
		}
	}
}

var errBroken = errors.New("broken")
