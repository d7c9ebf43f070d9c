package wirepost

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
)

// memLog is the log of one topic: its epochs, the newest last.
type memLog []*memEpoch

// forgotten stands before the epochs of a log some of which are not kept any more.
var forgotten = &memEpoch{}

type memEpoch struct {
	name     string
	head     uint64
	messages []LogMessage // those that have not been removed, in order
}

// maxMemEpochs is how many epochs of a topic are kept; a position of an older one is
// an unknown one.
const maxMemEpochs = 8

// Append implements [Log].
func (s *MemStore) Append(ctx context.Context, topic string, entries []LogEntry, o *AppendOptions) (Position, error) {
	if err := cmp.Or(ctx.Err(), ValidateAppend(topic, entries)); err != nil {
		return Position{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.logs[topic]
	if o != nil && o.At != nil && *o.At != log.head() {
		return Position{}, fmt.Errorf("append to topic %s at %s: it ends at %s: %w", topic, *o.At, log.head(), ErrMoved)
	}
	if len(log) == 0 {
		log = memLog{{name: newEpoch()}}
		if s.logs == nil {
			s.logs = map[string]memLog{}
		}
		if isReserved(topic) {
			s.forgetStreams()
		}
		s.logs[topic] = log
	}
	now := milliseconds(s.now())
	e := log[len(log)-1]
	e.purge(now.UnixMilli())
	for _, entry := range entries {
		e.head++
		e.messages = append(e.messages, LogMessage{Position{e.name, e.head}, slices.Clone(entry.Data), entry.ID, now, milliseconds(now.Add(entry.Keep))})
	}
	return Position{e.name, e.head - uint64(len(entries)) + 1}, nil
}

// forgetStreams removes the logs of streams whose time is over: nobody appends to them,
// which is when others are purged. It looks once in so many streams that looking costs
// each of them little. The caller holds mu.
func (s *MemStore) forgetStreams() {
	if s.streams++; s.streams < 64+len(s.logs)/2 {
		return
	}
	s.streams = 0
	now := s.now().UnixMilli()
	for topic, log := range s.logs {
		if isReserved(topic) {
			e := log[len(log)-1]
			if e.purge(now); len(e.messages) == 0 {
				delete(s.logs, topic)
			}
		}
	}
}

// Read implements [Log].
func (s *MemStore) Read(ctx context.Context, topic string, after Position, limit ReadLimit) (Replay, error) {
	if err := cmp.Or(ctx.Err(), ValidateName(topic), after.Validate()); err != nil {
		return Replay{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.logs[topic].read(after, limit.OrDefault(), s.now().UnixMilli()), nil
}

// Head implements [Log].
func (s *MemStore) Head(ctx context.Context, topic string) (Position, error) {
	if err := cmp.Or(ctx.Err(), ValidateName(topic)); err != nil {
		return Position{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.logs[topic].head(), nil
}

// Restart implements [Log].
func (s *MemStore) Restart(ctx context.Context, topic string) (Position, error) {
	if err := cmp.Or(ctx.Err(), ValidateName(topic)); err != nil {
		return Position{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.logs[topic]
	if len(log) == 0 {
		return Position{}, nil
	}
	if log = append(log, &memEpoch{name: newEpoch()}); len(log) > maxMemEpochs {
		log = append(memLog{forgotten}, log[2:]...)
	}
	s.logs[topic] = log
	return log.head(), nil
}

// newEpoch is a name that no epoch has had.
func newEpoch() string { return strings.ToLower(rand.Text()[:16]) }

// head is the last position of the newest epoch.
func (l memLog) head() Position {
	if len(l) == 0 {
		return Position{}
	}
	e := l[len(l)-1]
	return Position{e.name, e.head}
}

// read is what is behind a position at a time, in milliseconds.
func (l memLog) read(after Position, limit ReadLimit, now int64) Replay {
	if len(l) == 0 {
		r := Replay{}
		if after.Epoch != "" {
			r.Gaps = []Offsets{{}}
		}
		return r
	}
	var r Replay
	if l[0] == forgotten {
		l = l[1:]
		if after.Epoch == "" {
			r.Gaps = []Offsets{{}}
		}
	}
	i := slices.IndexFunc(l, func(e *memEpoch) bool { return e.name == after.Epoch })
	switch {
	case after.Epoch == "": // before everything
		i = 0
	case i < 0:
		i, after.Offset, r.Gaps = 0, 0, []Offsets{{}}
	case after.Offset > l[i].head:
		after.Offset = l[i].head
	}
	for i < len(l)-1 && after.Offset == l[i].head { // nobody knows what was behind it
		i, after.Offset, r.Gaps = i+1, 0, []Offsets{{}}
	}
	l[i].read(&r, after.Offset, limit, now)
	r.More = r.UpTo.Offset < r.Head.Offset || i < len(l)-1
	return r
}

// read adds what an epoch has behind an offset.
func (e *memEpoch) read(r *Replay, after uint64, limit ReadLimit, now int64) {
	r.Head = Position{e.name, e.head}
	upTo, size := after, 0
	full := false
	for _, m := range e.messages {
		if m.Offset <= after || now >= m.End.UnixMilli() {
			continue
		}
		if size += len(m.Data); len(r.Messages) > 0 && (len(r.Messages) == limit.Messages || size > limit.Bytes) {
			full = true
			break
		}
		r.lose(upTo+1, m.Offset-1)
		m.Data = slices.Clone(m.Data)
		r.Messages = append(r.Messages, m)
		upTo = m.Offset
	}
	if !full {
		r.lose(upTo+1, e.head)
		upTo = e.head
	}
	r.UpTo = Position{e.name, upTo}
}

// lose adds a range to the gaps, if there is anything in it.
func (r *Replay) lose(from, to uint64) {
	if from <= to {
		r.Gaps = append(r.Gaps, Offsets{from, to})
	}
}

// purge removes messages at the beginning that have expired.
func (e *memEpoch) purge(now int64) {
	n := slices.IndexFunc(e.messages, func(m LogMessage) bool { return now < m.End.UnixMilli() })
	if n < 0 {
		n = len(e.messages)
	}
	e.messages = slices.Delete(e.messages, 0, n)
}
