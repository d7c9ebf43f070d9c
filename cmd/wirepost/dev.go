package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/examples/notify"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/httpstore"
	"github.com/wirepost/wirepost/internal/control"
	"github.com/wirepost/wirepost/internal/lambdart"
)

const devHelp = `Usage:
    wirepost dev [FLAGS]                        with the example function
    wirepost dev [FLAGS] -- ./bootstrap [ARGS]  with an unchanged Lambda function
    wirepost dev [FLAGS] go:./chat
    wirepost dev [FLAGS] --handler index.handler [FOLDER]

Runs API Gateway's WebSocket side on this machine until Ctrl-C. Prints where
clients connect, where publishers post, and the store. A function is any program
that speaks the Lambda Runtime API, a Go program in a folder, or a Node.js or
Python file with a handler; it needs no change and no word of wirepost. The example
function 'notify' believes what the URL says; it is for development.

    --listen ADDRESS          default 127.0.0.1:3001; port 0 takes a free one
    --stage NAME              default dev
    --region NAME             the region that posts are signed for; default us-east-1
    --store URL               default sqlite:.wirepost/store.db
    --route-selection EXPR    default $request.body.action
    --idle-timeout DURATION   default 10m, as on AWS
    --max-age DURATION        default 2h, as on AWS
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
    --watch                   restart a function when its files change
    --env-file FILE           more environment of the functions, NAME=VALUE lines
    --credentials dev|inherit what functions sign with: the development pair, which
                              no AWS service takes, or yours; default dev
    --fault RULE              what goes wrong, such as post:429:p=0.1; may be given
                              more than once, and changed by 'wirepost fault'
    --seed NUMBER             which calls a rule with p hits; default 1
    --allow-origin ORIGIN     let pages of another origin than this machine's
                              connect, such as https://example.com; * lets all
    --control ADDRESS         where 'wirepost fault' asks; default the port after
                              --listen on 127.0.0.1
    --control-public          allow a --control that other machines reach
    --verbose                 log what the gateway and the function do

The port answers https:// and wss:// too, with a certificate that
.wirepost/ca.pem vouches for.

On a loopback address posts are signed with access key 'wirepost' and secret
'wirepost'. On any other, a pair is made, printed once, and kept in
.wirepost/credentials.json for the commands in this folder; other programs give
it as PublisherOptions.Credentials.

Example:
    $ wirepost dev --listen 127.0.0.1:4000 --idle-timeout 30s
`

// shutdownTime is how long clients and $disconnect functions get at the end.
const shutdownTime = 10 * time.Second

func (c *command) dev(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("dev", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:3001", "")
	stage := flags.String("stage", "dev", "")
	region := flags.String("region", "us-east-1", "")
	store := flags.String("store", "", "")
	selection := flags.String("route-selection", "", "")
	idle := flags.Duration("idle-timeout", gateway.DefaultIdleTimeout, "")
	age := flags.Duration("max-age", gateway.DefaultMaxAge, "")
	var faultTexts, origins many
	flags.Var(&faultTexts, "fault", "")
	flags.Var(&origins, "allow-origin", "")
	seed := flags.Uint64("seed", 1, "")
	controlAt := flags.String("control", "", "")
	controlPublic := flags.Bool("control-public", false, "")
	verbose := flags.Bool("verbose", false, "")
	var run functionFlags
	flags.StringVar(&run.handler, "handler", "", "")
	flags.Var(&run.routes, "route", "")
	flags.Var(&run.responses, "route-response", "")
	flags.StringVar(&run.authorizer, "authorizer", "", "")
	flags.Var(&run.identitySources, "identity-source", "")
	flags.IntVar(&run.concurrency, "concurrency", lambdart.DefaultConcurrency, "")
	flags.DurationVar(&run.timeout, "timeout", lambdart.DefaultTimeout, "")
	flags.BoolVar(&run.noTimeout, "no-timeout", false, "")
	flags.IntVar(&run.debugPort, "debug-port", 0, "")
	flags.BoolVar(&run.freeze, "freeze", false, "")
	flags.BoolVar(&run.watch, "watch", false, "")
	envFile := flags.String("env-file", "", "")
	credentialsOf := flags.String("credentials", "dev", "")
	if status, done := c.parse(flags, devHelp, args); done {
		return status
	}
	run.args = flags.Args()
	switch {
	case *credentialsOf != "dev" && *credentialsOf != "inherit":
		return c.misuse(fmt.Sprintf("--credentials %s: there are dev and inherit", *credentialsOf), "")
	case run.concurrency < 1 || run.timeout <= 0:
		return c.misuse("--concurrency and --timeout must be more than zero", "")
	}
	if *idle <= 0 || *age <= 0 {
		return c.misuse("--idle-timeout and --max-age must be more than zero", "")
	}
	rules, err := gateway.ParseFaultRules(faultTexts)
	if err != nil {
		return c.misuse(err.Error(), "'wirepost fault --help' lists what can go wrong")
	}
	faults := gateway.NewFaults(*seed, nil, rules...)
	host, _, err := net.SplitHostPort(*listen)
	if err != nil {
		return c.misuse(fmt.Sprintf("--listen %q: %v", *listen, err), "give an address and a port, such as 127.0.0.1:3001")
	}

	if ip := net.ParseIP(host); ip != nil && !ip.IsLoopback() && !ip.IsUnspecified() {
		return c.misuse(fmt.Sprintf("--listen %s: functions on this machine post to localhost, which does not answer on that address", *listen), "listen on 0.0.0.0 for all addresses, or on 127.0.0.1 for this machine")
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return c.fail(fmt.Errorf("make the folder for the store: %w", err))
	}
	note, unlock, err := lockFolder()
	if err != nil {
		return c.failWith(err)
	}
	defer unlock()
	id, err := apiID()
	if err != nil {
		return c.failWith(err)
	}
	identity := wirepost.Identity{APIID: id, Stage: *stage, Region: *region}
	if err := identity.Validate(); err != nil {
		return c.misuse(err.Error(), "a stage has letters, digits, - and _; a region looks like us-east-1")
	}

	l, err := net.Listen("tcp", *listen)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return c.failWith(&hinted{fmt.Errorf("the address %s is taken by another program", *listen), "choose another with --listen, such as --listen 127.0.0.1:0 for a free port"})
		}
		return c.failWith(&hinted{fmt.Errorf("listen on %s: %w", *listen, err), "give an address of this machine and a port, such as 127.0.0.1:3001"})
	}
	defer l.Close()
	address := l.Addr().(*net.TCPAddr)
	domain := net.JoinHostPort("localhost", strconv.Itoa(address.Port))

	ca, err := openAuthority(time.Now())
	if err != nil {
		return c.failWith(err)
	}
	secure, err := ca.serve(time.Now())
	if err != nil {
		return c.fail(err)
	}
	storeAt := storeURL(*store)
	registry, err := wirepost.OpenStore(ctx, storeAt)
	if err != nil {
		return c.fail(err)
	}
	defer registry.Close()
	controlListener, err := listenForControl(*controlAt, *controlPublic, address)
	if err != nil {
		return c.failWith(err)
	}
	token := control.NewToken()
	where, stopControl, err := serveControl(controlListener, control.Options{Token: token, Faults: faults, Public: *controlPublic, Store: httpstore.NewHandler(registry, &httpstore.HandlerOptions{Token: token})})
	if err != nil {
		return c.failWith(err)
	}
	defer stopControl()
	lent := where.store()

	level := slog.LevelWarn
	if *verbose {
		level = slog.LevelDebug
	}
	logger := slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: level}))
	publish := &wirepost.PublisherOptions{Logger: logger}
	// The development pair is no secret: a page whose name points here could sign.
	hosts := []string{"localhost", "127.0.0.1", "[::1]", "::1"}
	credentials := []gateway.Credentials{gateway.DevelopmentCredentials()}
	if address.IP.IsLoopback() {
		os.Remove(keyPairFile) // an earlier run's pair would sign wrongly now
	} else {
		pair, err := newKeyPair()
		if err != nil {
			return c.fail(err)
		}
		credentials = []gateway.Credentials{{AccessKeyID: pair.AccessKeyID, SecretAccessKey: pair.SecretAccessKey}}
		publish.Credentials = &pair
		hosts = nil // that pair is a secret, and this machine has other names
		fmt.Fprintf(c.stderr, "wirepost: hint: %s can be reached from other machines, so posts have to be signed with a pair of its own, which is shown once: access key %s, secret %s\n", l.Addr(), pair.AccessKeyID, pair.SecretAccessKey)
		fmt.Fprintf(c.stderr, "wirepost: hint: the example function believes whoever connects; leave --listen at a loopback address unless you mean it\n")
	}
	publisher := wirepost.NewPublisher(registry, publish)
	defer publisher.Close()

	endpoint := "http://" + domain + "/" + *stage
	routes := map[string]gateway.Route{}
	var all *functions
	if run.given() {
		pair := credentials[0]
		if *credentialsOf == "inherit" {
			own, account, err := callerCredentials(ctx)
			if err != nil {
				return c.failWith(err)
			}
			pair, credentials = own, append(credentials, own)
			fmt.Fprintf(c.stderr, "wirepost: hint: functions have your own AWS credentials%s\n", ofAccount(account))
		}
		bundle, err := ca.bundle()
		if err != nil {
			return c.fail(fmt.Errorf("write the roots that functions trust: %w", err))
		}
		env := functionEnvironment(os.Environ(), pair, *credentialsOf == "inherit", *region, endpoint, lent, absolute(authorityFile), bundle)
		if *envFile != "" {
			more, err := readEnvFile(*envFile)
			if err != nil {
				return c.failWith(err)
			}
			env = append(env, more...)
		}
		all, routes, err = run.start(ctx, lambdart.Config{Env: env, Region: *region, Folder: folder, Output: c.stdout, Logger: logger})
		defer func() {
			deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
			defer cancel()
			all.close(deadline)
		}()
		var wrong misused
		if errors.As(err, &wrong) {
			return c.misuse(err.Error(), "'wirepost dev --help' says how functions are named")
		}
		if err != nil {
			return c.failWith(err)
		}
		if run.watch {
			watching, stop := context.WithCancel(ctx)
			defer stop()
			all.watch(watching, c.stderr, logger)
		}
	} else {
		if run.watch || run.authorizer != "" || len(run.responses) > 0 || *envFile != "" {
			return c.misuse("there is no function for these flags", "name one, such as 'wirepost dev --watch go:./chat'")
		}
		mux := notify.New(registry, publisher, logger)
		for _, key := range mux.RouteKeys() {
			routes[key] = gateway.Route{Function: mux, RouteResponse: key != "$connect" && key != "$disconnect"}
		}
	}
	server := &gateway.Server{
		Routes:         routes,
		RouteSelection: *selection,
		Stage:          *stage,
		APIID:          id,
		Region:         *region,
		Domain:         domain,
		Credentials:    credentials,
		IdleTimeout:    *idle,
		MaxAge:         *age,
		TLS:            secure,
		Fault:          faults.Ask,
		Origin:         allowOrigin(origins),
		Hosts:          hosts,
		Notice:         func(s string) { fmt.Fprintf(c.stderr, "wirepost: hint: %s\n", s) },
		Logger:         logger,
	}
	if err := server.Validate(); err != nil {
		return c.misuse(err.Error(), "'wirepost dev --help' lists the flags")
	}

	// The endpoint is known before the first client connects, so that rows of an
	// earlier run on another port are reached here at once.
	record := wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: identity, URL: endpoint}, EventTime: time.Now()}
	if stored, err := registry.PutStage(ctx, record); err != nil {
		return c.fail(fmt.Errorf("keep the endpoint in %s: %w", storeAt, err))
	} else if stored.URL != record.URL {
		return c.failWith(&hinted{fmt.Errorf("the store has a later endpoint for this API, %s, from %s", stored.URL, stored.EventTime.Format(time.RFC3339)), "set this machine's clock, or remove .wirepost/api-id to begin as another API"})
	}
	if err := c.warnOfSharedURL(ctx, registry, record, *store); err != nil {
		return c.fail(err)
	}
	if strings.HasPrefix(storeAt, "mem:") {
		fmt.Fprintln(c.stderr, "wirepost: hint: the store is in this process's memory; no other command can reach it")
	}
	note(fmt.Sprintf("pid %d, %s", os.Getpid(), record.URL))

	shown := host
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		shown = "127.0.0.1"
	}
	query := "?user=alice&topic=lobby"
	if run.given() {
		query = "" // that is what the example reads
	}
	fmt.Fprintf(c.stdout, "connect   ws://%s/%s%s\n", net.JoinHostPort(shown, strconv.Itoa(address.Port)), *stage, query)
	fmt.Fprintf(c.stdout, "endpoint  %s\n", record.URL)
	fmt.Fprintf(c.stdout, "store     %s\n", storeAt)

	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }() // ends when Shutdown has closed the listener
	select {
	case err := <-served:
		return c.fail(fmt.Errorf("serve on %s: %w", l.Addr(), err))
	case <-ctx.Done():
	}
	open := server.ConnectionCount()
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	err = server.Shutdown(deadline)
	if served := <-served; !errors.Is(served, http.ErrServerClosed) && err == nil {
		err = served
	}
	if err != nil {
		return c.fail(fmt.Errorf("shut down: %w", err))
	}
	fmt.Fprintf(c.stdout, "ended, %d connections closed\n", open)
	return exitDone
}

func ofAccount(account string) string {
	if account == "" {
		return ""
	}
	return ", of the account that ends in " + account
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// allowOrigin lets pages of this machine connect, and of the origins that were
// named: whatever page is open in a browser here could otherwise use functions that
// trust this machine.
func allowOrigin(named []string) func(string) bool {
	return func(origin string) bool {
		if slices.Contains(named, "*") || slices.Contains(named, origin) {
			return true
		}
		u, err := url.Parse(origin)
		if err != nil {
			return false
		}
		a, err := netip.ParseAddr(u.Hostname())
		return u.Hostname() == "localhost" || err == nil && a.IsLoopback()
	}
}

// warnOfSharedURL tells of another API in the store with the URL of this one: a
// message to one of its connections would come to this gateway, which knows none
// of them and says that they are gone.
func (c *command) warnOfSharedURL(ctx context.Context, registry wirepost.Store, record wirepost.StageRecord, flagged string) error {
	stages, err := registry.Stages(ctx)
	if err != nil {
		return err
	}
	for _, r := range stages {
		if r.URL == record.URL && r.Identity != record.Identity {
			fmt.Fprintf(c.stderr, "wirepost: hint: the store has %s at %s too; if that is a gateway on another machine, give this one another port with --listen, and if it is none any more, 'wirepost sweep --api %s --stage %s%s' forgets it\n",
				r.Identity, r.URL, r.APIID, quote(r.Stage), storeFlag(flagged))
		}
	}
	return nil
}
