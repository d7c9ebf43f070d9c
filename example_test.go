package wirepost_test

import (
	"context"
	"errors"
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

// A typed handler reads its frame and answers it. Nothing else is needed for a route of
// one's own.
func ExampleHandleJSON() {
	type order struct {
		Number string `json:"number"`
	}
	mux := wirepost.NewMux(wirepost.NewMemStore(nil), &wirepost.MuxOptions{Connect: believe})
	wirepost.HandleJSON(mux, "track", func(_ context.Context, _ *wirepost.Message, in order) (any, error) {
		if in.Number != "17" {
			return nil, &wirepost.FrameError{Code: "no-order", Text: "there is no order " + in.Number}
		}
		return map[string]string{"at": "Oslo"}, nil
	})
	gateway, stop, err := wireposttest.StartGateway(mux, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer stop()
	ctx := context.Background()
	alice, err := wireposttest.Dial(ctx, gateway.URL+"?user=alice", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer alice.Close()
	for _, frame := range []string{`{"action":"track","ref":1,"number":"17"}`, `{"action":"track","ref":2,"number":"18"}`} {
		if err := alice.Send(frame); err != nil {
			log.Fatal(err)
		}
		fmt.Println(alice.Receive(ctx))
	}
	// Output:
	// {"type":"ack","ref":1,"data":{"at":"Oslo"}} <nil>
	// {"type":"error","ref":2,"code":"no-order","text":"there is no order 18"} <nil>
}

// Middleware is around every handler that is set after it.
func ExampleMux_Use() {
	mux := wirepost.NewMux(wirepost.NewMemStore(nil), nil)
	mux.Use(func(next wirepost.Handler) wirepost.Handler {
		return func(ctx context.Context, m *wirepost.Message) ([]byte, error) {
			answer, err := next(ctx, m)
			fmt.Printf("%s was answered %s\n", m.RouteKey, answer)
			return answer, err
		}
	})
	mux.Handle("hello", func(context.Context, *wirepost.Message) ([]byte, error) { return []byte("hi"), nil })
	event := `{"requestContext":{"eventType":"MESSAGE","routeKey":"hello","connectionId":"L0SM9cOFvHcCIhw=","apiId":"abc123","stage":"prod","domainName":"abc123.execute-api.eu-west-1.amazonaws.com","connectedAt":1700000000000,"requestTimeEpoch":1700000000017}}`
	if _, err := mux.Invoke(context.Background(), []byte(event)); err != nil {
		log.Fatal(err)
	}
	// Output: hello was answered hi
}

// What an HTTP service answers its own client for the error of a publish.
func ExamplePublisher_Publish_http() {
	publisher := wirepost.NewPublisher(wirepost.NewMemStore(nil), nil)
	defer publisher.CloseIdleConnections()
	status := func(err error) int {
		switch {
		case err == nil:
			return 200
		case errors.Is(err, wirepost.ErrInvalid): // the client's mistake
			return 400
		case wirepost.ProblemOf(err) == wirepost.ProblemStore, errors.Is(err, context.DeadlineExceeded):
			return 503 // later, perhaps
		}
		return 500
	}
	for _, topic := range []string{"lobby", ""} {
		_, err := publisher.Publish(context.Background(), wirepost.ToTopic(topic), []byte("hi"), nil)
		fmt.Println(status(err), err)
	}
	// Output:
	// 200 <nil>
	// 400 audience "topic:": the name is empty
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
