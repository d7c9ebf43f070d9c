//go:build unix

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wirepost/wirepost/wireposttest"
)

// devProcess is a dev that can be killed, in a folder.
func devProcess(t *testing.T, dir string, env []string, args ...string) (r *running, cmd *exec.Cmd) {
	t.Helper()
	r = &running{output: &transcript{said: make(chan struct{}, 1)}}
	cmd = exec.CommandContext(t.Context(), "wirepost", append([]string{"dev", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = dir, r.output, r.output, time.Second
	cmd.Env = append(append(os.Environ(), "WIREPOST_STORE=", "WIREPOST_ENDPOINT="), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the dev said:\n%s", r.output)
		}
	})
	r.url = r.await(t, `^connect +(ws://\S+)$`)[1]
	return r, cmd
}

// awaits waits for something that is looked at again and again.
func awaits(t *testing.T, limit time.Duration, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %v for %s", limit, what)
		}
	}
}

func TestAThousandMessagesOutliveADevThatIsKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	env := []string{engineTools(t), onePython(t)}
	template := copied(t, "thousand", "template.yaml")
	dir := filepath.Dir(template)
	taken := func() map[string]int {
		text, _ := os.ReadFile(filepath.Join(dir, "taken"))
		all := map[string]int{}
		for _, body := range strings.Fields(string(text)) {
			all[body]++
		}
		return all
	}
	first, cmd := devProcess(t, dir, env, "--template", template, "--sqs", "local")
	queue := first.await(t, `^queue +(http://127\.0\.0\.1:\d+/000000000000/jobs)$`)[1]
	client, err := wireposttest.Dial(t.Context(), first.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Cut()
	expect(t, client, `{"action":"fill"}`, "^filled$")
	awaits(t, time.Minute, "the first 300 messages", func() bool { return len(taken()) >= 300 })
	cmd.Process.Kill()
	cmd.Wait()
	before := len(taken())
	if before >= 1000 {
		t.Fatalf("%d messages were taken before the kill", before)
	}

	again, cmd := devProcess(t, dir, env, "--template", template, "--sqs", "local")
	if now := again.await(t, `^queue +(http://\S+/jobs)$`)[1]; now != queue {
		t.Errorf("the queue is at %s, and was at %s", now, queue)
	}
	awaits(t, time.Minute, "all 1000 messages", func() bool { return len(taken()) == 1000 })
	all, twice := taken(), 0
	for _, n := range all {
		twice += n - 1
	}
	t.Logf("%d messages were taken before the kill, and %d came again after it", before, twice)
	// Only what was with the function may come again: 5 batches of 10.
	if twice > 50 {
		t.Errorf("%d messages came again", twice)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the second dev ended with %v", err)
	}
	if m := regexp.MustCompile(`(?m)^wirepost: error:.*`).FindString(again.output.String()); m != "" {
		t.Error(m)
	}
}
