package client

import (
	"fmt"
	"time"
)

// interval is how long the next check may wait, with jitter.
func (s *presences) interval() time.Duration {
	shortest := time.Duration(0)
	for _, p := range s.topics {
		if p.renew > 0 && (shortest == 0 || p.renew < shortest) {
			shortest = p.renew
		}
	}
	return time.Duration(float64(shortest) * (0.8 + 0.2*s.c.o.Random()))
}

// plan sets the timer of the next check: when all topics are due, or sooner for those whose
// list could not be read.
func (s *presences) plan() {
	if s.checking || s.due.IsZero() {
		return
	}
	s.next = s.due
	for _, p := range s.topics {
		if !p.retry.IsZero() && p.retry.Before(s.next) {
			s.next = p.retry
		}
	}
	stop(s.timer)
	s.timer = s.c.later(max(0, time.Until(s.next)), s.check)
}

// sooner makes the next check of all topics no later than after a time.
func (s *presences) sooner(d time.Duration) {
	if at := time.Now().Add(d); at.Before(s.due) {
		s.due = at
	}
	s.plan()
}

// check says that the program is still here, and whom it shows.
func (s *presences) check() {
	s.timer = nil
	if s.checking {
		return
	}
	all := !s.next.Before(s.due)
	topics := map[string]any{}
	for topic, p := range s.topics {
		if p.renew > 0 && (all || !p.retry.IsZero() && !p.retry.After(s.next)) {
			topics[topic] = p.shown()
			p.retry = time.Time{}
		}
	}
	if all {
		s.due = time.Time{}
		if d := s.interval(); d > 0 {
			s.due = time.Now().Add(d)
		}
	}
	l := s.c.current
	if l == nil || len(topics) == 0 { // the subscribe of the next connection does it
		s.plan()
		return
	}
	i, err := s.c.newItem("check", map[string]any{"topics": topics}, nil)
	if err != nil {
		panic(err)
	}
	s.checking = true
	i.done = func(r *Refusal, a answer) { s.checked(l, topics, r, a) }
	s.c.ask(l, i)
}

// shown is what a check says of a topic: how many are shown, and a sum of their numbers.
// Before the first list that is nobody.
func (p *Presence) shown() map[string]any {
	fields := map[string]any{"here": true}
	if !p.many {
		sum := uint32(0)
		for _, m := range p.members {
			sum += uint32(m.N)
		}
		fields["members"] = []any{len(p.members), fmt.Sprintf("%x", sum)}
	}
	return fields
}

func (s *presences) checked(l *link, asked map[string]any, r *Refusal, a answer) {
	s.checking = false
	if r != nil {
		s.sooner(min(longestPause, time.Second<<min(s.fails, 10)))
		s.fails++
		return
	}
	s.fails = 0
	for topic := range asked {
		t, told := a.Topics[topic]
		p := s.topics[topic]
		switch {
		case p == nil:
		case told && t.Here != nil && !*t.Here:
			if l == s.c.current && s.c.next == nil { // the next connection enters itself
				s.again(topic)
			}
		case !told: // what it shows is right, also if that is nobody
			p.listed, p.tries = p.listed || p.looks, 0
		default:
			p.take(t.presenceAnswer)
		}
	}
	s.plan()
}

// askAgain makes the client check the topic after a time, which doubles each time in a row:
// if the store is too busy to answer, clients that all ask again would keep it so.
func (p *Presence) askAgain(d time.Duration) {
	d <<= min(p.tries, 6)
	p.retry = time.Now().Add(time.Duration(float64(d) * (0.8 + 0.2*p.c.o.Random())))
	p.tries++
}

func (s *presences) wake() { s.sooner(time.Duration(s.c.o.Random() * float64(wakeWithin))) }
