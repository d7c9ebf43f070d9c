package inspector_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// terminal opens a pseudo-terminal. A shell takes text that is written to it for typed.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	var number, unlock int32
	for request, value := range map[uintptr]*int32{syscall.TIOCGPTN: &number, syscall.TIOCSPTLCK: &unlock} {
		if _, _, err := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(unsafe.Pointer(value))); err != 0 {
			t.Fatal(err)
		}
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// prompt tells that the shell waits for the next command.
const prompt = "(next)"

// paste writes commands to a shell in a terminal, one at each prompt, and returns when
// the shell has ended.
func paste(t *testing.T, dir, locale string, commands []string) {
	t.Helper()
	master, slave := terminal(t)
	c := exec.CommandContext(t.Context(), "bash", "--norc", "--noprofile", "-i")
	c.Dir, c.Stdin, c.Stdout, c.Stderr = dir, slave, slave, slave
	c.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "LC_ALL=" + locale, "PS1=" + prompt, "PS2=(more)", "HISTFILE=", "TERM=xterm"}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	late := time.AfterFunc(time.Minute, func() { c.Process.Kill() })
	defer late.Stop()
	var screen bytes.Buffer
	b := make([]byte, 4096)
	for _, command := range append(slices.Clone(commands), "exit") {
		for {
			if at := bytes.LastIndex(screen.Bytes(), []byte(prompt)); at >= 0 {
				screen.Reset()
				break
			}
			n, err := master.Read(b)
			screen.Write(b[:n])
			if err != nil {
				t.Errorf("the shell ended before %q: %v: %q", command, err, screen.String())
				return
			}
		}
		if _, err := io.WriteString(master, command+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.Copy(io.Discard, master); err != nil && !errors.Is(err, syscall.EIO) { // the end of a terminal
		t.Error(err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

func TestACopiedCommandThatIsPastedRunsNothingElse(t *testing.T) {
	needs(t, "bash")
	var texts []string
	for _, text := range hostile() {
		if len([]rune(text)) != 3 || text[0] != 'a' && text[0] != '0' { // one of three is enough
			texts = append(texts, text)
		}
	}
	dir, file := recording(t, "npx", "wirepost")
	commands := slices.Concat(copied(t, asURL, texts), copied(t, `wirepostSend("everyone", text)`, texts))
	var want [][]string
	for _, text := range texts {
		want = append(want, asWscat(text))
	}
	for _, text := range texts {
		want = append(want, asSend("everyone", text))
	}
	for _, locale := range []string{"C", "C.UTF-8"} {
		os.Remove(file)
		paste(t, dir, locale, commands)
		got := recorded(t, file)
		for i := range min(len(got), len(want)) {
			if !slices.Equal(got[i], want[i]) {
				t.Fatalf("in the locale %s, pasting %s called %q, want %q", locale, commands[i], got[i], want[i])
			}
		}
		if len(got) != len(want) {
			t.Errorf("in the locale %s, %d calls came of %d", locale, len(got), len(want))
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range left {
		if !slices.Contains([]string{"npx", "wirepost"}, f.Name()) {
			t.Errorf("a message made the file %s", filepath.Base(f.Name()))
		}
	}
	if strings.Contains(strings.Join(commands, ""), "\x03") {
		t.Error("a command has a raw \\x03")
	}
}
