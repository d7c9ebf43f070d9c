package wireposttest

import (
	"cmp"
	"context"
	"iter"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
)

// brokenPresences each break one promise.
var brokenPresences = []struct {
	promise, how string
	breakIt      func(*brokenPresence)
}{
	{"the first session of a member joins, and the last one leaves", "every session joins", func(b *brokenPresence) {
		b.enter = func(ctx context.Context, s wirepost.Session, d time.Duration, details wirepost.Details) (wirepost.Change, error) {
			c, err := b.Presence.Enter(ctx, s, d, details)
			c.Kind = joined
			return c, err
		}
	}},
	{"the first session of a member joins, and the last one leaves", "every session leaves", func(b *brokenPresence) {
		b.leave = func(ctx context.Context, s wirepost.Session) (wirepost.Change, error) {
			c, err := b.Presence.Leave(ctx, s)
			c.Kind = left
			return c, err
		}
	}},
	{"the first session of a member joins, and the last one leaves", "the number of the leave is that of the join", func(b *brokenPresence) {
		n := int64(0)
		b.enter = func(ctx context.Context, s wirepost.Session, d time.Duration, details wirepost.Details) (wirepost.Change, error) {
			c, err := b.Presence.Enter(ctx, s, d, details)
			n = c.Number
			return c, err
		}
		b.leave = func(ctx context.Context, s wirepost.Session) (wirepost.Change, error) {
			c, err := b.Presence.Leave(ctx, s)
			c.Number = n
			return c, err
		}
	}},
	{"topics and members are apart, whatever their names", "users without regard to case", onEnter(func(s *wirepost.Session, _ *wirepost.Details) { s.User = strings.ToLower(s.User) })},
	{"topics and members are apart, whatever their names", "a session is a user of that name", onEnter(func(s *wirepost.Session, _ *wirepost.Details) {
		if s.User == "" {
			s.User = s.ID
		}
	})},
	{"topics and members are apart, whatever their names", "a list has the topics that begin alike", func(b *brokenPresence) {
		b.members = func(ctx context.Context, topic string, after wirepost.Cursor) iter.Seq2[wirepost.Member, error] {
			if topic == "a" {
				topic = "ab"
			}
			return func(yield func(wirepost.Member, error) bool) {
				for m, err := range b.Presence.Members(ctx, topic, after) {
					if m.User != "A" && !yield(m, err) {
						return
					}
				}
			}
		}
	}},
	{"without a user a session is a member by itself", "all are one member", onEnter(func(s *wirepost.Session, _ *wirepost.Details) {
		if s.User == "" {
			s.User = "nobody"
		}
	})},
	{"a reconnect neither leaves nor joins", "Leave asks for no connection", func(b *brokenPresence) {
		b.leave = func(ctx context.Context, s wirepost.Session) (wirepost.Change, error) {
			return b.Presence.Leave(ctx, session(s.User, s.ID, 2))
		}
	}},
	{"a reconnect neither leaves nor joins", "Renew asks for no connection", func(b *brokenPresence) {
		b.renew = func(ctx context.Context, s wirepost.Session, d time.Duration) (bool, error) {
			return b.Presence.Renew(ctx, session(s.User, s.ID, 2), d)
		}
	}},
	{"an earlier connection cannot take a session back", "the last to come has it", onEnter(func(s *wirepost.Session, _ *wirepost.Details) {
		s.Connection.ConnectedAt = time.UnixMilli(1_700_000_000_000).UTC()
	})},
	{"a session of one member is none of another", "sessions are looked for by ID", func(b *brokenPresence) {
		b.leave = func(ctx context.Context, s wirepost.Session) (wirepost.Change, error) {
			mine := session("alice", s.ID, 1)
			c, err := b.Presence.Leave(ctx, mine)
			c.MemberID = s.Member()
			return c, err
		}
	}},
	{"details are those of the last to enter, and new ones are announced", "the first details stay", onEnter(func(_ *wirepost.Session, d *wirepost.Details) { d.Said = nil })},
	{"details are those of the last to enter, and new ones are announced", "new details are nothing new", func(b *brokenPresence) {
		b.enter = func(ctx context.Context, s wirepost.Session, d time.Duration, details wirepost.Details) (wirepost.Change, error) {
			c, err := b.Presence.Enter(ctx, s, d, details)
			if len(details.Said) > 0 {
				c.Kind = same
			}
			return c, err
		}
	}},
	{"a member has twenty sessions at most, and the newest has room", "the newest has no room", func(b *brokenPresence) {
		n := 0
		b.enter = func(ctx context.Context, s wirepost.Session, d time.Duration, details wirepost.Details) (wirepost.Change, error) {
			if n++; n > wirepost.MaxSessions {
				return wirepost.Change{}, nil
			}
			return b.Presence.Enter(ctx, s, d, details)
		}
	}},
	{"what cannot be a session is refused", "details are cut", onEnter(func(_ *wirepost.Session, d *wirepost.Details) { *d = wirepost.Details{} })},
	{"what cannot be a session is refused", "a lease of its own", func(b *brokenPresence) {
		b.enter = func(ctx context.Context, s wirepost.Session, d time.Duration, details wirepost.Details) (wirepost.Change, error) {
			return b.Presence.Enter(ctx, s, max(d, time.Second), details)
		}
	}},
	{"a context that has ended stops every call of presence", "Renew does not look", func(b *brokenPresence) {
		b.renew = func(ctx context.Context, s wirepost.Session, d time.Duration) (bool, error) {
			return b.Presence.Renew(context.WithoutCancel(ctx), s, d)
		}
	}},
	{"a context that has ended stops every call of presence", "an empty Due is a Due", func(b *brokenPresence) {
		b.due = func(ctx context.Context, now time.Time) iter.Seq2[wirepost.Lapsed, error] {
			return b.Presence.Due(context.WithoutCancel(ctx), now)
		}
	}},
	{"a member is present until its lease ends, to the millisecond", "leases of whole seconds", func(b *brokenPresence) {
		b.enter = func(ctx context.Context, s wirepost.Session, d time.Duration, details wirepost.Details) (wirepost.Change, error) {
			return b.Presence.Enter(ctx, s, d+time.Second-time.Millisecond, details)
		}
	}},
	{"a renewal makes the lease end later", "it says so", func(b *brokenPresence) {
		b.renew = func(context.Context, wirepost.Session, time.Duration) (bool, error) { return true, nil }
	}},
	{"a renewal changes no number", "it does", func(b *brokenPresence) {
		b.renew = func(ctx context.Context, s wirepost.Session, d time.Duration) (bool, error) {
			ok, err := b.Presence.Renew(ctx, s, d)
			b.Presence.Enter(ctx, s, d, wirepost.Details{Said: []byte("1")})
			return ok, err
		}
	}},
	{"a list has the number that was announced", "of the last write", func(b *brokenPresence) {
		n := int64(0)
		b.enter = func(ctx context.Context, s wirepost.Session, d time.Duration, details wirepost.Details) (wirepost.Change, error) {
			c, err := b.Presence.Enter(ctx, s, d, details)
			n = b.clock.Now().UnixMilli()
			return c, err
		}
		onMembers(func(m *wirepost.Member) bool { m.Number = n; return true })(b)
	}},
	{"numbers grow, also when clocks do not", "they are the time", func(b *brokenPresence) {
		b.leave = func(ctx context.Context, s wirepost.Session) (wirepost.Change, error) {
			c, err := b.Presence.Leave(ctx, s)
			c.Number = b.clock.Now().UnixMilli()
			return c, err
		}
	}},
	{"a join is a join until it was announced", "it is one once", func(b *brokenPresence) {
		seen := map[string]bool{}
		b.enter = func(ctx context.Context, s wirepost.Session, d time.Duration, details wirepost.Details) (wirepost.Change, error) {
			c, err := b.Presence.Enter(ctx, s, d, details)
			if seen[s.ID] {
				c.Kind = same
			}
			seen[s.ID] = true
			return c, err
		}
	}},
	{"a list goes on behind a member", "from the beginning", func(b *brokenPresence) {
		b.members = func(ctx context.Context, topic string, _ wirepost.Cursor) iter.Seq2[wirepost.Member, error] {
			return b.Presence.Members(ctx, topic, "")
		}
	}},
	{"a list does not go on behind what is no cursor", "it does", func(b *brokenPresence) {
		b.members = func(ctx context.Context, topic string, after wirepost.Cursor) iter.Seq2[wirepost.Member, error] {
			if wirepost.ValidateMemberCursor(after) != nil {
				after = ""
			}
			return b.Presence.Members(ctx, topic, after)
		}
	}},
	{"a lease that is over is due, and lapses", "a minute late", func(b *brokenPresence) {
		b.due = func(ctx context.Context, now time.Time) iter.Seq2[wirepost.Lapsed, error] {
			return b.Presence.Due(ctx, now.Add(-time.Minute))
		}
	}},
	{"a lease that is over is due, and lapses", "a moment early", func(b *brokenPresence) {
		b.due = func(ctx context.Context, now time.Time) iter.Seq2[wirepost.Lapsed, error] {
			return b.Presence.Due(ctx, now.Add(time.Millisecond))
		}
	}},
	{"a lease that was renewed since Due does not lapse", "whatever its lease is", func(b *brokenPresence) {
		b.lapse = func(ctx context.Context, l wirepost.Lapsed) (wirepost.Change, error) {
			return b.Presence.Leave(ctx, session(l.User, "s1", 1))
		}
	}},
	{"a member that has another session stays", "one lapse is a leave", func(b *brokenPresence) {
		b.lapse = func(ctx context.Context, l wirepost.Lapsed) (wirepost.Change, error) {
			c, err := b.Presence.Lapse(ctx, l)
			c.Kind = left
			return c, err
		}
	}},
	{"a member that has another session stays", "all sessions lapse", onDue(func(l *wirepost.Lapsed, _ time.Time) bool {
		if len(l.Leases) > 0 {
			l.Leases = append(l.Leases, l.Leases[0])
		}
		return true
	})},
	{"what nobody has announced is due after half a minute", "nobody is told", onDue(func(l *wirepost.Lapsed, _ time.Time) bool { return len(l.Leases) > 0 || l.Gone })},
	{"what nobody has announced is due after half a minute", "Announced forgets", func(b *brokenPresence) {
		b.announced = func(context.Context, string, wirepost.MemberID, int64) error { return nil }
	}},
	{"an announcement of an earlier change is none of the last", "any will do", func(b *brokenPresence) {
		b.leave = func(ctx context.Context, s wirepost.Session) (wirepost.Change, error) {
			c, err := b.Presence.Leave(ctx, s)
			return c, cmp.Or(err, b.Presence.Announced(ctx, c.Topic, c.MemberID, c.Number))
		}
	}},
	{"one that left is remembered for ten minutes, and then removed", "for good", onDue(func(l *wirepost.Lapsed, _ time.Time) bool { return !l.Gone })},
	{"one that left is remembered for ten minutes, and then removed", "for nine", func(b *brokenPresence) {
		b.due = func(ctx context.Context, now time.Time) iter.Seq2[wirepost.Lapsed, error] {
			return func(yield func(wirepost.Lapsed, error) bool) {
				l := wirepost.Lapsed{Topic: "t", MemberID: wirepost.MemberID{User: "alice"}, Gone: true}
				yield(l, nil)
			}
		}
	}},
	{"one that is back is not removed", "Announced removes", func(b *brokenPresence) {
		b.announced = func(ctx context.Context, topic string, m wirepost.MemberID, n int64) error {
			if b.clock.Now().UnixMilli()-n >= wirepost.GoneKept.Milliseconds() {
				b.Presence.Leave(ctx, session(m.User, "s1", 1))
			}
			return b.Presence.Announced(ctx, topic, m, n)
		}
	}},
	{"each minute is swept once", "by everybody", func(b *brokenPresence) {
		b.take = func(context.Context, time.Time) (bool, error) { return true, nil }
	}},
	{"each minute is swept once", "an earlier one too", func(b *brokenPresence) {
		taken := map[int64]bool{}
		b.take = func(_ context.Context, now time.Time) (bool, error) {
			was := taken[now.Unix()/60]
			taken[now.Unix()/60] = true
			return !was, nil
		}
	}},
	{"a mark subscribes, and shows in listings of its topic and in the row", "it does not subscribe", func(b *brokenPresence) {
		b.mark = func(context.Context, string, string, string) error { return nil }
	}},
	{"a mark stays when a topic is subscribed, or its connection put, again", "it goes", func(b *brokenPresence) {
		b.mark = func(ctx context.Context, id, topic, _ string) error { return b.store.Subscribe(ctx, id, topic) }
	}},
	{"a mark ends with its subscription, and when it is taken away", "an empty mark is none", func(b *brokenPresence) {
		b.mark = func(ctx context.Context, id, topic, mark string) error {
			if mark == "" {
				return nil
			}
			return b.Presence.Mark(ctx, id, topic, mark)
		}
	}},
	{"one that may not look is marked in its row, and not in listings", "it looks", func(b *brokenPresence) {
		b.mark = func(ctx context.Context, id, topic, mark string) error {
			return b.Presence.Mark(ctx, id, topic, strings.TrimPrefix(mark, wirepost.OnlySeen))
		}
	}},
	{"a connection without a row has no mark", "it has", func(b *brokenPresence) {
		b.mark = func(ctx context.Context, id, topic, mark string) error {
			b.Presence.Mark(ctx, id, topic, mark)
			return nil
		}
	}},
	{"of sessions that enter together one joins, once all is told", "entering announces another", func(b *brokenPresence) {
		b.enter = func(ctx context.Context, s wirepost.Session, d time.Duration, details wirepost.Details) (wirepost.Change, error) {
			c, err := b.Presence.Enter(ctx, s, d, details)
			if s.ID == "s7" {
				c.Kind = joined
			}
			return c, err
		}
	}},
	{"of sessions that leave together one is the last", "none is", func(b *brokenPresence) {
		b.leave = func(ctx context.Context, s wirepost.Session) (wirepost.Change, error) {
			c, err := b.Presence.Leave(ctx, s)
			c.Kind = same
			return c, err
		}
	}},
	{"one minute is taken by one of many", "who looks before it writes", func(b *brokenPresence) {
		b.take = func(ctx context.Context, now time.Time) (bool, error) { return true, ctx.Err() }
	}},
}
