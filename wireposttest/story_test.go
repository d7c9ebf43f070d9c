package wireposttest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/sqlitestore"
	"github.com/wirepost/wirepost/wireposttest"
)

func aMinute(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func dial(t *testing.T, url string) *wireposttest.Client {
	t.Helper()
	c, err := wireposttest.Dial(aMinute(t), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Cut() })
	return c
}

func newPublisher(t *testing.T, s wirepost.Store) *wirepost.Publisher {
	p := wirepost.NewPublisher(s, nil)
	t.Cleanup(func() { p.CloseIdleConnections() })
	return p
}

func byURL(_ context.Context, r *wirepost.ConnectRequest) (wirepost.Accept, error) {
	return wirepost.Accept{User: r.Query("user")[0]}, nil
}

func TestAConnectIsRefusedWith500WhileTheStoreCannotBeWritten(t *testing.T) {
	ctx := aMinute(t)
	path := filepath.Join(t.TempDir(), "store.db")
	store, err := sqlitestore.Open(ctx, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	g := wireposttest.NewGateway(t, wirepost.NewMux(store, &wirepost.MuxOptions{Connect: byURL, WriteTimeout: 300 * time.Millisecond}), nil)

	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(ctx, "BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	_, err = wireposttest.Dial(ctx, g.URL+"?user=alice", nil)
	var refused *wireposttest.HandshakeError
	if !errors.As(err, &refused) || refused.Status != 500 {
		t.Errorf("the handshake: %v, want 500", err)
	}
	if _, err := conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	dial(t, g.URL+"?user=bob")
	n := 0
	for l, err := range store.Connections(ctx, wirepost.Everyone(), wirepost.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if c, err := store.Connection(ctx, l.ID); err != nil || c.User != "bob" {
			t.Errorf("the store claims %+v, %v", c, err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("the store has %d rows, want bob's", n)
	}
}

// What a gateway leaves behind that was killed: rows that nobody's $disconnect
// removes, and an endpoint that has moved.
func TestRowsOfAKilledGatewayCostOne410AndVanish(t *testing.T) {
	ctx := aMinute(t)
	store := wirepost.NewMemStore(nil)
	g := wireposttest.NewGateway(t, wirepost.NewMux(store, &wirepost.MuxOptions{Connect: byURL}), nil)
	alice := dial(t, g.URL+"?user=alice")
	stages, err := store.Stages(ctx)
	if err != nil || len(stages) != 1 {
		t.Fatal(stages, err)
	}
	for i := range 5 {
		err := store.Put(ctx, wirepost.Connection{ID: fmt.Sprintf("AAAAAAAAAAAAAA%d=", i), Endpoint: stages[0].Identity, User: "ghost",
			ConnectedAt: time.Now().Add(-time.Minute), ExpiresAt: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
	}
	p := newPublisher(t, store)
	for _, want := range []string{"sent 1, gone 5 (removed)", "sent 1"} {
		r, err := p.Publish(ctx, wirepost.Everyone(), []byte("hi"), nil)
		if err != nil || r.String() != want {
			t.Errorf("got %q, %v, want %q", r, err, want)
		}
		if got, err := alice.Receive(ctx); err != nil || got != "hi" {
			t.Errorf("alice got %q, %v", got, err)
		}
	}
}

// One that posts to a connection while its $connect runs is told 410, and the
// connection lives.
func TestAPostDuringConnectIsGoneAndReapsNothing(t *testing.T) {
	ctx := aMinute(t)
	store := wirepost.NewMemStore(nil)
	p := newPublisher(t, store)
	mux := wirepost.NewMux(store, &wirepost.MuxOptions{Connect: byURL})
	var during wirepost.Result
	var during1 error
	g := wireposttest.NewGateway(t, gateway.FunctionFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
		out, err := mux.Invoke(ctx, payload)
		if during.Gone == 0 {
			during, during1 = p.Publish(ctx, wirepost.ToUser("alice"), []byte("early"), nil)
		}
		return out, err
	}), nil)
	alice := dial(t, g.URL+"?user=alice")
	if during1 != nil || during.String() != "sent 0, gone 1 (kept: younger than 30 s)" {
		t.Errorf("during $connect: %q, %v", during, during1)
	}
	if r, err := p.Publish(ctx, wirepost.ToUser("alice"), []byte("now"), nil); err != nil || r.Sent != 1 {
		t.Errorf("after $connect: %v, %v", r, err)
	}
	if got, err := alice.Receive(ctx); err != nil || got != "now" {
		t.Errorf("alice got %q, %v", got, err)
	}
}

func TestEachFaultOfTheGatewayBecomesItsProblem(t *testing.T) {
	ctx := aMinute(t)
	for _, tt := range []struct {
		name  string
		fault gateway.Fault
		want  string
	}{
		{"403", gateway.Fault{Status: 403}, "sent 0, failed 1 (forbidden-unexplained)"},
		{"500", gateway.Fault{Status: 500}, "sent 0, failed 1 (server-error)"},
		{"413", gateway.Fault{Status: 413}, "sent 0, failed 1 (message-too-large)"},
		{"a reset before", gateway.Fault{ResetBefore: true}, "sent 0, failed 1 (no-answer)"},
		{"a reset after", gateway.Fault{ResetAfter: true}, "sent 0, failed 1 (no-answer)"},
		{"an answer that never comes", gateway.Fault{Hang: true}, "sent 0, failed 1 (no-answer)"},
		{"429 until the deadline", gateway.Fault{Status: 429}, "sent 0, failed 1 (throttled)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := wirepost.NewMemStore(nil)
			g := wireposttest.NewGateway(t, wirepost.NewMux(store, &wirepost.MuxOptions{Connect: byURL}), func(s *gateway.Server) {
				s.Fault = func(c gateway.Call) gateway.Fault {
					if c.Kind == "post" {
						return tt.fault
					}
					return gateway.Fault{}
				}
			})
			dial(t, g.URL+"?user=alice")
			p := wirepost.NewPublisher(store, &wirepost.PublisherOptions{PostTimeout: 700 * time.Millisecond})
			defer p.CloseIdleConnections()
			r, err := p.Publish(ctx, wirepost.Everyone(), []byte("x"), nil)
			if err != nil || r.String() != tt.want {
				t.Errorf("got %q (%v), %v, want %q", r, r.Errors, err, tt.want)
			}
		})
	}
}

func TestGetTellsOfTheConnectionAndDeleteEndsIt(t *testing.T) {
	ctx := aMinute(t)
	store := wirepost.NewMemStore(nil)
	g := wireposttest.NewGateway(t, wirepost.NewMux(store, &wirepost.MuxOptions{Connect: byURL}), nil)
	c := dial(t, g.URL+"?user=alice")
	p := newPublisher(t, store)
	for l := range store.Connections(ctx, wirepost.ToUser("alice"), wirepost.ListOptions{}) {
		info, err := p.Get(ctx, l.ID)
		row, rowErr := store.Connection(ctx, l.ID)
		if err != nil || rowErr != nil || info.Identity.SourceIP != "127.0.0.1" || !info.ConnectedAt.Equal(row.ConnectedAt) {
			t.Errorf("Get = %+v, %v; the row is %+v, %v", info, err, row, rowErr)
		}
		if err := p.Close(ctx, l.ID); err != nil {
			t.Error(err)
		}
		if err := p.Post(ctx, l.ID, []byte("x")); !errors.Is(err, wirepost.ErrGone) && !errors.Is(err, wirepost.ErrNoEndpoint) {
			t.Errorf("a post after it: %v", err)
		}
	}
	var closed *wireposttest.CloseError
	if _, err := c.Receive(ctx); !errors.As(err, &closed) || closed.Code != 1000 {
		t.Errorf("the client saw %v, want close 1000", err)
	}
}
