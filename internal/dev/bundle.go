package dev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

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

// bundle makes what a function of a template is bundled to, and changes its Config to
// run that: LAMBDA_TASK_ROOT is the folder of the bundle, and errors have the lines of
// the source. It gives nil for a function that runs as it is.
func (all *functions) bundle(ctx context.Context, logicalID string, b *app.Bundle, config *lambdart.Config) (*bundled, error) {
	if b == nil {
		return nil, nil
	}
	if all.c.Bundle == nil {
		return nil, errors.New("its code has to be bundled first, and nothing was given that does it")
	}
	made := &bundled{make: all.c.Bundle, what: b, folder: filepath.Join(config.Folder, "functions", config.Name, "bundle")}
	all.c.Report.Begins("bundling the function " + config.Name)
	result, err := made.make(ctx, b, made.folder)
	if err != nil {
		return nil, err
	}
	made.inputs = result.Inputs
	for _, note := range result.Notes {
		if logicalID != "" && strings.Contains(note, "the app's own build") {
			note += fmt.Sprintf(" and give %s of its output", app.Flag("--function", logicalID, "FOLDER"))
		}
		all.c.Report.Hint(fmt.Sprintf("function %s: %s", config.Name, note))
	}
	if config.Source, err = lambdart.ParseSource([]string{"node:" + made.folder}, b.Handler); err != nil {
		return nil, err
	}
	config.Env = withSourceMaps(config.Env)
	return made, nil
}

// withSourceMaps has Node.js read source maps, next to what it is told already.
func withSourceMaps(env Environment) Environment {
	return env.Set("NODE_OPTIONS", strings.TrimSpace(env.value("NODE_OPTIONS")+" --enable-source-maps"))
}

// typeScript is the bundle of a function that was named with a handler, or nil.
func typeScript(args []string, handler string) *app.Bundle {
	folder := "."
	if len(args) > 0 {
		folder = strings.TrimPrefix(args[0], "node:")
	}
	if handler == "" || len(args) > 1 {
		return nil
	}
	if folder == "" {
		folder = "."
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

// again makes the bundle anew if one of the files that have changed is of it. It
// reports whether the bundle is another than before.
func (b *bundled) again(ctx context.Context, files []string) (changed bool, err error) {
	isOfIt := func(file string) bool {
		_, found := slices.BinarySearch(b.inputs, file)
		return found
	}
	packed := len(b.what.Files) > 0
	if !b.failed && !packed && !slices.ContainsFunc(files, isOfIt) {
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
	return result.Changed, nil
}

// rebundle makes the bundle of a function anew, and reports whether the function has
// to be restarted for it.
func (w *watcher) rebundle(ctx context.Context, f watchedFunction, files []string) bool {
	changed, err := f.bundle.again(ctx, files)
	if err != nil && ctx.Err() == nil {
		w.c.Report.Problem(fmt.Sprintf("function %s cannot be bundled since %s changed; the old one goes on: %v", f.name, shorten(files), err))
	}
	return changed
}
