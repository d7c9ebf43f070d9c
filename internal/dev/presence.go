package dev

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/wirepost/wirepost"
)

// presenceSweep is the part that ends the leases of who vanished, every minute, as the
// schedule of a stack does. It costs a store without presence nothing.
type presenceSweep struct {
	c           *Config
	store       *store
	credentials *credentials

	publisher *wirepost.Publisher
	cancel    context.CancelFunc
	running   sync.WaitGroup
}

func (p *presenceSweep) start(context.Context) error {
	if _, ok := p.store.opened.(wirepost.Presence); !ok {
		return nil
	}
	p.publisher = p.credentials.publisher(p.store.opened, nil)
	var life context.Context
	life, p.cancel = context.WithCancel(context.Background())
	p.running.Go(func() { p.run(life) }) // ends with stop
	return nil
}

func (p *presenceSweep) run(life context.Context) {
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		select {
		case <-minute.C:
		case <-life.Done():
			return
		}
		ctx, cancel := context.WithTimeout(life, 50*time.Second)
		_, err := p.publisher.SweepPresence(ctx, nil)
		cancel()
		if err != nil && life.Err() == nil && !errors.Is(err, wirepost.ErrNotSupported) {
			p.c.Logger.Warn("leases of presence could not be ended; the next minute tries again", "error", err)
		}
	}
}

func (p *presenceSweep) stop(context.Context) error {
	if p.cancel != nil {
		p.cancel()
		p.running.Wait()
		p.publisher.CloseIdleConnections()
	}
	return nil
}
