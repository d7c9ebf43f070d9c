package main

import (
	"context"

	"github.com/wirepost/wirepost"
)

// A route of your own. A client sends {"action":"track","ref":"1","order":"17"}, or
// client.request("track", {order: "17"}) of wirepost.js, and is answered
// {"type":"ack","ref":"1","data":{"order":"17","state":"on its way"}}. From then on it
// gets what is published to the topic order.17, as long as this connection lasts:
// wirepost.js replaces it within two hours. A page that follows an order for longer calls
// client.subscribe("order.17"), which holds for all its connections; a token has to allow it.

// trackRequest is what a client asks with. HandleJSON refuses a frame that does not fit.
type trackRequest struct {
	Order string `json:"order"`
}

// trackAnswer is the data of the answer.
type trackAnswer struct {
	Order string `json:"order"`
	State string `json:"state"`
}

// track answers a client and subscribes it to an order. An error that is a FrameError is
// for the client; any other is in the log, and the client is told "internal".
func track(ctx context.Context, m *wirepost.Message, in trackRequest) (any, error) {
	topic := "order." + in.Order
	if in.Order == "" || wirepost.ValidateName(topic) != nil {
		return nil, &wirepost.FrameError{Code: "no-order", Text: `"order" is missing or too long`}
	}
	// The sender's user, topics and claims. It is here that you decide whose order it is.
	sender, err := m.Connection(ctx)
	if err != nil {
		return nil, err
	}
	if sender.User == "" {
		return nil, &wirepost.FrameError{Code: "forbidden", Text: "only users have orders"}
	}
	if err := m.Subscribe(ctx, topic); err != nil {
		return nil, err
	}
	return trackAnswer{Order: in.Order, State: "on its way"}, nil
}
