package lambdart

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// DefaultWatchEvery is how often Watch looks.
	DefaultWatchEvery = 500 * time.Millisecond
	// restless is after how many looks in a row that each saw a change Watch tells
	// of it all the same.
	restless = 20
)

// notWatched are folders that hold nothing of the source: what tools and running
// functions write there would restart a function for ever.
var notWatched = []string{".git", ".wirepost", ".venv", ".aws-sam", "node_modules", "__pycache__"}

// sourceFiles are the ends of names of files that only people and tools write.
var sourceFiles = []string{".go", ".mod", ".sum", ".js", ".mjs", ".cjs", ".py", ".ts", ".mts", ".cts", ".tsx", ".jsx"}

// WatchOptions says more about what Watch does. Nil means the defaults.
type WatchOptions struct {
	// Every is how often Watch looks. Zero means DefaultWatchEvery.
	Every time.Duration

	// Paths, if not nil, is asked before each look, and its answer is looked at in the
	// place of the paths. Files of a path that is new have come, and those of one that
	// is left out have gone.
	Paths func() []string

	// Worked reports whether the function may have written files since the last call;
	// see [Function.Worked]. Nil means never.
	Worked func() bool

	// Own gets the path of a file that the function itself seems to have written, once
	// each. Nil means nobody.
	Own func(file string)
}

// Watch calls changed when a file at or below one of the paths has another size or
// modification time than before, or has come or gone, with the paths of all such
// files, sorted. Several changes shortly after each other are one: it waits until a
// look sees no more of them. Not watched are folders .git, .wirepost, .venv,
// .aws-sam, node_modules and __pycache__, and what editors keep next to a file, unless
// a path names them itself. A path that is not there may come.
//
// A file that changes while the function works is taken for one that it writes
// itself, and does not count, unless its name ends in .go, .mod, .sum, .js, .mjs,
// .cjs, .py, .ts, .mts, .cts, .tsx or .jsx or it is one of the paths.
//
// It returns when ctx has ended, and calls changed and Own from its own goroutine:
// what changes meanwhile is seen afterwards.
func Watch(ctx context.Context, paths []string, o *WatchOptions, changed func(files []string)) {
	w := watcher{paths: paths, owned: map[string]bool{}}
	if o != nil {
		w.WatchOptions = *o
	}
	w.told = w.stamps()
	if w.Every <= 0 {
		w.Every = DefaultWatchEvery
	}
	w.seen = maps.Clone(w.told)
	tick := time.NewTicker(w.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if files := w.look(); len(files) > 0 && ctx.Err() == nil {
			changed(files)
		}
	}
}

// stamp tells one state of a file from another.
type stamp struct {
	changed int64 // nanoseconds
	size    int64
}

// watcher is what Watch knows. The maps have a stamp for each path that is there.
type watcher struct {
	WatchOptions
	paths      []string
	told, seen map[string]stamp // what changed was last called for, and the last look
	looks      int              // in a row that each saw a change
	worked     bool             // at the last look
	owned      map[string]bool  // files that Own was called for
}

// look returns the files to tell of now.
func (w *watcher) look() []string {
	now := w.stamps()
	// Asked after the look, so that the writer of what it saw has begun; and what
	// was written right behind an answer is seen by the look that follows.
	worked := w.Worked != nil && w.Worked()
	recently := worked || w.worked
	w.worked = worked
	still := true
	for _, file := range differ(w.seen, now) {
		if !recently || w.isSource(file) {
			still = false
			continue
		}
		if !w.owned[file] && w.Own != nil {
			w.owned[file] = true
			w.Own(file)
		}
		if s, ok := now[file]; ok {
			w.told[file] = s
		} else {
			delete(w.told, file)
		}
	}
	w.seen = now
	if !still && w.looks < restless {
		w.looks++
		return nil
	}
	w.looks = 0
	files := differ(w.told, now)
	if len(files) > 0 {
		w.told = maps.Clone(now) // which later looks write to
	}
	return files
}

// stamps looks at all files.
func (w *watcher) stamps() map[string]stamp {
	if w.Paths != nil {
		w.paths = w.Paths()
	}
	return stampsOf(w.paths)
}

func (w *watcher) isSource(file string) bool {
	return slices.Contains(w.paths, file) || slices.ContainsFunc(sourceFiles, func(end string) bool { return strings.HasSuffix(file, end) })
}

// differ is the paths that have come, gone, or changed, sorted.
func differ(before, after map[string]stamp) (files []string) {
	for file, s := range after {
		if was, ok := before[file]; !ok || was != s {
			files = append(files, file)
		}
	}
	for file := range before {
		if _, ok := after[file]; !ok {
			files = append(files, file)
		}
	}
	slices.Sort(files)
	return files
}

// stampsOf looks at all files at or below the paths.
func stampsOf(paths []string) map[string]stamp {
	all := map[string]stamp{}
	for _, root := range paths {
		walked := root
		if target, err := filepath.EvalSymlinks(root); err == nil {
			walked = target
		}
		_ = filepath.WalkDir(walked, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil // it has gone, or may not be read: then it does not change
			}
			if d.IsDir() {
				if path != walked && slices.Contains(notWatched, d.Name()) {
					return fs.SkipDir
				}
				return nil
			}
			if path != walked && ofEditor(d.Name()) {
				return nil
			}
			info, err := os.Stat(path) // a link's target is what runs
			if err != nil {
				return nil
			}
			all[root+strings.TrimPrefix(path, walked)] = stamp{info.ModTime().UnixNano(), info.Size()}
			return nil
		})
	}
	return all
}

// ofEditor tells what editors keep next to a file while it is open.
func ofEditor(name string) bool {
	return strings.HasSuffix(name, "~") || strings.HasSuffix(name, ".swp") || strings.HasSuffix(name, ".swx") || strings.HasPrefix(name, ".#") || name == "4913" || name == ".DS_Store"
}

// WatchPaths is what Watch has to look at to know that the source has changed: the
// program's file, the module of a Go package, the folder of a handler.
func (s Source) WatchPaths() []string {
	switch {
	case len(s.Args) == 0:
		return []string{s.Dir}
	case s.Kind == Go:
		for folder := s.Args[0]; ; folder = filepath.Dir(folder) {
			if isFile(filepath.Join(folder, "go.mod")) {
				return []string{folder}
			}
			if folder == filepath.Dir(folder) {
				return s.Args[:1]
			}
		}
	}
	// An interpreter does not change, the script that it was given may.
	paths := []string{s.Args[0]}
	for _, arg := range s.Args[1:] {
		if path := filepath.Join(s.Dir, arg); !filepath.IsAbs(arg) && isFile(path) {
			paths = append(paths, path)
		} else if filepath.IsAbs(arg) && isFile(arg) {
			paths = append(paths, arg)
		}
	}
	return paths
}

// Worked reports whether the function has started or handled an invocation at any
// time since it was last asked: then it may have written files. It is for one caller.
func (f *Function) Worked() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	begun := f.stats.Starts + f.stats.Invocations
	worked := begun != f.begunBefore || len(f.idle) < len(f.processes)
	f.begunBefore = begun
	return worked
}
