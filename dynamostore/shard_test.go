package dynamostore_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/internal/dynamolocal"
)

var production = wirepost.Identity{APIID: "a1b2c3d4e5", Stage: "production", Region: "eu-central-1"}

func connection(id, user string, topics ...string) wirepost.Connection {
	now := time.Now()
	return wirepost.Connection{ID: id, Endpoint: production, User: user, Topics: topics, ConnectedAt: now.Add(-time.Minute), ExpiresAt: now.Add(2 * time.Hour)}
}

func list(t *testing.T, s wirepost.Store, a wirepost.Audience, o wirepost.ListOptions) []string {
	t.Helper()
	var all []string
	for l, err := range s.Connections(t.Context(), a, o) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l.ID)
	}
	return all
}

func sameSet(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("%s = %d %v\nwant %d %v", what, len(got), got, len(want), want)
	}
}

// Every publish lists, and so doubles the shards as the topic grows; what was
// written into fewer shards stays where it is.
func TestATopicThatGrowsIsListedWholeInEveryNumberOfShards(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	s := create(t, endpoint, &dynamostore.Options{ShardRows: 10, PageRows: 9})
	other := again(t, s, endpoint, &dynamostore.Options{ShardRows: 10}) // knows the first number for a minute
	topic := wirepost.ToTopic("all")
	var want []string
	var sizes []int
	for round := range 8 {
		for i := range 15 {
			id := fmt.Sprintf("c%d-%d=", round, i)
			by := s
			if i%3 == 0 {
				by = other
			}
			if err := by.Put(t.Context(), connection(id, "alice", "all")); err != nil {
				t.Fatal(err)
			}
			want = append(want, id)
		}
		got := list(t, s, topic, wirepost.ListOptions{})
		sameSet(t, fmt.Sprintf("round %d", round), got, want)
		n, err := dynamostore.Shards(t.Context(), s, "all")
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, n)
		if len(want) > n*10 && n < 2*len(want)/10 && round > 0 && n == sizes[round-1] {
			t.Errorf("round %d: %d rows in %d shards of 10, and no more of them", round, len(want), n)
		}
		// Behind every cursor there is the rest, also with more shards than before.
		if round == 3 {
			before, after := restOf(t, s, topic, 20)
			sameSet(t, "both sides of a cursor", append(before, after...), want)
		}
	}
	if last := sizes[len(sizes)-1]; last < 8 || last > 16 || !slices.IsSorted(sizes) {
		t.Errorf("the numbers of shards were %v for 15 to 120 rows, 10 to a shard", sizes)
	}
	// A connection leaves from the shard that it is in.
	for i, id := range want {
		var err error
		if i%2 == 0 {
			err = other.Unsubscribe(t.Context(), id, "all")
		} else {
			c, getErr := s.Connection(t.Context(), id)
			if getErr != nil {
				t.Fatal(getErr)
			}
			_, err = other.Delete(t.Context(), c.Key())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	sameSet(t, "after all have left", list(t, s, topic, wirepost.ListOptions{}), nil)
	if n, _ := dynamostore.Shards(t.Context(), s, "all"); n != sizes[len(sizes)-1] {
		t.Errorf("the number of shards fell from %d to %d", sizes[len(sizes)-1], n)
	}
}

// A process that still knows the old number subscribes a connection again that is
// in a shard already.
func TestAConnectionStaysInItsShard(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	s := create(t, endpoint, &dynamostore.Options{ShardRows: 5})
	old := again(t, s, endpoint, &dynamostore.Options{ShardRows: 5})
	var want []string
	for i := range 12 {
		c := connection(fmt.Sprintf("c%d", i), "", "all")
		if err := old.Put(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		want = append(want, c.ID)
	}
	for range 3 {
		list(t, s, wirepost.ToTopic("all"), wirepost.ListOptions{})
	}
	if n, err := dynamostore.Shards(t.Context(), s, "all"); n < 4 || err != nil {
		t.Fatalf("the topic has %d shards, %v", n, err)
	}
	fresh := again(t, s, endpoint, &dynamostore.Options{ShardRows: 5})
	for i, id := range want {
		if err := []*dynamostore.Store{s, old, fresh}[i%3].Subscribe(t.Context(), id, "all"); err != nil {
			t.Fatal(err)
		}
		c, err := s.Connection(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if err := []*dynamostore.Store{fresh, s, old}[i%3].Put(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	sameSet(t, "topic:all", list(t, s, wirepost.ToTopic("all"), wirepost.ListOptions{}), want)
}

func TestConcurrentListingsDoubleTheShardsOnce(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	s := create(t, endpoint, &dynamostore.Options{ShardRows: 10})
	for i := range 15 {
		if err := s.Put(t.Context(), connection(fmt.Sprintf("c%d", i), "", "all")); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for range 8 {
		by := again(t, s, endpoint, &dynamostore.Options{ShardRows: 10})
		all.Go(func() {
			for _, err := range by.Connections(t.Context(), wirepost.ToTopic("all"), wirepost.ListOptions{}) {
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n, err := dynamostore.Shards(t.Context(), s, "all"); n != 2 || err != nil {
		t.Errorf("15 rows, 10 to a shard, are in %d shards (%v), want 2", n, err)
	}
}

func TestTheRowOfAShardCountIsRenewedWhileItIsUsed(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.Dynalite)
	now := time.Now()
	s := create(t, endpoint, &dynamostore.Options{ShardRows: 4, Now: func() time.Time { return now }})
	for i := range 5 {
		if err := s.Put(t.Context(), connection(fmt.Sprintf("c%d", i), "", "all")); err != nil {
			t.Fatal(err)
		}
	}
	list(t, s, wirepost.ToTopic("all"), wirepost.ListOptions{})
	first := dynamostore.ShardsEnd(t, s, "all")
	now = now.Add(14 * 24 * time.Hour)
	list(t, s, wirepost.ToTopic("all"), wirepost.ListOptions{})
	if end := dynamostore.ShardsEnd(t, s, "all"); !end.Equal(first) {
		t.Errorf("the row was written again after 14 of its 30 days")
	}
	now = now.Add(2 * 24 * time.Hour)
	list(t, s, wirepost.ToTopic("all"), wirepost.ListOptions{})
	if end := dynamostore.ShardsEnd(t, s, "all"); end.Sub(now) < 29*24*time.Hour {
		t.Errorf("after 16 days of 30 the row still ends in %v", end.Sub(now))
	}
}

func TestAStrangeShardCountIsAnErrorWithACure(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.Dynalite)
	s := create(t, endpoint, &dynamostore.Options{})
	for _, n := range []string{"0", "3", "512", "-1", "1.5"} {
		dynamostore.WriteShards(t, s, "all", n)
		var err error
		for _, err = range s.Connections(t.Context(), wirepost.ToTopic("all"), wirepost.ListOptions{}) {
		}
		wantSentence(t, err, "n:all", "power of two", "delete the row")
	}
}

// restOf breaks a listing off behind n items and continues it.
func restOf(t *testing.T, s wirepost.Store, a wirepost.Audience, n int) (before, after []string) {
	t.Helper()
	for l, err := range s.Connections(t.Context(), a, wirepost.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if before = append(before, l.ID); len(before) == n {
			return before, list(t, s, a, wirepost.ListOptions{After: l.Cursor})
		}
	}
	t.Fatalf("the listing has %d items, want more than %d", len(before), n)
	return nil, nil
}

// again opens the table of a store once more, as another process would.
func again(t testing.TB, s *dynamostore.Store, endpoint string, o *dynamostore.Options) *dynamostore.Store {
	t.Helper()
	table, _, _ := strings.Cut(strings.TrimPrefix(s.URL(), "dynamodb://"), "?")
	o.Table, o.Endpoint = table, endpoint
	other, err := dynamostore.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	return other
}
