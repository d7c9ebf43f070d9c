package dynamostore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/dynamolocal"
	"github.com/wirepost/wirepost/internal/v01"
	"github.com/wirepost/wirepost/wireposttest"
)

// versions are a store of version 0.1 and one of today on the same table.
func versions(t *testing.T) (old *v01.Store, now *dynamostore.Store) {
	t.Helper()
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	now = create(t, endpoint, &dynamostore.Options{PageRows: 7, ShardRows: 20})
	old = v01.Open(v01.Options{Table: *dynamostore.TableName(now), Endpoint: endpoint, PageRows: 7, ShardRows: 20})
	t.Cleanup(func() { old.Close() })
	return old, now
}

// both are the IDs of an audience, which both versions have to list.
func both(t *testing.T, old, now wirepost.Store, a wirepost.Audience, want ...string) {
	t.Helper()
	want = slices.Sorted(slices.Values(want))
	for version, s := range map[string]wirepost.Store{"0.1": old, "today's": now} {
		var got []string
		for l, err := range s.Connections(t.Context(), a, wirepost.ListOptions{}) {
			if err != nil {
				t.Fatalf("%s: %v", version, err)
			}
			got = append(got, l.ID)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s lists %v in %s, want %v", version, got, a, want)
		}
	}
}

func keptMessage(t *testing.T, p *wirepost.Publisher, topic string, n int, keep time.Duration) wirepost.Result {
	t.Helper()
	to := wirepost.ToTopic(topic)
	frame, err := wirepost.NewEnvelope(to, []byte(fmt.Sprint(n))).Frame()
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Publish(t.Context(), to, frame, &wirepost.PublishOptions{Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRowsOfVersion01AreReadAndItsFunctionsSeeNothingOfALog(t *testing.T) {
	old, now := versions(t)
	ctx := t.Context()
	if _, err := old.PutStage(ctx, wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: production, URL: "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/production"}, EventTime: time.Now()}); err != nil {
		t.Fatal(err)
	}
	made := time.Now().Add(-10 * time.Minute).Truncate(time.Millisecond) // old enough for a sweep
	connection := func(id string) wirepost.Connection {
		return wirepost.Connection{ID: id, Endpoint: production, User: "alice", Topics: []string{"lobby"}, Claims: "{}", ConnectedAt: made, ExpiresAt: made.Add(2 * time.Hour)}
	}
	var ids []string
	for i := range 60 { // more than a shard, so that both double the shards and read them
		id := fmt.Sprintf("old%02d=", i)
		s := wirepost.Store(old)
		if i%2 == 1 {
			id, s = fmt.Sprintf("new%02d=", i), now
		}
		if err := s.Put(ctx, connection(id)); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
		if i%20 == 19 {
			both(t, old, now, wirepost.ToTopic("lobby"), ids...)
		}
	}
	both(t, old, now, wirepost.Everyone(), ids...)
	both(t, old, now, wirepost.ToUser("alice"), ids...)
	if c, err := now.Connection(ctx, "old00="); err != nil || c.User != "alice" || c.Claims != "{}" || !c.ConnectedAt.Equal(made) {
		t.Errorf("a row of 0.1 is read as %+v, %v", c, err)
	}
	if stages, err := now.Stages(ctx); err != nil || len(stages) != 1 {
		t.Errorf("the stages are %v, %v", stages, err)
	}
	if head, err := now.Head(ctx, "lobby"); err != nil || head != (wirepost.Position{}) {
		t.Errorf("a table of 0.1 has a log that ends at %v, %v", head, err)
	}

	// Now there are logs, of topics whose names look like other rows, too.
	topics := []string{"lobby", "c0", "t0:lobby", "u:alice", "s", "n"}
	for _, topic := range topics {
		for i := range 20 {
			entry := wirepost.LogEntry{Data: []byte(fmt.Sprintf(`{"n":%d}`, i)), ID: fmt.Sprint("m", i), Keep: []time.Duration{time.Millisecond, time.Hour}[i%2]}
			if _, err := now.Append(ctx, topic, []wirepost.LogEntry{entry}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := now.Restart(ctx, topic); err != nil {
			t.Fatal(err)
		}
		if _, err := now.Append(ctx, topic, []wirepost.LogEntry{{Data: []byte("{}"), ID: "m", Keep: time.Hour}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	both(t, old, now, wirepost.ToTopic("lobby"), ids...)
	both(t, old, now, wirepost.Everyone(), ids...)
	both(t, old, now, wirepost.ToTopic("c0"))
	rows := dynamostore.Rows(t, now)
	for version, sweep := range map[string]func(context.Context) (int, error){"0.1": old.Sweep, "today's": now.Sweep} {
		if n, err := sweep(ctx); err != nil || n != 0 {
			t.Errorf("%s sweeps %d rows away, %v", version, n, err)
		}
	}
	if after := dynamostore.Rows(t, now); len(after) != len(rows) {
		t.Errorf("there were %d rows, and after the sweeps there are %d", len(rows), len(after))
	}
	for _, topic := range topics {
		if r, err := now.Read(ctx, topic, wirepost.Position{}, wirepost.ReadLimit{}); err != nil || len(r.Messages) != 10 && len(r.Messages) != 1 {
			t.Errorf("the log of %s has %d messages, %v", topic, len(r.Messages), err)
		}
	}

	// Each changes and removes what the other has made.
	if err := errors.Join(old.Subscribe(ctx, "new01=", "news"), now.Subscribe(ctx, "old00=", "news"), old.Unsubscribe(ctx, "new01=", "lobby"), now.Unsubscribe(ctx, "old00=", "lobby")); err != nil {
		t.Fatal(err)
	}
	both(t, old, now, wirepost.ToTopic("news"), "new01=", "old00=")
	both(t, old, now, wirepost.ToTopic("lobby"), ids[2:]...)
	for _, id := range ids {
		s := wirepost.Store(old)
		if strings.HasPrefix(id, "old") {
			s = now
		}
		if _, err := s.Delete(ctx, connection(id).Key()); err != nil {
			t.Fatal(err)
		}
	}
	both(t, old, now, wirepost.Everyone())
	both(t, old, now, wirepost.ToUser("alice"))
	for _, k := range dynamostore.Rows(t, now) {
		if strings.HasPrefix(k, "c") && !strings.HasPrefix(k, "c0 ") || strings.HasPrefix(k, "u:alice") {
			t.Errorf("the row %s is left", k)
		}
	}
}

// A function of 0.1 and one of today take turns at the events of one API.
func TestAFunctionOfVersion01AndOneOfTodayServeOneAPI(t *testing.T) {
	old, now := versions(t)
	was := wirepost.NewMux(old, &wirepost.MuxOptions{Connect: byUser})
	is := wirepost.NewMux(now, &wirepost.MuxOptions{Connect: byUser})
	oldPublisher, newPublisher := wirepost.NewPublisher(old, nil), wirepost.NewPublisher(now, nil)
	t.Cleanup(func() { oldPublisher.CloseIdleConnections(); newPublisher.CloseIdleConnections() })
	was.HandleProtocol(oldPublisher, nil)
	is.HandleProtocol(newPublisher, nil)
	var turn atomic.Int64
	function := gateway.FunctionFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
		if turn.Add(1)%2 == 1 {
			return was.Invoke(ctx, payload)
		}
		return is.Invoke(ctx, payload)
	})
	g := wireposttest.NewGateway(t, function, func(s *gateway.Server) {
		s.Routes = map[string]gateway.Route{}
		for _, key := range is.RouteKeys() {
			s.Routes[key] = gateway.Route{Function: function, RouteResponse: key != "$connect" && key != "$disconnect"}
		}
	})
	clients := []*wireposttest.Client{dial(t, g, "alice"), dial(t, g, "bob")} // by the one, and by the other
	for i := range 4 {
		p := []*wirepost.Publisher{oldPublisher, newPublisher}[i%2]
		if r := publish(t, p, wirepost.ToTopic("lobby"), fmt.Sprint("plain ", i), nil); r.Sent != 2 {
			t.Errorf("publisher %d: %v", i%2, r)
		}
		for _, c := range clients {
			wantMessage(t, c, fmt.Sprint("plain ", i))
		}
	}
	for i := range 3 {
		r := keptMessage(t, newPublisher, "lobby", i, time.Hour)
		if r.Sent != 2 || r.Position.Offset != uint64(i+1) {
			t.Errorf("a message that is kept: %+v", r)
		}
		for _, c := range clients {
			text, err := c.Receive(t.Context())
			var m struct {
				Epoch  string
				Offset uint64
			}
			if json.Unmarshal([]byte(text), &m); err != nil || m.Offset != uint64(i+1) || m.Epoch != r.Position.Epoch {
				t.Errorf("the client got %q, %v", text, err)
			}
		}
	}
	// 0.1 knows no logs, and says so before it sends anything.
	frame, err := wirepost.NewEnvelope(wirepost.ToTopic("lobby"), []byte("1")).Frame()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := oldPublisher.Publish(t.Context(), wirepost.ToTopic("lobby"), frame, &wirepost.PublishOptions{Keep: time.Hour}); !errors.Is(err, wirepost.ErrNotSupported) {
		t.Errorf("0.1 keeps: %v", err)
	}
	if r := publish(t, oldPublisher, wirepost.ToTopic("lobby"), "last", nil); r.Sent != 2 {
		t.Errorf("%v", r)
	}
	for _, c := range clients {
		wantMessage(t, c, "last")
	}
}
