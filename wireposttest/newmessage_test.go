package wireposttest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

func TestAHandlerIsTestedWithoutAGateway(t *testing.T) {
	greet := func(ctx context.Context, m *wirepost.Message) ([]byte, error) {
		c, err := m.Connection(ctx)
		if err != nil {
			return nil, err
		}
		return []byte(m.RouteKey), errors.Join(m.Subscribe(ctx, "room"), m.Post(ctx, []byte("hello "+c.User)), m.Close(ctx))
	}
	store := wirepost.NewMemStore(nil)
	m, sender := NewMessage(t, store, wirepost.Connection{User: "alice"}, `{"action":"greet"}`)
	answer, err := greet(t.Context(), m)
	if err != nil || string(answer) != "greet" || fmt.Sprint(sender.Posted()) != "[hello alice]" || !sender.Closed() {
		t.Errorf("answered %q, %v, posted %q, closed %v", answer, err, sender.Posted(), sender.Closed())
	}
	if c, err := store.Connection(t.Context(), m.ConnectionID); err != nil || fmt.Sprint(c.Topics) != "[room]" {
		t.Errorf("the row is %+v, %v", c, err)
	}
	if err := m.Post(t.Context(), []byte("late")); !errors.Is(err, wirepost.ErrGone) {
		t.Errorf("a post after the close: %v", err)
	}
	over, sender := NewMessage(t, nil, wirepost.Connection{ConnectedAt: time.Now().Add(-time.Hour), ExpiresAt: time.Now().Add(-time.Minute)}, "")
	if _, err := greet(t.Context(), over); !errors.Is(err, wirepost.ErrNotFound) || len(sender.Posted()) > 0 {
		t.Errorf("after its end: %v", err)
	}
}

// The expired sender of a typed handler is told and closed.
func TestATypedHandlerClosesASenderWhoseTimeIsOver(t *testing.T) {
	store := wirepost.NewMemStore(nil)
	sender := &Sender{}
	mux := wirepost.NewMux(store, &wirepost.MuxOptions{Publisher: wirepost.NewPublisher(store, &wirepost.PublisherOptions{Transport: sender, Credentials: keyPair{}})})
	wirepost.HandleJSON(mux, "track", func(ctx context.Context, m *wirepost.Message, _ struct{}) (any, error) {
		return nil, m.Subscribe(ctx, "room")
	})
	now := time.Now().UnixMilli()
	event := fmt.Appendf(nil, `{"requestContext":{"eventType":"MESSAGE","routeKey":"$default","connectionId":"A=","apiId":"abc","stage":"dev","domainName":"abc.execute-api.us-east-1.amazonaws.com","connectedAt":%d,"requestTimeEpoch":%d},"body":"{\"action\":\"track\",\"ref\":7}"}`, now, now)
	out, err := mux.Invoke(t.Context(), event)
	if err != nil || string(out) != `{"statusCode":200}` || fmt.Sprint(sender.Posted()) != `[{"type":"error","ref":7,"code":"expired"}]` || !sender.Closed() {
		t.Errorf("answered %s, %v, posted %q, closed %v", out, err, sender.Posted(), sender.Closed())
	}
}

func TestAClockCanBeMoved(t *testing.T) {
	c := NewClock()
	before := time.Now()
	if c.Advance(time.Hour); c.Now().Sub(before) < time.Hour || c.Now().After(time.Now().Add(time.Hour+time.Second)) {
		t.Errorf("it shows %v", c.Now())
	}
}

func TestTheRoutesOfAGatewayAreThoseOfItsMux(t *testing.T) {
	mux := wirepost.NewMux(wirepost.NewMemStore(nil), nil)
	mux.Handle("track", func(context.Context, *wirepost.Message) ([]byte, error) { return []byte("done"), nil })
	g := NewGateway(t, mux, nil)
	c, err := Dial(t.Context(), g.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.Send(`{"action":"track"}`); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Receive(ctx); err != nil || got != "done" {
		t.Errorf("answered %q, %v", got, err)
	}
}
