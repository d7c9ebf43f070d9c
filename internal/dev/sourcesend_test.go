package dev

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/eventsource"
)

// takenQueue is a server of SQS that gives one message at a time, and keeps what is done
// with each.
type takenQueue struct {
	mu       sync.Mutex
	given    int
	back     map[string]bool // by receipt handle: given back
	done     map[string]bool // deleted
	received chan struct{}   // has an element when a message has been given
}

func (q *takenQueue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var in struct {
		Entries []struct{ ReceiptHandle string }
	}
	body, _ := io.ReadAll(r.Body)
	json.Unmarshal(body, &in)
	q.mu.Lock()
	defer q.mu.Unlock()
	switch operation {
	case "GetQueueAttributes":
		io.WriteString(w, `{"Attributes":{"VisibilityTimeout":"300"}}`)
	case "ReceiveMessage":
		q.given++
		fmt.Fprintf(w, `{"Messages":[{"MessageId":"m%[1]d","ReceiptHandle":"r%[1]d","Body":"%[1]d"}]}`, q.given)
		select {
		case q.received <- struct{}{}:
		default:
		}
	default:
		for _, e := range in.Entries {
			if operation == "DeleteMessageBatch" {
				q.done[e.ReceiptHandle] = true
			} else {
				q.back[e.ReceiptHandle] = true
			}
		}
		io.WriteString(w, `{}`)
	}
}

func queueApp(batch app.Batch) *app.App {
	return &app.App{Functions: []app.Function{{LogicalID: "Work"}}, Queues: []app.Queue{{LogicalID: "Orders", Name: "orders-q"}},
		Sources: []app.Source{{Name: "FromOrders", Kind: app.SQSQueue, Function: "Work", From: "Orders", Batch: batch}}}
}

// A function that does not end is cut off, and what it had is given back: nothing is lost
// of what was taken, and nothing of it is counted as done.
func TestSourcesEndInTimeAndGiveBackWhatTheyHaveTaken(t *testing.T) {
	queue := &takenQueue{back: map[string]bool{}, done: map[string]bool{}, received: make(chan struct{}, 1)}
	server := httptest.NewServer(queue)
	defer server.Close()
	const places = 3
	s, _, said := sourcesOf(queueApp(app.Batch{Size: 1, MaxConcurrency: places}), Config{}, map[app.SourceKind]string{app.SQSQueue: server.URL})
	var running, most atomic.Int64
	full := make(chan struct{})
	s.function = func(string, string, bool) eventsource.Function {
		return functionOf(func(ctx context.Context, _ []byte) ([]byte, error) {
			if n := running.Add(1); n > most.Load() {
				if most.Store(n); n == places {
					close(full)
				}
			}
			defer running.Add(-1)
			<-ctx.Done() // it would go on for ever
			return nil, ctx.Err()
		})
	}
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	within(t, full, "the function to have all of its places taken")
	ctx, cancel := context.WithTimeout(t.Context(), stopTime)
	defer cancel()
	begun := time.Now()
	if err := s.stop(ctx); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > eventsource.Grace+4*time.Second {
		t.Errorf("it took %v", took)
	}
	queue.mu.Lock()
	defer queue.mu.Unlock()
	if len(queue.back) != queue.given || len(queue.done) != 0 || most.Load() > places || running.Load() != 0 {
		t.Errorf("of %d messages %d were given back and %d deleted; %d invocations at a time, %d at the end; it said\n%s", queue.given, len(queue.back), len(queue.done), most.Load(), running.Load(), said)
	}
}

func TestASourceWhoseServerIsAwaySaysSoOnceAndEndsAtOnce(t *testing.T) {
	var asked atomic.Int64
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer away.Close()
	s, _, said := sourcesOf(queueApp(app.Batch{}), Config{}, map[app.SourceKind]string{app.SQSQueue: away.URL})
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := &running{reported: said, ended: make(chan struct{})}
	r.await(t, "hint: queue FromOrders at "+away.URL+" cannot be read: ")
	late := time.After(patience)
	for asked.Load() < 3 {
		select {
		case <-late:
			t.Fatal("it was not asked again")
		case <-time.After(50 * time.Millisecond):
		}
	}
	begun := time.Now()
	if err := s.stop(t.Context()); err != nil || time.Since(begun) > 2*time.Second {
		t.Errorf("the end took %v, %v", time.Since(begun), err)
	}
	if n := strings.Count(said.String(), "cannot be read"); n != 1 {
		t.Errorf("it said so %d times:\n%s", n, said)
	}
}
