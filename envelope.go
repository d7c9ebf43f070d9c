package wirepost

import (
	"crypto/rand"
	"encoding/json"
	"strings"
)

// Envelope is the message frame of docs/protocol.md, version 1, which is what
// wirepost.js and other clients of that protocol understand:
//
//	{"type":"message","id":"…","to":"topic:lobby","from":"alice","data":…}
//
// A publish sends the bytes that it is given and knows nothing of envelopes:
// a caller that wants one makes it, once for each publish, and publishes its frame.
//
//	data, err := wirepost.NewEnvelope(to, payload).Frame()
//	result, err := publisher.Publish(ctx, to, data, nil)
type Envelope struct {
	// ID is the same wherever the message arrives, and again if it is sent again:
	// a client drops what it has seen. 1 to 128 visible ASCII characters.
	ID string
	// To is whom the message was published to.
	To Audience
	// From is the user who sent it; empty for a program.
	From string
	// Data is any JSON value.
	Data json.RawMessage
}

// NewEnvelope makes an envelope with a random ID of 26 characters. The data is a
// JSON value; what is not JSON is found by Frame.
func NewEnvelope(to Audience, data []byte) Envelope {
	return Envelope{ID: rand.Text(), To: to, Data: data}
}

// envelopeFrame is an envelope on the wire, and the order of its members.
type envelopeFrame struct {
	Type string          `json:"type"`
	ID   string          `json:"id"`
	To   string          `json:"to"`
	From string          `json:"from,omitempty"`
	Data json.RawMessage `json:"data"`
}

// Frame is what is sent: compact JSON, and the data as it is but for the space
// between its tokens. It refuses an ID, an audience or data that are not what the
// fields say.
func (e Envelope) Frame() ([]byte, error) {
	if e.ID == "" || len(e.ID) > 128 || strings.ContainsFunc(e.ID, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, invalidf("envelope: the ID %q is not 1 to 128 visible ASCII characters", clip(e.ID))
	}
	if err := e.To.Validate(); err != nil {
		return nil, invalidf("envelope: %w", err)
	}
	if len(e.Data) == 0 {
		return nil, invalidf("envelope to %s: there is no data", e.To)
	}
	var raw json.RawMessage
	if err := json.Unmarshal(e.Data, &raw); err != nil {
		return nil, invalidf("envelope to %s: the data is not JSON: %s", e.To, jsonFault(err))
	}
	return encodeFrame(envelopeFrame{"message", e.ID, e.To.String(), e.From, e.Data})
}

// MarshalJSON is [Envelope.Frame], so that an envelope may be part of other JSON.
func (e Envelope) MarshalJSON() ([]byte, error) { return e.Frame() }

// UnmarshalJSON reads a message frame; of another type it is an error.
func (e *Envelope) UnmarshalJSON(b []byte) error {
	var f envelopeFrame
	if err := json.Unmarshal(b, &f); err != nil {
		return invalidf("envelope: %s", jsonFault(err))
	}
	if f.Type != "message" {
		return invalidf("envelope: the frame's type is %q, not \"message\"", clip(f.Type))
	}
	to, err := ParseAudience(f.To)
	if err != nil {
		return invalidf("envelope: %w", err)
	}
	*e = Envelope{f.ID, to, f.From, f.Data}
	return nil
}
