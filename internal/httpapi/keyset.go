package httpapi

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"
)

// How the keys of an issuer are fetched. The first two are AWS's (AWS docs, quotas of
// HTTP APIs), and so is that keys may be kept for two hours ("Control access to HTTP APIs
// with JWT authorizers").
const (
	keysTime   = 1500 * time.Millisecond // for each of the two requests
	keysBytes  = 150_000
	keysLife   = 2 * time.Hour
	keysPause  = time.Minute     // before they are fetched again for a key that is not there
	keysRetry  = 5 * time.Second // after a fetch that failed
	maxIssuers = 100
)

var (
	errKeySet     = errors.New("the keys of the issuer cannot be fetched")
	errUnknownKey = errors.New("the token's kid is not among the keys of the issuer")
)

// tokens has the keys of issuers. Its methods may be called concurrently.
type tokens struct {
	now    func() time.Time
	client *http.Client

	mu      sync.Mutex
	issuers map[string]*issuer
}

// issuer has the keys of one. Its lock is held while they are fetched, so that one fetch
// runs at a time.
type issuer struct {
	mu    sync.Mutex
	keys  map[string]*rsa.PublicKey
	good  time.Time // when keys were fetched
	tried time.Time // when a fetch ended
	err   error     // of the last fetch
}

func newTokens(transport http.RoundTripper, now func() time.Time) *tokens {
	if transport == nil {
		transport = &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10}
	}
	return &tokens{now: now, issuers: map[string]*issuer{}, client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// key is the key of an issuer with that ID. It fetches the issuer's keys if that is due.
func (t *tokens) key(ctx context.Context, of, kid string) (*rsa.PublicKey, error) {
	t.mu.Lock()
	i := t.issuers[of]
	if i == nil && len(t.issuers) < maxIssuers {
		i = &issuer{}
		t.issuers[of] = i
	}
	t.mu.Unlock()
	if i == nil {
		return nil, fmt.Errorf("%w: there are too many issuers", errKeySet)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	k, now := i.keys[kid], t.now()
	fresh := k != nil && now.Sub(i.good) < keysLife
	pause := keysPause
	if i.err != nil {
		pause = keysRetry
	}
	if !fresh && (i.tried.IsZero() || now.Sub(i.tried) >= pause || now.Before(i.tried)) {
		keys, err := t.fetch(ctx, of)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %w", errKeySet, ctx.Err()) // the client has gone
		}
		i.tried, i.err = t.now(), err
		if err == nil {
			i.keys, i.good = keys, i.tried
		}
		k = i.keys[kid]
	}
	switch {
	case k != nil && t.now().Sub(i.good) < keysLife:
		return k, nil
	case i.err != nil:
		return nil, fmt.Errorf("%w: %w", errKeySet, i.err)
	}
	return nil, errUnknownKey
}

// fetch finds where the keys of an issuer are, and gets them (OpenID Connect Discovery
// 1.0, section 4).
func (t *tokens) fetch(ctx context.Context, of string) (map[string]*rsa.PublicKey, error) {
	var found struct {
		URI string `json:"jwks_uri"`
	}
	if err := t.get(ctx, strings.TrimSuffix(of, "/")+"/.well-known/openid-configuration", &found); err != nil {
		return nil, err
	}
	var set struct {
		Keys []struct{ Kty, Kid, N, E string }
	}
	if err := t.get(ctx, found.URI, &set); err != nil {
		return nil, err
	}
	keys := map[string]*rsa.PublicKey{}
	for _, k := range set.Keys {
		if key := rsaKey(k.N, k.E); k.Kty == "RSA" && k.Kid != "" && key != nil {
			keys[k.Kid] = key
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s has no RSA key with a kid", found.URI)
	}
	return keys, nil
}

// rsaKey is a key of 2,048 to 8,192 bits (RFC 7518, section 6.3), or nil.
func rsaKey(n, e string) *rsa.PublicKey {
	modulus, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(n, "="))
	exponent, err2 := base64.RawURLEncoding.DecodeString(strings.TrimRight(e, "="))
	if err != nil || err2 != nil || len(modulus) < 256 || len(modulus) > 1025 || len(exponent) > 4 {
		return nil
	}
	exp := new(big.Int).SetBytes(exponent).Int64()
	if exp < 3 || exp > 1<<31-1 {
		return nil
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(exp)}
}

// get reads JSON from https, or from http on this machine.
func (t *tokens) get(ctx context.Context, from string, into any) error {
	u, err := url.Parse(from)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return fmt.Errorf("%.200q is not an https URL", from)
	}
	ctx, cancel := context.WithTimeout(ctx, keysTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	answer, err := t.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %d", u, answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, keysBytes+1))
	if err == nil && len(body) > keysBytes {
		err = fmt.Errorf("it has more than %d bytes", keysBytes)
	}
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", u, err)
	}
	return nil
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}
