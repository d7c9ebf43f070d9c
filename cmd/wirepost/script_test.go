//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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
		"dev-ready": devReady,
		"wsclient":  wsClient,
		"wsload":    wsLoad,
		"put":       put,
		"interrupt": interruptReader,
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

// terminalBlock is a command of the README and what it prints.
type terminalBlock struct{ args, output string }

// terminalBlocks are the README's. Each is run by one of the tests below, by the
// first word of its arguments.
func terminalBlocks(t *testing.T, words ...string) (blocks []terminalBlock) {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
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
	script := "fifo dev alice bob\n"
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
		t.Fatal("the README creates no table")
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

func runScripts(t *testing.T, dir string, setup func(*testscript.Env)) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(3 * time.Minute),
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"WIREPOST_STORE", "WIREPOST_ENDPOINT", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"} {
				env.Setenv(name, "")
			}
			env.Setenv("AWS_EC2_METADATA_DISABLED", "true") // no script asks the network who it is
			if setup != nil {
				setup(env)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fifo":  fifo,
			"await": await,
		},
	})
}

// fifo makes named pipes: a background program opens one for writing when it is
// ready, and await opens it for reading, so that nobody polls.
func fifo(ts *testscript.TestScript, _ bool, names []string) {
	for _, n := range names {
		ts.Check(syscall.Mkfifo(ts.MkAbs(n), 0o600))
	}
}

// await waits for the writer of each pipe. What it wrote is NAME=VALUE lines, set
// as environment variables.
func await(ts *testscript.TestScript, _ bool, names []string) {
	for _, n := range names {
		f, err := os.Open(ts.MkAbs(n))
		ts.Check(err)
		b, err := io.ReadAll(f)
		f.Close()
		ts.Check(err)
		for line := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
				ts.Setenv(k, v)
			}
		}
	}
}

// devReady is 'wirepost dev' that tells a pipe when its addresses are out:
// dev-ready PIPE FLAGS…
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
				api, _ := storedAPIID()
				signalPipe(os.Args[1], fmt.Sprintf("URL=%s\nDEV_PID=%d\nAPI=%s\n", address, os.Getpid(), api))
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

func signalPipe(name, text string) {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err == nil {
		_, err = io.WriteString(f, text)
		f.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// wsClient connects, tells the pipe, prints N messages and ends:
// wsclient PIPE URL N [MESSAGE…]. With N negative it waits for the close and
// prints its code.
func wsClient() {
	os.Exit(func() int {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		c, err := wireposttest.Dial(ctx, os.Args[2], nil)
		if err != nil {
			fmt.Println(err)
			signalPipe(os.Args[1], "")
			return 1
		}
		defer c.Close()
		for _, m := range os.Args[4:] {
			if err := c.Send(m); err != nil {
				fmt.Println(err)
				return 1
			}
		}
		signalPipe(os.Args[1], fmt.Sprintf("CLIENT_PID=%d\n", os.Getpid()))
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
