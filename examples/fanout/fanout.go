// Package fanout spreads one publish to a very large audience over many functions:
// [Start] puts its jobs into a queue, and the [Function] is the Lambda behind the queue,
// with ReportBatchItemFailures switched on in its event source mapping:
//
//	queue, err := jobs.NewSQS(os.Getenv("WIREPOST_QUEUE_URL"), "")
//	lambda.Start(fanout.Function(publisher, queue, logger).HandleSQS)
//
// Each connection of the audience is in exactly one job. What a job has no time for, and
// a connection that it missed while it reached others, goes back into the queue, so
// nobody is reached twice by a queue that delivers once. SQS may deliver a message
// again: a standard queue seldom, and each kind when a function dies in the middle of a
// batch. Clients that mind drop messages by an ID in them.
package fanout

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/jobs"
)

// Start cuts a publish into jobs and puts them into the queue. If that fails in the
// middle the jobs before have been put there, so start again only with a message that
// may come twice.
func Start(ctx context.Context, queue jobs.Queue, to wirepost.Audience, data []byte, parts int) error {
	all, err := wirepost.Split(to, data, parts, nil)
	if err != nil {
		return err
	}
	for _, job := range all {
		if err := queue.Send(ctx, job); err != nil {
			return fmt.Errorf("put %s into the queue: %w", job, err)
		}
	}
	return nil
}

// Function does the jobs of a queue and puts into it what they leave.
func Function(publisher *wirepost.Publisher, queue jobs.Queue, log *slog.Logger) *jobs.Worker {
	return jobs.New(publisher, &jobs.Options{Queue: queue, Logger: log})
}
