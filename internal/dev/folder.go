package dev

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/wirepost/wirepost/internal/atomicfile"
	_ "github.com/wirepost/wirepost/sqlitestore" // the default store
)

// Folder is where a dev keeps what outlives it: the store, the API ID and the key pair.
// The commands that are run next to it find them there. It is a path, which need not
// exist, and relative ones are of the working directory.
type Folder string

// file is the path of something in the folder.
func (f Folder) file(name string) string { return filepath.Join(string(f), name) }

// DefaultStore is the URL of the store in the folder.
func (f Folder) DefaultStore() string { return "sqlite:" + string(f) + "/store.db" }

// HasDefaultStore reports whether there is a store in the folder.
func (f Folder) HasDefaultStore() bool {
	_, err := os.Stat(strings.TrimPrefix(f.DefaultStore(), "sqlite:"))
	return !errors.Is(err, fs.ErrNotExist)
}

// StoreURL is the store of the folder's last dev.
func (f Folder) StoreURL() string {
	kept, _ := atomicfile.Read(f.storeFile())
	return cmp.Or(strings.TrimSpace(string(kept)), f.DefaultStore())
}

// storeFile has the URL of the store of the folder's last dev, if that is another
// than the default: the commands next to a dev need no flags.
func (f Folder) storeFile() string { return f.file("store-url") }

func (f Folder) keepStoreURL(url string) error {
	if url == f.DefaultStore() {
		if err := os.Remove(f.storeFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget the last store: %w", err)
		}
		return nil
	}
	if err := atomicfile.Write(f.storeFile(), []byte(url+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep the store's URL for other commands: %w", err)
	}
	return nil
}

// clear removes what a dev that was killed has not finished. The folder is locked.
func (f Folder) clear() error {
	err := errors.Join(atomicfile.Clean(string(f)), atomicfile.Clean(f.file("layers")))
	functions := f.file("functions")
	entries, _ := os.ReadDir(functions) // not there: no function has run here
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		err = errors.Join(err, atomicfile.Clean(filepath.Join(functions, e.Name())))
	}
	return err
}
