package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/hint"
	"github.com/wirepost/wirepost/internal/terminal"
)

// publish publishes what send is to send, and says where it was kept.
func (c *command) publish(ctx context.Context, p *wirepost.Publisher, s *sending, to wirepost.Audience, data []byte) (wirepost.Result, error) {
	o := &wirepost.PublishOptions{AtLeastOnce: s.atLeastOnce, Keep: s.keep, Again: s.again}
	if s.keepSet && s.keep == 0 {
		o.Keep = -1
	}
	keep := o.Keep
	if keep == 0 {
		var err error
		if keep, err = p.Keeps(to); err != nil {
			return wirepost.Result{}, err
		}
	}
	if keep <= 0 {
		if s.id != "" || s.again {
			return wirepost.Result{}, hint.New(errors.New("--id and --again are for a message that is kept"), "--keep says for how long")
		}
		return p.Publish(ctx, to, data, o)
	}
	frame, id, err := s.frame(to, data)
	if err != nil {
		return wirepost.Result{}, err
	}
	r, err := p.Publish(ctx, to, frame, o)
	switch {
	case errors.Is(err, wirepost.ErrUnknown):
		err = hint.New(err, fmt.Sprintf("the same again with --id %s --again keeps and sends it once", terminal.Word(id)))
	case r.Repeated:
		c.stdout.Printf("kept as %s before\n", r.Position)
	case r.Position != (wirepost.Position{}):
		c.stdout.Printf("kept as %s for %s\n", r.Position, short(keep))
	}
	return r, err
}

// frame is the message for data: what is a message of the protocol already stays as it
// is.
func (s *sending) frame(to wirepost.Audience, data []byte) (frame []byte, id string, err error) {
	var e wirepost.Envelope
	if json.Unmarshal(data, &e) == nil && e.ID != "" {
		if s.id != "" && s.id != e.ID {
			return nil, "", hint.New(fmt.Errorf("the data is a message with the ID %s, but --id gives a different one", e.ID), "leave --id out")
		}
		return data, e.ID, nil
	}
	if s.again && s.id == "" {
		return nil, "", hint.New(errors.New("--again needs the ID of the message"), "--id names it, or give the whole message as data")
	}
	e = wirepost.NewEnvelope(to, data)
	if s.id != "" {
		e.ID = s.id
	}
	if frame, err = e.Frame(); err != nil {
		err = hint.New(err, "a message that is kept has JSON as data, such as '{\"text\":\"hi\"}'; --keep 0 sends it as it is, and keeps nothing")
	}
	return frame, e.ID, err
}

// short is a duration without what is zero at its end: 24h and not 24h0m0s.
func short(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0 && d > time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}
