package wirepost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/wirepost/wirepost/internal/management"
)

const (
	// minWithin and defaultWithin are the bound of presence: two minutes for the sweep, and
	// two and a half checks, of which browsers make one a minute at most in a hidden page.
	minWithin     = 5 * time.Minute
	defaultWithin = 12 * time.Minute
	sweepSlack    = 2 * time.Minute
	// defaultAnnounced is MaxAnnounced.
	defaultAnnounced = 200
	// maxAnnouncement bounds the frames of announcements, in bytes.
	maxAnnouncement = 30 << 10
	// announceAtOnce is how many topics and members a sweep works on at the same time.
	announceAtOnce = 8
	// crowdTime is for how long a process remembers that a topic is big.
	crowdTime = 30 * time.Second
)

// PresenceOptions say how presence is kept; see docs/presence.md. All are optional, and all
// programs of a system need the same.
type PresenceOptions struct {
	// Within is the longest time until a client that vanishes, without a disconnect, is
	// reported as left. Default 12 minutes; less than 5 minutes means 5. Clients renew
	// every (Within - 2 min) / 2.5; one that misses the report has it after its next renewal.
	Within time.Duration
	// MaxAnnounced is the most watching connections of a topic to which its changes are
	// announced. If more watch, no change is announced, and clients learn how many are
	// present from their own checks. Default 200.
	MaxAnnounced int
	// Gather is for how long changes wait so that they share a frame. It is for processes
	// that live on after an event, such as those of wirepost dev, and not for Lambda, which
	// stops a process when it has answered. Default 0: each is announced at once.
	Gather time.Duration
	// Info is what others see of a connection's user: JSON of MaxDetail bytes at most, such
	// as a name that the Connect hook has put into Claims. Default: nothing.
	Info func(c Connection) json.RawMessage
	// Seen decides whether a connection is listed as present in a topic that it may
	// subscribe to, and Look whether it may see who is present. Nil means yes.
	Seen, Look func(ctx context.Context, c Connection, topic string) bool
}

func (o *PresenceOptions) orDefault() PresenceOptions {
	out := PresenceOptions{}
	if o != nil {
		out = *o
	}
	if out.Within <= 0 {
		out.Within = defaultWithin
	}
	out.Within = max(out.Within, minWithin)
	if out.MaxAnnounced <= 0 {
		out.MaxAnnounced = defaultAnnounced
	}
	return out
}

// lease is for how long a session is present without a renewal, and renew how often a
// client renews.
func (o PresenceOptions) lease() time.Duration { return o.Within - sweepSlack }
func (o PresenceOptions) renew() time.Duration { return o.lease() * 2 / 5 }

// presenceFrame is an announcement.
type presenceFrame struct {
	Type   string         `json:"type"`
	Topic  string         `json:"topic"`
	Joined []Member       `json:"joined,omitempty"`
	Left   []memberNumber `json:"left,omitempty"`
}

type memberNumber struct {
	MemberID
	Number int64 `json:"n"`
}

// Members lists who is present in a topic, each once. The error is an [ErrNotSupported] if
// the store keeps no presence.
func (p *Publisher) Members(ctx context.Context, topic string) iter.Seq2[Member, error] {
	p.made("wirepost: Publisher.Members")
	presence, ok := p.store.(Presence)
	if !ok {
		return func(yield func(Member, error) bool) {
			yield(Member{}, fmt.Errorf("list the members of topic %q: %w: use a store of this module", clip(topic), noPresence))
		}
	}
	return presence.Members(ctx, topic, "")
}

// announce tells those who watch a topic what has changed, and notes that. Where more
// watch than most it tells nobody. except is a connection that knows already.
func (p *Publisher) announce(ctx context.Context, topic string, changes []Change, most int, except string) error {
	presence, ok := p.store.(Presence)
	if changes = latest(changes); len(changes) == 0 || !ok {
		return nil
	}
	watchers, err := p.watchers(ctx, topic, most, except)
	if err != nil {
		return fmt.Errorf("announce who is present in topic %q: %w", topic, err)
	}
	if len(watchers) > 0 {
		for _, frame := range framesOf(topic, changes) {
			o := &PublishOptions{rows: watchers}
			r, err := p.fanOut(ctx, ToTopic(topic), request{Request: management.Post(frame)}, o)
			if err != nil || r.Next != "" {
				return fmt.Errorf("announce who is present in topic %q: %w", topic, errors.Join(err, context.Cause(ctx)))
			}
		}
	}
	return eachOf(changes, func(c Change) error { return presence.Announced(ctx, topic, c.MemberID, c.Number) })
}

// eachOf does something for each of many, some at the same time.
func eachOf[T any](all []T, f func(T) error) error {
	errs := make([]error, len(all))
	var running sync.WaitGroup
	places := make(chan struct{}, announceAtOnce)
	for i, v := range all {
		places <- struct{}{}
		running.Go(func() {
			defer func() { <-places }()
			errs[i] = f(v)
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

// latest are the changes that are to be told: the last of each member.
func latest(changes []Change) []Change {
	at := map[MemberID]int{}
	var all []Change
	for _, c := range changes {
		i, known := at[c.MemberID]
		switch {
		case c.Kind == MemberSame:
		case !known:
			at[c.MemberID] = len(all)
			all = append(all, c)
		case c.Number > all[i].Number:
			all[i] = c
		}
	}
	return all
}

// watchers are the connections that watch a topic; none if there are more than most.
func (p *Publisher) watchers(ctx context.Context, topic string, most int, except string) ([]Listed, error) {
	var all []Listed
	n := 0
	if p.crowds.is(topic, time.Now()) {
		return nil, nil
	}
	for l, err := range p.store.Connections(ctx, ToTopic(topic), ListOptions{}) {
		if err != nil {
			return nil, err
		}
		if !l.Marked {
			continue
		}
		if n++; n > most {
			p.crowds.add(topic, time.Now())
			return nil, nil
		}
		if l.ID != except {
			all = append(all, l)
		}
	}
	return all, nil
}

// crowds are topics in which many watch.
type crowds struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (c *crowds) is(topic string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return now.Before(c.until[topic])
}

func (c *crowds) add(topic string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.until == nil || len(c.until) > 1000 {
		c.until = map[string]time.Time{}
	}
	c.until[topic] = now.Add(crowdTime)
}

// framesOf are the announcements of changes.
func framesOf(topic string, changes []Change) (frames [][]byte) {
	f, size := presenceFrame{Type: "presence", Topic: topic}, 0
	flush := func() {
		if size > 0 {
			b, err := encodeFrame(f)
			if err != nil { // details are valid JSON
				panic(err)
			}
			frames = append(frames, b)
		}
		f, size = presenceFrame{Type: "presence", Topic: topic}, 0
	}
	for _, c := range changes {
		bytes := 2*len(c.User) + len(c.ID) + len(c.Info) + len(c.Said) + 80
		if size > 0 && size+bytes > maxAnnouncement-2*len(topic)-100 {
			flush()
		}
		size += bytes
		if c.Kind == MemberJoined {
			f.Joined = append(f.Joined, Member{MemberID: c.MemberID, Number: c.Number, Details: c.Details})
		} else {
			f.Left = append(f.Left, memberNumber{c.MemberID, c.Number})
		}
	}
	flush()
	return frames
}

// PresenceSwept is the result of [Publisher.SweepPresence].
type PresenceSwept struct {
	Taken   bool `json:"taken"`   // false: another has swept this minute
	Lapsed  int  `json:"lapsed"`  // members whose leases were over
	Left    int  `json:"left"`    // the members of those that have left
	Again   int  `json:"again"`   // changes that nobody had announced
	Removed int  `json:"removed"` // members that left some time ago
}

// SweepPresence ends the leases that are over, and announces who has left and every change
// that was not announced. Call it every minute, from one program or several: each minute is
// swept once. The context bounds it; what it had no time for is due in the next minute. The
// options must be those of [MuxOptions].Presence. The error is an [ErrNotSupported] if the
// store keeps no presence.
func (p *Publisher) SweepPresence(ctx context.Context, o *PresenceOptions) (PresenceSwept, error) {
	p.made("wirepost: Publisher.SweepPresence")
	var s PresenceSwept
	presence, ok := p.store.(Presence)
	if !ok {
		return s, fmt.Errorf("sweep presence: %w: use a store of this module", noPresence)
	}
	now := p.o.Now()
	var err error
	if s.Taken, err = presence.TakeSweep(ctx, now); err != nil || !s.Taken {
		return s, err
	}
	var due []Lapsed
	for l, err := range presence.Due(ctx, now) {
		if err != nil {
			return s, err
		}
		due = append(due, l)
	}
	changes := map[string][]Change{}
	var mu sync.Mutex
	failed := eachOf(due, func(l Lapsed) error {
		change, err := sweepOne(ctx, presence, l)
		mu.Lock()
		defer mu.Unlock()
		if s.note(l, change); change.Kind != MemberSame {
			changes[l.Topic] = append(changes[l.Topic], change)
		}
		return err
	})
	most := o.orDefault().MaxAnnounced
	return s, errors.Join(failed, eachOf(sortedKeys(changes), func(topic string) error { return p.announce(ctx, topic, changes[topic], most, "") }))
}

func (s *PresenceSwept) note(l Lapsed, c Change) {
	switch {
	case len(l.Leases) > 0:
		s.Lapsed++
		if c.Kind == MemberLeft {
			s.Left++
		}
	case l.Gone:
		s.Removed++
	default:
		s.Again++
	}
}

// sweepOne does what is due about a member, and says what is to be announced.
func sweepOne(ctx context.Context, presence Presence, l Lapsed) (Change, error) {
	if len(l.Leases) > 0 {
		c, err := presence.Lapse(ctx, l)
		if err != nil || c.Kind != MemberSame || !l.Unannounced {
			return c, err
		}
	}
	if l.Gone {
		return Change{}, presence.Announced(ctx, l.Topic, l.MemberID, l.Number)
	}
	again := Change{Topic: l.Topic, MemberID: l.MemberID, Kind: MemberLeft, Number: l.Number, Details: l.Details}
	if l.Living {
		again.Kind = MemberJoined
	}
	return again, nil
}

// gathering is what waits to be announced by a process that lives on.
type gathering struct {
	mu      sync.Mutex
	changes map[string][]Change
}

// tellPresence announces changes of a topic, at once or together with others. What went
// wrong is for a sweep to mend.
func (m *Mux) tellPresence(ctx context.Context, p *Publisher, topic string, changes []Change, except string) {
	o := m.o.Presence.orDefault()
	if changes = latest(changes); len(changes) == 0 {
		return
	}
	if o.Gather <= 0 {
		if err := p.announce(ctx, topic, changes, o.MaxAnnounced, except); err != nil {
			m.o.Logger.WarnContext(ctx, "who is present could not be announced; a sweep does it", "topic", clip(topic), "error", err)
		}
		return
	}
	g := &m.gathered
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.changes == nil {
		g.changes = map[string][]Change{}
	}
	waits := len(g.changes[topic]) > 0
	if g.changes[topic] = append(g.changes[topic], changes...); waits {
		return
	}
	time.AfterFunc(o.Gather, func() { // ends with the bound of a write and of a post
		g.mu.Lock()
		all := slices.Clone(g.changes[topic])
		delete(g.changes, topic)
		g.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), m.o.WriteTimeout+10*time.Second)
		defer cancel()
		if err := p.announce(ctx, topic, all, o.MaxAnnounced, ""); err != nil {
			m.o.Logger.Warn("who is present could not be announced; a sweep does it", "topic", clip(topic), "error", err)
		}
	})
}
