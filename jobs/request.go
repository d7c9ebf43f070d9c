package jobs

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
)

// object is what any language publishes with; docs/function.md describes it.
type object struct {
	To          string          `json:"to"`
	Data        json.RawMessage `json:"data"`
	Text        *string         `json:"text"`
	Except      string          `json:"except"`
	AtLeastOnce bool            `json:"atLeastOnce"`
	ID          string          `json:"id"`
	Parts       int             `json:"parts"`
	Keep        *string         `json:"keep"`
	Again       bool            `json:"again"`
}

// Request is a payload that was read: one job, or several for the queue.
type Request struct {
	// ID is the envelope's; empty if there is none.
	ID   string
	Jobs []wirepost.Job

	// Keep is for how long the message is kept in the log of its topic, as in
	// [wirepost.PublishOptions]: 0 for what the publisher's rules say, negative for not at
	// all. Of a message that is kept, Jobs get the frame with its position before they are
	// done or put into a queue. A payload that is a job is never kept: what was to be kept
	// has its position.
	Keep time.Duration
	// Again and FirstSent are those of [wirepost.PublishOptions]: set them for an event
	// that comes again.
	Again     bool
	FirstSent time.Time
}

// Parse reads a publish object or a job. The error is an [*InvalidRequest].
//
// eventID becomes the envelope's ID if the object has none of its own and if it can be
// one: give the ID of the event that the payload came in. The same event has the same
// ID when it comes again, so that clients drop what they have seen. It names the jobs
// too. Empty makes a random one.
func Parse(payload []byte, eventID string) (Request, error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(payload, &members) != nil || members == nil {
		return Request{}, invalid("the publish object is not a JSON object")
	}
	if _, isJob := members["publish"]; isJob {
		return parseJob(payload)
	}
	var o object
	if err := strict(payload, &o); err != nil {
		return Request{}, invalid("the publish object: %v", err)
	}
	to, err := wirepost.ParseAudience(o.To)
	switch {
	case o.To == "":
		return Request{}, invalid(`the publish object has no "to"`)
	case err != nil:
		return Request{}, invalid(`the publish object's "to": %v`, err)
	case len(o.Data) == 0 && o.Text == nil:
		return Request{}, invalid(`the publish object has neither "data" nor "text"; one of them is the message`)
	case len(o.Data) > 0 && o.Text != nil:
		return Request{}, invalid(`the publish object has both "data" and "text"; one of them is the message`)
	case o.Text != nil && o.ID != "":
		return Request{}, invalid(`the publish object has "text" and "id"; a text is sent as it is, and has no ID`)
	case o.Parts < 0 || o.Parts > wirepost.MaxParts:
		return Request{}, invalid(`the publish object's "parts" is %d; it must be from 1 to %d`, o.Parts, wirepost.MaxParts)
	}
	if o.Except != "" {
		if err := wirepost.ValidateConnectionID(o.Except); err != nil {
			return Request{}, invalid(`the publish object's "except": %v`, err)
		}
	}
	var r Request
	var message []byte
	if o.Text != nil {
		message = []byte(*o.Text)
	} else {
		e := wirepost.NewEnvelope(to, o.Data)
		if id := cmp.Or(o.ID, envelopeID(eventID)); id != "" {
			e.ID = id
		}
		if message, err = e.Frame(); err != nil {
			return Request{}, invalid("the publish object: %v", err)
		}
		r.ID = e.ID
	}
	if r.Keep, err = o.keep(to); err != nil {
		return Request{}, err
	}
	r.Again = o.Again
	if r.Jobs, err = wirepost.Split(to, message, max(o.Parts, 1), &wirepost.PublishOptions{Except: o.Except, AtLeastOnce: o.AtLeastOnce}); err != nil {
		return Request{}, invalid("the publish object: %v", err)
	}
	// The jobs of an event that comes again are the same: a FIFO queue drops them.
	if id := envelopeID(eventID); id != "" {
		for i := range r.Jobs {
			r.Jobs[i].Publish = id
		}
	}
	return r, nil
}

// keep is for how long the object says that its message is kept.
func (o *object) keep(to wirepost.Audience) (time.Duration, error) {
	switch {
	case o.Again && o.ID == "":
		return 0, invalid(`the publish object has "again" and no "id"; a message is found again by its id`)
	case o.Keep == nil:
		return 0, nil
	}
	d, err := time.ParseDuration(*o.Keep)
	switch {
	case err != nil || d < 0 || d > 0 && (d < time.Millisecond || d > wirepost.MaxKeep):
		return 0, invalid(`the publish object's "keep" is %q; it is a time such as "24h" or "90s", or "0" for a message that is not kept`, clip(*o.Keep))
	case d == 0:
		return -1, nil
	case to.Kind != wirepost.KindTopic:
		return 0, invalid(`the publish object has "keep", and is to %s; only messages to a topic are kept`, to)
	}
	return d, nil
}

func clip(s string) string {
	if len(s) <= 100 {
		return s
	}
	return s[:100] + "…"
}

func parseJob(payload []byte) (Request, error) {
	var j wirepost.Job
	err := strict(payload, &j)
	if err == nil {
		err = j.To.Validate()
	}
	if err == nil {
		err = wirepost.CheckMessage([]byte(j.Text))
	}
	if err == nil && (j.Publish == "" || len(j.Publish) > 128) {
		err = errors.New(`"publish" is not 1 to 128 bytes long`)
	}
	if err == nil {
		err = wirepost.ListOptions{Part: j.Part, Parts: j.Parts}.Validate()
	}
	if err != nil {
		return Request{}, invalid("the job: %v", err)
	}
	return Request{Jobs: []wirepost.Job{j}, Keep: -1}, nil
}

// strict reads one JSON object whose members are all known: a name that is written
// wrongly must not be an option that is left out.
func strict(payload []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	return wordless(err)
}

// wordless takes the package's name, and what Go calls things, out of an error.
func wordless(err error) error {
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &kind):
		return fmt.Errorf("%q is a JSON %s, which it cannot be", kind.Field, kind.Value)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

// envelopeID is the ID of an event, if it can be that of an envelope.
func envelopeID(id string) string {
	if _, err := (wirepost.Envelope{ID: id, To: wirepost.Everyone(), Data: []byte("0")}).Frame(); err != nil {
		return ""
	}
	return id
}
