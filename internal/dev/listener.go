package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
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
	l.c.Report.Begins("looking up " + l.c.Listen)
	l.Listener, err = listen(ctx, l.c.Listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return hint.New(fmt.Errorf("the address %s is already in use by another program", l.c.Listen), "choose another with --listen, such as --listen 127.0.0.1:0 for a free port; a 'wirepost dev' has its control address on the port after its own")
	case err != nil:
		return hint.New(fmt.Errorf("listen on %s: %w", l.c.Listen, err), "give an address of this machine and a port, such as 127.0.0.1:3001")
	}
	if ip := l.address().IP; !ip.IsLoopback() && !ip.IsUnspecified() { // of a name, or with a zone
		l.Close()
		return hint.New(errors.New(NotLocalhost(l.c.Listen)), NotLocalhostHint)
	}
	return nil
}

// listen listens at an address and nowhere else: for 0.0.0.0 Go alone would listen on
// IPv6 too. [::] and an address without a host are both families.
func listen(ctx context.Context, address string) (net.Listener, error) {
	network := "tcp"
	if host, _, err := net.SplitHostPort(address); err == nil {
		if a, err := netip.ParseAddr(host); err == nil && a.Unmap().Is4() {
			network = "tcp4"
		}
	}
	var config net.ListenConfig
	return config.Listen(ctx, network, address)
}

// NotLocalhost says why an address that is neither loopback nor unspecified will not do.
func NotLocalhost(address string) string {
	return fmt.Sprintf("--listen %s: functions on this machine post to localhost, which does not answer on that address", address)
}

// NotLocalhostHint is what to do about it.
const NotLocalhostHint = "listen on 0.0.0.0 for all addresses, or on 127.0.0.1 for this machine"

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

// domain is the gateway's name and port for programs on this machine, and the
// domainName of events. It is localhost but for loopback addresses that localhost is
// not.
func (l *listener) domain() string {
	address, host := l.address(), "localhost"
	if ip := address.IP; ip.IsLoopback() && !ip.Equal(net.IPv4(127, 0, 0, 1)) && !ip.Equal(net.IPv6loopback) {
		host = ip.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(address.Port))
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
