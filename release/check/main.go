// Check holds the files of a release against what docs/releasing.md promises of them. It is
// what `make release-check` runs once goreleaser has made them, on Linux, in the folder of
// the repository:
//
//	go run ./release/check dist
//
// It starts the Linux commands, those for another processor by qemu, and installs the
// packages into temporary folders, for which dpkg and rpm want the rights of root;
// scripts/release-needs installs the programs.
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
)

// platforms are those that a release has an archive for.
var platforms = []platform{
	{"linux", "amd64"}, {"linux", "arm64"},
	{"darwin", "amd64"}, {"darwin", "arm64"},
	{"windows", "amd64"}, {"windows", "arm64"},
}

type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

// release is a folder with the files of one version.
type release struct {
	folder  string
	version string
	sums    map[string]string // hexadecimal SHA-256 of each file, as checksums.txt has it
}

// checks are what is promised, in the order in which it is looked at.
var checks = []struct {
	claim string
	run   func(context.Context, *release) error
}{
	{"checksums.txt has each file, and each sum fits", sumsFit},
	{"each archive has the command of its platform, its pages and its completions", archivesAreComplete},
	{"each bill of materials lists the modules of its command", billsAreTrue},
	{"the commands of the Linux archives start", archivesStart},
	{"the Debian packages install, start and go without a trace", debsInstall},
	{"the RPM packages install and start", rpmsInstall},
	{"Homebrew's cask and Scoop's manifest lead to the archives", tapsLead},
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "check: give the folder with the files of a release")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	failed := false
	r, err := open(os.Args[1], wirepost.Version)
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
	for _, c := range checks {
		began := time.Now()
		err := c.run(ctx, r)
		mark := "ok   "
		if failed = failed || err != nil; err != nil {
			mark = "WRONG"
		}
		fmt.Printf("%s  %s (%.1f s)\n", mark, c.claim, time.Since(began).Seconds())
		if err != nil {
			fmt.Printf("\t%s\n", strings.ReplaceAll(err.Error(), "\n", "\n\t"))
		}
	}
	if failed {
		os.Exit(1)
	}
}

// open reads the sums of a folder.
func open(folder, version string) (*release, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(folder, "checksums.txt"))
	if err != nil {
		return nil, fmt.Errorf("open the sums of the release: %w; run make release-check, which makes them", err)
	}
	defer f.Close()
	r := &release{folder: folder, version: version, sums: map[string]string{}}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		sum, name, ok := strings.Cut(lines.Text(), "  ")
		if !ok || filepath.Base(name) != name {
			return nil, fmt.Errorf("read checksums.txt: %q is no sum of a file", lines.Text())
		}
		r.sums[name] = sum
	}
	return r, nil
}

// path is where a file of the release is.
func (r *release) path(name string) string { return filepath.Join(r.folder, name) }

// sumsFit looks at each file that people download.
func sumsFit(_ context.Context, r *release) error {
	var wrong []error
	for name, want := range r.sums {
		content, err := os.ReadFile(r.path(name))
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		if got := sha256.Sum256(content); hex.EncodeToString(got[:]) != want {
			wrong = append(wrong, fmt.Errorf("the sum of %s does not fit", name))
		}
	}
	for _, pattern := range []string{"*.tar.gz", "*.zip", "*.deb", "*.rpm", "*.sbom.json"} {
		files, err := filepath.Glob(r.path(pattern))
		if err != nil {
			return err
		}
		for _, file := range files {
			if name := filepath.Base(file); r.sums[name] == "" {
				wrong = append(wrong, fmt.Errorf("checksums.txt lacks %s", name))
			}
		}
	}
	return errors.Join(wrong...)
}
