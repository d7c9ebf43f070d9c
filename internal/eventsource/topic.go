package eventsource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
)

// topicAttempts is how often a message of a topic is given to a function that fails (AWS
// docs, Lambda developer guide, "Error handling for asynchronous invocation": two
// retries).
const topicAttempts = 3

// FromTopic is the Function of a [Queue] that is subscribed to an SNS topic, in batches of
// one: f gets each message as SNS gives it to a function. SNS's own invocation is
// asynchronous; here the message is in the queue until f has succeeded, so it outlives
// this process. After three failures it is dropped, and that is told. Name is the
// topic's, for people.
func FromTopic(f Function, name string, notice Notices) Function {
	return &topicFunction{f: f, name: name, notice: notice}
}

type topicFunction struct {
	f      Function
	name   string
	notice Notices
	once   once
}

// Invoke implements Function.
func (t *topicFunction) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var batch struct {
		Records []struct {
			Body       string            `json:"body"`
			Attributes map[string]string `json:"attributes"`
		}
	}
	if err := json.Unmarshal(payload, &batch); err != nil || len(batch.Records) != 1 {
		return nil, fmt.Errorf("read a message of topic %s: it is not one: %w", t.name, err)
	}
	message := batch.Records[0]
	event, err := topicEvent(message.Body)
	if err != nil {
		t.once.say(t.notice, "body", "a message in the queue of topic %s is not an SNS message and was dropped: %v", t.name, err)
		return nil, nil
	}
	_, err = t.f.Invoke(ctx, event)
	received, _ := strconv.Atoi(message.Attributes["ApproximateReceiveCount"])
	if err == nil || errors.Is(err, ErrNoPlace) || ctx.Err() != nil || received < topicAttempts {
		return nil, err
	}
	if t.notice == nil {
		return nil, nil
	}
	t.notice(fmt.Sprintf("a message of topic %s is dropped, because the function has failed %d times: %v; AWS has dead-letter queues and destinations for it", t.name, received, err))
	return nil, nil
}

// notification is what a topic sends to a queue (AWS docs, SNS developer guide, "Parsing
// Amazon SNS message formats").
type notification struct {
	Type, MessageID, TopicARN, Message string
	Subject                            *string
	Timestamp                          string
	SignatureVersion, Signature        string
	SigningCertURL, UnsubscribeURL     string
	MessageAttributes                  map[string]json.RawMessage
}

// topicRecord is the same as a function gets it (AWS docs, Lambda developer guide, "Invoking
// Lambda functions with Amazon SNS notifications"). That Subject is null and
// MessageAttributes an empty object if there are none is UNCERTAIN.
type topicRecord struct {
	EventVersion         string
	EventSubscriptionArn string
	EventSource          string
	Sns                  topicMessage
}

type topicMessage struct {
	SignatureVersion, Timestamp, Signature, SigningCertUrl, MessageId, Message string
	MessageAttributes                                                          map[string]json.RawMessage
	Type, UnsubscribeUrl, TopicArn                                             string
	Subject                                                                    *string
}

// topicEvent makes the event of a function of what a topic has sent to a queue.
func topicEvent(body string) ([]byte, error) {
	var n notification
	if err := json.Unmarshal([]byte(body), &n); err != nil {
		return nil, err
	}
	if n.Type != "Notification" || n.TopicARN == "" {
		return nil, errors.New("it has not the type Notification and a topic")
	}
	if n.MessageAttributes == nil {
		n.MessageAttributes = map[string]json.RawMessage{}
	}
	return json.Marshal(map[string][]topicRecord{"Records": {{
		EventVersion: "1.0", EventSource: "aws:sns", EventSubscriptionArn: subscriptionOf(n),
		Sns: topicMessage{
			SignatureVersion: n.SignatureVersion, Timestamp: n.Timestamp, Signature: n.Signature, SigningCertUrl: n.SigningCertURL, MessageId: n.MessageID, Message: n.Message,
			MessageAttributes: n.MessageAttributes, Type: n.Type, UnsubscribeUrl: n.UnsubscribeURL, TopicArn: n.TopicARN, Subject: n.Subject,
		},
	}}})
}

// subscriptionOf is the ARN of the subscription by which a message has come.
func subscriptionOf(n notification) string {
	if u, err := url.Parse(n.UnsubscribeURL); err == nil {
		if arn := u.Query().Get("SubscriptionArn"); arn != "" {
			return arn
		}
	}
	return n.TopicARN + ":00000000-0000-0000-0000-000000000000"
}
