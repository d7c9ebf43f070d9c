package wirepost

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"
)

// MemStore keeps everything in this process's memory. It is the reference of the
// [Store] contract, and what tests and examples use. Its zero value is an empty
// store, ready for use.
type MemStore struct {
	clock func() time.Time // nil: time.Now

	mu     sync.RWMutex
	rows   map[string]*Connection // by ID; a row is replaced, never changed
	order  []string               // the IDs of rows, sorted
	users  map[string][]string    // sorted IDs
	topics map[string][]string    // sorted IDs
	stages map[Identity]StageRecord
	logs   map[string]memLog // by topic
	puts   int

	streams int // whose logs were begun since those that are over were removed

	presence memPresence
}

// MemStoreOptions are optional.
type MemStoreOptions struct {
	Now func() time.Time // default time.Now
}

// NewMemStore makes an empty store.
func NewMemStore(o *MemStoreOptions) *MemStore {
	s := &MemStore{}
	if o != nil {
		s.clock = o.Now
	}
	return s
}

func (s *MemStore) now() time.Time {
	if s.clock == nil {
		return time.Now()
	}
	return s.clock()
}

// fill makes what the first write needs. The caller holds mu.
func (s *MemStore) fill() {
	if s.rows == nil {
		s.rows, s.users, s.topics, s.stages = map[string]*Connection{}, map[string][]string{}, map[string][]string{}, map[Identity]StageRecord{}
	}
}

// Put implements [Store].
func (s *MemStore) Put(ctx context.Context, c Connection) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.Validate(); err != nil {
		return err
	}
	c.ConnectedAt, c.ExpiresAt, c.Marks = milliseconds(c.ConnectedAt), milliseconds(c.ExpiresAt), nil
	topics := slices.Clone(c.Topics)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fill()
	if s.puts++; s.puts%1024 == 0 {
		s.purge()
	}
	if old := s.rows[c.ID]; old != nil {
		live := s.now().Before(old.ExpiresAt)
		switch {
		case live && c.Key().Matches(*old):
			topics, c.Marks = append(topics, old.Topics...), old.Marks
		case live && !c.ConnectedAt.After(old.ConnectedAt):
			return nil
		}
		s.remove(old)
	}
	slices.Sort(topics)
	c.Topics = slices.Compact(topics)
	s.add(&c)
	return nil
}

// Delete implements [Store].
func (s *MemStore) Delete(ctx context.Context, k ConnectionKey) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.rows[k.ID]
	if c == nil || !k.Matches(*c) {
		return false, nil
	}
	live := s.now().Before(c.ExpiresAt)
	s.remove(c)
	return live, nil
}

// Reap implements [Store]. A listing never shows what has no row, so there is no
// more to remove than the row.
func (s *MemStore) Reap(ctx context.Context, _ Audience, l Listed) (bool, error) {
	return s.Delete(ctx, l.Key())
}

// Connection implements [Store].
func (s *MemStore) Connection(ctx context.Context, id string) (Connection, error) {
	if err := ctx.Err(); err != nil {
		return Connection{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := s.live(id)
	if c == nil {
		return Connection{}, ErrNotFound
	}
	out := *c
	out.Topics, out.Marks = slices.Clone(c.Topics), maps.Clone(c.Marks)
	return out, nil
}

// Subscribe implements [Store].
func (s *MemStore) Subscribe(ctx context.Context, id, topic string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := ValidateName(topic); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.live(id)
	if c == nil {
		return ErrNotFound
	}
	if i, found := slices.BinarySearch(c.Topics, topic); !found {
		changed := *c
		changed.Topics = slices.Insert(slices.Clone(c.Topics), i, topic)
		s.rows[id] = &changed
		s.topics[topic] = insert(s.topics[topic], id)
	}
	return nil
}

// Unsubscribe implements [Store].
func (s *MemStore) Unsubscribe(ctx context.Context, id, topic string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := ValidateName(topic); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.live(id)
	if c == nil {
		return nil
	}
	if i, found := slices.BinarySearch(c.Topics, topic); found {
		changed := *c
		changed.Topics = slices.Delete(slices.Clone(c.Topics), i, i+1)
		if c.Marks[topic] != "" {
			changed.Marks = maps.Clone(c.Marks)
			delete(changed.Marks, topic)
		}
		s.rows[id] = &changed
		drop(s.topics, topic, id)
	}
	return nil
}

// Connections implements [Store].
func (s *MemStore) Connections(ctx context.Context, a Audience, o ListOptions) iter.Seq2[Listed, error] {
	const page = 256
	return func(yield func(Listed, error) bool) {
		if err := cmp.Or(a.Validate(), o.Validate()); err != nil {
			yield(Listed{}, err)
			return
		}
		after := string(o.After)
		buf := make([]Listed, 0, page)
		for {
			if err := ctx.Err(); err != nil {
				yield(Listed{}, err)
				return
			}
			// A page is copied under the lock and yielded outside it; the next one
			// starts behind the last ID, whatever was added or removed meanwhile.
			s.mu.RLock()
			ids := s.audience(a)
			i, found := slices.BinarySearch(ids, after)
			if found {
				i++
			}
			buf = buf[:0]
			for ; i < len(ids) && len(buf) < page; i++ {
				after = ids[i]
				if c := s.live(after); c != nil && o.Contains(after) {
					buf = append(buf, Listed{c.ID, c.Endpoint, c.ConnectedAt, Cursor(c.ID), a.Kind == KindTopic && MarkWatches(c.Marks[a.Name])})
				}
			}
			more := i < len(ids)
			s.mu.RUnlock()
			for _, l := range buf {
				if err := ctx.Err(); err != nil {
					yield(Listed{}, err)
					return
				}
				if !yield(l, nil) {
					return
				}
			}
			if !more {
				return
			}
		}
	}
}

// PutStage implements [Store].
func (s *MemStore) PutStage(ctx context.Context, r StageRecord) (StageRecord, error) {
	if err := cmp.Or(ctx.Err(), r.Validate()); err != nil {
		return StageRecord{}, err
	}
	r.EventTime = milliseconds(r.EventTime)
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.stages[r.Identity]; ok && !r.Newer(old) {
		return old, nil
	}
	s.fill()
	s.stages[r.Identity] = r
	return r, nil
}

// Stage implements [Store].
func (s *MemStore) Stage(ctx context.Context, id Identity) (StageRecord, error) {
	if err := ctx.Err(); err != nil {
		return StageRecord{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r, ok := s.stages[id]; ok {
		return r, nil
	}
	return StageRecord{}, ErrNotFound
}

// Stages implements [Store].
func (s *MemStore) Stages(ctx context.Context) ([]StageRecord, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]StageRecord, 0, len(s.stages))
	for _, r := range s.stages {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b StageRecord) int {
		return cmp.Or(cmp.Compare(a.APIID, b.APIID), cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Region, b.Region))
	})
	return all, nil
}

// DeleteStage implements [Store].
func (s *MemStore) DeleteStage(ctx context.Context, r StageRecord) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, ok := s.stages[r.Identity]
	if !ok || kept.URL != r.URL || kept.EventTime.UnixMilli() != r.EventTime.UnixMilli() {
		return false, nil
	}
	delete(s.stages, r.Identity)
	return true, nil
}

// Close implements [Store]. The rows stay readable.
func (s *MemStore) Close() error { return nil }

// live is the row of an ID if it has not expired.
func (s *MemStore) live(id string) *Connection {
	if c := s.rows[id]; c != nil && s.now().Before(c.ExpiresAt) {
		return c
	}
	return nil
}

func (s *MemStore) audience(a Audience) []string {
	switch a.Kind {
	case KindUser:
		return s.users[a.Name]
	case KindTopic:
		return s.topics[a.Name]
	case KindConnection:
		return []string{a.Name}
	}
	return s.order
}

func (s *MemStore) add(c *Connection) {
	s.rows[c.ID] = c
	s.order = insert(s.order, c.ID)
	if c.User != "" {
		s.users[c.User] = insert(s.users[c.User], c.ID)
	}
	for _, t := range c.Topics {
		s.topics[t] = insert(s.topics[t], c.ID)
	}
}

func (s *MemStore) remove(c *Connection) {
	delete(s.rows, c.ID)
	if i, found := slices.BinarySearch(s.order, c.ID); found {
		s.order = slices.Delete(s.order, i, i+1)
	}
	if c.User != "" {
		drop(s.users, c.User, c.ID)
	}
	for _, t := range c.Topics {
		drop(s.topics, t, c.ID)
	}
}

// purge removes expired rows, so that connections whose end was never reported
// do not stay in memory for good.
func (s *MemStore) purge() {
	now := s.now()
	for _, c := range s.rows {
		if !now.Before(c.ExpiresAt) {
			s.remove(c)
		}
	}
}

func insert(ids []string, id string) []string {
	i, found := slices.BinarySearch(ids, id)
	if found {
		return ids
	}
	return slices.Insert(ids, i, id)
}

func drop(index map[string][]string, name, id string) {
	ids := index[name]
	if i, found := slices.BinarySearch(ids, id); found {
		if ids = slices.Delete(ids, i, i+1); len(ids) == 0 {
			delete(index, name)
		} else {
			index[name] = ids
		}
	}
}

func milliseconds(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()).UTC() }
