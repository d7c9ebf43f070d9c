package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/examples/notify"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/wireposttest"
)

// swept1 and swept2 are the APIs of the example in docs/store.md.
var (
	swept1 = wirepost.Identity{APIID: "a3k7m2q9xz", Stage: "dev", Region: "us-east-1"}
	swept2 = wirepost.Identity{APIID: "w5c6n4r2ta", Stage: "dev", Region: "us-east-1"}
)

// sweepStore is an open store and its URL, in a folder of its own.
func sweepStore(t *testing.T) (wirepost.Store, string) {
	t.Helper()
	t.Setenv("WIREPOST_ENDPOINT", "")
	t.Setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "")
	t.Chdir(t.TempDir())
	url := "sqlite:" + filepath.Join(t.TempDir(), "store.db")
	t.Setenv("WIREPOST_STORE", url)
	s, err := wirepost.OpenStore(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, url
}

// putRows puts n rows of connections that began at the given age.
func putRows(t *testing.T, s wirepost.Store, id wirepost.Identity, n int, age time.Duration) {
	t.Helper()
	for i := range n {
		at := time.Now().Add(-age)
		c := wirepost.Connection{ID: fmt.Sprintf("%s%05d=", id.APIID, i), Endpoint: id, ConnectedAt: at, ExpiresAt: at.Add(2 * time.Hour)}
		if err := s.Put(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
}

func putStage(t *testing.T, s wirepost.Store, id wirepost.Identity, url string) {
	t.Helper()
	if _, err := s.PutStage(t.Context(), wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: id, URL: url}, EventTime: time.Now()}); err != nil {
		t.Fatal(err)
	}
}

func rows(t *testing.T, s wirepost.Store) (n int) {
	t.Helper()
	for _, err := range s.Connections(t.Context(), wirepost.Everyone(), wirepost.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// runCommand runs the command in this process.
func runCommand(ctx context.Context, args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = run(ctx, args, strings.NewReader(""), &out, &err)
	return status, out.String(), err.String()
}

// endpoint is what a test makes answer instead of API Gateway.
func endpoint(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1) + "/dev"
}

// refused is an endpoint where nobody listens.
func refused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprintf("http://localhost:%d/dev", l.Addr().(*net.TCPAddr).Port)
}

// docs/store.md and the help show the same two commands.
func TestTheSweepsOfTheDocsAndTheHelpAreTrue(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "store.md"))
	if err != nil {
		t.Fatal(err)
	}
	store, _ := sweepStore(t)
	g := wireposttest.NewGateway(t, notify.New(store, wirepost.NewPublisher(store, nil), nil), func(s *gateway.Server) { s.APIID = swept1.APIID })
	for range 2 {
		c, err := wireposttest.Dial(t.Context(), g.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	putRows(t, store, swept1, 1, 72*time.Minute)
	putRows(t, store, swept2, 14, 110*time.Minute)
	putStage(t, store, swept2, refused(t))

	ages := regexp.MustCompile(`\b1h(12|50)m[0-9]+s`)
	for _, args := range [][]string{{"sweep"}, {"sweep", "--api", swept2.APIID, "--stage", "dev"}} {
		status, stdout, stderr := runCommand(t.Context(), args...)
		if status != exitDone || strings.Contains(stderr, "error") {
			t.Errorf("%q: status %d, %s", args, status, stderr)
		}
		said := ages.ReplaceAllString(stdout, "1h${1}m0s")
		if block := "$ go run ./cmd/wirepost " + strings.Join(args, " ") + "\n" + said + "```"; !strings.Contains(string(page), block) {
			t.Errorf("%q printed what docs/store.md has not:\n%s", args, stdout)
		}
		indented := strings.ReplaceAll("    $ wirepost "+strings.Join(args, " ")+"\n"+said, "\n", "\n    ")
		if !strings.Contains(sweepHelp, strings.TrimSuffix(indented, "    ")) {
			t.Errorf("%q printed what the help has not:\n%s", args, stdout)
		}
		if len(args) == 1 && !strings.Contains(stderr, "'wirepost sweep --api w5c6n4r2ta --stage dev' removes") {
			t.Errorf("the hint is not the command that follows: %s", stderr)
		}
	}
	if n := rows(t, store); n != 2 {
		t.Errorf("%d rows are left, want the 2 open ones", n)
	}
}

func TestAnEndpointThatDoesNotAnswerIsNotAskedOnAndOn(t *testing.T) {
	store, _ := sweepStore(t)
	var asked atomic.Int64
	putStage(t, store, swept1, endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `{"message":"Forbidden"}`)
	}))
	putRows(t, store, swept1, 300, time.Hour)
	status, stdout, stderr := runCommand(t.Context(), "sweep")
	if status != exitDone || !strings.Contains(stdout, " 300          1h0m") || !strings.Contains(stdout, "answers 403 Forbidden: forbidden-unexplained\nremoved 0 connections\n") {
		t.Errorf("status %d:\n%s%s", status, stdout, stderr)
	}
	if n := asked.Load(); n < enough || n > enough+askers {
		t.Errorf("it was asked %d times", n)
	}
	if n := rows(t, store); n != 300 {
		t.Errorf("%d rows are left", n)
	}
}

func TestWhatAnEndpointSaysDecidesWhatIsRemoved(t *testing.T) {
	const (
		html = "<html>hello</html>"
		deny = `{"Message":"User: arn:aws:sts::123456789012:assumed-role/x is not authorized to perform: execute-api:ManageConnections on resource: x"}`
	)
	for _, c := range []struct {
		name   string
		status int
		body   string
		answer string // of the plain sweep
		exit   int
		gone   bool // the plain sweep removes the row
		named  string
	}{
		{"open", 200, `{"connectedAt":"2026-01-02T03:04:05.000Z","lastActiveAt":"2026-01-02T03:04:05.000Z","identity":{"sourceIp":"127.0.0.1"}}`, "open 1", exitDone, false, "answers, so API a3k7m2q9xz exists"},
		{"gone", 410, "", "open 0, gone 1 (removed)", exitDone, true, "answers, so API a3k7m2q9xz exists"},
		{"an ID that was never issued", 400, `{"message":"Invalid connectionId: x"}`, "open 0, failed 1 (connection-id-invalid)", exitFailed, false, "answers, so API a3k7m2q9xz exists"},
		{"denied", 403, deny, "cannot be asked: send-denied", exitFailed, false, "may well be the API (send-denied)"},
		{"another server", 200, html, "is answered by another program: not-api-gateway", exitDone, false, ""},
		{"another server, or a proxy that removes headers", 404, `{"error":"x"}`, "cannot be asked: unexpected-answer", exitFailed, false, "may well be the API (unexpected-answer)"},
		{"forbidden", 403, `{"message":"Forbidden"}`, "answers 403 Forbidden: forbidden-unexplained", exitDone, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			store, _ := sweepStore(t)
			putStage(t, store, swept1, endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
				if c.body == html {
					w.Header().Set("Content-Type", "text/html")
				}
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			}))
			putRows(t, store, swept1, 1, time.Hour)
			putRows(t, store, swept2, 1, time.Hour) // without an endpoint

			status, stdout, stderr := runCommand(t.Context(), "sweep", "--api", swept1.APIID)
			switch {
			case c.named != "" && (status != exitFailed || !strings.Contains(stderr, "wirepost: error: nothing was removed: ") || !strings.Contains(stderr, c.named) || stdout != ""):
				t.Errorf("by name: status %d, %s%s, want an error with %q", status, stdout, stderr, c.named)
			case c.named == "" && (status != exitDone || stdout != "removed 1 connection and 1 record of a3k7m2q9xz/dev@us-east-1\n"):
				t.Errorf("by name: status %d, %s%s", status, stdout, stderr)
			}
			want := 2
			if c.named == "" {
				want = 1
			}
			if n := rows(t, store); n != want {
				t.Errorf("by name: %d rows are left, want %d", n, want)
			}
			if c.named == "" {
				return
			}
			status, stdout, stderr = runCommand(t.Context(), "sweep")
			// The row is an hour old, and the machine may have been busy for a moment since.
			line := regexp.MustCompile(`(?m)1h0m\d{1,2}s +` + regexp.QuoteMeta(c.answer) + `$`)
			if status != c.exit || !line.MatchString(stdout) {
				t.Errorf("status %d, want %d and %q:\n%s%s", status, c.exit, c.answer, stdout, stderr)
			}
			if !strings.Contains(stdout, "does not answer: endpoint-unset\n") || !strings.Contains(stderr, "--api "+swept2.APIID) {
				t.Errorf("the API without an endpoint is not told of:\n%s%s", stdout, stderr)
			}
			if c.gone {
				want--
			}
			if n := rows(t, store); n != want {
				t.Errorf("%d rows are left, want %d", n, want)
			}
		})
	}
}

func TestAConnectionMadeWhileItsAPIWasRemovedByNameStays(t *testing.T) {
	store, _ := sweepStore(t)
	var record wirepost.StageRecord
	came := false
	record = wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: swept1}, EventTime: time.Now()}
	record.URL = endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		if !came { // one after the other is asked
			came = true
			at := time.Now().Add(time.Second)
			back := wirepost.Connection{ID: "JustCameBackAAA=", Endpoint: swept1, ConnectedAt: at, ExpiresAt: at.Add(time.Hour)}
			again := record
			again.EventTime = at
			if _, err := store.PutStage(r.Context(), again); err != nil {
				t.Error(err)
			}
			if err := store.Put(r.Context(), back); err != nil {
				t.Error(err)
			}
		}
		w.WriteHeader(http.StatusForbidden)
	})
	if _, err := store.PutStage(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	putRows(t, store, swept1, 20, time.Hour)
	status, stdout, stderr := runCommand(t.Context(), "sweep", "--api", swept1.APIID)
	if status != exitDone || stdout != "removed 20 connections and 0 records of a3k7m2q9xz/dev@us-east-1\n" {
		t.Errorf("status %d:\n%s%s", status, stdout, stderr)
	}
	if _, err := store.Connection(t.Context(), "JustCameBackAAA="); err != nil {
		t.Error(err)
	}
	if _, err := store.Stage(t.Context(), swept1); err != nil {
		t.Error(err)
	}
}

func TestAnInterruptedSweepSaysWhatItHasDone(t *testing.T) {
	store, _ := sweepStore(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var asked atomic.Int64
	putStage(t, store, swept1, endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) > 3 {
			interrupt()
			<-r.Context().Done()
			return
		}
		w.WriteHeader(http.StatusGone)
	}))
	putRows(t, store, swept1, 100, time.Hour)
	status, stdout, stderr := runCommand(ctx, "sweep")
	if status != exitFailed || !strings.Contains(stderr, "wirepost: error: the sweep was interrupted\n") || !strings.HasPrefix(stdout, "STAGE") {
		t.Errorf("status %d:\n%s%s", status, stdout, stderr)
	}
	// A removal that was interrupted itself may have taken effect, and is not counted.
	var told int
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if _, err := fmt.Sscanf(lines[len(lines)-1], "removed %d connection", &told); err != nil || told > 100-rows(t, store) {
		t.Errorf("%d rows are left: %s", rows(t, store), stdout)
	}
}
