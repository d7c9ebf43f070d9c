package httpstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"

	"github.com/wirepost/wirepost"
)

var _ wirepost.Presence = (*Store)(nil)

// Details are text here: what JSON makes of an object may have other bytes.
type (
	session struct {
		Topic      string `json:"topic"`
		User       string `json:"user,omitempty"`
		ID         string `json:"id"`
		Connection rowKey `json:"connection"`
		Lease      int64  `json:"lease,omitempty"` // milliseconds
		Info       string `json:"info,omitempty"`
		Said       string `json:"said,omitempty"`
	}
	change struct {
		Topic  string              `json:"topic"`
		Member wirepost.MemberID   `json:"member"`
		Kind   wirepost.ChangeKind `json:"kind"`
		Number int64               `json:"number"`
		Info   string              `json:"info,omitempty"`
		Said   string              `json:"said,omitempty"`
	}
	leaseOf struct {
		ID    string `json:"id"`
		Until moment `json:"until"`
	}
	lapsed struct {
		Topic       string            `json:"topic"`
		Member      wirepost.MemberID `json:"member"`
		Number      int64             `json:"number"`
		Info        string            `json:"info,omitempty"`
		Said        string            `json:"said,omitempty"`
		Leases      []leaseOf         `json:"leases,omitempty"`
		Living      bool              `json:"living,omitempty"`
		Unannounced bool              `json:"unannounced,omitempty"`
		Gone        bool              `json:"gone,omitempty"`
	}
	announcement struct {
		Topic  string            `json:"topic"`
		Member wirepost.MemberID `json:"member"`
		Number int64             `json:"number"`
	}
	memberQuery struct {
		Topic string          `json:"topic"`
		After wirepost.Cursor `json:"after,omitempty"`
	}
	member struct {
		Member   wirepost.MemberID `json:"member"`
		Number   int64             `json:"number"`
		Info     string            `json:"info,omitempty"`
		Said     string            `json:"said,omitempty"`
		Sessions int               `json:"sessions"`
		Cursor   wirepost.Cursor   `json:"cursor"`
	}
	memberPage struct {
		Members []member `json:"members"`
		More    bool     `json:"more,omitempty"`
	}
	atTime struct {
		Now moment `json:"now"`
	}
	allDue struct {
		Due []lapsed `json:"due"`
	}
	truth struct {
		Is bool `json:"is"`
	}
	marking struct {
		ID    string `json:"connectionId"`
		Topic string `json:"topic"`
		Mark  string `json:"mark,omitempty"`
	}
)

// maxDue bounds an answer of due: the next one has the rest, as this one has not.
const maxDue = 1000

func sessionOf(e wirepost.Session, lease time.Duration, d wirepost.Details) session {
	k := e.Connection
	return session{e.Topic, e.User, e.ID, rowKey{k.ID, k.Endpoint, moment{k.ConnectedAt}}, lease.Milliseconds(), string(d.Info), string(d.Said)}
}

func (s session) session() wirepost.Session {
	k := s.Connection
	return wirepost.Session{Topic: s.Topic, User: s.User, ID: s.ID, Connection: wirepost.ConnectionKey{ID: k.ID, Endpoint: k.Endpoint, ConnectedAt: k.ConnectedAt.Time}}
}

func (s session) lease() time.Duration {
	return time.Duration(min(s.Lease, wirepost.MaxLease.Milliseconds()+1)) * time.Millisecond
}

func detailsOf(info, said string) (d wirepost.Details) {
	if info != "" {
		d.Info = json.RawMessage(info)
	}
	if said != "" {
		d.Said = json.RawMessage(said)
	}
	return d
}

func changeOf(c wirepost.Change) change {
	return change{c.Topic, c.MemberID, c.Kind, c.Number, string(c.Info), string(c.Said)}
}

func (c change) change() wirepost.Change {
	return wirepost.Change{Topic: c.Topic, MemberID: c.Member, Kind: c.Kind, Number: c.Number, Details: detailsOf(c.Info, c.Said)}
}

func lapsedOf(l wirepost.Lapsed) lapsed {
	out := lapsed{Topic: l.Topic, Member: l.MemberID, Number: l.Number, Info: string(l.Info), Said: string(l.Said), Living: l.Living, Unannounced: l.Unannounced, Gone: l.Gone}
	for _, lease := range l.Leases {
		out.Leases = append(out.Leases, leaseOf{lease.ID, moment{lease.Until}})
	}
	return out
}

func (l lapsed) lapsed() wirepost.Lapsed {
	out := wirepost.Lapsed{Topic: l.Topic, MemberID: l.Member, Number: l.Number, Details: detailsOf(l.Info, l.Said), Living: l.Living, Unannounced: l.Unannounced, Gone: l.Gone}
	for _, lease := range l.Leases {
		out.Leases = append(out.Leases, wirepost.Lease{ID: lease.ID, Until: lease.Until.Time})
	}
	return out
}

// present makes a call of presence. It may be made twice: what the first has changed, and
// nobody was told, is told as a change of the second, or by Due.
func present[Out any](ctx context.Context, s *Store, method, what, topic string, invalid error, in any) (out Out, err error) {
	s.made()
	if err := cmp.Or(ended(ctx, nil), invalid); err != nil {
		return out, err
	}
	out, _, err = ask[Out](ctx, s, method, in)
	return out, s.fail(err, "%s %s", what, topic)
}

// Enter implements [wirepost.Presence].
func (s *Store) Enter(ctx context.Context, e wirepost.Session, lease time.Duration, d wirepost.Details) (wirepost.Change, error) {
	c, err := present[change](ctx, s, "enter", "enter topic", e.Topic, wirepost.ValidateEnter(e, lease, d), sessionOf(e, lease, d))
	if err != nil {
		return wirepost.Change{}, err
	}
	return c.change(), nil
}

// Renew implements [wirepost.Presence].
func (s *Store) Renew(ctx context.Context, e wirepost.Session, lease time.Duration) (bool, error) {
	t, err := present[truth](ctx, s, "renew", "renew a session of topic", e.Topic, wirepost.ValidateEnter(e, lease, wirepost.Details{}), sessionOf(e, lease, wirepost.Details{}))
	return t.Is, err
}

// Leave implements [wirepost.Presence].
func (s *Store) Leave(ctx context.Context, e wirepost.Session) (wirepost.Change, error) {
	c, err := present[change](ctx, s, "leave", "leave topic", e.Topic, e.Validate(), sessionOf(e, 0, wirepost.Details{}))
	if err != nil {
		return wirepost.Change{}, err
	}
	return c.change(), nil
}

// Lapse implements [wirepost.Presence].
func (s *Store) Lapse(ctx context.Context, l wirepost.Lapsed) (wirepost.Change, error) {
	c, err := present[change](ctx, s, "lapse", "end leases of topic", l.Topic, cmp.Or(wirepost.ValidateName(l.Topic), l.MemberID.Validate()), lapsedOf(l))
	if err != nil {
		return wirepost.Change{}, err
	}
	return c.change(), nil
}

// Announced implements [wirepost.Presence].
func (s *Store) Announced(ctx context.Context, topic string, m wirepost.MemberID, n int64) error {
	_, err := present[none](ctx, s, "announced", "note an announcement in topic", topic, cmp.Or(wirepost.ValidateName(topic), m.Validate()), announcement{topic, m, n})
	return err
}

// TakeSweep implements [wirepost.Presence]. Where an answer was lost the minute may be
// nobody's: the next one is swept.
func (s *Store) TakeSweep(ctx context.Context, now time.Time) (bool, error) {
	t, err := present[truth](ctx, s, "take-sweep", "take the sweep of a minute", "", nil, atTime{moment{now}})
	return t.Is, err
}

// Mark implements [wirepost.Presence].
func (s *Store) Mark(ctx context.Context, id, topic, mark string) error {
	s.made()
	if err := cmp.Or(ended(ctx, nil), wirepost.ValidateMark(topic, mark)); err != nil {
		return err
	}
	if wirepost.ValidateConnectionID(id) != nil {
		return wirepost.ErrNotFound
	}
	_, _, err := ask[none](ctx, s, "mark", marking{id, topic, mark})
	if errors.Is(err, wirepost.ErrNotFound) {
		return wirepost.ErrNotFound
	}
	return s.fail(err, "mark connection %s in topic %s", id, topic)
}

// Members implements [wirepost.Presence].
func (s *Store) Members(ctx context.Context, topic string, after wirepost.Cursor) iter.Seq2[wirepost.Member, error] {
	return func(yield func(wirepost.Member, error) bool) {
		for {
			p, err := present[memberPage](ctx, s, "members", "list the members of topic", topic, cmp.Or(wirepost.ValidateName(topic), unencodable("cursor", string(after))), memberQuery{topic, after})
			if err != nil {
				yield(wirepost.Member{}, err)
				return
			}
			for _, m := range p.Members {
				if !yield(wirepost.Member{MemberID: m.Member, Number: m.Number, Details: detailsOf(m.Info, m.Said), Sessions: m.Sessions, Cursor: m.Cursor}, nil) {
					return
				}
				after = m.Cursor
			}
			if !p.More || len(p.Members) == 0 {
				return
			}
		}
	}
}

// Due implements [wirepost.Presence]. It tells a thousand at most.
func (s *Store) Due(ctx context.Context, now time.Time) iter.Seq2[wirepost.Lapsed, error] {
	return func(yield func(wirepost.Lapsed, error) bool) {
		all, err := present[allDue](ctx, s, "due", "look for leases that are over", "", nil, atTime{moment{now}})
		if err != nil {
			yield(wirepost.Lapsed{}, err)
			return
		}
		for _, l := range all.Due {
			if !yield(l.lapsed(), nil) {
				return
			}
		}
	}
}

// presenceMethods are those of stores that keep who is present.
var presenceMethods = map[string]method{
	"/v1/enter": presenceCall(func(ctx context.Context, p wirepost.Presence, in session) (any, error) {
		d := detailsOf(in.Info, in.Said)
		if err := wirepost.ValidateEnter(in.session(), in.lease(), d); err != nil {
			return nil, invalid(err)
		}
		c, err := p.Enter(ctx, in.session(), in.lease(), d)
		return changeOf(c), err
	}),
	"/v1/renew": presenceCall(func(ctx context.Context, p wirepost.Presence, in session) (any, error) {
		if err := wirepost.ValidateEnter(in.session(), in.lease(), wirepost.Details{}); err != nil {
			return nil, invalid(err)
		}
		is, err := p.Renew(ctx, in.session(), in.lease())
		return truth{is}, err
	}),
	"/v1/leave": presenceCall(func(ctx context.Context, p wirepost.Presence, in session) (any, error) {
		if err := in.session().Validate(); err != nil {
			return nil, invalid(err)
		}
		c, err := p.Leave(ctx, in.session())
		return changeOf(c), err
	}),
	"/v1/lapse": presenceCall(func(ctx context.Context, p wirepost.Presence, in lapsed) (any, error) {
		if err := cmp.Or(wirepost.ValidateName(in.Topic), in.Member.Validate()); err != nil {
			return nil, invalid(err)
		}
		c, err := p.Lapse(ctx, in.lapsed())
		return changeOf(c), err
	}),
	"/v1/announced": presenceCall(func(ctx context.Context, p wirepost.Presence, in announcement) (any, error) {
		if err := cmp.Or(wirepost.ValidateName(in.Topic), in.Member.Validate()); err != nil {
			return nil, invalid(err)
		}
		return none{}, p.Announced(ctx, in.Topic, in.Member, in.Number)
	}),
	"/v1/take-sweep": presenceCall(func(ctx context.Context, p wirepost.Presence, in atTime) (any, error) {
		is, err := p.TakeSweep(ctx, in.Now.Time)
		return truth{is}, err
	}),
	"/v1/mark": presenceCall(func(ctx context.Context, p wirepost.Presence, in marking) (any, error) {
		if err := wirepost.ValidateMark(in.Topic, in.Mark); err != nil {
			return nil, invalid(err)
		}
		return none{}, p.Mark(ctx, in.ID, in.Topic, in.Mark)
	}),
	"/v1/members": presenceCall(func(ctx context.Context, p wirepost.Presence, in memberQuery) (any, error) {
		if err := wirepost.ValidateName(in.Topic); err != nil {
			return nil, invalid(err)
		}
		out := memberPage{Members: []member{}}
		for m, err := range p.Members(ctx, in.Topic, in.After) {
			if err != nil {
				return nil, err
			}
			if len(out.Members) == maxItems {
				out.More = true
				break
			}
			out.Members = append(out.Members, member{m.MemberID, m.Number, string(m.Info), string(m.Said), m.Sessions, m.Cursor})
		}
		return out, nil
	}),
	"/v1/due": presenceCall(func(ctx context.Context, p wirepost.Presence, in atTime) (any, error) {
		out := allDue{Due: []lapsed{}}
		for l, err := range p.Due(ctx, in.Now.Time) {
			if err != nil {
				return nil, err
			}
			if out.Due = append(out.Due, lapsedOf(l)); len(out.Due) == maxDue {
				break
			}
		}
		return out, nil
	}),
}

// presenceCall makes a method of a function on the store's presence.
func presenceCall[In any](f func(context.Context, wirepost.Presence, In) (any, error)) method {
	return func(ctx context.Context, h *handler, body []byte) (any, error) {
		p, ok := h.store.(wirepost.Presence)
		if !ok {
			return nil, &answered{"this store keeps no presence", wirepost.ErrNotSupported}
		}
		var in In
		if err := decode(body, &in); err != nil {
			return nil, invalid(err)
		}
		return f(ctx, p, in)
	}
}
