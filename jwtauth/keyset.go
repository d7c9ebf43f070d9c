package jwtauth

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
)

// The limits of a key set; see the package's doc.
const (
	maxSet       = 256 << 10
	maxHeader    = 32 << 10
	maxKeys      = 100
	fetchTimeout = 2 * time.Second
	fetchAgain   = time.Hour       // a set of this age is fetched again
	fetchPause   = time.Minute     // between two fetches while there is a good set
	retryPause   = 5 * time.Second // between two fetches while there is none
	setLife      = 24 * time.Hour  // how long the last good set is used
)

// keySet is the keys behind a URL. Parsing single keys is jwkset's. Its and
// keyfunc's clients are not used: they bound neither the size of an answer nor how
// many fetches run at once, make a token of an unknown key wait for the rate limit,
// and refresh from a goroutine of their own, which stands still in a Lambda.
type keySet struct {
	url    string
	o      *Options
	client *http.Client

	fetching chan struct{} // has room for one fetch

	mu    sync.Mutex
	keys  map[string]*key // by key ID; nil where two keys have it
	good  time.Time       // when keys were fetched
	tried time.Time       // when a fetch last ended
	err   error           // why the last fetch failed
}

func newKeySet(raw string, o *Options) (*keySet, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, errors.New("the URL of the key set is not like https://id.example.com/jwks.json")
	}
	transport := o.Transport
	if transport == nil {
		transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    fetchTimeout,
			MaxResponseHeaderBytes: maxHeader,
			DisableKeepAlives:      true, // the next fetch is an hour away, and a freeze between
			ForceAttemptHTTP2:      true,
		}
	}
	return &keySet{url: u.String(), o: o, fetching: make(chan struct{}, 1), client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// find is the key of an ID, fetched if it has to be. Without an ID it is the only
// key that there is.
func (s *keySet) find(ctx context.Context, kid string) (*key, error) {
	if len(kid) > 200 {
		return nil, fmt.Errorf("the token's kid has %d bytes", len(kid))
	}
	k, due, err := s.look(kid)
	if !due {
		return k, err
	}
	if k != nil {
		// There is a key to go on with: who comes while another fetches does not wait.
		select {
		case s.fetching <- struct{}{}:
		default:
			return k, nil
		}
	} else {
		select {
		case s.fetching <- struct{}{}:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrKeys, ctx.Err())
		}
	}
	defer func() { <-s.fetching }()
	if k, due, err = s.look(kid); !due { // another has fetched meanwhile
		return k, err
	}
	keys, fetchErr := s.fetch(ctx)
	s.mu.Lock()
	s.tried, s.err = s.now(), fetchErr
	if fetchErr == nil {
		s.keys, s.good = keys, s.tried
	}
	s.mu.Unlock()
	if fetchErr != nil {
		s.o.Logger.Warn("the key set could not be fetched", "url", s.url, "error", fetchErr)
	}
	k, _, err = s.look(kid)
	return k, err
}

func (s *keySet) now() time.Time { return s.o.Now().Round(0) } // a frozen process's other clock stands still

// look finds a key in what is there, and says whether a fetch is due.
func (s *keySet) look(kid string) (k *key, due bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	within := func(t time.Time, d time.Duration) bool {
		age := now.Sub(t)
		return age < d && age >= 0
	}
	if s.good.IsZero() || now.Sub(s.good) >= setLife {
		err = ErrKeys
		if s.err != nil {
			err = fmt.Errorf("%w: %w", ErrKeys, s.err)
		}
		return nil, !within(s.tried, retryPause), err
	}
	if kid == "" && len(s.keys) == 1 {
		for _, k = range s.keys {
		}
	} else if kid != "" {
		k = s.keys[kid]
	}
	if k == nil {
		if kid == "" {
			err = fmt.Errorf("the token has no kid, and the key set has %d keys", len(s.keys))
		} else {
			err = fmt.Errorf("the key set has no key %q", clip(kid))
		}
	}
	due = (k == nil && kid != "" || !within(s.good, fetchAgain)) && !within(s.tried, fetchPause)
	return k, due, err
}

func (s *keySet) fetch(ctx context.Context) (map[string]*key, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %d, not 200", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxSet+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxSet {
		return nil, fmt.Errorf("the answer has more than %d bytes", maxSet)
	}
	return parseSet(body)
}

// parseSet reads a key set. Keys that are not for checking signatures with one of
// the algorithms here are left out, as RFC 7517, section 5, has it.
func parseSet(body []byte) (map[string]*key, error) {
	var set struct {
		Keys []jwkset.JWKMarshal `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("the answer is not a key set: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("the key set has %d keys, %d at most are looked at", len(set.Keys), maxKeys)
	}
	keys := map[string]*key{}
	for _, m := range set.Keys {
		if m.USE != "" && m.USE != jwkset.UseSig || len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify) {
			continue
		}
		// Only what makes the public key: no certificates, no URLs, no private parts.
		parsed, err := jwkset.NewJWKFromMarshal(
			jwkset.JWKMarshal{KTY: m.KTY, CRV: m.CRV, X: m.X, Y: m.Y, N: m.N, E: m.E},
			jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{SkipAll: true})
		if err != nil {
			continue
		}
		k, err := newKey(parsed.Key())
		if err != nil || m.ALG != "" && string(m.ALG) != k.alg {
			continue
		}
		if _, twice := keys[m.KID]; twice {
			k = nil // nobody can say which is meant
		}
		keys[m.KID] = k
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set has no key for RS256, ES256 or EdDSA")
	}
	return keys, nil
}
