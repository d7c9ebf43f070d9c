package sqlitestore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/wirepost/wirepost"
)

const (
	pageSize   = 500 // rows of a listing that are read at once
	stageQuery = `SELECT api, stage, region, url, event FROM stages WHERE api = ? AND stage = ? AND region = ?`
)

// reads are the prepared statements of the readers.
type reads struct {
	connection, stage, stages, epochs, messages, members, due *sql.Stmt
	list                                                      map[wirepost.AudienceKind]*sql.Stmt
}

func (r *reads) prepare(ctx context.Context, db *sql.DB) (err error) {
	prepare := func(text string) (stmt *sql.Stmt) {
		if err == nil {
			stmt, err = db.PrepareContext(ctx, text)
		}
		return stmt
	}
	r.connection = prepare(`SELECT c.api, c.stage, c.region, c.user, c.connected, c.expires, c.claims, s.topic, s.mark
		FROM connections c LEFT JOIN subscriptions s ON s.id = c.id
		WHERE c.id = ? AND c.expires > ? ORDER BY s.topic`)
	r.stage = prepare(stageQuery)
	r.stages = prepare(`SELECT api, stage, region, url, event FROM stages ORDER BY api, stage, region`)
	r.epochs = prepare(`SELECT number, name, head, first FROM epochs WHERE topic = ? ORDER BY number`)
	r.messages = prepare(`SELECT position, id, data, appended, expires FROM messages
		WHERE epoch = ? AND position > ? AND position <= ? AND expires > ? ORDER BY position LIMIT ?`)
	r.members = prepare(`SELECT m.member, m.change, m.told, m.info, m.said,
		(SELECT count(*) FROM sessions s WHERE s.topic = m.topic AND s.member = m.member AND s.lease > ?3) AS living
		FROM members m WHERE m.topic = ?1 AND m.member > ?2 AND living > 0 ORDER BY m.member LIMIT ?4`)
	r.due = prepare(`SELECT m.topic, m.member, m.change, m.told, m.info, m.said, s.id, s.lease
		FROM members m LEFT JOIN sessions s ON s.topic = m.topic AND s.member = m.member
		WHERE (m.topic, m.member) IN (SELECT topic, member FROM sessions WHERE lease <= ?1)
			OR m.told < m.change AND m.change <= ?2
			OR m.told >= m.change AND m.change <= ?3 AND s.id IS NULL
		ORDER BY m.topic, m.member`)
	// Every listing is in the order of the IDs and takes: the audience's name,
	// the ID it continues behind, now, and how many rows. The name of everyone
	// is empty.
	r.list = map[wirepost.AudienceKind]*sql.Stmt{
		wirepost.KindConnection: prepare(`SELECT id, api, stage, region, connected, 0 FROM connections
			WHERE id = ?1 AND id > ?2 AND expires > ?3 LIMIT ?4`),
		wirepost.KindUser: prepare(`SELECT id, api, stage, region, connected, 0 FROM connections INDEXED BY connections_by_user
			WHERE user = ?1 AND user <> '' AND id > ?2 AND expires > ?3 ORDER BY id LIMIT ?4`),
		wirepost.KindTopic: prepare(`SELECT c.id, c.api, c.stage, c.region, c.connected, s.mark <> '' AND s.mark NOT LIKE '!%' FROM subscriptions s CROSS JOIN connections c ON c.id = s.id
			WHERE s.topic = ?1 AND s.id > ?2 AND c.expires > ?3 ORDER BY s.id LIMIT ?4`),
		wirepost.KindEveryone: prepare(`SELECT id, api, stage, region, connected, 0 FROM connections
			WHERE ?1 = '' AND id > ?2 AND +expires > ?3 ORDER BY id LIMIT ?4`),
	}
	return err
}

func (r *reads) close() {
	for _, stmt := range append(slices.Collect(maps.Values(r.list)), r.connection, r.stage, r.stages, r.epochs, r.messages, r.members, r.due) {
		if stmt != nil {
			stmt.Close()
		}
	}
}

// Connection implements [wirepost.Store].
func (s *Store) Connection(ctx context.Context, id string) (wirepost.Connection, error) {
	s.made()
	c, err := s.connection(ctx, id)
	if err != nil {
		return wirepost.Connection{}, s.wrap(ctx, "find connection "+id, err)
	}
	return c, nil
}

func (s *Store) connection(ctx context.Context, id string) (wirepost.Connection, error) {
	rows, err := s.query(ctx, s.reads.connection, id, s.now().UnixMilli())
	if err != nil {
		return wirepost.Connection{}, err
	}
	defer rows.Close()
	c := wirepost.Connection{ID: id}
	found := false
	for rows.Next() {
		var connected, expires int64
		var topic, mark sql.NullString
		if err := rows.Scan(&c.Endpoint.APIID, &c.Endpoint.Stage, &c.Endpoint.Region, &c.User, &connected, &expires, &c.Claims, &topic, &mark); err != nil {
			return c, err
		}
		found = true
		c.ConnectedAt, c.ExpiresAt = time.UnixMilli(connected).UTC(), time.UnixMilli(expires).UTC()
		if topic.Valid {
			c.Topics = append(c.Topics, topic.String)
		}
		if mark.String != "" {
			if c.Marks == nil {
				c.Marks = map[string]string{}
			}
			c.Marks[topic.String] = mark.String
		}
	}
	if err := rows.Err(); err != nil {
		return c, err
	}
	if !found {
		return c, wirepost.ErrNotFound
	}
	return c, nil
}

// Connections implements [wirepost.Store]. The order is that of the IDs.
func (s *Store) Connections(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) iter.Seq2[wirepost.Listed, error] {
	s.made()
	return func(yield func(wirepost.Listed, error) bool) {
		if err := cmp.Or(a.Validate(), o.Validate()); err != nil {
			yield(wirepost.Listed{}, fmt.Errorf("list connections: %w", err))
			return
		}
		page := make([]wirepost.Listed, 0, pageSize)
		for after := o.After; ; after = page[len(page)-1].Cursor {
			var err error
			if page, err = s.page(ctx, a, after, page[:0]); err != nil {
				yield(wirepost.Listed{}, s.wrap(ctx, "list "+a.String(), err))
				return
			}
			// The page is read to its end before the body runs, and the next one
			// starts behind its last ID, whatever was added or removed meanwhile.
			for _, l := range page {
				if !o.Contains(l.ID) {
					continue
				}
				if err := ctx.Err(); err != nil {
					yield(wirepost.Listed{}, s.wrap(ctx, "list "+a.String(), err))
					return
				}
				if !yield(l, nil) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
		}
	}
}

func (s *Store) page(ctx context.Context, a wirepost.Audience, after wirepost.Cursor, page []wirepost.Listed) ([]wirepost.Listed, error) {
	rows, err := s.query(ctx, s.reads.list[a.Kind], a.Name, string(after), s.now().UnixMilli(), pageSize)
	if err != nil {
		return page, err
	}
	defer rows.Close()
	for rows.Next() {
		var l wirepost.Listed
		var connected int64
		if err := rows.Scan(&l.ID, &l.Endpoint.APIID, &l.Endpoint.Stage, &l.Endpoint.Region, &connected, &l.Marked); err != nil {
			return page, err
		}
		l.ConnectedAt = time.UnixMilli(connected).UTC()
		l.Cursor = wirepost.Cursor(l.ID)
		page = append(page, l)
	}
	return page, rows.Err()
}

// Stage implements [wirepost.Store].
func (s *Store) Stage(ctx context.Context, id wirepost.Identity) (wirepost.StageRecord, error) {
	s.made()
	rows, err := s.query(ctx, s.reads.stage, id.APIID, id.Stage, id.Region)
	all, err := scanStages(rows, err)
	if err == nil && len(all) == 0 {
		err = wirepost.ErrNotFound
	}
	if err != nil {
		return wirepost.StageRecord{}, s.wrap(ctx, "find stage "+id.String(), err)
	}
	return all[0], nil
}

// Stages implements [wirepost.Store].
func (s *Store) Stages(ctx context.Context) ([]wirepost.StageRecord, error) {
	s.made()
	rows, err := s.query(ctx, s.reads.stages)
	all, err := scanStages(rows, err)
	if err != nil {
		return nil, s.wrap(ctx, "list stages", err)
	}
	return all, nil
}

// query starts a read, unless the store is closed or the context has ended.
func (s *Store) query(ctx context.Context, stmt *sql.Stmt, args ...any) (*sql.Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		select {
		case <-s.closing:
			return nil, errClosed
		default:
		}
	}
	return rows, err
}

func scanStages(rows *sql.Rows, err error) ([]wirepost.StageRecord, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := []wirepost.StageRecord{}
	for rows.Next() {
		r, err := scanStage(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// scanStage reads a row of stageQuery.
func scanStage(row interface{ Scan(...any) error }) (r wirepost.StageRecord, err error) {
	var event int64
	if err = row.Scan(&r.APIID, &r.Stage, &r.Region, &r.URL, &event); errors.Is(err, sql.ErrNoRows) {
		err = wirepost.ErrNotFound
	}
	r.EventTime = time.UnixMilli(event).UTC()
	return r, err
}
