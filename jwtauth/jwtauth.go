// Package jwtauth decides with a JSON Web Token who a new connection is and what
// it may do: the Connect hook of a [wirepost.Mux] and the Allow hook of its
// protocol (docs/protocol.md).
//
//	v, err := jwtauth.New(&jwtauth.Options{JWKSURL: "https://id.example.com/jwks.json", Issuer: "https://id.example.com", Audience: "chat"})
//	mux := wirepost.NewMux(store, &wirepost.MuxOptions{Connect: v.Connect})
//	mux.HandleProtocol(publisher, &wirepost.ProtocolOptions{Allow: jwtauth.Allow, MayCancel: jwtauth.MayCancel})
//
// # What a token has to be
//
// Signed with HS256, RS256, ES256 or EdDSA. Which of them follows from the key;
// the token's header only has to agree. exp, iss, sub and aud must be there; nbf
// holds if it is. A token without an aud has its audience in client_id, as the access
// tokens of Amazon Cognito do. Clocks may differ by [Leeway]. A header with crit, jku, x5u or
// jwk is refused: nothing in a token says where its key is from.
//
// sub is the user. One claim, "wirepost" unless [Options].Claim names another, is
// an object that says what the connection may do; see [Rights]. It may also be a
// string with the JSON text of that object, because some identity providers can only
// give strings.
//
// # Keys
//
// A fixed key, or a key set behind an https URL. The set is fetched when a token
// needs it, and never in the background: a Lambda is frozen between events. It is
// fetched again when it is an hour old, and for a key that it does not have at most
// once a minute, or 5 s after a fetch that failed. One fetch runs at a time, for 2 s
// at most, without redirects, and takes 256 KiB and 100 keys at most. While the URL
// does not answer, the last good set is used for 24 hours.
//
// Callers share a fetch, and each waits for it no longer than its own context: one
// that is cancelled changes nothing for the others. When the last of them leaves, the
// fetch is stopped, and nothing is remembered of it.
//
// A token's kid names its key. Where the set has no key of that ID, the keys that
// have none are tried if their kty and alg fit the token; a set may have 8 of them
// for each algorithm. A token without a kid is checked with the only key of the set.
package jwtauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wirepost/wirepost"
)

// Leeway is by how much the clock of who made a token may differ from ours. A
// token, and its connection, ends this much after its exp.
const Leeway = time.Minute

// MaxToken is the longest token that is looked at, in bytes. API Gateway passes on
// about 10 KB of headers.
const MaxToken = 8 << 10

// maxTopics is how many topics a handshake may name.
const maxTopics = 100

// Options of a [Verifier]. Issuer, Audience and one of Key and JWKSURL are
// required.
type Options struct {
	// Key is the fixed key: a PEM block with a public key or a certificate, whose
	// kind is the algorithm (RSA of 2,048 to 8,192 bits: RS256; P-256: ES256;
	// Ed25519: EdDSA), or "hmac:" and a base64 secret of at least 32 bytes (HS256).
	// A line break of the PEM block may be written as \n, as variables often have it.
	Key string
	// JWKSURL is where the key set is, https only. Secrets in a set are ignored: a
	// set is public.
	JWKSURL string
	// Issuer is what iss must be.
	Issuer string
	// Audience is what aud must be, or have among others. In a token that has no aud at
	// all, it is what client_id must be: API Gateway's own JWT authorizers look there
	// too, and only then (AWS docs, "Control access to HTTP APIs with JWT authorizers").
	// For a user pool of Amazon Cognito it is the ID of the app client, which is aud in
	// ID tokens and client_id in access tokens; the issuer is
	// https://cognito-idp.REGION.amazonaws.com/POOL, and the key set is at that URL with
	// /.well-known/jwks.json.
	Audience string
	// Claim names the claim with the rights. Default "wirepost".
	Claim string
	// AllowOrigins are the origins whose pages may connect, such as
	// https://app.example.com. A client that sends no Origin is no browser and not
	// concerned. Empty: all may, because a page can only connect with a token, and
	// no cookie is ever looked at.
	AllowOrigins []string
	// Transport fetches the key set. Default: one of its own.
	Transport http.RoundTripper
	// Now is the wall clock. Default time.Now.
	Now func() time.Time
	// Logger is told of key sets that could not be fetched and of tokens that give no
	// rights. It never sees a token.
	// Default: nothing.
	Logger *slog.Logger
}

// Verifier checks tokens. All methods may be called concurrently.
type Verifier struct {
	o       Options
	parser  *jwt.Parser
	fixed   *key
	set     *keySet
	origins map[string]bool
	rights  sync.Once // tells of the first token without rights
}

// New makes a verifier, or says what is wrong with the options. It fetches
// nothing.
func New(o *Options) (*Verifier, error) {
	v := &Verifier{}
	if o != nil {
		v.o = *o
	}
	if v.o.Claim == "" {
		v.o.Claim = "wirepost"
	}
	if v.o.Now == nil {
		v.o.Now = time.Now
	}
	if v.o.Logger == nil {
		v.o.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case v.o.Key == "" && v.o.JWKSURL == "":
		return nil, errors.New("verify tokens: neither a key nor the URL of a key set is given; one is needed")
	case v.o.Key != "" && v.o.JWKSURL != "":
		return nil, errors.New("verify tokens: both a key and the URL of a key set are given; give only one")
	case v.o.Issuer == "":
		return nil, errors.New("verify tokens: the issuer is not given; without it a token made for anybody would do")
	case v.o.Audience == "":
		return nil, errors.New("verify tokens: the audience is not given; without it a token made for another service would do")
	}
	var err error
	if v.o.Key != "" {
		v.fixed, err = parseKey(v.o.Key)
	} else {
		v.set, err = newKeySet(v.o.JWKSURL, &v.o)
	}
	if err != nil {
		return nil, fmt.Errorf("verify tokens: %w", err)
	}
	if len(v.o.AllowOrigins) > 0 {
		v.origins = map[string]bool{}
		for _, origin := range v.o.AllowOrigins {
			if origin, err = parseOrigin(origin); err != nil {
				return nil, fmt.Errorf("verify tokens: %w", err)
			}
			v.origins[origin] = true
		}
	}
	v.parser = jwt.NewParser(
		jwt.WithValidMethods([]string{"HS256", "RS256", "ES256", "EdDSA"}),
		jwt.WithIssuer(v.o.Issuer), jwt.WithExpirationRequired(),
		jwt.WithLeeway(Leeway), jwt.WithTimeFunc(v.o.Now), jwt.WithStrictDecoding(),
	)
	return v, nil
}

// Token is what a valid token says.
type Token struct {
	User      string // sub
	Rights    Rights
	ExpiresAt time.Time // exp and [Leeway]
}

// ErrKeys says that a token could not be checked because the key set could not be
// fetched, or not before the caller's context ended; the error then wraps the
// context's, too. Every other error of [Verifier.Verify] is the token's own.
var ErrKeys = errors.New("the key set is not available")

// made panics if the verifier is not one of New's: it has no key.
func (v *Verifier) made() {
	if v == nil || v.parser == nil {
		panic("jwtauth: this Verifier was not made by New")
	}
}

// Verify checks a token. The error is for the log: it never has the token in it,
// and it is nothing for a client.
func (v *Verifier) Verify(ctx context.Context, token string) (Token, error) {
	v.made()
	if len(token) > MaxToken {
		return Token{}, fmt.Errorf("the token has %d bytes, %d at most are looked at", len(token), MaxToken)
	}
	claims, err := v.verified(ctx, token)
	if err != nil {
		return Token{}, err
	}
	if err := v.checkAudience(claims); err != nil {
		return Token{}, err
	}
	end, err := claims.GetExpirationTime()
	if err != nil || end == nil {
		return Token{}, errors.New("the token has no exp")
	}
	user, err := claims.GetSubject()
	if err == nil {
		err = wirepost.ValidateName(user)
	}
	if err != nil {
		return Token{}, fmt.Errorf("the token's sub is not a valid user name: %w", err)
	}
	rights, err := rightsIn(claims[v.o.Claim])
	if err != nil {
		return Token{}, fmt.Errorf("the token's claim %q: %w", v.o.Claim, err)
	}
	return Token{user, rights, end.Add(Leeway)}, nil
}

// checkAudience looks for the audience in aud and, only if there is none, in client_id.
func (v *Verifier) checkAudience(claims jwt.MapClaims) error {
	if _, there := claims["aud"]; there {
		all, err := claims.GetAudience()
		switch {
		case err != nil:
			return errors.New("the token's aud is neither a string nor a list of strings")
		case !slices.Contains(all, v.o.Audience):
			return errors.New("the token's aud is another audience's")
		}
		return nil
	}
	id, there := claims["client_id"]
	switch {
	case !there:
		return errors.New("the token has no audience: neither aud nor client_id")
	case id != v.o.Audience:
		return errors.New("the token has no aud, and its client_id is another client's")
	}
	return nil
}

// verified checks a token's signature and times, and returns its claims.
func (v *Verifier) verified(ctx context.Context, token string) (jwt.MapClaims, error) {
	var of wanted
	guessed := false // the key is not named by its ID
	claims := jwt.MapClaims{}
	_, err := v.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (found any, err error) {
		if of, err = header(t); err != nil {
			return nil, err
		}
		if v.fixed != nil {
			return verifiedWith(of, v.fixed)
		}
		all, err := v.set.find(ctx, of)
		if err != nil {
			return nil, err
		}
		guessed = of.kid == "" || all[0].kid == ""
		return verifiedWith(of, all...)
	})
	if !guessed || !errors.Is(err, jwt.ErrTokenSignatureInvalid) && !errors.Is(err, errAlgorithm) {
		return claims, err
	}
	newer := v.set.newer(ctx, of)
	if newer == nil {
		return claims, err
	}
	clear(claims)
	_, err = v.parser.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return verifiedWith(of, newer...) })
	return claims, err
}

// header reads what a token's header says of its key. Nothing in a token says where
// its key is from.
func header(t *jwt.Token) (wanted, error) {
	for _, name := range [...]string{"crit", "jku", "x5u", "jwk"} {
		if _, there := t.Header[name]; there {
			return wanted{}, fmt.Errorf("the token's header has %q", name)
		}
	}
	kid, ok := t.Header["kid"].(string)
	if _, there := t.Header["kid"]; there && !ok {
		return wanted{}, errors.New("the token's kid is not a string")
	}
	return wanted{kid, t.Method.Alg()}, nil
}

var errAlgorithm = errors.New("the token's header and its key differ")

// verifiedWith is what the parser takes of keys. The algorithm is the key's: a header
// that names another one is a token that was made to be checked wrongly.
func verifiedWith(of wanted, all ...*key) (any, error) {
	var set jwt.VerificationKeySet
	for _, k := range all {
		if k.alg != of.alg {
			return nil, fmt.Errorf("%w: the header says %s, the key is for %s", errAlgorithm, of.alg, k.alg)
		}
		set.Keys = append(set.Keys, k.public)
	}
	return set, nil
}

// Connect is the hook [wirepost.MuxOptions].Connect: it checks the origin, finds
// and verifies the token, and checks the topics that the URL asks for. The user is
// the token's sub, and the connection ends [Leeway] after the token's exp. Refusals
// are those of docs/protocol.md.
func (v *Verifier) Connect(ctx context.Context, r *wirepost.ConnectRequest) (wirepost.Accept, error) {
	v.made()
	refuse := func(status int, format string, args ...any) (wirepost.Accept, error) {
		return wirepost.Accept{}, wirepost.Refuse(status, fmt.Sprintf(format, args...))
	}
	if origin := r.Header("Origin"); origin != "" && v.origins != nil && !v.origins[strings.ToLower(origin)] {
		return refuse(http.StatusForbidden, "pages of the origin %q may not connect", clip(origin))
	}
	token, subprotocol, err := find(r)
	if err != nil {
		return wirepost.Accept{}, err
	}
	t, err := v.Verify(ctx, token)
	switch {
	case errors.Is(err, ErrKeys):
		return refuse(http.StatusServiceUnavailable, "%v", err)
	case err != nil:
		return refuse(http.StatusUnauthorized, "%v", err)
	}
	topics := r.Query("topic")
	if len(topics) > maxTopics {
		return refuse(http.StatusBadRequest, "the handshake names %d topics, %d at most are possible", len(topics), maxTopics)
	}
	for _, topic := range topics {
		if err := wirepost.ValidateName(topic); err != nil {
			return refuse(http.StatusBadRequest, "the topic %q of the handshake: %v", clip(topic), err)
		}
		if !t.Rights.MaySubscribe(topic) {
			return refuse(http.StatusForbidden, "the token does not allow the topic %q", clip(topic))
		}
	}
	text, err := t.Rights.text()
	if err != nil {
		return refuse(http.StatusUnauthorized, "the token's claim %q: %v", v.o.Claim, err)
	}
	if len(t.Rights.Subscribe)+len(t.Rights.Publish) == 0 {
		// Where the program has rights of its own, each token is one.
		v.rights.Do(func() {
			v.o.Logger.InfoContext(ctx, "a token has no rights in its claim, so jwtauth.Allow allows its connection nothing; of other tokens like it nothing is said", "connectionId", r.ConnectionID, "claim", v.o.Claim)
		})
	}
	return wirepost.Accept{User: t.User, Topics: topics, Claims: text, Subprotocol: subprotocol, ExpiresAt: t.ExpiresAt}, nil
}

// find takes the token from the one place where it is, and says which subprotocol
// to answer.
func find(r *wirepost.ConnectRequest) (token, subprotocol string, err error) {
	var tokens []string
	if scheme, value, ok := strings.Cut(r.Header("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		tokens = append(tokens, strings.TrimSpace(value))
	}
	tokens = append(tokens, r.Query("access_token")...)
	offered := r.Subprotocols()
	for _, s := range offered {
		if value, ok := strings.CutPrefix(s, "bearer."); ok {
			tokens = append(tokens, value)
		}
	}
	switch {
	case slices.Contains(offered, wirepost.Subprotocol):
		subprotocol = wirepost.Subprotocol
	case len(offered) > 0:
		return "", "", wirepost.Refuse(http.StatusBadRequest, "the client offers subprotocols, and not "+wirepost.Subprotocol)
	}
	switch {
	case len(tokens) == 0 || len(tokens) == 1 && tokens[0] == "":
		return "", "", wirepost.Refuse(http.StatusUnauthorized, "the handshake has no token")
	case len(tokens) > 1:
		return "", "", wirepost.Refuse(http.StatusUnauthorized, fmt.Sprintf("the handshake has %d tokens", len(tokens)))
	}
	return tokens[0], subprotocol, nil
}

// Allow is the hook [wirepost.ProtocolOptions].Allow: it asks the rights that
// [Verifier.Connect] kept with the connection. Claims that are not such rights
// allow nothing.
func Allow(_ context.Context, c wirepost.Connection, action wirepost.Action, to wirepost.Audience) bool {
	r, ok := kept(c)
	if !ok {
		return false
	}
	switch action {
	case wirepost.ActionSubscribe:
		return to.Kind == wirepost.KindTopic && r.MaySubscribe(to.Name)
	case wirepost.ActionSend:
		return r.MaySend(to)
	}
	return false
}

// MayCancel is the hook [wirepost.ProtocolOptions].MayCancel: it asks the same rights.
func MayCancel(_ context.Context, c wirepost.Connection, to wirepost.Audience) bool {
	r, ok := kept(c)
	return ok && r.MayCancel(to)
}

// parseOrigin makes an origin what browsers send.
func parseOrigin(s string) (string, error) {
	scheme, host, ok := strings.Cut(strings.ToLower(s), "://")
	if !ok || scheme != "https" && scheme != "http" || host == "" || strings.ContainsAny(host, "/?#@* ") {
		return "", fmt.Errorf("the origin %q is not like https://app.example.com, without a path", clip(s))
	}
	if scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	} else {
		host = strings.TrimSuffix(host, ":80")
	}
	return scheme + "://" + host, nil
}

func clip(s string) string {
	if len(s) <= 100 {
		return s
	}
	return s[:100] + "…"
}
