//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptTest is what a script tells its test, kept instead of told.
type scriptTest struct {
	log    strings.Builder
	failed bool
}

func (s *scriptTest) Skip(args ...any)  { runtime.Goexit() }
func (s *scriptTest) Fatal(args ...any) { s.Log(args...); s.FailNow() }
func (s *scriptTest) Log(args ...any)   { fmt.Fprintln(&s.log, args...) }
func (s *scriptTest) FailNow()          { s.failed = true; runtime.Goexit() }
func (s *scriptTest) Verbose() bool     { return false }
func (s *scriptTest) Parallel()         {}
func (s *scriptTest) Run(name string, f func(testscript.T)) {
	done := make(chan struct{})
	go func() { // ends with the script, which has a deadline
		defer close(done)
		f(s)
	}()
	<-done
}

func TestAScriptThatAwaitsAProgramThatHasEndedFailsAtOnceAndShowsWhatItPrinted(t *testing.T) {
	dir := t.TempDir()
	script := "! exec sh -c 'echo why it ended; exit 1' dev &dev&\nawait dev\n"
	if err := os.WriteFile(filepath.Join(dir, "ended.txtar"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &scriptTest{}
	start := time.Now()
	runScripts(s, dir, nil)
	if !s.failed || !strings.Contains(s.log.String(), "the program that was to make dev has ended") || !strings.Contains(s.log.String(), "why it ended") {
		t.Errorf("failed %v, and said:\n%s", s.failed, &s.log)
	}
	if took := time.Since(start); took >= awaitTime {
		t.Errorf("it took %v, as if the program were still running", took)
	}
}
