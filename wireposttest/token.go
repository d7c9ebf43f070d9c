package wireposttest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Tokens signs JSON Web Tokens (HS256) for tests, with a key of its own. Its fields are
// what a verifier needs:
//
//	tokens := wireposttest.NewTokens()
//	v, err := jwtauth.New(&jwtauth.Options{Key: tokens.Key, Issuer: tokens.Issuer, Audience: tokens.Audience})
//	client, err := wireposttest.Dial(ctx, gateway.URL, tokens.Header("alice", nil))
type Tokens struct {
	// Key is the key as jwtauth.Options.Key takes it.
	Key string
	// Issuer and Audience are in each token.
	Issuer, Audience string

	secret []byte
}

// NewTokens makes a random key.
func NewTokens() *Tokens {
	secret := make([]byte, sha256.Size)
	rand.Read(secret) // which never fails
	return &Tokens{Key: "hmac:" + base64.StdEncoding.EncodeToString(secret), Issuer: "wireposttest", Audience: "wireposttest", secret: secret}
}

// Token says what is in a token besides its user. The zero value of each field means its
// default.
type Token struct {
	// IssuedAt is iat. Default: now.
	IssuedAt time.Time
	// ExpiresAt is exp. Default: an hour after IssuedAt.
	ExpiresAt time.Time
	// Claims are further claims, such as "wirepost" with the rights of jwtauth. They win
	// over those of the other fields; one that is nil is left out of the token.
	Claims map[string]any
}

// Sign makes a token of a user. t may be nil. It panics if a claim is no JSON.
func (k *Tokens) Sign(user string, t *Token) string {
	if t == nil {
		t = &Token{}
	}
	issued := t.IssuedAt
	if issued.IsZero() {
		issued = time.Now()
	}
	ends := t.ExpiresAt
	if ends.IsZero() {
		ends = issued.Add(time.Hour)
	}
	claims := map[string]any{"sub": user, "iss": k.Issuer, "aud": k.Audience, "iat": issued.Unix(), "exp": ends.Unix()}
	for name, value := range t.Claims {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	body, err := json.Marshal(claims)
	if err != nil {
		panic(fmt.Sprintf("wireposttest: Tokens.Sign: the claims are no JSON: %v", err))
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(body)
	mac := hmac.New(sha256.New, k.secret)
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}

// Header is the handshake header of a client with a token, for [Dial]. t may be nil.
func (k *Tokens) Header(user string, t *Token) http.Header {
	return http.Header{"Authorization": {"Bearer " + k.Sign(user, t)}}
}

// Allow is the claim "wirepost" of package jwtauth that allows everything: to subscribe
// and publish to each topic, to each user and to everyone.
func Allow() map[string]any {
	return map[string]any{"wirepost": map[string]any{"subscribe": []string{"*"}, "publish": []string{"*", "user:*", "everyone"}}}
}
