package jobs

import (
	"context"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/wirepost/wirepost"
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
//
// Messages that are kept in the log of a topic come first, and those of one topic are
// appended together ([wirepost.Publisher.PublishAll]); in a FIFO queue only those that
// follow each other are, and those of one append. One that SQS delivers again is found
// in the log and sent under its old position.
func (w *Worker) HandleSQS(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	b := &working{Worker: w, messages: batch.Records, requests: make([]Request, len(batch.Records)), errs: make([]error, len(batch.Records)), done: make([]bool, len(batch.Records))}
	for i, m := range batch.Records {
		b.requests[i], b.errs[i] = requestOf(m)
		b.fifo = b.fifo || strings.HasSuffix(m.EventSourceARN, ".fifo")
	}
	b.run(ctx)
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i, m := range batch.Records {
		if b.errs[i] != nil || !b.done[i] {
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return answer, nil
}

// requestOf reads a message. One that was delivered before may have been kept then.
func requestOf(m events.SQSMessage) (Request, error) {
	r, err := Parse([]byte(m.Body), m.MessageId)
	if n, wrong := strconv.Atoi(m.Attributes["ApproximateReceiveCount"]); err == nil && wrong == nil && n > 1 {
		r.Again = true
		if ms, wrong := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64); wrong == nil {
			r.FirstSent = time.UnixMilli(ms)
		}
	}
	return r, err
}

// working is a batch at work.
type working struct {
	*Worker
	fifo     bool
	messages []events.SQSMessage
	requests []Request
	errs     []error // why a message failed
	done     []bool  // or failed; what is not fails without having been begun
	failed   bool    // one of those that are done
}

func (b *working) run(ctx context.Context) {
	for i := range b.messages {
		if b.done[i] {
			continue
		}
		if ctx.Err() != nil || !b.timeFor(ctx) {
			b.logger.Warn("no time was left for the rest of a batch; it is delivered again", "messages", len(b.messages)-i)
			return
		}
		if i == 0 || b.fifo {
			b.together(ctx, b.group(i))
		}
		if !b.done[i] {
			b.done[i] = true
			b.ended(i, b.safely(func() error { return b.alone(ctx, i) }))
		}
		if b.fifo && b.failed {
			return // what comes behind must not overtake it
		}
	}
}

// group is which messages from i on are appended together: those that are kept. In a
// FIFO queue it is those that one append takes whole or not at all, or one of them could
// overtake another.
func (b *working) group(i int) (group []int) {
	size := 0
	for ; i < len(b.messages); i++ {
		r := &b.requests[i]
		kept, err := false, b.errs[i]
		if err == nil && len(r.Jobs) == 1 {
			kept, err = b.isKept(r)
		}
		if kept && err == nil && !b.fifo {
			group = append(group, i)
			continue
		}
		if b.fifo {
			if !kept || err != nil || r.Again || len(group) == wirepost.MaxAppendEntries || size+len(r.Jobs[0].Text) > wirepost.MaxAppendBytes ||
				len(group) > 0 && r.Jobs[0].To != b.requests[group[0]].Jobs[0].To {
				break
			}
			group, size = append(group, i), size+len(r.Jobs[0].Text)
		}
	}
	return group
}

// together does a group of messages that are kept.
func (b *working) together(ctx context.Context, group []int) {
	if len(group) < 2 {
		return
	}
	all := make([]wirepost.Publication, len(group))
	for n, i := range group {
		r := &b.requests[i]
		all[n] = wirepost.Publication{To: r.Jobs[0].To, Data: []byte(r.Jobs[0].Text), Options: r.options()}
	}
	var published []wirepost.Published
	err := b.safely(func() error {
		during, cancel := b.before(ctx, b.reserve)
		defer cancel()
		published = b.publisher.PublishAll(during, all)
		return nil
	})
	for n, i := range group {
		b.done[i] = true
		if err != nil {
			b.ended(i, err)
			continue
		}
		b.ended(i, b.safely(func() error { return b.sent(ctx, &b.requests[i], published[n]) }))
	}
}

// sent sees to what is left of a message of a group.
func (b *working) sent(ctx context.Context, r *Request, p wirepost.Published) error {
	if p.Result.Position == (wirepost.Position{}) {
		return notKept(p.Err)
	}
	r.keptAs(string(p.Result.Position.Framed([]byte(r.Jobs[0].Text))))
	return b.finish(ctx, r.Jobs[0], p.Result, p.Err, true)
}

func (b *working) alone(ctx context.Context, i int) error {
	if err := b.errs[i]; err != nil {
		return err
	}
	return b.do(ctx, b.requests[i], true)
}

func (b *working) ended(i int, err error) {
	if b.errs[i] = err; err != nil {
		b.failed = true
		b.logger.Error("a message of the queue failed", "messageId", b.messages[i].MessageId, "error", err)
	}
}

// safely turns a panic, such as of a store that cannot stand a message, into an error: to
// fail the batch would repeat the messages that are done.
func (b *working) safely(do func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("it panicked: %v\n\n%s", v, debug.Stack())
		}
	}()
	return do()
}

// timeFor reports whether there is time to begin another publish.
func (w *Worker) timeFor(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > w.reserve
}
