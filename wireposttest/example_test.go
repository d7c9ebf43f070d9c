package wireposttest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/jwtauth"
	"github.com/wirepost/wirepost/wireposttest"
)

// start runs a gateway with the mux. A test calls wireposttest.NewGateway, which ends
// with the test.
func start(mux *wirepost.Mux, configure func(*gateway.Server)) (*wireposttest.Gateway, func()) {
	g, stop, err := wireposttest.StartGateway(mux, configure)
	if err != nil {
		log.Fatal(err)
	}
	return g, stop
}

// believe takes user and topics from the URL, which only an example may.
func believe(_ context.Context, r *wirepost.ConnectRequest) (wirepost.Accept, error) {
	return wirepost.Accept{User: r.Query("user")[0], Topics: r.Query("topic")}, nil
}

// connect is a client of a user.
func connect(ctx context.Context, url string) *wireposttest.Client {
	c, err := wireposttest.Dial(ctx, url, nil)
	if err != nil {
		log.Fatal(err)
	}
	return c
}

// A client that vanished is gone, which is no error. Its row is removed if it is older
// than 30 s, because the $connect of a younger one may still be running.
func Example_gone() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	clock := wireposttest.NewClock()
	store := wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: clock.Now})
	mux := wirepost.NewMux(store, &wirepost.MuxOptions{Connect: believe})
	left := make(chan struct{})
	g, stop := start(mux, func(s *gateway.Server) {
		s.Now = clock.Now
		s.Fault = func(c gateway.Call) gateway.Fault {
			if c.Kind != gateway.CallDisconnect {
				return gateway.Fault{}
			}
			close(left)
			return gateway.Fault{Drop: true} // as AWS does at times: else $disconnect removes the row
		}
	})
	defer stop()
	publisher := wirepost.NewPublisher(store, &wirepost.PublisherOptions{Now: clock.Now})
	defer publisher.CloseIdleConnections()
	alice := connect(ctx, g.URL+"?user=alice")
	alice.Cut()
	select { // until the gateway has noticed
	case <-left:
	case <-ctx.Done():
		log.Fatal(ctx.Err())
	}
	fmt.Println(publisher.Publish(ctx, wirepost.ToUser("alice"), []byte("hi"), nil))
	clock.Advance(31 * time.Second)
	fmt.Println(publisher.Publish(ctx, wirepost.ToUser("alice"), []byte("hi"), nil))
	fmt.Println(publisher.Publish(ctx, wirepost.ToUser("alice"), []byte("hi"), nil))
	// Output:
	// sent 0, gone 1 (kept: younger than 30 s) <nil>
	// sent 0, gone 1 (removed) <nil>
	// sent 0 <nil>
}

// A client that does not read is throttled when the gateway's buffer for it is full. The
// others get their messages.
func Example_slow() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	store := wirepost.NewMemStore(nil)
	mux := wirepost.NewMux(store, &wirepost.MuxOptions{Connect: believe})
	g, stop := start(mux, func(s *gateway.Server) { s.QueueBytes = 1 << 10 })
	defer stop()
	slow, err := g.DialSlow(ctx, "?user=slow", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer slow.Cut()
	quick := connect(ctx, g.URL+"?user=quick")
	defer quick.Cut()

	publisher := wirepost.NewPublisher(store, &wirepost.PublisherOptions{PostTimeout: 300 * time.Millisecond})
	defer publisher.CloseIdleConnections()
	long := make([]byte, wirepost.MaxMessage)
	for i := range long {
		long[i] = 'x'
	}
	first, err := publisher.Publish(ctx, wirepost.Everyone(), long, nil)
	for err == nil && first.Failed == 0 { // what the system's own buffers take
		quick.Receive(ctx)
		first, err = publisher.Publish(ctx, wirepost.Everyone(), long, nil)
	}
	fmt.Println(first, err)
	// Output:
	// sent 1, failed 1 (throttled) <nil>
}

// A post that is answered 429 is tried again, until its time is over.
func Example_throttled() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	faults := gateway.NewFaults(1, nil)
	store := wirepost.NewMemStore(nil)
	mux := wirepost.NewMux(store, &wirepost.MuxOptions{Connect: believe})
	g, stop := start(mux, func(s *gateway.Server) { s.Fault = faults.Ask })
	defer stop()
	alice := connect(ctx, g.URL+"?user=alice")
	defer alice.Cut()
	publisher := wirepost.NewPublisher(store, &wirepost.PublisherOptions{PostTimeout: 2 * time.Second})
	defer publisher.CloseIdleConnections()

	for _, rule := range []string{"post:429:n=2", "post:429"} {
		r, err := gateway.ParseFaultRule(rule)
		if err != nil {
			log.Fatal(err)
		}
		faults.Set([]gateway.FaultRule{r})
		fmt.Println(publisher.Publish(ctx, wirepost.ToUser("alice"), []byte("hi"), nil))
	}
	// Output:
	// sent 1 <nil>
	// sent 0, failed 1 (throttled) <nil>
}

// When a token has ended no publish reaches its connection, and the client's next frame
// is answered "expired" and closes it.
func Example_expired() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	clock, tokens := wireposttest.NewClock(), wireposttest.NewTokens()
	store := wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: clock.Now})
	publisher := wirepost.NewPublisher(store, nil)
	defer publisher.CloseIdleConnections()
	v, err := jwtauth.New(&jwtauth.Options{Key: tokens.Key, Issuer: tokens.Issuer, Audience: tokens.Audience})
	if err != nil {
		log.Fatal(err)
	}
	mux := wirepost.NewMux(store, &wirepost.MuxOptions{Connect: v.Connect})
	mux.HandleProtocol(publisher, &wirepost.ProtocolOptions{Allow: jwtauth.Allow})
	g, stop := start(mux, nil)
	defer stop()
	header := tokens.Header("alice", &wireposttest.Token{ExpiresAt: time.Now().Add(time.Minute), Claims: wireposttest.Allow()})
	alice, err := wireposttest.Dial(ctx, g.URL, header)
	if err != nil {
		log.Fatal(err)
	}
	defer alice.Cut()

	fmt.Println(publisher.Publish(ctx, wirepost.ToUser("alice"), []byte("hi"), nil))
	fmt.Println(alice.Receive(ctx))
	clock.Advance(time.Minute + jwtauth.Leeway)
	fmt.Println(publisher.Publish(ctx, wirepost.ToUser("alice"), []byte("hi"), nil))
	alice.Send(`{"action":"ping"}`)
	fmt.Println(alice.Receive(ctx))
	_, err = alice.Receive(ctx)
	var closed *wireposttest.CloseError
	fmt.Println(errors.As(err, &closed) && closed.Code == 1000)
	// Output:
	// sent 1 <nil>
	// hi <nil>
	// sent 0 <nil>
	// {"type":"error","code":"expired"} <nil>
	// true
}

// Hundreds of clients, and a publish to all of them.
func Example_many() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	store := wirepost.NewMemStore(nil)
	mux := wirepost.NewMux(store, &wirepost.MuxOptions{Connect: believe})
	g, stop := start(mux, nil)
	defer stop()
	var clients []*wireposttest.Client
	for i := range 300 {
		c := connect(ctx, fmt.Sprintf("%s?user=u%d&topic=lobby", g.URL, i))
		defer c.Cut()
		clients = append(clients, c)
	}
	publisher := wirepost.NewPublisher(store, nil)
	defer publisher.CloseIdleConnections()
	fmt.Println(publisher.Publish(ctx, wirepost.ToTopic("lobby"), []byte("hi"), nil))
	got := 0
	for _, c := range clients {
		if text, err := c.Receive(ctx); err == nil && text == "hi" {
			got++
		}
	}
	fmt.Println(got)
	// Output:
	// sent 300 <nil>
	// 300
}
