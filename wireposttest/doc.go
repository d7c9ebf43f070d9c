// Package wireposttest tests programs that use wirepost: a gateway in the test's own
// process, WebSocket clients, tokens, a clock, and the conformance suite that every
// store driver passes.
//
// # A handler
//
// [NewMessage] makes a message of a connection; the handler is called with it, and
// [Sender] has what the handler posted to its client:
//
//	m, sender := wireposttest.NewMessage(t, nil, wirepost.Connection{User: "alice"}, `{"action":"track","order":"17"}`)
//	answer, err := track(t.Context(), m)
//
// A handler of wirepost.HandleJSON is tested in the same way, as the function that it
// is: with a message and a value of its type.
//
// # The whole function
//
// [NewGateway] is API Gateway with the function behind it. Clients connect with [Dial],
// as a browser does, and publishers post to it, signed, as to AWS:
//
//	store := wirepost.NewMemStore(nil)
//	g := wireposttest.NewGateway(t, newMux(store), nil)
//	alice, err := wireposttest.Dial(ctx, g.URL+"?user=alice", nil)
//	err = alice.Send(`{"action":"track","order":"17"}`)
//	answer, err := alice.Receive(ctx)
//
// The routes are those of the mux, each with a route response. A publisher on the same
// store finds the endpoint in it, as in production:
//
//	publisher := wirepost.NewPublisher(store, nil)
//	result, err := publisher.Publish(ctx, wirepost.ToUser("alice"), data, nil)
//
// Unset WIREPOST_ENDPOINT and AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI in the tests'
// environment: a mux keeps what they name in the place of the gateway's address.
//
// # Tokens
//
// [NewTokens] signs tokens for package jwtauth, or for any verifier of HS256:
//
//	tokens := wireposttest.NewTokens()
//	v, err := jwtauth.New(&jwtauth.Options{Key: tokens.Key, Issuer: tokens.Issuer, Audience: tokens.Audience})
//	alice, err := wireposttest.Dial(ctx, g.URL, tokens.Header("alice", &wireposttest.Token{Claims: wireposttest.Allow()}))
//
// # What goes wrong
//
// Each of these has an example in example_test.go.
//
//   - Gone: [Client.Cut] ends a connection as a lost network does. The gateway notices that a
//     moment later, and $disconnect removes the row; with the fault "disconnect:drop" the row
//     stays. A publish removes it when the connection is older than 30 s; [Clock] moves past
//     that.
//   - Slow: [Gateway.DialSlow] is a client that reads nothing. The gateway answers 429 for
//     it when its buffer is full.
//   - Throttled: gateway.Server.Fault, by rules or by a function, answers posts as AWS
//     does; "post:429:n=2" throttles the first two.
//   - Expired: a [Clock] of the store moves past wirepost.Accept.ExpiresAt, which package
//     jwtauth sets to the token's exp and a minute (jwtauth.Leeway).
//   - Many: hundreds of clients are cheap; a thousand connect in a second or so.
//
// # Time
//
// A test waits for nothing by sleeping: [Client.Receive] takes a context, and when it
// has returned, what was posted before is there. $disconnect runs some time after the
// client has left; a test waits for it with a channel that its Disconnect hook closes.
//
// # A store driver
//
// [TestStore] and [TestStoreRaces] check a driver against the contract of
// wirepost.Store.
package wireposttest
