package dev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/wireposttest"
)

// recorded is a part that notes when it starts and stops.
type recorded struct {
	part
	order *[]string
	fail  error // with which it does not start
}

func (r *recorded) start(ctx context.Context) error {
	*r.order = append(*r.order, fmt.Sprintf("start %T", r.part))
	if r.fail != nil {
		return r.fail
	}
	return r.part.start(ctx)
}

func (r *recorded) stop(ctx context.Context) error {
	*r.order = append(*r.order, fmt.Sprintf("stop %T", r.part))
	return r.part.stop(ctx)
}

// record makes every part of a dev note what it does.
func (r *reported) record(d *Dev) *[]string {
	var order []string
	for i, p := range d.parts {
		d.parts[i] = &recorded{part: p, order: &order}
	}
	return &order
}

// inThisOrder is the list of what a dev consists of.
var inThisOrder = []string{"lock", "apiID", "listener", "interception", "servicePort", "httpListeners", "resolution", "trust", "store", "controlServer", "credentials", "handler", "lambdaEndpoint", "engines", "functionEnv",
	"tables", "queues", "site", "functions", "appFunctions", "invocations", "arrivals", "routes", "watcher", "gatewayServer", "stageRecord", "controlRun", "presenceSweep", "inspection", "httpAPIs", "serving", "sources"}

func TestADevStartsFromTopToBottomAndStopsInReverse(t *testing.T) {
	for name, c := range map[string]Config{
		"in this process": {InProcess: echo()},
		"a process":       {Named: program(t), Processes: Processes{Concurrency: 1, Watch: true}},
	} {
		t.Run(name, func(t *testing.T) {
			c, said := complete(t, c)
			d, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			order := said.record(d)
			r := begin(t, d, said)
			client := r.dial(t, "?user=alice")
			if c.Named != nil {
				expect(t, client, "hello", "hello")
			} else {
				expect(t, client, `{"action":"ping"}`, `{"type":"pong"}`)
			}
			left := leave(t, client)
			if closed, err := r.end(); closed != 1 || err != nil {
				t.Errorf("it ends with %d connections closed, %v", closed, err)
			}
			var want []string
			for _, name := range inThisOrder {
				want = append(want, "start *dev."+name)
			}
			for _, name := range slices.Backward(inThisOrder) {
				want = append(want, "stop *dev."+name)
			}
			if !slices.Equal(*order, want) {
				t.Errorf("it does\n%s\nwant\n%s", strings.Join(*order, "\n"), strings.Join(want, "\n"))
			}
			within(t, left, "the client's connection to end")
			leavesNothing(t, d)
		})
	}
}

// Each part in turn, so that whatever is added to the list is tried, too.
func TestAPartThatDoesNotStartLeavesNothingBehind(t *testing.T) {
	for i, name := range inThisOrder {
		t.Run(name, func(t *testing.T) {
			c, said := complete(t, Config{Named: program(t), Processes: Processes{Concurrency: 1, Watch: true}})
			if i%2 == 0 { // starting a process takes longer
				c.Named, c.InProcess = nil, echo()
			}
			d, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			order := said.record(d)
			broken := errors.New("broken")
			d.parts[i].(*recorded).fail = broken
			r := begin(t, d, said)
			within(t, r.ended, "the dev to give up")
			if closed, err := r.end(); closed != 0 || err == nil || err.Error() != "broken" {
				t.Errorf("it ends with %d connections closed, %v, want only why it did not start", closed, err)
			}
			var want []string
			for _, name := range inThisOrder[:i+1] {
				want = append(want, "start *dev."+name)
			}
			for _, name := range slices.Backward(inThisOrder[:i]) {
				want = append(want, "stop *dev."+name)
			}
			if !slices.Equal(*order, want) {
				t.Errorf("it does\n%s\nwant\n%s", strings.Join(*order, "\n"), strings.Join(want, "\n"))
			}
			leavesNothing(t, d)
		})
	}
}

func TestTwoDevsRunAtOnceInTwoFolders(t *testing.T) {
	one := start(t, Config{InProcess: echo()})
	two := start(t, Config{InProcess: echo()})
	ofOne, ofTwo := one.dial(t, "?user=alice"), two.dial(t, "?user=alice")
	for r, c := range map[*running]*wireposttest.Client{one: ofOne, two: ofTwo} {
		at := r.await(t, "endpoint ")
		store, err := wirepost.OpenStore(t.Context(), r.await(t, "store "))
		if err != nil {
			t.Fatal(err)
		}
		publisher := wirepost.NewPublisher(store, nil)
		result, err := publisher.Publish(t.Context(), wirepost.ToUser("alice"), []byte(at), nil)
		if err != nil || result.Sent != 1 {
			t.Errorf("%s: %v, %v, want one alice in each store", at, result, err)
		}
		expect(t, c, "", at)
		publisher.CloseIdleConnections()
		store.Close()
	}
	if a, b := partOf[*apiID](one.dev).id, partOf[*apiID](two.dev).id; a == b {
		t.Errorf("both are the API %s", a)
	}
	// One that ends leaves the other alone.
	leave(t, ofOne)
	if _, err := one.end(); err != nil {
		t.Error(err)
	}
	expect(t, ofTwo, `{"action":"ping"}`, `{"type":"pong"}`)
	leave(t, ofTwo)
}

func TestASecondDevInAFolderIsRefusedAndDisturbsNothing(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skipped: there is no lock on this system")
	}
	first := start(t, Config{InProcess: echo()})
	c, said := complete(t, Config{InProcess: echo(), Folder: partOf[*lock](first.dev).c.Folder})
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	second := begin(t, d, said)
	within(t, second.ended, "the second dev to give up")
	if _, err := second.end(); err == nil || !strings.HasPrefix(err.Error(), "wirepost dev is already running in this folder (pid ") {
		t.Errorf("the second dev ends with %v", err)
	}
	if _, err := c.Folder.Control(); err != nil {
		t.Errorf("the first one's control address: %v", err)
	}
	client := first.dial(t, "?user=alice")
	expect(t, client, `{"action":"ping"}`, `{"type":"pong"}`)
	leave(t, client)
}

// described is an app without functions.
func described(resolve app.Resolver) *app.App {
	return &app.App{Region: "eu-west-1", Resolver: resolve, APIs: []app.API{{LogicalID: "Api", Stage: "beta",
		Routes: []app.Route{{Key: "ping", TwoWay: true, Integration: app.Integration{Kind: app.Mock, Responses: []app.IntegrationResponse{{Key: "$default", Templates: map[string]string{"$default": "pong"}}}}}}}}}
}

func TestAnAppIsResolvedWhenThePortIsKnownAndBeforeAnythingIsMade(t *testing.T) {
	for _, wrong := range []error{nil, app.Errorf(app.Position{File: "template.yaml", Line: 3}, "it is too large")} {
		t.Run(fmt.Sprint(wrong), func(t *testing.T) {
			c, said := complete(t, Config{})
			resolved := 0
			c.App = described(func(names app.Names) (*app.App, []app.Note, error) {
				resolved++
				is := names.APIs["Api"]
				endpoint := is.Endpoint("beta")
				address := strings.TrimSuffix(strings.TrimPrefix(endpoint, "http://"), "/beta")
				if conn, err := net.Dial("tcp", address); err != nil {
					t.Errorf("nothing listens at %s: %v", endpoint, err)
				} else {
					conn.Close()
				}
				if id, err := c.Folder.APIID(); err != nil || id != is.ID {
					t.Errorf("the API is %s, and the folder's is %s, %v", is.ID, id, err)
				}
				for _, made := range []string{"store.db", "ca.pem", "control.json", "functions"} {
					if _, err := os.Stat(c.Folder.file(made)); !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("%s is there before the app is resolved: %v", made, err)
					}
				}
				return described(nil), []app.Note{{Position: app.Position{File: "template.yaml", Line: 2}, Text: "URL is " + endpoint}}, wrong
			})
			d, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			r := begin(t, d, said)
			r.await(t, "hint: template.yaml:2: URL is http://localhost:")
			if wrong == nil {
				if got := r.await(t, "connect "); !strings.HasSuffix(got, "/beta") {
					t.Errorf("clients connect to %s", got)
				}
				client := r.dial(t, "")
				expect(t, client, `{"action":"ping"}`, "pong")
				leave(t, client)
			} else {
				within(t, r.ended, "the dev to give up")
				if _, err := r.end(); err == nil || err.Error() != "read the template: template.yaml:3: it is too large" {
					t.Errorf("it ends with %v", err)
				}
				leavesNothing(t, d)
			}
			if resolved != 1 {
				t.Errorf("the app was resolved %d times", resolved)
			}
		})
	}
}

func TestAnAppWhosePortIsTakenIsNotResolved(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c, said := complete(t, Config{Listen: taken.Addr().String()})
	c.App = described(func(app.Names) (*app.App, []app.Note, error) {
		t.Error("it was resolved")
		return nil, nil, errors.New("resolved")
	})
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	r := begin(t, d, said)
	within(t, r.ended, "the dev to give up")
	if _, err := r.end(); err == nil || err.Error() != "the address "+taken.Addr().String()+" is already in use by another program" {
		t.Errorf("it ends with %v", err)
	}
	leavesNothing(t, d)
}

func TestAContextThatEndsDuringTheStartEndsTheDev(t *testing.T) {
	for _, c := range []struct {
		name string
		of   func(interrupt context.CancelFunc) Config
		says string
	}{
		{"while a function in this process is made", func(interrupt context.CancelFunc) Config {
			made := echo()
			return Config{InProcess: &InProcess{New: func(s wirepost.Store, p *wirepost.Publisher, at wirepost.Endpoint, l *slog.Logger) *wirepost.Mux {
				interrupt()
				return made.New(s, p, at, l)
			}}}
		}, "interrupted before everything had started: context canceled"},
		{"while a process starts that never asks for an invocation", func(interrupt context.CancelFunc) Config {
			return Config{Named: program(t), Env: functionDoes("hang"), Logger: slog.New(&onLine{text: "process started", do: interrupt})}
		}, "it has not asked for an invocation: context canceled"},
		{"before anything has started", func(interrupt context.CancelFunc) Config {
			interrupt()
			return Config{InProcess: echo()}
		}, "interrupted before everything had started: context canceled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			config, _ := complete(t, c.of(interrupt))
			d, err := New(config)
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() { // ends because ctx does
				defer close(ended)
				_, err = d.Run(ctx)
			}()
			within(t, ended, "the dev to end")
			if err == nil || !strings.Contains(err.Error(), c.says) || !errors.Is(err, context.Canceled) {
				t.Errorf("it ends with %v, want %q", err, c.says)
			}
			leavesNothing(t, d)
		})
	}
}

// onLine does something when a text is logged.
type onLine struct {
	text string
	do   func()
	once sync.Once
}

func (o *onLine) Enabled(context.Context, slog.Level) bool { return true }
func (o *onLine) WithAttrs([]slog.Attr) slog.Handler       { return o }
func (o *onLine) WithGroup(string) slog.Handler            { return o }

func (o *onLine) Handle(_ context.Context, r slog.Record) error {
	if r.Message == o.text {
		o.once.Do(o.do)
	}
	return nil
}

func TestADevWhosePortIsLostEndsWithAnError(t *testing.T) {
	r := start(t, Config{InProcess: echo()})
	l := partOf[*listener](r.dev)
	l.Listener.Close()
	within(t, r.ended, "the dev to give up")
	if _, err := r.end(); err == nil || !strings.HasPrefix(err.Error(), "serve on "+l.Addr().String()+": ") {
		t.Errorf("it ends with %v", err)
	}
	leavesNothing(t, r.dev)
}

func TestAConfigThatCannotBeRunIsRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		c    Config
		want string
	}{
		{"nothing", Config{}, "exactly one of Config.App, Config.Named and Config.InProcess is needed"},
		{"two", Config{InProcess: echo(), Named: &Named{}}, "exactly one of Config.App, Config.Named and Config.InProcess is needed"},
		{"no API", Config{App: &app.App{}}, "Config.App has no API"},
		{"a stage", Config{InProcess: echo(), Stage: "a b"}, "stage"},
		{"a route selection", Config{InProcess: echo(), RouteSelection: "$request.header.x"}, "$request.header.x"},
		{"a name of a function", Config{Named: &Named{Function: []string{"lambda:x"}}}, "lambda:x"},
		{"a route twice", Config{Named: &Named{Routes: []NamedRoute{{"a", "mock:1"}, {"a", "mock:2"}}}}, "--route a is given twice"},
		{"a response of no route", Config{Named: &Named{Routes: []NamedRoute{{"a", "mock:1"}}, RouteResponses: []string{"b"}}}, "--route-response b: there is no such route"},
		{"an identity source for nobody", Config{Named: &Named{Routes: []NamedRoute{{"a", "mock:1"}}, IdentitySources: []string{"route.request.header.A"}}}, "--identity-source needs --authorizer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, said := complete(t, c.c)
			d, err := New(config)
			if err == nil {
				r := begin(t, d, said)
				within(t, r.ended, "the dev to give up")
				_, err = r.end()
				leavesNothing(t, d)
			}
			if wrong, ok := errors.AsType[*ConfigError](err); !ok || !strings.Contains(wrong.Error(), c.want) {
				t.Errorf("%#v, want a ConfigError with %q", err, c.want)
			}
		})
	}
	if _, err := New(Config{InProcess: echo()}); err == nil || !strings.Contains(err.Error(), "Config.Folder is empty") {
		t.Errorf("without a folder: %v", err)
	}
}

func TestAFolderKeepsWhatTheNextDevNeeds(t *testing.T) {
	where := folder(t)
	r := start(t, Config{InProcess: echo(), Folder: where})
	first, err := where.APIID()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.end(); err != nil {
		t.Fatal(err)
	}
	other := "sqlite:" + filepath.Join(t.TempDir(), "other.db")
	r = start(t, Config{InProcess: echo(), Folder: where, Store: other})
	if id, err := where.APIID(); err != nil || id != first {
		t.Errorf("the API is %s, %v, want %s again", id, err, first)
	}
	if got := where.StoreURL(); got != other || r.await(t, "store ") != other {
		t.Errorf("commands in the folder look into %s", got)
	}
	if _, err := r.end(); err != nil {
		t.Fatal(err)
	}
	start(t, Config{InProcess: echo(), Folder: where})
	if got := where.StoreURL(); got != where.DefaultStore() || !where.HasDefaultStore() {
		t.Errorf("commands in the folder look into %s", got)
	}
}
