package dynamostore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/client"
	"github.com/wirepost/wirepost/internal/memlisten"
)

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
	c.compare(false)
	c.compareTable()
	time.Sleep(max(0, c.late()-c.within()))
	c.compare(true)
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

// compare holds what each client shows at the end against the truth; of topics whose changes
// perhaps nobody is told only if it is so late that a check has brought them.
func (c *presenceChaos) compare(all bool) {
	for _, u := range c.live() {
		if s := u.c.State(); s != client.Open {
			c.fault("%s is %s at the end", u.user, s)
		}
		for topic, p := range u.seen {
			if !all && c.isCrowded(topic) {
				continue
			}
			want := c.here(topic, 0)
			if members, ok := p.Members(); ok {
				var got []string
				for _, m := range members {
					got = append(got, m.User)
				}
				if slices.Sort(got); !slices.Equal(got, want) {
					c.fault("%s shows %q in %s, where %q are", u.user, got, topic, want)
				}
			} else if n := p.Count(); all && n != len(want) {
				c.fault("%s shows %d in %s, where %d are", u.user, n, topic, len(want))
			}
		}
	}
}

// isCrowded reports whether perhaps nobody is told at once what changes in a topic: rows of
// connections whose $disconnect was dropped count as watchers, too, and so do both
// connections of a client that changes them.
func (c *presenceChaos) isCrowded(topic string) bool {
	n := 0
	for l, err := range c.shared.Connections(context.Background(), wirepost.ToTopic(topic), wirepost.ListOptions{}) {
		if err != nil {
			c.fault("%v", err)
		}
		if l.Marked {
			n++
		}
	}
	return n > c.options().MaxAnnounced-5
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
	c.compare(false)
	for round := range 7 { // a user who leaves comes back at once, by the clock of another process
		for _, u := range c.live() {
			if u.number == 36 {
				c.end(u, true)
			}
		}
		if round < 6 {
			c.open(ctx, running, 36)
		}
		time.Sleep(5 * time.Second)
		c.compare(false)
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
