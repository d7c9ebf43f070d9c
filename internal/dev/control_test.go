package dev

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/awslocal"
	"github.com/wirepost/wirepost/internal/memlisten"
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
				want = fmt.Sprintf("hint: the control address is %s, because %s is already in use by another program; --control chooses another", where, next.Addr())
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

// shortListener has no descriptor for a minute, and then no connection.
type shortListener struct {
	*memlisten.Listener
	until time.Time
}

func (l *shortListener) Accept() (net.Conn, error) {
	if time.Now().Before(l.until) {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestTheControlAddressSaysOnceThatThereAreNoDescriptors(t *testing.T) {
	folder := Folder(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := &shortListener{memlisten.New(), time.Now().Add(time.Minute)}
		s := &controlServer{c: &Config{Folder: folder, Logger: slog.New(slog.NewTextHandler(&log, nil))}, store: &store{opened: wirepost.NewMemStore(nil)}}
		if err := s.serve(l); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if err := s.stop(t.Context()); err != nil {
			t.Error(err)
		}
		if said := log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "level=WARN") || !strings.Contains(said, "ulimit -n") {
			t.Errorf("logged %q", said)
		}
	})
}

func TestARedirectOfATablesServerIsNotFollowed(t *testing.T) {
	var followed atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, status)
		}))
		tables := &tables{c: &Config{Region: "us-east-1", DynamoDB: server.URL}, engines: &engines{tables: &awslocal.Backend{URL: server.URL}}}
		if err := tables.create(t.Context(), &app.App{Tables: []app.Table{{Name: "t"}}}); err == nil {
			t.Errorf("%d is taken for a table", status)
		}
		server.Close()
	}
	if n := followed.Load(); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}
