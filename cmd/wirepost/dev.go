package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/lambdart"
)

const devHelp = `Usage:
    wirepost dev [FLAGS]                        with the example function
    wirepost dev [FLAGS] -- ./bootstrap [ARGS]  with an unchanged Lambda function
    wirepost dev [FLAGS] go:./chat
    wirepost dev [FLAGS] --handler index.handler [FOLDER]
    wirepost dev [FLAGS] --template template.yaml

Runs API Gateway's WebSocket side on this machine until Ctrl-C. Prints where
clients connect, where publishers post, and the store. A function is any program
that speaks the Lambda Runtime API, a Go program in a folder, or a Node.js or
Python file with a handler; it needs no change and no word of wirepost. The example
function 'notify' believes what the URL says; it is for development, and has a page
on which people can talk.

    --listen ADDRESS          default 127.0.0.1:3001; port 0 takes a free one;
                              0.0.0.0:PORT is all IPv4 addresses of this machine,
                              [::]:PORT and :PORT are those of IPv6 too
    --stage NAME              default dev, or the template's
    --region NAME             the region that posts are signed for; default us-east-1
    --store URL               default sqlite:.wirepost/store.db
    --route-selection EXPR    default $request.body.action, or the template's
    --idle-timeout DURATION   default 10m, as on AWS
    --max-age DURATION        default 2h, as on AWS
    --template FILE           routes, functions and authorizers of a SAM or
                              CloudFormation template or a serverless.yml; with
    --parameter NAME=VALUE    a parameter of it, --opt NAME=VALUE for ${opt:NAME},
                              and --api NAME or --stage NAME where there are several
    --dynamodb URL            create the template's tables there, such as
                              http://127.0.0.1:8000, and let functions use it
    --route KEY=FUNCTION      a function of its own for a route; may be given more
                              than once. FUNCTION is a program, go:DIR,
                              node:DIR#HANDLER, python:DIR#HANDLER, a URL (HTTP
                              integration), lambda:URL#NAME (Invoke) or mock:BODY
    --route-response KEY      make a route two-way: answers go back to the client
    --authorizer FUNCTION     asked before $connect; with
    --identity-source SOURCE  what it needs, such as route.request.header.Auth
    --concurrency NUMBER      processes of a function at most; default 10
    --timeout DURATION        of an invocation, then its process is killed;
                              default 29s
    --no-timeout              an invocation may take any time
    --debug-port PORT         for a debugger; one process, no timeouts
    --freeze                  stop processes between invocations, as Lambda does
    --watch                   restart a function when its files change, but for
                              files other than source that change while it works:
                              those it writes itself
    --env-file FILE           more environment of the functions, NAME=VALUE lines
    --credentials dev|inherit what functions sign with: the development pair, which
                              no AWS service takes, or yours; default dev
    --fault RULE              what goes wrong, such as post:429:p=0.1; may be given
                              more than once, and changed by 'wirepost fault'
    --seed NUMBER             which calls a rule with p hits; default 1
    --allow-origin ORIGIN     let pages of another origin than this machine's own
                              connect, such as https://example.com; * lets all
    --page DIR                serve the files of a page of yours at / of the port,
                              with the browser client at /wirepost.js
    --control ADDRESS         where 'wirepost fault' asks; default the port after
                              --listen on 127.0.0.1
    --control-public          allow a --control that other machines reach
    --no-inspector            record nothing and serve no inspector, the page whose
                              address is printed first
    --verbose                 log what the gateway and the function do

The port answers https:// and wss:// too, with a certificate that
.wirepost/ca.pem vouches for.

On a loopback address posts are signed with access key 'wirepost' and secret
'wirepost'. On any other, a pair is made for each run, printed once, and kept in
.wirepost/credentials.json for the commands in this folder; other programs give
it as PublisherOptions.Credentials.

Example:
    $ wirepost dev --listen 127.0.0.1:4000 --idle-timeout 30s
`

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

	host string // of listen
}

func (c *command) dev(ctx context.Context, args []string) int {
	d, status, done := c.parseDev(args)
	if done {
		return status
	}
	return c.develop(ctx, d)
}

func (c *command) parseDev(args []string) (d *devFlags, status int, done bool) {
	d = &devFlags{}
	flags := flag.NewFlagSet("dev", flag.ContinueOnError)
	flags.StringVar(&d.listen, "listen", "127.0.0.1:3001", "")
	flags.StringVar(&d.stage, "stage", "", "")
	flags.StringVar(&d.region, "region", "us-east-1", "")
	flags.StringVar(&d.store, "store", "", "")
	flags.StringVar(&d.selection, "route-selection", "", "")
	flags.DurationVar(&d.idle, "idle-timeout", gateway.DefaultIdleTimeout, "")
	flags.DurationVar(&d.age, "max-age", gateway.DefaultMaxAge, "")
	flags.Var(&d.origins, "allow-origin", "")
	flags.StringVar(&d.control, "control", "", "")
	flags.StringVar(&d.page, "page", "", "")
	flags.BoolVar(&d.controlPublic, "control-public", false, "")
	flags.BoolVar(&d.verbose, "verbose", false, "")
	flags.BoolVar(&d.noInspector, "no-inspector", false, "")
	flags.StringVar(&d.envFile, "env-file", "", "")

	run := &d.functions
	flags.StringVar(&run.handler, "handler", "", "")
	flags.Var(&run.routes, "route", "")
	flags.Var(&run.responses, "route-response", "")
	flags.StringVar(&run.authorizer, "authorizer", "", "")
	flags.Var(&run.identitySources, "identity-source", "")
	flags.IntVar(&run.concurrency, "concurrency", lambdart.DefaultConcurrency, "")
	flags.DurationVar(&run.timeout, "timeout", 0, "")
	flags.BoolVar(&run.noTimeout, "no-timeout", false, "")
	flags.IntVar(&run.debugPort, "debug-port", 0, "")
	flags.BoolVar(&run.freeze, "freeze", false, "")
	flags.BoolVar(&run.watch, "watch", false, "")

	flags.StringVar(&d.template.file, "template", "", "")
	flags.Var(&d.template.parameters, "parameter", "")
	flags.Var(&d.template.options, "opt", "")
	flags.StringVar(&d.template.api, "api", "", "")
	flags.StringVar(&d.template.dynamodb, "dynamodb", "", "")

	var rules many
	flags.Var(&rules, "fault", "")
	seed := flags.Uint64("seed", 1, "")
	credentials := flags.String("credentials", "dev", "")
	if status, done := c.parse(flags, devHelp, args); done {
		return nil, status, true
	}
	misuse := func(message, hint string) (*devFlags, int, bool) { return nil, c.misuse(message, hint), true }
	run.args = flags.Args()
	d.inherit = *credentials == "inherit"
	switch {
	case *credentials != "dev" && !d.inherit:
		return misuse(fmt.Sprintf("--credentials %s: there are dev and inherit", *credentials), "")
	case run.concurrency < 1 || run.timeout < 0:
		return misuse("--concurrency and --timeout must be more than zero", "")
	case d.idle <= 0 || d.age <= 0:
		return misuse("--idle-timeout and --max-age must be more than zero", "")
	case d.template.file != "" && run.given():
		return misuse("--template names the functions, so there is none to be named beside it", "leave one of them out")
	case d.template.file == "" && (len(d.template.parameters)+len(d.template.options) > 0 || d.template.api != "" || d.template.dynamodb != ""):
		return misuse("--parameter, --opt, --api and --dynamodb are of a --template, and there is none", "")
	case d.template.file == "" && !run.given() && run.used(d.envFile != "" || d.inherit):
		return misuse("there is no function for these flags", "name one, such as 'wirepost dev --watch go:./chat'")
	}
	for _, origin := range d.origins {
		if u, err := url.Parse(origin); origin != "*" && origin != "null" && (err != nil || u.Scheme == "" || u.Host == "" || u.Path != "") {
			return misuse(fmt.Sprintf("--allow-origin %s is not an origin", origin), "write it as browsers send it, such as https://example.com")
		}
	}
	parsed, err := gateway.ParseFaultRules(rules)
	if err != nil {
		return misuse(err.Error(), "'wirepost fault --help' lists what can go wrong")
	}
	d.faults = gateway.NewFaults(*seed, nil, parsed...)
	if d.host, _, err = net.SplitHostPort(d.listen); err != nil {
		return misuse(fmt.Sprintf("--listen %q: %v", d.listen, err), "give an address and a port, such as 127.0.0.1:3001")
	}
	if ip := net.ParseIP(d.host); ip != nil && !ip.IsLoopback() && !ip.IsUnspecified() {
		return misuse(notLocalhost(d.listen), notLocalhostHint)
	}
	return d, 0, false
}
