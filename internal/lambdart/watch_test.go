package lambdart

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
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
		after, stop := watching(t, []string{dir, single, filepath.Join(dir, "absent")}, nil)
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
		stop()
	})
}

// watching watches paths in the bubble of a test. after makes a change and compares
// the number of times that Watch tells of something; the rest are the base names of
// what it tells of.
func watching(t *testing.T, paths []string, o *WatchOptions) (after func(what string, want int, change func(), files ...string), stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	calls, told := 0, []string{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Watch(ctx, paths, o, func(files []string) {
			mu.Lock()
			defer mu.Unlock()
			calls++
			for _, f := range files {
				told = append(told, filepath.Base(f))
			}
		})
	}()
	after = func(what string, want int, change func(), files ...string) {
		t.Helper()
		synctest.Wait() // also until the first look
		mu.Lock()
		calls, told = 0, nil
		mu.Unlock()
		change()
		time.Sleep(10 * DefaultWatchEvery) // of the bubble's clock
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if calls != want || len(files) > 0 && !slices.Equal(told, files) {
			t.Errorf("%s: told %d times of %q, not %d of %q", what, calls, told, want, files)
		}
	}
	return after, func() { cancel(); <-ended }
}

// A function that writes next to its code would restart itself for ever.
func TestWatchLeavesOutWhatTheFunctionWritesWhileItWorks(t *testing.T) {
	dir := t.TempDir()
	index := write(t, "1", dir, "index.mjs")
	write(t, "1", dir, "views", "page.html")
	named := write(t, "1", t.TempDir(), "program")
	var works atomic.Bool
	var own []string
	synctest.Test(t, func(t *testing.T) {
		after, stop := watching(t, []string{dir, named}, &WatchOptions{
			Worked: works.Load,
			Own:    func(file string) { own = append(own, filepath.Base(file)) },
		})
		after("a page while nothing works", 1, func() { write(t, "22", dir, "views", "page.html") }, "page.html")
		after("two pages", 1, func() { write(t, "1", dir, "a.html"); write(t, "333", dir, "views", "page.html") }, "a.html", "page.html")
		works.Store(true)
		after("the function's files while it works", 0, func() {
			write(t, "1", dir, "log.txt")
			time.Sleep(2 * DefaultWatchEvery)
			write(t, "22", dir, "log.txt")
			write(t, "1", dir, "state.json")
		})
		after("one of them goes", 0, func() { os.Remove(filepath.Join(dir, "state.json")) })
		after("source while it works", 1, func() { write(t, "22", dir, "index.mjs"); write(t, "333", dir, "log.txt") }, "index.mjs")
		after("a path while it works", 1, func() { write(t, "22", named) }, "program")
		after("source while it writes all the time", 1, func() {
			write(t, "4444", index)
			for i := range 30 {
				write(t, string(make([]byte, i)), dir, "log.txt")
				time.Sleep(DefaultWatchEvery / 2)
			}
		}, "index.mjs")
		works.Store(false)
		after("what was written right behind an answer", 0, func() { write(t, "x", dir, "log.txt") })
		after("a file of its own, by somebody else", 1, func() { write(t, "somebody", dir, "log.txt") }, "log.txt")
		stop()
	})
	if want := []string{"log.txt", "state.json"}; !slices.Equal(own, want) {
		t.Errorf("taken for the function's own: %q, not %q", own, want)
	}
}

func TestAFunctionHasWorkedIfItStartedOrWasInvokedSince(t *testing.T) {
	said := listen()
	f := begin(t, as(t, "hold", func(c *Config) { c.Output = said }))
	want := func(what string, want bool) {
		t.Helper()
		if got := f.Worked(); got != want {
			t.Errorf("%s: worked = %v, want %v", what, got, want)
		}
	}
	idle := func() {
		t.Helper()
		awaitThat(t, func() bool { return f.Stats().Idle == 1 }, func() string { return "the process is not idle" })
	}
	idle()
	want("it has started", true)
	want("nothing since", false)
	if _, err := f.Invoke(t.Context(), []byte(`1`)); err != nil {
		t.Fatal(err)
	}
	idle()
	want("it was invoked", true)
	want("nothing since", false)
	h := hold(t, f, said)
	want("it is being invoked", true)
	want("it still is", true)
	h.release(t)
	idle()
	want("nothing begun since, but it was busy when asked", false)
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

func TestWatchLooksAtThePathsThatThereAreByNow(t *testing.T) {
	dir := t.TempDir()
	one, two := write(t, "1", dir, "one.ts"), write(t, "1", dir, "two.ts")
	synctest.Test(t, func(t *testing.T) {
		var paths atomic.Pointer[[]string]
		paths.Store(&[]string{one})
		after, stop := watching(t, nil, &WatchOptions{Paths: func() []string { return *paths.Load() }})
		after("what is no path", 0, func() { write(t, "22", two) })
		after("a path that changes", 1, func() { write(t, "22", one) }, "one.ts")
		after("other paths", 1, func() { paths.Store(&[]string{two}) }, "one.ts", "two.ts")
		after("what is no path any more", 0, func() { write(t, "333", one) })
		after("the other path that changes", 1, func() { write(t, "333", two) }, "two.ts")
		stop()
	})
}
