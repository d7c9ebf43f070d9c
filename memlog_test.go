package wirepost

import (
	"fmt"
	"testing"
	"time"
)

func TestLogsOfStreamsThatAreOverDoNotFillTheMemory(t *testing.T) {
	now := time.Now()
	s := NewMemStore(&MemStoreOptions{Now: func() time.Time { return now }})
	append1 := func(topic string) {
		t.Helper()
		if _, err := s.Append(t.Context(), topic, []LogEntry{{Data: []byte("{}"), ID: "1", Keep: time.Hour}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	append1("lobby")
	for i := range 10_000 {
		append1(streamTopic(fmt.Sprint(i)))
		now = now.Add(time.Minute)
		if n := len(s.logs); n > 300 {
			t.Fatalf("%d logs are kept, of 60 that are not over", n)
		}
	}
	if h, err := s.Head(t.Context(), "lobby"); err != nil || h.Offset != 1 {
		t.Errorf("the log of a topic that is no stream's has gone: %v, %v", h, err)
	}
}
