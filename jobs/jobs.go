// Package jobs does publishes that other programs ask for, and loses none of them
// silently: a publish comes as JSON from a queue, an event or an invocation, and what
// it leaves undone goes on from an SQS queue.
//
// A [Worker] is what a Lambda function is made of:
//
//	worker := jobs.New(publisher, &jobs.Options{Queue: queue, Logger: logger})
//	lambda.Start(worker.HandleSQS) // behind a queue
//	lambda.Start(worker)           // for programs that invoke it
//
// What it reads is a publish object, {"to":"topic:lobby","data":…}, or a
// [wirepost.Job]; docs/function.md describes both, the replies, and what comes again
// when something fails.
package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost"
)

// Queue is where a publish goes on later: a [SQS], or one of your own.
type Queue interface {
	// Send returns nil when the queue has the job, and an error when it has not or
	// nobody knows. It is called from several goroutines at once.
	Send(ctx context.Context, job wirepost.Job) error
}

// Options are all optional.
type Options struct {
	// Queue gets what a publish has no time for, and a job for each connection that a
	// publish missed while it reached others. Its messages are for the same worker.
	// Default: none; what a publish leaves is then lost or comes again as a whole, as
	// the methods of [Worker] say.
	Queue Queue
	// Reserve is kept of the context's time to hand on what is left and to answer.
	// Default 2 s; never more than a quarter of the time that there is.
	Reserve time.Duration
	// Logger gets what failed and what was lost, without messages. Default: nothing.
	Logger *slog.Logger
}

// Worker does publishes. Its methods may be called concurrently.
type Worker struct {
	publisher *wirepost.Publisher
	queue     Queue
	reserve   time.Duration
	logger    *slog.Logger
}

// New makes a worker. It panics if the publisher is nil, or if the queue is an [SQS] that
// NewSQS did not make: such a queue would lose what is sent to it.
func New(publisher *wirepost.Publisher, o *Options) *Worker {
	if publisher == nil {
		panic("jobs.New: the publisher is nil")
	}
	if o == nil {
		o = &Options{}
	}
	if q, ok := o.Queue.(*SQS); ok && (q == nil || q.client == nil) {
		panic("jobs.New: the queue was not made by NewSQS; the error of NewSQS says why")
	}
	w := &Worker{publisher: publisher, queue: o.Queue, reserve: o.Reserve, logger: o.Logger}
	if w.reserve <= 0 {
		w.reserve = 2 * time.Second
	}
	if w.logger == nil {
		w.logger = slog.New(slog.DiscardHandler)
	}
	return w
}

// InvalidRequest is the error of a payload that cannot be handled, however often it
// comes. Its name is the error type that an invoker sees.
type InvalidRequest struct{ Message string }

// Error implements error.
func (e *InvalidRequest) Error() string { return e.Message }

func invalid(format string, args ...any) error {
	return &InvalidRequest{fmt.Sprintf(format, args...)}
}

// PublishFailed is the error of a publish that failed as a whole: nobody can have the
// message, or the publish asked for at least once. The same again may succeed.
type PublishFailed struct{ Message string }

// Error implements error.
func (e *PublishFailed) Error() string { return e.Message }

// Do does a publish of an event that comes again after an error, such as one of SNS or
// EventBridge. An error means that the whole is to come again: the message reached
// nobody, or the publish asked for at least once and something of it is left.
//
// Otherwise what is left goes into the queue ([wirepost.Job.Left]). What cannot go
// there, because there is no queue or it does not take it, is lost, and logged as an
// error: to begin again would reach some twice.
func (w *Worker) Do(ctx context.Context, r Request) error { return w.do(ctx, r, false) }

// do is Do. restart says that a publish that had not enough time, and has no queue to
// go on from, begins again from its beginning.
func (w *Worker) do(ctx context.Context, r Request, restart bool) error {
	if len(r.Jobs) == 0 {
		return invalid("the request has no job")
	}
	kept, err := w.append(ctx, &r)
	if err != nil {
		return err
	}
	if len(r.Jobs) != 1 {
		return w.spread(ctx, r.Jobs, kept.Position != wirepost.Position{})
	}
	result, err := w.publish(ctx, r.Jobs[0])
	result.Position, result.Repeated = kept.Position, kept.Repeated
	return w.finish(ctx, r.Jobs[0], result, err, restart)
}

// finish sees to what a publish has left. Of a message that was kept nothing is lost:
// clients find it in the log.
func (w *Worker) finish(ctx context.Context, job wirepost.Job, result wirepost.Result, err error, restart bool) error {
	w.logFailed(job, result)
	left := job.Left(result, err)
	switch {
	case left.Again:
		return failed(result, err)
	case w.queue == nil && restart && result.Next != "":
		return failed(result, err)
	}
	kept := result.Position != wirepost.Position{}
	if left.Lost > 0 && !kept {
		w.logger.Error("more connections missed a message than jobs are made for; they do not get it", "job", job.String(), "connections", left.Lost, "result", result)
	}
	if len(left.Jobs) == 0 {
		return nil
	}
	queued, sendErr := w.Enqueue(ctx, left.Jobs...)
	if sendErr == nil {
		w.logger.Info("what is left of a publish goes on from the queue", "job", job.String(), "jobs", queued, "result", result, "error", err)
		return nil
	}
	mayHave := result.Sent + result.Failed - result.NotDelivered + queued
	switch {
	case job.AtLeastOnce || mayHave == 0:
		return &PublishFailed{fmt.Sprintf("what is left of %s could not go on from the queue: %v", job, sendErr)}
	case kept:
		w.logger.Warn("a publish was not finished; the message was kept, and the clients that it did not reach find it in the log of its topic", "job", job.String(), "jobs", len(left.Jobs)-queued, "result", result, "error", sendErr)
		return nil
	}
	w.logger.Error("a publish was not finished, and its rest is lost: to begin again would reach some twice (atLeastOnce asks for that, WIREPOST_QUEUE_URL avoids it)", "job", job.String(), "jobs", len(left.Jobs)-queued, "result", result, "error", sendErr)
	return nil
}

// publish does one job, and stops in time for what is left to be handed on.
func (w *Worker) publish(ctx context.Context, job wirepost.Job) (wirepost.Result, error) {
	during, cancel := w.before(ctx, w.reserve)
	defer cancel()
	return w.publisher.Do(during, job)
}

func (w *Worker) logFailed(job wirepost.Job, result wirepost.Result) {
	for _, err := range result.Errors[:min(len(result.Errors), 3)] {
		w.logger.Warn("a post failed", "job", job.String(), "problem", string(wirepost.ProblemOf(err)), "error", err)
	}
}

// before is the context with its deadline a while earlier, a quarter of the time at
// most.
func (w *Worker) before(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline.Add(-min(d, time.Until(deadline)/4)))
}

// failed is the error of a publish that is to be done again.
func failed(r wirepost.Result, err error) error {
	if err == nil {
		err = r.Err()
	}
	return &PublishFailed{err.Error()}
}

// spread puts the parts of a publish into the queue.
func (w *Worker) spread(ctx context.Context, jobs []wirepost.Job, kept bool) error {
	queued, err := w.Enqueue(ctx, jobs...)
	switch {
	case err == nil:
		return nil
	case queued == 0 || jobs[0].AtLeastOnce:
		return &PublishFailed{fmt.Sprintf("%d of %d jobs are in the queue: %v", queued, len(jobs), err)}
	case kept:
		w.logger.Warn("some parts of a publish are not in the queue; the message was kept, and their clients find it in the log of its topic", "job", jobs[0].String(), "jobs", len(jobs)-queued, "error", err)
		return nil
	}
	w.logger.Error("some parts of a publish are lost: to begin again would reach some twice", "job", jobs[0].String(), "jobs", len(jobs)-queued, "error", err)
	return nil
}

var errNoQueue = errors.New("there is no queue")

// sendsAtOnce bounds the sends to the queue that are in flight.
const sendsAtOnce = 16

// answerTime is kept of the context's time to answer after the last send.
const answerTime = 500 * time.Millisecond

// Enqueue puts jobs into the queue, the first ones first, and returns how many it has
// taken. The error is one of those of the others.
func (w *Worker) Enqueue(ctx context.Context, jobs ...wirepost.Job) (queued int, err error) {
	if w.queue == nil {
		return 0, errNoQueue
	}
	ctx, cancel := w.before(ctx, answerTime)
	defer cancel()
	var (
		next, taken atomic.Int64
		senders     sync.WaitGroup
		once        sync.Once
		panicked    atomic.Pointer[string] // by a queue of somebody's own: it goes on below, where it can be recovered
	)
	for range min(len(jobs), sendsAtOnce) {
		senders.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					what := fmt.Sprintf("jobs: Queue.Send panicked: %v\n\n%s", v, debug.Stack())
					panicked.Store(&what)
				}
			}()
			for i := next.Add(1) - 1; i < int64(len(jobs)); i = next.Add(1) - 1 {
				if e := w.queue.Send(ctx, jobs[i]); e != nil {
					once.Do(func() { err = fmt.Errorf("put %s into the queue: %w", jobs[i], e) })
				} else {
					taken.Add(1)
				}
			}
		})
	}
	senders.Wait()
	if what := panicked.Load(); what != nil {
		panic(*what)
	}
	return int(taken.Load()), err
}

// reply is what an invoke returns.
type reply struct {
	ID       string                   `json:"id,omitempty"`
	Sent     int                      `json:"sent"`
	Gone     int                      `json:"gone"`
	Removed  int                      `json:"removed"`
	Failed   int                      `json:"failed"`
	Problems map[wirepost.Problem]int `json:"problems"`
	// Epoch and Offset are the position of a message that was kept; Repeated says that it
	// had it before.
	Epoch    string `json:"epoch,omitempty"`
	Offset   uint64 `json:"offset,omitempty"`
	Repeated bool   `json:"repeated,omitempty"`
	// Queued is how many jobs go on from the queue.
	Queued int `json:"queued,omitempty"`
	// Next is what to invoke the function with for the rest.
	Next *wirepost.Job `json:"next,omitempty"`
}

// Invoke does a publish whose invoker reads the reply, which docs/function.md
// describes. The error is an [*InvalidRequest] or a [*PublishFailed]. It makes a Worker
// a handler for lambda.Start.
//
// The rest that there was no time for goes on from the queue, or else is in the reply.
// What failed is only counted: the invoker decides. After a message was kept there is a
// reply with its position, also if nobody was reached: every subscriber will have it.
func (w *Worker) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	r, err := Parse(payload, "")
	if err != nil {
		return nil, err
	}
	kept, err := w.append(ctx, &r)
	if err != nil {
		return nil, err
	}
	answer := reply{ID: r.ID, Problems: map[wirepost.Problem]int{}, Epoch: kept.Position.Epoch, Offset: kept.Position.Offset, Repeated: kept.Repeated}
	if len(r.Jobs) == 1 {
		return w.reply(ctx, r.Jobs[0], answer)
	}
	if answer.Queued, err = w.Enqueue(ctx, r.Jobs...); err != nil {
		failure := &PublishFailed{fmt.Sprintf("%d of %d jobs are in the queue: %v", answer.Queued, len(r.Jobs), err)}
		if answer.Epoch == "" {
			return nil, failure
		}
		w.logger.Warn("a message was kept, and not all of its parts are in the queue; the clients that it does not reach find it in the log of its topic", "job", r.Jobs[0].String(), "error", failure)
	}
	return json.Marshal(answer)
}

// reply does the only job of a request, and answers.
func (w *Worker) reply(ctx context.Context, job wirepost.Job, answer reply) ([]byte, error) {
	result, err := w.publish(ctx, job)
	w.logFailed(job, result)
	rest, unfinished := job.Rest(result)
	if job.Left(result, err).Again && (result.Missed > 0 || !unfinished) {
		if answer.Epoch == "" {
			return nil, failed(result, err)
		}
		w.logger.Warn("a message was kept, and its publish reached nobody; clients find it in the log of its topic", "job", job.String(), "result", result, "error", err)
		unfinished = unfinished || err != nil // its rest is all of it
	}
	answer.Sent, answer.Gone, answer.Removed, answer.Failed = result.Sent, result.Gone, result.Removed, result.Failed
	if result.Problems != nil {
		answer.Problems = result.Problems
	}
	if unfinished {
		answer.Next = &rest
		// A rest that is all of the job is no progress: it must not go round for ever.
		if w.queue != nil && rest.After != job.After {
			if answer.Queued, err = w.Enqueue(ctx, rest); err == nil {
				answer.Next = nil
			} else {
				w.logger.Error("the rest of a publish could not be put into the queue", "job", rest.String(), "error", err)
			}
		}
	}
	return json.Marshal(answer)
}
