package dynamolocal

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// shell is a server that is a script, with its port as $1 and its folder as $2.
func shell(t *testing.T, script string, started func(port int, folder string)) func() (command, error) {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("skipped: there is no POSIX shell here")
	}
	return func() (command, error) {
		return func(port int, folder string) ([]string, error) {
			started(port, folder)
			return []string{"sh", "-c", script, "server", strconv.Itoa(port), folder}, nil
		}, nil
	}
}

func TestAServerWhosePortIsTakenIsStartedOnAnother(t *testing.T) {
	var folders []string
	_, err := start("a server", shell(t, "echo bind: Address already in use >&2; exit 3", func(_ int, folder string) {
		folders = append(folders, folder)
	}))
	if len(folders) != 3 {
		t.Errorf("it was started %d times, not 3", len(folders))
	}
	if want := "start a server: it ended before it answered (exit status 3); it said:\nbind: Address already in use"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("start returned %v, without %q", err, want)
	}
	for _, f := range folders {
		if _, err := os.Stat(f); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the folder of a server that has ended is still there: %v", err)
		}
	}
}

func TestAServerThatEndsForAnotherReasonIsNotStartedAgain(t *testing.T) {
	n := 0
	_, err := start("a server", shell(t, "echo no such option; exit 64", func(int, string) { n++ }))
	if n != 1 || err == nil || !strings.Contains(err.Error(), "no such option") {
		t.Errorf("it was started %d times and start returned %v", n, err)
	}
}

func TestOnlyTheEndOfWhatAServerSaysIsKept(t *testing.T) {
	var said tail
	for range 3 {
		said.Write([]byte(strings.Repeat("a", tailLimit-1)))
	}
	said.Write([]byte("the end"))
	if got := said.String(); len(got) != tailLimit || !strings.HasSuffix(got, "aathe end") {
		t.Errorf("%d bytes are kept, ending in %q", len(got), got[max(0, len(got)-10):])
	}
}
