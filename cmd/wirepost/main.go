// Command wirepost runs an API-Gateway-compatible WebSocket gateway on this
// machine, and pushes messages to its clients or to those of a real one.
//
// Rules for what it says: results go to standard output. Everything else goes to
// standard error as "wirepost: error: …" and "wirepost: hint: …", in lower case
// and without a full stop at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/wirepost/wirepost"
	_ "github.com/wirepost/wirepost/awschain" // profiles, single sign-on and roles, as everybody's machine has
)

const usage = `Usage:
    wirepost dev      run the gateway and the example function on this machine
    wirepost send     post a message to an audience
    wirepost list     list the connections
    wirepost kick     close the connections of an audience
    wirepost sweep    remove what belongs to nobody any more from the store
    wirepost tail     print what happens in the gateway that runs here
    wirepost doctor   say what is wrong with an endpoint, and what to do
    wirepost fault    list or replace what goes wrong in the gateway that runs here
    wirepost table    create, describe or check the DynamoDB table of a store
    wirepost init     copy a function and a stack for AWS to start from
    wirepost package  build a Go function for AWS Lambda as a zip file
    wirepost invoke   give a sample event or a publish to a function on this machine
    wirepost version

An AUDIENCE is user:NAME, topic:NAME, connection:ID or everyone.
The store is sqlite:.wirepost/store.db, or --store URL, or $WIREPOST_STORE;
a URL is sqlite:PATH or dynamodb://TABLE?region=REGION.

Exit status: 0 done, 1 something failed, 2 wrong usage.
'wirepost COMMAND --help' describes a command.

Example:
    $ wirepost dev
    $ wirepost send --to topic:lobby '{"text":"hi"}'
    sent 2
`

// exit statuses
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// command is one run of the program with what it may touch.
type command struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	*progress
}

func newCommand(stdin io.Reader, stdout, stderr io.Writer) *command {
	return &command{stdin, stdout, stderr, &progress{ready: make(chan struct{})}}
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c := newCommand(stdin, stdout, stderr)
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	return c.interruptible(ctx, func() int { return c.do(ctx, args[0], args[1:]) }, func() int {
		if args[0] == "dev" { // as when it serves
			fmt.Fprintf(stderr, "wirepost: hint: %s\n", c.hung())
			return exitDone
		}
		c.complain(c.hung(), "")
		return exitFailed
	})
}

// do does what a command's name says.
func (c *command) do(ctx context.Context, name string, args []string) int {
	switch name {
	case "dev":
		return c.dev(ctx, args)
	case "send":
		return c.send(ctx, args)
	case "list":
		return c.list(ctx, args)
	case "kick":
		return c.kick(ctx, args)
	case "tail":
		return c.tail(ctx, args)
	case "fault":
		return c.fault(ctx, args)
	case "sweep":
		return c.sweep(ctx, args)
	case "table":
		return c.table(ctx, args)
	case "doctor":
		return c.doctor(ctx, args)
	case "init":
		return c.init(args)
	case "package":
		return c.pack(ctx, args)
	case "invoke":
		return c.invoke(ctx, args)
	case "version", "--version", "-version":
		fmt.Fprintf(c.stdout, "wirepost %s (%s, %s/%s)\n", wirepost.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return exitDone
	case "help", "--help", "-help", "-h":
		if len(args) == 1 && args[0] != "help" {
			return c.do(ctx, args[0], []string{"--help"})
		}
		fmt.Fprint(c.stdout, usage)
		return exitDone
	}
	return c.misuse(fmt.Sprintf("there is no command %q", name), "the commands are dev, send, list, kick, tail, fault, sweep, doctor, table, init, package, invoke and version")
}

// parse reads flags. done tells that there is nothing more to do.
func (c *command) parse(flags *flag.FlagSet, help string, args []string) (status int, done bool) {
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(c.stdout, help)
		return exitDone, true
	case err != nil:
		return c.misuse(strings.Replace(err.Error(), "flag provided but not defined: -", "there is no flag --", 1), fmt.Sprintf("'wirepost %s --help' lists the flags", flags.Name())), true
	}
	return 0, false
}

func (c *command) misuse(message, hint string) int {
	c.complain(message, hint)
	return exitUsage
}

// fail reports an error, with the cure if the error knows one.
func (c *command) fail(err error) int {
	c.complain(explain(err))
	if where := seeAlso(err); where != "" {
		fmt.Fprintf(c.stderr, "wirepost: hint: %s\n", where)
	}
	return exitFailed
}

func (c *command) complain(message, hint string) {
	fmt.Fprintf(c.stderr, "wirepost: error: %s\n", message)
	if hint != "" {
		fmt.Fprintf(c.stderr, "wirepost: hint: %s\n", hint)
	}
}
