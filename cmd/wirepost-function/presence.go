package main

import (
	"context"
	"encoding/json"

	"github.com/wirepost/wirepost"
)

// presence completes the options of presence by the environment; nil where none is kept.
func (c settings) presence(o *wirepost.PresenceOptions) *wirepost.PresenceOptions {
	if c.within == 0 {
		return nil
	}
	o.Within, o.Gather = c.within, c.gather
	return o
}

// sweepPresence answers {"wirepost":"sweep-presence"}, which a schedule sends every minute.
func (f *function) sweepPresence(ctx context.Context) ([]byte, error) {
	if f.within == 0 {
		return json.Marshal(wirepost.PresenceSwept{})
	}
	swept, err := f.publisher.SweepPresence(ctx, f.settings.presence(&wirepost.PresenceOptions{}))
	if err != nil { // what was not done is due in a minute
		return nil, &PublishFailed{Message: err.Error()}
	}
	if swept.Lapsed+swept.Again > 0 {
		f.logger.Info("ended leases of presence", "lapsed", swept.Lapsed, "left", swept.Left, "announcedAgain", swept.Again)
	}
	return json.Marshal(swept)
}
