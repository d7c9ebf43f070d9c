package wirepost

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of an append. One that has more entries or bytes is split by its caller,
// except that a single entry may have MaxKept bytes.
const (
	// MaxKept is how many bytes a kept message may have: what fits into a frame of
	// 128 KB with its position, and into an item of DynamoDB.
	MaxKept = 120 << 10
	// MaxAppendEntries and MaxAppendBytes are what one append may have.
	MaxAppendEntries = 16
	MaxAppendBytes   = 64 << 10
	// MaxKeep is the longest time for which a message may be kept. A publisher's own
	// limit is [PublisherOptions].MaxKeep.
	MaxKeep = 366 * 24 * time.Hour
)

// Errors of a [Log].
var (
	// ErrNotSupported is in the chain of the error of a call that needs a [Log] or a
	// [Presence] if the store does not have it.
	ErrNotSupported = errors.New("this store does not support it")
	// ErrUnknown is in the chain of an error after which it is not known whether the
	// message was appended: of an append, or of a publish that appends. It is safe to
	// repeat the publish with the same ID and [PublishOptions].Again.
	ErrUnknown = errors.New("it is not known whether the message was kept")
	// ErrMoved is in the chain of the error of an append whose [AppendOptions].At is not
	// the end of the log. Nothing was appended.
	ErrMoved = errors.New("the log has moved on")
)

// lacks is an [ErrNotSupported] that says what the store does not have.
type lacks string

const (
	noLog      lacks = "this store keeps no messages"
	noPresence lacks = "this store keeps no presence"
)

func (l lacks) Error() string { return string(l) }
func (lacks) Unwrap() error   { return ErrNotSupported }

// Position is a place in the log of a topic: behind the message with that offset.
//
// The epoch says which log it is: a topic may begin a new one, as after a restore from
// a backup. Offsets of an epoch are 1, 2, 3 and so on, without a hole. The zero
// Position is before everything, and where a topic without a log is.
type Position struct {
	Epoch  string `json:"epoch"`
	Offset uint64 `json:"offset"`
}

// String is EPOCH:OFFSET.
func (p Position) String() string { return p.Epoch + ":" + strconv.FormatUint(p.Offset, 10) }

// MaxOffset is the largest offset: every JSON number up to it is exact in JavaScript.
const MaxOffset = 1<<53 - 1

// ParsePosition reads what [Position.String] has written.
func ParsePosition(s string) (Position, error) {
	epoch, offset, ok := strings.Cut(s, ":")
	n, err := strconv.ParseUint(offset, 10, 64)
	p := Position{epoch, n}
	if !ok || err != nil || p.Validate() != nil {
		return Position{}, invalidf("position %q: it is EPOCH:OFFSET, such as k3v9:41", clip(s))
	}
	return p, nil
}

// Validate says what is wrong with a position that somebody else has made.
func (p Position) Validate() error {
	for _, r := range p.Epoch {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return invalidf("position: the epoch %q has other characters than letters, digits, - and _", clip(p.Epoch))
		}
	}
	switch {
	case len(p.Epoch) > 64:
		return invalidf("position: the epoch %q is longer than 64 characters", clip(p.Epoch))
	case p.Offset > MaxOffset:
		return invalidf("position: the offset %d is larger than %d", p.Offset, int64(MaxOffset))
	case p.Epoch == "" && p.Offset != 0:
		return invalidf("position: the offset %d has no epoch", p.Offset)
	}
	return nil
}

// LogEntry is a message to be kept.
type LogEntry struct {
	Data []byte        // a frame: a JSON object in UTF-8, of MaxKept bytes at most
	ID   string        // of the message: 1 to 128 visible ASCII characters
	Keep time.Duration // 1 ms to MaxKeep
}

// AppendOptions are optional.
type AppendOptions struct {
	// At, if not nil, is where the log has to end: if it ends elsewhere, nothing is
	// appended, and the error has ErrMoved in its chain. The zero Position stands for
	// a topic without a log.
	At *Position
}

// LogMessage is a message of a log.
type LogMessage struct {
	Position
	Data []byte // as it was appended
	ID   string
	At   time.Time // when it was appended, by the appender's clock; whole milliseconds
	End  time.Time // it is gone from then on; whole milliseconds
}

// Offsets is a range of offsets, both ends included. One that begins with 0 stands for
// messages of earlier epochs, however many there were.
type Offsets struct{ From, To uint64 }

// ReadLimit bounds a [Replay]. Zero values mean 300 messages and 30 KB of data. One
// message is always allowed, however large it is.
type ReadLimit struct{ Messages, Bytes int }

// Defaults of a ReadLimit.
const (
	DefaultReadMessages = 300
	DefaultReadBytes    = 30 << 10
)

// OrDefault is the limit with the defaults for what it does not say.
func (l ReadLimit) OrDefault() ReadLimit {
	if l.Messages <= 0 {
		l.Messages = DefaultReadMessages
	}
	if l.Bytes <= 0 {
		l.Bytes = DefaultReadBytes
	}
	return l
}

// Replay is what a log has behind a position.
type Replay struct {
	// Messages are in the order of their offsets, all of the epoch of UpTo.
	Messages []LogMessage

	// UpTo is how far the answer goes. Each offset of its epoch from the one behind the
	// position that was asked for, or from 1 if that was of another epoch, to UpTo is in
	// Messages, or in Gaps if it is gone for good.
	UpTo Position

	// Head is the last position of UpTo's epoch when it was read.
	Head Position

	// Gaps are what is gone for good, in order. The first one begins with 0 if messages
	// of earlier epochs may be gone.
	Gaps []Offsets

	// More says that there is more behind UpTo: in its epoch or in the one after it.
	More bool
}

// Log is what a [Store] may have in addition: the messages of topics that are kept.
// This interface is implemented by drivers; its comments are the contract, and
// wireposttest.TestLog checks it.
//
// What is said of all methods of a Store holds here too. A message is expired when
// now ≥ End, by the reader's clock. What has expired is never returned, whether the
// store has removed it or not.
type Log interface {
	// Append adds entries behind the last one of a topic, whole or not at all, and
	// returns the position of the first; the others follow without a hole. There are
	// three results: a position; an error without ErrUnknown in its chain, after which
	// nothing was appended; and one with it.
	//
	// However many processes append, each offset is given once, and none is left out. An
	// offset never goes back within an epoch, and no epoch comes again. A read that
	// starts after Append has returned sees what was appended.
	Append(ctx context.Context, topic string, entries []LogEntry, o *AppendOptions) (Position, error)

	// Read gives what is behind a position, from the oldest on.
	//
	// Of a position that the log has never had (another epoch, or an offset beyond the
	// head of it) and of one whose follow-up cannot be proved any more, everything
	// before what is returned is reported as gone; an offset beyond the head of the
	// newest epoch is the head. The zero position is before the first message that there
	// ever was.
	Read(ctx context.Context, topic string, after Position, limit ReadLimit) (Replay, error)

	// Head is the position of the last message that was appended to a topic, whether it
	// has expired or not. It is the zero position if there was none.
	Head(ctx context.Context, topic string) (Position, error)

	// Restart begins a new epoch, as is needed after a restore from a backup, and
	// returns its head, whose offset is 0. What is left of the old epoch can still be
	// read; as nobody knows what it had behind that, a reader who comes from there is
	// told that messages of earlier epochs may be gone. A topic without a log stays as
	// it is, and has the zero position.
	Restart(ctx context.Context, topic string) (Position, error)
}

// ValidateAppend says what is wrong with an append. Drivers call it before they write.
func ValidateAppend(topic string, entries []LogEntry) error {
	if err := ValidateName(topic); err != nil {
		return invalidf("append to topic %q: %w", clip(topic), err)
	}
	if len(entries) == 0 || len(entries) > MaxAppendEntries {
		return invalidf("append to topic %s: there are %d entries; one append has 1 to %d", topic, len(entries), MaxAppendEntries)
	}
	size := 0
	for _, e := range entries {
		if err := e.Validate(); err != nil {
			return invalidf("append to topic %s: %w", topic, err)
		}
		size += len(e.Data)
	}
	if len(entries) > 1 && size > MaxAppendBytes {
		return invalidf("append to topic %s: %d entries have %d bytes; several have %d at most", topic, len(entries), size, MaxAppendBytes)
	}
	return nil
}

// Validate says what is wrong with an entry.
func (e LogEntry) Validate() error {
	switch {
	case !isMessageID(e.ID):
		return invalidf("message %q: the ID is not 1 to 128 visible ASCII characters", clip(e.ID))
	case len(e.Data) > MaxKept:
		return invalidf("message %s: it has %d bytes; a message that is kept has %d at most", e.ID, len(e.Data), MaxKept)
	case len(e.Data) < 2 || e.Data[0] != '{' || e.Data[len(e.Data)-1] != '}' || !utf8.Valid(e.Data):
		return invalidf("message %s: it is not a JSON object in UTF-8; only frames can be kept", e.ID)
	case e.Keep < time.Millisecond || e.Keep > MaxKeep:
		return invalidf("message %s: it is to be kept for %v; that is from 1ms to %v", e.ID, e.Keep, MaxKeep)
	}
	return nil
}

func isMessageID(id string) bool {
	return id != "" && len(id) <= 128 && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' })
}

// Framed is the frame of a kept message: the one that was appended, with its position
// before the last brace.
func (p Position) Framed(frame []byte) []byte {
	end := bytes.LastIndexByte(frame, '}')
	if end < 0 || p.Epoch == "" {
		return frame
	}
	b := make([]byte, 0, len(frame)+len(p.Epoch)+40)
	b = append(b, frame[:end]...)
	if len(bytes.TrimSpace(frame[:end])) > 1 {
		b = append(b, ',')
	}
	b = append(b, `"epoch":"`...)
	b = append(b, p.Epoch...)
	b = append(b, `","offset":`...)
	b = strconv.AppendUint(b, p.Offset, 10)
	return append(b, '}')
}

// Frame is what clients get: the data with its position.
func (m LogMessage) Frame() []byte { return m.Framed(m.Data) }
