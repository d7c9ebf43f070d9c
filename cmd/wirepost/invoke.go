package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/httpstore"
	"github.com/wirepost/wirepost/internal/control"
	"github.com/wirepost/wirepost/internal/lambdart"
)

const invokeHelp = `Usage:
    wirepost invoke [FLAGS] --event NAME -- PROGRAM [ARGS...]
    wirepost invoke [FLAGS] FILE -- PROGRAM [ARGS...]

Starts a function on this machine as AWS Lambda would, gives it one event, prints
what it answers, and ends it. The event is a sample or the JSON of FILE; - is
standard input. PROGRAM is named as for 'wirepost dev': ./bootstrap, go:DIR, or with
--handler a folder. What the function logs goes to standard error.

    --event NAME     ` + sampleNames + `
    --to AUDIENCE    of a publish; default topic:lobby
    --data JSON      of a publish; default {"text":"hi"}
    --text TEXT      the same, posted as it is
    --body TEXT      of message; default {"action":"ping"}, whose route is ping
    --query NAME=VALUE, --header NAME=VALUE
                     of connect; may be given more than once
    --print          print the event and invoke nothing
    --handler NAME   such as index.handler
    --timeout TIME   of the invocation; default 29s
    --store URL      what WIREPOST_STORE is; default $WIREPOST_STORE, or the store of
                     this folder's 'wirepost dev'. Without one, and for connect,
                     message and disconnect, it is one that is gone afterwards
    --credentials dev|inherit
                     what the function signs with; default dev, a pair that no AWS
                     service takes

A sample event comes from http://localhost:3001/dev, where 'wirepost dev' is. The
function does with the store what it does with every event.

Exit status: 0 the function answered, 1 it failed, 2 wrong usage.

Example:
    $ wirepost invoke --event publish --to user:alice --data '{"n":1}' -- ./bootstrap
`

// invocation is what the flags of invoke say.
type invocation struct {
	sample
	event, handler, store string
	print, inherit        bool
	timeout               time.Duration
	function              []string
	payload               []byte
}

func (c *command) invoke(ctx context.Context, args []string) int {
	i, status, done := c.parseInvoke(args)
	if done {
		return status
	}
	if i.print {
		var out bytes.Buffer
		if err := json.Indent(&out, i.payload, "", "  "); err != nil {
			return c.fail(fmt.Errorf("print the event: %w", err))
		}
		fmt.Fprintln(c.stdout, out.String())
		return exitDone
	}
	source, err := lambdart.ParseSource(i.function, i.handler)
	if err != nil {
		return c.misuse(err.Error(), "'wirepost dev --help' says how functions are named")
	}
	store, closeStore, err := i.lend(ctx)
	if err != nil {
		return c.failWith(err)
	}
	defer closeStore()
	c.step("starting the function")
	c.holds()
	function, err := lambdart.Start(ctx, lambdart.Config{Name: "function", Source: source, Env: i.environment(store), Concurrency: 1, Timeout: i.timeout, Output: c.stderr})
	if err != nil {
		return c.fail(err)
	}
	defer func() {
		deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		if err := function.Close(deadline); err != nil {
			c.complain(err.Error(), "")
		}
	}()
	answer, err := function.Invoke(ctx, i.payload)
	if failed, ok := errors.AsType[*lambdart.FunctionError](err); ok {
		return c.fail(fmt.Errorf("the function answered with an error: %w", failed))
	}
	if err != nil {
		return c.fail(err)
	}
	fmt.Fprintf(c.stdout, "%s\n", bytes.TrimSpace(answer))
	return exitDone
}

func (c *command) parseInvoke(args []string) (i *invocation, status int, done bool) {
	i = &invocation{sample: sample{now: time.Now(), to: "topic:lobby", body: `{"action":"ping"}`}}
	var data, text string
	credentials := "dev"
	flags := flag.NewFlagSet("invoke", flag.ContinueOnError)
	flags.StringVar(&i.event, "event", "", "")
	flags.StringVar(&i.to, "to", i.to, "")
	flags.StringVar(&data, "data", "", "")
	flags.StringVar(&text, "text", "", "")
	flags.StringVar(&i.body, "body", i.body, "")
	flags.Var(&i.queries, "query", "")
	flags.Var(&i.headers, "header", "")
	flags.BoolVar(&i.print, "print", false, "")
	flags.StringVar(&i.handler, "handler", "", "")
	flags.DurationVar(&i.timeout, "timeout", lambdart.DefaultTimeout, "")
	flags.StringVar(&i.store, "store", "", "")
	flags.StringVar(&credentials, "credentials", credentials, "")
	if status, done := c.parse(flags, invokeHelp, args); done {
		return nil, status, true
	}
	misuse := func(message, hint string) (*invocation, int, bool) { return nil, c.misuse(message, hint), true }
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	i.function = flags.Args()
	i.inherit = credentials == "inherit"
	of := map[string][]string{"to": publishSamples, "data": publishSamples, "text": publishSamples, "body": {"message"}, "query": {"connect"}, "header": {"connect"}}
	for _, name := range []string{"to", "data", "text", "body", "query", "header"} {
		if given[name] && !slices.Contains(of[name], i.event) {
			return misuse(fmt.Sprintf("--%s is of the events %s", name, strings.Join(of[name], ", ")), "")
		}
	}
	switch {
	case !i.inherit && credentials != "dev":
		return misuse(fmt.Sprintf("--credentials %s: there are dev and inherit", credentials), "")
	case i.timeout <= 0:
		return misuse("--timeout must be more than zero", "")
	case given["data"] && given["text"]:
		return misuse("a publish has --data or --text, not both", "")
	case given["data"] && !json.Valid([]byte(data)):
		return misuse("--data is not JSON", "a string needs quotes of its own, such as --data '\"hi\"'; --text posts text as it is")
	}
	i.data = json.RawMessage(`{"text":"hi"}`)
	if given["data"] {
		i.data = json.RawMessage(data)
	}
	if given["text"] {
		i.data, i.text = nil, &text
	}
	var err error
	if i.event != "" {
		if _, err := wirepost.ParseAudience(i.to); err != nil {
			return misuse("--to: "+strings.TrimPrefix(err.Error(), "wirepost: "), "")
		}
		if i.payload, err = i.make(i.event); err != nil {
			return misuse(err.Error(), "the events are "+sampleNames)
		}
	} else {
		if len(i.function) == 0 {
			return misuse("invoke needs --event NAME or a FILE", "the events are "+sampleNames)
		}
		file := i.function[0]
		if i.function = i.function[1:]; len(i.function) > 0 && i.function[0] == "--" {
			i.function = i.function[1:]
		}
		if i.payload, err = readEvent(file, c.stdin); err != nil {
			return nil, c.fail(err), true
		}
	}
	if !i.print && len(i.function) == 0 && i.handler == "" {
		return misuse("invoke needs a function", "name it behind --, such as 'wirepost invoke --event connect -- ./bootstrap'")
	}
	return i, 0, false
}

// maxEvent is how much AWS Lambda takes for one invocation, and a little more, so that
// it is the function that refuses it.
const maxEvent = 6<<20 + 1<<10

func readEvent(file string, stdin io.Reader) ([]byte, error) {
	from := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read the event: %w", err)
		}
		defer f.Close()
		from = f
	}
	b, err := io.ReadAll(io.LimitReader(from, maxEvent))
	if err != nil {
		return nil, fmt.Errorf("read the event: %w", err)
	}
	if len(b) > 6<<20 {
		return nil, fmt.Errorf("read the event: %s has more than the 6 MB that Lambda takes", file)
	}
	if !json.Valid(b) {
		return nil, fmt.Errorf("read the event: %s is not JSON", file)
	}
	return b, nil
}

// lend is the URL of a store for the function, and how it ends. What a Lambda links
// opens a table or an address; a file or memory is served to it at one.
func (i *invocation) lend(ctx context.Context) (url string, end func(), err error) {
	at := storeURL(i.store)
	if at == defaultStore {
		// The samples' connection is nowhere: no dev is to meet it.
		_, err := os.Stat(strings.TrimPrefix(defaultStore, "sqlite:"))
		if err != nil || slices.Contains([]string{"connect", "message", "disconnect"}, i.event) {
			at = "mem:"
		}
	}
	if scheme, _, _ := strings.Cut(at, ":"); scheme != "sqlite" && scheme != "mem" {
		return at, func() {}, nil
	}
	store, err := wirepost.OpenStore(ctx, at)
	if err != nil {
		return "", nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		store.Close()
		return "", nil, fmt.Errorf("serve the store to the function: %w", err)
	}
	token := rand.Text()
	handler := http.StripPrefix("/store", httpstore.NewHandler(store, &httpstore.HandlerOptions{Token: token}))
	server := control.NewServer(handler, slog.New(slog.DiscardHandler))
	go server.Serve(l) // ends with end
	return controlAddress{URL: "http://" + l.Addr().String(), Token: token}.store(), func() { server.Close(); store.Close() }, nil
}

func (i *invocation) environment(store string) environment {
	e := environment(os.Environ())
	if !i.inherit {
		pair := gateway.DevelopmentCredentials()
		e = e.without(ofCaller).set("AWS_CONFIG_FILE", os.DevNull).set("AWS_SHARED_CREDENTIALS_FILE", os.DevNull).set("AWS_EC2_METADATA_DISABLED", "true")
		e = e.set("AWS_ACCESS_KEY_ID", pair.AccessKeyID).set("AWS_SECRET_ACCESS_KEY", pair.SecretAccessKey)
		e = e.set("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "http://"+sampleHost+"/dev") // as dev does
	}
	if i.event == "doctor" {
		e = e.set("WIREPOST_DOCTOR", "1") // or the function refuses
	}
	return e.set("WIREPOST_STORE", store)
}
