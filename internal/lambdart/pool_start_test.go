//go:build unix

package lambdart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// timers takes the delays of the back-off and lets the test decide when they end.
type timers struct {
	mu     sync.Mutex
	delays []time.Duration
	due    []func()
}

func (s *timers) after(d time.Duration, do func()) func() bool {
	if d == initLimit || d == endGrace || d == DefaultTimeout || d == returnTime || d == DefaultIdleEnd {
		return patient(d, do)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delays, s.due = append(s.delays, d), append(s.due, do)
	return func() bool { return true }
}

func (s *timers) pass() []time.Duration {
	s.mu.Lock()
	due, delays := s.due, s.delays
	s.due, s.delays = nil, nil
	s.mu.Unlock()
	for _, do := range due {
		do()
	}
	return delays
}

// breakable is a program that is this binary until there is a file of that name.
func breakable(t *testing.T, broken string) string {
	t.Helper()
	program := write(t, "#!/bin/sh\n[ -e "+broken+" ] && exit 9\nexec "+os.Args[0]+"\n", t.TempDir(), "function")
	if err := os.Chmod(program, 0o700); err != nil {
		t.Fatal(err)
	}
	return program
}

func TestWhileAnotherProcessLivesAFailedStartFailsNobody(t *testing.T) {
	noGoroutineStays(t)
	broken := filepath.Join(t.TempDir(), "broken")
	times, said := &timers{}, listen()
	f := begin(t, as(t, "hold", func(c *Config) {
		c.Source.Args = []string{breakable(t, broken)}
		c.Output, c.after = said, times.after
	}))
	h := hold(t, f, said)
	write(t, "", broken)
	answered := make(chan error, 1)
	go func() { _, err := f.Invoke(t.Context(), []byte("1")); answered <- err }()
	awaitThat(t, func() bool { return f.Stats().FailedStarts == 2 && f.Stats().Processes == 1 }, func() string { return fmt.Sprintf("%+v", f.Stats()) })
	h.release(t)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if s := f.Stats(); s.Failed != 0 || s.Invocations != 2 {
		t.Errorf("%+v", s)
	}
	// A restart that succeeds ends the back-off.
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	if err := f.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	a, b := hold(t, f, said), hold(t, f, said)
	a.release(t)
	b.release(t)
}

func TestAProcessThatEndsBetweenInvocationsIsReplaced(t *testing.T) {
	noGoroutineStays(t)
	var log bytes.Buffer // of one goroutine a process, one after the other
	f := begin(t, as(t, "once", func(c *Config) {
		c.Concurrency, c.Logger = 1, slog.New(slog.NewTextHandler(&log, nil))
	}))
	for range 3 {
		if answer, err := f.Invoke(t.Context(), []byte("1")); err != nil || string(answer) != "1" {
			t.Errorf("%q, %v", answer, err)
		}
	}
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if s := f.Stats(); s.Failed != 0 || s.FailedStarts != 0 || s.Starts < 3 {
		t.Errorf("%+v", s)
	}
	if said := log.String(); !strings.Contains(said, `msg="process ended by itself" function=once state="exit status 6"`) {
		t.Error(said)
	}
}

func TestAStartThatItsCallerGivesUpLeavesNothing(t *testing.T) {
	noGoroutineStays(t)
	f := begin(t, as(t, "hold", func(c *Config) { c.DebugPort, c.Output = 1, listen() }))
	h := hold(t, f, f.c.Output.(*lineWriter).to.(*listener))
	// The port is not free before the invocation has ended.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := f.Restart(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	old := h.release(t)
	pid := hold(t, f, f.c.Output.(*lineWriter).to.(*listener)).release(t)
	if pid == old {
		t.Error("the invocation after the restart had the old process")
	}
}

func TestStartsThatFailInARowAreSpread(t *testing.T) {
	noGoroutineStays(t)
	broken := filepath.Join(t.TempDir(), "broken")
	times := &timers{}
	f := begin(t, as(t, "echo", func(c *Config) {
		c.Source.Args = []string{breakable(t, broken)}
		c.Env = append(c.Env, actAs+"=tenth")
		c.after, c.Random = times.after, func() float64 { return 0.5 }
	}))
	for range 9 {
		if _, err := f.Invoke(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	write(t, "", broken)
	if _, err := f.Invoke(t.Context(), nil); err == nil {
		t.Fatal("the tenth did not crash")
	}
	// The one that was to replace it fails without anybody waiting; after that a start
	// needs somebody who waits.
	awaitThat(t, func() bool { return f.Stats().FailedStarts == 1 && f.Stats().Processes == 0 }, func() string { return fmt.Sprintf("%+v", f.Stats()) })
	var failed *StartError
	if _, err := f.Invoke(t.Context(), nil); !errors.As(err, &failed) || !strings.Contains(failed.Reason, "exit status 9") {
		t.Fatal(err)
	}
	if got := times.pass(); len(got) != 1 || got[0] != 100*time.Millisecond {
		t.Errorf("after two failures: %v", got)
	}
	if s := f.Stats(); s.Starts != 3 {
		t.Errorf("a start with nobody waiting: %+v", s)
	}
	if _, err := f.Invoke(t.Context(), nil); !errors.As(err, &failed) {
		t.Fatal(err)
	}
	// Now there is a back-off: who comes waits for its end, and is served after it.
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { _, err := f.Invoke(t.Context(), nil); ended <- err }()
	awaitThat(t, func() bool { return f.Stats().Waiting == 1 }, func() string { return "nobody waits" })
	if s := f.Stats(); s.Starts != 4 || s.Processes != 0 {
		t.Errorf("a start in the back-off: %+v", s)
	}
	if got := times.pass(); len(got) != 1 || got[0] != 200*time.Millisecond {
		t.Errorf("after three failures: %v", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAProcessThatEndsBeforeAnyInvocationIsAFailedStart(t *testing.T) {
	noGoroutineStays(t)
	times := &timers{}
	said := listen()
	f, err := Start(t.Context(), as(t, "takes", func(c *Config) { c.after, c.Output = times.after, said }))
	if err == nil {
		t.Cleanup(func() { f.Close(context.Background()) })
		awaitThat(t, func() bool { s := f.Stats(); return s.FailedStarts >= 1 && s.Processes == 0 }, func() string { return fmt.Sprintf("%+v", f.Stats()) })
		if s := f.Stats(); s.Starts > 2 {
			t.Errorf("it is started again and again: %+v", s)
		}
	} else if !strings.Contains(err.Error(), "while it waited for its first invocation") {
		t.Error(err)
	}
}

func TestTheBackOffDoublesUpToItsMost(t *testing.T) {
	most := func() float64 { return 0.999999 }
	for failures, want := range []time.Duration{0, 0, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond, 3200 * time.Millisecond, 6400 * time.Millisecond, 10 * time.Second, 10 * time.Second} {
		if got := backOff(failures, most); want-got > time.Millisecond || got > want {
			t.Errorf("after %d failures: %s, not %s", failures, got, want)
		}
	}
	for _, failures := range []int{2, 50, 1 << 40} {
		if got := backOff(failures, func() float64 { return 0 }); got != 0 {
			t.Errorf("after %d failures the least is %s", failures, got)
		}
		if got := backOff(failures, most); got > backOffMost {
			t.Errorf("after %d failures the most is %s", failures, got)
		}
	}
}
