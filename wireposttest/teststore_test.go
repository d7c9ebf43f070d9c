package wireposttest

import (
	"context"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
)

func TestEveryBrokenPromiseIsFound(t *testing.T) {
	brokenStores := map[string]map[string]func(*broken){}
	for _, some := range []map[string]map[string]func(*broken){brokenRows, brokenLists, brokenReaps, brokenRest} {
		maps.Copy(brokenStores, some)
	}
	for _, c := range storeChecks {
		if len(brokenStores[c.promise]) == 0 {
			t.Errorf("no store breaks the promise %q, so nothing shows that its check finds anything", c.promise)
		}
		t.Run(c.promise, func(t *testing.T) {
			for name, breakIt := range brokenStores[c.promise] {
				// In a bubble a store that waits for ever reaches its deadline at once.
				synctest.Test(t, func(t *testing.T) {
					clock := newClock()
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					err := c.run(ctx, newBroken(clock.Now, breakIt), clock)
					if err == nil {
						t.Errorf("%s: not found", name)
					}
					t.Logf("%s: %v", name, err)
				})
			}
		})
	}
	promises := map[string]bool{}
	for _, c := range storeChecks {
		if promises[c.promise] {
			t.Errorf("two checks are of the promise %q", c.promise)
		}
		promises[c.promise] = true
	}
	for promise := range maps.Keys(brokenStores) {
		if !promises[promise] {
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
