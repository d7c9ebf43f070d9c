package eventsource

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"
)

// shardRun reads one shard.
type shardRun struct {
	*streamRun
	id       string
	iterator string // empty if one has to be asked for

	read    string    // the sequence number of the last record that was read
	pending []*change // read, and not yet given
	bytes   int
	first   time.Time // when the first of them was read
}

// run reads the shard until it ends or ctx does, and keeps the position.
func (s *shardRun) run(ctx context.Context) {
	at, _ := s.positions.of(s.id)
	s.read = at.After
	pause := pollPause
	for ctx.Err() == nil {
		got, ended, err := s.next(ctx)
		if err != nil {
			if ctx.Err() != nil || !sleep(ctx, s.reach.failed(err)) {
				return
			}
			continue
		}
		if !s.take(ctx, got, ended) {
			return
		}
		if ended {
			s.save(s.positions.set(s.id, shardPosition{After: s.read, Ended: true}))
			return
		}
		if pause = min(2*pause, maxPause); len(got) > 0 {
			pause = pollPause
		}
		if len(got) < maxRecords && !sleep(ctx, pause) {
			return
		}
	}
}

// next reads the next records. An iterator that has expired is replaced, and where
// records were trimmed before they were read it goes on with the oldest.
func (s *shardRun) next(ctx context.Context) (got []*change, ended bool, err error) {
	if s.iterator == "" {
		s.iterator, err = s.Server.iterator(ctx, s.arn, s.id, s.read)
	}
	if err == nil {
		got, s.iterator, err = s.Server.records(ctx, s.iterator)
	}
	switch {
	case err == nil:
		s.reach.worked()
		return got, s.iterator == "", nil
	case isTrimmed(err):
		s.once.say(s.Notice, "trimmed", "records of the stream of table %s were removed before they were read: it goes on with the oldest that is there", s.Table)
		s.iterator, s.read = "", ""
		return nil, false, nil
	case codeOf(err) == "ExpiredIteratorException":
		s.iterator = ""
		return nil, false, nil
	}
	s.iterator = "" // it may have been used
	return nil, false, err
}

// take gathers records, and gives each batch that is complete to the function. It
// reports false if ctx has ended before a batch was done.
func (s *shardRun) take(ctx context.Context, got []*change, ended bool) bool {
	for _, c := range got {
		c.complete(s.Region, s.eventARN)
		if s.fits(c) {
			if len(s.pending) > 0 && s.bytes+len(c.record)+100 > maxPayload && !s.flush(ctx) {
				return false
			}
			if len(s.pending) == 0 {
				s.first = time.Now()
			}
			s.pending, s.bytes = append(s.pending, c), s.bytes+len(c.record)+1
		}
		s.read = c.Change.SequenceNumber
		if len(s.pending) >= s.size && !s.flush(ctx) {
			return false
		}
	}
	if len(s.pending) > 0 && (ended || time.Since(s.first) >= s.Batch.Window) {
		return s.flush(ctx)
	}
	if len(got) > 0 && len(s.pending) == 0 { // also if none of them fits a filter
		s.keep(s.read)
	}
	return true
}

func (s *shardRun) keep(after string) {
	s.save(s.positions.set(s.id, shardPosition{After: after}))
}

// flush has the pending records handled.
func (s *shardRun) flush(ctx context.Context) bool {
	batch := s.pending
	s.pending, s.bytes = nil, 0
	parts := []*part{{records: batch}}
	for len(parts) > 0 {
		p := parts[0]
		if s.dropOld(p); len(p.records) == 0 {
			parts = parts[1:]
			continue
		}
		halves, ok := s.attempt(ctx, p)
		if !ok {
			return false
		}
		parts = append(halves, parts[1:]...)
	}
	return true
}

// part is a part of a batch: all of it, until it fails.
type part struct {
	records []*change
	tries   int // attempts that have failed
	waits   int // attempts that have not begun
}

// attempt gives a part to the function once, and returns what is left of it to do. It
// reports false if ctx has ended meanwhile.
func (s *shardRun) attempt(ctx context.Context, p *part) (left []*part, ok bool) {
	records := make([]json.RawMessage, len(p.records))
	for i, c := range p.records {
		records[i] = c.record
	}
	answer, err := s.Function.Invoke(s.late, eventOf(records))
	if err == nil {
		var n int
		if n, err = s.succeeded(p, answer); n > 0 {
			s.keep(p.records[n-1].Change.SequenceNumber)
			p.records, p.tries = p.records[n:], 0
		}
		if len(p.records) == 0 {
			return nil, ctx.Err() == nil
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil, false
	case errors.Is(err, ErrNoPlace):
		p.waits++
		return []*part{p}, sleep(ctx, backoff(p.waits, s.reach.rand))
	case err != nil && s.Batch.Bisect && len(p.records) > 1: // which counts as no attempt
		half := (len(p.records) + 1) / 2
		return []*part{{records: p.records[:half], tries: p.tries}, {records: p.records[half:], tries: p.tries}}, true
	}
	p.tries++
	if s.Batch.Retries != nil && *s.Batch.Retries >= 0 && p.tries > *s.Batch.Retries {
		s.giveUp(p.records, "the function has failed "+times(p.tries))
		return nil, true
	}
	s.tellBlocked(p)
	return []*part{p}, sleep(ctx, backoff(p.tries, s.reach.rand))
}

// succeeded is how many records of a part are done by an answer. With Partial those
// before the first that the function reports; an answer that is wrong is an error.
func (s *shardRun) succeeded(p *part, answer []byte) (int, error) {
	if !s.Batch.Partial {
		return len(p.records), nil
	}
	index := map[string]int{}
	for i, c := range p.records {
		index[c.Change.SequenceNumber] = i
	}
	ids, err := failedItems(answer, func(id string) bool { _, known := index[id]; return known })
	if err != nil {
		s.once.say(s.Notice, "answer", "the function of stream %s has answered a batch so that all of it counts as failed: %v", s.Name, err)
		return 0, err
	}
	n := len(p.records)
	for _, id := range ids {
		n = min(n, index[id])
	}
	return n, nil
}

// tellBlocked says once that a shard waits for a batch that fails.
func (s *shardRun) tellBlocked(p *part) {
	if s.Batch.Retries != nil && *s.Batch.Retries >= 0 || s.Batch.MaxAge != nil && *s.Batch.MaxAge >= 0 {
		return
	}
	s.once.say(s.Notice, "blocked", "the function of stream %s has failed with a batch of %d records from sequence number %s; as on AWS it is tried again until they are 24 h old, and what comes after them waits: "+
		"MaximumRetryAttempts, MaximumRecordAgeInSeconds, BisectBatchOnFunctionError and ReportBatchItemFailures of the source change that", s.Name, len(p.records), p.records[0].Change.SequenceNumber)
}

// dropOld gives up records that are too old.
func (s *shardRun) dropOld(p *part) {
	limit := retention
	if s.Batch.MaxAge != nil && *s.Batch.MaxAge >= 0 {
		limit = min(limit, *s.Batch.MaxAge)
	}
	n := slices.IndexFunc(p.records, func(c *change) bool { return c.age() <= limit })
	if n < 0 {
		n = len(p.records)
	}
	if n > 0 {
		s.giveUp(p.records[:n], "they are older than "+limit.String())
		p.records, p.tries = p.records[n:], 0
	}
}

// giveUp goes on after records that were not handled.
func (s *shardRun) giveUp(records []*change, why string) {
	more := ""
	if s.Batch.OnFailure != "" {
		more = "; on AWS " + s.Batch.OnFailure + " would get word of them"
	}
	s.once.say(s.Notice, "given up", "%d records of stream %s from sequence number %s are given up, as %s%s; later ones are not reported", len(records), s.Name, records[0].Change.SequenceNumber, why, more)
	s.keep(records[len(records)-1].Change.SequenceNumber)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}
