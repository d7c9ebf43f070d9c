package wirepost_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
)

// frames are the announcements that were posted to a connection since the last time.
func (h *hall) frames(id string) (all []struct{ Joined, Left []struct{ User string } }) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, post := range h.posts[id] {
		all = append(all, struct{ Joined, Left []struct{ User string } }{})
		if err := json.Unmarshal([]byte(post), &all[len(all)-1]); err != nil {
			h.t.Fatalf("%s was posted: %v", post, err)
		}
	}
	delete(h.posts, id)
	return all
}

func TestChangesThatComeTogetherShareAFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const gather = 250 * time.Millisecond
		h := newHall(t, &wirepost.PresenceOptions{Gather: gather})
		pass := func(d time.Duration) {
			time.Sleep(d) // in the bubble's time
			synctest.Wait()
		}
		want := func(what, frames string) {
			t.Helper()
			if got := fmt.Sprint(h.frames("alice.1")); got != frames {
				t.Errorf("%s alice is told %s, want %s", what, got, frames)
			}
		}
		h.enter("alice.1")
		pass(gather)
		h.frames("alice.1")

		h.enter("bob.1")
		pass(gather - time.Millisecond)
		h.enter("carol.1")
		h.enter("carol.2")
		want("too early", "[]")
		pass(time.Millisecond)
		want("after the time to gather", "[{[{bob} {carol}] []}]")
		pass(gather)
		want("of nothing more", "[]")

		// A page that is loaded again leaves and joins: that is one change, and none where
		// the time to gather is over in between.
		goodbye := map[string]any{"disconnectStatusCode": 1001, "disconnectReason": ""}
		h.event("DISCONNECT", "bob.1", "", goodbye)
		h.enter("bob.2")
		h.event("DISCONNECT", "carol.1", "", goodbye)
		h.event("DISCONNECT", "carol.2", "", goodbye)
		pass(gather)
		want("of a page that was loaded again", "[{[{bob}] [{carol}]}]")
		h.event("DISCONNECT", "bob.2", "", goodbye)
		pass(gather)
		h.enter("bob.3")
		pass(gather)
		want("of one that was away for longer", "[{[] [{bob}]} {[{bob}] []}]")

		// Other topics wait for themselves.
		h.event("MESSAGE", "alice.1", `{"action":"subscribe","topic":"hall","presence":true,"session":"secret of alice in the hall"}`, nil)
		h.enter("dave.1")
		pass(gather)
		if got := len(h.frames("alice.1")); got != 2 {
			t.Errorf("of two topics alice got %d frames, want 2", got)
		}
		for l, err := range h.store.Due(t.Context(), h.now.Add(time.Minute)) {
			if err != nil || l.Unannounced {
				t.Errorf("nobody has noted that this was announced: %+v, %v", l, err)
			}
		}
	})
}

func TestAnAnnouncementHasThirtyKilobytesAtMost(t *testing.T) {
	h := newHall(t, &wirepost.PresenceOptions{Within: 5 * time.Minute, Info: func(wirepost.Connection) json.RawMessage {
		return json.RawMessage(`"` + strings.Repeat("\u00e9", 255) + `"`)
	}})
	h.enter("alice.1")
	h.now = h.began.Add(time.Minute)
	const crowd = 150
	for i := range crowd { // nothing has announced them: the processes that entered them died
		s := wirepost.Session{Topic: "lobby", User: strings.Repeat("\"", 100) + fmt.Sprint(i), ID: "s1", Connection: wirepost.ConnectionKey{ID: "x=", Endpoint: wirepost.Identity{APIID: "abc", Stage: "dev", Region: "us-east-1"}, ConnectedAt: h.now}}
		if _, err := h.store.Enter(t.Context(), s, 10*time.Minute, wirepost.Details{Info: json.RawMessage(`"` + strings.Repeat("x", 510) + `"`), Said: json.RawMessage(`"` + strings.Repeat("y", 510) + `"`)}); err != nil {
			t.Fatal(err)
		}
	}
	h.now = h.began.Add(2 * time.Minute)
	swept, err := h.p.SweepPresence(t.Context(), nil)
	if err != nil || swept.Again != crowd {
		t.Errorf("the sweep gives %+v, %v", swept, err)
	}
	h.mu.Lock()
	for _, post := range h.posts["alice.1"] {
		if len(post) > 30<<10 {
			t.Errorf("an announcement has %d bytes", len(post))
		}
	}
	h.mu.Unlock()
	told, frames := 0, h.frames("alice.1")
	for _, f := range frames {
		told += len(f.Joined)
	}
	if told != crowd || len(frames) < 4 {
		t.Errorf("%d frames tell of %d, want %d", len(frames), told, crowd)
	}
}
