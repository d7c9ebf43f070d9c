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
	"syscall"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/examples/notify"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/httpstore"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/control"
	"github.com/wirepost/wirepost/internal/inspector"
	"github.com/wirepost/wirepost/internal/lambdart"
	"github.com/wirepost/wirepost/internal/terminal"
)

// shutdownTime is how long clients and $disconnect functions get at the end.
const shutdownTime = 10 * time.Second

// develop is dev with its flags parsed: it serves until ctx ends.
func (c *command) develop(ctx context.Context, d *devFlags) int {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return c.fail(fmt.Errorf("make the folder for the store: %w", err))
	}
	note, unlock, err := lockFolder()
	if err != nil {
		return c.failWith(err)
	}
	defer unlock()
	if err := clearFolder(); err != nil {
		return c.fail(fmt.Errorf("remove what a killed run has left: %w", err))
	}
	id, said, err := apiID(ctx)
	if err != nil {
		return c.failWith(err)
	}
	if said != "" {
		c.stderr.Printf("wirepost: hint: %s\n", said)
	}
	// What is wrong with the flags is said before anything is opened.
	if err := (wirepost.Identity{APIID: id, Stage: cmp.Or(d.stage, "dev"), Region: d.region}).Validate(); err != nil {
		return c.misuse(err.Error(), badIdentity)
	}
	api, err := c.readTemplate(d)
	if err != nil {
		return c.failWith(err)
	}
	l, err := d.open()
	if err != nil {
		return c.failWith(err)
	}
	defer l.Close()
	address := l.Addr().(*net.TCPAddr)
	domain := net.JoinHostPort("localhost", strconv.Itoa(address.Port))

	api, err = c.resolveTemplate(d, api, id, domain)
	if err != nil {
		return c.failWith(err)
	}
	identity := wirepost.Identity{APIID: id, Stage: d.stage, Region: d.region}
	if err := identity.Validate(); err != nil {
		return c.misuse(err.Error(), badIdentity)
	}
	endpoint := "http://" + domain + "/" + d.stage

	ca, err := openAuthority(time.Now())
	if err != nil {
		return c.failWith(err)
	}
	if ca.said != "" {
		c.stderr.Printf("wirepost: hint: %s\n", ca.said)
	}
	secure, err := ca.serve(time.Now())
	if err != nil {
		return c.fail(err)
	}
	storeAt := cmp.Or(d.store, os.Getenv("WIREPOST_STORE"), defaultStore)
	if err := keepStoreURL(storeAt); err != nil {
		return c.fail(err)
	}
	registry, err := wirepost.OpenStore(ctx, storeAt)
	if err != nil {
		return c.fail(err)
	}
	defer registry.Close()
	controlListener, err := listenForControl(d.control, d.controlPublic, address)
	if err != nil {
		return c.failWith(err)
	}
	level := slog.LevelWarn
	if d.verbose {
		level = slog.LevelDebug
	}
	logger := slog.New(inspector.LogHandler(slog.NewTextHandler(c.stderr.Lines(), &slog.HandlerOptions{Level: level})))
	token := control.NewToken()
	live := &control.Live{}
	where, stopControl, err := serveControl(controlListener, control.Options{Token: token, Faults: d.faults, Public: d.controlPublic, Live: live,
		Store: httpstore.NewHandler(registry, &httpstore.HandlerOptions{Token: token})}, logger)
	if err != nil {
		return c.failWith(err)
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
		Origin:         allowOrigin(d.origins),
		Notice:         func(s string) { c.stderr.Printf("wirepost: hint: %s\n", s) },
		Logger:         logger,
	}
	publish := &wirepost.PublisherOptions{Logger: logger}
	if err := c.setCredentials(server, publish, l.Addr()); err != nil {
		return c.fail(err)
	}
	if d.functions.given() || api != nil {
		server.MaxDisconnects = 2 * d.functions.concurrency
		bundle, err := ca.bundle()
		if err != nil {
			return c.fail(fmt.Errorf("write the roots that functions trust: %w", err))
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
			return c.failWith(err)
		}
		if d.functions.watch {
			watching, stop := context.WithCancel(ctx)
			defer stop()
			all.watch(watching, c.stderr, logger)
		}
	} else {
		if !address.IP.IsLoopback() {
			c.stderr.Printf("wirepost: hint: the example function believes whoever connects; leave --listen at a loopback address unless you mean it\n")
		}
		publisher := wirepost.NewPublisher(registry, publish)
		defer publisher.Close()
		mux := notify.New(registry, publisher, logger)
		server.Routes = map[string]gateway.Route{}
		for _, key := range mux.RouteKeys() {
			server.Routes[key] = gateway.Route{Function: mux, RouteResponse: key != "$connect" && key != "$disconnect"}
		}
	}
	if server.Page, err = d.servePage(api != nil); err != nil {
		return c.failWith(err)
	}
	recorder := d.record(server)
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
	if err := c.warnOfSharedURL(ctx, registry, record, d.store); err != nil {
		return c.fail(err)
	}
	if strings.HasPrefix(storeAt, "mem:") {
		c.stderr.Print("wirepost: hint: the store is in this process's memory; no other command can reach it\n")
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
		c.stdout.Printf("page      http://%s/\n", domain)
	}
	c.stdout.Printf("connect   %s%s\n", connect, query)
	c.stdout.Printf("endpoint  %s\n", record.URL)
	c.stdout.Printf("store     %s\n", storeURL(d.store)) // where the commands in this folder look, too
	return c.serve(ctx, server, l)
}

// serve serves until ctx ends, and then lets clients and functions come to an end.
func (c *command) serve(ctx context.Context, server *gateway.Server, l net.Listener) int {
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
			c.stderr.Printf("wirepost: hint: waiting for %v to end, %v at most; Ctrl-C again ends at once\n", open, shutdownTime)
		}
		err = <-stopped
	}
	if served := <-served; !errors.Is(served, http.ErrServerClosed) && err == nil {
		err = served
	}
	unfinished, ok := errors.AsType[*gateway.UnfinishedError](err)
	switch {
	case ok:
		c.stderr.Printf("wirepost: hint: %v had not ended after %v; wirepost has cut off what was left\n", unfinished.Unfinished, shutdownTime)
	case err != nil:
		return c.fail(fmt.Errorf("shut down: %w", err))
	}
	plural := "s"
	if open == 1 {
		plural = ""
	}
	c.stdout.Printf("ended, %d connection%s closed\n", open, plural)
	return exitDone
}

// open listens where the flags say.
func (d *devFlags) open() (net.Listener, error) {
	l, err := net.Listen("tcp", d.listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &hinted{fmt.Errorf("the address %s is taken by another program", d.listen), "choose another with --listen, such as --listen 127.0.0.1:0 for a free port; a 'wirepost dev' has its control address on the port after its own"}
	case err != nil:
		return nil, &hinted{fmt.Errorf("listen on %s: %w", d.listen, err), "give an address of this machine and a port, such as 127.0.0.1:3001"}
	}
	return l, nil
}

// setCredentials lets the development pair sign where only this machine can, and
// makes a pair where others can reach the gateway.
func (c *command) setCredentials(server *gateway.Server, publish *wirepost.PublisherOptions, address net.Addr) error {
	if address.(*net.TCPAddr).IP.IsLoopback() {
		os.Remove(keyPairFile) // an earlier run's pair would sign wrongly now
		server.Credentials = []gateway.Credentials{gateway.DevelopmentCredentials()}
		// That pair is no secret: a page whose name points here could sign.
		server.Hosts = []string{"localhost", "127.0.0.1", "[::1]", "::1"}
		return nil
	}
	pair, err := newKeyPair()
	if err != nil {
		return err
	}
	server.Credentials = []gateway.Credentials{{AccessKeyID: pair.AccessKeyID, SecretAccessKey: pair.SecretAccessKey}}
	publish.Credentials = &pair
	c.stderr.Printf("wirepost: hint: %s can be reached from other machines, so posts have to be signed with a pair of its own, which is shown once: access key %s, secret %s\n", address, pair.AccessKeyID, pair.SecretAccessKey)
	return nil
}

// functionSurroundings are what functions find around them.
type functionSurroundings struct {
	endpoint, store, bundle string
	logger                  *slog.Logger
}

// startFunctions starts the functions of the flags or the template and sets the
// server's routes. What it returns has to be closed, also with an error.
func (c *command) startFunctions(ctx context.Context, d *devFlags, api *app.App, server *gateway.Server, around functionSurroundings) (*functions, error) {
	all := newFunctions(d.functions, lambdart.Config{Region: d.region, Folder: folder, Output: c.stdout.Lines(), Logger: around.logger,
		OnLog: func(ctx context.Context, _, line string) { inspector.Log(ctx, line) }})
	pair := server.Credentials[0]
	if d.inherit {
		own, account, err := callerCredentials(ctx)
		if err != nil {
			return all, err
		}
		pair, server.Credentials = own, append(server.Credentials, own)
		c.stderr.Printf("wirepost: hint: functions have your own AWS credentials%s\n", ofAccount(account))
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
		more, err := readEnvFile(d.envFile)
		if err != nil {
			return all, err
		}
		env = append(env, more...)
		if not := reserved(more, d.region); len(not) > 0 {
			c.stderr.Printf("wirepost: hint: not taken from --env-file, because Lambda sets it: %s; the region is that of --region, %s\n", strings.Join(not, ", "), d.region)
		}
	}
	all.config.Env = env
	var err error
	if api != nil {
		if err = c.createTables(ctx, d, api, all); err == nil {
			server.Routes, err = all.ofTemplate(ctx, api)
		}
		server.StageVariables = api.APIs[0].StageVariables
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
			c.stderr.Printf("wirepost: hint: the store has %s at %s too; if that is a gateway on another machine, give this one another port with --listen, and if it is none any more, 'wirepost sweep --api %s --stage %s%s' forgets it\n",
				r.Identity, r.URL, terminal.Word(r.APIID), terminal.Word(r.Stage), storeFlag(flagged))
		}
	}
	return nil
}

const badIdentity = "a stage has letters, digits, - and _; a region looks like us-east-1"
