package wirepost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

const testDomain = "abc123.execute-api.eu-west-1.amazonaws.com"

// testEvent is an event as API Gateway sends it; change is applied to its
// requestContext and may delete fields.
func testEvent(eventType string, change map[string]any) []byte {
	rc := map[string]any{
		"eventType": eventType, "connectionId": "L0SM9cOFvHcCIhw=", "apiId": "abc123", "stage": "prod",
		"domainName": testDomain, "connectedAt": int64(1_700_000_000_000), "requestTimeEpoch": int64(1_700_000_000_017),
		"routeKey": map[string]string{"CONNECT": "$connect", "DISCONNECT": "$disconnect"}[eventType],
	}
	event := map[string]any{"requestContext": rc, "isBase64Encoded": false}
	for k, v := range change {
		target := rc
		if k == "body" || k == "headers" || strings.HasSuffix(k, "QueryStringParameters") || strings.HasPrefix(k, "query") {
			target = event
		}
		if v == nil {
			delete(target, k)
		} else {
			target[k] = v
		}
	}
	b, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	return b
}

func invoke(t *testing.T, m *Mux, payload []byte) response {
	t.Helper()
	out, err := m.Invoke(t.Context(), payload)
	if err != nil {
		t.Fatalf("Invoke: %v", err)
	}
	var r response
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("Invoke answered %q: %v", out, err)
	}
	return r
}

// storeAt is a MemStore whose clock stands just after the test events.
func storeAt() *MemStore {
	return NewMemStore(&MemStoreOptions{Now: func() time.Time { return time.UnixMilli(1_700_000_001_000) }})
}

func TestAConnectIsKeptWithItsUserTopicsAndEndpoint(t *testing.T) {
	store := storeAt()
	mux := NewMux(store, &MuxOptions{Connect: func(_ context.Context, r *ConnectRequest) (Accept, error) {
		return Accept{User: r.Query("user")[0], Topics: r.Query("topic"), Subprotocol: r.Subprotocols()[1]}, nil
	}})
	r := invoke(t, mux, testEvent("CONNECT", map[string]any{
		"headers":                         map[string]string{"sec-websocket-protocol": "a , b"},
		"queryStringParameters":           map[string]string{"user": "alice", "topic": "news"},
		"multiValueQueryStringParameters": map[string][]string{"user": {"alice"}, "topic": {"news", "lobby", "news"}},
	}))
	if r.StatusCode != 200 || r.Headers["Sec-WebSocket-Protocol"] != "b" || r.Body != "" {
		t.Errorf("answered %+v", r)
	}
	c, err := store.Connection(t.Context(), "L0SM9cOFvHcCIhw=")
	if err != nil || c.User != "alice" || fmt.Sprint(c.Topics) != "[lobby news]" || c.Endpoint != (Identity{"abc123", "prod", "eu-west-1"}) {
		t.Errorf("the row is %+v, %v", c, err)
	}
	if got := c.ExpiresAt.Sub(c.ConnectedAt); got != 2*time.Hour+5*time.Minute {
		t.Errorf("the row expires after %v", got)
	}
	s, err := store.Stage(t.Context(), c.Endpoint)
	if err != nil || s.URL != "https://"+testDomain+"/prod" || s.EventTime.UnixMilli() != 1_700_000_000_017 {
		t.Errorf("the stage record is %+v, %v", s, err)
	}
}

func TestARefusalHasItsStatusAndWritesNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want int
	}{
		{"Refuse", Refuse(401, "no token"), 401},
		{"a wrapped Refuse", fmt.Errorf("check: %w", Refuse(429, "later")), 429},
		{"Refuse with a status that would accept", Refuse(200, "odd"), 403},
		{"any other error", errors.New("database away"), 500},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := storeAt()
			mux := NewMux(store, &MuxOptions{Connect: func(context.Context, *ConnectRequest) (Accept, error) { return Accept{User: "x"}, tt.err }})
			if r := invoke(t, mux, testEvent("CONNECT", nil)); r.StatusCode != tt.want || r.Body != "" {
				t.Errorf("answered %+v, want status %d and no reason", r, tt.want)
			}
			if _, err := store.Connection(t.Context(), "L0SM9cOFvHcCIhw="); !errors.Is(err, ErrNotFound) {
				t.Errorf("a row was written: %v", err)
			}
			if all, _ := store.Stages(t.Context()); len(all) != 0 {
				t.Errorf("a stage record was written: %v", all)
			}
		})
	}
}

// brokenStore fails chosen methods.
type brokenStore struct {
	Store
	put, putStage error
	puts, stages  int
}

func (s *brokenStore) Put(ctx context.Context, c Connection) error {
	s.puts++
	if s.put != nil {
		return s.put
	}
	return s.Store.Put(ctx, c)
}

func (s *brokenStore) PutStage(ctx context.Context, r StageRecord) (StageRecord, error) {
	s.stages++
	if s.putStage != nil {
		return StageRecord{}, s.putStage
	}
	return s.Store.PutStage(ctx, r)
}

func TestAConnectWhoseRowCannotBeWrittenIsRefusedWith500(t *testing.T) {
	store := &brokenStore{Store: storeAt(), put: errors.New("disk full")}
	var log bytes.Buffer
	mux := NewMux(store, &MuxOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if r := invoke(t, mux, testEvent("CONNECT", nil)); r.StatusCode != 500 {
		t.Errorf("answered %+v, want 500", r)
	}
	if !strings.Contains(log.String(), "disk full") {
		t.Errorf("the log does not say why: %s", &log)
	}
}

func TestAConnectWhoseEndpointCannotBeKeptIsAcceptedAndTheNextEventTriesAgain(t *testing.T) {
	store := &brokenStore{Store: storeAt(), putStage: errors.New("throttled")}
	mux := NewMux(store, nil)
	mux.Handle("$default", func(context.Context, *Message) ([]byte, error) { return nil, nil })
	if r := invoke(t, mux, testEvent("CONNECT", nil)); r.StatusCode != 200 {
		t.Errorf("answered %+v, want 200", r)
	}
	store.putStage = nil
	invoke(t, mux, testEvent("MESSAGE", map[string]any{"routeKey": "$default"}))
	if all, _ := store.Stages(t.Context()); len(all) != 1 {
		t.Errorf("the endpoint was not learned from the message: %v", all)
	}
}

func TestAMessageInTheSteadyStateWritesNothing(t *testing.T) {
	store := &brokenStore{Store: storeAt()}
	mux := NewMux(store, nil)
	mux.Handle("$default", func(context.Context, *Message) ([]byte, error) { return nil, nil })
	invoke(t, mux, testEvent("CONNECT", nil))
	store.puts, store.stages = 0, 0
	for i := range 10 {
		invoke(t, mux, testEvent("MESSAGE", map[string]any{"routeKey": "$default", "requestTimeEpoch": 1_700_000_000_100 + i}))
	}
	if store.puts != 0 || store.stages != 0 {
		t.Errorf("ten messages wrote %d rows and %d stage records", store.puts, store.stages)
	}
}

func TestAnEndpointThatMovedIsWrittenOnceAndAnOldEventDoesNotMoveItBack(t *testing.T) {
	store := &brokenStore{Store: storeAt()}
	mux := NewMux(store, nil)
	mux.Handle("$default", func(context.Context, *Message) ([]byte, error) { return nil, nil })
	message := func(port string, at int64) {
		t.Helper()
		invoke(t, mux, testEvent("MESSAGE", map[string]any{"routeKey": "$default", "domainName": "localhost:" + port, "requestTimeEpoch": at}))
	}
	message("3000", 1_700_000_000_100)
	message("4000", 1_700_000_000_200)
	message("4000", 1_700_000_000_300)
	message("3000", 1_700_000_000_150) // late
	if store.stages != 2 {
		t.Errorf("two endpoints were written %d times", store.stages)
	}
	if s, err := store.Stage(t.Context(), Identity{"abc123", "prod", "us-east-1"}); err != nil || s.URL != "http://localhost:4000/prod" {
		t.Errorf("the store has %+v, %v", s, err)
	}
}

func TestAStageRecordThatWasLostIsBackWithAConnectTenMinutesLater(t *testing.T) {
	store := &brokenStore{Store: storeAt()}
	mux := NewMux(store, nil)
	mux.Handle("$default", func(context.Context, *Message) ([]byte, error) { return nil, nil })
	const first = 1_700_000_000_017
	id := Identity{"abc123", "prod", "eu-west-1"}
	lose := func() {
		t.Helper()
		r, err := store.Stage(t.Context(), id)
		if err == nil {
			_, err = store.DeleteStage(t.Context(), r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ten := (10 * time.Minute).Milliseconds()
	invoke(t, mux, testEvent("CONNECT", nil))
	lose()
	for _, tt := range []struct {
		name      string
		eventType string
		at        int64
		back      bool
	}{
		{"a connect before ten minutes are over", "CONNECT", first + ten - 1, false},
		{"a message after ten minutes", "MESSAGE", first + ten + 1, false},
		{"a disconnect after ten minutes", "DISCONNECT", first + ten + 2, false},
		{"a connect ten minutes after the first put", "CONNECT", first + ten, true},
		{"a connect before ten more are over", "CONNECT", first + 2*ten - 1, false},
		{"a connect after ten more", "CONNECT", first + 2*ten, true},
	} {
		store.stages = 0
		change := map[string]any{"requestTimeEpoch": tt.at}
		if tt.eventType == "MESSAGE" {
			change["routeKey"] = "$default"
		}
		if r := invoke(t, mux, testEvent(tt.eventType, change)); r.StatusCode != 200 {
			t.Fatalf("%s: answered %+v", tt.name, r)
		}
		_, err := store.Stage(t.Context(), id)
		if back := err == nil; back != tt.back || store.stages != map[bool]int{true: 1}[back] {
			t.Errorf("%s: the record is back: %v, after %d puts", tt.name, back, store.stages)
		}
		if tt.back {
			lose()
		}
	}
}

func TestADisconnectRemovesExactlyItsOwnConnection(t *testing.T) {
	store := storeAt()
	var ended *DisconnectEvent
	mux := NewMux(store, &MuxOptions{Disconnect: func(_ context.Context, e *DisconnectEvent) { ended = e }})
	invoke(t, mux, testEvent("CONNECT", nil))
	// The $disconnect of an older connection that happened to have the same ID.
	invoke(t, mux, testEvent("DISCONNECT", map[string]any{"connectedAt": 1_600_000_000_000}))
	if _, err := store.Connection(t.Context(), "L0SM9cOFvHcCIhw="); err != nil {
		t.Fatalf("the wrong row was removed: %v", err)
	}
	invoke(t, mux, testEvent("DISCONNECT", map[string]any{"disconnectStatusCode": 1001, "disconnectReason": "Going away"}))
	if _, err := store.Connection(t.Context(), "L0SM9cOFvHcCIhw="); !errors.Is(err, ErrNotFound) {
		t.Errorf("the row is still there: %v", err)
	}
	if ended == nil || ended.Code != 1001 || ended.Reason != "Going away" {
		t.Errorf("the hook got %+v", ended)
	}
}

func TestAMessageReachesItsHandlerAndCanSubscribe(t *testing.T) {
	store := storeAt()
	mux := NewMux(store, nil)
	mux.Handle("join", func(ctx context.Context, m *Message) ([]byte, error) {
		if err := m.Subscribe(ctx, "room"); err != nil {
			return nil, err
		}
		return m.Body, nil
	})
	mux.Handle("fail", func(context.Context, *Message) ([]byte, error) { return nil, errors.New("no") })
	mux.Handle("panic", func(context.Context, *Message) ([]byte, error) { panic("boom") })
	join := testEvent("MESSAGE", map[string]any{"routeKey": "join", "body": `{"a":1}`})
	if r := invoke(t, mux, join); r.StatusCode != 500 {
		t.Errorf("subscribing without a row answered %+v: a message must not create one", r)
	}
	invoke(t, mux, testEvent("CONNECT", nil))
	if r := invoke(t, mux, join); r.StatusCode != 200 || r.Body != `{"a":1}` {
		t.Errorf("answered %+v", r)
	}
	if c, _ := store.Connection(t.Context(), "L0SM9cOFvHcCIhw="); fmt.Sprint(c.Topics) != "[room]" {
		t.Errorf("topics are %v", c.Topics)
	}
	for _, route := range []string{"fail", "panic"} {
		if r := invoke(t, mux, testEvent("MESSAGE", map[string]any{"routeKey": route})); r.StatusCode != 500 || r.Body != "" {
			t.Errorf("%s answered %+v, want 500", route, r)
		}
	}
	if r := invoke(t, mux, testEvent("MESSAGE", map[string]any{"routeKey": "other"})); r.StatusCode != 404 {
		t.Errorf("an unknown route answered %+v", r)
	}
}

func TestAPanicInAHookIsAnAnswer(t *testing.T) {
	mux := NewMux(storeAt(), &MuxOptions{Connect: func(context.Context, *ConnectRequest) (Accept, error) { panic("boom") }})
	if r := invoke(t, mux, testEvent("CONNECT", nil)); r.StatusCode != 500 {
		t.Errorf("answered %+v", r)
	}
}

func TestAnEventWithSomethingMissingIsOneSentence(t *testing.T) {
	mux := NewMux(storeAt(), nil)
	for _, tt := range []struct {
		name    string
		payload []byte
		want    string
	}{
		{"not JSON", []byte(`{`), "not the JSON"},
		{"empty", nil, "not the JSON"},
		{"another source", []byte(`{"Records":[]}`), "no requestContext.eventType"},
		{"unknown type", testEvent("PING", nil), `"PING"`},
		{"no connection ID", testEvent("MESSAGE", map[string]any{"connectionId": nil}), "requestContext.connectionId"},
		{"no API", testEvent("MESSAGE", map[string]any{"apiId": nil}), "requestContext.apiId"},
		{"no stage", testEvent("CONNECT", map[string]any{"stage": nil}), "requestContext.stage"},
		{"no domain", testEvent("CONNECT", map[string]any{"domainName": nil}), "requestContext.domainName"},
		{"no connectedAt", testEvent("DISCONNECT", map[string]any{"connectedAt": nil}), "connectedAt"},
		{"a malformed stage", testEvent("CONNECT", map[string]any{"stage": "a/b"}), "stage"},
		{"a connection ID with a space", testEvent("CONNECT", map[string]any{"connectionId": "a b"}), "connection ID"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := mux.Invoke(t.Context(), tt.payload)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one sentence with %q", err, tt.want)
			}
		})
	}
}

func FuzzEvent(f *testing.F) {
	f.Add(testEvent("CONNECT", nil))
	f.Add(testEvent("MESSAGE", map[string]any{"routeKey": "$default", "body": "x"}))
	f.Add(testEvent("DISCONNECT", nil))
	f.Add([]byte(`{"requestContext":{"eventType":"CONNECT","connectedAt":1e99}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		mux := NewMux(NewMemStore(nil), nil)
		mux.Handle("$default", func(_ context.Context, m *Message) ([]byte, error) { return m.Body, nil })
		out, err := mux.Invoke(t.Context(), payload)
		if err != nil {
			return
		}
		var r response
		if json.Unmarshal(out, &r) != nil || r.StatusCode < 200 {
			t.Fatalf("Invoke(%q) answered %q", payload, out)
		}
	})
}

func TestAConnectionWhoseTimeIsOverIsRefused(t *testing.T) {
	mux := NewMux(storeAt(), &MuxOptions{Connect: func(context.Context, *ConnectRequest) (Accept, error) {
		return Accept{ExpiresAt: time.UnixMilli(1_700_000_000_000)}, nil
	}})
	if r := invoke(t, mux, testEvent("CONNECT", nil)); r.StatusCode != 401 {
		t.Errorf("answered %+v, want 401", r)
	}
}

func TestAnOverrideFromTheEnvironmentIsKeptAndSaidOnce(t *testing.T) {
	t.Setenv("WIREPOST_ENDPOINT", "https://ws.example.com/v1")
	t.Setenv("AWS_REGION", "eu-west-1")
	var log bytes.Buffer
	store := storeAt()
	mux := NewMux(store, &MuxOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	invoke(t, mux, testEvent("CONNECT", nil))
	invoke(t, mux, testEvent("DISCONNECT", nil))
	if s, err := store.Stage(t.Context(), Identity{"abc123", "prod", "eu-west-1"}); err != nil || s.URL != "https://ws.example.com/v1" {
		t.Errorf("the store has %+v, %v", s, err)
	}
	if n := strings.Count(log.String(), "endpoint-override"); n != 1 {
		t.Errorf("it was said %d times: %s", n, &log)
	}
}
