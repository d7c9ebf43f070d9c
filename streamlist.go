package wirepost

import (
	"context"
	"errors"
	"time"
)

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
	l.depart()
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
	}
	if len(s.readers) == 0 && s.alone.IsZero() {
		s.alone = time.Now()
	}
}

// depart ends the stream for readers who are listed no more: one whose row has ended is
// told, and one that has left the topic is not.
func (l *streamLog) depart() {
	s := l.s
	var absent []string
	s.mu.Lock()
	for id, r := range s.readers {
		if !l.audience[id] && !l.resumed[id] && r.notice == "" {
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
