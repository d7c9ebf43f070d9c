//go:build unix

package lambdart

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestTwoThousandInvocationsAtOnceShareTheProcesses(t *testing.T) {
	noGoroutineStays(t)
	f := begin(t, as(t, "pid", func(c *Config) { c.Concurrency = 4 }))
	const all = 2000
	pids := make(chan string, all)
	most, stop := make(chan int, 1), make(chan struct{})
	go func() {
		seen := 0
		for {
			select {
			case <-stop:
				most <- seen
				return
			default:
				seen = max(seen, f.Stats().Processes)
				runtime.Gosched()
			}
		}
	}()
	var wait sync.WaitGroup
	for range all {
		wait.Go(func() {
			answer, err := f.Invoke(t.Context(), []byte(`{}`))
			if err != nil {
				t.Error(err)
			}
			pids <- string(answer)
		})
	}
	wait.Wait()
	close(stop)
	different := map[string]int{}
	for range all {
		different[<-pids]++
	}
	if seen := <-most; seen > 4 || len(different) > 4 {
		t.Errorf("there were %d processes at once, %d in all; 4 are allowed", seen, len(different))
	}
	if s := f.Stats(); s.Invocations != all || s.Failed != 0 || s.Starts > 4 {
		t.Errorf("%+v", s)
	}
}

func TestWhoWaitsIsServedInTheOrderOfArrival(t *testing.T) {
	noGoroutineStays(t)
	said := listen()
	f := begin(t, as(t, "hold", func(c *Config) { c.Concurrency, c.Output = 1, said }))
	first := hold(t, f, said)
	order := make(chan int, 10)
	for i := range 10 {
		go func() {
			if _, err := f.Invoke(t.Context(), []byte("1")); err != nil {
				t.Error(err)
			}
			order <- i
		}()
		awaitThat(t, func() bool { return f.Stats().Waiting == i+1 }, func() string { return "it does not wait" })
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Invoke(ctx, nil); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "none of its 1 processes became free") {
		t.Error(err)
	}
	if s := f.Stats(); s.Waiting != 10 {
		t.Errorf("%+v", s)
	}
	first.release(t)
	for want := range 10 {
		if got := <-order; got != want {
			t.Errorf("%d was served in place of %d", got, want)
		}
	}
}

func TestAnInvocationRunsOnWhenNobodyWaitsForItsAnswer(t *testing.T) {
	said := listen()
	f := begin(t, as(t, "hold", func(c *Config) { c.Concurrency, c.Output = 1, said }))
	ctx, cancel := context.WithCancel(t.Context())
	file := filepath.Join(t.TempDir(), "release")
	ended := make(chan error, 1)
	go func() {
		_, err := f.Invoke(ctx, []byte(strconv.Quote(file)))
		ended <- err
	}()
	said.await(t, "holding "+file)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "has not been answered") {
		t.Error(err)
	}
	write(t, "", file)
	if answer, err := f.Invoke(t.Context(), []byte("2")); err != nil || string(answer) != "2" {
		t.Errorf("the next got %q, %v", answer, err)
	}
	if s := f.Stats(); s.Starts != 1 || s.Invocations != 2 {
		t.Errorf("%+v", s)
	}
}

func TestAProcessThatDoesNotComeBackIsNotWaitedFor(t *testing.T) {
	f := begin(t, as(t, "lingers", func(c *Config) { c.Concurrency, c.after = 3, nil }))
	for range 3 {
		if _, err := f.Invoke(t.Context(), []byte("1")); err != nil {
			t.Fatal(err)
		}
	}
	if s := f.Stats(); s.Starts != 3 {
		t.Errorf("%+v", s)
	}
}

func TestIdleProcessesEndButTheLast(t *testing.T) {
	noGoroutineStays(t)
	said := listen()
	f := begin(t, as(t, "hold", func(c *Config) { c.IdleEnd, c.Output = 100*time.Millisecond, said }))
	a, b, c := hold(t, f, said), hold(t, f, said), hold(t, f, said)
	if s := f.Stats(); s.Processes != 3 {
		t.Errorf("%+v", s)
	}
	different := map[string]bool{a.release(t): true, b.release(t): true, c.release(t): true}
	if len(different) != 3 {
		t.Error(different)
	}
	awaitThat(t, func() bool { s := f.Stats(); return s.Processes == 1 && s.Idle == 1 }, func() string { return fmt.Sprintf("%+v", f.Stats()) })
	if s := f.Stats(); s.Starts != 3 || s.FailedStarts != 0 {
		t.Errorf("%+v", s)
	}
}

func TestRestartLetsRunningInvocationsEndInTheirOwnProcess(t *testing.T) {
	noGoroutineStays(t)
	said := listen()
	f := begin(t, as(t, "hold", func(c *Config) { c.Concurrency, c.Output = 2, said }))
	a, b := hold(t, f, said), hold(t, f, said)
	if err := f.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := hold(t, f, said)
	if s := f.Stats(); s.Processes != 3 || s.Restarts != 1 {
		t.Errorf("%+v", s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := f.Restart(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "its old processes are still busy") {
		t.Errorf("a third generation: %v", err)
	}
	old := []string{a.release(t), b.release(t)}
	for _, pid := range old {
		awaitThat(t, func() bool { return !alive(t, pid) }, func() string { return "the old process " + pid + " is still there" })
	}
	if got := c.release(t); got == old[0] || got == old[1] || !alive(t, got) {
		t.Errorf("the new invocation had process %s, the old ones %s", got, old)
	}
	if answer, err := f.Invoke(t.Context(), []byte("1")); err != nil || string(answer) != "1" {
		t.Errorf("%q, %v", answer, err)
	}
}

func TestRestartsWhileInvocationsRunLoseNone(t *testing.T) {
	noGoroutineStays(t)
	f := begin(t, as(t, "echo", func(c *Config) { c.Concurrency = 2 }))
	ctx, stop := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for ctx.Err() == nil {
				if answer, err := f.Invoke(t.Context(), []byte("1")); err != nil || string(answer) != "1" {
					t.Errorf("%q, %v", answer, err)
					return
				}
			}
		})
	}
	for range 5 {
		if err := f.Restart(t.Context()); err != nil {
			t.Error(err)
		}
	}
	stop()
	wait.Wait()
	if s := f.Stats(); s.Restarts != 5 || s.Failed != 0 || s.FailedStarts != 0 {
		t.Errorf("%+v", s)
	}
}

func TestCloseEndsWhatRunsAndWaits(t *testing.T) {
	noGoroutineStays(t)
	said := listen()
	f := begin(t, as(t, "hold", func(c *Config) { c.Concurrency, c.Output = 1, said }))
	h := hold(t, f, said)
	waits := make(chan error, 1)
	go func() { _, err := f.Invoke(t.Context(), nil); waits <- err }()
	awaitThat(t, func() bool { return f.Stats().Waiting == 1 }, func() string { return "nobody waits" })
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if got := <-h.ended; got != ErrClosed.Error() {
		t.Errorf("the one that ran got %s", got)
	}
	if err := <-waits; err != ErrClosed {
		t.Errorf("the one that waited got %v", err)
	}
	if _, err := f.Invoke(t.Context(), nil); err != ErrClosed {
		t.Error(err)
	}
	if err := f.Restart(t.Context()); err != ErrClosed {
		t.Error(err)
	}
}

// alive tells whether there is a process of that ID that has not ended.
func alive(tb testing.TB, pid string) bool {
	tb.Helper()
	id, err := strconv.Atoi(pid)
	if err != nil {
		tb.Fatal(err)
	}
	if stat, err := os.ReadFile("/proc/" + pid + "/stat"); err == nil && strings.Contains(string(stat), ") Z ") {
		return false // the one that adopts orphans here does not look after them
	}
	return syscall.Kill(id, 0) == nil
}

func TestWhatAProcessHasStartedEndsWithIt(t *testing.T) {
	f := begin(t, as(t, "children"))
	answer, err := f.Invoke(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	child := string(answer)
	if !alive(t, child) {
		t.Fatal("there is no child")
	}
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitThat(t, func() bool { return !alive(t, child) }, func() string { return "the child's child is still there" })
}

func TestAFrozenProcessStandsStillBetweenInvocations(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("skipped: it looks into /proc")
	}
	noGoroutineStays(t)
	f := begin(t, as(t, "pid", func(c *Config) { c.Freeze = true }))
	pid := ""
	for range 3 {
		answer, err := f.Invoke(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		pid = string(answer)
		state := ""
		awaitThat(t, func() bool {
			stat, err := os.ReadFile("/proc/" + pid + "/stat")
			if err != nil {
				t.Fatal(err)
			}
			_, after, _ := strings.Cut(string(stat), ") ")
			state = after[:1]
			return state == "T"
		}, func() string { return "its state is " + state })
	}
	// SIGTERM reaches it too.
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := f.Stats(); s.Starts != 1 {
		t.Errorf("%+v", s)
	}
}

func TestAProcessThatDoesNotHeedSIGTERMIsKilled(t *testing.T) {
	noGoroutineStays(t)
	quick := func(d time.Duration, do func()) func() bool {
		if d == endGrace {
			d = 20 * time.Millisecond
		}
		return patient(d, do)
	}
	for name, c := range map[string]struct {
		after func(time.Duration, func()) func() bool
		ctx   func() (context.Context, context.CancelFunc)
	}{
		"after the grace": {quick, func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) }},
		"with the context": {func(d time.Duration, do func()) func() bool {
			if d == endGrace {
				return func() bool { return true }
			}
			return patient(d, do)
		}, func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), 20*time.Millisecond)
		}},
	} {
		f := begin(t, as(t, "stubborn", func(config *Config) { config.after = c.after }))
		pid, err := f.Invoke(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := c.ctx()
		if err := f.Close(ctx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
		if alive(t, string(pid)) {
			t.Errorf("%s: it is still there", name)
		}
	}
}

func TestAFrozenProcessEndsWhenThisOneIsKilled(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("skipped: only Linux ends the children of a process that was killed")
	}
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), actAs+"=owner")
	if _, err := c.StdinPipe(); err != nil { // it ends with this, in any case
		t.Fatal(err)
	}
	said := listen()
	c.Stdout = said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	said.await(t, "frozen\n")
	pid, _, _ := strings.Cut(said.String(), " ")
	if !alive(t, pid) {
		t.Error("the process has ended before")
	}
	if err := c.Process.Kill(); err != nil {
		t.Error(err)
	}
	c.Wait() // it was killed, which Wait calls an error
	awaitThat(t, func() bool { return !alive(t, pid) }, func() string { return "the process is still there" })
}
