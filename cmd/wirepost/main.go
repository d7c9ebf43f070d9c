// Command wirepost runs an API-Gateway-compatible WebSocket gateway on this
// machine, and pushes messages to its clients or to those of a real one.
//
// Rules for what it says: results go to standard output. Everything else goes to
// standard error as "wirepost: error: …" and "wirepost: hint: …", in lower case
// and without a full stop at the end. All of it goes through package terminal, which
// makes text from outside harmless.
package main

import (
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "github.com/wirepost/wirepost/awschain" // profiles, single sign-on and roles, as everybody's machine has
	"github.com/wirepost/wirepost/internal/hint"
	"github.com/wirepost/wirepost/internal/terminal"
)

// exit statuses
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	if isCompletion(os.Args[1:]) {
		// A shell may show what is said meanwhile in the middle of the line, and some of
		// what cobra says goes to no writer of ours.
		os.Stderr, _ = os.Open(os.DevNull)
	}
	log.SetOutput(newStandardLog(os.Stderr))
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// command is one run of the program with what it may touch.
type command struct {
	stdin          io.Reader
	stdout, stderr *terminal.Printer
	completionTime time.Duration // at most, for asking the store who is connected
	*progress
}

func newCommand(stdin io.Reader, stdout, stderr io.Writer) *command {
	return &command{stdin, terminal.NewPrinter(stdout), terminal.NewPrinter(stderr), completionTime, &progress{ready: make(chan struct{})}}
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c := newCommand(stdin, stdout, stderr)
	return c.interruptible(ctx, func() int { return c.run(ctx, args) }, func() int {
		if len(args) > 0 && args[0] == "dev" { // as when it serves
			c.stderr.Printf("wirepost: hint: %s\n", c.hung())
			return exitDone
		}
		c.complain(c.hung(), "")
		return exitFailed
	})
}

func (c *command) misuse(message, hint string) int {
	c.complain(message, hint)
	return exitUsage
}

// fail reports an error, with the cure if the error knows one.
func (c *command) fail(err error) int {
	c.complain(explain(err))
	if where := seeAlso(err); where != "" {
		c.stderr.Printf("wirepost: hint: %s\n", where)
	}
	return exitFailed
}

// failWith is fail for errors that may carry a hint.
func (c *command) failWith(err error) int {
	if fix := hint.Of(err); fix != "" {
		c.complain(err.Error(), fix)
		return exitFailed
	}
	return c.fail(err)
}

func (c *command) complain(message, hint string) {
	c.stderr.Block("wirepost: error: ", message)
	if hint != "" {
		c.stderr.Block("wirepost: hint: ", hint)
	}
}
