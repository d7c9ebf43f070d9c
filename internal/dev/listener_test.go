//go:build unix

package dev

import (
	"net"
	"strings"
	"testing"
)

func TestAnAddressIsListenedOnAndNoOther(t *testing.T) {
	for address, want := range map[string][2]bool{ // on IPv4, on IPv6
		"127.0.0.1:0":        {true, false},
		"127.0.0.2:0":        {false, false}, // localhost is neither
		"0.0.0.0:0":          {true, false},
		"[::ffff:0.0.0.0]:0": {true, false},
		"[::1]:0":            {false, true},
		"[::]:0":             {true, true},
		":0":                 {true, true},
		"localhost:0":        {true, false},
	} {
		l := &listener{c: &Config{Listen: address, Report: silent{}}}
		if err := l.start(t.Context()); err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		for i, host := range []string{"127.0.0.1", "::1"} {
			nc, err := net.Dial("tcp", net.JoinHostPort(host, port))
			if err == nil {
				nc.Close()
			}
			if (err == nil) != want[i] {
				t.Errorf("%s answers on %s: %v", address, host, err)
			}
		}
		l.Close()
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.IsLoopback() {
			continue
		}
		if err := (&listener{c: &Config{Listen: net.JoinHostPort(n.IP.String()+zoneOf(n.IP), "0"), Report: silent{}}}).start(t.Context()); err == nil || !strings.Contains(err.Error(), "does not answer on that address") {
			t.Errorf("%s: %v", n.IP, err)
		}
	}
}

// zoneOf is the zone of a link-local address, which ends in it where it is written.
func zoneOf(ip net.IP) string {
	all, _ := net.Interfaces()
	for _, i := range all {
		own, _ := i.Addrs()
		for _, a := range own {
			if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip) && ip.IsLinkLocalUnicast() && ip.To4() == nil {
				return "%" + i.Name
			}
		}
	}
	return ""
}
