package sqlitestore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/wirepost/wirepost"
)

var _ wirepost.Presence = (*Store)(nil)

// member is a row of the table of members, with its sessions.
type member struct {
	topic, key   string
	there        bool
	change, told int64
	details      wirepost.Details
	sessions     map[string]memberSession
}

type memberSession struct {
	connection wirepost.ConnectionKey
	lease      int64
}

func (m *member) living(now int64) (n int) {
	for _, s := range m.sessions {
		if now < s.lease {
			n++
		}
	}
	return n
}

func (w *writer) memberOf(topic string, id wirepost.MemberID) (*member, error) {
	m := &member{topic: topic, key: id.Key(), there: true, sessions: map[string]memberSession{}}
	var info, said string
	err := w.member.QueryRow(topic, m.key).Scan(&m.change, &m.told, &info, &said)
	if errors.Is(err, sql.ErrNoRows) {
		m.there, err = false, nil
	}
	if err != nil || !m.there {
		return m, err
	}
	m.details = details(info, said)
	rows, err := w.sessions.Query(topic, m.key)
	if err != nil {
		return m, err
	}
	defer rows.Close()
	for rows.Next() {
		var session string
		var s memberSession
		var connected int64
		k := &s.connection
		if err := rows.Scan(&session, &k.ID, &k.Endpoint.APIID, &k.Endpoint.Stage, &k.Endpoint.Region, &connected, &s.lease); err != nil {
			return m, err
		}
		k.ConnectedAt = time.UnixMilli(connected).UTC()
		m.sessions[session] = s
	}
	return m, rows.Err()
}

func details(info, said string) (d wirepost.Details) {
	if info != "" {
		d.Info = json.RawMessage(info)
	}
	if said != "" {
		d.Said = json.RawMessage(said)
	}
	return d
}

// changed writes a change, and says so.
func (w *writer) changed(m *member, id wirepost.MemberID, kind wirepost.ChangeKind, now int64) (wirepost.Change, error) {
	if kind != wirepost.MemberSame {
		m.change = max(now, m.change+1)
		if _, err := w.putMember.Exec(m.topic, m.key, m.change, string(m.details.Info), string(m.details.Said)); err != nil {
			return wirepost.Change{}, err
		}
	}
	return wirepost.Change{Topic: m.topic, MemberID: id, Kind: kind, Number: m.change, Details: m.details}, nil
}

// left is the change after sessions were removed.
func (w *writer) left(m *member, id wirepost.MemberID, now int64) (wirepost.Change, error) {
	if m.living(now) > 0 {
		return w.changed(m, id, wirepost.MemberSame, now)
	}
	return w.changed(m, id, wirepost.MemberLeft, now)
}

func (m *member) has(e wirepost.Session) bool {
	s, ok := m.sessions[e.ID]
	return ok && s.connection.ID == e.Connection.ID && s.connection.Endpoint == e.Connection.Endpoint && s.connection.ConnectedAt.UnixMilli() == e.Connection.ConnectedAt.UnixMilli()
}

// presenceWrite makes a write of presence, with the time of the store's clock.
func presenceWrite[T any](ctx context.Context, s *Store, what string, invalid error, f func(*writer, int64) (T, error)) (out T, err error) {
	s.made()
	var none T
	if err := cmp.Or(ctx.Err(), invalid); err != nil {
		return none, s.wrap(ctx, what, err)
	}
	now := s.now().UnixMilli()
	if err := s.write(ctx, what, func(w *writer) (err error) {
		out, err = f(w, now)
		return err
	}); err != nil {
		return none, err // the writer may still be at it: out is not ours to read
	}
	return out, nil
}

// Enter implements [wirepost.Presence].
func (s *Store) Enter(ctx context.Context, e wirepost.Session, lease time.Duration, d wirepost.Details) (wirepost.Change, error) {
	return presenceWrite(ctx, s, "enter topic "+e.Topic, wirepost.ValidateEnter(e, lease, d), func(w *writer, now int64) (wirepost.Change, error) {
		m, err := w.memberOf(e.Topic, e.Member())
		if err != nil {
			return wirepost.Change{}, err
		}
		if old, ok := m.sessions[e.ID]; ok && old.connection.ConnectedAt.UnixMilli() > e.Connection.ConnectedAt.UnixMilli() {
			return wirepost.Change{}, wirepost.ErrSuperseded
		}
		kind := wirepost.MemberJoined
		if m.living(now) > 0 && m.told == m.change && string(m.details.Info) == string(d.Info) && string(m.details.Said) == string(d.Said) {
			kind = wirepost.MemberSame
		}
		if _, known := m.sessions[e.ID]; !known && len(m.sessions) >= wirepost.MaxSessions {
			first := ""
			for id, session := range m.sessions {
				if first == "" || session.lease < m.sessions[first].lease {
					first = id
				}
			}
			if _, err := w.removeSession.Exec(m.topic, m.key, first); err != nil {
				return wirepost.Change{}, err
			}
		}
		k := e.Connection
		if _, err := w.putSession.Exec(m.topic, m.key, e.ID, k.ID, k.Endpoint.APIID, k.Endpoint.Stage, k.Endpoint.Region, k.ConnectedAt.UnixMilli(), now+lease.Milliseconds()); err != nil {
			return wirepost.Change{}, err
		}
		m.details = d
		return w.changed(m, e.Member(), kind, now)
	})
}

// Renew implements [wirepost.Presence].
func (s *Store) Renew(ctx context.Context, e wirepost.Session, lease time.Duration) (bool, error) {
	return presenceWrite(ctx, s, "renew a session of topic "+e.Topic, wirepost.ValidateEnter(e, lease, wirepost.Details{}), func(w *writer, now int64) (bool, error) {
		m, err := w.memberOf(e.Topic, e.Member())
		if err != nil || !m.has(e) {
			return false, err
		}
		_, err = w.renewSession.Exec(m.topic, m.key, e.ID, now+lease.Milliseconds())
		return err == nil, err
	})
}

// Leave implements [wirepost.Presence].
func (s *Store) Leave(ctx context.Context, e wirepost.Session) (wirepost.Change, error) {
	return presenceWrite(ctx, s, "leave topic "+e.Topic, e.Validate(), func(w *writer, now int64) (wirepost.Change, error) {
		m, err := w.memberOf(e.Topic, e.Member())
		if err != nil || !m.has(e) {
			return wirepost.Change{Topic: e.Topic, MemberID: e.Member()}, err
		}
		if _, err := w.removeSession.Exec(m.topic, m.key, e.ID); err != nil {
			return wirepost.Change{}, err
		}
		delete(m.sessions, e.ID)
		return w.left(m, e.Member(), now)
	})
}

// Lapse implements [wirepost.Presence].
func (s *Store) Lapse(ctx context.Context, l wirepost.Lapsed) (wirepost.Change, error) {
	return presenceWrite(ctx, s, "end leases of topic "+l.Topic, cmp.Or(wirepost.ValidateName(l.Topic), l.MemberID.Validate()), func(w *writer, now int64) (wirepost.Change, error) {
		m, err := w.memberOf(l.Topic, l.MemberID)
		nothing := wirepost.Change{Topic: l.Topic, MemberID: l.MemberID}
		if err != nil || len(l.Leases) == 0 {
			return nothing, err
		}
		for _, lease := range l.Leases {
			if session, ok := m.sessions[lease.ID]; !ok || session.lease != lease.Until.UnixMilli() {
				return nothing, nil
			}
		}
		for _, lease := range l.Leases {
			if _, err := w.removeSession.Exec(m.topic, m.key, lease.ID); err != nil {
				return nothing, err
			}
			delete(m.sessions, lease.ID)
		}
		return w.left(m, l.MemberID, now)
	})
}

// Announced implements [wirepost.Presence].
func (s *Store) Announced(ctx context.Context, topic string, id wirepost.MemberID, n int64) error {
	_, err := presenceWrite(ctx, s, "note an announcement in topic "+topic, cmp.Or(wirepost.ValidateName(topic), id.Validate()), func(w *writer, now int64) (none struct{}, err error) {
		if _, err := w.toldMember.Exec(topic, id.Key(), n); err != nil {
			return none, err
		}
		m, err := w.memberOf(topic, id)
		if err == nil && m.there && m.change == n && m.gone(now) {
			_, err = w.removeMember.Exec(topic, id.Key())
		}
		return none, err
	})
	return err
}

func (m *member) gone(now int64) bool {
	return len(m.sessions) == 0 && m.told >= m.change && now-m.change >= wirepost.GoneKept.Milliseconds()
}

// TakeSweep implements [wirepost.Presence].
func (s *Store) TakeSweep(ctx context.Context, now time.Time) (bool, error) {
	return presenceWrite(ctx, s, "take the sweep of a minute", nil, func(w *writer, _ int64) (bool, error) {
		done, err := w.takeSweep.Exec(now.Unix() / 60)
		if err != nil {
			return false, err
		}
		n, err := done.RowsAffected()
		return n > 0, err
	})
}

// Mark implements [wirepost.Presence].
func (s *Store) Mark(ctx context.Context, id, topic, mark string) error {
	_, err := presenceWrite(ctx, s, "mark connection "+id, wirepost.ValidateMark(topic, mark), func(w *writer, now int64) (none struct{}, err error) {
		if err := w.subscribe(id, topic, now); err != nil {
			return none, err
		}
		_, err = w.mark.Exec(topic, id, mark)
		return none, err
	})
	return err
}

// Members implements [wirepost.Presence].
func (s *Store) Members(ctx context.Context, topic string, after wirepost.Cursor) iter.Seq2[wirepost.Member, error] {
	s.made()
	return func(yield func(wirepost.Member, error) bool) {
		what := "list the members of topic " + topic
		if err := cmp.Or(ctx.Err(), wirepost.ValidateName(topic), wirepost.ValidateMemberCursor(after)); err != nil {
			yield(wirepost.Member{}, s.wrap(ctx, what, err))
			return
		}
		for {
			page, err := s.memberPage(ctx, topic, after)
			if err != nil {
				yield(wirepost.Member{}, s.wrap(ctx, what, err))
				return
			}
			for _, m := range page {
				if !yield(m, nil) {
					return
				}
				after = m.Cursor
			}
			if len(page) < pageSize {
				return
			}
		}
	}
}

func (s *Store) memberPage(ctx context.Context, topic string, after wirepost.Cursor) (page []wirepost.Member, err error) {
	rows, err := s.query(ctx, s.reads.members, topic, string(after), s.now().UnixMilli(), pageSize)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var m wirepost.Member
		var key, info, said string
		var told int64
		if err := rows.Scan(&key, &m.Number, &told, &info, &said, &m.Sessions); err != nil {
			return nil, err
		}
		if m.MemberID, err = wirepost.ParseMemberKey(key); err != nil {
			return nil, err
		}
		m.Details, m.Cursor = details(info, said), wirepost.Cursor(key)
		page = append(page, m)
	}
	return page, rows.Err()
}

// Due implements [wirepost.Presence].
func (s *Store) Due(ctx context.Context, now time.Time) iter.Seq2[wirepost.Lapsed, error] {
	s.made()
	return func(yield func(wirepost.Lapsed, error) bool) {
		all, err := s.due(ctx, now.UnixMilli())
		if err != nil {
			yield(wirepost.Lapsed{}, s.wrap(ctx, "look for leases that are over", err))
			return
		}
		for _, l := range all {
			if err := ctx.Err(); err != nil {
				yield(wirepost.Lapsed{}, s.wrap(ctx, "look for leases that are over", err))
				return
			}
			if !yield(l, nil) {
				return
			}
		}
	}
}

func (s *Store) due(ctx context.Context, now int64) (all []wirepost.Lapsed, err error) {
	untold, gone := now-wirepost.AnnounceAfter.Milliseconds(), now-wirepost.GoneKept.Milliseconds()
	rows, err := s.query(ctx, s.reads.due, now, untold, gone)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var topic, key, info, said string
		var change, told int64
		var session sql.NullString
		var lease sql.NullInt64
		if err := rows.Scan(&topic, &key, &change, &told, &info, &said, &session, &lease); err != nil {
			return nil, err
		}
		id, err := wirepost.ParseMemberKey(key)
		if err != nil {
			return nil, fmt.Errorf("a member of %q: %w", topic, err)
		}
		if n := len(all); n == 0 || all[n-1].Topic != topic || all[n-1].MemberID != id {
			all = append(all, wirepost.Lapsed{Topic: topic, MemberID: id, Number: change, Details: details(info, said),
				Unannounced: told < change && change <= untold, Gone: !session.Valid && told >= change && change <= gone})
		}
		l := &all[len(all)-1]
		switch {
		case !session.Valid:
		case now < lease.Int64:
			l.Living = true
		default:
			l.Leases = append(l.Leases, wirepost.Lease{ID: session.String, Until: time.UnixMilli(lease.Int64).UTC()})
		}
	}
	return all, rows.Err()
}
