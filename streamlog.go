package wirepost

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"
)

// streamTopics begins the names of the topics that streams have for their logs, and for
// readers who have resumed. No client subscribes to one, sends to one or reads one, and
// no publish goes to one.
const streamTopics = "$stream/"

func streamTopic(id string) string { return streamTopics + id }

// isReserved reports whether a topic is the library's own.
func isReserved(topic string) bool { return strings.HasPrefix(topic, streamTopics) }

// checkReserved refuses a topic that is the library's own.
func checkReserved(to Audience) error {
	if to.Kind == KindTopic && isReserved(to.Name) {
		return invalidf("audience %q: topics whose names begin with %s are the library's own", clip(to.String()), streamTopics)
	}
	return nil
}

const (
	// streamTick is how often a kept stream appends, looks for a cancel and lists its
	// readers; with more than streamMany of them it lists every streamRarely ticks, and so
	// it does its audience, because who comes by that has to resume anyway.
	streamTick   = time.Second
	streamMany   = 200
	streamRarely = 5
	// streamLease is how old the newest entry gets while nothing is written.
	streamLease = 5 * time.Second
	// streamDead is the age of the newest entry from which the writer is thought dead, and
	// streamUnbegun that of a stream that was asked for and that nobody has begun: an
	// asynchronous event waits 60 s at most in our stacks.
	streamDead    = 15 * time.Second
	streamUnbegun = 75 * time.Second
	// streamEager is how much is appended before the tick.
	streamEager = 64 << 10
	// streamStoreTime bounds one call of the store, and streamStoreGone is after how long
	// without a store a kept stream ends.
	streamStoreTime = 5 * time.Second
	streamStoreGone = 30 * time.Second
	// streamSpare is by how much the entries of a stream are kept longer than Keep says:
	// as long as a stream may be for its first piece to be there until then.
	streamSpare = time.Hour
	// streamEntry is the size of an entry, as JSON.
	streamEntry = 30 << 10
)

// streamEntryFrame is an entry of a stream's log: a piece, which is the frame that
// readers get, or one of the others.
type streamEntryFrame struct {
	streamPieceFrame
	Asked  bool   `json:"asked,omitempty"`  // somebody asked for it, and it will begin
	Begin  string `json:"begin,omitempty"`  // the writer; whose is the first of these is it
	Lease  string `json:"lease,omitempty"`  // the writer lives
	Cancel bool   `json:"cancel,omitempty"` // a reader stops it

	// of asked and begin
	To      string `json:"to,omitempty"`
	User    string `json:"user,omitempty"`
	KeyHash string `json:"key,omitempty"`
}

// isPiece reports whether an entry has what readers get.
func (e streamEntryFrame) isPiece() bool {
	return e.Text != "" || len(e.Items) > 0 || e.End || e.Error != ""
}

func keyHash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// appendStream appends one entry.
func appendStream(ctx context.Context, l Log, topic string, keep time.Duration, e streamEntryFrame) (Position, error) {
	ctx, cancel := context.WithTimeout(ctx, streamStoreTime)
	defer cancel()
	e.Type, e.ID = "stream", strings.TrimPrefix(topic, streamTopics)
	data, err := encodeFrame(e)
	if err != nil {
		return Position{}, err
	}
	return l.Append(ctx, topic, []LogEntry{{Data: data, ID: rand.Text(), Keep: keep}}, nil)
}

// streamLog is the log of a stream as its writer sees it.
type streamLog struct {
	s      *Stream
	log    Log
	keep   time.Duration
	writer string // a random name

	appended streamPlace // what the log has for certain; s.mu guards it

	read       Position  // what the writer knows of the log
	lastAppend time.Time // when its newest entry was begun to be appended
	since      time.Time // when the store began to fail; zero if it does not

	ticks    int
	listed   int         // listings of those who have resumed that were begun; s.mu
	before   streamPlace // what had been appended before the last listing; s.mu
	audience map[string]bool
	resumed  map[string]bool
}

// keeps gives the stream its log, if it is to have one.
func (s *Stream) keeps() {
	l, ok := s.p.store.(Log)
	switch {
	case s.o.Keep < 0 || !ok && s.o.Keep == 0:
		return
	case !ok:
		s.end(streamNotKept(noLog), streamInternal)
		return
	}
	keep := s.o.Keep
	if keep == 0 {
		keep = DefaultStreamKeep
	}
	s.log = &streamLog{s: s, log: l, keep: keep + streamSpare, writer: rand.Text()}
}

// streamNotKept is the error of a stream that is to be kept in a store that has no log.
func streamNotKept(err error) error {
	return &Error{Problem: ProblemStreamNotKept, Detail: "the store has no log, and StreamOptions.Keep asks for one: leave Keep out, or use a store of this module", Err: err}
}

// begin appends who the writer is, and finds out whether it is. The stream has no log
// afterwards if the store has none.
func (l *streamLog) begin() error {
	s := l.s
	meta := streamEntryFrame{Begin: l.writer, To: s.to.String(), User: s.o.User, KeyHash: keyHash(s.o.Key)}
	err := l.persist(func() error {
		_, err := appendStream(s.work, l.log, s.topic, l.keep+24*time.Hour, meta)
		return err
	})
	if errors.Is(err, ErrNotSupported) && s.o.Keep == 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.log = nil
		return nil
	}
	l.lastAppend = time.Now()
	var first string
	if err == nil {
		err = l.persist(func() error {
			return l.readAll(func(e streamEntryFrame) {
				if first == "" {
					first = e.Begin
				}
			})
		})
	}
	switch {
	case errors.Is(err, ErrNotSupported):
		return streamNotKept(err)
	case err != nil:
		return &Error{Problem: ProblemStore, Detail: "the log of the stream could not be begun, and nothing was sent", Err: err}
	case first != l.writer:
		return ErrStreamTaken
	}
	return nil
}

// persist tries something of the store for 10 s.
func (l *streamLog) persist(try func() error) error {
	for end, attempt := time.Now().Add(10*time.Second), 0; ; attempt++ {
		err := try()
		if err == nil || errors.Is(err, ErrInvalid) || errors.Is(err, ErrNotSupported) || !time.Now().Before(end) ||
			!sleep(l.s.work, time.Duration(l.s.p.o.Random()*float64(100*time.Millisecond<<min(attempt, 4)))) {
			return err
		}
	}
}

// readAll reads what the writer does not know of the log yet, and ends the stream if
// there is a cancel.
func (l *streamLog) readAll(each func(streamEntryFrame)) error {
	for {
		ctx, cancel := context.WithTimeout(l.s.work, streamStoreTime)
		r, err := l.log.Read(ctx, l.s.topic, l.read, ReadLimit{Bytes: 1 << 20})
		cancel()
		if err != nil {
			return err
		}
		for _, m := range r.Messages {
			var e streamEntryFrame
			if json.Unmarshal(m.Data, &e) != nil {
				continue
			}
			if each != nil {
				each(e)
			}
			if e.Cancel {
				l.s.end(ErrStreamCancelled, streamCancelled)
			}
		}
		if l.read = r.UpTo; !r.More {
			return nil
		}
	}
}

// keepUp appends, looks for a cancel and lists the readers, in this order and each second,
// until the stream ends.
func (l *streamLog) keepUp() {
	s := l.s
	tick := time.NewTicker(streamTick)
	defer tick.Stop()
	for {
		s.mu.Lock()
		ended, changed := s.ended, s.changed
		eager := s.content.end.bytes-l.appended.bytes >= streamEager
		s.mu.Unlock()
		if ended {
			return
		}
		if eager && l.append(false) == nil {
			continue
		}
		select {
		case <-tick.C:
			l.tick()
		case <-changed:
			if eager && !sleep(s.work, 100*time.Millisecond) { // the append has failed
				return
			}
		case <-s.work.Done():
			return
		}
	}
}

func (l *streamLog) tick() {
	s := l.s
	err := errors.Join(l.append(false), l.readAll(nil), l.list(false)) // again at the next tick
	if err == nil {
		l.since = time.Time{}
	} else if l.since.IsZero() {
		l.since = time.Now()
	} else if time.Since(l.since) >= streamStoreGone {
		s.end(&Error{Problem: ProblemStore, Detail: "the stream could not be kept", Err: err}, streamInternal)
		return
	}
	s.mu.Lock()
	unread := s.o.Unread >= 0 && len(s.readers) == 0 && !s.alone.IsZero() && time.Since(s.alone) >= s.o.Unread
	s.mu.Unlock()
	if unread {
		s.end(ErrGone, streamUnread)
	}
}

// append appends what the log lacks, or a lease if it has got nothing for a while. With
// the end of the stream, whole says that this is all there will be.
//
// An append whose outcome is not known is simply made again: pieces say where they
// begin, and who reads them drops what he has.
func (l *streamLog) append(whole bool) error {
	s := l.s
	for {
		s.mu.Lock()
		entries, to, last := l.entries(whole)
		s.mu.Unlock()
		if len(entries) == 0 {
			break
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(s.work, streamStoreTime)
		at, err := l.log.Append(ctx, s.topic, entries, nil)
		cancel()
		if err != nil {
			return err
		}
		l.ownAt(at, len(entries))
		l.lastAppend = began
		s.mu.Lock()
		l.appended = to
		s.forget()
		s.makeRoom()
		s.mu.Unlock()
		if last {
			return nil
		}
	}
	if whole || time.Since(l.lastAppend) < streamLease {
		return nil
	}
	began := time.Now()
	at, err := appendStream(s.work, l.log, s.topic, l.keep, streamEntryFrame{Lease: l.writer})
	if err == nil {
		l.ownAt(at, 1)
		l.lastAppend = began
	}
	return err
}

// ownAt notes that entries of the writer's own are in the log. What is between them and
// what it has read is still to be read: it may be a cancel.
func (l *streamLog) ownAt(first Position, n int) {
	if first.Epoch == l.read.Epoch && first.Offset == l.read.Offset+1 {
		l.read.Offset += uint64(n)
	}
}

// entries are what one append has. The caller holds s.mu.
func (l *streamLog) entries(whole bool) (entries []LogEntry, to streamPlace, last bool) {
	to = l.appended
	for size := 0; len(entries) < MaxAppendEntries; {
		piece, next := l.s.content.take(to, streamEntry-streamOverhead)
		if whole {
			l.s.ending(&piece, next)
		}
		last = piece.End || piece.Error != ""
		if next == to && !last {
			break
		}
		data, err := piece.frame(l.s.o.ID)
		if err != nil || size > 0 && size+len(data) > MaxAppendBytes {
			return entries, to, false
		}
		size += len(data)
		entries = append(entries, LogEntry{Data: data, ID: rand.Text(), Keep: l.keep})
		to = next
		if last {
			break
		}
	}
	return entries, to, last
}

// needed is from where on a new reader or the log lacks something. The caller holds s.mu.
func (l *streamLog) needed() streamPlace {
	if l.before.bytes < l.appended.bytes {
		return l.before
	}
	return l.appended
}

// finish appends the rest and the end, and lists once more: who resumes after that listing
// began finds the end in the log.
func (l *streamLog) finish() {
	s := l.s
	err := l.persist(func() error { return l.append(true) })
	if err != nil {
		s.fail(&Error{Problem: ProblemStore, Detail: "the end of the stream could not be kept", Err: err})
	} else if err := l.persist(func() error { return l.list(true) }); err != nil {
		s.fail(&Error{Problem: ProblemStore, Detail: "the readers of the stream could not be listed at its end", Err: err})
	}
	s.reading.Wait()
	l.clean()
}

// clean removes the subscriptions of those who have resumed: nothing comes any more.
func (l *streamLog) clean() {
	ctx, cancel := context.WithTimeout(l.s.work, streamStoreTime)
	defer cancel()
	var all sync.WaitGroup
	places := make(chan struct{}, 8)
	for id := range l.resumed {
		places <- struct{}{}
		all.Go(func() {
			defer l.s.catch()
			defer func() { <-places }()
			_ = l.s.p.store.Unsubscribe(ctx, id, l.s.topic) // it ends with its connection
		})
	}
	all.Wait()
}
