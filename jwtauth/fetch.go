package jwtauth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// fetch is one request for a key set. Everybody who needs the set at that time waits
// for the same one. It has a deadline of its own, and ends when nobody waits for it
// any more: a Lambda is frozen between events, and what runs on then would find its
// deadline over and its connection dead when the Lambda goes on.
type fetch struct {
	cancel  context.CancelFunc
	waiting int           // how many wait; under the set's lock
	ended   chan struct{} // closed when its result is in the set
}

// fetched waits for the fetch that runs, or for one that it starts, and returns the
// keys that a token may be signed with by then. Who has keys to go on with, which are
// found, waits for no fetch of another, and gets these when ctx ends.
func (s *keySet) fetched(ctx context.Context, w wanted, found []*key) ([]*key, error) {
	s.mu.Lock()
	f := s.running
	if f != nil && len(found) > 0 {
		s.mu.Unlock()
		return found, nil
	}
	if err := ctx.Err(); err != nil { // who has gone already starts nothing
		s.mu.Unlock()
		return leftWith(found, err)
	}
	if f == nil {
		f = s.start()
	}
	f.waiting++
	s.mu.Unlock()
	defer s.leave(f)
	select {
	case <-f.ended:
	case <-ctx.Done():
		return leftWith(found, ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, _, err := s.look(w)
	return found, err
}

// leftWith is what somebody has whose context ended before the fetch did.
func leftWith(found []*key, err error) ([]*key, error) {
	if len(found) > 0 {
		return found, nil
	}
	return nil, fmt.Errorf("%w: %w", ErrKeys, err)
}

// start begins a fetch. The goroutine ends at the latest when the last who waits for
// it leaves, who waits for its end. The lock is held.
func (s *keySet) start() *fetch {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	f := &fetch{cancel: cancel, ended: make(chan struct{})}
	s.running = f
	go func() {
		defer close(f.ended)
		set, err := s.get(ctx)
		if failed := s.keep(f, set, err, errors.Is(ctx.Err(), context.Canceled)); failed {
			s.o.Logger.Warn("the key set could not be fetched", "url", s.url, "error", err)
		}
	}()
	return f
}

// keep remembers the result of a fetch, and reports whether it failed. That everybody
// has left and it was stopped says nothing about the server.
func (s *keySet) keep(f *fetch, set keys, err error, stopped bool) (failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == f {
		s.running = nil
	}
	if err != nil && stopped {
		return false
	}
	s.tried, s.err = s.now(), err
	if err == nil {
		s.keys, s.good = set, s.tried
	}
	return err != nil
}

// leave stops a fetch that nobody waits for any more.
func (s *keySet) leave(f *fetch) {
	s.mu.Lock()
	f.waiting--
	last := f.waiting == 0
	if last && s.running == f {
		s.running = nil // who comes now starts another
	}
	s.mu.Unlock()
	if last {
		f.cancel()
		<-f.ended
	}
}

// get makes the request and reads the set.
func (s *keySet) get(ctx context.Context) (set keys, err error) {
	defer func() {
		// In a goroutine of its own a panic, such as of Options.Transport, would end the
		// process, whatever its callers recover from.
		if r := recover(); r != nil {
			set, err = keys{}, fmt.Errorf("the fetch panicked: %v", r)
		}
	}()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return keys{}, err
	}
	r.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(r)
	if err != nil {
		return keys{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return keys{}, fmt.Errorf("the answer is %d, not 200", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxSet+1))
	if err != nil {
		return keys{}, err
	}
	if len(body) > maxSet {
		return keys{}, fmt.Errorf("the answer has more than %d bytes", maxSet)
	}
	return parseSet(body)
}

// newTransport is for one request an hour, with a freeze between.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    fetchTimeout,
		MaxResponseHeaderBytes: 64 << 10, // net/http's own limit is 10 MB
		DisableKeepAlives:      true,
		ForceAttemptHTTP2:      true,
	}
}
