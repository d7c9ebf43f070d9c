package wirepost

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	// defaultAnswer and maxAnswer bound an answer with messages, in bytes.
	defaultAnswer = 30 << 10
	maxAnswer     = 96 << 10
	// maxLast is how many of the newest messages a client may ask for.
	maxLast = 300
	// logWait is what a client waits whose log could not be read, before it asks again.
	logWait = 2 * time.Second
	// readAtOnce is how many topics of a check are read at the same time.
	readAtOnce = 8
)

// The actions of docs/protocol.md that read logs.
const (
	actionRead  = "read"
	actionCheck = "check"
)

// topicAnswer is what an answer says of one topic's log.
type topicAnswer struct {
	Epoch    string            `json:"epoch,omitempty"`
	Offset   *uint64           `json:"offset,omitempty"` // the head
	UpTo     *uint64           `json:"upTo,omitempty"`
	Messages []json.RawMessage `json:"messages,omitempty"`
	Gone     [][2]uint64       `json:"gone,omitempty"`
	More     bool              `json:"more,omitempty"`
	Wait     int64             `json:"wait,omitempty"` // milliseconds
	Kept     bool              `json:"kept,omitempty"` // there is no log yet, and a rule says that there will be
	presenceAnswer
}

// hasPosition reports whether a frame asks for what was kept.
func (f clientFrame) hasPosition() bool { return f.After != nil || f.Last != nil }

// checkPosition says what is wrong with the position of a frame; empty if nothing is.
func (f clientFrame) checkPosition() string {
	switch {
	case f.After != nil && f.Last != nil:
		return `"after" and "last" exclude each other`
	case f.After != nil && f.After.Validate() != nil:
		return `"after" has an "epoch" and an "offset" that a message or an answer had`
	case f.Last != nil && (*f.Last < 0 || *f.Last > maxLast):
		return `"last" is a number from 0 to 300`
	}
	return ""
}

// mayRead reports whether a connection may read a topic: it may subscribe to it, or was
// given it when it connected.
func (p *protocol) mayRead(ctx context.Context, c Connection, topic string) bool {
	return slices.Contains(c.Topics, topic) || p.allows(ctx, c, ActionSubscribe, ToTopic(topic))
}

// replay is what a client that subscribes or reads is told of the log. A log that cannot
// be read now is no error: the client asks again.
func (p *protocol) replay(ctx context.Context, m *Message, c Connection, topic string, f clientFrame) topicAnswer {
	l, ok := p.mux.store.(Log)
	if !ok {
		return topicAnswer{}
	}
	a, err := p.readTopic(ctx, l, c, topic, f)
	switch {
	case errors.Is(err, ErrNotSupported): // behind a store that is lent
		return topicAnswer{}
	case err != nil:
		p.failed("the log of a topic could not be read", m, err)
		return topicAnswer{More: true, Wait: logWait.Milliseconds()}
	}
	a.Kept = a.Epoch == "" && p.publisher.keep.of(topic) > 0
	return a
}

func (p *protocol) readTopic(ctx context.Context, l Log, c Connection, topic string, f clientFrame) (topicAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, p.mux.o.WriteTimeout)
	defer cancel()
	after := Position{}
	if f.After != nil {
		after = *f.After
	} else {
		head, err := l.Head(ctx, topic)
		if err != nil {
			return topicAnswer{}, err
		}
		if f.Last == nil || *f.Last == 0 {
			return topicAnswer{Epoch: head.Epoch, Offset: &head.Offset, UpTo: &head.Offset}, nil
		}
		after = Position{head.Epoch, head.Offset - min(head.Offset, uint64(*f.Last))}
	}
	r, err := l.Read(ctx, topic, after, ReadLimit{Bytes: p.o.MaxAnswer})
	if err != nil {
		return topicAnswer{}, err
	}
	r = r.since(p.since(ctx, c, topic)).bounded(p.o.MaxAnswer)
	if f.After == nil && len(r.Messages) > 0 { // what is gone before the newest was not asked for
		first := r.Messages[0].Offset
		r.Gaps = slices.DeleteFunc(r.Gaps, func(g Offsets) bool { return g.To < first })
	} else if f.After == nil {
		r.Gaps = nil
	}
	return answerOf(r), nil
}

func (p *protocol) since(ctx context.Context, c Connection, topic string) time.Time {
	if p.o.Since == nil {
		return time.Time{}
	}
	return p.o.Since(ctx, c, topic)
}

// since is the replay without the messages from before a time, which are as if gone.
func (r Replay) since(t time.Time) Replay {
	if t.IsZero() {
		return r
	}
	var kept []LogMessage
	for _, m := range r.Messages {
		if m.At.Before(t) {
			r.Gaps = append(r.Gaps, Offsets{m.Offset, m.Offset})
		} else {
			kept = append(kept, m)
		}
	}
	r.Messages = kept
	slices.SortFunc(r.Gaps, func(a, b Offsets) int { return int(int64(a.From) - int64(b.From)) })
	joined := r.Gaps[:0:0]
	for _, g := range r.Gaps {
		if n := len(joined); n > 0 && joined[n-1].To+1 == g.From && g.From > 1 {
			joined[n-1].To = g.To
			continue
		}
		joined = append(joined, g)
	}
	r.Gaps = joined
	return r
}

// bounded is the replay as far as its frames have so many bytes, or the first one.
func (r Replay) bounded(most int) Replay {
	size := 0
	for i, m := range r.Messages {
		size += len(m.Frame()) + 1
		if i == 0 || size <= most {
			continue
		}
		r.Messages = r.Messages[:i]
		r.UpTo.Offset, r.More = m.Offset-1, true
		for n, g := range r.Gaps {
			if g.From > r.UpTo.Offset {
				r.Gaps = r.Gaps[:n]
				break
			}
		}
		return r
	}
	return r
}

func answerOf(r Replay) topicAnswer {
	a := topicAnswer{Epoch: r.UpTo.Epoch, Offset: &r.Head.Offset, UpTo: &r.UpTo.Offset, More: r.More}
	for _, m := range r.Messages {
		a.Messages = append(a.Messages, m.Frame())
	}
	for _, g := range r.Gaps {
		a.Gone = append(a.Gone, [2]uint64{g.From, g.To})
	}
	return a
}

// read answers a client that asks for more.
func (p *protocol) read(ctx context.Context, m *Message, c Connection, f clientFrame) serverFrame {
	topic := ""
	if f.Topic != nil {
		topic = *f.Topic
	}
	if err := validTopic(topic); err != nil {
		return refuse("bad-topic", `"topic": `+err.Error())
	}
	if wrong := f.checkPosition(); wrong != "" {
		return refuse("bad-position", wrong)
	}
	if !p.mayRead(ctx, c, topic) {
		return p.forbid(ctx, m, actionRead, ToTopic(topic))
	}
	return serverFrame{Type: "ack", Topic: topic, topicAnswer: p.replay(ctx, m, c, topic, f)}
}

// check tells a client in which of its topics it is behind, and what it has missed.
func (p *protocol) check(ctx context.Context, m *Message, c Connection, f clientFrame) serverFrame {
	if len(f.Topics) > p.o.MaxTopics {
		return refuse("too-many-topics", "")
	}
	for topic, at := range f.Topics {
		if err := validTopic(topic); err != nil {
			return refuse("bad-topic", `"topics": `+err.Error())
		}
		if at.position().Validate() != nil {
			return refuse("bad-position", `"topics" has an "epoch" and an "offset" for each topic`)
		}
		if !p.mayRead(ctx, c, topic) {
			return p.forbid(ctx, m, actionCheck, ToTopic(topic))
		}
	}
	answers := make(map[string]topicAnswer, len(f.Topics))
	var mu sync.Mutex
	var all sync.WaitGroup
	places := make(chan struct{}, readAtOnce)
	for topic, at := range f.Topics {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			var a topicAnswer
			if at.asksLog() {
				a = p.replay(ctx, m, c, topic, clientFrame{After: new(at.position())})
			}
			a.presenceAnswer = p.checkPresence(ctx, m, c, topic, at)
			mu.Lock()
			defer mu.Unlock()
			answers[topic] = a
		})
	}
	all.Wait()
	return serverFrame{Type: "ack", Topics: new(p.behind(f.Topics, answers))}
}

// behind are the answers that tell the client something, as far as they fit.
func (p *protocol) behind(asked map[string]topicCheck, answers map[string]topicAnswer) map[string]topicAnswer {
	behind := map[string]topicAnswer{}
	left := p.o.MaxAnswer
	for _, topic := range sortedKeys(answers) {
		a, at := answers[topic], asked[topic].position()
		size := 0
		for _, frame := range a.Messages {
			size += len(frame)
		}
		if size > left && len(behind) > 0 { // what does not fit is asked for
			a, size = topicAnswer{Epoch: a.Epoch, Offset: a.Offset, More: true, presenceAnswer: a.presenceAnswer}, 0
		}
		left -= size
		if len(behind) > 0 {
			a.presenceAnswer.shorten(left, p.o.MaxAnswer-left)
		}
		left -= a.presenceAnswer.size()
		if a.presenceAnswer.isEmpty() && a.Wait == 0 && (a.Epoch == "" && at.Epoch == "" || a.UpTo != nil && a.Epoch == at.Epoch && *a.UpTo == at.Offset && !a.More) {
			continue
		}
		behind[topic] = a
	}
	return behind
}
