package wirepost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// DefaultMaxKeep is the longest time for which a publisher keeps messages unless its
// options say more.
const DefaultMaxKeep = 30 * 24 * time.Hour

// ParseKeep reads rules for what is kept, as WIREPOST_KEEP and [PublisherOptions].Keep
// have them: TOPIC=TIME, separated by commas, such as "lobby=24h,orders/*=10m". A name
// that ends with * stands for all topics that begin with what is before it. A time is one
// of Go's, and 0 stands for "not kept".
func ParseKeep(s string) (map[string]time.Duration, error) {
	rules := map[string]time.Duration{}
	for rule := range strings.SplitSeq(s, ",") {
		if rule = strings.TrimSpace(rule); rule == "" {
			continue
		}
		i := strings.LastIndexByte(rule, '=')
		if i < 0 {
			return nil, invalidf("keep %q: a rule is TOPIC=TIME, such as lobby=24h or orders/*=10m", clip(rule))
		}
		name, text := rule[:i], rule[i+1:]
		d, err := time.ParseDuration(text)
		if _, twice := rules[name]; err != nil || twice || checkKeepRule(name, d) != nil {
			return nil, invalidf("keep %q: a rule is TOPIC=TIME, such as lobby=24h or orders/*=10m, one for each topic; the time is 0 or from 1ms to %v", clip(rule), MaxKeep)
		}
		rules[name] = d
	}
	return rules, nil
}

func checkKeepRule(name string, d time.Duration) error {
	if name != "*" {
		if err := ValidateName(strings.TrimSuffix(name, "*")); err != nil {
			return err
		}
	}
	if d != 0 && (d < time.Millisecond || d > MaxKeep) {
		return invalidf("keep %s: %v is not from 1ms to %v", clip(name), d, MaxKeep)
	}
	return nil
}

// keepRules are those of a publisher.
type keepRules struct {
	byName map[string]time.Duration
	err    error // of rules that cannot be read: what they were meant to keep is not known
}

func newKeepRules(given map[string]time.Duration) (k keepRules) {
	if given == nil {
		if k.byName, k.err = ParseKeep(os.Getenv("WIREPOST_KEEP")); k.err != nil {
			k.err = fmt.Errorf("read WIREPOST_KEEP: %w", k.err)
		}
		return k
	}
	k.byName = given
	for _, name := range sortedKeys(given) {
		if k.err == nil {
			k.err = checkKeepRule(name, given[name])
		}
	}
	return k
}

// of is for how long messages to a topic are kept: by its name, or else by the longest
// prefix.
func (k keepRules) of(topic string) time.Duration {
	if d, ok := k.byName[topic]; ok {
		return d
	}
	longest, d := -1, time.Duration(0)
	for name, keep := range k.byName {
		prefix, ok := strings.CutSuffix(name, "*")
		if ok && len(prefix) > longest && strings.HasPrefix(topic, prefix) {
			longest, d = len(prefix), keep
		}
	}
	return d
}

// Keeps returns how long a message to this audience is kept if its [PublishOptions].Keep
// is zero: for a topic what [PublisherOptions].Keep or WIREPOST_KEEP says, and 0, which
// means not kept, for any other audience. It returns an error if those rules are invalid.
func (p *Publisher) Keeps(to Audience) (time.Duration, error) {
	p.made("wirepost: Publisher.Keeps")
	if to.Kind != KindTopic {
		return 0, nil
	}
	return p.keep.of(to.Name), p.keep.err
}

// keepFor is for how long a publish is kept; 0 if it is not. What cannot be kept is an
// [ErrInvalid].
func (p *Publisher) keepFor(to Audience, o *PublishOptions) (time.Duration, error) {
	if err := checkReserved(to); err != nil {
		return 0, err
	}
	continued := o.After != "" || o.Part != 0 || o.Parts > 1
	keep := o.Keep
	if keep == 0 && to.Kind == KindTopic && !continued {
		if p.keep.err != nil {
			return 0, p.keep.err
		}
		keep = p.keep.of(to.Name)
	}
	switch {
	case keep <= 0:
		return 0, nil
	case to.Kind != KindTopic:
		return 0, invalidf("publish to %s: only messages to a topic are kept", to)
	case continued:
		return 0, invalidf("publish to %s: a publish that continues, or covers part of an audience, needs a message that was kept before; leave Keep out and give the frame with its position", to)
	case o.Except != "" || o.Only != nil:
		return 0, invalidf("publish to %s: a message that is kept is for all of the topic; leave Except and Only out, or set Keep to -1", to)
	case keep < time.Millisecond || keep > p.o.MaxKeep:
		return 0, invalidf("publish to %s: it is to be kept for %v; that is from 1ms to %v, which PublisherOptions.MaxKeep changes", to, keep, p.o.MaxKeep)
	}
	return keep, nil
}

// keptFrame is what a frame says of itself.
type keptFrame struct {
	Type  string          `json:"type"`
	ID    string          `json:"id"`
	To    string          `json:"to"`
	Epoch json.RawMessage `json:"epoch"`
}

// entryOf is the entry of a log for a message, which has to be a frame of
// [Envelope.Frame].
func entryOf(to Audience, data []byte, keep time.Duration) (LogEntry, error) {
	var f keptFrame
	if json.Unmarshal(data, &f) != nil || f.Type != "message" {
		return LogEntry{}, invalidf("publish to %s: only frames made by Envelope.Frame can be kept, and this message is not one", to)
	}
	if f.To != to.String() {
		return LogEntry{}, invalidf("publish to %s: the frame is one to %s", to, clip(f.To))
	}
	if f.Epoch != nil {
		return LogEntry{}, invalidf("publish to %s: the frame has a position, so that it was kept before; set Keep to -1 to send it again", to)
	}
	e := LogEntry{Data: data, ID: f.ID, Keep: keep}
	if err := e.Validate(); err != nil {
		return LogEntry{}, invalidf("publish to %s: %w", to, err)
	}
	return e, nil
}

// Kept is a message that was appended to the log of its topic.
type Kept struct {
	// Frame is the message with its position: what is sent to clients.
	Frame    []byte
	Position Position
	// Repeated says that the message had been appended before, and that this is the
	// frame of then.
	Repeated bool
}

// Append appends a message to the log of its topic as [Publisher.Publish] does, and
// sends nothing. [Split] takes the frame that it returns. The options say for how long,
// and whether Again.
func (p *Publisher) Append(ctx context.Context, to Audience, data []byte, o *PublishOptions) (Kept, error) {
	p.made("wirepost: Publisher.Append")
	if o == nil {
		o = &PublishOptions{}
	}
	if err := to.Validate(); err != nil {
		return Kept{}, err
	}
	keep, err := p.keepFor(to, o)
	if err != nil {
		return Kept{}, err
	}
	if keep == 0 {
		return Kept{}, invalidf("append to %s: neither PublishOptions.Keep nor a rule of the publisher says for how long", to)
	}
	return p.append(ctx, to, data, keep, o)
}

func (p *Publisher) append(ctx context.Context, to Audience, data []byte, keep time.Duration, o *PublishOptions) (Kept, error) {
	e, err := entryOf(to, data, keep)
	if err != nil {
		return Kept{}, err
	}
	l, err := p.log(to)
	if err != nil {
		return Kept{}, err
	}
	if o.Again {
		return p.appendAgain(ctx, l, to, e, o.FirstSent)
	}
	at, err := l.Append(ctx, to.Name, []LogEntry{e}, nil)
	if err != nil {
		return Kept{}, notKept(to, err)
	}
	return Kept{Frame: at.Framed(data), Position: at}, nil
}

// log is the log of the store.
func (p *Publisher) log(to Audience) (Log, error) {
	l, ok := p.store.(Log)
	if !ok {
		return nil, fmt.Errorf("publish to %s: %w: leave Keep out, or use a store of this module", to, noLog)
	}
	return l, nil
}

// notKept is the error of a publish whose append has failed.
func notKept(to Audience, err error) error {
	switch {
	case errors.Is(err, ErrInvalid), errors.Is(err, ErrNotSupported), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("publish to %s: %w", to, err)
	case errors.Is(err, ErrUnknown):
		return &Error{Problem: ProblemStore, Detail: fmt.Sprintf("whether a message to %s was kept is not known, and nothing was sent", to), Err: err}
	}
	return &Error{Problem: ProblemStore, Detail: fmt.Sprintf("a message to %s could not be kept, and nothing was sent", to), Err: err}
}

// Read returns what the log of a topic has after a position; see [Log].Read.
// [LogMessage.Frame] makes the frame that clients get of each message.
func (p *Publisher) Read(ctx context.Context, topic string, after Position, limit ReadLimit) (Replay, error) {
	p.made("wirepost: Publisher.Read")
	l, ok := p.store.(Log)
	if !ok {
		return Replay{}, fmt.Errorf("read the log of topic %s: %w: use a store of this module", topic, noLog)
	}
	return l.Read(ctx, topic, after, limit)
}

const (
	// lookedThrough is how many bytes of a log are looked through for a message that may
	// be there.
	lookedThrough = 1 << 20
	// lookWindow is how many offsets are looked at in one step.
	lookWindow = 64
	// lookSlack is by how much clocks may differ.
	lookSlack = 5 * time.Minute
	// lookRounds bounds how often an append that was overtaken looks at what came between.
	lookRounds = 50
)

// appendAgain appends a message unless it is there. It looks through what was appended
// since it was first sent, and appends exactly where that look has ended; who loses this
// race looks at what came between.
func (p *Publisher) appendAgain(ctx context.Context, l Log, to Audience, e LogEntry, since time.Time) (Kept, error) {
	head, err := l.Head(ctx, to.Name)
	if err != nil {
		return Kept{}, notKept(to, err)
	}
	found, err := lookBack(ctx, l, to.Name, head, e.ID, since)
	for range lookRounds {
		if err != nil {
			return Kept{}, notKept(to, err)
		}
		if found != nil {
			return Kept{Frame: found.Frame(), Position: found.Position, Repeated: true}, nil
		}
		var at Position
		if at, err = l.Append(ctx, to.Name, []LogEntry{e}, &AppendOptions{At: &head}); err == nil {
			return Kept{Frame: at.Framed(e.Data), Position: at}, nil
		} else if errors.Is(err, ErrMoved) {
			found, head, err = look(ctx, l, to.Name, head, e.ID)
		}
	}
	if err == nil {
		err = ErrMoved
	}
	return Kept{}, notKept(to, err)
}

// lookBack looks for a message before the end of a log, from the newest on.
func lookBack(ctx context.Context, l Log, topic string, head Position, id string, since time.Time) (*LogMessage, error) {
	size := 0
	for end := head.Offset; end > 0 && size < lookedThrough; {
		from := end - min(end, lookWindow)
		var window []LogMessage
		for at := (Position{head.Epoch, from}); at.Epoch == head.Epoch && at.Offset < end; {
			r, err := l.Read(ctx, topic, at, ReadLimit{Messages: lookWindow, Bytes: lookedThrough})
			if err != nil {
				return nil, err
			}
			window = append(window, r.Messages...)
			if at == r.UpTo {
				break
			}
			at = r.UpTo
		}
		for _, m := range slices.Backward(window) {
			if size += len(m.Data); m.ID == id {
				return &m, nil
			}
			if m.At.Before(since.Add(-lookSlack)) {
				return nil, nil
			}
		}
		end = from
	}
	return nil, nil
}

// look looks for a message behind a position, and gives where the log ends then.
func look(ctx context.Context, l Log, topic string, after Position, id string) (*LogMessage, Position, error) {
	for {
		r, err := l.Read(ctx, topic, after, ReadLimit{Messages: lookWindow, Bytes: lookedThrough})
		if err != nil {
			return nil, after, err
		}
		for _, m := range r.Messages {
			if m.ID == id {
				return &m, r.UpTo, nil
			}
		}
		if after = r.UpTo; !r.More {
			return nil, after, nil
		}
	}
}
