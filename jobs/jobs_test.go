package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/wirepost/wirepost"
)

var (
	stage = wirepost.Identity{APIID: "abc", Stage: "dev", Region: "us-east-1"}
	other = wirepost.Identity{APIID: "def", Stage: "prod", Region: "us-east-1"}
)

// world is a store in memory, a management API that records what was posted to whom,
// and a queue.
type world struct {
	store *wirepost.MemStore
	log   strings.Builder

	mu    sync.Mutex
	posts map[string][]string // by connection
	// answer replaces 200 for a connection; it may wait for the request's end.
	answer func(r *http.Request, id string) int
	queue  []wirepost.Job
	// take decides about the nth job of the queue; nil takes all.
	take func(ctx context.Context, n int) error
	sent int
}

func newWorld(t testing.TB) *world {
	w := &world{store: wirepost.NewMemStore(nil), posts: map[string][]string{}}
	for _, id := range []wirepost.Identity{stage, other} {
		if _, err := w.store.PutStage(t.Context(), wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: id, URL: "http://localhost:1/" + id.Stage}, EventTime: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// connect connects n clients to a stage, with the topic lobby: their IDs are prefix0=, ….
func (w *world) connect(t testing.TB, prefix string, n int, at wirepost.Identity) {
	t.Helper()
	now := time.Now()
	for i := range n {
		c := wirepost.Connection{ID: fmt.Sprintf("%s%d=", prefix, i), Endpoint: at, Topics: []string{"lobby"}, ConnectedAt: now.Add(-time.Minute), ExpiresAt: now.Add(time.Hour)}
		if err := w.store.Put(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) worker(queue Queue) *Worker {
	p := wirepost.NewPublisher(w.store, &wirepost.PublisherOptions{Concurrency: 1, Transport: w, Random: func() float64 { return 0.5 }, PostTimeout: time.Second})
	return New(p, &Options{Queue: queue, Logger: slog.New(slog.NewTextHandler(&w.log, nil))})
}

// RoundTrip is the management API.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	status := 200
	if w.answer != nil {
		status = w.answer(r, id)
	}
	if status == 200 { // also if nobody waits for the answer any more
		w.mu.Lock()
		w.posts[id] = append(w.posts[id], string(body))
		w.mu.Unlock()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Body: http.NoBody, Request: r, Header: http.Header{"X-Amzn-Requestid": {"1"}}}, nil
}

// Send is the queue.
func (w *world) Send(ctx context.Context, job wirepost.Job) error {
	w.mu.Lock()
	w.sent++
	n := w.sent
	w.mu.Unlock()
	if w.take != nil {
		if err := w.take(ctx, n); err != nil {
			return err
		}
	}
	w.mu.Lock()
	w.queue = append(w.queue, job)
	w.mu.Unlock()
	return nil
}

// denied refuses every post to the other stage.
func denied(r *http.Request, _ string) int {
	if strings.HasPrefix(r.URL.Path, "/prod/") {
		return 403
	}
	return 200
}

func batch(queue string, bodies ...string) (e events.SQSEvent) {
	for i, body := range bodies {
		e.Records = append(e.Records, events.SQSMessage{MessageId: fmt.Sprint("m", i), Body: body, EventSourceARN: "arn:aws:sqs:us-east-1:123456789012:" + queue})
	}
	return e
}

// handle gives a batch to a worker and lists the messages that failed.
func handle(t *testing.T, ctx context.Context, w *Worker, e events.SQSEvent) []string {
	t.Helper()
	answer, err := w.HandleSQS(ctx, e)
	if err != nil || answer.BatchItemFailures == nil {
		t.Fatalf("answered %v, %v", answer, err)
	}
	items := []string{}
	for _, f := range answer.BatchItemFailures {
		items = append(items, f.ItemIdentifier)
	}
	return items
}

const toLobby = `{"to":"topic:lobby","text":"x"}`

func TestAMessageFailsIfItReachedNobody(t *testing.T) {
	for _, tt := range []struct {
		name        string
		here, there int // connections of the two stages
		body        string
		answer      func(r *http.Request, id string) int
		fails       bool
		queued      int
		log         string
	}{
		{"everybody was reached", 2, 1, toLobby, nil, false, 0, ""},
		{"nobody is connected", 0, 0, toLobby, nil, false, 0, ""},
		{"all were denied", 0, 3, toLobby, denied, true, 0, "3 of 3 posts failed"},
		{"some were denied", 2, 3, toLobby, denied, false, 3, "goes on from the queue"},
		{"more were denied than jobs are made for", 1, 130, toLobby, denied, false, 100, "connections=30"},
		{"the same where twice is better than never", 1, 130, `{"to":"topic:lobby","text":"x","atLeastOnce":true}`, denied, true, 0, ""},
		{"all ended meanwhile", 1, 1, toLobby, func(*http.Request, string) int { return 410 }, false, 0, ""},
		{"nobody knows", 1, 1, toLobby, func(*http.Request, string) int { return 500 }, false, 0, ""},
		{"nobody knows, and another was denied", 1, 1, toLobby, func(r *http.Request, id string) int { return denied(r, id) + map[bool]int{true: 300}[id == "A0="] }, false, 1, ""},
		{"nobody knows, where twice is better than never", 1, 1, `{"to":"topic:lobby","text":"x","atLeastOnce":true}`, func(*http.Request, string) int { return 500 }, true, 0, ""},
		{"one does not read", 1, 0, toLobby, func(*http.Request, string) int { return 429 }, false, 0, ""},
		{"one does not read, and others do", 1, 3, toLobby, func(_ *http.Request, id string) int { return 200 + map[bool]int{true: 229}[id == "A0="] }, false, 0, ""},
		{"a stage takes nothing", 4, 2, toLobby, func(_ *http.Request, id string) int { return 200 + map[bool]int{true: 229}[id[0] == 'A'] }, false, 4, ""},
		{"a row with an ID that was never issued", 1, 1, toLobby, func(_ *http.Request, id string) int { return 200 + map[bool]int{true: 203}[id == "A0="] }, false, 1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.connect(t, "A", tt.here, stage)
				w.connect(t, "B", tt.there, other)
				w.answer = tt.answer
				failed := handle(t, t.Context(), w.worker(w), batch("q", tt.body))
				if (len(failed) > 0) != tt.fails || len(w.queue) != tt.queued || !strings.Contains(w.log.String(), tt.log) {
					t.Errorf("failed %v, queued %d; logged\n%s", failed, len(w.queue), &w.log)
				}
				if strings.Contains(w.log.String(), `"x"`) {
					t.Errorf("the log has the message: %s", &w.log)
				}
				// One that got it before does not get it again, and what is left ends by itself.
				w.answer = nil
				for _, j := range w.queue {
					if err := w.worker(w).Do(t.Context(), Request{Jobs: []wirepost.Job{j}}); err != nil {
						t.Errorf("%s: %v", j, err)
					}
				}
				for id, posts := range w.posts {
					if len(posts) > 1 {
						t.Errorf("%s got %q", id, posts)
					}
				}
				if len(w.queue) != tt.queued {
					t.Errorf("the jobs left %d more", len(w.queue)-tt.queued)
				}
			})
		})
	}
}

func TestWhatTheQueueDoesNotTakeIsLostOnlyIfSomebodyMayHaveIt(t *testing.T) {
	once := `{"to":"topic:lobby","text":"x","atLeastOnce":true}`
	some := func(_ context.Context, n int) error {
		if n%2 == 0 {
			return errors.New("the queue is throttled")
		}
		return nil
	}
	none := func(context.Context, int) error { return errors.New("the queue is throttled") }
	for _, tt := range []struct {
		name, body string
		take       func(context.Context, int) error
		fails      bool
		queued     int
		lost       string
	}{
		{"one of each two", toLobby, some, false, 2, "jobs=2"},
		{"none", toLobby, none, false, 0, "jobs=4"},
		{"one of each two, where twice is better than never", once, some, true, 2, ""},
		{"none, where twice is better than never", once, none, true, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.connect(t, "A", 1, stage)
				w.connect(t, "B", 4, other)
				w.answer, w.take = denied, tt.take
				failed := handle(t, t.Context(), w.worker(w), batch("q", tt.body))
				if (len(failed) > 0) != tt.fails || len(w.queue) != tt.queued || !strings.Contains(w.log.String(), tt.lost) || strings.Contains(w.log.String(), "its rest is lost") != (tt.lost != "") {
					t.Errorf("failed %v, queued %d; logged\n%s", failed, len(w.queue), &w.log)
				}
			})
		})
	}
}

func TestWithoutAQueueWhatWasMissedIsLostAndLogged(t *testing.T) {
	w := newWorld(t)
	w.connect(t, "A", 1, stage)
	w.connect(t, "B", 2, other)
	w.answer = denied
	if failed := handle(t, t.Context(), w.worker(nil), batch("q", toLobby)); len(failed) > 0 || !strings.Contains(w.log.String(), "its rest is lost") || !strings.Contains(w.log.String(), "jobs=2") {
		t.Errorf("failed %v; logged\n%s", failed, &w.log)
	}
	if failed := handle(t, t.Context(), w.worker(nil), batch("q", `{"to":"topic:lobby","text":"x","atLeastOnce":true}`)); len(failed) != 1 {
		t.Errorf("failed %v: twice is better than never", failed)
	}
}

func TestInAFIFOQueueNothingOvertakesAFailure(t *testing.T) {
	w := newWorld(t)
	w.connect(t, "A", 1, stage)
	w.connect(t, "B", 1, other)
	w.answer = denied
	lost := `{"to":"connection:B0=","text":"x"}`
	if failed := handle(t, t.Context(), w.worker(w), batch("q.fifo", toLobby, lost, toLobby)); !slices.Equal(failed, []string{"m1", "m2"}) || len(w.posts["A0="]) != 1 {
		t.Errorf("failed %v, posted %v", failed, w.posts)
	}
	if failed := handle(t, t.Context(), w.worker(w), batch("q", toLobby, lost, toLobby)); !slices.Equal(failed, []string{"m1"}) || len(w.posts["A0="]) != 3 {
		t.Errorf("failed %v, posted %v", failed, w.posts)
	}
}

// The deadline comes in the middle of a batch: the first message is done, of the second
// a part, and the third was not begun.
func TestADeadlineInABatchLosesNothingAndRepeatsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.connect(t, "A", 6, stage)
		w.connect(t, "B", 2, other)
		n := 0
		w.answer = func(r *http.Request, id string) int {
			if n++; n > 8 {
				time.Sleep(900 * time.Millisecond)
			}
			return denied(r, id)
		}
		// It takes its time, too, and all have to be there before the function ends.
		w.take = func(ctx context.Context, _ int) error {
			time.Sleep(100 * time.Millisecond)
			return ctx.Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
		defer cancel()
		failed := handle(t, ctx, w.worker(w), batch("q", `{"to":"topic:lobby","text":"one"}`, `{"to":"topic:lobby","text":"two"}`, `{"to":"topic:lobby","text":"three"}`))
		if ctx.Err() != nil || !slices.Equal(failed, []string{"m2"}) {
			t.Fatalf("%v: failed %v; logged\n%s", ctx.Err(), failed, &w.log)
		}
		w.answer, w.take = nil, nil
		for len(w.queue) > 0 {
			j := w.queue[0]
			w.queue = w.queue[1:]
			if err := w.worker(w).Do(t.Context(), Request{Jobs: []wirepost.Job{j}}); err != nil {
				t.Errorf("%s: %v", j, err)
			}
		}
		if len(w.posts) != 8 {
			t.Errorf("%d connections were reached", len(w.posts))
		}
		for id, posts := range w.posts {
			slices.Sort(posts)
			if !slices.Equal(posts, []string{"one", "two"}) {
				t.Errorf("%s got %q", id, posts)
			}
		}
	})
}

// A function whose time is over is ended by Lambda, and its whole batch comes again. So
// a queue that does not answer must not hold it.
func TestAQueueThatDoesNotAnswerIsGivenUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.connect(t, "A", 1, stage)
		w.connect(t, "B", 40, other)
		w.answer = denied
		w.take = func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		failed := handle(t, ctx, w.worker(w), batch("q", toLobby))
		if ctx.Err() != nil || len(failed) > 0 || !strings.Contains(w.log.String(), "its rest is lost") {
			t.Errorf("%v: failed %v; logged\n%s", ctx.Err(), failed, &w.log)
		}
	})
}

func TestAnInvokerIsToldThatNobodyWasReached(t *testing.T) {
	w := newWorld(t)
	w.connect(t, "B", 2, other)
	w.answer = denied
	out, err := w.worker(w).Invoke(t.Context(), []byte(toLobby))
	var failed *PublishFailed
	if !errors.As(err, &failed) || out != nil || !strings.Contains(err.Error(), "2 of 2 posts failed (2 forbidden-unexplained)") || len(w.queue) > 0 {
		t.Errorf("answered %s, %v", out, err)
	}
	w.connect(t, "A", 1, stage)
	out, err = w.worker(w).Invoke(t.Context(), []byte(toLobby))
	if want := `{"sent":1,"gone":0,"removed":0,"failed":2,"problems":{"forbidden-unexplained":2}}`; err != nil || string(out) != want || len(w.queue) > 0 {
		t.Errorf("answered %s, %v, want %s", out, err, want)
	}
}

func TestPartsThatTheQueueDoesNotTakeAreToldOrLogged(t *testing.T) {
	parts := `{"to":"topic:lobby","text":"x","parts":5}`
	w := newWorld(t)
	w.take = func(_ context.Context, n int) error {
		if n > 3 {
			return errors.New("the queue is throttled")
		}
		return nil
	}
	if failed := handle(t, t.Context(), w.worker(w), batch("q", parts)); len(failed) > 0 || len(w.queue) != 3 || !strings.Contains(w.log.String(), "jobs=2") {
		t.Errorf("failed %v, queued %d; logged\n%s", failed, len(w.queue), &w.log)
	}
	var failed *PublishFailed
	if _, err := w.worker(w).Invoke(t.Context(), []byte(parts)); !errors.As(err, &failed) || !strings.Contains(err.Error(), "0 of 5 jobs are in the queue") {
		t.Errorf("%v", err)
	}
	if failed := handle(t, t.Context(), w.worker(w), batch("q", parts)); len(failed) != 1 {
		t.Errorf("failed %v: no part is in the queue", failed)
	}
	var bad *InvalidRequest
	if _, err := w.worker(nil).Invoke(t.Context(), []byte(parts)); !errors.As(err, &bad) {
		t.Errorf("%v", err)
	}
}

// FuzzParse: anyone who may write to the queue may write anything. What is taken is one
// job that the library takes too, and survives another trip through the queue.
func FuzzParse(f *testing.F) {
	for _, s := range []string{toLobby, `{"to":"user:a","data":{"a":1},"id":"i","except":"A="}`, `{"to":"everyone","data":1,"parts":3}`,
		`{"publish":"p","to":"connection:A=","text":"x","part":0,"parts":1,"only":{"apiId":"a","stage":"s","region":"us-east-1"},"atLeastOnce":true,"after":"c"}`, `{`, `[]`, `null`} {
		f.Add([]byte(s), "m0")
	}
	f.Fuzz(func(t *testing.T, payload []byte, id string) {
		r, err := Parse(payload, id)
		var bad *InvalidRequest
		if err != nil {
			if !errors.As(err, &bad) || len(r.Jobs) > 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			return
		}
		for _, j := range r.Jobs[:min(len(r.Jobs), 3)] {
			wire, err := json.Marshal(j)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := Parse(wire, ""); err != nil || len(again.Jobs) != 1 || again.Jobs[0].Text != j.Text || again.Jobs[0].To != j.To {
				t.Fatalf("%s is read back as %+v, %v", wire, again, err)
			}
		}
	})
}

// fragile is a store that one audience breaks.
type fragile struct{ wirepost.Store }

func (s fragile) Connections(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) iter.Seq2[wirepost.Listed, error] {
	if a.Name == "broken" {
		panic("the driver cannot stand this audience")
	}
	return s.Store.Connections(ctx, a, o)
}

func TestAMessageThatPanicsFailsAlone(t *testing.T) {
	w := newWorld(t)
	w.connect(t, "A", 1, stage)
	worker := New(wirepost.NewPublisher(fragile{w.store}, &wirepost.PublisherOptions{Transport: w}), &Options{Queue: w, Logger: slog.New(slog.NewTextHandler(&w.log, nil))})
	failed := handle(t, t.Context(), worker, batch("q", toLobby, `{"to":"topic:broken","text":"x"}`, toLobby))
	if !slices.Equal(failed, []string{"m1"}) || len(w.posts["A0="]) != 2 || !strings.Contains(w.log.String(), "cannot stand this audience") {
		t.Errorf("failed %v, posted %v; logged\n%s", failed, w.posts, &w.log)
	}
}

func TestAQueueThatPanicsCanBeRecoveredFrom(t *testing.T) {
	w := newWorld(t)
	w.take = func(context.Context, int) error { panic("the queue is broken") }
	defer func() {
		if got := fmt.Sprint(recover()); !strings.Contains(got, "the queue is broken") || !strings.Contains(got, "goroutine ") {
			t.Errorf("panics with %s", got)
		}
	}()
	w.worker(w).Enqueue(t.Context(), make([]wirepost.Job, 20)...)
	t.Error("nothing panicked")
}

// What a FIFO queue tells duplicates by is the body of a job.
func TestTheSameEventMakesTheSameJobs(t *testing.T) {
	for _, body := range []string{`{"to":"topic:lobby","data":1,"parts":3}`, toLobby} {
		first, err1 := Parse([]byte(body), "m1")
		again, err2 := Parse([]byte(body), "m1")
		other, err3 := Parse([]byte(body), "m2")
		if errors.Join(err1, err2, err3) != nil || !slices.Equal(first.Jobs, again.Jobs) || slices.Equal(first.Jobs, other.Jobs) {
			t.Errorf("%+v and %+v and %+v", first, again, other)
		}
	}
}

func TestAWorkerThatCannotWorkPanicsAtOnce(t *testing.T) {
	publisher := wirepost.NewPublisher(wirepost.NewMemStore(nil), nil)
	var none *SQS
	for want, f := range map[string]func(){
		"the publisher is nil":      func() { New(nil, nil) },
		"was not made by NewSQS":    func() { New(publisher, &Options{Queue: none}) },
		"was not made by NewSQS; t": func() { New(publisher, &Options{Queue: &SQS{}}) },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("panics with %s, want %s", got, want)
				}
			}()
			f()
		}()
	}
	if err := none.Send(t.Context(), wirepost.Job{}); err == nil {
		t.Error("a queue that is none has taken a job")
	}
}
