package lambdart

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func write(tb testing.TB, text string, path ...string) string {
	tb.Helper()
	name := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return name
}

func TestWatchTellsOfChangesOnceEachAndOfNothingElse(t *testing.T) {
	dir := t.TempDir()
	write(t, "1", dir, "index.mjs")
	write(t, "1", dir, "lib", "deep.mjs")
	single := write(t, "1", t.TempDir(), "bootstrap")
	linked := write(t, "1", t.TempDir(), "target")
	if err := os.Symlink(linked, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var calls atomic.Int32
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			Watch(ctx, []string{dir, single, filepath.Join(dir, "absent")}, 0, func() { calls.Add(1) })
		}()
		after := func(what string, want int, change func()) {
			t.Helper()
			calls.Store(0)
			change()
			time.Sleep(10 * DefaultWatchEvery) // of the bubble's clock
			synctest.Wait()
			if got := int(calls.Load()); got != want {
				t.Errorf("%s: told %d times, not %d", what, got, want)
			}
		}
		after("nothing", 0, func() {})
		after("a file has changed", 1, func() { write(t, "22", dir, "index.mjs") })
		after("a deep file has changed", 1, func() { write(t, "22", dir, "lib", "deep.mjs") })
		after("a new file", 1, func() { write(t, "", dir, "new.mjs") })
		after("a file has gone", 1, func() { os.Remove(filepath.Join(dir, "new.mjs")) })
		after("the single file has changed", 1, func() { write(t, "22", single) })
		after("a link's target has changed", 1, func() { write(t, "22", linked) })
		after("only the time has changed", 1, func() { os.Chtimes(single, time.Time{}, time.Unix(1, 0)) })
		after("a path that was not there has come", 1, func() { write(t, "", dir, "absent") })
		after("what is not watched", 0, func() {
			write(t, "", dir, "node_modules", "a", "index.js")
			write(t, "", dir, ".git", "index")
			write(t, "", dir, "lib", "__pycache__", "app.pyc")
			write(t, "", dir, ".wirepost", "store.db")
			write(t, "", dir, ".index.mjs.swp")
			write(t, "", dir, "index.mjs~")
		})
		after("a burst", 1, func() {
			for i := range 12 {
				write(t, string(make([]byte, i)), dir, "burst.mjs")
				time.Sleep(DefaultWatchEvery / 2)
			}
		})
		after("no rest", 2, func() {
			for i := range 2*restless + 6 {
				write(t, string(make([]byte, i+20)), dir, "burst.mjs")
				time.Sleep(DefaultWatchEvery / 2)
			}
		})
		cancel()
		<-ended
	})
}

func TestASourceSaysWhatToWatch(t *testing.T) {
	module := t.TempDir()
	write(t, "module m\n", module, "go.mod")
	write(t, "package main\n", module, "cmd", "fn", "main.go")
	script := write(t, "", module, "server.js")
	for _, c := range []struct {
		source Source
		want   []string
	}{
		{Source{Kind: Go, Args: []string{filepath.Join(module, "cmd", "fn"), "x"}}, []string{module}},
		{Source{Kind: Node, Dir: module, Handler: "index.handler"}, []string{module}},
		{Source{Kind: Program, Args: []string{"/usr/bin/node", "server.js", "--flag"}, Dir: module}, []string{"/usr/bin/node", script}},
	} {
		if got := c.source.WatchPaths(); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q, not %q", c.source, got, c.want)
		}
	}
}
