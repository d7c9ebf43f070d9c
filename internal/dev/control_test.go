package dev

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
)

// twoPorts are two listeners on 127.0.0.1, of which the second has the port after that
// of the first. No other program takes a port that is closed again: the ports are below those
// that systems give out, and not among those of the command's tests.
func twoPorts(t *testing.T) (first, next net.Listener) {
	t.Helper()
	for range 1000 {
		port := 12000 + 2*rand.IntN(3500)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		next, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+1))
		if err == nil {
			t.Cleanup(func() { l.Close(); next.Close() })
			return l, next
		}
		l.Close()
	}
	t.Fatal("there are no two ports")
	return nil, nil
}

func TestAControlAddressOnAnotherPortThanDocumentedIsReported(t *testing.T) {
	for _, c := range []struct {
		name           string
		asked, control bool // a port for the gateway; a control address
		taken          bool
		told           bool
	}{
		{"the port after is free", true, false, false, false},
		{"the port after is taken", true, false, true, true},
		{"a control address was asked for", true, true, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			first, next := twoPorts(t)
			first.Close()
			if !c.taken {
				next.Close()
			}
			config := Config{InProcess: echo(), Listen: first.Addr().String()}
			if c.control {
				config.Control = "127.0.0.1:0"
			}
			r := start(t, config)
			at, err := partOf[*lock](r.dev).c.Folder.Control()
			if err != nil {
				t.Fatal(err)
			}
			where := strings.TrimPrefix(at.URL, "http://")
			hint, _ := r.find("hint: the control address is ")
			want := ""
			if c.told {
				want = fmt.Sprintf("hint: the control address is %s, because %s is taken by another program; --control chooses another", where, next.Addr())
			}
			if hint != want {
				t.Errorf("it says %q, want %q", hint, want)
			}
			if inNext := where == next.Addr().String(); inNext != !c.taken {
				t.Errorf("the control address is %s, and the port after the gateway's is %s", where, next.Addr())
			}
		})
	}
}

func TestNothingIsReportedOfThePortAfterAFreeOne(t *testing.T) {
	_, next := twoPorts(t)
	for _, asked := range []string{"127.0.0.1:0", "127.0.0.1:00", "127.0.0.1:"} {
		s := &controlServer{c: &Config{Listen: asked}}
		s.listener = &listener{c: s.c, Listener: addressOnly{Port: next.Addr().(*net.TCPAddr).Port - 1}}
		l, said, err := s.listen(t.Context()) // the port after it is taken
		if err != nil || said != "" {
			t.Errorf("--listen %s: %q, %v", asked, said, err)
			continue
		}
		l.Close()
	}
}

func TestThereIsNoPortAfterTheLastOne(t *testing.T) {
	s := &controlServer{c: &Config{Listen: "127.0.0.1:65535"}}
	s.listener = &listener{c: s.c, Listener: addressOnly{Port: 65535}}
	l, said, err := s.listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if want := fmt.Sprintf("the control address is %s, because 127.0.0.1:65536 cannot be used: ", l.Addr()); !strings.HasPrefix(said, want) {
		t.Errorf("it says %q", said)
	}
}

// addressOnly is a listener of which only the address is asked.
type addressOnly net.TCPAddr

func (a addressOnly) Addr() net.Addr            { return (*net.TCPAddr)(&a) }
func (a addressOnly) Accept() (net.Conn, error) { return nil, errors.ErrUnsupported }
func (a addressOnly) Close() error              { return nil }
