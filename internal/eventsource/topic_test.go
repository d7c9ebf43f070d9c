package eventsource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// inQueue is the event of a queue that has one message.
func inQueue(body string, received int) []byte {
	text, _ := json.Marshal(body)
	return fmt.Appendf(nil, `{"Records":[{"messageId":"m","body":%s,"attributes":{"ApproximateReceiveCount":"%d"}}]}`, text, received)
}

const published = `{"Type":"Notification","MessageId":"m1","TopicArn":"arn:aws:sns:eu-west-1:123456789012:news","Message":"{\"a\":1}","Timestamp":"2026-01-02T03:04:05.678Z",` +
	`"SignatureVersion":"1","Signature":"s","SigningCertURL":"https://sns.example/cert.pem","UnsubscribeURL":"https://sns.example/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:eu-west-1:123456789012:news:id",` +
	`"MessageAttributes":{"kind":{"Type":"String","Value":"job"}}}`

func TestAFunctionGetsAMessageOfATopicAsSNSGivesIt(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"attributes", published, `{"Records":[{"EventVersion":"1.0","EventSubscriptionArn":"arn:aws:sns:eu-west-1:123456789012:news:id","EventSource":"aws:sns","Sns":{` +
			`"SignatureVersion":"1","Timestamp":"2026-01-02T03:04:05.678Z","Signature":"s","SigningCertUrl":"https://sns.example/cert.pem","MessageId":"m1","Message":"{\"a\":1}",` +
			`"MessageAttributes":{"kind":{"Type":"String","Value":"job"}},"Type":"Notification","UnsubscribeUrl":"https://sns.example/?Action=Unsubscribe\u0026SubscriptionArn=arn:aws:sns:eu-west-1:123456789012:news:id",` +
			`"TopicArn":"arn:aws:sns:eu-west-1:123456789012:news","Subject":null}}]}`},
		{"a subject", `{"Type":"Notification","MessageId":"m1","TopicArn":"t","Subject":"S","Message":"x"}`, `{"Records":[{"EventVersion":"1.0","EventSubscriptionArn":"t:00000000-0000-0000-0000-000000000000","EventSource":"aws:sns","Sns":{` +
			`"SignatureVersion":"","Timestamp":"","Signature":"","SigningCertUrl":"","MessageId":"m1","Message":"x","MessageAttributes":{},"Type":"Notification","UnsubscribeUrl":"","TopicArn":"t","Subject":"S"}}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got string
			f := FromTopic(functionOf(func(_ context.Context, payload []byte) ([]byte, error) { got = string(payload); return nil, nil }), "news", nil)
			if _, err := f.Invoke(t.Context(), inQueue(c.body, 1)); err != nil || got != c.want {
				t.Errorf("%v, the function got\n%s\nwant\n%s", err, got, c.want)
			}
		})
	}
}

func TestAMessageOfATopicIsDroppedAfterThreeFailuresAndThatIsTold(t *testing.T) {
	broken := errors.New("broken")
	failing := functionOf(func(context.Context, []byte) ([]byte, error) { return nil, broken })
	busy := functionOf(func(context.Context, []byte) ([]byte, error) { return nil, ErrNoPlace })
	ended, end := context.WithCancel(t.Context())
	end()
	for _, c := range []struct {
		name     string
		ctx      context.Context
		f        Function
		body     string
		received int
		err      error
		told     string
	}{
		{"the first failure", t.Context(), failing, published, 1, broken, ""},
		{"the second", t.Context(), failing, published, 2, broken, ""},
		{"the third", t.Context(), failing, published, 3, nil, "a message of topic news is dropped, because the function has failed 3 times: broken"},
		{"no place", t.Context(), busy, published, 7, ErrNoPlace, ""},
		{"the end", ended, failing, published, 3, broken, ""},
		{"no message of a topic", t.Context(), failing, "hello", 1, nil, "a message in the queue of topic news is not an SNS message and was dropped: "},
		{"another type", t.Context(), failing, `{"Type":"SubscriptionConfirmation"}`, 1, nil, "a message in the queue of topic news is not an SNS message and was dropped: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			var told []string
			f := FromTopic(c.f, "news", func(text string) { told = append(told, text) })
			if _, err := f.Invoke(c.ctx, inQueue(c.body, c.received)); !errors.Is(err, c.err) {
				t.Errorf("%v, want %v", err, c.err)
			}
			if (c.told == "") != (len(told) == 0) || !strings.HasPrefix(strings.Join(told, "\n"), c.told) {
				t.Errorf("told %s", strconv.Quote(strings.Join(told, "\n")))
			}
		})
	}
}

func FuzzAMessageOfATopic(f *testing.F) {
	f.Add(published)
	f.Add(`{"Type":"Notification","TopicArn":"t","UnsubscribeURL":"%zz","MessageAttributes":{"a":1}}`)
	f.Fuzz(func(t *testing.T, body string) {
		event, err := topicEvent(body)
		if err == nil && !json.Valid(event) {
			t.Errorf("%q makes %q", body, event)
		}
	})
}
