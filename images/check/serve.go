//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/wireposttest"
)

// devServes starts the image's own command, but on a free port, connects a client, and
// sends to it by a second program in the image, as `docker exec` does.
func devServes(ctx context.Context, i *image) error {
	if !slices.Equal(i.config.Cmd, []string{"dev", "--listen", "0.0.0.0:3001"}) {
		return fmt.Errorf("its command is %q", i.config.Cmd)
	}
	if _, ok := i.config.ExposedPorts["3001/tcp"]; !ok || i.config.User == "" || i.config.User == "0" {
		return fmt.Errorf("it exposes %v and runs as %q: want 3001/tcp, and not root", i.config.ExposedPorts, i.config.User)
	}
	args := append(slices.Clone(i.config.Entrypoint), i.config.Cmd...)
	args[len(args)-1] = "0.0.0.0:0"
	p, err := i.begin(ctx, args...)
	if err != nil {
		return err
	}
	defer p.stop()
	page, err := p.address(ctx, "page")
	if err != nil {
		return err
	}
	if err := answers(ctx, page); err != nil {
		return err
	}
	connect, err := p.address(ctx, "connect")
	if err != nil {
		return err
	}
	send := func() error {
		said, err := i.once(ctx, "/usr/bin/wirepost", "send", "--to", "topic:lobby", `{"text":"hi"}`)
		if err == nil && !strings.Contains(said, "sent 1") {
			err = fmt.Errorf("send printed %q", said)
		}
		return err
	}
	if err := receives(ctx, connect, send); err != nil {
		return errors.Join(err, errors.New(p.all()))
	}
	return p.end()
}

// answers says whether a page is served.
func answers(ctx context.Context, page string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the page %s answers %s", page, answer.Status)
	}
	return nil
}

// receives connects a client of the protocol as alice in the lobby, and waits for the
// message that send causes. With no function send, the client sends it to itself.
func receives(ctx context.Context, connect string, send func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	at, err := url.Parse(connect)
	if err != nil {
		return err
	}
	at.Host = "127.0.0.1:" + at.Port()
	at.RawQuery = "user=alice&topic=lobby"
	client, err := wireposttest.Dial(ctx, at.String(), http.Header{"Sec-Websocket-Protocol": {wirepost.Subprotocol}})
	if err != nil {
		return fmt.Errorf("connect a client: %w", err)
	}
	defer client.Cut()
	if send == nil {
		send = func() error { return client.Send(`{"action":"send","to":"topic:lobby","data":{"text":"hi"}}`) }
	}
	if err := send(); err != nil {
		return err
	}
	for {
		frame, err := client.Receive(ctx)
		if err != nil {
			return fmt.Errorf("wait for the message: %w", err)
		}
		if strings.Contains(frame, `{"text":"hi"}`) {
			return nil
		}
	}
}

// functionAnswers runs the function under dev as its image does, with the other image as
// its root folder, and connects a client, which sends a message to itself through it.
func functionAnswers(ctx context.Context, i *image) error {
	folder, err := os.MkdirTemp("", "wirepost-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	wirepost, err := filepath.Abs(filepath.Join("bin/images/dev", runtime.GOARCH, "wirepost"))
	if err != nil {
		return err
	}
	// Neither root nor a user of the image: Lambda takes one of its own.
	args := append([]string{"dev", "--listen", "0.0.0.0:0", "--", "chroot", "--userspec=993:990", i.root}, i.config.Entrypoint...)
	c := exec.CommandContext(ctx, wirepost, args...)
	c.Dir, c.WaitDelay = folder, time.Second
	p, err := begin(c)
	if err != nil {
		return err
	}
	defer p.stop()
	connect, err := p.address(ctx, "connect")
	if err != nil {
		return err
	}
	if err := receives(ctx, connect, nil); err != nil {
		return errors.Join(err, errors.New(p.all()))
	}
	return p.end()
}

// emulated runs a program of an image for another processor, outside of it.
func emulated(ctx context.Context, i *image, args ...string) (string, error) {
	emulator := map[string]string{"arm64": "qemu-aarch64-static", "amd64": "qemu-x86_64-static"}[other()]
	return run(ctx, emulator, append([]string{filepath.Join(i.root, i.config.Entrypoint[0])}, args...)...)
}

func devStarts(ctx context.Context, i *image) error {
	said, err := emulated(ctx, i, "version")
	if err == nil && !strings.Contains(said, "linux/"+other()) {
		err = fmt.Errorf("it printed %q", said)
	}
	return err
}

// functionStarts is content with the error of a function that was given nothing.
func functionStarts(ctx context.Context, i *image) error {
	_, err := emulated(ctx, i)
	if err == nil || !strings.Contains(err.Error(), "WIREPOST_STORE") {
		return fmt.Errorf("it did not ask for WIREPOST_STORE: %w", err)
	}
	return nil
}
