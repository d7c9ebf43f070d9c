package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dev"
	"github.com/wirepost/wirepost/internal/hint"
	"github.com/wirepost/wirepost/internal/terminal"
	_ "github.com/wirepost/wirepost/sqlitestore" // the default store
)

// folder is where dev keeps what outlives it. The other commands, run in the same
// directory, find it there.
const folder = dev.Folder(".wirepost")

// storeURL is the flag, the environment, or the store of the folder's last dev.
func storeURL(flagged string) string {
	return cmp.Or(flagged, os.Getenv("WIREPOST_STORE"), folder.StoreURL())
}

// storeFlag is what a command in a hint has to say again of a store.
func storeFlag(flagged string) string {
	if flagged == "" {
		return ""
	}
	return " --store " + terminal.Word(flagged)
}

// openStore opens a store that should be there already: only dev makes one.
func openStore(ctx context.Context, url string) (wirepost.Store, error) {
	if strings.HasPrefix(url, "mem:") {
		return nil, hint.New(errors.New("an in-memory store cannot be shared between processes"), "use sqlite:PATH for both")
	}
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		// A link that leads nowhere is there, and the store explains it.
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			cure := "run 'wirepost dev' in this folder, or name a store with --store or WIREPOST_STORE"
			if strings.Contains(path, "~/") || strings.Contains(path, "$") {
				cure = "write the whole path: a shell expands ~ only at the start of a word, and nothing expands it in a file"
			}
			return nil, hint.New(fmt.Errorf("there is no store at %s", path), cure)
		}
	}
	return wirepost.OpenStore(ctx, url)
}
