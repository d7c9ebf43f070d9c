package fanout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/jobs"
	"github.com/wirepost/wirepost/wireposttest"
)

// queue is SQS in memory: batches of at most four, and what a function reports comes
// again.
type queue struct {
	mu       sync.Mutex
	messages []events.SQSMessage
	n        int
	refuses  func(body string) bool
}

func (q *queue) Send(_ context.Context, job wirepost.Job) error {
	body, err := json.Marshal(job)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refuses != nil && q.refuses(string(body)) {
		return errors.New("the queue is throttled")
	}
	q.n++
	q.messages = append(q.messages, events.SQSMessage{MessageId: fmt.Sprint(q.n), Body: string(body)})
	return nil
}

func (q *queue) batch() (batch events.SQSEvent) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(4, len(q.messages))
	batch.Records = append(batch.Records, q.messages[:n]...)
	q.messages = q.messages[n:]
	return batch
}

// run lets two functions work until the queue is empty, at most so many batches.
func (q *queue) run(t *testing.T, f *jobs.Worker, batches int) (reported int) {
	var left, failures atomic.Int64
	left.Store(int64(batches))
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for left.Add(-1) >= 0 {
				batch := q.batch()
				if len(batch.Records) == 0 {
					return
				}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				again, err := f.HandleSQS(ctx, batch)
				cancel()
				if err != nil {
					t.Error(err)
				}
				for _, item := range again.BatchItemFailures {
					failures.Add(1)
					for _, m := range batch.Records {
						if m.MessageId == item.ItemIdentifier {
							q.mu.Lock()
							q.messages = append(q.messages, m)
							q.mu.Unlock()
						}
					}
				}
			}
		})
	}
	workers.Wait()
	return int(failures.Load())
}

// interrupted is a store whose listings break off: first of all at once, then behind
// some connections.
type interrupted struct {
	wirepost.Store
	n atomic.Int64
}

func (s *interrupted) Connections(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) iter.Seq2[wirepost.Listed, error] {
	return func(yield func(wirepost.Listed, error) bool) {
		left := int(s.n.Add(1)-1) % 3 * 4 // 0, 4, 8, 0, …
		for l, err := range s.Store.Connections(ctx, a, o) {
			if left == 0 {
				yield(wirepost.Listed{}, errors.New("the table is throttled"))
				return
			}
			left--
			if !yield(l, err) {
				return
			}
		}
	}
}

type crowd struct {
	mu    sync.Mutex
	got   map[int][]string
	ended chan struct{} // once for each client that got "end"
}

// connect connects clients that note what they get until the test ends.
func connect(t *testing.T, url string, n int) *crowd {
	c := &crowd{got: map[int][]string{}, ended: make(chan struct{}, n)}
	ctx, cancel := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	t.Cleanup(func() { cancel(); reading.Wait() })
	for i := range n {
		client, err := wireposttest.Dial(ctx, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		reading.Go(func() {
			defer client.Cut()
			for {
				text, err := client.Receive(ctx)
				if err != nil {
					return
				}
				c.mu.Lock()
				c.got[i] = append(c.got[i], text)
				c.mu.Unlock()
				if text == "end" {
					c.ended <- struct{}{}
				}
			}
		})
	}
	return c
}

func TestAQueueOfJobsReachesEverybodyOnceThroughInterruptions(t *testing.T) {
	const clients = 80
	store := wirepost.NewMemStore(nil)
	g := wireposttest.NewGateway(t, wirepost.NewMux(store, nil), func(s *gateway.Server) { s.MaxInvocations = 100 })
	all := connect(t, g.URL, clients)

	publisher := wirepost.NewPublisher(&interrupted{Store: store}, nil)
	defer publisher.CloseIdleConnections()
	q := &queue{}
	f := Function(publisher, q, slog.New(slog.DiscardHandler))
	if err := Start(t.Context(), q, wirepost.Everyone(), []byte("news"), 6); err != nil {
		t.Fatal(err)
	}
	reported := q.run(t, f, 200)
	if len(q.messages) > 0 || reported == 0 || q.n <= 6 {
		t.Errorf("%d jobs are left; %d came again, %d were put", len(q.messages), reported, q.n)
	}
	// Behind the last message nothing is on its way any more.
	if r, err := wirepost.NewPublisher(store, nil).Publish(t.Context(), wirepost.Everyone(), []byte("end"), nil); err != nil || r.Sent != clients {
		t.Fatalf("%v, %v", r, err)
	}
	for n := range clients {
		select {
		case <-all.ended:
		case <-time.After(20 * time.Second):
			t.Fatalf("%d of %d clients got the last message", n, clients)
		}
	}
	for i, got := range all.got {
		if strings.Join(got, " ") != "news end" {
			t.Errorf("client %d got %q", i, got)
		}
	}
}

func TestWhatIsReportedIsOnlyWhatWasNotBegun(t *testing.T) {
	store := wirepost.NewMemStore(nil)
	g := wireposttest.NewGateway(t, wirepost.NewMux(store, nil), nil)
	connect(t, g.URL, 6)
	listing := &interrupted{Store: store}
	for _, tt := range []struct {
		name        string
		body        string
		atLeastOnce bool
		skip        int64 // listings that were before
		refuses     bool
		want        int
	}{
		{name: "a body that is no job", body: "{", want: 1},
		{name: "a job for nobody that can be named", body: `{"to":"nobody","text":"x"}`, want: 1},
		{name: "nothing was read", skip: 0, want: 1},
		{name: "four were reached", skip: 1, want: 0},
		{name: "all were reached", skip: 2, want: 0},
		{name: "four were reached and the rest cannot wait", skip: 1, refuses: true, want: 0},
		{name: "the same where twice is better than never", skip: 1, refuses: true, atLeastOnce: true, want: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			listing.n.Store(tt.skip)
			q := &queue{refuses: func(string) bool { return tt.refuses }}
			var log strings.Builder
			publisher := wirepost.NewPublisher(listing, nil)
			defer publisher.CloseIdleConnections()
			f := Function(publisher, q, slog.New(slog.NewTextHandler(&log, nil)))
			body := tt.body
			if body == "" {
				body = fmt.Sprintf(`{"publish":"p","to":"everyone","text":"secret","parts":1,"atLeastOnce":%v}`, tt.atLeastOnce)
			}
			again, err := f.HandleSQS(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: body}}})
			if err != nil || len(again.BatchItemFailures) != tt.want {
				t.Errorf("%+v, %v, want %d", again, err, tt.want)
			}
			if strings.Contains(log.String(), "secret") {
				t.Errorf("the log has the message: %s", log.String())
			}
		})
	}
}
