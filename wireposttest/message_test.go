package wireposttest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
)

// Two stages share a store, and the token of a client of the second has ended: its row is
// over, and nothing but its next message says whose it is.
func TestAHandlerTellsAndClosesAClientWhoseTokenHasEnded(t *testing.T) {
	t.Setenv("WIREPOST_ENDPOINT", "")
	t.Setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "")
	var later atomic.Int64
	store := wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: func() time.Time { return time.Now().Add(time.Duration(later.Load())) }})
	var clients [2]*Client
	for i, api := range []string{"first12345", "second1234"} {
		mux := wirepost.NewMux(store, &wirepost.MuxOptions{Connect: func(_ context.Context, r *wirepost.ConnectRequest) (wirepost.Accept, error) {
			return wirepost.Accept{User: "alice", ExpiresAt: r.Time.Add(time.Minute)}, nil
		}})
		mux.Handle("$default", func(ctx context.Context, m *wirepost.Message) ([]byte, error) {
			if _, err := m.Connection(ctx); !errors.Is(err, wirepost.ErrNotFound) {
				return nil, errors.Join(errors.New("there is a row"), err)
			}
			return nil, errors.Join(m.Post(ctx, []byte("your token has ended")), m.Close(ctx))
		})
		g := NewGateway(t, mux, func(s *gateway.Server) { s.APIID = api })
		var err error
		if clients[i], err = Dial(t.Context(), g.URL, nil); err != nil {
			t.Fatal(err)
		}
		defer clients[i].Cut()
	}
	later.Store(int64(2 * time.Minute))
	for i, c := range clients {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := c.Send("hello"); err != nil {
			t.Fatal(err)
		}
		if text, err := c.Receive(ctx); err != nil || text != "your token has ended" {
			t.Errorf("client %d got %q, %v", i, text, err)
		}
		var closed *CloseError
		if _, err := c.Receive(ctx); !errors.As(err, &closed) || closed.Code != 1000 {
			t.Errorf("client %d: %v, want a close with 1000", i, err)
		}
	}
}
