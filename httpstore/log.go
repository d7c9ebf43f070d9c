package httpstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/wirepost/wirepost"
)

var _ wirepost.Log = (*Store)(nil)

type (
	// logEntry has its data as text: what JSON makes of an object may have other bytes.
	logEntry struct {
		Data string `json:"data"`
		ID   string `json:"id"`
		Keep int64  `json:"keep"` // milliseconds
	}
	appending struct {
		Topic   string             `json:"topic"`
		Entries []logEntry         `json:"entries"`
		At      *wirepost.Position `json:"at,omitempty"`
	}
	topicName struct {
		Topic string `json:"topic"`
	}
	reading struct {
		Topic    string            `json:"topic"`
		After    wirepost.Position `json:"after"`
		Messages int               `json:"messages"`
		Bytes    int               `json:"bytes"`
	}
	logMessage struct {
		Offset uint64 `json:"offset"`
		Data   string `json:"data"`
		ID     string `json:"id"`
		At     moment `json:"at"`
		End    moment `json:"end"`
	}
	replay struct {
		Messages []logMessage      `json:"messages,omitempty"` // of the epoch of UpTo
		UpTo     wirepost.Position `json:"upTo"`
		Head     wirepost.Position `json:"head"`
		Gaps     [][2]uint64       `json:"gaps,omitempty"`
		More     bool              `json:"more,omitempty"`
	}
)

// Append implements [wirepost.Log]. It is not sent again once its answer was lost:
// whether the store has it is not known then.
func (s *Store) Append(ctx context.Context, topic string, entries []wirepost.LogEntry, o *wirepost.AppendOptions) (wirepost.Position, error) {
	s.made()
	if err := cmp.Or(ended(ctx, nil), wirepost.ValidateAppend(topic, entries)); err != nil {
		return wirepost.Position{}, err
	}
	in := appending{Topic: topic}
	for _, e := range entries {
		in.Entries = append(in.Entries, logEntry{string(e.Data), e.ID, e.Keep.Milliseconds()})
	}
	if o != nil {
		in.At = o.At
	}
	first, err := tell[wirepost.Position](ctx, s, "append", in)
	if err == nil {
		return first, nil
	}
	_, told := errors.AsType[*answered](err)
	refused := told && !errors.Is(err, errTimeUp) || errors.Is(err, syscall.ECONNREFUSED) && ctx.Err() == nil
	if !refused && !errors.Is(err, wirepost.ErrUnknown) {
		err = fmt.Errorf("%w: %w", wirepost.ErrUnknown, err)
	}
	return wirepost.Position{}, s.fail(err, "append to topic %s", topic)
}

// Read implements [wirepost.Log].
func (s *Store) Read(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (wirepost.Replay, error) {
	s.made()
	if err := cmp.Or(ended(ctx, nil), wirepost.ValidateName(topic), after.Validate()); err != nil {
		return wirepost.Replay{}, err
	}
	out, _, err := ask[replay](ctx, s, "read", reading{topic, after, limit.Messages, limit.Bytes})
	if err != nil {
		return wirepost.Replay{}, s.fail(err, "read topic %s", topic)
	}
	r := wirepost.Replay{UpTo: out.UpTo, Head: out.Head, More: out.More}
	for _, m := range out.Messages {
		r.Messages = append(r.Messages, wirepost.LogMessage{Position: wirepost.Position{Epoch: out.UpTo.Epoch, Offset: m.Offset}, Data: []byte(m.Data), ID: m.ID, At: m.At.Time, End: m.End.Time})
	}
	for _, g := range out.Gaps {
		r.Gaps = append(r.Gaps, wirepost.Offsets{From: g[0], To: g[1]})
	}
	return r, nil
}

// Head implements [wirepost.Log].
func (s *Store) Head(ctx context.Context, topic string) (wirepost.Position, error) {
	return s.position(ctx, "head", "find the head of topic", topic)
}

// Restart implements [wirepost.Log]. A call whose answer was lost may begin two epochs,
// the first without a message.
func (s *Store) Restart(ctx context.Context, topic string) (wirepost.Position, error) {
	return s.position(ctx, "restart", "restart the log of topic", topic)
}

func (s *Store) position(ctx context.Context, method, what, topic string) (wirepost.Position, error) {
	s.made()
	if err := cmp.Or(ended(ctx, nil), wirepost.ValidateName(topic)); err != nil {
		return wirepost.Position{}, err
	}
	p, _, err := ask[wirepost.Position](ctx, s, method, topicName{topic})
	return p, s.fail(err, "%s %s", what, topic)
}

// logMethods are those of stores that keep messages.
var logMethods = map[string]method{
	"/v1/append": logCall(func(ctx context.Context, l wirepost.Log, in appending) (any, error) {
		entries := make([]wirepost.LogEntry, 0, len(in.Entries))
		for _, e := range in.Entries {
			entries = append(entries, wirepost.LogEntry{Data: []byte(e.Data), ID: e.ID, Keep: time.Duration(min(e.Keep, wirepost.MaxKeep.Milliseconds()+1)) * time.Millisecond})
		}
		if err := wirepost.ValidateAppend(in.Topic, entries); err != nil {
			return nil, invalid(err)
		}
		return l.Append(ctx, in.Topic, entries, &wirepost.AppendOptions{At: in.At})
	}),
	"/v1/read": logCall(func(ctx context.Context, l wirepost.Log, in reading) (any, error) {
		if err := cmp.Or(wirepost.ValidateName(in.Topic), in.After.Validate()); err != nil {
			return nil, invalid(err)
		}
		r, err := l.Read(ctx, in.Topic, in.After, wirepost.ReadLimit{Messages: in.Messages, Bytes: min(in.Bytes, maxAnswer/8)})
		out := replay{UpTo: r.UpTo, Head: r.Head, More: r.More}
		for _, m := range r.Messages {
			out.Messages = append(out.Messages, logMessage{m.Offset, string(m.Data), m.ID, moment{m.At}, moment{m.End}})
		}
		for _, g := range r.Gaps {
			out.Gaps = append(out.Gaps, [2]uint64{g.From, g.To})
		}
		return out, err
	}),
	"/v1/head": logCall(func(ctx context.Context, l wirepost.Log, in topicName) (any, error) {
		if err := wirepost.ValidateName(in.Topic); err != nil {
			return nil, invalid(err)
		}
		return l.Head(ctx, in.Topic)
	}),
	"/v1/restart": logCall(func(ctx context.Context, l wirepost.Log, in topicName) (any, error) {
		if err := wirepost.ValidateName(in.Topic); err != nil {
			return nil, invalid(err)
		}
		return l.Restart(ctx, in.Topic)
	}),
}

// logCall makes a method of a function on the store's log.
func logCall[In any](f func(context.Context, wirepost.Log, In) (any, error)) method {
	return func(ctx context.Context, h *handler, body []byte) (any, error) {
		l, ok := h.store.(wirepost.Log)
		if !ok {
			return nil, &answered{"this store keeps no messages", wirepost.ErrNotSupported}
		}
		var in In
		if err := decode(body, &in); err != nil {
			return nil, invalid(err)
		}
		return f(ctx, l, in)
	}
}
