package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/internal/control"
	"github.com/wirepost/wirepost/internal/template"
)

// Another program may have the port of a dev that has ended.
func TestARedirectOfWhatIsNotOursIsNotFollowed(t *testing.T) {
	t.Chdir(t.TempDir())
	var followed atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, status)
		}))
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(controlFile, fmt.Appendf(nil, `{"url":%q,"token":"secret"}`, server.URL), 0o600); err != nil {
			t.Fatal(err)
		}
		var out any
		asked := map[string]error{
			"a question": askControl(t.Context(), http.MethodGet, "/faults", nil, &out),
			"new faults": askControl(t.Context(), http.MethodPut, "/faults", []byte(`[]`), &out),
		}
		_, asked["a stream"] = followControl(t.Context(), "/stream")
		c := newCommand(nil, new(bytes.Buffer), new(bytes.Buffer))
		d := &devFlags{region: "us-east-1", template: templateFlags{dynamodb: server.URL}}
		asked["a table"] = c.createTables(t.Context(), d, &template.API{Tables: []template.Table{{Name: "t"}}}, nil)
		for what, err := range asked {
			if err == nil || !strings.Contains(err.Error(), fmt.Sprint(status)) && what != "a table" { // AWS's client does not say it
				t.Errorf("%d, %s: %v", status, what, err)
			}
		}
		server.Close()
	}
	if n := followed.Load(); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

// shortListener has no descriptor for a minute, and then no connection.
type shortListener struct {
	*pipes
	until time.Time
}

func (l *shortListener) Accept() (net.Conn, error) {
	if time.Now().Before(l.until) {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.pipes.Accept()
}

func TestTheControlAddressSaysOnceThatThereAreNoDescriptors(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := &shortListener{newPipes(), time.Now().Add(time.Minute)}
		_, stop, err := serveControl(l, control.Options{Token: "secret"}, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		stop()
		if said := log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "level=WARN") || !strings.Contains(said, "ulimit -n") {
			t.Errorf("logged %q", said)
		}
	})
}
