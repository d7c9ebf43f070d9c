package wirepost

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"
)

var _ Presence = (*MemStore)(nil)

// memPresence is who is present, by topic and member.
type memPresence struct {
	topics map[string]map[string]*memMember
	swept  int64 // the minute
}

type memMember struct {
	id       MemberID
	sessions map[string]memSession
	details  Details
	number   int64 // of the last change
	told     int64 // that was announced last
}

type memSession struct {
	connection ConnectionKey
	until      time.Time
}

func (m *memMember) living(now time.Time) (n int) {
	for _, s := range m.sessions {
		if now.Before(s.until) {
			n++
		}
	}
	return n
}

func (m *memMember) change(topic string, kind ChangeKind, now time.Time) Change {
	if kind != MemberSame {
		m.number = max(now.UnixMilli(), m.number+1)
	}
	return Change{topic, m.id, kind, m.number, m.details}
}

// member is somebody in a topic, who is made if that is wanted. The caller holds mu.
func (p *memPresence) member(topic string, id MemberID, make_ bool) *memMember {
	m := p.topics[topic][id.Key()]
	if m == nil && make_ {
		if p.topics == nil {
			p.topics = map[string]map[string]*memMember{}
		}
		if p.topics[topic] == nil {
			p.topics[topic] = map[string]*memMember{}
		}
		m = &memMember{id: id, sessions: map[string]memSession{}}
		p.topics[topic][id.Key()] = m
	}
	return m
}

// Enter implements [Presence].
func (s *MemStore) Enter(ctx context.Context, e Session, lease time.Duration, d Details) (Change, error) {
	if err := cmp.Or(ctx.Err(), ValidateEnter(e, lease, d)); err != nil {
		return Change{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	m := s.presence.member(e.Topic, e.Member(), true)
	if old, ok := m.sessions[e.ID]; ok && old.connection.ConnectedAt.After(e.Connection.ConnectedAt) {
		return Change{}, fmt.Errorf("enter topic %s: %w", e.Topic, ErrSuperseded)
	}
	kind := MemberJoined
	if m.living(now) > 0 && m.number == m.told && m.details.equal(d) {
		kind = MemberSame
	}
	e.Connection.ConnectedAt = milliseconds(e.Connection.ConnectedAt)
	m.sessions[e.ID] = memSession{e.Connection, milliseconds(now.Add(lease))}
	m.details = Details{bytes.Clone(d.Info), bytes.Clone(d.Said)}
	if len(m.sessions) > MaxSessions {
		first := ""
		for id, session := range m.sessions {
			if id != e.ID && (first == "" || session.until.Before(m.sessions[first].until)) {
				first = id
			}
		}
		delete(m.sessions, first)
	}
	return m.change(e.Topic, kind, now), nil
}

// Renew implements [Presence].
func (s *MemStore) Renew(ctx context.Context, e Session, lease time.Duration) (bool, error) {
	if err := cmp.Or(ctx.Err(), ValidateEnter(e, lease, Details{})); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.presence.member(e.Topic, e.Member(), false)
	if m == nil || !m.has(e) {
		return false, nil
	}
	m.sessions[e.ID] = memSession{m.sessions[e.ID].connection, milliseconds(s.now().Add(lease))}
	return true, nil
}

// has reports whether a session is there and is that connection's.
func (m *memMember) has(e Session) bool {
	session, ok := m.sessions[e.ID]
	e.Connection.ConnectedAt = milliseconds(e.Connection.ConnectedAt)
	return ok && session.connection == e.Connection
}

// Leave implements [Presence].
func (s *MemStore) Leave(ctx context.Context, e Session) (Change, error) {
	if err := cmp.Or(ctx.Err(), e.Validate()); err != nil {
		return Change{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.presence.member(e.Topic, e.Member(), false)
	if m == nil || !m.has(e) {
		return Change{Topic: e.Topic, MemberID: e.Member()}, nil
	}
	delete(m.sessions, e.ID)
	return m.left(e.Topic, s.now()), nil
}

// left is the change after sessions were removed.
func (m *memMember) left(topic string, now time.Time) Change {
	if m.living(now) > 0 {
		return m.change(topic, MemberSame, now)
	}
	return m.change(topic, MemberLeft, now)
}

// Lapse implements [Presence].
func (s *MemStore) Lapse(ctx context.Context, l Lapsed) (Change, error) {
	if err := cmp.Or(ctx.Err(), ValidateName(l.Topic), l.MemberID.Validate()); err != nil {
		return Change{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	nothing := Change{Topic: l.Topic, MemberID: l.MemberID}
	m := s.presence.member(l.Topic, l.MemberID, false)
	if m == nil || len(l.Leases) == 0 {
		return nothing, nil
	}
	for _, lease := range l.Leases {
		if session, ok := m.sessions[lease.ID]; !ok || session.until.UnixMilli() != lease.Until.UnixMilli() {
			return nothing, nil
		}
	}
	for _, lease := range l.Leases {
		delete(m.sessions, lease.ID)
	}
	return m.left(l.Topic, s.now()), nil
}

// Announced implements [Presence].
func (s *MemStore) Announced(ctx context.Context, topic string, id MemberID, number int64) error {
	if err := cmp.Or(ctx.Err(), ValidateName(topic), id.Validate()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.presence.member(topic, id, false)
	if m == nil || number > m.number {
		return nil
	}
	m.told = max(m.told, number)
	if m.gone(s.now()) && number == m.number {
		delete(s.presence.topics[topic], id.Key())
		if len(s.presence.topics[topic]) == 0 {
			delete(s.presence.topics, topic)
		}
	}
	return nil
}

func (m *memMember) gone(now time.Time) bool {
	return len(m.sessions) == 0 && m.told == m.number && now.UnixMilli()-m.number >= GoneKept.Milliseconds()
}

// Members implements [Presence].
func (s *MemStore) Members(ctx context.Context, topic string, after Cursor) iter.Seq2[Member, error] {
	return func(yield func(Member, error) bool) {
		if err := cmp.Or(ctx.Err(), ValidateName(topic), ValidateMemberCursor(after)); err != nil {
			yield(Member{}, err)
			return
		}
		s.mu.RLock()
		now := s.now()
		var all []Member
		for _, key := range slices.Sorted(maps.Keys(s.presence.topics[topic])) {
			m := s.presence.topics[topic][key]
			if n := m.living(now); n > 0 && key > string(after) {
				all = append(all, Member{m.id, m.number, m.details, n, Cursor(key)})
			}
		}
		s.mu.RUnlock()
		for _, m := range all {
			if err := ctx.Err(); err != nil {
				yield(Member{}, err)
				return
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

// Due implements [Presence].
func (s *MemStore) Due(ctx context.Context, now time.Time) iter.Seq2[Lapsed, error] {
	return func(yield func(Lapsed, error) bool) {
		s.mu.RLock()
		var all []Lapsed
		for topic, members := range s.presence.topics {
			for _, m := range members {
				l := Lapsed{Topic: topic, MemberID: m.id, Number: m.number, Details: m.details, Living: m.living(now) > 0, Gone: m.gone(now),
					Unannounced: m.told < m.number && now.UnixMilli()-m.number >= AnnounceAfter.Milliseconds()}
				for id, session := range m.sessions {
					if !now.Before(session.until) {
						l.Leases = append(l.Leases, Lease{id, session.until})
					}
				}
				if len(l.Leases) > 0 || l.Unannounced || l.Gone {
					all = append(all, l)
				}
			}
		}
		s.mu.RUnlock()
		for _, l := range all {
			if err := ctx.Err(); err != nil {
				yield(Lapsed{}, err)
				return
			}
			if !yield(l, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Lapsed{}, err)
		}
	}
}

// TakeSweep implements [Presence].
func (s *MemStore) TakeSweep(ctx context.Context, now time.Time) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	minute := now.Unix() / 60
	if minute <= s.presence.swept {
		return false, nil
	}
	s.presence.swept = minute
	return true, nil
}

// Mark implements [Presence].
func (s *MemStore) Mark(ctx context.Context, id, topic, mark string) error {
	if err := cmp.Or(ctx.Err(), ValidateMark(topic, mark)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.live(id)
	if c == nil {
		return ErrNotFound
	}
	changed := *c
	if i, found := slices.BinarySearch(c.Topics, topic); !found {
		changed.Topics = slices.Insert(slices.Clone(c.Topics), i, topic)
		s.topics[topic] = insert(s.topics[topic], id)
	}
	changed.Marks = maps.Clone(c.Marks)
	if mark == "" {
		delete(changed.Marks, topic)
	} else {
		if changed.Marks == nil {
			changed.Marks = map[string]string{}
		}
		changed.Marks[topic] = mark
	}
	s.rows[id] = &changed
	return nil
}
