package inspector_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/inspector"
	"github.com/wirepost/wirepost/wireposttest"
)

// shownPresence is what the page is told of who is present.
type shownPresence struct {
	Supported bool
	Topics    []struct {
		Topic string
		Here  int
	}
	Topic   string
	Here    int
	Members []shownMember
	Changes []shownMember
}

type shownMember struct {
	Topic, User, ID, Info, Said string
	Here, Unannounced, Masked   bool
	At                          int64
	Sessions                    []struct {
		ID, Connection string
		Left           int64
	}
}

// what is a line for each member.
func (p shownPresence) what(all []shownMember) (lines []string) {
	for _, m := range all {
		what := "left"
		if m.Here {
			what = "is in"
		}
		if m.Unannounced {
			what += " unannounced"
		}
		lines = append(lines, fmt.Sprintf("%s%s %s %s %d", m.User, m.ID, what, m.Topic, len(m.Sessions)))
	}
	return lines
}

func TestWhoIsPresentIsShownWithSessionsLeasesAndChanges(t *testing.T) {
	w := newWorld(t)
	read := func(query string) (p shownPresence) {
		t.Helper()
		w.do(t, "GET", "presence"+query, "", &p)
		return p
	}
	// What was read is shown for a second: the first look is made when all is there.
	session := func(topic, user, id string) wirepost.Session {
		return wirepost.Session{Topic: topic, User: user, ID: id, Connection: wirepost.ConnectionKey{ID: "old=", Endpoint: wirepost.Identity{APIID: "a", Stage: "dev", Region: "us-east-1"}, ConnectedAt: time.Now()}}
	}
	told := func(c wirepost.Change, err error) {
		t.Helper()
		if err == nil && c.Kind != wirepost.MemberSame {
			err = w.store.Announced(t.Context(), c.Topic, c.MemberID, c.Number)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	details := wirepost.Details{Info: []byte(`{"name":"Ada"}`), Said: []byte(`{"url":"https://example.com/?token=SECRET"}`)}
	told(w.store.Enter(t.Context(), session("lobby", "alice", "s1"), time.Hour, details))
	told(w.store.Enter(t.Context(), session("lobby", "alice", "s2"), 10*time.Minute, details))
	told(w.store.Enter(t.Context(), session("hall", "", "s3"), time.Minute, wirepost.Details{}))
	told(w.store.Enter(t.Context(), session("lobby", "carol", "s4"), time.Minute, wirepost.Details{}))
	told(w.store.Leave(t.Context(), session("lobby", "carol", "s4")))

	// bob enters by a connection that is open.
	c, err := wireposttest.Dial(t.Context(), w.gateway.URL+"?user=bob", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Cut()
	if err := c.Send(`{"action":"subscribe","topic":"lobby","presence":true,"session":"0123456789abcdef"}`); err != nil {
		t.Fatal(err)
	}
	if said, err := c.Receive(t.Context()); err != nil || !strings.Contains(said, `"renew":`) {
		t.Fatalf("the answer is %s, %v", said, err)
	}
	open := w.gateway.Server.Connections()
	w.do(t, "GET", "connections", "", nil)
	if err := c.Send(`{"action":"subscribe","topic":"attic","presence":true,"session":"0123456789abcdef"}`); err != nil {
		t.Fatal(err)
	}
	if said, err := c.Receive(t.Context()); err != nil || !strings.Contains(said, `"renew":`) {
		t.Fatalf("the answer is %s, %v", said, err)
	}

	p := read("?topic=lobby")
	if got := fmt.Sprint(p.Supported, p.Topics, p.Topic, p.Here); got != "true [{attic 1} {hall 1} {lobby 2}]lobby2" {
		t.Errorf("it shows %s", got)
	}
	if got := p.what(p.Members); !slices.Equal(got, []string{"alice is in lobby 2", "bob is in lobby 1"}) {
		t.Errorf("the members are %q", got)
	}
	alice, bob := p.Members[0], p.Members[1]
	if alice.Info != `{"name":"Ada"}` || !alice.Masked || strings.Contains(alice.Said, "SECRET") || !strings.Contains(alice.Said, "(masked)") {
		t.Errorf("alice is shown as %+v", alice)
	}
	ends := func(left int64, want time.Duration) bool {
		return left <= want.Milliseconds() && left > want.Milliseconds()-60_000
	}
	if s := alice.Sessions; s[0].ID != "s1" || !ends(s[0].Left, time.Hour) || s[1].ID != "s2" || !ends(s[1].Left, 10*time.Minute) || s[0].Connection != "" {
		t.Errorf("alice's sessions are %+v", s)
	}
	if s := bob.Sessions[0]; s.ID != wirepost.HashSession("0123456789abcdef") || s.Connection != open[0].ID || !ends(s.Left, 10*time.Minute) {
		t.Errorf("bob's session is %+v, want one of connection %s", s, open[0].ID)
	}
	changes := p.what(p.Changes)
	if want := []string{"alice is in lobby 2", "bob is in attic 1", "bob is in lobby 1", "carol left lobby 0", "s3 is in hall 1"}; !slices.Equal(slices.Sorted(slices.Values(changes)), want) {
		t.Errorf("the changes are %q, want %q", changes, want)
	}
	if !slices.IsSortedFunc(p.Changes, func(a, b shownMember) int { return int(b.At - a.At) }) {
		t.Errorf("the newest change is not first: %q", changes)
	}
	if p := read("?topic=attic"); p.Members[0].Sessions[0].Connection != open[0].ID {
		t.Errorf("of what was said after its row was read it shows %+v", p.Members)
	}
	if p := read("?topic=hall"); !slices.Equal(p.what(p.Members), []string{"s3 is in hall 1"}) {
		t.Errorf("in the hall it shows %q", p.what(p.Members))
	}
	if p := read(""); p.Topic != "attic" || !slices.Equal(p.what(p.Members), []string{"bob is in attic 1"}) {
		t.Errorf("where no topic was asked for it shows %q of %q", p.what(p.Members), p.Topic)
	}
	if p := read("?topic=nowhere"); p.Topic != "nowhere" || p.Here != 0 || len(p.Members) != 0 {
		t.Errorf("of a topic in which nobody is it shows %+v", p)
	}
}

func TestWhoseLeaseIsOverIsNotHereAndWhatNobodyAnnouncedSaysSo(t *testing.T) {
	past := time.Now().Add(-time.Hour)
	store := wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: func() time.Time { return past }})
	s := wirepost.Session{Topic: "lobby", User: "alice", ID: "s1", Connection: wirepost.ConnectionKey{ID: "a=", Endpoint: wirepost.Identity{APIID: "a", Stage: "dev", Region: "us-east-1"}, ConnectedAt: past}}
	if _, err := store.Enter(t.Context(), s, 10*time.Minute, wirepost.Details{}); err != nil {
		t.Fatal(err)
	}
	w := newWorldOf(t, store)
	var p shownPresence
	w.do(t, "GET", "presence", "", &p)
	if got := p.what(p.Changes); !p.Supported || len(p.Topics) != 0 || !slices.Equal(got, []string{"alice left unannounced lobby 1"}) || p.Changes[0].Sessions[0].Left > -49*60_000 {
		t.Errorf("it shows %+v", p)
	}
}

// withoutPresence is a store of somebody's that has no presence.
type withoutPresence struct{ wirepost.Store }

func TestAStoreWithoutPresenceSaysThatItHasNone(t *testing.T) {
	w := newWorld(t)
	i := inspector.New(inspector.Options{Recorder: w.recorder, Server: w.gateway.Server, Token: "t", Bearer: "b", Store: withoutPresence{w.store}})
	defer i.Close()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1/_wirepost/api/presence", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer b")
	if got := serve(i, r); !strings.HasPrefix(got, `{"supported":false,"topics":[]`) {
		t.Errorf("it answers %s", got)
	}
}
