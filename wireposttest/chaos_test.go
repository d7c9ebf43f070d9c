package wireposttest_test

import (
	"bytes"
	"context"
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
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/management"
	"github.com/wirepost/wirepost/internal/memlisten"
)

// chaosSeeds is how many runs the chaos test makes. They take fake time.
var chaosSeeds = flag.Int("chaos-seeds", 50, "how many seeds of the chaos are run")

// The gateway, the store, publishers and clients in one bubble of fake time, where
// everything goes wrong that may: posts are answered 429 and 500, reset before and
// after they took effect, or never answered; clients do not read; connections die
// without a $disconnect; and $connect functions run for up to 29 s after the row was
// written, so that a live connection answers 410.
//
// However it goes, every live client has each message exactly once, or the result says
// that it failed or that the answer never came; nobody is posted to twice; no live
// connection is reaped; nothing hangs past its deadline.
func TestInChaosNobodyGetsAMessageTwiceAndNoLiveConnectionIsReaped(t *testing.T) {
	for _, client := range []string{"wirepost", "net/http"} {
		t.Run("over the client of "+client, func(t *testing.T) { chaosOver(t, client) })
	}
}

func chaosOver(t *testing.T, over string) {
	const chunks = 8
	var total chaosCount
	var mu sync.Mutex
	t.Run("seeds", func(t *testing.T) {
		for chunk := range chunks {
			t.Run(fmt.Sprint(chunk), func(t *testing.T) {
				t.Parallel()
				for seed := chunk; seed < *chaosSeeds && !t.Failed(); seed += chunks {
					synctest.Test(t, func(t *testing.T) {
						n := (&chaos{seed: uint64(seed), over: over, random: rand.New(rand.NewPCG(uint64(seed), 7))}).run(t)
						mu.Lock()
						total.add(n)
						mu.Unlock()
					})
				}
			})
		}
	})
	t.Logf("%d seeds: %+v", *chaosSeeds, total)
	fmt.Printf("publish over %s: %d seeds, %d sent, 0 twice, 0 forgotten, %d rows removed, no live connection\n", over, *chaosSeeds, total.sent, total.removed)
	if total.sent == 0 || total.unknown == 0 || total.throttled == 0 || total.kept == 0 || total.removed == 0 || total.continued == 0 || total.twice == 0 {
		t.Errorf("the chaos is too tame to show anything: %+v", total)
	}
}

// chaosCount is what happened to live clients, so that a run that shows nothing is
// noticed.
type chaosCount struct {
	publishes, sent, unknown, throttled, other int
	kept, removed                              int // of connections that answered 410
	continued                                  int // publishes that went on from a cursor
	twice                                      int // messages that came twice where that was asked for
}

func (c *chaosCount) add(d chaosCount) {
	c.publishes += d.publishes
	c.sent += d.sent
	c.unknown += d.unknown
	c.throttled += d.throttled
	c.other += d.other
	c.kept += d.kept
	c.removed += d.removed
	c.continued += d.continued
	c.twice += d.twice
}

type chaos struct {
	seed  uint64
	over  string // whose client posts
	pipes *memlisten.Listener
	store wirepost.Store

	mu        sync.Mutex
	random    *rand.Rand
	clients   []*chaosClient
	ids       map[string]string // connection IDs by name
	publishes []*chaosPublish
}

// chaosClient is a client and what it got.
type chaosClient struct {
	name      string // its user, too
	conn      net.Conn
	connected time.Time // the handshake was answered
	cut       bool
	got       map[string]int
}

// chaosPublish is one message to everybody, over as many calls as it took.
type chaosPublish struct {
	name        string
	atLeastOnce bool
	began       time.Time
	whole       bool // nobody is left
	rounds      int  // calls of Publish
	outcomes    map[string][]wirepost.Outcome
}

func (c *chaos) float() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.random.Float64()
}

func (c *chaos) upTo(d time.Duration) time.Duration { return time.Duration(c.float() * float64(d)) }

func (c *chaos) run(t *testing.T) chaosCount {
	c.pipes = memlisten.New()
	c.store, c.ids = wirepost.NewMemStore(nil), map[string]string{}
	mux := wirepost.NewMux(c.store, &wirepost.MuxOptions{Connect: func(_ context.Context, r *wirepost.ConnectRequest) (wirepost.Accept, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		name := r.Query("name")[0]
		c.ids[name] = r.ConnectionID
		return wirepost.Accept{User: name}, nil
	}})
	level := c.float()
	server := &gateway.Server{
		Stage: "dev", Domain: "localhost:3001", ConnectRate: -1, RequestRate: -1, QueueBytes: 600,
		Function: gateway.FunctionFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
			out, err := mux.Invoke(ctx, payload)
			if bytes.Contains(payload, []byte(`"CONNECT"`)) && bytes.Contains(payload, []byte(`"late-`)) {
				time.Sleep(c.upTo(28 * time.Second)) // the row is there, the connection is not
			}
			return out, err
		}),
		Fault: func(call gateway.Call) gateway.Fault { return c.fault(call, level) },
	}
	var running, working sync.WaitGroup
	running.Go(func() { server.Serve(c.pipes) })

	for i := range 8 + int(c.float()*16) {
		c.connect(t, &running, fmt.Sprintf("early-%d", i), i%4 == 0)
	}
	time.Sleep(time.Minute) // these are old enough to be reaped
	for range 3 {
		c.cut(int(c.float() * float64(len(c.clients)))) // and nobody is told
	}
	for i := range 4 {
		working.Go(func() {
			time.Sleep(c.upTo(10 * time.Second))
			c.connect(t, &running, fmt.Sprintf("late-%d", i), false)
		})
	}
	for worker := range 2 {
		working.Go(func() { c.publish(t, worker) })
	}
	working.Wait()
	time.Sleep(5 * time.Minute) // slow clients read what waits for them
	count := c.check(t)

	c.mu.Lock()
	for _, client := range c.clients {
		client.conn.Close()
	}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server.Shutdown(ctx)
	running.Wait()
	return count
}

func (c *chaos) fault(call gateway.Call, level float64) gateway.Fault {
	switch call.Kind {
	case gateway.CallDisconnect:
		return gateway.Fault{Drop: true}
	case gateway.CallPost:
	default:
		return gateway.Fault{}
	}
	f := gateway.Fault{Delay: c.upTo(40 * time.Millisecond)}
	switch p := c.float() / level; {
	case p < 0.10:
		f.Status = http.StatusTooManyRequests
	case p < 0.15:
		f.Status = http.StatusInternalServerError
	case p < 0.20:
		f.ResetBefore = true
	case p < 0.25:
		f.ResetAfter = true
	case p < 0.27:
		f.Hang = true
	}
	return f
}

// connect adds a client; one that is lazy does not read for a while now and then.
func (c *chaos) connect(t *testing.T, running *sync.WaitGroup, name string, lazy bool) {
	client := &chaosClient{name: name, got: map[string]int{}}
	dialer := ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return c.pipes.Dial() }}
	conn, early, _, err := dialer.Dial(t.Context(), "ws://localhost/dev?name="+name)
	if err != nil {
		t.Errorf("seed %d: connect: %v", c.seed, err)
		return
	}
	if early != nil {
		ws.PutReader(early) // the server speaks only when it is spoken to
	}
	c.mu.Lock()
	client.conn, client.connected = conn, time.Now()
	c.clients = append(c.clients, client)
	c.mu.Unlock()
	running.Go(func() {
		for {
			data, _, err := wsutil.ReadServerData(conn)
			if err != nil {
				return
			}
			text, _, _ := strings.Cut(string(data), " ")
			c.mu.Lock()
			client.got[text]++
			c.mu.Unlock()
			if lazy {
				time.Sleep(c.upTo(3 * time.Second))
			}
		}
	})
}

func (c *chaos) cut(i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clients[i].cut = true
	c.clients[i].conn.Close()
}

// publish sends some messages to everybody, each until nobody is left or it fails.
func (c *chaos) publish(t *testing.T, worker int) {
	p := wirepost.NewPublisher(c.store, &wirepost.PublisherOptions{Concurrency: 1 + int(c.float()*12), PostTimeout: 2 * time.Second, Random: c.float,
		Transport: c.transport()})
	defer p.CloseIdleConnections()
	for i := range 6 {
		time.Sleep(c.upTo(4 * time.Second))
		pub := &chaosPublish{name: fmt.Sprintf("m%d.%d", worker, i), atLeastOnce: worker == 1, began: time.Now(), outcomes: map[string][]wirepost.Outcome{}}
		c.mu.Lock()
		c.publishes = append(c.publishes, pub)
		c.mu.Unlock()
		o := &wirepost.PublishOptions{AtLeastOnce: pub.atLeastOnce, OnResult: func(out wirepost.Outcome) {
			c.mu.Lock()
			defer c.mu.Unlock()
			pub.outcomes[out.ConnectionID] = append(pub.outcomes[out.ConnectionID], out)
		}}
		for round := 0; round < 30 && !pub.whole; round++ {
			limit := 50*time.Millisecond + c.upTo(time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			start := time.Now()
			r, err := p.Publish(ctx, wirepost.Everyone(), []byte(pub.name+" "+strings.Repeat("x", 150)), o)
			cancel()
			if took := time.Since(start); took > limit {
				t.Errorf("seed %d: a publish with %v took %v", c.seed, limit, took)
			}
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("seed %d: %v", c.seed, err)
			}
			if r.Next != "" {
				o.After = r.Next
			}
			// Without a cursor all was started, unless there was no time to start anything.
			pub.whole = r.Next == "" && (err == nil || r.Sent+r.Gone+r.Failed > 0)
			pub.rounds = round + 1
		}
	}
}

// check holds what clients got against what the publishers were told.
func (c *chaos) check(t *testing.T) (n chaosCount) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fail := func(format string, args ...any) {
		t.Errorf("seed %d: %s", c.seed, fmt.Sprintf(format, args...))
	}
	live := map[string]bool{}
	for _, client := range c.clients {
		if id := c.ids[client.name]; !client.cut {
			live[id] = true
			if _, err := c.store.Connection(t.Context(), id); err != nil {
				fail("the live connection of %s was reaped: %v", client.name, err)
			}
		}
	}
	for _, pub := range c.publishes {
		if n.publishes++; pub.rounds > 1 {
			n.continued++
		}
		if !pub.whole {
			continue // 30 times without the time for anything
		}
		for id, outcomes := range pub.outcomes {
			if len(outcomes) > 1 {
				fail("%s has %d outcomes for %s: %v", pub.name, len(outcomes), id, outcomes)
			}
			if errors.Is(outcomes[0].Err, wirepost.ErrGone) && outcomes[0].Removed {
				n.removed++
			}
		}
		for _, client := range c.clients {
			if client.cut {
				continue
			}
			id, got := c.ids[client.name], client.got[pub.name]
			if got > 1 && !pub.atLeastOnce {
				fail("%s got %s %d times", client.name, pub.name, got)
			}
			if got > 1 {
				n.twice++
			}
			outcomes := pub.outcomes[id]
			if len(outcomes) == 0 {
				if client.connected.Before(pub.began) {
					fail("%s was forgotten by %s", client.name, pub.name)
				}
				if got > 0 {
					fail("%s got %s and no outcome says so", client.name, pub.name)
				}
				continue
			}
			err := outcomes[0].Err
			switch problem := wirepost.ProblemOf(err); {
			case err == nil:
				if n.sent++; got == 0 {
					fail("%s never got %s, which counts as sent", client.name, pub.name)
				}
			case errors.Is(err, wirepost.ErrGone):
				if n.kept++; client.connected.Before(pub.began) || outcomes[0].Removed {
					fail("%s is alive and gone: %+v", client.name, outcomes[0])
				}
			case problem == wirepost.ProblemNoAnswer || problem == wirepost.ProblemServerError:
				n.unknown++
			case problem == wirepost.ProblemThrottled || problem == wirepost.ProblemDeadline || problem == wirepost.ProblemEndpointUnreachable:
				if n.throttled++; got > 0 {
					fail("%s got %s, which counts as not sent: %v", client.name, pub.name, err)
				}
			default:
				n.other++
				fail("%s: %s: %v", client.name, pub.name, err)
			}
		}
	}
	return n
}

// transport is what a publisher posts over.
func (c *chaos) transport() http.RoundTripper {
	if c.over == "net/http" {
		return failsAfter{c, &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return c.pipes.Dial() }, IdleConnTimeout: time.Second}}
	}
	return management.Wire{Dial: func(context.Context, string, string) (net.Conn, error) {
		conn, err := c.pipes.Dial()
		return &failsAfterConn{conn, c}, err
	}}
}

// failsAfter answers 500 to some posts that were delivered.
type failsAfter struct {
	c *chaos
	*http.Transport
}

func (f failsAfter) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := f.Transport.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusOK && f.c.float() < 0.02 {
		resp.StatusCode = http.StatusInternalServerError
	}
	return resp, err
}

// failsAfterConn is the same below a client that is no transport.
type failsAfterConn struct {
	net.Conn
	c *chaos
}

func (f *failsAfterConn) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if status := []byte("HTTP/1.1 200"); bytes.HasPrefix(p[:n], status) && f.c.float() < 0.02 {
		copy(p, "HTTP/1.1 500")
	}
	return n, err
}
