package wirepost_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

// hall is a mux that keeps presence, and what it posts to whom.
type hall struct {
	t     *testing.T
	store *wirepost.MemStore
	mux   *wirepost.Mux
	p     *wirepost.Publisher
	began time.Time
	now   time.Time

	mu    sync.Mutex
	posts map[string][]string
	n     int

	fails bool // lists and renewals of the store
}

// busyStore is a store whose lists and renewals may fail.
type busyStore struct {
	*wirepost.MemStore
	h *hall
}

func (s *busyStore) Members(ctx context.Context, topic string, after wirepost.Cursor) iter.Seq2[wirepost.Member, error] {
	if !s.h.fails {
		return s.MemStore.Members(ctx, topic, after)
	}
	return func(yield func(wirepost.Member, error) bool) { yield(wirepost.Member{}, errors.New("throttled")) }
}

func (s *busyStore) Renew(ctx context.Context, e wirepost.Session, lease time.Duration) (bool, error) {
	if s.h.fails {
		return false, errors.New("throttled")
	}
	return s.MemStore.Renew(ctx, e, lease)
}

func (h *hall) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	h.posts[id] = append(h.posts[id], string(b))
	h.n++
	return &http.Response{StatusCode: 200, Header: http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}}, Body: http.NoBody}, nil
}

func newHall(t *testing.T, o *wirepost.PresenceOptions) *hall {
	h := &hall{t: t, began: time.Now().Truncate(time.Second), posts: map[string][]string{}}
	h.now = h.began
	clock := func() time.Time { return h.now }
	h.store = wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: clock})
	store := &busyStore{MemStore: h.store, h: h}
	h.p = wirepost.NewPublisher(store, &wirepost.PublisherOptions{Transport: h, Now: clock})
	h.mux = wirepost.NewMux(store, &wirepost.MuxOptions{Presence: o, Publisher: h.p, Connect: func(_ context.Context, r *wirepost.ConnectRequest) (wirepost.Accept, error) {
		return wirepost.Accept{User: r.Query("user")[0]}, nil
	}})
	h.mux.HandleProtocol(h.p, nil)
	return h
}

func (h *hall) event(kind, id, body string, more map[string]any) string {
	h.t.Helper()
	rc := map[string]any{"eventType": kind, "routeKey": map[string]string{"CONNECT": "$connect", "DISCONNECT": "$disconnect"}[kind], "connectionId": id, "apiId": "abc", "stage": "dev",
		"domainName": "localhost:1", "connectedAt": h.began.UnixMilli(), "requestTimeEpoch": h.now.UnixMilli()}
	if kind == "MESSAGE" {
		rc["routeKey"] = "$default"
	}
	for k, v := range more {
		rc[k] = v
	}
	user, _, _ := strings.Cut(id, ".")
	payload, err := json.Marshal(map[string]any{"body": body, "requestContext": rc, "queryStringParameters": map[string]string{"user": user}})
	if err != nil {
		h.t.Fatal(err)
	}
	out, err := h.mux.Invoke(h.t.Context(), payload)
	var r struct{ Body string }
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		h.t.Fatalf("%s of %s: %s, %v", kind, id, out, err)
	}
	return r.Body
}

// enter connects and enters the lobby. The user is what is before the full stop.
func (h *hall) enter(id string) string {
	h.event("CONNECT", id, "", nil)
	return h.event("MESSAGE", id, `{"action":"subscribe","topic":"lobby","presence":true,"session":"secret of `+id+` ......"}`, nil)
}

// told takes what was posted to a connection.
func (h *hall) told(id string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := strings.Join(h.posts[id], "\n")
	delete(h.posts, id)
	return out
}

func (h *hall) has(what, s string, parts ...string) {
	h.t.Helper()
	for _, p := range parts {
		if not, ok := strings.CutPrefix(p, "!"); ok == strings.Contains(s, not) {
			h.t.Errorf("%s: %s, want it with %q", what, s, p)
		}
	}
}

func TestWhoEntersIsToldWhoIsThereAndTheOthersAreTold(t *testing.T) {
	h := newHall(t, &wirepost.PresenceOptions{Info: func(c wirepost.Connection) json.RawMessage { return json.RawMessage(`{"of":"` + c.User + `"}`) }})
	h.has("alice", h.enter("alice.1"), `"renew":240000`, `"members":[{"user":"alice","n":`, `"info":{"of":"alice"}`)
	h.has("bob", h.enter("bob.1"), `"user":"alice"`, `"user":"bob"`)
	h.has("alice is told", h.told("alice.1"), `{"type":"presence","topic":"lobby","joined":[{"user":"bob"`)
	h.has("bob is told", h.told("bob.1"), "!presence")
	h.enter("bob.2")
	h.has("alice is told of a second tab", h.told("alice.1"), "!presence")
	h.event("DISCONNECT", "bob.1", "", map[string]any{"disconnectStatusCode": 1005})
	h.has("alice is told of one tab that is closed", h.told("alice.1"), "!presence")
	h.event("DISCONNECT", "bob.2", "", map[string]any{"disconnectStatusCode": 1001, "disconnectReason": ""})
	h.has("alice is told of the last tab", h.told("alice.1"), `"left":[{"user":"bob"`)
}

func TestOnlyAGoodbyeIsALeaveAtOnce(t *testing.T) {
	for _, tt := range []struct {
		code   int
		reason string
		leaves bool
	}{{1005, "", true}, {1001, "", true}, {1001, "Going away", false}, {1000, "", false}, {1006, "", false}, {4000, "", false}, {1011, "", false}} {
		h := newHall(t, &wirepost.PresenceOptions{})
		h.enter("alice.1")
		h.enter("bob.1")
		h.event("DISCONNECT", "bob.1", "", map[string]any{"disconnectStatusCode": tt.code, "disconnectReason": tt.reason})
		if got := strings.Contains(h.told("alice.1"), `"left"`); got != tt.leaves {
			t.Errorf("code %d %q: alice is told of a leave: %v, want %v", tt.code, tt.reason, got, tt.leaves)
		}
	}
}

func TestWhoVanishedIsGoneWhenTheLeaseIsOverAndWhoChecksIsNot(t *testing.T) {
	h := newHall(t, &wirepost.PresenceOptions{Within: 5 * time.Minute})
	h.has("alice", h.enter("alice.1"), `"renew":72000`)
	h.enter("bob.1")
	h.told("alice.1")
	for minute := 1; minute <= 4; minute++ {
		h.now = h.began.Add(time.Duration(minute) * time.Minute)
		h.event("MESSAGE", "alice.1", `{"action":"check","topics":{"lobby":{"here":true}}}`, nil)
		if _, err := h.p.SweepPresence(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		told := h.told("alice.1")
		if minute < 3 {
			h.has("before the lease ends", told, "!presence")
		} else if minute == 3 {
			h.has("when the lease has ended", told, `"left":[{"user":"bob"`, "!alice")
		}
	}
	if swept, err := h.p.SweepPresence(t.Context(), nil); err != nil || swept.Taken {
		t.Errorf("the minute is swept twice: %+v, %v", swept, err)
	}
	answer := h.event("MESSAGE", "bob.1", `{"action":"check","ref":"7","topics":{"lobby":{"here":true}}}`, nil)
	h.has("bob", answer, `"lobby":{"here":false}`)
}

func TestACheckBringsTheListWhereItDiffers(t *testing.T) {
	h := newHall(t, &wirepost.PresenceOptions{})
	h.enter("alice.1")
	h.enter("bob.1")
	sum := uint32(0)
	for m, err := range h.p.Members(t.Context(), "lobby") {
		if err != nil {
			t.Fatal(err)
		}
		sum += uint32(m.Number)
	}
	same := h.event("MESSAGE", "alice.1", fmt.Sprintf(`{"action":"check","topics":{"lobby":{"here":true,"members":[2,"%x"]}}}`, sum), nil)
	h.has("what is the same", same, `"topics":{}`)
	other := h.event("MESSAGE", "alice.1", fmt.Sprintf(`{"action":"check","topics":{"lobby":{"here":true,"members":[2,"%x"]}}}`, sum+1), nil)
	h.has("what differs", other, `"asOf":`, `"user":"alice"`, `"user":"bob"`)
	h.has("bad frame", h.event("MESSAGE", "alice.1", `{"action":"subscribe","topic":"lobby","presence":true,"session":"short"}`, nil), `bad-presence`)
	h.event("MESSAGE", "bob.1", `{"action":"leave","topic":"lobby"}`, nil)
	h.has("alice is told of a leave", h.told("alice.1"), `"left":[{"user":"bob"`)
}

func TestWhoCannotBeToldWhoIsPresentAsksAgainSoon(t *testing.T) {
	h := newHall(t, &wirepost.PresenceOptions{})
	h.enter("alice.1")
	h.fails = true
	h.has("the ack of who enters", h.enter("bob.1"), `"renew":240000`, `"retry":5000`, "!members")
	check := `{"action":"check","topics":{"lobby":{"here":true,"members":[0,"0"]}}}`
	h.has("a check", h.event("MESSAGE", "bob.1", check, nil), `"topics":{"lobby":{"retry":5000}}`)
	h.has("more of a list", h.event("MESSAGE", "bob.1", `{"action":"members","topic":"lobby"}`, nil), `"code":"internal"`)
	h.fails = false
	h.has("the next check", h.event("MESSAGE", "bob.1", check, nil), `"user":"alice"`, `"user":"bob"`, "!retry")
}

func TestAThousandJoinsCostTwentyThousandPostsAtMost(t *testing.T) {
	h := newHall(t, &wirepost.PresenceOptions{})
	last := ""
	for i := range 1000 {
		last = h.enter(fmt.Sprintf("u%d.1", i))
	}
	if t.Logf("%d posts", h.n); h.n > 20_000 {
		t.Errorf("1,000 joins are %d posts", h.n)
	}
	h.has("the last", last, `"many":true`, `"count":`, `"next":`)
	if n := strings.Count(last, `"user"`); n != 100 {
		t.Errorf("the last is told %d members, want 100", n)
	}
}
