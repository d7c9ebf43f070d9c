package dev

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/wirepost/wirepost/internal/atomicfile"
)

const (
	// maxUnpacked is how large the code of a function may be once it is unpacked (AWS
	// docs, Lambda developer guide, "Lambda quotas": 250 MB).
	maxUnpacked = 250 << 20
	// maxUnpackedFiles is how many files it may have. The number is our own: a million
	// empty files have no size, and take hours and the inodes of the disk.
	maxUnpackedFiles = 100_000
)

var errUnpackedSize = errors.New("it has more than 250 MB, and AWS Lambda takes no more")

// unpack puts the files of a function's zip file into a folder, which has nothing
// else afterwards. If the zip file is refused, or the disk is full, the folder is as it
// was and nothing is left next to it. What a killed process leaves is cleared by
// the lock.
func unpack(file, folder string) error {
	if fi, err := os.Stat(file); err != nil {
		return err
	} else if !fi.Mode().IsRegular() { // such as a pipe, of which nobody may ever write the other end
		return fmt.Errorf("%s is not a file", file)
	}
	z, err := zip.OpenReader(file)
	if err != nil {
		return err
	}
	defer z.Close()
	if err := checkArchive(z.File); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o700); err != nil {
		return err
	}
	whole, err := atomicfile.TempDir(filepath.Dir(folder))
	if err != nil {
		return err
	}
	if err = unpackFiles(z.File, whole); err == nil {
		if err = os.RemoveAll(folder); err == nil {
			err = os.Rename(whole, folder)
		}
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(whole))
	}
	return nil
}

// checkArchive says what is wrong with an archive before any of it is written, as far
// as its directory shows it.
func checkArchive(files []*zip.File) error {
	if len(files) > maxUnpackedFiles {
		return fmt.Errorf("it has %d files, and %d at most are unpacked", len(files), maxUnpackedFiles)
	}
	names := make(map[string]bool, len(files))
	left := uint64(maxUnpacked)
	for _, f := range files {
		if !filepath.IsLocal(f.Name) || strings.ContainsRune(f.Name, 0) {
			return fmt.Errorf("it has the file %q, which would not be in its folder", f.Name)
		}
		mode := f.Mode()
		if !mode.IsDir() && !mode.IsRegular() {
			return fmt.Errorf("%q is neither a file nor a folder", f.Name)
		}
		name := filepath.Clean(filepath.FromSlash(f.Name))
		if names[name] && !mode.IsDir() {
			return fmt.Errorf("it has the file %q twice", f.Name)
		}
		names[name] = names[name] || !mode.IsDir()
		if f.UncompressedSize64 > left {
			return errUnpackedSize
		}
		left -= f.UncompressedSize64
	}
	return nil
}

func unpackFiles(files []*zip.File, folder string) (err error) {
	left := int64(maxUnpacked)
	for _, f := range files {
		path := filepath.Join(folder, filepath.FromSlash(f.Name))
		if f.Mode().IsDir() {
			err = os.MkdirAll(path, 0o700)
		} else {
			left, err = unpackFile(f, path, left)
		}
		switch {
		case errors.Is(err, errUnpackedSize):
			return err
		case err != nil:
			return entryError(f.Name, err)
		}
	}
	return nil
}

// entryError names the file of the archive, and not the temporary one.
func entryError(name string, err error) error {
	if wrong, ok := errors.AsType[*fs.PathError](err); ok {
		err = wrong.Err
	}
	if errors.Is(err, fs.ErrExist) { // this file system may take two names for one
		return fmt.Errorf("%q: it has another file that this file system takes for the same one: %w", name, err)
	}
	return fmt.Errorf("%q: %w", name, err)
}

// unpackFile writes one file of at most so many bytes, and returns how many are left.
// What the archive's directory says of its size need not be true.
func unpackFile(f *zip.File, path string, left int64) (int64, error) {
	r, err := f.Open()
	if err != nil {
		return left, err
	}
	defer r.Close()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return left, err
	}
	w, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600|f.Mode()&0o100)
	if err != nil {
		return left, err
	}
	n, err := io.Copy(w, io.LimitReader(r, left+1))
	if closed := w.Close(); err == nil {
		err = closed
	}
	if err == nil && n > left {
		err = errUnpackedSize
	}
	return left - n, err
}
