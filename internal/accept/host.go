package accept

import (
	"net"
	"net/netip"
	"strings"
)

// IsLocal reports whether a Host header names this machine: localhost or a loopback
// address, with or without a port. A page whose own name was pointed here (DNS
// rebinding) sends that name.
func IsLocal(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	a, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return strings.EqualFold(name, "localhost") || err == nil && a.IsLoopback()
}
