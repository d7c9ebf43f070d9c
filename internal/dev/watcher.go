package dev

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/wirepost/wirepost/internal/lambdart"
)

// watcher is the part that restarts functions whose files change, if anybody wants
// that.
type watcher struct {
	c         *Config
	functions *functions

	cancel  context.CancelFunc
	mu      sync.Mutex // held by one that begins to watch, and at the end
	running sync.WaitGroup
}

func (w *watcher) start(ctx context.Context) error {
	ctx, w.cancel = context.WithCancel(ctx)
	if w.c.Processes.Watch {
		w.functions.watchWith(func(f watchedFunction) { w.watch(ctx, f) })
	}
	return nil
}

func (w *watcher) stop(context.Context) error {
	w.mu.Lock()
	w.cancel()
	w.mu.Unlock()
	w.running.Wait() // a build that runs is killed
	return nil
}

// watch restarts a function when one of its files changes, until ctx ends. A build
// that fails leaves the old process, and the sockets stay open in any case.
func (w *watcher) watch(ctx context.Context, f watchedFunction) {
	assembled := w.functions.assembledOf(f.name)
	o := &lambdart.WatchOptions{Worked: f.function.Worked, Own: func(file string) {
		w.c.Report.Hint(fmt.Sprintf("function %s is not restarted for %s, which changed while it worked; on Lambda a function can write to /tmp only", f.name, shorten([]string{file})))
	}}
	o.Paths = func() (paths []string) {
		switch {
		case f.bundle != nil:
			paths = f.bundle.paths()
		case assembled == nil || assembled.archive == "": // else the files are unpacked ones
			paths = slices.Clone(f.paths)
		}
		if assembled != nil {
			paths = append(paths, assembled.paths()...)
		}
		return paths
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() != nil {
		return // the watcher may have ended
	}
	w.running.Go(func() { // ends with ctx
		lambdart.Watch(ctx, nil, o, func(files []string) {
			if w.renew(ctx, f, assembled, files) {
				w.restart(ctx, f, files)
			}
		})
	})
}

// renew makes anew what a function is started from, and reports whether it has to be
// restarted.
func (w *watcher) renew(ctx context.Context, f watchedFunction, a *assembled, files []string) bool {
	changed := false
	if a != nil {
		var err error
		if changed, err = a.again(f.function, files); err != nil {
			w.c.Report.Problem(fmt.Sprintf("function %s cannot be started since %s changed%s: %v", f.name, shorten(files), f.goesOn(), err))
			return false
		}
	}
	if f.bundle == nil {
		return true
	}
	return w.rebundle(ctx, f, files) || changed && !f.bundle.failed
}

func (w *watcher) restart(ctx context.Context, f watchedFunction, files []string) {
	what, started := shorten(files), f.function.Started()
	err := f.function.Restart(ctx)
	switch {
	case ctx.Err() != nil: // the dev ends
	case err != nil && !started:
		w.c.Report.Problem(fmt.Sprintf("%s changed, and still %v", what, err))
	case !started:
		w.c.Report.Hint(fmt.Sprintf("function %s runs, now that %s has changed", f.name, what))
	case err != nil:
		w.c.Report.Problem(fmt.Sprintf("function %s cannot be started since %s changed%s: %v", f.name, what, f.goesOn(), err))
	default:
		w.c.Logger.Info("function restarted", "function", f.name, "files", files)
		w.c.Report.Hint(fmt.Sprintf("function %s was restarted, because %s changed", f.name, what))
	}
}

// shorten names the first of some files, as somebody in this folder would.
func shorten(files []string) string {
	name := files[0]
	if here, err := os.Getwd(); err == nil {
		if inside, err := filepath.Rel(here, name); err == nil && filepath.IsLocal(inside) {
			name = inside
		}
	}
	if more := len(files) - 1; more > 0 {
		return fmt.Sprintf("%s (and %d more)", name, more)
	}
	return name
}
