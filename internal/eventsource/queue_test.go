package eventsource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/internal/app"
)

// notices keeps what was said.
type notices struct {
	mu  sync.Mutex
	all []string
}

func (n *notices) say(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, text)
}

func (n *notices) said() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.all)
}

// runQueue runs a queue in fake time for as long as that.
func runQueue(t *testing.T, q *Queue, d time.Duration) {
	t.Helper()
	q.Rand = func() float64 { return 1 }
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := q.Run(ctx); err != nil {
		t.Error(err)
	}
}

func bodiesOf(t *testing.T, payload []byte) (all []string) {
	for _, r := range recordsOf(t, payload) {
		all = append(all, r.Body)
	}
	return all
}

func TestAMessageHasTheShapeOfLambdasEvents(t *testing.T) {
	text := "x"
	m := &message{
		MessageID: "059f36b4", ReceiptHandle: "AQEB", Body: `{"a":"<b>"}`, MD5OfBody: "e4e6", MD5OfAttributes: "c2a1",
		Attributes:        map[string]string{"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183"},
		MessageAttributes: map[string]messageAttribute{"k": {StringValue: &text, DataType: "String"}},
	}
	want := `{"Records":[{"messageId":"059f36b4","receiptHandle":"AQEB","body":"{\"a\":\"<b>\"}",` +
		`"attributes":{"ApproximateReceiveCount":"1","SentTimestamp":"1545082649183"},` +
		`"messageAttributes":{"k":{"stringValue":"x","stringListValues":[],"binaryListValues":[],"dataType":"String"}},` +
		`"md5OfMessageAttributes":"c2a1","md5OfBody":"e4e6","eventSource":"aws:sqs",` +
		`"eventSourceARN":"arn:aws:sqs:us-east-2:123456789012:my-queue","awsRegion":"us-east-2"}]}`
	if got := string(eventOf([]json.RawMessage{m.record("arn:aws:sqs:us-east-2:123456789012:my-queue", "us-east-2")})); got != want {
		t.Errorf("the event is\n%s\nand should be\n%s", got, want)
	}
}

func TestABatchEndsWithItsSizeItsWindowOrSixMegabytes(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		name   string
		batch  app.Batch
		bodies []string
		want   []int
	}{
		{"ten messages by default", app.Batch{}, slices.Repeat([]string{"m"}, 25), []int{10, 10, 5}},
		{"the size", app.Batch{Size: 3}, slices.Repeat([]string{"m"}, 7), []int{3, 3, 1}},
		{"more than one request gives", app.Batch{Size: 40, Window: 5 * time.Second}, slices.Repeat([]string{"m"}, 50), []int{40, 10}},
		{"bytes", app.Batch{}, slices.Repeat([]string{large}, 8), []int{5, 3}},
	} {
		synctest.Test(t, func(t *testing.T) {
			fake := newFakeQueue(30)
			fake.send(c.bodies...)
			var got []int
			q := &Queue{Name: c.name, URL: "q", Server: fake.server(), Batch: c.batch, Function: functionOf(func(_ context.Context, payload []byte) ([]byte, error) {
				if len(payload) > maxPayload {
					t.Errorf("%s: an event has %d bytes", c.name, len(payload))
				}
				got = append(got, len(recordsOf(t, payload)))
				return nil, nil
			})}
			q.Batch.MaxConcurrency = 1
			runQueue(t, q, 20*time.Second)
			if left, _ := fake.left(); !slices.Equal(got, c.want) || len(left) != 0 {
				t.Errorf("%s: the batches have %v messages and should have %v; %d are left", c.name, got, c.want, len(left))
			}
		})
	}
}

func TestAWindowWaitsForMoreMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFakeQueue(30)
		fake.send("a")
		begun := time.Now()
		var after time.Duration
		var got []string
		time.AfterFunc(3*time.Second, func() { fake.send("b") })
		q := &Queue{Name: "q", URL: "q", Server: fake.server(), Batch: app.Batch{Window: 5 * time.Second}, Function: functionOf(func(_ context.Context, payload []byte) ([]byte, error) {
			after, got = time.Since(begun), bodiesOf(t, payload)
			return nil, nil
		})}
		runQueue(t, q, 20*time.Second)
		if !slices.Equal(got, []string{"a", "b"}) || after < 5*time.Second || after > 6*time.Second {
			t.Errorf("%v came after %v", got, after)
		}
	})
}

func TestMessagesThatFitNoFilterAreDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFakeQueue(30)
		fake.send(`{"kind":"order"}`, `{"kind":"other"}`, `plain`, `{"kind":"order","n":2}`, `["order"]`, `{`)
		var got []string
		q := &Queue{Name: "q", URL: "q", Server: fake.server(), Batch: app.Batch{Filters: []string{`{"body":{"kind":["order"]}}`}}, Function: functionOf(func(_ context.Context, payload []byte) ([]byte, error) {
			got = append(got, bodiesOf(t, payload)...)
			return nil, nil
		})}
		runQueue(t, q, 10*time.Second)
		if left, _ := fake.left(); !slices.Equal(got, []string{`{"kind":"order"}`, `{"kind":"order","n":2}`}) || len(left) != 0 {
			t.Errorf("the function had %q; %q are left", got, left)
		}
	})
}

func TestAFilterOfPlainBodiesDropsObjects(t *testing.T) {
	patterns, err := parsePatterns([]string{`{"body":[{"prefix":"plain"}]}`})
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]bool{"plain text": true, "other": false, `{"plain":1}`: false} {
		m := &message{Body: body}
		if got := fitsMessage(patterns, m.record("", ""), body); got != want {
			t.Errorf("%s fits: %v", body, got)
		}
	}
}

func TestAFilterThatCannotBeReadIsAnErrorAtOnce(t *testing.T) {
	q := &Queue{Name: "q", Server: newFakeQueue(1).server(), Batch: app.Batch{Filters: []string{`{"body":["x"]}`, `{"body":"x"}`}}}
	if err := q.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "filter 2 of 2: body: a value") {
		t.Errorf("Run returned %v", err)
	}
}

func TestOfAPartialFailureOnlyWhatIsReportedStays(t *testing.T) {
	for answer, want := range map[string]string{
		``: "", `null`: "", `{}`: "", `{"batchItemFailures":null}`: "", `{"batchItemFailures":[]}`: "", `{"other":1}`: "", `{"BatchItemFailures":[{"itemIdentifier":"id-0"}]}`: "",
		`{"batchItemFailures":[{"itemIdentifier":"id-1"}]}`:                            "b",
		`{"batchItemFailures":[{"itemIdentifier":"id-0"},{"itemIdentifier":"id-2"}]}`:  "ac",
		`{"batchItemFailures":[{"itemIdentifier":"id-1"},{"itemIdentifier":"id-1"}]}`:  "b",
		`{"batchItemFailures":[{"itemIdentifier":""}]}`:                                "abc",
		`{"batchItemFailures":[{"itemIdentifier":null}]}`:                              "abc",
		`{"batchItemFailures":[{"itemIdentifier":"id-1"},{"messageId":"id-0"}]}`:       "abc",
		`{"batchItemFailures":[{"itemIdentifier":"id-1"},{"itemIdentifier":"id-99"}]}`: "abc",
		`{"batchItemFailures":["id-1"]}`:                                               "abc",
		`{"batchItemFailures":{}}`:                                                     "abc",
		`{"batchItemFailures":`:                                                        "abc",
		`"done"`:                                                                       "abc",
	} {
		synctest.Test(t, func(t *testing.T) {
			fake := newFakeQueue(600)
			fake.send("a", "b", "c")
			q := &Queue{Name: "q", URL: "q", Server: fake.server(), Batch: app.Batch{Partial: true}, Function: functionOf(func(context.Context, []byte) ([]byte, error) {
				return []byte(answer), nil
			})}
			runQueue(t, q, 10*time.Second)
			if left, visible := fake.left(); strings.Join(left, "") != want || visible != 0 {
				t.Errorf("after %s %q are left, %d of them visible; %q should be", answer, left, visible, want)
			}
		})
	}
}

func TestWhatHasFailedComesAgainAfterItsVisibilityTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFakeQueue(30)
		fake.send("a")
		var at []time.Duration
		begun := time.Now()
		q := &Queue{Name: "q", URL: "q", Server: fake.server(), Function: functionOf(func(context.Context, []byte) ([]byte, error) {
			if at = append(at, time.Since(begun).Round(time.Second)); len(at) < 3 {
				return nil, errors.New("it failed")
			}
			return nil, nil
		})}
		runQueue(t, q, 2*time.Minute)
		if left, _ := fake.left(); len(left) != 0 || fmt.Sprint(at) != "[0s 30s 1m0s]" {
			t.Errorf("it was invoked at %v; %q are left", at, left)
		}
	})
}

func TestAQueueWithoutAVisibilityTimeoutAndAFunctionThatFailsIsNoStorm(t *testing.T) {
	for _, failure := range []error{errors.New("it failed"), ErrNoPlace} {
		synctest.Test(t, func(t *testing.T) {
			fake := newFakeQueue(0)
			fake.send("a")
			var n atomic.Int32
			q := &Queue{Name: "q", URL: "q", Server: fake.server(), Batch: app.Batch{MaxConcurrency: 2}, Function: functionOf(func(context.Context, []byte) ([]byte, error) {
				if n.Add(1) > 1000 {
					time.Sleep(time.Hour) // in fake time
				}
				return nil, failure
			})}
			runQueue(t, q, 5*time.Minute)
			if n.Load() > 120 {
				t.Errorf("%v: it was invoked %d times in five minutes", failure, n.Load())
			}
		})
	}
}

func TestAnInvocationWithoutAPlaceIsTriedAgainUntilTheVisibilityTimeoutIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, said := newFakeQueue(60), &notices{}
		fake.send("a")
		n := 0
		q := &Queue{Name: "q", URL: "q", Server: fake.server(), Notice: said.say, Function: functionOf(func(context.Context, []byte) ([]byte, error) {
			if n++; n < 4 {
				return nil, fmt.Errorf("invoke: %w", ErrNoPlace)
			}
			return nil, nil
		})}
		runQueue(t, q, 50*time.Second)
		if left, _ := fake.left(); n != 4 || len(left) != 0 || len(said.said()) != 0 {
			t.Errorf("after %d attempts %q are left; said %q", n, left, said.said())
		}
	})
}

func TestNoMoreBatchesAreWithTheFunctionThanItMayHave(t *testing.T) {
	for limit, want := range map[int]int{0: 5, 2: 2, 8: 8} {
		synctest.Test(t, func(t *testing.T) {
			fake := newFakeQueue(600)
			fake.send(slices.Repeat([]string{"m"}, 200)...)
			var mu sync.Mutex
			now, most := 0, 0
			q := &Queue{Name: "q", URL: "q", Server: fake.server(), Batch: app.Batch{MaxConcurrency: limit}, Function: functionOf(func(context.Context, []byte) ([]byte, error) {
				mu.Lock()
				now++
				most = max(most, now)
				mu.Unlock()
				time.Sleep(time.Second) // in fake time
				mu.Lock()
				now--
				mu.Unlock()
				return nil, nil
			})}
			runQueue(t, q, time.Minute)
			if most != want {
				t.Errorf("with MaxConcurrency %d up to %d batches were with the function, not %d", limit, most, want)
			}
		})
	}
}

func TestTheEndWaitsForWhatRunsAndGivesTheRestBack(t *testing.T) {
	for _, c := range []struct {
		name  string
		takes time.Duration
		left  int
	}{{"an invocation that ends soon", 3 * time.Second, 0}, {"one that does not", time.Minute, 2}} {
		synctest.Test(t, func(t *testing.T) {
			fake := newFakeQueue(600)
			fake.send("a", "b")
			q := &Queue{Name: "q", URL: "q", Server: fake.server(), Function: functionOf(func(ctx context.Context, _ []byte) ([]byte, error) {
				if !sleep(ctx, c.takes) {
					return nil, ctx.Err()
				}
				return nil, nil
			})}
			begun := time.Now()
			runQueue(t, q, time.Second)
			if took := time.Since(begun); took > 9*time.Second {
				t.Errorf("%s: the end took %v", c.name, took)
			}
			time.Sleep(2 * time.Second)
			if left, visible := fake.left(); len(left) != c.left || visible != c.left {
				t.Errorf("%s: %d are left, %d visible, and %d should be", c.name, len(left), visible, c.left)
			}
		})
	}
}

func TestTheEndIsInTimeAlsoIfTheServerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFakeQueue(600)
		fake.send("a", "b")
		q := &Queue{Name: "q", URL: "q", Server: fake.server(), Function: functionOf(func(ctx context.Context, _ []byte) ([]byte, error) {
			fake.setAway(true)
			<-ctx.Done()
			return nil, ctx.Err()
		})}
		begun := time.Now()
		runQueue(t, q, time.Second)
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("the end took %v", took)
		}
	})
}

func TestAServerThatIsAwayIsSaidOnceAndAgainWhenItIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, said := newFakeQueue(30), &notices{}
		fake.send("a")
		fake.setAway(true)
		got := 0
		time.AfterFunc(10*time.Minute, func() { fake.setAway(false) })
		time.AfterFunc(12*time.Minute, func() { fake.setAway(true) })
		time.AfterFunc(22*time.Minute, func() { fake.setAway(false) })
		q := &Queue{Name: "Orders", URL: "q", Server: fake.server(), Notice: said.say, Function: functionOf(func(context.Context, []byte) ([]byte, error) {
			got++
			return nil, nil
		})}
		runQueue(t, q, 24*time.Minute)
		away, back := "queue Orders at http://sqs.test cannot be read: connection refused; it is tried again until it can", "queue Orders at http://sqs.test can be read again"
		if want := []string{away, back, away, back}; !slices.Equal(said.said(), want) || got != 1 {
			t.Errorf("the function was invoked %d times, and this was said: %q", got, said.said())
		}
		if n := fake.calls["GetQueueAttributes"]; n > 40 {
			t.Errorf("in ten minutes it was asked %d times", n)
		}
	})
}

func TestAVisibilityTimeoutThatIsTooShortIsSaid(t *testing.T) {
	for visibility, want := range map[int]string{10: "AWS refuses such a source", 60: "AWS recommends at least six times", 180: ""} {
		synctest.Test(t, func(t *testing.T) {
			said := &notices{}
			q := &Queue{Name: "q", URL: "q", Server: newFakeQueue(visibility).server(), Notice: said.say, Timeout: 30 * time.Second}
			runQueue(t, q, time.Second)
			if all := strings.Join(said.said(), "\n"); want == "" && all != "" || !strings.Contains(all, want) {
				t.Errorf("%d s: said %q", visibility, all)
			}
		})
	}
}

func TestABatchOfAGroupWaitsForTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFakeQueue(600) // which does not hold groups back
		want := map[string][]string{}
		for i := range 30 {
			group := []string{"g1", "g2"}[i%2]
			want[group] = append(want[group], group+":"+strconv.Itoa(i))
			fake.send(group + ":" + strconv.Itoa(i))
		}
		var mu sync.Mutex
		busy := map[string]bool{}
		order := map[string][]string{}
		q := &Queue{Name: "q", URL: "q.fifo", Server: fake.server(), Batch: app.Batch{Size: 1}, Function: functionOf(func(_ context.Context, payload []byte) ([]byte, error) {
			body := bodiesOf(t, payload)[0]
			group, _, _ := strings.Cut(body, ":")
			mu.Lock()
			if busy[group] {
				t.Errorf("two batches of %s are with the function", group)
			}
			busy[group] = true
			order[group] = append(order[group], body)
			mu.Unlock()
			time.Sleep(time.Second) // in fake time
			mu.Lock()
			busy[group] = false
			mu.Unlock()
			return nil, nil
		})}
		runQueue(t, q, time.Minute)
		if !maps.EqualFunc(order, want, slices.Equal) {
			t.Errorf("the order is %v", order)
		}
	})
}

func FuzzFailedItems(f *testing.F) {
	f.Add([]byte(`{"batchItemFailures":[{"itemIdentifier":"a"}]}`))
	f.Add([]byte(`{"batchItemFailures":[null,{}]}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		ids, err := failedItems(answer, func(id string) bool { return id == "a" })
		for _, id := range ids {
			if err != nil || id != "a" {
				t.Errorf("%q reports %q (%v)", answer, ids, err)
			}
		}
	})
}
