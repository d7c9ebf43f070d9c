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
var sampleEvents = append([]string{"connect", "message", "disconnect", "authorizer", "http", "schedule", "dynamodb", "s3", "doctor"}, publishSamples...)

const sampleNames = "connect, message, disconnect, authorizer, http, sqs, sns, eventbridge, schedule, dynamodb, s3, publish or doctor"

// sample is what sample events are made of.
type sample struct {
	now              time.Time
	at               place
	to, body         string
	hasBody          bool            // body was given
	data             json.RawMessage // or
	text             *string
	queries, headers many
}

// place is where the events come from.
type place struct {
	host, stage, apiID, region, account, endpoint string

	// route is the key of a message's route; nil means that of the stacks of deploy.
	route func(message string) (string, error)
}

// nowhere is the place of events if no dev runs in the folder: where one would be.
var nowhere = place{host: "localhost:3001", stage: "dev", apiID: "sampleapi0", region: "us-east-1", account: "000000000000", endpoint: "http://localhost:3001/dev"}

type object = map[string]any

// make is one event. WebSocket events have the fields that recorded ones have; the
// others those that AWS documents (Lambda developer guide: "Using Lambda with Amazon
// SQS", "... with Amazon SNS", "... EventBridge", "... DynamoDB", "Process Amazon S3 event
// notifications with Lambda"; API Gateway developer guide: "Create AWS Lambda proxy
// integrations for HTTP APIs", payload 2.0).
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
		key, err := s.routeKey()
		if err != nil {
			return nil, err
		}
		context := s.context("MESSAGE", key)
		context["messageId"] = "SampleMessage01="
		return object{"requestContext": context, "body": s.body, "isBase64Encoded": false}, nil
	case "disconnect":
		headers := object{"Host": s.at.host, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
		context := s.context("DISCONNECT", "$disconnect")
		context["disconnectStatusCode"], context["disconnectReason"] = 1001, "Going away"
		return object{"headers": headers, "multiValueHeaders": lists(headers), "requestContext": context, "isBase64Encoded": false}, nil
	case "publish":
		return publish, nil
	case "sqs":
		return object{"Records": []any{object{
			"messageId": s.id(), "receiptHandle": "sample", "body": s.bodyOr(string(inner)), "md5OfBody": md5Of(s.bodyOr(string(inner))),
			"attributes": object{"ApproximateReceiveCount": "1", "SentTimestamp": fmt.Sprint(s.now.UnixMilli()), "SenderId": s.at.account, "ApproximateFirstReceiveTimestamp": fmt.Sprint(s.now.UnixMilli())}, "messageAttributes": object{},
			"eventSource": "aws:sqs", "eventSourceARN": s.arn("sqs", "wirepost-publish"), "awsRegion": s.at.region,
		}}}, nil
	case "sns":
		return object{"Records": []any{object{
			"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": s.arn("sns", "publish:5a1c0000-0000-4000-8000-000000000002"),
			"Sns": object{"Type": "Notification", "MessageId": s.id(), "TopicArn": s.arn("sns", "publish"),
				"Message": s.bodyOr(string(inner)), "Timestamp": iso, "MessageAttributes": object{}},
		}}}, nil
	case "eventbridge":
		return s.bridged("publish", "sample", publish), nil
	case "schedule":
		event := s.bridged("Scheduled Event", "aws.events", object{})
		event["resources"] = []any{s.arn("events", "rule/sample")}
		return event, nil
	case "dynamodb":
		return s.dynamodb(), nil
	case "s3":
		return s.s3(), nil
	case "http":
		return s.http()
	case "authorizer":
		return s.authorizer()
	case "doctor":
		return object{"wirepost": "doctor"}, nil
	}
	return nil, fmt.Errorf("there is no sample event %q", name)
}

func (s *sample) connect() (object, error) {
	headers := object{"Host": s.at.host, "Sec-WebSocket-Key": "c2FtcGxlIG9mIGEga2V5IQ==", "Sec-WebSocket-Version": "13",
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Port": "443", "X-Forwarded-Proto": "https"}
	if err := s.addHeaders(headers, http.CanonicalHeaderKey); err != nil {
		return nil, err
	}
	event := object{"headers": headers, "multiValueHeaders": lists(headers), "requestContext": s.context("CONNECT", "$connect"), "isBase64Encoded": false}
	last, all, err := s.query()
	if err == nil && len(last) > 0 { // absent without a query, never null
		event["queryStringParameters"], event["multiValueQueryStringParameters"] = last, all
	}
	return event, err
}

// addHeaders adds those of --header.
func (s *sample) addHeaders(headers object, name func(string) string) error {
	for _, h := range s.headers {
		n, value, ok := parseHeader(h)
		if !ok {
			before, _, _ := strings.Cut(h, "=") // what follows may be a token
			return fmt.Errorf("--header %s…: write NAME: VALUE", strings.TrimSpace(before[:min(len(before), 30)]))
		}
		headers[name(n)] = value
	}
	return nil
}

// query are the parameters of --query: the last value of each, and all.
func (s *sample) query() (last object, all map[string][]any, err error) {
	last, all = object{}, map[string][]any{}
	for _, q := range s.queries {
		name, value, ok := strings.Cut(q, "=")
		if !ok || name == "" {
			return nil, nil, fmt.Errorf("--query %q: write NAME=VALUE", q)
		}
		last[name], all[name] = value, append(all[name], value)
	}
	return last, all, nil
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
		"routeKey": routeKey, "eventType": eventType, "messageDirection": "IN", "stage": s.at.stage,
		"requestId": "SampleRequest01=", "extendedRequestId": "SampleRequest01=", "connectionId": "SampleConnect01=",
		"apiId": s.at.apiID, "domainName": s.at.host, "identity": object{"sourceIp": "127.0.0.1"},
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

// routeKey is the route that a message selects in the dev that runs; without one, what
// $request.body.action selects of the routes that the stacks of deploy have.
func (s *sample) routeKey() (string, error) {
	if s.at.route != nil {
		return s.at.route(s.body)
	}
	var frame struct{ Action string }
	_ = json.Unmarshal([]byte(s.body), &frame)
	switch frame.Action {
	case "subscribe", "unsubscribe", "send", "ping":
		return frame.Action, nil
	}
	return "$default", nil
}
