package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSampleEventsAreOfOneConnectionAndHaveIDsOfTheirOwn(t *testing.T) {
	at := time.Date(2026, 11, 24, 10, 5, 0, 0, time.UTC)
	ids := map[string]bool{}
	var connected []any
	for i, name := range []string{"connect", "message", "disconnect", "sqs", "sqs", "sns", "sns", "eventbridge", "eventbridge"} {
		s := &sample{now: at.Add(time.Duration(i) * time.Minute), to: "topic:lobby", body: `{"action":"ping"}`, data: json.RawMessage("1")}
		b, err := s.make(name)
		if err != nil {
			t.Fatal(err)
		}
		var event struct {
			ID             string
			RequestContext map[string]any
			Records        []struct {
				MessageID string
				SNS       struct{ MessageID string }
			}
		}
		if err := json.Unmarshal(b, &event); err != nil {
			t.Fatal(err)
		}
		if event.RequestContext != nil {
			connected = append(connected, event.RequestContext["connectedAt"])
			continue
		}
		id := event.ID
		for _, r := range event.Records {
			id += r.MessageID + r.SNS.MessageID
		}
		if id == "" || ids[id] {
			t.Errorf("%s: the ID %q is none, or was there before", name, id)
		}
		ids[id] = true
	}
	if len(connected) != 3 || connected[0] != connected[1] || connected[1] != connected[2] {
		t.Errorf("connected at %v: a message and a disconnect would be of other connections", connected)
	}
}

func TestAnEventThatIsTooLargeIsNotCalledBrokenJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "large.json")
	if err := os.WriteFile(file, []byte(`"`+strings.Repeat("x", 7<<20)+`"`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readEvent(file, nil); err == nil || !strings.HasSuffix(err.Error(), "has more than the 6 MB that Lambda takes") {
		t.Error(err)
	}
}
