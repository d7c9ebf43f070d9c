package wirepost

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// The actions of docs/protocol.md that are about streams.
const (
	actionResume = "resume"
	actionCancel = "cancel"
)

// streamAnswer is what an answer says of a stream.
type streamAnswer struct {
	Stream string            `json:"stream,omitempty"`
	Key    string            `json:"key,omitempty"`
	At     *int64            `json:"at,omitempty"`
	Items  []json.RawMessage `json:"items,omitempty"`
	End    bool              `json:"end,omitempty"`
	Error  string            `json:"error,omitempty"`
	LogEnd *int64            `json:"logged,omitempty"`
}

// validTopic says what is wrong with a topic that a client names.
func validTopic(topic string) error {
	if err := ValidateName(topic); err != nil {
		return err
	}
	return checkReserved(ToTopic(topic))
}

// ownTopics is how many topics of a connection are not the library's.
func ownTopics(c Connection) (n int) {
	for _, topic := range c.Topics {
		if !isReserved(topic) {
			n++
		}
	}
	return n
}

// resume answers a reader of a stream who has come back, and makes it one again.
func (p *protocol) resume(ctx context.Context, m *Message, c Connection, f clientFrame) serverFrame {
	at := int64(0)
	if f.At != nil {
		at = *f.At
	}
	if at < 0 || at > MaxOffset {
		return refuse("bad-position", `"at" is how much of the stream the client has`)
	}
	l, meta, refused := p.stream(ctx, m, f)
	if refused != nil {
		return *refused
	}
	topic := streamTopic(*f.Stream)
	switch {
	case !p.mayResume(ctx, c, f, meta):
		return p.forbid(ctx, m, actionResume, ToTopic(topic))
	case len(c.Topics)-ownTopics(c) >= p.o.MaxTopics && !slices.Contains(c.Topics, topic):
		return refuse("too-many-streams", "")
	}
	// The row first and the log second: what is appended after this read is sent to the
	// row by the writer.
	switch err := p.mux.store.Subscribe(ctx, m.ConnectionID, topic); {
	case errors.Is(err, ErrNotFound): // it ended since its row was read; the next frame says so
		return refuse("not-sent", "")
	case err != nil:
		p.failed("a reader of a stream could not be kept", m, err)
		return refuse("internal", "")
	}
	r := streamReplay{at: at, end: at, most: p.o.MaxAnswer}
	if err := r.read(ctx, l, topic, p.mux.o.WriteTimeout); err != nil {
		p.failed("the log of a stream could not be read", m, err)
		return refuse("internal", "")
	}
	answer := r.answer(*f.Stream, p.publisher.o.Now())
	if answer.streamAnswer.Error == streamLost {
		p.mux.o.Logger.WarnContext(ctx, "the writer of a stream has died, or never began", "problem", string(ProblemStreamLost), "fix", ProblemStreamLost.Fix(), "stream", *f.Stream, "begun", r.begun, "silent", p.publisher.o.Now().Sub(r.newest).Round(time.Second).String())
	}
	if answer.End || answer.Error != "" {
		_ = p.mux.store.Unsubscribe(ctx, m.ConnectionID, topic) // it ends with the connection
	}
	return answer
}

// cancelStream is a reader's stop button.
func (p *protocol) cancelStream(ctx context.Context, m *Message, c Connection, f clientFrame) serverFrame {
	l, meta, refused := p.stream(ctx, m, f)
	if refused != nil {
		return *refused
	}
	topic := streamTopic(*f.Stream)
	to, _ := ParseAudience(meta.To)
	if !asked(c, f, meta) && (p.o.MayCancel == nil || !p.o.MayCancel(ctx, c, to)) {
		return p.forbid(ctx, m, actionCancel, ToTopic(topic))
	}
	if _, err := appendStream(ctx, l, topic, streamSpare, streamEntryFrame{Cancel: true}); err != nil {
		p.failed("a stream could not be cancelled", m, err)
		return refuse("internal", "") // twice does no harm
	}
	return serverFrame{Type: "ack", streamAnswer: streamAnswer{Stream: *f.Stream}}
}

// stream finds who asked for a stream and who reads it.
func (p *protocol) stream(ctx context.Context, m *Message, f clientFrame) (Log, streamEntryFrame, *serverFrame) {
	l, ok := p.mux.store.(Log)
	if f.Stream == nil || !isStreamID(*f.Stream) {
		unknown := refuse("unknown-stream", "")
		return nil, streamEntryFrame{}, &unknown
	}
	if !ok {
		return nil, streamEntryFrame{}, p.unknownStream(ctx, m, *f.Stream, ProblemStreamNotKept)
	}
	ctx, cancel := context.WithTimeout(ctx, p.mux.o.WriteTimeout)
	defer cancel()
	r, err := l.Read(ctx, streamTopic(*f.Stream), Position{}, ReadLimit{})
	switch {
	case errors.Is(err, ErrNotSupported):
		return nil, streamEntryFrame{}, p.unknownStream(ctx, m, *f.Stream, ProblemStreamNotKept)
	case err != nil:
		p.failed("the log of a stream could not be read", m, err)
		internal := refuse("internal", "")
		return nil, streamEntryFrame{}, &internal
	}
	for _, message := range r.Messages {
		var e streamEntryFrame
		if json.Unmarshal(message.Data, &e) == nil && e.To != "" {
			return l, e, nil
		}
	}
	return nil, streamEntryFrame{}, p.unknownStream(ctx, m, *f.Stream, ProblemStreamUnknown)
}

// unknownStream refuses a frame, and says why in the log.
func (p *protocol) unknownStream(ctx context.Context, m *Message, id string, why Problem) *serverFrame {
	p.mux.o.Logger.InfoContext(ctx, "refused a frame: its stream is not known", "problem", string(why), "fix", why.Fix(), "stream", id, "connectionId", m.ConnectionID)
	unknown := refuse("unknown-stream", "")
	return &unknown
}

// asked reports whether a connection is that of who asked for a stream: the user, or one
// who has the key of an asker without a user.
func asked(c Connection, f clientFrame, meta streamEntryFrame) bool {
	if meta.User != "" {
		return c.User == meta.User
	}
	return f.Key != nil && subtle.ConstantTimeCompare([]byte(keyHash(*f.Key)), []byte(meta.KeyHash)) == 1
}

// mayResume reports whether a connection may read a stream: it asked for it, or may read
// its audience.
func (p *protocol) mayResume(ctx context.Context, c Connection, f clientFrame, meta streamEntryFrame) bool {
	if asked(c, f, meta) {
		return true
	}
	to, err := ParseAudience(meta.To)
	switch {
	case err != nil:
		return false
	case to.Kind == KindConnection:
		return to.Name == c.ID
	case to.Kind == KindUser:
		return to.Name == c.User
	case to.Kind == KindTopic:
		return p.mayRead(ctx, c, to.Name)
	}
	return true // everyone
}

// streamReplay is what a log has of a stream behind a place.
type streamReplay struct {
	at   int64 // where it begins
	end  int64 // how far it goes
	most int   // bytes of JSON

	text     string
	items    []json.RawMessage
	size     int
	more     bool
	hole     bool // what comes next is gone
	inside   bool // at is inside a character
	finished bool
	code     string
	begun    bool
	logEnd   int64
	newest   time.Time
}

// read reads a log from near the place on, until there is enough.
func (r *streamReplay) read(ctx context.Context, l Log, topic string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	after, err := r.find(ctx, l, topic)
	if err != nil {
		return err
	}
	for {
		page, err := l.Read(ctx, topic, after, ReadLimit{Bytes: 128 << 10})
		if err != nil {
			return err
		}
		for _, m := range page.Messages {
			var e streamEntryFrame
			if json.Unmarshal(m.Data, &e) != nil {
				continue
			}
			if r.newest = m.At; !r.add(e) {
				return nil
			}
		}
		if after = page.UpTo; !page.More {
			return nil
		}
	}
}

// find looks for a position before the piece that has the place, so that a long log is not
// read from its beginning: pieces are in order, but for those that were appended twice.
func (r *streamReplay) find(ctx context.Context, l Log, topic string) (Position, error) {
	const few = 64
	head, err := l.Head(ctx, topic)
	if err != nil {
		return Position{}, err
	}
	low, high := uint64(0), head.Offset
	for high-low > few {
		middle := Position{head.Epoch, low + (high-low)/2}
		page, err := l.Read(ctx, topic, middle, ReadLimit{Messages: 16})
		if err != nil {
			return Position{}, err
		}
		first := int64(-1)
		for _, m := range page.Messages {
			var e streamEntryFrame
			if json.Unmarshal(m.Data, &e) == nil && e.isPiece() {
				first = e.At
				break
			}
		}
		if first >= 0 && first <= r.at {
			low = middle.Offset
			r.begun = true
		} else {
			high = middle.Offset
		}
	}
	if low == 0 {
		return Position{}, nil
	}
	return Position{head.Epoch, low}, nil
}

// add takes an entry, and reports whether more are wanted.
func (r *streamReplay) add(e streamEntryFrame) bool {
	r.begun = r.begun || e.Begin != ""
	if !e.isPiece() {
		return true
	}
	length := utf16Len(e.Text) + int64(len(e.Items))
	r.logEnd = max(r.logEnd, e.At+length)
	if e.At > r.end && length > 0 {
		r.hole = true
		return false
	}
	if over := r.end - e.At; over < length {
		text, whole := "", true
		if e.Text != "" {
			text, whole = utf16Cut(e.Text, over)
		}
		size := len(e.Text)
		for _, item := range e.Items {
			size += len(item) + 1
		}
		switch {
		case !whole:
			r.inside = true
			return false
		case r.size > 0 && r.size+size > r.most:
			r.more = true
			return false
		}
		r.size += size
		r.text += text
		if e.Items != nil {
			r.items = append(r.items, e.Items[over:]...)
		}
		r.end += length - over
	}
	if e.End || e.Error != "" {
		r.finished, r.code = true, e.Error
		return false
	}
	return true
}

// answer is what the reader is told.
func (r *streamReplay) answer(id string, now time.Time) serverFrame {
	switch {
	case r.inside:
		return refuse("bad-position", `"at" is inside a character`)
	case r.hole: // its time is over
		return refuse("unknown-stream", "")
	}
	a := serverFrame{Type: "ack", Text: r.text, streamAnswer: streamAnswer{Stream: id, At: &r.at, Items: r.items}}
	if r.more {
		a.More = true
		return a
	}
	a.LogEnd = &r.logEnd
	limit := streamDead
	if !r.begun {
		limit = streamUnbegun
	}
	switch {
	case r.finished:
		a.End, a.streamAnswer.Error = r.code == "", r.code
	case now.Sub(r.newest) > limit:
		a.streamAnswer.Error = streamLost
	}
	return a
}
