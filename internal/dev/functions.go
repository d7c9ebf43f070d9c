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

	keeping sync.Mutex // a function may start when one of its files changes
	started []*lambdart.Function
	watched []watchedFunction
	failed  []error // of functions of an app that have not started
	bySpec  map[string]gateway.Function
	config  lambdart.Config // but for name and source
	names   map[string]bool
	opt     opt
	layered map[string][]string // the contents of layers, by the function's name
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
	Worked() bool
	Started() bool
}

func (all *functions) start(context.Context) error {
	p := all.c.Processes
	all.bySpec, all.names = map[string]gateway.Function{}, map[string]bool{}
	all.calls.variables("--env-file", all.env.more)
	all.config = lambdart.Config{
		Concurrency: p.Concurrency, Timeout: p.Timeout, NoTimeout: p.NoTimeout, DebugPort: p.DebugPort, Freeze: p.Freeze,
		Region: all.c.Region, AccountID: all.c.account(), Folder: string(all.c.Folder), Env: all.env.vars, Output: all.c.Output, Logger: all.c.Logger,
		Around: all.c.Folder.Around("", "."),
	}
	return nil
}

// keep has a function closed at the end. Those that watch have ended by then.
func (all *functions) keep(f *lambdart.Function) {
	all.keeping.Lock()
	defer all.keeping.Unlock()
	all.started = append(all.started, f)
}

func (all *functions) stop(ctx context.Context) error {
	var errs []error
	for _, f := range all.started {
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
		return all.launchBundle(ctx, nil, b, config)
	}
	source, err := lambdart.ParseSource(args, handler)
	if err != nil {
		return nil, misnamed(err)
	}
	config.Source, config.Name = source, all.nameOf(args, handler)
	return all.launch(ctx, config, nil, nil)
}

// launch starts a function. One of an app that does not start is reported, and tried
// again when it is invoked: nothing of an app stops the whole.
func (all *functions) launch(ctx context.Context, config lambdart.Config, of *app.Function, bundle *bundled) (gateway.Function, error) {
	all.c.Report.Begins("starting the functions")
	all.c.Report.Launches()
	f, err := lambdart.New(all.heard(config))
	if err != nil {
		return nil, err
	}
	made := &process{Function: f, name: config.Name, of: of, c: all.c, calls: all.calls}
	all.keep(f)
	all.watched = append(all.watched, watchedFunction{made, config.Name, config.Source.WatchPaths(), bundle})
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
	base = base[:min(len(base), 50)]
	name := base
	for n := 2; all.names[name]; n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	all.names[name] = true
	return name
}
