package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestDevTakesFlagsBehindItsFolder(t *testing.T) {
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	function := t.TempDir()
	write(t, filepath.Join(function, "h.js"), `exports.handler = async e => ({statusCode: 200, body: "got " + e.body});`)
	d := startDev(t, "--handler", "h.handler", function, "--stage", "later", "--route-response", "$default", "-verbose")
	if !strings.HasSuffix(d.url, "/later") {
		t.Errorf("the gateway is at %s", d.url)
	}
	c := d.dial(t)
	if err := c.Send("x"); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Receive(t.Context()); err != nil || got != "got x" {
		t.Errorf("the function answered %q, %v", got, err)
	}
}

// What is behind -- belongs to the program, whatever it looks like.
func TestAProgramGetsItsOwnArgumentsAsTheyAre(t *testing.T) {
	program, err := exec.LookPath("sh")
	needs(t, "sh", err == nil)
	t.Chdir(t.TempDir())
	got := filepath.Join(t.TempDir(), "got")
	want := []string{"--x", "-listen", "a b", "--", "-h", "--watch=false", ""}
	args := append([]string{"invoke", "--event", "connect", "--timeout", "1s", "--", program, "-c", `printf '%s\n' "$@" >` + got, "name"}, want...)
	if status, _, stderr := runCommand(t.Context(), args...); status != exitFailed { // it is no function
		t.Errorf("status %d, %s", status, stderr)
	}
	b, err := os.ReadFile(got)
	if lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n"); err != nil || !slices.Equal(lines, want) {
		t.Errorf("the program got %q, %v; want %q", lines, err, want)
	}
}

func TestWhatIsMistypedIsPrintedHarmless(t *testing.T) {
	t.Chdir(t.TempDir())
	flag := strings.ReplaceAll(hostile, "=", "") // a value is not shown of a flag that there is not
	for _, args := range [][]string{
		{hostile},
		{"help", hostile},
		{"help", "send", hostile},
		{"table", hostile},
		{"table", "check", hostile},
		{"dev", "--" + flag},
		{"dev", "-" + flag},
		{"send", "--timeout", hostile},
		{"dev", "--freeze=" + hostile},
		{"send", "---" + flag},
		{"init", "a", hostile},
		{"package", "a", hostile},
		{"list", hostile},
		{"doctor", "a", hostile},
		{"invoke", "--event", "connect", hostile, "--", "./bootstrap"},
	} {
		printed(t, args...)
	}
}
