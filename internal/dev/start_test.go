package dev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/wireposttest"
)

// patience bounds every wait of these tests, on a machine that does other work too.
const patience = time.Minute

// TestMain is also the function of tests that run one as a process: this program, with
// a variable that says what it is to do.
func TestMain(m *testing.M) {
	switch os.Getenv("WIREPOST_TEST_FUNCTION") {
	case "echo":
		lambda.Start(func(_ context.Context, e events.APIGatewayWebsocketProxyRequest) (events.APIGatewayProxyResponse, error) {
			return events.APIGatewayProxyResponse{StatusCode: 200, Body: e.Body}, nil
		})
	case "mux": // with routes of its own
		mux := wirepost.NewMux(wirepost.NewMemStore(nil), nil)
		wirepost.HandleJSON(mux, "track", func(_ context.Context, m *wirepost.Message, in struct{ Order int }) (any, error) {
			return fmt.Sprintf("order %d by %s", in.Order, m.Event.RequestContext.RouteKey), nil
		})
		mux.Handle("ping", func(context.Context, *wirepost.Message) ([]byte, error) { return []byte("its own"), nil })
		lambda.Start(mux)
	case "chain": // of functions that invoke each other
		lambda.Start(invokesNext)
	case "call":
		lambda.Start(callAs)
	case "name":
		lambda.Start(func() (string, error) { return os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), nil })
	case "hang": // it never asks for an invocation
		select {}
	default:
		os.Exit(m.Run())
	}
}

// program names this test's own function, to be run as a process.
func program(t *testing.T) *Named {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &Named{Function: []string{path}, RouteResponses: []string{"$default"}}
}

// functionDoes is the environment of this test's own function.
func functionDoes(what string) []string { return append(os.Environ(), "WIREPOST_TEST_FUNCTION="+what) }

// echo is a function in this process, which answers each message with itself.
func echo() *InProcess {
	return &InProcess{New: func(store wirepost.Store, publisher *wirepost.Publisher, _ wirepost.Endpoint, logger *slog.Logger) *wirepost.Mux {
		mux := wirepost.NewMux(store, &wirepost.MuxOptions{Logger: logger, Connect: func(_ context.Context, r *wirepost.ConnectRequest) (wirepost.Accept, error) {
			return wirepost.Accept{User: r.Query("user")[0]}, nil
		}})
		mux.HandleProtocol(publisher, nil)
		return mux
	}}
}

// reported keeps what a dev has said.
type reported struct {
	mu    sync.Mutex
	lines []string
	told  chan struct{} // closed, and made again, when there is one more
}

func (r *reported) add(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
	if r.told != nil {
		close(r.told)
		r.told = nil
	}
}

func (r *reported) Hint(text string)         { r.add("hint: " + text) }
func (r *reported) Problem(text string)      { r.add("problem: " + text) }
func (r *reported) Address(name, url string) { r.add(name + " " + url) }
func (r *reported) Begins(string)            {}
func (r *reported) Launches()                {}
func (r *reported) Serves()                  {}

func (r *reported) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, "\n")
}

// find is the first line that begins so, and a channel that is closed when there are
// more lines.
func (r *reported) find(prefix string) (line string, more chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, line := range r.lines {
		if strings.HasPrefix(line, prefix) {
			return line, nil
		}
	}
	if r.told == nil {
		r.told = make(chan struct{})
	}
	return "", r.told
}

// running is a dev of a test.
type running struct {
	*reported
	dev   *Dev
	end   func() (closed int, err error) // interrupts it and waits
	ended chan struct{}                  // closed when Run has returned
}

// begin runs a dev, which ends with the test at the latest.
func begin(t *testing.T, d *Dev, said *reported) *running {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	r := &running{reported: said, dev: d, ended: make(chan struct{})}
	var closed int
	var err error
	go func() { // ends with r.end
		defer close(r.ended)
		closed, err = d.Run(ctx)
	}()
	r.end = func() (int, error) {
		interrupt()
		within(t, r.ended, "the dev to end")
		return closed, err
	}
	t.Cleanup(func() {
		r.end()
		if t.Failed() {
			t.Logf("the dev said:\n%s", said)
		}
	})
	return r
}

// within waits for a channel to be closed.
func within(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
	}
}

// await is the first line that begins so, without that beginning.
func (r *running) await(t *testing.T, prefix string) string {
	t.Helper()
	late := time.After(patience)
	for {
		line, more := r.find(prefix)
		if more == nil {
			return strings.TrimPrefix(line, prefix)
		}
		select {
		case <-more:
		case <-r.ended:
			if line, _ := r.find(prefix); line != "" {
				continue
			}
			_, err := r.end()
			t.Fatalf("the dev ended with %v before it said %q", err, prefix)
		case <-late:
			t.Fatalf("the dev has not said %q after %v", prefix, patience)
		}
	}
}

// folder is one of a test that is not there yet.
func folder(t *testing.T) Folder { return Folder(filepath.Join(t.TempDir(), ".wirepost")) }

// complete adds what a test has not said of a dev: a free port, a folder of its own.
func complete(t *testing.T, c Config) (Config, *reported) {
	said := &reported{}
	c.Report = said
	if c.Folder == "" {
		c.Folder = folder(t)
	}
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Env == nil {
		c.Env = functionDoes("echo")
	}
	c.Env = Environment(c.Env).without(func(name string) bool { return name == "WIREPOST_STORE" })
	return c, said
}

// start runs a dev and waits until everything has started.
func start(t *testing.T, c Config) *running {
	t.Helper()
	c, said := complete(t, c)
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	r := begin(t, d, said)
	r.await(t, "store ")
	return r
}

// dial connects a client, with a query.
func (r *running) dial(t *testing.T, query string) *wireposttest.Client {
	t.Helper()
	address, _, _ := strings.Cut(r.await(t, "connect "), "?")
	c, err := wireposttest.Dial(t.Context(), address+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Cut() })
	return c
}

// leave waits until the client's connection has ended, which lets a dev end at once.
func leave(t *testing.T, c *wireposttest.Client) (left chan struct{}) {
	left = make(chan struct{})
	go func() { // ends with the connection, or the test
		defer close(left)
		for err := error(nil); err == nil; {
			_, err = c.Receive(t.Context())
		}
	}()
	return left
}

// expect sends a message, if there is one, and receives another.
func expect(t *testing.T, c *wireposttest.Client, send, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if send != "" {
		if err := c.Send(send); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := c.Receive(ctx); err != nil || got != want {
		t.Errorf("received %q, %v, want %q", got, err, want)
	}
}

// leavesNothing fails the test if something of a dev is there that ends with it.
func leavesNothing(t *testing.T, d *Dev) {
	t.Helper()
	c := partOf[*lock](d).c
	if note, unlock, err := lockFolder(c.Folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is still locked: %v", err)
	} else if note != nil {
		unlock()
	}
	if _, err := os.Stat(c.Folder.controlFile()); err == nil {
		t.Error("the file with the control address is still there")
	}
	addresses := map[string]net.Listener{"the gateway's port": partOf[*listener](d).Listener}
	for what, l := range addresses {
		if l == nil { // it had not started
			continue
		}
		again, err := net.Listen("tcp", l.Addr().String())
		if err != nil {
			t.Errorf("%s is still taken: %v", what, err)
			continue
		}
		again.Close()
	}
	if at := strings.TrimPrefix(partOf[*controlServer](d).at.URL, "http://"); at != "" {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Errorf("the control address is still taken: %v", err)
		} else {
			l.Close()
		}
	}
	for _, f := range partOf[*functions](d).started {
		if n := f.Stats().Processes; n != 0 {
			t.Errorf("%d processes of a function still run", n)
		}
	}
	noGoroutines(t)
}

// partOf is the part of that type.
func partOf[P part](d *Dev) P {
	for _, p := range d.parts {
		if w, ok := p.(*recorded); ok {
			p = w.part
		}
		if p, ok := p.(P); ok {
			return p
		}
	}
	panic("there is no such part")
}

// noGoroutines fails the test if a goroutine of this module, of an HTTP server or of an
// HTTP client is left, but for tests.
func noGoroutines(t *testing.T) {
	t.Helper()
	tick, late := time.NewTicker(10*time.Millisecond), time.After(10*time.Second)
	defer tick.Stop()
	for {
		left := goroutines()
		if len(left) == 0 {
			return
		}
		select {
		case <-tick.C: // one that has just returned is still listed
		case <-late:
			t.Fatalf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
		}
	}
}

func goroutines() []string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return slices.DeleteFunc(strings.Split(string(stacks), "\n\n"), func(s string) bool {
		ours := strings.Contains(s, "github.com/wirepost/wirepost") || strings.Contains(s, "net/http.")
		ours = ours && !strings.Contains(s, "internal/dynamolocal.") // a server of all tests
		return !ours || strings.Contains(s, "testing.tRunner") || strings.Contains(s, "testing.(*M).Run")
	})
}

// needs skips a test without a program, and fails it in CI.
func needs(t testing.TB, what string, there bool) {
	t.Helper()
	switch {
	case there:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is not installed; run make test-needs (with CI=true nothing is skipped)", what)
	default:
		t.Skipf("skipped: %s is not installed; run make test-needs", what)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func moduleFolder(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
