package client

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/wirepost/wirepost"
)

const (
	// shortestHold and longestHold are how long what overtook waits for what it overtook.
	shortestHold = 500 * time.Millisecond
	longestHold  = 5 * time.Second
	// maxHeld is how many frames of a topic wait; the log has the others.
	maxHeld = 300
	// wakeWithin is within which time a client that woke asks its logs.
	wakeWithin = 5 * time.Second
	// longestPause bounds the waits between reads, and checks, that fail.
	longestPause = 30 * time.Second
)

// positions are the places of topics with a log: what came, what overtook, what is
// missing. A position belongs to its topic and not to a connection: both sockets of a
// change of connections feed it. All is called with the client's lock.
type positions struct {
	c          *Client
	checkAfter time.Duration
	saved      map[string]wirepost.Position
	topics     map[string]*topic
	waiting    []string // for their turn to read
	reading    bool
	hold       time.Duration
	checking   bool
	checkTimer *time.Timer
	checkFails int
	old        bool // the server knows no checks
}

type topic struct {
	known  bool // its position is
	at     wirepost.Position
	busy   int // subscribes and reads under way: frames wait for their answers
	held   []*Message
	timer  *time.Timer
	behind int    // checks in a row that found the client behind
	fails  int    // reads in a row that failed
	kept   bool   // it has no log yet, and will have one
	asked  uint64 // the last offset that a read was made for, because frames behind it had come
}

// topicAnswer is what an answer says of one topic.
type topicAnswer struct {
	Epoch    string            `json:"epoch"`
	Offset   *uint64           `json:"offset"`
	UpTo     *uint64           `json:"upTo"`
	Messages []json.RawMessage `json:"messages"`
	Gone     [][2]uint64       `json:"gone"`
	More     bool              `json:"more"`
	Wait     int64             `json:"wait"`
	Kept     bool              `json:"kept"`
	presenceAnswer
}

func newPositions(c *Client, checkAfter time.Duration, saved map[string]wirepost.Position) *positions {
	return &positions{c: c, checkAfter: checkAfter, saved: maps.Clone(saved), topics: map[string]*topic{}, hold: shortestHold}
}

func (p *positions) of(name string) *topic {
	t := p.topics[name]
	if t == nil {
		t = &topic{}
		t.at, t.known = p.saved[name]
		p.topics[name] = t
	}
	return t
}

// all are the positions that are known.
func (p *positions) all() map[string]wirepost.Position {
	all := map[string]wirepost.Position{}
	for name, t := range p.topics {
		if t.at.Epoch != "" {
			all[name] = t.at
		}
	}
	return all
}

// fields are what a subscribe or read says of the position.
func (p *positions) fields(t *topic) map[string]any {
	if !t.known {
		return map[string]any{"last": p.c.o.Last}
	}
	return map[string]any{"after": t.at}
}

// begin is called before a subscribe, whose answer is awaited from then on.
func (p *positions) begin(name string) map[string]any {
	t := p.of(name)
	t.busy++
	return p.fields(t)
}

// end is called when a subscribe was answered, or not.
func (p *positions) end(name string, r *Refusal, a topicAnswer) {
	t := p.topics[name]
	if t == nil {
		return
	}
	t.busy--
	if r == nil {
		if p.take(name, t, a); p.asks(t) {
			p.planNext()
		}
	}
	p.drain(name, t)
	p.pump()
}

// accept takes a message that was kept.
func (p *positions) accept(name string, m *Message) {
	t := p.of(name)
	if !t.known && t.busy == 0 { // the server gave this topic; from here on nothing is missed
		t.known, t.at = true, wirepost.Position{Epoch: m.Epoch, Offset: m.Offset - 1}
		p.planNext()
	}
	if t.asked > 0 && m.Epoch == t.at.Epoch && m.Offset <= t.asked && m.Offset+maxHeld > t.asked {
		p.hold = min(longestHold, 2*p.hold) // it would have come by itself
		t.asked = 0
	} else {
		p.hold = max(shortestHold, p.hold*999/1000)
	}
	if m.Epoch == t.at.Epoch && m.Offset <= t.at.Offset {
		return
	}
	if len(t.held) < maxHeld {
		t.held = append(t.held, m)
	}
	if t.timer == nil || m.Offset == t.at.Offset+1 {
		p.drain(name, t)
	}
}

// give gives a message to the program, if it is not known to have it.
func (p *positions) give(t *topic, m *Message) {
	if m.Offset > t.at.Offset {
		t.at.Offset = m.Offset
		p.c.deliver(m)
	}
}

// drain gives what is next, drops what came before, and waits or asks for what is missing.
func (p *positions) drain(name string, t *topic) {
	if t.busy > 0 {
		return
	}
	slices.SortStableFunc(t.held, func(a, b *Message) int { return int(int64(a.Offset) - int64(b.Offset)) })
	held := t.held
	t.held = nil
	other := false
	for _, m := range held {
		switch {
		case m.Epoch == t.at.Epoch && m.Offset <= t.at.Offset+1:
			p.give(t, m)
		default:
			other = other || m.Epoch != t.at.Epoch
			t.held = append(t.held, m)
		}
	}
	stop(t.timer)
	t.timer = nil
	switch {
	case other:
		p.read(name)
	case len(t.held) > 0:
		t.timer = p.c.later(time.Duration(float64(p.hold)*(0.5+0.5*p.c.o.Random())), func() {
			t.timer = nil
			if len(t.held) > 0 {
				t.asked = t.held[0].Offset - 1
				p.read(name)
			}
		})
	}
}

// take takes what an answer says of a topic. It reports whether that was news.
func (p *positions) take(name string, t *topic, a topicAnswer) (news bool) {
	if a.Offset != nil {
		asked := p.asks(t)
		news = p.takeMessages(name, t, a)
		if t.kept = a.Kept; !asked && p.asks(t) && p.checkTimer == nil && !p.checking {
			p.planNext()
		}
	}
	switch {
	case a.More && a.Wait > 0:
		p.readLater(name, t, time.Duration(a.Wait)*time.Millisecond)
	case a.More:
		p.read(name)
	}
	return news
}

func (p *positions) takeMessages(name string, t *topic, a topicAnswer) (news bool) {
	upTo := *a.Offset
	if a.UpTo != nil {
		upTo = *a.UpTo
	}
	var messages []*Message
	for _, frame := range a.Messages {
		if m := message(frame); m.Offset > 0 {
			messages = append(messages, m)
		}
	}
	switch {
	case !t.known || t.at.Epoch != a.Epoch:
		offset := uint64(0)
		if !t.known && len(messages) > 0 {
			offset = messages[0].Offset - 1
		} else if !t.known {
			offset = upTo
		}
		t.known, t.at = true, wirepost.Position{Epoch: a.Epoch, Offset: offset}
		t.held = slices.DeleteFunc(t.held, func(m *Message) bool { return m.Epoch != a.Epoch }) // the log has it
	case t.at.Offset > *a.Offset:
		t.at.Offset = *a.Offset
	}
	gone := a.Gone
	tell := func(before uint64) {
		for len(gone) > 0 && gone[0][0] <= before {
			from, to := gone[0][0], gone[0][1]
			gone = gone[1:]
			if from == 0 || to > t.at.Offset {
				if from > 0 {
					from = max(from, t.at.Offset+1)
				}
				p.c.emit(Event{Gap: &Gap{Topic: name, From: from, To: to}})
				t.at.Offset = max(t.at.Offset, to)
				news = true
			}
		}
	}
	for _, m := range messages {
		tell(m.Offset)
		news = news || m.Offset > t.at.Offset
		p.give(t, m)
	}
	tell(wirepost.MaxOffset)
	t.at.Offset = max(t.at.Offset, upTo)
	return news
}

// read asks for what is behind the position, in its turn.
func (p *positions) read(name string) {
	if !slices.Contains(p.waiting, name) {
		p.waiting = append(p.waiting, name)
	}
	p.pump()
}

func (p *positions) readLater(name string, t *topic, d time.Duration) {
	p.c.later(d, func() {
		if p.topics[name] == t {
			p.read(name)
		}
	})
}

// pump makes one read at a time.
func (p *positions) pump() {
	for len(p.waiting) > 0 && !p.reading && p.c.current != nil {
		name := p.waiting[0]
		p.waiting = p.waiting[1:]
		t := p.topics[name]
		if t == nil || t.busy > 0 { // its answer is on the way, and asks for more itself
			continue
		}
		t.busy++
		p.reading = true
		fields := p.fields(t)
		fields["topic"] = name
		i, err := p.c.newItem("read", fields, nil)
		if err != nil { // strings and numbers
			panic(err)
		}
		i.done = func(r *Refusal, a answer) { p.wasRead(name, t, r, a.topicAnswer) }
		p.c.ask(p.c.current, i)
	}
}

func (p *positions) wasRead(name string, t *topic, r *Refusal, a topicAnswer) {
	p.reading = false
	t.busy--
	if p.topics[name] == t {
		switch {
		case r == nil:
			t.fails = 0
			p.take(name, t, a)
		case r.Code == "internal" || r.Code == "unanswered":
			p.readLater(name, t, min(longestPause, time.Second<<min(t.fails, 10)))
			t.fails++
		default: // refused for good
			t.known = true
		}
		p.drain(name, t)
	}
	p.pump()
}

// asks reports whether checks name a topic: it has a log, or will have one.
func (p *positions) asks(t *topic) bool { return t.at.Epoch != "" || t.kept }

func (p *positions) plan(d time.Duration) {
	stop(p.checkTimer)
	p.checkTimer = p.c.later(d, p.check)
}

// planNext plans the next check, with jitter, and never after more than checkAfter.
func (p *positions) planNext() {
	p.plan(time.Duration(float64(p.checkAfter) * (0.8 + 0.2*p.c.o.Random())))
}

// check asks in which topics the client is behind: the last message can be lost, too.
func (p *positions) check() {
	p.checkTimer = nil
	asked := map[string]wirepost.Position{}
	for name, t := range p.topics {
		if p.asks(t) && t.busy == 0 {
			asked[name] = t.at
		}
	}
	if p.old || p.checking || len(asked) == 0 { // the next position that is learned plans one
		return
	}
	if p.c.current == nil {
		p.planNext()
		return
	}
	i, err := p.c.newItem("check", map[string]any{"topics": asked}, nil)
	if err != nil {
		panic(err)
	}
	p.checking = true
	i.done = func(r *Refusal, a answer) { p.wasChecked(asked, r, a) }
	p.c.ask(p.c.current, i)
}

func (p *positions) wasChecked(asked map[string]wirepost.Position, r *Refusal, a answer) {
	p.checking = false
	switch {
	case r != nil && r.Code == "unknown-action":
		p.old = true
		return
	case r != nil:
		p.plan(min(longestPause, time.Second<<min(p.checkFails, 10)))
		p.checkFails++
		return
	}
	p.checkFails = 0
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		t := p.topics[name]
		behind, there := a.Topics[name]
		switch {
		case t == nil:
			continue
		case t.busy > 0 || !there:
			t.behind = 0
			continue
		case !p.take(name, t, behind): // frames of these may be on their way, but not twice in a row
			t.behind = 0
		default:
			if t.behind++; t.behind > 1 {
				t.behind = 0
				p.again(name)
			}
		}
		p.drain(name, t)
	}
	p.planNext()
}

// again subscribes once more: the server may have lost the row.
func (p *positions) again(name string) {
	if p.c.current != nil {
		delete(p.c.current.topics, name)
		p.c.change()
	}
}

func (p *positions) forget(name string) {
	if t := p.topics[name]; t != nil {
		stop(t.timer)
		delete(p.topics, name)
	}
	p.waiting = slices.DeleteFunc(p.waiting, func(n string) bool { return n == name })
}

func (p *positions) wake() {
	if p.checkTimer != nil {
		p.plan(time.Duration(p.c.o.Random() * float64(wakeWithin)))
	}
}

func (p *positions) close() {
	stop(p.checkTimer)
	for _, name := range slices.Collect(maps.Keys(p.topics)) {
		p.forget(name)
	}
}

// sortedTopics are the names in either set.
func sortedTopics(a, b map[string]bool) []string {
	all := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(all)
	return slices.Compact(all)
}
