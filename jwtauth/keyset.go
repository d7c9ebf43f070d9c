package jwtauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	maxKeys      = 100
	maxUnnamed   = 8 // keys without an ID of one algorithm: a token may have to be tried with each
	maxKeyID     = 200
	fetchTimeout = 2 * time.Second
	fetchAgain   = time.Hour       // a set of this age is fetched again
	fetchPause   = time.Minute     // between two fetches while there is a good set
	retryPause   = 5 * time.Second // between two fetches after one that failed, for a key that is not there
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

	mu      sync.Mutex
	keys    keys
	good    time.Time // when keys were fetched
	tried   time.Time // when a fetch last ended
	err     error     // why the last fetch failed; nil if it did not
	running *fetch    // nil: none
}

// keys are those of a set.
type keys struct {
	named   map[string]*key // by key ID; nil where two keys have it
	unnamed []*key
}

// wanted is what a token's header says of its key.
type wanted struct {
	kid string // empty: nothing
	alg string
}

func newKeySet(raw string, o *Options) (*keySet, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, errors.New("the URL of the key set is not like https://id.example.com/jwks.json")
	}
	transport := o.Transport
	if transport == nil {
		transport = newTransport()
	}
	return &keySet{url: u.String(), o: o, client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// find returns the keys that a token may be signed with. It fetches the set if that
// is due, and waits for the fetch no longer than ctx.
func (s *keySet) find(ctx context.Context, w wanted) ([]*key, error) {
	if len(w.kid) > maxKeyID {
		return nil, fmt.Errorf("the token's kid has %d bytes", len(w.kid))
	}
	s.mu.Lock()
	found, due, err := s.look(w)
	s.mu.Unlock()
	if !due {
		return found, err
	}
	return s.fetched(ctx, w, found)
}

// newer fetches the set, unless it was fetched a moment ago, and returns the keys that
// a token may be signed with by the new one; nil if there is none. It is for a token
// whose key was guessed wrong: the key may be newer than the set.
func (s *keySet) newer(ctx context.Context, w wanted) []*key {
	s.mu.Lock()
	due := !s.within(s.tried, s.pause())
	before := s.good
	s.mu.Unlock()
	if !due {
		return nil
	}
	found, err := s.fetched(ctx, w, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || s.good.Equal(before) {
		return nil
	}
	return found
}

func (s *keySet) now() time.Time { return s.o.Now().Round(0) } // a frozen process's other clock stands still

func (s *keySet) within(t time.Time, d time.Duration) bool {
	age := s.now().Sub(t)
	return age < d && age >= 0
}

// pause is how long a fetch for a key that is not there waits after the last one.
func (s *keySet) pause() time.Duration {
	if s.err != nil {
		return retryPause
	}
	return fetchPause
}

// look finds keys in what is there, and says whether a fetch is due. The lock is
// held.
func (s *keySet) look(w wanted) (found []*key, due bool, err error) {
	if s.good.IsZero() || s.now().Sub(s.good) >= setLife {
		return nil, !s.within(s.tried, retryPause), s.unavailable()
	}
	found, err = s.keys.of(w)
	if len(found) > 0 {
		return found, !s.within(s.good, fetchAgain) && !s.within(s.tried, fetchPause), nil
	}
	if s.err != nil && w.kid != "" {
		// Whether there is such a key by now is not known, and the token may be good.
		err = s.unavailable()
	}
	stale := w.kid != "" || !s.within(s.good, fetchAgain)
	return nil, stale && !s.within(s.tried, s.pause()), err
}

func (s *keySet) unavailable() error {
	if s.err != nil {
		return fmt.Errorf("%w: %w", ErrKeys, s.err)
	}
	return ErrKeys
}

// of returns the keys that a token may be signed with: the one of its key ID, or,
// since RFC 7517, section 4.5, makes the ID of a key optional, those without an ID
// that are for the token's algorithm. A token without an ID is of the only key that
// there is.
func (k *keys) of(w wanted) ([]*key, error) {
	all := len(k.named) + len(k.unnamed)
	if w.kid == "" {
		if all != 1 {
			return nil, fmt.Errorf("the token has no kid, and the key set has %d keys", all)
		}
		for _, only := range k.named {
			if only != nil {
				return []*key{only}, nil
			}
		}
		return k.unnamed, nil
	}
	if named, ok := k.named[w.kid]; ok {
		if named == nil {
			return nil, fmt.Errorf("the key set has more than one key %q", clip(w.kid))
		}
		return []*key{named}, nil
	}
	var fit []*key
	for _, one := range k.unnamed {
		if one.alg == w.alg {
			fit = append(fit, one)
		}
	}
	if len(fit) == 0 {
		return nil, fmt.Errorf("the key set has no key %q", clip(w.kid))
	}
	return fit, nil
}

// parseSet reads a key set. Keys that cannot be read, or are not for checking
// signatures with one of the algorithms here, are left out, as RFC 7517, section 5,
// has it.
func parseSet(body []byte) (keys, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return keys{}, fmt.Errorf("the answer is not a key set: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return keys{}, fmt.Errorf("the key set has %d keys, %d at most are looked at", len(set.Keys), maxKeys)
	}
	all := keys{named: map[string]*key{}}
	unnamed := map[string]int{}
	for _, raw := range set.Keys {
		kid, k := parseJWK(raw)
		switch _, twice := all.named[kid]; {
		case k == nil:
		case kid == "":
			all.unnamed = append(all.unnamed, k)
			if unnamed[k.alg]++; unnamed[k.alg] > maxUnnamed {
				return keys{}, fmt.Errorf("the key set has more than %d keys for %s without a kid", maxUnnamed, k.alg)
			}
		case twice:
			all.named[kid] = nil // nobody can say which is meant
		default:
			all.named[kid] = k
		}
	}
	if len(all.named)+len(all.unnamed) == 0 {
		return keys{}, errors.New("the key set has no key for RS256, ES256 or EdDSA")
	}
	return all, nil
}

// parseJWK reads one key; nil if it is not for here.
func parseJWK(raw json.RawMessage) (kid string, k *key) {
	var m jwkset.JWKMarshal
	if json.Unmarshal(raw, &m) != nil || len(m.KID) > maxKeyID {
		return "", nil
	}
	if m.USE != "" && m.USE != jwkset.UseSig || len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify) {
		return "", nil
	}
	// Only what makes the public key: no certificates, no URLs, no private parts.
	parsed, err := jwkset.NewJWKFromMarshal(
		jwkset.JWKMarshal{KTY: m.KTY, CRV: m.CRV, X: m.X, Y: m.Y, N: m.N, E: m.E},
		jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{SkipAll: true})
	if err != nil {
		return "", nil
	}
	if k, err = newKey(parsed.Key()); err != nil || m.ALG != "" && string(m.ALG) != k.alg {
		return "", nil
	}
	k.kid = m.KID
	return k.kid, k
}
