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
