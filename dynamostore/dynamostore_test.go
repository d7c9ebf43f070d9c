package dynamostore_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/internal/dynamolocal"
	"github.com/wirepost/wirepost/wireposttest"
)

// On DynamoDB Local with a few rows a page and a shard, so that every listing crosses
// their bounds and every topic grows while the suite runs.
func TestTheStoreKeepsTheContract(t *testing.T) {
	for kind, o := range map[dynamolocal.Kind]dynamostore.Options{
		dynamolocal.DynamoDBLocal: {PageRows: 7, ShardRows: 20},
		dynamolocal.Dynalite:      {},
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			endpoint := dynamolocal.Start(t, kind)
			wireposttest.TestStore(t, func(t *testing.T, so wireposttest.StoreOptions) wirepost.Store {
				o := o
				o.Now = so.Now
				return create(t, endpoint, &o)
			})
		})
	}
}

func TestTheLogKeepsTheContract(t *testing.T) {
	for _, kind := range []dynamolocal.Kind{dynamolocal.DynamoDBLocal, dynamolocal.Dynalite} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			endpoint := dynamolocal.Start(t, kind)
			wireposttest.TestLog(t, func(t *testing.T, o wireposttest.StoreOptions) wirepost.Store {
				return create(t, endpoint, &dynamostore.Options{Now: o.Now})
			})
		})
	}
}

// The races of more calls than two, which meet in every order elsewhere, in about a
// hundred random orders each: a round has four to six. Each draws from its number.
func TestTheStoreKeepsTheContractInRaces(t *testing.T) {
	for kind, rounds := range map[dynamolocal.Kind]int{dynamolocal.DynamoDBLocal: 20, dynamolocal.Dynalite: 5} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			endpoint := dynamolocal.Start(t, kind)
			wireposttest.TestStoreRaces(t, rounds, func(t *testing.T, o wireposttest.StoreOptions) wirepost.Store {
				return create(t, endpoint, &dynamostore.Options{Now: o.Now, ShardRows: 20})
			})
		})
	}
}

var tables atomic.Int64

var notInName = regexp.MustCompile(`[^a-zA-Z0-9_.-]+`)

// create opens a store on a new table, which the end of the test deletes.
func create(t testing.TB, endpoint string, o *dynamostore.Options) *dynamostore.Store {
	t.Helper()
	name := notInName.ReplaceAllString(t.Name(), "-")
	o.Table = fmt.Sprintf("%s-%d", name[max(0, len(name)-200):], tables.Add(1))
	o.Endpoint = endpoint
	s, err := dynamostore.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := dynamostore.DeleteTable(ctx, s); err != nil {
			t.Error(err)
		}
	})
	return s
}

func wantSentence(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error = %v, want one with %q", err, p)
		}
	}
}
