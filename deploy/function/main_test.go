package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/wireposttest"
)

// A handler by itself: a message of a connection, and no gateway.
func TestTrackIsForUsers(t *testing.T) {
	m, _ := wireposttest.NewMessage(t, nil, wirepost.Connection{User: "alice"}, "")
	if got, err := track(t.Context(), m, trackRequest{Order: "17"}); err != nil || got != (trackAnswer{"17", "on its way"}) {
		t.Errorf("answered %v, %v", got, err)
	}
	nobody, _ := wireposttest.NewMessage(t, nil, wirepost.Connection{}, "")
	for _, tt := range []struct {
		m     *wirepost.Message
		order string
		code  string
	}{{m, "", "no-order"}, {nobody, "17", "forbidden"}} {
		_, err := track(t.Context(), tt.m, trackRequest{Order: tt.order})
		var refused *wirepost.FrameError
		if !errors.As(err, &refused) || refused.Code != tt.code {
			t.Errorf("order %q: %v, want %s", tt.order, err, tt.code)
		}
	}
}

// The whole function behind API Gateway, with a client, and a publish to it.
func TestAClientFollowsItsOrder(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	store := wirepost.NewMemStore(nil)
	publisher := wirepost.NewPublisher(store, nil)
	t.Cleanup(publisher.CloseIdleConnections)
	mux := newMux(store, publisher, &wirepost.MuxOptions{Connect: believe}, nil)
	g := wireposttest.NewGateway(t, mux, nil)
	alice, err := wireposttest.Dial(ctx, g.URL+"?user=alice", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer alice.Close()

	if err := alice.Send(`{"action":"track","ref":"1","order":"17"}`); err != nil {
		t.Fatal(err)
	}
	answer, err := alice.Receive(ctx)
	if want := `{"type":"ack","ref":"1","data":{"order":"17","state":"on its way"}}`; err != nil || answer != want {
		t.Fatalf("answered %s, %v", answer, err)
	}
	result, err := publisher.Publish(ctx, wirepost.ToTopic("order.17"), []byte(`{"state":"delivered"}`), nil)
	if err != nil || result.Sent != 1 {
		t.Fatalf("published: %v, %v", result, err)
	}
	if text, err := alice.Receive(ctx); err != nil || text != `{"state":"delivered"}` {
		t.Errorf("alice got %s, %v", text, err)
	}
}
