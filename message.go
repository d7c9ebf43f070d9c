package wirepost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/wirepost/wirepost/internal/management"
)

// Message is what a client sent. A [Mux] makes it for the [Handler] of its route. A test
// of a handler makes one with [Mux.NewMessage], or as a literal: the methods of a
// literal return an error.
type Message struct {
	Request
	// RouteKey is what the handler was set for. The API's own key of the event, in
	// Event.RequestContext, is $default if it has no such route.
	RouteKey string
	Body     []byte
	mux      *Mux
}

// NewMessage makes a message of a connection as the handlers of m get it, for the test of
// a handler: its Connection, Subscribe and Unsubscribe use the store of m, and Post and
// Close the publisher ([MuxOptions].Publisher). Nothing is written or sent; the
// connection has a row only if the test has put it. Package wireposttest has a form with
// a store, and with what was posted.
func (m *Mux) NewMessage(c Connection, body []byte) *Message {
	m.made("wirepost: Mux.NewMessage")
	action, _ := actionOf(body)
	r := Request{ConnectionID: c.ID, Endpoint: Endpoint{c.Endpoint, DefaultEndpointURL(c.Endpoint)}, ConnectedAt: c.ConnectedAt, Time: c.ConnectedAt}
	r.Event.Body = string(body)
	rc := &r.Event.RequestContext
	rc.EventType, rc.RouteKey = "MESSAGE", cmp.Or(action, "$default")
	rc.ConnectionID, rc.APIID, rc.Stage = c.ID, c.Endpoint.APIID, c.Endpoint.Stage
	rc.ConnectedAt, rc.RequestTimeEpoch = c.ConnectedAt.UnixMilli(), c.ConnectedAt.UnixMilli()
	return &Message{Request: r, RouteKey: rc.RouteKey, Body: body, mux: m}
}

var (
	errNoMux = errors.New("wirepost: this message was not made by a Mux, so it has no store and nothing to send through; Mux.NewMessage makes one for a test")
	// errNoRow is ErrNotFound of the sender's own row, which HandleJSON answers.
	errNoRow = fmt.Errorf("the connection of the message has ended, or was never known: %w", ErrNotFound)
)

// Connection is the sender's row. It returns an [ErrNotFound] if there is none, because
// its time is over ([Accept].ExpiresAt) or it was never written: a message never creates
// a row, because it does not say who the user is.
func (m *Message) Connection(ctx context.Context) (Connection, error) {
	if m.mux == nil {
		return Connection{}, errNoMux
	}
	c, err := m.mux.store.Connection(ctx, m.ConnectionID)
	if errors.Is(err, ErrNotFound) || err == nil && !m.Key().Matches(c) {
		return Connection{}, errNoRow
	}
	return c, err
}

// Subscribe adds the sender's connection to a topic. It does not ask ProtocolOptions.Allow,
// and holds for this connection only: a client that connects again has to ask again, while
// the method subscribe of clients/js holds for all connections of a page. See
// [Store].Subscribe. It returns an [ErrNotFound] if the sender has no row.
func (m *Message) Subscribe(ctx context.Context, topic string) error {
	if m.mux == nil {
		return errNoMux
	}
	if err := checkReserved(ToTopic(topic)); err != nil {
		return err
	}
	err := m.mux.store.Subscribe(ctx, m.ConnectionID, topic)
	if errors.Is(err, ErrNotFound) {
		return errNoRow
	}
	return err
}

// Unsubscribe removes the sender's connection from a topic. It is no error if the
// connection was not subscribed or has no row. See [Store].Unsubscribe.
func (m *Message) Unsubscribe(ctx context.Context, topic string) error {
	if m.mux == nil {
		return errNoMux
	}
	if err := checkReserved(ToTopic(topic)); err != nil {
		return err
	}
	return m.mux.store.Unsubscribe(ctx, m.ConnectionID, topic)
}

// Post sends to the sender, as [Publisher.Post] does, at the endpoint of the message
// itself: the connection needs no row, so it also reaches a client whose row has ended
// ([Accept].ExpiresAt). It returns [ErrGone] if the connection has ended.
//
// It goes through [MuxOptions].Publisher. A post comes before what the handler returns,
// which API Gateway sends after it.
func (m *Message) Post(ctx context.Context, data []byte) error {
	if err := CheckMessage(data); err != nil {
		return err
	}
	return m.call(ctx, request{Request: management.Post(data)})
}

// Close closes the sender's connection, as [Publisher.Close] does, at the endpoint of
// the message itself: the connection needs no row. The client gets close code 1000, and
// nothing that the handler returns afterwards. It returns [ErrGone] if the connection
// has ended already.
func (m *Message) Close(ctx context.Context) error {
	return m.call(ctx, request{Request: management.Delete(), repeatable: true})
}

func (m *Message) call(ctx context.Context, r request) error {
	if m.mux == nil {
		return errNoMux
	}
	return m.mux.toSender(ctx, m.mux.messagePublisher(), &m.Request, time.Time{}, r)
}

// expire posts the answer to a frame of a connection that has ended, and closes it.
func (m *Message) expire(ctx context.Context, frame []byte) {
	if m.mux != nil {
		m.mux.expire(ctx, m.mux.messagePublisher(), m, frame, time.Second)
	}
}

// logger is that of the mux, or nowhere.
func (m *Message) logger() *slog.Logger {
	if m.mux == nil {
		return slog.New(slog.DiscardHandler)
	}
	return m.mux.o.Logger
}

// expire posts the answer to a frame of a connection that has ended, and closes it. A post
// comes before a DELETE, so the answer is posted: what a handler returns is sent after
// the function, when there would be nobody to get it. The margin is kept of the
// context's time.
func (m *Mux) expire(ctx context.Context, p *Publisher, from *Message, frame []byte, margin time.Duration) {
	m.o.Logger.InfoContext(ctx, "closing a connection that has ended, or was never known", "connectionId", from.ConnectionID)
	var stop time.Time
	if deadline, ok := ctx.Deadline(); ok {
		stop = deadline.Add(-min(margin, time.Until(deadline)/4))
	}
	for _, r := range []request{
		{Request: management.Post(frame)},
		{Request: management.Delete(), repeatable: true},
	} {
		if err := m.toSender(ctx, p, &from.Request, stop, r); err != nil && !errors.Is(err, ErrGone) {
			m.o.Logger.ErrorContext(ctx, "a connection that has ended could not be closed", "connectionId", from.ConnectionID, "error", err)
		}
	}
}

// messagePublisher is what messages are answered through.
func (m *Mux) messagePublisher() *Publisher {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.publisher == nil {
		m.publisher = NewPublisher(m.store, &PublisherOptions{Logger: m.o.Logger})
	}
	return m.publisher
}

// toSender makes one call about the connection of an event. Nothing is tried from stop
// on.
func (m *Mux) toSender(ctx context.Context, p *Publisher, from *Request, stop time.Time, r request) error {
	m.tell(p, from)
	l := Listed{ID: from.ConnectionID, Endpoint: from.Endpoint.Identity, ConnectedAt: from.ConnectedAt}
	// The event has the endpoint too, for a store that has lost it, or does not answer.
	moment, cancel := context.WithTimeout(ctx, time.Second)
	_, err := p.stages.client(moment, l.Endpoint)
	cancel()
	if err != nil {
		if err := p.stages.use(from.Endpoint); err != nil {
			return err
		}
	}
	post := management.NewContext(ctx)
	defer post.Close()
	_, out := p.deliver(post, ToConnection(l.ID), l, r, stop, nil)
	return out.Err
}

// tell lets a publisher know the endpoint of an event's stage as the store has last
// said it, so that its first post does not read it again.
func (m *Mux) tell(p *Publisher, from *Request) {
	if record, age, ok := m.lastSeen(from); ok {
		p.stages.learned(record, age)
	}
}
