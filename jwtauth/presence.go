package jwtauth

import (
	"context"
	"encoding/json"

	"github.com/wirepost/wirepost"
)

// Presence are options of [wirepost.MuxOptions].Presence that ask the rights which
// [Verifier.Connect] kept with the connection: where it is seen, where it may look, and what
// others see of it. Claims that are not such rights allow nothing.
func Presence() *wirepost.PresenceOptions {
	return &wirepost.PresenceOptions{
		Info: func(c wirepost.Connection) json.RawMessage {
			r, _ := kept(c)
			return r.Info
		},
		Seen: func(_ context.Context, c wirepost.Connection, topic string) bool {
			r, ok := kept(c)
			return ok && r.IsSeen(topic)
		},
		Look: func(_ context.Context, c wirepost.Connection, topic string) bool {
			r, ok := kept(c)
			return ok && r.MayLook(topic)
		},
	}
}

// kept are the rights that are kept with a connection.
func kept(c wirepost.Connection) (Rights, bool) {
	var raw any
	if json.Unmarshal([]byte(c.Claims), &raw) != nil {
		return Rights{}, false
	}
	r, err := rightsOf(raw)
	return r, err == nil
}
