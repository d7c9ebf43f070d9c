//go:build linux

// Check starts the images that scripts/images has built with buildah, without an engine:
// it mounts each and runs its command with the image as root folder, as its user. It is a
// part of `make release-check`, and needs the rights of root:
//
//	go run ./images/check
//
// An image for another processor is mounted, and its command started by qemu outside of it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
)

// image is one that is mounted, with what it says of how it is started.
type image struct {
	name   string
	root   string // where it is mounted
	config config
}

// config is of the image format of OCI.
type config struct {
	User         string
	ExposedPorts map[string]struct{}
	Entrypoint   []string
	Cmd          []string
	WorkingDir   string
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	failed := false
	for _, c := range []struct {
		claim, name, arch string
		run               func(context.Context, *image) error
	}{
		{"the image of dev serves, sends and ends", "dev", runtime.GOARCH, devServes},
		{"the image of dev trusts its certificates, and no others", "dev", runtime.GOARCH, devTrusts},
		{"the image of the function answers a client", "function", runtime.GOARCH, functionAnswers},
		{"the image of dev for the other processor starts", "dev", other(), devStarts},
		{"the image of the function for the other processor starts", "function", other(), functionStarts},
	} {
		began := time.Now()
		err := mounted(ctx, c.name, c.arch, c.run)
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

// other is the processor that this machine does not have.
func other() string {
	if runtime.GOARCH == "arm64" {
		return "amd64"
	}
	return "arm64"
}

// mounted gives a check a container of an image, and removes it.
func mounted(ctx context.Context, name, arch string, check func(context.Context, *image) error) (err error) {
	i := &image{name: fmt.Sprintf("localhost/wirepost-%s:%s-%s", name, wirepost.Version, arch)}
	text, err := run(ctx, "buildah", "inspect", "--type", "image", i.name)
	if err != nil {
		return err
	}
	var inspected struct{ OCIv1 struct{ Config config } }
	if err := json.Unmarshal([]byte(text), &inspected); err != nil {
		return fmt.Errorf("read the configuration of %s: %w", i.name, err)
	}
	i.config = inspected.OCIv1.Config
	container, err := run(ctx, "buildah", "from", "--pull-never", "--arch", arch, i.name)
	if err != nil {
		return err
	}
	container = strings.TrimSpace(container)
	defer func() {
		_, gone := run(context.WithoutCancel(ctx), "buildah", "rm", container)
		err = errors.Join(err, gone)
	}()
	root, err := run(ctx, "buildah", "mount", container)
	if err != nil {
		return err
	}
	i.root = strings.TrimSpace(root)
	if err := i.holdsOnly(name); err != nil {
		return err
	}
	// What each engine, and Lambda, gives a container of its own.
	if err := os.WriteFile(filepath.Join(i.root, "etc/hosts"), []byte("127.0.0.1 localhost\n::1 localhost\n"), 0o644); err != nil {
		return err
	}
	return check(ctx, i)
}

// holdsOnly says whether an image has its program, the certificates and nothing else.
func (i *image) holdsOnly(name string) error {
	program := map[string]string{"dev": "/usr/bin/wirepost", "function": "/bootstrap"}[name]
	if !slices.Equal(i.config.Entrypoint, []string{program}) {
		return fmt.Errorf("%s starts %q: want %s", i.name, i.config.Entrypoint, program)
	}
	var files []string
	err := filepath.WalkDir(i.root, func(at string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, strings.TrimPrefix(at, i.root))
		}
		return err
	})
	if err != nil {
		return err
	}
	want := []string{"/etc/ssl/certs/ca-certificates.crt", program}
	slices.Sort(files)
	slices.Sort(want)
	if !slices.Equal(files, want) {
		return fmt.Errorf("%s has the files %s: want %s", i.name, strings.Join(files, " "), strings.Join(want, " "))
	}
	return nil
}

// run is what a program prints; an error has what it said.
func run(ctx context.Context, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, program, args...)
	c.WaitDelay = time.Second
	var said strings.Builder
	c.Stderr = &said
	printed, err := c.Output()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("%w; run make release-needs, which installs it", err)
	case err != nil:
		return "", fmt.Errorf("%s %s: %w\n%s", filepath.Base(program), strings.Join(args, " "), err, said.String()+string(printed))
	}
	return string(printed), nil
}
