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
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/examples/notify"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/control"
)

const devHelp = `Usage:
    wirepost dev [FLAGS]

Runs API Gateway's WebSocket side on this machine with the example function
'notify', until Ctrl-C. Prints where clients connect, where publishers post, and
the store that both halves share. The example believes what the URL says; it is
for development.

    --listen ADDRESS          default 127.0.0.1:3001; port 0 takes a free one
    --stage NAME              default dev
    --region NAME             the region that posts are signed for; default us-east-1
    --store URL               default sqlite:.wirepost/store.db
    --route-selection EXPR    default $request.body.action
    --idle-timeout DURATION   default 10m, as on AWS
    --max-age DURATION        default 2h, as on AWS
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
	if status, done := c.parse(flags, devHelp, args); done {
		return status
	}
	if flags.NArg() > 0 {
		return c.misuse(fmt.Sprintf("dev takes no argument %q", flags.Arg(0)), "'wirepost dev --help' lists the flags")
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
	controlListener, err := listenForControl(*controlAt, *controlPublic, address)
	if err != nil {
		return c.failWith(err)
	}
	_, stopControl, err := serveControl(controlListener, control.Options{Token: control.NewToken(), Faults: faults, Public: *controlPublic})
	if err != nil {
		return c.failWith(err)
	}
	defer stopControl()

	storeAt := storeURL(*store)
	registry, err := wirepost.OpenStore(ctx, storeAt)
	if err != nil {
		return c.fail(err)
	}
	defer registry.Close()

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
	mux := notify.New(registry, publisher, logger)

	routes := map[string]gateway.Route{}
	for _, key := range mux.RouteKeys() {
		routes[key] = gateway.Route{RouteResponse: key != "$connect" && key != "$disconnect"}
	}
	server := &gateway.Server{
		Function:       mux,
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
	record := wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: identity, URL: "http://" + domain + "/" + *stage}, EventTime: time.Now()}
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
	fmt.Fprintf(c.stdout, "connect   ws://%s/%s?user=alice&topic=lobby\n", net.JoinHostPort(shown, strconv.Itoa(address.Port)), *stage)
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
