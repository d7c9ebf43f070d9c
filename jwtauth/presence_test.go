package jwtauth_test

import (
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/jwtauth"
)

func TestATokenSaysWhoIsSeenAndWhoMayLook(t *testing.T) {
	o := jwtauth.Presence()
	for _, tt := range []struct {
		claims, info string
		seen, look   bool
	}{
		{`{"subscribe":["*"]}`, "", true, true},
		{`{"subscribe":["*"],"seen":[],"look":["lobby"]}`, "", false, true},
		{`{"subscribe":["*"],"seen":["room.*"]}`, "", false, true},
		{`{"subscribe":["*"],"look":[],"info":{"name":"Ada"}}`, `{"name":"Ada"}`, true, false},
		{`{"subscribe":["*"],"look":["user:bob"]}`, "", false, false},
		{`{"watch":["*"]}`, "", false, false},
		{``, "", false, false},
	} {
		c := wirepost.Connection{Claims: tt.claims}
		if seen, look, info := o.Seen(t.Context(), c, "lobby"), o.Look(t.Context(), c, "lobby"), string(o.Info(c)); seen != tt.seen || look != tt.look || info != tt.info {
			t.Errorf("%s: seen %v, look %v, info %s; want %v, %v, %s", tt.claims, seen, look, info, tt.seen, tt.look, tt.info)
		}
	}
}

func TestATokenSaysWhoseStreamsItMayStop(t *testing.T) {
	for _, tt := range []struct {
		claims string
		to     wirepost.Audience
		want   bool
	}{
		{`{"cancel":["room.*"]}`, wirepost.ToTopic("room.1"), true},
		{`{"cancel":["room.*"]}`, wirepost.ToTopic("lobby"), false},
		{`{"cancel":["user:bob"]}`, wirepost.ToUser("bob"), true},
		{`{"cancel":["*"]}`, wirepost.ToUser("bob"), false},
		{`{"cancel":["everyone"]}`, wirepost.Everyone(), true},
		{`{"cancel":["*","everyone"]}`, wirepost.ToConnection("c1"), false},
		{`{"publish":["*"],"subscribe":["*"]}`, wirepost.ToTopic("lobby"), false},
		{`{"cancel":["a*b"]}`, wirepost.ToTopic("lobby"), false},
		{``, wirepost.ToTopic("lobby"), false},
	} {
		if got := jwtauth.MayCancel(t.Context(), wirepost.Connection{Claims: tt.claims}, tt.to); got != tt.want {
			t.Errorf("%s: it may cancel a stream to %s: %v, want %v", tt.claims, tt.to, got, tt.want)
		}
	}
}
