package wirepost_test

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

// counting counts the calls of a store's methods, by name.
type counting struct {
	*wirepost.MemStore
	n map[string]int
}

func (c counting) Put(ctx context.Context, r wirepost.Connection) error {
	c.n["Put"]++
	return c.MemStore.Put(ctx, r)
}

func (c counting) Connection(ctx context.Context, id string) (wirepost.Connection, error) {
	c.n["Connection"]++
	return c.MemStore.Connection(ctx, id)
}

func (c counting) Connections(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) iter.Seq2[wirepost.Listed, error] {
	c.n["Connections"]++
	return c.MemStore.Connections(ctx, a, o)
}

func (c counting) Subscribe(ctx context.Context, id, topic string) error {
	c.n["Subscribe"]++
	return c.MemStore.Subscribe(ctx, id, topic)
}

func (c counting) Unsubscribe(ctx context.Context, id, topic string) error {
	c.n["Unsubscribe"]++
	return c.MemStore.Unsubscribe(ctx, id, topic)
}

func (c counting) Delete(ctx context.Context, k wirepost.ConnectionKey) (bool, error) {
	c.n["Delete"]++
	return c.MemStore.Delete(ctx, k)
}

func (c counting) PutStage(ctx context.Context, r wirepost.StageRecord) (wirepost.StageRecord, error) {
	c.n["PutStage"]++
	return c.MemStore.PutStage(ctx, r)
}

func (c counting) Stage(ctx context.Context, id wirepost.Identity) (wirepost.StageRecord, error) {
	c.n["Stage"]++
	return c.MemStore.Stage(ctx, id)
}

func (c counting) Head(ctx context.Context, topic string) (wirepost.Position, error) {
	c.n["Head"]++
	return c.MemStore.Head(ctx, topic)
}

func (c counting) Read(ctx context.Context, topic string, after wirepost.Position, l wirepost.ReadLimit) (wirepost.Replay, error) {
	c.n["Read"]++
	return c.MemStore.Read(ctx, topic, after, l)
}

func (c counting) Mark(ctx context.Context, id, topic, mark string) error {
	c.n["Mark"]++
	return c.MemStore.Mark(ctx, id, topic, mark)
}

func (c counting) Enter(ctx context.Context, s wirepost.Session, d time.Duration, details wirepost.Details) (wirepost.Change, error) {
	c.n["Enter"]++
	return c.MemStore.Enter(ctx, s, d, details)
}

func (c counting) Renew(ctx context.Context, s wirepost.Session, d time.Duration) (bool, error) {
	c.n["Renew"]++
	return c.MemStore.Renew(ctx, s, d)
}

func (c counting) Leave(ctx context.Context, s wirepost.Session) (wirepost.Change, error) {
	c.n["Leave"]++
	return c.MemStore.Leave(ctx, s)
}

func (c counting) Members(ctx context.Context, topic string, after wirepost.Cursor) iter.Seq2[wirepost.Member, error] {
	c.n["Members"]++
	return c.MemStore.Members(ctx, topic, after)
}

func (c counting) Announced(ctx context.Context, topic string, m wirepost.MemberID, n int64) error {
	c.n["Announced"]++
	return c.MemStore.Announced(ctx, topic, m, n)
}

// Connect, message and publish cost what they cost without presence. Only a $disconnect
// reads its row, as MuxOptions.Presence says.
func TestPresenceCostsNothingWhereNobodyAsksForIt(t *testing.T) {
	type cost struct {
		calls, disconnect map[string]int
		posts             int
		allocations       float64
		row               wirepost.Connection
	}
	measure := func(o *wirepost.PresenceOptions) (c cost) {
		h := newHall(t, o)
		store := counting{h.store, map[string]int{}}
		p := wirepost.NewPublisher(store, &wirepost.PublisherOptions{Transport: h, Concurrency: 1})
		h.mux = wirepost.NewMux(store, &wirepost.MuxOptions{Presence: o, Publisher: p})
		h.mux.HandleProtocol(p, nil)
		all := func() {
			h.event("CONNECT", "alice.1", "", nil)
			for _, f := range []string{`{"action":"subscribe","topic":"lobby"}`, `{"action":"check","topics":{"lobby":{}}}`, `{"action":"ping"}`, `{"action":"send","to":"topic:lobby","data":1}`, `{"action":"unsubscribe","topic":"other"}`} {
				h.event("MESSAGE", "alice.1", f, nil)
			}
			if r, err := p.Publish(t.Context(), wirepost.ToTopic("lobby"), []byte("1"), nil); err != nil || r.Sent != 1 {
				t.Fatalf("a publish gives %v, %v", r, err)
			}
			h.told("alice.1")
		}
		all() // pools are filled, and the endpoint is known
		clear(store.n)
		h.n = 0
		all()
		c.calls, c.posts = maps.Clone(store.n), h.n
		c.allocations = testing.AllocsPerRun(20, all)
		for range 2 { // the garbage collector may empty pools meanwhile
			c.allocations = min(c.allocations, testing.AllocsPerRun(20, all))
		}
		var err error
		if c.row, err = h.store.Connection(t.Context(), "alice.1"); err != nil {
			t.Fatal(err)
		}
		clear(store.n)
		h.event("DISCONNECT", "alice.1", "", map[string]any{"disconnectStatusCode": 1005})
		c.disconnect = maps.Clone(store.n)
		return c
	}
	without, with := measure(nil), measure(&wirepost.PresenceOptions{})
	if !maps.Equal(without.calls, with.calls) || without.posts != with.posts || without.posts != 2 || without.calls["Connections"] != 2 || without.calls["Connection"] != 5 {
		t.Errorf("with presence there are the calls %v and %d posts, without it %v and %d", with.calls, with.posts, without.calls, without.posts)
	}
	if with.allocations != without.allocations && !raceEnabled { // which empties pools now and then
		t.Errorf("with presence there are %.0f allocations, without it %.0f", with.allocations, without.allocations)
	}
	t.Logf("%v, %d posts, %.0f allocations, and %.0f without", with.calls, with.posts, with.allocations, without.allocations)
	if got := fmt.Sprint(without.disconnect, with.disconnect); got != "map[Delete:1] map[Connection:1 Delete:1]" {
		t.Errorf("a $disconnect makes the calls %s", got)
	}
	if with.row.Marks != nil {
		t.Errorf("the row of who asked for nothing has the marks %v", with.row.Marks)
	}
}
