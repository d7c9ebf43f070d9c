package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wirepost/wirepost"
)

const (
	maxBatch      = 500         // writes in one transaction
	purgeInterval = time.Minute // from one purge to the next
	purgeStep     = 500         // rows removed between two batches
)

// errClosed is the error of every call after Close.
var errClosed = errors.New("the store is closed")

// op is one write that waits to be part of a transaction. The context is its
// caller's: a write nobody waits for any more is left out.
type op struct {
	ctx   context.Context
	apply func(*writer) error
	done  chan error // has room for the answer
}

// Put implements [wirepost.Store].
func (s *Store) Put(ctx context.Context, c wirepost.Connection) error {
	s.made()
	if err := c.Validate(); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	c.Topics = slices.Clone(c.Topics) // the caller may go before the writer comes
	now := s.now().UnixMilli()
	return s.write(ctx, "put connection "+c.ID, func(w *writer) error { return w.put(c, now) })
}

// Delete implements [wirepost.Store].
func (s *Store) Delete(ctx context.Context, k wirepost.ConnectionKey) (bool, error) {
	s.made()
	now := s.now().UnixMilli()
	var deleted bool
	if err := s.write(ctx, "delete connection "+k.ID, func(w *writer) (err error) {
		deleted, err = w.delete(k, now)
		return err
	}); err != nil {
		return false, err // the writer may still be at it: deleted is not ours to read
	}
	return deleted, nil
}

// Reap implements [wirepost.Store]. A subscription never outlives its row, so
// there is no more to remove than the row.
func (s *Store) Reap(ctx context.Context, _ wirepost.Audience, l wirepost.Listed) (bool, error) {
	s.made()
	return s.Delete(ctx, l.Key())
}

// Subscribe implements [wirepost.Store].
func (s *Store) Subscribe(ctx context.Context, id, topic string) error {
	s.made()
	if err := wirepost.ValidateName(topic); err != nil {
		return fmt.Errorf("subscribe connection %s: topic: %w", id, err)
	}
	now := s.now().UnixMilli()
	return s.write(ctx, "subscribe connection "+id, func(w *writer) error { return w.subscribe(id, topic, now) })
}

// Unsubscribe implements [wirepost.Store].
func (s *Store) Unsubscribe(ctx context.Context, id, topic string) error {
	s.made()
	if err := wirepost.ValidateName(topic); err != nil {
		return fmt.Errorf("unsubscribe connection %s: topic: %w", id, err)
	}
	return s.write(ctx, "unsubscribe connection "+id, func(w *writer) error {
		_, err := w.unsubscribeOne.Exec(topic, id)
		return err
	})
}

// PutStage implements [wirepost.Store].
func (s *Store) PutStage(ctx context.Context, r wirepost.StageRecord) (wirepost.StageRecord, error) {
	s.made()
	if err := r.Validate(); err != nil {
		return wirepost.StageRecord{}, fmt.Errorf("put stage: %w", err)
	}
	var kept wirepost.StageRecord
	if err := s.write(ctx, "put stage "+r.Identity.String(), func(w *writer) (err error) {
		if _, err = w.putStage.Exec(r.APIID, r.Stage, r.Region, r.URL, r.EventTime.UnixMilli()); err == nil {
			kept, err = scanStage(w.stage.QueryRow(r.APIID, r.Stage, r.Region))
		}
		return err
	}); err != nil {
		return wirepost.StageRecord{}, err
	}
	return kept, nil
}

// DeleteStage implements [wirepost.Store].
func (s *Store) DeleteStage(ctx context.Context, r wirepost.StageRecord) (bool, error) {
	s.made()
	var deleted bool
	if err := s.write(ctx, "delete stage "+r.Identity.String(), func(w *writer) error {
		done, err := w.deleteStage.Exec(r.APIID, r.Stage, r.Region, r.URL, r.EventTime.UnixMilli())
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		deleted = n == 1
		return err
	}); err != nil {
		return false, err // the writer may still be at it: deleted is not ours to read
	}
	return deleted, nil
}

// write hands an operation to the writer and waits for its transaction.
func (s *Store) write(ctx context.Context, what string, apply func(*writer) error) error {
	o := &op{ctx: ctx, apply: apply, done: make(chan error, 1)}
	err := ctx.Err()
	if err == nil {
		select {
		case <-s.closing:
			err = errClosed
		default:
			select {
			case s.ops <- o:
				select {
				case err = <-o.done:
				case <-ctx.Done():
					err = ctx.Err()
				}
			case <-s.closing:
				err = errClosed
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
	}
	return s.wrap(ctx, what, err)
}

// wrap says which operation on which file failed.
func (s *Store) wrap(ctx context.Context, what string, err error) error {
	if err == nil || errors.Is(err, wirepost.ErrNotFound) {
		return err
	}
	return fmt.Errorf("%s: store %s: %w", what, s.path, s.explain(ctx, err))
}

// writer is the one connection of the process that writes. Only its goroutine
// uses it.
type writer struct {
	s    *Store
	db   *sql.DB
	conn *sql.Conn

	begin, commit, rollback, savepoint, undo, release *sql.Stmt

	row, insert, update, remove, removeExact           *sql.Stmt
	subscribeOne, unsubscribeOne, unsubscribeAll, live *sql.Stmt
	putStage, deleteStage, stage, expired              *sql.Stmt

	epoch, newEpoch, keep, moveHead, forgetMessages, forgetEpochs, expiredMessages, expiredStreams *sql.Stmt

	member, putMember, removeMember, toldMember, sessions, putSession, renewSession, removeSession, mark, takeSweep *sql.Stmt

	stmts     []*sql.Stmt // all of these
	lastPurge time.Time
	purging   bool // the last purge left rows
}

func openWriter(ctx context.Context, s *Store, dsn string) (*writer, error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	w := &writer{s: s, db: db, lastPurge: s.now()}
	if err := w.prepare(ctx); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *writer) prepare(ctx context.Context) (err error) {
	if w.conn, err = w.db.Conn(ctx); err != nil {
		return err
	}
	if _, err := w.conn.ExecContext(ctx, "PRAGMA synchronous = NORMAL"); err != nil {
		return err
	}
	if err := migrate(ctx, w.conn); err != nil {
		return err
	}
	for _, p := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&w.begin, `BEGIN IMMEDIATE`},
		{&w.commit, `COMMIT`},
		{&w.rollback, `ROLLBACK`},
		{&w.savepoint, `SAVEPOINT one`},
		{&w.undo, `ROLLBACK TO one`},
		{&w.release, `RELEASE one`},
		{&w.row, `SELECT api, stage, region, connected, expires FROM connections WHERE id = ?`},
		{&w.insert, `INSERT INTO connections (id, api, stage, region, user, connected, expires, claims) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`},
		{&w.update, `UPDATE connections SET user = ?, expires = ?, claims = ? WHERE id = ?`},
		{&w.remove, `DELETE FROM connections WHERE id = ?`},
		{&w.removeExact, `DELETE FROM connections WHERE id = ? AND api = ? AND stage = ? AND region = ? AND connected = ? RETURNING expires`},
		{&w.live, `SELECT 1 FROM connections WHERE id = ? AND expires > ?`},
		{&w.subscribeOne, `INSERT INTO subscriptions (topic, id) VALUES (?, ?) ON CONFLICT DO NOTHING`},
		{&w.unsubscribeOne, `DELETE FROM subscriptions WHERE topic = ? AND id = ?`},
		{&w.unsubscribeAll, `DELETE FROM subscriptions WHERE id = ?`},
		{&w.expired, `SELECT id FROM connections WHERE expires <= ? ORDER BY expires LIMIT ?`},
		{&w.stage, stageQuery},
		{&w.putStage, `INSERT INTO stages (api, stage, region, url, event) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET url = excluded.url, event = excluded.event
			WHERE excluded.event > event OR excluded.event = event AND excluded.url > url`},
		{&w.epoch, `SELECT number, name, head FROM epochs WHERE topic = ? ORDER BY number DESC LIMIT 1`},
		{&w.newEpoch, `INSERT INTO epochs (topic, name, head, first) SELECT ?1, ?2, 0, NOT EXISTS (SELECT 1 FROM epochs WHERE topic = ?1)`},
		{&w.keep, `INSERT INTO messages (epoch, position, id, data, appended, expires) VALUES (?, ?, ?, ?, ?, ?)`},
		{&w.moveHead, `UPDATE epochs SET head = ? WHERE number = ?`},
		{&w.forgetMessages, `DELETE FROM messages WHERE epoch IN (SELECT number FROM epochs WHERE topic = ? ORDER BY number DESC LIMIT -1 OFFSET ?)`},
		{&w.forgetEpochs, `DELETE FROM epochs WHERE number IN (SELECT number FROM epochs WHERE topic = ? ORDER BY number DESC LIMIT -1 OFFSET ?)`},
		{&w.expiredMessages, `DELETE FROM messages WHERE (epoch, position) IN (SELECT epoch, position FROM messages WHERE expires <= ? ORDER BY expires LIMIT ?)`},
		// A stream has a topic of its own, which nobody appends to when it is over.
		{&w.expiredStreams, `DELETE FROM epochs WHERE topic >= '$stream/' AND topic < '$stream0' AND NOT EXISTS (SELECT 1 FROM messages WHERE epoch = epochs.number)`},
		{&w.member, `SELECT change, told, info, said FROM members WHERE topic = ? AND member = ?`},
		{&w.putMember, `INSERT INTO members (topic, member, change, told, info, said) VALUES (?1, ?2, ?3, 0, ?4, ?5)
			ON CONFLICT DO UPDATE SET change = ?3, info = ?4, said = ?5`},
		{&w.removeMember, `DELETE FROM members WHERE topic = ? AND member = ?`},
		{&w.toldMember, `UPDATE members SET told = ?3 WHERE topic = ?1 AND member = ?2 AND told < ?3 AND change >= ?3`},
		{&w.sessions, `SELECT id, connection, api, stage, region, connected, lease FROM sessions WHERE topic = ? AND member = ?`},
		{&w.putSession, `INSERT OR REPLACE INTO sessions (topic, member, id, connection, api, stage, region, connected, lease) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`},
		{&w.renewSession, `UPDATE sessions SET lease = ?4 WHERE topic = ?1 AND member = ?2 AND id = ?3`},
		{&w.removeSession, `DELETE FROM sessions WHERE topic = ? AND member = ? AND id = ?`},
		{&w.mark, `UPDATE subscriptions SET mark = ?3 WHERE topic = ?1 AND id = ?2`},
		{&w.takeSweep, `INSERT INTO sweeps (one, minute) VALUES (1, ?1) ON CONFLICT DO UPDATE SET minute = ?1 WHERE ?1 > minute`},
		{&w.deleteStage, `DELETE FROM stages WHERE api = ? AND stage = ? AND region = ? AND url = ? AND event = ?`},
	} {
		if *p.stmt, err = w.conn.PrepareContext(ctx, p.text); err != nil {
			return err
		}
		w.stmts = append(w.stmts, *p.stmt)
	}
	return nil
}

// close ends the statements first: SQLite keeps the file open for one that is
// left, and its write-ahead log with it.
func (w *writer) close() error {
	for _, stmt := range w.stmts {
		stmt.Close()
	}
	if w.conn != nil {
		w.conn.Close()
	}
	return w.db.Close()
}

// run writes until closing is closed. One that waits at that time is answered.
func (w *writer) run(ops <-chan *op, closing <-chan struct{}) {
	batch := make([]*op, 0, maxBatch)
	for {
		select {
		case o := <-ops:
			batch = append(batch[:0], o)
		case <-closing:
			return
		}
	gather:
		for len(batch) < maxBatch {
			select {
			case o := <-ops:
				batch = append(batch, o)
			default:
				break gather
			}
		}
		w.write(batch)
		clear(batch)
		w.purge()
	}
}

// write makes one transaction of a batch and answers everybody in it.
func (w *writer) write(batch []*op) {
	errs := make([]error, len(batch))
	err := w.transaction(func() error {
		for i, o := range batch {
			if errs[i] = o.ctx.Err(); errs[i] != nil {
				continue
			}
			if len(batch) == 1 {
				return o.apply(w)
			}
			var broken error
			if errs[i], broken = w.one(o); broken != nil {
				return broken
			}
		}
		return nil
	})
	for i, o := range batch {
		if errs[i] == nil {
			errs[i] = err
		}
		o.done <- errs[i]
	}
}

// one applies an operation so that its error leaves the others untouched. The
// second error ends the transaction.
func (w *writer) one(o *op) (err, broken error) {
	if _, err := w.savepoint.Exec(); err != nil {
		return nil, err
	}
	if err = o.apply(w); err != nil {
		if _, undone := w.undo.Exec(); undone != nil {
			return nil, err // SQLite gave up the transaction, for example on a full disk
		}
	}
	_, broken = w.release.Exec()
	return err, broken
}

// transaction runs f with the file locked for writing.
func (w *writer) transaction(f func() error) error {
	w.s.locking.Store(true)
	_, err := w.begin.Exec()
	w.s.locking.Store(false)
	if err != nil {
		return err
	}
	if err = f(); err == nil {
		if _, err = w.commit.Exec(); err == nil {
			return nil
		}
	}
	w.rollback.Exec() // fails if SQLite has done it already
	return err
}

func (w *writer) put(c wirepost.Connection, now int64) error {
	connected, expires := c.ConnectedAt.UnixMilli(), c.ExpiresAt.UnixMilli()
	for {
		done, err := w.insert.Exec(c.ID, c.Endpoint.APIID, c.Endpoint.Stage, c.Endpoint.Region, c.User, connected, expires, c.Claims)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); n == 1 || err != nil {
			break // there was no row
		}
		var old wirepost.Identity
		var oldConnected, oldExpires int64
		if err := w.row.QueryRow(c.ID).Scan(&old.APIID, &old.Stage, &old.Region, &oldConnected, &oldExpires); err != nil {
			return err
		}
		if now < oldExpires {
			if old == c.Endpoint && oldConnected == connected {
				if _, err := w.update.Exec(c.User, expires, c.Claims, c.ID); err != nil {
					return err
				}
				break
			}
			if connected <= oldConnected {
				return nil
			}
		}
		if err := w.drop(c.ID); err != nil {
			return err
		}
	}
	for _, t := range c.Topics {
		if _, err := w.subscribeOne.Exec(t, c.ID); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) drop(id string) error {
	if _, err := w.remove.Exec(id); err != nil {
		return err
	}
	_, err := w.unsubscribeAll.Exec(id)
	return err
}

func (w *writer) delete(k wirepost.ConnectionKey, now int64) (bool, error) {
	var expires int64
	err := w.removeExact.QueryRow(k.ID, k.Endpoint.APIID, k.Endpoint.Stage, k.Endpoint.Region, k.ConnectedAt.UnixMilli()).Scan(&expires)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = w.unsubscribeAll.Exec(k.ID)
	return expires > now, err
}

func (w *writer) subscribe(id, topic string, now int64) error {
	var live int
	switch err := w.live.QueryRow(id, now).Scan(&live); {
	case errors.Is(err, sql.ErrNoRows):
		return wirepost.ErrNotFound
	case err != nil:
		return err
	}
	_, err := w.subscribeOne.Exec(topic, id)
	return err
}

// purge removes some expired rows, so that kept messages, and connections whose end was
// never reported, do not fill the file. It begins once a minute and goes on behind each
// batch until none is left.
func (w *writer) purge() {
	now := w.s.now()
	if !w.purging && now.Sub(w.lastPurge) < purgeInterval {
		return
	}
	w.lastPurge, w.purging = now, false
	var removed int
	err := w.transaction(func() error {
		ids, err := column(w.expired.Query(now.UnixMilli(), purgeStep))
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := w.drop(id); err != nil {
				return err
			}
		}
		done, err := w.expiredMessages.Exec(now.UnixMilli(), purgeStep)
		if err != nil {
			return err
		}
		messages, err := done.RowsAffected()
		if removed = max(len(ids), int(messages)); err == nil && messages > 0 {
			_, err = w.expiredStreams.Exec()
		}
		return err
	})
	if err != nil {
		w.s.logger.Warn("expired rows could not be removed", "store", w.s.path, "error", err)
		return
	}
	w.purging = removed == purgeStep
}

// column reads a result of one text column.
func column(rows *sql.Rows, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}
