// Package fanout spreads one publish to a very large audience over many functions:
// [Start] puts its jobs into a queue, and [Function] is the Lambda behind the queue,
// with ReportBatchItemFailures switched on in its event source mapping.
//
// Each connection of the audience is in exactly one job, and a job that runs out of
// time puts its rest into the queue, so nobody is reached twice by a queue that
// delivers once. SQS may deliver a message again: a standard queue seldom, and each
// kind when a function dies in the middle of a batch. Clients that mind drop messages
// by an ID in them.
package fanout

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/wirepost/wirepost"
)

// Queue is where jobs wait: sqs.SendMessage with the job's JSON as the body.
type Queue interface {
	Send(ctx context.Context, body string) error
}

// Start cuts a publish into jobs and puts them into the queue. If that fails in the
// middle the jobs before have been put there, so start again only with a message that
// may come twice.
func Start(ctx context.Context, queue Queue, to wirepost.Audience, data []byte, parts int) error {
	jobs, err := wirepost.Split(to, data, parts, nil)
	if err != nil {
		return err
	}
	for _, job := range jobs {
		if err := put(ctx, queue, job); err != nil {
			return err
		}
	}
	return nil
}

// Function does the jobs. It may be called concurrently.
type Function struct {
	Publisher *wirepost.Publisher
	Queue     Queue
	Log       *slog.Logger
	// Spare is kept of the function's time to put rests into the queue. Default 2 s.
	Spare time.Duration
}

// Handle is the handler for lambda.Start. What it returns is to come again, because
// nothing of it was done.
func (f *Function) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	var again events.SQSEventResponse
	for _, m := range batch.Records {
		if err := f.do(ctx, m.Body); err != nil {
			f.Log.Warn("a job comes again", "messageId", m.MessageId, "error", err)
			again.BatchItemFailures = append(again.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return again, nil
}

// do does one job. An error means that nothing of it was done, or that twice is
// better than never for it.
func (f *Function) do(ctx context.Context, body string) error {
	var job wirepost.Job
	if err := json.Unmarshal([]byte(body), &job); err != nil {
		return fmt.Errorf("read a job: %w", err) // SQS moves it to the dead-letter queue in the end
	}
	spare := f.Spare
	if spare == 0 {
		spare = 2 * time.Second
	}
	working, cancel := ctx, context.CancelFunc(func() {})
	if deadline, ok := ctx.Deadline(); ok {
		working, cancel = context.WithDeadline(ctx, deadline.Add(-spare))
	}
	defer cancel()
	result, err := f.Publisher.Do(working, job)
	f.Log.Info("did a job", "job", job.String(), "result", result.String(), "error", err)

	done := result.Sent + result.Gone + result.Failed
	rest, more := job.Rest(result)
	switch {
	case err != nil && done == 0:
		return err
	case !more:
		return nil
	}
	// A queue that took the rest and did not say so has it all the same; a FIFO queue
	// with an ID for deduplication would notice.
	if err := put(ctx, f.Queue, rest); err != nil {
		if done == 0 || job.AtLeastOnce {
			return err
		}
		f.Log.Error("the rest of a job is lost, because doing all of it again would send messages twice", "job", job.String(), "error", err)
	}
	return nil
}

func put(ctx context.Context, queue Queue, job wirepost.Job) error {
	body, err := json.Marshal(job)
	if err != nil {
		return err
	}
	if err := queue.Send(ctx, string(body)); err != nil {
		return fmt.Errorf("put %s into the queue: %w", job, err)
	}
	return nil
}
