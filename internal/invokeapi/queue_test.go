package invokeapi

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnEventIsTriedTwiceMoreAfterItsFunctionsErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var at []time.Duration
		var ids []string
		var said string
		q := NewQueue(QueueOptions{Notice: func(text string) { said = text }, Functions: fakes{"chat": func(_ context.Context, _ []byte, c *Call) ([]byte, error) {
			at, ids = append(at, time.Since(began)), append(ids, c.RequestID)
			return nil, &FunctionError{Err: errors.New("no luck")}
		}}})
		defer q.Close(t.Context())
		if err := q.Add("chat", []byte("{}"), &Call{RequestID: "one"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // of the bubble
		synctest.Wait()
		if len(at) != 3 || at[0] != 0 || at[1] != time.Minute || at[2] != 3*time.Minute || strings.Join(ids, " ") != "one one one" {
			t.Errorf("tried at %v as %v", at, ids)
		}
		if !strings.Contains(said, "an event of function chat is dropped after 3 attempts, the last of which failed: no luck") || q.events != 0 || q.bytes != 0 || len(q.functions) != 0 {
			t.Errorf("said %q; %d events, %d bytes, %d functions are left", said, q.events, q.bytes, len(q.functions))
		}
	})
}

func TestAnEventThatSucceedsTheSecondTimeIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		q := NewQueue(QueueOptions{Notice: func(text string) { t.Error(text) }, Functions: fakes{"chat": func(context.Context, []byte, *Call) ([]byte, error) {
			if n++; n == 1 {
				return nil, errors.New("once")
			}
			return nil, nil
		}}})
		_ = q.Add("chat", nil, &Call{})
		time.Sleep(time.Hour)
		synctest.Wait()
		if lost := q.Close(t.Context()); n != 2 || lost != 0 {
			t.Errorf("tried %d times, %d lost", n, lost)
		}
	})
}

func TestAnEventIsDroppedAfterSixHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said string
		n := 0
		q := NewQueue(QueueOptions{Notice: func(text string) { said = text }, Functions: fakes{"chat": func(context.Context, []byte, *Call) ([]byte, error) {
			if n++; n == 1 {
				time.Sleep(7 * time.Hour) // it has no place for the others
			}
			return nil, nil
		}}})
		defer q.Close(t.Context())
		_, _ = q.Add("chat", nil, &Call{}), q.Add("chat", nil, &Call{})
		time.Sleep(8 * time.Hour)
		synctest.Wait()
		if n != 1 || !strings.Contains(said, "it has waited for more than 6h0m0s") {
			t.Errorf("%d ran, said %q", n, said)
		}
	})
}

func TestAsManyEventsRunAtOnceAsThereArePlacesAndTheOthersFollowInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, most := 0, 0
		var order strings.Builder
		q := NewQueue(QueueOptions{Places: 2, Functions: fakes{"chat": func(_ context.Context, payload []byte, _ *Call) ([]byte, error) {
			mu.Lock()
			running++
			most = max(most, running)
			order.Write(payload)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			return nil, nil
		}}})
		for c := range strings.SplitSeq("abcdefgh", "") {
			_ = q.Add("chat", []byte(c), &Call{})
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		if lost := q.Close(t.Context()); most != 2 || order.String() != "abcdefgh" || lost != 0 {
			t.Errorf("%d at once, in the order %s, %d lost", most, order.String(), lost)
		}
	})
}

func TestAQueueThatIsClosedLetsWhatRunsEndAndCountsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := 0
		q := NewQueue(QueueOptions{Functions: fakes{
			"quick":  func(context.Context, []byte, *Call) ([]byte, error) { time.Sleep(time.Second); done++; return nil, nil },
			"slow":   func(ctx context.Context, _ []byte, _ *Call) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() },
			"failed": func(context.Context, []byte, *Call) ([]byte, error) { return nil, errors.New("no") },
		}})
		for _, name := range []string{"quick", "quick", "slow", "failed"} {
			_ = q.Add(name, nil, &Call{})
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if lost := q.Close(ctx); lost != 3 || done != 1 || time.Since(began) != 5*time.Second {
			t.Errorf("%d lost, %d done, after %v", lost, done, time.Since(began))
		}
		if err := q.Add("quick", nil, &Call{}); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

func TestAQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(QueueOptions{Functions: fakes{"chat": func(ctx context.Context, _ []byte, _ *Call) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() }}})
		large := make([]byte, maxEventBytes/2)
		if err := errors.Join(q.Add("chat", large, &Call{}), q.Add("chat", large, &Call{})); err != nil {
			t.Error(err)
		}
		if err := q.Add("chat", []byte("1"), &Call{}); !errors.Is(err, ErrFull) {
			t.Error(err)
		}
		for range maxEvents - 2 {
			_ = q.Add("chat", nil, &Call{})
		}
		if err := q.Add("chat", nil, &Call{}); !errors.Is(err, ErrFull) {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if lost := q.Close(ctx); lost != maxEvents {
			t.Errorf("%d lost", lost)
		}
	})
}

func TestAnEventThatIsFreeTakesNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var mu sync.Mutex
		done := map[string]time.Duration{}
		q := NewQueue(QueueOptions{Places: 1, Free: func(payload []byte) bool { return string(payload) == "long" }, Functions: fakes{"chat": func(_ context.Context, payload []byte, c *Call) ([]byte, error) {
			time.Sleep(time.Minute) // of the bubble
			mu.Lock()
			defer mu.Unlock()
			done[c.RequestID] = time.Since(began)
			return nil, nil
		}}})
		for i, payload := range []string{"long", "short", "long", "short"} {
			if err := q.Add("chat", []byte(payload), &Call{RequestID: string(rune('a' + i))}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if done["a"] != time.Minute || done["b"] != time.Minute || done["c"] != time.Minute || done["d"] != 2*time.Minute || len(q.functions) != 0 {
			t.Errorf("done after %v; %d functions are left", done, len(q.functions))
		}
		q.Close(t.Context())
	})
}
