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
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wirepost/wirepost/wireposttest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"wirepost":  main,
		"dev-ready": devReady,
		"wsclient":  wsClient,
	})
}

func TestScripts(t *testing.T) { runScripts(t, filepath.Join("testdata", "script")) }

// The terminal blocks of the README are a script: its commands run as they stand
// there, but for a free port, and must print what stands under them.
func TestTheReadmesTerminalBlocksAreTrue(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	script := "fifo dev alice bob\n"
	ran := 0
	var devOutput []string
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
		command, output, _ := strings.Cut(block[1], "\n")
		args, ok := strings.CutPrefix(command, "$ go run ./cmd/wirepost ")
		if !ok {
			t.Fatalf("the README's command %q is not one that this test knows to run", command)
		}
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
	if ran < 2 || len(devOutput) != 3 {
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
	runScripts(t, dir)
}

func runScripts(t *testing.T, dir string) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(3 * time.Minute),
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"WIREPOST_STORE", "WIREPOST_ENDPOINT", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"} {
				env.Setenv(name, "")
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
				signalPipe(os.Args[1], fmt.Sprintf("URL=%s\nDEV_PID=%d\n", address, os.Getpid()))
			}
		}
	}()
	status := run(ctx, append([]string{"dev"}, os.Args[2:]...), os.Stdin, w, os.Stderr)
	w.Close()
	<-done
	stop()
	os.Exit(status)
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
