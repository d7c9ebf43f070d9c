package main

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// maxUnpacked is how large the code of a function may be once it is unpacked (AWS
// docs, Lambda developer guide, "Lambda quotas": 250 MB).
const maxUnpacked = 250 << 20

// unpack puts the files of a function's zip file into a folder, which has nothing
// else afterwards.
func unpack(file, folder string) error {
	z, err := zip.OpenReader(file)
	if err != nil {
		return err
	}
	defer z.Close()
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	left := int64(maxUnpacked)
	for _, f := range z.File {
		if !filepath.IsLocal(f.Name) {
			return fmt.Errorf("it has the file %q, which would not be in its folder", f.Name)
		}
		path := filepath.Join(folder, filepath.FromSlash(f.Name))
		switch mode := f.Mode(); {
		case mode.IsDir():
			err = os.MkdirAll(path, 0o700)
		case mode.IsRegular():
			left, err = unpackFile(f, path, left)
		default:
			err = fmt.Errorf("%s is neither a file nor a folder", f.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unpackFile writes one file of at most so many bytes, and is how many are left.
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
		err = errors.New("it has more than 250 MB, and AWS Lambda takes no more")
	}
	return left - n, err
}
