package wirepost_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

// talk is a connection of the protocol on a store.
type talk struct {
	t   *testing.T
	mux *wirepost.Mux
	now time.Time
}

func talking(t *testing.T, store wirepost.Store, o *wirepost.ProtocolOptions, topics ...string) *talk {
	t.Helper()
	now := time.Now()
	err := store.Put(t.Context(), wirepost.Connection{ID: "C=", Endpoint: wirepost.Identity{APIID: "abc", Stage: "dev", Region: "us-east-1"}, Topics: topics, ConnectedAt: now, ExpiresAt: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	mux := wirepost.NewMux(store, nil)
	mux.HandleProtocol(wirepost.NewPublisher(store, nil), o)
	return &talk{t, mux, now}
}

// ask sends a frame and returns the answer.
func (k *talk) ask(frame string) string {
	k.t.Helper()
	event, err := json.Marshal(map[string]any{"body": frame,
		"requestContext": map[string]any{"eventType": "MESSAGE", "routeKey": "$default", "connectionId": "C=", "apiId": "abc", "stage": "dev", "domainName": "localhost:1", "connectedAt": k.now.UnixMilli(), "requestTimeEpoch": k.now.UnixMilli()}})
	if err != nil {
		k.t.Fatal(err)
	}
	out, err := k.mux.Invoke(k.t.Context(), event)
	var r struct{ Body string }
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		k.t.Fatalf("%s is answered %s, %v", frame, out, err)
	}
	return r.Body
}

// logged is a store whose lobby has n messages, and the epoch of its log.
func logged(t *testing.T, n int) (*wirepost.MemStore, string) {
	t.Helper()
	store := wirepost.NewMemStore(nil)
	var p wirepost.Position
	for i := range n {
		var err error
		if p, err = store.Append(t.Context(), "lobby", []wirepost.LogEntry{{Data: frame(t, lobby, fmt.Sprint("m", i+1)), ID: fmt.Sprint("m", i+1), Keep: time.Hour}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	return store, p.Epoch
}

func TestAClientThatSubscribesWithAPositionGetsWhatItMissed(t *testing.T) {
	store, epoch := logged(t, 3)
	k := talking(t, store, nil)
	m := func(n int) string {
		return fmt.Sprintf(`{"type":"message","id":"m%d","to":"topic:lobby","data":"m%[1]d","epoch":"%s","offset":%[1]d}`, n, epoch)
	}
	for frame, want := range map[string]string{
		`{"action":"subscribe","ref":"1","topic":"lobby"}`:                                                       `{"type":"ack","ref":"1","topic":"lobby"}`,
		`{"action":"subscribe","ref":"1","topic":"lobby","after":{"epoch":"` + epoch + `","offset":1}}`:          `{"type":"ack","ref":"1","topic":"lobby","epoch":"` + epoch + `","offset":3,"upTo":3,"messages":[` + m(2) + `,` + m(3) + `]}`,
		`{"action":"read","topic":"lobby","after":{"epoch":"` + epoch + `","offset":3}}`:                         `{"type":"ack","topic":"lobby","epoch":"` + epoch + `","offset":3,"upTo":3}`,
		`{"action":"subscribe","topic":"lobby","last":1}`:                                                        `{"type":"ack","topic":"lobby","epoch":"` + epoch + `","offset":3,"upTo":3,"messages":[` + m(3) + `]}`,
		`{"action":"read","topic":"lobby","last":0}`:                                                             `{"type":"ack","topic":"lobby","epoch":"` + epoch + `","offset":3,"upTo":3}`,
		`{"action":"read","topic":"lobby","after":{"epoch":"` + epoch + `","offset":99}}`:                        `{"type":"ack","topic":"lobby","epoch":"` + epoch + `","offset":3,"upTo":3}`,
		`{"action":"read","topic":"lobby","after":{"epoch":"other","offset":9}}`:                                 `{"type":"ack","topic":"lobby","epoch":"` + epoch + `","offset":3,"upTo":3,"messages":[` + m(1) + `,` + m(2) + `,` + m(3) + `],"gone":[[0,0]]}`,
		`{"action":"subscribe","topic":"empty","last":20}`:                                                       `{"type":"ack","topic":"empty","offset":0,"upTo":0}`,
		`{"action":"subscribe","topic":"empty","after":{"epoch":"","offset":0}}`:                                 `{"type":"ack","topic":"empty","offset":0,"upTo":0}`,
		`{"action":"check","ref":3,"topics":{"lobby":{"epoch":"` + epoch + `","offset":3}}}`:                     `{"type":"ack","ref":3,"topics":{}}`,
		`{"action":"check","topics":{"lobby":{"epoch":"` + epoch + `","offset":2},"e":{"epoch":"","offset":0}}}`: `{"type":"ack","topics":{"lobby":{"epoch":"` + epoch + `","offset":3,"upTo":3,"messages":[` + m(3) + `]}}}`,
		`{"action":"read","topic":"lobby","after":{"epoch":"x y","offset":1}}`:                                   `bad-position`,
		`{"action":"read","topic":"lobby","last":301}`:                                                           `bad-position`,
		`{"action":"subscribe","topic":"lobby","last":-1}`:                                                       `bad-position`,
		`{"action":"read","topic":"lobby","last":1,"after":{"epoch":"","offset":0}}`:                             `bad-position`,
		`{"action":"read"}`: `bad-topic`,
		`{"action":"check","topics":{"":{"epoch":"","offset":0}}}`:  `bad-topic`,
		`{"action":"check","topics":{"a":{"epoch":"","offset":1}}}`: `bad-position`,
		`{"action":"read","topic":"lobby","after":{"offset":-1}}`:   `bad-frame`,
	} {
		got := k.ask(frame)
		if strings.HasPrefix(want, "{") && got != want || !strings.Contains(got, want) {
			t.Errorf("%s\nis answered %s\nwant        %s", frame, got, want)
		}
	}
}

func TestAnAnswerIsBoundedAndWhatFollowsIsComplete(t *testing.T) {
	store, epoch := logged(t, 0)
	for i := range 700 {
		p, err := store.Append(t.Context(), "lobby", []wirepost.LogEntry{{Data: []byte(`{"type":"message","n":"` + strings.Repeat("x", 50+i%100) + `"}`), ID: fmt.Sprint("m", i), Keep: time.Hour}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		epoch = p.Epoch
	}
	big := wirepost.LogEntry{Data: []byte(`{"d":"` + strings.Repeat("x", wirepost.MaxKept-8) + `"}`), ID: "big", Keep: time.Hour}
	if _, err := store.Append(t.Context(), "lobby", []wirepost.LogEntry{big}, nil); err != nil {
		t.Fatal(err)
	}
	k := talking(t, store, nil)
	next, answers := uint64(1), 0
	for {
		text := k.ask(fmt.Sprintf(`{"action":"read","topic":"lobby","after":{"epoch":"%s","offset":%d}}`, epoch, next-1))
		var a struct {
			Offset, UpTo uint64
			Messages     []struct{ Offset uint64 }
			More         bool
		}
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			t.Fatal(err)
		}
		if answers++; len(text) > 31<<10 && len(a.Messages) > 1 || len(a.Messages) > 300 || a.Offset != 701 {
			t.Errorf("an answer has %d bytes and %d messages, and the head %d", len(text), len(a.Messages), a.Offset)
		}
		for _, m := range a.Messages {
			if m.Offset != next {
				t.Fatalf("the message %d comes after %d", m.Offset, next-1)
			}
			next++
		}
		if a.UpTo != next-1 {
			t.Fatalf("upTo is %d after the message %d", a.UpTo, next-1)
		}
		if !a.More {
			break
		}
	}
	if next != 702 || answers < 4 {
		t.Errorf("%d messages came in %d answers", next-1, answers)
	}
	// What does not fit into the answer to a check is named, and asked for.
	text := k.ask(`{"action":"check","topics":{"lobby":{"epoch":"` + epoch + `","offset":1}}}`)
	if !strings.Contains(text, `"more":true`) || len(text) > 31<<10 {
		t.Errorf("a check is answered with %d bytes: %.300s", len(text), text)
	}
}

func TestOnlyAConnectionThatMaySubscribeReadsALog(t *testing.T) {
	store, epoch := logged(t, 1)
	o := &wirepost.ProtocolOptions{Allow: func(context.Context, wirepost.Connection, wirepost.Action, wirepost.Audience) bool { return false }}
	for name, topics := range map[string][]string{"forbidden": nil, "ack": {"lobby"}} {
		k := talking(t, store, o, topics...)
		for _, frame := range []string{`{"action":"read","topic":"lobby","last":1}`, `{"action":"check","topics":{"lobby":{"epoch":"` + epoch + `","offset":0}}}`} {
			if got := k.ask(frame); !strings.Contains(got, name) {
				t.Errorf("with the topics %q %s is answered %s, want %s", topics, frame, got, name)
			}
		}
		if err := wirepost.NewMemStore(nil).Close(); err != nil {
			t.Fatal(err)
		}
		store, epoch = logged(t, 1)
	}
}

func TestAMessageFromBeforeAConnectionsTimeIsGoneForIt(t *testing.T) {
	store, epoch := logged(t, 3)
	since := time.Now().Add(time.Minute)
	k := talking(t, store, &wirepost.ProtocolOptions{Since: func(context.Context, wirepost.Connection, string) time.Time { return since }})
	if got, want := k.ask(`{"action":"read","topic":"lobby","after":{"epoch":"`+epoch+`","offset":1}}`), `"upTo":3,"gone":[[2,3]]}`; !strings.HasSuffix(got, want) {
		t.Errorf("answered %s, want %s", got, want)
	}
}

// unreadable is a store whose log cannot be read now.
type unreadable struct{ *wirepost.MemStore }

func (unreadable) Read(context.Context, string, wirepost.Position, wirepost.ReadLimit) (wirepost.Replay, error) {
	return wirepost.Replay{}, errors.New("throttled")
}

func TestALogThatCannotBeReadNowIsNoErrorOfASubscribe(t *testing.T) {
	store, epoch := logged(t, 3)
	k := talking(t, unreadable{store}, nil)
	if got, want := k.ask(`{"action":"subscribe","topic":"lobby","after":{"epoch":"`+epoch+`","offset":1}}`), `{"type":"ack","topic":"lobby","more":true,"wait":2000}`; got != want {
		t.Errorf("answered %s, want %s", got, want)
	}
	if c, err := store.Connection(t.Context(), "C="); err != nil || len(c.Topics) != 1 {
		t.Errorf("the row has %q, %v, want the topic", c.Topics, err)
	}
	if got, want := k.ask(`{"action":"check","topics":{"lobby":{"epoch":"`+epoch+`","offset":1}}}`), `{"type":"ack","topics":{"lobby":{"more":true,"wait":2000}}}`; got != want {
		t.Errorf("a check is answered %s, want %s", got, want)
	}
}

func TestAStoreWithoutALogAnswersAsBefore(t *testing.T) {
	k := talking(t, struct{ wirepost.Store }{wirepost.NewMemStore(nil)}, nil)
	for _, frame := range []string{`{"action":"subscribe","topic":"lobby","last":20}`, `{"action":"read","topic":"lobby","last":20}`} {
		if got, want := k.ask(frame), `{"type":"ack","topic":"lobby"}`; got != want {
			t.Errorf("%s is answered %s, want %s", frame, got, want)
		}
	}
}
