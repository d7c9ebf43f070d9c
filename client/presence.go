package client

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
)

const (
	// remembersLeft is how long the number of one that left is remembered, for an older
	// event that comes late.
	remembersLeft = 10 * time.Minute
	// maxListed is how many members of a list are asked for, page by page.
	maxListed = 1000
	// goodbyeTime is how long Close waits for the answer to a leave.
	goodbyeTime = 2 * time.Second
	// pageRetry is what it waits before it asks again for a list whose next page did not
	// come.
	pageRetry = 5 * time.Second
)

// Member is somebody who is present in a topic: a user, or a session without one.
type Member struct {
	wirepost.MemberID
	Info json.RawMessage `json:"info,omitempty"` // from the function
	Said json.RawMessage `json:"said,omitempty"` // from the member itself
	N    int64           `json:"n"`              // of its last change; it grows
}

// PresenceChange is what has changed in who is present in a topic.
type PresenceChange struct {
	Topic  string
	Joined []Member // also those who have other details now
	Left   []Member
	Many   bool // so many that nobody is told who; Count says how many
	Count  int
}

// Presence is who is present in a topic, as far as this client knows, and makes the
// program present itself. Its methods may be called concurrently.
type Presence struct {
	c     *Client
	topic string
	said  json.RawMessage

	members map[string]Member
	left    map[string]leftMember
	asOf    int64
	many    bool
	count   int
	looks   bool          // it may see who is present
	listed  bool          // there was a list
	renew   time.Duration // zero: the server keeps no presence, or has not said so yet
	pages   []Member      // of a list that is not complete
	reading int           // of which list

	retry time.Time // when it is asked for once more, as it could not be read
	tries int       // how often in a row
}

type leftMember struct {
	n    int64
	when time.Time
}

// presenceAnswer is what an answer says of a topic.
type presenceAnswer struct {
	Here    *bool     `json:"here"`
	Renew   int64     `json:"renew"`
	AsOf    int64     `json:"asOf"`
	Present *[]Member `json:"members"`
	Next    string    `json:"next"`
	Many    bool      `json:"many"`
	Count   *int      `json:"count"`
	Retry   int64     `json:"retry"`
}

type presenceFrame struct {
	Topic  string   `json:"topic"`
	Joined []Member `json:"joined"`
	Left   []Member `json:"left"`
}

// presences are those of a client. All is called with the client's lock.
type presences struct {
	c        *Client
	session  string
	topics   map[string]*Presence
	timer    *time.Timer
	due      time.Time // the next check of all topics; zero: none is needed
	next     time.Time // the check that the timer is for
	checking bool
	fails    int
}

// Presence subscribes to a topic, makes the program present there and tells by events who
// else is. said, if not nil, is what others see of it: JSON of 512 bytes at most. A second
// call for a topic says something else.
func (c *Client) Presence(topic string, said any) (*Presence, error) {
	if err := wirepost.ValidateName(topic); err != nil {
		return nil, fmt.Errorf("presence in %q: %w", topic, err)
	}
	var text json.RawMessage
	if said != nil {
		b, err := json.Marshal(said)
		if err != nil || len(b) > wirepost.MaxDetail {
			return nil, errors.Join(fmt.Errorf("presence in %q: said has %d bytes of JSON, %d at most are allowed", topic, len(b), wirepost.MaxDetail), err)
		}
		text = b
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.presences
	if s.topics == nil {
		s.c, s.topics, s.session = c, map[string]*Presence{}, rand.Text()
	}
	p := s.topics[topic]
	if p == nil {
		p = &Presence{c: c, topic: topic, members: map[string]Member{}, left: map[string]leftMember{}}
		s.topics[topic] = p
	}
	p.said = text
	c.wishes[topic] = true
	s.again(topic)
	return p, nil
}

// Members are those who are present, by their keys. It reports false where they are too
// many, or not known yet.
func (p *Presence) Members() ([]Member, bool) {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	all := make([]Member, 0, len(p.members))
	for _, key := range slices.Sorted(maps.Keys(p.members)) {
		all = append(all, p.members[key])
	}
	return all, p.listed && !p.many
}

// Count is how many are present, as far as that is known.
func (p *Presence) Count() int {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if p.many {
		return p.count
	}
	return len(p.members)
}

// Leave ends the presence of the program, at once. It stays subscribed.
func (p *Presence) Leave() {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if s := &p.c.presences; s.topics[p.topic] == p {
		delete(s.topics, p.topic)
		for _, l := range s.open() {
			p.c.ask(l, s.leaving(p.topic, func() {}))
		}
	}
}

// open are the links to leave on: while one takes the place of the other, either may be the
// one through which the session is present.
func (s *presences) open() (all []*link) {
	for _, l := range []*link{s.c.current, s.c.next} {
		if l != nil && l.socket != nil {
			all = append(all, l)
		}
	}
	return all
}

func (s *presences) leaving(topic string, done func()) *item {
	i, err := s.c.newItem("leave", map[string]any{"topic": topic}, func(*Refusal, answer) { done() })
	if err != nil { // a topic is a string
		panic(err)
	}
	return i
}

// goodbye leaves all topics, and returns a channel that is closed when that was answered.
func (s *presences) goodbye() <-chan struct{} {
	done := make(chan struct{})
	left := 0
	for _, l := range s.open() {
		for topic := range s.topics {
			left++
			s.c.ask(l, s.leaving(topic, func() {
				if left--; left == 0 {
					close(done)
				}
			}))
		}
	}
	if left == 0 {
		close(done)
	}
	return done
}

// fields adds to a subscribe what presence needs.
func (s *presences) fields(topic string, fields map[string]any) {
	p := s.topics[topic]
	if p == nil {
		return
	}
	fields["presence"], fields["session"] = true, s.session
	if p.said != nil {
		fields["said"] = p.said
	}
}

// again subscribes once more.
func (s *presences) again(topic string) {
	if l := s.c.current; l != nil {
		delete(l.topics, topic)
	}
	s.c.change()
}

// forget ends a presence without a word: its topic was given up, or refused.
func (s *presences) forget(topic string) { delete(s.topics, topic) }

// entered takes the answer to a subscribe.
func (s *presences) entered(l *link, topic string, a presenceAnswer) {
	p := s.topics[topic]
	switch {
	case a.Renew <= 0:
		return
	case p == nil: // the program has left meanwhile, and the server may have heard that first
		s.c.ask(l, s.leaving(topic, func() {}))
		return
	}
	p.renew = time.Duration(a.Renew) * time.Millisecond
	p.looks = p.looks || a.Present != nil || a.Many || a.Retry > 0
	p.take(a)
	if s.due.IsZero() {
		s.due = time.Now().Add(s.interval())
	}
	s.plan()
}

// take takes what an answer says of who is present.
func (p *Presence) take(a presenceAnswer) {
	if a.Retry > 0 {
		p.askAgain(time.Duration(a.Retry) * time.Millisecond)
	}
	switch {
	case a.Many:
		was := p.many
		p.many, p.listed = true, true
		if a.Count != nil && (!was || p.count != *a.Count) {
			p.count = *a.Count
			p.c.emit(Event{Presence: &PresenceChange{Topic: p.topic, Many: true, Count: p.count}})
		}
		p.members = map[string]Member{}
	case a.Present != nil:
		p.reading++
		p.page(p.reading, *a.Present, a.AsOf, a.Next)
	}
}

// page takes a part of a list, and asks for the next one.
func (p *Presence) page(reading int, part []Member, asOf int64, next string) {
	if reading != p.reading {
		return // another list was begun
	}
	p.pages = append(p.pages, part...)
	if next == "" || len(p.pages) >= maxListed {
		list := p.pages
		p.pages = nil
		p.list(list, asOf)
		return
	}
	l := p.c.current
	if next := p.c.next; l == nil && next != nil && next.socket != nil {
		l = next
	}
	if l == nil {
		p.pages = nil
		return
	}
	i, err := p.c.newItem("members", map[string]any{"topic": p.topic, "from": next}, func(r *Refusal, a answer) {
		switch {
		case reading != p.reading:
		case r != nil || a.Present == nil: // a check begins anew
			p.pages = nil
			p.askAgain(pageRetry)
			p.c.presences.plan()
		default:
			p.page(reading, *a.Present, asOf, a.Next)
		}
	})
	if err != nil {
		panic(err)
	}
	p.c.ask(l, i)
}

// list replaces what is known by a list, except what is newer.
func (p *Presence) list(list []Member, asOf int64) {
	p.forgetLeft()
	next := map[string]Member{}
	for _, m := range list {
		key := m.Key()
		if p.left[key].n > m.N {
			continue
		}
		if known, ok := p.members[key]; ok && known.N > m.N {
			m = known
		}
		next[key] = m
	}
	for key, m := range p.members {
		if _, there := next[key]; !there && m.N >= asOf {
			next[key] = m
		}
	}
	change := PresenceChange{Topic: p.topic}
	for _, key := range slices.Sorted(maps.Keys(next)) {
		if known, ok := p.members[key]; !ok || known.isNew(next[key]) {
			change.Joined = append(change.Joined, next[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(p.members)) {
		if _, there := next[key]; !there {
			change.Left = append(change.Left, p.members[key])
		}
	}
	p.members, p.asOf, p.many, p.listed = next, max(p.asOf, asOf), false, true
	if p.retry.IsZero() {
		p.tries = 0
	}
	p.tell(change)
}

// isNew reports whether others see another member than m in n.
func (m Member) isNew(n Member) bool {
	return string(m.Info) != string(n.Info) || string(m.Said) != string(n.Said)
}

func (p *Presence) tell(c PresenceChange) {
	if len(c.Joined)+len(c.Left) > 0 {
		p.c.emit(Event{Presence: &c})
	}
}

func (p *Presence) forgetLeft() {
	for key, l := range p.left {
		if time.Since(l.when) > remembersLeft {
			delete(p.left, key)
		}
	}
}

// announced takes an announcement.
func (s *presences) announced(text []byte) {
	var f presenceFrame
	if json.Unmarshal(text, &f) != nil {
		return
	}
	p := s.topics[f.Topic]
	if p == nil || p.many {
		return
	}
	p.forgetLeft()
	change := PresenceChange{Topic: p.topic}
	for _, m := range f.Joined {
		key := m.Key()
		known, there := p.members[key]
		if there && known.N >= m.N || p.left[key].n >= m.N || !there && m.N < p.asOf {
			continue
		}
		if p.members[key] = m; !there || known.isNew(m) {
			change.Joined = append(change.Joined, m)
		}
	}
	for _, m := range f.Left {
		key := m.Key()
		known, there := p.members[key]
		if there && known.N > m.N {
			continue
		}
		p.left[key] = leftMember{max(m.N, p.left[key].n), time.Now()}
		if there {
			delete(p.members, key)
			change.Left = append(change.Left, known)
		}
	}
	slices.SortFunc(change.Joined, func(a, b Member) int { return strings.Compare(a.Key(), b.Key()) })
	p.tell(change)
}

func (s *presences) close() { stop(s.timer) }
