package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// emulators are Debian's programs of qemu-user-static, by the processor that they stand in
// for. They run a Linux program and need no rights.
var emulators = map[string]string{"arm64": "qemu-aarch64-static", "amd64": "qemu-x86_64-static"}

// patience is how long one program may take; an emulated one needs some seconds.
const patience = time.Minute

// archivesStart unpacks the Linux archives and runs their commands.
func archivesStart(ctx context.Context, r *release) error {
	var wrong []error
	for _, p := range platforms {
		if p.os != "linux" {
			continue
		}
		if err := archiveStarts(ctx, r, p); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", r.archiveName(p), err))
		}
	}
	return errors.Join(wrong...)
}

func archiveStarts(ctx context.Context, r *release, p platform) error {
	to, err := os.MkdirTemp("", "wirepost-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(to)
	// As people unpack it.
	if _, err := run(ctx, "tar", "-xzf", r.path(r.archiveName(p)), "-C", to); err != nil {
		return err
	}
	command := filepath.Join(to, "wirepost")
	if err := r.saysItsVersion(ctx, p.arch, command); err != nil {
		return err
	}
	for file, shell := range map[string]string{"wirepost.bash": "bash", "_wirepost": "zsh", "wirepost.fish": "fish", "wirepost.ps1": "powershell"} {
		have, err := os.ReadFile(filepath.Join(to, "completions", file))
		if err != nil {
			return err
		}
		want, err := start(ctx, p.arch, command, "completion", shell)
		if err != nil {
			return err
		}
		if string(have) != want {
			return fmt.Errorf("completions/%s is not what 'wirepost completion %s' prints", file, shell)
		}
	}
	return nil
}

// saysItsVersion runs `wirepost version` of a Linux command.
func (r *release) saysItsVersion(ctx context.Context, arch, command string) error {
	said, err := start(ctx, arch, command, "version")
	if err != nil {
		return err
	}
	want := regexp.MustCompile(`^wirepost ` + regexp.QuoteMeta(r.version) + ` \(go1\.\S+, linux/` + arch + `\)\n$`)
	if !want.MatchString(said) {
		return fmt.Errorf("'wirepost version' printed %q: want version %s for linux/%s", said, r.version, arch)
	}
	return nil
}

// start runs a Linux program, by qemu if it is for another processor.
func start(ctx context.Context, arch, program string, args ...string) (string, error) {
	if arch == runtime.GOARCH {
		return run(ctx, program, args...)
	}
	return run(ctx, emulators[arch], append([]string{program}, args...)...)
}

// run is what a program prints; an error has what it said.
func run(ctx context.Context, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
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
