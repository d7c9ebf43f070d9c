package awslocal

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// sqsRequest is an operation of SQS, of either protocol.
type sqsRequest struct {
	operation string
	input     map[string]any // as JSON has it
	query     bool           // it came by the query protocol
}

// sqsRequestOf reads a request. One of the query protocol names its queue in the path
// too: a client of 2012 posts to the queue's URL.
func sqsRequestOf(r *http.Request, body []byte) (sqsRequest, error) {
	if operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS."); ok {
		q := sqsRequest{operation: operation}
		if len(body) > 0 {
			if err := json.Unmarshal(body, &q.input); err != nil {
				return q, fmt.Errorf("the body is not JSON: %w", err)
			}
		}
		if q.input == nil {
			q.input = map[string]any{}
		}
		return q, nil
	}
	form := formOf(r, body)
	if !form.Has("QueueUrl") && strings.Count(strings.Trim(r.URL.Path, "/"), "/") == 1 {
		form.Set("QueueUrl", r.URL.Path)
	}
	input, err := inputOfQuery(form)
	return sqsRequest{operation: form.Get("Action"), input: input, query: true}, err
}

// queue is the queue that a request names, and whose it is: empty if it does not say.
func (q sqsRequest) queue() (name, account string) {
	if url, ok := q.input["QueueUrl"].(string); ok {
		parts := strings.Split(strings.Trim(pathOf(url), "/"), "/")
		name = parts[len(parts)-1]
		if len(parts) > 1 {
			account = parts[len(parts)-2]
		}
		return name, account
	}
	for _, member := range []string{"SourceArn", "TaskHandle"} {
		if arn, ok := q.input[member].(string); ok {
			if parts := strings.Split(arn, ":"); len(parts) == 6 {
				return parts[5], parts[4]
			}
		}
	}
	name, _ = q.input["QueueName"].(string)
	account, _ = q.input["QueueOwnerAWSAccountId"].(string)
	return name, account
}

func pathOf(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Path
	}
	return address
}

func (s *Services) serveSQS(w http.ResponseWriter, r *http.Request, body []byte) {
	q, err := sqsRequestOf(r, body)
	if err != nil {
		q.fail(w, http.StatusBadRequest, "InvalidParameterValue", "InvalidParameterValue", err.Error())
		return
	}
	name, account := q.queue()
	elsewhere := account != "" && account != s.c.Account // a queue of another account
	err = nil
	if s.c.Queues != nil && !elsewhere {
		var a *answer
		if a, err = s.askSQS(r, q, name); err == nil {
			if !noSuchQueue(a) {
				q.write(w, s.withOwnURLs(q, a))
				return
			}
			if s.forward(SQS, w, r, body, []string{name}) {
				return
			}
		}
	} else if (elsewhere || s.c.Queues == nil) && s.forwardSQS(w, r, body, name, elsewhere) {
		return
	}
	if err != nil && !notReached(err) {
		q.fail(w, http.StatusInternalServerError, "InternalError", "InternalFailure", err.Error())
		return
	}
	sentence := s.c.Missing(r, Miss{Service: SQS, Operation: q.operation, Name: name, Err: err})
	q.fail(w, http.StatusBadRequest, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", sentence)
}

// forwardSQS has somebody else answer. A queue of another account may have the name of
// one of the app's.
func (s *Services) forwardSQS(w http.ResponseWriter, r *http.Request, body []byte, name string, elsewhere bool) bool {
	if elsewhere {
		return s.forward(SQS, w, r, body, nil)
	}
	return s.forward(SQS, w, r, body, []string{name})
}

// askSQS asks the server in JSON. The region is in the host of URLs that fauxqs makes:
// by it, a queue of one region is not that of another.
func (s *Services) askSQS(r *http.Request, q sqsRequest, name string) (*answer, error) {
	input := make(map[string]any, len(q.input))
	for k, v := range q.input {
		input[k] = v
	}
	if _, ok := input["QueueUrl"]; ok {
		at := strings.TrimSuffix(s.c.Queues.URL, "/")
		if s.c.Queues.Authorize != nil {
			at = "http://sqs." + s.regionOf(r) + ".localhost"
		}
		input["QueueUrl"] = at + "/" + s.c.Account + "/" + url.PathEscape(name)
	}
	text, err := json.Marshal(input)
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {"AmazonSQS." + q.operation}}
	for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token", "User-Agent"} {
		if v := r.Header.Values(name); len(v) > 0 {
			header[name] = v
		}
	}
	return s.ask(s.c.Queues, r, header, "/", text)
}

func noSuchQueue(a *answer) bool {
	if a.status < 400 {
		return false
	}
	code, _ := a.sqsError()
	return strings.HasSuffix(code, "QueueDoesNotExist") || strings.HasSuffix(code, "NonExistentQueue")
}

// sqsError is the code and the sentence of an error.
func (a *answer) sqsError() (code, sentence string) {
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if json.Unmarshal(a.body, &e) != nil {
		return "", string(a.body[:min(len(a.body), 500)])
	}
	return e.Type, e.Message
}

// withOwnURLs gives the URLs of queues in an answer the address that this is reached at.
func (s *Services) withOwnURLs(q sqsRequest, a *answer) *answer {
	if a.status != http.StatusOK || !slices.Contains([]string{"CreateQueue", "GetQueueUrl", "ListQueues", "ListDeadLetterSourceQueues"}, q.operation) {
		return a
	}
	var output map[string]any
	if json.Unmarshal(a.body, &output) != nil {
		return a
	}
	for member, value := range output {
		switch value := value.(type) {
		case string:
			if member == "QueueUrl" {
				output[member] = s.c.Base + pathOf(value)
			}
		case []any: // QueueUrls, and queueUrls of one operation
			for i := range value {
				if u, ok := value[i].(string); ok && strings.EqualFold(member, "QueueUrls") {
					value[i] = s.c.Base + pathOf(u)
				}
			}
		}
	}
	if text, err := json.Marshal(output); err == nil {
		a.body = text
	}
	return a
}

// write answers in the protocol of the request.
func (q sqsRequest) write(w http.ResponseWriter, a *answer) {
	if !q.query {
		a.write(w)
		return
	}
	if a.status != http.StatusOK {
		code, sentence := a.sqsError()
		_, code, _ = strings.Cut(code, "#")
		if old, _, ok := strings.Cut(a.header.Get("X-Amzn-Query-Error"), ";"); ok {
			code = old
		}
		q.fail(w, a.status, code, code, sentence)
		return
	}
	var output map[string]any
	if len(a.body) > 0 && json.Unmarshal(a.body, &output) != nil {
		q.fail(w, http.StatusInternalServerError, "InternalFailure", "InternalFailure", "the server answered with no JSON")
		return
	}
	writeXML(w, http.StatusOK, outputAsXML(q.operation, output))
}

// fail answers with an error, whose code the query protocol has another word for.
func (q sqsRequest) fail(w http.ResponseWriter, status int, code, queryCode, sentence string) {
	if q.query {
		writeXML(w, status, errorAsXML("http://queue.amazonaws.com/doc/2012-11-05/", status, queryCode, sentence))
		return
	}
	text, err := json.Marshal(map[string]string{"__type": "com.amazonaws.sqs#" + code, "message": sentence})
	if err != nil {
		text = []byte("{}")
	}
	a := &answer{status: status, body: text, header: http.Header{
		"Content-Type": {"application/x-amz-json-1.0"}, "X-Amzn-Requestid": {ownRequestID()}, "X-Amzn-Query-Error": {queryCode + ";" + fault(status)}}}
	a.write(w)
}

func fault(status int) string {
	if status < 500 {
		return "Sender"
	}
	return "Receiver"
}
