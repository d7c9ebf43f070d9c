package wirepost

import (
	"context"
	"errors"
	"time"

	"github.com/wirepost/wirepost/internal/management"
)

// Message is what a client sent. A [Mux] makes it for the [Handler] of its route; the
// methods of one that no Mux made return an error.
type Message struct {
	Request
	Body []byte
	mux  *Mux
}

var errNoMux = errors.New("wirepost: this message was not made by a Mux, so it has no store and nothing to send through")

// Connection is the sender's row. It returns [ErrNotFound] if there is none: a
// message never creates a row, because it does not say who the user is.
func (m *Message) Connection(ctx context.Context) (Connection, error) {
	if m.mux == nil {
		return Connection{}, errNoMux
	}
	c, err := m.mux.store.Connection(ctx, m.ConnectionID)
	if err == nil && !m.Key().Matches(c) {
		return Connection{}, ErrNotFound
	}
	return c, err
}

// Subscribe adds the sender to a topic. See [Store].Subscribe.
func (m *Message) Subscribe(ctx context.Context, topic string) error {
	if m.mux == nil {
		return errNoMux
	}
	return m.mux.store.Subscribe(ctx, m.ConnectionID, topic)
}

// Unsubscribe removes the sender from a topic.
func (m *Message) Unsubscribe(ctx context.Context, topic string) error {
	if m.mux == nil {
		return errNoMux
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
