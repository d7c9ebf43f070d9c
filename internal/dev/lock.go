package dev

import (
	"context"
	"fmt"
	"os"
)

// lock is the part that makes the folder, keeps a second dev out of it, and removes
// what a killed one has left.
type lock struct {
	c *Config

	note   func(string) // what a second dev is told
	unlock func()
}

func (l *lock) start(context.Context) (err error) {
	l.c.Report.Begins("reading the folder " + string(l.c.Folder))
	if err := os.MkdirAll(string(l.c.Folder), 0o700); err != nil {
		return fmt.Errorf("make the folder for the store: %w", err)
	}
	if l.note, l.unlock, err = lockFolder(l.c.Folder); err != nil {
		return err
	}
	if err := l.c.Folder.clear(); err != nil {
		l.unlock()
		return fmt.Errorf("remove what a killed run has left: %w", err)
	}
	return nil
}

func (l *lock) stop(context.Context) error {
	l.unlock()
	return nil
}
