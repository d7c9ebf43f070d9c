package dynamostore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/wirepost/wirepost"
)

// # How a log is kept, and why nothing is lost
//
// Each epoch of a topic is a partition; each append is one item in it, whose sort key is
// its first offset, put on the condition that there is none. So there is no counter, and
// a crash leaves no hole. TTL removes items late and in any order, and messages of one
// topic are kept for different times; five rules make sure that what is missing is known
// to be missing:
//
//  1. An item carries z, the latest end of any message up to and including it, and is
//     removed a week after z at the earliest. So if an item has vanished, z of every item
//     before it is over by a week.
//  2. Nobody appends behind a newest item whose z is over by a day, nor into an epoch that
//     shows no item and was known to be empty more than six days ago. That epoch is
//     sealed, and the next one begun.
//  3. A reader calls offsets delivered or gone for certain only if it saw, as the end, an
//     item whose z is not over by more than six days, or a seal that proves the end, or
//     the end that the epoch row names. Otherwise it is told that messages may be gone.
//     What is missing before the end is a hole in the offsets, and told as gone.
//  4. A seal proves the end only if z of the item before it was not over by more than six
//     days when it was put.
//  5. What a process remembers of an epoch or a head is good for ten minutes.
//
// Suppose that an offset was given out twice. Its first item must have vanished, so z of
// everything up to it was over by a week. The second appender saw either an older item as
// the newest, whose z was over by a week too, and rule 2 had it seal; or none, in an epoch
// that was known to be empty six days ago at most, when the first item, which lives a week,
// was there. Clocks may be minutes apart, the rules leave a day. The same argument shows
// that a reader who takes an item for the newest has missed none behind it.
//
// An epoch ends in three single writes: the seal at head+1, on the condition of every
// append; the epoch row, from the old epoch to the next, with the old one's last offset if
// that is proved; the first append at 1. A process that meets a seal whose second step was not
// done does it.
//
// The log of a stream is apart from all this: see streamEpoch.
//
// Readers keep an end that is about to become uncertain from it: three days after z they
// seal the epoch, and an empty one is noted to be empty still.

var _ wirepost.Log = (*Store)(nil)

// logBreaks take rules away, for the tests that find out whether a rule is needed.
type logBreaks struct {
	endsMayFall   bool // rule 1
	noSeal        bool // rule 2, of an epoch with items
	noEmptySeal   bool // rule 2, of an epoch without
	endUnproved   bool // rule 3: whatever is the last to be seen is the end
	sealProves    bool // rule 4
	neverForgets  bool // rule 5
	holesUntold   bool // vanished items are passed over
	repeatsPuts   bool // an own item counts as another's
	sealsAreQuiet bool // a reader goes on behind any seal as if nothing could be missing
}

// topicLog is what this process knows of the log of one topic.
type topicLog struct {
	s     *Store
	topic string

	mu      sync.Mutex
	waiting []*waiting
	leading bool // somebody appends for those that wait
	known   *logEpoch
	end     *logHead
	tail    logTail
	took    int // how many items an answer took last
}

// maxTopicLogs bounds the topics of which a process remembers something.
const maxTopicLogs = 4096

// log is what this process knows of a topic's log.
func (s *Store) log(topic string) *topicLog {
	s.logs.Lock()
	defer s.logs.Unlock()
	l := s.logs.byTopic[topic]
	if l != nil {
		return l
	}
	if len(s.logs.byTopic) >= maxTopicLogs {
		for t, l := range s.logs.byTopic { // any that nobody appends to
			l.mu.Lock()
			idle := !l.leading
			l.mu.Unlock()
			if idle {
				s.logs.drop(t)
				break
			}
		}
	}
	if s.logs.byTopic == nil {
		s.logs.byTopic = map[string]*topicLog{}
	}
	l = &topicLog{s: s, topic: topic}
	s.logs.byTopic[topic] = l
	return l
}

// topicLogs are those of a process.
type topicLogs struct {
	sync.Mutex
	byTopic map[string]*topicLog
	bytes   int // that their tails take
}

// drop forgets a topic. The caller has locked.
func (t *topicLogs) drop(topic string) {
	l := t.byTopic[topic]
	l.mu.Lock()
	t.bytes -= l.tail.bytes
	l.tail = logTail{}
	l.mu.Unlock()
	delete(t.byTopic, topic)
}

// Append implements [wirepost.Log]. It costs one write unit for each KB, and a read if this
// process has not appended to the topic for two seconds.
func (s *Store) Append(ctx context.Context, topic string, entries []wirepost.LogEntry, o *wirepost.AppendOptions) (wirepost.Position, error) {
	s.made()
	if err := ctx.Err(); err != nil {
		return wirepost.Position{}, ended(ctx, nil)
	}
	if err := wirepost.ValidateAppend(topic, entries); err != nil {
		return wirepost.Position{}, err
	}
	entries = slices.Clone(entries) // the caller may go before the group does
	for i := range entries {
		entries[i].Data = slices.Clone(entries[i].Data)
	}
	var at *wirepost.Position
	if o != nil && o.At != nil {
		at = new(*o.At)
	}
	first, err := s.log(topic).append(ctx, entries, at)
	if err != nil {
		return wirepost.Position{}, fmt.Errorf("append to topic %s: %w", topic, err)
	}
	return first, nil
}

// Head implements [wirepost.Log].
func (s *Store) Head(ctx context.Context, topic string) (wirepost.Position, error) {
	s.made()
	if err := cmp.Or(ctx.Err(), wirepost.ValidateName(topic)); err != nil {
		return wirepost.Position{}, fmt.Errorf("find the head of topic %s: %w", topic, err)
	}
	l := s.log(topic)
	for {
		h, err := l.head(ctx, false)
		if err != nil {
			return wirepost.Position{}, fmt.Errorf("find the head of topic %s: %w", topic, err)
		}
		if h.newest == nil || !h.newest.isSeal() {
			return h.position(), nil
		}
		if _, err := l.advance(ctx, h.epoch.name, *h.newest); err != nil {
			return wirepost.Position{}, fmt.Errorf("find the head of topic %s: %w", topic, err)
		}
	}
}

// Restart implements [wirepost.Log].
func (s *Store) Restart(ctx context.Context, topic string) (wirepost.Position, error) {
	s.made()
	fail := func(err error) (wirepost.Position, error) {
		return wirepost.Position{}, fmt.Errorf("restart the log of topic %s: %w", topic, err)
	}
	if err := cmp.Or(ctx.Err(), wirepost.ValidateName(topic)); err != nil {
		return fail(err)
	}
	if streamEpoch(topic, s.o.Now()) != nil {
		return fail(fmt.Errorf("%w: it is that of a stream, which has one epoch", wirepost.ErrInvalid))
	}
	l := s.log(topic)
	l.forget() // a restored table is not the one that this process remembers
	l.forgetTail()
	for sealed := false; ; {
		h, err := l.head(ctx, false)
		if err != nil {
			return fail(err)
		}
		switch {
		case h.newest != nil && h.newest.isSeal():
			e, err := l.advance(ctx, h.epoch.name, *h.newest)
			if err != nil {
				return fail(err)
			}
			l.forgetHead()
			if sealed && e != nil && e.previous == h.epoch.name {
				return wirepost.Position{Epoch: e.name}, nil
			}
		case h.position() == (wirepost.Position{}):
			return wirepost.Position{}, nil
		default:
			there, err := l.seal(ctx, h, false)
			if err != nil {
				return fail(err)
			}
			sealed = there.isSeal()
		}
	}
}
