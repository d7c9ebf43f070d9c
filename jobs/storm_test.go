package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

// received is a message of a queue, and how often it was delivered.
type received struct {
	body  string
	times int
}

// A role that comes and goes, a queue that refuses every fifth job, and redelivery as
// SQS does it: each client that can be reached gets each message once, everything else is in the
// dead-letter queue or counted in the log, and it all comes to an end.
func TestNothingIsLostSilentlyOrDoubledWhileHalfOfThePostsAreDenied(t *testing.T) {
	died := 0
	const publishes, here, there, maxReceives = 40, 5, 7, 5
	for seed := range uint64(5) {
		random := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t)
		w.connect(t, "A", here, stage)
		w.connect(t, "B", there, other)
		w.answer = func(r *http.Request, id string) int {
			if random.IntN(2) == 0 {
				return denied(r, id)
			}
			return 200
		}
		var sending sync.Mutex
		w.take = func(context.Context, int) error {
			sending.Lock()
			defer sending.Unlock()
			if random.IntN(5) == 0 {
				return errors.New("the queue is throttled")
			}
			return nil
		}
		var queue, dead []received
		for i := range publishes {
			// Half of them go to those only who may be denied.
			to := []string{"topic:lobby", fmt.Sprintf("connection:B%d=", i%there)}[i%2]
			queue = append(queue, received{body: fmt.Sprintf(`{"to":%q,"text":"%d"}`, to, i)})
		}
		worker := w.worker(w)
		deliveries := 0
		for len(queue) > 0 {
			n := min(len(queue), 1+random.IntN(5))
			batch := queue[:n:n]
			queue = queue[n:]
			var e events.SQSEvent
			for i := range batch {
				batch[i].times++
				e.Records = append(e.Records, events.SQSMessage{MessageId: fmt.Sprint(i), Body: batch[i].body})
			}
			if deliveries += n; deliveries > 20*publishes*(here+there) {
				t.Fatalf("seed %d: it does not end: %d messages are in the queue", seed, len(queue))
			}
			for _, id := range handle(t, t.Context(), worker, e) {
				i, _ := strconv.Atoi(id)
				if batch[i].times == maxReceives {
					dead = append(dead, batch[i])
				} else {
					queue = append(queue, batch[i])
				}
			}
			for _, j := range w.queue {
				body, err := json.Marshal(j)
				if err != nil {
					t.Fatal(err)
				}
				queue = append(queue, received{body: string(body)})
			}
			w.queue = nil
		}
		got := 0
		for id, posts := range w.posts {
			seen := map[string]bool{}
			for _, text := range posts {
				if seen[text] {
					t.Errorf("seed %d: %s got %s twice", seed, id, text)
				}
				seen[text] = true
			}
			if id[0] == 'A' && len(posts) != publishes/2 {
				t.Errorf("seed %d: %s got %d messages of %d", seed, id, len(posts), publishes/2)
			}
			got += len(posts)
		}
		lost := 0
		for _, m := range regexp.MustCompile(`its rest is lost.* jobs=(\d+)`).FindAllStringSubmatch(w.log.String(), -1) {
			n, _ := strconv.Atoi(m[1])
			lost += n
		}
		for _, d := range dead {
			if strings.Contains(d.body, "lobby") {
				t.Errorf("seed %d: %s is dead, and some were reached", seed, d.body)
			}
		}
		if want := publishes / 2 * (here + there + 1); got+lost+len(dead) != want || lost == 0 {
			t.Errorf("seed %d: %d delivered, %d lost and logged, %d dead, want %d together", seed, got, lost, len(dead), want)
		}
		died += len(dead)
		t.Logf("seed %d: %d deliveries of the queue: %d delivered, %d lost and logged, %d dead", seed, deliveries, got, lost, len(dead))
	}
	if died == 0 {
		t.Error("nothing ever came to the dead-letter queue")
	}
}

var _ Queue = (*world)(nil)
