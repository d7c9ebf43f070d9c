package gateway

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// FuzzWhateverIsSentEnds sends any bytes and then nothing more. Whatever they begin is
// over after the longest limit that there is, the ten minutes of an idle connection.
func FuzzWhateverIsSentEnds(f *testing.F) {
	for _, seed := range []string{
		"", "G", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", unsigned + "Content-Length: 100\r\n\r\n", unsigned + "Transfer-Encoding: chunked\r\n\r\n5\r\nab",
		unsigned + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
		unsigned + "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n", "GET /dev HTTP/1.1\r\nHost: x\r\n" + handshakeFields + "\r\n" + string(masked(0x01, []byte("x"))),
		"GET /dev HTTP/1.1\r\nHost: x\r\n" + handshakeFields + "Content-Length: 7\r\n\r\n", strings.Repeat("GET /dev HTTP/1.1\r\nHost: x\r\n\r\n", 5), "\x16\x03\x01\x00",
		"POST /dev HTTP/1.0\r\nContent-Length: 7\r\nConnection: keep-alive\r\n\r\n",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, sent []byte, reads bool) {
		synctest.Test(t, func(t *testing.T) {
			s := &Server{Function: quick, TLS: serverTLS()}
			p := newPipes()
			serveOn(t, s, p)
			nc := p.connect(t, false)
			if reads {
				go io.Copy(io.Discard, nc) // ends when the gateway closes
			}
			go nc.Write(sent) // the same
			time.Sleep(DefaultIdleTimeout + time.Minute)
			synctest.Wait()
			if u := s.Unfinished(); u != (Unfinished{}) || len(s.engine.sockets) > 0 {
				t.Errorf("%v and %d sockets are left", u, len(s.engine.sockets))
			}
			nc.Close()
		})
	})
}

// quick answers at once.
var quick = FunctionFunc(func(context.Context, []byte) ([]byte, error) { return []byte(`{"statusCode":200}`), nil })

// FuzzOnlyAnAddressOrANameOfItsOwnIsTheGatewaysPage holds that no name which somebody
// else may point here is let in as the gateway's own.
func FuzzOnlyAnAddressOrANameOfItsOwnIsTheGatewaysPage(f *testing.F) {
	for _, host := range []string{"127.0.0.1:3001", "[::1]:3001", "gateway.test", "evil.test:3001", "127.0.0.1.evil.test", "[evil]", "", ":3001"} {
		f.Add("http://"+host, host)
		f.Add(host, host)
	}
	s := &Server{Function: quick, Hosts: []string{"gateway.test"}, Page: http.NotFoundHandler()}
	e, err := s.ready()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, origin, host string) {
		if !e.isOwnPage(origin, host) {
			return
		}
		name := strings.ToLower(strings.Trim(hostOf(host), "[]"))
		_, err := netip.ParseAddr(name)
		if err != nil && name != "gateway.test" || !strings.HasSuffix(strings.ToLower(origin), "://"+strings.ToLower(host)) {
			t.Errorf("%q is let in at %q", origin, host)
		}
	})
}
