package sqlitestore_test

import (
	"path/filepath"
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/sqlitestore"
	"github.com/wirepost/wirepost/wireposttest"
)

func TestTheStoreKeepsTheContract(t *testing.T) {
	wireposttest.TestStore(t, func(t *testing.T, o wireposttest.StoreOptions) wirepost.Store {
		return open(t, filepath.Join(t.TempDir(), "store.db"), &sqlitestore.Options{Now: o.Now})
	})
}

// The writer makes one call after the other, so few interleavings differ, and a
// hundred rounds take half a minute with the race detector.
func TestTheStoreKeepsTheContractInEveryRace(t *testing.T) {
	wireposttest.TestStoreRaces(t, 25, func(t *testing.T, o wireposttest.StoreOptions) wirepost.Store {
		return open(t, filepath.Join(t.TempDir(), "store.db"), &sqlitestore.Options{Now: o.Now})
	})
}

func TestTheLogKeepsTheContract(t *testing.T) {
	wireposttest.TestLog(t, func(t *testing.T, o wireposttest.StoreOptions) wirepost.Store {
		return open(t, filepath.Join(t.TempDir(), "store.db"), &sqlitestore.Options{Now: o.Now})
	})
}

func open(t testing.TB, path string, o *sqlitestore.Options) *sqlitestore.Store {
	t.Helper()
	s, err := sqlitestore.Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestThePresenceKeepsTheContract(t *testing.T) {
	wireposttest.TestPresence(t, func(t *testing.T, o wireposttest.StoreOptions) wirepost.Store {
		return open(t, filepath.Join(t.TempDir(), "store.db"), &sqlitestore.Options{Now: o.Now})
	})
}
