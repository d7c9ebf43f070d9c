package lambdart

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"io/fs"
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

// Watch calls changed when a file at or below one of the paths has another size or
// modification time than before, or has come or gone, and looks every so often for
// that; zero means DefaultWatchEvery. Several changes shortly after each other are
// one: it waits until a look sees no more of them. Not watched are folders .git,
// .wirepost, .venv, .aws-sam, node_modules and __pycache__, and what editors keep
// beside a file, unless a path names them itself. A path that is not there may come.
//
// It returns when ctx has ended, and calls changed from its own goroutine: what
// changes meanwhile is seen afterwards.
func Watch(ctx context.Context, paths []string, every time.Duration, changed func()) {
	if every <= 0 {
		every = DefaultWatchEvery
	}
	seed := maphash.MakeSeed()
	told := fingerprint(seed, paths)
	seen, looks := told, 0
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := fingerprint(seed, paths)
		still := now == seen
		seen = now
		switch {
		case still && now == told:
			looks = 0
			continue
		case !still && looks < restless:
			looks++
			continue
		}
		if ctx.Err() != nil {
			return
		}
		told, looks = now, 0
		changed()
	}
}

// fingerprint is a number that is another one when a file is.
func fingerprint(seed maphash.Seed, paths []string) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, root := range paths {
		if target, err := filepath.EvalSymlinks(root); err == nil {
			root = target
		}
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil // it has gone, or may not be read: then it does not change
			}
			if d.IsDir() {
				if path != root && slices.Contains(notWatched, d.Name()) {
					return fs.SkipDir
				}
				return nil
			}
			if path != root && ofEditor(d.Name()) {
				return nil
			}
			info, err := os.Stat(path) // a link's target is what runs
			if err != nil {
				return nil
			}
			_, _ = h.WriteString(path)
			var numbers [17]byte // the first byte is 0, which is in no path
			binary.LittleEndian.PutUint64(numbers[1:], uint64(info.ModTime().UnixNano()))
			binary.LittleEndian.PutUint64(numbers[9:], uint64(info.Size()))
			_, _ = h.Write(numbers[:])
			return nil
		})
	}
	return h.Sum64()
}

// ofEditor tells what editors keep beside a file while it is open.
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
