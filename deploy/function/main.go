// This program is the four functions of the stack next to it: build it once with
// 'wirepost package', and WIREPOST_HANDLERS, which the stack sets, says which of
// them it is. It runs on this machine as it is:
//
//	wirepost dev --watch go:.
package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/doctor"
	_ "github.com/wirepost/wirepost/dynamostore" // the store on AWS
	_ "github.com/wirepost/wirepost/httpstore"   // the store of wirepost dev
	"github.com/wirepost/wirepost/jobs"
	"github.com/wirepost/wirepost/jwtauth"
)

func main() {
	var level slog.Level // the zero value is info
	if s := os.Getenv("WIREPOST_LOG_LEVEL"); s != "" {
		if err := level.UnmarshalText([]byte(s)); err != nil {
			log.Fatalf("WIREPOST_LOG_LEVEL: %v", err)
		}
	}
	logger := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	store, err := wirepost.OpenStore(context.Background(), "") // $WIREPOST_STORE
	if err != nil {
		log.Fatal(err)
	}
	publisher := wirepost.NewPublisher(store, &wirepost.PublisherOptions{Logger: logger})
	queue, err := openQueue()
	if err != nil {
		log.Fatal(err)
	}
	// The publish function and the queue take the same objects, such as
	// {"to":"topic:lobby","data":{"text":"hi"}}. What has no time goes on from the queue.
	worker := jobs.New(publisher, &jobs.Options{Queue: queue, Logger: logger})

	switch name, _, _ := strings.Cut(os.Getenv("WIREPOST_HANDLERS"), ","); name {
	case "sqs":
		lambda.Start(worker.HandleSQS)
	// What the next one hands on.
	case "long":
		mux := wirepost.NewMux(store, &wirepost.MuxOptions{Logger: logger, Publisher: publisher})
		routes(mux)
		lambda.Start(mux)
	case "invoke":
		lambda.Start(doctor.Handler(worker, &doctor.Options{Store: store}))
	default: // the events of the WebSocket API
		o := &wirepost.MuxOptions{Logger: logger, Publisher: publisher}
		protocol := &wirepost.ProtocolOptions{}
		if queue != nil {
			protocol.Unfinished = queue.Send
		}
		if err := authenticate(o, protocol, logger); err != nil {
			log.Fatal(err)
		}
		lambda.Start(newMux(store, publisher, o, protocol))
	}
}

// newMux is the function behind the WebSocket API: the protocol that wirepost.js speaks,
// and routes of your own.
func newMux(store wirepost.Store, publisher *wirepost.Publisher, o *wirepost.MuxOptions, protocol *wirepost.ProtocolOptions) *wirepost.Mux {
	mux := wirepost.NewMux(store, o)
	mux.HandleProtocol(publisher, protocol)
	routes(mux)
	return mux
}

// authenticate says who may connect and what they may do: tokens do or, on this machine
// without a key for them, the URL.
func authenticate(o *wirepost.MuxOptions, protocol *wirepost.ProtocolOptions, logger *slog.Logger) error {
	if onThisMachine() && os.Getenv("WIREPOST_JWT_KEY") == "" && os.Getenv("WIREPOST_JWT_JWKS_URL") == "" {
		logger.Warn("without tokens, for development: everybody is who the URL says")
		o.Connect = believe
		return nil
	}
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
		return err
	}
	o.Connect = tokens.Connect
	protocol.Allow, protocol.MayCancel = jwtauth.Allow, jwtauth.MayCancel
	return nil
}

// believe is for this machine only.
func believe(_ context.Context, r *wirepost.ConnectRequest) (wirepost.Accept, error) {
	accept := wirepost.Accept{User: strings.Join(r.Query("user"), ""), Topics: r.Query("topic")}
	for _, offered := range r.Subprotocols() {
		if offered == wirepost.Subprotocol {
			accept.Subprotocol = offered
		}
	}
	if err := accept.Validate(); err != nil { // the client chose the names
		return wirepost.Accept{}, wirepost.Refuse(400, err.Error())
	}
	return accept, nil
}

// routes are your own. One that has a route of the stack answers before $default.
func routes(mux *wirepost.Mux) {
	wirepost.HandleJSON(mux, "track", track)
	// mux.HandleLong("ask", ask) answers piece by piece, for up to 15 minutes.
}

// onThisMachine reports whether it is 'wirepost dev' that runs this: it sets the
// endpoint of its functions to one that is on this machine.
func onThisMachine() bool {
	return strings.HasPrefix(os.Getenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"), "http://localhost:")
}

// openQueue is the queue of the stack; nil if there is none, as under 'wirepost dev'.
func openQueue() (jobs.Queue, error) {
	url := os.Getenv("WIREPOST_QUEUE_URL")
	if url == "" {
		return nil, nil
	}
	queue, err := jobs.NewSQS(url, "")
	if err != nil {
		return nil, fmt.Errorf("WIREPOST_QUEUE_URL: %w", err)
	}
	return queue, nil
}
