package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/wirepost/wirepost/jobs"
)

// The events are read into types of our own: only the members that matter, and those
// exactly as they are written.

// sqs does the messages of a batch: [jobs.Worker.HandleSQS].
func (f *function) sqs(ctx context.Context, records []json.RawMessage) ([]byte, error) {
	var batch events.SQSEvent
	for i, raw := range records {
		var r struct {
			MessageID  string            `json:"messageId"`
			Body       string            `json:"body"`
			Source     string            `json:"eventSourceARN"`
			Attributes map[string]string `json:"attributes"`
		}
		if err := json.Unmarshal(raw, &r); err != nil || r.MessageID == "" {
			return nil, invalid("SQS record %d has no messageId", i)
		}
		batch.Records = append(batch.Records, events.SQSMessage{MessageId: r.MessageID, Body: r.Body, EventSourceARN: r.Source, Attributes: r.Attributes})
	}
	answer, err := f.worker.HandleSQS(ctx, batch)
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// publish does a publish of an event that Lambda gives the function again after an
// error. No event says that it comes again, so a message that is kept is always looked
// for in what was appended since the event.
func (f *function) publish(ctx context.Context, payload []byte, eventID string, at time.Time) error {
	r, err := jobs.Parse(payload, eventID)
	if err != nil {
		return err
	}
	r.Again, r.FirstSent = true, at
	return f.worker.Do(ctx, r)
}

func (f *function) sns(ctx context.Context, records []json.RawMessage) ([]byte, error) {
	var errs []error
	for i, raw := range records {
		var r struct {
			SNS *struct {
				MessageID string    `json:"MessageId"`
				Message   *string   `json:"Message"`
				Timestamp eventTime `json:"Timestamp"`
			} `json:"Sns"`
		}
		if err := json.Unmarshal(raw, &r); err != nil || r.SNS == nil || r.SNS.Message == nil {
			return nil, invalid("SNS record %d has no Sns.Message", i)
		}
		if err := f.publish(ctx, []byte(*r.SNS.Message), r.SNS.MessageID, time.Time(r.SNS.Timestamp)); err != nil {
			errs = append(errs, fmt.Errorf("SNS record %d: %w", i, err))
		}
	}
	return nil, first(errs)
}

func (f *function) eventBridge(ctx context.Context, payload []byte) ([]byte, error) {
	var e struct {
		ID     string          `json:"id"`
		Source string          `json:"source"`
		Time   eventTime       `json:"time"`
		Detail json.RawMessage `json:"detail"`
	}
	if err := json.Unmarshal(payload, &e); err != nil || e.Source == "" || len(e.Detail) == 0 {
		return nil, invalid("the EventBridge event has no source or no detail")
	}
	return nil, f.publish(ctx, e.Detail, e.ID, time.Time(e.Time))
}

// eventTime is when an event was made; zero if that cannot be read.
type eventTime time.Time

func (t *eventTime) UnmarshalJSON(b []byte) error {
	var at time.Time
	if json.Unmarshal(b, &at) == nil {
		*t = eventTime(at)
	}
	return nil
}

// first keeps the type of an error, which is its name for the invoker.
func first(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	var bad *InvalidRequest
	if errors.As(errs[0], &bad) {
		return invalid("%v", errs[0])
	}
	return &PublishFailed{Message: errs[0].Error()}
}
