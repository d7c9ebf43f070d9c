package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/jobs"
)

// secret is the HMAC key of tests.
var secret = "hmac:" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))

// testQueue keeps what was sent to it.
type testQueue struct {
	mu     sync.Mutex
	bodies [][]byte
	err    error
}

func (q *testQueue) Send(_ context.Context, job wirepost.Job) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return q.err
	}
	body, err := json.Marshal(job)
	q.bodies = append(q.bodies, body)
	return err
}

// world is a function with a store in memory and a gateway that records what is
// posted to whom.
type world struct {
	*function
	store *wirepost.MemStore
	queue *testQueue
	log   *strings.Builder

	mu    sync.Mutex
	posts map[string][]string // by connection
	// answer replaces 200 for a connection; it may wait for the request's end.
	answer func(r *http.Request, id string) int
}

var stage = wirepost.Identity{APIID: "abc", Stage: "dev", Region: "us-east-1"}

func newWorld(t testing.TB, handlers ...string) *world {
	t.Helper()
	w := &world{store: wirepost.NewMemStore(nil), queue: &testQueue{}, log: &strings.Builder{}, posts: map[string][]string{}}
	logger := slog.New(slog.NewTextHandler(w.log, nil))
	if len(handlers) == 0 {
		handlers = allHandlers
	}
	s := settings{handlers: map[string]bool{}}
	for _, h := range handlers {
		s.handlers[h] = true
	}
	w.function = &function{settings: s, store: w.store, logger: logger,
		publisher: wirepost.NewPublisher(w.store, &wirepost.PublisherOptions{Concurrency: 1, Transport: w, Random: func() float64 { return 0 }})}
	w.work(w.queue)
	if s.handlers[handleWebSocket] {
		w.mux = wirepost.NewMux(w.store, &wirepost.MuxOptions{Connect: believe, Logger: logger})
		w.mux.HandleProtocol(w.publisher, nil)
	}
	if _, err := w.store.PutStage(t.Context(), wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: stage, URL: "http://localhost:1/dev"}, EventTime: time.Now()}); err != nil {
		t.Fatal(err)
	}
	return w
}

// work makes the worker anew, with a queue or none.
func (w *world) work(q jobs.Queue) {
	w.worker = jobs.New(w.publisher, &jobs.Options{Queue: q, Reserve: reserve, Logger: w.logger})
}

// RoundTrip is the management API.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	status := 200
	if w.answer != nil {
		status = w.answer(r, id)
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if status == 200 {
		w.mu.Lock()
		w.posts[id] = append(w.posts[id], string(body))
		w.mu.Unlock()
	}
	return &http.Response{StatusCode: status, Body: http.NoBody, Request: r, Header: http.Header{"X-Amzn-Requestid": {"00000000-0000-4000-8000-000000000000"}, "Date": {time.Now().UTC().Format(http.TimeFormat)}}}, nil
}

func (w *world) connect(t testing.TB, id, user string, topics ...string) {
	t.Helper()
	now := time.Now()
	if err := w.store.Put(t.Context(), wirepost.Connection{ID: id, Endpoint: stage, User: user, Topics: topics, ConnectedAt: now.Add(-time.Minute), ExpiresAt: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sqsEvent is a batch whose messages have the IDs m0, m1, ….
func sqsEvent(queue string, bodies ...string) map[string]any {
	records := make([]any, len(bodies))
	for i, body := range bodies {
		records[i] = map[string]any{"messageId": fmt.Sprint("m", i), "receiptHandle": "x", "body": body, "attributes": map[string]any{}, "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:" + queue, "awsRegion": "us-east-1"}
	}
	return map[string]any{"Records": records}
}

func snsEvent(message string) map[string]any {
	return map[string]any{"Records": []any{map[string]any{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": map[string]any{"MessageId": "sns-1", "Message": message}}}}
}

func eventBridgeEvent(detail any) map[string]any {
	return map[string]any{"version": "0", "id": "eb-1", "detail-type": "Order", "source": "my.shop", "account": "1", "region": "us-east-1", "detail": detail}
}

func wantType[E error](t *testing.T, err error) {
	t.Helper()
	var want E
	// Lambda names the error by the type of the outermost one, without its package.
	if reflect.TypeOf(err) != reflect.TypeOf(want) {
		t.Errorf("the error is a %T (%v), want a %T", err, err, want)
	}
}

func TestAPublishObjectIsTheSameFromEverySource(t *testing.T) {
	object := map[string]any{"to": "topic:lobby", "data": map[string]any{"text": "<hi>"}, "except": "B="}
	for source, tt := range map[string]struct {
		event any
		id    string
		reply string
	}{
		"invoke":      {object, "", `"sent":1,"gone":0,"removed":0,"failed":0,"problems":{}}`},
		"sqs":         {sqsEvent("q", string(marshal(t, object))), "m0", `{"batchItemFailures":[]}`},
		"sns":         {snsEvent(string(marshal(t, object))), "sns-1", ""},
		"eventbridge": {eventBridgeEvent(object), "eb-1", ""},
	} {
		t.Run(source, func(t *testing.T) {
			w := newWorld(t, source)
			w.connect(t, "A=", "alice", "lobby")
			w.connect(t, "B=", "bob", "lobby")
			out, err := w.Invoke(t.Context(), marshal(t, tt.event))
			if err != nil || !strings.HasSuffix(string(out), tt.reply) {
				t.Fatalf("answered %s, %v", out, err)
			}
			if len(w.posts["A="]) != 1 || len(w.posts["B="]) != 0 {
				t.Fatalf("posted %v", w.posts)
			}
			var e wirepost.Envelope
			if err := json.Unmarshal([]byte(w.posts["A="][0]), &e); err != nil || e.To != wirepost.ToTopic("lobby") || string(e.Data) != `{"text":"\u003chi\u003e"}` || e.From != "" {
				t.Errorf("posted %s, %v", w.posts["A="][0], err)
			}
			if tt.id != "" && e.ID != tt.id || e.ID == "" {
				t.Errorf("the message has the ID %q, want that of the event, %q: the event may come again", e.ID, tt.id)
			}
			if source == "invoke" && !strings.Contains(string(out), `{"id":"`+e.ID+`",`) {
				t.Errorf("the reply %s does not have the ID %s", out, e.ID)
			}
		})
	}
}

func TestDataIsWrappedAndTextIsSentAsItIs(t *testing.T) {
	w := newWorld(t)
	w.connect(t, "A=", "alice")
	for object, want := range map[string]string{
		`{"to":"user:alice","id":"i","data":"hi"}`:                 `{"type":"message","id":"i","to":"user:alice","data":"hi"}`,
		`{"to":"user:alice","id":"i","data":{ "a" : [ 1, null ]}}`: `{"type":"message","id":"i","to":"user:alice","data":{"a":[1,null]}}`,
		`{"to":"user:alice","id":"i","data":null}`:                 `{"type":"message","id":"i","to":"user:alice","data":null}`,
		`{"to":"user:alice","text":"hi"}`:                          `hi`,
		`{"to":"user:alice","text":"{ \"a\" : 1 }"}`:               `{ "a" : 1 }`,
		`{"to":"user:alice","text":""}`:                            ``,
		`{"to":"everyone","text":"x"}`:                             `x`,
		`{"to":"connection:A=","text":"x"}`:                        `x`,
	} {
		w.posts = map[string][]string{}
		if out, err := w.Invoke(t.Context(), []byte(object)); err != nil || len(w.posts["A="]) != 1 || w.posts["A="][0] != want {
			t.Errorf("%s posted %q (%s, %v), want %q", object, w.posts["A="], out, err, want)
		}
	}
}

func TestAReplyCountsWhatBecameOfEachPost(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"A=", "B=", "C=", "D="} {
		w.connect(t, id, "alice")
	}
	w.answer = func(_ *http.Request, id string) int {
		return map[string]int{"A=": 200, "B=": 410, "C=": 500, "D=": 403}[id]
	}
	out, err := w.Invoke(t.Context(), []byte(`{"to":"user:alice","text":"x"}`))
	if want := `{"sent":1,"gone":1,"removed":1,"failed":2,"problems":{"forbidden-unexplained":1,"server-error":1}}`; err != nil || string(out) != want {
		t.Errorf("answered %s, %v, want %s", out, err, want)
	}
}

func TestABadPayloadIsAnInvalidRequestWithOneSentence(t *testing.T) {
	w := newWorld(t)
	w.connect(t, "A=", "alice")
	for payload, want := range map[string]string{
		``:                                 "not a JSON object",
		`null`:                             "not a JSON object",
		`[]`:                               "not a JSON object",
		`"x"`:                              "not a JSON object",
		`{}`:                               "of no known source",
		`{"a`:                              "not a JSON object",
		`{"to":null}`:                      "of no known source",
		`{"to":"user:alice","Records":[]}`: "more than one source: it has Records, to",
		`{"to":"user:alice","wirepost":"doctor"}`: "more than one source",
		`{"requestContext":{},"to":"x"}`:          "more than one source",
		`{"Records":[]}`:                          "not an array with a record",
		`{"Records":{}}`:                          "not an array with a record",
		`{"Records":[7]}`:                         "record 0 is not an object",
		`{"Records":[{}]}`:                        "record 0 has no eventSource",
		`{"Records":[{"eventSource":"aws:s3"}]}`:  `record 0 is of "aws:s3"`,
		`{"Records":[{"eventSource":"aws:sqs"},{"EventSource":"aws:sns"}]}`:               "the records are of sqs and sns",
		`{"Records":[{"eventSource":"aws:sqs"}]}`:                                         "SQS record 0 has no messageId",
		`{"Records":[{"EventSource":"aws:sns"}]}`:                                         "SNS record 0 has no Sns.Message",
		`{"detail-type":"x","detail":{"to":"user:alice"}}`:                                "no source or no detail",
		`{"detail-type":"x","source":"y"}`:                                                "no source or no detail",
		`{"detail-type":"x","source":"y","detail":7}`:                                     "publish object is not a JSON object",
		`{"requestContext":{}}`:                                                           "no requestContext.eventType",
		`{"requestContext":7}`:                                                            "not the JSON of a WebSocket event",
		`{"requestContext":{"http":{"method":"GET"}}}`:                                    "no requestContext.eventType",
		`{"to":7,"text":"x"}`:                                                             `"to" is a JSON number`,
		`{"to":"","text":"x"}`:                                                            `no "to"`,
		`{"to":"alice","text":"x"}`:                                                       `did you mean "user:alice"`,
		`{"to":"user:alice"}`:                                                             `neither "data" nor "text"`,
		`{"to":"user:alice","data":1,"text":"x"}`:                                         `both "data" and "text"`,
		`{"to":"user:alice","text":7}`:                                                    `"text" is a JSON number`,
		`{"to":"user:alice","text":"x","id":"y"}`:                                         `"text" and "id"`,
		`{"to":"user:alice","data":1,"id":"a b"}`:                                         `the ID "a b"`,
		`{"to":"user:alice","text":"x","exept":"A="}`:                                     `unknown field "exept"`,
		`{"to":"user:alice","text":"x","except":"a b"}`:                                   `"except"`,
		`{"to":"user:alice","text":"x","parts":1001}`:                                     `"parts" is 1001`,
		`{"to":"user:alice","text":"x","atLeastOnce":"yes"}`:                              `"atLeastOnce" is a JSON string`,
		`{"to":"user:alice","text":"` + strings.Repeat("x", wirepost.MaxMessage+1) + `"}`: "131073 bytes",
		`{"to":"user:alice","data":"` + strings.Repeat("x", wirepost.MaxMessage) + `"}`:   "bytes, 131072 at most",
		`{"publish":"","to":"user:alice","text":"x"}`:                                     `"publish" is not 1 to 128`,
		`{"publish":"p","to":"user:alice","text":"x","part":2,"parts":2}`:                 "part 2 of 2",
		`{"publish":"p","to":"alice","text":"x"}`:                                         "the job:",
		`{"publish":"p","to":"user:alice","data":"x"}`:                                    `unknown field "data"`,
		`{"wirepost":"doctor","endpoint":"https://evil.example"}`:                         "without more, is understood",
		`{"wirepost":"surgeon"}`:                                                          "without more, is understood",
		`{"wirepost":"doctor"}`:                                                           "WIREPOST_DOCTOR=1",
	} {
		out, err := w.Invoke(t.Context(), []byte(payload))
		wantType[*InvalidRequest](t, err)
		if err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%.200s: %q, want a sentence with %q", payload, err, want)
		}
		if out != nil {
			t.Errorf("%.200s: answered %s", payload, out)
		}
	}
	if len(w.posts) > 0 {
		t.Errorf("posted %v", w.posts)
	}
}

// The doctor's own tests are next to it. Here it is the function's store and endpoint
// that it looks at, and its report that is the answer.
func TestTheDoctorReportsOnTheFunctionsOwnStoreAndEndpoint(t *testing.T) {
	w := newWorld(t)
	w.doctor = true
	out, err := w.Invoke(t.Context(), []byte(`{"wirepost":"doctor"}`))
	var report struct {
		Endpoint string `json:"endpoint"`
		Checks   []struct{ Name, State, Problem string }
	}
	if err != nil || json.Unmarshal(out, &report) != nil || report.Endpoint != "http://localhost:1/dev" {
		t.Fatalf("%s, %v", out, err)
	}
	refused := false
	for _, c := range report.Checks {
		refused = refused || c.Problem == string(wirepost.ProblemEndpointRefused)
	}
	if !refused {
		t.Errorf("nothing listens at the endpoint, and the report says %s", out)
	}
}

func TestAFunctionDoesOnlyWhatItsHandlersAre(t *testing.T) {
	publish := `{"to":"user:alice","text":"x"}`
	events := map[string]any{
		handleInvoke: json.RawMessage(publish), handleSQS: sqsEvent("q", publish), handleSNS: snsEvent(publish), handleEventBridge: eventBridgeEvent(json.RawMessage(publish)),
		handleWebSocket: messageEvent("A=", `{"action":"ping"}`), handleDoctor: map[string]any{"wirepost": "doctor"},
	}
	for _, only := range allHandlers {
		w := newWorld(t, only)
		for source, event := range events {
			_, err := w.Invoke(t.Context(), marshal(t, event))
			refused := err != nil && strings.Contains(err.Error(), "this function has "+only)
			if refused == (source == only) {
				t.Errorf("a function for %s: %s gives %v", only, source, err)
			}
		}
	}
}

// messageEvent is a frame of a client's.
func messageEvent(id, body string) map[string]any {
	now := time.Now().UnixMilli()
	return map[string]any{"body": body, "requestContext": map[string]any{"eventType": "MESSAGE", "routeKey": "$default", "connectionId": id, "apiId": "abc", "stage": "dev", "domainName": "localhost:1", "connectedAt": now, "requestTimeEpoch": now}}
}

func TestAFrameIsNeverAPayload(t *testing.T) {
	w := newWorld(t)
	w.doctor = true
	now := time.Now()
	event := messageEvent("A=", `{"wirepost":"doctor","to":"everyone","text":"x","action":"dance"}`)
	at := event["requestContext"].(map[string]any)["connectedAt"].(int64)
	if err := w.store.Put(t.Context(), wirepost.Connection{ID: "A=", Endpoint: stage, ConnectedAt: time.UnixMilli(at), ExpiresAt: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	out, err := w.Invoke(t.Context(), marshal(t, event))
	if err != nil || !strings.Contains(string(out), "unknown-action") || len(w.posts) > 0 {
		t.Errorf("answered %s, %v; posted %v", out, err, w.posts)
	}
}

func TestABatchFailsByMessage(t *testing.T) {
	good, bad := `{"to":"user:alice","text":"x"}`, `{"to":"alice","text":"x"}`
	for _, tt := range []struct {
		queue  string
		bodies []string
		want   string
		posts  int
	}{
		{"q", []string{good, bad, good, "not JSON"}, `{"batchItemFailures":[{"itemIdentifier":"m1"},{"itemIdentifier":"m3"}]}`, 2},
		{"q", []string{good, good}, `{"batchItemFailures":[]}`, 2},
		{"q.fifo", []string{good, bad, good, good}, `{"batchItemFailures":[{"itemIdentifier":"m1"},{"itemIdentifier":"m2"},{"itemIdentifier":"m3"}]}`, 1},
	} {
		w := newWorld(t)
		w.connect(t, "A=", "alice")
		out, err := w.Invoke(t.Context(), marshal(t, sqsEvent(tt.queue, tt.bodies...)))
		if err != nil || string(out) != tt.want || len(w.posts["A="]) != tt.posts {
			t.Errorf("%s %q: answered %s, %v, want %s; posted %v", tt.queue, tt.bodies, out, err, tt.want, w.posts)
		}
	}
}

func TestABatchWithoutTimeBeginsNothingMore(t *testing.T) {
	w := newWorld(t)
	w.connect(t, "A=", "alice")
	ctx, cancel := context.WithTimeout(t.Context(), reserve-time.Second)
	defer cancel()
	out, err := w.Invoke(ctx, marshal(t, sqsEvent("q", `{"to":"user:alice","text":"x"}`, `{"to":"user:alice","text":"x"}`)))
	if want := `{"batchItemFailures":[{"itemIdentifier":"m0"},{"itemIdentifier":"m1"}]}`; err != nil || string(out) != want || len(w.posts) > 0 {
		t.Errorf("answered %s, %v, want %s; posted %v", out, err, want, w.posts)
	}
}

func TestAPublishIntoABrokenStoreMayBeDoneAgain(t *testing.T) {
	for source, event := range map[string]any{"invoke": json.RawMessage(`{"to":"everyone","text":"x"}`), "sns": snsEvent(`{"to":"everyone","text":"x"}`)} {
		w := newWorld(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // a store that does not answer
		_, err := w.Invoke(ctx, marshal(t, event))
		t.Run(source, func(t *testing.T) { wantType[*PublishFailed](t, err) })
	}
}

func TestAPanicEndsTheInvocationAndNotTheProcess(t *testing.T) {
	w := newWorld(t)
	w.function.logger = slog.New(slog.NewTextHandler(w.log, nil))
	w.mux = nil // what no payload can reach is broken here on purpose
	_, err := w.Invoke(t.Context(), marshal(t, messageEvent("A=", "x")))
	wantType[*PublishFailed](t, err)
	if !strings.Contains(w.log.String(), "panicked") {
		t.Errorf("logged %s", w.log)
	}
}

func TestPartsGoIntoTheQueue(t *testing.T) {
	w := newWorld(t)
	for i := range 8 {
		w.connect(t, fmt.Sprintf("%c=", 'A'+i), "", "lobby")
	}
	out, err := w.Invoke(t.Context(), []byte(`{"to":"topic:lobby","id":"i","data":1,"parts":3}`))
	if want := `{"id":"i","sent":0,"gone":0,"removed":0,"failed":0,"problems":{},"queued":3}`; err != nil || string(out) != want || len(w.queue.bodies) != 3 || len(w.posts) > 0 {
		t.Fatalf("answered %s, %v, want %s; %d jobs", out, err, want, len(w.queue.bodies))
	}
	bodies := make([]string, 3)
	for i, b := range w.queue.bodies {
		bodies[i] = string(b)
	}
	if out, err := w.Invoke(t.Context(), marshal(t, sqsEvent("q", bodies...))); err != nil || string(out) != `{"batchItemFailures":[]}` {
		t.Errorf("answered %s, %v", out, err)
	}
	for i := range 8 {
		if id := fmt.Sprintf("%c=", 'A'+i); len(w.posts[id]) != 1 {
			t.Errorf("%s got %v", id, w.posts[id])
		}
	}
	w.work(nil)
	_, err = w.Invoke(t.Context(), []byte(`{"to":"topic:lobby","data":1,"parts":3}`))
	wantType[*InvalidRequest](t, err)
}
