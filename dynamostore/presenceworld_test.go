package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/memlisten"
)

// presenceChaos is users with sessions, functions, the gateway and sweeps in one bubble of
// fake time, with the presence of DynamoDB: messages of a connection come in any order,
// $disconnect is dropped, posts are lost or answered 410, connections are cut and come to
// their limit, requests of the table fail before and after they took effect, lists fail more
// often, clocks differ, and processes die between any two requests.
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

// late is how late a client may be that nobody tells what changed, as more watch than are
// told: it hears of the end of a lease by its next check.
func (c *presenceChaos) late() time.Duration { return c.within() - 2*time.Minute + c.check() }

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

// listFails is how often a list cannot be read.
const listFails = 0.1

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
	if s.c.breaks.noList && !strings.HasPrefix(topic, "big") || !s.c.over.Load() && s.c.float() < listFails {
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
