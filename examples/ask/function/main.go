// Command function is the example ask as a Lambda function: build it as "bootstrap" for
// provided.al2023. It opens the store that WIREPOST_STORE names, and hands long work to
// itself, or to the function that WIREPOST_LONG_FUNCTION names.
//
//	wirepost dev --route-response '$default' --page examples/ask/page go:examples/ask/function
package main

import (
	"context"
	"log"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/wirepost/wirepost"
	_ "github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/examples/ask"
	_ "github.com/wirepost/wirepost/httpstore" // http://…, which wirepost dev lends its functions
)

func main() {
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	store, err := wirepost.OpenStore(context.Background(), "")
	if err != nil {
		log.Fatal(err)
	}
	publisher := wirepost.NewPublisher(store, &wirepost.PublisherOptions{Logger: logger})
	lambda.Start(ask.New(store, publisher, &ask.Options{Logger: logger}))
}
