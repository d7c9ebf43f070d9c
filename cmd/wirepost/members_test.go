package main

import (
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

func TestMembersListsWhoIsPresentAndSweepEndsWhatIsOver(t *testing.T) {
	s, url := sweepStore(t)
	presence := s.(wirepost.Presence)
	session := wirepost.Session{Topic: "lobby", User: "alice", ID: "s1", Connection: wirepost.ConnectionKey{ID: "c1=", Endpoint: swept1, ConnectedAt: time.Now()}}
	if _, err := presence.Enter(t.Context(), session, time.Second, wirepost.Details{}); err != nil {
		t.Fatal(err)
	}
	session.User, session.ID = "", "s2"
	if _, err := presence.Enter(t.Context(), session, time.Hour, wirepost.Details{Said: []byte(`"hi"`)}); err != nil {
		t.Fatal(err)
	}
	status, out, _ := runCommand(t.Context(), "members", "--topic", "lobby", "--store", url, "--json")
	if status != 0 || !strings.Contains(out, `"id":"s2","sessions":1,"said":"hi"`) {
		t.Errorf("members: %d, %s", status, out)
	}
	deadline := time.Now().Add(10 * time.Second)
	for strings.Contains(out, "alice") && time.Now().Before(deadline) {
		_, out, _ = runCommand(t.Context(), "members", "--topic", "lobby", "--store", url)
	}
	if strings.Contains(out, "alice") || !strings.Contains(out, "~s2") {
		t.Errorf("after the lease members says %s", out)
	}
	status, out, errs := runCommand(t.Context(), "sweep", "--presence", "--store", url)
	if status != 0 || out != "ended the leases of 1 member, of whom 1 left; announced 0 changes again\n" {
		t.Errorf("sweep --presence: %d, %q, %q", status, out, errs)
	}
	if _, out, _ = runCommand(t.Context(), "sweep", "--presence", "--store", url); out != "this minute was swept already\n" && !strings.HasPrefix(out, "ended the leases of 0") {
		t.Errorf("the second sweep says %q", out)
	}
}
