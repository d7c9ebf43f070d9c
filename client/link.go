package client

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
)

const (
	// expired is the code of a connection whose token has ended, or that the server no
	// longer knows.
	expired = "expired"
	// rememberedIDs is how many IDs of messages are remembered.
	rememberedIDs = 1000
	// maxRead is the largest message that is taken: API Gateway's, and what an answer with
	// kept messages may have more.
	maxRead = 256 << 10
	// givenUp and saidGoodbye are the codes of the client's own close frames: of a
	// connection that is replaced, or did not work, and of the end of the client, which has
	// no code, as browsers close. The server tells from them who leaves.
	givenUp     = 4000
	saidGoodbye = 1005
	// maxWrites is how many frames may wait for a socket.
	maxWrites = 256
)

// link is a socket on its way from the first attempt to its end.
type link struct {
	life   context.Context
	end    context.CancelFunc
	socket Socket
	writes chan []byte

	dead    bool
	retired bool // it was replaced, and ends with the overlap and its last answer
	over    bool // so the overlap is
	asked   bool // a ping was sent, and nothing came since
	heard   time.Time
	since   time.Time

	timer   *time.Timer // its opening's end, later its replacement, at last the overlap's end
	beat    *time.Timer
	pending map[string]func(*Refusal, answer)
	topics  map[string]bool
	busy    map[string]bool // topics with a request under way
}

// answer is an ack, or an error.
type answer struct {
	Type string          `json:"type"`
	Ref  json.RawMessage `json:"ref"`
	Code string          `json:"code"`
	Text string          `json:"text"`
	Ack
	topicAnswer
	Topics map[string]topicAnswer `json:"topics"`

	// Of a stream.
	At    int64             `json:"at"`
	Items []json.RawMessage `json:"items"`
	End   bool              `json:"end"`
	Error string            `json:"error"`

	// Of a message.
	To   string `json:"to"`
	From string `json:"from"`

	// Of API Gateway itself.
	Message      string `json:"message"`
	ConnectionID string `json:"connectionId"`
	RequestID    string `json:"requestId"`
}

// again plans the next attempt. why is how the last connection ended.
func (c *Client) again(d time.Duration, why error) {
	if why != nil {
		c.emit(Event{Err: why})
	}
	if c.retry == nil {
		c.retry = c.later(d, c.attempt)
	}
	if c.current == nil {
		c.become(Waiting)
	}
}

// attempt opens a link, which becomes the next one.
func (c *Client) attempt() {
	c.retry = nil
	l := &link{pending: map[string]func(*Refusal, answer){}, topics: map[string]bool{}, busy: map[string]bool{}, writes: make(chan []byte, maxWrites)}
	l.life, l.end = context.WithCancel(c.life)
	c.next = l
	c.links[l] = true
	l.timer = c.later(c.o.AnswerTimeout, func() { c.drop(l, errors.New("the connection was not opened in time")) })
	if c.current == nil {
		c.become(Connecting)
	}
	c.ending.Go(func() { c.run(l) }) // ends with the link
}

// run is the life of a link's socket.
func (c *Client) run(l *link) {
	socket, err := c.open(l)
	c.mu.Lock()
	if err != nil || l.dead {
		if socket != nil {
			socket.Close(givenUp)
		}
		c.drop(l, err)
		c.mu.Unlock()
		return
	}
	l.socket = socket
	c.ending.Go(func() { c.write(l) }) // ends with the link
	c.sync(l)
	c.mu.Unlock()
	for {
		text, err := socket.Read(l.life)
		if err == nil {
			err = c.waitForRoom(l)
		}
		c.mu.Lock()
		if err != nil {
			c.drop(l, err)
		} else if !l.dead {
			c.receive(l, text)
		}
		dead := l.dead
		c.mu.Unlock()
		if dead {
			return
		}
	}
}

// waitForRoom waits while too many events wait for the program.
func (c *Client) waitForRoom(l *link) error {
	for {
		c.mu.Lock()
		full := len(c.events) >= maxEvents
		c.mu.Unlock()
		if !full {
			return nil
		}
		select {
		case <-c.room:
		case <-l.life.Done():
			return l.life.Err()
		}
	}
}

func (c *Client) open(l *link) (Socket, error) {
	ctx, cancel := context.WithTimeout(l.life, c.o.AnswerTimeout)
	defer cancel()
	subprotocols := []string{wirepost.Subprotocol}
	if c.o.Token != nil {
		token, err := c.o.Token(ctx)
		if err != nil {
			return nil, err
		}
		if token != "" {
			subprotocols = append(subprotocols, "bearer."+token)
		}
	}
	return c.o.Dial(ctx, c.url, subprotocols)
}

func (c *Client) write(l *link) {
	for {
		select {
		case text := <-l.writes:
			ctx, cancel := context.WithTimeout(l.life, c.o.AnswerTimeout)
			err := l.socket.Write(ctx, text)
			cancel()
			if err != nil {
				c.mu.Lock()
				c.drop(l, err)
				c.mu.Unlock()
				return
			}
		case <-l.life.Done():
			return
		}
	}
}

// say sends a frame; a socket that takes none for long is given up.
func (c *Client) say(l *link, text []byte) {
	select {
	case l.writes <- text:
	default:
		c.drop(l, errors.New("the connection takes nothing"))
	}
}

// drop ends a link. If it was the current or the next one, another attempt follows.
func (c *Client) drop(l *link, why error) { c.dropWith(l, givenUp, why) }

// dropWith ends a link with a close code.
func (c *Client) dropWith(l *link, code int, why error) {
	if l.dead {
		return
	}
	l.dead = true
	delete(c.links, l)
	stop(l.timer)
	stop(l.beat)
	if l.socket != nil {
		l.socket.Close(code)
	}
	l.end()
	needed := l == c.next || l == c.current
	if l == c.next {
		c.next = nil
	}
	if l == c.current {
		c.current = nil
		if time.Since(l.since) > c.o.MaxDelay { // who keeps a connection for a moment only is not to be asked all the time
			c.tries = 0
		}
	}
	for _, done := range l.pending {
		done(&Refusal{Code: "unanswered", Text: "the connection ended before the answer came"}, answer{})
	}
	switch {
	case !needed || c.state == Closed:
	case c.next != nil:
		c.become(Connecting)
	default:
		d := math.Min(float64(c.o.MaxDelay), float64(c.o.MinDelay)*math.Pow(2, float64(min(c.tries, 30))))
		c.tries++
		c.again(time.Duration(c.o.Random()*d), why)
	}
}

func stop(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}

// ask sends a frame and waits for its answer.
func (c *Client) ask(l *link, i *item) {
	var timer *time.Timer
	end := func(r *Refusal, a answer) {
		stop(timer)
		delete(l.pending, i.ref)
		i.done(r, a)
		c.finish(l)
	}
	timer = c.later(c.o.AnswerTimeout, func() { end(&Refusal{Code: "unanswered", Text: "no answer came in time"}, answer{}) })
	l.pending[i.ref] = end
	c.say(l, i.text)
}

// sync subscribes and unsubscribes until the link has the topics that are wished for.
func (c *Client) sync(l *link) {
	if l.dead {
		return
	}
	for _, topic := range sortedTopics(c.wishes, l.topics) {
		wish := c.wishes[topic]
		if l.busy[topic] || wish == l.topics[topic] {
			continue
		}
		l.busy[topic] = true
		action, fields := "unsubscribe", map[string]any{}
		if wish {
			action, fields = "subscribe", c.logs.begin(topic)
			c.presences.fields(topic, fields)
		}
		fields["topic"] = topic
		i, err := c.newItem(action, fields, nil)
		if err != nil { // a topic is a string
			panic(err)
		}
		i.done = func(r *Refusal, a answer) { c.synced(l, topic, wish, r, a) }
		c.ask(l, i)
	}
	if l == c.next && len(l.busy) == 0 {
		c.promote(l)
	}
}

// synced is told the answer to a subscribe, or to an unsubscribe.
func (c *Client) synced(l *link, topic string, wish bool, r *Refusal, a answer) {
	delete(l.busy, topic)
	if wish {
		c.logs.end(topic, r, a.topicAnswer)
	}
	switch {
	case l.dead || l.retired:
		return
	case r != nil && (r.Code == expired || r.Code == "unanswered" || r.Code == "internal"): // says nothing about the topic
		c.drop(l, r)
		return
	case !wish:
		delete(l.topics, topic)
	case r == nil:
		l.topics[topic] = true
		c.presences.entered(l, topic, a.presenceAnswer)
	case c.wishes[topic]:
		delete(c.wishes, topic)
		c.logs.forget(topic)
		c.presences.forget(topic)
		c.emit(Event{Err: &Refusal{Code: r.Code, Text: r.Text, Topic: topic}})
	}
	c.sync(l)
}

// promote makes the next link the current one.
func (c *Client) promote(l *link) {
	old := c.current
	c.current, c.next = l, nil
	l.since, l.heard = time.Now(), time.Now()
	stop(l.timer)
	l.timer = c.later(time.Duration(float64(c.o.MaxAge)*(0.6+0.3*c.o.Random())), c.attempt)
	c.keepBeating(l, c.o.PingAfter)
	if old != nil {
		stop(old.timer)
		stop(old.beat)
		old.retired = true
		old.timer = c.later(c.o.Overlap, func() {
			old.over = true
			c.finish(old)
		})
	}
	queue := c.queue
	c.queue = nil
	for _, i := range queue {
		c.ask(l, i)
	}
	c.logs.pump()
	c.resumeAll()
	c.become(Open)
}

// finish ends a replaced link when nothing more can come on it.
func (c *Client) finish(l *link) {
	if l.retired && l.over && len(l.pending) == 0 {
		c.drop(l, nil)
	}
}

func (c *Client) keepBeating(l *link, d time.Duration) {
	l.beat = c.later(d, func() {
		if left := c.o.PingAfter - time.Since(l.heard); left > 0 {
			c.keepBeating(l, left)
			return
		}
		c.ping(l)
	})
}

func (c *Client) ping(l *link) {
	if l.asked {
		return
	}
	l.asked = true
	stop(l.beat)
	l.beat = c.later(c.o.PongTimeout, func() { c.drop(l, errors.New("the connection does not answer")) })
	c.say(l, []byte(`{"action":"ping"}`))
}

// receive takes a frame of the server.
func (c *Client) receive(l *link, text []byte) {
	l.heard = time.Now()
	if l.asked {
		l.asked = false
		stop(l.beat)
		if l == c.current {
			c.keepBeating(l, c.o.PingAfter)
		}
	}
	var a answer
	if json.Unmarshal(text, &a) != nil {
		c.emit(Event{Raw: text})
		return
	}
	switch a.Type {
	case "message":
		m := message(text)
		topic, isTopic := strings.CutPrefix(a.To, "topic:")
		if isTopic && m.Epoch != "" && m.Offset > 0 {
			c.logs.accept(topic, m)
		} else {
			c.deliver(m)
		}
	case "stream":
		var p Piece
		if json.Unmarshal(text, &p) == nil {
			c.piece(p, len(text))
		}
	case "ack", "error":
		c.answered(l, a)
	case "presence":
		c.presences.announced(text)
	case "":
		if a.Message != "" && a.ConnectionID != "" && a.RequestID != "" {
			c.emit(Event{Err: &Refusal{Code: "gateway", Text: a.Message}})
			if l == c.next { // it answered one of the subscriptions
				c.drop(l, nil)
			}
			return
		}
		c.emit(Event{Raw: text})
	}
}

func (c *Client) answered(l *link, a answer) {
	var r *Refusal
	if a.Type == "error" {
		r = &Refusal{Code: a.Code, Text: a.Text}
	}
	var ref string
	json.Unmarshal(a.Ref, &ref) // another kind of ref is none of ours
	if done := l.pending[ref]; done != nil {
		done(r, a)
	} else if r != nil && r.Code != expired {
		c.emit(Event{Err: r})
	}
	if r != nil && r.Code == expired {
		c.drop(l, r)
		if c.current != nil { // what a retired link refused
			queue := c.queue
			c.queue = nil
			for _, i := range queue {
				c.ask(c.current, i)
			}
		}
	}
}

// message reads a frame of the type message. What is no message has no members.
func message(text []byte) *Message {
	m := &Message{}
	if json.Unmarshal(text, m) != nil {
		return &Message{}
	}
	return m
}

// deliver gives a message to the program, unless its ID came before.
func (c *Client) deliver(m *Message) {
	if m.ID != "" {
		if c.seen[m.ID] {
			return
		}
		c.seen[m.ID] = true
		if c.seenIDs = append(c.seenIDs, m.ID); len(c.seenIDs) > rememberedIDs {
			delete(c.seen, c.seenIDs[0])
			c.seenIDs = c.seenIDs[1:]
		}
	}
	c.emit(Event{Message: m})
}
