package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/client"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/memlisten"
)

// presenceChaos is users with sessions, functions, the gateway and sweeps in one bubble of
// fake time, with the presence of DynamoDB: messages of a connection come in any order,
// $disconnect is dropped, posts are lost or answered 410, connections are cut and come to
// their limit, requests of the table fail before and after they took effect, clocks differ,
// and processes die between any two requests.
type presenceChaos struct {
	seed   uint64
	breaks presenceChaosBreaks
	pipes  *memlisten.Listener
	shared *wirepost.MemStore // of connections
	table  *simTable
	over   atomic.Bool // nothing fails any more
	harmed atomic.Bool // somebody has removed a row, so that a member may be shown as gone

	mu      sync.Mutex
	random  *rand.Rand
	users   []*chaosUser
	faults  []string
	changes int
	stop    chan struct{}
}

// presenceChaosBreaks take a rule away.
type presenceChaosBreaks struct {
	store      presenceBreaks
	noSweep    bool // nobody sweeps
	shortLease bool // a lease is shorter than the time between two checks
	anyGoodbye bool // each $disconnect is a leave
	noList     bool // checks bring no list
	neverAnew  bool // clients are not told that they are not here
	oldEvents  bool // events carry no number that grows
	noMarks    bool // rows have no marks
	notesNone  bool // nobody notes what was announced
	shortLists bool // a list has three members at most
	shortRenew bool // a renewal is for less than the time between two checks
}

// chaosUser is one session of a user.
type chaosUser struct {
	user   string
	number int
	topics []string
	c      *client.Client
	seen   map[string]*client.Presence
	since  time.Time
	gone   atomic.Bool // it has ended, one way or the other
	conns  []net.Conn
	done   chan struct{}

	missing map[string]time.Time // since when it lacks a live member
}

func (c *presenceChaos) within() time.Duration {
	if c.seed%2 == 0 {
		return 5 * time.Minute
	}
	return 12 * time.Minute
}

func (c *presenceChaos) options() *wirepost.PresenceOptions {
	return &wirepost.PresenceOptions{Within: c.within(), MaxAnnounced: 20}
}

// check is how often clients check, at least.
func (c *presenceChaos) check() time.Duration { return (c.within() - 2*time.Minute) * 2 / 5 }

// maxAge is how long connections live: in every third seed they come to their limit.
func (c *presenceChaos) maxAge() time.Duration {
	if c.seed%3 == 0 {
		return 4 * time.Minute
	}
	return 2 * time.Hour
}

func (c *presenceChaos) float() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.random.Float64()
}

func (c *presenceChaos) upTo(d time.Duration) time.Duration {
	return time.Duration(c.float() * float64(d))
}

func (c *presenceChaos) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

var errDied = errors.New("the process has died")

// mortal is a process: it may die before and after each of its requests.
type mortal struct {
	c         *presenceChaos
	dead      atomic.Bool
	mux       *wirepost.Mux
	publisher *wirepost.Publisher
}

func (p *mortal) lives() bool {
	if !p.c.over.Load() && p.c.float() < 0.01 {
		p.dead.Store(true)
	}
	return !p.dead.Load()
}

// dying sends requests of a process.
type dying struct {
	p *mortal
	http.RoundTripper
}

func (d dying) RoundTrip(r *http.Request) (*http.Response, error) {
	if !d.p.lives() {
		return nil, errDied
	}
	resp, err := d.RoundTripper.RoundTrip(r)
	if err == nil && !d.p.lives() {
		resp.Body.Close()
		return nil, errDied
	}
	return resp, err
}

func (d dying) CloseIdleConnections() {
	if t, ok := d.RoundTripper.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// mixedStore is the connections of all, in memory, and the presence of one process.
type mixedStore struct {
	wirepost.Store
	wirepost.Presence
	c *presenceChaos
}

func (s *mixedStore) Mark(ctx context.Context, id, topic, mark string) error {
	if s.c.breaks.noMarks && mark != "" {
		mark = wirepost.OnlySeen + mark
	}
	return s.c.shared.Mark(ctx, id, topic, mark)
}

func (s *mixedStore) Enter(ctx context.Context, e wirepost.Session, lease time.Duration, d wirepost.Details) (wirepost.Change, error) {
	if s.c.breaks.shortLease {
		lease = s.c.check() / 2
	}
	change, err := s.Presence.Enter(ctx, e, lease, d)
	if s.c.breaks.oldEvents && change.Number > 0 {
		change.Number = 1
	}
	return change, err
}

func (s *mixedStore) Renew(ctx context.Context, e wirepost.Session, lease time.Duration) (bool, error) {
	if s.c.breaks.shortRenew {
		lease = s.c.check() / 2
	}
	is, err := s.Presence.Renew(ctx, e, lease)
	return is || s.c.breaks.neverAnew, err
}

// Members does not list what changed a short while ago where that is what is broken.
func (s *mixedStore) Members(ctx context.Context, topic string, after wirepost.Cursor) iter.Seq2[wirepost.Member, error] {
	if s.c.breaks.noList && !strings.HasPrefix(topic, "big") {
		return func(yield func(wirepost.Member, error) bool) { yield(wirepost.Member{}, errors.New("no list")) }
	}
	if s.c.breaks.shortLists {
		return func(yield func(wirepost.Member, error) bool) {
			n := 0
			for m, err := range s.Presence.Members(ctx, topic, after) {
				if n++; n > 3 || !yield(m, err) {
					return
				}
			}
		}
	}
	return s.Presence.Members(ctx, topic, after)
}

func (s *mixedStore) Announced(ctx context.Context, topic string, m wirepost.MemberID, n int64) error {
	if s.c.breaks.notesNone {
		return nil
	}
	return s.Presence.Announced(ctx, topic, m, n)
}

func (c *presenceChaos) process() *mortal {
	p := &mortal{c: c}
	skew := time.Duration((c.float() - 0.5) * float64(2*time.Second))
	s := simProcess(c.table, skew, logBreaks{}, c.seed+uint64(c.float()*1e6))
	s.presenceBreaks = c.breaks.store
	through := *s.db
	through.Transport = dying{p, c.table}
	s.db = simClient(&through)
	store := &mixedStore{c.shared, s, c}
	posts := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return c.pipes.Dial() }, IdleConnTimeout: time.Second}
	p.publisher = wirepost.NewPublisher(store, &wirepost.PublisherOptions{Random: c.float, Transport: dying{p, posts}, PostTimeout: 3 * time.Second, Now: s.o.Now})
	p.mux = wirepost.NewMux(store, &wirepost.MuxOptions{Presence: c.options(), Publisher: p.publisher, Connect: func(_ context.Context, r *wirepost.ConnectRequest) (wirepost.Accept, error) {
		return wirepost.Accept{User: r.Query("user")[0]}, nil
	}})
	p.mux.HandleProtocol(p.publisher, nil)
	return p
}

func (c *presenceChaos) gateway() *gateway.Server {
	var mu sync.Mutex
	processes := make([]*mortal, 3)
	routes := map[string]gateway.Route{"$connect": {}, "$disconnect": {}}
	for _, key := range []string{"$default", "subscribe", "unsubscribe", "send", "ping"} {
		routes[key] = gateway.Route{RouteResponse: true}
	}
	return &gateway.Server{
		Stage: "dev", Domain: "localhost:3001", ConnectRate: -1, RequestRate: -1, Routes: routes, MaxAge: c.maxAge(),
		Function: gateway.FunctionFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
			if !c.over.Load() {
				late := 100 * time.Millisecond
				if c.float() < 0.05 {
					late = 3 * time.Second
				}
				time.Sleep(c.upTo(late)) // of the bubble's clock: messages overtake each other
			}
			mu.Lock()
			i := int(c.float() * 3)
			if processes[i] == nil || processes[i].dead.Load() {
				processes[i] = c.process()
			}
			p := processes[i]
			mu.Unlock()
			if c.breaks.anyGoodbye {
				payload = []byte(strings.Replace(string(payload), `"disconnectStatusCode":`, `"disconnectStatusCode":1005,"was":`, 1))
			}
			out, err := p.mux.Invoke(ctx, payload)
			if p.dead.Load() {
				return nil, errDied
			}
			return out, err
		}),
		Fault: c.fail,
	}
}

func (c *presenceChaos) fail(call gateway.Call) gateway.Fault {
	if c.over.Load() {
		return gateway.Fault{}
	}
	p := c.float()
	switch call.Kind {
	case gateway.CallDisconnect:
		return gateway.Fault{Drop: p < 0.3}
	case gateway.CallPost:
		f := gateway.Fault{Delay: c.upTo(60 * time.Millisecond)}
		switch {
		case p < 0.05:
			f.Drop = true
		case p < 0.07:
			f.Status = http.StatusGone
		case p < 0.09:
			f.ResetAfter = true
		case p < 0.11:
			f.Delay = c.upTo(2 * time.Second)
		}
		return f
	}
	return gateway.Fault{}
}

var presenceTopics = []string{"small", "other", "big"}

// open begins a session of a user.
func (c *presenceChaos) open(ctx context.Context, running *sync.WaitGroup, number int) {
	u := &chaosUser{user: fmt.Sprint("user", number), number: number, since: time.Now(), seen: map[string]*client.Presence{}, done: make(chan struct{}), missing: map[string]time.Time{}}
	u.topics = []string{"big"}
	if number%3 == 0 {
		u.topics = append(u.topics, presenceTopics[number%2])
	}
	dialer := ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return c.pipes.Dial() }}
	u.c = client.Connect("ws://localhost/dev?user="+u.user, &client.Options{MaxAge: c.maxAge(), Random: c.float, MaxDelay: 10 * time.Second,
		Dial: func(ctx context.Context, url string, _ []string) (client.Socket, error) {
			if u.gone.Load() {
				return nil, errDied
			}
			conn, early, _, err := dialer.Dial(ctx, url)
			if early != nil {
				ws.PutReader(early)
			}
			if err != nil {
				return nil, err
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			u.conns = append(u.conns, conn)
			return closing{pipe{conn}}, nil
		}})
	for _, topic := range u.topics {
		p, err := u.c.Presence(topic, nil)
		if err != nil {
			c.fault("%v", err)
		}
		u.seen[topic] = p
	}
	c.mu.Lock()
	c.users = append(c.users, u)
	c.mu.Unlock()
	running.Go(func() {
		defer close(u.done)
		for e := range u.c.Events(ctx) {
			if e.Presence != nil {
				c.told(u, e.Presence)
			}
		}
	})
}

// closing sends close frames as browsers do.
type closing struct{ pipe }

func (p closing) Close(code int) {
	body := ws.NewCloseFrameBody(ws.StatusCode(code), "")
	if code == 1005 {
		body = nil
	}
	go func() { // ends with the deadline: the client does not wait for a pipe that is full
		p.conn.SetWriteDeadline(time.Now().Add(time.Second))
		ws.WriteFrame(p.conn, ws.MaskFrame(ws.NewCloseFrame(body)))
		p.conn.Close()
	}()
}

// settled is how long ago a session has to have begun so that all others know it.
const settled = time.Minute

// told holds an event against the promise: nobody leaves who has a session.
func (c *presenceChaos) told(u *chaosUser, e *client.PresenceChange) {
	c.mu.Lock()
	c.changes += len(e.Joined) + len(e.Left)
	c.mu.Unlock()
	for _, m := range e.Left {
		if !c.harmed.Load() && c.isPresent(e.Topic, m.User, settled) {
			c.fault("%s is told that %s has left %s, inside its lease", u.user, m.User, e.Topic)
		}
	}
}

// isPresent reports whether a user has had a session in a topic for some time.
func (c *presenceChaos) isPresent(topic, user string, since time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.users, func(u *chaosUser) bool {
		return u.user == user && !u.gone.Load() && slices.Contains(u.topics, topic) && time.Since(u.since) >= since
	})
}

// here is who is in a topic, in truth.
func (c *presenceChaos) here(topic string, since time.Duration) (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range c.users {
		if !u.gone.Load() && slices.Contains(u.topics, topic) && time.Since(u.since) >= since {
			all = append(all, u.user)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// end ends a session: by a goodbye, or by a cable that is pulled.
func (c *presenceChaos) end(u *chaosUser, politely bool) {
	if u.gone.Swap(true) {
		return
	}
	if !politely {
		c.cut(u)
	}
	u.c.Close()
}

func (c *presenceChaos) cut(u *chaosUser) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range u.conns {
		conn.Close()
	}
	u.conns = nil
}

func (c *presenceChaos) live() (all []*chaosUser) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range c.users {
		if !u.gone.Load() {
			all = append(all, u)
		}
	}
	return all
}

// run is one seed.
func (c *presenceChaos) run(ctx context.Context) {
	c.pipes, c.shared, c.table, c.stop = memlisten.New(), wirepost.NewMemStore(nil), newSimTable(c.seed), make(chan struct{})
	c.table.fail = 0.03
	var running, sweeping sync.WaitGroup
	server := c.gateway()
	running.Go(func() { server.Serve(c.pipes) })
	for range 2 {
		sweeping.Go(func() { c.sweep(ctx) })
	}
	sweeping.Go(func() { c.watch() })
	for i := range 30 {
		for range 1 + i%3%2 {
			c.open(ctx, &running, i)
		}
	}
	for range 40 {
		time.Sleep(c.upTo(20 * time.Second))
		live := c.live()
		u := live[int(c.float()*float64(len(live)))]
		switch p := c.float(); {
		case p < 0.25:
			c.end(u, true)
			if c.float() < 0.5 { // and is back at once
				c.open(ctx, &running, u.number)
			}
		case p < 0.4:
			c.end(u, false)
		case p < 0.65:
			c.open(ctx, &running, int(c.float()*30))
		case p < 0.9:
			c.cut(u)
		default:
			c.table.set(0.8)
			time.Sleep(c.upTo(30 * time.Second))
			c.table.set(0.03)
		}
	}
	c.over.Store(true)
	c.table.set(0)
	time.Sleep(c.within() + 90*time.Second)
	c.compare(true)
	c.compareTable()
	c.calm(ctx, &running)
	close(c.stop)
	sweeping.Wait()
	for _, u := range c.live() {
		c.end(u, true)
	}
	for _, u := range c.users {
		<-u.done
	}
	deadline, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	server.Shutdown(deadline)
	running.Wait()
}

// sweep sweeps every minute.
func (c *presenceChaos) sweep(ctx context.Context) {
	var p *mortal
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		select {
		case <-minute.C:
		case <-c.stop:
			return
		}
		if c.breaks.noSweep {
			continue
		}
		if p == nil || p.dead.Load() {
			p = c.process()
		}
		ctx, cancel := context.WithTimeout(ctx, 50*time.Second)
		p.publisher.SweepPresence(ctx, c.options()) // what has failed is due again
		cancel()
	}
}

// watch looks from time to time whether somebody who is here is missing for longer than a
// check takes.
func (c *presenceChaos) watch() {
	often := time.NewTicker(15 * time.Second)
	defer often.Stop()
	for {
		select {
		case <-often.C:
		case <-c.stop:
			return
		}
		slack := c.check() + 90*time.Second
		for _, u := range c.live() {
			for topic, p := range u.seen {
				members, ok := p.Members()
				if !ok || u.c.State() != client.Open {
					u.missing = map[string]time.Time{}
					continue
				}
				for _, user := range c.here(topic, settled) {
					key := topic + " " + user
					if slices.ContainsFunc(members, func(m client.Member) bool { return m.User == user }) {
						delete(u.missing, key)
					} else if u.missing[key].IsZero() {
						u.missing[key] = time.Now()
					} else if time.Since(u.missing[key]) > slack && time.Since(u.since) > slack {
						c.fault("%s lacks %s in %s for longer than a check", u.user, user, topic)
						u.missing[key] = time.Now()
					}
				}
			}
		}
	}
}

// compare holds what each client shows at the end against the truth.
func (c *presenceChaos) compare(counts bool) {
	for _, u := range c.live() {
		if s := u.c.State(); s != client.Open {
			c.fault("%s is %s at the end", u.user, s)
		}
		for topic, p := range u.seen {
			want := c.here(topic, 0)
			if members, ok := p.Members(); ok {
				var got []string
				for _, m := range members {
					got = append(got, m.User)
				}
				if slices.Sort(got); !slices.Equal(got, want) {
					c.fault("%s shows %q in %s, where %q are", u.user, got, topic, want)
				}
			} else if n := p.Count(); counts && n != len(want) {
				c.fault("%s shows %d in %s, where %d are", u.user, n, topic, len(want))
			}
		}
	}
}

// compareTable finds what sweeps should have done.
func (c *presenceChaos) compareTable() {
	c.table.mu.Lock()
	defer c.table.mu.Unlock()
	late := time.Now().Add(-2*time.Minute - 5*time.Second).UnixMilli()
	for n := range presencePartitions {
		for _, it := range c.table.rows[presenceShard(n)] {
			m, err := parseMember(it)
			if err != nil {
				c.fault("%v", err)
				continue
			}
			if m.settled < m.change && m.change < late-wirepost.AnnounceAfter.Milliseconds() {
				c.fault("nobody has announced the last change of %s in %s", m.id.Key(), m.topic)
			}
			for id, session := range m.sessions {
				if session.lease < late {
					c.fault("nobody has ended the lease of the session %s in %s", id, m.topic)
				}
			}
		}
	}
}

// calm is a while without faults, in which everybody is told at once who comes and who
// says goodbye, and a row that somebody removes is back after a check.
func (c *presenceChaos) calm(ctx context.Context, running *sync.WaitGroup) {
	c.open(ctx, running, 36) // a user of the topic small who was never there
	time.Sleep(5 * time.Second)
	c.compare(false)       // counts come with checks
	for round := range 7 { // who leaves is back at once, by the clock of another process
		for _, u := range c.live() {
			if u.number == 36 {
				c.end(u, true)
			}
		}
		if round < 6 {
			c.open(ctx, running, 36)
		}
		time.Sleep(5 * time.Second)
		c.compare(false) // counts come with checks
	}
	c.harmed.Store(true)
	c.table.mu.Lock()
	for _, p := range slices.Sorted(keysOf(c.table.rows)) {
		for _, s := range slices.Sorted(keysOf(c.table.rows[p])) {
			if strings.HasPrefix(s, "small"+topicEnd) {
				delete(c.table.rows[p], s)
			}
		}
	}
	c.table.mu.Unlock()
	time.Sleep(2*c.check() + 30*time.Second)
	c.compare(true)
}

func runPresenceChaos(t *testing.T, seed uint64, breaks presenceChaosBreaks) (c *presenceChaos) {
	synctest.Test(t, func(t *testing.T) {
		c = &presenceChaos{seed: seed, breaks: breaks, random: rand.New(rand.NewPCG(seed, 9))}
		c.run(t.Context())
	})
	return c
}

func TestInChaosEveryClientShowsWhoIsPresent(t *testing.T) {
	changes, faults := 0, 0
	for seed := range uint64(*chaosSeeds) {
		c := runPresenceChaos(t, seed, presenceChaosBreaks{})
		changes, faults = changes+c.changes, faults+len(c.faults)
		for _, f := range c.faults[:min(len(c.faults), 5)] {
			t.Errorf("seed %d: %s", seed, f)
		}
	}
	if faults == 0 {
		fmt.Printf("presence: %d seeds, %d changes, 0 wrong after the bound, 0 leaves inside a lease\n", *chaosSeeds, changes)
	}
}

func TestEachBreakOfPresenceIsFoundByTheChaos(t *testing.T) {
	for name, breaks := range map[string]presenceChaosBreaks{
		"nobody sweeps":                          {noSweep: true},
		"nobody sweeps, and lists have the dead": {noSweep: true, store: presenceBreaks{listsDead: true}},
		"a lease is shorter than a check":        {shortLease: true},
		"a renewal is shorter than a check":      {shortRenew: true},
		"a renewal does nothing":                 {store: presenceBreaks{renewsNothing: true}},
		"each $disconnect is a goodbye":          {anyGoodbye: true},
		"nobody is given a list":                 {noList: true},
		"a list ends too soon":                   {shortLists: true},
		"nobody is told that it is not here":     {neverAnew: true},
		"numbers of events do not grow":          {oldEvents: true},
		"numbers are the time":                   {store: presenceBreaks{numberFalls: true}},
		"rows have no marks":                     {noMarks: true},
		"no leave is a leave":                    {store: presenceBreaks{neverLast: true}},
		"one session that leaves is the last":    {store: presenceBreaks{oneIsAll: true}},
		"what nobody has announced is forgotten": {store: presenceBreaks{tellsNothing: true}},
		"nobody notes what was announced":        {notesNone: true},
		"a lease lapses before it is over":       {store: presenceBreaks{lapsesTooEarly: true}},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(12) {
				if c := runPresenceChaos(t, seed, breaks); len(c.faults) > 0 {
					t.Logf("seed %d: %s", seed, c.faults[0])
					return
				}
			}
			t.Error("12 seeds have shown no fault")
		})
	}
}
