// Command function is the example notify as a Lambda function: build it as
// "bootstrap" for provided.al2023. It opens the store that WIREPOST_STORE names.
package main

import (
	"context"
	"log"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/wirepost/wirepost"
	_ "github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/examples/notify"
	_ "github.com/wirepost/wirepost/httpstore" // http://…, which wirepost dev lends its functions
	_ "github.com/wirepost/wirepost/sqlitestore"
)

func main() {
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	store, err := wirepost.OpenStore(context.Background(), "")
	if err != nil {
		log.Fatal(err)
	}
	publisher := wirepost.NewPublisher(store, &wirepost.PublisherOptions{Logger: logger})
	lambda.Start(notify.New(store, publisher, &notify.Options{Logger: logger}))
}
