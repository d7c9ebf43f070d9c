package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
)

// The events are read into types of our own and not those of aws-lambda-go: only
// the members that matter, and those exactly as they are written.

type sqsRecord struct {
	MessageID string `json:"messageId"`
	Body      string `json:"body"`
	Source    string `json:"eventSourceARN"`
}

type batchFailure struct {
	ItemIdentifier string `json:"itemIdentifier"`
}

// sqs does the messages of a batch in their order and says which failed, so that
// SQS delivers those again and no others (AWS, Lambda developer guide, "Handling
// errors for an SQS event source": ReportBatchItemFailures).
//
// In a FIFO queue what comes behind a failure fails with it, or it would overtake.
func (f *function) sqs(ctx context.Context, records []json.RawMessage) ([]byte, error) {
	batch := make([]sqsRecord, len(records))
	for i, raw := range records {
		if err := json.Unmarshal(raw, &batch[i]); err != nil || batch[i].MessageID == "" {
			return nil, invalid("SQS record %d has no messageId", i)
		}
	}
	failures := []batchFailure{}
	fail := func(r sqsRecord) { failures = append(failures, batchFailure{r.MessageID}) }
	for i, r := range batch {
		if len(failures) > 0 && strings.HasSuffix(r.Source, ".fifo") {
			fail(r)
			continue
		}
		if err := ctx.Err(); err != nil || !timeFor(ctx) {
			f.logger.Warn("no time was left for the rest of a batch; it is delivered again", "messages", len(batch)-i)
			for _, r := range batch[i:] {
				fail(r)
			}
			break
		}
		if err := f.message(ctx, []byte(r.Body), envelopeID(r.MessageID)); err != nil {
			f.logger.Error("a message of the queue failed", "messageId", r.MessageID, "error", err)
			fail(r)
		}
	}
	return json.Marshal(map[string][]batchFailure{"batchItemFailures": failures})
}

// timeFor reports whether there is time to begin another publish.
func timeFor(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > reserve
}

// message does one publish of a queue. Without a queue for the rest a message that
// was not finished fails, as docs/function.md says, and begins again.
func (f *function) message(ctx context.Context, body []byte, id string) error {
	return f.publishOnce(ctx, body, id, f.queue != nil)
}

// asynchronous does a publish of an event that Lambda would give the function again
// after an error.
func (f *function) asynchronous(ctx context.Context, body []byte, id string) error {
	return f.publishOnce(ctx, body, id, true)
}

// publishOnce does a publish that begins again from its beginning if it fails. Once
// somebody has the message, that is only right for who asked for at least once: if
// it is to be at most once, the rest is lost, and logged.
func (f *function) publishOnce(ctx context.Context, body []byte, id string, atMostOnce bool) error {
	r, err := parseRequest(body, id)
	if err != nil {
		return err
	}
	o, err := f.publish(ctx, r)
	if err != nil && atMostOnce && reached(o) && !r.jobs[0].AtLeastOnce {
		f.logger.Error("a publish was not finished, and its rest is lost: to begin again would reach some twice (atLeastOnce asks for that, WIREPOST_QUEUE_URL avoids it)", "job", r.jobs[0].String(), "result", o.result.String(), "error", err)
		return nil
	}
	return err
}

// reached reports whether anybody may have the message, or a part of it is on its
// way.
func reached(o outcome) bool { return o.result.Sent+o.result.Failed > 0 || o.queued > 0 }

func (f *function) sns(ctx context.Context, records []json.RawMessage) ([]byte, error) {
	var errs []error
	for i, raw := range records {
		var r struct {
			SNS *struct {
				MessageID string  `json:"MessageId"`
				Message   *string `json:"Message"`
			} `json:"Sns"`
		}
		if err := json.Unmarshal(raw, &r); err != nil || r.SNS == nil || r.SNS.Message == nil {
			return nil, invalid("SNS record %d has no Sns.Message", i)
		}
		if err := f.asynchronous(ctx, []byte(*r.SNS.Message), envelopeID(r.SNS.MessageID)); err != nil {
			errs = append(errs, fmt.Errorf("SNS record %d: %w", i, err))
		}
	}
	return nil, first(errs)
}

func (f *function) eventBridge(ctx context.Context, payload []byte) ([]byte, error) {
	var e struct {
		ID     string          `json:"id"`
		Source string          `json:"source"`
		Detail json.RawMessage `json:"detail"`
	}
	if err := json.Unmarshal(payload, &e); err != nil || e.Source == "" || len(e.Detail) == 0 {
		return nil, invalid("the EventBridge event has no source or no detail")
	}
	return nil, f.asynchronous(ctx, e.Detail, envelopeID(e.ID))
}

// envelopeID is the ID of an event, if it can be that of an envelope.
func envelopeID(id string) string {
	if _, err := (wirepost.Envelope{ID: id, To: wirepost.Everyone(), Data: []byte("0")}).Frame(); err != nil {
		return ""
	}
	return id
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
	return &PublishFailed{errs[0].Error()}
}
