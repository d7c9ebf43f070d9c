package main

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// startDevProcess runs 'wirepost dev' in a process and a folder of its own. Neither the
// working directory nor the environment of the tests is changed, so those that need nothing
// else may run next to each other. env has NAME=VALUE for this dev.
func startDevProcess(t *testing.T, env []string, args ...string) *running {
	t.Helper()
	r := &running{output: &transcript{said: make(chan struct{}, 1)}, folder: t.TempDir(), env: env}
	ctx, cancel := context.WithCancel(context.Background())
	dev := process(ctx, r.folder, env, append([]string{"dev", "--listen", "127.0.0.1:0"}, args...)...)
	dev.Stdout, dev.Stderr = r.output, r.output
	if err := dev.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	r.stop = sync.OnceValue(func() int {
		cancel()
		if err := dev.Wait(); dev.ProcessState == nil {
			t.Errorf("wait for the dev: %v", err)
			return -1
		}
		return dev.ProcessState.ExitCode() // -1 if it did not end within a minute
	})
	r.endsWith(t)
	r.url = r.await(t, `^connect +(ws://\S+)$`)[1]
	return r
}

// process is a command in a folder, which is asked to end when ctx ends, and has a minute for
// it.
func process(ctx context.Context, folder string, env []string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "wirepost", args...)
	c.Dir, c.Env = folder, append(os.Environ(), env...)
	c.Cancel, c.WaitDelay = func() error { return c.Process.Signal(os.Interrupt) }, time.Minute
	return c
}

// command runs a command in the folder of a dev that is a process, and gives what it prints.
func (r *running) command(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	return r.commandWith(t, nil, args...)
}

// commandWith is command with more in the environment.
func (r *running) commandWith(t *testing.T, env []string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := process(ctx, r.folder, append(slices.Clip(r.env), env...), args...)
	var out, errs strings.Builder
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); c.ProcessState == nil {
		t.Fatalf("%q: %v", args, err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

// pathWith is the PATH with a folder before the others.
func pathWith(folder string) (env string) {
	return "PATH=" + folder + string(os.PathListSeparator) + os.Getenv("PATH")
}
