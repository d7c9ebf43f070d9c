package main

import (
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

func TestTheScheduleSweepsPresence(t *testing.T) {
	w := newWorld(t, handlePresence)
	w.within = defaultWithin
	s := wirepost.Session{Topic: "lobby", User: "alice", ID: "s1", Connection: wirepost.ConnectionKey{ID: "c1=", Endpoint: stage, ConnectedAt: time.Now()}}
	if _, err := w.store.Enter(t.Context(), s, time.Second, wirepost.Details{}); err != nil {
		t.Fatal(err)
	}
	out, err := w.Invoke(t.Context(), []byte(`{"wirepost":"sweep-presence"}`))
	if err != nil || !strings.HasPrefix(string(out), `{"taken":true,`) {
		t.Errorf("the sweep is answered %s, %v", out, err)
	}
	if out, err = w.Invoke(t.Context(), []byte(`{"wirepost":"sweep-presence"}`)); err != nil || !strings.Contains(string(out), `"lapsed":0`) {
		t.Errorf("the second sweep of a minute is answered %s, %v", out, err)
	}
	other := newWorld(t, handleDoctor)
	if _, err := other.Invoke(t.Context(), []byte(`{"wirepost":"sweep-presence"}`)); err == nil || !strings.Contains(err.Error(), "handler presence") {
		t.Errorf("a function without the handler says %v", err)
	}
}

func TestTheBoundOfPresenceIsRead(t *testing.T) {
	for value, want := range map[string]time.Duration{"": 12 * time.Minute, "off": 0, "5m": 5 * time.Minute} {
		c, err := parseConfig([]string{"WIREPOST_STORE=mem:", "WIREPOST_HANDLERS=presence", "WIREPOST_PRESENCE=" + value})
		if err != nil || c.within != want {
			t.Errorf("WIREPOST_PRESENCE=%s is %v, %v, want %v", value, c.within, err, want)
		}
	}
	for _, value := range []string{"1m", "soon", "48h"} {
		if _, err := parseConfig([]string{"WIREPOST_STORE=mem:", "WIREPOST_HANDLERS=presence", "WIREPOST_PRESENCE=" + value}); err == nil || !strings.Contains(err.Error(), "WIREPOST_PRESENCE") {
			t.Errorf("WIREPOST_PRESENCE=%s: %v", value, err)
		}
	}
}
