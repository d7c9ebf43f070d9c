package wireposttest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wirepost/wirepost"
)

var memberChecks = []presenceCheck{
	{"a member is present until its lease ends, to the millisecond", func(ctx context.Context, p *testedPresence) error {
		if _, err := p.enter(ctx, session("alice", "s1", 1), noDetails, joined); err != nil {
			return err
		}
		p.pass(lease - time.Millisecond)
		err := p.wantHere(ctx, "t", "alice/1")
		p.pass(time.Millisecond)
		return cmp.Or(err, p.wantHere(ctx, "t"))
	}},
	{"a renewal makes the lease end later", func(ctx context.Context, p *testedPresence) error {
		s := session("alice", "s1", 1)
		_, err := p.enter(ctx, s, noDetails, joined)
		p.pass(lease - time.Minute)
		err2 := p.renew(ctx, s, true)
		p.pass(lease - time.Minute)
		err3 := p.wantHere(ctx, "t", "alice/1")
		p.pass(time.Minute)
		return cmp.Or(err, err2, err3, p.wantHere(ctx, "t"))
	}},
	{"a renewal changes no number", func(ctx context.Context, p *testedPresence) error {
		s := session("alice", "s1", 1)
		c, err := p.enter(ctx, s, noDetails, joined)
		if err := p.told(ctx, c, err); err != nil {
			return err
		}
		p.pass(time.Minute)
		if err := p.renew(ctx, s, true); err != nil {
			return err
		}
		return p.wantNumber(ctx, c.Number)
	}},
	{"a list has the number that was announced", func(ctx context.Context, p *testedPresence) error {
		c, err := p.enter(ctx, session("alice", "s1", 1), noDetails, joined)
		if err == nil {
			err = p.wantNumber(ctx, c.Number)
		}
		if err := p.told(ctx, c, err); err != nil {
			return err
		}
		p.pass(time.Minute)
		_, err = p.enter(ctx, session("alice", "s2", 2), noDetails, same)
		_, err2 := p.leave(ctx, session("alice", "s1", 1), same)
		return cmp.Or(err, err2, p.wantNumber(ctx, c.Number))
	}},
	{"numbers grow, also when clocks do not", func(ctx context.Context, p *testedPresence) error {
		s, last := session("alice", "s1", 1), int64(0)
		for i := range 6 {
			p.pass(-time.Second)
			var c wirepost.Change
			var err error
			if i%2 == 0 {
				c, err = p.enter(ctx, s, noDetails, joined)
			} else {
				c, err = p.leave(ctx, s, left)
			}
			if err == nil && c.Number <= last {
				err = fmt.Errorf("the number %d comes after %d", c.Number, last)
			}
			if err = p.told(ctx, c, err); err != nil {
				return err
			}
			last = c.Number
		}
		return nil
	}},
	{"a join is a join until it was announced", func(ctx context.Context, p *testedPresence) error {
		s := session("alice", "s1", 1)
		_, err := p.enter(ctx, s, noDetails, joined)
		c, err2 := p.enter(ctx, s, noDetails, joined) // the process that entered it first may have died
		if err := p.told(ctx, c, cmp.Or(err, err2)); err != nil {
			return err
		}
		_, err = p.enter(ctx, s, noDetails, same)
		return err
	}},
	{"a list goes on behind a member", func(ctx context.Context, p *testedPresence) error {
		for i := range 30 {
			if _, err := p.enter(ctx, session(fmt.Sprintf("user %d", i), "s1", i), noDetails, joined); err != nil {
				return err
			}
		}
		var all []string
		after := wirepost.Cursor("")
		for range 100 {
			n := 0
			for m, err := range p.Members(ctx, "t", after) {
				if err != nil {
					return err
				}
				all, after = append(all, m.User), m.Cursor
				if n++; n == 7 {
					break
				}
			}
			if n < 7 {
				break
			}
		}
		if slices.Sort(all); len(slices.Compact(all)) != 30 {
			return fmt.Errorf("in pages of 7 there are %q", all)
		}
		return nil
	}},
	{"a list does not go on behind what is no cursor", func(ctx context.Context, p *testedPresence) error {
		if _, err := p.enter(ctx, session("alice", "s1", 1), noDetails, joined); err != nil {
			return err
		}
		for _, after := range []wirepost.Cursor{"\uffff", "?", wirepost.Cursor("u" + strings.Repeat("x", 5000))} {
			if err := firstOf(p.Members(ctx, "t", after)); !errors.Is(err, wirepost.ErrInvalid) {
				return fmt.Errorf("Members behind %.10q: %v, want an ErrInvalid", after, err)
			}
		}
		return nil
	}},
}

func (p *testedPresence) wantNumber(ctx context.Context, want int64) error {
	for m, err := range p.Members(ctx, "t", "") {
		if err != nil || m.Number != want {
			return fmt.Errorf("Members: %+v, %v, want the number %d", m, err, want)
		}
		return nil
	}
	return fmt.Errorf("nobody is in the topic")
}

var dueChecks = []presenceCheck{
	{"a lease that is over is due, and lapses", func(ctx context.Context, p *testedPresence) error {
		c, err := p.enter(ctx, session("alice", "s1", 1), noDetails, joined)
		if err = p.told(ctx, c, err); err != nil {
			return err
		}
		p.pass(lease - time.Millisecond)
		err = p.wantDue(ctx)
		p.pass(time.Millisecond)
		if err := cmp.Or(err, p.wantDue(ctx, "t alice lapsed 1")); err != nil {
			return err
		}
		due, err := p.due(ctx)
		if err != nil {
			return err
		}
		l, err := p.Lapse(ctx, due["t alice"])
		if err := p.isChange("Lapse", "t", wirepost.MemberID{User: "alice"}, l, err, left); err != nil {
			return err
		}
		if l.Number <= c.Number {
			return fmt.Errorf("the number of the lapse, %d, is not above %d", l.Number, c.Number)
		}
		return p.wantDue(ctx)
	}},
	{"a lease that was renewed since Due does not lapse", func(ctx context.Context, p *testedPresence) error {
		s := session("alice", "s1", 1)
		c, err := p.enter(ctx, s, noDetails, joined)
		err = p.told(ctx, c, err)
		p.pass(lease + time.Second)
		due, err2 := p.due(ctx)
		if err := cmp.Or(err, err2, p.renew(ctx, s, true)); err != nil {
			return err
		}
		l, err := p.Lapse(ctx, due["t alice"])
		return cmp.Or(p.isChange("Lapse", "t", s.Member(), l, err, same), p.wantHere(ctx, "t", "alice/1"))
	}},
	{"a member that has another session stays", func(ctx context.Context, p *testedPresence) error {
		c, err := p.enter(ctx, session("alice", "s1", 1), noDetails, joined)
		err = p.told(ctx, c, err)
		p.pass(time.Minute)
		_, err2 := p.enter(ctx, session("alice", "s2", 2), noDetails, same)
		p.pass(lease - time.Minute)
		due, err3 := p.due(ctx)
		if err := cmp.Or(err, err2, err3, p.wantHere(ctx, "t", "alice/1")); err != nil {
			return err
		}
		if l := due["t alice"]; len(l.Leases) != 1 || l.Leases[0].ID != "s1" || !l.Living {
			return fmt.Errorf("due is %+v", l)
		}
		l, err := p.Lapse(ctx, due["t alice"])
		return cmp.Or(p.isChange("Lapse", "t", wirepost.MemberID{User: "alice"}, l, err, same), p.wantHere(ctx, "t", "alice/1"), p.wantDue(ctx))
	}},
	{"what nobody has announced is due after half a minute", func(ctx context.Context, p *testedPresence) error {
		c, err := p.enter(ctx, session("alice", "s1", 1), noDetails, joined)
		if err != nil {
			return err
		}
		p.pass(wirepost.AnnounceAfter - time.Millisecond)
		err = p.wantDue(ctx)
		p.pass(time.Millisecond)
		if err := cmp.Or(err, p.wantDue(ctx, "t alice unannounced")); err != nil {
			return err
		}
		due, err := p.due(ctx)
		if l := due["t alice"]; err == nil && (l.Number != c.Number || !l.Living) {
			err = fmt.Errorf("due is %+v, want the number %d", l, c.Number)
		}
		return cmp.Or(err, p.Announced(ctx, "t", c.MemberID, c.Number), p.wantDue(ctx))
	}},
	{"an announcement of an earlier change is none of the last", func(ctx context.Context, p *testedPresence) error {
		c, err := p.enter(ctx, session("alice", "s1", 1), noDetails, joined)
		_, err2 := p.leave(ctx, session("alice", "s1", 1), left)
		err3 := p.Announced(ctx, "t", c.MemberID, c.Number)
		p.pass(time.Minute)
		return cmp.Or(err, err2, err3, p.wantDue(ctx, "t alice unannounced"))
	}},
	{"one that left is remembered for ten minutes, and then removed", func(ctx context.Context, p *testedPresence) error {
		s := session("alice", "s1", 1)
		_, err := p.enter(ctx, s, noDetails, joined)
		c, err2 := p.leave(ctx, s, left)
		if err := p.told(ctx, c, cmp.Or(err, err2)); err != nil {
			return err
		}
		p.pass(wirepost.GoneKept - time.Second)
		err = cmp.Or(p.wantDue(ctx), p.Announced(ctx, "t", s.Member(), c.Number))
		p.pass(2 * time.Second)
		err = cmp.Or(err, p.wantDue(ctx, "t alice gone"), p.Announced(ctx, "t", s.Member(), c.Number))
		return cmp.Or(err, p.wantDue(ctx))
	}},
	{"one that is back is not removed", func(ctx context.Context, p *testedPresence) error {
		s := session("alice", "s1", 1)
		_, err := p.enter(ctx, s, noDetails, joined)
		c, err2 := p.leave(ctx, s, left)
		if err := p.told(ctx, c, cmp.Or(err, err2)); err != nil {
			return err
		}
		p.pass(wirepost.GoneKept + time.Second)
		_, err = p.enter(ctx, s, noDetails, joined)
		return cmp.Or(err, p.Announced(ctx, "t", s.Member(), c.Number), p.wantHere(ctx, "t", "alice/1"), p.renew(ctx, s, true))
	}},
	{"each minute is swept once", func(ctx context.Context, p *testedPresence) error {
		now := time.Unix(1_700_000_040, 0)
		for i, step := range []struct {
			at   time.Time
			want bool
		}{{now, true}, {now, false}, {now.Add(-time.Minute), false}, {now.Add(59 * time.Second), false}, {now.Add(time.Minute), true}} {
			got, err := p.TakeSweep(ctx, step.at)
			if err == nil && got != step.want {
				err = fmt.Errorf("step %d: TakeSweep gives %v, want %v", i, got, step.want)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}},
}

var markChecks = []presenceCheck{
	{"a mark subscribes, and shows in listings of its topic and in the row", func(ctx context.Context, p *testedPresence) error {
		if err := p.connect(ctx, "one=", "other"); err != nil {
			return err
		}
		err := cmp.Or(p.connect(ctx, "two=", "t"), p.Mark(ctx, "one=", "t", "s1"))
		return cmp.Or(err, p.wantMarks(ctx, "t", "one= marked", "two="), p.wantMarks(ctx, "other", "one="), p.wantMark(ctx, "one=", "s1"), p.wantMark(ctx, "two=", ""))
	}},
	{"a mark stays when a topic is subscribed, or its connection put, again", func(ctx context.Context, p *testedPresence) error {
		err := cmp.Or(p.connect(ctx, "one=", "t"), p.Mark(ctx, "one=", "t", "s1"), p.store.Subscribe(ctx, "one=", "t"), p.connect(ctx, "one=", "u"))
		return cmp.Or(err, p.wantMarks(ctx, "t", "one= marked"), p.wantMark(ctx, "one=", "s1"))
	}},
	{"a mark ends with its subscription, and when it is taken away", func(ctx context.Context, p *testedPresence) error {
		err := cmp.Or(p.connect(ctx, "one="), p.Mark(ctx, "one=", "t", "s1"), p.store.Unsubscribe(ctx, "one=", "t"), p.store.Subscribe(ctx, "one=", "t"))
		if err := cmp.Or(err, p.wantMarks(ctx, "t", "one="), p.wantMark(ctx, "one=", "")); err != nil {
			return err
		}
		err = cmp.Or(p.Mark(ctx, "one=", "t", wirepost.OnlyWatches), p.wantMarks(ctx, "t", "one= marked"), p.Mark(ctx, "one=", "t", ""))
		return cmp.Or(err, p.wantMarks(ctx, "t", "one="), p.wantMark(ctx, "one=", ""))
	}},
	{"one that may not look is marked in its row, and not in listings", func(ctx context.Context, p *testedPresence) error {
		err := cmp.Or(p.connect(ctx, "one="), p.Mark(ctx, "one=", "t", wirepost.OnlySeen+"s1"))
		return cmp.Or(err, p.wantMarks(ctx, "t", "one="), p.wantMark(ctx, "one=", wirepost.OnlySeen+"s1"))
	}},
	{"a connection without a row has no mark", func(ctx context.Context, p *testedPresence) error {
		if err := p.Mark(ctx, "nobody=", "t", "s1"); err != wirepost.ErrNotFound {
			return fmt.Errorf("Mark: %v, want ErrNotFound", err)
		}
		return p.wantMarks(ctx, "t")
	}},
}

func (p *testedPresence) connect(ctx context.Context, id string, topics ...string) error {
	at := time.UnixMilli(1_700_000_000_000).UTC()
	return p.store.Put(ctx, wirepost.Connection{ID: id, Endpoint: wirepost.Identity{APIID: "a1", Stage: "prod", Region: "eu-west-1"}, Topics: topics, ConnectedAt: at, ExpiresAt: p.clock.Now().Add(time.Hour)})
}

func (p *testedPresence) wantMarks(ctx context.Context, topic string, want ...string) error {
	var got []string
	for l, err := range p.store.Connections(ctx, wirepost.ToTopic(topic), wirepost.ListOptions{}) {
		if err != nil {
			return err
		}
		if l.Marked {
			l.ID += " marked"
		}
		got = append(got, l.ID)
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		return fmt.Errorf("the listing of %s has %q, want %q", topic, got, want)
	}
	return nil
}

func (p *testedPresence) wantMark(ctx context.Context, id, want string) error {
	c, err := p.store.Connection(ctx, id)
	if err == nil && (c.Marks["t"] != want || want == "" && len(c.Marks) > 0) {
		err = fmt.Errorf("the marks of %s are %v, want %q", id, c.Marks, want)
	}
	return err
}

var presenceRaceChecks = []presenceCheck{
	{"of sessions that enter together one joins, once all is told", func(ctx context.Context, p *testedPresence) error {
		c, err := p.enter(ctx, session("alice", "s0", 0), noDetails, joined)
		if err = p.told(ctx, c, err); err != nil {
			return err
		}
		var all sync.WaitGroup
		errs := make([]error, 16)
		for i := range errs {
			all.Go(func() { _, errs[i] = p.enter(ctx, session("alice", fmt.Sprintf("s%d", i+1), i+1), noDetails, same) })
		}
		all.Wait()
		return cmp.Or(cmp.Or(errs...), p.wantHere(ctx, "t", "alice/17"), p.wantNumber(ctx, c.Number))
	}},
	{"of sessions that leave together one is the last", func(ctx context.Context, p *testedPresence) error {
		var all sync.WaitGroup
		kinds, errs := make([]wirepost.ChangeKind, 16), make([]error, 16)
		for i := range kinds {
			if _, err := p.Enter(ctx, session("alice", fmt.Sprintf("s%d", i), i), lease, noDetails); err != nil {
				return err
			}
		}
		for i := range kinds {
			all.Go(func() {
				c, err := p.Leave(ctx, session("alice", fmt.Sprintf("s%d", i), i))
				kinds[i], errs[i] = c.Kind, err
			})
		}
		all.Wait()
		n := 0
		for _, k := range kinds {
			if k == left {
				n++
			}
		}
		if n != 1 {
			return fmt.Errorf("%d of 16 leave as the last: %v", n, kinds)
		}
		return cmp.Or(cmp.Or(errs...), p.wantHere(ctx, "t"))
	}},
	{"one minute is taken by one of many", func(ctx context.Context, p *testedPresence) error {
		var all sync.WaitGroup
		var mu sync.Mutex
		n := 0
		for range 16 {
			all.Go(func() {
				if ok, err := p.TakeSweep(ctx, p.clock.Now()); ok && err == nil {
					mu.Lock()
					n++
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if n != 1 {
			return fmt.Errorf("%d of 16 have taken the minute", n)
		}
		return nil
	}},
}
