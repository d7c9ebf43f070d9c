package jobs

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// HandleSQS is a handler for lambda.Start behind a queue whose event source mapping has
// ReportBatchItemFailures: it does the messages of a batch in their order and says
// which of them failed, so that SQS delivers those again and no others (AWS, Lambda
// developer guide, "Handling errors for an SQS event source"). The message's ID becomes
// the envelope's ID.
//
// A message fails if its publish reached nobody, as [Worker.Do] says; in the end it is
// in the dead-letter queue. Without [Options].Queue a publish that had not enough time
// fails too and begins again from its beginning: some get it twice. In a FIFO queue all
// that comes behind a failure fails with it, or it would overtake. What there is no
// time to begin fails without having been begun.
func (w *Worker) HandleSQS(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	fail := func(m events.SQSMessage) {
		answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
	}
	for i, m := range batch.Records {
		if len(answer.BatchItemFailures) > 0 && strings.HasSuffix(m.EventSourceARN, ".fifo") {
			fail(m)
			continue
		}
		if ctx.Err() != nil || !w.timeFor(ctx) {
			w.logger.Warn("no time was left for the rest of a batch; it is delivered again", "messages", len(batch.Records)-i)
			for _, m := range batch.Records[i:] {
				fail(m)
			}
			break
		}
		if err := w.message(ctx, m); err != nil {
			w.logger.Error("a message of the queue failed", "messageId", m.MessageId, "error", err)
			fail(m)
		}
	}
	return answer, nil
}

// message does one message. A panic, such as of a store that cannot stand it, fails it
// alone: to fail the batch would repeat the messages that are done.
func (w *Worker) message(ctx context.Context, m events.SQSMessage) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("it panicked: %v\n\n%s", v, debug.Stack())
		}
	}()
	r, err := Parse([]byte(m.Body), m.MessageId)
	if err != nil {
		return err
	}
	return w.do(ctx, r, true)
}

// timeFor reports whether there is time to begin another publish.
func (w *Worker) timeFor(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > w.reserve
}
