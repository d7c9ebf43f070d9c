package eventsource

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// The operations of SQS that a Queue needs (AWS docs, SQS API reference).

func (s *Server) visibilityTimeout(ctx context.Context, queue string) (seconds int, err error) {
	var out struct{ Attributes map[string]string }
	in := map[string]any{"QueueUrl": queue, "AttributeNames": []string{"VisibilityTimeout"}}
	if err := s.call(ctx, sqs, "GetQueueAttributes", callTime, in, &out); err != nil {
		return 0, err
	}
	if seconds, err = strconv.Atoi(out.Attributes["VisibilityTimeout"]); err != nil || seconds < 0 {
		return 0, fmt.Errorf("GetQueueAttributes: the visibility timeout is %.20q", out.Attributes["VisibilityTimeout"])
	}
	return seconds, nil
}

// receive takes up to most messages, and waits for the first of them.
func (s *Server) receive(ctx context.Context, queue string, most int, wait time.Duration) ([]*message, error) {
	seconds := int((wait + time.Second - 1) / time.Second)
	var out struct{ Messages []*message }
	err := s.call(ctx, sqs, "ReceiveMessage", callTime+wait, map[string]any{
		"QueueUrl": queue, "MaxNumberOfMessages": most, "WaitTimeSeconds": seconds, "MessageAttributeNames": []string{"All"},
		// The second is the newer name of the first, which older servers do not know.
		"AttributeNames": []string{"All"}, "MessageSystemAttributeNames": []string{"All"},
	}, &out)
	return slices.DeleteFunc(out.Messages, func(m *message) bool { return m == nil }), err
}

// batchEntry is a message in a request for several. Its ID is its index.
type batchEntry struct {
	ID                string `json:"Id"`
	ReceiptHandle     string
	VisibilityTimeout *int `json:",omitempty"`
}

// entries asks for something to be done with up to ten messages, and gives those for
// which it was not done: with gone of them the receipt handle is not valid any more.
func (s *Server) entries(ctx context.Context, operation, queue string, messages []*message, visibility *int) (left []*message, gone int, err error) {
	in := make([]batchEntry, len(messages))
	for i, m := range messages {
		in[i] = batchEntry{strconv.Itoa(i), m.ReceiptHandle, visibility}
	}
	var out struct {
		Failed []struct {
			ID          string `json:"Id"`
			Code        string
			Message     string
			SenderFault bool
		}
	}
	err = s.call(ctx, sqs, operation, callTime, map[string]any{"QueueUrl": queue, "Entries": in}, &out)
	if err != nil {
		return messages, 0, err
	}
	for _, f := range out.Failed {
		i, failed := strconv.Atoi(f.ID)
		switch {
		case failed != nil || i < 0 || i >= len(messages):
		case f.SenderFault: // another attempt would fail, too
			gone++
		default:
			left = append(left, messages[i])
			err = fmt.Errorf("%s: %s: %s", operation, f.Code, f.Message)
		}
	}
	return left, gone, err
}

// deleteMessages gives the messages that were not deleted, with the last reason. gone of
// the others could not be, for good.
func (s *Server) deleteMessages(ctx context.Context, queue string, messages []*message) (left []*message, gone int, err error) {
	for some := range slices.Chunk(messages, perRequest) {
		not, lost, failed := s.entries(ctx, "DeleteMessageBatch", queue, some, nil)
		left, gone = append(left, not...), gone+lost
		if failed != nil {
			err = failed
		}
	}
	return left, gone, err
}

// soon is the visibility timeout of messages that are given back, in seconds. It is not
// 0, because a server that people use, fauxqs 2.4.1 with a folder for its data, loses such
// a message until it is started again.
const soon = 1

// makeVisible makes messages visible that were taken.
func (s *Server) makeVisible(ctx context.Context, queue string, messages []*message) (err error) {
	visibility := soon
	for some := range slices.Chunk(messages, perRequest) {
		if _, _, failed := s.entries(ctx, "ChangeMessageVisibilityBatch", queue, some, &visibility); failed != nil {
			err = failed
		}
	}
	return err
}
