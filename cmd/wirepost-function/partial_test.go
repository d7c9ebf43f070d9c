package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/httpstore"
	"github.com/wirepost/wirepost/wireposttest"
)

// shared is a store that two stages share, with a client on each, and a queue. Posts to
// the second stage are refused while denied is switched on there.
type shared struct {
	environ []string
	rules   *gateway.Faults
	clients [2]*wireposttest.Client
	ids     [2]string // of their connections

	mu     sync.Mutex
	queued []string // bodies
	full   bool     // the queue refuses
}

func newShared(t *testing.T) *shared {
	s := &shared{rules: gateway.NewFaults(1, nil)}
	store := wirepost.NewMemStore(nil)
	t.Setenv("WIREPOST_ENDPOINT", "")
	t.Setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "")
	for i, api := range []string{"first12345", "second1234"} {
		mux := wirepost.NewMux(store, &wirepost.MuxOptions{Connect: func(_ context.Context, r *wirepost.ConnectRequest) (wirepost.Accept, error) {
			s.ids[i] = r.ConnectionID
			return wirepost.Accept{User: "alice", Topics: []string{"lobby"}}, nil
		}})
		g := wireposttest.NewGateway(t, mux, func(g *gateway.Server) {
			g.APIID = api
			if i == 1 {
				g.Fault = s.rules.Ask
			}
		})
		var err error
		if s.clients[i], err = wireposttest.Dial(t.Context(), g.URL, nil); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.clients[i].Cut() })
	}
	table := httptest.NewServer(httpstore.NewHandler(store, &httpstore.HandlerOptions{Token: "t"}))
	t.Cleanup(table.Close)
	queue := httptest.NewServer(http.HandlerFunc(s.send))
	t.Cleanup(queue.Close)
	s.environ = []string{"WIREPOST_STORE=" + strings.Replace(table.URL, "http://", "http://:t@", 1), "WIREPOST_HANDLERS=sqs", "WIREPOST_QUEUE_URL=" + queue.URL + "/123456789012/q",
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=secret", "PATH=/nowhere"}
	return s
}

// send is SQS.
func (s *shared) send(w http.ResponseWriter, r *http.Request) {
	var message struct{ MessageBody string }
	if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		http.Error(w, `{"__type":"com.amazonaws.sqs#KmsThrottled"}`, http.StatusBadRequest)
		return
	}
	s.queued = append(s.queued, message.MessageBody)
	io.WriteString(w, `{"MessageId":"m"}`)
}

// deny switches denied on for the second stage, or for nothing.
func (s *shared) deny(t *testing.T, denied bool) {
	t.Helper()
	var rules []gateway.FaultRule
	if denied {
		rule, err := gateway.ParseFaultRule("post:denied")
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, rule)
	}
	s.rules.Set(rules)
}

// next is the message that a client gets next.
func (s *shared) next(t *testing.T, client int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	text, err := s.clients[client].Receive(ctx)
	if err != nil {
		t.Fatalf("client %d: %v", client, err)
	}
	return text
}

// Both programs that stand behind a queue, as they are: what nobody got comes again, and
// what some did not get comes again to those and to nobody else.
func TestAQueueFunctionAcknowledgesNothingThatNobodyGot(t *testing.T) {
	for name, pkg := range map[string]string{"wirepost-function": ".", "what init copies": "../../deploy/function"} {
		t.Run(name, func(t *testing.T) {
			program := build(t, pkg, "")
			s := newShared(t)
			invoke := func(bodies ...string) string {
				t.Helper()
				_, _, answer := coldStart(t, program, s.environ, marshal(t, sqsEvent("q", bodies...)))
				return answer
			}
			const m0, m1 = `{"itemIdentifier":"m0"}`, `{"itemIdentifier":"m1"}`
			failing := func(items ...string) string { return `{"batchItemFailures":[` + strings.Join(items, ",") + `]}` }
			toSecond := `{"to":"connection:` + s.ids[1] + `","data":2}`

			// Nobody got the one, somebody the other, and one is no message at all.
			s.deny(t, true)
			if got, want := invoke(`{"to":"topic:lobby","data":1}`, toSecond, "{"), failing(m1, `{"itemIdentifier":"m2"}`); got != want {
				t.Fatalf("answered %s, want %s", got, want)
			}
			if got, want := s.next(t, 0), `{"type":"message","id":"m0","to":"topic:lobby","data":1}`; got != want {
				t.Errorf("the first client got %s, want %s: the same again has the same ID", got, want)
			}
			if len(s.queued) != 1 {
				t.Fatalf("%d jobs are in the queue: %q", len(s.queued), s.queued)
			}
			var job wirepost.Job
			if err := json.Unmarshal([]byte(s.queued[0]), &job); err != nil || job.To != wirepost.ToConnection(s.ids[1]) || job.Only == nil || job.Only.APIID != "second1234" {
				t.Fatalf("the job is %s, %v", s.queued[0], err)
			}
			// Still denied, the job fails as any message does, and makes no other.
			if got := invoke(s.queued[0]); got != failing(m0) || len(s.queued) != 1 {
				t.Errorf("answered %s; queued %q", got, s.queued)
			}
			s.deny(t, false)
			if got := invoke(s.queued[0], toSecond); got != failing() || len(s.queued) != 1 {
				t.Errorf("answered %s; queued %q", got, s.queued)
			}
			if got, want := s.next(t, 1), `{"type":"message","id":"m0","to":"topic:lobby","data":1}`; got != want {
				t.Errorf("the second client got %s, want %s", got, want)
			}
			if got, want := s.next(t, 1), `{"type":"message","id":"m1","to":"connection:`+s.ids[1]+`","data":2}`; got != want {
				t.Errorf("the second client got %s, want %s", got, want)
			}

			// A queue that does not take the job: who has the message does not get it twice,
			// unless the message says so.
			s.deny(t, true)
			s.full = true
			if got := invoke(`{"to":"topic:lobby","data":3}`, `{"to":"topic:lobby","data":4,"atLeastOnce":true}`); got != failing(m1) {
				t.Errorf("answered %s, want %s", got, failing(m1))
			}
			got := []string{s.next(t, 0), s.next(t, 0)}
			slices.Sort(got)
			if want := []string{`{"type":"message","id":"m0","to":"topic:lobby","data":3}`, `{"type":"message","id":"m1","to":"topic:lobby","data":4}`}; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("the first client got %q", got)
			}
		})
	}
}

// Lambda gives an event to a function again if the function failed, and only then.
func TestAnEventThatReachedNobodyFailsWhateverItIs(t *testing.T) {
	object := `{"to":"topic:lobby","data":1}`
	for source, event := range map[string]any{"sns": snsEvent(object), "eventbridge": eventBridgeEvent(json.RawMessage(object)), "invoke": json.RawMessage(object)} {
		t.Run(source, func(t *testing.T) {
			w := newWorld(t)
			w.connect(t, "A=", "", "lobby")
			w.answer = func(*http.Request, string) int { return 403 }
			_, err := w.Invoke(t.Context(), marshal(t, event))
			wantType[*PublishFailed](t, err)

			// One of two was reached. The invoker is told; the event's other one goes on.
			w.connect(t, "B=", "", "lobby")
			w.answer = func(_ *http.Request, id string) int { return map[string]int{"A=": 403, "B=": 200}[id] }
			out, err := w.Invoke(t.Context(), marshal(t, event))
			if err != nil || (len(w.queue.bodies) == 1) != (source != "invoke") {
				t.Errorf("answered %s, %v; queued %s", out, err, w.queue.bodies)
			}
		})
	}
}
