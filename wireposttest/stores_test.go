package wireposttest_test

import (
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/wireposttest"
)

func TestMemStoreKeepsTheContract(t *testing.T) {
	wireposttest.TestStore(t, func(t *testing.T, o wireposttest.StoreOptions) wirepost.Store {
		return wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: o.Now})
	})
}

func TestMemStoreKeepsTheContractInEveryRace(t *testing.T) {
	wireposttest.TestStoreRaces(t, 100, func(t *testing.T, o wireposttest.StoreOptions) wirepost.Store {
		return wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: o.Now})
	})
}
