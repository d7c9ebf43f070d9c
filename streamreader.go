package wirepost

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/internal/management"
)

// streamReader is a connection that gets a stream. Its goroutine makes its posts, one
// after the other.
type streamReader struct {
	s   *Stream
	row Listed
	to  Audience // the listing that showed it

	place   streamPlace // what is before it was taken; s.mu guards it
	notice  string      // s.mu: a code that it gets in the place of everything else
	next    time.Time   // when its next post may start
	failing time.Time   // when it began not to take anything; zero if it takes
	err     error       // of the last post
	told    bool        // it has the end
	removed bool        // s.mu: it is no reader any more, and may be one again
	open    atomic.Bool // its $connect has returned: a 410 says that it has ended
	ctx     *management.Context
}

// pastReader is a connection that gets no more of a stream.
type pastReader struct {
	// returns says that it is a reader again if a listing of those who have resumed shows
	// it that began after so many others.
	returns bool
	after   int
}

// streamCompare is after how many bytes readers are compared: often enough for bounds
// that are much larger, and not at each post.
const streamCompare = 8 << 10

// streamPause is how long a reader whose post has failed waits for the next one, at most.
const streamPause = time.Second

// join makes a connection a reader from a place on. The caller holds mu.
func (s *Stream) join(l Listed, to Audience, from streamPlace) {
	r := &streamReader{s: s, row: l, to: to, place: from}
	r.open.Store(l.ID == s.o.sender)
	s.readers[l.ID] = r
	s.alone, s.fast = time.Time{}, max(s.fast, from.bytes)
	s.reading.Go(func() { // ends with the stream
		defer s.catch()
		r.run()
	})
}

// run posts what there is until the reader has the end, or has left.
func (r *streamReader) run() {
	s := r.s
	past := pastReader{}
	defer func() { s.leave(r, past) }()
	r.ctx = management.NewContext(s.work)
	defer func() { r.ctx.Close() }()
	for {
		if s.work.Err() != nil || !sleep(s.work, time.Until(r.next)) || !r.wait() {
			return
		}
		if r.isSlow() {
			past = s.unsubscribe(r)
		}
		out, sent := r.post()
		switch gone := errors.Is(out.Err, ErrGone); {
		case r.told:
			if past.returns {
				past.after = s.listings()
			}
			r.logNotice()
			return
		case sent:
			continue
		case gone && !isYoung(out):
			return
		case !gone && s.o.Frame != nil && !certainlyNot(out.Err):
			return // it may have it, and cannot drop it if it comes again
		case gone && r.open.Load(), r.hasStalled():
			if past = s.unsubscribe(r); past.returns {
				past.after = s.listings()
			}
			return
		}
		r.next = time.Now().Add(time.Duration((0.5 + s.p.o.Random()/2) * float64(streamPause)))
	}
}

// wait waits until there is something to post, and reports false if there never will be.
func (r *streamReader) wait() bool {
	s := r.s
	for {
		s.mu.Lock()
		ready := s.ended || r.notice != "" || s.content.end.at > r.place.at
		changed, removed := s.changed, r.removed
		s.mu.Unlock()
		if ready || removed {
			return !removed
		}
		select {
		case <-changed:
		case <-s.work.Done():
			return false
		}
	}
}

func (r *streamReader) isSlow() bool {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.notice == streamSlow
}

// logNotice says why a reader was told that it gets no more, if it was.
func (r *streamReader) logNotice() {
	s := r.s
	s.mu.Lock()
	notice := r.notice
	s.mu.Unlock()
	if problem := map[string]Problem{streamSlow: ProblemStreamSlow, streamExpired: ProblemStreamExpired}[notice]; problem != "" {
		s.p.o.Logger.Info("a reader of a stream gets no more until it resumes", "problem", string(problem), "fix", problem.Fix(), "stream", s.o.ID, "connectionId", r.row.ID)
	}
}

// post posts the next piece when its turn has come: what is written until then is in it.
func (r *streamReader) post() (out Outcome, sent bool) {
	s, p := r.s, r.s.p
	if !p.inTurn(s.work, r.row.Endpoint) || !r.enterUntil(s.work) {
		return Outcome{Err: s.work.Err()}, false
	}
	defer r.leave()
	now := time.Now()
	if s.o.PerSecond > 0 {
		r.next = now.Add(time.Duration(float64(time.Second) / s.o.PerSecond))
	}
	piece, to := s.cut(r)
	last := piece.End || piece.Error != ""
	frame, err := s.frame(piece)
	if err != nil {
		s.abort(err)
		r.told = true
		return Outcome{Err: err}, false
	}
	stop := time.Time{}
	if !r.failing.IsZero() {
		stop = r.failing.Add(s.o.StallTimeout)
	}
	if frame != nil {
		_, out = p.deliver(r.ctx, r.to, r.row, request{Request: management.Post(frame), repeatable: s.o.Frame == nil}, stop, r)
		if !r.ctx.End() { // with this post
			r.ctx.Close()
			r.ctx = management.NewContext(s.work)
		}
		if out.Err == nil {
			r.open.Store(true)
		}
	}
	if r.err = out.Err; out.Err != nil {
		if r.failing.IsZero() {
			r.failing = now
		}
		return out, false
	}
	r.failing, r.told = time.Time{}, last
	s.took(r, to)
	return out, true
}

// cut is what a reader lacks, as much of it as one frame has.
func (s *Stream) cut(r *streamReader) (StreamPiece, streamPlace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.notice != "" {
		return StreamPiece{At: r.place.at, Error: r.notice}, r.place
	}
	piece, to := s.content.take(r.place, streamFrame-streamOverhead)
	s.ending(&piece, to)
	return piece, to
}

// ending marks the last piece of a stream. The caller holds mu.
func (s *Stream) ending(piece *StreamPiece, to streamPlace) {
	if s.ended && to == s.content.end {
		piece.End, piece.Error = s.code == "", s.code
	}
}

func (s *Stream) frame(piece StreamPiece) ([]byte, error) {
	if s.o.Frame == nil {
		return piece.frame(s.o.ID)
	}
	frame, err := s.o.Frame(piece)
	if err == nil && frame != nil {
		err = CheckMessage(frame)
	}
	if err != nil {
		return nil, fmt.Errorf("make the frame at %d by StreamOptions.Frame: %w", piece.At, err)
	}
	return frame, nil
}

// took notes how far a reader is, and who is too slow for the fastest.
func (s *Stream) took(r *streamReader, to streamPlace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.place = to
	if to.bytes > s.fast {
		s.fast = to.bytes
	}
	if s.fast-s.compared >= streamCompare {
		s.compared = s.fast
		for _, other := range s.readers {
			if s.fast-other.place.bytes > streamAhead && other.notice == "" {
				other.notice = streamSlow
				s.change()
			}
		}
	}
	s.forget()
	s.makeRoom()
}

// forget drops what nobody lacks. The caller holds mu.
func (s *Stream) forget() {
	if s.content.end.bytes-s.content.base.bytes < streamCompare {
		return
	}
	least := s.content.end
	if s.log != nil {
		least = s.log.needed()
	}
	for _, r := range s.readers {
		if r.notice == "" && r.place.bytes < least.bytes {
			least = r.place
		}
	}
	s.content.drop(least)
}

// hasStalled reports whether a reader has taken nothing for so long that it counts as
// having left.
func (r *streamReader) hasStalled() bool {
	return !r.failing.IsZero() && time.Since(r.failing) >= r.s.o.StallTimeout || r.s.work.Err() != nil
}

// isYoung reports whether a connection that answered 410 may be one whose $connect still
// runs, as in [Publisher.Publish], by its age.
//
// One that has taken a post of the stream or sent a message is none: API Gateway has a
// connection for posts and for messages when its $connect has returned (AWS, re:Post,
// "410 GoneException"). Its 410 ends it at once, whatever its age, because a function that
// closes a stream is paid for while it waits. That no live connection ever answers 410
// then is UNCERTAIN: one user has reported it. So the reader may resume.
func isYoung(out Outcome) bool { return out.Kept == KeptTooYoung || out.Kept == KeptNoDate }

// certainlyNot reports whether a post was not delivered, for certain.
func certainlyNot(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.NotDelivered()
}

// unsubscribe removes a reader from those who have resumed, so that a later listing shows
// it only if it resumes again.
func (s *Stream) unsubscribe(r *streamReader) pastReader {
	if s.log == nil || s.p.store.Unsubscribe(s.work, r.row.ID, s.topic) != nil {
		return pastReader{}
	}
	return pastReader{returns: true}
}

// leave removes a reader. A stream that is not kept ends with its last one.
func (s *Stream) leave(r *streamReader, past pastReader) {
	s.mu.Lock()
	delete(s.readers, r.row.ID)
	if s.past[r.row.ID] = past; r.removed {
		delete(s.past, r.row.ID)
	}
	none := len(s.readers) == 0
	if none {
		s.alone = time.Now()
	}
	s.fast = 0
	for _, other := range s.readers {
		s.fast = max(s.fast, other.place.bytes)
	}
	s.compared = min(s.compared, s.fast)
	s.forget()
	s.makeRoom()
	hasEnd := r.told && r.notice == ""
	s.mu.Unlock()
	if none && s.log == nil && !hasEnd {
		err := ErrGone
		if r.err != nil && !errors.Is(r.err, ErrGone) {
			err = fmt.Errorf("%w: the last reader took nothing: %w", ErrGone, r.err)
		}
		s.end(err, streamUnread)
		s.fail(err)
	}
}

// leaveNobody ends a stream that is not kept and that has no reader.
func (s *Stream) leaveNobody() {
	s.mu.Lock()
	none := len(s.readers) == 0 && len(s.past) == 0
	s.mu.Unlock()
	if none {
		s.end(ErrGone, streamUnread)
		s.fail(ErrGone)
	}
}

// leave and enter implement places: those of all streams of the publisher.
func (r *streamReader) leave() { <-r.s.p.streams }
func (r *streamReader) enter() { r.s.p.streams <- struct{}{} } // posts in flight end by their deadlines

func (r *streamReader) enterUntil(ctx context.Context) bool {
	select {
	case r.s.p.streams <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}
