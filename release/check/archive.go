package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// archive is what is in one, by its path.
type archive struct {
	name  string
	files map[string]file
}

type file struct {
	content []byte
	mode    fs.FileMode
}

// archiveName is that of the archive for a platform.
func (r *release) archiveName(p platform) string {
	end := "tar.gz"
	if p.os == "windows" {
		end = "zip"
	}
	return fmt.Sprintf("wirepost_%s_%s_%s.%s", r.version, p.os, p.arch, end)
}

// command is the name of the program in an archive.
func (p platform) command() string {
	if p.os == "windows" {
		return "wirepost.exe"
	}
	return "wirepost"
}

// archive reads the one for a platform.
func (r *release) archive(p platform) (*archive, error) {
	a := &archive{name: r.archiveName(p), files: map[string]file{}}
	content, err := os.ReadFile(r.path(a.name))
	if err != nil {
		return nil, fmt.Errorf("read the archive for %v: %w", p, err)
	}
	read := a.readTar
	if p.os == "windows" {
		read = a.readZip
	}
	if err := read(content); err != nil {
		return nil, fmt.Errorf("read %s: %w", a.name, err)
	}
	return a, nil
}

// add takes one file, which has to be below the folder that the archive is unpacked into.
func (a *archive) add(name string, mode fs.FileMode, content io.Reader) error {
	if !fs.ValidPath(name) {
		return fmt.Errorf("%q leads out of the folder that the archive is unpacked into", name)
	}
	all, err := io.ReadAll(content)
	a.files[name] = file{all, mode}
	return err
}

func (a *archive) readTar(content []byte) error {
	unzipped, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return err
	}
	for t := tar.NewReader(unzipped); ; {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case h.Typeflag == tar.TypeDir:
			continue
		}
		if err := a.add(h.Name, h.FileInfo().Mode(), t); err != nil {
			return err
		}
	}
}

func (a *archive) readZip(content []byte) error {
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return err
	}
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		from, err := f.Open()
		if err != nil {
			return err
		}
		err = a.add(f.Name, f.Mode(), from)
		if err := errors.Join(err, from.Close()); err != nil {
			return err
		}
	}
	return nil
}

// manualPages are the names of those that there are to be: one for each command.
func manualPages() ([]string, error) {
	pages, err := filepath.Glob("bin/man1/*.1")
	if err != nil || len(pages) < 2 {
		return nil, fmt.Errorf("find the manual pages in bin/man1: %w; run make man", errors.Join(err, fs.ErrNotExist))
	}
	for i, page := range pages {
		pages[i] = filepath.Base(page)
	}
	return pages, nil
}

// archivesAreComplete looks at the files of each archive, and at what Go has written into
// the command of what it was built for.
func archivesAreComplete(_ context.Context, r *release) error {
	pages, err := manualPages()
	if err != nil {
		return err
	}
	want := []string{"LICENSE", "README.md", "CHANGELOG.md", "completions/wirepost.bash", "completions/_wirepost", "completions/wirepost.fish", "completions/wirepost.ps1"}
	for _, page := range pages {
		want = append(want, "man/man1/"+page)
	}
	var wrong []error
	for _, p := range platforms {
		a, err := r.archive(p)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		for _, name := range append(slices.Clone(want), p.command()) {
			if len(a.files[name].content) == 0 {
				wrong = append(wrong, fmt.Errorf("%s lacks %s, or it is empty", a.name, name))
			}
		}
		if len(a.files) != len(want)+1 {
			wrong = append(wrong, fmt.Errorf("%s has %d files, and %d are known", a.name, len(a.files), len(want)+1))
		}
		wrong = append(wrong, builtFor(a, p))
	}
	return errors.Join(wrong...)
}

// builtFor says whether the command of an archive is one of this module for its platform,
// which needs no C library and tells nothing of the machine that built it.
func builtFor(a *archive, p platform) error {
	command := a.files[p.command()]
	if command.mode&0o111 != 0o111 {
		return fmt.Errorf("%s of %s may not be executed: its mode is %v", p.command(), a.name, command.mode)
	}
	info, err := buildinfo.Read(bytes.NewReader(command.content))
	if err != nil {
		return fmt.Errorf("read how %s of %s was built: %w", p.command(), a.name, err)
	}
	if info.Path != "github.com/wirepost/wirepost/cmd/wirepost" {
		return fmt.Errorf("%s has the command %s", a.name, info.Path)
	}
	for _, want := range [][2]string{{"GOOS", p.os}, {"GOARCH", p.arch}, {"CGO_ENABLED", "0"}, {"-trimpath", "true"}} {
		got := ""
		for _, s := range info.Settings {
			if s.Key == want[0] {
				got = s.Value
			}
		}
		if got != want[1] {
			return fmt.Errorf("the command of %s was built with %s=%s, not %s", a.name, want[0], got, want[1])
		}
	}
	return nil
}
