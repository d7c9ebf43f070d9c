package wireposttest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

// StoreOptions is what [TestStore] asks of the store that it opens.
type StoreOptions struct {
	// Now is the clock by which the store has to decide what is expired. It
	// stands still except when a check moves it. It may be called concurrently.
	Now func() time.Time
}

// hangTime ends a check of a store that hangs. Nothing here waits for time to pass,
// but a server of a test on a machine with other work can be slow.
const hangTime = 5 * time.Minute

// TestStore checks that a store keeps every promise of [wirepost.Store]. Each is
// a subtest whose name is the promise. A driver's test is one call:
//
//	func TestTheStoreKeepsTheContract(t *testing.T) {
//		wireposttest.TestStore(t, func(t *testing.T, o wireposttest.StoreOptions) wirepost.Store {
//			return open(t, o.Now)
//		})
//	}
//
// open is called once for each subtest and returns an empty store, which
// TestStore closes. A driver that writes in several steps needs [TestStoreRaces]
// too.
func TestStore(t *testing.T, open func(t *testing.T, o StoreOptions) wirepost.Store) {
	for _, c := range storeChecks {
		t.Run(c.promise, func(t *testing.T) {
			clock := newClock()
			store := open(t, StoreOptions{Now: clock.Now})
			if store == nil {
				t.Fatal("open returned no store")
			}
			// Nothing here waits for time to pass: this ends a store that hangs.
			ctx, cancel := context.WithTimeout(t.Context(), hangTime)
			defer cancel()
			if err := c.run(ctx, store, clock); err != nil {
				t.Error(err)
			}
			if err := store.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// storeCheck finds out whether a store keeps one promise. It returns what it saw
// instead of failing a test, so that the suite is tested with stores that break
// the promise.
type storeCheck struct {
	promise string
	run     func(context.Context, wirepost.Store, *clock) error
}

var storeChecks = slices.Concat(rowChecks, expiryChecks, listChecks, reapChecks, stageChecks, limitChecks, oneRoundEach(raceChecks))

// clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

// newClock starts at the real time, so that rows of a server that also removes
// them by a clock of its own outlive the check.
func newClock() *clock { return &clock{t: time.Now().Truncate(time.Millisecond).UTC()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

var (
	production = wirepost.Identity{APIID: "a1b2c3d4e5", Stage: "production", Region: "eu-central-1"}
	staging    = wirepost.Identity{APIID: "a1b2c3d4e5", Stage: "staging", Region: "eu-central-1"}
)

// row is a connection that was made a second ago and lives for two hours more.
func row(c *clock, id, user string, topics ...string) wirepost.Connection {
	return wirepost.Connection{
		ID:          id,
		Endpoint:    production,
		User:        user,
		Topics:      topics,
		ConnectedAt: c.Now().Add(-time.Second),
		ExpiresAt:   c.Now().Add(2 * time.Hour),
	}
}

func put(ctx context.Context, s wirepost.Store, rows ...wirepost.Connection) error {
	for _, c := range rows {
		if err := s.Put(ctx, c); err != nil {
			return fmt.Errorf("Put %s: %w", c.ID, err)
		}
	}
	return nil
}

// wantRow compares what the store has under an ID with a row.
func wantRow(ctx context.Context, s wirepost.Store, want wirepost.Connection) error {
	got, err := s.Connection(ctx, want.ID)
	if err != nil {
		return fmt.Errorf("Connection %s: %w", want.ID, err)
	}
	return sameRow(got, want)
}

func sameRow(got, want wirepost.Connection) error {
	topics := slices.Compact(slices.Sorted(slices.Values(want.Topics)))
	switch {
	case got.ID != want.ID:
		return fmt.Errorf("Connection %s has the ID %q", want.ID, got.ID)
	case got.Endpoint != want.Endpoint:
		return fmt.Errorf("Connection %s: endpoint = %v, want %v", want.ID, got.Endpoint, want.Endpoint)
	case got.User != want.User:
		return fmt.Errorf("Connection %s: user = %q, want %q", want.ID, got.User, want.User)
	case got.Claims != want.Claims:
		return fmt.Errorf("Connection %s: claims = %q, want %q", want.ID, got.Claims, want.Claims)
	case !slices.Equal(got.Topics, topics):
		return fmt.Errorf("Connection %s: topics = %q, want %q", want.ID, got.Topics, topics)
	}
	for _, t := range []struct {
		name      string
		got, want time.Time
	}{{"connectedAt", got.ConnectedAt, want.ConnectedAt}, {"expiresAt", got.ExpiresAt, want.ExpiresAt}} {
		if !t.got.Equal(time.UnixMilli(t.want.UnixMilli())) {
			return fmt.Errorf("Connection %s: %s = %v, want %v in whole milliseconds", want.ID, t.name, t.got, t.want)
		}
	}
	return nil
}

// list reads a listing to its end. It fails if an ID comes twice.
func list(ctx context.Context, s wirepost.Store, a wirepost.Audience, o wirepost.ListOptions) ([]wirepost.Listed, error) {
	var all []wirepost.Listed
	seen := map[string]bool{}
	for l, err := range s.Connections(ctx, a, o) {
		if err != nil {
			return nil, fmt.Errorf("Connections %s: %w", a, err)
		}
		if seen[l.ID] {
			return nil, fmt.Errorf("Connections %s lists %s twice", a, l.ID)
		}
		seen[l.ID] = true
		all = append(all, l)
	}
	return all, nil
}

// wantListed compares an audience with the IDs it should have.
func wantListed(ctx context.Context, s wirepost.Store, a wirepost.Audience, want ...string) error {
	all, err := list(ctx, s, a, wirepost.ListOptions{})
	if err != nil {
		return err
	}
	return sameIDs(fmt.Sprintf("Connections %s", a), ids(all), want)
}

func ids(all []wirepost.Listed) []string {
	var out []string
	for _, l := range all {
		out = append(out, l.ID)
	}
	return out
}

// sameIDs compares two sets, and shows only where they differ.
func sameIDs(what string, got, want []string) error {
	count := map[string]int{}
	for _, id := range want {
		count[id]--
	}
	for _, id := range got {
		count[id]++
	}
	var missing, extra []string
	for id, n := range count {
		switch {
		case n < 0:
			missing = append(missing, id)
		case n > 0:
			extra = append(extra, id)
		}
	}
	if len(missing)+len(extra) == 0 {
		return nil
	}
	return fmt.Errorf("%s: missing %s; should not be there or comes twice: %s", what, some(missing), some(extra))
}

func some(ids []string) string {
	slices.Sort(ids)
	if len(ids) > 5 {
		return fmt.Sprintf("%d, such as %s", len(ids), strings.Join(ids[:5], " "))
	}
	return fmt.Sprint(ids)
}

// concurrently runs f for 0 … n-1 at the same time and returns the first error.
func concurrently(n int, f func(i int) error) error {
	errs := make(chan error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs <- f(i) })
	}
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
