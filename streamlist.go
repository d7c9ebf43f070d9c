package wirepost

import (
	"context"
	"errors"
	"os"
	"time"
)

// list finds the readers of a stream that is not kept, once.
func (s *Stream) list(first bool) error {
	if s.log != nil {
		return s.log.list(first)
	}
	rows, err := collect(s.work, s.p.store, s.to)
	if err != nil {
		return err
	}
	if len(rows) == 0 && s.to.Kind == KindConnection && endpointOverride(s.p.o.Endpoint, os.Getenv) != "" {
		rows, s.rowless = []Listed{{ID: s.to.Name}}, true // as in Publish
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range rows {
		s.join(l, s.to, streamPlace{})
	}
	return nil
}

// collect is a whole listing.
func collect(ctx context.Context, store Store, to Audience) (rows []Listed, err error) {
	ctx, cancel := context.WithTimeout(ctx, streamStoreTime)
	defer cancel()
	for l, err := range store.Connections(ctx, to, ListOptions{}) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, l)
	}
	return rows, nil
}

// watch ends a stream that is not kept for readers whose tokens end, or who leave its
// audience, until it ends itself.
func (s *Stream) watch() {
	tick := time.NewTicker(streamTick * streamRarely)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.over:
			return
		}
		if rows, err := collect(s.work, s.p.store, s.to); err == nil && !s.rowless { // else at the next tick
			listed := idsOf(rows)
			s.depart(func(id string) bool { return listed[id] })
		}
	}
}

// listings is how many listings of those who have resumed were begun.
func (s *Stream) listings() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log == nil {
		return 0
	}
	return s.log.listed
}

// list finds the readers of a kept stream: its audience, and those who have resumed.
//
// One that is shown for the first time gets what comes behind what had been appended
// before the listing before this one. It was written after that listing began, and read
// the log after that: so it has all that was appended then.
func (l *streamLog) list(always bool) error {
	s := l.s
	s.mu.Lock()
	many := len(s.readers) > streamMany
	appended := l.appended
	rarely := always || l.ticks%streamRarely == 0
	l.ticks++
	if many && !rarely {
		s.mu.Unlock()
		return nil
	}
	l.listed++
	number := l.listed
	s.mu.Unlock()

	audience, own, err := []Listed(nil), rarely, error(nil)
	if rarely {
		if audience, err = collect(s.work, s.p.store, s.to); err != nil {
			return err
		}
	}
	resumed, err := collect(s.work, s.p.store, ToTopic(s.topic))
	if err != nil {
		return err
	}
	if own {
		l.audience = idsOf(audience)
	}
	l.resumed = idsOf(resumed)
	l.arrive(audience, resumed, number)
	s.mu.Lock()
	l.before = appended
	s.mu.Unlock()
	s.depart(func(id string) bool { return l.audience[id] || l.resumed[id] })
	return nil
}

func idsOf(rows []Listed) map[string]bool {
	ids := make(map[string]bool, len(rows))
	for _, r := range rows {
		ids[r.ID] = true
	}
	return ids
}

// arrive makes readers of those who are shown for the first time.
func (l *streamLog) arrive(audience, resumed []Listed, number int) {
	s := l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range audience {
		if _, past := s.past[r.ID]; !past && s.readers[r.ID] == nil {
			s.join(r, s.to, l.before)
		}
	}
	for _, r := range resumed {
		past, was := s.past[r.ID]
		if s.readers[r.ID] == nil && (!was || past.returns && number > past.after) {
			delete(s.past, r.ID)
			s.join(r, ToTopic(s.topic), l.before)
		}
		if reader := s.readers[r.ID]; reader != nil {
			reader.open.Store(true) // it has sent a resume
		}
	}
	if len(s.readers) == 0 && s.alone.IsZero() {
		s.alone = time.Now()
	}
}

// depart ends the stream for readers who are listed no more: one whose row has ended is
// told, and one that has left the topic is not.
func (s *Stream) depart(isListed func(id string) bool) {
	var absent []string
	s.mu.Lock()
	for id, r := range s.readers {
		if !isListed(id) && r.notice == "" {
			absent = append(absent, id)
		}
	}
	s.mu.Unlock()
	for _, id := range absent {
		ctx, cancel := context.WithTimeout(s.work, streamStoreTime)
		_, err := s.p.store.Connection(ctx, id)
		cancel()
		s.mu.Lock()
		if r := s.readers[id]; r != nil {
			switch {
			case errors.Is(err, ErrNotFound):
				r.notice = streamExpired
			case err == nil:
				r.removed = true
			}
			s.change()
		}
		s.mu.Unlock()
	}
}
