package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
)

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

// open listens where the flags say.
func (d *devFlags) open(ctx context.Context) (net.Listener, error) {
	l, err := listen(ctx, d.listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &hinted{fmt.Errorf("the address %s is taken by another program", d.listen), "choose another with --listen, such as --listen 127.0.0.1:0 for a free port; a 'wirepost dev' has its control address on the port after its own"}
	case err != nil:
		return nil, &hinted{fmt.Errorf("listen on %s: %w", d.listen, err), "give an address of this machine and a port, such as 127.0.0.1:3001"}
	}
	if ip := l.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() && !ip.IsUnspecified() { // of a name, or with a zone
		l.Close()
		return nil, &hinted{errors.New(notLocalhost(d.listen)), notLocalhostHint}
	}
	return l, nil
}

func notLocalhost(address string) string {
	return fmt.Sprintf("--listen %s: functions on this machine post to localhost, which does not answer on that address", address)
}

const notLocalhostHint = "listen on 0.0.0.0 for all addresses, or on 127.0.0.1 for this machine"

// domainOf is the domainName of events, by which this machine reaches the gateway. It
// is localhost but for loopback addresses that localhost is not.
func domainOf(address *net.TCPAddr) string {
	host := "localhost"
	if ip := address.IP; ip.IsLoopback() && !ip.Equal(net.IPv4(127, 0, 0, 1)) && !ip.Equal(net.IPv6loopback) {
		host = ip.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(address.Port))
}

// ownNames are the names by which other machines may know this one.
func ownNames() (names []string) {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return nil
	}
	first, _, _ := strings.Cut(name, ".")
	return []string{name, first, first + ".local"}
}
