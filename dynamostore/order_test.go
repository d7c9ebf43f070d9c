package dynamostore_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/internal/dynamolocal"
)

// order lets the requests of two processes pass one at a time, in every order there
// is: each run takes the other way at the last place where there was a choice.
type order struct {
	mu       sync.Mutex
	waiting  [2][]chan struct{} // requests that have not been let through
	ended    [2]bool
	inFlight int
	changed  chan struct{} // has an element when something above has changed

	taken []int // the ways of this run, and before it the ones to take
}

// gate is how a process's requests come to an order.
type gate struct {
	*order
	process int
	next    http.RoundTripper
}

func (o *order) change(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
	signal(o.changed)
}

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	pass := make(chan struct{})
	g.change(func() { g.waiting[g.process] = append(g.waiting[g.process], pass) })
	select {
	case <-pass:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	defer g.change(func() { g.inFlight-- })
	return g.next.RoundTrip(r)
}

// run lets two calls come to their end. The ways beyond those of taken are the
// first's.
func (o *order) run(ctx context.Context, calls [2]func() error) (errs [2]error, err error) {
	o.ended, o.waiting = [2]bool{}, [2][]chan struct{}{}
	for i, call := range calls {
		go func() { // ends with its call, which ctx bounds
			errs[i] = call()
			o.change(func() { o.ended[i] = true })
		}()
	}
	choices := 0
	for {
		o.mu.Lock()
		var may []int
		still := o.inFlight == 0
		for i := range calls {
			still = still && (o.ended[i] || len(o.waiting[i]) > 0)
			if len(o.waiting[i]) > 0 {
				may = append(may, i)
			}
		}
		if still && len(may) == 0 {
			o.taken = o.taken[:choices]
			o.mu.Unlock()
			return errs, nil
		}
		if still {
			process := may[0]
			if len(may) == 2 {
				if choices == len(o.taken) {
					o.taken = append(o.taken, 0)
				}
				process = o.taken[choices]
				choices++
			}
			close(o.waiting[process][0])
			o.waiting[process] = o.waiting[process][1:]
			o.inFlight++
		}
		o.mu.Unlock()
		select {
		case <-o.changed:
		case <-ctx.Done():
			return errs, ctx.Err()
		}
	}
}

// another turns to the next order, and reports false when there is none.
func (o *order) another() bool {
	for n := len(o.taken) - 1; n >= 0; n-- {
		if o.taken[n] == 0 {
			o.taken[n] = 1
			o.taken = o.taken[:n+1]
			return true
		}
	}
	return false
}

// Two calls of two processes meet in every order that their requests can have. In
// the end the table has exactly the rows that its connection row names, and that
// has what both calls promised.
func TestTwoCallsMayMeetInAnyOrder(t *testing.T) {
	type call func(context.Context, wirepost.Store) error
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	direct := create(t, endpoint, &dynamostore.Options{})
	o := &order{changed: make(chan struct{}, 1)}
	var two [2]*dynamostore.Store
	for i := range two {
		two[i] = again(t, direct, endpoint, &dynamostore.Options{})
	}

	c := connection("c1", "alice", "a", "b")
	c.ConnectedAt = time.UnixMilli(c.ConnectedAt.UnixMilli())
	changed, later := c, c
	changed.User, changed.ExpiresAt = "bob", c.ExpiresAt.Add(time.Minute)
	later.User, later.Topics, later.ConnectedAt = "bob", []string{"b", "c"}, c.ConnectedAt.Add(time.Second)
	for _, s := range two { // what a process remembers, it knows before
		for _, x := range []wirepost.Connection{c, later} {
			err := s.Put(t.Context(), x)
			for _, topic := range []string{"a", "b", "c", "x", "y"} {
				if err == nil {
					err = s.Subscribe(t.Context(), c.ID, topic)
				}
			}
			if err == nil {
				_, err = s.Delete(t.Context(), x.Key())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range two {
		dynamostore.Through(two[i], func(next http.RoundTripper) http.RoundTripper { return &gate{o, i, next} })
	}

	put := func(c wirepost.Connection) call {
		return func(ctx context.Context, s wirepost.Store) error { return s.Put(ctx, c) }
	}
	subscribe := func(topic string) call {
		return func(ctx context.Context, s wirepost.Store) error { return s.Subscribe(ctx, c.ID, topic) }
	}
	unsubscribe := func(topic string) call {
		return func(ctx context.Context, s wirepost.Store) error { return s.Unsubscribe(ctx, c.ID, topic) }
	}
	removals := 0
	disconnect := func(c wirepost.Connection) call {
		return func(ctx context.Context, s wirepost.Store) error {
			removed, err := s.Delete(ctx, c.Key())
			if removed {
				o.change(func() { removals++ })
			}
			return err
		}
	}
	// whole is a connection with certain topics, and perhaps some of more.
	whole := func(want wirepost.Connection, topics []string, more ...string) func(wirepost.Connection, error) error {
		return func(got wirepost.Connection, err error) error {
			rest := slices.DeleteFunc(slices.Clone(got.Topics), func(topic string) bool { return slices.Contains(topics, topic) })
			if err != nil || got.User != want.User || !want.Key().Matches(got) || len(rest) != len(got.Topics)-len(topics) ||
				slices.ContainsFunc(rest, func(topic string) bool { return !slices.Contains(more, topic) }) {
				return fmt.Errorf("the row is %+v, %v; want %v of %s with %q and perhaps %q", got, err, want.Key(), want.User, topics, more)
			}
			return nil
		}
	}
	absent := func(got wirepost.Connection, err error) error {
		if !errors.Is(err, wirepost.ErrNotFound) {
			return fmt.Errorf("the row is %+v, %v; want none", got, err)
		}
		return nil
	}
	either := func(a, b func(wirepost.Connection, error) error) func(wirepost.Connection, error) error {
		return func(got wirepost.Connection, err error) error {
			if a(got, err) == nil {
				return nil
			}
			return b(got, err)
		}
	}
	reap := func(topic string) call { // what a publish does that was answered with 410
		return func(ctx context.Context, s wirepost.Store) error {
			for l, err := range direct.Connections(ctx, wirepost.ToTopic(topic), wirepost.ListOptions{}) {
				if err != nil {
					return err
				}
				if l.ConnectedAt.Equal(c.ConnectedAt) {
					if _, err := s.Reap(ctx, wirepost.ToTopic(topic), l); err != nil {
						return err
					}
				}
			}
			return nil
		}
	}
	ab, bc := []string{"a", "b"}, []string{"b", "c"}

	for _, p := range []struct {
		name     string
		before   call
		one, two call
		want     func(wirepost.Connection, error) error
		// over is a connection that has ended, so that the row that a repeated event
		// leaves of it may lack rows that it names.
		over bool
	}{
		{"subscribe and unsubscribe", put(c), subscribe("x"), unsubscribe("x"), whole(c, ab, "x"), false},
		{"subscribe again and unsubscribe", put(c), subscribe("a"), unsubscribe("a"), whole(c, ab[1:], "a"), false},
		{"two subscribes", put(c), subscribe("x"), subscribe("y"), whole(c, []string{"a", "b", "x", "y"}), false},
		{"subscribe and $disconnect", put(c), subscribe("x"), disconnect(c), absent, false},
		{"unsubscribe and $disconnect", put(c), unsubscribe("a"), disconnect(c), absent, false},
		{"subscribe and the $connect with another user", put(c), subscribe("x"), put(changed), whole(changed, []string{"a", "b", "x"}), false},
		{"unsubscribe and the $connect with another user", put(c), unsubscribe("a"), put(changed), whole(changed, ab[1:], "a"), false},
		{"subscribe and a later $connect", put(c), subscribe("x"), put(later), whole(later, bc, "x"), false},
		{"the $connect twice", nil, put(c), put(c), whole(c, ab), false},
		{"the $connect twice, with another user", nil, put(c), put(changed), either(whole(c, ab), whole(changed, ab)), false},
		{"the $connect again and $disconnect", put(c), put(c), disconnect(c), either(absent, whole(c, ab)), true},
		{"$connect and a later $connect", nil, put(c), put(later), whole(later, bc), false},
		{"a later $connect and $disconnect", put(c), put(later), disconnect(c), whole(later, bc), false},
		{"two $disconnects", put(c), disconnect(c), disconnect(c), func(got wirepost.Connection, err error) error {
			if removals != 1 {
				return fmt.Errorf("%d of two deletes say that they have removed the row", removals)
			}
			return absent(got, err)
		}, false},
		{"a later $connect and a publish that finds the one before gone", put(c), put(later), reap("a"), whole(later, bc), false},
		{"the $connect again and a publish that finds it gone", put(c), put(c), reap("a"), either(absent, whole(c, ab)), true},
	} {
		t.Run(p.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // for a store that hangs
			defer cancel()
			o.taken = nil
			runs := 0
			for more := true; more; more = o.another() {
				if runs++; runs > 2000 {
					t.Fatal("there are more than 2,000 orders: calls repeat each other without end")
				}
				removals = 0
				if p.before != nil {
					if err := p.before(ctx, direct); err != nil {
						t.Fatal(err)
					}
				}
				errs, err := o.run(ctx, [2]func() error{
					func() error { return p.one(ctx, two[0]) },
					func() error { return p.two(ctx, two[1]) },
				})
				got, getErr := direct.Connection(ctx, c.ID)
				for i, e := range errs {
					if e != nil && !errors.Is(e, wirepost.ErrNotFound) {
						err = errors.Join(err, fmt.Errorf("call %d: %w", i+1, e))
					}
				}
				err = errors.Join(err, p.want(got, getErr))
				rows, named := belongs(t, direct), dynamostore.RowsNamed(t, direct, c.ID)
				slices.Sort(rows)
				slices.Sort(named)
				if p.over {
					named = slices.DeleteFunc(named, func(k string) bool { return !slices.Contains(rows, k) })
				}
				if !slices.Equal(rows, named) {
					err = errors.Join(err, fmt.Errorf("the table has %q, where the connection row names %q", rows, named))
				}
				if err != nil {
					for _, k := range rows { // which the other calls must not find
						p, s, _ := strings.Cut(k, " | ")
						dynamostore.DeleteRow(t, direct, p, s)
					}
					t.Fatalf("order %v: %v", o.taken, err)
				}
				if getErr == nil {
					if _, err := direct.Delete(ctx, got.Key()); err != nil {
						t.Fatal(err)
					}
				}
			}
			t.Logf("%d orders", runs)
			if runs < 6 { // as two calls of two requests each have
				t.Error("that is too few: the calls did not meet")
			}
		})
	}
}
