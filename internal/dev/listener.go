package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/wirepost/wirepost/internal/hint"
)

// listener is the part that has the port where clients connect and publishers post. It
// listens long before anybody is let in, because functions have to know the port.
type listener struct {
	c *Config
	net.Listener
}

func (l *listener) start(ctx context.Context) (err error) {
	l.Listener, err = new(net.ListenConfig).Listen(ctx, "tcp", l.c.Listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return hint.New(fmt.Errorf("the address %s is taken by another program", l.c.Listen), "choose another with --listen, such as --listen 127.0.0.1:0 for a free port; a 'wirepost dev' has its control address on the port after its own")
	case err != nil:
		return hint.New(fmt.Errorf("listen on %s: %w", l.c.Listen, err), "give an address of this machine and a port, such as 127.0.0.1:3001")
	}
	return nil
}

func (l *listener) stop(context.Context) error {
	if err := l.Close(); !errors.Is(err, net.ErrClosed) { // the gateway closes it, too
		return err
	}
	return nil
}

func (l *listener) address() *net.TCPAddr { return l.Addr().(*net.TCPAddr) }

// tookFreePort reports whether the port is one that the system chose.
func (l *listener) tookFreePort() bool {
	_, port, _ := net.SplitHostPort(l.c.Listen) // it listens there
	n, err := strconv.Atoi(port)
	return port == "" || err == nil && n == 0
}

// domain is the gateway's name and port for programs on this machine.
func (l *listener) domain() string {
	return net.JoinHostPort("localhost", strconv.Itoa(l.address().Port))
}

// endpointOf is the management endpoint of a stage.
func (l *listener) endpointOf(stage string) string { return "http://" + l.domain() + "/" + stage }

func (l *listener) endpoint() string { return l.endpointOf(l.c.Stage) }

// connect is where clients connect, at the address that was asked for.
func (l *listener) connect() string {
	host, _, _ := net.SplitHostPort(l.c.Listen) // it listens there
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return fmt.Sprintf("ws://%s/%s", net.JoinHostPort(host, strconv.Itoa(l.address().Port)), l.c.Stage)
}
