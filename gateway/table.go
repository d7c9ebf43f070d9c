package gateway

import (
	"sync"
	"sync/atomic"
)

// table holds the connections that are not over, by ID. It is the only thing
// that knows where connections are, so that it can be replaced by one that
// spans machines. Safe for concurrent use.
type table struct {
	open   atomic.Int64 // connections that can be posted to
	shards [64]shard
}

type shard struct {
	mu    sync.RWMutex
	conns map[tableKey]*conn
}

func newTable() *table {
	t := new(table)
	for i := range t.shards {
		t.shards[i].conns = make(map[tableKey]*conn)
	}
	return t
}

// tableKey is a connection ID by value: a lookup among many connections is
// bound by cache misses, and a string would be one more.
type tableKey [16]byte

func keyOf(id string) (key tableKey, ok bool) {
	copy(key[:], id)
	return key, len(id) == len(key)
}

// shard picks by random characters of the ID.
func (t *table) shard(key *tableKey) *shard {
	return &t.shards[(uint(key[2])*31+uint(key[5]))%uint(len(t.shards))]
}

// get returns the connection with this ID, or nil. It may be closing.
func (t *table) get(id string) *conn {
	key, ok := keyOf(id)
	if !ok {
		return nil
	}
	s := t.shard(&key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.conns[key]
}

// put adds c under its ID and reports false if the ID is taken.
func (t *table) put(c *conn) bool {
	key, _ := keyOf(c.id)
	s := t.shard(&key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.conns[key]; taken {
		return false
	}
	s.conns[key] = c
	return true
}

func (t *table) remove(c *conn) {
	key, _ := keyOf(c.id)
	s := t.shard(&key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[key] == c {
		delete(s.conns, key)
	}
}

// each calls f for each connection, holding no lock while f runs.
func (t *table) each(f func(*conn)) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		conns := make([]*conn, 0, len(s.conns))
		for _, c := range s.conns {
			conns = append(conns, c)
		}
		s.mu.RUnlock()
		for _, c := range conns {
			f(c)
		}
	}
}
