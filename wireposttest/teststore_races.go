package wireposttest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

// TestStoreRaces runs, for so many rounds, each check of [TestStore] in which calls
// race each other. [TestStore] runs one round of each: enough to find a store that
// is careless, and too few for one that writes in several steps.
//
// open is called once and returns an empty store, which TestStoreRaces closes. All
// rounds share the store and no names. The number of a round is the seed from which
// its calls, their order and the pauses before them are drawn, and is in the error:
// a test that failed is repeated by running it again.
func TestStoreRaces(t *testing.T, rounds int, open func(t *testing.T, o StoreOptions) wirepost.Store) {
	clock := newClock()
	store := open(t, StoreOptions{Now: clock.Now})
	if store == nil {
		t.Fatal("open returned no store")
	}
	t.Cleanup(func() { // after the checks, which run in parallel
		if err := store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	for _, c := range raceChecks {
		t.Run(c.promise, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(rounds) {
				// As in TestStore: for a store that hangs.
				ctx, cancel := context.WithTimeout(t.Context(), hangTime)
				err := c.round(seed).run(ctx, store, clock)
				cancel()
				if err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// raceCheck is a check whose interleaving is drawn anew in each round.
type raceCheck struct {
	promise string
	name    string // begins the names of its connections and topics
	run     func(ctx context.Context, s wirepost.Store, r *race) error
}

// round is the check with the interleaving of one seed.
func (c raceCheck) round(seed uint64) storeCheck {
	return storeCheck{c.promise, func(ctx context.Context, s wirepost.Store, clock *clock) error {
		r := &race{clock: clock, random: rand.New(rand.NewPCG(seed, 2)), name: fmt.Sprintf("%s-%d", c.name, seed)}
		if err := c.run(ctx, s, r); err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
		return nil
	}}
}

// oneRoundEach is what TestStore runs.
func oneRoundEach(checks []raceCheck) (all []storeCheck) {
	for _, c := range checks {
		all = append(all, c.round(0))
	}
	return all
}

// race is a round of a check.
type race struct {
	clock  *clock
	random *rand.Rand
	name   string
}

// row is a connection whose user and topics are nobody else's.
func (r *race) row(id, user string, topics ...string) wirepost.Connection {
	out := row(r.clock, id, id+"-"+user)
	for _, t := range topics {
		out.Topics = append(out.Topics, id+"-"+t)
	}
	return out
}

// atOnce makes calls at the same time and returns the first error. The order in
// which they begin, and when, is drawn.
func (r *race) atOnce(ctx context.Context, s wirepost.Store, calls ...func() error) error {
	r.random.Shuffle(len(calls), func(i, j int) { calls[i], calls[j] = calls[j], calls[i] })
	pauses := r.pauses(len(calls))
	return concurrently(len(calls), func(i int) error {
		return cmp.Or(pauses[i].take(ctx, s), calls[i]())
	})
}

// pause is the time between two calls. Turns and yields are next to nothing, for a
// store in this process; a lookup takes as long as a step of the store does, so that
// also on a server one call begins in the middle of another.
type pause struct{ turns, yields, lookups int }

func (r *race) pauses(n int) []pause {
	all := make([]pause, n)
	longest := r.random.IntN(5) // lookups; zero is everything at once
	for i := range all {
		all[i] = pause{r.random.IntN(2000), r.random.IntN(4), r.random.IntN(longest + 1)}
	}
	return all
}

func (p pause) take(ctx context.Context, s wirepost.Store) error {
	var turned atomic.Int32
	for range p.turns {
		turned.Add(1)
	}
	for range p.yields {
		runtime.Gosched()
	}
	for range p.lookups {
		if _, err := s.Connection(ctx, "nobody"); err != nil && !errors.Is(err, wirepost.ErrNotFound) {
			return fmt.Errorf("Connection: %w", err)
		}
	}
	return nil
}

// wantWhole checks that a connection is there with all that it has, and in each
// listing of its own: nobody else has its user or its topics.
func wantWhole(ctx context.Context, s wirepost.Store, r wirepost.Connection) error {
	if err := wantRow(ctx, s, r); err != nil {
		return err
	}
	own := []wirepost.Audience{wirepost.ToConnection(r.ID), wirepost.ToUser(r.User)}
	for _, t := range r.Topics {
		own = append(own, wirepost.ToTopic(t))
	}
	for _, a := range own {
		all, err := list(ctx, s, a, wirepost.ListOptions{})
		if err == nil {
			err = sameIDs(fmt.Sprintf("Connections %s", a), ids(all), []string{r.ID})
		}
		if err == nil {
			_, err = itemIn(a, all, r)
		}
		if err != nil {
			return err
		}
	}
	_, err := wantItem(ctx, s, wirepost.Everyone(), r)
	return err
}

// wantNowhere checks that nothing of a connection is left.
func wantNowhere(ctx context.Context, s wirepost.Store, id, user string, topics ...string) error {
	if err := cmp.Or(wantAbsent(ctx, s, id), wantListed(ctx, s, wirepost.ToConnection(id)), wantListed(ctx, s, wirepost.ToUser(user))); err != nil {
		return err
	}
	for _, t := range topics {
		if err := wantListed(ctx, s, wirepost.ToTopic(t)); err != nil {
			return err
		}
	}
	all, err := list(ctx, s, wirepost.Everyone(), wirepost.ListOptions{})
	if err == nil && slices.Contains(ids(all), id) {
		err = fmt.Errorf("Connections everyone lists %s, which has ended", id)
	}
	return err
}

// sameMembers is [sameIDs] of those connections that have a name in their IDs.
func sameMembers(a wirepost.Audience, all []wirepost.Listed, name string, want []string) error {
	mine := slices.DeleteFunc(ids(all), func(id string) bool { return !strings.Contains(id, name) })
	return sameIDs(fmt.Sprintf("Connections %s, of those that stay", a), mine, want)
}

var raceChecks = []raceCheck{
	{"a $disconnect that comes late leaves the new connection whole", "late", func(ctx context.Context, s wirepost.Store, r *race) error {
		for try := range 4 {
			old := r.row(fmt.Sprintf("%s-%d", r.name, try), "alice", "old", "both")
			later := r.row(old.ID, []string{"alice", "bob"}[r.random.IntN(2)], "new", "both")
			later.ConnectedAt = old.ConnectedAt.Add(time.Millisecond)
			later.Endpoint = []wirepost.Identity{production, staging}[r.random.IntN(2)]
			if err := put(ctx, s, old); err != nil {
				return err
			}
			calls := []func() error{
				func() error { return put(ctx, s, later) },
				func() error { _, err := s.Delete(ctx, old.Key()); return err },
			}
			if r.random.IntN(2) == 0 { // a publish finds at the same time that the old one has ended
				both := wirepost.ToTopic(old.Topics[1])
				l, err := wantItem(ctx, s, both, old)
				if err != nil {
					return err
				}
				calls = append(calls, func() error { _, err := s.Reap(ctx, both, l); return err })
			}
			err := cmp.Or(
				r.atOnce(ctx, s, calls...),
				wantWhole(ctx, s, later),
				wantListed(ctx, s, wirepost.ToTopic(old.Topics[0])),
			)
			if old.User != later.User {
				err = cmp.Or(err, wantListed(ctx, s, wirepost.ToUser(old.User)))
			}
			if err := cmp.Or(err,
				wantDelete(ctx, s, later.Key(), true),
				wantNowhere(ctx, s, later.ID, later.User, later.Topics...),
			); err != nil {
				return err
			}
		}
		return nil
	}},
	{"a $connect that is delivered twice at once is one connection", "twice", func(ctx context.Context, s wirepost.Store, r *race) error {
		for try := range 5 {
			c := r.row(fmt.Sprintf("%s-%d", r.name, try), "alice", "a", "b")
			again := func() error { return put(ctx, s, c) }
			if err := cmp.Or(
				r.atOnce(ctx, s, again, again),
				wantWhole(ctx, s, c),
				wantDelete(ctx, s, c.Key(), true),
				wantNowhere(ctx, s, c.ID, c.User, c.Topics...),
				wantDelete(ctx, s, c.Key(), false),
			); err != nil {
				return err
			}
		}
		return nil
	}},
	{"a $disconnect among subscribes leaves nothing", "leave", func(ctx context.Context, s wirepost.Store, r *race) error {
		for try := range 4 {
			c := r.row(fmt.Sprintf("%s-%d", r.name, try), "alice", "a", "b")
			if err := put(ctx, s, c); err != nil {
				return err
			}
			all := slices.Clone(c.Topics)
			calls := []func() error{
				func() error { return wantDelete(ctx, s, c.Key(), true) },
				func() error { return s.Unsubscribe(ctx, c.ID, c.Topics[0]) },
			}
			for i := range 4 {
				topic := fmt.Sprintf("%s-more%d", c.ID, i)
				all = append(all, topic)
				calls = append(calls, func() error {
					if err := s.Subscribe(ctx, c.ID, topic); err != nil && !errors.Is(err, wirepost.ErrNotFound) {
						return fmt.Errorf("Subscribe: %w", err)
					}
					return nil
				})
			}
			calls = append(calls, func() error { return s.Unsubscribe(ctx, c.ID, all[2]) })
			if err := cmp.Or(r.atOnce(ctx, s, calls...), wantNowhere(ctx, s, c.ID, c.User, all...)); err != nil {
				return err
			}
		}
		return nil
	}},
	{"a subscribe among unsubscribes is listed exactly if the row has it", "toggle", func(ctx context.Context, s wirepost.Store, r *race) error {
		c := r.row(r.name, "alice", "a")
		if err := put(ctx, s, c); err != nil {
			return err
		}
		used := slices.Clone(c.Topics)
		for try := range 6 {
			topic := fmt.Sprintf("%s-topic%d", c.ID, try)
			used = append(used, topic)
			on := func() error { return s.Subscribe(ctx, c.ID, topic) }
			off := func() error { return s.Unsubscribe(ctx, c.ID, topic) }
			if err := r.atOnce(ctx, s, on, off,
				func() error { return cmp.Or(on(), off()) },
				func() error { return cmp.Or(off(), on()) },
			); err != nil {
				return err
			}
			got, err := s.Connection(ctx, c.ID)
			if err != nil {
				return fmt.Errorf("Connection %s: %w", c.ID, err)
			}
			var want []string
			if slices.Contains(got.Topics, topic) {
				want = []string{c.ID}
				c.Topics = append(c.Topics, topic)
			}
			if err := wantListed(ctx, s, wirepost.ToTopic(topic), want...); err != nil {
				return fmt.Errorf("the row of %s has the topics %q; %w", c.ID, got.Topics, err)
			}
		}
		return cmp.Or(
			wantWhole(ctx, s, c),
			wantDelete(ctx, s, c.Key(), true),
			wantNowhere(ctx, s, c.ID, c.User, used...),
		)
	}},
	{"a put again among subscribes loses nothing", "again", func(ctx context.Context, s wirepost.Store, r *race) error {
		for try := range 4 {
			c := r.row(fmt.Sprintf("%s-%d", r.name, try), "alice", "a")
			changed := r.row(c.ID, "bob", "b")
			changed.ExpiresAt = changed.ExpiresAt.Add(time.Minute)
			want := r.row(c.ID, "bob", "a", "b", "c", "d", "e")
			want.ExpiresAt = changed.ExpiresAt
			more := changed
			more.Topics = want.Topics[2:3]
			if err := cmp.Or(
				put(ctx, s, c),
				r.atOnce(ctx, s,
					func() error { return put(ctx, s, changed) },
					func() error { return put(ctx, s, more) },
					func() error { return s.Subscribe(ctx, c.ID, want.Topics[3]) },
					func() error { return s.Subscribe(ctx, c.ID, want.Topics[4]) },
				),
				wantWhole(ctx, s, want),
				wantListed(ctx, s, wirepost.ToUser(c.User)),
				wantDelete(ctx, s, c.Key(), true),
				wantNowhere(ctx, s, c.ID, want.User, want.Topics...),
			); err != nil {
				return err
			}
		}
		return nil
	}},
	{"the newest stage record wins, and no reader sees it go back", "stage", func(ctx context.Context, s wirepost.Store, r *race) error {
		const writers, each = 4, 6
		id := wirepost.Identity{APIID: r.name, Stage: "dev", Region: "eu-central-1"}
		records := make([]wirepost.StageRecord, writers*each)
		for i := range records { // three of each millisecond, in the order of their age
			records[i] = stage(id, fmt.Sprintf("https://%02d.example", i), r.clock.Now().Add(time.Duration(i/3)*time.Millisecond))
		}
		newest := records[len(records)-1]
		r.random.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		var busy atomic.Int32
		busy.Store(writers)
		forward := func(last *wirepost.StageRecord, got wirepost.StageRecord) error {
			if last.Newer(got) {
				return fmt.Errorf("stage %v = %s of %v, after it was %s of %v", id, got.URL, got.EventTime, last.URL, last.EventTime)
			}
			*last = got
			return nil
		}
		read := func() error {
			var last wirepost.StageRecord
			for busy.Load() > 0 {
				got, err := s.Stage(ctx, id)
				switch {
				case err == nil:
					if err := forward(&last, got); err != nil {
						return err
					}
				case !errors.Is(err, wirepost.ErrNotFound) || last.URL != "":
					return fmt.Errorf("Stage %v, after it was %q: %w", id, last.URL, err)
				}
				runtime.Gosched()
			}
			return nil
		}
		calls := []func() error{read, read}
		for w := range writers {
			pauses := r.pauses(each)
			calls = append(calls, func() error {
				defer busy.Add(-1)
				var last wirepost.StageRecord
				for i, p := range pauses {
					mine := records[w*each+i]
					if err := p.take(ctx, s); err != nil {
						return err
					}
					kept, err := s.PutStage(ctx, mine)
					if err != nil {
						return fmt.Errorf("PutStage: %w", err)
					}
					if mine.Newer(kept) {
						return fmt.Errorf("PutStage %s of %v returns %s of %v as stored, which is older", mine.URL, mine.EventTime, kept.URL, kept.EventTime)
					}
					if err := forward(&last, kept); err != nil {
						return err
					}
				}
				return nil
			})
		}
		return cmp.Or(
			r.atOnce(ctx, s, calls...),
			wantStage(ctx, s, newest),
			wantDeleteStage(ctx, s, newest, true),
			wantNoStage(ctx, s, id),
		)
	}},
	{"a delete of a stage record leaves a newer one alone", "sweep", func(ctx context.Context, s wirepost.Store, r *race) error {
		for try := range 6 {
			id := wirepost.Identity{APIID: fmt.Sprintf("%s-%d", r.name, try), Stage: "dev", Region: "eu-central-1"}
			old := stage(id, "https://old.example", r.clock.Now())
			newer := stage(id, "https://new.example", r.clock.Now().Add(time.Millisecond))
			if err := cmp.Or(
				putStage(ctx, s, old, old),
				r.atOnce(ctx, s,
					func() error { return putStage(ctx, s, newer, newer) },
					func() error { _, err := s.DeleteStage(ctx, old); return err },
				),
				wantStage(ctx, s, newer),
				wantDeleteStage(ctx, s, newer, true),
				wantNoStage(ctx, s, id),
			); err != nil {
				return err
			}
		}
		return nil
	}},
	{"a listing among connects and disconnects has what stays once", "churn", func(ctx context.Context, s wirepost.Store, r *race) error {
		const writers, each = 3, 4
		user, topic := r.name+"-alice", r.name+"-a"
		fresh := func(kind string, i int) wirepost.Connection {
			// An order of the IDs that nobody can tell.
			return row(r.clock, fmt.Sprintf("%04x-%s-%s-%d", r.random.IntN(1<<16), r.name, kind, i), user, topic)
		}
		var stay []wirepost.Connection
		var names []string
		for i := range 6 {
			stay = append(stay, fresh("stay", i))
			names = append(names, stay[i].ID)
		}
		if err := put(ctx, s, stay...); err != nil {
			return err
		}
		var busy atomic.Int32
		busy.Store(writers)
		var calls []func() error
		for w := range writers {
			pauses := r.pauses(2 * each)
			var come []wirepost.Connection
			for i := range each {
				come = append(come, fresh("come", w*each+i))
			}
			calls = append(calls, func() error {
				defer busy.Add(-1)
				for i, c := range come {
					if err := cmp.Or(pauses[2*i].take(ctx, s), put(ctx, s, c)); err != nil {
						return err
					}
					if err := cmp.Or(pauses[2*i+1].take(ctx, s), wantDelete(ctx, s, c.Key(), true)); err != nil {
						return err
					}
				}
				return nil
			})
		}
		audiences := []wirepost.Audience{wirepost.ToUser(user), wirepost.ToTopic(topic), wirepost.Everyone()}
		for _, a := range audiences {
			calls = append(calls, func() error {
				for busy.Load() > 0 {
					all, err := list(ctx, s, a, wirepost.ListOptions{})
					if err := cmp.Or(err, sameMembers(a, all, "-"+r.name+"-stay-", names)); err != nil {
						return err
					}
					runtime.Gosched()
				}
				return nil
			})
		}
		if err := r.atOnce(ctx, s, calls...); err != nil {
			return err
		}
		for _, a := range audiences {
			all, err := list(ctx, s, a, wirepost.ListOptions{})
			if err := cmp.Or(err, sameMembers(a, all, "-"+r.name+"-", names)); err != nil {
				return fmt.Errorf("when nobody comes and goes any more: %w", err)
			}
		}
		for _, c := range stay {
			if err := wantDelete(ctx, s, c.Key(), true); err != nil {
				return err
			}
		}
		return nil
	}},
}
