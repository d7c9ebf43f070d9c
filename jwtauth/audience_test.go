package jwtauth_test

import (
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wirepost/wirepost/jwtauth"
)

// The claims are those of Cognito's documentation: an ID token has the app client in
// aud, an access token in client_id and no aud.
func TestBothTokensOfACognitoUserPoolAreTaken(t *testing.T) {
	const pool, client = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC123456", "1h57kf5cpq17m0eml12EXAMPLE"
	v := verifier(t, func(o *jwtauth.Options) { o.Issuer, o.Audience = pool, client })
	for name, c := range map[string]map[string]any{
		"an ID token":            {"aud": client, "token_use": "id", "cognito:username": "alice"},
		"an access token":        {"aud": nil, "client_id": client, "token_use": "access", "scope": "openid", "username": "alice"},
		"aud is a list with it":  {"aud": []string{"other", client}},
		"client_id is ignored":   {"aud": client, "client_id": "another"},
		"client_id of odd types": {"aud": client, "client_id": []string{"another"}},
	} {
		c["iss"] = pool
		got, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodHS256, keys().secret, claims(c), nil))
		if err != nil || got.User != "alice" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestTheErrorSaysWhereTheAudienceWasLookedFor(t *testing.T) {
	v := verifier(t, nil)
	for want, c := range map[string]map[string]any{
		"neither aud nor client_id":                   {"aud": nil},
		"no aud, and its client_id is another":        {"aud": nil, "client_id": "mail"},
		"aud is another audience's":                   {"aud": "mail", "client_id": audience},
		"neither a string nor a list of strings":      {"aud": []any{7}},
		"the token has no aud, and its client_id is ": {"aud": nil, "client_id": 7},
	} {
		_, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodHS256, keys().secret, claims(c), nil))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", c, err, want)
		}
	}
}
