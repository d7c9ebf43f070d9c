package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

// Whatever comes twice is kept once: SQS counts how often it delivered, and of SNS and
// EventBridge any event may be one that comes again.
func TestAnEventThatComesTwiceIsKeptOnce(t *testing.T) {
	object := `{"to":"topic:lobby","data":{"n":1},"keep":"1h"}`
	delivered := func(times int) map[string]any {
		e := sqsEvent("q", object, object)
		for _, record := range e["Records"].([]any) {
			record.(map[string]any)["attributes"] = map[string]any{"ApproximateReceiveCount": fmt.Sprint(times), "SentTimestamp": fmt.Sprint(time.Now().UnixMilli()), "SenderId": "x"}
		}
		return e
	}
	sns := snsEvent(object)
	sns["Records"].([]any)[0].(map[string]any)["Sns"].(map[string]any)["Timestamp"] = time.Now().UTC().Format(time.RFC3339Nano)
	bridge := eventBridgeEvent(json.RawMessage(object))
	bridge["time"] = time.Now().UTC().Format(time.RFC3339)
	for source, tt := range map[string]struct {
		first, again any
		want         string // offsets that were posted
	}{
		"sqs":                           {delivered(1), delivered(2), "[1 2 1 2]"},
		"sns":                           {sns, sns, "[1 1]"},
		"eventbridge":                   {bridge, bridge, "[1 1]"},
		"sns, a time that is none":      {snsEvent(object), snsEvent(object), "[1 1]"},
		"an event without its own time": {eventBridgeEvent(json.RawMessage(object)), eventBridgeEvent(json.RawMessage(object)), "[1 1]"},
	} {
		t.Run(source, func(t *testing.T) {
			w := newWorld(t)
			w.connect(t, "A=", "alice", "lobby")
			for _, event := range []any{tt.first, tt.again} {
				if out, err := w.Invoke(t.Context(), marshal(t, event)); err != nil || strings.Contains(string(out), "itemIdentifier") {
					t.Fatalf("answered %s, %v; logged\n%s", out, err, w.log)
				}
			}
			var got []uint64
			for _, post := range w.posts["A="] {
				var m wirepost.Position
				if err := json.Unmarshal([]byte(post), &m); err != nil {
					t.Fatal(err)
				}
				got = append(got, m.Offset)
			}
			if fmt.Sprint(got) != tt.want {
				t.Errorf("posted the offsets %v, want %s", got, tt.want)
			}
		})
	}
}
