// Package wirepost pushes messages from Go code to WebSocket clients, on
// Amazon API Gateway or, with the same code and no AWS account, on one machine.
//
// # The problem
//
// A function behind an API Gateway WebSocket API can only send through the
// API's own management endpoint. A WebSocket event carries what is needed to
// know it; no other event does. So a queue consumer or a cron job that wants to
// push takes the endpoint and the connections from a [Store], in which the
// WebSocket function keeps them.
//
// # The two halves
//
// The WebSocket function runs a [Mux]. It learns the endpoint from every event,
// keeps a row for each connection, and calls your handlers:
//
//	mux := wirepost.NewMux(store, &wirepost.MuxOptions{Connect: whoIsIt})
//	wirepost.HandleJSON(mux, "track", track)
//	lambda.Start(mux)
//
// Any other program opens the same store and publishes:
//
//	publisher := wirepost.NewPublisher(store, nil)
//	result, err := publisher.Publish(ctx, wirepost.ToUser("alice"), []byte(`{"text":"hi"}`), nil)
//
// Publish sends through the signed management API everywhere, on a laptop too,
// so what works there works on AWS.
//
// # Credentials
//
// Lambda puts the credentials of the function's role into the environment, and that
// is where they are looked for. A program that runs elsewhere, in a container, on a
// server or on a laptop with profiles, imports AWS's whole chain as well:
//
//	import _ "github.com/wirepost/wirepost/awschain"
//
// It is a package of its own because a Lambda would pay for it at each cold start.
//
// # Stores
//
// [OpenStore] opens what the environment variable WIREPOST_STORE names. A driver
// is linked by a blank import, as in database/sql:
//
//	import _ "github.com/wirepost/wirepost/dynamostore" // on AWS
//	import _ "github.com/wirepost/wirepost/httpstore"   // under 'wirepost dev'
//
// # Gone, failed, sent
//
// A connection that has ended answers 410 Gone. That is a result and not an
// error: [Result] counts it, and its row is removed if the guards of
// [Publisher.Publish] allow it. A post that fails is counted under the
// [Problem] that explains it, and [Result.Err] makes one error of all of them.
//
// # Messages that are kept
//
// With [PublishOptions].Keep a message to a topic is appended to the topic's log before it
// is sent. A client that was away reads what it missed, in order and once, or is told how
// much is no longer kept. The store must be a [Log]; the stores of this module are. [Mux.HandleProtocol]
// answers the clients, package client and clients/js ask.
//
// # Answers in pieces
//
// [Publisher.Stream] sends an answer that grows, such as that of a language model, with one
// post in flight for each connection: what is written meanwhile goes into the next. Its
// context ends when nobody reads any more. A handler of [Mux.HandleLong] has such a stream,
// and more time than the 29 seconds of an integration.
//
// # Who is present
//
// With [MuxOptions].Presence clients can be present in a topic and see who else is.
// [Publisher.Members] lists them. [Publisher.SweepPresence], called every minute, ends those
// that vanished; [PresenceOptions].Within is the bound.
//
// # When it fails
//
// An error is an [ErrInvalid] if the caller gave what can never work, has the [Problem]
// [ProblemStore] if the store failed, and is an [*Error] with another problem if a post
// did.
//
// [Explain] names the problem of an error of a send, of this package or of AWS's own
// client, with its fix. The command 'wirepost doctor' looks for it, and package
// doctor does so inside a function.
//
// # Environment
//
//	WIREPOST_STORE     the store that OpenStore opens
//	WIREPOST_ENDPOINT  an explicit management endpoint, for APIs whose default
//	                   execute-api endpoint is disabled
//	WIREPOST_KEEP      for how long messages to topics are kept, such as
//	                   lobby=24h,orders/*=10m; see ParseKeep
//	WIREPOST_LONG_FUNCTION
//	                   the function that Mux.HandleLong hands work to, by its ARN
//	                   with its alias or by its name; default: this one
//	AWS_ENDPOINT_URL_LAMBDA
//	                   where Lambda is, if not in the region
//	AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI
//	                   the same, under the name that AWS's SDKs use; read last
//	AWS_REGION         the region of events whose host does not name one
//	AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
//	                   what posts to AWS are signed with
package wirepost

// Version is the version of this module. Between releases it ends in "-dev".
const Version = "0.2.0-dev"
