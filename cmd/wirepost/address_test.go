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

const handshake = "GET /dev HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

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
	d.await(t, `^wirepost: hint: refused a handshake: .*"https://evil\.example"; (--allow-origin) lets others in$`)
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
