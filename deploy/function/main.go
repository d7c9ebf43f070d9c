// This program is the three functions of the stack beside it: build it once with
// 'wirepost package', and WIREPOST_HANDLERS, which the stack sets, says which of
// them it is. It runs on this machine as it is:
//
//	wirepost dev --watch --route-response '$default' go:.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/wirepost/wirepost"
	_ "github.com/wirepost/wirepost/dynamostore" // the store on AWS
	_ "github.com/wirepost/wirepost/httpstore"   // the store of wirepost dev
	"github.com/wirepost/wirepost/jwtauth"
)

func main() {
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	store, err := wirepost.OpenStore(context.Background(), os.Getenv("WIREPOST_STORE"))
	if err != nil {
		log.Fatal(err)
	}
	publisher := wirepost.NewPublisher(store, &wirepost.PublisherOptions{Logger: logger})

	switch name, _, _ := strings.Cut(os.Getenv("WIREPOST_HANDLERS"), ","); name {
	case "sqs":
		lambda.Start(queue{publisher}.handle)
	case "invoke":
		lambda.Start(func(ctx context.Context, m message) (reply, error) { return m.publish(ctx, publisher) })
	default: // the events of the WebSocket API
		mux, err := socket(store, publisher, logger)
		if err != nil {
			log.Fatal(err)
		}
		lambda.Start(mux)
	}
}

// socket is the function behind the WebSocket API.
func socket(store wirepost.Store, publisher *wirepost.Publisher, logger *slog.Logger) (*wirepost.Mux, error) {
	o := &wirepost.MuxOptions{Logger: logger}
	var allow func(context.Context, wirepost.Connection, string, wirepost.Audience) bool
	if onThisMachine() && os.Getenv("WIREPOST_JWT_KEY") == "" && os.Getenv("WIREPOST_JWT_JWKS_URL") == "" {
		logger.Warn("without tokens, for development: everybody is who the URL says")
		o.Connect = func(_ context.Context, r *wirepost.ConnectRequest) (wirepost.Accept, error) {
			return wirepost.Accept{User: strings.Join(r.Query("user"), ""), Topics: r.Query("topic")}, nil
		}
	} else {
		var origins []string
		if s := os.Getenv("WIREPOST_ALLOW_ORIGIN"); s != "" {
			origins = strings.Split(s, ",")
		}
		tokens, err := jwtauth.New(&jwtauth.Options{
			JWKSURL: os.Getenv("WIREPOST_JWT_JWKS_URL"), Key: os.Getenv("WIREPOST_JWT_KEY"),
			Issuer: os.Getenv("WIREPOST_JWT_ISSUER"), Audience: os.Getenv("WIREPOST_JWT_AUDIENCE"),
			Claim: os.Getenv("WIREPOST_JWT_CLAIM"), AllowOrigins: origins, Logger: logger,
		})
		if err != nil {
			return nil, err
		}
		o.Connect, allow = tokens.Connect, jwtauth.Allow
	}
	mux := wirepost.NewMux(store, o)
	mux.HandleProtocol(publisher, &wirepost.ProtocolOptions{Allow: allow})
	// Routes of your own go here, and into the stack:
	//	mux.Handle("hello", hello)
	return mux, nil
}

// onThisMachine reports whether it is 'wirepost dev' that runs this: it sets the
// endpoint of its functions to one that is on this machine.
func onThisMachine() bool {
	return strings.HasPrefix(os.Getenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"), "http://localhost:")
}

// message is what the publish function is invoked with, and the body of a message in
// the queue: {"to":"topic:lobby","data":{"text":"hi"}}.
type message struct {
	To   string          `json:"to"`
	Data json.RawMessage `json:"data"`
}

// reply says what became of it.
type reply struct {
	Sent   int `json:"sent"`
	Gone   int `json:"gone"`
	Failed int `json:"failed"`
}

func (m message) publish(ctx context.Context, publisher *wirepost.Publisher) (reply, error) {
	to, err := wirepost.ParseAudience(m.To)
	if err != nil {
		return reply{}, err
	}
	frame, err := wirepost.NewEnvelope(to, m.Data).Frame()
	if err != nil {
		return reply{}, err
	}
	r, err := publisher.Publish(ctx, to, frame, nil)
	if err == nil && r.Next != "" {
		err = fmt.Errorf("publish to %s: the time was over after %d", to, r.Sent)
	}
	return reply{r.Sent, r.Gone, r.Failed}, err
}

// queue publishes what is in the queue.
type queue struct{ publisher *wirepost.Publisher }

// handle says which messages failed: those come again, and after five times they are
// in the dead-letter queue.
func (q queue) handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for _, record := range batch.Records {
		var m message
		err := json.Unmarshal([]byte(record.Body), &m)
		if err == nil {
			_, err = m.publish(ctx, q.publisher)
		}
		if err != nil {
			slog.Error("publish from the queue", "message", record.MessageId, "error", err)
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: record.MessageId})
		}
	}
	return answer, nil
}
