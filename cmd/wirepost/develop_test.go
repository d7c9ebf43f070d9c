package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/gateway"
)

// pipes is a listener of connections in memory, so that time can be fake.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case nc := <-p.conns:
		return nc, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

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
			var stdout, stderr bytes.Buffer
			c := newCommand(nil, &stdout, &stderr)
			p := newPipes()
			ctx, interrupt := context.WithCancel(t.Context())
			status := make(chan int)
			go func() { status <- c.serve(ctx, server, p) }()
			for range 3 {
				nc, theirs := net.Pipe()
				defer nc.Close()
				p.conns <- theirs
				go io.Copy(io.Discard, nc) // ends when the gateway closes
				io.WriteString(nc, test.request)
			}
			synctest.Wait()
			start := time.Now()
			interrupt()
			if got := <-status; got != exitDone || time.Since(start) > test.within || stdout.String() != "ended, 0 connections closed\n" {
				t.Errorf("%s: exit status %d after %v, %q", test.name, got, time.Since(start), &stdout)
			}
			said := stderr.String()
			for _, want := range []struct{ sentence, of string }{{"waiting for " + test.waiting + " to end, 10s at most", test.waiting}, {test.left + " had not ended after 10s", test.left}} {
				if has := strings.Contains(said, want.sentence); has != (want.of != "") {
					t.Errorf("%s: %q", test.name, said)
				}
			}
		})
	}
}
