package gateway

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// table holds the connections that are not over, by ID. It is the only thing
// that knows where connections are, so that it can be replaced by one that
// spans machines. Safe for concurrent use.
type table struct {
	open   atomic.Int64 // connections that can be posted to
	seed   maphash.Seed
	shards [64]shard
}

type shard struct {
	mu    sync.RWMutex
	conns map[string]*conn
}

func newTable() *table {
	t := &table{seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].conns = make(map[string]*conn)
	}
	return t
}

func (t *table) shard(id string) *shard {
	return &t.shards[maphash.String(t.seed, id)%uint64(len(t.shards))]
}

// get returns the connection with this ID, or nil. It may be closing.
func (t *table) get(id string) *conn {
	s := t.shard(id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.conns[id]
}

// put adds c under its ID and reports false if the ID is taken.
func (t *table) put(c *conn) bool {
	s := t.shard(c.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.conns[c.id]; taken {
		return false
	}
	s.conns[c.id] = c
	return true
}

func (t *table) remove(c *conn) {
	s := t.shard(c.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[c.id] == c {
		delete(s.conns, c.id)
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
