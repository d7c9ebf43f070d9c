// This program is the four functions of the stack next to it: build it once with
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

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/wirepost/wirepost"
	_ "github.com/wirepost/wirepost/dynamostore" // the store on AWS
	_ "github.com/wirepost/wirepost/httpstore"   // the store of wirepost dev
	"github.com/wirepost/wirepost/jobs"
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
		worker, err := queueWorker(publisher, logger)
		if err != nil {
			log.Fatal(err)
		}
		lambda.Start(worker.HandleSQS)
	case "long": // what the next one hands on
		mux := wirepost.NewMux(store, &wirepost.MuxOptions{Logger: logger, Publisher: publisher})
		routes(mux)
		lambda.Start(mux)
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
	routes(mux)
	return mux, nil
}

// routes are your own, which the stack needs too if they have to answer before $default:
//
//	mux.Handle("hello", hello)
//	mux.HandleLong("ask", ask) // answers piece by piece, for up to 15 minutes
func routes(*wirepost.Mux) {}

// onThisMachine reports whether it is 'wirepost dev' that runs this: it sets the
// endpoint of its functions to one that is on this machine.
func onThisMachine() bool {
	return strings.HasPrefix(os.Getenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"), "http://localhost:")
}

// message is what the publish function is invoked with:
// {"to":"topic:lobby","data":{"text":"hi"}}.
type message struct {
	To   string          `json:"to"`
	Data json.RawMessage `json:"data"`
}

// reply counts the posts of a publish.
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
	nobody := r.Sent == 0 && r.Failed == r.NotDelivered && r.Missed > 0 // can have it
	if err == nil && (r.Next != "" || nobody) {
		err = fmt.Errorf("publish to %s: %w", to, r.Err())
	}
	return reply{r.Sent, r.Gone, r.Failed}, err
}

// queueWorker publishes what is in the queue: the same objects, with the ID of the
// queue's message as the envelope's, so that a client drops what comes twice. What has
// no time, and a connection that was missed while others were reached, goes on from the
// queue. A message that reached nobody comes again, and after five times it is in the
// dead-letter queue.
func queueWorker(publisher *wirepost.Publisher, logger *slog.Logger) (*jobs.Worker, error) {
	o := &jobs.Options{Logger: logger}
	if url := os.Getenv("WIREPOST_QUEUE_URL"); url != "" {
		queue, err := jobs.NewSQS(url, "")
		if err != nil {
			return nil, fmt.Errorf("WIREPOST_QUEUE_URL: %w", err)
		}
		o.Queue = queue
	}
	return jobs.New(publisher, o), nil
}
