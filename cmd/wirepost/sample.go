package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// publishSamples are the events that carry a publish object.
var publishSamples = []string{"publish", "sqs", "sns", "eventbridge"}

// sampleEvents are all, and sampleNames says so.
var sampleEvents = append([]string{"connect", "message", "disconnect", "doctor"}, publishSamples...)

const sampleNames = "connect, message, disconnect, publish, sqs, sns, eventbridge or doctor"

// sample is what sample events are made of.
type sample struct {
	now              time.Time
	to, body         string
	data             json.RawMessage // or
	text             *string
	queries, headers many
}

type object = map[string]any

// make is one event. WebSocket events have the fields that recorded ones have; the
// others those that AWS documents (Lambda developer guide: "Using Lambda with Amazon
// SQS", "... with Amazon SNS", "... EventBridge").
func (s *sample) make(name string) ([]byte, error) {
	event, err := s.event(name)
	if err != nil {
		return nil, err
	}
	return json.Marshal(event)
}

func (s *sample) event(name string) (any, error) {
	publish := object{"to": s.to, "data": s.data}
	if s.text != nil {
		publish = object{"to": s.to, "text": *s.text}
	}
	inner, err := json.Marshal(publish)
	if err != nil {
		return nil, fmt.Errorf("make the event: %w", err)
	}
	iso := s.now.UTC().Format("2006-01-02T15:04:05.000Z")
	switch name {
	case "connect":
		return s.connect()
	case "message":
		context := s.context("MESSAGE", s.routeKey())
		context["messageId"] = "SampleMessage01="
		return object{"requestContext": context, "body": s.body, "isBase64Encoded": false}, nil
	case "disconnect":
		headers := object{"Host": sampleHost, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
		context := s.context("DISCONNECT", "$disconnect")
		context["disconnectStatusCode"], context["disconnectReason"] = 1001, "Going away"
		return object{"headers": headers, "multiValueHeaders": lists(headers), "requestContext": context, "isBase64Encoded": false}, nil
	case "publish":
		return publish, nil
	case "sqs":
		return object{"Records": []any{object{
			"messageId": s.id(), "receiptHandle": "sample", "body": string(inner),
			"attributes": object{"ApproximateReceiveCount": "1", "SentTimestamp": fmt.Sprint(s.now.UnixMilli())}, "messageAttributes": object{},
			"eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:wirepost-publish", "awsRegion": "us-east-1",
		}}}, nil
	case "sns":
		return object{"Records": []any{object{
			"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": "arn:aws:sns:us-east-1:000000000000:publish:5a1c0000-0000-4000-8000-000000000002",
			"Sns": object{"Type": "Notification", "MessageId": s.id(), "TopicArn": "arn:aws:sns:us-east-1:000000000000:publish",
				"Message": string(inner), "Timestamp": iso, "MessageAttributes": object{}},
		}}}, nil
	case "eventbridge":
		return object{"version": "0", "id": s.id(), "detail-type": "publish", "source": "sample", "account": "000000000000",
			"time": iso[:19] + "Z", "region": "us-east-1", "resources": []any{}, "detail": publish}, nil
	case "doctor":
		return object{"wirepost": "doctor"}, nil
	}
	return nil, fmt.Errorf("there is no sample event %q", name)
}

const sampleHost = "localhost:3001"

func (s *sample) connect() (any, error) {
	headers := object{"Host": sampleHost, "Sec-WebSocket-Key": "c2FtcGxlIG9mIGEga2V5IQ==", "Sec-WebSocket-Version": "13",
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Port": "443", "X-Forwarded-Proto": "https"}
	for _, h := range s.headers {
		name, value, ok := strings.Cut(h, "=")
		if !ok || name == "" {
			before, _, _ := strings.Cut(h, ":") // what follows may be a token
			return nil, fmt.Errorf("--header %s…: write NAME=VALUE", strings.TrimSpace(before[:min(len(before), 30)]))
		}
		headers[http.CanonicalHeaderKey(name)] = value
	}
	event := object{"headers": headers, "multiValueHeaders": lists(headers), "requestContext": s.context("CONNECT", "$connect"), "isBase64Encoded": false}
	last, all := object{}, map[string][]any{}
	for _, q := range s.queries {
		name, value, ok := strings.Cut(q, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--query %q: write NAME=VALUE", q)
		}
		last[name], all[name] = value, append(all[name], value)
	}
	if len(last) > 0 { // absent without a query, never null
		event["queryStringParameters"], event["multiValueQueryStringParameters"] = last, all
	}
	return event, nil
}

func lists(headers object) object {
	out := object{}
	for name, value := range headers {
		out[name] = []any{value}
	}
	return out
}

func (s *sample) context(eventType, routeKey string) object {
	return object{
		"routeKey": routeKey, "eventType": eventType, "messageDirection": "IN", "stage": "dev",
		"requestId": "SampleRequest01=", "extendedRequestId": "SampleRequest01=", "connectionId": "SampleConnect01=",
		"apiId": "sampleapi0", "domainName": sampleHost, "identity": object{"sourceIp": "127.0.0.1"},
		"connectedAt": s.connectedAt().UnixMilli(), "requestTimeEpoch": s.now.UnixMilli(), "requestTime": s.now.UTC().Format("02/Jan/2006:15:04:05 +0000"),
	}
}

// connectedAt is the same for an hour, so that a message and a disconnect are of the
// connection that a connect has made.
func (s *sample) connectedAt() time.Time { return s.now.Truncate(time.Hour) }

// id is another each time: a client drops a message whose ID it has seen.
func (s *sample) id() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// routeKey is what $request.body.action selects, of the routes that the stacks of
// deploy have.
func (s *sample) routeKey() string {
	var frame struct{ Action string }
	_ = json.Unmarshal([]byte(s.body), &frame)
	switch frame.Action {
	case "subscribe", "unsubscribe", "send", "ping":
		return frame.Action
	}
	return "$default"
}
