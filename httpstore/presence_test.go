package httpstore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/wireposttest"
)

func TestThePresenceKeepsTheContract(t *testing.T) {
	wireposttest.TestPresence(t, func(t *testing.T, o wireposttest.StoreOptions) wirepost.Store {
		return lend(t, wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: o.Now}), nil)
	})
}

func TestAStoreWithoutPresenceSaysThatItHasNone(t *testing.T) {
	s := lend(t, withoutLog{wirepost.NewMemStore(nil)}, nil)
	if _, err := s.TakeSweep(t.Context(), time.Now()); !errors.Is(err, wirepost.ErrNotSupported) || !strings.Contains(err.Error(), "this store keeps no presence") {
		t.Errorf("TakeSweep returns %v, want ErrNotSupported", err)
	}
	for _, err := range s.Members(t.Context(), "t", "") {
		if !errors.Is(err, wirepost.ErrNotSupported) {
			t.Errorf("Members returns %v, want ErrNotSupported", err)
		}
	}
}
