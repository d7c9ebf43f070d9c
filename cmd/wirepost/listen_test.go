//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
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
		l, err := (&devFlags{listen: address}).open(t.Context())
		if err != nil {
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
		if l, err := (&devFlags{listen: net.JoinHostPort(n.IP.String()+zoneOf(n.IP), "0")}).open(t.Context()); err == nil || !strings.Contains(err.Error(), "does not answer on that address") {
			t.Errorf("%s: %v, %v", n.IP, l, err)
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

// A phone opens the page by this machine's address or name, and its WebSocket there.
func TestThePageOfAllAddressesOpensItsOwnWebSocket(t *testing.T) {
	d := startDev(t, "--listen", "0.0.0.0:0")
	at, err := url.Parse(clientURL(d))
	if err != nil {
		t.Fatal(err)
	}
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	shake := func(host, origin string) int { return shakeFrom(t, at.Host, host, origin) }
	for host, status := range map[string]int{
		"127.0.0.1": 101, "localhost": 101, "192.168.1.5": 101, "[fd00::5]": 101, strings.ToLower(name): 101,
		"evil.example": 403, name + ".evil.example": 403, "127.0.0.1.evil.example": 403,
	} {
		for _, scheme := range []string{"http://", "https://"} {
			if got := shake(host+":"+at.Port(), scheme+host+":"+at.Port()); got != status {
				t.Errorf("the page at %s%s: %d, want %d", scheme, host, got, status)
			}
		}
	}
	if got := shake(at.Host, "http://192.168.1.5:"+at.Port()); got != 403 {
		t.Errorf("the page of another address: %d", got)
	}
}

// shakeFrom is the status of the handshake of a page: it goes to a host by a name.
func shakeFrom(t *testing.T, to, name, origin string) int {
	t.Helper()
	nc, err := net.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprint(nc, strings.Replace(strings.Replace(handshake, "\r\n\r\n", "\r\nOrigin: "+origin+"\r\n\r\n", 1), "Host: x", "Host: "+name, 1))
	answer, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode
}

func TestAnAllowedOriginMayUseTheExampleToo(t *testing.T) {
	d := startDev(t, "--allow-origin", "https://example.com")
	at, err := url.Parse(clientURL(d))
	if err != nil {
		t.Fatal(err)
	}
	for origin, status := range map[string]int{"https://example.com": 101, "https://evil.example": 403} {
		if got := shakeFrom(t, at.Host, at.Host, origin); got != status {
			t.Errorf("%s: %d, want %d", origin, got, status)
		}
	}
}

func TestALoopbackAddressThatIsNotLocalhostIsUsedAsItIs(t *testing.T) {
	d := startDev(t, "--listen", "127.0.0.2:0")
	c := d.dial(t)
	var out bytes.Buffer
	if status := run(t.Context(), []string{"send", "--to", "user:alice", "hello"}, strings.NewReader(""), &out, &out); status != exitDone || !strings.Contains(out.String(), "sent 1") {
		t.Fatalf("%d %s", status, &out)
	}
	if got, err := c.Receive(t.Context()); err != nil || got != "hello" {
		t.Error(got, err)
	}
	endpoint := d.await(t, `^endpoint +(\S+)$`)[1]
	if r, err := http.Get(strings.Replace(endpoint, "/dev", "/", 1)); err != nil || r.StatusCode != 200 {
		t.Errorf("the page: %v, %v", r, err)
	} else {
		r.Body.Close()
	}
	if !strings.HasPrefix(endpoint, fmt.Sprintf("http://%s:", "127.0.0.2")) {
		t.Errorf("the endpoint is %s", endpoint)
	}
}
