package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// FuzzPayload: anyone who may invoke the function may say anything. What cannot be
// handled is an error with a name.
func FuzzPayload(f *testing.F) {
	publish := `{"to":"user:alice","data":{"a":1}}`
	for _, event := range []any{json.RawMessage(publish), sqsEvent("q.fifo", publish, "x"), snsEvent(publish), eventBridgeEvent(json.RawMessage(publish)), messageEvent("A=", `{"action":"send","to":"everyone","data":1}`),
		map[string]any{"wirepost": "doctor"}, json.RawMessage(`{"publish":"p","to":"everyone","text":"x","part":0,"parts":2,"after":"c"}`)} {
		f.Add(marshal(f, event))
	}
	w := newWorld(f)
	w.connect(f, "A=", "alice", "lobby")
	f.Fuzz(func(t *testing.T, payload []byte) {
		w.posts = map[string][]string{}
		w.queue.bodies = nil
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		out, err := w.Invoke(ctx, payload)
		switch err.(type) {
		case nil, *InvalidRequest:
		case *PublishFailed: // such as of a cursor that is none
			if strings.Contains(err.Error(), "fault") {
				t.Errorf("%q: %v", payload, err)
			}
		default:
			t.Errorf("%q: an error without a name: %T %v", payload, err, err)
		}
		if err != nil && out != nil || out != nil && !json.Valid(out) {
			t.Errorf("%q: answered %s, %v", payload, out, err)
		}
	})
}
