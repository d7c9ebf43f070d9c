package engine

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// sleeper is a process whose command line has a word.
func sleeper(t *testing.T, word string) *exec.Cmd {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("skipped: Windows has no shell, and no ps")
	}
	c := exec.CommandContext(t.Context(), "sh", "-c", "read -r line; exit 3", word)
	if _, err := c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheNextStartEndsAnEngineThatIsStillThere(t *testing.T) {
	c := sleeper(t, "dynamodb-MARK")
	ended := make(chan struct{})
	go func() { defer close(ended); c.Wait() }()
	path := filepath.Join(t.TempDir(), "dynamodb.json")
	if err := (recorded{PID: c.Process.Pid, Mark: "dynamodb-MARK", Of: 1}).write(path); err != nil {
		t.Fatal(err)
	}
	var said []string
	if err := endRecorded(t.Context(), path, func(s string) { said = append(said, s) }); err != nil {
		t.Fatal(err)
	}
	<-ended
	if c.ProcessState.ExitCode() == 3 {
		t.Error("it ended by itself")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("its file is still there")
	}
	if len(said) != 1 || !strings.Contains(said[0], "was killed") {
		t.Errorf("said %q", said)
	}
}

func TestAProcessThatIsNotTheEngineIsLeftAlone(t *testing.T) {
	c := sleeper(t, "somebody's program")
	path := filepath.Join(t.TempDir(), "sqs.json")
	if err := (recorded{PID: c.Process.Pid, Mark: "sqs-MARK"}).write(path); err != nil {
		t.Fatal(err)
	}
	if err := endRecorded(t.Context(), path, func(s string) { t.Error(s) }); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(commandLine(c.Process.Pid), "somebody's program") {
		t.Error("it was ended")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is still there")
	}
}

func TestAFileThatIsOfNoEngineIsReplaced(t *testing.T) {
	for _, text := range []string{"", "{", `{"pid":1,"mark":"x"}`, `{"pid":-1,"mark":"x"}`, `{"pid":77}`, strings.Repeat("x", 2<<20)} {
		path := filepath.Join(t.TempDir(), "sqs.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := endRecorded(context.Background(), path, func(s string) { t.Error(s) }); err != nil {
			t.Errorf("%.20q: %v", text, err)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%.20q is still there", text)
		}
	}
}
