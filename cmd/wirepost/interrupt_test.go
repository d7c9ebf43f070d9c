//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// interruptReader is a program of scripts: interrupt PIPE COMMAND… makes a pipe that
// answers nobody, starts the command, interrupts it once when it reads the pipe, and
// prints its exit status and whether it ended at once.
func interruptReader() {
	pipe := os.Args[1]
	if err := os.MkdirAll(filepath.Dir(pipe), 0o700); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Remove(pipe)
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	c := exec.Command(os.Args[2], os.Args[3:]...)
	c.Stdout, c.Stderr = os.Stdout, os.Stdout
	if err := c.Start(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	ended := make(chan struct{})
	go func() { c.Wait(); close(ended) }() // ends with the command
	if err := awaitReader(pipe, ended); err != nil {
		fmt.Println(err)
		c.Process.Kill()
		os.Exit(1)
	}
	start := time.Now()
	c.Process.Signal(os.Interrupt)
	select {
	case <-ended:
		fmt.Printf("exit status %d, at once: %v\n", c.ProcessState.ExitCode(), time.Since(start) < 5*time.Second)
	case <-time.After(20 * time.Second):
		c.Process.Kill()
		fmt.Println("it did not end")
	}
}

// awaitReader waits until somebody reads a pipe, and keeps the pipe open.
func awaitReader(pipe string, ended <-chan struct{}) error {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(20 * time.Second); ; {
		_, err := syscall.Open(pipe, syscall.O_WRONLY|syscall.O_NONBLOCK, 0) // until this process ends
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.ENXIO) || time.Now().After(end) {
			return fmt.Errorf("nobody reads %s: %w", pipe, err)
		}
		select {
		case <-ticker.C:
		case <-ended:
			return errors.New("it ended before it had read the pipe")
		}
	}
}

// What is started and does not hang is ended in its own time, and an interrupt of the
// start is no failure.
func TestAnInterruptOfTheStartIsNoFailure(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("bootstrap", []byte("#!/bin/sh\necho started\nexec sleep 100\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	out := &transcript{said: make(chan struct{}, 1)}
	ended := make(chan int, 1)
	go func() { // ends with the interrupt
		ended <- run(ctx, []string{"dev", "--listen", "127.0.0.1:0", "--", "./bootstrap"}, strings.NewReader(""), out, out)
	}()
	r := &running{output: out}
	r.await(t, `(started)$`)
	interrupt()
	if status := <-ended; status != exitDone || strings.Contains(out.String(), "error:") {
		t.Errorf("exit status %d:\n%s", status, out)
	}
	if _, err := os.Stat(controlFile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the control address is still kept: %v", err)
	}
}
