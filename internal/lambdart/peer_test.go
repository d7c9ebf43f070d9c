package lambdart

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// stray makes the requests of its arguments, METHOD PATH, to an address, and prints
// each status. Afterwards it stays until its standard input ends.
func stray() {
	for i := 2; i+1 < len(os.Args); i += 2 {
		r, err := http.NewRequest(os.Args[i], "http://"+os.Args[1]+"/2018-06-01/runtime/"+os.Args[i+1], strings.NewReader(""))
		if err != nil {
			panic(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			fmt.Println(err)
			continue
		}
		said, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		fmt.Printf("%d %s\n", answer.StatusCode, said)
	}
	fmt.Println("done")
	io.Copy(io.Discard, os.Stdin)
}

// forks is a function whose requests are made by processes of their own, as those of a
// shell script are, with nothing of its environment.
func forks() {
	own := func(method, path, body string) string {
		c := exec.Command(os.Args[0], os.Getenv(apiVariable), method, path)
		c.Env = []string{actAs + "=request"}
		c.Stdin = strings.NewReader(body)
		said, err := c.Output()
		if err != nil {
			os.Exit(0)
		}
		return string(said)
	}
	for {
		id, event, _ := strings.Cut(own("GET", "invocation/next", ""), "\n")
		own("POST", "invocation/"+id+"/response", event)
	}
}

// oneRequest makes one request and prints the ID and the body of the answer.
func oneRequest() {
	r, err := http.NewRequest(os.Args[2], "http://"+os.Args[1]+"/2018-06-01/runtime/"+os.Args[3], os.Stdin)
	if err != nil {
		panic(err)
	}
	if os.Args[2] == "GET" {
		r.Body = nil
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		os.Exit(1)
	}
	said, _ := io.ReadAll(answer.Body)
	fmt.Printf("%s\n%s", answer.Header.Get("Lambda-Runtime-Aws-Request-Id"), said)
}

func init() { functions["request"] = oneRequest }

// goAstray runs another program that makes requests to a Runtime API and returns what it
// was answered.
func goAstray(t *testing.T, address string, requests ...string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0], append([]string{address}, requests...)...)
	c.Env = append(os.Environ(), actAs+"=stray")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Wait()
	defer in.Close()
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "done"; {
		said = append(said, lines.Text())
	}
	if ctx.Err() != nil {
		t.Fatalf("the other program waits for its answer; it got %q", said)
	}
	return said
}

func addressOf(t *testing.T, f *Function) string {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.processes {
		return p.where()
	}
	t.Fatal("there is no process")
	return ""
}

func TestAnotherProgramCannotUseTheRuntimeAPI(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("skipped: only Linux says whose a connection is")
	}
	log := listen()
	f := begin(t, as(t, "echo", func(c *Config) { c.Concurrency = 1; c.Logger = slog.New(slog.NewTextHandler(log, nil)) }))
	for range 3 {
		for _, answer := range goAstray(t, addressOf(t, f), "GET", "invocation/next", "POST", "init/error", "GET", "invocation/next", "POST", "invocation/x/response") {
			if !strings.HasPrefix(answer, `403 {"errorMessage":"this Runtime API is another process's"`) {
				t.Errorf("it was answered %s", answer)
			}
		}
		if answer, err := f.Invoke(t.Context(), []byte(`"x"`)); err != nil || string(answer) != `"x"` {
			t.Fatalf("%s, %v", answer, err)
		}
	}
	if s := f.Stats(); s.Starts != 1 || s.Failed != 0 || s.Invocations != 3 {
		t.Errorf("%+v", s)
	}
	if said := log.String(); strings.Count(said, "level=WARN") != 1 || !strings.Contains(said, "another program") || !strings.Contains(said, "lambdart.test") {
		t.Errorf("logged %s", said)
	}
}

// Before its process has come, nobody else begins the function.
func TestAnotherProgramCannotStartInTheFunctionsPlace(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("skipped: only Linux says whose a connection is")
	}
	said := listen()
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan error, 1)
	go func() { // ends with ctx
		_, err := Start(ctx, as(t, "address", func(c *Config) { c.Output = said }))
		started <- err
	}()
	said.await(t, " .\n")
	_, address, _ := strings.Cut(said.String(), "at ")
	address, _, _ = strings.Cut(address, " ")
	for _, answer := range goAstray(t, address, "POST", "init/error", "GET", "invocation/next") {
		if !strings.HasPrefix(answer, "403 ") {
			t.Errorf("it was answered %s", answer)
		}
	}
	select {
	case err := <-started:
		t.Errorf("the function has started, or has failed: %v", err)
	default:
	}
	cancel()
	<-started
}

func TestWhatAFunctionStartsMaySpeakForIt(t *testing.T) {
	f := begin(t, as(t, "forks", func(c *Config) { c.Concurrency = 1 }))
	for range 3 {
		if answer, err := f.Invoke(t.Context(), []byte(`"x"`)); err != nil || string(answer) != `"x"` {
			t.Fatalf("%s, %v", answer, err)
		}
	}
}

// A process may have left the function's family, and is known by what it was given.
func TestWhoeverWasGivenTheAddressIsNoStranger(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("skipped: only Linux says whose a connection is")
	}
	for name, network := range map[string]string{"127.0.0.1:0": "tcp4", "[::1]:0": "tcp6"} {
		l, err := net.Listen(network, name)
		if err != nil {
			t.Skip("skipped: ", err)
		}
		defer l.Close()
		address := l.Addr().String()
		for given, stranger := range map[string]bool{"": true, apiVariable + "=" + address: false, apiVariable + "=" + address + "1": true} {
			c := exec.Command(os.Args[0], address, "GET", "x")
			c.Env = append(os.Environ(), actAs+"=stray", given)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			nc, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			here, there := nc.LocalAddr().(*net.TCPAddr).AddrPort(), nc.RemoteAddr().(*net.TCPAddr).AddrPort()
			if got := peerOf(here, there, 0, address); got.stranger != stranger || got.own == stranger {
				t.Errorf("given %q: %+v", given, got)
			}
			if got := peerOf(here, there, c.Process.Pid, address); !got.own {
				t.Errorf("the child itself: %+v", got)
			}
			nc.Close()
			c.Wait()
		}
	}
}

// Where nobody knows whose a request is, a second one does not take the first one's
// invocation.
func TestANextThatWaitsIsNotReplaced(t *testing.T) {
	r := playRuntime(t, func(c *Config) { c.peerOf = func(_, _ netip.AddrPort, _ int, _ string) peer { return peer{} } })
	type got struct {
		status int
		said   string
	}
	ask := func(ctx context.Context) chan got {
		result := make(chan got, 1)
		go func() { // ends with ctx or its answer
			status, _, said := r.do(ctx, "GET", "invocation/next", nil, func(q *http.Request) { q.Close = true })
			result <- got{status, said}
		}()
		return result
	}
	process := func() (p *process) {
		r.f.mu.Lock()
		defer r.f.mu.Unlock()
		for p = range r.f.processes {
		}
		return p
	}()
	await := func(what string, is func() bool) {
		t.Helper()
		awaitThat(t, func() bool {
			process.mu.Lock()
			defer process.mu.Unlock()
			return is()
		}, func() string { return what })
	}
	waits, inLine := func() bool { return process.poll != nil }, func() bool { return process.inLine }

	firstCtx, leave := context.WithCancel(t.Context())
	first := ask(firstCtx)
	await("the first does not wait", waits)
	second := ask(t.Context())
	await("the second is not in line", inLine)
	if third := <-ask(t.Context()); third.status != 403 || !strings.Contains(third.said, "InvalidStateTransition") {
		t.Errorf("the third got %+v", third)
	}
	// Its client gives it up: the second takes its place.
	leave()
	<-first
	await("the second does not take the place", func() bool { return waits() && !inLine() })
	third := ask(t.Context())
	await("the third is not in line", inLine)
	result := make(chan invoked, 1)
	go func() { // ends with the invocation
		answer, err := r.f.Invoke(t.Context(), []byte(`{"n":1}`))
		result <- invoked{string(answer), err}
	}()
	if g := <-second; g.status != 200 || g.said != `{"n":1}` {
		t.Errorf("the second got %+v", g)
	}
	if g := <-third; g.status != 403 || !strings.Contains(g.said, "InvalidStateTransition") {
		t.Errorf("the third got %+v", g)
	}
}
