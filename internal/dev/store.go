package dev

import (
	"cmp"
	"context"
	"strings"

	"github.com/wirepost/wirepost"
)

// store is the part that opens the store.
type store struct {
	c *Config

	opened wirepost.Store
}

func (s *store) start(ctx context.Context) (err error) {
	s.c.Report.Begins("opening the store")
	if err := s.c.Folder.keepStoreURL(s.url()); err != nil {
		return err
	}
	s.opened, err = wirepost.OpenStore(ctx, s.url())
	return err
}

func (s *store) stop(context.Context) error { return s.opened.Close() }

// asked is the URL that was asked for; empty if none was.
func (s *store) asked() string {
	return cmp.Or(s.c.Store, Environment(s.c.Env).value("WIREPOST_STORE"))
}

func (s *store) url() string { return cmp.Or(s.asked(), s.c.Folder.DefaultStore()) }

// shown is where the commands in the folder look: the functions of an app may have a
// store of their own.
func (s *store) shown() string { return cmp.Or(s.asked(), s.c.Folder.StoreURL()) }

// inMemory reports whether no other process can open the store.
func (s *store) inMemory() bool { return strings.HasPrefix(s.url(), "mem:") }
