package wireposttest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

// TestPresence checks that a store keeps every promise of [wirepost.Presence]. Each is a
// subtest whose name is the promise. A driver's test is one call, as that of [TestStore].
// The clock goes a few hours ahead of the real time.
func TestPresence(t *testing.T, open func(t *testing.T, o StoreOptions) wirepost.Store) {
	for _, c := range presenceChecks {
		t.Run(c.promise, func(t *testing.T) {
			clock := newClock()
			store := open(t, StoreOptions{Now: clock.Now})
			presence, ok := store.(wirepost.Presence)
			if !ok {
				t.Fatalf("%T is no wirepost.Presence", store)
			}
			ctx, cancel := context.WithTimeout(t.Context(), hangTime)
			defer cancel()
			if err := c.run(ctx, &testedPresence{presence, store, clock}); err != nil {
				t.Error(err)
			}
			if err := store.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// presenceCheck finds out whether a store keeps one promise of presence.
type presenceCheck struct {
	promise string
	run     func(context.Context, *testedPresence) error
}

var presenceChecks = slices.Concat(sessionChecks, memberChecks, dueChecks, markChecks, presenceRaceChecks)

// testedPresence is a presence with what checks do with it.
type testedPresence struct {
	wirepost.Presence
	store wirepost.Store
	clock *clock
}

const lease = 10 * time.Minute

var noDetails = wirepost.Details{}

// session is one of a user in the topic "t", on a connection of its own. Connections that
// are made later have a later number.
func session(user, id string, number int) wirepost.Session {
	return wirepost.Session{Topic: "t", User: user, ID: id, Connection: wirepost.ConnectionKey{ID: fmt.Sprintf("c%s%d=", id, number),
		Endpoint: wirepost.Identity{APIID: "a1", Stage: "prod", Region: "eu-west-1"}, ConnectedAt: time.UnixMilli(1_700_000_000_000 + int64(number)).UTC()}}
}

func (p *testedPresence) pass(d time.Duration) { p.clock.set(p.clock.Now().Add(d)) }

// enter enters and wants a kind of change, which it returns.
func (p *testedPresence) enter(ctx context.Context, s wirepost.Session, d wirepost.Details, want wirepost.ChangeKind) (wirepost.Change, error) {
	c, err := p.Enter(ctx, s, lease, d)
	return c, p.isChange("Enter", s.Topic, s.Member(), c, err, want)
}

func (p *testedPresence) leave(ctx context.Context, s wirepost.Session, want wirepost.ChangeKind) (wirepost.Change, error) {
	c, err := p.Leave(ctx, s)
	return c, p.isChange("Leave", s.Topic, s.Member(), c, err, want)
}

func (p *testedPresence) isChange(what, topic string, m wirepost.MemberID, c wirepost.Change, err error, want wirepost.ChangeKind) error {
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case c.Kind != want || c.Topic != topic || c.MemberID != m:
		return fmt.Errorf("%s of %+v in %q gives the change %+v, want the kind %d", what, m, topic, c, want)
	case c.Kind != wirepost.MemberSame && c.Number <= 0:
		return fmt.Errorf("%s gives the number %d", what, c.Number)
	}
	return nil
}

// told enters or leaves and announces it.
func (p *testedPresence) told(ctx context.Context, c wirepost.Change, err error) error {
	if err != nil {
		return err
	}
	return p.Announced(ctx, c.Topic, c.MemberID, c.Number)
}

// here is who is in a topic, as user/sessions or id/sessions.
func (p *testedPresence) here(ctx context.Context, topic string) (all []string, err error) {
	for m, err := range p.Members(ctx, topic, "") {
		if err != nil {
			return nil, fmt.Errorf("Members of %q: %w", topic, err)
		}
		all = append(all, fmt.Sprintf("%s%s/%d", m.User, m.ID, m.Sessions))
	}
	slices.Sort(all)
	return all, nil
}

func (p *testedPresence) wantHere(ctx context.Context, topic string, want ...string) error {
	got, err := p.here(ctx, topic)
	if err == nil && !slices.Equal(got, want) {
		err = fmt.Errorf("in %q there are %q, want %q", topic, got, want)
	}
	return err
}

// due is what Due tells, by member.
func (p *testedPresence) due(ctx context.Context) (map[string]wirepost.Lapsed, error) {
	all := map[string]wirepost.Lapsed{}
	for l, err := range p.Due(ctx, p.clock.Now()) {
		if err != nil {
			return nil, fmt.Errorf("Due: %w", err)
		}
		key := l.Topic + " " + l.User + l.ID
		if _, twice := all[key]; twice {
			return nil, fmt.Errorf("Due tells %s twice", key)
		}
		all[key] = l
	}
	return all, nil
}

// wantDue wants the names of what is due: KEY lapsed N, KEY unannounced, KEY gone.
func (p *testedPresence) wantDue(ctx context.Context, want ...string) error {
	due, err := p.due(ctx)
	if err != nil {
		return err
	}
	got := []string{}
	for key, l := range due {
		if n := len(l.Leases); n > 0 {
			got = append(got, fmt.Sprintf("%s lapsed %d", key, n))
		}
		if l.Unannounced {
			got = append(got, key+" unannounced")
		}
		if l.Gone {
			got = append(got, key+" gone")
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		return fmt.Errorf("due are %q, want %q", got, want)
	}
	return nil
}

func (p *testedPresence) renew(ctx context.Context, s wirepost.Session, want bool) error {
	got, err := p.Renew(ctx, s, lease)
	if err == nil && got != want {
		err = fmt.Errorf("Renew of %s by %s gives %v, want %v", s.ID, s.Connection.ID, got, want)
	}
	return err
}

const (
	same   = wirepost.MemberSame
	joined = wirepost.MemberJoined
	left   = wirepost.MemberLeft
)

var sessionChecks = []presenceCheck{
	{"the first session of a member joins, and the last one leaves", func(ctx context.Context, p *testedPresence) error {
		one, two := session("alice", "s1", 1), session("alice", "s2", 2)
		c, err := p.enter(ctx, one, noDetails, joined)
		if err = p.told(ctx, c, err); err != nil {
			return err
		}
		_, err2 := p.enter(ctx, two, noDetails, same)
		err3 := p.wantHere(ctx, "t", "alice/2")
		_, err4 := p.leave(ctx, one, same)
		err5 := p.wantHere(ctx, "t", "alice/1")
		l, err6 := p.leave(ctx, two, left)
		if err := cmp.Or(err2, err3, err4, err5, err6, p.wantHere(ctx, "t")); err != nil {
			return err
		}
		if l.Number <= c.Number {
			return fmt.Errorf("the number of the leave is %d, not above that of the join, %d", l.Number, c.Number)
		}
		return nil
	}},
	{"topics and members are apart, whatever their names", func(ctx context.Context, p *testedPresence) error {
		names := []string{"a", "ab", "A", "a/b", "é %_*'\"\\", "~s", strings.Repeat("n", 128), "s:1"}
		for _, topic := range names {
			for _, user := range names {
				s := session(user, "s1", 1)
				s.Topic = topic
				if _, err := p.enter(ctx, s, noDetails, joined); err != nil {
					return err
				}
			}
			s := session("", "a", 1)
			s.Topic = topic
			if _, err := p.enter(ctx, s, noDetails, joined); err != nil {
				return err
			}
		}
		for _, topic := range names {
			here, err := p.here(ctx, topic)
			if err == nil && len(here) != len(names)+1 {
				err = fmt.Errorf("in %q there are %q", topic, here)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}},
	{"without a user a session is a member by itself", func(ctx context.Context, p *testedPresence) error {
		_, err := p.enter(ctx, session("", "s1", 1), noDetails, joined)
		_, err2 := p.enter(ctx, session("", "s2", 2), noDetails, joined)
		err3 := p.wantHere(ctx, "t", "s1/1", "s2/1")
		_, err4 := p.leave(ctx, session("", "s1", 1), left)
		return cmp.Or(err, err2, err3, err4, p.wantHere(ctx, "t", "s2/1"))
	}},
	{"a reconnect neither leaves nor joins", func(ctx context.Context, p *testedPresence) error {
		before, after := session("alice", "s1", 1), session("alice", "s1", 2)
		c, err := p.enter(ctx, before, noDetails, joined)
		if err = p.told(ctx, c, err); err != nil {
			return err
		}
		_, err2 := p.enter(ctx, after, noDetails, same)
		_, err3 := p.leave(ctx, before, same)
		return cmp.Or(err2, err3, p.wantHere(ctx, "t", "alice/1"), p.renew(ctx, before, false), p.renew(ctx, after, true))
	}},
	{"an earlier connection cannot take a session back", func(ctx context.Context, p *testedPresence) error {
		before, after := session("alice", "s1", 1), session("alice", "s1", 2)
		_, err := p.enter(ctx, after, noDetails, joined)
		if _, err2 := p.Enter(ctx, before, lease, noDetails); !errors.Is(err2, wirepost.ErrSuperseded) {
			return cmp.Or(err, fmt.Errorf("Enter by an earlier connection: %v, want ErrSuperseded", err2))
		}
		return cmp.Or(err, p.renew(ctx, after, true), p.renew(ctx, before, false))
	}},
	{"a session of one member is none of another", func(ctx context.Context, p *testedPresence) error {
		mine, theirs := session("alice", "s1", 1), session("mallory", "s1", 2)
		_, err := p.enter(ctx, mine, noDetails, joined)
		_, err2 := p.leave(ctx, theirs, same)
		err3 := p.renew(ctx, theirs, false)
		_, err4 := p.enter(ctx, theirs, noDetails, joined)
		return cmp.Or(err, err2, err3, err4, p.renew(ctx, mine, true), p.wantHere(ctx, "t", "alice/1", "mallory/1"))
	}},
	{"details are those of the last to enter, and new ones are announced", func(ctx context.Context, p *testedPresence) error {
		first := wirepost.Details{Info: json.RawMessage(`{"name":"A","n":1.0}`)}
		c, err := p.enter(ctx, session("alice", "s1", 1), first, joined)
		if err = p.told(ctx, c, err); err != nil {
			return err
		}
		_, err = p.enter(ctx, session("alice", "s2", 2), first, same)
		second := wirepost.Details{Info: first.Info, Said: json.RawMessage(`"typing"`)}
		c, err2 := p.enter(ctx, session("alice", "s1", 1), second, joined)
		if err := cmp.Or(err, err2); err != nil {
			return err
		}
		for m, err := range p.Members(ctx, "t", "") {
			if err != nil || string(m.Info) != string(first.Info) || string(m.Said) != `"typing"` || m.Number != c.Number {
				return fmt.Errorf("Members: %+v, %v, want the details of %+v", m, err, c)
			}
		}
		if string(c.Said) != `"typing"` || string(c.Info) != string(first.Info) {
			return fmt.Errorf("the change is %+v", c)
		}
		return nil
	}},
	{"a member has twenty sessions at most, and the newest has room", func(ctx context.Context, p *testedPresence) error {
		for i := range 25 {
			if _, err := p.Enter(ctx, session("alice", fmt.Sprintf("s%d", i), i), lease, noDetails); err != nil {
				return err
			}
			p.pass(time.Second)
		}
		return cmp.Or(p.wantHere(ctx, "t", "alice/20"), p.renew(ctx, session("alice", "s24", 24), true), p.renew(ctx, session("alice", "s0", 0), false))
	}},
	{"what cannot be a session is refused", func(ctx context.Context, p *testedPresence) error {
		good := session("alice", "s1", 1)
		bad := map[string]func(*wirepost.Session){"no topic": func(s *wirepost.Session) { s.Topic = "" }, "no ID": func(s *wirepost.Session) { s.ID = "" },
			"an ID of other characters": func(s *wirepost.Session) { s.ID = "a b" }, "no connection": func(s *wirepost.Session) { s.Connection.ID = "" }}
		for name, change := range bad {
			s := good
			change(&s)
			if _, err := p.Enter(ctx, s, lease, noDetails); !errors.Is(err, wirepost.ErrInvalid) {
				return fmt.Errorf("Enter with %s: %v, want an ErrInvalid", name, err)
			}
		}
		for _, d := range []wirepost.Details{{Info: json.RawMessage("{")}, {Said: json.RawMessage(`"` + strings.Repeat("x", 511) + `"`)}} {
			if _, err := p.Enter(ctx, good, lease, d); !errors.Is(err, wirepost.ErrInvalid) {
				return fmt.Errorf("Enter with details of %d bytes: %v, want an ErrInvalid", len(d.Info)+len(d.Said), err)
			}
		}
		if _, err := p.Enter(ctx, good, 0, noDetails); !errors.Is(err, wirepost.ErrInvalid) {
			return fmt.Errorf("Enter without a lease: %v, want an ErrInvalid", err)
		}
		return p.wantHere(ctx, "t")
	}},
	{"a context that has ended stops every call of presence", func(ctx context.Context, p *testedPresence) error {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		s := session("alice", "s1", 1)
		for name, call := range map[string]func() error{
			"Enter":     func() error { _, err := p.Enter(ended, s, lease, noDetails); return err },
			"Renew":     func() error { _, err := p.Renew(ended, s, lease); return err },
			"Leave":     func() error { _, err := p.Leave(ended, s); return err },
			"Announced": func() error { return p.Announced(ended, "t", s.Member(), 1) },
			"TakeSweep": func() error { _, err := p.TakeSweep(ended, p.clock.Now()); return err },
			"Members":   func() error { return firstOf(p.Members(ended, "t", "")) },
			"Due":       func() error { return firstOf(p.Due(ended, p.clock.Now())) },
		} {
			if err := call(); !errors.Is(err, context.Canceled) {
				return fmt.Errorf("%s: %v, want context.Canceled", name, err)
			}
		}
		return nil
	}},
}

func firstOf[T any](all func(func(T, error) bool)) (err error) {
	for _, err = range all {
		return err
	}
	return nil
}
