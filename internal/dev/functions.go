package dev

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/inspector"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// functions is the part that runs functions as processes. Routes and authorizers ask it
// for those that they need; it starts each of them once, and ends them all.
type functions struct {
	c      *Config
	env    *functionEnv
	tables *tables
	calls  *awsCalls

	interception *interception

	keeping   sync.Mutex // a function may start when one of its files changes
	ended     bool
	started   []*lambdart.Function
	watched   []watchedFunction // until the watcher runs
	watch     func(watchedFunction)
	failed    []error // of functions of an app that have not started
	bySpec    map[string]gateway.Function
	known     map[string]gateway.Function // those that were named one by one
	config    lambdart.Config             // but for name and source
	names     map[string]bool
	opt       opt
	assembled map[string]*assembled // by the function's name
}

type watchedFunction struct {
	function restartable
	name     string
	paths    []string
	bundle   *bundled // or nil
}

// restartable is a function as its watcher sees it.
type restartable interface {
	Restart(context.Context) error
	SetLayers(opt string, missing []string)
	Worked() bool
	Started() bool
}

func (all *functions) start(context.Context) error {
	p := all.c.Processes
	all.bySpec, all.known, all.names = map[string]gateway.Function{}, map[string]gateway.Function{}, map[string]bool{}
	for _, from := range all.env.fromFlags() {
		all.calls.variables(from.flag, from.env)
	}
	all.config = lambdart.Config{
		Concurrency: p.Concurrency, Timeout: p.Timeout, NoTimeout: p.NoTimeout, DebugPort: p.DebugPort, Freeze: p.Freeze,
		Region: all.c.Region, AccountID: all.c.account(), Folder: string(all.c.Folder), Env: all.env.vars, Output: all.c.Output, Logger: all.c.Logger,
		Around: all.c.Folder.Around("", "."),
	}
	return nil
}

// keep has a function closed at the end; at once if that has come.
func (all *functions) keep(ctx context.Context, f *lambdart.Function) {
	all.keeping.Lock()
	ended := all.ended
	if !ended {
		all.started = append(all.started, f)
	}
	all.keeping.Unlock()
	if ended {
		_ = f.Close(ctx) // it has just been made: nothing runs
	}
}

// observe has a function watched, also one that is made when the watcher runs.
func (all *functions) observe(f watchedFunction) {
	all.keeping.Lock()
	watch := all.watch
	if watch == nil {
		all.watched = append(all.watched, f)
	}
	all.keeping.Unlock()
	if watch != nil {
		watch(f)
	}
}

// watchWith gives each function to watch: those that there are, and those that come.
func (all *functions) watchWith(watch func(watchedFunction)) {
	all.keeping.Lock()
	there := all.watched
	all.watch, all.watched = watch, nil
	all.keeping.Unlock()
	for _, f := range there {
		watch(f)
	}
}

// assembledOf is what a function has below .wirepost that is not its own, or nil.
func (all *functions) assembledOf(name string) *assembled {
	all.keeping.Lock()
	defer all.keeping.Unlock()
	return all.assembled[name]
}

func (all *functions) stop(ctx context.Context) error {
	all.keeping.Lock()
	all.ended = true
	started := all.started
	all.keeping.Unlock()
	var errs []error
	for _, f := range started {
		errs = append(errs, f.Close(ctx))
	}
	return errors.Join(errs...)
}

// run starts a function, once for each way of naming it.
func (all *functions) run(ctx context.Context, args []string, handler string) (gateway.Function, error) {
	spec := strings.Join(args, "\x00") + "#" + handler
	if f := all.bySpec[spec]; f != nil {
		return f, nil
	}
	f, err := all.named(ctx, args, handler)
	if err != nil {
		return nil, err
	}
	all.bySpec[spec] = f
	return f, nil
}

func (all *functions) named(ctx context.Context, args []string, handler string) (gateway.Function, error) {
	config := all.config
	if b := TypeScript(args, handler); b != nil && all.c.Bundle != nil {
		config.Name = all.nameOf(args, handler)
		f, err := all.launchBundle(ctx, b, config, launching{})
		all.known[config.Name] = f
		return f, err
	}
	source, err := lambdart.ParseSource(args, handler)
	if err != nil {
		return nil, misnamed(err)
	}
	config.Source, config.Name = source, all.nameOf(args, handler)
	f, err := all.launch(ctx, config, launching{})
	all.known[config.Name] = f
	return f, err
}

// launching says how a function is launched.
type launching struct {
	of     *app.Function // in its template, or nil
	bundle *bundled      // that it is made of, or nil
	lazy   bool          // it starts when it is first invoked
}

// launch starts a function. One of an app that does not start is reported, and tried
// again when it is invoked: nothing of an app stops the whole.
func (all *functions) launch(ctx context.Context, config lambdart.Config, how launching) (gateway.Function, error) {
	if !how.lazy {
		all.c.Report.Begins("starting the functions")
		all.c.Report.Launches()
	}
	f, err := lambdart.New(all.heard(config))
	if err != nil {
		return nil, err
	}
	made := &process{Function: f, name: config.Name, of: how.of, c: all.c, calls: all.calls}
	all.keep(ctx, f)
	all.observe(watchedFunction{made, config.Name, config.Source.WatchPaths(), how.bundle})
	if how.lazy {
		return made, nil
	}
	switch err := f.Restart(ctx); {
	case err == nil:
	case all.c.App == nil || ctx.Err() != nil || notStarted(err) == "":
		return nil, err // what was started ends with this part
	default:
		made.tell(err)
		all.failed = append(all.failed, err)
	}
	return made, nil
}

// heard has the lines of a function recorded, and looked at, and its calls led here.
func (all *functions) heard(config lambdart.Config) lambdart.Config {
	all.interception.lead(&config)
	config.OnLog = func(ctx context.Context, _, line string) {
		inspector.Log(ctx, line)
		logged(ctx, line)
		all.readOpt(line)
		all.calls.failed(ctx, config.Name, line)
	}
	return config
}

var notInFunctionName = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// nameOf is a name for a function that was given none.
func (all *functions) nameOf(args []string, handler string) string {
	base := handler
	if len(args) > 0 {
		_, path, ok := strings.Cut(args[0], ":")
		if !ok {
			path = args[0]
		}
		if abs, err := filepath.Abs(path); err == nil {
			base = strings.TrimSuffix(filepath.Base(abs), filepath.Ext(abs))
		}
	}
	base = strings.Trim(notInFunctionName.ReplaceAllString(base, "-"), "-")
	if base == "" {
		base = "function"
	}
	base = base[:min(len(base), 64)] // Lambda's own bound, of names of templates too
	name := base
	for n := 2; all.names[name]; n++ {
		end := fmt.Sprintf("-%d", n)
		name = base[:min(len(base), 64-len(end))] + end
	}
	all.names[name] = true
	return name
}
