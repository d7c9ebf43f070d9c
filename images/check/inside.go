//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// inside is a program that runs with an image as its root folder, as the image's user,
// where the image says.
type inside struct {
	cmd   *exec.Cmd
	lines chan string // of standard output; closed at its end

	mu   sync.Mutex
	said bytes.Buffer // what it has printed, for errors
}

// command makes one, with nothing of this machine's environment.
func (i *image) command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Path, c.Err = args[0], nil // which is in the image
	c.Dir = i.config.WorkingDir
	c.Env = []string{"HOME=/"}
	c.WaitDelay = time.Second
	c.SysProcAttr = &syscall.SysProcAttr{Chroot: i.root, Pdeathsig: syscall.SIGKILL}
	if i.config.User == "" {
		return c, nil
	}
	user, group, _ := strings.Cut(i.config.User, ":")
	uid, err := strconv.ParseUint(user, 10, 32)
	gid, err2 := strconv.ParseUint(group, 10, 32)
	if err := errors.Join(err, err2); err != nil {
		return nil, fmt.Errorf("read the user %q of %s: want two numbers, because the image knows no names: %w", i.config.User, i.name, err)
	}
	c.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return c, nil
}

// once runs a program of the image to its end.
func (i *image) once(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c, err := i.command(ctx, args...)
	if err != nil {
		return "", err
	}
	said, err := c.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, said)
	}
	return string(said), err
}

// begin starts a program that serves. The caller ends it.
func (i *image) begin(ctx context.Context, args ...string) (*inside, error) {
	c, err := i.command(ctx, args...)
	if err != nil {
		return nil, err
	}
	return begin(c)
}

func begin(c *exec.Cmd) (*inside, error) {
	p := &inside{cmd: c, lines: make(chan string, 1000)}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.Stderr = p
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Path, err)
	}
	go func() { // ends when the program has closed its standard output
		defer close(p.lines)
		for s := bufio.NewScanner(io.TeeReader(out, p)); s.Scan(); {
			select {
			case p.lines <- s.Text():
			default: // nobody waits for what comes so late
			}
		}
	}()
	return p, nil
}

// Write keeps what the program says.
func (p *inside) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.Write(b)
}

func (p *inside) all() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

// address waits for the line of dev that begins with a name, and is what follows.
func (p *inside) address(ctx context.Context, name string) (string, error) {
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				return "", fmt.Errorf("it ended without a line %q:\n%s", name, p.all())
			}
			if rest, ok := strings.CutPrefix(line, name+" "); ok {
				return strings.TrimSpace(rest), nil
			}
		case <-late.C:
			return "", fmt.Errorf("it did not print a line %q in 30 s:\n%s", name, p.all())
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// end asks the program to end, as an engine does that stops a container, and says whether
// it did so by itself.
func (p *inside) end() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	kill := time.AfterFunc(10*time.Second, func() { p.cmd.Process.Kill() })
	defer kill.Stop()
	for range p.lines { // until it has closed its standard output
	}
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("it did not end by itself at SIGTERM: %w\n%s", err, p.all())
	}
	return nil
}

// stop ends a program whose end is not what is looked at.
func (p *inside) stop() {
	if p.cmd.ProcessState == nil {
		p.cmd.Process.Kill()
		p.cmd.Wait()
	}
}
