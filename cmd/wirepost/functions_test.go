package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/dynamolocal"
	"github.com/wirepost/wirepost/wireposttest"
)

// running is a dev of a test.
type running struct {
	url    string // where clients connect
	output *transcript
	stop   func() int
	folder string   // of a dev that is a process
	env    []string // what it has more than the tests
}

// transcript is what a dev said. It may be read while more is written.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
	said chan struct{} // has an element when there is something new
}

func (w *transcript) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.said <- struct{}{}:
	default:
	}
	return w.text.Write(p)
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// await waits until the dev has said something that matches.
func (r *running) await(t testing.TB, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	late := time.After(time.Minute)
	for {
		if m := re.FindStringSubmatch(r.output.String()); m != nil {
			return m
		}
		select {
		case <-r.output.said:
		case <-late:
			t.Fatalf("the dev has not said %q within a minute:\n%s", pattern, r.output)
		}
	}
}

// startDev runs 'wirepost dev' in this process, in a folder of its own.
func startDev(t testing.TB, args ...string) *running {
	t.Helper()
	t.Chdir(t.TempDir())
	return startDevHere(t, "127.0.0.1:0", args...)
}

// startDevHere runs it in the working directory.
func startDevHere(t testing.TB, address string, args ...string) *running {
	t.Helper()
	r := &running{output: &transcript{said: make(chan struct{}, 1)}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() { // ends with stop
		ended <- run(ctx, append([]string{"dev", "--listen", address}, args...), strings.NewReader(""), r.output, r.output)
	}()
	r.stop = sync.OnceValue(func() int {
		cancel()
		select {
		case status := <-ended:
			return status
		case <-time.After(time.Minute):
			t.Error("the dev does not end")
			return -1
		}
	})
	r.endsWith(t)
	r.url = r.await(t, `^connect +(ws://\S+)$`)[1]
	return r
}

// endsWith ends the dev with its test, which fails if the dev ends with an error.
func (r *running) endsWith(t testing.TB) {
	t.Cleanup(func() {
		if status := r.stop(); status != exitDone && !t.Failed() {
			t.Errorf("the dev ended with %d:\n%s", status, r.output)
		}
		if t.Failed() {
			t.Logf("the dev said:\n%s", r.output)
		}
	})
}

func (r *running) dial(t *testing.T) *wireposttest.Client {
	t.Helper()
	c, err := wireposttest.Dial(t.Context(), r.url, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, r.output)
	}
	t.Cleanup(func() { c.Cut() })
	return c
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

func moduleFolder(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

const messagesEach = 1000

// Functions in three languages, each as AWS's documentation shows it, with no word
// of wirepost in them and no variable for the endpoint: what they post to is
// https://{domainName}/{stage}.
func TestAFunctionAsAWSShowsItAnswersEveryMessage(t *testing.T) {
	t.Parallel()
	functions := moduleFolder(t, "testdata/functions")
	modules := moduleFolder(t, "../../.tools/node/node_modules")
	for _, c := range []struct {
		name string
		env  []string
		args func(t *testing.T) []string
	}{
		{"Node.js", nil, func(t *testing.T) []string {
			_, err := os.Stat(filepath.Join(modules, "@aws-sdk/client-apigatewaymanagementapi"))
			_, nodeErr := exec.LookPath("node")
			needs(t, "Node.js with AWS's SDK", err == nil && nodeErr == nil)
			dir := copyOf(t, filepath.Join(functions, "node"))
			if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
				t.Fatal(err)
			}
			return []string{"--handler", "index.handler", dir}
		}},
		{"Node.js on AWS's own runtime client", nil, func(t *testing.T) []string {
			// As in the images that AWS shows: the client is the program, and the handler
			// is its argument.
			client := moduleFolder(t, "../../.tools/aws-lambda-ric/node_modules/.bin/aws-lambda-ric")
			if runtime.GOOS != "linux" {
				t.Skip("skipped: AWS's runtime client for Node.js builds on Linux only")
			}
			_, err := os.Stat(filepath.Join(modules, "@aws-sdk/client-apigatewaymanagementapi"))
			_, clientErr := os.Stat(client)
			needs(t, "AWS's runtime client for Node.js, or AWS's SDK", err == nil && clientErr == nil)
			dir := copyOf(t, filepath.Join(functions, "node"))
			if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
				t.Fatal(err)
			}
			return []string{"--", client, filepath.Join(dir, "index.handler")}
		}},
		{"Python", []string{pathWith("/usr/bin")}, func(t *testing.T) []string {
			needs(t, "Python with boto3", exec.Command("/usr/bin/python3", "-c", "import boto3").Run() == nil)
			return []string{"--handler", "app.handler", copyOf(t, filepath.Join(functions, "python"))}
		}},
		{"Go from source", nil, func(t *testing.T) []string {
			return []string{"go:" + filepath.Join(functions, "goecho")}
		}},
		{"Go built for provided.al2023", nil, func(t *testing.T) []string {
			bootstrap := filepath.Join(t.TempDir(), "bootstrap")
			// With -trimpath, as 'wirepost package' builds: what both need is compiled once.
			build := exec.Command("go", "build", "-trimpath", "-tags", "lambda.norpc", "-o", bootstrap, ".")
			build.Dir = filepath.Join(functions, "goecho")
			build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			return []string{"--", bootstrap}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			env := append(c.env, "AWS_ENDPOINT_URL=", "WIREPOST_ENDPOINT=")
			dev := startDevProcess(t, env, append([]string{"--concurrency", "4"}, c.args(t)...)...)
			const clients = 10
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			var all sync.WaitGroup
			for n := range clients {
				client := dev.dial(t)
				all.Go(func() {
					missing := map[string]bool{}
					for i := range messagesEach / clients {
						text := fmt.Sprintf(`{"client":%d,"n":%d}`, n, i)
						missing[text] = true
						if err := client.Send(text); err != nil {
							t.Error(err)
							return
						}
					}
					for len(missing) > 0 {
						got, err := client.Receive(ctx)
						if err != nil || !missing[got] {
							t.Errorf("client %d received %q, %v with %d of its messages missing", n, got, err, len(missing))
							return
						}
						delete(missing, got)
					}
				})
			}
			all.Wait()
		})
	}
}

func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// What a crash, a route and an authorizer do, through the command.
func TestAFunctionThatCrashesIsBackForTheNextMessage(t *testing.T) {
	t.Parallel()
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "index.js"), `exports.handler = async (event) => {
  if (event.requestContext.routeKey !== "$default") return { statusCode: 200 };
  const n = JSON.parse(event.body).n;
  if (n % 10 === 9) process.exit(3);
  return { statusCode: 200, body: String(n) };
};`)
	dev := startDevProcess(t, nil, "--concurrency", "2", "--handler", "index.handler", "--route-response", "$default", dir)
	client := dev.dial(t)
	for n := range 30 {
		if err := client.Send(fmt.Sprintf(`{"n":%d}`, n)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		got, err := client.Receive(ctx)
		cancel()
		want := fmt.Sprint(n)
		if n%10 == 9 {
			want = `{"message": "Internal server error"`
		}
		if err != nil || !strings.HasPrefix(got, want) {
			t.Fatalf("message %d: %q, %v, want %q", n, got, err, want)
		}
	}
}

func TestRoutesHaveFunctionsOfTheirOwnAndAnAuthorizerIsAskedFirst(t *testing.T) {
	t.Parallel()
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "index.js"), `exports.who = async (event) => ({ statusCode: 200, body: event.requestContext.authorizer.principalId + " of " + event.requestContext.authorizer.team });
exports.auth = async (event) => {
  if (event.queryStringParameters.token === "none") throw new Error("Unauthorized");
  const Effect = event.queryStringParameters.token === "good" ? "Allow" : "Deny";
  return { principalId: "alice", context: { team: "red" }, policyDocument: { Version: "2012-10-17", Statement: [{ Action: "execute-api:Invoke", Effect, Resource: event.methodArn }] } };
};`)
	dev := startDevProcess(t, nil, "--route", "who=node:"+dir+"#index.who", "--route", "ping=mock:pong", "--route-response", "who", "--route-response", "ping",
		"--authorizer", "node:"+dir+"#index.auth", "--identity-source", "route.request.querystring.token")
	for query, want := range map[string]string{"": "401", "?token=none": "401", "?token=bad": "403"} {
		if _, err := wireposttest.Dial(t.Context(), dev.url+query, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("connect with %q: %v, want %s", query, err, want)
		}
	}
	dev.url += "?token=good"
	client := dev.dial(t)
	for message, want := range map[string]string{`{"action":"who"}`: "alice of red", `{"action":"ping"}`: "pong", `{"action":"other"}`: `{"message": "Forbidden"`} {
		if err := client.Send(message); err != nil {
			t.Fatal(err)
		}
		if got, err := client.Receive(t.Context()); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, %v, want %q", message, got, err, want)
		}
	}
}

func TestAChangedFileIsInForceWhileTheSocketStaysOpen(t *testing.T) {
	t.Parallel()
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	dir := t.TempDir()
	file := filepath.Join(dir, "index.js")
	handler := func(text string) string {
		return `exports.handler = async () => ({ statusCode: 200, body: "` + text + `" });`
	}
	write(t, file, handler("first"))
	dev := startDevProcess(t, nil, "--watch", "--handler", "index.handler", "--route-response", "$default", dir)
	client := dev.dial(t)
	ask := func() string {
		if err := client.Send("x"); err != nil {
			t.Fatal(err)
		}
		got, err := client.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := ask(); got != "first" {
		t.Errorf("before the change: %q", got)
	}
	write(t, file, handler("the second one"))
	dev.await(t, `function \S+ was restarted, because \S*index.js changed$`)
	if got := ask(); got != "the second one" {
		t.Errorf("after the change: %q", got)
	}
	write(t, file, "exports.handler = (")
	dev.await(t, `cannot be started since \S*index.js changed; the old one goes on`)
	if got := ask(); got != "the second one" {
		t.Errorf("after a change that is broken: %q", got)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The example's binary as it goes to AWS: with the store that dev lends it, and with
// a table that it opens itself.
func TestTheExampleFunctionRunsUnchangedOnEachStore(t *testing.T) {
	source := "go:" + moduleFolder(t, "../../examples/notify/function")
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	table := "dynamodb://example-function?region=us-east-1&endpoint=" + endpoint
	if status := run(t.Context(), []string{"table", "create", table}, strings.NewReader(""), io.Discard, io.Discard); status != exitDone {
		t.Fatal("the table was not created")
	}
	for _, c := range []struct{ name, store, env string }{
		{"lent by dev", "", ""},
		{"in a table", table, "WIREPOST_STORE=" + table + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{"--route-response", "$default", source}
			if c.env != "" {
				file := filepath.Join(t.TempDir(), "env")
				write(t, file, c.env)
				args = append([]string{"--env-file", file, "--store", c.store}, args...)
			}
			dev := startDev(t, args...)
			dev.url += "?user=alice&topic=lobby"
			client := dev.dial(t)
			var out transcript
			send := []string{"send", "--to", "topic:lobby", "hello"}
			if c.store != "" {
				send = append(send[:1], append([]string{"--store", c.store}, send[1:]...)...)
			}
			if status := run(t.Context(), send, strings.NewReader(""), &out, &out); status != exitDone || !strings.Contains(out.String(), "sent 1\n") {
				t.Errorf("send: %d, %s", status, &out)
			}
			if got, err := client.Receive(t.Context()); err != nil || got != "hello" {
				t.Errorf("received %q, %v", got, err)
			}
		})
	}
}

// Two thousand clients vanish at once. One that stays is answered meanwhile, and no
// process is started beyond the bound.
func TestWhoStaysIsAnsweredWhileManyLeave(t *testing.T) {
	dev := startDev(t, "--concurrency", "4", "--route-response", "$default", "go:"+moduleFolder(t, "testdata/functions/goanswer"))
	stays := dev.dial(t)
	const leaving = 2000
	clients := make([]*wireposttest.Client, leaving)
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := w; i < leaving; i += 8 {
				for {
					c, err := wireposttest.Dial(t.Context(), dev.url, nil)
					if refused, ok := errors.AsType[*wireposttest.HandshakeError](err); ok && refused.Status == 429 {
						continue // AWS's rate of new connections, which is the gateway's too
					}
					if err != nil {
						t.Error(err)
						return
					}
					clients[i] = c
					break
				}
			}
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	for _, c := range clients {
		c.Cut()
	}
	began := time.Now()
	for n := range 20 {
		text := fmt.Sprint("still here ", n)
		if err := stays.Send(text); err != nil {
			t.Fatal(err)
		}
		if got, err := stays.Receive(t.Context()); err != nil || got != text {
			t.Fatalf("received %q, %v, want %q", got, err, text)
		}
		if n == 0 {
			t.Logf("the first answer took %v after the last of %d clients had left", time.Since(began).Round(time.Millisecond), leaving)
		}
	}
	if n := processesOf(t, "goanswer"); n > 4 {
		t.Errorf("%d processes, want at most 4", n)
	}
}

// processesOf counts the processes of a function that this test runs.
func processesOf(t *testing.T, name string) (n int) {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	programs, err := filepath.Abs(filepath.Join(string(folder), "functions", name))
	if err != nil {
		t.Fatal(err)
	}
	all, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, exe := range all {
		if path, err := os.Readlink(exe); err == nil && strings.HasPrefix(path, programs) {
			n++
		}
	}
	if n == 0 {
		t.Error("no process of the function was found")
	}
	return n
}
