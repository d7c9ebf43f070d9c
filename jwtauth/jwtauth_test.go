package jwtauth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/jwtauth"
)

const (
	issuer   = "https://id.example.com"
	audience = "chat"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// The keys are made once: an RSA key takes a while.
var keys = sync.OnceValue(func() (k struct {
	rsa, rsa2 *rsa.PrivateKey
	ec        *ecdsa.PrivateKey
	ed        ed25519.PrivateKey
	secret    []byte
}) {
	var err error
	must := func() {
		if err != nil {
			panic(err)
		}
	}
	k.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	must()
	k.rsa2, err = rsa.GenerateKey(rand.Reader, 2048)
	must()
	k.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must()
	_, k.ed, err = ed25519.GenerateKey(rand.Reader)
	must()
	k.secret = []byte("0123456789abcdef0123456789abcdef")
	return k
})

func publicPEM(t testing.TB, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func hmacKey() string { return "hmac:" + base64.StdEncoding.EncodeToString(keys().secret) }

// claims of a good token, changed; nil removes.
func claims(change map[string]any) jwt.MapClaims {
	c := jwt.MapClaims{"iss": issuer, "aud": audience, "sub": "alice", "exp": now.Add(time.Hour).Unix(), "wirepost": map[string]any{"subscribe": []string{"lobby", "room.*"}}}
	maps.Copy(c, change)
	for k, v := range c {
		if v == nil {
			delete(c, k)
		}
	}
	return c
}

func sign(t testing.TB, method jwt.SigningMethod, key any, c jwt.MapClaims, header map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, c)
	maps.Copy(token.Header, header)
	s, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// forge makes a token that no library would: any header, and a signature of ours.
func forge(header string, c jwt.MapClaims, mac []byte) string {
	payload, _ := json.Marshal(c)
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	if mac == nil {
		return text + "."
	}
	m := hmac.New(sha256.New, mac)
	m.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func verifier(t testing.TB, change func(*jwtauth.Options)) *jwtauth.Verifier {
	t.Helper()
	o := &jwtauth.Options{Issuer: issuer, Audience: audience, Now: func() time.Time { return now }}
	if change != nil {
		change(o)
	}
	if o.Key == "" && o.JWKSURL == "" {
		o.Key = hmacKey()
	}
	v, err := jwtauth.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestATokenOfEachAlgorithmIsVerifiedWithItsKey(t *testing.T) {
	k := keys()
	for name, tt := range map[string]struct {
		key    string
		method jwt.SigningMethod
		signer any
	}{
		"HS256":               {hmacKey(), jwt.SigningMethodHS256, k.secret},
		"HS256, URL alphabet": {"hmac:" + base64.RawURLEncoding.EncodeToString(k.secret), jwt.SigningMethodHS256, k.secret},
		"RS256":               {publicPEM(t, k.rsa), jwt.SigningMethodRS256, k.rsa},
		"RS256, PKCS 1":       {string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&k.rsa.PublicKey)})), jwt.SigningMethodRS256, k.rsa},
		"RS256 in one line":   {strings.ReplaceAll(publicPEM(t, k.rsa), "\n", `\n`), jwt.SigningMethodRS256, k.rsa},
		"ES256":               {publicPEM(t, k.ec), jwt.SigningMethodES256, k.ec},
		"EdDSA":               {publicPEM(t, k.ed), jwt.SigningMethodEdDSA, k.ed},
	} {
		t.Run(name, func(t *testing.T) {
			v := verifier(t, func(o *jwtauth.Options) { o.Key = tt.key })
			got, err := v.Verify(t.Context(), sign(t, tt.method, tt.signer, claims(nil), nil))
			if err != nil || got.User != "alice" || !got.ExpiresAt.Equal(now.Add(time.Hour+jwtauth.Leeway)) || !got.Rights.MaySubscribe("room.1") {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// badTokens are tokens that no verifier of the HMAC key may take.
func badTokens(t testing.TB) map[string]string {
	k := keys()
	hs := func(change map[string]any) string {
		return sign(t, jwt.SigningMethodHS256, k.secret, claims(change), nil)
	}
	header := func(name string, value any) string {
		return sign(t, jwt.SigningMethodHS256, k.secret, claims(nil), map[string]any{name: value})
	}
	good := hs(nil)
	return map[string]string{
		"empty":                  "",
		"not a token":            "x.y.z",
		"two parts":              good[:strings.LastIndex(good, ".")],
		"a changed payload":      strings.Replace(good, ".", ".e30", 1),
		"no signature":           good[:strings.LastIndex(good, ".")+1],
		"another secret":         sign(t, jwt.SigningMethodHS256, []byte("another secret of thirty-two bytes"), claims(nil), nil),
		"expired":                hs(map[string]any{"exp": now.Add(-jwtauth.Leeway).Unix()}),
		"without exp":            hs(map[string]any{"exp": nil}),
		"exp is text":            hs(map[string]any{"exp": "tomorrow"}),
		"not yet valid":          hs(map[string]any{"nbf": now.Add(jwtauth.Leeway + time.Second).Unix()}),
		"another issuer":         hs(map[string]any{"iss": "https://evil.example"}),
		"without iss":            hs(map[string]any{"iss": nil}),
		"another audience":       hs(map[string]any{"aud": "mail"}),
		"other audiences":        hs(map[string]any{"aud": []string{"mail", "files"}}),
		"without aud":            hs(map[string]any{"aud": nil}),
		"another client":         hs(map[string]any{"aud": nil, "client_id": "mail"}),
		"aud before client_id":   hs(map[string]any{"aud": "mail", "client_id": audience}),
		"an empty aud":           hs(map[string]any{"aud": "", "client_id": audience}),
		"an empty list of aud":   hs(map[string]any{"aud": []string{}, "client_id": audience}),
		"aud is a number":        hs(map[string]any{"aud": 7, "client_id": audience}),
		"client_id is a list":    hs(map[string]any{"aud": nil, "client_id": []string{audience}}),
		"without sub":            hs(map[string]any{"sub": nil}),
		"sub is no user":         hs(map[string]any{"sub": "a\nb"}),
		"a long sub":             hs(map[string]any{"sub": strings.Repeat("x", 129)}),
		"the claim is text":      hs(map[string]any{"wirepost": "*"}),
		"an unknown right":       hs(map[string]any{"wirepost": map[string]any{"denied": []string{"*"}}}),
		"a pattern that is none": hs(map[string]any{"wirepost": map[string]any{"deny": map[string]any{"publish": []string{"ro*m"}}}}),
		"alg none":               forge(`{"alg":"none"}`, claims(nil), nil),
		"alg None":               forge(`{"alg":"None"}`, claims(nil), nil),
		"alg HS512":              sign(t, jwt.SigningMethodHS512, k.secret, claims(nil), nil),
		"alg RS256, HMAC key":    sign(t, jwt.SigningMethodRS256, k.rsa, claims(nil), nil),
		"alg is a number":        forge(`{"alg":7}`, claims(nil), k.secret),
		"crit":                   header("crit", []string{"exp"}),
		"jku":                    header("jku", "https://evil.example/jwks.json"),
		"x5u":                    header("x5u", "https://evil.example/cert"),
		"jwk":                    header("jwk", map[string]any{"kty": "oct", "k": "AAAA"}),
		"over-long":              hs(map[string]any{"more": strings.Repeat("x", jwtauth.MaxToken)}),
	}
}

func TestABadTokenIsRefusedAndNothingOfItIsInTheError(t *testing.T) {
	v := verifier(t, nil)
	if _, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodHS256, keys().secret, claims(nil), nil)); err != nil {
		t.Fatalf("the good token: %v", err)
	}
	for name, token := range badTokens(t) {
		t.Run(name, func(t *testing.T) {
			got, err := v.Verify(t.Context(), token)
			if err == nil {
				t.Fatalf("taken: %+v", got)
			}
			for _, part := range strings.Split(token, ".") {
				if len(part) > 20 && strings.Contains(err.Error(), part) {
					t.Errorf("the error has the token in it: %v", err)
				}
			}
			if got.User != "" || !got.ExpiresAt.IsZero() {
				t.Errorf("a refused token says %+v", got)
			}
		})
	}
}

func TestAPublicKeyIsNoSecret(t *testing.T) {
	k := keys()
	public := publicPEM(t, k.rsa)
	v := verifier(t, func(o *jwtauth.Options) { o.Key = public })
	der, err := x509.MarshalPKIXPublicKey(k.rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string][]byte{"the PEM block": []byte(public), "trimmed": []byte(strings.TrimSpace(public)), "its bytes": der, "the modulus": k.rsa.N.Bytes()} {
		for _, header := range []string{`{"alg":"HS256"}`, `{"alg":"RS256"}`} {
			if _, err := v.Verify(t.Context(), forge(header, claims(nil), secret)); err == nil {
				t.Errorf("%s as an HMAC secret under %s was taken", name, header)
			}
		}
	}
	if _, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodPS256, k.rsa, claims(nil), nil)); err == nil {
		t.Error("PS256 was taken for a key of RS256")
	}
}

func TestClocksMayDifferByTheLeeway(t *testing.T) {
	v := verifier(t, nil)
	for _, change := range []map[string]any{
		{"exp": now.Add(-jwtauth.Leeway + time.Second).Unix()},
		{"nbf": now.Add(jwtauth.Leeway - time.Second).Unix()},
		{"aud": []string{"mail", audience}},
		{"iat": now.Add(time.Hour).Unix()},
		{"wirepost": nil},
	} {
		if got, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodHS256, keys().secret, claims(change), nil)); err != nil || !got.ExpiresAt.After(now) {
			t.Errorf("%v: %+v, %v", change, got, err)
		}
	}
}

func TestTheClaimMayHaveAnotherName(t *testing.T) {
	v := verifier(t, func(o *jwtauth.Options) { o.Claim = "https://example.com/rights" })
	token := sign(t, jwt.SigningMethodHS256, keys().secret, claims(map[string]any{"https://example.com/rights": map[string]any{"subscribe": []string{"*"}}}), nil)
	if got, err := v.Verify(t.Context(), token); err != nil || !got.Rights.MaySubscribe("anything") {
		t.Errorf("%+v, %v", got, err)
	}
}

// Some identity providers have claims of text only.
func TestTheClaimMayBeTheJSONTextOfAnObject(t *testing.T) {
	v := verifier(t, nil)
	verify := func(claim any) (jwtauth.Token, error) {
		return v.Verify(t.Context(), sign(t, jwt.SigningMethodHS256, keys().secret, claims(map[string]any{"wirepost": claim}), nil))
	}
	got, err := verify(` {"subscribe":["room.*"],"publish":["user:bob"],"deny":{"subscribe":["room.staff"]}} `)
	if err != nil || !got.Rights.MaySubscribe("room.1") || got.Rights.MaySubscribe("room.staff") || !got.Rights.MaySend(wirepost.ToUser("bob")) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, none := range []string{"", " ", "null", "{}"} {
		if got, err := verify(none); err != nil || got.User != "alice" || got.Rights.MaySubscribe("lobby") {
			t.Errorf("%q: %+v, %v", none, got, err)
		}
	}
	for _, bad := range []string{
		"*", "lobby", `"lobby"`, `["lobby"]`, "7", "true", `{"subscribe":["*"]`, `{"subscribe":["*"]}{}`, `{"subscribe":["*"],"denied":{}}`,
		`{"subscribe":["a*b"]}`, `"{\"subscribe\":[\"*\"]}"`, strings.Repeat("[", 4000),
	} {
		if got, err := verify(bad); err == nil || !strings.Contains(err.Error(), `the token's claim "wirepost"`) {
			t.Errorf("%.40q: %+v, %v", bad, got, err)
		}
	}
}

func TestOptionsThatCannotBeMeantAreNamed(t *testing.T) {
	k := keys()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skipf("no small RSA key can be made here: %v", err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k.ec)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*jwtauth.Options)
		want   string
	}{
		"no key":         {func(o *jwtauth.Options) { o.Key = "" }, "neither a key nor"},
		"two":            {func(o *jwtauth.Options) { o.JWKSURL = "https://id.example.com/jwks.json" }, "both a key and"},
		"no issuer":      {func(o *jwtauth.Options) { o.Issuer = "" }, "the issuer is not given"},
		"no audience":    {func(o *jwtauth.Options) { o.Audience = "" }, "the audience is not given"},
		"a short secret": {func(o *jwtauth.Options) { o.Key = "hmac:c2hvcnQ=" }, "the secret has 5 bytes; HS256 needs 32"},
		"not base64":     {func(o *jwtauth.Options) { o.Key = "hmac:!" }, "is not base64"},
		"a bare secret":  {func(o *jwtauth.Options) { o.Key = string(k.secret) }, "neither a PEM block nor hmac:"},
		"a private key": {func(o *jwtauth.Options) {
			o.Key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
		}, "a private key"},
		"two blocks": {func(o *jwtauth.Options) { o.Key = publicPEM(t, k.ec) + publicPEM(t, k.rsa) }, "something follows"},
		"another block": {func(o *jwtauth.Options) {
			o.Key = string(pem.EncodeToMemory(&pem.Block{Type: "NOTE", Bytes: []byte("x")}))
		}, `is a "NOTE"`},
		"a broken block": {func(o *jwtauth.Options) {
			o.Key = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}))
		}, "cannot be read"},
		"a small RSA key":    {func(o *jwtauth.Options) { o.Key = publicPEM(t, small) }, "1024 bits"},
		"P-384":              {func(o *jwtauth.Options) { o.Key = publicPEM(t, p384) }, "P-384"},
		"plain http":         {func(o *jwtauth.Options) { o.Key, o.JWKSURL = "", "http://id.example.com/jwks.json" }, "not like https://"},
		"no URL":             {func(o *jwtauth.Options) { o.Key, o.JWKSURL = "", "jwks.json" }, "not like https://"},
		"a password":         {func(o *jwtauth.Options) { o.Key, o.JWKSURL = "", "https://user:secret@id.example.com/" }, "not like https://"},
		"an origin's path":   {func(o *jwtauth.Options) { o.AllowOrigins = []string{"https://app.example.com/"} }, "without a path"},
		"an origin's scheme": {func(o *jwtauth.Options) { o.AllowOrigins = []string{"app.example.com"} }, "without a path"},
	} {
		t.Run(name, func(t *testing.T) {
			o := &jwtauth.Options{Key: hmacKey(), Issuer: issuer, Audience: audience}
			tt.change(o)
			_, err := jwtauth.New(o)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "verify tokens: ") {
				t.Errorf("%v, want a sentence with %q", err, tt.want)
			} else if strings.Contains(err.Error(), "secret@") || strings.Contains(err.Error(), string(k.secret)) {
				t.Errorf("the error has a secret in it: %v", err)
			}
		})
	}
}

func FuzzToken(f *testing.F) {
	for _, token := range badTokens(f) {
		f.Add(token)
	}
	f.Add(sign(f, jwt.SigningMethodHS256, []byte("another secret of thirty-two bytes"), claims(nil), nil))
	v := verifier(f, nil)
	f.Fuzz(func(t *testing.T, token string) {
		if got, err := v.Verify(context.Background(), token); err == nil {
			t.Errorf("a token that nobody signed was taken: %+v", got)
		}
	})
}

// The JSON text of a claim in a string means what the claim itself means.
func FuzzClaimText(f *testing.F) {
	for _, text := range []string{`{"subscribe":["a","room.*"],"deny":{"publish":["*"]}}`, "null", "{}", "[]", `"x"`, `{"deny":null}`, `{"deny":{"subscribe":["a"]},"Deny":{}}`} {
		f.Add(text)
	}
	v := verifier(f, nil)
	f.Fuzz(func(t *testing.T, text string) {
		var object any
		if json.Unmarshal([]byte(text), &object) != nil {
			return
		}
		if _, isText := object.(string); isText {
			return
		}
		verify := func(claim any) (jwtauth.Token, error) {
			c := claims(map[string]any{"wirepost": claim})
			return v.Verify(context.Background(), sign(t, jwt.SigningMethodHS256, keys().secret, c, nil))
		}
		own, ownErr := verify(object)
		in, inErr := verify(text)
		if (ownErr == nil) != (inErr == nil) || !reflect.DeepEqual(own.Rights, in.Rights) {
			t.Errorf("%q: the claim itself is %+v, %v, in a string %+v, %v", text, own.Rights, ownErr, in.Rights, inErr)
		}
	})
}
