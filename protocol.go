package wirepost

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// Subprotocol is the name of docs/protocol.md, version 1, in the handshake's
// Sec-WebSocket-Protocol.
const Subprotocol = "wirepost.v1"

// Action is what a client wants to do with an audience.
type Action string

// The actions of docs/protocol.md that need a right.
const (
	ActionSubscribe Action = "subscribe"
	ActionSend      Action = "send"
)

// ProtocolOptions are all optional.
type ProtocolOptions struct {
	// Allow decides whether a connection may subscribe to a topic or send to an
	// audience (a topic, a user or everyone). A refusal is answered "forbidden".
	// Nil allows everything: any client may then send to everyone.
	Allow func(ctx context.Context, c Connection, action Action, to Audience) bool
	// MaxTopics bounds the topics of one connection. Default 100.
	MaxTopics int
	// Unfinished is given what a send of a client's had no time for, as a job for
	// [Publisher.Do]: to put it into a queue, as package jobs does. The client is told
	// that it is queued. Nil, or an error, is answered "incomplete".
	Unfinished func(ctx context.Context, rest Job) error
	// Margin is kept of the context's time for Unfinished and the answer. Default 1 s.
	Margin time.Duration
	// MaxAnswer is how many bytes of kept messages one answer has; a single message may
	// have more. Default 30 KB, 96 KB at most.
	MaxAnswer int
	// Since says how far back a connection may read the log of a topic: messages that
	// were appended before it are gone for that connection. Nil, or the zero time: as far
	// as the log goes.
	Since func(ctx context.Context, c Connection, topic string) time.Time
	// MayCancel decides whether a connection may cancel a stream to an audience that
	// somebody else has asked for. Nil: only who asked may.
	MayCancel func(ctx context.Context, c Connection, to Audience) bool
	// NewID makes the IDs of messages. Default: 26 random characters.
	NewID func() string
}

// HandleProtocol makes the mux answer the frames of docs/protocol.md, version 1,
// and send through the publisher. It sets the handlers of the route keys
// subscribe, unsubscribe, send, ping and $default; each needs a route response,
// because what a handler returns is the answer. A handler of one's own for one of them
// ([Mux.Handle]) takes its place.
//
// Every frame costs one lookup of the connection's row. A connection that has
// none has ended, with its [Accept].ExpiresAt, or was never known: the client is
// told "expired" and the connection is closed.
//
// Who may connect is for [MuxOptions].Connect to decide. It should choose
// [Subprotocol] when the client offers it.
//
// It panics if the publisher was not made by [NewPublisher], and when it is called a
// second time.
func (m *Mux) HandleProtocol(publisher *Publisher, o *ProtocolOptions) {
	const caller = "wirepost: Mux.HandleProtocol"
	m.made(caller)
	publisher.made(caller)
	if m.protocol != nil {
		panic(caller + ": it was called before")
	}
	p := &protocol{mux: m, publisher: publisher}
	if o != nil {
		p.o = *o
	}
	if p.o.MaxTopics <= 0 {
		p.o.MaxTopics = 100
	}
	if p.o.Margin <= 0 {
		p.o.Margin = time.Second
	}
	if p.o.MaxAnswer <= 0 {
		p.o.MaxAnswer = defaultAnswer
	}
	p.o.MaxAnswer = min(p.o.MaxAnswer, maxAnswer)
	m.mu.Lock()
	if m.publisher == nil {
		m.publisher = publisher
	}
	m.mu.Unlock()
	m.protocol = map[string]Handler{}
	for _, key := range []string{"subscribe", "unsubscribe", "send", "ping", "$default"} {
		m.protocol[key] = m.wrap(key, p.handle)
	}
}

type protocol struct {
	mux       *Mux
	publisher *Publisher
	o         ProtocolOptions
	counts    memberCounts
}

// clientFrame is what a client sends.
type clientFrame struct {
	Action *string         `json:"action"`
	Ref    json.RawMessage `json:"ref"`
	Topic  *string         `json:"topic"`
	To     *string         `json:"to"`
	Data   json.RawMessage `json:"data"`

	After  *Position             `json:"after"`
	Last   *int                  `json:"last"`
	Topics map[string]topicCheck `json:"topics"`

	Stream *string `json:"stream"`
	At     *int64  `json:"at"`
	Key    *string `json:"key"`
	presentFrame
}

// serverFrame is what is answered, and the order of its members.
type serverFrame struct {
	Type   string          `json:"type"`
	Ref    json.RawMessage `json:"ref,omitempty"`
	Code   string          `json:"code,omitempty"`
	Text   string          `json:"text,omitempty"`
	Topic  string          `json:"topic,omitempty"`
	ID     string          `json:"id,omitempty"`
	Sent   *int            `json:"sent,omitempty"`
	Failed int             `json:"failed,omitempty"`
	Queued bool            `json:"queued,omitempty"`

	topicAnswer
	streamAnswer
	Topics *map[string]topicAnswer `json:"topics,omitempty"`
}

// maxRef is the longest ref, in bytes of JSON.
const maxRef = 64

func (p *protocol) handle(ctx context.Context, m *Message) ([]byte, error) {
	f, ok := parseFrame(m.Body)
	c, err := m.Connection(ctx)
	var answer serverFrame
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, p.expire(ctx, m, f)
	case err != nil:
		p.failed("the row of a frame's connection could not be read", m, err)
		answer = refuse("internal", "")
	case !ok:
		answer = refuse("bad-frame", `a frame is a JSON object with the string "action"; "ref" is a string or a number of at most 64 bytes`)
	default:
		answer = p.do(ctx, m, c, f)
	}
	answer.Ref = f.Ref
	return encodeFrame(answer)
}

// parseFrame reads as much of a frame as can be read: the ref of one that is
// refused is needed for the answer.
func parseFrame(body []byte) (clientFrame, bool) {
	var f clientFrame
	err := json.Unmarshal(body, &f)
	if bytes.Equal(f.Ref, []byte("null")) {
		f.Ref = nil
	}
	if !validRef(f.Ref) {
		f.Ref = nil
		return f, false
	}
	if err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			f = clientFrame{}
		}
		return f, false
	}
	return f, f.Action != nil
}

func refuse(code, text string) serverFrame { return serverFrame{Type: "error", Code: code, Text: text} }

func encodeFrame(f any) ([]byte, error) {
	var b bytes.Buffer
	w := json.NewEncoder(&b)
	w.SetEscapeHTML(false)
	if err := w.Encode(f); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func (p *protocol) failed(what string, m *Message, err error) {
	p.mux.o.Logger.Error(what, "connectionId", m.ConnectionID, "error", err)
}

func (p *protocol) do(ctx context.Context, m *Message, c Connection, f clientFrame) serverFrame {
	switch Action(*f.Action) {
	case "ping":
		return serverFrame{Type: "pong"}
	case ActionSubscribe, "unsubscribe":
		return p.topic(ctx, m, c, f)
	case ActionSend:
		return p.send(ctx, m, c, f)
	case actionRead:
		return p.read(ctx, m, c, f)
	case actionCheck:
		return p.check(ctx, m, c, f)
	case actionResume:
		return p.resume(ctx, m, c, f)
	case actionCancel:
		return p.cancelStream(ctx, m, c, f)
	case actionMembers:
		return p.members(ctx, m, c, f)
	case actionLeave:
		return p.leave(ctx, m, c, f)
	}
	return refuse("unknown-action", p.actions())
}

// actions says which there are: the protocol's, and those of the program.
func (p *protocol) actions() string {
	own := sortedKeys(p.mux.handlers)
	own = slices.DeleteFunc(own, func(key string) bool { return key == "$default" || p.mux.protocol[key] != nil })
	all := []string{"subscribe", "unsubscribe", "send", "read", "check", "resume", "cancel", "ping"}
	if p.mux.o.Presence != nil {
		all = append(all, actionMembers, actionLeave)
	}
	all = append(all, own...)
	return `"action" must be ` + strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
}

func (p *protocol) topic(ctx context.Context, m *Message, c Connection, f clientFrame) serverFrame {
	var topic string
	if f.Topic != nil {
		topic = *f.Topic
	}
	if err := validTopic(topic); err != nil {
		return refuse("bad-topic", `"topic": `+err.Error())
	}
	if wrong := f.checkPosition(); wrong != "" {
		return refuse("bad-position", wrong)
	}
	change := m.Unsubscribe
	var e *entry
	if Action(*f.Action) == ActionSubscribe {
		change = m.Subscribe
		switch {
		case !p.allows(ctx, c, ActionSubscribe, ToTopic(topic)):
			return p.forbid(ctx, m, ActionSubscribe, ToTopic(topic))
		case ownTopics(c) >= p.o.MaxTopics && !slices.Contains(c.Topics, topic):
			return refuse("too-many-topics", "")
		}
		var wrong string
		if e, wrong = p.entryOf(ctx, c, topic, f); wrong != "" {
			return refuse("bad-presence", wrong)
		}
		if e != nil {
			change = e.subscribe
		}
	}
	switch err := change(ctx, topic); {
	case errors.Is(err, ErrNotFound): // it ended since its row was read; the next frame says so
		return refuse("not-sent", "")
	case err != nil:
		p.failed("the topics of a connection could not be changed", m, err)
		return refuse("internal", "")
	}
	answer := serverFrame{Type: "ack", Topic: topic}
	if Action(*f.Action) == ActionSubscribe && f.hasPosition() {
		// The row was written before: a message is in this answer or in its publisher's
		// listing, or in both.
		answer.topicAnswer = p.replay(ctx, m, c, topic, f)
	}
	switch {
	case e != nil:
		var failed bool
		if answer.presenceAnswer, failed = p.enter(ctx, m, e); failed {
			return refuse("internal", "")
		}
	case Action(*f.Action) == "unsubscribe" && c.Marks[topic] != "":
		p.mux.endPresence(ctx, p.publisher, &m.Request, c, []string{topic})
	}
	return answer
}

func (p *protocol) allows(ctx context.Context, c Connection, action Action, to Audience) bool {
	return p.o.Allow == nil || p.o.Allow(ctx, c, action, to)
}

// forbid tells the client nothing more: what it may not do is in the log.
func (p *protocol) forbid(ctx context.Context, m *Message, action Action, to Audience) serverFrame {
	p.mux.o.Logger.InfoContext(ctx, "refused a frame: the connection has no right to it", "connectionId", m.ConnectionID, "action", action, "to", clip(to.String()))
	return refuse("forbidden", "")
}

func (p *protocol) send(ctx context.Context, m *Message, c Connection, f clientFrame) serverFrame {
	var name string
	if f.To != nil {
		name = *f.To
	}
	// A connection ID is the server's: no client is told one, and none sends to one.
	to, err := ParseAudience(name)
	if err != nil || to.Kind == KindConnection || checkReserved(to) != nil {
		return refuse("bad-audience", `"to" must be topic:NAME, user:NAME or everyone`)
	}
	if len(f.Data) == 0 {
		return refuse("no-data", `"data" is missing`)
	}
	if !p.allows(ctx, c, ActionSend, to) {
		return p.forbid(ctx, m, ActionSend, to)
	}
	e := NewEnvelope(to, f.Data)
	e.From = c.User
	if p.o.NewID != nil {
		e.ID = p.o.NewID()
	}
	frame, err := e.Frame()
	if err == nil {
		err = CheckMessage(frame)
	}
	switch {
	case ProblemOf(err) == ProblemMessageSize:
		return refuse("too-large", "")
	case err != nil: // only data that is not UTF-8 comes so far, and no gateway lets that in
		return refuse("bad-frame", "")
	}
	p.mux.tell(p.publisher, &m.Request)
	publish := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		publish, cancel = context.WithDeadline(ctx, deadline.Add(-min(p.o.Margin, time.Until(deadline)/4)))
		defer cancel()
	}
	result, err := p.publisher.Publish(publish, to, frame, nil)
	answer := serverFrame{Type: "ack", ID: e.ID, Sent: &result.Sent, Failed: result.Failed}
	reached := result.Sent+result.Gone+result.Failed > 0
	switch {
	case result.Next != "" && p.o.Unfinished != nil:
		rest := Job{Publish: rand.Text(), To: to, Text: string(result.Position.Framed(frame)), Parts: 1, After: result.Next}
		if err := p.o.Unfinished(ctx, rest); err != nil {
			p.failed("what a send had no time for could not be handed on", m, err)
			answer.Type, answer.Code = "error", "incomplete"
		} else {
			answer.Queued = true
		}
	case result.Position == (Position{}) && (result.Next != "" || err != nil && reached):
		p.failed("a send was not finished", m, err)
		answer.Type, answer.Code = "error", "incomplete"
	case errors.Is(err, ErrUnknown):
		p.failed("a message may have been kept, and was not sent", m, err)
		return refuse("internal", "")
	case err != nil && result.Position != (Position{}): // every subscriber finds it in the log
		p.failed("a message was kept and could not be sent", m, err)
	case err != nil:
		p.failed("a message could not be sent", m, err)
		return refuse("not-sent", "")
	}
	for _, err := range result.Errors[:min(len(result.Errors), 3)] {
		p.mux.o.Logger.Warn("a post failed", "problem", string(ProblemOf(err)), "error", err)
	}
	return answer
}

// expire answers a frame of a connection that has ended, and closes it.
func (p *protocol) expire(ctx context.Context, m *Message, f clientFrame) error {
	answer := refuse("expired", "")
	answer.Ref = f.Ref
	frame, err := encodeFrame(answer)
	if err != nil {
		return err
	}
	p.mux.expire(ctx, p.publisher, m, frame, p.o.Margin)
	return nil
}
