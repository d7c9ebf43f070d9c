package wirepost

import (
	"crypto/rand"
	"strings"
	"time"
)

// DefaultStreamKeep is for how long a stream is kept after its end.
const DefaultStreamKeep = time.Hour

// StreamOptions are all optional.
type StreamOptions struct {
	// ID names the stream: 1 to 64 letters, digits, - and _. Default: 26 random
	// characters. Of several writers that give the same ID to a kept stream the first one
	// is the writer, and the others end with ErrStreamTaken.
	ID string
	// User is who asked: this user may resume and cancel the stream.
	User string
	// Key is a secret by which an asker without a user is known, of 16 to 128 visible
	// ASCII characters. Default: 26 random ones.
	Key string
	// PerSecond bounds the posts to each connection. Default 20, so that 500 readers take
	// what an account's default rate of 10,000 requests a second allows (AWS, WebSocket
	// quotas page); a negative value is no bound.
	PerSecond float64
	// Keep is for how long after its end the stream can be read: for streams of up to an
	// hour all of it, and of longer ones the last hour. Default [DefaultStreamKeep]; a
	// negative value, or a store without a log, keeps nothing. Such a stream has the
	// readers that its audience has when it begins, and is neither resumed nor cancelled.
	Keep time.Duration
	// Unread is how long a kept stream goes on without readers. Default 30 s; a negative
	// value: to its end.
	Unread time.Duration
	// StallTimeout is how long posts to a reader may fail without a break before the stream
	// gives that reader up. Default 30 s.
	StallTimeout time.Duration
	// Frame makes the bytes of a message, for clients without the protocol; nil bytes are
	// not sent. Nothing is sent twice then: a post whose outcome is not known ends the
	// stream for its reader. It is called by many goroutines at once.
	Frame func(StreamPiece) ([]byte, error)

	sender string // a connection that has sent a message
}

func (o StreamOptions) withDefaults() StreamOptions {
	if o.ID == "" {
		o.ID = rand.Text()
	}
	if o.Key == "" {
		o.Key = rand.Text()
	}
	if o.PerSecond == 0 {
		o.PerSecond = 20
	}
	if o.Unread == 0 {
		o.Unread = 30 * time.Second
	}
	if o.StallTimeout <= 0 {
		o.StallTimeout = 30 * time.Second
	}
	return o
}

// Validate says what is wrong with the options.
func (o StreamOptions) Validate() error {
	switch {
	case o.ID != "" && !isStreamID(o.ID):
		return invalidf("stream %q: an ID has 1 to 64 letters, digits, - and _", clip(o.ID))
	case o.Key != "" && (len(o.Key) < 16 || !isMessageID(o.Key)):
		return invalidf("stream %s: a key has 16 to 128 visible ASCII characters", o.ID)
	case o.User != "" && ValidateName(o.User) != nil:
		return invalidf("stream %s: user %q: %w", o.ID, clip(o.User), ValidateName(o.User))
	case o.Keep > MaxKeep-streamSpare:
		return invalidf("stream %s: it is to be kept for %v; that is %v at most", o.ID, o.Keep, MaxKeep-streamSpare)
	case o.PerSecond != o.PerSecond:
		return invalidf("stream %s: PerSecond is not a number", o.ID)
	}
	return nil
}

func isStreamID(id string) bool {
	return id != "" && len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}
