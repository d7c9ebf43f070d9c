package wirepost_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
)

// by is a right of some users.
func by(users ...string) func(context.Context, wirepost.Connection, string) bool {
	return func(_ context.Context, c wirepost.Connection, _ string) bool {
		for _, u := range users {
			if c.User == u {
				return true
			}
		}
		return false
	}
}

func TestWhoMayNotLookIsSeenAndWhoIsNotSeenMayLook(t *testing.T) {
	h := newHall(t, &wirepost.PresenceOptions{Seen: by("alice", "seen"), Look: by("alice", "looks")})
	h.enter("alice.1")
	h.has("the ack of who may not look", h.enter("seen.1"), `"renew":240000`, "!members", "!alice", "!asOf")
	h.has("alice is told", h.told("alice.1"), `"joined":[{"user":"seen"`)
	h.has("the ack of who is not seen", h.enter("looks.1"), `"renew":240000`, `"user":"alice"`, `"user":"seen"`, "!looks")
	h.has("alice is told", h.told("alice.1"), "!presence")
	if got := h.enter("nobody.1"); got != `{"type":"ack","topic":"lobby"}` {
		t.Errorf("who may neither is answered %s", got)
	}
	h.enter("alice.2")
	h.event("MESSAGE", "alice.1", `{"action":"leave","topic":"lobby"}`, nil)
	h.event("MESSAGE", "alice.2", `{"action":"leave","topic":"lobby"}`, nil)
	h.has("who is not seen is told", h.told("looks.1"), `"left":[{"user":"alice"`)
	h.has("who may not look is told", h.told("seen.1"), "!presence")

	h.has("who may not look asks for the list", h.event("MESSAGE", "seen.1", `{"action":"members","topic":"lobby"}`, nil), `"code":"forbidden"`)
	h.has("who may look asks for it", h.event("MESSAGE", "looks.1", `{"action":"members","topic":"lobby"}`, nil), `"members":[{"user":"seen"`)
	h.has("who may not look checks", h.event("MESSAGE", "seen.1", `{"action":"check","topics":{"lobby":{"here":true,"members":[0,"0"]}}}`, nil), `"topics":{}`)
	h.has("who is not seen checks", h.event("MESSAGE", "looks.1", `{"action":"check","topics":{"lobby":{"here":true,"members":[0,"0"]}}}`, nil), `"members":[{"user":"seen"`, "!here")
	h.has("a cursor that is none", h.event("MESSAGE", "looks.1", `{"action":"members","topic":"lobby","from":"\uffff"}`, nil), `"code":"bad-presence"`)
}

func TestWhoUnsubscribesLeavesAtOnce(t *testing.T) {
	h := newHall(t, &wirepost.PresenceOptions{})
	h.enter("alice.1")
	h.enter("bob.1")
	h.told("alice.1")
	h.event("MESSAGE", "bob.1", `{"action":"unsubscribe","topic":"lobby"}`, nil)
	h.has("alice is told", h.told("alice.1"), `"left":[{"user":"bob"`)
}

// gone answers posts to some connections with 410.
type gone struct {
	*hall
	ids string
}

func (g gone) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := g.hall.RoundTrip(r)
	if err == nil && strings.HasSuffix(r.URL.Path, g.ids) {
		resp.StatusCode = http.StatusGone
		resp.Header.Set("Date", g.hall.now.UTC().Format(http.TimeFormat))
	}
	return resp, err
}

func TestA410DoesNotSayThatSomebodyHasLeft(t *testing.T) {
	h := newHall(t, &wirepost.PresenceOptions{})
	h.enter("alice.1")
	h.enter("bob.1")
	h.told("alice.1")
	h.now = h.began.Add(time.Minute)
	p := wirepost.NewPublisher(h.store, &wirepost.PublisherOptions{Transport: gone{h, "bob.1"}, Now: func() time.Time { return h.now }})
	if r, err := p.Publish(t.Context(), wirepost.ToUser("bob"), []byte("1"), nil); err != nil || r.Removed != 1 {
		t.Fatalf("the publish gives %v, %v", r, err)
	}
	h.has("alice is told", h.told("alice.1"), "!presence")
	n := 0
	for m, err := range h.p.Members(t.Context(), "lobby") {
		if err != nil || m.User == "" {
			t.Fatal(err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d are present, want alice and bob", n)
	}
}

func TestDetailsThatAreTooLongAreRefusedOrLeftOut(t *testing.T) {
	h := newHall(t, &wirepost.PresenceOptions{})
	long := `"` + strings.Repeat("x", wirepost.MaxDetail-1) + `"`
	h.event("CONNECT", "alice.1", "", nil)
	h.has("said of 513 bytes", h.event("MESSAGE", "alice.1", `{"action":"subscribe","topic":"lobby","presence":true,"session":"0123456789abcdef","said":`+long+`}`, nil), `"code":"bad-presence"`, `\"said\"`)
	h.has("said of 512 bytes", h.event("MESSAGE", "alice.1", `{"action":"subscribe","topic":"lobby","presence":true,"session":"0123456789abcdef","said":`+strings.Replace(long, "x", "", 1)+`}`, nil), `"said":"xxx`)

	// What Info returns is no mistake of the client's: it is present without it.
	var log bytes.Buffer
	for _, info := range []string{long, "{"} {
		log.Reset()
		h := newHall(t, nil)
		h.mux = wirepost.NewMux(h.store, &wirepost.MuxOptions{Publisher: h.p, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Connect: func(context.Context, *wirepost.ConnectRequest) (wirepost.Accept, error) {
				return wirepost.Accept{User: "alice"}, nil
			},
			Presence: &wirepost.PresenceOptions{Info: func(wirepost.Connection) json.RawMessage { return json.RawMessage(info) }}})
		h.mux.HandleProtocol(h.p, nil)
		h.has("an Info that cannot be shown", h.enter("alice.1"), `"members":[{"user":"alice","n":`, "!info")
		if s := log.String(); !strings.Contains(s, "Info") || strings.Contains(s, "xxx") {
			t.Errorf("the log has %q", s)
		}
	}
}

// Lists of many topics in one answer would be longer than a frame may be: the client asks for
// the rest of those that do not fit.
func TestAnAnswerToACheckOfManyTopicsIsNoLongerThanAFrame(t *testing.T) {
	h := newHall(t, &wirepost.PresenceOptions{})
	said := wirepost.Details{Said: json.RawMessage(`"` + strings.Repeat("x", 400) + `"`)}
	ask := map[string]any{}
	h.event("CONNECT", "alice.1", "", nil)
	for i := range 90 {
		topic := fmt.Sprint("topic", i)
		h.event("MESSAGE", "alice.1", `{"action":"subscribe","topic":"`+topic+`","presence":true,"session":"0123456789abcdef"}`, nil)
		for j := range 20 {
			s := wirepost.Session{Topic: topic, User: fmt.Sprint("user", j), ID: "s1", Connection: wirepost.ConnectionKey{ID: "x=", Endpoint: wirepost.Identity{APIID: "abc", Stage: "dev", Region: "us-east-1"}, ConnectedAt: h.now}}
			if _, err := h.store.Enter(t.Context(), s, 10*time.Minute, said); err != nil {
				t.Fatal(err)
			}
		}
		ask[topic] = map[string]any{"here": true, "members": []any{1, "1"}}
	}
	frame, err := json.Marshal(map[string]any{"action": "check", "topics": ask})
	if err != nil {
		t.Fatal(err)
	}
	answer := h.event("MESSAGE", "alice.1", string(frame), nil)
	var topics struct {
		Topics map[string]struct {
			Members []wirepost.Member
			Next    string
		}
	}
	if err := json.Unmarshal([]byte(answer), &topics); err != nil || len(answer) > 100<<10 || len(topics.Topics) != 90 {
		t.Fatalf("the answer has %d bytes and %d topics, %v", len(answer), len(topics.Topics), err)
	}
	whole := 0
	for topic, a := range topics.Topics {
		n := len(a.Members)
		for next := a.Next; next != ""; {
			var page struct {
				Members []wirepost.Member
				Next    string
			}
			if err := json.Unmarshal([]byte(h.event("MESSAGE", "alice.1", `{"action":"members","topic":"`+topic+`","from":"`+next+`"}`, nil)), &page); err != nil {
				t.Fatal(err)
			}
			n, next = n+len(page.Members), page.Next
		}
		if n != 21 {
			t.Errorf("of %s the client gets %d members, want 21", topic, n)
		}
		if a.Next == "" {
			whole++
		}
	}
	if whole < 2 || whole > 10 {
		t.Errorf("%d lists are whole", whole)
	}
}

// Above MaxAnnounced nobody is told who comes and goes, and lists begin again below half.
func TestInABigTopicOnlyTheCountIsToldUntilHalfHaveLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHall(t, &wirepost.PresenceOptions{MaxAnnounced: 4})
		check := func(id, members string, parts ...string) {
			t.Helper()
			h.has("a check of "+id, h.event("MESSAGE", id, `{"action":"check","topics":{"lobby":{"here":true`+members+`}}}`, nil), parts...)
		}
		leave := func(n int) {
			h.event("MESSAGE", fmt.Sprintf("u%d.1", n), `{"action":"leave","topic":"lobby"}`, nil)
			time.Sleep(time.Minute) // in the bubble's time: a process remembers for a while that a topic is big
		}
		for i := range 4 {
			h.has("the ack", h.enter(fmt.Sprintf("u%d.1", i)), "!many", `"user":"u0"`)
		}
		h.told("u0.1")
		h.has("the fifth", h.enter("u4.1"), `"many":true`, `"count":5`)
		h.has("u0 is told of the fifth", h.told("u0.1"), "!presence")
		check("u0.1", `,"members":[4,"1"]`, `"many":true,"count":5`, "!asOf")
		check("u0.1", "", `"many":true,"count":5`)
		leave(4)
		h.has("u0 is told of who left", h.told("u0.1"), "!presence")
		leave(3)
		h.has("u0 is told of who left a topic that is not big", h.told("u0.1"), `"left":[{"user":"u3"`)
		check("u0.1", "", `"many":true,"count":3`)
		check("u1.1", `,"members":[5,"1"]`, "!many", `"user":"u2"`) // one that shows members is given them
		leave(2)
		check("u0.1", "", "!many", `"user":"u0"`, `"user":"u1"`, "!u2")
	})
}
