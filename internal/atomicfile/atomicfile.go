// Package atomicfile writes small files that are whole or not there: a full disk, a
// kill or lost power leaves the old file or the new one, never a part.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// temporary begins the names of files and folders that are not finished.
const temporary = ".new-"

// Write puts data into the file at path, with that mode. It writes another file in the
// same folder, syncs it and renames it; if it fails, path is as it was and nothing else
// is left. Two writers of one path may write at the same time: one of them wins. What
// is there and is not a file, such as /dev/null, is left alone: that is an error.
func Write(path string, data []byte, mode fs.FileMode) (err error) {
	if fi, err := os.Stat(path); err == nil && !fi.Mode().IsRegular() {
		return fmt.Errorf("write %s: it is there and is not a file", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), temporary+"*")
	if err != nil {
		return of(path, err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync() // a rename may reach the disk before what was written
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return of(path, err)
}

// most is how many bytes [Read] takes.
const most = 1 << 20

// Read is the content of a small file: one of more than a MiB, or without an end, is an
// error. A folder may have come with somebody else's project.
func Read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && len(b) > most {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it is too large, as it has more than %d bytes", most)}
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// of names the file that was meant, not the temporary one.
func of(path string, err error) error {
	var wrong *fs.PathError
	var link *os.LinkError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		err = wrong.Err
	case errors.As(err, &link):
		err = link.Err
	}
	return fmt.Errorf("write %s: %w", path, err)
}

// TempDir makes a folder in dir that is to be renamed when it is complete. What a
// killed process leaves of it, [Clean] removes.
func TempDir(dir string) (string, error) { return os.MkdirTemp(dir, temporary+"*") }

// Clean removes from a folder what killed processes have left of [Write] and
// [TempDir]. Nobody may write there at the time.
func Clean(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, e := range entries {
		if len(e.Name()) > len(temporary) && e.Name()[:len(temporary)] == temporary {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}
