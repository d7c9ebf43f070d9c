package wireposttest_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/wireposttest"
)

// BenchmarkPresence is a class of 1,000 that comes in: each subscribes with presence, one
// after the other and as fast as they are answered, and is announced by signed posts to those
// who are there. Gateway, function and clients are in this process.
func BenchmarkPresence(b *testing.B) {
	const class = 1000
	store := wirepost.NewMemStore(nil)
	publisher := wirepost.NewPublisher(store, nil)
	b.Cleanup(func() { publisher.CloseIdleConnections() })
	mux := wirepost.NewMux(store, &wirepost.MuxOptions{Presence: &wirepost.PresenceOptions{}, Publisher: publisher,
		Connect: func(_ context.Context, r *wirepost.ConnectRequest) (wirepost.Accept, error) {
			return wirepost.Accept{User: r.Query("user")[0]}, nil
		}})
	mux.HandleProtocol(publisher, nil)
	g := wireposttest.NewGateway(b, mux, func(s *gateway.Server) { s.ConnectRate, s.RequestRate = -1, -1 })
	ctx, cancel := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	b.Cleanup(func() { cancel(); reading.Wait() })
	var clients []*wireposttest.Client
	answered := make(chan string, 1)
	for i := range class {
		c, err := wireposttest.Dial(ctx, fmt.Sprintf("%s?user=user%d", g.URL, i), nil)
		if err != nil {
			b.Fatal(err)
		}
		clients = append(clients, c)
		reading.Go(func() { // ends with ctx
			defer c.Cut()
			for {
				text, err := c.Receive(ctx)
				if err != nil {
					return
				}
				if !strings.HasPrefix(text, `{"type":"presence"`) {
					answered <- text
				}
			}
		})
	}
	began := time.Now()
	last := ""
	for i, c := range clients {
		if err := c.Send(fmt.Sprintf(`{"action":"subscribe","topic":"class","presence":true,"session":"the secret of %d"}`, i)); err != nil {
			b.Fatal(err)
		}
		select {
		case last = <-answered:
		case <-time.After(30 * time.Second):
			b.Fatalf("client %d was not answered within 30 s", i)
		}
	}
	took := time.Since(began)
	if !strings.Contains(last, `"many":true`) {
		b.Errorf("the last was answered with %s", last)
	}
	for _, row := range []struct {
		name        string
		value, most float64
	}{{"1,000_joins,_s", took.Seconds(), 10}, {"the_same,_frames_that_go_out", float64(publisher.Stats().Sent), 20_000}} {
		b.Run(row.name, func(b *testing.B) {
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(row.value, "value")
			b.ReportMetric(row.most, "goal-max")
		})
	}
}
