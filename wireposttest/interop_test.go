package wireposttest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	management "github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi/types"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/wireposttest"
)

// These tests hold the gateway against programs that nobody here wrote: AWS's own
// clients post, get and delete, a browser and wscat hold connections. What they
// need, scripts/test-needs installs.

// payload has what a careless path would change: quotes, more than ASCII, and
// white space at both ends.
const payload = " {\"text\":\"Grüße, 世界 👋\",\"n\":1}\r\n"

// patience bounds each test. Starting Python or a browser takes seconds on a
// machine that runs other tests at the same time.
const patience = 1 * time.Minute

// need skips the test when a program is missing. Where CI=true that would be a
// hole nobody sees, and is a failure.
func need(t *testing.T, found bool, what string) {
	t.Helper()
	switch {
	case found:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is missing, and CI=true allows no skip: make test installs it", what)
	default:
		t.Skipf("%s is missing: make test installs it", what)
	}
}

// program is the first of names that exists. Debian's own path comes before the
// name alone: version managers put stand-ins of the same name first in PATH.
func program(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	need(t, false, names[len(names)-1])
	return ""
}

// nodePackages is the folder whose node_modules has the named file.
func nodePackages(t *testing.T, file string) string {
	t.Helper()
	folder, err := filepath.Abs("../.tools/node")
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(filepath.Join(folder, "node_modules", file))
	need(t, err == nil, "the npm package with "+file)
	return folder
}

// environment is all that a program gets: nothing of this machine's AWS
// configuration, its proxies or its home.
func environment(t *testing.T, more ...string) []string {
	t.Helper()
	// Not t.TempDir, whose path has the test's name in it: Chromium keeps a
	// socket here, and the path of a socket has at most 107 bytes.
	home, err := os.MkdirTemp("", "wirepost")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(home); err != nil {
			t.Errorf("a program that should have ended still writes: %v", err)
		}
	})
	return append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + home,
		"TMPDIR=" + home,
		"LANG=C.UTF-8",
		"AWS_ACCESS_KEY_ID=wirepost",
		"AWS_SECRET_ACCESS_KEY=wirepost",
		"AWS_DEFAULT_REGION=us-east-1",
		"AWS_REGION=us-east-1",
		"AWS_CONFIG_FILE=" + os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_PAGER=",
	}, more...)
}

// command is a program that ends with ctx. Its output is read to the end, which
// comes when all of its children have ended too.
func command(ctx context.Context, env []string, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, name, args...)
	c.Env = env
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 20 * time.Second
	return c
}

// run runs a program to its end.
func run(ctx context.Context, env []string, name string, args ...string) (stdout, stderr string, err error) {
	c := command(ctx, env, name, args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err = c.Run()
	return out.String(), errs.String(), err
}

// told is what these tests look at in an event.
type told struct {
	Headers        map[string]string
	RequestContext struct {
		EventType, ConnectionID string
		DisconnectStatusCode    int
		DisconnectReason        string
		ConnectedAt             int64
	}
	Body string
}

// ground is a gateway, what its function is told, and a publisher.
type ground struct {
	*wireposttest.Gateway
	ctx       context.Context
	events    chan told
	publisher *management.Client
}

func newGround(t *testing.T) *ground {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	g := &ground{ctx: ctx, events: make(chan told, 64)}
	g.Gateway = wireposttest.NewGateway(t, gateway.FunctionFunc(func(_ context.Context, data []byte) ([]byte, error) {
		var e told
		if err := json.Unmarshal(data, &e); err != nil {
			return nil, err
		}
		g.events <- e
		// As an API must that offers a subprotocol; a browser refuses a
		// connection whose subprotocols were ignored.
		if e.RequestContext.EventType == "CONNECT" && e.Headers["Sec-WebSocket-Protocol"] != "" {
			return []byte(`{"statusCode":200,"headers":{"Sec-WebSocket-Protocol":"wirepost.v1"}}`), nil
		}
		return []byte(`{"statusCode":200}`), nil
	}), nil)
	g.publisher = management.New(management.Options{
		BaseEndpoint: aws.String(g.Endpoint),
		Region:       "us-east-1",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "wirepost", SecretAccessKey: "wirepost"}, nil
		}),
	})
	return g
}

// event waits for the next event, which must be of the given type.
func (g *ground) event(t *testing.T, eventType string) told {
	t.Helper()
	e := await(t, g.ctx, g.events, eventType+" event")
	if e.RequestContext.EventType != eventType {
		t.Fatalf("event %+v, want %s", e, eventType)
	}
	return e
}

func (g *ground) post(t *testing.T, id, data string) {
	t.Helper()
	_, err := g.publisher.PostToConnection(g.ctx, &management.PostToConnectionInput{ConnectionId: &id, Data: []byte(data)})
	if err != nil {
		t.Fatalf("post %q: %v", data, err)
	}
}

func await[T any](t *testing.T, ctx context.Context, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-ctx.Done():
		t.Fatalf("no %s: %v", what, ctx.Err())
		panic("not reached")
	}
}

// held is a connection that is being read.
type held struct {
	id          string
	connectedAt int64
	received    chan string
	ended       chan error
}

func (g *ground) hold(t *testing.T) *held {
	t.Helper()
	client, err := wireposttest.Dial(g.ctx, g.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	about := g.event(t, "CONNECT").RequestContext
	h := &held{about.ConnectionID, about.ConnectedAt, make(chan string, 16), make(chan error, 1)}
	go func() {
		defer client.Close()
		for {
			message, err := client.Receive(g.ctx)
			if err != nil {
				h.ended <- err
				return
			}
			h.received <- message
		}
	}()
	return h
}

// wantPushAndClose is what all publishers below must have brought about.
func (h *held) wantPushAndClose(t *testing.T, g *ground) {
	t.Helper()
	if got := await(t, g.ctx, h.received, "push"); got != payload {
		t.Errorf("received %q, want %q", got, payload)
	}
	err := await(t, g.ctx, h.ended, "end of the connection")
	if closed, ok := errors.AsType[*wireposttest.CloseError](err); !ok || closed.Code != 1000 {
		t.Errorf("the connection ended with %v, want close code 1000", err)
	}
	if e := g.event(t, "DISCONNECT").RequestContext; e.DisconnectStatusCode != 1000 || e.ConnectionID != h.id {
		t.Errorf("$disconnect of %s has code %d, want 1000 for %s", e.ConnectionID, e.DisconnectStatusCode, h.id)
	}
	if len(h.received) > 0 {
		t.Errorf("received %q too", <-h.received)
	}
}

func payloadFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "payload")
	if err := os.WriteFile(file, []byte(payload), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// scriptReport is what the scripts in testdata/interop print.
type scriptReport struct {
	Version, SourceIP, Gone string
	Post, Get, Delete       int
	GoneStatus              int
	GoneType                *bool
	ConnectedAt             int64
}

func wantReport(t *testing.T, stdout string, h *held) {
	t.Helper()
	var r scriptReport
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("the script printed %q: %v", stdout, err)
	}
	if r.Post != 200 || r.Get != 200 || r.Delete != 204 {
		t.Errorf("post, get, delete = %d, %d, %d, want 200, 200, 204", r.Post, r.Get, r.Delete)
	}
	if r.SourceIP != "127.0.0.1" || r.ConnectedAt != h.connectedAt {
		t.Errorf("get says source %q, connected at %d, want 127.0.0.1, %d", r.SourceIP, r.ConnectedAt, h.connectedAt)
	}
	if r.Gone != "GoneException" || r.GoneStatus != 410 || r.GoneType != nil && !*r.GoneType {
		t.Errorf("a post after delete raised %q with status %d, want GoneException, 410", r.Gone, r.GoneStatus)
	}
}

func TestInteropTheAWSCommandLinePostsGetsAndDeletes(t *testing.T) {
	name := program(t, "/usr/bin/aws", "aws")
	g := newGround(t)
	h := g.hold(t)
	env := environment(t)
	// The ID is given with an equals sign because it may begin with a dash.
	call := func(verb string, more ...string) (stdout, stderr string, err error) {
		return run(g.ctx, env, name, append([]string{"apigatewaymanagementapi", verb,
			"--endpoint-url", g.Endpoint, "--output", "json", "--connection-id=" + h.id}, more...)...)
	}
	data := "fileb://" + payloadFile(t)

	if _, stderr, err := call("post-to-connection", "--data", data); err != nil {
		t.Fatalf("post: %v: %s", err, stderr)
	}
	stdout, stderr, err := call("get-connection")
	if err != nil {
		t.Fatalf("get: %v: %s", err, stderr)
	}
	var got struct {
		ConnectedAt, LastActiveAt time.Time
		Identity                  struct{ SourceIP string }
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatalf("get printed %q: %v", stdout, err)
	}
	if got.ConnectedAt.UnixMilli() != h.connectedAt || got.Identity.SourceIP != "127.0.0.1" {
		t.Errorf("get printed %s, want connectedAt %d and source 127.0.0.1", stdout, h.connectedAt)
	}
	if got.LastActiveAt.Before(got.ConnectedAt) {
		t.Errorf("last active at %v, connected at %v", got.LastActiveAt, got.ConnectedAt)
	}
	if _, stderr, err := call("delete-connection"); err != nil {
		t.Fatalf("delete: %v: %s", err, stderr)
	}
	for _, verb := range [][]string{{"post-to-connection", "--data", data}, {"get-connection"}, {"delete-connection"}} {
		if _, stderr, err := call(verb[0], verb[1:]...); err == nil || !strings.Contains(stderr, "(GoneException)") {
			t.Errorf("%s after delete: %v: %q, want GoneException", verb[0], err, stderr)
		}
	}
	h.wantPushAndClose(t, g)
}

func TestInteropTheAWSCommandLineIsToldWhatIsWrongWithItsSignature(t *testing.T) {
	name := program(t, "/usr/bin/aws", "aws")
	g := newGround(t)
	h := g.hold(t)
	for _, test := range []struct{ name, env, want string }{
		{"a wrong secret", "AWS_SECRET_ACCESS_KEY=wrong", "(InvalidSignatureException) when calling the PostToConnection operation: The request signature we calculated does not match"},
		{"a wrong region", "AWS_REGION=eu-west-1", "Credential should be scoped to a valid region"},
		{"an unknown access key", "AWS_ACCESS_KEY_ID=nobody", "(UnrecognizedClientException)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, stderr, err := run(g.ctx, environment(t, test.env), name, "apigatewaymanagementapi", "post-to-connection",
				"--endpoint-url", g.Endpoint, "--connection-id="+h.id, "--data", "fileb://"+payloadFile(t))
			if err == nil || !strings.Contains(stderr, test.want) {
				t.Errorf("%v: %q, want %q", err, stderr, test.want)
			}
		})
	}
	// What was refused must not have been delivered: the next push is the first.
	g.post(t, h.id, "the first")
	if got := await(t, g.ctx, h.received, "push"); got != "the first" {
		t.Errorf("received %q, want %q", got, "the first")
	}
}

func TestInteropBoto3PostsGetsDeletesAndCatchesGoneException(t *testing.T) {
	name := program(t, "/usr/bin/python3", "python3")
	g := newGround(t)
	env := environment(t)
	_, _, err := run(g.ctx, env, name, "-c", "import boto3")
	need(t, err == nil, "boto3 for "+name)
	h := g.hold(t)
	stdout, stderr, err := run(g.ctx, env, name, "testdata/interop/management.py", g.Endpoint, h.id, payloadFile(t))
	if err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	wantReport(t, stdout, h)
	h.wantPushAndClose(t, g)
}

func TestInteropTheJavaScriptSDKPostsGetsDeletesAndThrowsGoneException(t *testing.T) {
	name := program(t, "node")
	folder := nodePackages(t, "@aws-sdk/client-apigatewaymanagementapi/package.json")
	g := newGround(t)
	h := g.hold(t)
	stdout, stderr, err := run(g.ctx, environment(t), name, "testdata/interop/management.mjs", g.Endpoint, h.id, payloadFile(t), folder)
	if err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	wantReport(t, stdout, h)
	h.wantPushAndClose(t, g)
}

func TestInteropTheGoSDKPostsGetsDeletesAndReturnsGoneException(t *testing.T) {
	g := newGround(t)
	h := g.hold(t)
	g.post(t, h.id, payload)
	got, err := g.publisher.GetConnection(g.ctx, &management.GetConnectionInput{ConnectionId: &h.id})
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToTime(got.ConnectedAt).UnixMilli() != h.connectedAt || got.Identity == nil || aws.ToString(got.Identity.SourceIp) != "127.0.0.1" {
		t.Errorf("GetConnection = %+v, want connected at %d from 127.0.0.1", got, h.connectedAt)
	}
	if _, err := g.publisher.DeleteConnection(g.ctx, &management.DeleteConnectionInput{ConnectionId: &h.id}); err != nil {
		t.Fatal(err)
	}
	_, err = g.publisher.PostToConnection(g.ctx, &management.PostToConnectionInput{ConnectionId: &h.id, Data: []byte(payload)})
	if _, ok := errors.AsType[*types.GoneException](err); !ok {
		t.Errorf("a post after delete returned %v, want GoneException", err)
	}
	h.wantPushAndClose(t, g)
}

func TestInteropWscatHoldsAConnection(t *testing.T) {
	name := program(t, "node")
	folder := nodePackages(t, "wscat/bin/wscat")
	g := newGround(t)
	c := command(g.ctx, environment(t), name, filepath.Join(folder, "node_modules/wscat/bin/wscat"), "--connect", g.URL)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	// wscat ends when its standard input does.
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Wait()
	defer stdin.Close()

	id := g.event(t, "CONNECT").RequestContext.ConnectionID
	// The handshake may still be under way when $connect has been told; an
	// answer of 410 says so.
	for {
		_, err := g.publisher.PostToConnection(g.ctx, &management.PostToConnectionInput{ConnectionId: &id, Data: []byte("to wscat")})
		if err == nil {
			break
		}
		if _, ok := errors.AsType[*types.GoneException](err); !ok {
			t.Fatal(err)
		}
	}
	lines := bufio.NewReader(stdout)
	line, err := lines.ReadString('\n')
	if err != nil || line != "to wscat\n" {
		t.Fatalf("wscat printed %q, %v, %s", line, err, &stderr)
	}
	if _, err := io.WriteString(stdin, `{"action":"hello"}`+"\n"); err != nil {
		t.Fatal(err)
	}
	if e := g.event(t, "MESSAGE"); e.Body != `{"action":"hello"}` || e.RequestContext.ConnectionID != id {
		t.Errorf("the function was told %+v", e)
	}
	stdin.Close()
	if e := g.event(t, "DISCONNECT").RequestContext; e.DisconnectStatusCode != 1005 && e.DisconnectStatusCode != 1006 {
		t.Errorf("$disconnect has code %d, want 1005, or 1006 when wscat left before its close frame", e.DisconnectStatusCode)
	}
	// After each line that it sends wscat prints a prompt.
	if rest, err := io.ReadAll(lines); err != nil || string(rest) != "> " {
		t.Errorf("wscat printed %q too, %v", rest, err)
	}
}
