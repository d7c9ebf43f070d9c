package sqlitestore

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/wirepost/wirepost"
)

var _ wirepost.Log = (*Store)(nil)

// keptEpochs is how many epochs of a topic are kept; a position of an older one is an
// unknown one.
const keptEpochs = 8

// Append implements [wirepost.Log]. All that are made at the same moment share a
// transaction.
func (s *Store) Append(ctx context.Context, topic string, entries []wirepost.LogEntry, o *wirepost.AppendOptions) (wirepost.Position, error) {
	s.made()
	what := "append to topic " + topic
	if err := cmp.Or(ctx.Err(), wirepost.ValidateAppend(topic, entries)); err != nil {
		return wirepost.Position{}, s.wrap(ctx, what, err)
	}
	entries = slices.Clone(entries) // the caller may go before the writer comes
	for i := range entries {
		entries[i].Data = slices.Clone(entries[i].Data)
	}
	var at *wirepost.Position
	if o != nil && o.At != nil {
		at = new(*o.At)
	}
	now := s.now().UnixMilli()
	var first wirepost.Position
	begun := make(chan struct{})
	err := s.write(ctx, what, func(w *writer) (err error) {
		close(begun)
		first, err = w.append(topic, entries, at, now)
		return err
	})
	if err == nil {
		return first, nil
	}
	select {
	case <-begun:
		if mayHaveWritten(err) {
			err = fmt.Errorf("%w: %w", wirepost.ErrUnknown, err)
		}
	default:
		if ctx.Err() != nil { // the writer may have it next
			err = fmt.Errorf("%w: %w", wirepost.ErrUnknown, err)
		}
	}
	return wirepost.Position{}, err
}

// mayHaveWritten reports whether a transaction that ended with an error may be in the
// file all the same: when nobody has waited for its end, and when the disk failed.
func mayHaveWritten(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	failed, ok := errors.AsType[*sqlite.Error](err)
	return ok && failed.Code()&0xff == sqlite3.SQLITE_IOERR
}

// epochOf is the newest epoch of a topic; the number is 0 if there is none.
func (w *writer) epochOf(topic string) (number int64, head wirepost.Position, err error) {
	err = w.epoch.QueryRow(topic).Scan(&number, &head.Epoch, &head.Offset)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return number, head, err
}

func (w *writer) append(topic string, entries []wirepost.LogEntry, at *wirepost.Position, now int64) (wirepost.Position, error) {
	number, head, err := w.epochOf(topic)
	if err != nil {
		return wirepost.Position{}, err
	}
	if at != nil && *at != head {
		return wirepost.Position{}, fmt.Errorf("at %s: it ends at %s: %w", *at, head, wirepost.ErrMoved)
	}
	if number == 0 {
		if number, head, err = w.beginEpoch(topic); err != nil {
			return wirepost.Position{}, err
		}
	}
	for i, e := range entries {
		if _, err := w.keep.Exec(number, head.Offset+1+uint64(i), e.ID, e.Data, now, now+e.Keep.Milliseconds()); err != nil {
			return wirepost.Position{}, err
		}
	}
	_, err = w.moveHead.Exec(head.Offset+uint64(len(entries)), number)
	return wirepost.Position{Epoch: head.Epoch, Offset: head.Offset + 1}, err
}

// beginEpoch begins an epoch of a topic, whose number is above those of all others.
func (w *writer) beginEpoch(topic string) (int64, wirepost.Position, error) {
	name := strings.ToLower(rand.Text()[:16])
	done, err := w.newEpoch.Exec(topic, name)
	if err != nil {
		return 0, wirepost.Position{}, err
	}
	number, err := done.LastInsertId()
	return number, wirepost.Position{Epoch: name}, err
}

// Restart implements [wirepost.Log].
func (s *Store) Restart(ctx context.Context, topic string) (wirepost.Position, error) {
	s.made()
	what := "restart the log of topic " + topic
	if err := cmp.Or(ctx.Err(), wirepost.ValidateName(topic)); err != nil {
		return wirepost.Position{}, s.wrap(ctx, what, err)
	}
	var head wirepost.Position
	err := s.write(ctx, what, func(w *writer) error {
		number, _, err := w.epochOf(topic)
		if err != nil || number == 0 {
			return err
		}
		if _, head, err = w.beginEpoch(topic); err != nil {
			return err
		}
		if _, err := w.forgetMessages.Exec(topic, keptEpochs); err != nil {
			return err
		}
		_, err = w.forgetEpochs.Exec(topic, keptEpochs)
		return err
	})
	if err != nil {
		return wirepost.Position{}, err // the writer may still be at it: head is not ours to read
	}
	return head, nil
}

// Head implements [wirepost.Log].
func (s *Store) Head(ctx context.Context, topic string) (wirepost.Position, error) {
	s.made()
	if err := wirepost.ValidateName(topic); err != nil {
		return wirepost.Position{}, fmt.Errorf("find the head of topic %s: %w", topic, err)
	}
	all, err := s.epochs(ctx, topic)
	if err != nil {
		return wirepost.Position{}, s.wrap(ctx, "find the head of topic "+topic, err)
	}
	if len(all) == 0 {
		return wirepost.Position{}, nil
	}
	return all[len(all)-1].head, nil
}

// epoch is a row of the table of epochs.
type epoch struct {
	number int64
	head   wirepost.Position
	first  bool // no other was before it
}

// epochs are those of a topic, the oldest first.
func (s *Store) epochs(ctx context.Context, topic string) ([]epoch, error) {
	rows, err := s.query(ctx, s.reads.epochs, topic)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []epoch
	for rows.Next() {
		var e epoch
		if err := rows.Scan(&e.number, &e.head.Epoch, &e.head.Offset, &e.first); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, rows.Err()
}

// Read implements [wirepost.Log].
func (s *Store) Read(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (wirepost.Replay, error) {
	s.made()
	what := "read topic " + topic
	if err := cmp.Or(ctx.Err(), wirepost.ValidateName(topic), after.Validate()); err != nil {
		return wirepost.Replay{}, s.wrap(ctx, what, err)
	}
	all, err := s.epochs(ctx, topic)
	if err != nil {
		return wirepost.Replay{}, s.wrap(ctx, what, err)
	}
	r, i, offset := start(all, after)
	if i < 0 {
		return r, nil
	}
	e := all[i]
	r.Head = e.head
	if err := s.replay(ctx, &r, e, offset, limit.OrDefault()); err != nil {
		return wirepost.Replay{}, s.wrap(ctx, what, err)
	}
	r.More = r.UpTo != e.head || i < len(all)-1
	return r, nil
}

// start is the epoch in which a reader goes on, the offset there, and what is to be
// said before. The epoch is -1 if there is none.
func start(all []epoch, after wirepost.Position) (r wirepost.Replay, i int, offset uint64) {
	lost := []wirepost.Offsets{{}}
	i = slices.IndexFunc(all, func(e epoch) bool { return e.head.Epoch == after.Epoch })
	offset = after.Offset
	switch {
	case len(all) == 0:
		if after.Epoch != "" {
			r.Gaps = lost
		}
		return r, -1, 0
	case i < 0:
		if i, offset = 0, 0; after.Epoch != "" || !all[0].first {
			r.Gaps = lost
		}
	case offset > all[i].head.Offset:
		offset = all[i].head.Offset
	}
	for i < len(all)-1 && offset == all[i].head.Offset { // nobody knows what was behind it
		i, offset, r.Gaps = i+1, 0, lost
	}
	return r, i, offset
}

// replay adds what an epoch has behind an offset.
func (s *Store) replay(ctx context.Context, r *wirepost.Replay, e epoch, after uint64, limit wirepost.ReadLimit) error {
	rows, err := s.query(ctx, s.reads.messages, e.number, after, e.head.Offset, s.now().UnixMilli(), limit.Messages+1)
	if err != nil {
		return err
	}
	defer rows.Close()
	lose := func(from, to uint64) {
		if from <= to {
			r.Gaps = append(r.Gaps, wirepost.Offsets{From: from, To: to})
		}
	}
	upTo, size := after, 0
	for rows.Next() {
		var m wirepost.LogMessage
		var at, end int64
		if err := rows.Scan(&m.Offset, &m.ID, &m.Data, &at, &end); err != nil {
			return err
		}
		if size += len(m.Data); len(r.Messages) > 0 && (len(r.Messages) == limit.Messages || size > limit.Bytes) {
			r.UpTo = wirepost.Position{Epoch: e.head.Epoch, Offset: upTo}
			return nil
		}
		lose(upTo+1, m.Offset-1)
		m.Epoch, m.At, m.End = e.head.Epoch, time.UnixMilli(at).UTC(), time.UnixMilli(end).UTC()
		r.Messages = append(r.Messages, m)
		upTo = m.Offset
	}
	if err := rows.Err(); err != nil {
		return err
	}
	lose(upTo+1, e.head.Offset)
	r.UpTo = e.head
	return nil
}
