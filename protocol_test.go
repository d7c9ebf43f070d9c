package wirepost_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
)

func TestAMessageThatItsEnvelopeMakesTooLargeIsRefused(t *testing.T) {
	store := wirepost.NewMemStore(nil)
	mux := wirepost.NewMux(store, nil)
	publisher := wirepost.NewPublisher(store, nil)
	mux.HandleProtocol(publisher, nil)
	now := time.Now().UnixMilli()
	event, err := json.Marshal(map[string]any{"body": `{"action":"send","to":"topic:x","data":"` + strings.Repeat("x", wirepost.MaxMessage-60) + `"}`,
		"requestContext": map[string]any{"eventType": "MESSAGE", "routeKey": "send", "connectionId": "A=", "apiId": "abc", "stage": "dev", "domainName": "localhost:1", "connectedAt": now, "requestTimeEpoch": now}})
	if err != nil {
		t.Fatal(err)
	}
	err = store.Put(t.Context(), wirepost.Connection{ID: "A=", Endpoint: wirepost.Identity{APIID: "abc", Stage: "dev", Region: "us-east-1"}, ConnectedAt: time.UnixMilli(now), ExpiresAt: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	out, err := mux.Invoke(t.Context(), event)
	if err != nil || !strings.Contains(string(out), `{\"type\":\"error\",\"code\":\"too-large\"}`) {
		t.Errorf("answered %s, %v", out, err)
	}
}

func TestASendThatTheTimeDidNotSufficeForSaysSo(t *testing.T) {
	for _, tt := range []struct {
		name string
		rest func(context.Context, wirepost.Job) error
		want string
	}{
		{"nobody takes the rest", nil, `"type":"error","code":"incomplete"`},
		{"the rest is refused", func(context.Context, wirepost.Job) error { return errors.New("no queue") }, `"type":"error","code":"incomplete"`},
		{"the rest is taken", func(_ context.Context, rest wirepost.Job) error {
			if rest.After == "" || rest.To != wirepost.ToTopic("x") || rest.Parts != 1 || rest.Publish == "" || !strings.Contains(rest.Text, `"type":"message"`) {
				return fmt.Errorf("the rest is %+v", rest)
			}
			return nil
		}, `"queued":true`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := wirepost.NewMemStore(nil)
			now := time.Now()
			identity := wirepost.Identity{APIID: "abc", Stage: "dev", Region: "us-east-1"}
			for _, id := range []string{"A=", "B=", "C="} {
				if err := store.Put(t.Context(), wirepost.Connection{ID: id, Endpoint: identity, Topics: []string{"x"}, ConnectedAt: now, ExpiresAt: now.Add(time.Hour)}); err != nil {
					t.Fatal(err)
				}
			}
			posts := 0
			publisher := wirepost.NewPublisher(store, &wirepost.PublisherOptions{Concurrency: 1, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if posts++; posts > 1 { // one at a time
					<-r.Context().Done()
					return nil, r.Context().Err()
				}
				return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
			})})
			mux := wirepost.NewMux(store, nil)
			mux.HandleProtocol(publisher, &wirepost.ProtocolOptions{Unfinished: tt.rest})
			event, err := json.Marshal(map[string]any{"body": `{"action":"send","to":"topic:x","data":1}`,
				"requestContext": map[string]any{"eventType": "MESSAGE", "routeKey": "send", "connectionId": "A=", "apiId": "abc", "stage": "dev", "domainName": "localhost:1", "connectedAt": now.UnixMilli(), "requestTimeEpoch": now.UnixMilli()}})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
			defer cancel()
			out, err := mux.Invoke(ctx, event)
			if body := strings.ReplaceAll(string(out), `\"`, `"`); err != nil || !strings.Contains(body, tt.want) || !strings.Contains(body, `"sent":1`) {
				t.Errorf("answered %s, %v, want %s", out, err, tt.want)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAnEnvelopeIsReadAsItWasWritten(t *testing.T) {
	e := wirepost.Envelope{ID: "x-1", To: wirepost.Everyone(), From: "älice", Data: json.RawMessage(`{"a":"<>"}`)}
	frame, err := e.Frame()
	if want := `{"type":"message","id":"x-1","to":"everyone","from":"älice","data":{"a":"<>"}}`; err != nil || string(frame) != want {
		t.Errorf("the frame is %s, %v, want %s", frame, err, want)
	}
	var back wirepost.Envelope
	if err := json.Unmarshal(frame, &back); err != nil || back.ID != e.ID || back.To != e.To || back.From != e.From || string(back.Data) != string(e.Data) {
		t.Errorf("read as %+v, %v", back, err)
	}
	for name, bad := range map[string]wirepost.Envelope{
		"no ID":           {To: wirepost.Everyone(), Data: []byte("1")},
		"an ID of spaces": {ID: "a b", To: wirepost.Everyone(), Data: []byte("1")},
		"a long ID":       {ID: strings.Repeat("x", 129), To: wirepost.Everyone(), Data: []byte("1")},
		"nobody":          {ID: "x", Data: []byte("1")},
		"no data":         {ID: "x", To: wirepost.Everyone()},
		"data not JSON":   {ID: "x", To: wirepost.Everyone(), Data: []byte("{")},
	} {
		if frame, err := bad.Frame(); err == nil {
			t.Errorf("%s: %s", name, frame)
		}
	}
	for _, bad := range []string{`{"type":"ack"}`, `{"type":"message","to":"lobby"}`, `7`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s was read as an envelope", bad)
		}
	}
}

// Frames are answered by a mux without presence and by one with it.
func FuzzProtocolFrame(f *testing.F) {
	for _, s := range []string{`{"action":"ping","ref":1}`, `{"action":"send","to":"topic:x","data":[1]}`, `{"action":"subscribe","topic":"\u0000"}`, `{"ref":`, `[[[`, "\xff",
		`{"action":"subscribe","topic":"x","presence":true,"session":"0123456789abcdef","said":{"a":[1]}}`, `{"action":"subscribe","topic":"x","presence":true,"session":"short","said":null}`,
		`{"action":"check","topics":{"x":{"here":true,"members":[1,"ffffffff"]},"y":{"here":true},"z":{"epoch":"e","offset":1,"here":true}}}`, `{"action":"check","topics":{"x":{"members":[-1,"g"]}}}`,
		`{"action":"members","topic":"x","from":"ualice"}`, `{"action":"members","topic":"x","from":"\uffff"}`, `{"action":"leave","topic":"x"}`} {
		f.Add([]byte(s))
	}
	now := time.Now().UnixMilli()
	identity := wirepost.Identity{APIID: "abc", Stage: "dev", Region: "us-east-1"}
	var muxes []*wirepost.Mux
	for _, presence := range []*wirepost.PresenceOptions{nil, {Info: func(c wirepost.Connection) json.RawMessage { return json.RawMessage(`{"of":"` + c.User + `"}`) }}} {
		store := wirepost.NewMemStore(nil)
		if err := store.Put(f.Context(), wirepost.Connection{ID: "A=", User: "alice", Endpoint: identity, ConnectedAt: time.UnixMilli(now), ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
			f.Fatal(err)
		}
		publisher := wirepost.NewPublisher(store, &wirepost.PublisherOptions{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
		})})
		mux := wirepost.NewMux(store, &wirepost.MuxOptions{Presence: presence, Publisher: publisher})
		mux.HandleProtocol(publisher, nil)
		muxes = append(muxes, mux)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		event, err := json.Marshal(map[string]any{"body": string(body),
			"requestContext": map[string]any{"eventType": "MESSAGE", "routeKey": "$default", "connectionId": "A=", "apiId": "abc", "stage": "dev", "domainName": "localhost:1", "connectedAt": now, "requestTimeEpoch": now}})
		if err != nil {
			t.Fatal(err)
		}
		for _, mux := range muxes {
			out, err := mux.Invoke(t.Context(), event)
			if err != nil {
				t.Fatal(err)
			}
			var answer struct {
				StatusCode int
				Body       string
			}
			var frame struct{ Type, Code string }
			if err := json.Unmarshal(out, &answer); err != nil || json.Unmarshal([]byte(answer.Body), &frame) != nil || answer.StatusCode != 200 || frame.Code == "internal" {
				t.Errorf("%q is answered with %s", body, out)
			}
		}
	})
}

// countingStages counts how often the endpoint of a stage is read.
type countingStages struct {
	wirepost.Store
	read int
}

func (s *countingStages) Stage(ctx context.Context, id wirepost.Identity) (wirepost.StageRecord, error) {
	s.read++
	return s.Store.Stage(ctx, id)
}

// A process that has just kept the endpoint of a stage does not read it again for its
// first send; one that kept it long ago does, because it may have moved since.
func TestTheFirstSendOfAProcessUsesTheEndpointThatItHasJustKept(t *testing.T) {
	store := &countingStages{Store: wirepost.NewMemStore(nil)}
	now := time.Now()
	identity := wirepost.Identity{APIID: "abc", Stage: "dev", Region: "us-east-1"}
	if err := store.Put(t.Context(), wirepost.Connection{ID: "A=", Endpoint: identity, Topics: []string{"x"}, ConnectedAt: now, ExpiresAt: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	var hosts []string
	process := func() *wirepost.Mux {
		mux := wirepost.NewMux(store, nil)
		mux.HandleProtocol(wirepost.NewPublisher(store, &wirepost.PublisherOptions{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			hosts = append(hosts, r.URL.Host)
			return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
		})}), nil)
		return mux
	}
	say := func(mux *wirepost.Mux, action string, at time.Time) {
		t.Helper()
		event, err := json.Marshal(map[string]any{"body": `{"action":"` + action + `","to":"topic:x","data":1}`,
			"requestContext": map[string]any{"eventType": "MESSAGE", "routeKey": "send", "connectionId": "A=", "apiId": "abc", "stage": "dev", "domainName": "localhost:1", "connectedAt": now.UnixMilli(), "requestTimeEpoch": at.UnixMilli()}})
		if err != nil {
			t.Fatal(err)
		}
		if out, err := mux.Invoke(t.Context(), event); err != nil || strings.Contains(string(out), "error") {
			t.Fatalf("answered %s, %v", out, err)
		}
	}
	say(process(), "send", now)
	if store.read != 0 || len(hosts) != 1 || hosts[0] != "localhost:1" {
		t.Errorf("posted to %v after %d reads of the stage, want localhost:1 after none", hosts, store.read)
	}

	late := process()
	say(late, "ping", now.Add(time.Second))
	moved := wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: identity, URL: "http://localhost:2/dev"}, EventTime: now.Add(time.Minute)}
	if _, err := store.PutStage(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	say(late, "send", now.Add(2*time.Minute))
	if store.read != 1 || hosts[len(hosts)-1] != "localhost:2" {
		t.Errorf("a minute after the stage moved: posted to %v after %d reads", hosts, store.read)
	}
}

// What the mux was told some time ago is used for the rest of StageMaxAge, and no
// longer.
func TestTheAgeOfAnEndpointBeginsWhenTheStoreSaidIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &countingStages{Store: wirepost.NewMemStore(nil)}
		began := time.Now()
		identity := wirepost.Identity{APIID: "abc", Stage: "dev", Region: "us-east-1"}
		if err := store.Put(t.Context(), wirepost.Connection{ID: "A=", Endpoint: identity, Topics: []string{"x"}, ConnectedAt: began, ExpiresAt: began.Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		mux := wirepost.NewMux(store, nil)
		mux.HandleProtocol(wirepost.NewPublisher(store, &wirepost.PublisherOptions{StageMaxAge: 30 * time.Second, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
		})}), nil)
		say := func(action string, after time.Duration, reads int) {
			t.Helper()
			time.Sleep(time.Until(began.Add(after))) // in the bubble's time
			event, err := json.Marshal(map[string]any{"body": `{"action":"` + action + `","to":"topic:x","data":1}`,
				"requestContext": map[string]any{"eventType": "MESSAGE", "routeKey": "send", "connectionId": "A=", "apiId": "abc", "stage": "dev", "domainName": "localhost:1", "connectedAt": began.UnixMilli(), "requestTimeEpoch": time.Now().UnixMilli()}})
			if err != nil {
				t.Fatal(err)
			}
			if out, err := mux.Invoke(t.Context(), event); err != nil || strings.Contains(string(out), "error") || store.read != reads {
				t.Errorf("%s after %v: answered %s, %v, with %d reads of the stage, want %d", action, after, out, err, store.read, reads)
			}
		}
		say("ping", 0, 0)
		say("send", 25*time.Second, 0)
		say("send", 29*time.Second, 0)
		say("send", 31*time.Second, 1)
		say("send", 60*time.Second, 1)
		say("send", 62*time.Second, 2)
	})
}

// blockingStages holds a read of a stage until it is let go.
type blockingStages struct {
	wirepost.Store
	reading, let chan struct{}
}

func (s *blockingStages) Stage(ctx context.Context, id wirepost.Identity) (wirepost.StageRecord, error) {
	close(s.reading)
	<-s.let
	return s.Store.Stage(ctx, id)
}

// A publish that reads the endpoint while a send of the same program learns it uses
// the same pool: Close leaves no connection open.
func TestALearnedEndpointAndAReadOneShareTheirConnections(t *testing.T) {
	var open atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	changed := make(chan struct{}, 16)
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
		changed <- struct{}{}
	}
	server.Start()
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	store := &blockingStages{wirepost.NewMemStore(nil), make(chan struct{}), make(chan struct{})}
	now := time.Now()
	identity := wirepost.Identity{APIID: "abc", Stage: "dev", Region: "us-east-1"}
	if err := store.Put(t.Context(), wirepost.Connection{ID: "A=", Endpoint: identity, Topics: []string{"x"}, ConnectedAt: now, ExpiresAt: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.PutStage(t.Context(), wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: identity, URL: server.URL + "/dev"}, EventTime: now}); err != nil {
		t.Fatal(err)
	}
	publisher := wirepost.NewPublisher(store, nil)
	mux := wirepost.NewMux(store, nil)
	mux.HandleProtocol(publisher, nil)
	published := make(chan error, 1)
	go func() { // until published
		r, err := publisher.Publish(t.Context(), wirepost.ToTopic("x"), []byte("1"), nil)
		published <- errors.Join(append(r.Errors, err)...)
	}()
	<-store.reading
	event, err := json.Marshal(map[string]any{"body": `{"action":"send","to":"topic:x","data":1}`,
		"requestContext": map[string]any{"eventType": "MESSAGE", "routeKey": "send", "connectionId": "A=", "apiId": "abc", "stage": "dev", "domainName": host, "connectedAt": now.UnixMilli(), "requestTimeEpoch": now.UnixMilli()}})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := mux.Invoke(t.Context(), event); err != nil || !strings.Contains(string(out), `\"sent\":1`) {
		t.Errorf("answered %s, %v", out, err)
	}
	close(store.let)
	if err := <-published; err != nil {
		t.Error(err)
	}
	publisher.CloseIdleConnections()
	late := time.After(5 * time.Second)
	for open.Load() > 0 {
		select {
		case <-changed:
		case <-late:
			t.Fatalf("%d connections are open after Close", open.Load())
		}
	}
}

func TestWhyAFrameWasForbiddenIsInTheLog(t *testing.T) {
	store := wirepost.NewMemStore(nil)
	var log bytes.Buffer
	mux := wirepost.NewMux(store, &wirepost.MuxOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	mux.HandleProtocol(wirepost.NewPublisher(store, nil), &wirepost.ProtocolOptions{Allow: func(context.Context, wirepost.Connection, wirepost.Action, wirepost.Audience) bool { return false }})
	now := time.Now()
	if err := store.Put(t.Context(), wirepost.Connection{ID: "A=", Endpoint: wirepost.Identity{APIID: "abc", Stage: "dev", Region: "us-east-1"}, ConnectedAt: now, ExpiresAt: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	for frame, want := range map[string]string{
		`{"action":"send","to":"topic:x","data":"payload"}`: "action=send to=topic:x",
		`{"action":"subscribe","topic":"x"}`:                "action=subscribe to=topic:x",
	} {
		log.Reset()
		event, err := json.Marshal(map[string]any{"body": frame,
			"requestContext": map[string]any{"eventType": "MESSAGE", "routeKey": "send", "connectionId": "A=", "apiId": "abc", "stage": "dev", "domainName": "localhost:1", "connectedAt": now.UnixMilli(), "requestTimeEpoch": now.UnixMilli()}})
		if err != nil {
			t.Fatal(err)
		}
		out, err := mux.Invoke(t.Context(), event)
		if err != nil || !strings.Contains(string(out), `{\"type\":\"error\",\"code\":\"forbidden\"}`) {
			t.Errorf("answered %s, %v", out, err)
		}
		if s := log.String(); !strings.Contains(s, want) || !strings.Contains(s, "connectionId=A=") && !strings.Contains(s, `connectionId="A="`) || strings.Contains(s, "payload") {
			t.Errorf("logged %s", s)
		}
	}
}
