package jwtauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wirepost/wirepost/jwtauth"
)

const jwksURL = "https://id.example.com/jwks.json"

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwk is a public key as a set has it.
func jwk(kid string, key crypto.Signer) map[string]any {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		public := key.PublicKey
		return map[string]any{"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": b64(public.N.Bytes()), "e": b64(big.NewInt(int64(public.E)).Bytes())}
	case *ecdsa.PrivateKey:
		point, err := key.PublicKey.Bytes()
		if err != nil {
			panic(err)
		}
		return map[string]any{"kty": "EC", "kid": kid, "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
	}
	return map[string]any{"kty": "OKP", "kid": kid, "crv": "Ed25519", "x": b64(key.Public().(ed25519.PublicKey))}
}

func set(all ...map[string]any) string {
	b, err := json.Marshal(map[string]any{"keys": all})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// idp is the server of a key set, whose clock the test moves.
type idp struct {
	body    string
	status  int
	err     error
	hold    chan struct{} // a fetch waits until it is closed
	fetches atomic.Int32
	held    atomic.Int32 // fetches that wait at the moment
	now     time.Time
}

func (p *idp) RoundTrip(r *http.Request) (*http.Response, error) {
	p.fetches.Add(1)
	if hold := p.hold; hold != nil {
		p.held.Add(1)
		defer p.held.Add(-1)
		select {
		case <-hold:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if p.err != nil {
		return nil, p.err
	}
	w := httptest.NewRecorder()
	if p.status != 0 {
		w.Header().Set("Location", "https://evil.example/jwks.json")
		w.WriteHeader(p.status)
	}
	io.WriteString(w, p.body)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

func (p *idp) verifier(t *testing.T) *jwtauth.Verifier {
	p.now = now
	return verifier(t, func(o *jwtauth.Options) {
		o.JWKSURL, o.Transport, o.Now = jwksURL, p, func() time.Time { return p.now }
	})
}

func (p *idp) token(t *testing.T, kid string, key crypto.Signer) string {
	t.Helper()
	var method jwt.SigningMethod = jwt.SigningMethodRS256
	switch key.(type) {
	case *ecdsa.PrivateKey:
		method = jwt.SigningMethodES256
	case ed25519.PrivateKey:
		method = jwt.SigningMethodEdDSA
	}
	header := map[string]any{"kid": kid}
	if kid == "" {
		header = nil
	}
	return sign(t, method, key, claims(map[string]any{"exp": p.now.Add(48 * time.Hour).Unix()}), header)
}

func TestTheKeyOfATokenIsFoundByItsID(t *testing.T) {
	k := keys()
	p := &idp{body: set(jwk("r", k.rsa), jwk("e", k.ec), jwk("d", k.ed))}
	v := p.verifier(t)
	for kid, key := range map[string]crypto.Signer{"r": k.rsa, "e": k.ec, "d": k.ed} {
		if _, err := v.Verify(t.Context(), p.token(t, kid, key)); err != nil {
			t.Errorf("%s: %v", kid, err)
		}
	}
	for name, token := range map[string]string{
		"another key of the set": p.token(t, "e", k.rsa),
		"a foreign key":          p.token(t, "r", k.rsa2),
		"no kid, three keys":     p.token(t, "", k.rsa),
		"a kid that is a number": sign(t, jwt.SigningMethodRS256, k.rsa, claims(nil), map[string]any{"kid": 7}),
		"a long kid":             p.token(t, strings.Repeat("r", 300), k.rsa),
	} {
		if _, err := v.Verify(t.Context(), token); err == nil || errors.Is(err, jwtauth.ErrKeys) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

func TestATokenWithoutAnIDIsOfTheOnlyKey(t *testing.T) {
	p := &idp{body: set(jwk("r", keys().rsa))}
	if _, err := p.verifier(t).Verify(t.Context(), p.token(t, "", keys().rsa)); err != nil {
		t.Error(err)
	}
}

// unnamed is a public key as a set has it that gives its keys no IDs.
func unnamed(key crypto.Signer) map[string]any {
	k := jwk("", key)
	delete(k, "kid")
	return k
}

func TestAKeyWithoutAnIDIsTriedIfItsAlgorithmFits(t *testing.T) {
	k := keys()
	p := &idp{body: set(unnamed(k.rsa2), unnamed(k.rsa), unnamed(k.ec), jwk("d", k.ed))}
	v := p.verifier(t)
	for name, tt := range map[string]struct {
		kid string
		key crypto.Signer
	}{
		"RS256, the second of two": {"any", k.rsa}, "RS256, the first": {"any", k.rsa2}, "ES256": {"any", k.ec}, "a key that has an ID": {"d", k.ed},
	} {
		if _, err := v.Verify(t.Context(), p.token(t, tt.kid, tt.key)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, token := range map[string]string{
		"no key of this algorithm is without an ID": p.token(t, "any", k.ed),
		"the ID is that of another key":             p.token(t, "d", k.rsa),
		"a token without an ID, of several keys":    p.token(t, "", k.rsa),
		"an HMAC with a public key":                 forge(`{"alg":"HS256","kid":"any"}`, claims(nil), k.rsa.N.Bytes()),
		"alg none":                                  forge(`{"alg":"none","kid":"any"}`, claims(nil), nil),
		"a kid like a path":                         p.token(t, "../../dev/null", k.ed),
		"a kid with a NUL":                          p.token(t, "d\x00", k.ed),
	} {
		if got, err := v.Verify(t.Context(), token); err == nil || errors.Is(err, jwtauth.ErrKeys) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

func TestAKeyWithoutAnIDMayBeRotated(t *testing.T) {
	k := keys()
	for name, kid := range map[string]string{"a token with an ID": "any", "a token without": ""} {
		t.Run(name, func(t *testing.T) {
			p := &idp{body: set(unnamed(k.rsa))}
			v := p.verifier(t)
			want := func(what string, key crypto.Signer, ok bool, fetches int32) {
				t.Helper()
				_, err := v.Verify(t.Context(), p.token(t, kid, key))
				if (err == nil) != ok || errors.Is(err, jwtauth.ErrKeys) || p.fetches.Load() != fetches {
					t.Errorf("%s: %v after %d fetches, want %v after %d", what, err, p.fetches.Load(), ok, fetches)
				}
			}
			want("the first", k.rsa, true, 1)
			p.body = set(unnamed(k.ec))
			want("the next within a minute", k.ec, false, 1)
			p.now = p.now.Add(time.Minute)
			want("the old one asks for nothing", k.rsa, true, 1)
			want("the next after a minute", k.ec, true, 2)
			want("the old one then", k.rsa, false, 2)
			p.now = p.now.Add(time.Minute)
			want("the old one a minute later, which asks once", k.rsa, false, 3)
			want("the old one again", k.rsa, false, 3)
		})
	}
}

func TestOneBadKeyDoesNotSpoilASet(t *testing.T) {
	k := keys()
	for name, bad := range map[string]any{
		"null": nil, "a number": 7, "a string": "x", "a list": []any{}, "a kid that is a number": map[string]any{"kty": "RSA", "kid": 7},
		"a kid of 300 bytes": jwk(strings.Repeat("r", 300), k.rsa2), "a key_ops that is text": map[string]any{"kty": "RSA", "key_ops": "verify"},
	} {
		text, err := json.Marshal(map[string]any{"keys": []any{bad, jwk("r", k.rsa)}})
		if err != nil {
			t.Fatal(err)
		}
		p := &idp{body: string(text)}
		if _, err := p.verifier(t).Verify(t.Context(), p.token(t, "r", k.rsa)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARotatedKeyIsFetchedAtMostOnceAMinute(t *testing.T) {
	k := keys()
	p := &idp{body: set(jwk("old", k.rsa))}
	v := p.verifier(t)
	want := func(what, kid string, key crypto.Signer, ok bool, fetches int32) {
		t.Helper()
		_, err := v.Verify(t.Context(), p.token(t, kid, key))
		if (err == nil) != ok || errors.Is(err, jwtauth.ErrKeys) || p.fetches.Load() != fetches {
			t.Errorf("%s: %v after %d fetches, want %v after %d", what, err, p.fetches.Load(), ok, fetches)
		}
	}
	want("the first", "old", k.rsa, true, 1)
	p.body = set(jwk("new", k.rsa2))
	p.now = p.now.Add(59 * time.Second)
	want("an unknown key within a minute", "new", k.rsa2, false, 1)
	p.now = p.now.Add(time.Second)
	want("an unknown key after a minute", "new", k.rsa2, true, 2)
	want("the key that was taken out", "old", k.rsa, false, 2)
	for i := range 5 {
		want("made-up keys", fmt.Sprint("made-up", i), k.rsa2, false, 2)
	}
	p.now = p.now.Add(59 * time.Minute)
	want("within the hour", "new", k.rsa2, true, 2)
	p.now = p.now.Add(time.Minute)
	want("after an hour", "new", k.rsa2, true, 3)
}

func TestTheLastGoodSetIsUsedForADay(t *testing.T) {
	k := keys()
	p := &idp{body: set(jwk("r", k.rsa))}
	v := p.verifier(t)
	if _, err := v.Verify(t.Context(), p.token(t, "r", k.rsa)); err != nil {
		t.Fatal(err)
	}
	p.err = errors.New("down")
	fetched := now
	for _, age := range []time.Duration{time.Hour, 2 * time.Hour, 24*time.Hour - time.Second} {
		p.now = fetched.Add(age)
		for range 3 { // and each outage asks once a minute
			if _, err := v.Verify(t.Context(), p.token(t, "r", k.rsa)); err != nil {
				t.Errorf("after %v: %v", age, err)
			}
		}
	}
	if n := p.fetches.Load(); n != 4 {
		t.Errorf("%d fetches, want 4", n)
	}
	p.now = fetched.Add(24 * time.Hour)
	if _, err := v.Verify(t.Context(), p.token(t, "r", k.rsa)); !errors.Is(err, jwtauth.ErrKeys) {
		t.Errorf("after a day: %v", err)
	}
	p.err = nil
	if _, err := v.Verify(t.Context(), p.token(t, "r", k.rsa)); !errors.Is(err, jwtauth.ErrKeys) {
		t.Errorf("within 5 s of a failed fetch: %v", err)
	}
	p.now = p.now.Add(5 * time.Second)
	if _, err := v.Verify(t.Context(), p.token(t, "r", k.rsa)); err != nil {
		t.Errorf("when it is up again: %v", err)
	}
}

func TestAnAnswerThatIsNoKeySetIsNone(t *testing.T) {
	k := keys()
	good := jwk("r", k.rsa)
	small := map[string]any{"kty": "RSA", "kid": "r", "n": b64(k.rsa.N.Bytes()[:128]), "e": "AQAB"}
	many := make([]map[string]any, 101)
	for i := range many {
		many[i] = jwk(fmt.Sprint(i), k.ec)
	}
	nameless := make([]map[string]any, 9)
	for i := range nameless {
		nameless[i] = unnamed(k.ec)
	}
	with := func(k map[string]any, name string, value any) map[string]any {
		k[name] = value
		return k
	}
	for name, p := range map[string]*idp{
		"no connection":   {err: errors.New("refused")},
		"404":             {status: 404, body: set(good)},
		"500":             {status: 500, body: set(good)},
		"a redirect":      {status: 302, body: set(good)},
		"not JSON":        {body: "<html>"},
		"no keys":         {body: `{"keys":[]}`},
		"too large":       {body: set(good)[:len(set(good))-1] + strings.Repeat(" ", 256<<10) + "}"},
		"too many":        {body: set(many...)},
		"too many no kid": {body: set(append(nameless, good)...)},
		"a secret":        {body: set(map[string]any{"kty": "oct", "kid": "r", "k": b64(k.secret)})},
		"a small key":     {body: set(small)},
		"for encryption":  {body: set(with(jwk("r", k.rsa), "use", "enc"))},
		"for signing":     {body: set(with(jwk("r", k.rsa), "key_ops", []string{"sign"}))},
		"of another kind": {body: set(with(jwk("r", k.rsa), "alg", "PS256"))},
		"an empty key":    {body: set(map[string]any{"kty": "RSA", "kid": "r"})},
		"off the curve":   {body: set(map[string]any{"kty": "EC", "kid": "r", "crv": "P-256", "x": b64([]byte{1}), "y": b64([]byte{1})})},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := p.verifier(t).Verify(t.Context(), p.token(t, "r", k.rsa)); !errors.Is(err, jwtauth.ErrKeys) {
				t.Errorf("%v", err)
			}
			if n := p.fetches.Load(); n != 1 {
				t.Errorf("%d fetches, want 1: no redirect is followed", n)
			}
		})
	}
	p := &idp{body: set(good, jwk("r", k.rsa2), jwk("e", k.ec), map[string]any{"kty": "new"})}
	v := p.verifier(t)
	if _, err := v.Verify(t.Context(), p.token(t, "r", k.rsa)); err == nil {
		t.Error("a key ID that two keys have was taken for one of them")
	}
	if _, err := v.Verify(t.Context(), p.token(t, "e", k.ec)); err != nil {
		t.Errorf("beside keys that are not for this: %v", err)
	}
}

func TestOneFetchRunsAtATimeAndForTwoSecondsAtMost(t *testing.T) {
	keys() // made outside of the bubble, where time stands still meanwhile
	synctest.Test(t, func(t *testing.T) {
		k := keys()
		p := &idp{body: set(jwk("r", k.rsa)), hold: make(chan struct{})}
		v := p.verifier(t)
		token := p.token(t, "r", k.rsa)
		results := make(chan error, 20)
		for range cap(results) {
			go func() {
				_, err := v.Verify(t.Context(), token)
				results <- err
			}()
		}
		synctest.Wait()
		if n := p.fetches.Load(); n != 1 {
			t.Errorf("%d fetches at once, want 1", n)
		}
		close(p.hold)
		for range cap(results) {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if n := p.fetches.Load(); n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}

		// A server that does not answer: who has a key goes on with it while one asks,
		// and that one is free after 2 s.
		p.hold = make(chan struct{})
		p.now = p.now.Add(time.Hour)
		token = p.token(t, "r", k.rsa)
		begun := time.Now()
		go func() {
			_, err := v.Verify(t.Context(), token)
			results <- err
		}()
		synctest.Wait()
		if _, err := v.Verify(t.Context(), token); err != nil || time.Since(begun) != 0 {
			t.Errorf("beside a fetch: %v after %v", err, time.Since(begun))
		}
		if err := <-results; err != nil || time.Since(begun) != 2*time.Second {
			t.Errorf("the one that asked: %v after %v, want the old key after 2s", err, time.Since(begun))
		}
	})
}

func FuzzKeySet(f *testing.F) {
	k := keys()
	f.Add(set(jwk("r", k.rsa), jwk("e", k.ec), jwk("d", k.ed)))
	f.Add(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQ"}]}`)
	f.Add(`{"keys":[{"kty":"EC","crv":"P-256","x":"","y":""},{"kty":"OKP","crv":"Ed25519","x":"AA"}]}`)
	f.Add(`{"keys":[null,{"kty":"oct","k":"AAAA"}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		p := &idp{body: body}
		v := p.verifier(t)
		foreign := p.token(t, "r", k.rsa2)
		// Signed with a key that is in no set: whatever the set says, it is refused.
		if got, err := v.Verify(t.Context(), foreign); err == nil {
			t.Errorf("a token of a foreign key was taken: %+v", got)
		}
	})
}
