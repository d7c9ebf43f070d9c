package httpapi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wirepost/wirepost/internal/app"
)

// identityProvider is an issuer on this machine.
type identityProvider struct {
	*httptest.Server
	key     *rsa.PrivateKey
	fetched atomic.Int32
	answer  atomic.Pointer[string] // of the key set, instead of the right one
}

func newIdentityProvider(t *testing.T) *identityProvider {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &identityProvider{key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("/pool/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"jwks_uri": p.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		p.fetched.Add(1)
		if other := p.answer.Load(); other != nil {
			fmt.Fprint(w, *other)
			return
		}
		b64 := base64.RawURLEncoding.EncodeToString
		json.NewEncoder(w).Encode(map[string]any{"keys": []map[string]string{
			{"kty": "EC", "kid": "e"}, {"kty": "RSA", "kid": "small", "n": "AQAB", "e": "AQAB"},
			{"kty": "RSA", "kid": "k1", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())},
		}})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *identityProvider) issuer() string { return p.URL + "/pool" }

// sign makes a token that is right but for what is changed.
func (p *identityProvider) sign(change func(claims jwt.MapClaims, header map[string]any)) string {
	claims := jwt.MapClaims{"iss": p.issuer(), "aud": "client", "sub": "alice", "exp": testTime.Add(time.Hour).Unix(), "iat": testTime.Add(-time.Minute).Unix(),
		"scope": "read write", "cognito:groups": []string{"admin", "staff"}, "email_verified": true, "n": 12345678901}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = "k1"
	if change != nil {
		change(claims, token.Header)
	}
	signed, err := token.SignedString(p.key)
	if err != nil {
		panic(err)
	}
	return signed
}

func tokenAPI(p *identityProvider, kind app.HTTPKind, scopes ...string) *app.HTTPAPI {
	return guarded(kind, func(r *app.HTTPRoute) {
		r.Authorizer, r.IdentitySources = "", nil
		r.AuthorizerKind, r.JWT, r.Scopes = "JWT", &app.JWT{Issuer: p.issuer(), Audiences: []string{"other", "client"}}, scopes
		if kind == app.RESTAPI {
			r.AuthorizerKind, r.JWT.Audiences = "COGNITO", nil
		}
	})
}

func TestATokenIsHeldAgainstTheKeysAndTheRulesOfItsIssuer(t *testing.T) {
	p := newIdentityProvider(t)
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	es := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"iss": p.issuer(), "exp": testTime.Add(time.Hour).Unix()})
	es.Header["kid"] = "k1"
	esToken, _ := es.SignedString(ec)
	hs := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": p.issuer(), "exp": testTime.Add(time.Hour).Unix()})
	hs.Header["kid"] = "k1"
	hsToken, _ := hs.SignedString(p.key.N.Bytes())
	claim := func(name string, value any) string {
		return p.sign(func(c jwt.MapClaims, _ map[string]any) {
			if c[name] = value; value == nil {
				delete(c, name)
			}
		})
	}
	good := p.sign(nil)
	for _, c := range []struct {
		name, token string
		scopes      []string
		status      int
		challenge   string
	}{
		{"a good token", good, nil, 200, ""},
		{"with Bearer", "Bearer " + good, nil, 200, ""},
		{"a scope", good, []string{"admin", "write"}, 200, ""},
		{"no scope of the route", good, []string{"admin"}, 403, "insufficient_scope"},
		{"no token", "", nil, 401, "Bearer"},
		{"expired", claim("exp", testTime.Add(-time.Second).Unix()), nil, 401, "expired"},
		{"without an end", claim("exp", nil), nil, 401, "invalid_token"},
		{"not yet", claim("nbf", testTime.Add(time.Hour).Unix()), nil, 401, "invalid_token"},
		{"made later", claim("iat", testTime.Add(time.Hour).Unix()), nil, 401, "invalid_token"},
		{"another issuer", claim("iss", "https://evil.example"), nil, 401, "issuer"},
		{"another audience", claim("aud", "x"), nil, 401, "audience"},
		{"a list of audiences", claim("aud", []string{"x", "client"}), nil, 200, ""},
		{"client_id where aud is missing", p.sign(func(c jwt.MapClaims, _ map[string]any) { delete(c, "aud"); c["client_id"] = "client" }), nil, 200, ""},
		{"client_id does not help a wrong aud", p.sign(func(c jwt.MapClaims, _ map[string]any) { c["aud"], c["client_id"] = "x", "client" }), nil, 401, "audience"},
		{"no kid", p.sign(func(_ jwt.MapClaims, h map[string]any) { delete(h, "kid") }), nil, 401, "kid"},
		{"an unknown kid", p.sign(func(_ jwt.MapClaims, h map[string]any) { h["kid"] = "k2" }), nil, 401, "kid"},
		{"a changed signature", good[:len(good)-8] + "AAAAAAAA", nil, 401, "signature"},
		{"ECDSA", esToken, nil, 401, "signature or its algorithm"},
		{"HMAC with the public key", hsToken, nil, 401, "signature or its algorithm"},
		{"none", strings.Join([]string{base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"k1"}`)), strings.Split(good, ".")[1], ""}, "."), nil, 401, "invalid_token"},
		{"no JWT", "abc", nil, 401, "invalid_token"},
	} {
		s := serve(t, tokenAPI(p, app.HTTPOfAPI, c.scopes...), `{}`)
		w := s.ask("GET", "/test/a/1", "", with("Authorization", c.token))
		if w.Code != c.status || !strings.Contains(w.Header().Get("Www-Authenticate"), c.challenge) || c.challenge == "" && w.Header().Get("Www-Authenticate") != "" {
			t.Errorf("%s: %d %v", c.name, w.Code, w.Header())
		}
		if len(s.notices) > 0 {
			t.Errorf("%s: %q", c.name, s.notices)
		}
		if h := s.records[0].RequestHeader.Get("Authorization"); c.token != "" && h != "(masked)" {
			t.Errorf("%s: the record has %q", c.name, h)
		}
	}
}

func TestTheClaimsOfATokenAreInTheEvent(t *testing.T) {
	p := newIdentityProvider(t)
	s := serve(t, tokenAPI(p, app.HTTPOfAPI, "read"), `{}`)
	s.ask("GET", "/test/a/1", "", with("Authorization", p.sign(nil)))
	sameJSON(t, encoded(s.member("requestContext", "authorizer")), fmt.Sprintf(`{"jwt":{"claims":{"iss":%q,"aud":"client","sub":"alice","exp":"%d","iat":"%d",
		"scope":"read write","cognito:groups":"[admin staff]","email_verified":"true","n":"12345678901"},"scopes":["read","write"]}}`, p.issuer(), testTime.Add(time.Hour).Unix(), testTime.Add(-time.Minute).Unix()))

	s = serve(t, tokenAPI(p, app.RESTAPI), `{}`)
	if w := s.ask("GET", "/test/a/1", "", with("Authorization", p.sign(nil))); w.Code != 200 || s.member("requestContext", "authorizer", "claims", "sub") != "alice" {
		t.Errorf("REST: %d %s", w.Code, s.event)
	}
	access := p.sign(func(c jwt.MapClaims, _ map[string]any) { c["token_use"] = "access" })
	if w := s.ask("GET", "/test/a/1", "", with("Authorization", access)); w.Code != 401 || w.Body.String() != `{"message":"Unauthorized"}` {
		t.Errorf("an access token: %d %s", w.Code, w.Body)
	}
}

func TestTheKeysOfAnIssuerAreFetchedSeldom(t *testing.T) {
	p := newIdentityProvider(t)
	now := testTime
	s := serve(t, tokenAPI(p, app.HTTPOfAPI), `{}`, func(c *Config) { c.Now = func() time.Time { return now } })
	ask := func(token string, status int, fetched int32) {
		t.Helper()
		if w := s.ask("GET", "/test/a/1", "", with("Authorization", token)); w.Code != status || p.fetched.Load() != fetched {
			t.Errorf("%d after %d fetches, want %d after %d", w.Code, p.fetched.Load(), status, fetched)
		}
	}
	unknown := p.sign(func(_ jwt.MapClaims, h map[string]any) { h["kid"] = "k2" })
	ask(p.sign(nil), 200, 1)
	ask(p.sign(nil), 200, 1)
	ask(unknown, 401, 1)
	now = now.Add(keysPause)
	ask(unknown, 401, 2)
	ask(unknown, 401, 2)
	// What is wrong with the server is said, and the last keys are used until they are too old.
	bad := `{"keys":[]}`
	p.answer.Store(&bad)
	now = now.Add(keysPause)
	ask(unknown, 401, 3)
	ask(p.sign(nil), 200, 3)
	now = now.Add(keysRetry)
	long := strings.Repeat(" ", keysBytes+1)
	p.answer.Store(&long)
	ask(unknown, 401, 4)
	if len(s.notices) != 1 || !strings.Contains(s.notices[0], p.URL) {
		t.Errorf("%q", s.notices)
	}
}

func TestWithoutAnIssuerATokenCannotBeChecked(t *testing.T) {
	s := serve(t, guarded(app.HTTPOfAPI, func(r *app.HTTPRoute) { r.AuthorizerKind = "JWT" }), `{}`)
	if w := s.ask("GET", "/test/a/1", "", with("Authorization", "x")); w.Code != 500 || len(s.notices) != 1 {
		t.Errorf("%d %q", w.Code, s.notices)
	}
	for _, issuer := range []string{"http://example.com/pool", "ftp://localhost/pool", "https://user@localhost/x", "x"} {
		err := newTokens(nil, time.Now).get(t.Context(), issuer+"/.well-known/openid-configuration", nil)
		if err == nil || !strings.Contains(err.Error(), "https URL") {
			t.Errorf("%s: %v", issuer, err)
		}
	}
}

func TestARedirectOfAnIssuerIsNotFollowed(t *testing.T) {
	p := newIdentityProvider(t)
	elsewhere := httptest.NewServer(http.RedirectHandler(p.issuer()+"/.well-known/openid-configuration", http.StatusFound))
	defer elsewhere.Close()
	api := tokenAPI(p, app.HTTPOfAPI)
	api.Routes[0].JWT.Issuer = elsewhere.URL
	s := serve(t, api, `{}`)
	w := s.ask("GET", "/test/a/1", "", with("Authorization", p.sign(func(c jwt.MapClaims, _ map[string]any) { c["iss"] = elsewhere.URL })))
	if w.Code != 401 || p.fetched.Load() != 0 || len(s.notices) != 1 || !strings.Contains(s.notices[0], "302") {
		t.Errorf("%d, %d fetches, %q", w.Code, p.fetched.Load(), s.notices)
	}
}
