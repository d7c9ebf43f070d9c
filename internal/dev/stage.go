package dev

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/hint"
	"github.com/wirepost/wirepost/internal/terminal"
)

// stageRecord is the part that puts the endpoint into the store. It is known before the
// first client connects, so that rows of an earlier run on another port are reached
// here at once. It stays: the rows do, too.
type stageRecord struct {
	c        *Config
	lock     *lock
	api      *apiID
	listener *listener
	store    *store
	nothingToStop
}

func (s *stageRecord) start(ctx context.Context) error {
	record := wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: s.api.identity(), URL: s.listener.endpoint()}, EventTime: time.Now()}
	if stored, err := s.store.opened.PutStage(ctx, record); err != nil {
		return fmt.Errorf("keep the endpoint in %s: %w", s.store.url(), err)
	} else if stored.URL != record.URL {
		return hint.New(fmt.Errorf("the store has a later endpoint for this API, %s, from %s", stored.URL, stored.EventTime.Format(time.RFC3339)), fmt.Sprintf("set this machine's clock, or remove %s to begin as another API", s.c.Folder.file("api-id")))
	}
	if err := s.warnOfSharedURL(ctx, record); err != nil {
		return err
	}
	if s.store.inMemory() {
		s.c.Report.Hint("the store is in this process's memory; no other command can reach it")
	}
	s.lock.note(fmt.Sprintf("pid %d, %s", os.Getpid(), record.URL))
	return nil
}

// warnOfSharedURL tells of another API in the store with the URL of this one: a
// message to one of its connections would come to this gateway, which knows none
// of them and says that they are gone.
func (s *stageRecord) warnOfSharedURL(ctx context.Context, record wirepost.StageRecord) error {
	stages, err := s.store.opened.Stages(ctx)
	if err != nil {
		return err
	}
	repeat := ""
	if s.c.Store != "" {
		repeat = " --store " + terminal.Word(s.c.Store)
	}
	for _, r := range stages {
		if r.URL == record.URL && r.Identity != record.Identity {
			s.c.Report.Hint(fmt.Sprintf("the store has %s at %s too; if that is a gateway on another machine, give this one another port with --listen, and if that gateway no longer exists, 'wirepost sweep --api %s --stage %s%s' removes its record",
				r.Identity, r.URL, terminal.Word(r.APIID), terminal.Word(r.Stage), repeat))
		}
	}
	return nil
}
