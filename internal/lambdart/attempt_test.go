//go:build unix

package lambdart

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func TestAFunctionThatDoesNotStartIsTriedAgainByLaterInvocations(t *testing.T) {
	noGoroutineStays(t)
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := as(t, "echo", func(c *Config) { c.Random = func() float64 { return 0 } })
	c.Source.Args = []string{breakable(t, broken)}
	f, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(t.Context()) })
	var failed *StartError
	if err := f.Restart(t.Context()); !errors.As(err, &failed) || f.Started() {
		t.Fatalf("the first start ends with %v", err)
	}
	for range 2 {
		if _, err := f.Invoke(t.Context(), []byte("x")); !errors.As(err, &failed) {
			t.Errorf("an invocation ends with %v, want the error of the start", err)
		}
	}
	if n := f.Stats().Starts; n != 3 {
		t.Errorf("it was started %d times, want once more for each invocation", n)
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	if answer, err := f.Invoke(t.Context(), []byte("x")); err != nil || string(answer) != "x" || !f.Started() {
		t.Errorf("when nothing is wrong any more an invocation gets %q, %v", answer, err)
	}
}

func TestInvocationsOfAFunctionThatDoesNotStartShareTheirAttempts(t *testing.T) {
	noGoroutineStays(t)
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := as(t, "echo", func(c *Config) { c.Random = func() float64 { return 1 } })
	c.Source.Args = []string{breakable(t, broken)}
	f, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(t.Context()) })
	for f.first.inARow < 12 { // the back-off is at its most
		f.first.next = time.Time{}
		if err := f.Restart(t.Context()); err == nil {
			t.Fatal("it started")
		}
	}
	if left := time.Until(f.first.next); left < backOffMost/2 || left > backOffMost {
		t.Errorf("the next attempt is allowed in %v, want about %v", left, backOffMost)
	}
	before := f.Stats().Starts
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if _, err := f.Invoke(t.Context(), []byte("x")); err == nil {
				t.Error("it started")
			}
		})
	}
	all.Wait()
	if n := f.Stats().Starts - before; n != 0 {
		t.Errorf("100 invocations during the back-off made %d starts", n)
	}
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := f.Invoke(t.Context(), []byte("x")); err != ErrClosed {
		t.Errorf("after Close an invocation ends with %v", err)
	}
}

func TestCloseEndsAStartThatAnInvocationWaitsFor(t *testing.T) {
	noGoroutineStays(t)
	said := listen()
	hang := filepath.Join(t.TempDir(), "hang")
	if err := os.WriteFile(hang, []byte("#!/bin/sh\necho here\nexec sleep 600\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := as(t, "echo", func(c *Config) { c.Output = said })
	c.Source.Args = []string{hang}
	f, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := f.Invoke(t.Context(), []byte("x"))
		ended <- err
	}()
	said.await(t, "here")
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		if err != ErrClosed {
			t.Errorf("the invocation ends with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the invocation does not end")
	}
}
