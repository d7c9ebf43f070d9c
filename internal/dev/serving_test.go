package dev

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/memlisten"
)

const handshake = "GET /dev HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

func TestTheEndIsQuickAndNamesWhatWasStillOpen(t *testing.T) {
	for _, test := range []struct {
		name, request string
		within        time.Duration
		waiting, left string // what is said of it after a second, and in the end
	}{
		{"a post without its body", "POST /dev/@connections/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n", 2 * time.Second, "", ""},
		{"a function that hangs", handshake, 11 * time.Second, "3 requests and 3 invocations", "3 requests and 3 invocations"},
		{"nothing", "", time.Second, "", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			defer close(release)
			server := &gateway.Server{Function: gateway.FunctionFunc(func(context.Context, []byte) ([]byte, error) {
				<-release
				return nil, nil
			})}
			said := &reported{}
			p := memlisten.New()
			s := &serving{c: &Config{Report: said}}
			s.serve(server, p)
			for range 3 {
				nc, theirs := net.Pipe()
				defer nc.Close()
				p.Conns <- theirs
				go io.Copy(io.Discard, nc) // ends when the gateway closes
				io.WriteString(nc, test.request)
			}
			synctest.Wait()
			start := time.Now()
			deadline, cancel := context.WithTimeout(t.Context(), stopTime)
			defer cancel()
			if err := s.shutdown(deadline, server); err != nil || time.Since(start) > test.within || s.closed != 0 {
				t.Errorf("%s: %v after %v, with %d connections closed", test.name, err, time.Since(start), s.closed)
			}
			for _, want := range []struct{ sentence, of string }{{"waiting for " + test.waiting + " to end, 10s at most", test.waiting}, {test.left + " had not ended after 10s", test.left}} {
				if has := strings.Contains(said.String(), want.sentence); has != (want.of != "") {
					t.Errorf("%s: %q", test.name, said.String())
				}
			}
		})
	}
}
