package wirepost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/internal/management"
)

// endpointClient is a client and the endpoint that it was made for.
type endpointClient struct {
	*management.Client
	endpoint Endpoint
}

// another reports whether a gateway on this machine says that it is another API's.
// Every laptop has a localhost:3001: a 410 from the wrong one says nothing about
// the connection.
func (c *endpointClient) another(a management.Answer) bool {
	return a.API != "" && c.endpoint.APIID != "" && a.API != c.endpoint.APIID+"/"+c.endpoint.Stage
}

// stageClients finds the client of a stage: it keeps what the stage records say and
// one client for each stage, and reads a record again when it is old or wrong.
type stageClients struct {
	store       Store
	o           *PublisherOptions
	credentials *management.Credentials
	opened      *atomic.Int64

	reading chan struct{} // has room for one reader of stage records at a time

	mu     sync.Mutex
	known  map[Identity]knownStage
	direct *endpointClient // for the override
}

// knownStage is what this process knows of a stage.
type knownStage struct {
	client *endpointClient
	read   time.Time // when the record was last read, by the wall clock
	reads  int       // how often
}

func newStageClients(store Store, o *PublisherOptions, opened *atomic.Int64) *stageClients {
	return &stageClients{store: store, o: o, credentials: management.NewCredentials(o.Credentials), opened: opened,
		reading: make(chan struct{}, 1), known: map[Identity]knownStage{}}
}

// close closes the idle connections of all clients.
func (s *stageClients) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.known {
		k.client.Close()
	}
	if s.direct != nil {
		s.direct.Close()
	}
}

// dial makes the client of an endpoint. It opens no connection yet.
func (s *stageClients) dial(ep Endpoint) (*endpointClient, error) {
	_, host, _ := strings.Cut(ep.URL, "://")
	host, _, _ = strings.Cut(host, "/")
	c, err := management.NewClient(management.Target{URL: ep.URL, Region: ep.Region, Loopback: isLoopback(host)}, s.credentials,
		management.Options{Connections: s.o.Concurrency, Transport: s.o.Transport, Opened: s.opened, UserAgent: "wirepost/" + Version})
	if err != nil {
		return nil, err
	}
	return &endpointClient{c, ep}, nil
}

// client is the client of a stage, from the cache or the store. The zero identity is
// a connection without a row.
func (s *stageClients) client(ctx context.Context, id Identity) (*endpointClient, error) {
	if id == (Identity{}) {
		return s.withoutRow(ctx)
	}
	now := s.o.Now().Round(0)
	s.mu.Lock()
	k := s.known[id]
	s.mu.Unlock()
	if k.client != nil && now.Sub(k.read) < s.o.StageMaxAge && !now.Before(k.read) {
		return k.client, nil
	}
	if k.client == nil {
		return s.reread(ctx, id, k.reads)
	}
	// There is something to go on with, so the store gets a moment and not the
	// whole time of the post.
	moment, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	c, err := s.reread(moment, id, k.reads)
	if err != nil && ctx.Err() != nil {
		return k.client, nil // that the caller has left says nothing about the store
	}
	if err != nil && !errors.Is(err, ErrNoEndpoint) {
		s.o.Logger.Warn("the endpoint of a stage could not be read again; the last one is used", "endpoint", id.String(), "error", err)
		// Asked again when the record is old once more, and not by each post.
		s.mu.Lock()
		k = s.known[id]
		k.read = now
		s.known[id] = k
		s.mu.Unlock()
		return k.client, nil
	}
	return c, err
}

// learned takes the record of a stage from a mux of the same program, which has had it
// from the store age ago, so that the first post of a process does not read it again.
// What is known already is read again by its own rules.
func (s *stageClients) learned(r StageRecord, age time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[r.Identity].client != nil || age >= s.o.StageMaxAge {
		return
	}
	if _, err := ParseEndpoint(r.URL, &EndpointOptions{Region: r.Region, APIID: r.APIID, StageExists: true}); err != nil {
		return // the first post says so
	}
	if c, err := s.dial(r.Endpoint); err == nil {
		s.known[r.Identity] = knownStage{client: c, read: s.o.Now().Round(0).Add(-age)}
	}
}

// use takes the endpoint of an event, which is as good as a record that was just read.
func (s *stageClients) use(e Endpoint) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.known[e.Identity]
	if known.client == nil || known.client.endpoint.URL != e.URL {
		c, err := s.dial(e)
		if err != nil {
			return err
		}
		if known.client != nil {
			known.client.Close()
		}
		known.client = c
	}
	known.read = s.o.Now().Round(0)
	s.known[e.Identity] = known
	return nil
}

// reread reads the stage record and returns the client for it: the known one if
// the URL is the same, else a new one that takes its place. Of many posts that
// want it at once, one reads: reads is how often it had been read when the caller
// last looked.
func (s *stageClients) reread(ctx context.Context, id Identity, reads int) (*endpointClient, error) {
	select {
	case s.reading <- struct{}{}:
		defer func() { <-s.reading }()
	case <-ctx.Done():
		return nil, &Error{Problem: ProblemStore, Detail: fmt.Sprintf("the endpoint of %s could not be read", id), Err: ctx.Err()}
	}
	s.mu.Lock()
	known := s.known[id]
	s.mu.Unlock()
	if known.client != nil && known.reads > reads {
		return known.client, nil
	}
	r, err := s.record(ctx, id)
	if err != nil {
		return nil, err
	}
	next := knownStage{client: known.client, read: s.o.Now().Round(0), reads: known.reads + 1}
	if known.client == nil || known.client.endpoint.URL != r.URL {
		if next.client, err = s.dial(r.Endpoint); err != nil {
			return nil, err
		}
		if known.client != nil {
			known.client.Close()
			s.o.Logger.Info("the endpoint of a stage has moved", "endpoint", id.String(), "from", known.client.endpoint.URL, "to", r.URL)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// A mux of this program may have told of it meanwhile.
	if other := s.known[id].client; other != nil && other != known.client {
		if other.endpoint.URL == r.URL {
			next.client = other
		} else {
			other.Close()
		}
	}
	s.known[id] = next
	return next.client, nil
}

// record reads and checks the record of a stage.
func (s *stageClients) record(ctx context.Context, id Identity) (StageRecord, error) {
	r, err := s.store.Stage(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return r, &Error{Problem: ProblemEndpointUnset, Detail: fmt.Sprintf("the store has no endpoint for %s", id), Err: ErrNoEndpoint}
	}
	if err != nil {
		return r, &Error{Problem: ProblemStore, Detail: fmt.Sprintf("the endpoint of %s could not be read", id), Err: err}
	}
	// The record's own identity decides; a host that contradicts its region is
	// found here and never sent to.
	_, err = ParseEndpoint(r.URL, &EndpointOptions{Region: id.Region, APIID: id.APIID, StageExists: true})
	return r, err
}

// reads is how often the record of a stage has been read.
func (s *stageClients) reads(id Identity) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[id].reads
}

// withoutRow is where a bare connection ID is sent: to the override, or to the only
// stage that there is.
func (s *stageClients) withoutRow(ctx context.Context) (*endpointClient, error) {
	if raw := endpointOverride(s.o.Endpoint, os.Getenv); raw != "" {
		return s.override(raw)
	}
	stages, err := s.store.Stages(ctx)
	if err != nil {
		return nil, &Error{Problem: ProblemStore, Detail: "the known endpoints could not be listed", Err: err}
	}
	if len(stages) == 1 {
		return s.client(ctx, stages[0].Identity)
	}
	e := &Error{Problem: ProblemEndpointUnset, Detail: "the connection has no row in the store, and no endpoint is known", Err: ErrNoEndpoint}
	if len(stages) > 1 {
		names := make([]string, len(stages))
		for i, s := range stages {
			names[i] = s.Identity.String()
		}
		// A row that has ended does not come back by itself, and another client's connect
		// does not say whose this connection is.
		e.Detail = "the connection has no row in the store, and it could belong to any of " + strings.Join(names, ", ")
		e.FixText = "in a handler use Message.Post and Message.Close, which know the endpoint of the message; elsewhere name the connection's endpoint with PublisherOptions.Endpoint or WIREPOST_ENDPOINT"
	}
	return nil, e
}

// override is the client of the endpoint that an option or the environment names.
func (s *stageClients) override(raw string) (*endpointClient, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.direct != nil && s.direct.endpoint.URL == strings.TrimSuffix(raw, "/") {
		return s.direct, nil
	}
	region := s.o.Region
	if region == "" {
		region = os.Getenv("AWS_REGION")
	}
	ep, err := ParseEndpoint(raw, &EndpointOptions{Region: region})
	if ProblemOf(err) == ProblemSigningRegion && region == "" {
		ep, err = ParseEndpoint(raw, &EndpointOptions{Region: developmentRegion})
		if err == nil && !strings.HasPrefix(ep.URL, "http://") {
			err = &Error{Problem: ProblemSigningRegion, Endpoint: raw, Detail: "the region of the endpoint is not known", FixText: "set AWS_REGION to the region of the API"}
		}
	}
	if err != nil {
		return nil, err
	}
	c, err := s.dial(ep)
	if err == nil {
		s.direct = c
	}
	return c, err
}
