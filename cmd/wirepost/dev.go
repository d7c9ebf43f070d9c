package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// devFlags are what the flags of dev say.
type devFlags struct {
	listen, stage, region, store, selection string
	idle, age                               time.Duration
	faults                                  *gateway.Faults
	origins                                 many
	control, page                           string
	controlPublic, verbose, noInspector     bool
	functions                               functionFlags
	template                                templateFlags
	envFile                                 string
	inherit                                 bool

	// as they are given
	rules       many
	seed        uint64
	credentials string

	host string // of listen
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
	grouped(cmd, "Functions", d.functions.declare)
	grouped(cmd, "How functions run", d.runtimeFlags)
	grouped(cmd, "A template", d.template.declare)
	grouped(cmd, "What goes wrong", d.faultFlags)
	grouped(cmd, "What is seen of it", d.viewFlags)
	for _, flag := range []string{"template", "env-file", "page"} {
		completeFlag(cmd, flag, files)
	}
	completeFlag(cmd, "credentials", oneOf("dev", "inherit"))
	cmd.RunE = runs(func(cmd *cobra.Command, args []string) int {
		d.functions.args = args
		if err := d.check(); err != nil {
			return c.misuse(err.Error(), err.hint)
		}
		return c.develop(cmd.Context(), d)
	})
	return cmd
}

func (d *devFlags) gatewayFlags(flags *pflag.FlagSet) {
	flags.StringVar(&d.listen, "listen", "127.0.0.1:3001", "`ADDRESS` default 127.0.0.1:3001; port 0 takes a free one")
	flags.StringVar(&d.stage, "stage", "", "`NAME` default dev, or the template's")
	flags.StringVar(&d.region, "region", "us-east-1", "`NAME` the region that posts are signed for; default us-east-1")
	flags.StringVar(&d.store, "store", "", "`URL` default sqlite:.wirepost/store.db")
	flags.StringVar(&d.selection, "route-selection", "", "`EXPR` default $request.body.action, or the template's")
	flags.DurationVar(&d.idle, "idle-timeout", gateway.DefaultIdleTimeout, "`DURATION` default 10m, as on AWS")
	flags.DurationVar(&d.age, "max-age", gateway.DefaultMaxAge, "`DURATION` default 2h, as on AWS")
	flags.StringArrayVar(&d.origins, "allow-origin", nil, "`ORIGIN` let pages of another origin than this machine's connect, such as https://example.com; * lets all; may be given more than once")
}

func (f *functionFlags) declare(flags *pflag.FlagSet) {
	flags.StringVar(&f.handler, "handler", "", "`NAME` of a Node.js or Python file in FOLDER, such as index.handler")
	flags.StringArrayVar(&f.routes, "route", nil, "`KEY=FUNCTION` a function of its own for a route; may be given more than once. FUNCTION is a program, go:DIR, node:DIR#HANDLER, python:DIR#HANDLER, a URL (HTTP integration), lambda:URL#NAME (Invoke) or mock:BODY")
	flags.StringArrayVar(&f.responses, "route-response", nil, "`KEY` make a route two-way: answers go back to the client; may be given more than once")
	flags.StringVar(&f.authorizer, "authorizer", "", "`FUNCTION` asked before $connect")
	flags.StringArrayVar(&f.identitySources, "identity-source", nil, "`SOURCE` what the authorizer needs, such as route.request.header.Auth; may be given more than once")
}

func (d *devFlags) runtimeFlags(flags *pflag.FlagSet) {
	f := &d.functions
	flags.IntVar(&f.concurrency, "concurrency", lambdart.DefaultConcurrency, "`NUMBER` processes of a function at most; default 10")
	flags.DurationVar(&f.timeout, "timeout", 0, "`DURATION` of an invocation, then its process is killed; default 29s")
	flags.BoolVar(&f.noTimeout, "no-timeout", false, "an invocation may take any time")
	flags.IntVar(&f.debugPort, "debug-port", 0, "`PORT` for a debugger; one process, no timeouts")
	flags.BoolVar(&f.freeze, "freeze", false, "stop processes between invocations, as Lambda does")
	flags.BoolVar(&f.watch, "watch", false, "restart a function when its files change, but for files other than source that change while it works: those it writes itself")
	flags.StringVar(&d.envFile, "env-file", "", "`FILE` more environment of the functions, NAME=VALUE lines")
	flags.StringVar(&d.credentials, "credentials", "dev", "`dev|inherit` what functions sign with: the development pair, which no AWS service takes, or yours; default dev")
}

func (t *templateFlags) declare(flags *pflag.FlagSet) {
	flags.StringVar(&t.file, "template", "", "`FILE` routes, functions and authorizers of a SAM or CloudFormation template or a serverless.yml")
	flags.StringArrayVar(&t.parameters, "parameter", nil, "`NAME=VALUE` a parameter of it; may be given more than once")
	flags.StringArrayVar(&t.options, "opt", nil, "`NAME=VALUE` for ${opt:NAME} of a serverless.yml; may be given more than once")
	flags.StringVar(&t.api, "api", "", "`NAME` which API, where there are several; --stage says which stage")
	flags.StringVar(&t.dynamodb, "dynamodb", "", "`URL` create the template's tables there, such as http://127.0.0.1:8000, and let functions use it")
}

func (d *devFlags) faultFlags(flags *pflag.FlagSet) {
	flags.StringArrayVar(&d.rules, "fault", nil, "`RULE` what goes wrong, such as post:429:p=0.1; may be given more than once, and changed by 'wirepost fault'")
	flags.Uint64Var(&d.seed, "seed", 1, "`NUMBER` which calls a rule with p hits; default 1")
}

func (d *devFlags) viewFlags(flags *pflag.FlagSet) {
	flags.StringVar(&d.page, "page", "", "`DIR` serve the files of a page of yours at / of the port, with the browser client at /wirepost.js")
	flags.StringVar(&d.control, "control", "", "`ADDRESS` where 'wirepost fault' asks; default the port after --listen on 127.0.0.1")
	flags.BoolVar(&d.controlPublic, "control-public", false, "allow a --control that other machines reach")
	flags.BoolVar(&d.noInspector, "no-inspector", false, "record nothing and serve no inspector, the page whose address is printed first")
	flags.BoolVar(&d.verbose, "verbose", false, "log what the gateway and the function do")
}

// check says what is wrong with the flags, and works out what follows from them.
func (d *devFlags) check() *hinted {
	wrong := func(message, hint string) *hinted { return &hinted{errors.New(message), hint} }
	run := &d.functions
	d.inherit = d.credentials == "inherit"
	switch {
	case d.credentials != "dev" && !d.inherit:
		return wrong(fmt.Sprintf("--credentials %s: there are dev and inherit", d.credentials), "")
	case run.concurrency < 1 || run.timeout < 0:
		return wrong("--concurrency and --timeout must be more than zero", "")
	case d.idle <= 0 || d.age <= 0:
		return wrong("--idle-timeout and --max-age must be more than zero", "")
	case d.template.file != "" && run.given():
		return wrong("--template names the functions, so there is none to be named beside it", "leave one of them out")
	case d.template.file == "" && (len(d.template.parameters)+len(d.template.options) > 0 || d.template.api != "" || d.template.dynamodb != ""):
		return wrong("--parameter, --opt, --api and --dynamodb are of a --template, and there is none", "")
	case d.template.file == "" && !run.given() && run.used(d.envFile != "" || d.inherit):
		return wrong("there is no function for these flags", "name one, such as 'wirepost dev --watch go:./chat'")
	}
	for _, origin := range d.origins {
		if u, err := url.Parse(origin); origin != "*" && origin != "null" && (err != nil || u.Scheme == "" || u.Host == "" || u.Path != "") {
			return wrong(fmt.Sprintf("--allow-origin %s is not an origin", origin), "write it as browsers send it, such as https://example.com")
		}
	}
	rules, err := gateway.ParseFaultRules(d.rules)
	if err != nil {
		return wrong(err.Error(), "'wirepost fault --help' lists what can go wrong")
	}
	d.faults = gateway.NewFaults(d.seed, nil, rules...)
	if d.host, _, err = net.SplitHostPort(d.listen); err != nil {
		return wrong(fmt.Sprintf("--listen %q: %v", d.listen, err), "give an address and a port, such as 127.0.0.1:3001")
	}
	if ip := net.ParseIP(d.host); ip != nil && !ip.IsLoopback() && !ip.IsUnspecified() {
		return wrong(fmt.Sprintf("--listen %s: functions on this machine post to localhost, which does not answer on that address", d.listen), "listen on 0.0.0.0 for all addresses, or on 127.0.0.1 for this machine")
	}
	return nil
}
