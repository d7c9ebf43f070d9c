package eventsource

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/wirepost/wirepost/internal/eventsource/eventpattern"
)

// message is a message as ReceiveMessage gives it.
type message struct {
	MessageID         string `json:"MessageId"`
	ReceiptHandle     string
	Body              string
	MD5OfBody         string
	MD5OfAttributes   string `json:"MD5OfMessageAttributes"`
	Attributes        map[string]string
	MessageAttributes map[string]messageAttribute
}

func (m *message) group() string { return m.Attributes["MessageGroupId"] }

// messageAttribute is one of SQS's. Binary values are in base64, as in events.
type messageAttribute struct {
	StringValue      *string
	BinaryValue      *string
	StringListValues []string
	BinaryListValues []string
	DataType         string
}

// queueRecord is a message in the event of a function, in the order of fields that
// Lambda's events have (AWS docs, Lambda developer guide, "Using Lambda with Amazon SQS").
type queueRecord struct {
	MessageID         string                     `json:"messageId"`
	ReceiptHandle     string                     `json:"receiptHandle"`
	Body              string                     `json:"body"`
	Attributes        map[string]string          `json:"attributes"`
	MessageAttributes map[string]recordAttribute `json:"messageAttributes"`
	MD5OfAttributes   string                     `json:"md5OfMessageAttributes,omitempty"`
	MD5OfBody         string                     `json:"md5OfBody"`
	EventSource       string                     `json:"eventSource"`
	EventSourceARN    string                     `json:"eventSourceARN"`
	Region            string                     `json:"awsRegion"`
}

type recordAttribute struct {
	StringValue      *string  `json:"stringValue,omitempty"`
	BinaryValue      *string  `json:"binaryValue,omitempty"`
	StringListValues []string `json:"stringListValues"`
	BinaryListValues []string `json:"binaryListValues"`
	DataType         string   `json:"dataType"`
}

// record is the message in an event, as JSON.
func (m *message) record(arn, region string) json.RawMessage {
	r := queueRecord{
		MessageID: m.MessageID, ReceiptHandle: m.ReceiptHandle, Body: m.Body, Attributes: m.Attributes,
		MessageAttributes: map[string]recordAttribute{}, MD5OfBody: m.MD5OfBody, MD5OfAttributes: m.MD5OfAttributes,
		EventSource: "aws:sqs", EventSourceARN: arn, Region: region,
	}
	if r.Attributes == nil {
		r.Attributes = map[string]string{}
	}
	for name, a := range m.MessageAttributes {
		// Always there, and always empty: SQS does not have lists yet.
		r.MessageAttributes[name] = recordAttribute{a.StringValue, a.BinaryValue, orEmpty(a.StringListValues), orEmpty(a.BinaryListValues), a.DataType}
	}
	return encode(r)
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// encode is JSON without the escapes that are for pages: a batch has a bound in bytes.
func encode(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // only types of this package are encoded
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// eventOf is the event of a batch.
func eventOf(records []json.RawMessage) []byte {
	var b bytes.Buffer
	b.WriteString(`{"Records":[`)
	for i, r := range records {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(r)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// fitsMessage reports whether a message fits one of the patterns. A pattern for the
// fields of a body fits only a body that is a JSON object, and one for the body as a
// whole only one that is not (AWS docs, Lambda developer guide, "Using event filtering
// with an Amazon SQS event source").
func fitsMessage(patterns []*eventpattern.Pattern, record json.RawMessage, body string) bool {
	if len(patterns) == 0 {
		return true
	}
	v, err := eventpattern.Decode(record)
	whole, ok := v.(map[string]any)
	if err != nil || !ok {
		return false
	}
	isObject := false
	if strings.HasPrefix(strings.TrimLeft(body, " \t\r\n"), "{") {
		if decoded, err := eventpattern.Decode([]byte(body)); err == nil {
			whole["body"], isObject = decoded, true
		}
	}
	for _, p := range patterns {
		if p.Object("body") && !isObject || p.Value("body") && isObject {
			continue
		}
		if p.Match(whole) {
			return true
		}
	}
	return false
}
