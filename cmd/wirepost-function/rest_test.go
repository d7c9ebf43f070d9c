package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
)

// hanging makes the first n posts succeed, and others wait for the deadline.
func (w *world) hanging(n int) {
	done := 0
	w.answer = func(r *http.Request, _ string) int {
		w.mu.Lock()
		done++
		hang := done > n
		w.mu.Unlock()
		if hang {
			<-r.Context().Done()
		}
		return 200
	}
}

// inBubble runs a subtest in which the time of an invocation passes at once.
func inBubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func TestWhatHasNoTimeGoesOnAndReachesNobodyTwice(t *testing.T) {
	const people = 6
	object := `{"to":"topic:lobby","data":1}`
	for source, event := range map[string]any{
		"invoke": json.RawMessage(object), "sqs": sqsEvent("q", object), "sns": snsEvent(object), "eventbridge": eventBridgeEvent(json.RawMessage(object)),
	} {
		inBubble(t, source, func(t *testing.T) {
			w := newWorld(t)
			for i := range people {
				w.connect(t, fmt.Sprintf("%c=", 'A'+i), "", "lobby")
			}
			payload := marshal(t, event)
			var counted, failed int
			for rounds := 0; ; rounds++ {
				if rounds > people {
					t.Fatal("it does not end")
				}
				w.hanging(2)
				ctx, cancel := context.WithTimeout(t.Context(), reserve+400*time.Millisecond)
				out, err := w.Invoke(ctx, payload)
				cancel()
				if err != nil || strings.Contains(string(out), "itemIdentifier") {
					t.Fatalf("answered %s, %v", out, err)
				}
				if source == "invoke" {
					var r struct {
						Sent, Failed int
						Next         *wirepost.Job
					}
					if err := json.Unmarshal(out, &r); err != nil || r.Next != nil {
						t.Fatalf("answered %s, %v", out, err)
					}
					counted, failed = counted+r.Sent, failed+r.Failed
				}
				if len(w.queue.bodies) == 0 {
					break
				}
				if len(w.queue.bodies) != 1 {
					t.Fatalf("%d jobs are in the queue", len(w.queue.bodies))
				}
				// The job is an SQS message for this function, or what one invokes with.
				payload = marshal(t, sqsEvent("q", string(w.queue.bodies[0])))
				if source == "invoke" {
					payload = w.queue.bodies[0]
				}
				w.queue.bodies = nil
			}
			ids := map[string]bool{}
			reached := 0
			for id, posts := range w.posts {
				if len(posts) != 1 {
					t.Errorf("%s got %d messages", id, len(posts))
				}
				var e wirepost.Envelope
				if err := json.Unmarshal([]byte(posts[0]), &e); err != nil {
					t.Fatal(err)
				}
				ids[e.ID] = true
				reached++
			}
			if len(ids) != 1 {
				t.Errorf("one publish has the IDs %v", ids)
			}
			if source == "invoke" && (counted != reached || counted+failed != people) {
				t.Errorf("counted %d sent and %d failed, posted %d", counted, failed, reached)
			}
		})
	}
}

func TestWithoutAQueueTheRestIsLeftToWhoAsked(t *testing.T) {
	object := `{"to":"topic:lobby","text":"x"}`
	once := `{"to":"topic:lobby","text":"x","atLeastOnce":true}`
	for name, tt := range map[string]struct {
		event any
		queue error // of a queue that does not take it; nil: no queue
		check func(t *testing.T, w *world, out []byte, err error)
	}{
		"invoke": {json.RawMessage(object), nil, func(t *testing.T, w *world, out []byte, err error) {
			var r struct {
				Sent int
				Next json.RawMessage
			}
			if err != nil || json.Unmarshal(out, &r) != nil || r.Sent != 1 || len(r.Next) == 0 {
				t.Fatalf("answered %s, %v", out, err)
			}
			w.answer = nil
			if out, err = w.Invoke(t.Context(), r.Next); err != nil || !strings.Contains(string(out), `"sent":2`) && !strings.Contains(string(out), `"sent":1`) || strings.Contains(string(out), "next") {
				t.Errorf("the next one is answered with %s, %v", out, err)
			}
			for id, posts := range w.posts {
				if len(posts) > 1 {
					t.Errorf("%s got %d messages", id, len(posts))
				}
			}
		}},
		"sqs": {sqsEvent("q", object), nil, func(t *testing.T, _ *world, out []byte, err error) {
			if err != nil || string(out) != `{"batchItemFailures":[{"itemIdentifier":"m0"}]}` {
				t.Errorf("answered %s, %v", out, err)
			}
		}},
		"sqs, the queue takes nothing": {sqsEvent("q", object), errors.New("down"), func(t *testing.T, w *world, out []byte, err error) {
			if err != nil || string(out) != `{"batchItemFailures":[]}` || !strings.Contains(w.log.String(), "its rest is lost") {
				t.Errorf("answered %s, %v; logged %s", out, err, w.log)
			}
		}},
		"sqs, at least once, the queue takes nothing": {sqsEvent("q", once), errors.New("down"), func(t *testing.T, _ *world, out []byte, err error) {
			if err != nil || string(out) != `{"batchItemFailures":[{"itemIdentifier":"m0"}]}` {
				t.Errorf("answered %s, %v", out, err)
			}
		}},
		"sns": {snsEvent(object), nil, func(t *testing.T, w *world, _ []byte, err error) {
			if err != nil || !strings.Contains(w.log.String(), "its rest is lost") {
				t.Errorf("%v; logged %s", err, w.log)
			}
		}},
		"sns, at least once": {snsEvent(once), nil, func(t *testing.T, _ *world, _ []byte, err error) { wantType[*PublishFailed](t, err) }},
		"eventbridge":        {eventBridgeEvent(json.RawMessage(once)), nil, func(t *testing.T, _ *world, _ []byte, err error) { wantType[*PublishFailed](t, err) }},
	} {
		inBubble(t, name, func(t *testing.T) {
			w := newWorld(t)
			if w.queue.err = tt.queue; tt.queue == nil {
				w.work(nil)
			}
			for _, id := range []string{"A=", "B=", "C="} {
				w.connect(t, id, "", "lobby")
			}
			w.hanging(1)
			ctx, cancel := context.WithTimeout(t.Context(), reserve+400*time.Millisecond)
			defer cancel()
			out, err := w.Invoke(ctx, marshal(t, tt.event))
			tt.check(t, w, out, err)
		})
	}
}
