package wirepost

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Errors of a [Stream]. ErrGone says that its last reader has left.
var (
	// ErrStreamEnded is the error of what is written to a stream that was closed.
	ErrStreamEnded = errors.New("wirepost: the stream has ended")
	// ErrStreamCancelled says that a reader has stopped the stream.
	ErrStreamCancelled = errors.New("wirepost: the stream was cancelled by its reader")
	// ErrStreamTaken says that another writer began a stream of this ID before. Nothing
	// was posted.
	ErrStreamTaken = errors.New("wirepost: another writer has begun this stream before")
)

// Codes with which the library ends streams; docs/protocol.md has what they mean.
const (
	streamInternal  = "internal"
	streamCancelled = "cancelled"
	streamUnread    = "unread"
	streamTimeout   = "timeout"
	streamSlow      = "slow"
	streamExpired   = "expired"
	streamLost      = "lost"
)

const (
	// streamAhead is how many bytes a writer may be ahead of the fastest reader and of the
	// log, and the fastest reader of the others.
	streamAhead = 256 << 10
	// streamHeld is how many bytes a kept stream holds for readers that its next listing
	// may show.
	streamHeld = 4 << 20
	// streamClosing is how long a stream that ends with its context may take to tell it.
	streamClosing = 5 * time.Second
	// streamMargin is kept of the context's time for the same.
	streamMargin = 2 * time.Second
)

// Stream is an answer that comes in pieces: text, by Write, or JSON values, by Send. The
// first call decides which. [Publisher.Stream] makes one.
//
// Each reader has at most one post in flight; what is written meanwhile is joined into
// the next one, up to 32 KB as it is sent. So each reader gets everything once and in
// order, as fast as its posts are answered. Text is never cut inside a character, a
// grapheme may be.
//
// Its methods may be called concurrently; each Write and each Send is one piece then.
type Stream struct {
	p     *Publisher
	to    Audience
	o     StreamOptions
	topic string // reserved, of the log and of readers who have resumed

	ctx    context.Context // the caller's work: Context
	cancel context.CancelCauseFunc
	work   context.Context // that of posts and of the store: it lasts until the end was told
	stop   context.CancelFunc
	done   chan struct{} // closed when all has ended

	writing sync.Mutex // held by a Write or Send
	half    []byte     // the beginning of a character; of who holds writing, or of who ends the stream

	mu       sync.Mutex
	changed  chan struct{} // closed at the next change of what a reader waits for
	room     chan struct{} // closed when there may be room for a Write; nil if none waits
	text     bool          // the first call was Write
	items    bool          // it was Send
	content  streamContent
	ended    bool
	over     chan struct{} // closed then
	code     string        // of the end; empty for one by Close
	failure  error         // what Close returns
	panicked *goroutinePanic
	readers  map[string]*streamReader // by connection ID
	past     map[string]pastReader
	fast     int64          // how many bytes the fastest reader has taken
	compared int64          // how far that was when the slow were looked for
	reading  sync.WaitGroup // of their goroutines
	alone    time.Time      // since when there has been no reader; zero if there is one
	rowless  bool           // its one reader is not in the store

	began   chan struct{} // closed when it is known who the writer is
	decided func()        // closes it
	log     *streamLog    // nil: not kept
}

// Stream begins a stream to an audience. It returns at once; what is wrong with the
// audience or the options is the error of the first Write and of Close.
//
// Posts of streams take their turn in the pace of their stage and in
// [PublisherOptions].MaxPerSecond, and places among Concurrency posts in flight of all
// streams of a publisher; what is written meanwhile is joined.
//
// The stream ends with Close, with CloseWithError, or when its Context ends. One of them
// has to come: until then it has goroutines. Before the deadline of ctx, 2 s or a quarter
// of the time there is, it ends by itself, with the code "timeout", so that its readers
// are told.
func (p *Publisher) Stream(ctx context.Context, to Audience, o *StreamOptions) *Stream {
	p.made("wirepost: Publisher.Stream")
	if o == nil {
		o = &StreamOptions{}
	}
	err := cmp.Or(to.Validate(), checkReserved(to), o.Validate())
	s := &Stream{p: p, to: to, o: o.withDefaults(), done: make(chan struct{}), began: make(chan struct{}), changed: make(chan struct{}), over: make(chan struct{}),
		readers: map[string]*streamReader{}, past: map[string]pastReader{}}
	s.topic = streamTopic(s.o.ID)
	s.decided = sync.OnceFunc(func() { close(s.began) })
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.work, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err != nil {
		s.end(err, streamInternal)
		s.close()
		return s
	}
	s.keeps()
	go s.run(ctx) // ends with the stream
	return s
}

// ID is the name of the stream.
func (s *Stream) ID() string { return s.o.ID }

// Key is the secret by which an asker without a user may resume and cancel the stream:
// [StreamOptions].Key, or the random one. Give it to nobody else.
func (s *Stream) Key() string { return s.o.Key }

// Context ends when nothing more needs to be written: with [ErrGone] as its cause when the
// last reader has left, with [ErrStreamCancelled] when a reader has stopped the stream,
// with [ErrStreamTaken], or with that of the context that was given. Work that makes the
// pieces, such as a call to a model, takes this one.
func (s *Stream) Context() context.Context { return s.ctx }

// Write adds text in UTF-8. A character may come in two calls. It blocks while the fastest
// reader is 256 KB behind, or the log is. The error is the cause of Context if that has
// ended, and an [ErrInvalid] for what is not UTF-8: n bytes before that were taken.
func (s *Stream) Write(b []byte) (n int, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.decide(&s.text, &s.items, "Write", "Send"); err != nil {
		return 0, err
	}
	before := len(s.half)
	whole, half, bad := wholeCharacters(append(s.half, b...))
	s.half = nil
	for len(whole) > 0 {
		part := whole
		if len(part) > streamFrame {
			for part = whole[:streamFrame]; !utf8.RuneStart(whole[len(part)]); {
				part = part[:len(part)-1]
			}
		}
		if err := s.add(func() { s.content.addText(part) }); err != nil {
			return max(n-before, 0), err
		}
		n += len(part)
		whole = whole[len(part):]
	}
	n = max(n-before, 0)
	if bad != nil {
		return n, invalidf("write to stream %s: byte %d of the text is not UTF-8; what was before it is sent", s.o.ID, n)
	}
	s.half = bytes.Clone(half)
	return len(b), nil
}

// Send adds a value, encoded as JSON, and blocks as Write does. The error is an
// [ErrInvalid] if the value cannot be encoded, has more than 119 KB as JSON, or follows a
// Write. It is [ErrStreamEnded] or the cause of Context if the stream has ended.
func (s *Stream) Send(value any) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	item, err := encodeFrame(value)
	switch {
	case err != nil:
		return invalidf("send to stream %s: the value cannot be encoded as JSON: %s", s.o.ID, jsonFault(err))
	case !utf8.Valid(item):
		return invalidf("send to stream %s: the value is not UTF-8", s.o.ID)
	case len(item) > maxStreamItem:
		return invalidf("send to stream %s: the value has %d bytes as JSON, %d at most are allowed; a larger one has to be sent in parts", s.o.ID, len(item), maxStreamItem)
	}
	if err := s.decide(&s.items, &s.text, "Send", "Write"); err != nil {
		return err
	}
	return s.add(func() { s.content.addItem(item) })
}

// decide says of which kind the stream is, at the first call.
func (s *Stream) decide(own, other *bool, name, otherName string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if *other {
		return invalidf("stream %s: %s after %s; a stream has text or values, not both", s.o.ID, name, otherName)
	}
	if s.ended {
		return s.endedErr()
	}
	*own = true
	return nil
}

// endedErr is the error of what comes after the end. The caller holds mu.
func (s *Stream) endedErr() error {
	if s.failure != nil {
		return s.failure
	}
	return fmt.Errorf("write to stream %s: %w", s.o.ID, ErrStreamEnded)
}

// add adds a piece when there is room.
func (s *Stream) add(piece func()) error {
	s.mu.Lock()
	for !s.ended && s.full() {
		if s.room == nil {
			s.room = make(chan struct{})
		}
		room := s.room
		s.mu.Unlock()
		<-room // at the latest when the stream ends
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	if s.ended {
		return s.endedErr()
	}
	piece()
	s.change()
	return nil
}

// full reports whether the fastest reader, or the log, is too far behind. The caller
// holds mu.
func (s *Stream) full() bool {
	end := s.content.end.bytes
	if end-s.fastest() >= streamAhead {
		return true
	}
	return s.log != nil && (end-s.log.appended.bytes >= streamAhead || end-s.log.before.bytes >= streamHeld)
}

// fastest is how far the fastest reader is, and the log if there is none. The caller
// holds mu.
func (s *Stream) fastest() int64 {
	if len(s.readers) == 0 && s.log != nil {
		return s.log.appended.bytes
	}
	return s.fast
}

// change wakes those who wait for content, for the end or for a notice. The caller holds
// mu.
func (s *Stream) change() {
	close(s.changed)
	s.changed = make(chan struct{})
	if s.ended {
		s.makeRoom()
	}
}

// makeRoom wakes a Write that waits. The caller holds mu.
func (s *Stream) makeRoom() {
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
}

// Close ends the stream, and returns when its readers have the rest and, if it is kept, the
// log has it. It returns why the stream had ended before, if it had: the cause of
// Context. A text that ends inside a character is an [ErrInvalid], and its readers are
// told "internal" after the characters that are whole.
func (s *Stream) Close() error { return s.finish("") }

// CloseWithError is Close with a code for the readers, such as "no-credit": 1 to 64 lower
// case letters, digits and -. Another code is an [ErrInvalid], and readers are told
// "internal".
func (s *Stream) CloseWithError(code string) error {
	if !isStreamCode(code) {
		err := s.finish(streamInternal)
		return errors.Join(invalidf("close stream %s: the code %q is not 1 to 64 lower case letters, digits and -", s.o.ID, clip(code)), err)
	}
	return s.finish(code)
}

func isStreamCode(code string) bool {
	return code != "" && len(code) <= 64 && !strings.ContainsFunc(code, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}

func (s *Stream) finish(code string) error {
	var err error
	if s.writing.TryLock() { // else a Write is blocked, and ends with the stream
		if len(s.half) > 0 {
			err = invalidf("close stream %s: its text ends inside a character", s.o.ID)
			if code == "" {
				code = streamInternal
			}
		}
		s.half = nil
		s.writing.Unlock()
	}
	if reason := context.Cause(s.ctx); reason != nil { // the goroutine that ends it with this may be late
		s.end(reason, streamInternal)
	}
	s.end(nil, code)
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.panicked != nil {
		panic(s.panicked)
	}
	if s.failure != nil {
		return s.failure
	}
	return err
}

// end ends the stream, unless it has ended. What was written is still sent, and then the
// code. A reason ends Context at once.
func (s *Stream) end(reason error, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended, s.code = true, code
	close(s.over)
	if reason != nil {
		s.failure = fmt.Errorf("stream %s: %w", s.o.ID, reason)
		s.cancel(reason)
	}
	s.change()
}

// abort ends the stream for an error, which Close returns also if it has ended it before.
func (s *Stream) abort(err error) {
	s.end(err, streamInternal)
	s.fail(err)
}

// fail notes what Close returns, if there is nothing yet.
func (s *Stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure == nil {
		s.failure = fmt.Errorf("stream %s: %w", s.o.ID, err)
	}
}

// run is the life of a stream.
func (s *Stream) run(ctx context.Context) {
	defer s.close()
	defer s.catch()
	defer s.endWith(ctx)()
	if s.log != nil {
		if err := s.log.begin(); err != nil {
			s.abort(err)
			return // without a post: who the writer is, is not known, or it is another
		}
	}
	s.decided()
	list := func() error { return s.list(true) }
	if s.log != nil {
		list = func() error { return s.log.persist(func() error { return s.list(true) }) }
	}
	if err := list(); err != nil {
		s.abort(&Error{Problem: ProblemStore, Detail: fmt.Sprintf("the connections of %s could not be listed", s.to), Err: err})
	}
	if s.log != nil {
		s.log.keepUp()
		s.log.finish()
	} else {
		s.leaveNobody()
		s.watch()
	}
	s.reading.Wait()
}

// endWith ends the stream with its context, and somewhat before the deadline of that.
func (s *Stream) endWith(ctx context.Context) (release func()) {
	var closing *time.Timer
	over := context.AfterFunc(ctx, func() {
		s.end(context.Cause(ctx), streamInternal)
		s.mu.Lock()
		defer s.mu.Unlock()
		closing = time.AfterFunc(streamClosing, s.stop)
	})
	var early *time.Timer
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		early = time.AfterFunc(left-min(streamMargin, left/4), func() { s.end(context.DeadlineExceeded, streamTimeout) })
	}
	return func() {
		over()
		if early != nil {
			early.Stop()
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if closing != nil {
			closing.Stop()
		}
	}
}

// close releases what the stream holds.
func (s *Stream) close() {
	s.stop()
	s.reading.Wait()
	s.cancel(ErrStreamEnded)
	s.decided()
	close(s.done)
}

// catch, deferred, keeps a panic of somebody else's code, such as a store, for the
// goroutine that closes the stream.
func (s *Stream) catch() {
	value := recover()
	if value == nil {
		return
	}
	s.mu.Lock()
	if s.panicked == nil {
		s.panicked = &goroutinePanic{value, debug.Stack()}
	}
	s.mu.Unlock()
	s.end(fmt.Errorf("something that it calls panicked: %v", value), streamInternal)
	s.stop()
}

// isWriter waits until it is known whether this is the writer.
func (s *Stream) isWriter(ctx context.Context) error {
	select {
	case <-s.began:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}
