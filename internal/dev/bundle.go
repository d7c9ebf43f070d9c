package dev

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// A Bundler makes a bundle in a folder; see package bundle.
type Bundler func(ctx context.Context, b *app.Bundle, folder string) (*app.Bundled, error)

// bundled is the bundle of a function that runs. After the function's start it belongs
// to the goroutine that watches it, but for the paths.
type bundled struct {
	make   Bundler
	what   *app.Bundle
	folder string
	failed bool // the last time

	mu     sync.Mutex
	inputs []string
}

// launchBundle bundles a function and starts what was made: LAMBDA_TASK_ROOT is the
// folder of the bundle, and errors have the lines of the source.
//
// A function that cannot be bundled is a problem and no error: it answers with why,
// until a change of its files makes it run.
func (all *functions) launchBundle(ctx context.Context, b *app.Bundle, config lambdart.Config, how launching) (gateway.Function, error) {
	if all.c.Bundle == nil {
		return nil, errors.New("its code has to be bundled first, and nothing was given that does it")
	}
	made := &bundled{make: all.c.Bundle, what: b, folder: absolute(filepath.Join(config.Folder, "functions", config.Name, "bundle"))}
	config.Source = lambdart.Source{Kind: lambdart.Node, Dir: made.folder, Handler: b.Handler}
	config.From = absolute(b.Folder)
	config.Env = Environment(config.Env).WithSourceMaps()
	what := ""
	if of := how.of; of != nil {
		what = of.Position.String() + ": "
	}
	if !how.lazy {
		all.c.Report.Begins("bundling the function " + config.Name)
	}
	result, err := made.make(ctx, b, made.folder)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		all.c.Report.Problem(fmt.Sprintf("%sfunction %s fails each invocation: %v", what, config.Name, err))
		made.failed = true
		late := &latecomer{all: all, config: all.heard(config), why: fmt.Errorf("start function %s: %w", config.Name, err)}
		all.observe(watchedFunction{late, config.Name, nil, made})
		if all.c.App != nil && !how.lazy {
			all.failed = append(all.failed, late.why)
		}
		return late, nil
	}
	made.inputs = result.Inputs
	for _, note := range result.Notes {
		all.c.Report.Hint(fmt.Sprintf("%sfunction %s: %s", what, config.Name, note))
	}
	how.bundle = made
	return all.launch(ctx, config, how)
}

// latecomer is a function that could not be bundled when the dev started.
type latecomer struct {
	all    *functions
	config lambdart.Config

	mu       sync.Mutex
	why      error
	function *lambdart.Function // nil until it runs
}

// Invoke gives the event to the function, if it runs by now.
func (l *latecomer) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	return l.InvokeWith(ctx, event, nil)
}

// InvokeWith is Invoke with options.
func (l *latecomer) InvokeWith(ctx context.Context, event []byte, o *lambdart.InvokeOptions) ([]byte, error) {
	l.mu.Lock()
	function, why := l.function, l.why
	l.mu.Unlock()
	if function == nil {
		return nil, why
	}
	return function.InvokeWith(ctx, event, o)
}

// Restart starts the function, or restarts it. It is for one caller.
func (l *latecomer) Restart(ctx context.Context) error {
	if l.function != nil { // which only this sets
		return l.function.Restart(ctx)
	}
	function, err := lambdart.Start(ctx, l.config)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.why = err
		return err
	}
	l.function = function
	l.all.keep(ctx, function)
	return nil
}

// SetLayers is that of the function, or of the one that will be started. It is for the
// caller of Restart.
func (l *latecomer) SetLayers(opt string, missing []string) {
	if l.function != nil {
		l.function.SetLayers(opt, missing)
		return
	}
	l.config.Around.Opt, l.config.Around.Missing = opt, missing
}

// Worked is that of the function, if it runs. It is for the caller of Restart.
func (l *latecomer) Worked() bool { return l.function != nil && l.function.Worked() }

// Started reports whether the function has been started. It is for the caller of
// Restart.
func (l *latecomer) Started() bool { return l.function != nil && l.function.Started() }

// WithSourceMaps has Node.js read source maps, next to what it is told already.
func (env Environment) WithSourceMaps() Environment {
	return env.Set("NODE_OPTIONS", strings.TrimSpace(env.value("NODE_OPTIONS")+" --enable-source-maps"))
}

// TypeScript is the bundle of a function that was named with a handler, as
// [lambdart.ParseSource] takes it; nil if its file is not in TypeScript.
func TypeScript(args []string, handler string) *app.Bundle {
	if handler == "" || len(args) > 1 {
		return nil
	}
	folder, isNode := "", false
	if len(args) > 0 {
		folder, isNode = strings.CutPrefix(args[0], "node:")
	}
	folder = cmp.Or(folder, ".")
	if _, err := os.Stat(filepath.Join(folder, app.HandlerBase(handler)+".py")); err == nil && !isNode {
		return nil
	}
	return app.TypeScript(os.DirFS(folder), folder, handler, "")
}

// paths are what has to be watched: the source's folder, where a file may come that was
// missing, and what is outside of it.
func (b *bundled) paths() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	source := absolute(b.what.Folder)
	paths := []string{source}
	for _, file := range b.inputs {
		if inside, err := filepath.Rel(source, file); err != nil || !filepath.IsLocal(inside) {
			paths = append(paths, file)
		}
	}
	return paths
}

// again makes the bundle anew if one of the files that have changed is of it, or is
// packed with it. It reports whether the function finds something else than before.
func (b *bundled) again(ctx context.Context, files []string) (changed bool, err error) {
	isOfIt := func(file string) bool {
		_, found := slices.BinarySearch(b.inputs, file)
		return found
	}
	packs := len(b.what.Files) > 0
	first := b.inputs == nil // and a bundle of an earlier dev may be the same
	if !b.failed && !packs && !slices.ContainsFunc(files, isOfIt) {
		return false, nil
	}
	result, err := b.make(ctx, b.what, b.folder)
	b.failed = err != nil
	if err != nil {
		return false, err
	}
	b.mu.Lock()
	b.inputs = result.Inputs
	b.mu.Unlock()
	return result.Changed || first || slices.ContainsFunc(files, b.isPacked), nil
}

// isPacked reports whether a file of the source is linked next to the bundle.
func (b *bundled) isPacked(file string) bool {
	inside, err := filepath.Rel(absolute(b.what.Folder), file)
	if err != nil || !filepath.IsLocal(inside) {
		return false
	}
	to, err := os.Readlink(filepath.Join(b.folder, inside))
	return err == nil && to == file
}

// goesOn is what a failure leaves running, as a clause.
func (f watchedFunction) goesOn() string {
	if !f.function.Started() {
		return ""
	}
	return "; the old one goes on"
}

// rebundle makes the bundle of a function anew, and reports whether the function has
// to be restarted for it.
func (w *watcher) rebundle(ctx context.Context, f watchedFunction, files []string) bool {
	changed, err := f.bundle.again(ctx, files)
	if err != nil && ctx.Err() == nil {
		w.c.Report.Problem(fmt.Sprintf("function %s cannot be bundled since %s changed%s: %v", f.name, shorten(files), f.goesOn(), err))
	}
	return changed
}
