package main

import (
	"context"
	"encoding/json"

	"github.com/wirepost/wirepost/doctor"
)

// askOf is X of a payload that is {"wirepost":"X"} and nothing more; empty otherwise.
func askOf(payload []byte) string {
	var ask struct {
		Wirepost string `json:"wirepost"`
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(payload, &members) != nil || len(members) != 1 || json.Unmarshal(payload, &ask) != nil {
		return ""
	}
	return ask.Wirepost
}

// runDoctor answers {"wirepost":"doctor"}, and nothing else: the payload names no
// endpoint and no URL, so that who may invoke the function cannot make it ask
// elsewhere.
func (f *function) runDoctor(ctx context.Context, payload []byte) ([]byte, error) {
	if askOf(payload) != "doctor" {
		return nil, invalid(`the payload has "wirepost"; only {"wirepost":"doctor"}, without more, is understood`)
	}
	if !f.doctor {
		return nil, invalid("the doctor is switched off in this function; WIREPOST_DOCTOR=1 lets it answer")
	}
	return doctor.Report(ctx, &doctor.Options{Store: f.store})
}
