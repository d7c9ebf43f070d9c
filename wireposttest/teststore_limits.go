package wireposttest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/wirepost/wirepost"
)

// How many callers do the same at the same time. The number of puts has no
// divisor in common with 7, so that they come in a mixed order.
const (
	concurrentPuts    = 24
	concurrentStages  = 24
	concurrentDeletes = 12
)

var limitChecks = []storeCheck{
	{"every method returns when its context has ended", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r := row(c, "c1", "alice", "a")
		if err := put(ctx, s, r); err != nil {
			return err
		}
		if _, err := s.PutStage(ctx, stage(production, "https://example.com", c.Now())); err != nil {
			return fmt.Errorf("PutStage: %w", err)
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		for _, call := range []struct {
			method string
			run    func() error
		}{
			{"Put", func() error { return s.Put(ended, r) }},
			{"Delete", func() error { _, err := s.Delete(ended, r.Key()); return err }},
			{"Reap", func() error {
				_, err := s.Reap(ended, wirepost.ToTopic("a"), wirepost.Listed{ID: r.ID, Endpoint: r.Endpoint, ConnectedAt: r.ConnectedAt})
				return err
			}},
			{"Connection", func() error { _, err := s.Connection(ended, "c1"); return err }},
			{"Subscribe", func() error { return s.Subscribe(ended, "c1", "b") }},
			{"Unsubscribe", func() error { return s.Unsubscribe(ended, "c1", "a") }},
			{"PutStage", func() error {
				_, err := s.PutStage(ended, stage(production, "https://example.com", c.Now()))
				return err
			}},
			{"DeleteStage", func() error {
				_, err := s.DeleteStage(ended, stage(production, "https://example.com", c.Now()))
				return err
			}},
			{"Stage", func() error { _, err := s.Stage(ended, production); return err }},
			{"Stages", func() error { _, err := s.Stages(ended); return err }},
			{"Connections", func() error { _, err := list(ended, s, wirepost.Everyone(), wirepost.ListOptions{}); return err }},
		} {
			if err := call.run(); !errors.Is(err, context.Canceled) {
				return fmt.Errorf("%s with a cancelled context: error = %v, want context.Canceled", call.method, err)
			}
		}
		return nil
	}},
	{"concurrent writers of one connection lose nothing", func(ctx context.Context, s wirepost.Store, c *clock) error {
		const n = 24
		r := row(c, "c1", "alice")
		if err := put(ctx, s, r); err != nil {
			return err
		}
		err := concurrently(n, func(i int) error {
			topic := fmt.Sprintf("t%02d", i)
			if i%2 == 0 {
				return s.Subscribe(ctx, "c1", topic)
			}
			mine := r
			mine.Topics = []string{topic}
			return s.Put(ctx, mine)
		})
		if err != nil {
			return err
		}
		for i := range n {
			r.Topics = append(r.Topics, fmt.Sprintf("t%02d", i))
		}
		for _, t := range r.Topics {
			if err := wantListed(ctx, s, wirepost.ToTopic(t), "c1"); err != nil {
				return err
			}
		}
		return wantRow(ctx, s, r)
	}},
	{"of concurrent connections under one ID the latest stays", func(ctx context.Context, s wirepost.Store, c *clock) error {
		const n = concurrentPuts
		mine := func(i int) wirepost.Connection {
			r := row(c, "c1", fmt.Sprintf("user%02d", i), fmt.Sprintf("t%02d", i))
			r.ConnectedAt = r.ConnectedAt.Add(time.Duration(i) * time.Millisecond)
			return r
		}
		err := concurrently(n, func(i int) error { return put(ctx, s, mine(i*7%n)) })
		for i := range n - 1 {
			err = cmp.Or(err, wantListed(ctx, s, wirepost.ToTopic(fmt.Sprintf("t%02d", i))))
		}
		return cmp.Or(err, wantRow(ctx, s, mine(n-1)))
	}},
	{"one of concurrent deletes reports the removal", func(ctx context.Context, s wirepost.Store, c *clock) error {
		for n := range 5 {
			r := row(c, fmt.Sprintf("c%d", n), "alice", "a")
			if err := put(ctx, s, r); err != nil {
				return err
			}
			removed := make([]bool, concurrentDeletes)
			if err := concurrently(len(removed), func(i int) (err error) {
				removed[i], err = s.Delete(ctx, r.Key())
				return err
			}); err != nil {
				return err
			}
			count := 0
			for _, yes := range removed {
				if yes {
					count++
				}
			}
			if count != 1 {
				return fmt.Errorf("%d of %d concurrent deletes report that they removed the row, want 1", count, len(removed))
			}
		}
		return nil
	}},
	{"many concurrent writers end in the state that each of them left", func(ctx context.Context, s wirepost.Store, c *clock) error {
		const writers, steps = 16, 80
		models := make([]map[string]wirepost.Connection, writers)
		if err := concurrently(writers, func(w int) (err error) {
			models[w], err = wander(ctx, s, c, w, steps)
			return err
		}); err != nil {
			return err
		}
		want := map[wirepost.Audience][]string{wirepost.Everyone(): nil}
		for i := range 4 {
			want[wirepost.ToUser(fmt.Sprintf("user%d", i))], want[wirepost.ToTopic(fmt.Sprintf("topic%d", i))] = nil, nil
		}
		for _, model := range models {
			for id, r := range model {
				want[wirepost.Everyone()] = append(want[wirepost.Everyone()], id)
				want[wirepost.ToUser(r.User)] = append(want[wirepost.ToUser(r.User)], id)
				for _, t := range r.Topics {
					want[wirepost.ToTopic(t)] = append(want[wirepost.ToTopic(t)], id)
				}
				if err := wantRow(ctx, s, r); err != nil {
					return err
				}
			}
		}
		for a, ids := range want {
			if err := wantListed(ctx, s, a, ids...); err != nil {
				return err
			}
		}
		return nil
	}},
	{"close may be repeated", func(ctx context.Context, s wirepost.Store, c *clock) error {
		if err := put(ctx, s, row(c, "c1", "")); err != nil {
			return err
		}
		for range 2 {
			if err := s.Close(); err != nil {
				return fmt.Errorf("Close: %w", err)
			}
		}
		return nil
	}},
}

// wander connects, subscribes and disconnects a few connections of its own at
// random, on users and topics that all writers share, and returns what it left.
// Its steps depend on the seed only.
func wander(ctx context.Context, s wirepost.Store, c *clock, seed, steps int) (map[string]wirepost.Connection, error) {
	random := rand.New(rand.NewPCG(uint64(seed), 1))
	model := map[string]wirepost.Connection{}
	for step := range steps {
		id := fmt.Sprintf("w%d-%d", seed, random.IntN(5))
		user, topic := fmt.Sprintf("user%d", random.IntN(4)), fmt.Sprintf("topic%d", random.IntN(4))
		r, connected := model[id]
		var err error
		switch action := random.IntN(6); {
		case !connected || action == 0: // a new connection, later than the one before
			r = row(c, id, user, topic)
			r.ConnectedAt = r.ConnectedAt.Add(time.Duration(step) * time.Millisecond)
			model[id], err = r, s.Put(ctx, r)
		case action == 1: // the same one again
			r.User = user
			again := r
			again.Topics = []string{topic}
			r.Topics = with(r.Topics, topic)
			model[id], err = r, s.Put(ctx, again)
		case action == 2:
			delete(model, id)
			var removed bool
			if removed, err = s.Delete(ctx, r.Key()); err == nil && !removed {
				err = errors.New("Delete did not find the row")
			}
		case action == 3:
			r.Topics = slices.DeleteFunc(slices.Clone(r.Topics), func(t string) bool { return t == topic })
			model[id], err = r, s.Unsubscribe(ctx, id, topic)
		default:
			r.Topics = with(r.Topics, topic)
			model[id], err = r, s.Subscribe(ctx, id, topic)
		}
		if err != nil {
			return nil, fmt.Errorf("writer %d, step %d, %s: %w", seed, step, id, err)
		}
	}
	return model, nil
}

func with(topics []string, topic string) []string {
	set := map[string]bool{topic: true}
	for _, t := range topics {
		set[t] = true
	}
	return slices.Sorted(maps.Keys(set))
}
