package main

import (
	"cmp"
	"context"
	"errors"
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
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/examples/notify"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/httpstore"
	"github.com/wirepost/wirepost/internal/control"
	"github.com/wirepost/wirepost/internal/inspector"
	"github.com/wirepost/wirepost/internal/lambdart"
	"github.com/wirepost/wirepost/internal/template"
)

// shutdownTime is how long clients and $disconnect functions get at the end.
const shutdownTime = 10 * time.Second

// develop is dev with its flags parsed: it serves until ctx ends.
func (c *command) develop(ctx context.Context, d *devFlags) int {
	c.step("reading the folder %s", folder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return c.notStarted(ctx, fmt.Errorf("make the folder for the store: %w", err))
	}
	note, unlock, err := lockFolder()
	if err != nil {
		return c.notStarted(ctx, err)
	}
	defer unlock()
	id, err := apiID()
	if err != nil {
		return c.notStarted(ctx, err)
	}
	// What is wrong with the flags is said before anything is opened.
	if err := (wirepost.Identity{APIID: id, Stage: cmp.Or(d.stage, "dev"), Region: d.region}).Validate(); err != nil {
		return c.misuse(err.Error(), badIdentity)
	}
	c.step("looking up %s", d.listen)
	l, err := d.open(ctx)
	if err != nil {
		return c.notStarted(ctx, err)
	}
	defer l.Close()
	address := l.Addr().(*net.TCPAddr)
	domain := domainOf(address)

	c.step("reading the template %s", d.template.file)
	api, err := c.readTemplate(d, id, domain)
	if err != nil {
		return c.notStarted(ctx, err)
	}
	identity := wirepost.Identity{APIID: id, Stage: d.stage, Region: d.region}
	if err := identity.Validate(); err != nil {
		return c.misuse(err.Error(), badIdentity)
	}
	endpoint := "http://" + domain + "/" + d.stage

	c.step("reading the folder %s", folder)
	ca, err := openAuthority(time.Now())
	if err != nil {
		return c.notStarted(ctx, err)
	}
	secure, err := ca.serve(time.Now(), address.IP)
	if err != nil {
		return c.notStarted(ctx, err)
	}
	storeAt := cmp.Or(d.store, os.Getenv("WIREPOST_STORE"), defaultStore)
	if err := keepStoreURL(storeAt); err != nil {
		return c.notStarted(ctx, err)
	}
	c.step("opening the store")
	registry, err := wirepost.OpenStore(ctx, storeAt)
	if err != nil {
		return c.notStarted(ctx, err)
	}
	defer registry.Close()
	controlListener, err := listenForControl(ctx, d.control, d.controlPublic, address)
	if err != nil {
		return c.notStarted(ctx, err)
	}
	level := slog.LevelWarn
	if d.verbose {
		level = slog.LevelDebug
	}
	logger := slog.New(inspector.LogHandler(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: level})))
	token := control.NewToken()
	live := &control.Live{}
	where, stopControl, err := serveControl(controlListener, control.Options{Token: token, Faults: d.faults, Public: d.controlPublic, Live: live,
		Store: httpstore.NewHandler(registry, &httpstore.HandlerOptions{Token: token})}, logger)
	if err != nil {
		return c.notStarted(ctx, err)
	}
	defer stopControl()

	server := &gateway.Server{
		RouteSelection: d.selection,
		Stage:          d.stage,
		APIID:          id,
		Region:         d.region,
		Domain:         domain,
		IdleTimeout:    d.idle,
		MaxAge:         d.age,
		TLS:            secure,
		Fault:          d.faults.Ask,
		Origin:         allowOrigin(d.origins, address),
		Notice:         func(s string) { fmt.Fprintf(c.stderr, "wirepost: hint: %s\n", s) },
		Logger:         logger,
	}
	c.step("reading the folder of the page %s", d.page)
	if server.Page, err = d.servePage(api != nil); err != nil {
		return c.notStarted(ctx, err)
	}
	publish := &wirepost.PublisherOptions{Logger: logger}
	if err := c.setCredentials(server, publish, l.Addr()); err != nil {
		return c.notStarted(ctx, err)
	}
	if d.functions.given() || api != nil {
		server.MaxDisconnects = 2 * d.functions.concurrency
		c.step("reading the roots that this machine trusts")
		bundle, err := ca.bundle()
		if err != nil {
			return c.notStarted(ctx, fmt.Errorf("write the roots that functions trust: %w", err))
		}
		all, err := c.startFunctions(ctx, d, api, server, functionSurroundings{endpoint: endpoint, store: where.store(), bundle: bundle, logger: logger})
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
			return c.notStarted(ctx, err)
		}
		if d.functions.watch {
			watching, stop := context.WithCancel(ctx)
			defer stop()
			all.watch(watching, c.stderr, logger)
		}
	} else {
		if !address.IP.IsLoopback() {
			fmt.Fprintf(c.stderr, "wirepost: hint: the example function believes whoever connects; leave --listen at a loopback address unless you mean it\n")
		}
		publisher := wirepost.NewPublisher(registry, publish)
		defer publisher.Close()
		every := func(string) bool { return true } // the gateway has asked allowOrigin
		mux := notify.New(registry, publisher, &notify.Options{Logger: logger, Origin: every})
		server.Routes = map[string]gateway.Route{}
		for _, key := range mux.RouteKeys() {
			server.Routes[key] = gateway.Route{Function: mux, RouteResponse: key != "$connect" && key != "$disconnect"}
		}
	}
	recorder := d.record(server)
	if err := server.Validate(); err != nil {
		return c.misuse(err.Error(), "'wirepost dev --help' lists the flags")
	}

	// The endpoint is known before the first client connects, so that rows of an
	// earlier run on another port are reached here at once.
	record := wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: identity, URL: endpoint}, EventTime: time.Now()}
	if stored, err := registry.PutStage(ctx, record); err != nil {
		return c.notStarted(ctx, fmt.Errorf("keep the endpoint in %s: %w", storeAt, err))
	} else if stored.URL != record.URL {
		return c.notStarted(ctx, &hinted{fmt.Errorf("the store has a later endpoint for this API, %s, from %s", stored.URL, stored.EventTime.Format(time.RFC3339)), "set this machine's clock, or remove .wirepost/api-id to begin as another API"})
	}
	if err := c.warnOfSharedURL(ctx, registry, record, d.store); err != nil {
		return c.notStarted(ctx, err)
	}
	if strings.HasPrefix(storeAt, "mem:") {
		fmt.Fprintln(c.stderr, "wirepost: hint: the store is in this process's memory; no other command can reach it")
	}
	note(fmt.Sprintf("pid %d, %s", os.Getpid(), record.URL))

	shown := d.host
	if ip := net.ParseIP(d.host); d.host == "" || ip != nil && ip.IsUnspecified() {
		shown = "127.0.0.1"
	}
	query := "?user=alice&topic=lobby"
	if d.functions.given() || api != nil {
		query = "" // that is what the example reads
	}
	connect := fmt.Sprintf("ws://%s/%s", net.JoinHostPort(shown, strconv.Itoa(address.Port)), d.stage)
	stopInspector := c.serveInspector(inspector.Options{Recorder: recorder, Server: server, Store: registry, Faults: d.faults,
		Connect: connect, Endpoint: endpoint, Query: strings.TrimPrefix(query, "?")}, publish, where, live)
	defer stopInspector()
	if server.Page != nil {
		fmt.Fprintf(c.stdout, "page      http://%s/\n", domain)
	}
	fmt.Fprintf(c.stdout, "connect   %s%s\n", connect, query)
	fmt.Fprintf(c.stdout, "endpoint  %s\n", record.URL)
	fmt.Fprintf(c.stdout, "store     %s\n", storeURL(d.store)) // where the commands in this folder look, too
	return c.serve(ctx, server, l)
}

// serve serves until ctx ends, and then lets clients and functions come to an end.
func (c *command) serve(ctx context.Context, server *gateway.Server, l net.Listener) int {
	c.runs()
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
	stopped := make(chan error, 1)
	go func() { stopped <- server.Shutdown(deadline) }() // ends with deadline
	var err error
	select {
	case err = <-stopped:
	case <-time.After(time.Second):
		if open := server.Unfinished(); open != (gateway.Unfinished{}) {
			fmt.Fprintf(c.stderr, "wirepost: hint: waiting for %v to end, %v at most; Ctrl-C again ends at once\n", open, shutdownTime)
		}
		err = <-stopped
	}
	if served := <-served; !errors.Is(served, http.ErrServerClosed) && err == nil {
		err = served
	}
	unfinished, ok := errors.AsType[*gateway.UnfinishedError](err)
	switch {
	case ok:
		fmt.Fprintf(c.stderr, "wirepost: hint: %v had not ended after %v; wirepost has cut off what was left\n", unfinished.Unfinished, shutdownTime)
	case err != nil:
		return c.fail(fmt.Errorf("shut down: %w", err))
	}
	plural := "s"
	if open == 1 {
		plural = ""
	}
	fmt.Fprintf(c.stdout, "ended, %d connection%s closed\n", open, plural)
	return exitDone
}

// setCredentials lets the development pair sign where only this machine can, and
// makes a pair where others can reach the gateway.
func (c *command) setCredentials(server *gateway.Server, publish *wirepost.PublisherOptions, address net.Addr) error {
	if address.(*net.TCPAddr).IP.IsLoopback() {
		os.Remove(keyPairFile) // an earlier run's pair would sign wrongly now
		server.Credentials = []gateway.Credentials{gateway.DevelopmentCredentials()}
		// That pair is no secret: a page whose name points here could sign.
		server.Hosts = []string{"localhost", "127.0.0.1", "[::1]", "::1", address.(*net.TCPAddr).IP.String()}
		return nil
	}
	pair, err := newKeyPair()
	if err != nil {
		return err
	}
	server.Credentials = []gateway.Credentials{{AccessKeyID: pair.AccessKeyID, SecretAccessKey: pair.SecretAccessKey}}
	publish.Credentials = &pair
	fmt.Fprintf(c.stderr, "wirepost: hint: %s can be reached from other machines, so posts have to be signed with a pair of its own, which is shown once: access key %s, secret %s\n", address, pair.AccessKeyID, pair.SecretAccessKey)
	return nil
}

// functionSurroundings are what functions find around them.
type functionSurroundings struct {
	endpoint, store, bundle string
	logger                  *slog.Logger
}

// startFunctions starts the functions of the flags or the template and sets the
// server's routes. What it returns has to be closed, also with an error.
func (c *command) startFunctions(ctx context.Context, d *devFlags, api *template.API, server *gateway.Server, around functionSurroundings) (*functions, error) {
	all := newFunctions(d.functions, lambdart.Config{Region: d.region, Folder: folder, Output: c.stdout, Logger: around.logger,
		OnLog: func(ctx context.Context, _, line string) { inspector.Log(ctx, line) }})
	pair := server.Credentials[0]
	if d.inherit {
		c.step("looking for your AWS credentials")
		own, account, err := callerCredentials(ctx)
		if err != nil {
			return all, err
		}
		pair, server.Credentials = own, append(server.Credentials, own)
		fmt.Fprintf(c.stderr, "wirepost: hint: functions have your own AWS credentials%s\n", ofAccount(account))
	}
	env := functionEnvironment(os.Environ(), pair, d.inherit, d.region, around.endpoint, around.store, absolute(authorityFile), around.bundle)
	switch {
	case d.template.dynamodb != "":
		env = env.set("AWS_ENDPOINT_URL_DYNAMODB", d.template.dynamodb)
	case api != nil && len(api.Tables) > 0 && !d.inherit:
		// The development pair is of no use there: what refuses at once is better than
		// what AWS answers, or what waits for a network.
		env = env.set("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")
	}
	if d.envFile != "" {
		c.step("reading the env file %s", d.envFile)
		more, err := readEnvFile(d.envFile)
		if err != nil {
			return all, err
		}
		env = append(env, more...)
		if not := reserved(more, d.region); len(not) > 0 {
			fmt.Fprintf(c.stderr, "wirepost: hint: not taken from --env-file, because Lambda sets it: %s; the region is that of --region, %s\n", strings.Join(not, ", "), d.region)
		}
	}
	all.config.Env = env
	var err error
	c.step("reading the functions' files")
	all.begin = func() {
		c.step("starting the functions")
		c.holds()
	}
	if api != nil {
		if err = c.createTables(ctx, d, api, all); err == nil {
			server.Routes, err = all.ofTemplate(ctx, api)
		}
		server.StageVariables = api.StageVariables
	} else {
		server.Routes, err = all.ofFlags(ctx, &d.functions)
	}
	return all, err
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
// trust this machine. Where others reach the gateway its own page has this machine's
// name, too.
func allowOrigin(named []string, address *net.TCPAddr) func(string) bool {
	if !address.IP.IsLoopback() {
		named = slices.Clone(named)
		for _, name := range ownNames() {
			at := net.JoinHostPort(strings.ToLower(name), strconv.Itoa(address.Port))
			named = append(named, "http://"+at, "https://"+at)
		}
	}
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

const badIdentity = "a stage has letters, digits, - and _; a region looks like us-east-1"
