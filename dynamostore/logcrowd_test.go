package dynamostore

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
)

// DynamoDB gives 3,000 read units a second from one partition (AWS, developer guide,
// "Best practices for designing and using partition keys"). All clients of a topic that
// was away come back at once, to functions of which each has one event at a time; each
// client missed 90 KB, in three answers.
func TestTenThousandClientsThatComeBackAtOnceAreUpToDateWithinTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients, processes, missed = 10_000, 100, 300
		table := newSimTable(1)
		writer := simProcess(table, 0, logBreaks{}, 1)
		frame := []byte(`{"type":"message","id":"x","to":"topic:t","data":"` + strings.Repeat("x", 250) + `"}`)
		for i := range missed {
			if _, err := writer.Append(t.Context(), "t", []wirepost.LogEntry{{Data: frame, ID: fmt.Sprint(i), Keep: time.Hour}}, nil); err != nil {
				t.Fatal(err)
			}
		}
		head, err := writer.Head(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		table.mu.Lock()
		table.rate = 3000
		table.mu.Unlock()
		start := time.Now()
		var all sync.WaitGroup
		for n := range processes {
			s := simProcess(table, 0, logBreaks{}, uint64(n))
			all.Go(func() {
				for range clients / processes {
					if err := catchUp(t.Context(), s, head); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		took := time.Since(start)
		t.Logf("%d clients were up to date after %v, for %.0f read units", clients, took, table.units)
		if took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// catchUp is a client that reads from the beginning of an epoch to its end.
func catchUp(ctx context.Context, s *Store, head wirepost.Position) error {
	at := wirepost.Position{Epoch: head.Epoch}
	for {
		r, err := s.Read(ctx, "t", at, wirepost.ReadLimit{})
		if err != nil {
			return err
		}
		at = r.UpTo
		if !r.More {
			if at != head || len(r.Gaps) > 0 {
				return fmt.Errorf("a client came to %v with the gaps %v, want %v", at, r.Gaps, head)
			}
			return nil
		}
	}
}
