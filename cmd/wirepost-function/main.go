// Command wirepost-function is the ready-made Lambda function: build it as
// "bootstrap" for provided.al2023, arm64 or x86-64.
//
//	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go build -tags lambda.norpc -trimpath -ldflags='-s -w' -o bootstrap ./cmd/wirepost-function
//
// One binary has every handler of a stack, and WIREPOST_HANDLERS says which of
// them a function is:
//
//	websocket    the events of a WebSocket API: clients that speak docs/protocol.md
//	invoke       {"to":"user:alice","data":…}: any language publishes by invoking it
//	sqs          messages whose bodies are the same objects, with partial failures
//	sns          notifications whose messages are the same objects
//	eventbridge  events whose details are the same objects
//	doctor       {"wirepost":"doctor"}
//
// docs/function.md has the objects, the replies and what happens when the time
// ends. A bad request is a function error of the type InvalidRequest, a publish
// that failed as a whole one of the type PublishFailed.
//
// # Environment
//
// It is read once, at the start. A value that cannot be is named on standard error
// and ends the process; a variable that is empty counts as not set.
//
//	WIREPOST_STORE          the store, such as dynamodb://TABLE?region=REGION. Required.
//	WIREPOST_HANDLERS       which handlers there are, with commas between them.
//	                        Default: all.
//	WIREPOST_ENDPOINT       an explicit management endpoint, for APIs whose execute-api
//	                        endpoint is disabled. Default: it is learned from events.
//	WIREPOST_JWT_JWKS_URL   the https URL of the key set that tokens are verified with,
//	WIREPOST_JWT_KEY        or the one key: a PEM block with a public key or certificate
//	                        (line breaks may be written \n), or hmac: and a base64
//	                        secret of at least 32 bytes. One of the two is required for
//	                        websocket, with the next two.
//	WIREPOST_JWT_ISSUER     what a token's iss must be.
//	WIREPOST_JWT_AUDIENCE   what a token's aud must be, or have among others.
//	WIREPOST_JWT_CLAIM      the claim that says what a connection may do.
//	                        Default: wirepost.
//	WIREPOST_ALLOW_ORIGIN   the origins whose pages may connect, such as
//	                        https://app.example.com, with commas between them.
//	                        Default: all; a page needs a token all the same.
//	WIREPOST_QUEUE_URL      the SQS queue where a publish goes on that had no time, or
//	                        missed some connections while it reached others; its
//	                        messages are for this function's sqs handler. Default:
//	                        docs/function.md says what is left to whom.
//	WIREPOST_KEEP           for how long messages to topics are kept, such as
//	                        lobby=24h,orders/*=10m. Default: what a publish says.
//	WIREPOST_LOG_LEVEL      debug, info, warn or error. Default: info.
//	WIREPOST_DOCTOR         1 lets the doctor answer, to anyone who may invoke the
//	                        function. Default: it refuses.
//
// AWS sets AWS_REGION and the credentials of the role.
//
// # Without tokens
//
// Under "wirepost dev", and nowhere else, websocket works without a key: everybody
// is who the URL says (?user=alice), may do everything, and the log says so. The
// function knows that it is under dev by the endpoint that dev puts into its
// environment, which is on this machine: such a function reaches no client of
// another. Nothing in an event decides it.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	_ "github.com/wirepost/wirepost/dynamostore"
	_ "github.com/wirepost/wirepost/httpstore" // http://…, which wirepost dev lends its functions
)

func main() {
	go loadRoots()() // what it returns takes a core for as long as all else here
	c, err := parseConfig(os.Environ())
	if err != nil {
		fmt.Fprintf(os.Stderr, "wirepost-function: error: %v\n", err)
		os.Exit(1)
	}
	logger := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: c.level}))
	f, err := newFunction(context.Background(), c, logger)
	if err != nil {
		fmt.Fprintf(os.Stderr, "wirepost-function: error: %v\n", err)
		os.Exit(1)
	}
	lambda.Start(f)
}
