package wirepost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// knownEndpoint is what this process knows of a stage.
type knownEndpoint struct {
	client *management
	read   time.Time // when the record was last read, by the wall clock
	reads  int       // how often
}

// endpoint is the client of a stage, from the cache or the store. The zero
// identity is a connection without a row.
func (p *Publisher) endpoint(ctx context.Context, id Identity) (*management, error) {
	if id == (Identity{}) {
		return p.endpointWithoutRow(ctx)
	}
	now := p.o.Now().Round(0)
	p.mu.Lock()
	k := p.endpoints[id]
	p.mu.Unlock()
	if k.client != nil && now.Sub(k.read) < p.o.StageMaxAge && !now.Before(k.read) {
		return k.client, nil
	}
	if k.client == nil {
		return p.reread(ctx, id, k.reads)
	}
	// There is something to go on with, so the store gets a moment and not the
	// whole time of the post.
	moment, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	m, err := p.reread(moment, id, k.reads)
	if err != nil && !errors.Is(err, ErrNoEndpoint) {
		p.o.Logger.Warn("the endpoint of a stage could not be read again; the last one is used", "endpoint", id.String(), "error", err)
		// Asked again when the record is old once more, and not by each post.
		p.mu.Lock()
		k = p.endpoints[id]
		k.read = now
		p.endpoints[id] = k
		p.mu.Unlock()
		return k.client, nil
	}
	return m, err
}

// learned takes the record of a stage from a mux of the same program, which has had it
// from the store age ago, so that the first post of a process does not read it again.
// What the publisher knows already it reads again by its own rules.
func (p *Publisher) learned(r StageRecord, age time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.endpoints[r.Identity].client != nil || age >= p.o.StageMaxAge {
		return
	}
	if _, err := ParseEndpoint(r.URL, &EndpointOptions{Region: r.Region, APIID: r.APIID}); err != nil {
		return // the first post says so
	}
	if m, err := newManagement(r.Endpoint, p.o.Concurrency, p.o.Transport, &p.counters.opened); err == nil {
		p.endpoints[r.Identity] = knownEndpoint{client: m, read: p.o.Now().Round(0).Add(-age)}
	}
}

// use takes the endpoint of an event, which is as good as a record that was just read.
func (p *Publisher) use(e Endpoint) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.endpoints[e.Identity]
	if known.client == nil || known.client.endpoint.URL != e.URL {
		m, err := newManagement(e, p.o.Concurrency, p.o.Transport, &p.counters.opened)
		if err != nil {
			return err
		}
		if known.client != nil {
			known.client.close()
		}
		known.client = m
	}
	known.read = p.o.Now().Round(0)
	p.endpoints[e.Identity] = known
	return nil
}

// reread reads the stage record and returns the client for it: the known one if
// the URL is the same, else a new one that takes its place. Of many posts that
// want it at once, one reads: reads is how often it had been read when the caller
// last looked.
func (p *Publisher) reread(ctx context.Context, id Identity, reads int) (*management, error) {
	select {
	case p.reading <- struct{}{}:
		defer func() { <-p.reading }()
	case <-ctx.Done():
		return nil, &Error{Problem: ProblemStore, Detail: fmt.Sprintf("the endpoint of %s could not be read", id), Err: ctx.Err()}
	}
	p.mu.Lock()
	known := p.endpoints[id]
	p.mu.Unlock()
	if known.client != nil && known.reads > reads {
		return known.client, nil
	}
	r, err := p.store.Stage(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, &Error{Problem: ProblemEndpointUnset, Detail: fmt.Sprintf("the store has no endpoint for %s", id), Err: ErrNoEndpoint}
	}
	if err != nil {
		return nil, &Error{Problem: ProblemStore, Detail: fmt.Sprintf("the endpoint of %s could not be read", id), Err: err}
	}
	// The record's own identity decides; a host that contradicts its region is
	// found here and never sent to.
	if _, err := ParseEndpoint(r.URL, &EndpointOptions{Region: id.Region, APIID: id.APIID}); err != nil {
		return nil, err
	}
	next := knownEndpoint{client: known.client, read: p.o.Now().Round(0), reads: known.reads + 1}
	if known.client == nil || known.client.endpoint.URL != r.URL {
		if next.client, err = newManagement(r.Endpoint, p.o.Concurrency, p.o.Transport, &p.counters.opened); err != nil {
			return nil, err
		}
		if known.client != nil {
			known.client.close()
			p.o.Logger.Info("the endpoint of a stage has moved", "endpoint", id.String(), "from", known.client.endpoint.URL, "to", r.URL)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	// A mux of this program may have told of it meanwhile.
	if other := p.endpoints[id].client; other != nil && other != known.client {
		if other.endpoint.URL == r.URL {
			next.client = other
		} else {
			other.close()
		}
	}
	p.endpoints[id] = next
	return next.client, nil
}

// reads is how often the record of a stage has been read.
func (p *Publisher) reads(id Identity) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.endpoints[id].reads
}

// endpointWithoutRow is where a bare connection ID is sent: to the override, or
// to the only stage that there is.
func (p *Publisher) endpointWithoutRow(ctx context.Context) (*management, error) {
	if raw := endpointOverride(p.o.Endpoint, os.Getenv); raw != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.direct != nil && p.direct.endpoint.URL == strings.TrimSuffix(raw, "/") {
			return p.direct, nil
		}
		region := p.o.Region
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
		m, err := newManagement(ep, p.o.Concurrency, p.o.Transport, &p.counters.opened)
		if err == nil {
			p.direct = m
		}
		return m, err
	}
	stages, err := p.store.Stages(ctx)
	if err != nil {
		return nil, &Error{Problem: ProblemStore, Detail: "the known endpoints could not be listed", Err: err}
	}
	if len(stages) == 1 {
		return p.endpoint(ctx, stages[0].Identity)
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
