package dynamostore_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/internal/dynamolocal"
)

// cutter passes on as many requests as it is told and refuses the rest at once,
// which is how a process that ends in the middle looks from the table.
type cutter struct {
	left atomic.Int64
	url  string
}

const uncut = 1 << 40

func newCutter(t *testing.T, endpoint string) *cutter {
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{}
	c.left.Store(uncut)
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.left.Add(-1) < 0 {
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#AccessDeniedException","Message":"cut"}`)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// belongs are the rows of the table but for those that are nobody's.
func belongs(t *testing.T, s *dynamostore.Store) []string {
	return slices.DeleteFunc(dynamostore.Rows(t, s), func(k string) bool {
		return strings.HasPrefix(k, "s |") || strings.HasPrefix(k, "n:")
	})
}

// reapAll does what publishes to these audiences do when every post is answered
// with 410.
func reapAll(t *testing.T, s wirepost.Store, audiences ...wirepost.Audience) {
	t.Helper()
	for _, a := range audiences {
		for l, err := range s.Connections(t.Context(), a, wirepost.ListOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Reap(t.Context(), a, l); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Each operation is cut behind each of its requests. What is left is right at once,
// or after a publish to an audience that it is left in.
func TestAnOperationThatIsCutAnywhereLeavesWhatTheNextPublishPutsRight(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	c := connection("c1", "alice", "a", "b")
	later := c
	later.ConnectedAt, later.User, later.Topics = c.ConnectedAt.Add(1), "bob", []string{"b", "c"}
	later.ConnectedAt = c.ConnectedAt.Add(1e6)
	before := func(s wirepost.Store) error { return s.Put(t.Context(), c) }
	everywhere := []wirepost.Audience{wirepost.Everyone(), wirepost.ToUser("alice"), wirepost.ToUser("bob"), wirepost.ToTopic("a"), wirepost.ToTopic("b"), wirepost.ToTopic("c")}

	for _, o := range []struct {
		name string
		// before is done to the end; then what is cut.
		before func(wirepost.Store) error
		op     func(context.Context, wirepost.Store) error
		// live tells that the connection of before lives on, so that it must stay
		// reachable wherever it was, but for the topic that op changes.
		live bool
		// reap is where publishes meet what a connection that has ended has left.
		reap []wirepost.Audience
	}{
		{"$connect", nil, func(ctx context.Context, s wirepost.Store) error { return s.Put(ctx, c) }, false, everywhere},
		{"the same $connect again", before, func(ctx context.Context, s wirepost.Store) error { return s.Put(ctx, c) }, true, nil},
		{"subscribe", before, func(ctx context.Context, s wirepost.Store) error { return s.Subscribe(ctx, "c1", "c") }, true, nil},
		{"subscribe again", before, func(ctx context.Context, s wirepost.Store) error { return s.Subscribe(ctx, "c1", "b") }, true, nil},
		{"unsubscribe", before, func(ctx context.Context, s wirepost.Store) error { return s.Unsubscribe(ctx, "c1", "b") }, true, nil},
		{"$disconnect", before, func(ctx context.Context, s wirepost.Store) error { _, err := s.Delete(ctx, c.Key()); return err }, false, everywhere[:1]},
		{"$connect under an ID that was another's", before, func(ctx context.Context, s wirepost.Store) error { return s.Put(ctx, later) }, false, everywhere},
	} {
		t.Run(o.name, func(t *testing.T) {
			cut := newCutter(t, endpoint)
			for n := int64(0); ; n++ {
				direct := create(t, endpoint, &dynamostore.Options{})
				s := again(t, direct, cut.url, &dynamostore.Options{})
				cut.left.Store(uncut)
				if o.before != nil {
					if err := o.before(s); err != nil {
						t.Fatal(err)
					}
				}
				cut.left.Store(n)
				err := o.op(t.Context(), s)
				cut.left.Store(uncut)
				what := fmt.Sprintf("cut behind %d requests (%v)", n, err != nil)

				got, getErr := direct.Connection(t.Context(), "c1")
				if o.live {
					if getErr != nil {
						t.Fatalf("%s: Connection: %v", what, getErr)
					}
					for _, a := range []wirepost.Audience{wirepost.Everyone(), wirepost.ToUser("alice"), wirepost.ToTopic("a")} {
						sameSet(t, what+": "+a.String(), list(t, direct, a, wirepost.ListOptions{}), []string{"c1"})
					}
					// One that is told of an error tries again, or gives up for good.
					if err := o.op(t.Context(), s); err != nil {
						t.Fatalf("%s, and again: %v", what, err)
					}
					if got, getErr = direct.Connection(t.Context(), "c1"); getErr != nil {
						t.Fatal(getErr)
					}
					for _, topic := range []string{"a", "b", "c"} {
						var want []string
						if slices.Contains(got.Topics, topic) {
							want = []string{"c1"}
						}
						sameSet(t, what+", and again: topic "+topic, list(t, direct, wirepost.ToTopic(topic), wirepost.ListOptions{}), want)
					}
					if removed, err := s.Delete(t.Context(), c.Key()); err != nil || !removed {
						t.Fatalf("%s: Delete = %v, %v", what, removed, err)
					}
				} else {
					for _, who := range []wirepost.Connection{c, later} {
						if getErr == nil && who.Key().Matches(got) && (got.User != who.User || !slices.Equal(got.Topics, who.Topics)) {
							t.Errorf("%s: the row that is found is not whole: %+v", what, got)
						}
					}
					reapAll(t, direct, o.reap...)
				}
				if rows := belongs(t, direct); len(rows) > 0 {
					t.Errorf("%s: in the end the table still has %q", what, rows)
				}
				if err == nil {
					if n < 2 {
						t.Errorf("the operation was never cut")
					}
					return
				}
				wantSentence(t, err, "cut", "these credentials may not", *dynamostore.TableName(direct))
			}
		})
	}
}

// A subscribe that was cut leaves a topic row that the connection row does not
// name. It goes with an unsubscribe; or a publish finds it when its connection has
// ended; or a sweep does.
func TestWhatACutSubscribeLeavesCanBeRemovedInThreeWays(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	cut := newCutter(t, endpoint)
	for _, way := range []string{"unsubscribe", "publish", "sweep"} {
		direct := create(t, endpoint, &dynamostore.Options{})
		s := again(t, direct, cut.url, &dynamostore.Options{})
		c := connection("c1", "")
		c.ConnectedAt = c.ConnectedAt.Add(-10 * 60e9)
		cut.left.Store(uncut)
		if err := s.Put(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		cut.left.Store(3) // the number of shards, the row, the topic row
		if err := s.Subscribe(t.Context(), "c1", "a"); err == nil {
			t.Fatal("the subscribe was not cut")
		}
		cut.left.Store(uncut)
		sameSet(t, "topic:a", list(t, direct, wirepost.ToTopic("a"), wirepost.ListOptions{}), []string{"c1"})
		if way == "unsubscribe" {
			if err := s.Unsubscribe(t.Context(), "c1", "a"); err != nil {
				t.Fatal(err)
			}
			sameSet(t, "topic:a", list(t, direct, wirepost.ToTopic("a"), wirepost.ListOptions{}), nil)
		}
		if removed, err := s.Delete(t.Context(), c.Key()); err != nil || !removed {
			t.Fatalf("Delete = %v, %v", removed, err)
		}
		switch way {
		case "publish":
			if rows := belongs(t, direct); len(rows) != 1 {
				t.Errorf("before the %s the table has %q, want the topic row", way, rows)
			}
			reapAll(t, direct, wirepost.ToTopic("a"))
		case "sweep":
			if n, err := direct.Sweep(t.Context()); n != 1 || err != nil {
				t.Errorf("Sweep = %d, %v, want 1", n, err)
			}
		}
		if rows := belongs(t, direct); len(rows) > 0 {
			t.Errorf("after the %s the table has %q", way, rows)
		}
	}
}

// A subscribe, or a connect, is cut behind its topic row; the shards are doubled; it
// is repeated, and goes to another shard. The listing merges the two, and an
// unsubscribe removes both.
func TestAConnectionThatIsInTwoShardsIsListedOnce(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	direct := create(t, endpoint, &dynamostore.Options{PageRows: 3})
	cut := newCutter(t, endpoint)
	var want []string
	for i := range 16 {
		id, topic := fmt.Sprintf("c%d=", i), "all"
		want = append(want, id)
		c := connection(id, "")
		cut.left.Store(uncut)
		s := again(t, direct, cut.url, &dynamostore.Options{})
		dynamostore.WriteShards(t, direct, topic, "1")
		if i%2 == 0 {
			if err := s.Put(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			cut.left.Store(4) // the number of shards and its renewal, the row, the topic row
			if err := s.Subscribe(t.Context(), id, topic); err == nil {
				t.Fatal("the subscribe was not cut")
			}
		} else {
			c.Topics = []string{topic}
			cut.left.Store(4) // the number of shards and its renewal, the stage, the topic row
			if err := s.Put(t.Context(), c); err == nil {
				t.Fatal("the connect was not cut")
			}
		}
		dynamostore.WriteShards(t, direct, topic, "4")
		fresh := again(t, direct, endpoint, &dynamostore.Options{})
		var err error
		if i%2 == 0 {
			err = fresh.Subscribe(t.Context(), id, topic)
		} else {
			err = fresh.Put(t.Context(), c)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	topic := wirepost.ToTopic("all")
	rows := 0
	for _, k := range belongs(t, direct) {
		if strings.Contains(k, ":all |") {
			rows++
		}
	}
	if rows <= len(want) {
		t.Fatalf("no connection is in two shards: %d rows of %d: %q", rows, len(want), belongs(t, direct))
	}
	sameSet(t, "topic:all", list(t, direct, topic, wirepost.ListOptions{}), want)
	before, after := restOf(t, direct, topic, 5)
	sameSet(t, "both sides of a cursor", append(before, after...), want)
	for _, id := range want {
		if err := direct.Unsubscribe(t.Context(), id, "all"); err != nil {
			t.Fatal(err)
		}
	}
	sameSet(t, "topic:all, after all have unsubscribed", list(t, direct, topic, wirepost.ListOptions{}), nil)
}
