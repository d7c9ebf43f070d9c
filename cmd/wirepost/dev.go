package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/examples/chat"
	"github.com/wirepost/wirepost/examples/notify"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/bundle"
	"github.com/wirepost/wirepost/internal/dev"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// devFlags are what the flags of dev say.
type devFlags struct {
	config      dev.Config
	named       dev.Named
	template    templateFlags
	routes      many // KEY=FUNCTION
	authorizers many // FUNCTION, or NAME=FUNCTION with a template
	envFile     string
	envVars     string
	env         many // NAME=VALUE or FUNCTION.NAME=VALUE
	overrides   app.Overrides
	names       string
	faults      many
	seed        uint64
	credentials string
}

// templateFlags are what the flags of dev say of a template.
type templateFlags struct {
	file       string
	parameters many // NAME=VALUE
	options    many // NAME=VALUE
	values     many // NAME=VALUE or NAME=@FILE
	functions  many // LOGICALID=FUNCTION or LOGICALID=FOLDER
	api        string
	standIns   app.StandIns
}

func (c *command) devCommand() *cobra.Command {
	d := &devFlags{}
	cmd := &cobra.Command{
		Use: `dev [FLAGS]                        with the example function
wirepost dev [FLAGS] -- ./bootstrap [ARGS]  with an unchanged Lambda function
wirepost dev [FLAGS] go:./chat
wirepost dev [FLAGS] --handler index.handler [FOLDER]
wirepost dev [FLAGS] --template template.yaml`,
		Short: "run the gateway and the example function on this machine",
		Long: `Runs API Gateway's WebSocket side on this machine until Ctrl-C. Prints where
clients connect, where publishers post, and the store. A function is any program
that speaks the Lambda Runtime API, a Go program in a folder, or a Node.js or
Python file with a handler; it needs no change and no word of wirepost. The example
function 'notify' believes what the URL says; it is for development, and has a page
on which people can talk.`,
		Annotations: map[string]string{program: "yes", notes: `The port answers https:// and wss:// too, with a certificate that
.wirepost/ca.pem vouches for.

On a loopback address posts are signed with access key 'wirepost' and secret
'wirepost'. On any other, a pair is made for each run, printed once, and kept in
.wirepost/credentials.json for the commands in this folder; other programs give
it as PublisherOptions.Credentials.`},
		Example:           "    $ wirepost dev --listen 127.0.0.1:4000 --idle-timeout 30s",
		SuggestFor:        []string{"run", "serve", "start", "up"},
		ValidArgsFunction: files,
	}
	grouped(cmd, "The gateway", d.gatewayFlags)
	grouped(cmd, "Functions", d.functionFlags)
	grouped(cmd, "How functions run", d.runtimeFlags)
	grouped(cmd, "A template", d.templateFlags)
	grouped(cmd, "Faults", d.faultFlags)
	grouped(cmd, "What is seen of it", d.viewFlags)
	for _, flag := range []string{"template", "env-file", "env-vars", "page"} {
		completeFlag(cmd, flag, files)
	}
	completeFlag(cmd, "credentials", oneOf("dev", "inherit"))
	for _, flag := range []string{"dynamodb", "sqs"} {
		completeFlag(cmd, flag, oneOf(dev.LocalEngine))
	}
	completeFlag(cmd, "names", oneOf("local", "aws"))
	cmd.RunE = runs(func(cmd *cobra.Command, args []string) int {
		d.named.Function = args
		if mistake, cure := d.check(); mistake != "" {
			return c.misuse(mistake, cure)
		}
		return c.dev(cmd.Context(), d)
	})
	return cmd
}

func (d *devFlags) gatewayFlags(flags *pflag.FlagSet) {
	c := &d.config
	flags.StringVar(&c.Listen, "listen", "127.0.0.1:3001", "`ADDRESS` default 127.0.0.1:3001; port 0 takes a free one; 0.0.0.0:PORT is all IPv4 addresses of this machine, [::]:PORT and :PORT are those of IPv6 too")
	flags.StringVar(&c.Stage, "stage", "", "`NAME` default dev, or the template's")
	flags.StringVar(&c.Region, "region", "", "`NAME` the region that posts are signed for; default us-east-1, or the template's")
	flags.StringVar(&c.Store, "store", "", "`URL` default sqlite:.wirepost/store.db")
	flags.StringVar(&c.RouteSelection, "route-selection", "", "`EXPR` default $request.body.action, or the template's")
	flags.DurationVar(&c.IdleTimeout, "idle-timeout", gateway.DefaultIdleTimeout, "`DURATION` default 10m, as on AWS")
	flags.DurationVar(&c.MaxAge, "max-age", gateway.DefaultMaxAge, "`DURATION` default 2h, as on AWS")
	flags.DurationVar(&c.IntegrationTimeout, "integration-timeout", gateway.DefaultIntegrationTimeout, "`DURATION` that a route waits for its function; default 29s, as on AWS, and no more; a template may say less")
	flags.IntVar(&c.ConnectRate, "connect-rate", gateway.DefaultConnectRate, "`NUMBER` of new connections a second at most; default 500, as on AWS; more get 429")
	flags.StringVar(&d.names, "names", "local", "`local|aws` what events call the API: localhost:PORT, or the name that it would have on AWS, for functions that look at it; browsers do not reach that one; default local")
	flags.StringArrayVar(&c.Deployed, "deployed-api", nil, "`ID` of this API on AWS, for functions that have its address there written down: their calls come here; may be given more than once")
	flags.StringArrayVar(&c.Origins, "allow-origin", nil, "`ORIGIN` let pages of another origin than this machine's own connect, such as https://example.com; * lets all; may be given more than once")
}

func (d *devFlags) functionFlags(flags *pflag.FlagSet) {
	n := &d.named
	flags.StringVar(&n.Handler, "handler", "", "`NAME` of a Node.js or Python file in FOLDER, such as index.handler")
	flags.StringArrayVar(&d.routes, "route", nil, "`KEY=FUNCTION` a function of its own for a route, also for one of a --template; may be given more than once. FUNCTION is a program, go:DIR, node:DIR#HANDLER, python:DIR#HANDLER, a URL (HTTP integration), lambda:URL#NAME (Invoke) or mock:BODY")
	flags.StringArrayVar(&n.RouteResponses, "route-response", nil, "`KEY` make a route two-way: answers go back to the client; may be given more than once. A Go program with a wirepost.Mux says which routes it has, and these are two-way")
	flags.StringArrayVar(&d.authorizers, "authorizer", nil, "`FUNCTION` asked before $connect; with a --template NAME=FUNCTION, in the place of that authorizer")
	flags.StringArrayVar(&n.IdentitySources, "identity-source", nil, "`SOURCE` what the authorizer needs, such as route.request.header.Auth; may be given more than once")
}

func (d *devFlags) runtimeFlags(flags *pflag.FlagSet) {
	p := &d.config.Processes
	flags.IntVar(&p.Concurrency, "concurrency", lambdart.DefaultConcurrency, "`NUMBER` processes of a function at most; default 10")
	flags.DurationVar(&p.Timeout, "timeout", 0, "`DURATION` of an invocation, then its process is killed; default 29s")
	flags.BoolVar(&p.NoTimeout, "no-timeout", false, "do not limit the time of an invocation")
	flags.IntVar(&p.DebugPort, "debug-port", 0, "`PORT` for a debugger; one process, no timeouts")
	flags.BoolVar(&p.Freeze, "freeze", false, "stop processes between invocations, as Lambda does")
	flags.BoolVar(&p.Watch, "watch", false, "restart a function when its files change, but for files other than source that change while it works: those it writes itself")
	flags.StringVar(&d.envFile, "env-file", "", "`FILE` more environment of the functions, NAME=VALUE lines; a NAME that the template misses is a --value too")
	flags.StringArrayVar(&d.env, "env", nil, "`NAME=VALUE` a variable of all functions, or FUNCTION.NAME=VALUE of one, before what the template and --env-file say; may be given more than once")
	flags.StringVar(&d.envVars, "env-vars", "", "`FILE` the same for many, in the JSON of sam local's --env-vars; --env comes before it")
	flags.StringVar(&d.credentials, "credentials", "dev", "`dev|inherit` what functions sign with: the development pair, which no AWS service takes, or yours; default dev")
}

func (d *devFlags) templateFlags(flags *pflag.FlagSet) {
	t := &d.template
	flags.StringVar(&t.file, "template", "", "`FILE` routes, functions and authorizers of a SAM or CloudFormation template, a serverless.yml or .ts, or a folder with files of Terraform")
	flags.StringArrayVar(&t.parameters, "parameter", nil, "`NAME=VALUE` a parameter of it; may be given more than once")
	flags.StringArrayVar(&t.options, "opt", nil, "`NAME=VALUE` for ${opt:NAME} of a serverless.yml; may be given more than once")
	flags.StringArrayVar(&t.values, "value", nil, "`NAME=VALUE` what only AWS has, such as UserPool=eu-west-1_AbC123 or ssm:/app/key=@FILE; a line names each that is missing; may be given more than once")
	flags.StringArrayVar(&t.functions, "function", nil, "`ID=FUNCTION` in the place of the function with that logical ID; a folder or a zip file is its code; may be given more than once")
	flags.BoolVar(&d.config.Strict, "strict", false, "run nothing if a part of the template cannot be run")
	flags.StringVar(&t.api, "api", "", "`NAME` which API, where there are several; --stage says which stage")
	flags.StringVar(&d.config.DynamoDB, "dynamodb", "", "`local|URL` where functions find their tables, and the template's are created: local starts DynamoDB Local, which needs Java 17 and is installed at first; a URL is a server of yours, such as http://127.0.0.1:8000")
	flags.StringVar(&d.config.SQS, "sqs", "", "`local|URL` the same for SQS queues and SNS topics: local starts fauxqs, which is installed at first; a URL is a server of yours")
	flags.BoolVar(&d.config.Schedules, "schedules", false, "have the template's schedules invoke their functions, at the times that they say; without it they do not run")
}

func (d *devFlags) faultFlags(flags *pflag.FlagSet) {
	flags.StringArrayVar(&d.faults, "fault", nil, "`RULE` a fault, such as post:429:p=0.1; it may be repeated, and changed by 'wirepost fault'")
	flags.Uint64Var(&d.seed, "seed", 1, "`NUMBER` which calls a rule with p hits; default 1")
}

func (d *devFlags) viewFlags(flags *pflag.FlagSet) {
	c := &d.config
	flags.StringVar(&c.Page, "page", "", "`DIR` serve the files of a page of yours at / of the port, with the browser client at /wirepost.js")
	flags.StringVar(&c.Control, "control", "", "`ADDRESS` where 'wirepost fault' asks; default the port after --listen on 127.0.0.1")
	flags.BoolVar(&c.ControlPublic, "control-public", false, "allow a --control that other machines reach")
	flags.BoolVar(&c.NoInspector, "no-inspector", false, "record nothing and serve no inspector, the page whose address is printed first")
	flags.BoolVar(&c.Verbose, "verbose", false, "log what the gateway and the function do")
}

func (c *command) dev(ctx context.Context, d *devFlags) int {
	d.complete(c)
	if err := c.readEnvFile(d); err != nil {
		return c.notStarted(ctx, err)
	}
	if err := c.readEnvVars(d); err != nil {
		return c.notStarted(ctx, err)
	}
	if err := c.readTemplate(ctx, d); err != nil {
		return c.notStarted(ctx, err)
	}
	runs, err := dev.New(d.config)
	closed := 0
	if err == nil {
		closed, err = runs.Run(ctx)
	}
	if wrong, ok := errors.AsType[*dev.ConfigError](err); ok {
		return c.misuse(err.Error(), wrong.Fix())
	}
	if err != nil && !c.serving() {
		return c.notStarted(ctx, err)
	}
	if err != nil {
		return c.failWith(err)
	}
	c.stdout.Printf("ended, %s closed\n", count(closed, "connection"))
	return exitDone
}

// check says what is wrong with the flags; empty if nothing is.
func (d *devFlags) check() (mistake, cure string) {
	for _, check := range []func() (mistake, cure string){d.checkCombination, d.checkAddresses, d.parseFaults, d.parseRoutes, d.parseStandIns, d.parseEnv} {
		if mistake, cure = check(); mistake != "" {
			return mistake, cure
		}
	}
	return "", ""
}

// complete works out what follows from the flags.
func (d *devFlags) complete(c *command) {
	d.config.Folder = folder
	d.config.Inherit = d.credentials == "inherit"
	d.config.AWSNames = d.names == "aws"
	switch {
	case d.template.file != "": // it is read next
		d.config.Differences = dev.Differences{RouteResponses: d.named.RouteResponses, IdentitySources: d.named.IdentitySources}
	case d.namesFunctions():
		d.config.Named = &d.named
	default:
		d.config.InProcess = &dev.InProcess{New: notifyFunction, Query: "user=alice&topic=lobby", Page: chat.Page(), Keep: map[string]time.Duration{"lobby": 24 * time.Hour},
			IfPublic: "the example function does not check who connects; keep --listen on a loopback address unless you want other machines to connect"}
	}
	level := slog.LevelWarn
	if d.config.Verbose {
		level = slog.LevelDebug
	}
	d.config.Logger = slog.New(slog.NewTextHandler(c.stderr.Lines(), &slog.HandlerOptions{Level: level}))
	d.config.Output = c.stdout.Lines()
	d.config.Report = devReport{c}
	d.config.Bundle = bundle.Make
}

// notifyFunction is the example function. The gateway has decided which pages may connect.
func notifyFunction(store wirepost.Store, publisher *wirepost.Publisher, at wirepost.Endpoint, logger *slog.Logger) *wirepost.Mux {
	return notify.New(store, publisher, &notify.Options{Logger: logger, Origin: func(string) bool { return true }, Endpoint: at.URL, Region: at.Region})
}

// namesFunctions reports whether a function was named for all routes or for one.
func (d *devFlags) namesFunctions() bool {
	return len(d.named.Function)+len(d.routes) > 0 || d.named.Handler != ""
}

// needsFunctions reports whether a flag is given that says how functions run.
func (d *devFlags) needsFunctions() bool {
	p, n := d.config.Processes, d.named
	return d.envFile != "" || d.envVars != "" || len(d.env) > 0 || d.credentials == "inherit" || d.names == "aws" || p.Watch || p.Freeze || p.NoTimeout || p.DebugPort != 0 || p.Timeout != 0 ||
		len(d.authorizers)+len(n.RouteResponses)+len(n.IdentitySources) > 0
}

func (d *devFlags) checkCombination() (mistake, cure string) {
	c, t := d.config, d.template
	switch {
	case d.credentials != "dev" && d.credentials != "inherit":
		return fmt.Sprintf("--credentials %s: must be dev or inherit", d.credentials), ""
	case d.names != "local" && d.names != "aws":
		return fmt.Sprintf("--names %s: must be local or aws", d.names), ""
	case c.Processes.Concurrency < 1 || c.Processes.Timeout < 0:
		return "--concurrency and --timeout must be more than zero", ""
	case c.IdleTimeout <= 0 || c.MaxAge <= 0:
		return "--idle-timeout and --max-age must be more than zero", ""
	case c.IntegrationTimeout < 50*time.Millisecond || c.IntegrationTimeout > gateway.DefaultIntegrationTimeout:
		return "--integration-timeout must be from 50ms to 29s", "API Gateway waits at most 29s for a function; use wirepost.Mux.HandleLong for answers that take longer"
	case c.ConnectRate < 1:
		return "--connect-rate must be more than zero", ""
	case t.file != "" && (len(d.named.Function) > 0 || d.named.Handler != ""):
		return "the template names the functions, so --template does not go with a function argument", "to replace a part of the template, use --function, --route or --authorizer"
	case t.file == "" && (len(t.parameters)+len(t.options)+len(t.values)+len(t.functions) > 0 || t.api != "" || c.DynamoDB != "" || c.SQS != "" || c.Schedules || c.Strict):
		return "--parameter, --opt, --value, --function, --strict, --api, --dynamodb, --sqs and --schedules need --template", ""
	case t.file == "" && !d.namesFunctions() && d.needsFunctions():
		return "these flags need a function", "name one, such as 'wirepost dev --watch go:./chat'"
	}
	return "", ""
}

func (d *devFlags) checkAddresses() (mistake, cure string) {
	for _, origin := range d.config.Origins {
		if u, err := url.Parse(origin); origin != "*" && origin != "null" && (err != nil || u.Scheme == "" || u.Host == "" || u.Path != "") {
			return fmt.Sprintf("--allow-origin %s is not an origin", origin), "write it as browsers send it, such as https://example.com"
		}
	}
	for flag, at := range map[string]string{"--dynamodb": d.config.DynamoDB, "--sqs": d.config.SQS} {
		if u, err := url.Parse(at); at != "" && at != dev.LocalEngine && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			return fmt.Sprintf("%s %s: must be local or the URL of a server", flag, at), "write it as in " + flag + " http://127.0.0.1:8000"
		}
	}
	host, _, err := net.SplitHostPort(d.config.Listen)
	if err != nil {
		return fmt.Sprintf("--listen %q: %v", d.config.Listen, err), "give an address and a port, such as 127.0.0.1:3001"
	}
	if ip := net.ParseIP(host); ip != nil && !ip.IsLoopback() && !ip.IsUnspecified() {
		return dev.NotLocalhost(d.config.Listen), dev.NotLocalhostHint
	}
	return "", ""
}

// parseFaults reads the rules of faults.
func (d *devFlags) parseFaults() (mistake, cure string) {
	rules, err := gateway.ParseFaultRules(d.faults)
	if err != nil {
		return err.Error(), "'wirepost fault --help' lists the rules"
	}
	d.config.Faults = gateway.NewFaults(d.seed, nil, rules...)
	return "", ""
}

// notStarted is failWith for what dev could not start with. That Ctrl-C came first is
// no failure.
func (c *command) notStarted(ctx context.Context, err error) int {
	if ctx.Err() != nil {
		c.stderr.Print("wirepost: hint: interrupted before it had started\n")
		return exitDone
	}
	return c.failWith(err)
}

// devReport prints what a dev has to tell. Addresses are results; but that of the
// inspector has a token in it, which is not to get into a file by chance.
type devReport struct{ c *command }

func (r devReport) Hint(text string)    { r.c.stderr.Printf("wirepost: hint: %s\n", text) }
func (r devReport) Problem(text string) { r.c.stderr.Block("wirepost: error: ", text) }

func (r devReport) Begins(step string) { r.c.step("%s", step) }
func (r devReport) Launches()          { r.c.holds() }
func (r devReport) Serves()            { r.c.serves() }

func (r devReport) Address(name, url string) {
	to := r.c.stdout
	if name == "inspector" {
		to = r.c.stderr
	}
	to.Printf("%-9s %s\n", name, url)
}
