// Package client is a client of wirepost's WebSocket protocol (docs/protocol.md) that
// stays connected: for programs elsewhere that listen to what functions publish, and for
// tests.
//
//	c := client.Connect("wss://abc123.execute-api.eu-central-1.amazonaws.com/prod", &client.Options{Topics: []string{"lobby"}})
//	defer c.Close()
//	for event := range c.Events(ctx) {
//		if event.Message != nil { … }
//	}
//
// API Gateway closes a connection that is idle for ten minutes, and each after two hours
// (AWS, WebSocket quotas page). This client pings before the one and moves to a new
// connection before the other; when a connection is lost it makes another, again and
// again, until it is closed.
//
// Of a topic with a log it gives each kept message once and in order, also those that were
// published while it was away; what is missing for good is a [Gap]. It does what the
// browser client does: both are held by one script, clients/testdata/log.json.
package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wirepost/wirepost"
)

// Options are all optional.
type Options struct {
	// Topics are subscribed on every connection before it counts as open.
	Topics []string
	// Last is how many of the newest kept messages of a topic come first, if no position
	// is known; 300 at most.
	Last int
	// Positions are where topics go on, as [Client.Positions] gave them.
	Positions map[string]wirepost.Position
	// Token is asked for a token before each connection. It goes into
	// Sec-WebSocket-Protocol, which no access log keeps. An error counts as a failed
	// attempt. A connection ends with its token, and the client connects again.
	Token func(context.Context) (string, error)

	// PingAfter is after how long a connection that has said nothing is asked, and after
	// how long the log of each topic is, whatever came. Default 4 minutes.
	PingAfter time.Duration
	// PongTimeout is how long it may take to say something then. Default 10 s.
	PongTimeout time.Duration
	// AnswerTimeout is how long opening may take, and each answer. Default 30 s, since a
	// function has 29.
	AnswerTimeout time.Duration
	// MaxAge is the limit of a connection's age; it is replaced at 60 to 90 % of it.
	// Default 2 h.
	MaxAge time.Duration
	// Overlap is how long the old connection is kept after the new one has all its topics.
	// Default 5 s.
	Overlap time.Duration
	// MinDelay and MaxDelay bound the waits between attempts: the n-th in a row comes
	// after a random part of MinDelay doubled n times, and of MaxDelay at most. Defaults
	// 1 s and 30 s.
	MinDelay, MaxDelay time.Duration

	// Dial opens a connection, for tests and proxies. Default: github.com/coder/websocket.
	Dial func(ctx context.Context, url string, subprotocols []string) (Socket, error)
	// Random gives numbers in [0,1) and is called by one goroutine at a time. Default
	// math/rand/v2.
	Random func() float64
}

// Socket is a WebSocket connection. Read and Write are each called by one goroutine at a
// time, and both end when the socket is closed.
type Socket interface {
	Read(ctx context.Context) (text []byte, err error)
	Write(ctx context.Context, text []byte) error
	// Close closes with a code, and need not wait for the other end.
	Close(code int)
}

// State is what a client is doing.
type State string

// The states. In Waiting the last attempt failed, and another comes.
const (
	Connecting State = "connecting"
	Open       State = "open"
	Waiting    State = "waiting"
	Closed     State = "closed"
)

// Message is a message of somebody.
type Message struct {
	ID   string          `json:"id"`
	To   string          `json:"to"` // such as topic:lobby
	From string          `json:"from,omitempty"`
	Data json.RawMessage `json:"data"`
	// Position is that of a message that was kept; else it is zero.
	wirepost.Position
}

// Gap is a range of kept messages of a topic that are missing for good.
type Gap struct {
	Topic string `json:"topic"`
	// From and To are the first and the last offset; From is 0 where nobody knows how
	// many there were.
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// Event is something that a client has to tell. Exactly one of its fields is set.
type Event struct {
	Message  *Message
	Gap      *Gap
	State    State
	Piece    *Piece // of a stream that nobody reads by Ask or Resume
	Presence *PresenceChange
	Raw      []byte // what came and is not of the protocol
	Err      error  // what went wrong next to that: a refused topic, a failed attempt
}

// Refusal is why something was not done: a code of docs/protocol.md, or of the client
// itself: unanswered (nobody knows whether it was done), closed, too-large.
type Refusal struct {
	Code, Text string
	Topic      string // that was refused
}

// Error is the code and the text.
func (r *Refusal) Error() string {
	s := r.Code
	if r.Topic != "" {
		s = "topic " + r.Topic + ": " + s
	}
	if r.Text != "" {
		s += ": " + r.Text
	}
	return s
}

// Ack is the answer to a send.
type Ack struct {
	ID     string          `json:"id"`
	Sent   int             `json:"sent"`
	Failed int             `json:"failed"`
	Queued bool            `json:"queued"`
	Data   json.RawMessage `json:"data"` // of a route of the function's own

	// Stream and Key name the stream that the answer will be; Client.Ask reads it.
	Stream string `json:"stream"`
	Key    string `json:"key"`
}

// maxFrame is what API Gateway takes in one frame, in bytes (AWS, WebSocket quotas page).
const maxFrame = 32 << 10

// maxEvents is how many events may wait before nothing more is read from the server.
const maxEvents = 1000

// Client is a client from its first attempt to connect until it is closed. Its methods
// may be called concurrently, also while an event is looked at.
type Client struct {
	url    string
	o      Options
	life   context.Context
	end    context.CancelFunc
	ending sync.WaitGroup // goroutines of links

	mu      sync.Mutex
	state   State
	wishes  map[string]bool
	seen    map[string]bool
	seenIDs []string
	links   map[*link]bool
	current *link
	next    *link
	retry   *time.Timer
	tries   int
	refs    int
	queue   []*item
	logs    *positions
	streams map[string][]*Stream // that are read
	early   []earlyPiece
	asks    int // that are not answered

	presences presences

	events []Event
	more   chan struct{} // holds one: there are events
	room   chan struct{} // holds one: there is room again
}

// Connect begins to connect to a ws: or wss: URL, and keeps at it until Close. A wrong URL
// is told by an event. It panics if the options cannot be.
func Connect(url string, o *Options) *Client {
	c := &Client{url: url, state: Connecting, wishes: map[string]bool{}, seen: map[string]bool{}, links: map[*link]bool{}, streams: map[string][]*Stream{}, more: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	if o != nil {
		c.o = *o
	}
	for _, d := range []struct {
		of       *time.Duration
		default_ time.Duration
	}{{&c.o.PingAfter, 4 * time.Minute}, {&c.o.PongTimeout, 10 * time.Second}, {&c.o.AnswerTimeout, 30 * time.Second}, {&c.o.MaxAge, 2 * time.Hour},
		{&c.o.Overlap, 5 * time.Second}, {&c.o.MinDelay, time.Second}, {&c.o.MaxDelay, 30 * time.Second}} {
		if *d.of <= 0 {
			*d.of = d.default_
		}
	}
	if c.o.Random == nil {
		c.o.Random = rand.Float64
	}
	if c.o.Dial == nil {
		c.o.Dial = dial
	}
	for _, topic := range c.o.Topics {
		if err := wirepost.ValidateName(topic); err != nil {
			panic(fmt.Sprintf("client.Connect: topic %q: %v", topic, err))
		}
		c.wishes[topic] = true
	}
	c.life, c.end = context.WithCancel(context.Background())
	c.logs = newPositions(c, c.o.PingAfter, c.o.Positions)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempt()
	return c
}

// Events gives what happens, until the context or the client ends; the error says which.
// One loop at a time should run: each event is given once. While nobody loops, events
// wait, and when 1,000 do nothing more is read from the server.
func (c *Client) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			e, ok := c.takeEvent()
			if ok {
				if !yield(e, nil) {
					return
				}
				continue
			}
			select {
			case <-c.more:
			case <-ctx.Done():
				yield(Event{}, context.Cause(ctx))
				return
			case <-c.life.Done():
				if e, ok := c.takeEvent(); ok {
					if !yield(e, nil) {
						return
					}
					continue
				}
				yield(Event{}, &Refusal{Code: "closed"})
				return
			}
		}
	}
}

func (c *Client) takeEvent() (Event, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.events) == 0 {
		return Event{}, false
	}
	e := c.events[0]
	c.events = c.events[1:]
	signal(c.room)
	return e, true
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// emit adds an event. The caller holds mu, as do those of all functions below that are
// not exported.
func (c *Client) emit(e Event) {
	c.events = append(c.events, e)
	signal(c.more)
}

// State is what the client is doing.
func (c *Client) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Positions are those of all topics with a log, as far as their messages have been given
// to Events: a program that keeps them goes on there, and may get the last messages twice
// if it ends before it has kept the next ones.
func (c *Client) Positions() map[string]wirepost.Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.logs.all()
	for i := len(c.events) - 1; i >= 0; i-- { // what was not given counts as not had
		switch e := c.events[i]; {
		case e.Message != nil && e.Message.Epoch != "":
			topic := strings.TrimPrefix(e.Message.To, "topic:")
			all[topic] = wirepost.Position{Epoch: e.Message.Epoch, Offset: e.Message.Offset - 1}
		}
	}
	return all
}

// Subscribe subscribes to a topic, now and on every later connection. A refusal is an
// event.
func (c *Client) Subscribe(topic string) error {
	if err := wirepost.ValidateName(topic); err != nil {
		return fmt.Errorf("subscribe to %q: %w", topic, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wishes[topic] = true
	c.change()
	return nil
}

// Unsubscribe ends a subscription.
func (c *Client) Unsubscribe(topic string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.wishes, topic)
	c.logs.forget(topic)
	c.presences.forget(topic)
	c.change()
}

// Wake says that the machine has slept, or was without a network: the connection and the
// logs are asked at once.
func (c *Client) Wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.logs.wake()
	c.presences.wake()
	switch {
	case c.retry != nil:
		c.retry.Stop()
		c.retry = nil
		c.again(time.Duration(c.o.Random()*float64(c.o.MinDelay)), nil)
	case c.current != nil:
		c.ping(c.current)
	}
}

// Close ends the connection and what waits, for good, and returns when nothing of the
// client runs any more.
//
// Of a topic in which the program is present it takes its leave first, for two seconds at
// most.
func (c *Client) Close() {
	c.mu.Lock()
	if c.state != Closed && len(c.presences.topics) > 0 {
		goodbye := c.presences.goodbye()
		c.mu.Unlock()
		timer := time.NewTimer(goodbyeTime)
		select {
		case <-goodbye:
		case <-timer.C:
		}
		timer.Stop()
		c.mu.Lock()
	}
	if c.state != Closed {
		if c.retry != nil {
			c.retry.Stop()
		}
		c.become(Closed)
		for l := range c.links {
			c.dropWith(l, saidGoodbye, nil)
		}
		for _, i := range c.queue {
			i.done(&Refusal{Code: "closed"}, answer{})
		}
		c.queue = nil
		for _, readers := range c.streams {
			for _, s := range slices.Clone(readers) {
				s.finish(&Refusal{Code: "closed"})
			}
		}
		c.logs.close()
		c.presences.close()
		c.end()
	}
	c.mu.Unlock()
	c.ending.Wait()
}

// later runs f with mu held, unless the client has ended.
func (c *Client) later(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.state != Closed {
			f()
		}
	})
}

func (c *Client) become(s State) {
	if c.state != s {
		c.state = s
		c.emit(Event{State: s})
	}
}

// change makes the topics of the links those that are wished for.
func (c *Client) change() {
	for _, l := range []*link{c.current, c.next} {
		if l != nil && l.socket != nil {
			c.sync(l)
		}
	}
}
