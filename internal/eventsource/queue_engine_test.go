package eventsource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/app"
)

// functionOf is a function in this process.
type functionOf func(ctx context.Context, payload []byte) ([]byte, error)

func (f functionOf) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return f(ctx, payload)
}

type queueEvent struct{ Records []queueRecord }

func recordsOf(t *testing.T, payload []byte) []queueRecord {
	t.Helper()
	var e queueEvent
	if err := json.Unmarshal(payload, &e); err != nil {
		t.Errorf("the event is no JSON: %v", err)
	}
	return e.Records
}

// mustCall sends one request to SQS.
func mustCall(t *testing.T, s *Server, operation string, in, out any) {
	t.Helper()
	if err := s.call(t.Context(), sqs, operation, callTime, in, out); err != nil {
		t.Fatal(err)
	}
}

// createQueue makes a queue and gives its URL.
func createQueue(t *testing.T, s *Server, name string, attributes map[string]string) string {
	t.Helper()
	var out struct{ QueueUrl string }
	mustCall(t, s, "CreateQueue", map[string]any{"QueueName": name, "Attributes": attributes}, &out)
	return out.QueueUrl
}

func send(t *testing.T, s *Server, url string, n int, more func(i int, entry map[string]any)) {
	t.Helper()
	for i := 0; i < n; i += perRequest {
		var entries []map[string]any
		for j := i; j < min(n, i+perRequest); j++ {
			e := map[string]any{"Id": strconv.Itoa(j), "MessageBody": strconv.Itoa(j)}
			if more != nil {
				more(j, e)
			}
			entries = append(entries, e)
		}
		mustCall(t, s, "SendMessageBatch", map[string]any{"QueueUrl": url, "Entries": entries}, nil)
	}
}

// killable is a transport that is dead after its process was killed.
type killable struct{ dead atomic.Bool }

func (k *killable) RoundTrip(r *http.Request) (*http.Response, error) {
	if k.dead.Load() {
		return nil, errors.New("killed")
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if k.dead.Load() && err == nil { // what it had asked for is lost with it
		resp.Body.Close()
		return nil, errors.New("killed")
	}
	return resp, err
}

func TestAfterAKillInTheMiddleOf1000MessagesEachArrivesAtLeastOnce(t *testing.T) {
	server := fauxqs(t)
	url := createQueue(t, server, "kill", map[string]string{"VisibilityTimeout": "2"})
	send(t, server, url, 1000, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()

	var mu sync.Mutex
	arrived := map[string]int{}
	half, all, killed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	note := func(payload []byte) (middle bool) {
		mu.Lock()
		defer mu.Unlock()
		before := len(arrived)
		for _, r := range recordsOf(t, payload) {
			arrived[r.Body]++
		}
		if before < 500 && len(arrived) >= 500 {
			close(half)
		}
		if before < 1000 && len(arrived) == 1000 {
			close(all)
		}
		return len(arrived) >= 500
	}
	transport := &killable{}
	first := &Queue{Name: "kill", URL: url, ARN: "arn:aws:sqs:eu-west-1:000000000000:kill", Region: "eu-west-1", Server: testServer(server.URL, transport), Function: functionOf(func(_ context.Context, payload []byte) ([]byte, error) {
		if note(payload) {
			<-killed // so it is with the function when that happens
		}
		return nil, nil
	})}
	var ended sync.WaitGroup
	firstCtx, kill := context.WithCancel(ctx)
	ended.Go(func() { first.Run(firstCtx) })
	select {
	case <-half:
	case <-ctx.Done():
		t.Fatal("half of the messages did not arrive in time")
	}
	transport.dead.Store(true)
	kill()
	close(killed)

	second := *first
	second.Server = server
	secondCtx, stop := context.WithCancel(ctx)
	ended.Go(func() { second.Run(secondCtx) })
	select {
	case <-all:
	case <-ctx.Done():
		mu.Lock()
		t.Errorf("%d of 1000 messages arrived", len(arrived))
		mu.Unlock()
	}
	// What was with the function is visible again after two seconds.
	for waiting(t, server, url) > 0 && sleep(ctx, 50*time.Millisecond) {
	}
	stop()
	ended.Wait()
	twice := 0
	for _, n := range arrived {
		if n > 1 {
			twice++
		}
	}
	t.Logf("%d messages arrived more than once", twice)
	if twice == 0 {
		t.Error("nothing was with the function when it was killed")
	}
	if left := waiting(t, server, url); left != 0 {
		t.Errorf("%d messages are still in the queue", left)
	}
}

// waiting is how many messages a queue has, visible or not.
func waiting(t *testing.T, s *Server, url string) (n int) {
	t.Helper()
	var out struct{ Attributes map[string]string }
	mustCall(t, s, "GetQueueAttributes", map[string]any{"QueueUrl": url, "AttributeNames": []string{"All"}}, &out)
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"} {
		some, err := strconv.Atoi(out.Attributes[name])
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		n += some
	}
	return n
}

func TestWhatIsNotFinishedAtTheEndIsInItsQueueAgainSoon(t *testing.T) {
	server := fauxqs(t)
	url := createQueue(t, server, "end", map[string]string{"VisibilityTimeout": "600"})
	send(t, server, url, 3, nil)
	ctx, stop := context.WithCancel(t.Context())
	q := &Queue{Name: "end", URL: url, Notice: func(s string) { t.Log(s) }, Region: "eu-west-1", Server: server, Batch: app.Batch{Size: 2, MaxConcurrency: 1}, Function: functionOf(func(invocation context.Context, _ []byte) ([]byte, error) {
		stop()
		<-invocation.Done()
		return nil, context.Cause(invocation)
	})}
	begun := time.Now()
	if err := q.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 9*time.Second {
		t.Errorf("the end took %v", took)
	}
	var got []*message
	for range 3 { // one of them at once, and two within a second
		some, err := server.receive(t.Context(), url, 10, 3*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, some...); len(got) == 3 {
			return
		}
	}
	t.Errorf("%d of 3 messages are visible", len(got))
}

func TestAFIFOQueueGivesEachGroupInOrderAndADeadLetterItsQueue(t *testing.T) {
	server := fauxqs(t)
	dead := createQueue(t, server, "dead.fifo", map[string]string{"FifoQueue": "true"})
	url := createQueue(t, server, "work.fifo", map[string]string{
		"FifoQueue": "true", "VisibilityTimeout": "1",
		"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:000000000000:dead.fifo","maxReceiveCount":2}`,
	})
	send(t, server, url, 30, func(i int, e map[string]any) {
		e["MessageGroupId"], e["MessageDeduplicationId"] = fmt.Sprint("g", i%3), strconv.Itoa(i)
	})
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var mu sync.Mutex
	order := map[string][]int{}
	n := 0
	q := &Queue{Name: "work", URL: url, Region: "eu-west-1", Server: server, Batch: app.Batch{Partial: true}, Function: functionOf(func(_ context.Context, payload []byte) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		bad := ""
		for _, r := range recordsOf(t, payload) {
			if r.Body == "9" {
				bad = `{"itemIdentifier":"` + r.MessageID + `"}`
				continue
			}
			i, _ := strconv.Atoi(r.Body)
			order[r.Attributes["MessageGroupId"]] = append(order[r.Attributes["MessageGroupId"]], i)
			if n++; n == 29 {
				defer stop()
			}
		}
		return []byte(`{"batchItemFailures":[` + bad + `]}`), nil
	})}
	if err := q.Run(ctx); err != nil {
		t.Fatal(err)
	}
	for group, all := range order {
		for i := 1; i < len(all); i++ {
			if all[i] <= all[i-1] {
				t.Errorf("group %s came as %v", group, all)
				break
			}
		}
	}
	if n != 29 {
		t.Errorf("%d messages were handled, not 29", n)
	}
	if got, err := server.receive(t.Context(), dead, 10, 0); err != nil || len(got) != 1 || got[0].Body != "9" {
		t.Errorf("the queue of dead letters has %d messages (%v)", len(got), err)
	}
}
