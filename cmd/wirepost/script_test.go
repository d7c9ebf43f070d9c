//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dynamolocal"
	"github.com/wirepost/wirepost/wireposttest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"wirepost":  main,
		"interrupt": interruptReader,
		"patient":   patient,
		"dev-ready": devReady,
		"wsclient":  wsClient,
		"wsload":    wsLoad,
		"put":       put,
	})
}

func TestScripts(t *testing.T) { runScripts(t, filepath.Join("testdata", "script"), nil) }

// tables counts the tables of scripts: all of a test process are on one server.
var tables atomic.Int64

func TestScriptsOnDynamoDB(t *testing.T) {
	server, other := dynamolocal.Start(t, dynamolocal.DynamoDBLocal), dynamolocal.Start(t, dynamolocal.Dynalite)
	runScripts(t, filepath.Join("testdata", "dynamodb"), func(env *testscript.Env) {
		table := fmt.Sprintf("script-%d", tables.Add(1))
		env.Setenv("TABLE", table)
		env.Setenv("SERVER", server)
		env.Setenv("STORE", "dynamodb://"+table+"?endpoint="+server)
		env.Setenv("STORE_WITHOUT_TTL", "dynamodb://"+table+"?endpoint="+other)
	})
}

func TestScriptsWithEngines(t *testing.T) {
	withEngines(t)
	cache := os.Getenv("XDG_CACHE_HOME")
	runScripts(t, filepath.Join("testdata", "engines"), func(env *testscript.Env) { env.Setenv("XDG_CACHE_HOME", cache) })
}

// terminalBlock is a command of the README and what it prints.
type terminalBlock struct{ args, output string }

// terminalBlocks are those of the README and of docs/store.md. Each is run by one of the
// tests below, by the
// first word of its arguments.
func terminalBlocks(t *testing.T, words ...string) (blocks []terminalBlock) {
	t.Helper()
	var pages []byte
	for _, page := range []string{"README.md", filepath.Join("docs", "store.md")} {
		text, err := os.ReadFile(filepath.Join("..", "..", page))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, text...)
	}
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(pages), -1) {
		command, output, _ := strings.Cut(block[1], "\n")
		args, ok := strings.CutPrefix(command, "$ go run ./cmd/wirepost ")
		word, _, _ := strings.Cut(args, " ")
		if !ok || !slices.Contains([]string{"dev", "send", "table", "sweep"}, word) {
			t.Fatalf("the README's command %q is not one that a test knows to run", command)
		}
		if slices.Contains(words, word) {
			blocks = append(blocks, terminalBlock{args, output})
		}
	}
	return blocks
}

// The README's first commands run as they stand there, but for a free port, and must
// print what stands under them.
func TestTheReadmesTerminalBlocksAreTrue(t *testing.T) {
	script := ""
	ran := 0
	var devOutput []string
	for _, block := range terminalBlocks(t, "dev", "send") {
		args, output := block.args, block.output
		ran++
		if args == "dev" {
			script += "exec dev-ready dev --listen 127.0.0.1:0 &dev&\nawait dev\n"
			for _, name := range []string{"alice", "bob"} {
				script += fmt.Sprintf("exec wsclient %s ''$URL'?user=%s&topic=lobby' 1 &%s&\nawait %[1]s\n", name, name, name)
			}
			devOutput = strings.Split(strings.TrimSpace(output), "\n")
			continue
		}
		script += "exec wirepost " + args + "\n"
		for line := range strings.Lines(output) {
			script += "stdout '^" + regexp.QuoteMeta(strings.TrimSpace(line)) + "$'\n"
		}
	}
	if ran < 2 || len(devOutput) != 4 {
		t.Fatalf("the README has %d commands and %d lines of dev's output: its first screen is not what it was", ran, len(devOutput))
	}
	for _, name := range []string{"alice", "bob"} {
		script += "wait " + name + "\nstdout '^\\{\"text\":\"hi\"\\}$'\n"
	}
	script += "exec kill -INT $DEV_PID\nwait dev\n"
	for _, line := range devOutput {
		script += "stdout '^" + strings.ReplaceAll(regexp.QuoteMeta(line), "3001", "[0-9]+") + "$'\n"
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "readme.txtar"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	runScripts(t, dir, nil)
}

func TestTheReadmesTableIsCreated(t *testing.T) {
	server := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	script := ""
	for _, block := range terminalBlocks(t, "table") {
		script += "exec wirepost " + block.args + "\n"
		for line := range strings.Lines(block.output) {
			script += "stdout '^" + regexp.QuoteMeta(strings.TrimSpace(line)) + "$'\n"
		}
	}
	if script == "" {
		t.Fatal("docs/store.md creates no table")
	}
	name := fmt.Sprintf("readme-%d", tables.Add(1)) // with -count=2 the README's own would be there
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "table.txtar"), []byte(strings.ReplaceAll(script, "connections", name)), 0o600); err != nil {
		t.Fatal(err)
	}
	runScripts(t, dir, func(env *testscript.Env) {
		env.Setenv("AWS_ENDPOINT_URL_DYNAMODB", server) // for AWS's
		env.Setenv("AWS_ACCESS_KEY_ID", "readme")
		env.Setenv("AWS_SECRET_ACCESS_KEY", "readme")
	})
}

// runScripts runs the scripts of a folder as subtests of t, a *testing.T or a stand-in.
func runScripts(t any, dir string, setup func(*testscript.Env)) {
	p := scriptParams(dir, setup)
	if t, ok := t.(*testing.T); ok {
		testscript.Run(t, p)
		return
	}
	testscript.RunT(t.(testscript.T), p)
}

// compiled is Go's cache. Scripts have no home, and without it they would compile the standard
// library anew.
var compiled = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cache, err := exec.CommandContext(ctx, "go", "env", "GOCACHE").Output()
	if err != nil {
		return "", fmt.Errorf("ask go for its cache: %w", err)
	}
	return strings.TrimSpace(string(cache)), nil
})

func scriptParams(dir string, setup func(*testscript.Env)) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(5 * time.Minute),
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"WIREPOST_STORE", "WIREPOST_ENDPOINT", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"} {
				env.Setenv(name, "")
			}
			env.Setenv("AWS_EC2_METADATA_DISABLED", "true") // no script asks the network who it is
			cache, err := compiled()
			if err != nil {
				return err
			}
			env.Setenv("GOCACHE", cache)
			port, err := reservePort()
			if err != nil {
				return err
			}
			env.Setenv("ADDRESS", fmt.Sprintf("127.0.0.1:%d", port))
			env.Setenv("NEXT_ADDRESS", fmt.Sprintf("127.0.0.1:%d", port+1))
			if setup != nil {
				setup(env)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"await": await},
	}
}

// awaitTime is how long a program of a script may take to get ready, on a machine
// that does other work too.
const awaitTime = time.Minute

// await waits until each background program has said that it is ready, by a file of
// the name that it was given, and sets the NAME=VALUE lines in it as environment
// variables. It gives up as soon as the program has ended; testscript then shows what
// the program printed.
func await(ts *testscript.TestScript, _ bool, names []string) {
	for _, name := range names {
		file := ts.MkAbs(name)
		tick, timeout := time.NewTicker(10*time.Millisecond), time.NewTimer(awaitTime)
		defer tick.Stop()
		defer timeout.Stop()
		for {
			ended := hasEnded(ts, name)
			b, err := os.ReadFile(file)
			if err == nil {
				setFrom(ts, string(b))
				ts.Check(os.Remove(file)) // the name can be used again
				break
			}
			if !errors.Is(err, fs.ErrNotExist) {
				ts.Check(err)
			}
			if ended { // before the file was looked for
				ts.Fatalf("the program that was to make %s has ended", name)
			}
			select {
			case <-tick.C:
			case <-timeout.C:
				ts.Fatalf("%s was not there after %v", name, awaitTime)
			}
		}
	}
}

func setFrom(ts *testscript.TestScript, lines string) {
	for line := range strings.Lines(lines) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			ts.Setenv(k, v)
		}
	}
}

// hasEnded reports whether no background program is left that was given the name.
func hasEnded(ts *testscript.TestScript, name string) bool {
	return !slices.ContainsFunc(ts.BackgroundCmds(), func(c *exec.Cmd) bool {
		return strings.Contains(strings.Join(c.Args, " "), name) && syscall.Kill(c.Process.Pid, 0) == nil
	})
}

// devReady is 'wirepost dev' that makes a file when its addresses are out:
// dev-ready FILE FLAGS…
func devReady() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		address := ""
		for scan := bufio.NewScanner(r); scan.Scan(); {
			fmt.Println(scan.Text())
			switch what, value, _ := strings.Cut(scan.Text(), " "); what {
			case "connect":
				address, _, _ = strings.Cut(strings.TrimSpace(value), "?")
			case "store":
				api, _ := folder.APIID()
				ready(os.Args[1], fmt.Sprintf("URL=%s\nDEV_PID=%d\nAPI=%s\n", address, os.Getpid(), api))
			}
		}
	}()
	status := run(ctx, append([]string{"dev"}, os.Args[2:]...), os.Stdin, w, os.Stderr)
	w.Close()
	<-done
	stop()
	os.Exit(status)
}

// put puts a connection row into a store: put STORE API ID AGE. It is of the
// stage dev.
func put() {
	os.Exit(func() int {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		age, err := time.ParseDuration(os.Args[4])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		s, err := wirepost.OpenStore(ctx, os.Args[1])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer s.Close()
		at := time.Now().Add(-age)
		err = s.Put(ctx, wirepost.Connection{ID: os.Args[3], Endpoint: wirepost.Identity{APIID: os.Args[2], Stage: "dev", Region: "us-east-1"},
			User: "put", Topics: []string{"lobby"}, ConnectedAt: at, ExpiresAt: at.Add(2 * time.Hour)})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}())
}

// ready makes the file that await waits for: whole at once, and without waiting for
// anybody to read it.
func ready(name, text string) {
	err := os.WriteFile(name+".part", []byte(text), 0o600)
	if err == nil {
		err = os.Rename(name+".part", name)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// wsClient connects, makes the file, prints N messages and ends:
// wsclient FILE URL N [MESSAGE…]. With N negative it waits for the close and
// prints its code.
func wsClient() {
	os.Exit(func() int {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		c, err := wireposttest.Dial(ctx, os.Args[2], nil)
		if err != nil {
			fmt.Println(err)
			ready(os.Args[1], "")
			return 1
		}
		defer c.Close()
		for _, m := range os.Args[4:] {
			if err := c.Send(m); err != nil {
				fmt.Println(err)
				return 1
			}
		}
		ready(os.Args[1], fmt.Sprintf("CLIENT_PID=%d\n", os.Getpid()))
		var n int
		fmt.Sscan(os.Args[3], &n)
		for i := 0; i != n; i++ {
			text, err := c.Receive(ctx)
			if err != nil {
				fmt.Println(err)
				return 0
			}
			fmt.Println(text)
		}
		return 0
	}())
}
