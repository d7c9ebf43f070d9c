package wireposttest

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

func TestTheMemoryStoreKeepsThePromisesOfPresence(t *testing.T) {
	TestPresence(t, func(_ *testing.T, o StoreOptions) wirepost.Store {
		return wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: o.Now})
	})
}

// brokenPresence is a MemStore some of whose methods are replaced.
type brokenPresence struct {
	wirepost.Presence
	store *wirepost.MemStore
	clock *clock

	enter     func(context.Context, wirepost.Session, time.Duration, wirepost.Details) (wirepost.Change, error)
	renew     func(context.Context, wirepost.Session, time.Duration) (bool, error)
	leave     func(context.Context, wirepost.Session) (wirepost.Change, error)
	lapse     func(context.Context, wirepost.Lapsed) (wirepost.Change, error)
	announced func(context.Context, string, wirepost.MemberID, int64) error
	members   func(context.Context, string, wirepost.Cursor) iter.Seq2[wirepost.Member, error]
	due       func(context.Context, time.Time) iter.Seq2[wirepost.Lapsed, error]
	take      func(context.Context, time.Time) (bool, error)
	mark      func(context.Context, string, string, string) error
}

func (b *brokenPresence) Enter(ctx context.Context, s wirepost.Session, d time.Duration, details wirepost.Details) (wirepost.Change, error) {
	if b.enter != nil {
		return b.enter(ctx, s, d, details)
	}
	return b.Presence.Enter(ctx, s, d, details)
}

func (b *brokenPresence) Renew(ctx context.Context, s wirepost.Session, d time.Duration) (bool, error) {
	if b.renew != nil {
		return b.renew(ctx, s, d)
	}
	return b.Presence.Renew(ctx, s, d)
}

func (b *brokenPresence) Leave(ctx context.Context, s wirepost.Session) (wirepost.Change, error) {
	if b.leave != nil {
		return b.leave(ctx, s)
	}
	return b.Presence.Leave(ctx, s)
}

func (b *brokenPresence) Lapse(ctx context.Context, l wirepost.Lapsed) (wirepost.Change, error) {
	if b.lapse != nil {
		return b.lapse(ctx, l)
	}
	return b.Presence.Lapse(ctx, l)
}

func (b *brokenPresence) Announced(ctx context.Context, topic string, m wirepost.MemberID, n int64) error {
	if b.announced != nil {
		return b.announced(ctx, topic, m, n)
	}
	return b.Presence.Announced(ctx, topic, m, n)
}

func (b *brokenPresence) Members(ctx context.Context, topic string, after wirepost.Cursor) iter.Seq2[wirepost.Member, error] {
	if b.members != nil {
		return b.members(ctx, topic, after)
	}
	return b.Presence.Members(ctx, topic, after)
}

func (b *brokenPresence) Due(ctx context.Context, now time.Time) iter.Seq2[wirepost.Lapsed, error] {
	if b.due != nil {
		return b.due(ctx, now)
	}
	return b.Presence.Due(ctx, now)
}

func (b *brokenPresence) TakeSweep(ctx context.Context, now time.Time) (bool, error) {
	if b.take != nil {
		return b.take(ctx, now)
	}
	return b.Presence.TakeSweep(ctx, now)
}

func (b *brokenPresence) Mark(ctx context.Context, id, topic, mark string) error {
	if b.mark != nil {
		return b.mark(ctx, id, topic, mark)
	}
	return b.Presence.Mark(ctx, id, topic, mark)
}

// onEnter, onChange and onMembers change what goes in or comes out.
func onEnter(change func(*wirepost.Session, *wirepost.Details)) func(*brokenPresence) {
	return func(b *brokenPresence) {
		b.enter = func(ctx context.Context, s wirepost.Session, d time.Duration, details wirepost.Details) (wirepost.Change, error) {
			real := s
			change(&s, &details)
			c, err := b.Presence.Enter(ctx, s, d, details)
			c.Topic, c.MemberID = real.Topic, real.Member()
			return c, err
		}
	}
}

func onMembers(change func(*wirepost.Member) bool) func(*brokenPresence) {
	return func(b *brokenPresence) {
		b.members = func(ctx context.Context, topic string, after wirepost.Cursor) iter.Seq2[wirepost.Member, error] {
			return func(yield func(wirepost.Member, error) bool) {
				for m, err := range b.Presence.Members(ctx, topic, after) {
					if (err != nil || change(&m)) && !yield(m, err) {
						return
					}
				}
			}
		}
	}
}

func onDue(change func(*wirepost.Lapsed, time.Time) bool) func(*brokenPresence) {
	return func(b *brokenPresence) {
		b.due = func(ctx context.Context, now time.Time) iter.Seq2[wirepost.Lapsed, error] {
			return func(yield func(wirepost.Lapsed, error) bool) {
				for l, err := range b.Presence.Due(ctx, now) {
					if (err != nil || change(&l, now)) && !yield(l, err) {
						return
					}
				}
			}
		}
	}
}

// TestEachPromiseOfPresenceIsFoundBroken breaks a presence once for each promise, and more
// often where that can be done in several ways.
func TestEachPromiseOfPresenceIsFoundBroken(t *testing.T) {
	covered := map[string]bool{}
	for _, broken := range brokenPresences {
		covered[broken.promise] = true
		t.Run(broken.promise+": "+broken.how, func(t *testing.T) {
			var check *presenceCheck
			for i := range presenceChecks {
				if presenceChecks[i].promise == broken.promise {
					check = &presenceChecks[i]
				}
			}
			if check == nil {
				t.Fatal("there is no such promise")
			}
			clock := newClock()
			store := wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: clock.Now})
			b := &brokenPresence{Presence: store, store: store, clock: clock}
			broken.breakIt(b)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := check.run(ctx, &testedPresence{b, store, clock}); err == nil {
				t.Error("the check passes")
			} else {
				t.Log(err)
			}
		})
	}
	for _, c := range presenceChecks {
		if !covered[c.promise] {
			t.Errorf("no presence breaks the promise %q", c.promise)
		}
	}
}
