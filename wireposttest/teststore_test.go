package wireposttest

import (
	"context"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
)

// raceRounds is how many interleavings a store that breaks its promise only in some
// of them has to be found in. Most are found in the first few.
const raceRounds = 300

func TestEveryBrokenPromiseIsFound(t *testing.T) {
	brokenStores := map[string]map[string]func(*broken){}
	for _, some := range []map[string]map[string]func(*broken){brokenRows, brokenLists, brokenReaps, brokenRest, brokenRaces} {
		maps.Copy(brokenStores, some)
	}
	rounds := map[string][]storeCheck{}
	for _, c := range storeChecks {
		if rounds[c.promise] != nil {
			t.Errorf("two checks are of the promise %q", c.promise)
		}
		rounds[c.promise] = []storeCheck{c}
	}
	for _, c := range raceChecks {
		for seed := range uint64(raceRounds) {
			rounds[c.promise] = append(rounds[c.promise], c.round(seed+1))
		}
	}
	for _, c := range storeChecks {
		if len(brokenStores[c.promise]) == 0 {
			t.Errorf("no store breaks the promise %q, so nothing shows that its check finds anything", c.promise)
		}
		t.Run(c.promise, func(t *testing.T) {
			for name, breakIt := range brokenStores[c.promise] {
				// In a bubble a store that waits for ever reaches its deadline at once.
				synctest.Test(t, func(t *testing.T) {
					var err error
					n := 0
					for ; n < len(rounds[c.promise]) && err == nil; n++ {
						clock := newClock()
						ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
						err = rounds[c.promise][n].run(ctx, newBroken(clock.Now, breakIt), clock)
						cancel()
					}
					if err == nil {
						t.Errorf("%s: not found", name)
					}
					t.Logf("%s: %v (round %d)", name, err, n)
				})
			}
		})
	}
	for promise := range maps.Keys(brokenStores) {
		if rounds[promise] == nil {
			t.Errorf("a broken store is for a check that does not exist: %q", promise)
		}
	}
}

// The wrapper itself breaks nothing: what is found above is the mistake alone.
func TestAStoreThatIsWrappedOnlyPasses(t *testing.T) {
	TestStore(t, func(t *testing.T, o StoreOptions) wirepost.Store {
		return newBroken(o.Now, func(*broken) {})
	})
}

func TestAStoreThatWritesTheRowLastPasses(t *testing.T) {
	open := func(t *testing.T, o StoreOptions) wirepost.Store { return newBroken(o.Now, rowLast) }
	TestStore(t, open)
	TestStoreRaces(t, 20, open)
}
