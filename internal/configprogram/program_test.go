package configprogram

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ran runs a module whose program is the expression.
func ran(t *testing.T, before, expression string, o Options) (string, error) {
	t.Helper()
	needsNode(t)
	o.Folder, o.Env = t.TempDir(), append(os.Environ(), o.Env...)
	mark := NewMark()
	result, err := Run(t.Context(), []byte(before+"\nconst program = "+expression+";\n"+After(mark, "", nil)), mark, o)
	return string(result), err
}

func needsNode(t *testing.T) {
	t.Helper()
	if exec.Command("node", "--version").Run() != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs Node.js")
		}
		t.Skip("SKIPPED: needs Node.js")
	}
}

func TestTheResultIsWhatTheProgramExports(t *testing.T) {
	for _, c := range []struct{ name, before, expression, want string }{
		{"an object", "", "{ default: { a: 1 } }", `{"a":1}`},
		{"what CommonJS exports", "", "{ default: { default: { a: 1 } } }", `{"a":1}`},
		{"a promise", "", "{ default: Promise.resolve({ a: 1 }) }", `{"a":1}`},
		{"a function", "", "{ default: async () => ({ a: 1 }) }", `{"a":1}`},
		{"names", "", "{ a: 1 }", `{"a":1}`},
		{"other output", "console.log('{\"b\":2}'); process.stdout.write('no newline');", "{ a: 1 }", `{"a":1}`},
		{"something that goes on", "setInterval(() => {}, 1000);", "{ a: 1 }", `{"a":1}`},
		{"a large result", "", "{ a: 'x'.repeat(4 << 20) }", `{"a":"` + strings.Repeat("x", 4<<20) + `"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := ran(t, c.before, c.expression, Options{}); err != nil || got != c.want {
				t.Errorf("got %.200s, %v, want %.200s", got, err, c.want)
			}
		})
	}
}

func TestThePartOfAProgramIsWhatIsAtItsAddress(t *testing.T) {
	for _, c := range []struct{ name, expression, address, want string }{
		{"all of it, a number", "{ default: () => 7 }", "", `7`},
		{"a name", "{ default: { a: { b: 'c' } } }", "a.b", `"c"`},
		{"a function at a name", "{ default: { a: async ({ options }) => ({ stage: options.stage }) } }", "a", `{"stage":"prod"}`},
		{"a name in what a function makes", "{ default: async ({ options }) => ({ prod: 1, test: 2 })[options.stage] && { a: 3 } }", "a", `3`},
		{"nothing", "{ default: { a: 1 } }", "b.c", `null`},
		{"a name next to the default", "{ default: { default: { a: 1 }, b: 2 } }", "b", `2`},
	} {
		t.Run(c.name, func(t *testing.T) {
			needsNode(t)
			mark := NewMark()
			source := "const program = " + c.expression + ";\n" + After(mark, c.address, map[string]string{"stage": "prod"})
			got, err := Run(t.Context(), []byte(source), mark, Options{Folder: t.TempDir(), Env: os.Environ(), Part: true})
			if err != nil || string(got) != c.want {
				t.Errorf("got %s, %v, want %s", got, err, c.want)
			}
		})
	}
}

func TestAProgramThatGivesNoResultIsOneSentence(t *testing.T) {
	for _, c := range []struct{ name, before, expression, want string }{
		{"one that never ends", "await new Promise((then) => setInterval(then, 1e9));", "{}", "has not ended after 2s"},
		{"one that is busy", "for (;;);", "{}", "has not ended after 2s"},
		{"one that prints 100 MB", "import { execSync } from 'node:child_process'; execSync('head -c 100000000 /dev/zero', { stdio: 'inherit' });", "{}", "prints more than 8388608 bytes"},
		{"one that throws", "throw new Error('no stage');", "{}", "fails: Error: no stage"},
		{"one that is not JavaScript", "let = =;", "{}", "fails: SyntaxError: "},
		{"one that ends", "process.exit(0);", "{}", "ends before it has a result"},
		{"one that exports nothing", "", "{ default: undefined }", "exports nothing that describes an app"},
		{"one that exports a list", "", "{ default: [] }", "exports nothing that describes an app"},
		{"a circle", "const a = {}; a.a = a;", "{ default: a }", "fails: TypeError: Converting circular structure to JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			got, err := ran(t, c.before, c.expression, Options{Limit: 2 * time.Second})
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %.100s, %v, want %s", got, err, c.want)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestWhatAProgramHasStartedEndsWithIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	_, err := ran(t, "import { spawn } from 'node:child_process'; import { writeFileSync } from 'node:fs';\n"+
		"const child = spawn('sleep', ['600'], { stdio: 'inherit' }); writeFileSync("+quoted(file)+", String(child.pid));", "{ a: 1 }", Options{})
	if err != nil {
		t.Fatal(err)
	}
	pid, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		state, err := exec.CommandContext(t.Context(), "ps", "-o", "stat=", "-p", string(pid)).Output()
		if err != nil || strings.HasPrefix(strings.TrimSpace(string(state)), "Z") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %s is there still: %s", pid, state)
		}
	}
}

func TestARunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, nil, NewMark(), Options{Folder: t.TempDir()}); err == nil {
		t.Error("no error")
	}
}

func quoted(s string) string {
	q, _ := json.Marshal(s)
	return string(q)
}

// FuzzMarked: whatever a program prints, what is taken from it is JSON
// that stands between two marks.
func FuzzMarked(f *testing.F) {
	for _, s := range []string{"", "m", "m{}m", "noise\nm{\"a\":1}m\nmore", "m[]m", "m{m", "mm", "m{}mm{}m"} {
		f.Add([]byte(s), "m")
	}
	f.Fuzz(func(t *testing.T, output []byte, mark string) {
		if mark == "" {
			return
		}
		result, err := Marked(output, mark)
		if (result == nil) == (err == nil) {
			t.Fatalf("got %q with the error %v", result, err)
		}
		if err == nil && (!bytes.Contains(output, []byte(mark+string(result)+mark)) || !json.Valid(result)) {
			t.Errorf("got %q of %q", result, output)
		}
	})
}
