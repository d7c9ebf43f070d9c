package wireposttest_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/wireposttest"
)

// protocolWorld is a gateway whose function speaks the protocol. Users and the
// end of their connections come from the URL.
type protocolWorld struct {
	*wireposttest.Gateway
	store *wirepost.MemStore
	now   *aheadClock
}

type aheadClock struct{ ahead atomic.Int64 }

func (c *aheadClock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func startProtocol(t *testing.T, o *wirepost.ProtocolOptions) *protocolWorld {
	t.Helper()
	w := &protocolWorld{now: &aheadClock{}}
	w.store = wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: w.now.Now})
	publisher := wirepost.NewPublisher(w.store, nil)
	t.Cleanup(func() { publisher.CloseIdleConnections() })
	mux := wirepost.NewMux(w.store, &wirepost.MuxOptions{Connect: func(_ context.Context, r *wirepost.ConnectRequest) (wirepost.Accept, error) {
		a := wirepost.Accept{Topics: r.Query("topic"), Subprotocol: wirepost.Subprotocol}
		if u := r.Query("user"); len(u) > 0 {
			a.User = u[0]
		}
		if len(r.Query("short")) > 0 {
			a.ExpiresAt = r.Time.Add(time.Hour)
		}
		return a, nil
	}})
	mux.HandleProtocol(publisher, o)
	w.Gateway = wireposttest.NewGateway(t, mux, func(s *gateway.Server) {
		s.Routes = map[string]gateway.Route{}
		for _, key := range mux.RouteKeys() {
			s.Routes[key] = gateway.Route{RouteResponse: true}
		}
	})
	return w
}

func (w *protocolWorld) dial(t *testing.T, query string) *wireposttest.Client {
	t.Helper()
	c, err := wireposttest.Dial(t.Context(), w.URL+query, http.Header{"Sec-Websocket-Protocol": {wirepost.Subprotocol}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func exchange(t *testing.T, c *wireposttest.Client, frame string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := c.Send(frame); err != nil {
		t.Fatal(err)
	}
	got, err := c.Receive(ctx)
	if err != nil {
		t.Fatalf("%.200s: %v", frame, err)
	}
	return got
}

func TestEachFrameOfTheProtocolHasItsAnswer(t *testing.T) {
	const badFrame = `"text":"a frame is a JSON object with the string \"action\"; \"ref\" is a string or a number of at most 64 bytes"}`
	allow := func(_ context.Context, c wirepost.Connection, action wirepost.Action, to wirepost.Audience) bool {
		return c.User == "alice" && !(action == wirepost.ActionSubscribe && to.Name == "secret") && to != wirepost.Everyone()
	}
	w := startProtocol(t, &wirepost.ProtocolOptions{Allow: allow, MaxTopics: 2, NewID: func() string { return "ID" }})
	c := w.dial(t, "?user=alice&topic=first")
	for _, tt := range []struct{ send, want string }{
		{`{"action":"ping","ref":"a"}`, `{"type":"pong","ref":"a"}`},
		{`{"action":"ping","ref":-1.5}`, `{"type":"pong","ref":-1.5}`},
		{`{"action":"ping","ref":null}`, `{"type":"pong"}`},
		{`{"action":"ping"}`, `{"type":"pong"}`},
		{`{"action":"ping","ref":"<&>","more":[1]}`, `{"type":"pong","ref":"<&>"}`},
		{`{"action":"ping","ref":{}}`, `{"type":"error","code":"bad-frame",` + badFrame},
		{`{"action":"ping","ref":true}`, `{"type":"error","code":"bad-frame",` + badFrame},
		{`{"action":"ping","ref":"` + strings.Repeat("x", 63) + `"}`, `{"type":"error","code":"bad-frame",` + badFrame},
		{`not JSON`, `{"type":"error","code":"bad-frame",` + badFrame},
		{`"ping"`, `{"type":"error","code":"bad-frame",` + badFrame},
		{`[]`, `{"type":"error","code":"bad-frame",` + badFrame},
		{`{"ref":"r"}`, `{"type":"error","ref":"r","code":"bad-frame",` + badFrame},
		{`{"ref":"r","action":7}`, `{"type":"error","ref":"r","code":"bad-frame",` + badFrame},
		{`{"action":"subscribe","topic":7,"ref":"r"}`, `{"type":"error","ref":"r","code":"bad-frame",` + badFrame},
		{`{"action":"dance"}`, `{"type":"error","code":"unknown-action","text":"\"action\" must be subscribe, unsubscribe, send, read, check, resume, cancel or ping"}`},
		{`{"action":"subscribe","topic":"second","ref":"r"}`, `{"type":"ack","ref":"r","topic":"second"}`},
		{`{"action":"subscribe","topic":"second"}`, `{"type":"ack","topic":"second"}`},
		{`{"action":"subscribe","topic":"third"}`, `{"type":"error","code":"too-many-topics"}`},
		{`{"action":"subscribe","topic":"secret"}`, `{"type":"error","code":"forbidden"}`},
		{`{"action":"subscribe"}`, `{"type":"error","code":"bad-topic","text":"\"topic\": the name is empty"}`},
		{`{"action":"unsubscribe","topic":"second"}`, `{"type":"ack","topic":"second"}`},
		{`{"action":"unsubscribe","topic":"secret"}`, `{"type":"ack","topic":"secret"}`},
		{`{"action":"send","to":"user:nobody","data":null,"ref":"r"}`, `{"type":"ack","ref":"r","id":"ID","sent":0}`},
		{`{"action":"send","to":"everyone","data":1}`, `{"type":"error","code":"forbidden"}`},
		{`{"action":"send","to":"user:bob"}`, `{"type":"error","code":"no-data","text":"\"data\" is missing"}`},
		{`{"action":"send","to":"lobby","data":1}`, `{"type":"error","code":"bad-audience","text":"\"to\" must be topic:NAME, user:NAME or everyone"}`},
		{`{"action":"send","to":"connection:L0SM9cOFvHcCIhw=","data":1}`, `{"type":"error","code":"bad-audience","text":"\"to\" must be topic:NAME, user:NAME or everyone"}`},
		{`{"action":"send","data":1}`, `{"type":"error","code":"bad-audience","text":"\"to\" must be topic:NAME, user:NAME or everyone"}`},
	} {
		if got := exchange(t, c, tt.send); got != tt.want {
			t.Errorf("%s\nis answered with %s\nwant             %s", tt.send, got, tt.want)
		}
	}
	nobody := w.dial(t, "")
	for _, send := range []string{`{"action":"subscribe","topic":"x"}`, `{"action":"send","to":"topic:x","data":1}`} {
		if got := exchange(t, nobody, send); got != `{"type":"error","code":"forbidden"}` {
			t.Errorf("somebody without a user: %s is answered with %s", send, got)
		}
	}
}

func TestAMessageArrivesOnceWithTheIDOfItsAck(t *testing.T) {
	w := startProtocol(t, nil)
	alice, bob := w.dial(t, "?user=alice"), w.dial(t, "?user=bob&topic=lobby")
	ack := exchange(t, alice, `{"action":"send","ref":1,"to":"topic:lobby","data":{ "text" : "<hi> \u00e9" }}`)
	var a struct {
		Type, ID  string
		Ref, Sent int
	}
	if err := json.Unmarshal([]byte(ack), &a); err != nil || a.Type != "ack" || a.Ref != 1 || a.Sent != 1 || len(a.ID) != 26 {
		t.Fatalf("the ack is %s (%v)", ack, err)
	}
	got, err := bob.Receive(t.Context())
	if want := `{"type":"message","id":"` + a.ID + `","to":"topic:lobby","from":"alice","data":{"text":"<hi> \u00e9"}}`; err != nil || got != want {
		t.Errorf("bob got %s, %v\nwant    %s", got, err, want)
	}
}

func TestALaterFrameOfAConnectionThatHasEndedIsAnsweredAndClosesIt(t *testing.T) {
	for _, frame := range []string{`{"action":"ping","ref":9}`, `{"action":"send","ref":9,"to":"everyone","data":1}`, `{"ref":9,"action":"subscribe","topic":"x"}`} {
		w := startProtocol(t, nil)
		c := w.dial(t, "?short=1")
		if got := exchange(t, c, `{"action":"ping"}`); got != `{"type":"pong"}` {
			t.Fatalf("before its end: %s", got)
		}
		w.now.ahead.Store(int64(time.Hour + time.Second))
		if got := exchange(t, c, frame); got != `{"type":"error","ref":9,"code":"expired"}` {
			t.Errorf("%s is answered with %s", frame, got)
		}
		var closed *wireposttest.CloseError
		if got, err := c.Receive(aMinute(t)); !errors.As(err, &closed) || closed.Code != 1000 {
			t.Errorf("then %q, %v, want a close with 1000", got, err)
		}
	}
}
