package eventsource

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// fakeQueue is a server of SQS with one queue, in memory and in the time of the test:
// what a real server does not do when it is asked to, such as to be away.
type fakeQueue struct {
	mu         sync.Mutex
	visibility int
	messages   []*fakeMessage
	arrived    chan struct{} // is closed when a message comes
	away       bool
	calls      map[string]int
	refuse     map[string]string // codes by operation
}

type fakeMessage struct {
	message
	visibleAt time.Time
}

func newFakeQueue(visibility int) *fakeQueue {
	return &fakeQueue{visibility: visibility, arrived: make(chan struct{}), calls: map[string]int{}, refuse: map[string]string{}}
}

func (f *fakeQueue) server() *Server { return testServer("http://sqs.test", f) }

func (f *fakeQueue) send(bodies ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range bodies {
		m := &fakeMessage{message: message{MessageID: "id-" + strconv.Itoa(len(f.messages)), Body: b, MD5OfBody: "md5", Attributes: map[string]string{}}}
		group, _, grouped := strings.Cut(b, ":")
		if grouped {
			m.Attributes["MessageGroupId"] = group
		}
		f.messages = append(f.messages, m)
	}
	close(f.arrived)
	f.arrived = make(chan struct{})
}

func (f *fakeQueue) setAway(away bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = away
}

// bodies are those of the messages that are left, and how many of them are visible.
func (f *fakeQueue) left() (bodies []string, visible int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		bodies = append(bodies, m.Body)
		if !time.Now().Before(m.visibleAt) {
			visible++
		}
	}
	return bodies, visible
}

func (f *fakeQueue) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	var in struct {
		MaxNumberOfMessages, WaitTimeSeconds int
		Entries                              []batchEntry
	}
	json.Unmarshal(body, &in)
	f.mu.Lock()
	f.calls[operation]++
	away, refused := f.away, f.refuse[operation]
	f.mu.Unlock()
	var out any
	switch {
	case away:
		return nil, errors.New("connection refused")
	case refused != "":
		return answerOf(400, map[string]string{"__type": "com.amazonaws.sqs#" + refused, "message": "no"}), nil
	case operation == "GetQueueAttributes":
		out = map[string]any{"Attributes": map[string]string{"VisibilityTimeout": strconv.Itoa(f.visibility)}}
	case operation == "ReceiveMessage":
		out = map[string]any{"Messages": f.receive(in.MaxNumberOfMessages, time.Duration(in.WaitTimeSeconds)*time.Second)}
	default:
		out = f.entries(operation, in.Entries)
	}
	return answerOf(200, out), nil
}

func answerOf(status int, v any) *http.Response {
	b, _ := json.Marshal(v)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(b)))}
}

func (f *fakeQueue) receive(most int, wait time.Duration) (got []message) {
	for begun := time.Now(); ; {
		f.mu.Lock()
		for _, m := range f.messages {
			if len(got) < most && !time.Now().Before(m.visibleAt) {
				m.visibleAt = time.Now().Add(time.Duration(f.visibility) * time.Second)
				m.ReceiptHandle = m.MessageID + " " + time.Now().String()
				got = append(got, m.message)
			}
		}
		arrived := f.arrived
		f.mu.Unlock()
		left := wait - time.Since(begun)
		if len(got) > 0 || left <= 0 {
			return got
		}
		select {
		case <-arrived:
		case <-time.After(min(left, time.Second)):
		}
	}
}

func (f *fakeQueue) entries(operation string, entries []batchEntry) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	var failed []map[string]any
	for _, e := range entries {
		found := false
		for i, m := range f.messages {
			if found = m.ReceiptHandle == e.ReceiptHandle; !found {
				continue
			}
			if operation == "DeleteMessageBatch" {
				f.messages = append(f.messages[:i:i], f.messages[i+1:]...)
			} else {
				m.visibleAt = time.Now().Add(time.Duration(*e.VisibilityTimeout) * time.Second)
			}
			break
		}
		if !found {
			failed = append(failed, map[string]any{"Id": e.ID, "Code": "ReceiptHandleIsInvalid", "SenderFault": true})
		}
	}
	return map[string]any{"Failed": failed}
}
