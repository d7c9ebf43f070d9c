//go:build unix

package terminal

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// shell returns the path of a shell. Without the shell it skips the test, or fails it in
// CI.
func shell(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed (with CI=true nothing is skipped)", name)
		}
		t.Skipf("skipped: %s is not installed", name)
	}
	return path
}

// words returns arguments with every byte but NUL: alone, between others and at random.
func words() (all []string) {
	all = []string{"", "-", "--", "-n", "=ls", "~", "~root", "a b", "it's", `a\`, `\'`, "$HOME", "$(echo no)", "`echo no`", "!!", "it's !!", "\x03echo no", "a\nb", "a\\\nb",
		"{a,b}", "*", "[a-z]", "a;b", "a&b", "a|b", "#a", "<a", ">a", "\u202eab", "é", "\xff\xfe", "\x7f", "\x1b[2J", `"`, `$'a'`, "sqlite:a b?c=d&e", "\x01f", "'f"}
	for c := byte(1); c != 0; c++ {
		all = append(all, string([]byte{c}), "a"+string([]byte{c})+"b", "0"+string([]byte{c, c})+"0")
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		b := make([]byte, random.IntN(12))
		for i := range b {
			b[i] = byte(1 + random.IntN(255))
			if random.IntN(2) == 0 {
				b[i] = "!'\"\\$`()a0 \n\x03-"[random.IntN(14)]
			}
		}
		all = append(all, string(b))
	}
	return all
}

func TestAShellMakesTheArgumentOfAWordAgain(t *testing.T) {
	bash := shell(t, "bash")
	all := words()
	for _, arg := range all {
		if word := Word(arg); strings.Trim(word, asciiShown) != "" {
			t.Fatalf("Word(%q) = %q has what cannot be seen", arg, word)
		}
	}
	for name, args := range map[string][]string{
		"a script":             {"--norc", "--noprofile"},
		"an interactive shell": {"--norc", "--noprofile", "-i", "-o", "histexpand"},
	} {
		var script strings.Builder
		script.WriteString("set -o history\n")
		for some := range slices.Chunk(all, 50) {
			script.WriteString("env printf '%s\\0'")
			for _, arg := range some {
				script.WriteString(" " + Word(arg))
			}
			script.WriteString("\n")
		}
		for _, locale := range []string{"C", "C.UTF-8"} {
			c := exec.CommandContext(t.Context(), bash, args...)
			c.Env = []string{"PATH=" + os.Getenv("PATH"), "HISTFILE=", "PS1=", "LC_ALL=" + locale}
			c.Stdin = strings.NewReader(script.String())
			out, err := c.Output()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
			if len(got) != len(all) {
				t.Fatalf("%s: %d arguments came, of %d", name, len(got), len(all))
			}
			for i, want := range all {
				if got[i] != want {
					t.Errorf("%s: %s gives %q, want %q", name, Word(want), got[i], want)
				}
			}
		}
	}
}

var asciiShown = func() string {
	var b strings.Builder
	for c := byte(' '); c <= '~'; c++ {
		b.WriteByte(c)
	}
	return b.String()
}()

// dash does not have $'…', but all other words.
func TestAPlainShellMakesTheArgumentOfAWordThatCanBeSeen(t *testing.T) {
	sh := shell(t, "sh")
	script, all := "env printf '%s\\0'", []string{}
	for _, arg := range words() {
		if word := Word(arg); !strings.HasPrefix(word, "$'") {
			all = append(all, arg)
			script += " " + word
		}
	}
	c := exec.CommandContext(t.Context(), sh)
	c.Stdin = strings.NewReader(script + "\n")
	out, err := c.Output()
	if err != nil || strings.Join(all, "\x00")+"\x00" != string(out) {
		t.Errorf("%d arguments: %v, and not what went in", len(all), err)
	}
}
