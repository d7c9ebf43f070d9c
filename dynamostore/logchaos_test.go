package dynamostore

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/client"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/memlisten"
)

var chaosSeeds = flag.Int("chaos-seeds", 2, "how many seeds of the chaos are run")

// logChaos is publishers, functions, the gateway and clients in one bubble of fake time,
// with the log of DynamoDB: posts are lost, answered 429, 410 or not at all, connections
// are cut and come to their limit, $disconnect is dropped, requests of the log fail before
// and after they took effect, and processes are replaced.
type logChaos struct {
	seed   uint64
	breaks chaosBreaks
	pipes  *memlisten.Listener
	shared *wirepost.MemStore // of connections
	table  *simTable
	over   bool // nothing fails any more

	mu      sync.Mutex
	random  *rand.Rand
	clients []*chaosReader
	conns   []net.Conn
	faults  []string
	told    int // messages
	gaps    int
	done    map[string]bool // IDs of messages that were published
}

// maxAge is how long connections live: in every other seed they come to their limit.
func (c *logChaos) maxAge() time.Duration {
	if c.seed%2 == 0 {
		return 5 * time.Minute
	}
	return 2 * time.Hour
}

// chaosBreaks take something away that the promise needs, for the test that finds out
// whether the chaos sees it.
type chaosBreaks struct {
	log              logBreaks
	noReplay         bool // a subscribe is not answered with what was missed
	blindRetry       bool // an append that is unknown is repeated without Again
	unknownIsDone    bool // it counts as done
	unknownIsRefused bool // it counts as refused, and is forgotten
	noCheck          bool // clients do not ask
	staleReplay      bool // the log is read before the row is written
	quietGaps        bool // an answer leaves out what is gone
	shortReplay      bool // an answer says that there is no more
	headIsUpTo       bool // an answer goes as far as the head
	expiredToo       bool // what has expired is returned until it is removed
	doubled          bool // an answer begins with the message at the position
	disordered       bool // an answer is not in order
	skips            bool // an answer leaves out a message, and does not say so
}

// chaosReader is a client, and what it was told.
type chaosReader struct {
	name   string
	topics []string
	c      *client.Client
	seen   map[string]*chaosTopic
	done   chan struct{}
}

type chaosTopic struct {
	epoch string
	at    uint64
	begun bool
	ids   map[string]bool
}

func (c *logChaos) float() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.random.Float64()
}

func (c *logChaos) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// chaosStore is the connections of all and the log of one process.
type chaosStore struct {
	wirepost.Store
	c   *logChaos
	log *Store
}

func (s *chaosStore) Append(ctx context.Context, topic string, e []wirepost.LogEntry, o *wirepost.AppendOptions) (wirepost.Position, error) {
	at, err := s.log.Append(ctx, topic, e, o)
	if errors.Is(err, wirepost.ErrUnknown) {
		switch {
		case s.c.breaks.unknownIsDone:
			head, _ := s.log.Head(ctx, topic)
			return wirepost.Position{Epoch: head.Epoch, Offset: head.Offset + 1}, nil
		case s.c.breaks.unknownIsRefused:
			return at, errors.New("refused")
		}
	}
	return at, err
}

func (s *chaosStore) Read(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (wirepost.Replay, error) {
	r, err := s.log.Read(ctx, topic, after, limit)
	b := s.c.breaks
	if b.quietGaps {
		r.Gaps = nil
	}
	if b.shortReplay {
		r.More, r.Head = false, r.UpTo
	}
	if b.headIsUpTo {
		r.UpTo = r.Head
	}
	if n := len(r.Messages); n > 1 && b.doubled {
		r.Messages = append(r.Messages[:1:1], r.Messages...)
		r.Messages[0].Offset, r.Messages[0].ID = r.Messages[0].Offset+1, r.Messages[0].ID+"x"
	}
	if n := len(r.Messages); n > 1 && b.disordered {
		r.Messages[0], r.Messages[n-1] = r.Messages[n-1], r.Messages[0]
	}
	if n := len(r.Messages); n > 2 && b.skips {
		r.Messages = append(r.Messages[:1:1], r.Messages[2:]...)
	}
	if b.noReplay {
		r.Messages, r.Gaps, r.UpTo, r.More = nil, nil, r.Head, false
	}
	return r, err
}

func (s *chaosStore) Head(ctx context.Context, topic string) (wirepost.Position, error) {
	return s.log.Head(ctx, topic)
}

func (s *chaosStore) Restart(ctx context.Context, topic string) (wirepost.Position, error) {
	return s.log.Restart(ctx, topic)
}

// Subscribe writes the row, some time after it was asked for if that is what is broken.
func (s *chaosStore) Subscribe(ctx context.Context, id, topic string) error {
	if s.c.breaks.staleReplay {
		time.AfterFunc(5*time.Second, func() { s.Store.Subscribe(context.Background(), id, topic) })
		return nil
	}
	return s.Store.Subscribe(ctx, id, topic)
}

func (c *logChaos) process() *chaosStore {
	skew := time.Duration((c.float() - 0.5) * float64(2*time.Second))
	if c.breaks.expiredToo {
		skew = -time.Hour
	}
	return &chaosStore{c.shared, c, simProcess(c.table, skew, c.breaks.log, c.seed+uint64(c.float()*1e6))}
}

var chaosTopics = []string{"busy", "rare", "mixed", "groups", "large"}

// run is one seed.
func (c *logChaos) run(ctx context.Context) {
	c.pipes, c.shared, c.table = memlisten.New(), wirepost.NewMemStore(nil), newSimTable(c.seed)
	c.table.fail = 0.05
	var running sync.WaitGroup
	server := c.gateway()
	running.Go(func() { server.Serve(c.pipes) })
	for i := range 12 {
		c.connect(ctx, &running, i)
	}
	var publishing sync.WaitGroup
	for i := range 3 {
		publishing.Go(func() { c.publish(ctx, i) })
	}
	for range 20 {
		time.Sleep(time.Duration(c.float() * float64(30*time.Second)))
		switch p := c.float(); {
		case p < 0.2: // throttled for a while
			c.table.set(0.9)
			time.Sleep(time.Duration(c.float() * float64(time.Minute)))
			c.table.set(0.05)
		case p < 0.5:
			c.cutSome()
		}
	}
	publishing.Wait()
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	c.table.set(0)
	time.Sleep(4*time.Minute + 90*time.Second)
	c.check(ctx)
	for _, r := range c.clients {
		r.c.Close()
		<-r.done
	}
	deadline, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	server.Shutdown(deadline)
	running.Wait()
}

func (t *simTable) set(fail float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fail = fail
}

func (c *logChaos) gateway() *gateway.Server {
	var muxes []*wirepost.Mux
	for range 3 {
		store := c.process()
		mux := wirepost.NewMux(store, nil)
		mux.HandleProtocol(wirepost.NewPublisher(store, &wirepost.PublisherOptions{Random: c.float, Transport: c.transport(), Keep: map[string]time.Duration{"*": time.Hour}}), nil)
		muxes = append(muxes, mux)
	}
	routes := map[string]gateway.Route{"$connect": {}, "$disconnect": {}}
	for _, key := range []string{"$default", "subscribe", "unsubscribe", "send", "ping"} {
		routes[key] = gateway.Route{RouteResponse: true}
	}
	return &gateway.Server{
		Stage: "dev", Domain: "localhost:3001", ConnectRate: -1, RequestRate: -1, Routes: routes, MaxAge: c.maxAge(),
		Function: gateway.FunctionFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
			return muxes[int(c.float()*3)].Invoke(ctx, payload)
		}),
		Fault: c.fail,
	}
}

func (c *logChaos) fail(call gateway.Call) gateway.Fault {
	c.mu.Lock()
	over := c.over
	c.mu.Unlock()
	if over {
		return gateway.Fault{}
	}
	p := c.float()
	switch call.Kind {
	case gateway.CallDisconnect:
		return gateway.Fault{Drop: p < 0.5}
	case gateway.CallPost:
		f := gateway.Fault{Delay: time.Duration(c.float() * float64(60*time.Millisecond))}
		switch {
		case p < 0.05:
			f.Drop = true
		case p < 0.08:
			f.Status = http.StatusTooManyRequests
		case p < 0.10:
			f.Status = http.StatusGone
		case p < 0.12:
			f.ResetAfter = true
		case p < 0.13:
			f.ResetBefore = true
		case p < 0.15:
			f.Delay = time.Duration(c.float() * float64(3*time.Second))
		}
		return f
	}
	return gateway.Fault{}
}

// cutSome cuts connections.
func (c *logChaos) cutSome() {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.conns[:0]
	for _, conn := range c.conns {
		if c.random.Float64() < 0.3 {
			conn.Close()
		} else {
			kept = append(kept, conn)
		}
	}
	c.conns = kept
}

// pipe is a client's socket in memory.
type pipe struct{ conn net.Conn }

func (p pipe) Read(context.Context) ([]byte, error) { return wsutil.ReadServerText(p.conn) }
func (p pipe) Write(_ context.Context, text []byte) error {
	return wsutil.WriteClientText(p.conn, text)
}
func (p pipe) Close(int) { p.conn.Close() }

func (c *logChaos) connect(ctx context.Context, running *sync.WaitGroup, i int) {
	r := &chaosReader{name: fmt.Sprint("client ", i), seen: map[string]*chaosTopic{}, done: make(chan struct{})}
	for k := range 1 + i%3 {
		topic := chaosTopics[(i+2*k)%len(chaosTopics)]
		r.topics = append(r.topics, topic)
		r.seen[topic] = &chaosTopic{ids: map[string]bool{}}
	}
	checkAfter := 4 * time.Minute
	if c.breaks.noCheck {
		checkAfter = 24 * time.Hour
	}
	dialer := ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return c.pipes.Dial() }}
	r.c = client.Connect("ws://localhost/dev", &client.Options{Topics: r.topics, PingAfter: checkAfter, MaxAge: c.maxAge(), Random: c.float,
		Dial: func(ctx context.Context, url string, _ []string) (client.Socket, error) {
			conn, early, _, err := dialer.Dial(ctx, url)
			if early != nil {
				ws.PutReader(early) // the server speaks only when it is spoken to
			}
			if err != nil {
				return nil, err
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.conns = append(c.conns, conn)
			return pipe{conn}, nil
		}})
	c.clients = append(c.clients, r)
	running.Go(func() {
		defer close(r.done)
		for e := range r.c.Events(ctx) {
			c.event(r, e)
		}
	})
}

// event holds what a client is told against the promise.
func (c *logChaos) event(r *chaosReader, e client.Event) {
	switch {
	case e.Message != nil && e.Message.Epoch != "":
		t := r.seen[e.Message.To[len("topic:"):]]
		c.mu.Lock()
		c.told++
		c.mu.Unlock()
		switch {
		case t.epoch == e.Message.Epoch && e.Message.Offset <= t.at:
			c.fault("%s is told %v twice, or out of order", r.name, e.Message.Position)
		case t.begun && t.epoch == e.Message.Epoch && !c.came(t, e.Message.To[len("topic:"):], e.Message.Offset-1):
			c.fault("%s is told %v of %s after %d", r.name, e.Message.Position, e.Message.To, t.at)
		case t.ids[e.Message.ID]:
			c.fault("%s is told the message %s twice", r.name, e.Message.ID)
		case c.expired(e.Message):
			c.fault("%s is told the message %s, which has expired", r.name, e.Message.ID)
		}
		t.epoch, t.at, t.begun, t.ids[e.Message.ID] = e.Message.Epoch, e.Message.Offset, true, true
	case e.Message != nil:
		c.fault("%s is told a message of %s without a position", r.name, e.Message.To)
	case e.Gap != nil:
		t := r.seen[e.Gap.Topic]
		c.mu.Lock()
		c.gaps++
		c.mu.Unlock()
		if t.begun && !c.came(t, e.Gap.Topic, e.Gap.From-1) {
			c.fault("%s is told the gap %v after %d", r.name, *e.Gap, t.at)
		}
		for offset := e.Gap.From; offset <= e.Gap.To; offset++ {
			if c.alive(e.Gap.Topic, offset) {
				c.fault("%s is told that %d of %s is gone, and it is there", r.name, offset, e.Gap.Topic)
			}
		}
		t.at, t.begun = e.Gap.To, true
	}
}

// came reports whether a client was told all messages up to an offset. What it is not told
// has to have the ID of one that it had: if that has expired when a publisher repeats it,
// there is a second copy.
func (c *logChaos) came(t *chaosTopic, topic string, upTo uint64) bool {
	if upTo == t.at {
		return true
	}
	c.table.mu.Lock()
	defer c.table.mu.Unlock()
	had := uint64(0)
	for _, row := range c.table.rows[logPartition(topic, t.epoch)] {
		if i, err := parseLogItem(row); err == nil && !i.isSeal() {
			for n, e := range i.entries {
				if offset := i.first + uint64(n); offset > t.at && offset <= upTo && t.ids[e.id] {
					had++
				}
			}
		}
	}
	return had == upTo-t.at
}

// expired reports whether a message had expired a while ago when a client was told it.
func (c *logChaos) expired(m *client.Message) bool {
	c.table.mu.Lock()
	defer c.table.mu.Unlock()
	for _, row := range c.table.rows[logPartition(m.To[len("topic:"):], m.Epoch)] {
		if i, err := parseLogItem(row); err == nil && !i.isSeal() && m.Offset >= i.first && m.Offset <= i.last() {
			return time.Now().Add(-2*time.Minute).UnixMilli() > i.appended+i.entries[m.Offset-i.first].keep
		}
	}
	return false
}

// alive reports whether a message is in the log and has not expired, by any clock.
func (c *logChaos) alive(topic string, offset uint64) bool {
	c.table.mu.Lock()
	defer c.table.mu.Unlock()
	for p, rows := range c.table.rows {
		if len(p) < 2 || p[:2] != "l:" || p[len(p)-len(topic)-1:] != ":"+topic {
			continue
		}
		for _, row := range rows {
			i, err := parseLogItem(row)
			if err != nil || i.isSeal() || offset < i.first || offset > i.last() {
				continue
			}
			e := i.entries[offset-i.first]
			return time.Now().Add(5*time.Second).UnixMilli() < i.appended+e.keep
		}
	}
	return false
}

func (c *logChaos) transport() *http.Transport {
	return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return c.pipes.Dial() }, IdleConnTimeout: time.Second}
}

// publish is one program elsewhere, which is replaced now and then.
func (c *logChaos) publish(ctx context.Context, number int) {
	transport := c.transport()
	defer transport.CloseIdleConnections()
	var p *wirepost.Publisher
	for i := range 60 {
		if p == nil || c.float() < 0.05 {
			p = wirepost.NewPublisher(c.process(), &wirepost.PublisherOptions{PostTimeout: 2 * time.Second, Random: c.float, Transport: transport})
		}
		time.Sleep(time.Duration(c.float() * float64(4*time.Second)))
		topic := chaosTopics[0]
		if c.float() < 0.5 {
			topic = chaosTopics[int(c.float()*float64(len(chaosTopics)))]
		}
		keep := time.Hour
		if topic == "mixed" && c.float() < 0.5 {
			keep = time.Duration(c.float() * float64(time.Minute))
		}
		n := 1
		if topic == "groups" {
			n = 1 + int(c.float()*10)
		}
		var all []wirepost.Publication
		for k := range n {
			all = append(all, c.publication(topic, fmt.Sprintf("%d-%d-%d", number, i, k), max(keep, time.Millisecond)))
		}
		c.publishUntilKnown(ctx, p, all)
	}
}

func (c *logChaos) publication(topic, id string, keep time.Duration) wirepost.Publication {
	data := `"x"`
	if topic == "large" && c.float() < 0.3 {
		data = `"` + string(make20k()) + `"`
	}
	frame, err := (wirepost.Envelope{ID: id, To: wirepost.ToTopic(topic), Data: json.RawMessage(data)}).Frame()
	if err != nil {
		c.fault("%v", err)
	}
	return wirepost.Publication{To: wirepost.ToTopic(topic), Data: frame, Options: &wirepost.PublishOptions{Keep: max(keep, time.Millisecond)}}
}

func make20k() []byte {
	b := make([]byte, 20<<10)
	for i := range b {
		b[i] = 'x'
	}
	return b
}

// publishUntilKnown repeats what may have been kept, as a queue would.
func (c *logChaos) publishUntilKnown(ctx context.Context, p *wirepost.Publisher, all []wirepost.Publication) {
	for range 30 {
		ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
		results := p.PublishAll(ctx, all)
		cancel()
		var left []wirepost.Publication
		for i, r := range results {
			switch {
			case r.Err == nil || r.Result.Position.Offset > 0:
				var e wirepost.Envelope
				if err := json.Unmarshal(all[i].Data, &e); err != nil {
					c.fault("%v", err)
				}
				c.mu.Lock()
				c.done[e.ID] = true
				c.mu.Unlock()
			case errors.Is(r.Err, wirepost.ErrUnknown) && !c.breaks.blindRetry:
				o := *all[i].Options
				o.Again = true
				all[i].Options = &o
				left = append(left, all[i])
			default:
				left = append(left, all[i])
			}
		}
		if len(left) == 0 {
			return
		}
		all = left
		time.Sleep(time.Duration(c.float() * float64(5*time.Second)))
	}
}

// check holds where each client is against the ends of its logs.
func (c *logChaos) check(ctx context.Context) {
	log := c.process().log
	ids := map[string]bool{}
	for p, rows := range c.table.rows {
		for _, row := range rows {
			if i, err := parseLogItem(row); err == nil {
				for _, e := range i.entries {
					if ids[p+e.id] && !strings.HasSuffix(p, ":mixed") { // there the first may have expired, and clients know the ID
						c.fault("the message %s was kept twice", e.id)
					}
					ids[p+e.id] = true
				}
			}
		}
	}
	for id := range c.done {
		kept := false
		for _, topic := range chaosTopics {
			h, err := log.Head(ctx, topic)
			kept = kept || err == nil && ids[logPartition(topic, h.Epoch)+id]
		}
		if !kept {
			c.fault("the message %s was published, and is not in the log", id)
		}
	}
	for _, r := range c.clients {
		if s := r.c.State(); s != client.Open {
			c.fault("%s is %s at the end", r.name, s)
		}
		positions := r.c.Positions()
		for _, topic := range r.topics {
			head, err := log.Head(ctx, topic)
			if err != nil {
				c.fault("%v", err)
				continue
			}
			if got := positions[topic]; got != head && head.Offset > 0 {
				c.fault("%s is at %v of %s, which ends at %v", r.name, got, topic, head)
			}
			if t := r.seen[topic]; t.begun && t.at != head.Offset && topic != "mixed" {
				c.fault("%s was told %s up to %d, which ends at %v", r.name, topic, t.at, head)
			}
		}
	}
}

func runChaos(t *testing.T, seed uint64, breaks chaosBreaks) (c *logChaos) {
	synctest.Test(t, func(t *testing.T) {
		c = &logChaos{seed: seed, breaks: breaks, random: rand.New(rand.NewPCG(seed, 5)), done: map[string]bool{}}
		c.run(t.Context())
	})
	return c
}

func TestInChaosEveryClientHasEachKeptMessageOnceAndInOrder(t *testing.T) {
	messages, gaps, faults := 0, 0, 0
	for seed := range uint64(*chaosSeeds) {
		c := runChaos(t, seed, chaosBreaks{})
		messages, gaps, faults = messages+c.told, gaps+c.gaps, faults+len(c.faults)
		for _, f := range c.faults[:min(len(c.faults), 5)] {
			t.Errorf("seed %d: %s", seed, f)
		}
	}
	if faults == 0 {
		fmt.Printf("log: %d seeds, %d messages, 0 lost, 0 twice, 0 out of order, %d gaps, all told\n", *chaosSeeds, messages, gaps)
	}
}
