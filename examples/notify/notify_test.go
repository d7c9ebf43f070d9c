package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/examples/notify"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/wireposttest"
)

func start(t *testing.T) (context.Context, *wireposttest.Gateway) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	store := wirepost.NewMemStore(nil)
	publisher := wirepost.NewPublisher(store, nil)
	t.Cleanup(func() { publisher.CloseIdleConnections() })
	mux := notify.New(store, publisher, nil)
	return ctx, wireposttest.NewGateway(t, mux, func(s *gateway.Server) {
		s.Routes = map[string]gateway.Route{}
		for _, key := range mux.RouteKeys() {
			s.Routes[key] = gateway.Route{RouteResponse: true}
		}
	})
}

func TestTheExampleAnswersEachOfItsMessages(t *testing.T) {
	ctx, g := start(t)
	c, err := wireposttest.Dial(ctx, g.URL+"?user=alice", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, tt := range []struct{ send, want string }{
		{`{"action":"ping","ref":7}`, `{"type":"pong","ref":7}`},
		{`{"action":"subscribe","topic":"news"}`, `{"type":"ack","topic":"news"}`},
		{`{"action":"subscribe"}`, `{"type":"error","code":"bad-topic","text":"\"topic\": the name is empty"}`},
		{`{"action":"unsubscribe","topic":"news","ref":"a"}`, `{"type":"ack","ref":"a","topic":"news"}`},
		{`{"action":"dance"}`, `{"type":"error","code":"unknown-action","text":"\"action\" must be subscribe, unsubscribe, send, read, check, resume, cancel, ping, members or leave"}`},
		{`{"action":"send","to":"user:nobody"}`, `{"type":"error","code":"no-data","text":"\"data\" is missing"}`},
	} {
		if err := c.Send(tt.send); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Receive(ctx); err != nil || got != tt.want {
			t.Errorf("%s is answered with %s, %v, want %s", tt.send, got, err, tt.want)
		}
	}
}

func TestAClientWithABadNameIsTheClientsMistake(t *testing.T) {
	ctx, g := start(t)
	for _, query := range []string{"?user=%00", "?topic=", "?topic=a%0Ab"} {
		_, err := wireposttest.Dial(ctx, g.URL+query, nil)
		var refused *wireposttest.HandshakeError
		if !errors.As(err, &refused) || refused.Status != http.StatusBadRequest {
			t.Errorf("%s: %v, want 400", query, err)
		}
	}
}

func TestOneClientSendsToAnother(t *testing.T) {
	ctx, g := start(t)
	alice, err := wireposttest.Dial(ctx, g.URL+"?user=alice", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer alice.Close()
	bob, err := wireposttest.Dial(ctx, g.URL+"?user=bob", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer bob.Close()
	if err := alice.Send(`{"action":"send","to":"user:bob","data":{"text":"hi"}}`); err != nil {
		t.Fatal(err)
	}
	got, err := bob.Receive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var e wirepost.Envelope
	if err := json.Unmarshal([]byte(got), &e); err != nil || e.ID == "" || e.To != wirepost.ToUser("bob") || e.From != "alice" || string(e.Data) != `{"text":"hi"}` {
		t.Errorf("bob got %s (%v)", got, err)
	}
	if ack, err := alice.Receive(ctx); err != nil || ack != `{"type":"ack","id":"`+e.ID+`","sent":1}` {
		t.Errorf("alice got %s, %v", ack, err)
	}
}

func TestAnOfferedTokenIsNeverTheAnsweredSubprotocol(t *testing.T) {
	ctx, g := start(t)
	for offer, want := range map[string]string{
		"": "", "bearer.x": "", "bearer.x, wirepost.v1": "wirepost.v1", "chat, wirepost.v1": "wirepost.v1", "bearer.x, chat": "chat",
	} {
		h := http.Header{}
		if offer != "" {
			h.Set("Sec-WebSocket-Protocol", offer)
		}
		c, err := wireposttest.Dial(ctx, g.URL, h)
		if err != nil {
			t.Errorf("offering %q: %v", offer, err)
			continue
		}
		if c.Subprotocol != want {
			t.Errorf("offering %q, the answer is %q, want %q", offer, c.Subprotocol, want)
		}
		c.Close()
	}
}

func TestAPageOfAnotherOriginIsRefused(t *testing.T) {
	ctx, g := start(t)
	for origin, ok := range map[string]bool{
		"": true, "http://localhost:8080": true, "http://127.0.0.1": true, "http://[::1]:1": true,
		"https://evil.example": false, "http://localhost.evil.example": false, "null": false, "file://": false,
	} {
		h := http.Header{}
		if origin != "" {
			h.Set("Origin", origin)
		}
		c, err := wireposttest.Dial(ctx, g.URL, h)
		var refused *wireposttest.HandshakeError
		switch {
		case ok && err != nil:
			t.Errorf("origin %q was refused: %v", origin, err)
		case !ok && (!errors.As(err, &refused) || refused.Status != http.StatusForbidden):
			t.Errorf("origin %q: %v, want 403", origin, err)
		}
		if c != nil {
			c.Close()
		}
	}
}
