//go:build unix

package dev

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/wirepost/wirepost/internal/hint"
)

// lockFolder keeps a second dev out of the folder. The lock ends with the
// process, however it ends. note is what the second one is told.
func lockFolder(folder Folder) (note func(string), unlock func(), err error) {
	path := folder.file("dev.lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("lock the folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, nil, fmt.Errorf("lock %s: %w", path, err)
		}
		who, _ := io.ReadAll(io.LimitReader(f, 200))
		text := "wirepost dev is already running in this folder"
		if s := strings.TrimSpace(string(who)); s != "" {
			text += " (" + s + ")"
		}
		return nil, nil, hint.New(errors.New(text), "end it with Ctrl-C, or run this one in another folder")
	}
	note = func(s string) {
		f.Truncate(0)
		f.WriteAt([]byte(s+"\n"), 0)
	}
	return note, func() { f.Close() }, nil
}
