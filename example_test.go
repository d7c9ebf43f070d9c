package wirepost_test

import (
	"context"
	"fmt"
	"log"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/wireposttest"
)

// believe takes the user and the topics from the URL, which only an example may.
func believe(_ context.Context, r *wirepost.ConnectRequest) (wirepost.Accept, error) {
	users := r.Query("user")
	if len(users) == 0 {
		return wirepost.Accept{}, wirepost.Refuse(401, "nobody said who this is")
	}
	return wirepost.Accept{User: users[0], Topics: r.Query("topic")}, nil
}

// The whole in one process: a WebSocket function keeps who is connected, and a
// publisher that has never seen an event pushes to them.
func Example() {
	ctx := context.Background()
	store := wirepost.NewMemStore(nil)

	// The WebSocket function. On AWS: lambda.Start(mux).
	mux := wirepost.NewMux(store, &wirepost.MuxOptions{Connect: believe})
	gateway, stop, err := wireposttest.StartGateway(mux, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer stop()

	alice, err := wireposttest.Dial(ctx, gateway.URL+"?user=alice&topic=lobby", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer alice.Close()

	// Any other function.
	publisher := wirepost.NewPublisher(store, nil)
	defer publisher.CloseIdleConnections()
	result, err := publisher.Publish(ctx, wirepost.ToTopic("lobby"), []byte(`{"text":"hi"}`), nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result)
	fmt.Println(alice.Receive(ctx))
	// Output:
	// sent 1
	// {"text":"hi"} <nil>
}

// A handler gets the messages of its route. What it returns reaches the sender if
// the route has a route response; here it answers through the publisher instead.
func ExampleMux_Handle() {
	ctx := context.Background()
	store := wirepost.NewMemStore(nil)
	publisher := wirepost.NewPublisher(store, nil)
	defer publisher.CloseIdleConnections()
	mux := wirepost.NewMux(store, &wirepost.MuxOptions{Connect: believe})
	mux.Handle("$default", func(ctx context.Context, m *wirepost.Message) ([]byte, error) {
		sender, err := m.Connection(ctx)
		if err != nil {
			return nil, err
		}
		return nil, publisher.Post(ctx, m.ConnectionID, fmt.Appendf(nil, "%s said %s", sender.User, m.Body))
	})
	gateway, stop, err := wireposttest.StartGateway(mux, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer stop()
	alice, err := wireposttest.Dial(ctx, gateway.URL+"?user=alice", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer alice.Close()
	if err := alice.Send("hello"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(alice.Receive(ctx))
	// Output: alice said hello <nil>
}

// A connection that has ended is a count and not an error.
func ExamplePublisher_Publish() {
	publisher := wirepost.NewPublisher(wirepost.NewMemStore(nil), nil)
	defer publisher.CloseIdleConnections()
	result, err := publisher.Publish(context.Background(), wirepost.ToConnection("L0SM9cOFvHcCIhw="), []byte("hi"), nil)
	fmt.Println(result, err)
	// Output: sent 0, gone 1 <nil>
}

// Every mistake that can be seen in an endpoint is found before anything is sent.
func ExampleParseEndpoint() {
	_, err := wirepost.ParseEndpoint("wss://abc123.execute-api.eu-west-1.amazonaws.com/prod", nil)
	e := err.(*wirepost.Error)
	fmt.Println(e.Problem)
	fmt.Println(e.Detail)
	fmt.Println(e.Fix())
	// Output:
	// endpoint-scheme
	// the endpoint starts with wss://, the address that clients dial; sending uses HTTPS
	// use https://abc123.execute-api.eu-west-1.amazonaws.com/prod
}

// A store is named by a URL, so that the same program runs on every one.
func ExampleOpenStore() {
	store, err := wirepost.OpenStore(context.Background(), "mem:")
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	stages, err := store.Stages(context.Background())
	fmt.Println(len(stages), err)
	// Output: 0 <nil>
}

// An audience has a text form.
func ExampleParseAudience() {
	to, err := wirepost.ParseAudience("user:alice")
	fmt.Println(to == wirepost.ToUser("alice"), err)
	_, err = wirepost.ParseAudience("usr:alice")
	fmt.Println(err)
	// Output:
	// true <nil>
	// audience "usr:alice": expected user:NAME, topic:NAME, connection:ID or everyone (did you mean "user:"?)
}

// The error of AWS's own client, whose text ends after "ForbiddenException: ", is
// explained in the same way.
func ExampleExplain() {
	err := fmt.Errorf("notify alice: %w", &wirepost.Error{
		Problem: wirepost.ProblemForbidden, Status: 403, Endpoint: "https://abc123.execute-api.eu-west-1.amazonaws.com/prod",
	})
	e := wirepost.Explain(err)
	fmt.Println(e.Problem)
	fmt.Println(e.Candidates)
	fmt.Println(e.Fix())
	// Output:
	// forbidden-unexplained
	// [stage-not-deployed execute-api-disabled stage-unknown deployment-stale]
	// run 'wirepost doctor --control-plane', which tells the candidates apart
}
