package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/httpstore"
	"github.com/wirepost/wirepost/internal/bundle"
	"github.com/wirepost/wirepost/internal/control"
	"github.com/wirepost/wirepost/internal/dev"
	"github.com/wirepost/wirepost/internal/hint"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// invocation is what the flags of invoke say.
type invocation struct {
	sample
	event, handler, store, credentials string
	dataFlag, textFlag                 string // as they are given
	print, inherit                     bool
	timeout                            time.Duration
	file                               string // of the event, if it has no name
	name                               string // of a function of the dev that runs
	function                           []string
	payload                            []byte
	bundledFrom                        string // the folder, if the function is made of TypeScript
}

// closeTime is how long the function gets at the end.
const closeTime = 10 * time.Second

func (c *command) invokeCommand() *cobra.Command {
	i := &invocation{sample: sample{now: time.Now(), at: nowhere}}
	cmd := &cobra.Command{
		Use: `invoke [FLAGS] NAME [--event SAMPLE|FILE]
wirepost invoke [FLAGS] --event SAMPLE|FILE -- PROGRAM [ARGS...]`,
		Short: "give an event to a function of the running dev, or to a program",
		Long: `Gives one event to a function and prints what it answers. NAME is a function of the
'wirepost dev' that runs in this folder, by its logical ID or its name on AWS, whether
a route has it or not. PROGRAM is started on this machine as AWS Lambda would, and
ended; it is named as for 'wirepost dev': ./bootstrap, go:DIR, or with --handler a
folder. The event is a sample or the JSON of FILE; - is standard input; NAME without
one gets {}. What the function logs goes to standard error.`,
		Annotations: map[string]string{program: "yes", notes: `A sample event comes from the 'wirepost dev' that runs in this folder: its address,
stage, API ID, region and account are in it, and a message has the route that it would
get there. Without one it comes from http://localhost:3001/dev. The function does with
the store what it does with every event.

Exit status: 0 the function answered, 1 it failed, 2 wrong usage.`},
		Example: `    $ wirepost invoke Nightly --event schedule
    $ wirepost invoke Jobs --event sqs --body '{"order":7}'
    $ wirepost invoke --event publish --to user:alice --data '{"n":1}' -- ./bootstrap`,
		SuggestFor:        []string{"call", "test"},
		ValidArgsFunction: files,
	}
	grouped(cmd, "The event", i.eventFlags)
	grouped(cmd, "The function", i.functionFlags)
	completeFlag(cmd, "event", oneOf(sampleEvents...))
	completeFlag(cmd, "credentials", oneOf("dev", "inherit"))
	c.completeAudience(cmd, "to")
	cmd.RunE = runs(func(cmd *cobra.Command, args []string) int {
		if err := i.check(cmd.Flags()); err != nil {
			return c.misuse(err.Error(), err.Fix())
		}
		if err := i.split(args, cmd.ArgsLenAtDash()); err != nil {
			return c.misuse(err.Error(), err.Fix())
		}
		if err := i.forName(cmd.Flags()); err != nil {
			return c.misuse(err.Error(), err.Fix())
		}
		if err := i.lookAround(cmd.Context()); err != nil {
			return c.failWith(err)
		}
		switch err := i.makeEvent(c.stdin); {
		case err == nil:
		case i.file == "":
			return c.misuse(err.Error(), "the events are "+sampleNames)
		default:
			return c.fail(err)
		}
		if !i.print && len(i.function) == 0 && i.handler == "" && i.name == "" {
			return c.misuse("invoke needs a function", "name one of the running 'wirepost dev', or a program after --, such as 'wirepost invoke --event connect -- ./bootstrap'")
		}
		if i.name != "" && !i.print {
			return c.invokeNamed(cmd.Context(), i)
		}
		return c.invoke(cmd.Context(), i)
	})
	return cmd
}

func (i *invocation) eventFlags(flags *pflag.FlagSet) {
	flags.StringVar(&i.event, "event", "", "`SAMPLE|FILE` "+sampleNames+"; or a file with a dot or a slash in its name")
	flags.StringVar(&i.to, "to", "topic:lobby", "`AUDIENCE` of a publish; default topic:lobby")
	flags.StringVar(&i.dataFlag, "data", "", "`JSON` of a publish; default {\"text\":\"hi\"}")
	flags.StringVar(&i.textFlag, "text", "", "`TEXT` the same, posted as it is")
	flags.StringVar(&i.body, "body", `{"action":"ping"}`, "`TEXT` of message, default {\"action\":\"ping\"}; or what sqs, sns or http has, sqs and sns in the place of a publish")
	flags.StringArrayVar(&i.queries, "query", nil, "`NAME=VALUE` of connect, authorizer and http; may be given more than once")
	flags.StringArrayVar(&i.headers, "header", nil, "`'NAME: VALUE'` the same; may be given more than once")
	flags.BoolVar(&i.print, "print", false, "print the event and invoke nothing")
}

func (i *invocation) functionFlags(flags *pflag.FlagSet) {
	flags.StringVar(&i.handler, "handler", "", "`NAME` such as index.handler")
	flags.DurationVar(&i.timeout, "timeout", lambdart.DefaultTimeout, "`TIME` of the invocation; default 29s")
	flags.StringVar(&i.store, "store", "", "`URL` what WIREPOST_STORE is; default $WIREPOST_STORE, or the store of this folder's 'wirepost dev'. Without one, and for connect, message and disconnect, it is one that is gone afterwards")
	flags.StringVar(&i.credentials, "credentials", "dev", "`dev|inherit` what the function signs with; default dev, a pair that no AWS service takes")
}

func (c *command) invoke(ctx context.Context, i *invocation) int {
	if i.print {
		var out bytes.Buffer
		err := json.Indent(&out, i.payload, "", "  ")
		if err == nil {
			err = c.stdout.Data(out.Bytes())
		}
		if err != nil {
			return c.fail(fmt.Errorf("print the event: %w", err))
		}
		return exitDone
	}
	source, remove, err := i.source(ctx)
	if wrong, ok := errors.AsType[*bundle.Error](err); ok {
		return c.fail(wrong)
	}
	if err != nil {
		return c.misuse(err.Error(), "'wirepost dev --help' says how functions are named")
	}
	defer remove()
	store, closeStore, err := i.lend(ctx)
	if err != nil {
		return c.failWith(err)
	}
	defer closeStore()
	c.step("starting the function")
	c.holds()
	function, err := lambdart.Start(ctx, lambdart.Config{Name: "function", Source: source, From: i.bundledFrom, Around: folder.Around("", "."), Env: i.environment(store), Concurrency: 1, Timeout: i.timeout, Output: c.stderr.Lines()})
	if err != nil {
		return c.fail(err)
	}
	defer func() {
		deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
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
	if err := c.stdout.Data(bytes.TrimSpace(answer)); err != nil {
		return c.fail(fmt.Errorf("print the answer: %w", err))
	}
	return exitDone
}

// source is what to run: the function that was named, or the bundle that is made of it
// first, and how that is removed.
func (i *invocation) source(ctx context.Context) (_ lambdart.Source, remove func(), err error) {
	b := dev.TypeScript(i.function, i.handler)
	if b == nil {
		s, err := lambdart.ParseSource(i.function, i.handler)
		return s, func() {}, err
	}
	made, err := os.MkdirTemp("", "wirepost-bundle-")
	if err != nil {
		return lambdart.Source{}, nil, fmt.Errorf("make a folder for the bundle: %w", err)
	}
	remove = func() { _ = os.RemoveAll(made) }
	if _, err := bundle.Make(ctx, b, made); err != nil {
		remove()
		return lambdart.Source{}, nil, err
	}
	i.bundledFrom = b.Folder
	return lambdart.Source{Kind: lambdart.Node, Dir: made, Handler: i.handler}, remove, nil
}

// check says what is wrong with the flags, and makes the event of one with a name.
func (i *invocation) check(flags *pflag.FlagSet) *hint.Error {
	wrong := func(message, cure string) *hint.Error { return hint.New(errors.New(message), cure) }
	of := map[string][]string{"to": publishSamples, "data": publishSamples, "text": publishSamples, "body": {"message", "sqs", "sns", "http"}, "query": {"connect", "authorizer", "http"}, "header": {"connect", "authorizer", "http"}}
	for _, name := range []string{"to", "data", "text", "body", "query", "header"} {
		if flags.Changed(name) && !slices.Contains(of[name], i.event) {
			return wrong(fmt.Sprintf("--%s applies only to the events %s", name, strings.Join(of[name], ", ")), "")
		}
	}
	i.hasBody = flags.Changed("body")
	if i.hasBody && (flags.Changed("to") || flags.Changed("data") || flags.Changed("text")) {
		return wrong("an event has --body, or a publish, not both", "")
	}
	i.inherit = i.credentials == "inherit"
	hasData, hasText := flags.Changed("data"), flags.Changed("text")
	switch {
	case !i.inherit && i.credentials != "dev":
		return wrong(fmt.Sprintf("--credentials %s: must be dev or inherit", i.credentials), "")
	case i.timeout <= 0:
		return wrong("--timeout must be more than zero", "")
	case hasData && hasText:
		return wrong("a publish has --data or --text, not both", "")
	case hasData && !json.Valid([]byte(i.dataFlag)):
		return wrong("--data is not JSON", "a string needs quotes of its own, such as --data '\"hi\"'; --text posts text as it is")
	}
	i.data = json.RawMessage(`{"text":"hi"}`)
	if hasData {
		i.data = json.RawMessage(i.dataFlag)
	}
	if hasText {
		i.data, i.text = nil, &i.textFlag
	}
	if i.event == "" {
		return nil
	}
	if _, err := wirepost.ParseAudience(i.to); err != nil {
		return wrong("--to: "+strings.TrimPrefix(err.Error(), "wirepost: "), "")
	}
	switch {
	case slices.Contains(sampleEvents, i.event):
	case i.event == "-" || strings.ContainsAny(i.event, "./"):
		i.file, i.event = i.event, ""
	default:
		return wrong(fmt.Sprintf("there is no sample event %q", i.event), "the events are "+sampleNames)
	}
	return nil
}

// makeEvent makes the event of a sample, or reads the file.
func (i *invocation) makeEvent(stdin io.Reader) (err error) {
	switch {
	case i.event != "":
		i.payload, err = i.make(i.event)
	case i.file != "":
		i.payload, err = readEvent(i.file, stdin)
	default:
		i.payload = []byte("{}")
	}
	return err
}

// split tells the file of the event, if it has no name, from the function. dash is
// how many arguments come before the --, or -1 without one.
func (i *invocation) split(args []string, dash int) *hint.Error {
	i.function = args
	switch {
	case dash < 0 && len(args) == 1 && i.handler == "" && functionName.MatchString(args[0]):
		i.name, i.function = args[0], nil
	case i.file != "" && dash > 0:
		return hint.New(fmt.Errorf("invoke takes --event or a file, but was given --event %s and %q", i.file, args[0]), "leave one of them out; the function comes after --")
	case i.file != "":
	case i.event == "" && (len(args) == 0 || dash == 0):
		return hint.New(errors.New("invoke needs --event NAME or a FILE"), "the events are "+sampleNames)
	case i.event == "":
		i.file, i.function = args[0], args[1:]
	case dash > 0:
		return hint.New(fmt.Errorf("invoke takes --event or a file, but was given --event %s and %q", i.event, args[0]), "leave one of them out; the function comes after --")
	}
	return nil
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
	if at == folder.DefaultStore() {
		// The samples' connection is nowhere: no dev is to meet it.
		if !folder.HasDefaultStore() || slices.Contains([]string{"connect", "message", "disconnect"}, i.event) {
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
	return dev.ControlAddress{URL: "http://" + l.Addr().String(), Token: token}.StoreURL(), func() { server.Close(); store.Close() }, nil
}

func (i *invocation) environment(store string) dev.Environment {
	e := dev.Environment(os.Environ())
	if i.bundledFrom != "" {
		e = e.WithSourceMaps()
	}
	if !i.inherit {
		e = e.Isolated(gateway.DevelopmentCredentials())
		e = e.Set("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", i.at.endpoint) // as dev does
	}
	if i.event == "doctor" {
		e = e.Set("WIREPOST_DOCTOR", "1") // or the function refuses
	}
	return e.Set("WIREPOST_STORE", store)
}
