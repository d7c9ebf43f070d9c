package wirepost

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"
)

// The actions of docs/protocol.md about presence.
const (
	actionMembers = "members"
	actionLeave   = "leave"
)

const (
	// membersAPage is how many members one answer has at most.
	membersAPage = 100
	// longestList bounds its bytes: kept messages may be in the same answer.
	longestList = 24 << 10
	// listRetry is what a client waits that could not be told who is present, before it
	// asks again.
	listRetry = 5 * time.Second
	// clockSlack is by how much clocks of functions may differ, and more.
	clockSlack = 5 * time.Second
)

// present is what a client's frame says of presence.
type presentFrame struct {
	Presence bool            `json:"presence"`
	Session  string          `json:"session"`
	Said     json.RawMessage `json:"said"`
	Members  Cursor          `json:"from"` // of the action members
}

// presenceAnswer is what an answer says of who is present in a topic.
type presenceAnswer struct {
	Here    *bool     `json:"here,omitempty"`
	Renew   int64     `json:"renew,omitempty"` // milliseconds
	AsOf    int64     `json:"asOf,omitempty"`  // the same, since 1970
	Members *[]Member `json:"members,omitempty"`
	Next    Cursor    `json:"next,omitempty"` // there are more members
	Many    bool      `json:"many,omitempty"`
	Count   *int      `json:"count,omitempty"`
	Retry   int64     `json:"retry,omitempty"` // milliseconds; what it asked for could not be read
}

func (a presenceAnswer) isEmpty() bool { return a == presenceAnswer{} }

// size is about how many bytes the list of an answer has.
func (a presenceAnswer) size() (bytes int) {
	if a.Members != nil {
		for _, m := range *a.Members {
			bytes += m.size()
		}
	}
	return bytes
}

func (m Member) size() int { return len(m.User) + len(m.ID) + len(m.Info) + len(m.Said) + 40 }

// shorten leaves of a list what fits: its first member, behind which the client asks for the
// others, or nothing where the frame would become too long. The client asks again then.
func (a *presenceAnswer) shorten(left, used int) {
	if a.Members == nil || len(*a.Members) == 0 || a.size() <= left {
		return
	}
	first := (*a.Members)[0]
	if used+first.size() > maxAnswer {
		*a = presenceAnswer{Retry: listRetry.Milliseconds()}
		return
	}
	*a.Members, a.Next = []Member{first}, first.Cursor
}

// topicCheck is what a check says of a topic: where the client is in its log, or whom it
// shows as present, or both.
type topicCheck struct {
	Epoch  *string `json:"epoch"`
	Offset uint64  `json:"offset"`
	// Here is true if the client has entered; Members are how many it shows and a sum of
	// their numbers, absent where it shows none because they are many.
	Here    bool      `json:"here"`
	Members *shownSum `json:"members"`
}

func (t topicCheck) position() Position {
	if t.Epoch == nil {
		return Position{}
	}
	return Position{*t.Epoch, t.Offset}
}

// asksLog reports whether the log is asked about: a topic of which only presence is wanted
// costs no read of it.
func (t topicCheck) asksLog() bool { return t.Epoch != nil || !t.asksPresence() }

func (t topicCheck) asksPresence() bool { return t.Here || t.Members != nil }

// shownSum is [COUNT,"HEX"].
type shownSum struct {
	count int
	sum   uint32
}

func (s *shownSum) add(n int64) {
	s.count++
	s.sum += uint32(n)
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *shownSum) UnmarshalJSON(b []byte) error {
	var parts [2]json.RawMessage
	var text string
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	if err := errors.Join(json.Unmarshal(parts[0], &s.count), json.Unmarshal(parts[1], &text)); err != nil {
		return err
	}
	sum, err := strconv.ParseUint(text, 16, 32)
	s.sum = uint32(sum)
	return err
}

// presence is the store's, if the mux keeps it.
func (p *protocol) presence() (Presence, *PresenceOptions) {
	if p.mux.o.Presence == nil {
		return nil, nil
	}
	store, ok := p.mux.store.(Presence)
	if !ok {
		return nil, nil
	}
	o := p.mux.o.Presence.orDefault()
	return store, &o
}

// entry is a subscribe that asks for presence.
type entry struct {
	store      Presence
	o          *PresenceOptions
	session    Session
	details    Details
	seen, look bool
}

// entryOf reads what a subscribe asks for; nil if that is not presence, or nobody keeps
// it. wrong says what is wrong with it.
func (p *protocol) entryOf(ctx context.Context, c Connection, topic string, f clientFrame) (e *entry, wrong string) {
	if !f.Presence {
		return nil, ""
	}
	store, o := p.presence()
	if store == nil {
		return nil, ""
	}
	e = &entry{store: store, o: o, details: Details{Said: f.Said}}
	if string(f.Said) == "null" {
		e.details.Said = nil
	}
	if o.Info != nil {
		e.details.Info = o.Info(c)
	}
	if err := (Details{Info: e.details.Info}).Validate(); err != nil { // which is no mistake of the client's
		p.mux.o.Logger.ErrorContext(ctx, "what PresenceOptions.Info returns of a connection cannot be shown", "connectionId", c.ID, "error", err)
		e.details.Info = nil
	}
	if len(f.Session) < 16 || len(f.Session) > 128 {
		return nil, `"session" is a secret of 16 to 128 characters that the client has made`
	}
	e.session = Session{Topic: topic, User: c.User, ID: HashSession(f.Session), Connection: c.Key()}
	if err := e.details.Validate(); err != nil {
		return nil, `"said": ` + err.Error()
	}
	e.seen = o.Seen == nil || o.Seen(ctx, c, topic)
	e.look = o.Look == nil || o.Look(ctx, c, topic)
	if !e.seen && !e.look {
		return nil, ""
	}
	return e, ""
}

// mark is that of the connection's row.
func (e *entry) mark() string {
	switch {
	case !e.seen:
		return OnlyWatches
	case !e.look:
		return OnlySeen + e.session.ID
	}
	return e.session.ID
}

// subscribe writes the topic row with its mark.
func (e *entry) subscribe(ctx context.Context, topic string) error {
	return e.store.Mark(ctx, e.session.Connection.ID, topic, e.mark())
}

// enter makes the client present, and tells it who else is. The topic row was written
// before: anyone who enters from now on is announced to this connection.
func (p *protocol) enter(ctx context.Context, m *Message, e *entry) (a presenceAnswer, failed bool) {
	a.Renew = e.o.renew().Milliseconds()
	if e.seen {
		change, err := e.store.Enter(ctx, e.session, e.o.lease(), e.details)
		switch {
		case errors.Is(err, ErrSuperseded): // the client has another connection by now
			return a, false
		case errors.Is(err, ErrNotSupported):
			return presenceAnswer{}, false
		case err != nil:
			p.failed("a member could not be kept as present", m, err)
			return a, true
		}
		p.mux.tell(p.publisher, &m.Request)
		p.mux.tellPresence(ctx, p.publisher, e.session.Topic, []Change{change}, m.ConnectionID)
	}
	if e.look {
		p.listOrRetry(ctx, m, e.store, e.o, e.session.Topic, nil, &a)
	}
	return a, false
}

// listOrRetry is list for an answer that also says something else: if the list cannot be
// read, the client is told to ask again soon. Until then it may show what is wrong.
func (p *protocol) listOrRetry(ctx context.Context, m *Message, store Presence, o *PresenceOptions, topic string, check *topicCheck, a *presenceAnswer) {
	if err := p.list(ctx, store, o, topic, check, "", a); err != nil {
		p.failed("who is present could not be read", m, err)
		a.Retry = listRetry.Milliseconds()
	}
}

// list adds to an answer who is present: the first of them behind a cursor, or how many
// there are. shown is what the client shows, if it said so: an answer to that has a list
// only if it differs. A list that cannot be read is left out.
func (p *protocol) list(ctx context.Context, store Presence, o *PresenceOptions, topic string, check *topicCheck, after Cursor, a *presenceAnswer) error {
	began := p.publisher.o.Now().Add(-clockSlack)
	members, size, sessions := []Member{}, 0, 0
	var next Cursor
	var sum shownSum
	full, most := false, o.MaxAnnounced
	if check != nil && check.Members == nil { // many were there: that ends below half
		most /= 2
	}
	for member, err := range store.Members(ctx, topic, after) {
		if err != nil {
			return err
		}
		if sum.add(member.Number); after == "" {
			sessions += member.Sessions
		}
		bytes := member.size()
		if full = full || len(members) == membersAPage || len(members) > 0 && size+bytes > min(p.o.MaxAnswer, longestList); full {
			if after != "" || sum.count > countAtMost || p.publisher.crowds.is(topic+crowdOfMembers, time.Now()) {
				break
			}
			continue
		}
		size += bytes
		members, next = append(members, member), member.Cursor
	}
	if sessions > most {
		p.publisher.crowds.add(topic+crowdOfMembers, time.Now())
		p.counts.set(topic, sum.count)
	}
	if full && p.publisher.crowds.is(topic+crowdOfMembers, time.Now()) {
		a.Many, sum.count = true, max(sum.count, p.counts.get(topic))
	}
	a.Many = a.Many || sessions > most
	switch {
	case a.Many:
		a.Count = &sum.count
		if check != nil {
			return nil
		}
	case check != nil && check.Members != nil && *check.Members == sum:
		return nil
	}
	a.AsOf, a.Members = began.UnixMilli(), &members
	if full {
		a.Next = next
	}
	return nil
}

const (
	// countAtMost is how many members are counted for an answer.
	countAtMost = 20_000
	// crowdOfMembers is behind the name of a topic that has many members, where the
	// publisher remembers those that have many watchers.
	crowdOfMembers = "\n"
)

// checkPresence renews a session, and says what the client does not know.
func (p *protocol) checkPresence(ctx context.Context, m *Message, c Connection, topic string, t topicCheck) (a presenceAnswer) {
	if !t.asksPresence() {
		return a
	}
	store, o := p.presence()
	if store == nil {
		return a
	}
	ctx, cancel := context.WithTimeout(ctx, p.mux.o.WriteTimeout)
	defer cancel()
	mark := c.Marks[topic]
	if t.Here && mark != OnlyWatches { // who only looks has no lease
		here := false
		if session := markSession(mark); session != "" {
			var err error
			here, err = store.Renew(ctx, Session{Topic: topic, User: c.User, ID: session, Connection: c.Key()}, o.lease())
			if err != nil {
				p.failed("a member could not be kept as present", m, err)
				here, a.Retry = true, listRetry.Milliseconds() // whether it is, is not known
			}
		}
		if !here {
			a.Here = &here
			return a // it enters anew, and gets the list then
		}
	} else if mark == "" {
		a.Here = new(bool)
		return a
	}
	if MarkWatches(mark) {
		p.listOrRetry(ctx, m, store, o, topic, &t, &a)
	}
	return a
}

// members answers a client that wants more of a list.
func (p *protocol) members(ctx context.Context, m *Message, c Connection, f clientFrame) serverFrame {
	topic := ""
	if f.Topic != nil {
		topic = *f.Topic
	}
	if err := ValidateName(topic); err != nil {
		return refuse("bad-topic", `"topic": `+err.Error())
	}
	store, o := p.presence()
	if store == nil {
		return refuse("unknown-action", p.actions())
	}
	if !p.mayRead(ctx, c, topic) || o.Look != nil && !o.Look(ctx, c, topic) {
		return p.forbid(ctx, m, actionMembers, ToTopic(topic))
	}
	a := serverFrame{Type: "ack", Topic: topic}
	switch err := p.list(ctx, store, o, topic, nil, f.Members, &a.presenceAnswer); {
	case errors.Is(err, ErrNotSupported):
		return refuse("unknown-action", p.actions())
	case errors.Is(err, ErrInvalid):
		return refuse("bad-presence", `"from" is the "next" of an answer`)
	case err != nil:
		p.failed("who is present could not be read", m, err)
		return refuse("internal", "")
	}
	return a
}

// leave ends a client's presence in a topic; it stays subscribed.
func (p *protocol) leave(ctx context.Context, m *Message, c Connection, f clientFrame) serverFrame {
	topic := ""
	if f.Topic != nil {
		topic = *f.Topic
	}
	if err := ValidateName(topic); err != nil {
		return refuse("bad-topic", `"topic": `+err.Error())
	}
	if store, _ := p.presence(); store != nil && c.Marks[topic] != "" {
		if err := store.Mark(ctx, c.ID, topic, ""); err != nil && !errors.Is(err, ErrNotFound) {
			p.failed("a mark could not be taken away", m, err)
		}
		p.mux.endPresence(ctx, p.publisher, &m.Request, c, []string{topic})
	}
	return serverFrame{Type: "ack", Topic: topic}
}

// endPresence makes a connection leave topics, and announces that.
func (m *Mux) endPresence(ctx context.Context, p *Publisher, r *Request, c Connection, topics []string) {
	store, ok := m.store.(Presence)
	if !ok || m.o.Presence == nil {
		return
	}
	for _, topic := range topics {
		session := markSession(c.Marks[topic])
		if session == "" {
			continue
		}
		change, err := store.Leave(ctx, Session{Topic: topic, User: c.User, ID: session, Connection: c.Key()})
		if err != nil {
			m.o.Logger.WarnContext(ctx, "a member could not leave; its lease ends", "topic", clip(topic), "connectionId", r.ConnectionID, "error", err)
			continue
		}
		m.tell(p, r)
		m.tellPresence(ctx, p, topic, []Change{change}, r.ConnectionID)
	}
}

// saidGoodbye reports whether a connection was ended by its client for good. Browsers send
// no code (1005) with close(), and 1001 without a reason when a page is closed. 1000 is
// what the gateway and other clients close with, too, and no other code tells. Which codes
// API Gateway passes on is UNCERTAIN; a wrong guess costs as much as the lease.
func saidGoodbye(code int, reason string) bool {
	return code == 1005 || code == 1001 && reason == ""
}

// memberCounts are how many members big topics had when they were counted last.
type memberCounts struct {
	mu  sync.Mutex
	all map[string]int
}

func (c *memberCounts) set(topic string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil || len(c.all) > 1000 {
		c.all = map[string]int{}
	}
	c.all[topic] = n
}

func (c *memberCounts) get(topic string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all[topic]
}
