package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/wirepost/wirepost"
)

// logged is a store whose appends are counted, and fail as a test says.
type logged struct {
	*wirepost.MemStore
	mu      sync.Mutex
	appends [][]string // IDs
	fail    func(n int) error
}

func (s *logged) Append(ctx context.Context, topic string, entries []wirepost.LogEntry, o *wirepost.AppendOptions) (wirepost.Position, error) {
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.ID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.appends = append(s.appends, ids)
	if s.fail != nil {
		if err := s.fail(len(s.appends)); err != nil {
			return wirepost.Position{}, err
		}
	}
	return s.MemStore.Append(ctx, topic, entries, o)
}

func (w *world) keeper(rules map[string]time.Duration) (*Worker, *logged) {
	s := &logged{MemStore: w.store}
	p := wirepost.NewPublisher(s, &wirepost.PublisherOptions{Concurrency: 1, Transport: w, Random: func() float64 { return 0.5 }, PostTimeout: time.Second, Keep: rules})
	return New(p, &Options{Queue: w, Logger: slog.New(slog.NewTextHandler(&w.log, nil))}), s
}

// keptIn lists what a topic's log has, as OFFSET ID.
func (w *world) keptIn(t *testing.T, topic string) (all []string) {
	t.Helper()
	r, err := w.store.Read(t.Context(), topic, wirepost.Position{}, wirepost.ReadLimit{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range r.Messages {
		all = append(all, fmt.Sprint(m.Offset, " ", m.ID))
	}
	return all
}

// offsets are those of the frames that a connection got.
func (w *world) offsets(t *testing.T, id string) (all []uint64) {
	t.Helper()
	for _, post := range w.posts[id] {
		var f struct{ Offset uint64 }
		if err := json.Unmarshal([]byte(post), &f); err != nil {
			t.Fatal(err)
		}
		all = append(all, f.Offset)
	}
	return all
}

func again(e events.SQSEvent) events.SQSEvent {
	for i := range e.Records {
		e.Records[i].Attributes = map[string]string{"ApproximateReceiveCount": "2", "SentTimestamp": fmt.Sprint(time.Now().UnixMilli())}
	}
	return e
}

var lobbyKept = map[string]time.Duration{"lobby": time.Hour}

func TestABatchIsAppendedByTopicBeforeItIsSent(t *testing.T) {
	w := newWorld(t)
	w.connect(t, "A", 1, stage)
	worker, s := w.keeper(lobbyKept)
	e := batch("q", `{"to":"topic:lobby","data":1}`, `{"to":"topic:other","data":2,"keep":"1h"}`, `{"to":"topic:lobby","data":3}`, `{"to":"topic:lobby","data":4,"keep":"0"}`, `{"to":"everyone","data":5}`, `{"to":"topic:lobby","data":6}`)
	if failed := handle(t, t.Context(), worker, e); len(failed) > 0 {
		t.Fatalf("failed %v; logged\n%s", failed, &w.log)
	}
	slices.SortFunc(s.appends, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	if fmt.Sprint(s.appends) != "[[m0 m2 m5] [m1]]" {
		t.Errorf("appended %v", s.appends)
	}
	if got := w.offsets(t, "A0="); !slices.Equal(got, []uint64{1, 2, 3, 0, 0}) {
		t.Errorf("posted the offsets %v", got)
	}

	// SQS delivers it again: what is in the log is sent again as it was.
	if failed := handle(t, t.Context(), worker, again(e)); len(failed) > 0 {
		t.Fatalf("failed %v", failed)
	}
	if got := w.keptIn(t, "lobby"); fmt.Sprint(got) != "[1 m0 2 m2 3 m5]" {
		t.Errorf("the log has %v", got)
	}
	if got := w.offsets(t, "A0="); !slices.Equal(got, []uint64{1, 2, 3, 0, 0, 1, 2, 3, 0, 0}) {
		t.Errorf("posted the offsets %v", got)
	}
}

func TestWhatWasNotKeptFailsAloneAndIsNotSent(t *testing.T) {
	w := newWorld(t)
	w.connect(t, "A", 1, stage)
	worker, s := w.keeper(lobbyKept)
	s.fail = func(int) error { return fmt.Errorf("the connection was lost: %w", wirepost.ErrUnknown) }
	failed := handle(t, t.Context(), worker, batch("q", `{"to":"topic:lobby","data":1}`, `{"to":"topic:lobby","data":2}`, `{"to":"everyone","data":3}`))
	if !slices.Equal(failed, []string{"m0", "m1"}) || len(w.posts["A0="]) != 1 {
		t.Errorf("failed %v, posted %v", failed, w.posts)
	}
}

// In a FIFO queue nothing overtakes a message that was not kept.
func TestInAFIFOQueueOneAppendIsAsMuchAsFailsTogether(t *testing.T) {
	w := newWorld(t)
	worker, s := w.keeper(lobbyKept)
	var bodies []string
	for i := range 40 {
		bodies = append(bodies, fmt.Sprintf(`{"to":"topic:lobby","data":%d}`, i))
	}
	s.fail = func(n int) error {
		if n == 2 {
			return errors.New("the table is throttled")
		}
		return nil
	}
	failed := handle(t, t.Context(), worker, batch("q.fifo", bodies...))
	if len(failed) != 24 || failed[0] != "m16" || len(w.keptIn(t, "lobby")) != 16 {
		t.Errorf("failed %v; the log has %v", failed, w.keptIn(t, "lobby"))
	}
	s.fail = nil
	if failed := handle(t, t.Context(), worker, batch("q.fifo", bodies[0], `{"to":"everyone","data":1}`, "no object", bodies[1])); !slices.Equal(failed, []string{"m2", "m3"}) {
		t.Errorf("failed %v: only what is behind a failure fails with it", failed)
	}
}

func TestWhatGoesOnFromAKeptPublishHasItsPositionAndIsNotKeptAgain(t *testing.T) {
	w := newWorld(t)
	w.connect(t, "A", 1, stage)
	w.connect(t, "B", 1, other)
	w.answer = denied
	worker, s := w.keeper(lobbyKept)
	if failed := handle(t, t.Context(), worker, batch("q", `{"to":"topic:lobby","data":1}`, `{"to":"topic:lobby","data":2,"parts":3}`)); len(failed) > 0 || len(w.queue) != 4 {
		t.Fatalf("failed %v, queued %v", failed, w.queue)
	}
	for _, job := range w.queue {
		if !strings.Contains(job.Text, `,"epoch":"`) {
			t.Errorf("the job %v has no position: %s", job, job.Text)
		}
	}
	w.answer = nil
	var bodies []string
	for _, job := range w.queue {
		b, err := json.Marshal(job)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, string(b))
	}
	appends := len(s.appends)
	if failed := handle(t, t.Context(), worker, again(batch("q", bodies...))); len(failed) > 0 || len(s.appends) != appends {
		t.Errorf("failed %v, appended %v", failed, s.appends[appends:])
	}
	got := w.offsets(t, "B0=")
	slices.Sort(got)
	if !slices.Equal(got, []uint64{1, 2}) || !slices.Equal(w.keptIn(t, "lobby"), []string{"1 m0", "2 m1"}) {
		t.Errorf("posted the offsets %v; the log has %v", got, w.keptIn(t, "lobby"))
	}
}

func TestAnInvokerIsToldThePosition(t *testing.T) {
	w := newWorld(t)
	w.connect(t, "B", 1, other)
	worker, s := w.keeper(nil)
	type told struct {
		ID, Epoch    string
		Offset       uint64
		Sent, Failed int
		Repeated     bool
		Queued       int
	}
	invoke := func(payload string) (r told, err error) {
		out, err := worker.Invoke(t.Context(), []byte(payload))
		if err == nil {
			err = json.Unmarshal(out, &r)
		}
		return r, err
	}
	first, err := invoke(`{"to":"topic:lobby","data":1,"keep":"24h","id":"i"}`)
	if err != nil || first.Offset != 1 || first.Epoch == "" || first.Sent != 1 || first.Repeated {
		t.Fatalf("answered %+v, %v", first, err)
	}
	if r, err := invoke(`{"to":"topic:lobby","data":1,"keep":"24h","id":"i","again":true}`); err != nil || r.Offset != 1 || !r.Repeated || r.Sent != 1 {
		t.Errorf("again it answered %+v, %v", r, err)
	}
	// Nobody was reached, and a retry would keep it twice.
	w.answer = denied
	if r, err := invoke(`{"to":"topic:lobby","data":1,"keep":"24h"}`); err != nil || r.Offset != 2 || r.Failed != 1 {
		t.Errorf("a message that nobody got was answered %+v, %v", r, err)
	}
	if r, err := invoke(`{"to":"topic:lobby","data":1,"keep":"24h","parts":2}`); err != nil || r.Offset != 3 || r.Queued != 2 {
		t.Errorf("parts were answered %+v, %v", r, err)
	}
	w.take = func(context.Context, int) error { return errors.New("the queue is away") }
	if r, err := invoke(`{"to":"topic:lobby","data":1,"keep":"24h","parts":2}`); err != nil || r.Offset != 4 || r.Queued != 0 {
		t.Errorf("parts that the queue does not take were answered %+v, %v", r, err)
	}
	s.fail = func(int) error { return wirepost.ErrUnknown }
	var failed *PublishFailed
	if r, err := invoke(`{"to":"topic:lobby","data":1,"keep":"24h"}`); !errors.As(err, &failed) || !strings.Contains(err.Error(), `"again":true`) {
		t.Errorf("an append that nobody knows of was answered %+v, %v", r, err)
	}
}

func TestWhatCannotBeKeptIsAnInvalidRequest(t *testing.T) {
	w := newWorld(t)
	worker, s := w.keeper(lobbyKept)
	without := New(wirepost.NewPublisher(s, &wirepost.PublisherOptions{Transport: w, Keep: lobbyKept}), nil)
	for body, want := range map[string]string{
		`{"to":"user:alice","data":1,"keep":"1h"}`:                           "only messages to a topic are kept",
		`{"to":"everyone","data":1,"keep":"1h"}`:                             "only messages to a topic are kept",
		`{"to":"topic:a","data":1,"keep":"a day"}`:                           `"keep" is "a day"`,
		`{"to":"topic:a","data":1,"keep":"-1h"}`:                             `"keep" is "-1h"`,
		`{"to":"topic:a","data":1,"keep":"1us"}`:                             `"keep" is "1us"`,
		`{"to":"topic:a","data":1,"keep":"1000h"}`:                           "is to be kept for 1000h0m0s",
		`{"to":"topic:a","data":1,"keep":24}`:                                `"keep" is a JSON number`,
		`{"to":"topic:a","text":"x","keep":"1h"}`:                            `only those with "data" can be`,
		`{"to":"topic:lobby","text":"x"}`:                                    `only those with "data" can be`,
		`{"to":"topic:lobby","data":1,"except":"A="}`:                        `leave "except" out`,
		`{"to":"topic:a","data":1,"keep":"1h","again":true}`:                 `"again" and no "id"`,
		`{"to":"topic:lobby","data":"` + strings.Repeat("x", 120<<10) + `"}`: "is kept has 122880 at most",
	} {
		_, err := worker.Invoke(t.Context(), []byte(body))
		var invalid *InvalidRequest
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v (%T), want %q", body, err, err, want)
		}
	}
	if _, err := without.Invoke(t.Context(), []byte(`{"to":"topic:lobby","data":1,"parts":2}`)); err == nil || len(s.appends) > 0 {
		t.Errorf("%v, appended %v: without a queue parts are refused before they are kept", err, s.appends)
	}
	for _, body := range []string{`{"to":"topic:lobby","text":"x","keep":"0"}`, `{"to":"topic:lobby","data":1,"except":"A=","keep":"0"}`, `{"to":"user:lobby","text":"x"}`} {
		if _, err := worker.Invoke(t.Context(), []byte(body)); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
	if len(s.appends) > 0 {
		t.Errorf("appended %v", s.appends)
	}
}

func TestAKeptGroupThatPanicsFailsAndNothingElse(t *testing.T) {
	w := newWorld(t)
	w.connect(t, "A", 1, stage)
	s := struct {
		fragile
		wirepost.Log
	}{fragile{w.store}, w.store}
	worker := New(wirepost.NewPublisher(s, &wirepost.PublisherOptions{Transport: w, Keep: map[string]time.Duration{"broken": time.Hour}}), &Options{Queue: w, Logger: slog.New(slog.NewTextHandler(&w.log, nil))})
	failed := handle(t, t.Context(), worker, batch("q", toLobby, `{"to":"topic:broken","data":1}`, `{"to":"topic:broken","data":2}`, toLobby))
	if !slices.Equal(failed, []string{"m1", "m2"}) || len(w.posts["A0="]) != 2 || !strings.Contains(w.log.String(), "cannot stand this audience") {
		t.Errorf("failed %v, posted %v; logged\n%s", failed, w.posts, &w.log)
	}
}
